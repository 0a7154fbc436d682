//! Requests as the kernel writes them: `struct fuse_in_header` of `linux/fuse.h` and what follows it.

use rustix::fs::{RenameFlags, XattrFlags};

use super::NewTime;
use super::fields::Fields;
use super::operation::{Init, Making, Operation, Place, SetAttr};
use crate::meta::Timestamp;

/// A request.
#[derive(Debug)]
pub(in crate::server) struct Request<'a> {
    /// Number by which it is answered.
    pub(super) unique: u64,
    /// Node that is meant.
    pub(in crate::server) node: u64,
    /// User of the process that asks.
    pub(in crate::server) uid: u32,
    /// Its group.
    pub(in crate::server) gid: u32,
    /// The process.
    pub(in crate::server) pid: u32,
    /// What is asked for.
    pub(in crate::server) operation: Operation<'a>,
}

/// Bit of the kernel's offer and of the answer that there are 64 flags.
pub(super) const INIT_EXT: u64 = 1 << 30;

const FORGET: u32 = 2;
const BATCH_FORGET: u32 = 42;

impl<'a> Request<'a> {
    /// Reads a request; `None` for one that is cut off. `long_setxattr` is whether `SETXATTR` has the flags of
    /// `FUSE_SETXATTR_EXT`.
    pub(super) fn parse(bytes: &'a [u8], long_setxattr: bool) -> Option<Self> {
        let mut fields = Fields(bytes);
        let length = fields.u32()?;
        if usize::try_from(length).ok()? != bytes.len() {
            return None;
        }
        let opcode = fields.u32()?;
        let (unique, node) = (fields.u64()?, fields.u64()?);
        let (uid, gid, pid) = (fields.u32()?, fields.u32()?, fields.u32()?);
        // Length of what comes after the operation, and padding.
        fields.skip(4)?;
        let operation = Operation::parse(opcode, node, &mut fields, long_setxattr);
        let operation = match operation {
            Some(operation) => operation,
            // The kernel waits for an answer to anything but these.
            None if opcode == FORGET || opcode == BATCH_FORGET => return None,
            None => Operation::Other,
        };
        Some(Self {
            unique,
            node,
            uid,
            gid,
            pid,
            operation,
        })
    }
}

impl<'a> Operation<'a> {
    fn parse(opcode: u32, node: u64, fields: &mut Fields<'a>, long_setxattr: bool) -> Option<Self> {
        Some(match opcode {
            1 => Self::Lookup { name: fields.name()? },
            FORGET => Self::Forget { count: fields.u64()? },
            3 => Self::GetAttr,
            4 => Self::SetAttr(set_attr(fields)?),
            5 => Self::ReadLink,
            6 => Self::SymLink {
                name: fields.name()?,
                text: fields.name()?,
            },
            8 => {
                let (mode, device, umask) = (fields.u32()?, fields.u32()?, fields.u32()?);
                fields.skip(4)?;
                Self::MakeNode {
                    name: fields.name()?,
                    making: Making { mode, umask },
                    device,
                }
            }
            9 => {
                let (mode, umask) = (fields.u32()?, fields.u32()?);
                Self::MakeDir {
                    name: fields.name()?,
                    making: Making { mode, umask },
                }
            }
            10 => Self::Unlink { name: fields.name()? },
            11 => Self::RemoveDir { name: fields.name()? },
            12 | 45 => {
                let directory = fields.u64()?;
                let mut flags = RenameFlags::empty();
                if opcode == 45 {
                    flags = RenameFlags::from_bits_retain(fields.u32()?);
                    fields.skip(4)?;
                }
                Self::Rename {
                    name: fields.name()?,
                    to: (directory, fields.name()?),
                    flags,
                }
            }
            13 => Self::Link {
                from: fields.u64()?,
                name: fields.name()?,
            },
            14 => Self::Open {
                flags: fields.u32()?.cast_signed(),
            },
            15 => Self::Read {
                handle: fields.u64()?,
                offset: fields.u64()?,
                size: fields.u32()?,
            },
            16 => {
                fields.skip(8)?;
                let (offset, size) = (fields.u64()?, fields.u32()?);
                fields.skip(20)?;
                let data = fields.rest();
                Self::Write {
                    offset,
                    data: data.get(..usize::try_from(size).ok()?)?,
                }
            }
            17 => Self::StatFs,
            18 => Self::Release {
                handle: fields.u64()?,
            },
            20 | 30 => {
                fields.skip(8)?;
                let data_only = fields.u32()? & 1 != 0;
                if opcode == 20 {
                    Self::Sync { data_only }
                } else {
                    Self::SyncDir
                }
            }
            21 => {
                let (size, flags) = (fields.u32()?, fields.u32()?);
                let mut takes_group_bit = None;
                if long_setxattr {
                    takes_group_bit = Some(fields.u32()? & 1 != 0);
                    fields.skip(4)?;
                }
                let name = fields.name()?;
                Self::SetXattr {
                    name,
                    value: fields.rest().get(..usize::try_from(size).ok()?)?,
                    flags: XattrFlags::from_bits_retain(flags),
                    takes_group_bit,
                }
            }
            22 => {
                let size = fields.u32()?;
                fields.skip(4)?;
                Self::GetXattr {
                    name: fields.name()?,
                    size,
                }
            }
            23 => Self::ListXattr { size: fields.u32()? },
            24 => Self::RemoveXattr { name: fields.name()? },
            25 => Self::Flush,
            26 => {
                let major = fields.u32()?;
                // The minor version: what matters of it is in the flags.
                fields.skip(4)?;
                let read_ahead = fields.u32()?;
                let low = u64::from(fields.u32()?);
                let high = if low & INIT_EXT == 0 { 0 } else { fields.u32()? };
                Self::Init(Init {
                    major,
                    read_ahead,
                    flags: low | u64::from(high) << 32,
                })
            }
            27 => Self::OpenDir,
            28 | 44 => {
                fields.skip(8)?;
                Self::List {
                    offset: fields.u64()?,
                    size: fields.u32()?,
                    with_attributes: opcode == 44,
                }
            }
            29 => Self::ReleaseDir,
            35 | 51 => {
                let flags = fields.u32()?.cast_signed();
                let (mode, umask) = (fields.u32()?, fields.u32()?);
                fields.skip(4)?;
                let making = Making { mode, umask };
                if opcode == 51 {
                    return Some(Self::TemporaryFile { making, flags });
                }
                Self::Create {
                    name: fields.name()?,
                    making,
                    flags,
                }
            }
            38 => Self::Destroy,
            39 => {
                fields.skip(12)?;
                let command = fields.u32()?;
                fields.skip(8)?;
                let (length, size) = (fields.u32()?, fields.u32()?);
                Self::Ioctl {
                    command,
                    input: fields.rest().get(..usize::try_from(length).ok()?)?,
                    size,
                }
            }
            BATCH_FORGET => {
                let count = fields.u32()?;
                fields.skip(4)?;
                let mut forgotten = Vec::new();
                for _ in 0..count {
                    forgotten.push((fields.u64()?, fields.u64()?));
                }
                Self::BatchForget(forgotten)
            }
            43 => {
                fields.skip(8)?;
                Self::Allocate {
                    offset: fields.u64()?,
                    length: fields.u64()?,
                    mode: fields.u32()?,
                }
            }
            46 => {
                fields.skip(8)?;
                Self::Seek {
                    offset: fields.u64()?,
                    whence: fields.u32()?,
                }
            }
            47 | 53 => {
                fields.skip(8)?;
                let from = Place {
                    node,
                    offset: fields.u64()?,
                };
                let node = fields.u64()?;
                fields.skip(8)?;
                Self::Copy {
                    from,
                    to: Place {
                        node,
                        offset: fields.u64()?,
                    },
                    length: fields.u64()?,
                    long: opcode == 53,
                }
            }
            52 => {
                fields.skip(20)?;
                Self::Statx { mask: fields.u32()? }
            }
            _ => Self::Other,
        })
    }
}

/// Reads `struct fuse_setattr_in`.
fn set_attr(fields: &mut Fields<'_>) -> Option<SetAttr> {
    let valid = fields.u32()?;
    fields.skip(12)?;
    let size = fields.u64()?;
    fields.skip(8)?;
    let seconds = [fields.u64()?, fields.u64()?].map(u64::cast_signed);
    fields.skip(8)?;
    let nanoseconds = [fields.u32()?, fields.u32()?];
    fields.skip(4)?;
    let mode = fields.u32()?;
    fields.skip(4)?;
    let (uid, gid) = (fields.u32()?, fields.u32()?);
    let is = |bit: u32| valid & 1 << bit != 0;
    let new = |given: u32, now: u32, sec: i64, nsec: u32| {
        is(given).then(|| match is(now) {
            true => NewTime::Now,
            false => NewTime::At(Timestamp { sec, nsec }),
        })
    };
    let [atime, mtime] = seconds;
    let [atime_nsec, mtime_nsec] = nanoseconds;
    Some(SetAttr {
        mode: is(0).then_some(mode),
        uid: is(1).then_some(uid),
        gid: is(2).then_some(gid),
        size: is(3).then_some(size),
        atime: new(4, 7, atime, atime_nsec),
        mtime: new(5, 8, mtime, mtime_nsec),
    })
}
