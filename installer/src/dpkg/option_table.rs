//! dpkg's options (dpkg(1); `cmdinfos` in its source), and those of this program.

use super::options::Action;

/// Form of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// No value.
    None,
    /// `--name=VALUE` or `--name VALUE`.
    Given,
    /// `--name-VALUE` or `--name VALUE`.
    Joined,
}

/// Meaning of an option.
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    /// An action.
    Action(Action),
    /// `--assert-FEATURE`.
    Assert,
    /// A setting, which the parser knows by the long name.
    Setting,
    /// No effect.
    Nothing,
    /// An action of dpkg-deb(1), which dpkg executes for it.
    Backend,
    /// An option of dpkg that is not supported.
    NotDone,
}

/// One option.
#[derive(Clone, Debug)]
pub(super) struct OptionSpec {
    /// Long name, without `--`.
    pub(super) long: &'static str,
    /// Letter, if there is one.
    pub(super) short: Option<char>,
    /// Form of its value.
    pub(super) value: Value,
    /// Its meaning.
    pub(super) meaning: Meaning,
}

fn option(long: &'static str, short: Option<char>, value: Value, meaning: Meaning) -> OptionSpec {
    OptionSpec {
        long,
        short,
        value,
        meaning,
    }
}

/// Returns all options in dpkg's order: the first that fits is taken.
pub(super) fn options() -> Vec<OptionSpec> {
    let mut all = Vec::new();
    for (short, action) in [
        (Some('i'), Action::Install),
        (None, Action::Unpack),
        (None, Action::Configure),
        (Some('r'), Action::Remove),
        (Some('P'), Action::Purge),
        (None, Action::TriggersOnly),
        (Some('L'), Action::ListFiles),
        (Some('s'), Action::Status),
        (None, Action::GetSelections),
        (None, Action::SetSelections),
        (None, Action::ClearSelections),
        (Some('A'), Action::RecordAvail),
        (None, Action::UpdateAvail),
        (None, Action::MergeAvail),
        (None, Action::ClearAvail),
        (None, Action::ForgetOldUnavail),
        (Some('C'), Action::Audit),
        (Some('l'), Action::List),
        (Some('S'), Action::Search),
        (Some('V'), Action::Verify),
        (Some('p'), Action::PrintAvail),
        (None, Action::AddArchitecture),
        (None, Action::RemoveArchitecture),
        (None, Action::PrintArchitecture),
        (None, Action::PrintForeignArchitectures),
        (None, Action::CompareVersions),
        (Some('?'), Action::Help),
        (None, Action::Version),
        (None, Action::ForceHelp),
    ] {
        let name = action.name();
        all.push(option(name, short, Value::None, Meaning::Action(action)));
    }
    for (long, thing) in [
        ("validate-pkgname", "pkgname"),
        ("validate-trigname", "trigname"),
        ("validate-archname", "archname"),
        ("validate-version", "version"),
    ] {
        let action = Meaning::Action(Action::Validate(thing));
        all.push(option(long, None, Value::None, action));
    }
    all.push(option("assert", None, Value::Joined, Meaning::Assert));
    for (long, short) in [
        ("pending", Some('a')),
        ("recursive", Some('R')),
        ("refuse-downgrade-short", Some('G')),
        ("selected-only", Some('O')),
        ("no-also-select", Some('N')),
        ("triggers", None),
        ("no-triggers", None),
        ("skip-same-version", Some('E')),
        ("auto-deconfigure", Some('B')),
        ("robot", None),
        ("no-act", None),
        ("dry-run", None),
        ("simulate", None),
        // Of this program.
        ("allow-older-release", None),
    ] {
        all.push(option(long, short, Value::None, Meaning::Setting));
    }
    for (long, short) in [
        ("path-exclude", None),
        ("path-include", None),
        ("status-fd", None),
        ("log", None),
        ("root", None),
        ("abort-after", None),
        ("admindir", None),
        ("instdir", None),
        ("ignore-depends", None),
        ("debug", Some('D')),
        ("verify-format", None),
        // Of this program.
        ("arch", None),
        ("native-sysroot", None),
        ("cache", None),
        ("mirror", None),
        ("suite", None),
        ("components", None),
        ("keyring", None),
        ("download-timeout", None),
        ("script-timeout", None),
    ] {
        all.push(option(long, short, Value::Given, Meaning::Setting));
    }
    for long in ["force", "refuse", "no-force"] {
        all.push(option(long, None, Value::Joined, Meaning::Setting));
    }
    for long in ["no-pager", "no-debsig"] {
        all.push(option(long, None, Value::None, Meaning::Nothing));
    }
    for (long, short) in [
        ("build", Some('b')),
        ("contents", Some('c')),
        ("control", Some('e')),
        ("info", Some('I')),
        ("field", Some('f')),
        ("extract", Some('x')),
        ("vextract", Some('X')),
        ("ctrl-tarfile", None),
        ("fsys-tarfile", None),
    ] {
        all.push(option(long, short, Value::None, Meaning::Backend));
    }
    for (long, short) in [("yet-to-unpack", None), ("predep-package", None)] {
        all.push(option(long, short, Value::None, Meaning::NotDone));
    }
    for long in ["pre-invoke", "post-invoke", "status-logger"] {
        all.push(option(long, None, Value::Given, Meaning::Setting));
    }
    all.push(option("admin", None, Value::Given, Meaning::NotDone));
    all
}
