//! Reports of accesses to the [`Watch`] of a view, with the paths of the nodes that are accessed.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use super::view::View;
use super::watch::{Access, AccessKind, Watch};

/// Reporter of accesses; without a watch it does nothing.
#[derive(Debug)]
pub(super) struct AccessReporter {
    watch: Option<Arc<dyn Watch>>,
    sees_all: bool,
}

impl AccessReporter {
    pub(super) fn new(watch: Option<Arc<dyn Watch>>) -> Self {
        Self {
            sees_all: watch.as_ref().is_some_and(|watch| watch.sees_all()),
            watch,
        }
    }

    /// Returns whether the kernel is to ask each time.
    pub(super) fn sees_all(&self) -> bool {
        self.sees_all
    }

    /// Returns whether there is a watch.
    pub(super) fn watches(&self) -> bool {
        self.watch.is_some()
    }

    /// Reports an access to a node.
    pub(super) fn node(&self, view: &View, pid: u32, id: u64, kind: AccessKind<'_>) {
        if let Some(watch) = &self.watch
            && let Some(path) = view.path(id)
        {
            let path = &path;
            watch.seen(&Access { pid, path, kind });
        }
    }

    /// Reports an access to a name in a directory.
    pub(super) fn entry(&self, view: &View, pid: u32, parent: u64, name: &OsStr, kind: AccessKind<'_>) {
        if let Some(watch) = &self.watch
            && let Some(path) = self.path_in(view, parent, name)
        {
            let path = &path;
            watch.seen(&Access { pid, path, kind });
        }
    }

    /// Reports that a node gets a name, which is its first if it was made without one.
    pub(super) fn link(&self, view: &View, pid: u32, id: u64, parent: u64, name: &OsStr) {
        let Some(to) = self.path_in(view, parent, name) else {
            return;
        };
        match view.path(id) {
            Some(_) => self.node(view, pid, id, AccessKind::Link { to: &to }),
            None => self.entry(view, pid, parent, name, AccessKind::Create),
        }
    }

    /// Returns the path of a name in a directory; `None` without a watch.
    pub(super) fn path_in(&self, view: &View, parent: u64, name: &OsStr) -> Option<PathBuf> {
        self.watch.as_ref()?;
        Some(view.path(parent)?.join(name))
    }
}
