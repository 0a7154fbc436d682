//! The target of a call: its architecture, its database, and the locks that allow to change it.

use super::fault::{Fault, Result, errno_text};
use super::options::{Action, Call, Options};
use crate::finished::{self, Hold};
use crate::staging::{check_limits, check_machine, check_xattrs};
use deb_arch::Architecture;
use deb_unpack::DebFile;
use dpkg_db::{ADMIN, Database};
use rootless_install_fs::Target;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::fs::File;
use std::path::Path;
use task_progress::with_causes;

/// Returns the target's own architecture: that of its database, else `--arch`, else that of the first archive that has one,
/// else this machine's.
///
/// # Errors
/// A name that is no architecture, and an `--arch` that differs from the database.
pub(super) fn architecture(call: &Call, target: &Target) -> Result<&'static Architecture> {
    let known = finished::architecture(target).map_err(|error| {
        Fault::Call(match error {
            finished::FinishedError::Architecture { name, .. } => {
                format!("the target is for '{name}', which is not supported")
            }
            error => with_causes(&error),
        })
    })?;
    match (known, call.options.arch) {
        (Some(found), given) => match given.filter(|given| *given != found) {
            Some(given) => Err(Fault::Call(format!(
                "the target is for {}, not for {}",
                found.name, given.name
            ))),
            None => Ok(found),
        },
        (None, Some(given)) => Ok(given),
        (None, None) => Ok(archives_architecture(call).unwrap_or_else(Architecture::native)),
    }
}

/// Opens the target.
///
/// # Errors
/// There is no such directory, or it cannot be used.
pub(super) fn open(call: &Call) -> Result<Target> {
    let root = &call.options.root;
    let fatal = |problem: String| Fault::Call(problem);
    let admindir = call.options.admindir.as_deref();
    if let Some(admindir) = admindir.filter(|admindir| !admindir.is_dir()) {
        return Err(fatal(format!("there is no directory '{}'", admindir.display())));
    }
    if root.parent().is_none() {
        // Questions to a database alone need no files.
        if let Some(admindir) = admindir.filter(|_| !call.action.needs_root()) {
            let target = Target::open_with(admindir, Path::new(ADMIN), admindir);
            return target.map_err(|error| fatal(with_causes(&error)));
        }
        return Err(fatal(
            "the root directory is not given: use --root=DIR (this machine's own is left to its dpkg)"
                .to_owned(),
        ));
    }
    if !root.is_dir() {
        return Err(fatal(format!("there is no directory '{}'", root.display())));
    }
    if call.action.runs_scripts() {
        check_machine()
            .and_then(|()| check_limits())
            .and_then(|()| check_xattrs(root))
            .map_err(|error| match error.hint() {
                Some(hint) => fatal(format!("{}; {hint}", with_causes(&error))),
                None => fatal(with_causes(&error)),
            })?;
    }
    match admindir {
        Some(admindir) => Target::open_with(root, Path::new(ADMIN), admindir),
        None => Target::open(root),
    }
    .map_err(|error| fatal(with_causes(&error)))
}

/// Reads the database, or makes one where packages are to be installed.
///
/// # Errors
/// There is none, or it is damaged.
pub(super) fn database(call: &Call, target: &Target, architecture: &str) -> Result<Database> {
    let fatal = |error: dpkg_db::DpkgError| Fault::Call(with_causes(&error));
    let changes = call.options.act
        && (call.action.runs_scripts()
            || matches!(
                call.action,
                Action::AddArchitecture
                    | Action::RemoveArchitecture
                    | Action::SetSelections
                    | Action::ClearSelections
            )
            || call.action.changes_available());
    if changes {
        // What is there stays; `arch` is where the target's own architecture is from now on.
        return Database::create(target, architecture, &[]).map_err(fatal);
    }
    Database::load(target, architecture).map_err(fatal)
}

/// The locks of dpkg's database and of its front ends, held until dropped. A front end that holds its own
/// lock for this call says so in `DPKG_FRONTEND_LOCKED`.
pub(super) struct Locks {
    // Before the others. Within a run that holds the target this is none.
    _hold: Option<Hold>,
    _files: Vec<File>,
}

/// Locks the database of a target.
///
/// # Errors
/// Another process holds one of them.
pub(super) fn lock(options: &Options, target: &Target) -> Result<Locks> {
    let mut held = Vec::new();
    if !options.act {
        return Ok(Locks {
            _hold: None,
            _files: held,
        });
    }
    let (root, admin) = match &options.admindir {
        Some(admindir) => (admindir.as_path(), ""),
        None => (target.root_path(), "var/lib/dpkg"),
    };
    let directory = File::open(root).map_err(|error| {
        Fault::Call(format!(
            "cannot open '{}': {}",
            root.display(),
            errno_text(&error)
        ))
    })?;
    let front = (!options.frontend_locked).then_some(("lock-frontend", "dpkg frontend lock"));
    for (name, what) in front.into_iter().chain([("lock", "dpkg database lock")]) {
        // Whatever links are in the target, the file is there: the database has made it.
        let path = Path::new(admin).join(name);
        let failed = |error: std::io::Error| {
            Fault::Call(format!(
                "unable to open/create {what} file '{}': {}",
                path.display(),
                errno_text(&error)
            ))
        };
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let file = openat2(&directory, &path, flags, Mode::empty(), ResolveFlags::IN_ROOT);
        let file = File::from(file.map_err(|errno| failed(errno.into()))?);
        match crate::sys::lock(&file) {
            Ok(true) => held.push(file),
            Ok(false) => {
                return Err(Fault::Call(format!(
                    "{what} was locked by another process\n\
                     Note: removing the lock file is always wrong, and can end up damaging the\n\
                     locked area and the entire system. See <https://wiki.debian.org/Teams/Dpkg/FAQ#db-lock>."
                )));
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(Locks {
        _hold: finished::hold(target, true).ok(),
        _files: held,
    })
}

/// Returns the architecture of the first archive that is for one.
fn archives_architecture(call: &Call) -> Option<&'static Architecture> {
    if !matches!(
        call.action,
        Action::Install | Action::Unpack | Action::RecordAvail
    ) {
        return None;
    }
    call.arguments.iter().find_map(|path| {
        let control = DebFile::open(&call.options.places.on_machine(Path::new(path)))
            .ok()?
            .control()
            .ok()?;
        Architecture::by_name(&control.package().ok()?.architecture)
    })
}
