//! Notes of changes: invalidations in the kernel of those made without a request, and names of nodes after all.

use std::ffi::OsStr;

use super::View;
use crate::server::phantom::PhantomKind;
use crate::target::Observer;

/// Changes made through the [`Target`](crate::Target) while the view is mounted.
///
/// Notifications fail when the kernel has nothing to forget or the view is gone; both are fine.
impl Observer for View {
    fn inode_changed(&self, ino: u64) {
        let id = self.nodes.id(ino);
        if let Some(notifier) = self.notifier.get()
            && self.nodes.knows(id)
        {
            let _ = notifier.inval_inode(self.named(id), 0, 0);
        }
    }

    fn entry_changed(&self, parent: u64, name: &OsStr) {
        let parent = self.nodes.id(parent);
        let Some(notifier) = self.notifier.get().filter(|_| self.nodes.knows(parent)) else {
            return;
        };
        // To invalidate a directory is to take off what is mounted below it, so a phantom one stays as long
        // as the kernel knows it.
        let keep = self.nodes.phantom_in(parent, name).is_some_and(|id| {
            matches!(self.phantoms.kind(id), Some(PhantomKind::Directory)) && self.nodes.knows_phantom(id)
        });
        if !keep {
            let _ = notifier.inval_entry(self.named(parent), name);
        }
        let _ = notifier.inval_inode(self.named(parent), 0, 0);
    }

    fn leaving(&self, ino: u64, parent: u64, name: &OsStr, last: bool) {
        self.nodes
            .leaving(self.nodes.id(ino), self.nodes.id(parent), name, last);
    }

    fn stayed(&self, ino: u64, parent: u64, name: &OsStr) {
        self.nodes.stayed(self.nodes.id(ino), self.nodes.id(parent), name);
    }

    fn moved(&self, ino: u64, from: (u64, &OsStr), to: (u64, &OsStr)) {
        let id = |ino| self.nodes.id(ino);
        self.nodes.moved(id(ino), (id(from.0), from.1), (id(to.0), to.1));
    }
}

/// Observer of the view's own changes, of which the kernel knows.
pub(super) struct OwnChanges<'a>(pub(super) &'a View);

impl Observer for OwnChanges<'_> {
    fn inode_changed(&self, _: u64) {}

    fn entry_changed(&self, _: u64, _: &OsStr) {}

    fn leaving(&self, ino: u64, parent: u64, name: &OsStr, last: bool) {
        self.0.leaving(ino, parent, name, last);
    }

    fn stayed(&self, ino: u64, parent: u64, name: &OsStr) {
        self.0.stayed(ino, parent, name);
    }

    fn moved(&self, ino: u64, from: (u64, &OsStr), to: (u64, &OsStr)) {
        self.0.moved(ino, from, to);
    }
}
