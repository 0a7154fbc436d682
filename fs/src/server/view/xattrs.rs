//! Requests for extended attributes.

use std::ffi::OsStr;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::{Caller, Result, View};
use crate::meta::Meta;
use crate::server::phantom::PhantomId;
use crate::target::xattr::Subject;

impl View {
    /// `GETXATTR`.
    pub(in crate::server) fn getxattr(&self, id: u64, name: &OsStr) -> Result<Vec<u8>> {
        match self.subject(id) {
            Ok(subject) => subject.get(name),
            Err(Errno::ROFS) => Err(Errno::NODATA),
            Err(e) => Err(e),
        }
    }

    /// `LISTXATTR`: returns the names, each ended by a zero byte.
    pub(in crate::server) fn listxattr(&self, id: u64) -> Result<Vec<u8>> {
        let names = match self.subject(id) {
            Ok(subject) => subject.list()?,
            Err(Errno::ROFS) => Vec::new(),
            Err(e) => return Err(e),
        };
        let mut list = Vec::new();
        for name in names {
            list.extend_from_slice(&name);
            list.push(0);
        }
        Ok(list)
    }

    /// `SETXATTR`.
    pub(in crate::server) fn setxattr(
        &self,
        id: u64,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        caller: Caller,
    ) -> Result<()> {
        let flags = XattrFlags::from_bits_retain(flags.cast_unsigned());
        // The caller's other groups are not known here.
        let (uid, gid) = self.inside(caller.uid, caller.gid);
        let stranger = |meta: &Meta| uid != 0 && gid != meta.gid;
        self.subject(id)?.set(name, value, flags, stranger)?;
        self.target.note_attribute(name);
        self.tell_others_of(self.nodes.ino(id));
        Ok(())
    }

    /// `REMOVEXATTR`.
    pub(in crate::server) fn removexattr(&self, id: u64, name: &OsStr) -> Result<()> {
        self.subject(id)?.remove(name)?;
        self.tell_others_of(self.nodes.ino(id));
        Ok(())
    }

    /// Returns the file of a node, for its extended attributes; `EROFS` for a phantom.
    pub(super) fn subject(&self, id: u64) -> Result<Subject> {
        if PhantomId::from_node_id(id).is_some() {
            return Err(Errno::ROFS);
        }
        match self.nodes.location(id) {
            Ok(location) => Ok(Subject::at(location)),
            Err(errno) => {
                let file = self.nodes.file(id, false).map_err(|_| errno)?;
                Ok(Subject::of(file))
            }
        }
    }
}
