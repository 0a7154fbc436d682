//! Requests answered: each is told to the reporter, carried out by the [`View`], and its result encoded.

mod listings;
mod requests;

use std::sync::Arc;

use rustix::io::Errno;

use super::connection::{Attributes, Connection, FOREVER, Making, Operation, Reply, Request, features};
use super::nodes::ROOT;
use super::phantom::MOUNT;
use super::reporter::AccessReporter;
use super::view::{Caller, Entry, NodeAttr, View};
use super::watch::LookupResult;
use crate::meta::FileType;

pub(super) struct Adapter {
    view: Arc<View>,
    /// Reporter of accesses.
    reporter: AccessReporter,
    /// Seconds for which the kernel may keep the meaning of a name. Attributes it may keep in any case: whoever asks for
    /// them looks the name up first.
    names: u64,
    /// Whether the kernel opens files without a request.
    no_open: bool,
    /// Whether the kernel opens directories without a request.
    no_opendir: bool,
    /// Whether the target is the root of the mount itself.
    at_root: bool,
    /// Whether what is asked for to be on the disk is brought there.
    durable: bool,
}

impl Adapter {
    pub(super) fn new(view: Arc<View>, reporter: AccessReporter, at_root: bool, durable: bool) -> Self {
        Self {
            names: if reporter.sees_all() { 0 } else { FOREVER },
            view,
            reporter,
            no_open: false,
            no_opendir: false,
            at_root,
            durable,
        }
    }

    /// Returns what the view is served with, of what the kernel offers.
    pub(super) fn negotiate(&mut self, offered: u64) -> u64 {
        // Not asked for, on purpose: WRITEBACK_CACHE, with which the kernel would no longer believe sizes
        // and times of ours, and which costs a request more for the small files that scripts write;
        // ATOMIC_O_TRUNC, with which set-id bits survive. An older kernel, which offers less, is slower and no less right.
        let mut wanted = features::PARALLEL_DIROPS | features::EXPLICIT_INVAL_DATA;
        // Uses of links and directories that the kernel keeps are not seen.
        if !self.reporter.sees_all() {
            wanted |= features::DO_READDIRPLUS | features::READDIRPLUS_AUTO | features::CACHE_SYMLINKS;
            wanted |= features::NO_OPENDIR_SUPPORT;
        }
        // The kernel checks access control lists, and leaves the umask to us, since a default list stands
        // in its place. One is nothing without the other. With them it checks modes, too, and with the
        // machine's ids, which are nobody's in the target.
        if !self.view.has_machines_ids() {
            wanted |= features::POSIX_ACL | features::DONT_MASK | features::SETXATTR_EXT;
        }
        if !self.view.needs_opens() && !self.reporter.watches() {
            wanted |= features::NO_OPEN_SUPPORT;
        }
        let got = wanted & offered;
        self.no_open = got & features::NO_OPEN_SUPPORT != 0;
        self.no_opendir = got & features::NO_OPENDIR_SUPPORT != 0;
        if self.no_open {
            self.view.opens_are_not_told();
        }
        got
    }

    /// Carries a request out and answers it.
    pub(super) fn serve(&self, connection: &Connection, request: &Request<'_>) {
        match &request.operation {
            Operation::Forget { count } => self.view.forget(self.id(request.node), *count),
            Operation::BatchForget(nodes) => {
                for (node, count) in nodes {
                    self.view.forget(self.id(*node), *count);
                }
            }
            // Without a copy of what is read.
            Operation::Read { handle, offset, size } => {
                self.view.count_request();
                let take = |data: &[u8]| connection.answer_with(request, data);
                let read = self
                    .view
                    .read(self.id(request.node), *handle, *offset, *size, take);
                if let Err(errno) = read {
                    connection.answer(request, Err(errno));
                }
            }
            _ => match self.result(request) {
                Ok(reply) => connection.answer(request, Ok(&reply)),
                Err(errno) => connection.answer(request, Err(errno)),
            },
        }
    }

    /// Returns the id of a node that the kernel names.
    fn id(&self, node: u64) -> u64 {
        match node {
            MOUNT if self.at_root => ROOT,
            id => id,
        }
    }

    fn found(&self, entry: &Entry) -> LookupResult {
        match entry.shown.meta.kind {
            FileType::Directory => LookupResult::Directory,
            FileType::Symlink => {
                LookupResult::Link(self.view.readlink(entry.shown.id).unwrap_or_default().into())
            }
            _ => LookupResult::Other,
        }
    }

    fn entry(&self, entry: &Entry) -> Reply {
        Reply::entry(&attributes(&entry.shown), entry.generation, self.names)
    }
}

/// The caller of a request.
fn caller(request: &Request<'_>) -> Caller {
    Caller {
        uid: request.uid,
        gid: request.gid,
        umask: 0,
    }
}

/// The caller of a request that makes a file.
fn maker(request: &Request<'_>, making: Making) -> Caller {
    Caller {
        umask: making.umask,
        ..caller(request)
    }
}

fn attributes(shown: &NodeAttr) -> Attributes {
    let meta = &shown.meta;
    Attributes {
        id: shown.id,
        kind: meta.kind,
        mode: meta.mode,
        uid: meta.uid,
        gid: meta.gid,
        nlink: shown.nlink,
        size: shown.size,
        blocks: shown.blocks,
        atime: shown.atime,
        mtime: meta.mtime,
        ctime: shown.ctime,
    }
}

/// The answer to a request for an attribute, with room for `size` bytes; none asks for its length.
fn xattr(size: u32, value: &[u8]) -> rustix::io::Result<Reply> {
    match u32::try_from(value.len()) {
        Ok(length) if size == 0 => Ok(Reply::count(length)),
        Ok(length) if length <= size => Ok(Reply::data(value)),
        _ => Err(Errno::RANGE),
    }
}
