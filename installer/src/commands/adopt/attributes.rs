//! Attributes on the disk that say something of a file's owner or belong to the target's users.

use rootless_install_fs::encoding::OVERRIDE_XATTR;
use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lremovexattr, lsetxattr};
use rustix::io::Errno;
use shim_protocol::capability;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// Older names of the record, which fuse-overlayfs had.
const OLDER: [&str; 2] = ["user.fuseoverlayfs.override_stat", "user.overlay.override_stat"];
/// Prefix of attributes that fuse-overlayfs could not set under their own names.
const OTHERS: &[u8] = b"user.fuseoverlayfs.";
/// Attributes of layers, which mean nothing in a single directory.
const OF_LAYERS: [&[u8]; 3] = [b"origin", b"opaque", b"override_stat"];
/// Most bytes of a list or a value (xattr(7)).
const MOST: usize = 1 << 16;

/// Attributes of a file.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// Whether there is a record.
    pub(super) recorded: bool,
    /// Attributes that become the target's, under the names that its users see.
    pub(super) moved: Vec<(OsString, Vec<u8>)>,
    /// Names on the disk that go.
    gone: Vec<Vec<u8>>,
}

impl Attributes {
    /// Reads the attributes of a file, and gives its record the name that it has today. In lists, ids of the disk count `from_one`.
    pub(super) fn take(path: &Path, from_one: bool) -> io::Result<Self> {
        let mut found = Self::default();
        let mut list = vec![0; MOST];
        let length = match llistxattr(path, &mut list) {
            Ok(length) => length,
            Err(Errno::OPNOTSUPP) => return Ok(found),
            Err(errno) => return Err(errno.into()),
        };
        list.truncate(length);
        for name in list.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let mut value = vec![0; MOST];
            let length = match lgetxattr(path, name, &mut value) {
                Ok(length) => length,
                Err(Errno::NODATA | Errno::OPNOTSUPP) => continue,
                Err(errno) => return Err(errno.into()),
            };
            value.truncate(length);
            found.sort(path, name, value, from_one)?;
        }
        Ok(found)
    }

    fn sort(&mut self, path: &Path, name: &[u8], value: Vec<u8>, from_one: bool) -> io::Result<()> {
        if name == OVERRIDE_XATTR.as_bytes() {
            self.recorded = true;
        } else if OLDER.iter().any(|older| older.as_bytes() == name) {
            lsetxattr(path, OVERRIDE_XATTR, &value, XattrFlags::empty())?;
            lremovexattr(path, name)?;
            self.recorded = true;
        } else if let Some(of) = name.strip_prefix(OTHERS) {
            if !OF_LAYERS.contains(&of) {
                self.moved.push((OsString::from_vec(of.to_vec()), value));
            }
            self.gone.push(name.to_vec());
        } else if name == b"security.capability" {
            if let Some(value) = without_root(&value) {
                self.moved.push((OsString::from_vec(name.to_vec()), value));
            }
            self.gone.push(name.to_vec());
        } else if name.starts_with(b"system.posix_acl_") {
            let value = if from_one { shifted(value) } else { value };
            self.moved.push((OsString::from_vec(name.to_vec()), value));
            self.gone.push(name.to_vec());
        }
        Ok(())
    }

    /// Removes from the disk what has become the target's.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        for name in &self.gone {
            match lremovexattr(path, name.as_slice()) {
                // With the file's owner the kernel may have taken it, and a file may be another one now.
                Ok(()) | Err(Errno::NODATA | Errno::NOENT | Errno::OPNOTSUPP) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

/// Returns capabilities without the namespace that they are for (capabilities(7), "File capability extended attribute
/// versioning").
fn without_root(value: &[u8]) -> Option<Vec<u8>> {
    capability::sets(value)?;
    let mut value = value.get(..capability::LENGTH)?.to_vec();
    if let Some(revision) = value.get_mut(3) {
        *revision = 2;
    }
    Some(value)
}

/// Returns an access control list whose users and groups are one less (`struct posix_acl_xattr_entry`).
fn shifted(mut value: Vec<u8>) -> Vec<u8> {
    const USER: u16 = 2;
    const GROUP: u16 = 8;
    for entry in value.get_mut(4..).unwrap_or_default().chunks_exact_mut(8) {
        let [tag, tag2, _, _, id @ ..] = entry else {
            continue;
        };
        let tag = u16::from_le_bytes([*tag, *tag2]);
        if (tag == USER || tag == GROUP)
            && let Ok(bytes) = <[u8; 4]>::try_from(&*id)
        {
            id.copy_from_slice(&u32::from_le_bytes(bytes).saturating_sub(1).to_le_bytes());
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lose_their_namespace() {
        let plain = capability::attribute(b"cap_net_raw+ep").unwrap();
        let mut rooted = plain.to_vec();
        rooted[3] = 3;
        rooted.extend_from_slice(&100_000u32.to_le_bytes());
        assert_eq!(without_root(&rooted).unwrap(), plain);
        assert_eq!(without_root(b"x"), None);
        let list = [
            2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 4, 0, 34, 0, 0, 0,
        ];
        let then = shifted(list.to_vec());
        assert_eq!(then[..16], list[..16]);
        assert_eq!(then[16], 33);
    }
}
