//! Directories that can only be had by a root-confined open.
//!
//! [`Dir`] is the only way to a directory of the target, and there are two ways to one: [`Dir::root`],
//! and [`Confined::dir`] with a path that is resolved as the target's own root would resolve it.
//! Absolute links start at the target's root, `..` stops there, links kept as files (see
//! [`crate::encoding`]) are followed as links. Nothing else in the crate opens a directory by path.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::descriptors;
use crate::marker::MARKER;
use crate::meta::FileType;
use crate::recent::Recent;
use crate::sys::{self, AttrError};

/// Most links that are followed before a loop is assumed, as in path_resolution(7).
const MAX_LINKS: u32 = 40;

/// Most bytes of a link's text.
const PATH_MAX: u64 = 4096;

/// Most directories that are kept open.
const KEPT_OPEN: usize = 256;

/// The part of the descriptors that directories may have: an eighth.
pub(crate) const PART: u64 = 8;

/// Most bytes of a path that is resolved at once; with a name more it is still shorter than `PATH_MAX`.
const AT_ONCE: usize = 3800;

const DIR_FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A directory of the target, held by an `O_PATH` descriptor.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
    ino: u64,
}

impl Dir {
    /// Opens the target's root, by a path of the machine.
    fn root(path: &Path) -> Result<Self, Errno> {
        Self::new(fs::open(path, DIR_FLAGS, Mode::empty())?)
    }

    fn new(fd: OwnedFd) -> Result<Self, Errno> {
        let ino = sys::DiskStat::from(fs::fstat(&fd)?).ino;
        Ok(Self { fd, ino })
    }

    /// Returns the inode number on disk.
    pub(crate) fn ino(&self) -> u64 {
        self.ino
    }

    /// Opens the directory `name` in this one; fails for a link.
    pub(crate) fn child(&self, name: &OsStr) -> Result<Self, Errno> {
        Self::new(fs::openat(
            &self.fd,
            name,
            DIR_FLAGS | OFlags::NOFOLLOW,
            Mode::empty(),
        )?)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Location in the target: a directory and a name in it, which is `.` for the root.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    pub(crate) dir: Arc<Dir>,
    pub(crate) name: OsString,
}

impl Location {
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// The target's root and the directories open in it.
#[derive(Debug)]
pub(crate) struct Confined {
    root: Arc<Dir>,
    /// Directories by their path.
    open: Mutex<Recent<Vec<u8>, OpenDir>>,
    /// A directory that is not below the root, by the path, in normal form, at which it is seen.
    elsewhere: Option<(Vec<u8>, Arc<Confined>)>,
}

#[derive(Debug)]
struct OpenDir {
    dir: Arc<Dir>,
    /// Whether the path leads through a link or `..`, so that any change of a name may change its meaning.
    indirect: bool,
}

impl Confined {
    pub(crate) fn new(root: &Path) -> Result<Self, Errno> {
        Ok(Self {
            root: Arc::new(Dir::root(root)?),
            open: Mutex::new(Recent::new(descriptors::share(KEPT_OPEN, PART))),
            elsewhere: None,
        })
    }

    /// Has the directory at `path` be another one; links that lead there go on to lead below the root.
    pub(crate) fn set_elsewhere(&mut self, path: &Path, directory: Arc<Self>) {
        self.elsewhere = Some((normal(path).into_owned(), directory));
    }

    /// Whether a path is not below the root.
    pub(crate) fn is_elsewhere(&self, path: &Path) -> bool {
        self.elsewhere(path).is_some()
    }

    /// Returns what holds a path that is not below the root, and the path in it.
    fn elsewhere(&self, path: &Path) -> Option<(&Self, PathBuf)> {
        let (place, other) = self.elsewhere.as_ref()?;
        let path = normal(path);
        let rest = path.strip_prefix(&place[..])?;
        (rest.is_empty() || rest.starts_with(b"/"))
            .then(|| (&**other, PathBuf::from(OsStr::from_bytes(rest))))
    }

    pub(crate) fn root(&self) -> &Arc<Dir> {
        &self.root
    }

    /// Returns the location that `path` names, its last component not followed.
    pub(crate) fn location(&self, path: &Path) -> Result<Location, Errno> {
        if let Some((other, path)) = self.elsewhere(path) {
            return other.location(&path);
        }
        let path = normal(path);
        self.is_no_marker(&path)?;
        let (parent, name) = match path.iter().rposition(|b| *b == b'/') {
            _ if path.ends_with(b"..") && (path.len() == 2 || path.ends_with(b"/..")) => {
                (&path[..], &b"."[..])
            }
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None if path.is_empty() => (&b""[..], &b"."[..]),
            None => (&b""[..], &path[..]),
        };
        Ok(Location {
            dir: self.dir(parent)?,
            name: OsStr::from_bytes(name).to_owned(),
        })
    }

    /// Returns the location that `path` leads to when its last component is followed, too.
    pub(crate) fn location_followed(&self, path: &Path) -> Result<Location, AttrError> {
        if let Some((other, path)) = self.elsewhere(path) {
            return other.location_followed(&path);
        }
        let location = self.location(path)?;
        match sys::attr_at(location.fd(), &location.name) {
            Ok(attr) if attr.meta.kind == FileType::Symlink => self.walk(&normal(path), true),
            _ => Ok(location),
        }
    }

    /// Refuses the name of the marker, which is not in the target.
    fn is_no_marker(&self, path: &[u8]) -> Result<(), Errno> {
        match path == MARKER.as_bytes() {
            true => Err(Errno::PERM),
            false => Ok(()),
        }
    }

    /// Returns the directory of a path in normal form.
    fn dir(&self, path: &[u8]) -> Result<Arc<Dir>, Errno> {
        if path.is_empty() {
            return Ok(self.root.clone());
        }
        if let Some(kept) = self.open().get(path) {
            return Ok(kept.dir.clone());
        }
        let (dir, indirect) = self.open_dir(path)?;
        let kept = OpenDir {
            dir: dir.clone(),
            indirect,
        };
        self.open().insert(path.to_vec(), kept);
        Ok(dir)
    }

    fn open(&self) -> MutexGuard<'_, Recent<Vec<u8>, OpenDir>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a directory; returns whether there were links on the way.
    fn open_dir(&self, path: &[u8]) -> Result<(Arc<Dir>, bool), Errno> {
        let name = OsStr::from_bytes(path);
        let open = |resolve| -> Result<Arc<Dir>, Errno> {
            let resolve = resolve | ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            loop {
                match fs::openat2(&self.root.fd, name, DIR_FLAGS, Mode::empty(), resolve) {
                    Ok(fd) => return Ok(Arc::new(Dir::new(fd)?)),
                    // A rename somewhere made the kernel unsure about a `..`.
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
        };
        let dotted = path.split(|b| *b == b'/').any(|name| name == b"..");
        if path.len() > AT_ONCE {
            return self.open_long(path, dotted);
        }
        if !dotted {
            match open(ResolveFlags::NO_SYMLINKS) {
                Ok(dir) => return Ok((dir, false)),
                Err(Errno::LOOP | Errno::NOTDIR) => {}
                Err(errno) => return Err(errno),
            }
        }
        match open(ResolveFlags::empty()) {
            Ok(dir) => Ok((dir, true)),
            // A file to the kernel may be a link kept as one.
            Err(Errno::NOTDIR) => {
                let location = self.walk(path, true).map_err(|error| error.errno())?;
                match location.name.as_bytes() {
                    b"." => Ok((location.dir, true)),
                    name => Ok((Arc::new(location.dir.child(OsStr::from_bytes(name))?), true)),
                }
            }
            Err(errno) => Err(errno),
        }
    }

    /// As [`open_dir`](Self::open_dir), for a path that is too long for the kernel: the rest of it from the directory
    /// of its beginning.
    fn open_long(&self, path: &[u8], dotted: bool) -> Result<(Arc<Dir>, bool), Errno> {
        let multiple = (path.len() - 1) / AT_ONCE * AT_ONCE;
        let cut = path.iter().take(multiple).rposition(|b| *b == b'/');
        if let (Some(cut), false) = (cut, dotted) {
            let (begin, rest) = (&path[..cut], OsStr::from_bytes(&path[cut + 1..]));
            let begin = self.dir(begin)?;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match fs::openat2(&begin.fd, rest, DIR_FLAGS, Mode::empty(), resolve) {
                // The beginning may have led through a link.
                Ok(fd) => return Ok((Arc::new(Dir::new(fd)?), true)),
                Err(Errno::LOOP | Errno::NOTDIR) => {}
                Err(errno) => return Err(errno),
            }
        }
        let location = self.walk(path, true).map_err(|error| error.errno())?;
        match location.name.as_bytes() {
            b"." => Ok((location.dir, true)),
            name => Ok((Arc::new(location.dir.child(OsStr::from_bytes(name))?), true)),
        }
    }

    /// Resolves a path component by component, following links of both kinds.
    fn walk(&self, path: &[u8], follow_last: bool) -> Result<Location, AttrError> {
        let mut todo: VecDeque<Vec<u8>> = components(path).map(<[u8]>::to_vec).collect();
        let mut stack = vec![];
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            if name == b".." {
                stack.pop();
                continue;
            }
            if stack.is_empty() {
                self.is_no_marker(&name)?;
            }
            let dir: Arc<Dir> = stack.last().unwrap_or(&self.root).clone();
            let name = OsString::from_vec(name);
            let last = todo.is_empty();
            if last && !follow_last {
                return Ok(Location { dir, name });
            }
            let attr = match sys::attr_at(dir.as_fd(), &name) {
                Err(AttrError::Os(Errno::NOENT)) if last => return Ok(Location { dir, name }),
                result => result?,
            };
            match attr.meta.kind {
                FileType::Directory => stack.push(Arc::new(dir.child(&name)?)),
                FileType::Symlink => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    let text = read_link_at(dir.as_fd(), &name, attr.on_disk)?;
                    if text.starts_with(b"/") {
                        stack.clear();
                    }
                    for component in components(&text).rev() {
                        todo.push_front(component.to_vec());
                    }
                }
                _ if last => return Ok(Location { dir, name }),
                _ => return Err(Errno::NOTDIR.into()),
            }
        }
        let dir = stack.pop().unwrap_or_else(|| self.root.clone());
        Ok(Location {
            dir,
            name: OsString::from("."),
        })
    }

    /// Forgets the directories below the name `path`, which has come to mean something else.
    pub(crate) fn forget(&self, path: &Path) {
        if let Some((other, path)) = self.elsewhere(path) {
            return other.forget(&path);
        }
        let path = normal(path);
        self.open().retain(|known, kept| {
            let below = known
                .strip_prefix(&path[..])
                .is_some_and(|r| r.is_empty() || r.starts_with(b"/"));
            !(kept.indirect || below)
        });
    }

    /// Forgets all directories, as one or a link whose path is not known has another name.
    pub(crate) fn forget_all(&self) {
        if let Some((_, other)) = &self.elsewhere {
            other.forget_all();
        }
        self.open().retain(|_, _| false);
    }
}

/// Reads the text of a link, which is a link or a file on disk.
pub(crate) fn read_link_at(dir: BorrowedFd<'_>, name: &OsStr, on_disk: FileType) -> Result<Vec<u8>, Errno> {
    if on_disk == FileType::Symlink {
        return Ok(fs::readlinkat(dir, name, Vec::new())?.into_bytes());
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = std::fs::File::from(fs::openat(dir, name, flags, Mode::empty())?);
    let mut text = Vec::new();
    let limited = &mut std::io::Read::take(file, PATH_MAX);
    std::io::Read::read_to_end(limited, &mut text)
        .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
    Ok(text)
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|b| *b == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
}

/// Returns the path relative to the root, without empty components and `.`; empty for the root.
fn normal(path: &Path) -> Cow<'_, [u8]> {
    let mut bytes = path.as_os_str().as_bytes();
    loop {
        bytes = match bytes {
            [b'/', rest @ ..] | [b'.', b'/', rest @ ..] | [rest @ .., b'/'] | [rest @ .., b'/', b'.'] => rest,
            b"." => b"",
            _ => break,
        };
    }
    let untidy = |w: &[u8]| w == b"//" || w == b"/./";
    if bytes.windows(2).any(untidy) || bytes.windows(3).any(untidy) {
        return Cow::Owned(components(bytes).collect::<Vec<_>>().join(&b'/'));
    }
    Cow::Borrowed(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_form() {
        for (path, want) in [
            ("/", ""),
            ("", ""),
            (".", ""),
            ("./", ""),
            ("/a", "a"),
            ("./a/b", "a/b"),
            ("//a//b/./c/", "a/b/c"),
            ("a/.", "a"),
            ("a/..", "a/.."),
            (".a/b.", ".a/b."),
            ("a./.b", "a./.b"),
        ] {
            assert_eq!(&normal(Path::new(path))[..], want.as_bytes(), "{path}");
        }
    }

    #[test]
    fn no_path_is_too_long() {
        let tmp = tempfile::tempdir().unwrap();
        let confined = Confined::new(tmp.path()).unwrap();
        let name = "d".repeat(200);
        let mut here = confined.root().clone();
        let mut path = std::path::PathBuf::new();
        for _ in 0..60 {
            fs::mkdirat(&here.fd, &*name, Mode::RWXU).unwrap();
            here = Arc::new(here.child(OsStr::new(&name)).unwrap());
            path.push(&name);
        }
        assert!(path.as_os_str().len() > 12_000);
        let found = confined.location(&path.join("x")).unwrap();
        assert_eq!(found.dir.ino(), here.ino());
        // A link on the way, and one that leads up.
        fs::symlinkat("..", &here.fd, "up").unwrap();
        let up = confined.location(&path.join("up").join(&name).join("x")).unwrap();
        assert_eq!(up.dir.ino(), here.ino());
        let dotted = confined.location(&path.join("..").join(&name).join("x")).unwrap();
        assert_eq!(dotted.dir.ino(), here.ino());
        assert_eq!(confined.location(&path.join("no/x")).unwrap_err(), Errno::NOENT);
    }

    #[test]
    fn the_cache_forgets() {
        let tmp = tempfile::tempdir().unwrap();
        for i in 0..KEPT_OPEN + 50 {
            std::fs::create_dir(tmp.path().join(format!("d{i}"))).unwrap();
        }
        let confined = Confined::new(tmp.path()).unwrap();
        for i in 0..KEPT_OPEN + 50 {
            confined.location(Path::new(&format!("d{i}/x"))).unwrap();
        }
        let before = confined.location(Path::new("d300/x")).unwrap().dir.ino();
        std::fs::rename(tmp.path().join("d300"), tmp.path().join("gone")).unwrap();
        std::fs::create_dir(tmp.path().join("d300")).unwrap();
        assert_eq!(confined.location(Path::new("/d300/x")).unwrap().dir.ino(), before);
        confined.forget(Path::new("/d300/"));
        assert_ne!(confined.location(Path::new("d300/x")).unwrap().dir.ino(), before);
    }
}
