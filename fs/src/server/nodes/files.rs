//! Files of nodes, opened when they are first read or written, and not when a process opens them: the
//! kernel often has what is read already, and may leave out to tell of opens
//! (`FUSE_NO_OPEN_SUPPORT`). A file that loses the last name that is known is opened before, as it may be open
//! in the view, and stays so until the kernel forgets it.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use super::{Nodes, OpenFile, Table};
use crate::sys::{self, FdPath};

/// Most attempts to open a file by a name that it may be about to lose to another one.
const ATTEMPTS: u32 = 100;

impl Nodes {
    /// Notes that the kernel does not tell of opens from here on: any file may be open in the view.
    pub(in crate::server) fn opens_are_not_told(&self) {
        self.any_may_be_open.store(true, Ordering::Relaxed);
    }

    /// Notes that a process has opened the node.
    pub(in crate::server) fn opened(&self, id: u64) {
        if let Some(node) = self.table().nodes.get_mut(&id) {
            node.may_be_open = true;
        }
    }

    /// Notes that a process has made and opened the node, by this file, which can be read and written.
    pub(in crate::server) fn made(&self, id: u64, file: Arc<File>) {
        self.opened(id);
        self.table().keep(id, file, true);
    }

    /// Returns the file of a node: `ESTALE` for one the kernel should not know, `ENOENT` for one without a name
    /// that no process can have open.
    pub(in crate::server) fn file(&self, id: u64, write: bool) -> Result<Arc<File>, Errno> {
        for _ in 0..ATTEMPTS {
            if let Some(kept) = self.kept(id)
                && (kept.writable || !write)
            {
                return Ok(kept.file);
            }
            if let Some(file) = self.open(id, write)? {
                let file = Arc::new(File::from(file));
                self.table().keep(id, file.clone(), write);
                return Ok(file);
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        Err(Errno::STALE)
    }

    fn kept(&self, id: u64) -> Option<OpenFile> {
        self.table().files.get(&id).cloned()
    }

    /// Opens a node's file by its name, or by what is open of it where it has none. `None` where the name is
    /// not the node's: it, or a directory on the way, has been renamed, and soon the new name is known here.
    fn open(&self, id: u64, write: bool) -> Result<Option<OwnedFd>, Errno> {
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::CLOEXEC | OFlags::NONBLOCK;
        if !self.is_named(id) {
            let kept = self.kept(id).ok_or(Errno::NOENT)?;
            return fs::open(FdPath::of(kept.file.as_fd()).as_c_str(), flags, Mode::empty()).map(Some);
        }
        let opened = self.location(id).and_then(|location| {
            let file = fs::openat(
                location.fd(),
                &location.name,
                flags | OFlags::NOFOLLOW,
                Mode::empty(),
            )?;
            Ok((self.id(sys::DiskStat::from(fs::fstat(&file)?).ino) == id).then_some(file))
        });
        match opened {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE) => Ok(None),
            opened => opened,
        }
    }

    fn is_named(&self, id: u64) -> bool {
        let table = self.table();
        table.nodes.get(&id).is_some_and(|node| !node.names.is_empty())
    }

    /// Opens the file of a node that is about to lose the name `name` in `parent`, if no other name is known: a process
    /// may have it open.
    pub(super) fn hold(&self, id: u64, parent: u64, name: &OsStr) {
        let needed = {
            let mut table = self.table();
            let any = self.any_may_be_open.load(Ordering::Relaxed);
            let loses_all = table.nodes.get(&id).is_some_and(|node| {
                (any || node.may_be_open) && node.names.iter().all(|(p, n)| *p == parent && n == name)
            });
            loses_all && table.files.get(&id).is_none()
        };
        if !needed {
            return;
        }
        let Ok(dir) = self.dir(parent) else { return };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
        // A file that cannot be opened is a link, which is not read.
        if let Ok(file) = fs::openat(dir.as_fd(), name, flags, Mode::empty()) {
            self.table().keep(id, Arc::new(File::from(file)), false);
        }
    }
}

impl Table {
    fn keep(&mut self, id: u64, file: Arc<File>, writable: bool) {
        let nodes = &self.nodes;
        if nodes.contains_key(&id) {
            let nameless = |id: &u64| nodes.get(id).is_some_and(|node| node.names.is_empty());
            self.files
                .insert_sparing(id, OpenFile { file, writable }, nameless);
        }
    }
}
