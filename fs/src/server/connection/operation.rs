//! Operations that the kernel asks for.

use std::ffi::OsStr;

use rustix::fs::{RenameFlags, XattrFlags};

use super::NewTime;

/// New attributes; none leaves one as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::server) struct SetAttr {
    pub(in crate::server) mode: Option<u32>,
    pub(in crate::server) uid: Option<u32>,
    pub(in crate::server) gid: Option<u32>,
    pub(in crate::server) size: Option<u64>,
    pub(in crate::server) atime: Option<NewTime>,
    pub(in crate::server) mtime: Option<NewTime>,
}

/// Mode and umask of a file that is made.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Making {
    pub(in crate::server) mode: u32,
    pub(in crate::server) umask: u32,
}

/// A place in a file of a node.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Place {
    pub(in crate::server) node: u64,
    pub(in crate::server) offset: u64,
}

/// What is asked for. Handles of files are 0 but for redirected executions, so most are left out.
#[derive(Debug)]
pub(in crate::server) enum Operation<'a> {
    Init(Init),
    Destroy,
    Lookup {
        name: &'a OsStr,
    },
    Forget {
        count: u64,
    },
    BatchForget(Vec<(u64, u64)>),
    GetAttr,
    SetAttr(SetAttr),
    Statx {
        /// Fields that are wanted (statx(2)).
        mask: u32,
    },
    ReadLink,
    SymLink {
        name: &'a OsStr,
        text: &'a OsStr,
    },
    MakeNode {
        name: &'a OsStr,
        making: Making,
        device: u32,
    },
    MakeDir {
        name: &'a OsStr,
        making: Making,
    },
    Unlink {
        name: &'a OsStr,
    },
    RemoveDir {
        name: &'a OsStr,
    },
    Rename {
        name: &'a OsStr,
        to: (u64, &'a OsStr),
        flags: RenameFlags,
    },
    Link {
        from: u64,
        name: &'a OsStr,
    },
    Open {
        flags: i32,
    },
    OpenDir,
    Create {
        name: &'a OsStr,
        making: Making,
        flags: i32,
    },
    /// A file without a name (`O_TMPFILE`).
    TemporaryFile {
        making: Making,
        flags: i32,
    },
    Read {
        handle: u64,
        offset: u64,
        size: u32,
    },
    Write {
        offset: u64,
        data: &'a [u8],
    },
    Flush,
    Release {
        handle: u64,
    },
    ReleaseDir,
    Sync {
        data_only: bool,
    },
    SyncDir,
    List {
        offset: u64,
        size: u32,
        with_attributes: bool,
    },
    StatFs,
    SetXattr {
        name: &'a OsStr,
        value: &'a [u8],
        flags: XattrFlags,
        /// Whether an access control list takes the set-group-ID bit, where the kernel says it.
        takes_group_bit: Option<bool>,
    },
    GetXattr {
        name: &'a OsStr,
        size: u32,
    },
    ListXattr {
        size: u32,
    },
    RemoveXattr {
        name: &'a OsStr,
    },
    Allocate {
        offset: u64,
        length: u64,
        mode: u32,
    },
    Seek {
        offset: u64,
        whence: u32,
    },
    Copy {
        from: Place,
        to: Place,
        length: u64,
        /// Whether the answer has 64 bits.
        long: bool,
    },
    Ioctl {
        command: u32,
        input: &'a [u8],
        /// Bytes of the answer.
        size: u32,
    },
    /// What this server does not know, or does not do.
    Other,
}

/// The kernel's offer (`struct fuse_init_in`).
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Init {
    pub(super) major: u32,
    pub(super) read_ahead: u32,
    pub(super) flags: u64,
}

/// Whether the kernel expects no answer to an operation.
pub(super) fn is_unanswered(operation: &Operation<'_>) -> bool {
    matches!(operation, Operation::Forget { .. } | Operation::BatchForget(_))
}
