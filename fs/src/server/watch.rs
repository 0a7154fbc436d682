//! Accesses of a view's processes, and the trait of those who watch them.
//!
//! The kernel does not ask again for what it keeps. So for a [`Watch`] that sees everything the server gives names no
//! time to live: then each step of the way to a file is a lookup of its own, and so is a name that does not exist.

use std::fmt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::redirect::FOR_EXECUTION;

/// Receiver of accesses. The threads that answer them call it before they answer: the process that asks waits
/// meanwhile.
pub trait Watch: Send + Sync {
    /// Takes note of an access that is about to be answered.
    fn seen(&self, access: &Access<'_>);

    /// Returns whether lookups and all repeated accesses are to be seen, which makes the view slow. Otherwise the kernel
    /// answers by itself what it knows, and only changes are seen each time.
    fn sees_all(&self) -> bool {
        true
    }
}

impl fmt::Debug for dyn Watch + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// One access of a process to a path. It may fail yet.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// Process id in this process's namespace; 0 for a process that cannot be seen from here (fuse(4)).
    pub pid: u32,
    /// Absolute path without links on the way; of a file with several names the one that was looked up last.
    pub path: &'a Path,
    /// Kind of access.
    pub kind: AccessKind<'a>,
}

/// Kind of an access to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessKind<'a> {
    /// The name is looked up, for its own sake or on the way to something else.
    Lookup {
        /// The file of that name.
        found: &'a LookupResult,
    },
    /// A file is opened.
    Open {
        /// Whether its contents may be read.
        read: bool,
        /// Whether its contents may be changed.
        write: bool,
    },
    /// A file is opened to be executed, as a program or as the interpreter of one (execve(2)).
    Execute,
    /// The names in a directory are read.
    List,
    /// A link's text is read, to follow it or for its own sake.
    ReadLink,
    /// A file of any type is made.
    Create,
    /// A file or directory is removed.
    Remove,
    /// A name becomes another one.
    Rename {
        /// The new path.
        to: &'a Path,
    },
    /// A file gets another name (link(2)).
    Link {
        /// That name.
        to: &'a Path,
    },
    /// An attribute of a file is changed.
    Attributes(Attribute),
}

/// Result of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupResult {
    /// Nothing.
    Nothing,
    /// A directory, in which the next lookup may be.
    Directory,
    /// A symbolic link with this text.
    Link(PathBuf),
    /// A file of another type.
    Other,
}

/// Attribute of a file that is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// Permissions.
    Mode,
    /// User or group.
    Owner,
    /// Access or modification time.
    Times,
    /// Its length (truncate(2), `O_TRUNC`).
    Size,
    /// An extended attribute or access control list.
    Extended,
}

impl AccessKind<'_> {
    pub(super) fn of_open(flags: i32) -> Self {
        let access = OFlags::from_bits_retain(flags.cast_unsigned()) & OFlags::RWMODE;
        if flags & FOR_EXECUTION != 0 {
            Self::Execute
        } else {
            Self::Open {
                read: access != OFlags::WRONLY,
                write: access != OFlags::RDONLY,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_are_told_apart() {
        let flags = |flags: OFlags| flags.bits().cast_signed();
        let open = |read, write| AccessKind::Open { read, write };
        assert_eq!(AccessKind::of_open(flags(OFlags::RDONLY)), open(true, false));
        assert_eq!(
            AccessKind::of_open(flags(OFlags::WRONLY | OFlags::APPEND)),
            open(false, true)
        );
        assert_eq!(AccessKind::of_open(flags(OFlags::RDWR)), open(true, true));
        assert_eq!(AccessKind::of_open(FOR_EXECUTION), AccessKind::Execute);
    }
}
