//! FUSE requests decoded and replies encoded; the [`View`] carries the requests out.

mod convert;
mod later;
mod listings;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use fuser::{
    Errno, Generation, INodeNo, InitFlags, KernelConfig, ReplyAttr, ReplyEmpty, ReplyEntry, ReplyXattr,
};

use convert::{attr, errno};

use super::nodes::ROOT;
use super::phantom::MOUNT;
use super::reporter::AccessReporter;
use super::view::{Entry, NodeAttr, View};
use super::watch::LookupResult;
use crate::meta::FileType;

/// Time for which the kernel may keep an answer: until it is invalidated.
const FOREVER: Duration = Duration::from_secs(1 << 30);

/// Most bytes that the kernel sends at once (`fs.fuse.max_pages_limit`).
const MAX_WRITE: u32 = 1 << 20;

/// The type bits of a mode (inode(7)).
const S_IFMT: u32 = 0o170_000;

pub(super) struct Adapter {
    view: Arc<View>,
    /// Reporter of accesses.
    reporter: AccessReporter,
    /// Time for which the kernel may keep the meaning of a name. Attributes it may keep in any case: whoever asks for
    /// them looks the name up first.
    names: Duration,
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
            names: if reporter.sees_all() {
                Duration::ZERO
            } else {
                FOREVER
            },
            view,
            reporter,
            no_open: false,
            no_opendir: false,
            at_root,
            durable,
        }
    }

    /// Asks the kernel for what the view is served with.
    fn negotiate(&mut self, config: &mut KernelConfig) {
        // Not asked for, on purpose: WRITEBACK_CACHE, with which the kernel would no longer believe sizes
        // and times of ours, and which costs a request more for the small files that scripts write;
        // HANDLE_KILLPRIV_V2, of which fuser does not pass on what it needs; ATOMIC_O_TRUNC, with which
        // set-id bits survive.
        let wanted = [
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_CACHE_SYMLINKS,
            InitFlags::FUSE_EXPLICIT_INVAL_DATA,
        ];
        // Uses of links and directories that the kernel keeps are not seen.
        let wanted = if self.reporter.sees_all() {
            &[
                InitFlags::FUSE_PARALLEL_DIROPS,
                InitFlags::FUSE_EXPLICIT_INVAL_DATA,
            ][..]
        } else {
            &wanted[..]
        };
        for flag in wanted {
            // An older kernel is slower and no less right.
            let _ = config.add_capabilities(*flag);
        }
        // The kernel checks access control lists, and leaves the umask to us, since a default list stands
        // in its place. One is nothing without the other. With them it checks modes, too, and with the
        // machine's ids, which are nobody's in the target.
        if !self.view.has_machines_ids() {
            let _ = config.add_capabilities(InitFlags::FUSE_POSIX_ACL | InitFlags::FUSE_DONT_MASK);
        }
        self.no_open = !self.view.needs_opens()
            && !self.reporter.watches()
            && config.add_capabilities(InitFlags::FUSE_NO_OPEN_SUPPORT).is_ok();
        if self.no_open {
            self.view.opens_are_not_told();
        }
        self.no_opendir = !self.reporter.sees_all()
            && config
                .add_capabilities(InitFlags::FUSE_NO_OPENDIR_SUPPORT)
                .is_ok();
        // The nearest possible value is taken where these are not.
        let _ = config.set_max_write(MAX_WRITE);
        let _ = config.set_max_background(64);
    }

    /// Returns the id of a node that the kernel names.
    fn id(&self, ino: INodeNo) -> u64 {
        match ino.0 {
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

    fn reply_entry(&self, reply: ReplyEntry, result: rustix::io::Result<Entry>) {
        match result {
            Ok(entry) => {
                let generation = Generation(entry.generation);
                reply.entry_with_ttls(&FOREVER, &self.names, &attr(&entry.shown), generation);
            }
            Err(e) => reply.error(errno(e)),
        }
    }
}

fn reply_attr(reply: ReplyAttr, result: rustix::io::Result<NodeAttr>) {
    match result {
        Ok(shown) => reply.attr(&FOREVER, &attr(&shown)),
        Err(e) => reply.error(errno(e)),
    }
}

fn reply_empty(reply: ReplyEmpty, result: rustix::io::Result<()>) {
    match result {
        Ok(()) => reply.ok(),
        Err(e) => reply.error(errno(e)),
    }
}

fn reply_xattr(reply: ReplyXattr, size: u32, result: rustix::io::Result<Vec<u8>>) {
    match result {
        Ok(data) => match u32::try_from(data.len()) {
            Ok(len) if size == 0 => reply.size(len),
            Ok(len) if len <= size => reply.data(&data),
            _ => reply.error(Errno::ERANGE),
        },
        Err(e) => reply.error(errno(e)),
    }
}
