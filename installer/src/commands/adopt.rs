//! `adopt`: a directory that another program made becomes a target.
//!
//! What is known of owners and modes is told apart by who has it: the disk, in ids of the user's own and of subordinate
//! ones (podman, mmdebstrap); attributes (fuse-overlayfs); a file (fakeroot). Each file is recorded before its owner on
//! the disk is changed, and the directory itself comes last, so that one who was stopped can begin again.

mod attributes;
mod fakeroot;

use super::error::Error;
use crate::finished::{self, Hold};
use attributes::Attributes;
use fakeroot::Fakeroot;
use rootless_install_fs::{FileType, Marker, Meta, Stat, Target, Timestamp};
use script_host::view;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use task_progress::{Cancel, Reporter};

/// Settings of the command.
#[derive(Clone, Debug)]
pub struct AdoptSettings {
    /// The directory.
    pub directory: PathBuf,
    /// The file that `fakeroot -s` wrote.
    pub fakeroot: Option<PathBuf>,
    /// Whether this process is root of a namespace that has the user's subordinate ids.
    pub in_namespace: bool,
}

/// Option of the process that has the subordinate ids.
pub const IN_NAMESPACE: &str = "--in-namespace";

/// Directories of which every root filesystem has one.
const OF_ROOT: [&str; 4] = ["usr", "etc", "bin", "var"];

/// The id that stands for those that a namespace does not have (user_namespaces(7)).
const OVERFLOW: u32 = 65534;

/// Number of the ids on the disk and those of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ids {
    /// All files are the user's own, and of root.
    Own,
    /// As podman has them: the user is root, subordinate ids follow.
    AsSeen,
    /// As mmdebstrap has them: the first subordinate id is root.
    FromOne,
}

impl Ids {
    fn of(self, seen: u32) -> u32 {
        match self {
            Self::Own => 0,
            Self::AsSeen => seen,
            // What is the user's own was not made in the namespace, or is adopted already.
            Self::FromOne => seen.saturating_sub(1),
        }
    }
}

/// Makes a target of the directory.
///
/// # Errors
/// Files that are not the user's, and those of changing files.
pub fn run(settings: &AdoptSettings, reporter: &dyn Reporter, cancel: &Cancel) -> Result<(), Error> {
    let directory = &settings.directory;
    if Marker::is_in(directory) {
        reporter.note(&format!("{} is a target already", directory.display()));
        return Ok(());
    }
    let failed = |source| Error::Adopt {
        path: directory.clone(),
        source,
    };
    let root = fs::symlink_metadata(directory).map_err(failed)?;
    if !root.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    // All modes in it will change on the disk: not a thing to do to a home directory by mistake.
    if !OF_ROOT.iter().any(|name| directory.join(name).is_dir()) && !settings.in_namespace {
        return Err(Error::Change {
            path: directory.clone(),
            what: format!(
                "is no root filesystem: it has none of the directories {}",
                OF_ROOT.join(", ")
            ),
        });
    }
    if settings.in_namespace {
        let ids = match root.uid() {
            0 => Ids::AsSeen,
            1 => Ids::FromOne,
            _ => return Err(foreign(directory)),
        };
        return Adopting::new(settings, ids, None)?.all(reporter, cancel);
    }
    let own = rustix::process::geteuid().as_raw();
    let fakeroot = settings.fakeroot.as_deref().map(Fakeroot::read).transpose()?;
    let found = look(directory, own, fakeroot.as_ref())?;
    if settings.fakeroot.is_some() {
        if let Some(path) = found.other {
            return Err(Error::Change {
                path,
                what: "is not yours: what fakeroot has written is of directories whose files all are"
                    .to_owned(),
            });
        }
        if !found.is_listed {
            return Err(Error::NotFakeroots {
                path: directory.to_owned(),
            });
        }
    }
    match found.other {
        None => Adopting::new(settings, Ids::Own, fakeroot)?.all(reporter, cancel),
        Some(_) => {
            let absolute = fs::canonicalize(directory).map_err(failed)?;
            let program = std::env::current_exe().map_err(failed)?;
            let command: [OsString; 4] = [
                program.into(),
                "adopt".into(),
                IN_NAMESPACE.into(),
                absolute.into(),
            ];
            match view::run_with_ids(&command)?.success() {
                true => Ok(()),
                // It has said why.
                false => Err(Error::AdoptFailed {
                    path: directory.clone(),
                }),
            }
        }
    }
}

/// What is in a directory.
struct Found {
    /// A file that belongs to somebody else than the user.
    other: Option<PathBuf>,
    /// Whether fakeroot's file has one of the files.
    is_listed: bool,
}

/// Directories that were opened to be looked into, with the modes that they get back.
struct Opened(Vec<(PathBuf, u32)>);

impl Drop for Opened {
    fn drop(&mut self) {
        // What is in a directory can be reached only as long as that is open.
        for (path, mode) in self.0.iter().rev() {
            if let Err(error) = fs::set_permissions(path, fs::Permissions::from_mode(*mode)) {
                tracing::warn!("{} keeps the mode 0700: {error}", path.display());
            }
        }
    }
}

/// Looks at all files, and changes none. It ends at the first one that is somebody else's.
fn look(directory: &Path, own: u32, fakeroot: Option<&Fakeroot>) -> Result<Found, Error> {
    let mut opened = Opened(Vec::new());
    let mut left = vec![directory.to_owned()];
    let mut is_listed = false;
    while let Some(path) = left.pop() {
        let failed = |source| Error::Adopt {
            path: path.clone(),
            source,
        };
        let found = fs::symlink_metadata(&path).map_err(failed)?;
        is_listed |= fakeroot.is_some_and(|known| known.get(&found).is_some());
        if found.uid() != own {
            return Ok(Found {
                other: Some(path),
                is_listed,
            });
        }
        if found.is_dir() {
            if found.mode() & 0o700 != 0o700 {
                opened.0.push((path.clone(), found.mode() & 0o7777));
                fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
            }
            for entry in fs::read_dir(&path).map_err(failed)? {
                left.push(entry.map_err(failed)?.path());
            }
        }
    }
    Ok(Found {
        other: None,
        is_listed,
    })
}

fn foreign(path: &Path) -> Error {
    Error::Foreign {
        path: path.to_owned(),
    }
}

struct Adopting {
    target: Target,
    _held: Hold,
    ids: Ids,
    fakeroot: Option<Fakeroot>,
}

impl Adopting {
    fn new(settings: &AdoptSettings, ids: Ids, fakeroot: Option<Fakeroot>) -> Result<Self, Error> {
        let target = Target::open(&settings.directory)?;
        Ok(Self {
            _held: finished::hold(&target, true)?,
            target,
            ids,
            fakeroot,
        })
    }

    /// Adopts everything, the directory itself last.
    fn all(&self, reporter: &dyn Reporter, cancel: &Cancel) -> Result<(), Error> {
        let directory = self.target.root_path();
        let mut left = vec![(PathBuf::from("/"), None)];
        let mut known = 0u64;
        while let Some((path, seen)) = left.pop() {
            cancel.check()?;
            let on_disk = directory.join(path.strip_prefix("/").unwrap_or(&path));
            let failed = |source| Error::Adopt {
                path: on_disk.clone(),
                source,
            };
            // A directory is adopted after what is in it, as it was before.
            if let Some(seen) = seen {
                known += u64::from(self.one(&path, &on_disk, &seen)?);
                continue;
            }
            let seen = fs::symlink_metadata(&on_disk).map_err(failed)?;
            if !seen.is_dir() {
                known += u64::from(self.one(&path, &on_disk, &seen)?);
                continue;
            }
            if seen.mode() & 0o700 != 0o700 && self.ids == Ids::Own {
                fs::set_permissions(&on_disk, fs::Permissions::from_mode(seen.mode() & 0o7777 | 0o700))
                    .map_err(failed)?;
            }
            left.push((path.clone(), Some(seen)));
            for entry in fs::read_dir(&on_disk).map_err(failed)? {
                left.push((path.join(entry.map_err(failed)?.file_name()), None));
            }
        }
        if self.ids == Ids::Own && known == 0 {
            reporter.warn("nothing was found that says other owners: all files belong to root");
        }
        Marker::write(directory).map_err(|source| Error::Marker {
            path: directory.to_owned(),
            source,
        })
    }

    /// Adopts a file. Returns whether something was known of its owner or mode.
    fn one(&self, path: &Path, on_disk: &Path, seen: &fs::Metadata) -> Result<bool, Error> {
        let failed = |source| Error::Adopt {
            path: on_disk.to_owned(),
            source,
        };
        // The id is Debian's nobody, too; only of a user whom the namespace does not have nothing can be changed.
        if self.ids != Ids::Own
            && (seen.uid() == OVERFLOW || seen.gid() == OVERFLOW)
            && lchown(on_disk, Some(seen.uid()), Some(seen.gid())).is_err()
        {
            return Err(foreign(on_disk));
        }
        let attributes = Attributes::take(on_disk, self.ids == Ids::FromOne).map_err(failed)?;
        let kind = kind(seen);
        let recorded = attributes.recorded;
        let mut meta = match recorded {
            true => self.target.stat(path)?.meta,
            false => Meta {
                kind,
                mode: seen.mode() & 0o7777,
                uid: self.ids.of(seen.uid()),
                gid: self.ids.of(seen.gid()),
                mtime: mtime(seen),
            },
        };
        meta.mtime = mtime(seen);
        let listed = self.fakeroot.as_ref().and_then(|known| known.get(seen));
        if let Some(listed) = listed.filter(|_| !recorded) {
            (meta.kind, meta.mode, meta.uid, meta.gid) =
                (listed.kind.unwrap_or(kind), listed.mode, listed.uid, listed.gid);
        }
        self.record(path, kind, &meta)?;
        for (name, value) in &attributes.moved {
            self.target.set_xattr(path, name, value)?;
        }
        attributes.remove(on_disk).map_err(failed)?;
        let now = fs::symlink_metadata(on_disk).map_err(failed)?;
        let own = rustix::process::geteuid().as_raw();
        let group = rustix::process::getegid().as_raw();
        if (now.uid(), now.gid()) != (own, group) && self.ids != Ids::Own {
            lchown(on_disk, Some(own), Some(group)).map_err(failed)?;
        }
        self.target.set_mtime(path, meta.mtime)?;
        Ok(recorded || listed.is_some() || self.ids != Ids::Own || !attributes.moved.is_empty())
    }

    /// Records what a file is to the target's users.
    fn record(&self, path: &Path, on_disk: FileType, meta: &Meta) -> Result<(), Error> {
        let plain = |kind| matches!(kind, FileType::Regular | FileType::Directory | FileType::Symlink);
        if meta.kind == on_disk && plain(on_disk) {
            return Ok(self.target.set_meta(path, meta)?);
        }
        let Stat { meta: now, size, .. } = self.target.stat(path)?;
        if now.kind == meta.kind && size == 0 && !matches!(on_disk, FileType::Fifo | FileType::Socket) {
            return Ok(self.target.set_meta(path, meta)?);
        }
        if plain(meta.kind) {
            return Ok(self.target.set_meta(path, meta)?);
        }
        // A device of fakeroot's is an empty file; a pipe or socket is a real one.
        self.target.remove(path)?;
        Ok(self.target.make_node(path, meta)?)
    }
}

fn mtime(seen: &fs::Metadata) -> Timestamp {
    Timestamp {
        sec: seen.mtime(),
        nsec: u32::try_from(seen.mtime_nsec()).unwrap_or_default(),
    }
}

fn kind(seen: &fs::Metadata) -> FileType {
    let (major, minor) = (rustix::fs::major(seen.rdev()), rustix::fs::minor(seen.rdev()));
    match seen.mode() & 0o170_000 {
        0o040_000 => FileType::Directory,
        0o120_000 => FileType::Symlink,
        0o010_000 => FileType::Fifo,
        0o140_000 => FileType::Socket,
        0o020_000 => FileType::CharDevice { major, minor },
        0o060_000 => FileType::BlockDevice { major, minor },
        _ => FileType::Regular,
    }
}
