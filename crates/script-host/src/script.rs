//! A maintainer script: its arguments, environment and failure (Policy chapter 6; dpkg(1), "Internal
//! environment").

use crate::view::{Ended, Outcome};
use std::fmt;
use std::time::Duration;
use task_progress::escape;

/// `PATH` of a script, as in an ordinary root shell.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A maintainer script with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// `preinst install`: before a package is unpacked for the first time.
    Preinst,
    /// `postrm abort-install`: after a preinst that failed.
    AbortInstall,
    /// `postinst configure OLD-VERSION`; the version is empty the first time.
    Configure {
        /// Version configured last, empty when there is none.
        old: String,
    },
    /// `postinst triggered "NAME..."`.
    Triggered {
        /// The triggers, in dpkg's order.
        names: Vec<String>,
    },
    /// Any other call of a script (Policy 6.5).
    Call {
        /// `preinst`, `postinst`, `prerm` or `postrm`.
        file: &'static str,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

impl Script {
    /// Returns the file's name in `info/`, after the package's name and a full stop.
    pub fn file(&self) -> &'static str {
        match self {
            Self::Preinst => "preinst",
            Self::AbortInstall => "postrm",
            Self::Configure { .. } | Self::Triggered { .. } => "postinst",
            Self::Call { file, .. } => file,
        }
    }

    /// Returns the arguments that dpkg passes.
    pub fn arguments(&self) -> Vec<String> {
        match self {
            Self::Preinst => vec!["install".into()],
            Self::AbortInstall => vec!["abort-install".into()],
            Self::Configure { old } => vec!["configure".into(), old.clone()],
            Self::Triggered { names } => vec!["triggered".into(), names.join(" ")],
            Self::Call { arguments, .. } => arguments.clone(),
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file())?;
        self.arguments()
            .iter()
            .filter(|a| !a.is_empty())
            .try_for_each(|argument| write!(f, " {argument}"))
    }
}

/// The part of the environment that all scripts have.
#[derive(Clone, Debug)]
pub struct Environment {
    /// `DPKG_RUNNING_VERSION`: the target's own dpkg.
    pub dpkg_version: String,
    /// `SOURCE_DATE_EPOCH` in seconds since 1970; none leaves it unset.
    pub source_date_epoch: Option<i64>,
    /// `DPKG_ROOT`, the path at which scripts see the target; empty where it is their root directory, else
    /// they run outside of it (dpkg(1), `--force-script-chrootless`).
    pub root: String,
    /// `DPKG_ADMINDIR`, the path at which scripts see dpkg's administrative directory.
    pub admin: String,
    /// Directory of the chrootless wrappers, which comes first in `PATH`.
    pub wrappers: Option<String>,
    /// Further variables.
    pub extra: Vec<(&'static str, String)>,
}

impl Environment {
    /// Returns the whole environment of one script. Nothing of the user's own
    /// environment reaches it.
    pub fn of(
        &self,
        package: &str,
        architecture: &str,
        script: &Script,
        force: &str,
    ) -> Vec<(String, String)> {
        let epoch = self
            .source_date_epoch
            .map(|epoch| ("SOURCE_DATE_EPOCH", epoch.to_string()));
        let path = match &self.wrappers {
            Some(wrappers) => format!("{wrappers}:{PATH}"),
            None => PATH.to_owned(),
        };
        let force = match self.root.as_str() {
            "" => force.to_owned(),
            _ if force.split(',').any(|thing| thing == "script-chrootless") => force.to_owned(),
            _ => format!("{force},script-chrootless"),
        };
        [
            ("PATH", path),
            ("HOME", "/root".to_owned()),
            ("USER", "root".to_owned()),
            ("LOGNAME", "root".to_owned()),
            ("SHELL", "/bin/sh".to_owned()),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("LANGUAGE", "C.UTF-8".to_owned()),
            ("DEBIAN_FRONTEND", "noninteractive".to_owned()),
            ("DEBCONF_NONINTERACTIVE_SEEN", "true".to_owned()),
            ("DPKG_MAINTSCRIPT_PACKAGE", package.to_owned()),
            ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1".to_owned()),
            ("DPKG_MAINTSCRIPT_ARCH", architecture.to_owned()),
            ("DPKG_MAINTSCRIPT_NAME", script.file().to_owned()),
            ("DPKG_MAINTSCRIPT_DEBUG", "0".to_owned()),
            ("DPKG_RUNNING_VERSION", self.dpkg_version.clone()),
            ("DPKG_ROOT", self.root.clone()),
            ("DPKG_ADMINDIR", self.admin.clone()),
            ("DPKG_FORCE", force),
        ]
        .into_iter()
        .chain(epoch)
        .chain(self.extra.iter().cloned())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

/// A script that failed.
#[derive(Debug)]
pub struct ScriptFailure {
    /// The package it belongs to.
    pub package: String,
    /// The script.
    pub script: Script,
    /// Its end and last lines.
    pub outcome: Outcome,
}

impl std::error::Error for ScriptFailure {}

impl fmt::Display for ScriptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            package,
            script,
            outcome,
        } = self;
        match &outcome.ended {
            Ended::NotRun(reason) => {
                write!(f, "package {package}: {script} could not be executed: {reason}")?
            }
            Ended::NoInterpreter(_) => {
                let reason = escape(&outcome.ended.to_string()).to_string();
                write!(f, "package {package}: {script} could not be executed: {reason}")?
            }
            Ended::Exited(_) => write!(f, "package {package}: {script} failed with {}", outcome.ended)?,
            ended => write!(f, "package {package}: {script} was ended by {ended}")?,
        }
        if !self.outcome.last_lines.is_empty() {
            f.write_str("; its last lines:")?;
            for line in &self.outcome.last_lines {
                write!(f, "\n  {}", escape(line))?;
            }
        }
        Ok(())
    }
}

impl ScriptFailure {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match &self.outcome.ended {
            Ended::TimedOut(limit) => Some(format!(
                "the script waits for something that does not come; --script-timeout gives it more than {}",
                humantime::format_duration(Duration::from_secs(limit.as_secs()))
            )),
            Ended::Cancelled => None,
            Ended::NoInterpreter(program) => Some(match program.rsplit('/').next() {
                Some("sh") => format!("{} is in dash, which has to be installed, too", escape(program)),
                _ => format!("a package that has {} has to be installed, too", escape(program)),
            }),
            _ => Some(
                "the whole output of the script is in the log; --keep-failed leaves the target as it is"
                    .into(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_dpkgs() {
        assert_eq!(Script::Preinst.arguments(), ["install"]);
        assert_eq!(
            Script::Configure { old: String::new() }.arguments(),
            ["configure", ""]
        );
        let triggered = Script::Triggered {
            names: vec!["/usr/share/a".into(), "b".into()],
        };
        assert_eq!(triggered.arguments(), ["triggered", "/usr/share/a b"]);
        assert_eq!(triggered.to_string(), "postinst triggered /usr/share/a b");
    }

    #[test]
    fn failures_say_who_and_how() {
        let failure = ScriptFailure {
            package: "evil".into(),
            script: Script::Preinst,
            outcome: Outcome {
                ended: Ended::Exited(3),
                last_lines: vec!["went \u{1b}[2J wrong".into()],
            },
        };
        let text = failure.to_string();
        assert!(
            text.starts_with("package evil: preinst install failed with exit status 3"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
    }
}
