//! Extended attributes: names and values as the filesystem has them, and where they are.

use image_tree::Node;

use crate::attribute_blocks::{Attribute, Leaves};
use crate::format::{FORKS, Record};
use crate::hashed::hash;

/// Namespaces, as flags of an attribute: that of users has none.
const ROOT: u8 = 1 << 1;
const SECURE: u8 = 1 << 2;
/// Names of access control lists, each with that of the attribute that they are stored as.
const LISTS: [(&[u8], &[u8]); 2] = [
    (b"system.posix_acl_access", b"trusted.SGI_ACL_FILE"),
    (b"system.posix_acl_default", b"trusted.SGI_ACL_DEFAULT"),
];
/// Version of the lists of system calls, and bytes of it and of an entry.
const LIST_VERSION: u32 = 2;
const LIST_HEADER: usize = 4;
const LIST_ENTRY: usize = 8;
/// Entries that the kernel takes: those that fit into a value.
const LIST_ENTRIES: usize = (MAX_VALUE - 4) / 12;
/// Tags of entries that are of a named user or group; others have no number.
const NAMED: [u16; 2] = [0x02, 0x08];
const NO_NUMBER: u32 = u32::MAX;
/// Tags of all entries, and permission bits.
const TAGS: [u16; 6] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20];
const PERMISSIONS: u16 = 7;
const MAX_NAME: usize = 255;
const MAX_VALUE: usize = 65536;

/// Bytes of the header of attributes in an inode, and of one without name and value.
const SHORT_HEADER: usize = 4;
const SHORT_ENTRY: usize = 3;
/// Unit of the place of the attributes in an inode.
const UNIT: usize = 8;
/// Least and greatest place, in units: either fork can be the root of a tree of extents when there comes more.
const PLACES: (usize, usize) = (7, 37);
/// Place of the attributes of devices, fifos and sockets.
const DEVICE_PLACE: usize = 1;

/// Bytes of an inode that a directory or symbolic link can be in if it has attributes.
pub(crate) const ROOM_BEFORE: usize = PLACES.1 * UNIT;

/// What the data fork needs of the inode.
#[derive(Clone, Copy)]
pub(crate) enum Data {
    /// A device number.
    Device,
    /// So many bytes.
    Local(usize),
    /// So many bytes of extents, which a tree can have instead.
    Extents(usize),
}

impl Data {
    /// Least place of the attributes.
    fn least(self) -> usize {
        match self {
            Self::Device => DEVICE_PLACE,
            Self::Local(bytes) => bytes.div_ceil(UNIT).max(PLACES.0),
            Self::Extents(bytes) if bytes > ROOM_BEFORE => PLACES.0,
            Self::Extents(bytes) => bytes.div_ceil(UNIT).max(PLACES.0),
        }
    }

    /// Greatest place of the attributes.
    fn greatest(self) -> usize {
        match self {
            Self::Device => DEVICE_PLACE,
            _ => PLACES.1,
        }
    }

    /// Place of attributes that have so many bytes in the inode; the least one if that leaves them too few.
    pub(crate) fn place_before(self, bytes: usize) -> usize {
        let place = FORKS.saturating_sub(bytes) / UNIT;
        place.min(self.greatest()).max(self.least())
    }
}

/// Attributes of a node.
pub(crate) struct Attributes {
    /// Sorted by their hashes.
    pub(crate) list: Vec<Attribute>,
}

impl Attributes {
    /// Converts those of a node, or says why they cannot be in the filesystem.
    pub(crate) fn of(node: &Node) -> Result<Self, String> {
        let mut list = Vec::new();
        for (name, value) in &node.xattrs {
            let why = |why: &str| format!("its attribute {} {why}", String::from_utf8_lossy(name));
            if let Some((list, _)) = LISTS.iter().find(|(_, stored)| name == stored) {
                // XFS shows the superuser what it stores besides the list itself.
                if node.xattrs.iter().any(|(name, _)| name == list) {
                    continue;
                }
                return Err(why("is the form of XFS of a list that is not there"));
            }
            let (stored, value) = match LISTS.iter().find(|(list, _)| name == list) {
                Some((_, stored)) => {
                    let value = access_list(value).ok_or_else(|| why("is no access control list"))?;
                    (*stored, value)
                }
                None => (name.as_slice(), value.clone()),
            };
            let (flags, own_name) = namespace(stored).ok_or_else(|| why("is in no namespace of XFS"))?;
            if own_name.is_empty() || own_name.len() > MAX_NAME || own_name.contains(&0) {
                return Err(why("has a name that is too short, too long or has a zero byte"));
            }
            if value.len() > MAX_VALUE {
                return Err(why("has more than 65536 bytes"));
            }
            list.push(Attribute {
                hash: hash(own_name),
                flags,
                name: own_name.to_vec(),
                value,
            });
        }
        list.sort_by(|a, b| (a.hash, &a.name, a.flags).cmp(&(b.hash, &b.name, b.flags)));
        let twice = list
            .windows(2)
            .find(|two| (&two[0].name, two[0].flags) == (&two[1].name, two[1].flags));
        match twice {
            Some(two) => Err(format!(
                "it has the attribute {} twice",
                String::from_utf8_lossy(&two[0].name)
            )),
            None => Ok(Self { list }),
        }
    }

    /// Bytes that they need in an inode; `None` if they cannot be there, because of a name or value longer than 255 bytes or of how many
    /// they are.
    fn short_size(&self) -> Option<usize> {
        let fit = self
            .list
            .iter()
            .all(|attribute| attribute.value.len() <= usize::from(u8::MAX));
        let sizes = self
            .list
            .iter()
            .map(|attribute| SHORT_ENTRY + attribute.name.len() + attribute.value.len());
        let size = SHORT_HEADER + sizes.sum::<usize>();
        (fit && size <= FORKS).then_some(size)
    }

    /// Their place in the inode, if they can be there besides the data.
    pub(crate) fn short_place(&self, data: Data) -> Option<usize> {
        let size = self.short_size()?;
        let place = data.place_before(size);
        (place * UNIT + size <= FORKS).then_some(place)
    }

    /// What is in the inode.
    pub(crate) fn short(&self) -> Vec<u8> {
        let mut record = Record::default();
        record
            .u16(self.short_size().unwrap_or_default() as u16)
            .u8(self.list.len() as u8)
            .u8(0);
        for Attribute {
            flags, name, value, ..
        } in &self.list
        {
            record
                .u8(name.len() as u8)
                .u8(value.len() as u8)
                .u8(*flags)
                .bytes(name)
                .bytes(value);
        }
        record.0
    }

    /// The blocks that they need if they are not in the inode.
    pub(crate) fn leaves(&self) -> Leaves<'_> {
        Leaves::of(&self.list)
    }
}

/// Bytes of the inode before and after a place of attributes.
pub(crate) fn spaces(place: usize) -> (usize, usize) {
    match place {
        0 => (FORKS, 0),
        place => (place * UNIT, FORKS - place * UNIT),
    }
}

fn namespace(name: &[u8]) -> Option<(u8, &[u8])> {
    [(0, "user."), (ROOT, "trusted."), (SECURE, "security.")]
        .into_iter()
        .find_map(|(flags, prefix)| Some((flags, name.strip_prefix(prefix.as_bytes())?)))
}

/// Converts an access control list from the little-endian form of system calls.
fn access_list(value: &[u8]) -> Option<Vec<u8>> {
    let (version, entries) = value.split_at_checked(LIST_HEADER)?;
    let count = entries.len() / LIST_ENTRY;
    let fits = (1..=LIST_ENTRIES).contains(&count) && entries.len().is_multiple_of(LIST_ENTRY);
    if version != LIST_VERSION.to_le_bytes() || !fits {
        return None;
    }
    let mut list = Record::default();
    list.u32(count as u32);
    for entry in entries.chunks_exact(LIST_ENTRY) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let permissions = u16::from_le_bytes([entry[2], entry[3]]);
        let number = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        if !TAGS.contains(&tag) || permissions > PERMISSIONS {
            return None;
        }
        list.u32(tag.into());
        list.u32(if NAMED.contains(&tag) { number } else { NO_NUMBER });
        list.u16(permissions).u16(0);
    }
    Some(list.0)
}
