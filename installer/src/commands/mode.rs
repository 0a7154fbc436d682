//! The way in which scripts are run on this machine, as `--mode` and the machine allow it.

use super::error::Error;
use crate::customization::CustomizationError;
use crate::install::InstallError;
use crate::settings::{Mode, Settings};
use script_host::ScriptRootKind;
use script_host::view::{self, Machine, ViewError};
use task_progress::Reporter;

/// Returns the way that the settings ask for, on a machine that has namespaces and FUSE.
pub(super) fn wanted(settings: &Settings) -> ScriptRootKind {
    match settings.mode {
        Mode::Auto | Mode::Redirect => ScriptRootKind::Target,
        Mode::Chrootless => ScriptRootKind::Native,
    }
}

/// Returns the way in which scripts run on this machine, and warnings, already reported, of what is lost where
/// that is not the way asked for.
///
/// # Errors
/// The machine lacks what `--mode=redirect` needs.
pub(super) fn decide(
    settings: &Settings,
    reporter: &dyn Reporter,
) -> Result<(ScriptRootKind, Vec<String>), Error> {
    let why = match view::probe() {
        Ok(_) => return Ok((wanted(settings), Vec::new())),
        Err(error) if settings.mode == Mode::Redirect || !is_lack(&error) => return Err(error.into()),
        Err(error) => error,
    };
    let machine = Machine::probe();
    let lost = lost(&why, machine);
    for message in &lost {
        reporter.warn(message);
    }
    Ok((ScriptRootKind::Machine(machine), lost))
}

/// Checks that hooks can run where scripts run in this way.
///
/// # Errors
/// The machine lacks namespaces, in which hooks see the target.
pub(super) fn check_hooks(settings: &Settings, scripts_run: ScriptRootKind) -> Result<(), Error> {
    match scripts_run {
        ScriptRootKind::Machine(_) if !settings.hooks.is_empty() => {
            view::probe()?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Checks that programs of the target run in it, where the system is to have what they make.
///
/// # Errors
/// They do not.
pub(super) fn check_customization(settings: &Settings, scripts_run: ScriptRootKind) -> Result<(), Error> {
    match scripts_run {
        ScriptRootKind::Target => Ok(()),
        _ if settings.customization.needs_programs() => {
            Err(InstallError::Customize(CustomizationError::chrootless()).into())
        }
        _ => Ok(()),
    }
}

/// Returns the way in which scripts can be watched.
///
/// # Errors
/// The machine lacks what it needs.
pub(super) fn watched() -> Result<ScriptRootKind, Error> {
    view::probe()?;
    Ok(ScriptRootKind::Native)
}

/// Whether a machine can run scripts in chrootless mode in spite of an error.
fn is_lack(error: &ViewError) -> bool {
    matches!(
        error,
        ViewError::NoSubordinateIds { .. }
            | ViewError::FewIds { .. }
            | ViewError::NoIdMapHelper { .. }
            | ViewError::IdMap { .. }
            | ViewError::NoUserNamespaces(_)
            | ViewError::NoFuse(_)
    )
}

/// Returns the losses on a machine without namespaces or FUSE, a sentence each.
fn lost(why: &ViewError, machine: Machine) -> Vec<String> {
    let mut lost = vec![format!(
        "{why}: maintainer scripts run in chrootless mode on this machine itself, with its own tools and \
         DPKG_ROOT; what a script does elsewhere is refused, but it sees the names and attributes of files and the \
         command lines of processes, and where the tools are of another release than the target's the result \
         may differ"
    )];
    if let Some(hint) = why.hint() {
        lost.push(format!("to have the mode redirect: {hint}"));
    }
    if !machine.fuse {
        lost.push(
            "/dev/fuse or fusermount3 is not there: scripts see the directory on the disk; owners, modes and \
             devices are recorded where a script calls chown, chgrp, chmod, install, mknod or setcap by name, and \
             lost where a program changes them itself"
                .to_owned(),
        );
    }
    if !machine.protects {
        lost.push(
            "this kernel has no Landlock: scripts can read and write your own files, so use packages that you trust"
                .to_owned(),
        );
    }
    if !machine.supervises {
        let others = if machine.scopes {
            ""
        } else {
            ", send signals to your processes"
        };
        lost.push(format!(
            "calls of scripts cannot be looked at here, since a container or another program does (seccomp): scripts can \
             change modes, times and extended attributes of your files{others} and connect to your sockets, so use \
             packages that you trust"
        ));
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lack_is_told() {
        let why = ViewError::NoUserNamespaces("no".to_owned());
        assert!(is_lack(&why));
        let all = Machine {
            fuse: true,
            protects: true,
            supervises: true,
            scopes: true,
        };
        let none = Machine {
            fuse: false,
            protects: false,
            supervises: false,
            scopes: false,
        };
        assert_eq!(lost(&why, none).len(), lost(&why, all).len() + 3);
        let open = |machine| lost(&why, machine).pop().unwrap_or_default();
        let unsupervised = Machine {
            supervises: false,
            ..all
        };
        assert!(open(unsupervised).contains("extended attributes"));
        assert!(!open(unsupervised).contains("signals"));
        assert!(
            open(Machine {
                scopes: false,
                ..unsupervised
            })
            .contains("signals")
        );
        // The other means suffices.
        assert_eq!(lost(&why, Machine { scopes: false, ..all }), lost(&why, all));
    }

    #[test]
    fn other_troubles_are_errors() {
        let broken = ViewError::Lost(std::io::ErrorKind::BrokenPipe.into());
        assert!(!is_lack(&broken));
    }
}
