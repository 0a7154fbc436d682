//! The command `mirror`: a part of archives as a directory that apt, debootstrap, mmdebstrap and this program install from.
//!
//! ```text
//! DIR            link to one of the two states
//! .DIR.1/        a state: mirror.json, and a directory for each archive with dists/ and pool/
//! .DIR.2/        the other one
//! .DIR.lock      locked while one is filled
//! ```
//!
//! A renewal fills the state that DIR does not lead to, with hard links to what is unchanged, and then has DIR lead to it
//! by a rename. Until then the former state is whole, whenever the renewal ends. Release files and indexes are as the
//! archives have them.

mod select;
mod state;
mod translations;
mod tree;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::archives::Archives;
use crate::settings::Settings;
use apt_solve::SolveError;
use deb_archive::{ArchiveError, Lock, lock_file};
use rootless_install_fs::remove_tree;
use task_progress::{Cancel, Cancelled, Reporter, Stage};

use select::Selected;
pub use state::{Fault, MirrorState};
use tree::Tree;

/// What a mirror is to have.
#[derive(Clone, Debug)]
pub struct MirrorSettings {
    /// The settings of an installation that is to be possible from it: sources, variant, packages.
    pub settings: Settings,
    /// The directory.
    pub directory: PathBuf,
    /// Whether it has all packages of the indexes.
    pub all: bool,
    /// Whether it has the native tools with which this machine installs packages of other architectures.
    pub native_tools: bool,
    /// Languages of which it has translations of descriptions, as apt names them (`Acquire::Languages`).
    pub languages: Vec<String>,
}

/// What was done.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Renewal {
    /// Whether there was nothing to do.
    pub unchanged: bool,
    /// Number of files of the mirror.
    pub files: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// Number of files that came from the former state.
    pub kept: usize,
    /// Number of files that are new.
    pub new: usize,
    /// Bytes of these.
    pub new_bytes: u64,
    /// Number of files of the former state that are not named any more.
    pub gone: usize,
    /// Sources, as apt takes them, with `DIR` for the mirror.
    pub sources: Vec<String>,
}

/// Error of a mirror.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// The user stopped it.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// Archives cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The request cannot be met.
    #[error("for {architecture}: {source}")]
    Solve {
        /// The architecture.
        architecture: String,
        /// The reason.
        source: SolveError,
    },
    /// The setting of /usr has no meaning there.
    #[error(transparent)]
    Request(#[from] crate::merge_usr::MergeUsrError),
    /// DIR is something else.
    #[error("{0} is not a mirror of this program")]
    NoMirror(PathBuf),
    /// A package file is asked for.
    #[error("--include {0}: a mirror has packages of archives, not files")]
    File(PathBuf),
    /// Package files are named as a source.
    #[error("--mirror {0}: a mirror has packages of archives with a Release file, not package files")]
    Packages(PathBuf),
    /// Another run renews it.
    #[error("another run is at work on the mirror {0}")]
    Busy(PathBuf),
    /// A file cannot be read or written.
    #[error("cannot {action} {path}")]
    Io {
        /// Operation.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Two archives have the same name and other content.
    #[error("the archives have two files `{0}`")]
    Clash(String),
}

impl MirrorError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoMirror(_) => Some("name a directory that does not exist yet"),
            Self::Busy(_) => Some("wait until it has ended"),
            _ => None,
        }
    }

    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

type Result<T> = std::result::Result<T, MirrorError>;

/// Makes or renews a mirror. With `dry_run` of the settings it is only told what would be done.
///
/// # Errors
/// [`MirrorError`]; the mirror is then as it was.
pub fn renew(mirror: &MirrorSettings, reporter: &Arc<dyn Reporter>, cancel: &Cancel) -> Result<Renewal> {
    let settings = &mirror.settings;
    let tree = Tree::of(&mirror.directory)?;
    let _lock = exclusive(&tree)?;
    let archives = Archives::open(&settings.cache, &settings.archives, Arc::clone(reporter), cancel)?;
    let selected = {
        let _stage = reporter.stage(Stage::Indexes);
        Selected::load(mirror, &archives, cancel)?
    };
    let before = tree.current()?;
    let state = {
        let _stage = reporter.stage(Stage::Choose);
        if let Some(before) = &before
            && before.is_of(&selected.releases(), &selected.request(mirror))
            && !tree.is_damaged()
            && !tree.lacks(before)
        {
            return Ok(Renewal {
                unchanged: true,
                ..before.summary()
            });
        }
        selected.state(mirror)?
    };
    cancel.check()?;
    let mut renewal = state.summary();
    let former = before.unwrap_or_default();
    renewal.gone = former
        .files
        .keys()
        .filter(|path| !state.files.contains_key(*path))
        .count();
    if settings.dry_run {
        let new = state.files.iter().filter(|(path, file)| !former.has(path, file));
        (renewal.new, renewal.new_bytes) =
            new.fold((0, 0), |(n, bytes), (_, file)| (n + 1, bytes + file.size));
        renewal.kept = renewal.files - renewal.new;
        return Ok(renewal);
    }
    let next = tree.next()?;
    let _stage = reporter.stage(Stage::Download);
    let missing = tree.link_kept(&state, &former, &next, cancel)?;
    renewal.new = missing.len();
    renewal.new_bytes = missing
        .iter()
        .filter_map(|path| state.files.get(path))
        .map(|file| file.size)
        .sum();
    renewal.kept = renewal.files - renewal.new;
    let missing = selected.write_documents(missing, &next)?;
    selected.fetch(&archives, &state, &missing, &next)?;
    cancel.check()?;
    tree.finish(&next, &state)?;
    Ok(renewal)
}

/// Checks every file of a mirror. Returns what is wrong, and the number of files.
///
/// # Errors
/// It is no mirror, or cannot be read.
pub fn verify(directory: &Path, cancel: &Cancel) -> Result<(Vec<Fault>, usize)> {
    let tree = Tree::of(directory)?;
    let state = tree
        .current()?
        .ok_or_else(|| MirrorError::NoMirror(directory.to_owned()))?;
    let faults = tree.faults(&state, cancel)?;
    if !faults.is_empty() {
        tree.note_damage();
    }
    Ok((faults, state.files.len()))
}

/// Removes the state that a mirror does not lead to. Returns whether there was one.
///
/// # Errors
/// It is no mirror, another run is at work on it, or it cannot be removed.
pub fn prune(directory: &Path, dry_run: bool) -> Result<bool> {
    let tree = Tree::of(directory)?;
    let _lock = exclusive(&tree)?;
    if tree.current()?.is_none() {
        return Err(MirrorError::NoMirror(directory.to_owned()));
    }
    let other = tree.other()?;
    let there = other.symlink_metadata().is_ok();
    if there && !dry_run {
        remove_tree(&other).map_err(MirrorError::io("remove", &other))?;
    }
    Ok(there)
}

fn exclusive(tree: &Tree) -> Result<std::fs::File> {
    match lock_file(&tree.lock(), Lock::Exclusive, &|| true) {
        Err(ArchiveError::Interrupted) => Err(MirrorError::Busy(tree.link().to_owned())),
        lock => Ok(lock?),
    }
}
