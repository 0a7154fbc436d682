//! Directories as the kernel asks for them.

use fuser::{Generation, INodeNo, ReplyDirectory, ReplyDirectoryPlus};

use super::Adapter;
use super::convert::{attr, errno, fuse_kind};
use crate::meta::FileType;

impl Adapter {
    /// `READDIR`: names and types.
    pub(super) fn list(&self, ino: INodeNo, offset: u64, mut reply: ReplyDirectory) {
        self.view.count_request();
        let result = self.view.list(self.id(ino), offset, |listed| {
            // A regular file on disk may stand for something else.
            let kind = match listed.kind {
                FileType::Regular => self
                    .view
                    .listed_attr(self.id(ino), &listed)?
                    .map(|shown| shown.meta.kind),
                kind => Some(kind),
            };
            let kind = kind.unwrap_or(listed.kind);
            Ok(reply.add(INodeNo(listed.id), listed.next, fuse_kind(kind), listed.name))
        });
        match result {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(errno(e)),
        }
    }

    /// `READDIRPLUS`: names that the kernel looks up at the same time.
    pub(super) fn list_with_attributes(&self, ino: INodeNo, offset: u64, mut reply: ReplyDirectoryPlus) {
        self.view.count_request();
        let result = self.view.list(self.id(ino), offset, |listed| {
            let Some(shown) = self.view.listed_attr(self.id(ino), &listed)? else {
                return Ok(false);
            };
            let generation = self.view.remember_listed(self.id(ino), &listed, &shown);
            let id = INodeNo(shown.id);
            let full = reply.add(
                id,
                listed.next,
                listed.name,
                &self.names,
                &attr(&shown),
                Generation(generation),
            );
            if full && generation != 0 {
                self.view.forget(shown.id, 1);
            }
            Ok(full)
        });
        match result {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(errno(e)),
        }
    }
}
