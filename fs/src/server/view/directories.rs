//! Requests that list directories.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{self, Mode, OFlags, RawDir};

use super::listing::Name;
use super::{NodeAttr, Result, View, is_marker};
use crate::meta::FileType;
use crate::server::nodes::Origin;
use crate::server::phantom::PhantomId;
use crate::sys;

/// Bytes of the buffer for directory entries, enough for the names of some hundred.
const DIR_BUFFER: usize = 16 * 1024;

/// One name of a directory listing.
pub(in crate::server) struct Listed<'a> {
    pub(in crate::server) name: &'a OsStr,
    /// Offset at which the next request starts.
    pub(in crate::server) next: u64,
    /// Id of the node, of which no lookup is noted.
    pub(in crate::server) id: u64,
    /// Type on disk.
    pub(in crate::server) kind: FileType,
}

impl View {
    /// `READDIR` from `offset`, until `add` says that there is no more room.
    pub(in crate::server) fn list(
        &self,
        id: u64,
        offset: u64,
        mut add: impl FnMut(Listed<'_>) -> Result<bool>,
    ) -> Result<()> {
        if PhantomId::from_node_id(id).is_some() {
            for (at, name) in [".", ".."].iter().enumerate().skip(offset.min(2) as usize) {
                let next = at as u64 + 1;
                let listed = Listed {
                    name: OsStr::new(name),
                    next,
                    id,
                    kind: FileType::Directory,
                };
                if add(listed)? {
                    break;
                }
            }
            return Ok(());
        }
        let part = self.listings.part(id, offset, || self.read_names(id))?;
        for (name, next) in part.names() {
            let listed = Listed {
                name: &name.name,
                next,
                id: self.nodes.id(name.ino),
                kind: name.kind,
            };
            if add(listed)? {
                break;
            }
        }
        Ok(())
    }

    fn read_names(&self, id: u64) -> Result<Vec<Name>> {
        let dir = self.nodes.dir(id)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = fs::openat(dir.as_fd(), ".", flags, Mode::empty())?;
        let mut buffer = [MaybeUninit::uninit(); DIR_BUFFER];
        let mut entries = RawDir::new(open, &mut buffer);
        let mut names = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            if is_marker(id, OsStr::from_bytes(entry.file_name().to_bytes())) {
                continue;
            }
            names.push(Name {
                name: OsStr::from_bytes(entry.file_name().to_bytes()).to_owned(),
                ino: entry.ino(),
                kind: match entry.file_type() {
                    fs::FileType::Directory => FileType::Directory,
                    fs::FileType::Symlink => FileType::Symlink,
                    _ => FileType::Regular,
                },
            });
        }
        Ok(names)
    }

    /// Returns the attributes for a listed name; `None` for one that is gone.
    pub(in crate::server) fn listed_attr(
        &self,
        parent: u64,
        listed: &Listed<'_>,
    ) -> Result<Option<NodeAttr>> {
        if listed.name == "." || listed.name == ".." {
            let mut shown = self.getattr(parent)?;
            shown.id = listed.id;
            return Ok(Some(shown));
        }
        let dir = self.nodes.dir(parent)?;
        match sys::attr_at(dir.as_fd(), listed.name) {
            Ok(attr) => {
                let directory = attr.meta.kind == FileType::Directory;
                let mount_point = directory
                    .then(|| self.nodes.mount_point_in(parent, listed.name))
                    .flatten();
                Ok(Some(match mount_point {
                    Some(id) => self.phantom(id),
                    None => self.shown(self.nodes.id(attr.ino), &attr),
                }))
            }
            // Also what is damaged: the rest of the directory can be listed.
            Err(_) => Ok(None),
        }
    }

    /// Notes that the kernel is about to learn a listed name; undone by [`forget`](Self::forget). The kernel does not
    /// keep `.` and `..`.
    pub(in crate::server) fn remember_listed(
        &self,
        parent: u64,
        listed: &Listed<'_>,
        shown: &NodeAttr,
    ) -> u64 {
        if listed.name == "." || listed.name == ".." {
            return 0;
        }
        if let Some(id) = PhantomId::from_node_id(shown.id) {
            self.nodes.remember_phantom(id);
            return 0;
        }
        self.nodes.remember(shown.id, parent, listed.name, Origin::Found)
    }
}
