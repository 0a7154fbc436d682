//! The flags of chattr(1) and lsattr(1) (ioctl_iflags(2)), recorded beside a file. The disk may know other ones, or none,
//! and would act on what is for the target.

use rustix::io::Errno;

use super::{Result, View};
use crate::encoding::{INODE_FLAGS, SETTABLE_FLAGS, inode_flags};
use crate::server::phantom::PhantomId;

const GET_FLAGS: u32 = 0x8008_6601;
const GET_FLAGS_32: u32 = 0x8004_6601;
const SET_FLAGS: u32 = 0x4008_6602;
const SET_FLAGS_32: u32 = 0x4004_6602;
const GET_XFLAGS: u32 = 0x801c_581f;
const SET_XFLAGS: u32 = 0x401c_5820;

/// Bytes of `struct fsxattr`.
const FSXATTR: usize = 28;

/// Flags that `struct fsxattr` has as well, with their bits there: sync, no access times, no dump, a project's directory.
const IN_BOTH: [(u32, u32); 4] = [(0x8, 0x20), (0x80, 0x40), (0x40, 0x80), (0x2000_0000, 0x200)];

fn to_xflags(flags: u32) -> u32 {
    let both = IN_BOTH.iter().filter(|(flag, _)| flags & flag != 0);
    both.fold(0, |all, (_, other)| all | other)
}

/// Returns the flags after `xflags` were set: those that only the other call knows stay. `None` for some that no
/// filesystem has here.
fn from_xflags(now: u32, xflags: u32) -> Option<u32> {
    let known = IN_BOTH.iter().fold(0, |all, (_, other)| all | other);
    if xflags & !known != 0 {
        return None;
    }
    Some(
        IN_BOTH
            .iter()
            .fold(now, |all, (flag, other)| match xflags & other {
                0 => all & !flag,
                _ => all | flag,
            }),
    )
}

impl View {
    /// `IOCTL`: returns what the command writes.
    pub(in crate::server) fn ioctl(&self, id: u64, command: u32, input: &[u8]) -> Result<Vec<u8>> {
        let first = || -> Result<u32> {
            let bytes = input.first_chunk().ok_or(Errno::INVAL)?;
            Ok(u32::from_ne_bytes(*bytes))
        };
        match command {
            GET_FLAGS | GET_FLAGS_32 => Ok(self.flags(id)?.to_ne_bytes().to_vec()),
            GET_XFLAGS => {
                let mut attributes = vec![0; FSXATTR];
                let xflags = to_xflags(self.flags(id)?).to_ne_bytes();
                for (byte, of) in attributes.iter_mut().zip(xflags) {
                    *byte = of;
                }
                Ok(attributes)
            }
            SET_FLAGS | SET_FLAGS_32 => {
                self.set_flags(id, first()?)?;
                Ok(Vec::new())
            }
            SET_XFLAGS => {
                // Sizes of extents and numbers of projects are nothing here.
                if input
                    .get(4..FSXATTR)
                    .is_none_or(|rest| rest.iter().any(|byte| *byte != 0))
                {
                    return Err(Errno::OPNOTSUPP);
                }
                let flags = from_xflags(self.flags(id)?, first()?).ok_or(Errno::OPNOTSUPP)?;
                self.set_flags(id, flags)?;
                Ok(Vec::new())
            }
            _ => Err(Errno::NOTTY),
        }
    }

    fn flags(&self, id: u64) -> Result<u32> {
        if PhantomId::from_node_id(id).is_some() {
            return Ok(0);
        }
        match self.subject(id)?.get_own(INODE_FLAGS) {
            // What another program wrote there is damage, as with owners.
            Ok(value) => inode_flags(&value).ok_or(Errno::IO),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(0),
            Err(errno) => Err(errno),
        }
    }

    fn set_flags(&self, id: u64, flags: u32) -> Result<()> {
        if flags & !SETTABLE_FLAGS != 0 {
            return Err(Errno::OPNOTSUPP);
        }
        let subject = self.subject(id)?;
        match flags {
            0 => subject.remove_own(INODE_FLAGS)?,
            _ => subject.set_own(INODE_FLAGS, format!("{flags:x}").as_bytes())?,
        }
        self.tell_others_of(self.nodes.ino(id));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_calls_know_some_flags() {
        let flags = 0x80_00c0;
        assert_eq!(to_xflags(flags), 0xc0);
        assert_eq!(from_xflags(flags, 0x80), Some(0x80_0040));
        assert_eq!(from_xflags(flags, 0x1), None);
    }
}
