//! Directories as the kernel asks for them.

use super::{Adapter, attributes};
use crate::meta::FileType;
use crate::server::connection::{Entries, Reply};

impl Adapter {
    /// `READDIR`: names and types.
    pub(super) fn list(&self, id: u64, offset: u64, size: u32) -> rustix::io::Result<Reply> {
        let mut entries = Entries::new(size);
        self.view.list(id, offset, |listed| {
            // A regular file on disk may stand for something else.
            let kind = match listed.kind {
                FileType::Regular => self.view.listed_attr(id, &listed)?.map(|shown| shown.meta.kind),
                kind => Some(kind),
            };
            let kind = kind.unwrap_or(listed.kind);
            Ok(entries.add(listed.id, listed.next, kind, listed.name))
        })?;
        Ok(entries.reply())
    }

    /// `READDIRPLUS`: names that the kernel looks up at the same time.
    pub(super) fn list_with_attributes(&self, id: u64, offset: u64, size: u32) -> rustix::io::Result<Reply> {
        let mut entries = Entries::new(size);
        self.view.list(id, offset, |listed| {
            let Some(shown) = self.view.listed_attr(id, &listed)? else {
                return Ok(false);
            };
            let generation = self.view.remember_listed(id, &listed, &shown);
            let attr = attributes(&shown);
            let full = entries.add_with_attributes(listed.next, listed.name, &attr, generation, self.names);
            if full && generation != 0 {
                self.view.forget(shown.id, 1);
            }
            Ok(full)
        })?;
        Ok(entries.reply())
    }
}
