//! The logic of the filesystem, which needs no mount.
//!
//! Every method is one FUSE request with its arguments decoded, in node ids, names and the ids of the
//! target's users; the adapter turns results into replies. No lock is held while a system call is made or
//! the kernel is notified.

mod attributes;
mod change;
mod directories;
mod executions;
mod files;
mod flags;
mod listing;
mod observe;
mod xattrs;

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crossbeam::channel::Sender;
use fuser::{INodeNo, Notifier};
use rustix::fs;
use rustix::io::Errno;

use super::counters::{Counters, RunningCounters};
use super::nodes::{Nodes, Origin, ROOT};
use super::phantom::{MOUNT, PhantomId, PhantomKind, Phantoms, SERVED};
use super::redirect::Redirections;
use crate::confined::{Location, read_link_at};
use crate::marker::MARKER;
use crate::meta::{FileType, Meta, Timestamp};
use crate::sys::{self, Attr, AttrError};
use crate::target::Target;

pub(super) use attributes::{Changes, NewTime};
use executions::Executions;
use listing::Listings;

type Result<T> = std::result::Result<T, Errno>;

impl From<AttrError> for Errno {
    fn from(error: AttrError) -> Self {
        error.errno()
    }
}

/// User and group of the process that asks, and its umask where it makes a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) umask: u32,
}

/// Attributes of a node, as the kernel gets them.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeAttr {
    pub(super) id: u64,
    pub(super) meta: Meta,
    pub(super) size: u64,
    pub(super) blocks: u64,
    pub(super) nlink: u32,
    pub(super) atime: Timestamp,
    pub(super) ctime: Timestamp,
}

impl NodeAttr {
    fn new(id: u64, attr: &Attr) -> Self {
        let Attr {
            meta,
            size,
            blocks,
            nlink,
            atime,
            ctime,
            ..
        } = *attr;
        Self {
            id,
            meta,
            size,
            blocks,
            nlink,
            atime,
            ctime,
        }
    }
}

/// Answer by which the kernel comes to know a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) shown: NodeAttr,
    pub(super) generation: u64,
}

/// A change of which the kernel is told later, by a thread of its own.
#[derive(Debug)]
pub(super) enum Invalidation {
    /// A name that may mean something else after the request being answered: the kernel holds the directory's lock until it
    /// has the answer.
    Name {
        /// Node of the directory.
        parent: u64,
        /// The name in it.
        name: OsString,
    },
    /// A file that a request to another view of the target has changed.
    Inode {
        /// Its number on disk.
        ino: u64,
        /// Told when the kernel has been told.
        done: Sender<()>,
    },
    /// A name that a request to another view has changed.
    Entry {
        /// Number of the directory on disk.
        parent: u64,
        /// The name in it.
        name: OsString,
        /// Told when the kernel has been told.
        done: Sender<()>,
    },
}

/// The state of a served view.
pub(super) struct View {
    target: Target,
    nodes: Nodes,
    phantoms: Arc<Phantoms>,
    executions: Executions,
    listings: Listings,
    /// Scripts that are read instead of foreign programs; none means that programs are executed as they are.
    redirect: Option<Redirections>,
    /// User and group of this machine that are the target's root; none where the mount has the target's ids.
    root: Option<(u32, u32)>,
    /// Whether the target is the root of the mount itself.
    at_root: bool,
    /// Invalidations to be sent after the answer.
    later: Sender<Invalidation>,
    notifier: OnceLock<Notifier>,
    started: Timestamp,
    count: RunningCounters,
}

impl View {
    pub(super) fn new(
        target: Target,
        phantoms: Phantoms,
        redirect: Option<Redirections>,
        root: Option<(u32, u32)>,
        at_root: bool,
        later: Sender<Invalidation>,
    ) -> Self {
        let phantoms = Arc::new(phantoms);
        let nodes = Nodes::new(target.confined().root().clone(), phantoms.clone());
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            target,
            nodes,
            phantoms,
            executions: Executions::default(),
            listings: Listings::default(),
            redirect,
            root,
            at_root,
            later,
            notifier: OnceLock::new(),
            started: Timestamp {
                sec: now.as_secs().cast_signed(),
                nsec: 0,
            },
            count: RunningCounters::default(),
        }
    }

    /// Returns the number by which the kernel knows a node.
    fn named(&self, id: u64) -> INodeNo {
        INodeNo(match id {
            ROOT if self.at_root => MOUNT,
            id => id,
        })
    }

    /// Returns whether the ids that the kernel knows are this machine's.
    pub(super) fn has_machines_ids(&self) -> bool {
        self.root.is_some()
    }

    /// Returns the attributes of a file as the kernel gets them.
    fn shown(&self, id: u64, attr: &Attr) -> NodeAttr {
        let mut shown = NodeAttr::new(id, attr);
        if let Some((uid, gid)) = self.root {
            let meta = &mut shown.meta;
            if meta.uid == 0 {
                meta.uid = uid;
            }
            if meta.gid == 0 {
                meta.gid = gid;
            }
        }
        shown
    }

    /// Returns the owner in the target for ids that the kernel knows.
    fn inside(&self, uid: u32, gid: u32) -> (u32, u32) {
        match self.root {
            Some((user, group)) => (
                if uid == user { 0 } else { uid },
                if gid == group { 0 } else { gid },
            ),
            None => (uid, gid),
        }
    }

    /// Returns whether the kernel must tell of opens, by which executions are seen.
    pub(super) fn needs_opens(&self) -> bool {
        self.redirect.is_some()
    }

    /// Notes that the kernel does not tell of opens.
    pub(super) fn opens_are_not_told(&self) {
        self.nodes.opens_are_not_told();
    }

    /// Sets the notifier, which invalidates in the kernel what changes without a request.
    pub(super) fn set_notifier(&self, notifier: Notifier) {
        // There is one connection, so there is one notifier.
        let _ = self.notifier.set(notifier);
    }

    /// Has all phantoms seen.
    pub(super) fn show_all(&self) {
        self.phantoms.set_bare(false);
    }

    pub(super) fn counters(&self) -> Counters {
        self.count.now()
    }

    /// Returns the path of a node, for reports of accesses.
    pub(super) fn path(&self, id: u64) -> Option<PathBuf> {
        self.nodes.path(id)
    }

    pub(super) fn count_request(&self) {
        self.count.requests.raise();
    }

    /// `LOOKUP`; `None` where there is nothing, `ENOENT` where there may be something later.
    pub(super) fn lookup(&self, parent: u64, name: &OsStr) -> Result<Option<Entry>> {
        if parent == MOUNT && name == SERVED && !self.at_root {
            let shown = self.getattr(ROOT)?;
            return Ok(Some(Entry { shown, generation: 0 }));
        }
        if let Some(phantom) = PhantomId::from_node_id(parent) {
            return Ok(self
                .phantoms
                .child(phantom, name)
                .map(|id| self.phantom_entry(id)));
        }
        if is_marker(parent, name) {
            return Ok(None);
        }
        let dir = self.nodes.dir(parent)?;
        match sys::attr_at(dir.as_fd(), name) {
            Ok(attr) => {
                let directory = attr.meta.kind == FileType::Directory;
                let mount_point = directory
                    .then(|| self.nodes.mount_point_in(parent, name))
                    .flatten();
                Ok(Some(match mount_point {
                    Some(id) => self.phantom_entry(id),
                    None => self.entry(&attr, parent, name, Origin::Found),
                }))
            }
            Err(AttrError::Os(Errno::NOENT)) => match self.nodes.phantom_in(parent, name) {
                Some(id) => Ok(Some(self.phantom_entry(id))),
                None if self.nodes.may_have_phantom(parent, name) => Err(Errno::NOENT),
                None => Ok(None),
            },
            Err(error) => Err(error.into()),
        }
    }

    fn entry(&self, attr: &Attr, parent: u64, name: &OsStr, known: Origin) -> Entry {
        let id = self.nodes.id(attr.ino);
        let generation = self.nodes.remember(id, parent, name, known);
        Entry {
            shown: self.shown(id, attr),
            generation,
        }
    }

    fn phantom_entry(&self, id: PhantomId) -> Entry {
        self.nodes.remember_phantom(id);
        Entry {
            shown: self.phantom(id),
            generation: 0,
        }
    }

    fn phantom(&self, id: PhantomId) -> NodeAttr {
        let (kind, mode, size) = match self.phantoms.kind(id) {
            Some(PhantomKind::Symlink(text) | PhantomKind::Overlay { link: Some(text), .. }) => {
                (FileType::Symlink, 0o777, text.as_os_str().len() as u64)
            }
            Some(PhantomKind::File { data, mode }) => (FileType::Regular, mode & 0o777, data.len() as u64),
            Some(PhantomKind::Directory | PhantomKind::Overlay { link: None, .. }) | None => {
                (FileType::Directory, 0o755, 0)
            }
        };
        let mtime = self.started;
        let meta = Meta {
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime,
        };
        let nlink = if kind == FileType::Directory { 2 } else { 1 };
        NodeAttr {
            id: id.node_id(),
            meta,
            size,
            blocks: 0,
            nlink,
            atime: mtime,
            ctime: mtime,
        }
    }

    /// `FORGET`.
    pub(super) fn forget(&self, id: u64, count: u64) {
        self.nodes.forget(id, count);
    }

    /// `GETATTR`.
    pub(super) fn getattr(&self, id: u64) -> Result<NodeAttr> {
        if let Some(phantom) = PhantomId::from_node_id(id) {
            return Ok(self.phantom(phantom));
        }
        self.attr(id).map(|attr| self.shown(id, &attr))
    }

    /// `STATX`, for the time of birth beside what `GETATTR` tells; `None` where the disk does not keep it. The files that
    /// the program adds to the target are as old as the view.
    pub(super) fn birth(&self, id: u64) -> Result<Option<Timestamp>> {
        if PhantomId::from_node_id(id).is_some() {
            return Ok(Some(self.started));
        }
        match self.nodes.location(id) {
            Ok(location) => sys::birth_at(location.fd(), &location.name),
            Err(errno) => {
                let file = self.nodes.file(id, false).map_err(|_| errno)?;
                sys::birth_of(file.as_fd())
            }
        }
    }

    /// Returns the attributes of a node by its name, or else by a file that is open on it.
    fn attr(&self, id: u64) -> Result<Attr> {
        match self.nodes.location(id) {
            Ok(location) => Ok(sys::attr_at(location.fd(), &location.name)?),
            Err(errno) => {
                let file = self.nodes.file(id, false).map_err(|_| errno)?;
                Ok(sys::attr_of(file.as_fd())?)
            }
        }
    }

    /// `READLINK`.
    pub(super) fn readlink(&self, id: u64) -> Result<OsString> {
        if let Some(phantom) = PhantomId::from_node_id(id) {
            return match self.phantoms.kind(phantom) {
                Some(PhantomKind::Symlink(text) | PhantomKind::Overlay { link: Some(text), .. }) => {
                    Ok(text.into_os_string())
                }
                _ => Err(Errno::INVAL),
            };
        }
        let location = self.nodes.location(id)?;
        let attr = sys::attr_at(location.fd(), &location.name)?;
        if attr.meta.kind != FileType::Symlink {
            return Err(Errno::INVAL);
        }
        read_link_at(location.fd(), &location.name, attr.on_disk).map(OsString::from_vec)
    }

    /// `STATFS`.
    pub(super) fn statfs(&self) -> Result<fs::StatVfs> {
        fs::fstatvfs(self.target.confined().root().as_fd())
    }

    /// Returns the location of a name in a directory that may be changed.
    fn location_in(&self, parent: u64, name: &OsStr) -> Result<Location> {
        if PhantomId::from_node_id(parent).is_some() {
            return Err(Errno::ROFS);
        }
        if is_marker(parent, name) {
            return Err(Errno::PERM);
        }
        Ok(Location {
            dir: self.nodes.dir(parent)?,
            name: name.to_owned(),
        })
    }
}

/// Whether a name is that of the marker, which is not in the target.
fn is_marker(parent: u64, name: &OsStr) -> bool {
    parent == ROOT && name == MARKER
}
