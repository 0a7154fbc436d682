//! Actions that change no package: questions to the database, and selections.

use super::engine::DPKG_VERSION;
use super::fault::{Fault, Result};
use super::messages::Messages;
use super::options::{Action, Call};
use deb_arch::Architecture;
use deb_types::relation::{is_architecture, is_name};
use deb_types::version::{DpkgVersion, parse_as_dpkg};
use dpkg_db::{ADMIN, Database, Package, PackageKey, Want, version_order};
use rootless_install_fs::Target;
use std::cmp::Ordering;
use std::path::Path;

/// Features that `--assert-…` may ask for.
const FEATURES: &[&str] = &[
    "support-predepends",
    "working-epoch",
    "long-filenames",
    "multi-conrep",
    "multi-arch",
    "versioned-provides",
    "protected-field",
];

/// Text of `--help`.
const HELP: &str = include_str!("help.txt");

/// Answers a question that needs no database; none for other actions.
pub(super) fn without_database(call: &Call, messages: &Messages) -> Option<Result<bool>> {
    match &call.action {
        Action::Assert(feature) => Some(if FEATURES.contains(&feature.as_str()) {
            Ok(true)
        } else {
            Err(Fault::Call(format!("unknown --assert-{feature}")))
        }),
        Action::CompareVersions => Some(compare(call, messages)),
        Action::Version => {
            // For front ends it is the version of dpkg.
            if call.options.robot {
                messages.say(DPKG_VERSION);
            } else {
                messages.say(&format!(
                    "Debian 'dpkg' package management program version {DPKG_VERSION} ({}), as rootless-install {} \
                     acts for it.",
                    Architecture::native().name,
                    env!("CARGO_PKG_VERSION")
                ));
            }
            Some(Ok(true))
        }
        Action::Help => {
            messages.say(HELP.trim_end());
            Some(Ok(true))
        }
        Action::Validate(thing) => Some(validate(call, thing, messages)),
        Action::ForceHelp => {
            messages.say(&format!("Currently enabled options:\n {}", call.options.forces));
            Some(Ok(true))
        }
        _ => None,
    }
}

/// Answers a question from the database. Returns `false` where dpkg's answer is no.
pub(super) fn answer(call: &Call, target: &Target, database: &Database, messages: &Messages) -> Result<bool> {
    let patterns: Vec<String> = call
        .arguments
        .iter()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let native = database.native();
    match call.action {
        Action::PrintArchitecture => messages.say(native),
        Action::PrintForeignArchitectures => database.foreign().iter().for_each(|name| messages.say(name)),
        Action::Audit => super::audit::audit(target, database, messages),
        Action::GetSelections => {
            let known = database
                .packages()
                .filter(|package| package.want != Want::Unknown);
            for package in known.filter(|package| is_named(package, native, &patterns)) {
                let name = package.display_name(native);
                let tabs = 6_usize.saturating_sub(name.len() / 8).max(1);
                messages.say(&format!("{name}{}{}", "\t".repeat(tabs), package.want));
            }
        }
        Action::List => return Ok(super::show::list(&patterns, database, messages)),
        Action::Show => return super::show::show(call, &patterns, target, database, messages),
        Action::ControlList | Action::ControlShow | Action::ControlPath => {
            return super::show::control(call, &patterns, target, database, messages);
        }
        Action::Status | Action::PrintAvail => return stanzas(call, target, database, messages),
        Action::ListFiles => return super::paths::list_files(call, target, database, messages),
        Action::Verify => return super::paths::verify(call, target, database, messages),
        _ => return super::paths::search(call, target, database, messages),
    }
    Ok(true)
}

/// `--status` and `--print-avail`: stanzas of the database, or of `available`. Returns whether there is one for each name.
fn stanzas(call: &Call, target: &Target, database: &Database, messages: &Messages) -> Result<bool> {
    let of_status = call.action == Action::Status;
    let available = if of_status {
        Vec::new()
    } else {
        let text = target
            .read(&Path::new(ADMIN).join("available"))
            .unwrap_or_default();
        let text = deb_types::raw_text::decode(text);
        let stanzas = text
            .split("\n\n")
            .map(str::trim)
            .filter(|stanza| !stanza.is_empty());
        stanzas.map(str::to_owned).collect()
    };
    if call.arguments.is_empty() {
        if of_status {
            messages.say(database.status_text().trim_end());
        }
        available
            .iter()
            .for_each(|stanza| messages.say(&format!("{stanza}\n")));
        return Ok(true);
    }
    let mut all = true;
    for (number, argument) in call.arguments.iter().enumerate() {
        if number > 0 {
            messages.say("");
        }
        let name = argument.to_string_lossy();
        let package = database.resolve(&name).and_then(|key| database.get(&key));
        let found = if of_status {
            package.map(|package| database.stanza(package))
        } else {
            let is_named = |stanza: &&String| {
                Package::parse(stanza)
                    .is_ok_and(|package| package.name == *name || package.key().to_string() == *name)
            };
            available.iter().find(is_named).cloned()
        };
        all &= found.is_some();
        match (found, of_status) {
            (Some(stanza), _) => messages.say(stanza.trim_end()),
            (None, true) => messages.notice(&format!(
                "package '{name}' is not installed and no information is available"
            )),
            (None, false) => messages.notice(&format!("package '{name}' is not available")),
        }
    }
    if !all && of_status {
        messages.tell("Use dpkg --info (= dpkg-deb --info) to examine archive files.\n");
    }
    Ok(all)
}

/// Whether the name of a package matches one of some patterns (glob(7)); all do where there are none.
pub(super) fn is_named(package: &Package, native: &str, patterns: &[String]) -> bool {
    let names = [
        package.name.clone(),
        package.display_name(native),
        package.key().to_string(),
    ];
    patterns.is_empty()
        || patterns.iter().any(|pattern| {
            names
                .iter()
                .any(|name| glibc_tools::fnmatch(pattern.as_bytes(), name.as_bytes()))
        })
}

/// `--validate-THING STRING`. Returns whether a version is valid; other names that are not are errors.
fn validate(call: &Call, thing: &str, messages: &Messages) -> Result<bool> {
    let [text] = &call.arguments[..] else {
        return Err(Fault::Call(format!(
            "--validate-{thing} takes one <{thing}> argument"
        )));
    };
    let text = text.to_string_lossy();
    let (valid, what) = match thing {
        "version" => return Ok(says_version(&text, messages)),
        "pkgname" => (is_name(&text), "package name"),
        "archname" => (is_architecture(&text), "architecture name"),
        _ => {
            let printable = text.bytes().all(|b| b > b' ' && b < 0x7f);
            (printable && !text.is_empty(), "trigger name")
        }
    };
    if valid {
        return Ok(true);
    }
    Err(Fault::Call(format!("{what} '{text}' is invalid")))
}

/// Says what is wrong with a version. Returns whether nothing is.
fn says_version(text: &str, messages: &Messages) -> bool {
    let (kind, fault) = match parse_as_dpkg(text) {
        Ok(DpkgVersion { doubt: None, .. }) => return true,
        Ok(DpkgVersion {
            doubt: Some(doubt), ..
        }) => ("warning", doubt),
        Err(fault) => ("error", fault),
    };
    messages.notice(&format!("{kind}: version '{text}' has bad syntax: {fault}"));
    false
}

/// `--compare-versions A OP B`. Returns whether the relation holds.
fn compare(call: &Call, messages: &Messages) -> Result<bool> {
    let [a, operator, b] = &call.arguments[..] else {
        return Err(Fault::Call(
            "--compare-versions takes three arguments: <version> <relation> <version>".to_owned(),
        ));
    };
    let (a, operator, b) = (
        a.to_string_lossy(),
        operator.to_string_lossy(),
        b.to_string_lossy(),
    );
    let (relation, empty_is_later) = match operator.strip_suffix("-nl") {
        Some(relation) => (relation, true),
        None => (operator.as_ref(), false),
    };
    if matches!(relation, "<" | ">") {
        messages.warning(&format!(
            "--compare-versions used with obsolete relation operator '{relation}'"
        ));
    }
    let known = |version: &str| {
        let known = !version.is_empty() && version != "<unknown>";
        if known {
            says_version(version, messages);
        }
        known
    };
    // An empty version is earlier than all others, or later with `-nl`.
    let order = match (!known(&a), !known(&b)) {
        (true, true) => Ordering::Equal,
        (true, false) if empty_is_later => Ordering::Greater,
        (false, true) if empty_is_later => Ordering::Less,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => version_order(&a, &b),
    };
    Ok(match relation {
        "lt" | "<<" => order.is_lt(),
        "le" | "<=" | "<" => order.is_le(),
        "eq" | "=" => order.is_eq(),
        "ne" => order.is_ne(),
        "ge" | ">=" | ">" => order.is_ge(),
        "gt" | ">>" => order.is_gt(),
        _ => {
            return Err(Fault::Call(format!(
                "--compare-versions bad relation '{operator}'"
            )));
        }
    })
}

/// Sets the selections that are lines of standard input, `NAME WANT`; with `clear` deselects all packages that are
/// not essential.
pub(super) fn select(database: &mut Database, messages: &Messages, clear: bool) -> Result {
    if clear {
        let keys: Vec<PackageKey> = database
            .packages()
            .filter(|package| !package.essential() && package.want != Want::Unknown)
            .map(Package::key)
            .collect();
        for key in keys {
            database.update(&key, |package| package.want = Want::Deinstall)?;
        }
        return Ok(());
    }
    let text = messages.read_input().map(deb_types::raw_text::decode);
    let text = text.map_err(|error| Fault::Call(format!("read error on standard input: {error}")))?;
    for line in text.lines().map(str::trim) {
        let mut words = line.split_whitespace();
        let (Some(name), want) = (words.next().filter(|name| !name.starts_with('#')), words.next()) else {
            continue;
        };
        let want =
            want.ok_or_else(|| Fault::Call(format!("unexpected end of line after package name '{name}'")))?;
        let want: Want = want
            .parse()
            .map_err(|_| Fault::Call(format!("unknown wanted status '{want}' of package {name}")))?;
        match database.resolve(name) {
            Some(key) => database.update(&key, |package| package.want = want)?,
            None => messages.warning(&format!("package not in status nor available database: {name}")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dpkg::Options;

    fn compared(a: &str, operator: &str, b: &str) -> bool {
        let call = Call {
            action: Action::CompareVersions,
            arguments: [a, operator, b].map(Into::into).to_vec(),
            options: Options::default(),
        };
        compare(&call, &Messages::default()).unwrap_or_else(|fault| panic!("{fault:?}"))
    }

    #[test]
    fn versions_are_compared() {
        assert!(compared("1.0", "lt", "1.0-1") && compared("1:0", "gt", "9"));
        assert!(compared("1.0~rc1", "<<", "1.0") && compared("1.0", "<", "1.0"));
        assert!(compared("", "lt", "1") && compared("", "gt-nl", "1"));
        assert!(compared("", "eq", "") && !compared("", "lt-nl", "1"));
        assert!(compared("1", "ge", "") && compared("1", "lt-nl", ""));
    }
}
