//! Findings, and how accesses that belong together become one.

use serde::Serialize;
use shim_protocol::ViolationKind;
use std::collections::BTreeMap;

/// Kind of a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A path of the outer system is looked up: whether it exists, and of which type.
    Test,
    /// An argument of a tool names a path outside `DPKG_ROOT`.
    Path,
    /// A file or directory of the outer system is read.
    Read,
    /// Something is made, changed or removed in the outer system.
    Write,
    /// The outer system is asked for its accounts, its machine or its state.
    OuterQuery,
    /// A program of the target is executed.
    TargetBinary,
    /// A root directory is changed to the target, whose programs are executed there.
    Chroot,
    /// A tool with an option for another root directory is called without it.
    NoRootOption,
    /// A tool is executed that is not known to act on `DPKG_ROOT`.
    Uncovered,
    /// The path of `DPKG_ROOT` itself stands in a file of the target.
    Leak,
    /// The script fails; the installation goes on as if it had not.
    Fails,
}

impl From<ViolationKind> for FindingKind {
    fn from(kind: ViolationKind) -> Self {
        match kind {
            ViolationKind::Path => Self::Path,
            ViolationKind::Uncovered => Self::Uncovered,
            ViolationKind::OuterQuery => Self::OuterQuery,
            ViolationKind::TargetBinary => Self::TargetBinary,
            ViolationKind::Chroot => Self::Chroot,
            ViolationKind::NoRootOption => Self::NoRootOption,
        }
    }
}

impl FindingKind {
    /// All kinds, in the order in which reports explain them.
    pub const ALL: [Self; 11] = [
        Self::Fails,
        Self::Write,
        Self::Read,
        Self::Test,
        Self::Path,
        Self::NoRootOption,
        Self::OuterQuery,
        Self::TargetBinary,
        Self::Chroot,
        Self::Uncovered,
        Self::Leak,
    ];

    /// Returns its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Path => ViolationKind::Path.name(),
            Self::Read => "read",
            Self::Write => "write",
            Self::OuterQuery => ViolationKind::OuterQuery.name(),
            Self::TargetBinary => ViolationKind::TargetBinary.name(),
            Self::Chroot => ViolationKind::Chroot.name(),
            Self::NoRootOption => ViolationKind::NoRootOption.name(),
            Self::Uncovered => ViolationKind::Uncovered.name(),
            Self::Leak => "leak",
            Self::Fails => "fails",
        }
    }

    /// Returns the reason why it is a violation, and what would be right.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Write => {
                "changes the system that the target is made on: put \"$DPKG_ROOT\" in front of the path, or give \
                 the tool its option for a root directory"
            }
            Self::Read => "reads the outer system: put \"$DPKG_ROOT\" in front of the path",
            Self::Test => "asks about the outer system: put \"$DPKG_ROOT\" in front of the path",
            Self::Path => "an argument names a path outside DPKG_ROOT: put \"$DPKG_ROOT\" in front of it",
            Self::NoRootOption => {
                "the tool does not read DPKG_ROOT by itself: give it its option for a root directory; where it \
                 has none it acts on the outer system"
            }
            Self::OuterQuery => {
                "the answer is the outer system's: look into the files below \"$DPKG_ROOT\" instead"
            }
            Self::TargetBinary => {
                "programs of the target may be of another architecture: call the tool by its name alone"
            }
            Self::Chroot => "programs of the target may be of another architecture: do without chroot",
            Self::Uncovered => {
                "nothing is known about how the tool learns of DPKG_ROOT: see whether it acts on the outer system"
            }
            Self::Fails => {
                "the script cannot be run outside of the root: see its output with --verbose, or in the log"
            }
            Self::Leak => {
                "the path is of no use in the finished system: strip \"$DPKG_ROOT\" from what is written"
            }
        }
    }

    /// Whether it is an access to a path; of several accesses to one path the strongest is the finding.
    fn is_access(self) -> bool {
        matches!(self, Self::Test | Self::Path | Self::Read | Self::Write)
    }
}

/// One violation of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Package of the script.
    pub package: String,
    /// The script: `preinst`, `postinst`, … .
    pub script: String,
    /// Line of the script; none where it is not known.
    pub line: Option<u32>,
    /// Kind of violation.
    pub kind: FindingKind,
    /// Name of the tool, or of the shell's own command; empty where neither is known.
    pub tool: String,
    /// The path, argument or program that it is about.
    pub what: String,
    /// Whether its effect was in the target all the same, by help of the shim.
    pub helped: bool,
    /// The command as the shell traced it, or as the process was called; none where it is not known.
    pub command: Option<String>,
    /// Number of times it was observed.
    pub times: u32,
}

/// Key of findings that become one: package, script, line, path, and kind and tool where it is no access.
type Key = (String, String, Option<u32>, String, Option<(FindingKind, String)>);

/// Findings, each once.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<Key, Finding>);

impl Findings {
    /// Adds a finding. Of several accesses to one path in one line, the strongest is kept.
    pub fn add(&mut self, new: Finding) {
        let apart = (!new.kind.is_access()).then(|| (new.kind, new.tool.clone()));
        let key = (
            new.package.clone(),
            new.script.clone(),
            new.line,
            new.what.clone(),
            apart,
        );
        let Some(known) = self.0.get_mut(&key) else {
            self.0.insert(key, new);
            return;
        };
        let helped = known.helped && new.helped;
        let times = if new.kind == known.kind {
            known.times.saturating_add(new.times)
        } else {
            known.times.max(new.times)
        };
        if new.kind > known.kind {
            *known = new;
        }
        known.helped = helped;
        known.times = times;
    }

    /// Whether it goes without saying beside another one of the same line: a lock, backup or new version of a file
    /// that is written as well.
    fn is_beside_another(&self, finding: &Finding) -> bool {
        let Some(of) = main_file(&finding.what).filter(|_| finding.kind == FindingKind::Write) else {
            return false;
        };
        self.0.values().any(|other| {
            let here = (&other.package, &other.script, other.line, &other.tool);
            let same = here == (&finding.package, &finding.script, finding.line, &finding.tool);
            same && other.kind == FindingKind::Write && other.what == of
        })
    }

    /// Returns all findings: by package and script, then by line, those without one last.
    pub fn sorted(&self) -> Vec<Finding> {
        let own = self.0.values().filter(|finding| !self.is_beside_another(finding));
        let mut all: Vec<Finding> = own.cloned().collect();
        let order = |f: &Finding| (f.line.unwrap_or(u32::MAX), f.kind);
        all.sort_by(|a, b| {
            (&a.package, &a.script, order(a), &a.what).cmp(&(&b.package, &b.script, order(b), &b.what))
        });
        all
    }
}

/// Returns the file that a lock, backup or temporary file belongs to: `/etc/passwd` for `/etc/passwd-`,
/// `/etc/passwd.lock` and `/etc/passwd.1234`.
fn main_file(path: &str) -> Option<&str> {
    let ends = ["+", "-", "~", ".lock", ".new", ".tmp", ".bak"];
    let number = || {
        let (file, number) = path.rsplit_once('.')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(file)
    };
    ends.iter().find_map(|end| path.strip_suffix(end)).or_else(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn finding(kind: FindingKind, what: &str) -> Finding {
        Finding {
            package: "p".into(),
            script: "postinst".into(),
            line: Some(3),
            kind,
            tool: "chown".into(),
            what: what.into(),
            helped: false,
            command: None,
            times: 1,
        }
    }

    #[test]
    fn the_strongest_access_is_kept() {
        let mut all = Findings::default();
        for kind in [
            FindingKind::Test,
            FindingKind::Write,
            FindingKind::Path,
            FindingKind::Test,
        ] {
            all.add(finding(kind, "/etc/x"));
        }
        all.add(finding(FindingKind::Uncovered, "/etc/x"));
        let sorted = all.sorted();
        let kinds: Vec<FindingKind> = sorted.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [FindingKind::Write, FindingKind::Uncovered]);
        assert!(sorted.iter().all(|finding| finding.times == 1));
    }

    #[test]
    fn what_was_seen_outside_was_not_helped() {
        let mut all = Findings::default();
        all.add(Finding {
            helped: true,
            ..finding(FindingKind::Path, "/var/lib/x")
        });
        assert!(all.sorted().iter().all(|finding| finding.helped));
        all.add(finding(FindingKind::Write, "/var/lib/x"));
        let sorted = all.sorted();
        assert_eq!(sorted.len(), 1);
        assert!(
            sorted
                .iter()
                .all(|finding| !finding.helped && finding.kind == FindingKind::Write)
        );
    }

    #[test]
    fn locks_and_backups_are_not_told() {
        let mut all = Findings::default();
        for what in [
            "/etc/passwd",
            "/etc/passwd-",
            "/etc/passwd.lock",
            "/etc/passwd.4711",
            "/etc/other-",
        ] {
            all.add(finding(FindingKind::Write, what));
        }
        let sorted = all.sorted();
        let seen: Vec<&str> = sorted.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(seen, ["/etc/other-", "/etc/passwd"]);
    }

    #[test]
    fn repetitions_are_counted_and_lines_are_in_order() {
        let mut all = Findings::default();
        for _ in 0..3 {
            all.add(finding(FindingKind::Read, "/b"));
        }
        all.add(Finding {
            line: None,
            ..finding(FindingKind::Read, "/a")
        });
        let sorted = all.sorted();
        let seen: Vec<(&str, u32)> = sorted.iter().map(|f| (f.what.as_str(), f.times)).collect();
        assert_eq!(seen, [("/b", 3), ("/a", 1)]);
    }

    #[test]
    fn the_shims_kinds_are_reported_by_their_names() {
        for kind in ViolationKind::ALL {
            assert_eq!(FindingKind::from(kind).name(), kind.name());
        }
        assert!(FindingKind::ALL.iter().all(|kind| !kind.advice().is_empty()));
    }
}
