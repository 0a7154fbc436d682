//! A session: a target with a place to run programs in.
//!
//! [`open`] prepares what programs need (the shim, the native sysroot, the socket on which the shim asks, the
//! view) and hands a [`Session`] to whoever works with the target: an installation, a call of dpkg, a hook, a
//! user's own command. The session runs one program after another, answers the shim meanwhile, and ends with
//! the work. What runs in it never knows which command opened it.
//!
//! It is opened on a target that is being made as well as on one that exists: the view is made when the first
//! program runs, and anew where the target has changed so that an old one would not show it.

mod answers;
mod control;
mod disk_modes;
mod error;
mod private;
mod record;
mod root;
mod serving;

pub use error::SessionError;
pub use private::{check_native_system, make_hidden_link};
pub use root::{ScriptRoot, ScriptsRun};

use crate::fontconfig;
use crate::script::{Environment, Script};
use crate::sysroot::{Counterparts, Sources, Sysroot};
use crate::unrunnable::{OnUnrunnable, Refusal, Unrunnable};
use crate::view::{Ended, Outcome, View};
use answers::Answers;
use apt_solve::Universe;
use deb_arch::Architecture;
use deb_archive::{Fetcher, Index};
use progress::Cancel;
use progress::{Event, Reporter, Stage};
use rootless_install_fs::{Target, Watch};
use shim_protocol::{Violation, names};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, SessionError>;

/// Directories that scripts see even where the target has none, for what is in them.
const SHOWN_ANYWAY: &[&str] = &["/usr", "/usr/sbin", "/usr/lib"];

/// Settings of scripts, the same for all of a session.
#[derive(Clone, Debug, Default)]
pub struct ScriptSettings {
    /// Time limit of one script; none means no limit.
    pub timeout: Option<Duration>,
    /// Fate of a package whose script needs a program that cannot be run.
    pub on_unrunnable: OnUnrunnable,
    /// `SOURCE_DATE_EPOCH` in seconds since 1970; none where it is not set.
    pub source_date_epoch: Option<i64>,
}

/// Source of native tools.
pub struct Native<'a, 'u> {
    /// Packages of the same suite for this machine's architecture.
    pub universe: &'a Universe<'u>,
    /// The indexes that universe was made of.
    pub indexes: &'a [Index],
    /// The fetcher of these packages.
    pub fetcher: &'a Fetcher,
    /// The root of a native system to be used instead of packages.
    pub directory: Option<PathBuf>,
}

/// Everything that a session is opened with.
pub struct Options<'a, 'u> {
    /// The target.
    pub target: &'a Target,
    /// The target's own architecture.
    pub arch: &'static Architecture,
    /// The target's foreign architectures.
    pub foreign: &'a [&'static Architecture],
    /// The root directory of scripts.
    pub root: ScriptRoot<'a>,
    /// Native tools; none when all of the target's own programs can be executed.
    pub native: Option<Native<'a, 'u>>,
    /// Settings of scripts.
    pub scripts: &'a ScriptSettings,
    /// Version for `DPKG_RUNNING_VERSION`.
    pub dpkg_version: String,
    /// Whether any program may run. If not, nothing is prepared for one.
    pub runs_programs: bool,
    /// An empty directory of this run.
    pub scratch: &'a Path,
    /// A directory for the view's mount, made here.
    pub mount_point: PathBuf,
    /// The cache, in which unpacked native packages are kept.
    pub cache: &'a Path,
    /// An observer of what scripts do.
    pub observer: Option<Arc<dyn Observer>>,
    /// The reporter of scripts and their output.
    pub reporter: Arc<dyn Reporter>,
    /// The token that stops programs.
    pub cancel: &'a Cancel,
}

/// Someone who watches what scripts do, such as lint. The result is then thrown away, so a script that fails
/// does not end the work.
pub trait Observer: Send + Sync {
    /// Returns the watch of the target's view.
    fn inside(self: Arc<Self>) -> Arc<dyn Watch>;
    /// Returns the watch of the native root's view.
    fn outside(self: Arc<Self>) -> Arc<dyn Watch>;
    /// Takes what the shim tells of a script that acts outside of `DPKG_ROOT`.
    fn violation(&self, violation: &Violation<'_>);
    /// Prepares the private directory and the native root before the first script; `admin` is
    /// `DPKG_ADMINDIR`, `shim` the shim's path, both as scripts see them.
    ///
    /// # Errors
    /// A file cannot be written.
    fn prepare(&self, private: &Path, root: &Target, admin: &Path, shim: &Path) -> std::io::Result<()>;
    /// Runs in a thread of its own while the session is open, until `ended` says so.
    fn accompany(&self, ended: &dyn Fn() -> bool);
}

/// What stays the same while a session is open.
struct Shared<'s> {
    target: &'s Target,
    arch: &'static Architecture,
    foreign: &'s [&'static Architecture],
    root: ScriptRoot<'s>,
    /// Whether native programs stand in for the target's.
    redirected: bool,
    /// The root of a native system that the user gave.
    native_system: Option<PathBuf>,
    counterparts: Option<&'s dyn Counterparts>,
    scripts: &'s ScriptSettings,
    unrunnable: &'s Unrunnable,
    scratch: &'s Path,
    mount_point: &'s Path,
    observer: Option<Arc<dyn Observer>>,
    reporter: &'s Arc<dyn Reporter>,
    cancel: &'s Cancel,
}

/// A target in which programs can be run.
pub struct Session<'s> {
    shared: &'s Shared<'s>,
    environment: Environment,
    view: Option<View>,
    /// Directories of [`SHOWN_ANYWAY`] that the target lacked when the view was made.
    lacking: Vec<&'static str>,
}

/// The end of a program, and the program that it needed and that cannot be run.
#[derive(Debug)]
pub struct Ran {
    /// How it ended, and its last lines.
    pub outcome: Outcome,
    /// The first program it tried that cannot be run; it was stopped there.
    pub refusal: Option<Refusal>,
}

impl Ran {
    /// Returns in words how it failed; none where it succeeded.
    pub fn failure(&self) -> Option<String> {
        match (&self.refusal, &self.outcome.ended) {
            (Some(_), _) => Some("stopped: it needs what cannot be run".to_owned()),
            (None, Ended::Exited(0)) => None,
            (None, ended) => Some(ended.to_string()),
        }
    }
}

/// A maintainer script to be run.
#[derive(Clone, Copy, Debug)]
pub struct ScriptCall<'c> {
    /// Name of the package it belongs to.
    pub package: &'c str,
    /// Architecture of that package.
    pub architecture: &'c str,
    /// The script and its arguments.
    pub script: &'c Script,
    /// Its file, a path of the target.
    pub path: &'c Path,
    /// `DPKG_FORCE` (dpkg(1), `--force-help`).
    pub force: &'c str,
    /// Whether `DPKG_MAINTSCRIPT_DEBUG` is 1.
    pub debug: bool,
}

/// Sets a flag when it is dropped, also by a panic.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Opens a session, does some work in it, and closes it. When the work has succeeded, what scripts have left
/// on the disk or in this machine's form is brought into the target's.
///
/// # Errors
/// Those of the work, and [`SessionError`] where the session cannot be opened or closed.
pub fn open<T, E: From<SessionError>>(
    options: Options<'_, '_>,
    work: impl FnOnce(&mut Session<'_>) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let Options {
        target,
        arch,
        foreign,
        root,
        native,
        scripts,
        dpkg_version,
        runs_programs,
        scratch,
        mount_point,
        cache,
        observer,
        reporter,
        cancel,
    } = options;
    let unrunnable = Unrunnable::new(scripts.on_unrunnable);
    let mut shared = Shared {
        target,
        arch,
        foreign,
        root,
        redirected: native.is_some(),
        native_system: native.as_ref().and_then(|native| native.directory.clone()),
        counterparts: None,
        scripts,
        unrunnable: &unrunnable,
        scratch,
        mount_point: &mount_point,
        observer,
        reporter: &reporter,
        cancel,
    };
    let environment = shared.environment(dpkg_version)?;
    let mut sysroot = None;
    if runs_programs {
        shared.create_private()?;
        sysroot = shared.sysroot(native, cache)?;
    }
    shared.counterparts = sysroot.as_ref().map(|sysroot| sysroot as &dyn Counterparts);
    let answers = Answers::new(&shared);
    let ended = AtomicBool::new(false);
    let done = std::thread::scope(|scope| {
        let _set = OnDrop(&ended);
        let control = if runs_programs {
            answers.listen(scope)?
        } else {
            None
        };
        if let Some(observer) = &shared.observer {
            let ended = &ended;
            scope.spawn(move || observer.accompany(&|| ended.load(Ordering::Acquire)));
        }
        let mut session = Session {
            shared: &shared,
            environment,
            view: None,
            lacking: Vec::new(),
        };
        let done = work(&mut session);
        drop(session);
        drop(control);
        done
    })?;
    shared.finish()?;
    Ok(done)
}

impl<'s> Shared<'s> {
    /// The native sysroot, where native tools are packages.
    fn sysroot<'u>(&self, native: Option<Native<'s, 'u>>, cache: &Path) -> Result<Option<Sysroot<'s, 'u>>> {
        let Some(native) = native.filter(|_| !self.root.is_chrootless()) else {
            return Ok(None);
        };
        let tree = self.private().join(names::SYSROOT);
        if let Some(directory) = &native.directory {
            check_native_system(directory)?;
            private::create_mount_points(&tree)?;
            return Ok(None);
        }
        let _stage = self.reporter.stage(Stage::Sysroot);
        let sysroot = Sysroot::new(Sources {
            tree,
            store: cache.join("native"),
            target: self.arch,
            files: self.target,
            universe: native.universe,
            indexes: native.indexes,
            fetcher: native.fetcher,
            reporter: &**self.reporter,
        })?;
        Ok(Some(sysroot))
    }

    fn finish(&self) -> Result<()> {
        if matches!(self.root, ScriptRoot::Machine { fuse: false }) {
            disk_modes::take_over_all(self.target)?;
        }
        let native = Architecture::native();
        if self.arch != native || self.foreign.iter().any(|arch| *arch != native) {
            fontconfig::remove_foreign(self.target, self.arch)?;
        }
        Ok(())
    }
}

impl<'s> Session<'s> {
    /// The target.
    pub fn target(&self) -> &'s Target {
        self.shared.target
    }

    /// The environment that all scripts have.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Sets the version of dpkg that scripts are told of.
    pub fn set_dpkg_version(&mut self, version: String) {
        self.environment.dpkg_version = version;
    }

    /// The settings of scripts.
    pub fn scripts(&self) -> &'s ScriptSettings {
        self.shared.scripts
    }

    /// The programs that were tried and cannot be run, and the packages that are deferred for them.
    pub fn unrunnable(&self) -> &'s Unrunnable {
        self.shared.unrunnable
    }

    /// The reporter.
    pub fn reporter(&self) -> &'s dyn Reporter {
        &**self.shared.reporter
    }

    /// The token that stops programs.
    pub fn cancel(&self) -> &'s Cancel {
        self.shared.cancel
    }

    /// Whether native programs stand in for the target's.
    pub fn is_redirected(&self) -> bool {
        self.shared.redirected
    }

    /// Whether somebody watches, so that a script that fails is no reason to end.
    pub fn is_observed(&self) -> bool {
        self.shared.observer.is_some()
    }

    /// The directory whose files programs see below [`PHANTOM_DIRECTORY`](crate::view::PHANTOM_DIRECTORY).
    pub fn private(&self) -> PathBuf {
        self.shared.private()
    }

    /// Returns the reason why a package's postinst cannot be run, where that is known before it has tried.
    pub fn foreseen(&self, package: &str) -> Option<Refusal> {
        if !self.shared.redirected {
            return None;
        }
        crate::hazards::foreseen(package, self.shared.arch)
    }

    /// Whether [`learn`](Self::learn) has an effect: native tools are packages.
    pub fn learns(&self) -> bool {
        self.shared.counterparts.is_some()
    }

    /// Notes which package ships which paths of the target, so that their native counterparts are found.
    ///
    /// # Errors
    /// The native sysroot cannot be changed.
    pub fn learn(&self, name: &str, version: &str, architecture: &str, paths: &[PathBuf]) -> Result<()> {
        match self.shared.counterparts {
            Some(counterparts) => Ok(counterparts.learn(name, version, architecture, paths)?),
            None => Ok(()),
        }
    }

    /// Makes the link to the native loader's directory that a preinst would make, where native programs
    /// stand in: the loader that is shown in its place would be taken for it.
    ///
    /// # Errors
    /// The target cannot be written.
    pub fn before_preinst(&self, script: Option<&[u8]>) -> Result<()> {
        if self.shared.redirected {
            make_hidden_link(self.shared.target, script)?;
        }
        Ok(())
    }

    /// Runs a maintainer script and waits for its end.
    ///
    /// # Errors
    /// The session was cancelled, or the place where programs run is lost. A script that fails is no error.
    pub fn run_script(&mut self, call: &ScriptCall<'_>) -> Result<Ran> {
        let shown = call.script.to_string();
        let package = call.package;
        self.reporter().event(&Event::ScriptStarted {
            package,
            script: &shown,
        });
        let started = Instant::now();
        let mut variables = self
            .environment
            .of(package, call.architecture, call.script, call.force);
        if call.debug {
            variables.retain(|(name, _)| name != "DPKG_MAINTSCRIPT_DEBUG");
            variables.push(("DPKG_MAINTSCRIPT_DEBUG".to_owned(), "1".to_owned()));
        }
        let path = format!("{}{}", self.environment.root, call.path.display());
        let arguments = call.script.arguments();
        let command: Vec<&str> = std::iter::once(path.as_str())
            .chain(arguments.iter().map(String::as_str))
            .collect();
        let ran = self.run(package, &command, &variables)?;
        self.reporter().event(&Event::ScriptFinished {
            package,
            script: &shown,
            failure: ran.failure().as_deref(),
            elapsed: started.elapsed(),
        });
        Ok(ran)
    }

    /// Runs a command on behalf of a package and waits for its end; `command` is its path and arguments,
    /// `variables` its whole environment.
    ///
    /// # Errors
    /// As for a script.
    pub fn run(&mut self, package: &str, command: &[&str], variables: &[(String, String)]) -> Result<Ran> {
        let Shared {
            cancel,
            unrunnable,
            scripts,
            ..
        } = self.shared;
        cancel.check()?;
        let mut view = self.take_view()?;
        let stop = || cancel.is_cancelled() || unrunnable.tried();
        let outcome = view.run(package, command, variables, scripts.timeout, &stop);
        let refusal = unrunnable.script_ended();
        let outcome = outcome?;
        // Whatever ran in a view where everything was killed has to have a new one.
        let killed = matches!(outcome.ended, Ended::Cancelled | Ended::TimedOut(_));
        self.view = (!killed).then_some(view);
        cancel.check()?;
        Ok(Ran { outcome, refusal })
    }

    /// Returns the view that is there, or a new one.
    ///
    /// Where the target has no /usr/sbin, a view shows one with what is put there for scripts, and goes on
    /// showing that. So it is of no use any more once a package has brought the real one.
    fn take_view(&mut self) -> Result<View> {
        let target = self.shared.target;
        let lacks = |path: &&'static str| target.stat_follow(Path::new(path)).is_err();
        let lacking: Vec<&'static str> = SHOWN_ANYWAY.iter().copied().filter(lacks).collect();
        let before = std::mem::replace(&mut self.lacking, lacking);
        match self.view.take().filter(|_| before == self.lacking) {
            Some(view) => Ok(view),
            None => self.shared.view(),
        }
    }
}
