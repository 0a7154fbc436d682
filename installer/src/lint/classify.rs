//! Rules that decide which operations on the outer system are violations: a table, of which the first row that
//! fits counts.
//!
//! The contract (dpkg(1), "DPKG_ROOT", and `--force-script-chrootless`): a script works on what is below
//! `DPKG_ROOT` and nothing else, and the tools it calls are the outer system's. So a script may search for programs
//! outside, and a program may read its own libraries, configuration and data. Whatever the script itself looks
//! at, and whatever any process changes, belongs below `DPKG_ROOT`.

use super::finding::FindingKind;
use super::process::Process;
use shim_protocol::PHANTOM_DIRECTORY;
use std::path::Path;

/// An operation on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Looking it up, and nothing else.
    Test,
    /// Reading or listing it.
    Read,
    /// Making, changing or removing it.
    Write,
    /// Executing it.
    Execute,
}

/// The process that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Any process.
    Anybody,
    /// A shell that interprets a maintainer script.
    Shell,
    /// Another interpreter of a maintainer script.
    Interpreter,
    /// Any other program.
    Tool,
}

/// Verdict of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// No violation.
    Fine,
    /// A violation if the script's text, or the tool's command line, has the path.
    IfNamed,
    /// A violation if the program is not known to act on `DPKG_ROOT`.
    IfUncovered,
    /// A violation in any case.
    Violation,
}

/// One row of the table.
#[derive(Debug)]
struct Rule {
    /// The process.
    who: Who,
    /// The operations.
    operations: &'static [Operation],
    /// Paths with what is below them, or without where the last name is `.`; `*` stands for any part of a
    /// name. Empty for all.
    paths: &'static [&'static str],
    verdict: Verdict,
    /// The reason.
    #[allow(dead_code, reason = "for readers of the table")]
    why: &'static str,
}

use Operation::{Execute, Read, Test, Write};
use Verdict::{Fine, IfNamed, IfUncovered, Violation};
use Who::{Anybody, Interpreter, Shell, Tool};

/// Directories that are searched for programs (`PATH`), and the links that lead there.
const PROGRAMS: &[&str] = &[
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/games",
    "/usr/local/games",
];

/// Paths that programs read of their own accord: those of the dynamic loader, the C library and the terminal.
const OWN: &[&str] = &[
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/terminfo",
    "/lib*",
    "/run/nscd",
    "/usr/lib*/*.so*",
    "/usr/lib/*-linux-*/*.so*",
    "/usr/lib/*-linux-*/gconv",
    "/usr/lib/*-linux-*/glibc-hwcaps",
    "/usr/lib/locale",
    "/usr/lib/terminfo",
    "/usr/share/locale*",
    "/usr/share/terminfo",
    "/usr/share/zoneinfo",
];

/// The dynamic loaders of this machine's programs (ld.so(8)).
const LOADERS: &[&str] = &[
    "/lib*/ld-linux*",
    "/usr/lib*/ld-linux*",
    "/lib*/*/ld-linux*",
    "/usr/lib*/*/ld-linux*",
];

static RULES: &[Rule] = &[
    Rule {
        who: Anybody,
        operations: &[Test, Read, Write, Execute],
        paths: &["/dev", "/proc", "/sys", PHANTOM_DIRECTORY],
        verdict: Fine,
        why: "the kernel's, or of the run itself: no state of a system",
    },
    Rule {
        who: Anybody,
        operations: &[Test, Read, Write, Execute],
        paths: &["/tmp", "/var/tmp"],
        verdict: Fine,
        why: "temporary files are not part of the target, and better not in it",
    },
    Rule {
        who: Anybody,
        operations: &[Test],
        paths: PROGRAMS,
        verdict: Fine,
        why: "programs are the outer system's, and whether one is there is asked there",
    },
    Rule {
        who: Shell,
        operations: &[Test],
        paths: &["/usr/.", "/usr/local/."],
        verdict: IfNamed,
        why: "the search for a program ends there in a system without the directories of `PATH`",
    },
    Rule {
        who: Anybody,
        operations: &[Execute],
        paths: LOADERS,
        verdict: Fine,
        why: "the dynamic loader of a program, which the kernel opens as one",
    },
    Rule {
        who: Anybody,
        operations: &[Test],
        // Where it does not run there may be no /run/systemd either, and nothing more is asked.
        paths: &["/run/systemd"],
        verdict: Fine,
        why: "sd_booted(3): whether a manager runs is a matter of the machine, and what is told to it is seen",
    },
    Rule {
        who: Anybody,
        operations: &[Execute],
        paths: &["/usr/share/debconf"],
        verdict: Fine,
        why: "debconf's library executes its frontend, which executes the script again",
    },
    Rule {
        who: Shell,
        operations: &[Execute],
        paths: &[],
        verdict: IfUncovered,
        why: "by its absolute path: nothing stands between the script and the program",
    },
    Rule {
        who: Interpreter,
        operations: &[Execute],
        paths: &[],
        verdict: IfUncovered,
        why: "the same",
    },
    Rule {
        who: Tool,
        operations: &[Execute],
        paths: &[],
        verdict: Fine,
        why: "the tool's own matter; what that program does is seen",
    },
    Rule {
        who: Shell,
        operations: &[Test, Read],
        paths: &["/usr/share/debconf", "/usr/share/dpkg"],
        verdict: Fine,
        why: "libraries for scripts that are part of the contract (debconf-devel(7))",
    },
    Rule {
        who: Shell,
        operations: &[Test, Read],
        paths: OWN,
        verdict: IfNamed,
        why: "the shell's own business, unless the script says so",
    },
    Rule {
        who: Interpreter,
        operations: &[Test, Read],
        paths: &[],
        verdict: IfNamed,
        why: "an interpreter reads modules from many places",
    },
    Rule {
        who: Tool,
        operations: &[Write],
        paths: &["/run/lock", "/var/lock"],
        verdict: Fine,
        why: "a lock between tools of the outer system",
    },
    Rule {
        who: Tool,
        operations: &[Test, Read],
        paths: &[],
        verdict: IfNamed,
        why: "its own libraries, configuration and data are fine; what it was told to read is the script's choice",
    },
    Rule {
        who: Anybody,
        operations: &[Test, Read, Write],
        paths: &[],
        verdict: Violation,
        why: "state of a system outside DPKG_ROOT",
    },
];

/// An operation to be judged.
pub struct Question<'a> {
    /// The path, outside the target.
    pub path: &'a Path,
    /// The operation.
    pub operation: Operation,
    /// The process.
    pub process: &'a Process,
    /// Text of the script; none where it cannot be read.
    pub script: Option<&'a str>,
    /// Whether a program, named without its directory, is known to act on `DPKG_ROOT`.
    pub is_covered: &'a dyn Fn(&str) -> bool,
}

impl Question<'_> {
    /// Returns the kind of violation; none for an operation that is right.
    pub fn judge(&self) -> Option<FindingKind> {
        let path = self.path.to_str()?;
        let rule = RULES.iter().find(|rule| self.fits(rule, path))?;
        let is_violation = match rule.verdict {
            Fine => false,
            Violation => true,
            IfNamed => self.is_named(path),
            IfUncovered => {
                let name = path.rsplit('/').next().unwrap_or(path);
                return (!(self.is_covered)(name)).then_some(FindingKind::Uncovered);
            }
        };
        is_violation.then_some(match self.operation {
            Test => FindingKind::Test,
            Read => FindingKind::Read,
            Write | Execute => FindingKind::Write,
        })
    }

    fn fits(&self, rule: &Rule, path: &str) -> bool {
        let who = match self.process {
            Process::Script { shell: true, .. } => Shell,
            Process::Script { shell: false, .. } => Interpreter,
            Process::Tool { .. } => Tool,
        };
        let place = rule.paths.is_empty() || rule.paths.iter().any(|pattern| is_below(pattern, path));
        (rule.who == Anybody || rule.who == who) && rule.operations.contains(&self.operation) && place
    }

    fn is_named(&self, path: &str) -> bool {
        match self.process {
            // A text that cannot be read has no paths.
            Process::Script { .. } => self
                .script
                .is_some_and(|text| text.lines().any(|line| names(code(line), path))),
            Process::Tool { arguments, .. } => arguments.iter().any(|argument| {
                words(argument).any(|word| {
                    let word = word.trim_end_matches('/');
                    // A directory that was named stands for what is below it, except for what programs read by themselves.
                    let below = || !OWN.iter().any(|own| is_below(own, path));
                    path == word || (!word.is_empty() && Path::new(path).starts_with(word) && below())
                })
            }),
        }
    }
}

/// Returns the absolute paths in an argument: the whole of it, the part after `=` or `:`, and those in a piece of
/// code.
pub(super) fn words(argument: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_whitespace() || "=:,;&|<>(){}[]\"'`".contains(c);
    argument.split(ends).filter(|word| word.starts_with('/'))
}

/// Returns a line of a script without its comment.
pub(super) fn code(line: &str) -> &str {
    match line.find('#') {
        Some(at) if at == 0 || line[..at].ends_with([' ', '\t']) => &line[..at],
        _ => line,
    }
}

/// Whether a text has a path, and not only as a part of a longer one (`$DPKG_ROOT/etc/x`, `/etc/x.conf`).
pub(super) fn names(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + path.len()..].chars().next();
        let is_part = |c: char| c.is_alphanumeric() || "_-.".contains(c);
        // `"$DPKG_ROOT"/etc/x`.
        let quoted = before == Some('"') && text[..at].trim_end_matches('"').ends_with(['}', 'T']);
        !before.is_some_and(|c| is_part(c) || c == '}') && !quoted && !after.is_some_and(is_part)
    })
}

/// Whether a path matches a pattern or is below a path that does.
fn is_below(pattern: &str, path: &str) -> bool {
    let mut names = path.split('/');
    pattern.split('/').all(|wanted| match wanted {
        "." => names.next().is_none(),
        _ => names.next().is_some_and(|name| fits(wanted, name)),
    })
}

/// Whether a name matches a pattern with `*` in it (glob(7)).
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name
            .strip_prefix(start)
            .is_some_and(|name| (0..=name.len()).any(|at| name.get(at..).is_some_and(|end| fits(rest, end)))),
    }
}

#[cfg(test)]
mod tests;
