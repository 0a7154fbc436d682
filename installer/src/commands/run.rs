//! `run` and `shell`: a command in the view of a target that exists.

use super::error::Error;
use crate::accounts::Account;
use crate::dpkg::InSession;
use crate::existing_target::ExistingTarget;
use crate::finished;
use crate::settings::{ArchiveSettings, NativeTools};
use crate::staging;
use deb_arch::Architecture;
use dpkg_db::Database;
use rootless_install_fs::Target;
use script_host::view;
use script_host::view::command::{Command, CommandEnd, Signals, Standard, User};
use script_host::{BindMount, Network, ScriptRootKind, ScriptSettings, Surroundings};
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use task_progress::{Cancel, Reporter};

/// Settings of a command in a target.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// The target, a directory.
    pub target: PathBuf,
    /// Program and arguments.
    pub program: Program,
    /// User: `NAME` or `UID`, and perhaps `:GROUP`; none for root.
    pub user: Option<String>,
    /// Directories and files of this machine that are seen in the target.
    pub binds: Vec<BindMount>,
    /// Working directory in the target; none for the root directory, or the user's home for a shell.
    pub directory: Option<PathBuf>,
    /// Variables of the environment, after those that every command has.
    pub environment: Vec<(OsString, OsString)>,
    /// Network.
    pub network: Network,
    /// Whether the target is only read.
    pub read_only: bool,
    /// Architecture of a target whose database says none.
    pub arch: Option<&'static Architecture>,
    /// The cache directory, absolute.
    pub cache: PathBuf,
    /// Archives of native tools, where they are not the target's own.
    pub archives: ArchiveSettings,
    /// Source of native tools.
    pub native: NativeTools,
    /// Settings of maintainer scripts.
    pub scripts: ScriptSettings,
}

/// The program that is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// This command; never empty.
    Command(Vec<OsString>),
    /// The user's shell, with these arguments.
    Shell(Vec<OsString>),
}

/// Reason why a command cannot be run in a target.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no such directory.
    #[error("there is no directory {}", path.display())]
    NoTarget {
        /// The path.
        path: PathBuf,
    },
    /// Another program works in the target.
    #[error("{} is in use: it can be read by several commands of this program, or changed by one", path.display())]
    InUse {
        /// The target.
        path: PathBuf,
    },
    /// The target's architecture is not known.
    #[error("{} is not known to be for any architecture: it has no database of dpkg that says one", path.display())]
    NoArchitecture {
        /// The target.
        path: PathBuf,
    },
    /// The target is for another architecture.
    #[error("the target is for {found}, not for {given}")]
    Architecture {
        /// The target's.
        found: &'static str,
        /// The one given.
        given: &'static str,
    },
    /// The target is for an architecture that is not supported, or has no such user; in words.
    #[error("{0}")]
    Refused(String),
    /// There is no place to unpack an archive.
    #[error("cannot make a directory in {}", path.display())]
    Directory {
        /// Its parent.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Signals cannot be passed on.
    #[error("cannot pass signals on")]
    Signals(#[source] std::io::Error),
}

impl RunError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoArchitecture { .. } => Some("name it with --arch".to_owned()),
            Self::InUse { .. } => {
                Some("wait for its end, or look at the target with --read-only while others do".to_owned())
            }
            _ => None,
        }
    }
}

/// Runs the command and returns its end.
///
/// # Errors
/// It could not be tried.
pub fn run(
    settings: &RunSettings,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancel,
) -> Result<CommandEnd, Error> {
    super::install::begin();
    let root = &settings.target;
    if !root.is_dir() {
        return Err(RunError::NoTarget { path: root.clone() }.into());
    }
    view::probe()?;
    if !settings.read_only {
        staging::check_xattrs(root)?;
    }
    staging::check_cache(&settings.cache, true)?;
    let target = Target::open(root)?;
    let _held = finished::hold(&target, !settings.read_only).map_err(|error| match error {
        finished::FinishedError::Busy { path } => RunError::InUse { path },
        error => RunError::Refused(error.to_string()),
    })?;
    let architecture = architecture(settings, &target)?;
    let database = Database::load(&target, architecture.name)?;
    let account = match &settings.user {
        Some(user) => Account::find(&target, user).map_err(RunError::Refused)?,
        None => Account::root(&target),
    };
    let dpkg = InSession {
        target: &target,
        architecture,
        bound: settings
            .binds
            .iter()
            .map(|bind| (bind.destination.clone(), bind.source.clone()))
            .collect(),
        cancel,
    };
    let resolver = match settings.network {
        Network::Host => std::fs::read("/etc/resolv.conf").ok(),
        Network::None => None,
    };
    let command = command(settings, &account);
    ExistingTarget {
        target: &target,
        architecture,
        cache: &settings.cache,
        archives: &settings.archives,
        native: &settings.native,
        scripts: &settings.scripts,
        kind: ScriptRootKind::Target,
        native_root: None,
        runs_programs: true,
        surroundings: Surroundings {
            dpkg: Some(&dpkg),
            network: settings.network,
            read_only: settings.read_only,
            durable: true,
            binds: settings.binds.clone(),
            resolver,
        },
        reporter,
        cancel,
    }
    .open(&database, |session, _| {
        let (numbers, receiver) = UnixStream::pair().map_err(RunError::Signals)?;
        let _diverted = cancel.divert(receiver).map_err(RunError::Signals)?;
        Ok(session.run_command(command, &Signals { numbers })?)
    })
}

fn architecture(settings: &RunSettings, target: &Target) -> Result<&'static Architecture, RunError> {
    let recorded = finished::architecture(target).map_err(|error| RunError::Refused(error.to_string()))?;
    match (recorded, settings.arch) {
        (Some(found), Some(given)) if found != given => Err(RunError::Architecture {
            found: found.name,
            given: given.name,
        }),
        (Some(arch), _) | (None, Some(arch)) => Ok(arch),
        (None, None) => Err(RunError::NoArchitecture {
            path: settings.target.clone(),
        }),
    }
}

/// Variables of the caller's that a command has, where it has a terminal.
const OF_TERMINAL: [&str; 2] = ["TERM", "COLORTERM"];

/// Variables of the caller's that a command has, where it has this machine's network.
const OF_NETWORK: [&str; 5] = ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"];

fn command(settings: &RunSettings, account: &Account) -> Command {
    let terminals = [
        std::io::stdin().is_terminal(),
        std::io::stdout().is_terminal(),
        std::io::stderr().is_terminal(),
    ];
    // A terminal whose output goes elsewhere is only read from.
    let interactive = matches!(terminals, [true, true, _]);
    let standard = terminals.map(|terminal| match terminal && interactive {
        true => Standard::Terminal,
        false => Standard::Given,
    });
    let path = match account.uid {
        0 => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        _ => "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games",
    };
    let mut environment: Vec<(OsString, OsString)> = [
        ("PATH", path),
        ("HOME", &account.home),
        ("USER", &account.name),
        ("LOGNAME", &account.name),
        ("SHELL", &account.shell),
        ("LANG", "C.UTF-8"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    let mut callers: Vec<&str> = Vec::new();
    if interactive {
        callers.extend(OF_TERMINAL);
    } else {
        environment.push(("DEBIAN_FRONTEND".into(), "noninteractive".into()));
    }
    if settings.network == Network::Host {
        callers.extend(OF_NETWORK);
    }
    let of_caller = |name: &str| Some((OsString::from(name), std::env::var_os(name)?));
    environment.extend(callers.into_iter().filter_map(of_caller));
    if let Some(epoch) = settings.scripts.source_date_epoch {
        environment.push(("SOURCE_DATE_EPOCH".into(), epoch.to_string().into()));
    }
    for (name, value) in &settings.environment {
        environment.retain(|(known, _)| known != name);
        environment.push((name.clone(), value.clone()));
    }
    let (arguments, directory) = match &settings.program {
        Program::Command(arguments) => (arguments.clone(), Path::new("/")),
        Program::Shell(arguments) => {
            let shell = OsStr::new(&account.shell).to_owned();
            let all = std::iter::once(shell).chain(arguments.iter().cloned());
            (all.collect(), Path::new(&account.home))
        }
    };
    Command {
        arguments,
        environment,
        directory: settings.directory.clone().unwrap_or_else(|| directory.to_owned()),
        user: User {
            uid: account.uid,
            gid: account.gid,
            groups: account.groups.clone(),
        },
        standard,
    }
}
