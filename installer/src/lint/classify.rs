//! Which accesses to the outer system are violations: rules in a table, the first that fits counts.
//!
//! The contract (dpkg(1), "DPKG_ROOT", and `--force-script-chrootless`): a script works on what is below
//! `DPKG_ROOT` and nothing else, and the tools it calls are the outer system's. So looking for a program
//! outside is right, and a program may read its own libraries, configuration and data; whatever the script
//! itself looks at, and whatever anybody changes, belongs below `DPKG_ROOT`.

use super::finding::Kind;
use super::process::Process;
use shim_protocol::PHANTOM_DIRECTORY;
use std::path::Path;

/// What is done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It is looked up, and nothing else.
    Test,
    /// It is read or listed.
    Read,
    /// It is made, changed or removed.
    Write,
    /// It is executed.
    Execute,
}

/// Whom a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Anybody,
    /// A shell that interprets a maintainer script.
    Shell,
    /// Another interpreter that does.
    Interpreter,
    Tool,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// A violation if the script's text, or the tool's command line, has the path.
    IfNamed,
    /// A violation if nothing is known about the program.
    IfUncovered,
    Violation,
}

/// One row of the table.
#[derive(Debug)]
struct Rule {
    who: Who,
    deeds: &'static [Deed],
    /// Paths with what is below them, or without where the last name is `.`; `*` stands for any part of a
    /// name. Empty for all.
    paths: &'static [&'static str],
    verdict: Verdict,
    /// Why.
    #[allow(dead_code, reason = "for who reads the table")]
    why: &'static str,
}

use Deed::{Execute, Read, Test, Write};
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

/// What a program reads of its own accord: dynamic loader, C library, terminal.
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
        deeds: &[Test, Read, Write, Execute],
        paths: &["/dev", "/proc", "/sys", PHANTOM_DIRECTORY],
        verdict: Fine,
        why: "the kernel's, or of the run itself: no state of a system",
    },
    Rule {
        who: Anybody,
        deeds: &[Test, Read, Write, Execute],
        paths: &["/tmp", "/var/tmp"],
        verdict: Fine,
        why: "temporary files are not part of the target, and better not in it",
    },
    Rule {
        who: Anybody,
        deeds: &[Test],
        paths: PROGRAMS,
        verdict: Fine,
        why: "programs are the outer system's, and whether one is there is asked there",
    },
    Rule {
        who: Shell,
        deeds: &[Test],
        paths: &["/usr/.", "/usr/local/."],
        verdict: IfNamed,
        why: "the search for a program ends there in a system without the directories of `PATH`",
    },
    Rule {
        who: Anybody,
        deeds: &[Execute],
        paths: LOADERS,
        verdict: Fine,
        why: "the dynamic loader of a program, which the kernel opens as one",
    },
    Rule {
        who: Anybody,
        deeds: &[Test],
        // Where it does not run there may be no /run/systemd either, and nothing more is asked.
        paths: &["/run/systemd"],
        verdict: Fine,
        why: "sd_booted(3): whether a manager runs is a matter of the machine, and what is told to it is seen",
    },
    Rule {
        who: Anybody,
        deeds: &[Execute],
        paths: &["/usr/share/debconf"],
        verdict: Fine,
        why: "debconf's library executes its frontend, which executes the script again",
    },
    Rule {
        who: Shell,
        deeds: &[Execute],
        paths: &[],
        verdict: IfUncovered,
        why: "by its absolute path: nothing stands between the script and the program",
    },
    Rule {
        who: Interpreter,
        deeds: &[Execute],
        paths: &[],
        verdict: IfUncovered,
        why: "the same",
    },
    Rule {
        who: Tool,
        deeds: &[Execute],
        paths: &[],
        verdict: Fine,
        why: "the tool's own matter; what that program does is seen",
    },
    Rule {
        who: Shell,
        deeds: &[Test, Read],
        paths: &["/usr/share/debconf", "/usr/share/dpkg"],
        verdict: Fine,
        why: "libraries for scripts that are part of the contract (debconf-devel(7))",
    },
    Rule {
        who: Shell,
        deeds: &[Test, Read],
        paths: OWN,
        verdict: IfNamed,
        why: "the shell's own business, unless the script says so",
    },
    Rule {
        who: Interpreter,
        deeds: &[Test, Read],
        paths: &[],
        verdict: IfNamed,
        why: "an interpreter reads modules from many places",
    },
    Rule {
        who: Tool,
        deeds: &[Write],
        paths: &["/run/lock", "/var/lock"],
        verdict: Fine,
        why: "a lock between tools of the outer system",
    },
    Rule {
        who: Tool,
        deeds: &[Test, Read],
        paths: &[],
        verdict: IfNamed,
        why: "its own libraries, configuration and data are fine; what it was told to read is the script's choice",
    },
    Rule {
        who: Anybody,
        deeds: &[Test, Read, Write],
        paths: &[],
        verdict: Violation,
        why: "state of a system outside DPKG_ROOT",
    },
];

/// An access that is to be judged.
pub struct Question<'a> {
    /// The path, outside the target.
    pub path: &'a Path,
    /// What is done.
    pub deed: Deed,
    /// By whom.
    pub process: &'a Process,
    /// The script's text.
    pub script: Option<&'a str>,
    /// Whether it is known how a program, named without its directory, learns of the root.
    pub is_covered: &'a dyn Fn(&str) -> bool,
}

impl Question<'_> {
    /// The kind of violation it is, if it is one.
    pub fn judge(&self) -> Option<Kind> {
        let path = self.path.to_str()?;
        let rule = RULES.iter().find(|rule| self.fits(rule, path))?;
        let is_violation = match rule.verdict {
            Fine => false,
            Violation => true,
            IfNamed => self.is_named(path),
            IfUncovered => {
                let name = path.rsplit('/').next().unwrap_or(path);
                return (!(self.is_covered)(name)).then_some(Kind::Uncovered);
            }
        };
        is_violation.then_some(match self.deed {
            Test => Kind::Test,
            Read => Kind::Read,
            Write | Execute => Kind::Write,
        })
    }

    fn fits(&self, rule: &Rule, path: &str) -> bool {
        let who = match self.process {
            Process::Script { shell: true, .. } => Shell,
            Process::Script { shell: false, .. } => Interpreter,
            Process::Tool { .. } => Tool,
        };
        let place = rule.paths.is_empty() || rule.paths.iter().any(|pattern| is_below(pattern, path));
        (rule.who == Anybody || rule.who == who) && rule.deeds.contains(&self.deed) && place
    }

    fn is_named(&self, path: &str) -> bool {
        match self.process {
            // A text that cannot be read names nothing.
            Process::Script { .. } => self
                .script
                .is_some_and(|text| text.lines().any(|line| names(code(line), path))),
            Process::Tool { arguments, .. } => arguments.iter().any(|argument| {
                words(argument).any(|word| {
                    let word = word.trim_end_matches('/');
                    // What is below a directory that was named was meant as well, if nothing else reads it.
                    let below = || !OWN.iter().any(|own| is_below(own, path));
                    path == word || (!word.is_empty() && Path::new(path).starts_with(word) && below())
                })
            }),
        }
    }
}

/// The absolute paths in an argument: the whole of it, what stands after `=` or `:`, or in a piece of code.
pub(super) fn words(argument: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_whitespace() || "=:,;&|<>(){}[]\"'`".contains(c);
    argument.split(ends).filter(|word| word.starts_with('/'))
}

/// A line without its comment.
pub(super) fn code(line: &str) -> &str {
    match line.find('#') {
        Some(at) if at == 0 || line[..at].ends_with([' ', '\t']) => &line[..at],
        _ => line,
    }
}

/// Whether a text has this path: not as a part of a longer one, be it in front (`$DPKG_ROOT/etc/x`) or
/// behind.
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

/// Whether a path is one that a pattern means, or below it.
fn is_below(pattern: &str, path: &str) -> bool {
    let mut names = path.split('/');
    pattern.split('/').all(|wanted| match wanted {
        "." => names.next().is_none(),
        _ => names.next().is_some_and(|name| fits(wanted, name)),
    })
}

/// Whether a name fits one with `*` in it (glob(7)).
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name
            .strip_prefix(start)
            .is_some_and(|name| (0..=name.len()).any(|at| name.get(at..).is_some_and(|end| fits(rest, end)))),
    }
}

#[cfg(test)]
#[path = "classify/tests.rs"]
mod tests;
