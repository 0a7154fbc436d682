//! Access control lists as text (acl(5)), as star and GNU tar have them in archives, as attributes of files.

/// Version of the attribute's form (`include/uapi/linux/posix_acl_xattr.h`).
const VERSION: u32 = 2;
/// Size of the attribute of a list that has the owner, the group and the others only.
pub(super) const PLAIN: usize = 4 + 3 * 8;
/// Id of an entry that has none.
const NOBODY: u32 = u32::MAX;
const USER: u16 = 2;
const GROUP: u16 = 8;
const MASK: u16 = 0x10;

/// Returns the value of the attribute that a text means. Users and groups in it have to be numbers: by name, or in a
/// fourth field. None where one is a name only, or the text makes no sense.
pub(super) fn attribute(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut entries = Vec::new();
    for entry in text.split([',', '\n']) {
        let entry = entry.split('#').next().unwrap_or_default().trim();
        if !entry.is_empty() {
            entries.push(parsed(entry)?);
        }
    }
    entries.sort_unstable();
    let has = |tag: u16| entries.iter().filter(|(found, ..)| *found == tag).count();
    let named = has(USER) + has(GROUP) > 0;
    if has(1) != 1 || has(4) != 1 || has(0x20) != 1 || has(MASK) > 1 || named && has(MASK) == 0 {
        return None;
    }
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, id, bits) in entries {
        value.extend_from_slice(&tag.to_le_bytes());
        value.extend_from_slice(&bits.to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    }
    Some(value)
}

/// Returns the tag, the id and the permissions of an entry.
fn parsed(entry: &str) -> Option<(u16, u32, u16)> {
    let mut fields = entry.split(':');
    let (kind, who, what) = (fields.next()?, fields.next()?, fields.next()?);
    let bits = what.bytes().try_fold(0, |bits, byte| match byte {
        b'r' => Some(bits | 4),
        b'w' => Some(bits | 2),
        b'x' => Some(bits | 1),
        b'-' => Some(bits),
        _ => None,
    })?;
    let tag = match (kind, who.is_empty()) {
        ("user" | "u", true) => 1,
        ("user" | "u", false) => USER,
        ("group" | "g", true) => 4,
        ("group" | "g", false) => GROUP,
        ("mask" | "m", true) => MASK,
        ("other" | "o", true) => 0x20,
        _ => return None,
    };
    let id = match who {
        "" => NOBODY,
        who => fields.next().unwrap_or(who).parse().ok()?,
    };
    Some((tag, id, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_attributes() {
        let value = attribute(b"user::rw-,user:lisa:r-x:500,group::r--,mask::r-x,other::---").unwrap();
        let entries: Vec<&[u8]> = value[4..].chunks(8).collect();
        assert_eq!(value[..4], [2, 0, 0, 0]);
        assert_eq!(entries[0], [1, 0, 6, 0, 255, 255, 255, 255]);
        assert_eq!(entries[1], [2, 0, 5, 0, 0xf4, 1, 0, 0]);
        assert_eq!(entries.len(), 5);
        let lines = b"user::rw-\nuser:500:r-x\t#effective\ngroup::r--\nmask::r-x\nother::---\n";
        assert_eq!(attribute(lines).unwrap(), value);
        for bad in [
            &b"user::rw-"[..],
            b"user::rw-,user:lisa:r-x,group::r--,mask::r-x,other::---",
            b"user::rw-,user:500:r-x,group::r--,other::---",
            b"user::rwq,group::r--,other::---",
            b"\xff",
            b"x",
        ] {
            assert_eq!(attribute(bad), None);
        }
    }
}
