//! dpkg's options (dpkg(1); `cmdinfos` in its source), and ours beside them.

use super::Action;

/// What an option is followed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing.
    None,
    /// `--name=VALUE` or `--name VALUE`.
    Given,
    /// `--name-VALUE` or `--name VALUE`.
    Joined,
}

/// What an option means.
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    /// It says what to do.
    Action(Action),
    /// It is `--assert-FEATURE`.
    Assert,
    /// It sets something; the parser knows what, by the long name.
    Setting,
    /// It is known and changes nothing here.
    Nothing,
    /// dpkg hands it to dpkg-deb(1).
    Backend,
    /// It is dpkg's, and not done here.
    NotDone,
}

/// One option.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) long: &'static str,
    pub(super) short: Option<char>,
    pub(super) value: Value,
    pub(super) meaning: Meaning,
}

fn known(long: &'static str, short: Option<char>, value: Value, meaning: Meaning) -> Known {
    Known {
        long,
        short,
        value,
        meaning,
    }
}

/// All of them, in dpkg's order: of two that fit the first is taken.
pub(super) fn options() -> Vec<Known> {
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
        (Some('C'), Action::Audit),
        (Some('l'), Action::List),
        (Some('S'), Action::Search),
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
        all.push(known(name, short, Value::None, Meaning::Action(action)));
    }
    all.push(known("assert", None, Value::Joined, Meaning::Assert));
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
    ] {
        all.push(known(long, short, Value::None, Meaning::Setting));
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
        // Ours.
        ("arch", None),
        ("native-sysroot", None),
        ("cache", None),
        ("mirror", None),
        ("suite", None),
        ("components", None),
        ("keyring", None),
        ("script-timeout", None),
    ] {
        all.push(known(long, short, Value::Given, Meaning::Setting));
    }
    for long in ["force", "refuse", "no-force"] {
        all.push(known(long, None, Value::Joined, Meaning::Setting));
    }
    for long in ["no-pager", "no-debsig"] {
        all.push(known(long, None, Value::None, Meaning::Nothing));
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
        all.push(known(long, short, Value::None, Meaning::Backend));
    }
    for (long, short) in [
        ("no-act", None),
        ("dry-run", None),
        ("simulate", None),
        ("record-avail", Some('A')),
        ("verify", Some('V')),
        ("print-avail", Some('p')),
        ("update-avail", None),
        ("merge-avail", None),
        ("clear-avail", None),
        ("forget-old-unavail", None),
        ("yet-to-unpack", None),
        ("predep-package", None),
        ("validate-pkgname", None),
        ("validate-trigname", None),
        ("validate-archname", None),
        ("validate-version", None),
    ] {
        all.push(known(long, short, Value::None, Meaning::NotDone));
    }
    for long in [
        "pre-invoke",
        "post-invoke",
        "status-logger",
        "verify-format",
        "admin",
    ] {
        all.push(known(long, None, Value::Given, Meaning::NotDone));
    }
    all
}
