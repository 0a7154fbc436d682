//! A session: a target with a place to run programs in.
//!
//! [`open`] prepares what programs need (the shim, the native sysroot, the socket on which the shim asks, the
//! view) and hands a [`Session`] to whoever works with the target: an installation, a call of dpkg, a hook, a
//! user's own command. The session runs one program after another, answers the shim meanwhile, and ends with
//! the work. What runs in it never knows which command opened it.
//!
//! It is opened on a target that is being made as well as on one that exists: the view is made when the first
//! program runs, and anew where the target has changed so that an old one would not show it.

mod admin;
mod answers;
mod control;
mod disk_modes;
mod dpkg;
mod error;
mod hook_place;
mod interpreters;
mod observer;
mod options;
mod private;
mod record;
mod resolver;
mod root;
mod run;
mod serving;
mod shared;
mod stand_in;
mod wrappers;

pub use dpkg::{Dpkg, DpkgAnswer, DpkgCall};
pub use error::SessionError;
pub use hook_place::{AnswerHook, HearHook, HookPlace, HookPlaceOptions, ask, with_hook_place};
pub use observer::Observer;
pub use options::{BindMount, Native, Options, Processor, ScriptSettings, Surroundings};
pub use private::check_native_system;
pub use root::{ScriptRoot, ScriptRootKind};
pub use run::{RunResult, ScriptCall};
pub use serving::policy;
pub use shared::NATIVE_PACKAGES;
pub use stand_in::NativeScripts;

use crate::arch_output;
use crate::script::Environment;
use crate::sysroot::Counterparts;
use crate::unrunnable::{Refusal, Unrunnable};
pub use crate::view::Network;
use crate::view::View;
use answers::Answers;
use rootless_install_fs::Target;
use shared::Shared;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use task_progress::{Cancel, Reporter};

type Result<T> = std::result::Result<T, SessionError>;

/// A target in which programs can be run.
pub struct Session<'s> {
    shared: &'s Shared<'s>,
    environment: Environment,
    /// The view of the last program, for the next one.
    view: Option<View>,
    /// Directories that the view shows and that the target lacked when it was made.
    lacking: Vec<&'static str>,
    /// The process in which programs run, where the session is the answer to a call of dpkg in the view.
    caller: Option<dpkg::Caller>,
}

/// Sets a flag when it is dropped, also by a panic.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Opens a session, does some work in it, and closes it. `native` is the source of native tools; none means that this
/// machine executes all of the target's own programs. When the work has succeeded, the files that scripts have
/// left on the disk or in this machine's form are brought into the target's.
///
/// # Errors
/// Those of the work, and [`SessionError`] where the session cannot be opened or closed.
pub fn open<T, E: From<SessionError>>(
    options: Options<'_>,
    native: Option<Native<'_, '_>>,
    work: impl FnOnce(&mut Session<'_>) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let unrunnable = Unrunnable::new(options.scripts.on_unrunnable);
    let mut shared = Shared {
        options: &options,
        redirected: native.is_some(),
        native_system: native.as_ref().and_then(|native| native.directory.as_deref()),
        counterparts: None,
        unrunnable: &unrunnable,
    };
    let environment = shared.environment()?;
    let mut sysroot = None;
    if options.runs_programs {
        shared.create_private()?;
        if let Some(native) = &native {
            sysroot = shared.sysroot(native)?;
        }
    }
    shared.counterparts = sysroot.as_ref().map(|sysroot| sysroot as &dyn Counterparts);
    let answers = Answers::new(&shared);
    let ended = AtomicBool::new(false);
    let done = std::thread::scope(|scope| {
        let _set = OnDrop(&ended);
        let control = if options.runs_programs {
            answers.listen(scope)?
        } else {
            None
        };
        if let Some(observer) = &options.observer {
            let ended = &ended;
            scope.spawn(move || observer.accompany(&|| ended.load(Ordering::Acquire)));
        }
        let mut session = Session {
            shared: &shared,
            environment,
            view: None,
            lacking: Vec::new(),
            caller: None,
        };
        let done = work(&mut session);
        drop(session);
        drop(control);
        done
    })?;
    shared.finish()?;
    Ok(done)
}

impl<'s> Session<'s> {
    /// Returns the target.
    pub fn target(&self) -> &'s Target {
        self.shared.options.target
    }

    /// Returns the environment that all scripts have.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Returns the record of programs that were tried and cannot be run, and of the packages that are deferred for them.
    pub fn unrunnable(&self) -> &'s Unrunnable {
        self.shared.unrunnable
    }

    /// Returns the reporter.
    pub fn reporter(&self) -> &'s dyn Reporter {
        &*self.shared.options.reporter
    }

    /// Returns the token that stops programs.
    pub fn cancel(&self) -> &'s Cancel {
        self.shared.options.cancel
    }

    /// Whether programs can be run ([`Options::runs_programs`]).
    pub fn runs_programs(&self) -> bool {
        self.shared.options.runs_programs
    }

    /// Whether native programs stand in for the target's.
    pub fn is_redirected(&self) -> bool {
        self.shared.redirected
    }

    /// Whether an observer watches, so that a script that fails does not end the work.
    pub fn is_observed(&self) -> bool {
        self.shared.options.observer.is_some()
    }

    /// Returns the private directory, whose files programs see below [`PHANTOM_DIRECTORY`](crate::view::PHANTOM_DIRECTORY).
    pub fn private(&self) -> PathBuf {
        self.shared.private()
    }

    /// Returns the reason why a package's postinst cannot be run, where that is known before it has tried.
    pub fn foreseen(&self, package: &str) -> Option<Refusal> {
        if !self.shared.redirected {
            return None;
        }
        arch_output::foreseen(package, self.shared.options.arch)
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

    /// Prepares the target for a preinst with these contents. Where native programs stand in, the view shows the native
    /// loader's directory, and a preinst of libc6 that makes it would take it for its own; so it is made before.
    ///
    /// # Errors
    /// The target cannot be written.
    pub fn before_preinst(&self, script: Option<&[u8]>) -> Result<()> {
        if self.shared.redirected {
            private::make_loader_link(self.shared.options.target, script)?;
        }
        Ok(())
    }
}
