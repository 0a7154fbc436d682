//! The cases: the files `tests/cases/GROUP`, one case or several a line.
//!
//! ```text
//! NAME ARCH[,FOREIGN…][/ARCH…] SUITE[/SUITE…] VARIANT[/VARIANT…] INCLUDE|- [WORD…]
//! ```
//!
//! Architectures, suites and variants split by `/` make a case each, in every combination;
//! architectures split by `,` are in one root filesystem, the first is its own. `{arch}` in INCLUDE stands for that
//! one. The words:
//!
//! * `ci`: belongs to what continuous integration compares;
//! * `ci=alone`: continuous integration makes it without its reference, which emulation takes long to
//!   make; the same packages are compared there for an architecture that needs no emulation;
//! * `peer`: made by `fakeroot mmdebstrap --mode=chrootless`, not by this program, to stand beside it;
//!   whatever comes of it is as expected;
//! * `alone`: installed by this program only, without a reference;
//! * `refused=TOOL`: this program says that it cannot, naming TOOL;
//! * `deferred`: this program leaves packages to the first boot, and says so;
//! * `debconf=FILE`: the selections in `tests/cases/debconf/FILE`, on both sides;
//! * `merged-usr=yes|no`: whether /usr is merged before packages are unpacked, on both sides;
//! * `source=OPTION`: an option of the archive's line in sources.list, on both sides;
//! * `tools=SUITE`: the reference is made by the mmdebstrap and apt of this suite, not the case's own;
//!   `tools=SUITE:NUMBER` on a machine where `_apt` has this number. Debian 12 gave it a fixed one; before that a
//!   target has the machine's in two places, and is like its own only if both agree;
//! * `ours=OPTION`, `reference=OPTION`: one more option of either side;
//! * `both=OPTION`: one more of both, in which `%20` stands for a blank, and so for any letter by its number;
//! * `run=COMMAND`, written so, too: a command of the shell in the finished target, by `rootless-install run` and by
//!   root in `chroot`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{data, lines, wrong};
use crate::Result;
use crate::compare::Random;
use crate::error::At as _;

/// The groups, in the order of the tables.
pub const GROUPS: [&str; 12] = [
    "variants",
    "architectures",
    "suites",
    "packages",
    "apt",
    "chrootless",
    "commands",
    "upgrades",
    "popular",
    "wide",
    "matrix",
    "thousand",
];

/// What should come of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// No difference.
    Equal,
    /// The program stops, and names this tool.
    Refused(String),
    /// The program leaves packages to the first boot.
    Deferred,
}

/// One root filesystem, made by both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The file it is in.
    pub group: String,
    /// Its name in the group, `-` where architecture, suite and variant say all.
    pub name: String,
    /// Its architecture, then foreign ones.
    pub architectures: Vec<String>,
    /// Its suite.
    pub suite: String,
    /// Its variant.
    pub variant: String,
    /// The packages asked for, by commas; may be empty.
    pub include: String,
    /// Whether continuous integration compares it.
    pub ci: bool,
    /// Whether continuous integration makes it without a reference.
    pub ci_alone: bool,
    /// Whether there is no reference.
    pub alone: bool,
    /// Whether `fakeroot mmdebstrap --mode=chrootless` makes it, and not this program.
    pub peer: bool,
    /// What should come of it.
    pub expected: Expected,
    /// A file with debconf's selections.
    pub debconf: Option<PathBuf>,
    /// Whether /usr is merged beforehand; nothing: what each side does by itself.
    pub merged_usr: Option<bool>,
    /// Options of the archive's line in sources.list.
    pub source: Vec<String>,
    /// The suite whose mmdebstrap and apt make the reference; none for the case's own.
    pub tools: Option<String>,
    /// The number of `_apt` on the machine that makes the reference; none for that of the tools' suite.
    pub apt_user: Option<u32>,
    /// More options of this program.
    pub ours: Vec<String>,
    /// More options of mmdebstrap.
    pub reference: Vec<String>,
    /// Commands of the shell that are run in what was made.
    pub commands: Vec<String>,
}

impl Case {
    /// `ARCH-SUITE-VARIANT[-NAME]`.
    #[must_use]
    pub fn id(&self) -> String {
        let name = if self.name == "-" {
            String::new()
        } else {
            format!("-{}", self.name)
        };
        format!(
            "{}-{}-{}{name}",
            self.architectures.join(","),
            self.suite,
            self.variant
        )
    }

    /// Its own architecture.
    #[must_use]
    pub fn architecture(&self) -> &str {
        self.architectures.first().map_or("", String::as_str)
    }

    /// What both sides are told of the archive at `url`: a line of sources.list,
    /// or just the URL where the line needs no options.
    #[must_use]
    pub fn archive(&self, url: &str) -> String {
        self.archive_of(url, &self.suite)
    }

    /// The same for another suite of that archive.
    #[must_use]
    pub fn archive_of(&self, url: &str, suite: &str) -> String {
        if self.source.is_empty() {
            url.to_owned()
        } else {
            format!("deb [{}] {url} {suite} main", self.source.join(" "))
        }
    }

    /// The suite whose mmdebstrap and apt make the reference.
    #[must_use]
    pub fn tools(&self) -> &str {
        self.tools.as_deref().unwrap_or(&self.suite)
    }

    /// All that a reference of it depends on, beside the mirror's state.
    ///
    /// # Errors
    /// When the file of its selections cannot be read.
    pub fn made_of(&self) -> Result<String> {
        let debconf = match &self.debconf {
            Some(path) => std::fs::read_to_string(path).at(path)?,
            None => String::new(),
        };
        Ok(format!(
            "{}\n{}\n{}\n{}\n{:?}\n{}\n{}\n{debconf}{}{}{}",
            self.architectures.join(","),
            self.suite,
            self.variant,
            self.include,
            self.merged_usr,
            self.source.join(" "),
            self.reference.join("\n"),
            self.tools.as_deref().unwrap_or_default(),
            self.apt_user.map_or_else(String::new, |user| format!(":{user}")),
            self.commands.join("\n"),
        ))
    }

    /// The case as continuous integration runs it, if it does.
    #[must_use]
    pub fn in_ci(&self) -> Option<Self> {
        let mut case = self.clone();
        case.alone |= case.ci_alone;
        (case.ci || case.ci_alone).then_some(case)
    }

    /// The same packages for another architecture.
    #[must_use]
    pub fn for_architecture(&self, architecture: &str) -> Self {
        let mut case = self.clone();
        let own = self.architecture();
        case.include = self
            .include
            .replace(&format!("-{own}"), &format!("-{architecture}"));
        case.architectures = vec![architecture.to_owned()];
        (case.ci, case.ci_alone) = (false, false);
        case
    }
}

/// All cases of a directory, group by group.
///
/// # Errors
/// When a file cannot be read, or a line makes no sense; the error names it.
pub fn read(dir: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut seen = BTreeMap::new();
    for group in GROUPS {
        let path = dir.join(group);
        for (at, line) in lines(&path)? {
            for case in parse(group, &line).map_err(|what| wrong(&path, at, what))? {
                if let Some(debconf) = case.debconf.as_ref().filter(|file| !file.is_file()) {
                    return Err(wrong(&path, at, format!("there is no {}", debconf.display())));
                }
                if let Some(first) = seen.insert(case.id(), format!("{group}:{at}")) {
                    return Err(wrong(
                        &path,
                        at,
                        format!("{} is there already, at {first}", case.id()),
                    ));
                }
                cases.push(case);
            }
        }
    }
    Ok(cases)
}

/// The cases in which rows of random entries are to be seen: one for each set of packages that rows name,
/// on this machine's architecture.
#[must_use]
pub fn of_rows(rows: &[Random]) -> Vec<Case> {
    let native = crate::elf::native().map_or("amd64", |machine| machine.debian);
    let sets = rows.iter().map(|row| (row.suite.as_str(), row.packages.as_str()));
    let sets: BTreeSet<(&str, &str)> = sets.filter(|(_, packages)| !packages.is_empty()).collect();
    let case = |(suite, packages): (&str, &str)| {
        let name = format!("two-{}", packages.replace(',', "+"));
        let (suite, words) = match suite {
            "" => ("stable", ""),
            // As in tests/cases/matrix.
            "bullseye" => ("bullseye", "tools=oldstable:100"),
            other => (other, ""),
        };
        let line = format!("{name} {native} {suite} minbase {packages} {words}");
        parse("random", &line).unwrap_or_default()
    };
    sets.into_iter().flat_map(case).collect()
}

/// The cases of the project.
///
/// # Errors
/// See [`read`].
pub fn all() -> Result<Vec<Case>> {
    read(&data())
}

const VARIANTS: [&str; 9] = [
    "extract",
    "custom",
    "essential",
    "apt",
    "required",
    "minbase",
    "buildd",
    "important",
    "standard",
];

/// Returns a text in which letters may be written by their numbers.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let number = u8::from_str_radix(part.get(..2)?, 16).ok()?;
        out.push(char::from(number));
        out.push_str(part.get(2..)?);
    }
    Some(out)
}

fn parse(group: &str, line: &str) -> std::result::Result<Vec<Case>, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [name, architectures, suites, variants, include, words @ ..] = words.as_slice() else {
        return Err("a case is NAME ARCHITECTURES SUITES VARIANTS INCLUDE|- [WORD…]".to_owned());
    };
    let plain = |what: &str, word: &str| {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-.+".contains(letter);
        if word.is_empty() || !word.chars().all(fits) {
            return Err(format!("`{word}` is no {what}"));
        }
        Ok(())
    };
    plain("name", name)?;
    for suite in suites.split('/') {
        plain("suite", suite)?;
    }
    if let Some(variant) = variants.split('/').find(|variant| !VARIANTS.contains(variant)) {
        return Err(format!(
            "`{variant}` is no variant; there are {}",
            VARIANTS.join(", ")
        ));
    }
    let mut case = Case {
        group: group.to_owned(),
        name: (*name).to_owned(),
        architectures: Vec::new(),
        suite: String::new(),
        variant: String::new(),
        include: String::new(),
        ci: false,
        ci_alone: false,
        alone: false,
        peer: false,
        expected: Expected::Equal,
        debconf: None,
        merged_usr: None,
        source: Vec::new(),
        tools: None,
        apt_user: None,
        ours: Vec::new(),
        reference: Vec::new(),
        commands: Vec::new(),
    };
    for word in words {
        match word.split_once('=') {
            None if *word == "ci" => case.ci = true,
            None if *word == "alone" => case.alone = true,
            None if *word == "peer" => case.peer = true,
            None if *word == "deferred" => case.expected = Expected::Deferred,
            Some(("ci", "alone")) => case.ci_alone = true,
            Some(("refused", tool)) if !tool.is_empty() => case.expected = Expected::Refused(tool.to_owned()),
            Some(("debconf", file)) if !file.is_empty() => {
                case.debconf = Some(data().join("debconf").join(file))
            }
            Some(("merged-usr", "yes")) => case.merged_usr = Some(true),
            Some(("merged-usr", "no")) => case.merged_usr = Some(false),
            Some(("source", option)) if option.contains('=') => case.source.push(option.to_owned()),
            Some(("tools", suite)) => {
                let (suite, user) = match suite.split_once(':') {
                    Some((suite, user)) => (suite, Some(user)),
                    None => (suite, None),
                };
                let user = user.map(str::parse).transpose();
                case.apt_user = user.map_err(|_| format!("`{word}` has no number of a user"))?;
                plain("suite", suite)?;
                case.tools = Some(suite.to_owned());
            }
            Some(("ours", option)) if option.starts_with("--") => case.ours.push(option.to_owned()),
            Some(("both", option)) if option.starts_with("--") => {
                let option = decoded(option).ok_or_else(|| format!("`{word}` has a % without a number"))?;
                case.ours.push(option.clone());
                case.reference.push(option);
            }
            Some(("run", command)) if !command.is_empty() => {
                let command = decoded(command).filter(|command| !command.contains('\''));
                let command = command.ok_or_else(|| format!("`{word}` has a % without a number, or a '"))?;
                case.commands.push(command);
            }
            Some(("reference", option)) if option.starts_with("--") => case.reference.push(option.to_owned()),
            _ => return Err(format!("`{word}` means nothing here")),
        }
    }
    let one = |own: &str, suite: &str, variant: &str| {
        let mut case = case.clone();
        (case.suite, case.variant) = (suite.to_owned(), variant.to_owned());
        case.architectures = own.split(',').map(str::to_owned).collect();
        for architecture in &case.architectures {
            plain("architecture", architecture)?;
        }
        if *include != "-" {
            case.include = include.replace("{arch}", case.architecture());
        }
        Ok(case)
    };
    let of = |own| {
        let of = move |suite| variants.split('/').map(move |variant| (own, suite, variant));
        suites.split('/').flat_map(of)
    };
    let all = architectures.split('/').flat_map(of);
    all.map(|(own, suite, variant)| one(own, suite, variant))
        .collect()
}

#[cfg(test)]
mod tests;
