//! Files of nodes, opened when they are first read or written, and not when a process opens them: the
//! kernel often has what is read already, and may leave out to tell of opens
//! (`FUSE_NO_OPEN_SUPPORT`). A file that loses its last name is opened before, as it may be open in the
//! view, and stays so until the kernel forgets it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use super::{Nodes, Table};
use crate::sys::FdPath;

/// How many files with a name are kept open.
const KEPT_OPEN: usize = 64;

/// Open files of nodes.
#[derive(Debug, Default)]
pub(super) struct Files {
    kept: HashMap<u64, Kept>,
}

#[derive(Debug)]
struct Kept {
    file: Arc<File>,
    writable: bool,
    /// What the clock said when it was used last.
    used: u64,
}

impl Files {
    pub(super) fn drop(&mut self, id: u64) {
        self.kept.remove(&id);
    }
}

impl Nodes {
    /// Opens are not told from here on: any file may be open in the view.
    pub(in crate::server) fn opens_are_not_told(&self) {
        self.any_may_be_open.store(true, Ordering::Relaxed);
    }

    /// A process has opened the node.
    pub(in crate::server) fn opened(&self, id: u64) {
        if let Some(node) = self.table().nodes.get_mut(&id) {
            node.may_be_open = true;
        }
    }

    /// A process has made and opened the node, by this file, which can be read and written.
    pub(in crate::server) fn made(&self, id: u64, file: Arc<File>) {
        self.opened(id);
        self.table().keep(id, file, true);
    }

    /// The file behind a node: `ESTALE` for one the kernel should not know, `ENOENT` for one without a name
    /// that no process can have open.
    pub(in crate::server) fn file(&self, id: u64, write: bool) -> Result<Arc<File>, Errno> {
        for _ in 0..2 {
            if let Some((file, true)) = self.kept(id, write) {
                return Ok(file);
            }
            let Some(file) = self.open(id, write)? else {
                // Another file took the name meanwhile, which this one has lost.
                continue;
            };
            let file = Arc::new(File::from(file));
            self.table().keep(id, file.clone(), write);
            return Ok(file);
        }
        Err(Errno::STALE)
    }

    /// The file that is kept, and whether it is as it is needed.
    fn kept(&self, id: u64, write: bool) -> Option<(Arc<File>, bool)> {
        let mut table = self.table();
        let now = table.tick();
        let kept = table.files.kept.get_mut(&id)?;
        kept.used = now;
        Some((kept.file.clone(), kept.writable || !write))
    }

    fn open(&self, id: u64, write: bool) -> Result<Option<OwnedFd>, Errno> {
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match self.place(id) {
            Ok(place) => {
                let file = fs::openat(place.fd(), &place.name, flags | OFlags::NOFOLLOW, Mode::empty())?;
                Ok((self.id(fs::fstat(&file)?.st_ino) == id).then_some(file))
            }
            Err(errno) => {
                let (file, _) = self.kept(id, false).ok_or(errno)?;
                fs::open(FdPath::of(file.as_fd()).as_c_str(), flags, Mode::empty()).map(Some)
            }
        }
    }

    /// The node is about to lose the name `name` in `parent`, its last: has its file ready for who has it open.
    pub(super) fn hold(&self, id: u64, parent: u64, name: &OsStr) {
        let may_be_open = {
            let table = self.table();
            let any = self.any_may_be_open.load(Ordering::Relaxed);
            let node = table.nodes.get(&id);
            node.is_some_and(|node| any || node.may_be_open) && !table.files.kept.contains_key(&id)
        };
        if !may_be_open {
            return;
        }
        let Ok(dir) = self.dir(parent) else { return };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
        // What cannot be opened is a link, and has nothing to be read.
        if let Ok(file) = fs::openat(dir.as_fd(), name, flags, Mode::empty()) {
            self.table().keep(id, Arc::new(File::from(file)), false);
        }
    }
}

impl Table {
    fn keep(&mut self, id: u64, file: Arc<File>, writable: bool) {
        if !self.nodes.contains_key(&id) {
            return;
        }
        let used = self.tick();
        let named = |nodes: &HashMap<u64, super::Node>, id: &u64| {
            nodes.get(id).is_some_and(|node| !node.names.is_empty())
        };
        if self.files.kept.len() >= KEPT_OPEN {
            let (nodes, kept) = (&self.nodes, &mut self.files.kept);
            let of_named = kept.iter().filter(|(id, _)| named(nodes, id));
            let mut times: Vec<u64> = of_named.map(|(_, kept)| kept.used).collect();
            if times.len() >= KEPT_OPEN {
                times.sort_unstable();
                let limit = times.get(times.len() / 2).copied().unwrap_or(u64::MAX);
                kept.retain(|id, kept| !named(nodes, id) || kept.used > limit);
            }
        }
        let kept = Kept { file, writable, used };
        self.files.kept.insert(id, kept);
    }
}
