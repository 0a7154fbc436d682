//! Notes of changes: invalidations in the kernel of those made without a request, and names of nodes after all.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Sender;

use super::{Invalidation, View};
use crate::confined::Location;
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

    fn inode_changed_by_request(&self, ino: u64) {
        if self.nodes.knows(self.nodes.id(ino)) {
            self.have_told(|done| Invalidation::Inode { ino, done });
        }
    }

    fn entry_changed_by_request(&self, parent: u64, name: &OsStr) {
        if self.nodes.knows(self.nodes.id(parent)) {
            let name = name.to_owned();
            self.have_told(|done| Invalidation::Entry { parent, name, done });
        }
    }
}

/// Time to wait until the kernel has forgotten what a request to another view has changed. It is short: the kernel may
/// wait for the answer to that request, and then each would wait for the other.
const TOLD: Duration = Duration::from_millis(20);

impl View {
    /// Has the kernel told by the thread for that, and waits for it.
    fn have_told(&self, invalidation: impl FnOnce(Sender<()>) -> Invalidation) {
        let (done, told) = crossbeam::channel::bounded(1);
        if self.later.send(invalidation(done)).is_ok() {
            let _ = told.recv_timeout(TOLD);
        }
    }

    /// Tells the target's other views of a file that a request has changed.
    pub(super) fn tell_others_of(&self, ino: u64) {
        OwnChanges(self).inode_changed(ino);
    }

    /// Tells the target's other views of a name that a request has made.
    pub(super) fn tell_others(&self, location: &Location) {
        OwnChanges(self).entry_changed(location.dir.ino(), &location.name);
    }

    fn others(&self) -> Vec<Arc<dyn Observer>> {
        self.target.other_observers(std::ptr::from_ref(self).cast())
    }
}

/// Observer of the view's own changes: the kernel knows of them, other views of the target do not.
pub(super) struct OwnChanges<'a>(pub(super) &'a View);

impl Observer for OwnChanges<'_> {
    fn inode_changed(&self, ino: u64) {
        for other in self.0.others() {
            other.inode_changed_by_request(ino);
        }
    }

    fn entry_changed(&self, parent: u64, name: &OsStr) {
        for other in self.0.others() {
            other.entry_changed_by_request(parent, name);
        }
    }

    fn leaving(&self, ino: u64, parent: u64, name: &OsStr, last: bool) {
        self.0.leaving(ino, parent, name, last);
        for other in self.0.others() {
            other.leaving(ino, parent, name, last);
        }
    }

    fn stayed(&self, ino: u64, parent: u64, name: &OsStr) {
        self.0.stayed(ino, parent, name);
        for other in self.0.others() {
            other.stayed(ino, parent, name);
        }
    }

    fn moved(&self, ino: u64, from: (u64, &OsStr), to: (u64, &OsStr)) {
        self.0.moved(ino, from, to);
        for other in self.0.others() {
            other.moved(ino, from, to);
        }
    }
}
