//! What dpkg-query(1) shows of packages: `--list`, `--show` with its formats, and files of control data.

use super::fault::{Fault, Result};
use super::messages::Messages;
use super::options::{Action, Call};
use super::queries::is_named;
use dpkg_db::{Database, Flag, Package, Status, Want};
use rootless_install_fs::Target;
use std::path::{Path, PathBuf};

/// Least widths of the columns of `--list`: name, version, architecture, description.
const LEAST: [usize; 4] = [14, 12, 12, 33];

/// Returns the packages that patterns name, and prints for which there are none; those that are not installed where they
/// are named.
fn named<'d>(patterns: &[String], database: &'d Database, messages: &Messages) -> (Vec<&'d Package>, bool) {
    let native = database.native();
    let shown = |package: &&Package| {
        is_named(package, native, patterns)
            && (!patterns.is_empty() || package.status != Status::NotInstalled)
    };
    let mut found: Vec<&Package> = database.packages().filter(shown).collect();
    found.sort_by_key(|package| (package.display_name(native), package.architecture.clone()));
    let mut all = true;
    for pattern in patterns {
        let one = std::slice::from_ref(pattern);
        if !found.iter().any(|package| is_named(package, native, one)) {
            messages.notice(&format!("no packages found matching {pattern}"));
            all = false;
        }
    }
    (found, all)
}

/// `--list`. Returns whether there is a package for each pattern.
pub(super) fn list(patterns: &[String], database: &Database, messages: &Messages) -> bool {
    let (packages, all) = named(patterns, database, messages);
    let native = database.native();
    let rows: Vec<(String, [String; 4])> = packages
        .into_iter()
        .map(|package| {
            let or_none = |text: &str| if text.is_empty() { "<none>" } else { text }.to_owned();
            let cells = [
                package.display_name(native),
                or_none(&package.version),
                or_none(&package.architecture),
                synopsis(package)
                    .unwrap_or("(no description available)")
                    .to_owned(),
            ];
            (abbreviation(package), cells)
        })
        .collect();
    if rows.is_empty() {
        return all;
    }
    let mut widths = LEAST;
    for (_, cells) in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let [name, version, architecture, description] = &mut widths;
    if let Some(columns) = messages.columns() {
        let taken = 4 + *name + 1 + *version + 1 + *architecture + 1;
        *description = columns.saturating_sub(taken).max(LEAST[3].min(columns));
    }
    let (name, version, architecture, description) = (*name, *version, *architecture, *description);
    let line = |mark: &str, cells: [&str; 4]| {
        let [a, b, c, d] = cells;
        let d: String = d.chars().take(description).collect();
        format!("{mark:<3} {a:<name$} {b:<version$} {c:<architecture$} {d}")
    };
    messages.say(
        "Desired=Unknown/Install/Remove/Purge/Hold\n\
         | Status=Not/Inst/Conf-files/Unpacked/halF-conf/Half-inst/trig-aWait/Trig-pend\n\
         |/ Err?=(none)/Reinst-required (Status,Err: uppercase=bad)",
    );
    messages.say(&line("||/", ["Name", "Version", "Architecture", "Description"]));
    let ruler = [name, version, architecture, description].map(|width| "=".repeat(width));
    messages.say(&format!("+++-{}", ruler.join("-")));
    for (mark, [a, b, c, d]) in &rows {
        messages.say(&line(mark, [a, b, c, d]));
    }
    all
}

/// `--show`. Returns whether there is a package for each pattern.
pub(super) fn show(
    call: &Call,
    patterns: &[String],
    target: &Target,
    database: &Database,
    messages: &Messages,
) -> Result<bool> {
    let format = Format::parse(&call.options.format).map_err(Fault::Call)?;
    let (packages, all) = named(patterns, database, messages);
    for package in packages {
        messages.print(&format.of(package, target, database));
    }
    Ok(all)
}

/// `--control-list`, `--control-show` and `--control-path`. Returns whether there is such a file.
pub(super) fn control(
    call: &Call,
    words: &[String],
    target: &Target,
    database: &Database,
    messages: &Messages,
) -> Result<bool> {
    let action = call.action.name();
    let [name, rest @ ..] = words else {
        return Err(Fault::Call(format!(
            "--{action} needs at least one package name argument"
        )));
    };
    let found = database.resolve(name).and_then(|key| database.get(&key));
    let Some(package) = found.filter(|package| package.status > Status::NotInstalled) else {
        messages.notice(&format!("package '{name}' is not installed"));
        return Ok(false);
    };
    let files = control_files(package, target);
    match (&call.action, rest) {
        (Action::ControlShow, [kind]) => {
            let Some((_, path)) = files.iter().find(|(known, _)| known == kind) else {
                messages.notice(&format!("control file '{kind}' does not exist"));
                return Ok(false);
            };
            let text = deb_types::raw_text::decode(target.read(path)?);
            messages.print(&text);
        }
        (Action::ControlShow, _) => {
            return Err(Fault::Call(format!("--{action} takes exactly two arguments")));
        }
        (Action::ControlPath, [kind]) => {
            let found = files.iter().find(|(known, _)| known == kind);
            found
                .into_iter()
                .for_each(|(_, path)| messages.say(&path.display().to_string()));
        }
        (Action::ControlPath, []) => {
            files
                .iter()
                .for_each(|(_, path)| messages.say(&path.display().to_string()));
        }
        _ => files.iter().for_each(|(kind, _)| messages.say(kind)),
    }
    Ok(true)
}

/// Returns the files of a package's control data, but for those that are dpkg's own: the kind and the path.
fn control_files(package: &Package, target: &Target) -> Vec<(String, PathBuf)> {
    let directory = package.info_path("list");
    let directory = directory.parent().unwrap_or(Path::new("/"));
    let beginning = format!("{}.", package.info_name());
    let names = target.read_dir(directory).unwrap_or_default();
    let kinds = names
        .iter()
        .filter_map(|name| name.to_str()?.strip_prefix(&beginning));
    kinds
        .filter(|kind| !kind.contains('.') && *kind != "list")
        .map(|kind| (kind.to_owned(), package.info_path(kind)))
        .collect()
}

fn synopsis(package: &Package) -> Option<&str> {
    package.field("Description").and_then(|text| text.lines().next())
}

/// Returns the three letters of `--list`.
fn abbreviation(package: &Package) -> String {
    let want = match package.want {
        Want::Unknown => 'u',
        Want::Install => 'i',
        Want::Hold => 'h',
        Want::Deinstall => 'r',
        Want::Purge => 'p',
    };
    let status = match package.status {
        Status::NotInstalled => 'n',
        Status::ConfigFiles => 'c',
        Status::HalfInstalled => 'H',
        Status::Unpacked => 'U',
        Status::HalfConfigured => 'F',
        Status::TriggersAwaited => 'W',
        Status::TriggersPending => 't',
        Status::Installed => 'i',
    };
    let flag = match package.flag {
        Flag::ReinstReq => 'R',
        Flag::Ok => ' ',
    };
    [want, status, flag].iter().collect()
}

/// A format of `--show`.
#[derive(Debug)]
struct Format(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field {
        name: String,
        /// Width to which the value is filled up, on the right where it is negative.
        width: i32,
    },
}

impl Format {
    /// Parses a format. The error is dpkg's.
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if let Some(field) = rest.strip_prefix("${") {
                let Some((inside, after)) = field.split_once('}') else {
                    return Err(format!("error in show format: missing closing brace\n  {text}"));
                };
                let (name, width) = match inside.split_once(';') {
                    Some((name, width)) => match width.parse() {
                        Ok(width) => (name, width),
                        Err(_) => {
                            return Err(format!(
                                "error in show format: invalid integer for width '{width}'"
                            ));
                        }
                    },
                    None => (inside, 0),
                };
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Field {
                    name: name.to_owned(),
                    width,
                });
                rest = after;
                continue;
            }
            let mut letters = rest.chars();
            letters.next();
            if letter == '\\' {
                match letters.next() {
                    Some('n') => plain.push('\n'),
                    Some('r') => plain.push('\r'),
                    Some('t') => plain.push('\t'),
                    Some(other) => plain.push(other),
                    None => plain.push('\\'),
                }
            } else {
                plain.push(letter);
            }
            rest = letters.as_str();
        }
        pieces.push(Piece::Text(plain));
        Ok(Self(pieces))
    }

    fn of(&self, package: &Package, target: &Target, database: &Database) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Field { name, width } => {
                    let value = field(name, package, target, database).unwrap_or_default();
                    let filled = usize::try_from(width.unsigned_abs()).unwrap_or(0);
                    match *width < 0 {
                        true => text.push_str(&format!("{value:<filled$}")),
                        false => text.push_str(&format!("{value:>filled$}")),
                    }
                }
            }
        }
        text
    }
}

/// Returns the value of a field of control data, or of one of those that dpkg-query has besides.
fn field(name: &str, package: &Package, target: &Target, database: &Database) -> Option<String> {
    let stanza = database.stanza(package);
    let plain = |wanted: &str| control_field(&stanza, wanted);
    let source = || {
        let source = plain("Source").unwrap_or_else(|| package.name.clone());
        match source.split_once(" (") {
            Some((name, version)) => (name.to_owned(), version.trim_end_matches(')').to_owned()),
            None => (source, package.version.clone()),
        }
    };
    let status = |at: usize| plain("Status")?.split(' ').nth(at).map(str::to_owned);
    match name {
        "binary:Package" => Some(package.display_name(database.native())),
        "binary:Synopsis" | "binary:Summary" => synopsis(package).map(str::to_owned),
        "db:Status-Abbrev" => Some(abbreviation(package)),
        "db:Status-Want" => status(0),
        "db:Status-Eflag" => status(1),
        "db:Status-Status" => status(2),
        "db-fsys:Files" => {
            let list = database.list(target, &package.key()).ok()?;
            Some(list.iter().map(|path| format!(" {}\n", path.display())).collect())
        }
        "db-fsys:Last-Modified" => {
            let stat = target.stat_follow(&package.info_path("list")).ok()?;
            Some(stat.meta.mtime.sec.to_string())
        }
        "source:Package" => Some(source().0),
        "source:Version" => Some(source().1),
        "source:Upstream-Version" => {
            let version = source().1;
            let version = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
            let upstream = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
            Some(upstream.to_owned())
        }
        name => plain(name),
    }
}

/// Returns the value of a field of a stanza, with its further lines.
fn control_field(stanza: &str, wanted: &str) -> Option<String> {
    let mut lines = stanza.lines();
    let first = lines.by_ref().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_first = !line.starts_with([' ', '\t']);
        (is_first && name.eq_ignore_ascii_case(wanted)).then(|| value.trim().to_owned())
    })?;
    let more = lines.take_while(|line| line.starts_with([' ', '\t']));
    Some(more.fold(first, |value, line| format!("{value}\n{line}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read() {
        let pieces = |text: &str| Format::parse(text).unwrap().0;
        let field = |name: &str, width| Piece::Field {
            name: name.to_owned(),
            width,
        };
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(
            pieces(r"[${Package;-20}]\t${Version}\n"),
            [
                text("["),
                field("Package", -20),
                text("]\t"),
                field("Version", 0),
                text("\n")
            ]
        );
        assert!(Format::parse("${Package").is_err() && Format::parse("${Package;x}").is_err());
    }

    #[test]
    fn fields_of_several_lines() {
        let stanza = "Package: a\nConffiles:\n /etc/a 1\n /etc/b 2\nDescription: x\n y\n";
        assert_eq!(
            control_field(stanza, "conffiles").unwrap(),
            "\n /etc/a 1\n /etc/b 2"
        );
        assert_eq!(control_field(stanza, "Description").unwrap(), "x\n y");
        assert_eq!(control_field(stanza, "Version"), None);
    }
}
