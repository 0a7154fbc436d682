//! Root-confined access to a target, with fake ownership.

pub(crate) mod change;
mod read;
pub(crate) mod traversal;
pub(crate) mod writing;
pub(crate) mod xattr;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use rustix::fs::{self, AtFlags, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use crate::acl::{self, Inherited};
use crate::confined::{Confined, Location};
use crate::encoding::{self, XATTR_PREFIX};
use crate::error::{Error, Result};
use crate::meta::{FileType, Meta};
use crate::sys;

/// A target: a directory that holds a root filesystem with fake ownership.
///
/// Paths are those of the target, absolute or relative to its root, which is the same. Directories on
/// the way are resolved as the target's own root would resolve them: absolute links start at the
/// target's root and `..` never leaves it. The last component is not followed unless said.
///
/// Clones are the same target. All methods may be called from several threads; descriptors of parent
/// directories are cached, so that many files in one directory cost one resolution.
#[derive(Clone)]
pub struct Target(Arc<Shared>);

struct Shared {
    confined: Arc<Confined>,
    /// The directory that is elsewhere, as a target of its own.
    elsewhere: Option<Target>,
    path: PathBuf,
    /// Whether there may be directories that hand down access control lists.
    hands_down: AtomicBool,
    observers: RwLock<Vec<Weak<dyn Observer>>>,
}

/// Observer of changes: the server, for its own records and the kernel's caches.
///
/// Inode numbers are those on disk. No method may be called with a lock held.
pub(crate) trait Observer: Send + Sync {
    /// The attributes or contents of a file have changed.
    fn inode_changed(&self, ino: u64);
    /// A name has come to be, or means something else, or is gone.
    fn entry_changed(&self, parent: u64, name: &OsStr);
    /// A file is about to lose a name; `last` if it has no other.
    fn leaving(&self, ino: u64, parent: u64, name: &OsStr, last: bool);
    /// The file that was [`leaving`](Self::leaving) stays.
    fn stayed(&self, ino: u64, parent: u64, name: &OsStr);
    /// A file has another name.
    fn moved(&self, ino: u64, from: (u64, &OsStr), to: (u64, &OsStr));
    /// As [`inode_changed`](Self::inode_changed), by a request to another view, which the kernel holds locks for.
    fn inode_changed_by_request(&self, ino: u64) {
        self.inode_changed(ino);
    }
    /// As [`entry_changed`](Self::entry_changed), by a request to another view, which the kernel holds locks for.
    fn entry_changed_by_request(&self, parent: u64, name: &OsStr) {
        self.entry_changed(parent, name);
    }
}

/// Observers of one target: it has several views.
struct Observers(Vec<Arc<dyn Observer>>);

impl Observer for Observers {
    fn inode_changed(&self, ino: u64) {
        self.0.iter().for_each(|observer| observer.inode_changed(ino));
    }

    fn entry_changed(&self, parent: u64, name: &OsStr) {
        self.0
            .iter()
            .for_each(|observer| observer.entry_changed(parent, name));
    }

    fn leaving(&self, ino: u64, parent: u64, name: &OsStr, last: bool) {
        self.0
            .iter()
            .for_each(|observer| observer.leaving(ino, parent, name, last));
    }

    fn stayed(&self, ino: u64, parent: u64, name: &OsStr) {
        self.0
            .iter()
            .for_each(|observer| observer.stayed(ino, parent, name));
    }

    fn moved(&self, ino: u64, from: (u64, &OsStr), to: (u64, &OsStr)) {
        self.0.iter().for_each(|observer| observer.moved(ino, from, to));
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Target").field(&self.0.path).finish()
    }
}

impl Target {
    /// Opens the target in an existing directory.
    ///
    /// # Errors
    /// [`Error::NoUserXattrs`] if the directory's filesystem cannot hold fake ownership, [`Error::Io`] if
    /// it cannot be opened or written.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::of(dir, Self::confine(dir)?, None)
    }

    /// Opens the target in an existing directory, with a directory of it that is elsewhere on the machine: whatever is
    /// at `path` and below in the target's paths is at `directory`. The view of a target does not show it there;
    /// [`elsewhere`](Self::elsewhere) has a view of its own.
    ///
    /// # Errors
    /// As for [`open`](Self::open), of both directories.
    pub fn open_with(dir: &Path, path: &Path, directory: &Path) -> Result<Self> {
        let mut confined = Self::confine(dir)?;
        let elsewhere = Self::of(directory, Self::confine(directory)?, None)?;
        confined.set_elsewhere(path, Arc::clone(&elsewhere.0.confined));
        Self::of(dir, confined, Some(elsewhere))
    }

    /// Returns the directory that is elsewhere on the machine, as a target of its own.
    pub fn elsewhere(&self) -> Option<&Self> {
        self.0.elsewhere.as_ref()
    }

    /// Opens a directory that can hold fake ownership.
    fn confine(dir: &Path) -> Result<Confined> {
        let confined = Confined::new(dir).map_err(|e| Error::io("open", dir, e))?;
        let probe = format!("{XATTR_PREFIX}probe");
        let root = sys::FdPath::of(confined.root().as_fd());
        match fs::setxattr(root.as_c_str(), probe.as_str(), b"", XattrFlags::empty()) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP) => return Err(Error::NoUserXattrs { path: dir.to_owned() }),
            Err(e) => return Err(Error::io("write", dir, e)),
        }
        match fs::removexattr(root.as_c_str(), probe.as_str()) {
            // Another process opening the same directory may have been first.
            Ok(()) | Err(Errno::NODATA) => {}
            Err(e) => return Err(Error::io("write", dir, e)),
        }
        Ok(confined)
    }

    fn of(dir: &Path, confined: Confined, elsewhere: Option<Self>) -> Result<Self> {
        // Directories that are there already may hand down lists.
        let populated = std::fs::read_dir(dir)
            .map_err(|e| Error::io("open", dir, e))?
            .next()
            .is_some();
        Ok(Self(Arc::new(Shared {
            confined: Arc::new(confined),
            elsewhere,
            path: dir.to_owned(),
            hands_down: AtomicBool::new(populated),
            observers: RwLock::new(Vec::new()),
        })))
    }

    /// Returns the directory as it was given to [`open`](Self::open), a path of the machine.
    pub fn root_path(&self) -> &Path {
        &self.0.path
    }

    pub(crate) fn confined(&self) -> &Confined {
        &self.0.confined
    }

    pub(crate) fn observe(&self, observer: Weak<dyn Observer>) {
        let mut observers = self.0.observers.write().unwrap_or_else(PoisonError::into_inner);
        observers.retain(|observer| observer.strong_count() > 0);
        observers.push(observer);
    }

    /// Returns the observer of what is at `path`; several are one.
    fn observer(&self, path: &Path) -> Option<Arc<dyn Observer>> {
        let of = match &self.0.elsewhere {
            Some(elsewhere) if self.0.confined.is_elsewhere(path) => elsewhere,
            _ => self,
        };
        let mut observers = of.observers();
        match observers.len() {
            0 | 1 => observers.pop(),
            _ => Some(Arc::new(Observers(observers))),
        }
    }

    fn observers(&self) -> Vec<Arc<dyn Observer>> {
        let observers = self.0.observers.read().unwrap_or_else(PoisonError::into_inner);
        observers.iter().filter_map(Weak::upgrade).collect()
    }

    /// Returns the observers but that at the address `own`.
    pub(crate) fn other_observers(&self, own: *const ()) -> Vec<Arc<dyn Observer>> {
        if self.0.observers.read().is_ok_and(|observers| observers.len() < 2) {
            return Vec::new();
        }
        let mut observers = self.observers();
        observers.retain(|observer| Arc::as_ptr(observer).cast::<()>() != own);
        observers
    }

    /// Notes that an attribute was set.
    pub(crate) fn note_attribute(&self, name: &OsStr) {
        if name == acl::DEFAULT {
            self.0.hands_down.store(true, Ordering::Release);
        }
    }

    /// Returns the access control lists of a file that is unpacked at `location`.
    fn lists_for(&self, location: &Location, meta: &Meta) -> rustix::io::Result<Inherited> {
        if !self.0.hands_down.load(Ordering::Acquire) || meta.kind == FileType::Symlink {
            return Ok(Inherited::default());
        }
        let directory = meta.kind == FileType::Directory;
        let list = sys::access::default_list(location.fd())?;
        Ok(list.map_or_else(Inherited::default, |mut list| {
            Inherited::unpacked(&mut list, meta.mode, directory)
        }))
    }

    /// Returns a name that no other file has, for a file that is to be renamed.
    pub(crate) fn temporary_name() -> std::ffi::OsString {
        // Of all targets: two may share a directory.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        writing::temporary_name(count)
    }

    fn location(&self, action: &'static str, path: &Path) -> Result<Location> {
        self.0
            .confined
            .location(path)
            .map_err(|e| Error::io(action, path, e))
    }

    fn location_followed(&self, action: &'static str, path: &Path) -> Result<Location> {
        self.0
            .confined
            .location_followed(path)
            .map_err(|e| e.into_error(action, path))
    }
}

/// File being written. Every write is a system call: give it large pieces.
///
/// Dropped without [`finish`](Self::finish), the file is removed again.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    meta: Meta,
    target: Target,
    location: Location,
    path: PathBuf,
    finished: bool,
}

impl NewFile {
    /// Gives the file its owner, mode and time.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk refuses; the file is removed then.
    pub fn finish(mut self) -> Result<()> {
        let failed = |e| Error::io("write", &self.path, e);
        let lists = self
            .target
            .lists_for(&self.location, &self.meta)
            .map_err(failed)?;
        sys::access::give_of(self.file.as_fd(), &lists).map_err(failed)?;
        finish(&self.file, &self.meta).map_err(failed)?;
        self.finished = true;
        // Made by `create` with the mode and size of the moment, and perhaps seen already.
        if let Some(observer) = self.target.observer(&self.path)
            && let Ok(stat) = fs::fstat(&self.file)
        {
            observer.inode_changed(sys::DiskStat::from(stat).ino);
        }
        Ok(())
    }

    /// Adds a hole of `bytes` bytes, which are read as zeroes and take no space where the disk can do that.
    ///
    /// # Errors
    /// That the file would become too large.
    pub fn add_hole(&mut self, bytes: u64) -> io::Result<()> {
        let end = self.file.stream_position()?.checked_add(bytes);
        let end = end.ok_or(io::ErrorKind::FileTooLarge)?;
        self.file.set_len(end)?;
        self.file.seek(io::SeekFrom::Start(end)).map(|_| ())
    }

    /// Sets another mode, owner and time than was given to [`Target::create`]; the type stays.
    pub fn set_meta(&mut self, meta: &Meta) {
        self.meta = Meta {
            kind: self.meta.kind,
            ..*meta
        };
    }
}

impl Write for NewFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // The error that led here is what matters.
            let _ = self.target.unlink(
                &self.location,
                AtFlags::empty(),
                self.target.observer(&self.path).as_deref(),
            );
        }
    }
}

/// Makes the regular file on disk that [`finish`] will complete.
pub(crate) fn create_at(location: &Location, meta: &Meta) -> rustix::io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(encoding::disk_mode(meta.kind, meta.mode));
    fs::openat(location.fd(), &location.name, flags, mode).map(File::from)
}

/// Gives a new file the attributes that the target's users are to see.
fn finish(file: &File, meta: &Meta) -> rustix::io::Result<()> {
    dress(file, meta)?;
    fs::futimens(file, &sys::only_mtime(meta.mtime))
}

/// Gives a new file its mode and owner, but not its time.
pub(crate) fn dress(file: &File, meta: &Meta) -> rustix::io::Result<()> {
    // The umask may have taken bits when the file was made.
    let mode = encoding::disk_mode(meta.kind, meta.mode);
    fs::fchmod(file, Mode::from_raw_mode(mode))?;
    let record = encoding::record(meta.kind, meta.mode, meta.uid, meta.gid);
    sys::set_record_of(file.as_fd(), record.as_ref(), false)
}
