//! Headers of members in pax format (pax(1), tar(5)), as GNU tar writes them with
//! `--format=pax --numeric-owner --pax-option=delete=atime,delete=ctime`.
//!
//! Values that fit are in the ustar header. Others (long or non-ASCII names, large numbers, extended attributes) are
//! in records of an extended header before it, which other members do not have: their headers are plain ustar.

use tar::{EntryType, Header};

/// A member without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name: any bytes but NUL, with `/` at the end for a directory.
    pub name: Vec<u8>,
    /// Kind, with what belongs to it.
    pub kind: MemberKind,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Modification time in seconds since 1970.
    pub mtime: i64,
    /// Extended attributes: names and values, in the order in which they are written.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Kind of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file, whose content follows the header.
    Regular {
        /// Size in bytes.
        size: u64,
    },
    /// Another name of an earlier member, with that one's name.
    HardLink(Vec<u8>),
    /// A symbolic link, with its text.
    Symlink(Vec<u8>),
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A directory.
    Directory,
    /// A fifo.
    Fifo,
}

/// Length in bytes of the fields for the name and the link's text.
const NAME: usize = 100;
/// Greatest number of an octal field with 7 digits.
const OCTAL_7: u64 = (1 << 21) - 1;
/// Greatest number of an octal field with 11 digits.
const OCTAL_11: u64 = (1 << 33) - 1;

impl Entry {
    /// Returns the header blocks: one, or those of an extended header and one. `extended_mtime` is the modification
    /// time of the extended header, which is a member of its own.
    pub fn encode(&self, extended_mtime: i64) -> Vec<u8> {
        self.encode_with_fraction(extended_mtime, 0)
    }

    /// Returns the same with a modification time that is some nanoseconds later.
    pub fn encode_with_fraction(&self, extended_mtime: i64, nsec: u32) -> Vec<u8> {
        let mut records = Records::default();
        let mut header = Header::new_ustar();
        let (entry_type, link, size, device): (_, &[u8], _, _) = match &self.kind {
            MemberKind::Regular { size } => (EntryType::Regular, b"", *size, (0, 0)),
            MemberKind::HardLink(to) => (EntryType::Link, to, 0, (0, 0)),
            MemberKind::Symlink(to) => (EntryType::Symlink, to, 0, (0, 0)),
            MemberKind::CharDevice { major, minor } => (EntryType::Char, b"", 0, (*major, *minor)),
            MemberKind::BlockDevice { major, minor } => (EntryType::Block, b"", 0, (*major, *minor)),
            MemberKind::Directory => (EntryType::Directory, b"", 0, (0, 0)),
            MemberKind::Fifo => (EntryType::Fifo, b"", 0, (0, 0)),
        };
        if link.len() > NAME {
            records.add(b"linkpath", link);
        }
        if self.name.len() > NAME || !self.name.is_ascii() {
            records.add(b"path", &self.name);
        }
        header.set_entry_type(entry_type);
        header.set_mode(self.mode & 0o7777);
        header.set_uid(records.number(b"uid", self.uid.into(), OCTAL_7));
        header.set_gid(records.number(b"gid", self.gid.into(), OCTAL_7));
        header.set_size(records.number(b"size", size, OCTAL_11));
        header.set_mtime(match u64::try_from(self.mtime) {
            Ok(mtime @ ..=OCTAL_11) if nsec != 0 => {
                let exact = format!("{mtime}.{nsec:09}");
                records.add(b"mtime", exact.trim_end_matches('0').as_bytes());
                mtime
            }
            Ok(mtime) => records.number(b"mtime", mtime, OCTAL_11),
            Err(_) => {
                records.add(b"mtime", self.mtime.to_string().as_bytes());
                0
            }
        });
        let major = records.number(b"SCHILY.devmajor", device.0.into(), OCTAL_7);
        let minor = records.number(b"SCHILY.devminor", device.1.into(), OCTAL_7);
        if let Some(ustar) = header.as_ustar_mut() {
            copy(&mut ustar.name, &self.name);
            copy(&mut ustar.linkname, link);
            ustar.set_device_major(u32::try_from(major).unwrap_or(0));
            ustar.set_device_minor(u32::try_from(minor).unwrap_or(0));
        }
        set_checksum(&mut header);
        for (name, value) in &self.xattrs {
            records.add(&[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        let mut blocks = records.encode(
            &self.name,
            u64::try_from(extended_mtime).unwrap_or(0).min(OCTAL_11),
        );
        blocks.extend_from_slice(header.as_bytes());
        blocks
    }
}

/// Sets the checksum: six digits, NUL and a space, as in POSIX and GNU tar.
fn set_checksum(header: &mut Header) {
    header.set_cksum();
    if let Ok(sum) = header.cksum() {
        copy(&mut header.as_old_mut().cksum, format!("{sum:06o}\0 ").as_bytes());
    }
}

/// Copies as much of `value` into a field as it holds.
fn copy(field: &mut [u8], value: &[u8]) {
    for (to, from) in field.iter_mut().zip(value) {
        *to = *from;
    }
}

/// The records of an extended header.
#[derive(Default)]
struct Records {
    data: Vec<u8>,
    /// Whether a name is not UTF-8, which the header must say.
    binary: bool,
}

impl Records {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        // Only path and linkpath are text; attributes are bytes anyway.
        self.binary |= key.ends_with(b"path") && std::str::from_utf8(value).is_err();
        append_record(&mut self.data, key, value);
    }

    /// Returns the number for the header's field: 0 for one that does not fit, which becomes a record.
    fn number(&mut self, key: &[u8], value: u64, largest: u64) -> u64 {
        if value <= largest {
            return value;
        }
        self.add(key, value.to_string().as_bytes());
        0
    }

    /// Returns the blocks of the extended header; none where there are no records.
    fn encode(self, name: &[u8], mtime: u64) -> Vec<u8> {
        if self.data.is_empty() {
            return Vec::new();
        }
        let mut data = Vec::new();
        if self.binary {
            append_record(&mut data, b"hdrcharset", b"BINARY");
        }
        data.extend_from_slice(&self.data);
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(data.len() as u64);
        header.set_mtime(mtime);
        if let Some(ustar) = header.as_ustar_mut() {
            copy(&mut ustar.name, &extended_name(name));
        }
        set_checksum(&mut header);
        let mut blocks = header.as_bytes().to_vec();
        data.resize(data.len().next_multiple_of(super::BLOCK), 0);
        blocks.extend_from_slice(&data);
        blocks
    }
}

/// Returns the name of the extended header, `DIRECTORY/PaxHeaders/NAME`, by which programs without pax extract it.
fn extended_name(name: &[u8]) -> Vec<u8> {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    let (directory, base) = match name.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (
            name.get(..slash).unwrap_or(b"."),
            name.get(slash + 1..).unwrap_or(b""),
        ),
        None => (b".".as_slice(), name),
    };
    [directory, b"/PaxHeaders/", base].concat()
}

/// Appends the record `LENGTH KEY=VALUE\n`, where LENGTH counts itself.
fn append_record(data: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    data.extend_from_slice(length.to_string().as_bytes());
    data.push(b' ');
    data.extend_from_slice(key);
    data.push(b'=');
    data.extend_from_slice(value);
    data.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_themselves() {
        for (length, expected) in [
            (1, "6 k="),
            (4, "9 k="),
            (5, "11 k="),
            (93, "99 k="),
            (94, "101 k="),
        ] {
            let mut data = Vec::new();
            append_record(&mut data, b"k", &vec![b'v'; length]);
            let text = String::from_utf8_lossy(&data);
            assert!(text.starts_with(expected), "{text}");
            assert!(text.starts_with(&format!("{} ", text.len())), "{text}");
        }
    }

    fn plain(name: &[u8]) -> Entry {
        Entry {
            name: name.to_vec(),
            kind: MemberKind::Regular { size: 5 },
            mode: 0o4755,
            uid: 0,
            gid: 0,
            mtime: 1,
            xattrs: Vec::new(),
        }
    }

    #[test]
    fn nothing_special_is_one_block_of_ustar() {
        let block = plain(b"./usr/bin/su").encode(1);
        assert_eq!(block.len(), 512);
        assert_eq!(block.get(257..265), Some(b"ustar\x0000".as_slice()));
        // No names of owners, whatever the machine's passwd says.
        assert_eq!(block.get(265..329), Some([0; 64].as_slice()));
        assert_eq!(plain(&[b'n'; 100]).encode(1).len(), 512);
    }

    #[test]
    fn what_does_not_fit_is_in_an_extended_header() {
        for entry in [
            plain(&[b'n'; 101]),
            plain("./é".as_bytes()),
            Entry {
                uid: 1 << 21,
                ..plain(b"./a")
            },
            Entry {
                mtime: -1,
                ..plain(b"./a")
            },
            Entry {
                kind: MemberKind::Symlink(vec![b'l'; 101]),
                ..plain(b"./a")
            },
            Entry {
                xattrs: vec![(b"user.a".to_vec(), b"\0\n".to_vec())],
                ..plain(b"./a")
            },
        ] {
            let blocks = entry.encode(1);
            assert_eq!(blocks.len(), 3 * 512, "{entry:?}");
            assert_eq!(blocks.get(156), Some(&b'x'));
        }
    }
}
