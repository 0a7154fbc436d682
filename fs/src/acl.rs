//! POSIX access control lists (acl(5)), as the attributes `system.posix_acl_access` and
//! `system.posix_acl_default` have them: a version, then entries of a tag, permissions and an id.
//!
//! The ids are the target's: the kernel translates them to those of the mount's user namespace before it asks, and back
//! in answers. The kernel checks permissions by the lists; a filesystem keeps the mode and the list in step, and hands
//! lists down to the files that are made in a directory.
//!
//! [`Acl::parse`] takes only lists that are valid, as the kernel defines it, so that every list made of one is valid, too.

/// The list that grants access.
pub(crate) const ACCESS: &str = "system.posix_acl_access";

/// The list that a directory hands down.
pub(crate) const DEFAULT: &str = "system.posix_acl_default";

const VERSION: u32 = 2;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// The id of entries that have none.
const NO_ID: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    tag: u16,
    /// Read 4, write 2, execute 1.
    permissions: u16,
    id: u32,
}

/// A valid list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acl(Vec<Entry>);

impl Acl {
    /// Parses an attribute's value; `None` if it is not a valid list.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let (version, entries) = value.split_first_chunk::<4>()?;
        let (entries, []) = entries.as_chunks::<8>() else {
            return None;
        };
        if u32::from_le_bytes(*version) != VERSION {
            return None;
        }
        let entries = entries.iter().map(|[t0, t1, p0, p1, id @ ..]| Entry {
            tag: u16::from_le_bytes([*t0, *t1]),
            permissions: u16::from_le_bytes([*p0, *p1]),
            id: u32::from_le_bytes(*id),
        });
        let acl = Self(entries.collect());
        acl.is_valid().then_some(acl)
    }

    /// One entry each of the owner, the group and others, a mask if there are named ones, in order.
    fn is_valid(&self) -> bool {
        let known = |tag| [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER].contains(&tag);
        let count = |tag| self.0.iter().filter(|entry| entry.tag == tag).count();
        let named = count(USER) + count(GROUP);
        self.0.is_sorted_by_key(|entry| entry.tag)
            && self
                .0
                .iter()
                .all(|entry| known(entry.tag) && entry.permissions <= 7)
            && [USER_OBJ, GROUP_OBJ, OTHER].map(count) == [1; 3]
            && count(MASK) <= 1
            && (named == 0 || count(MASK) == 1)
    }

    /// Returns the attribute's value.
    pub(crate) fn format(&self) -> Vec<u8> {
        let mut value = VERSION.to_le_bytes().to_vec();
        for entry in &self.0 {
            let id = if matches!(entry.tag, USER | GROUP) {
                entry.id
            } else {
                NO_ID
            };
            value.extend_from_slice(&entry.tag.to_le_bytes());
            value.extend_from_slice(&entry.permissions.to_le_bytes());
            value.extend_from_slice(&id.to_le_bytes());
        }
        value
    }

    /// Returns whether the list says more than permission bits can.
    pub(crate) fn is_extended(&self) -> bool {
        self.0.len() > 3
    }

    /// The entries that the permission bits of a mode stand for, and where their bits are: the group's bits
    /// are the mask's where there is one.
    fn mode_entries(&mut self) -> impl Iterator<Item = (u32, &mut u16)> {
        let group = if self.0.iter().any(|entry| entry.tag == MASK) {
            MASK
        } else {
            GROUP_OBJ
        };
        self.0.iter_mut().filter_map(move |entry| {
            let shift = match entry.tag {
                USER_OBJ => 6,
                OTHER => 0,
                tag if tag == group => 3,
                _ => return None,
            };
            Some((shift, &mut entry.permissions))
        })
    }

    /// Returns the permission bits of a file with this list.
    pub(crate) fn mode(&mut self) -> u32 {
        self.mode_entries()
            .fold(0, |mode, (shift, bits)| mode | u32::from(*bits) << shift)
    }

    /// Changes the list as chmod(2) does; returns whether it is another one now.
    pub(crate) fn set_mode(&mut self, mode: u32) -> bool {
        let mut changed = false;
        for (shift, bits) in self.mode_entries() {
            let new = (mode >> shift & 7) as u16;
            changed |= *bits != new;
            *bits = new;
        }
        changed
    }

    /// Turns the list that a directory hands down into that of a new file that was to have `mode`; returns the file's
    /// mode.
    pub(crate) fn hand_down(&mut self, mode: u32) -> u32 {
        for (shift, bits) in self.mode_entries() {
            *bits &= (mode >> shift & 7) as u16;
        }
        mode & !0o777 | self.mode()
    }
}

/// Lists of a new file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inherited {
    pub(crate) access: Option<Vec<u8>>,
    pub(crate) default: Option<Vec<u8>>,
}

impl Inherited {
    /// Returns the lists of a new file in a directory that hands down `default`, and adjusts `mode`.
    pub(crate) fn from(default: &mut Acl, mode: &mut u32, directory: bool) -> Self {
        let handed = directory.then(|| default.format());
        *mode = default.hand_down(*mode);
        Self {
            access: default.is_extended().then(|| default.format()),
            default: handed,
        }
    }

    /// Returns the lists of a new file that is made with no permissions and gets `mode` afterwards, as dpkg unpacks.
    pub(crate) fn unpacked(default: &mut Acl, mode: u32, directory: bool) -> Self {
        let handed = directory.then(|| default.format());
        default.set_mode(mode);
        Self {
            access: default.is_extended().then(|| default.format()),
            default: handed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut value = VERSION.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            value.extend_from_slice(&tag.to_le_bytes());
            value.extend_from_slice(&permissions.to_le_bytes());
            value.extend_from_slice(&id.to_le_bytes());
        }
        value
    }

    /// As systemd-tmpfiles sets it on `/var/log/journal`: `u::rwx,g::r-x,g:adm:r-x,m::r-x,o::r-x`.
    fn journal() -> Vec<u8> {
        value(&[
            (USER_OBJ, 7, NO_ID),
            (GROUP_OBJ, 5, NO_ID),
            (GROUP, 5, 4),
            (MASK, 5, NO_ID),
            (OTHER, 5, NO_ID),
        ])
    }

    proptest! {
        #[test]
        fn parsing_never_panics(value: Vec<u8>) {
            if let Some(acl) = Acl::parse(&value) {
                prop_assert_eq!(Acl::parse(&acl.format()), Some(acl));
            }
        }

        #[test]
        fn the_mode_is_kept_in_step(mode in 0u32..=0o777) {
            let mut acl = Acl::parse(&journal()).unwrap();
            acl.set_mode(mode);
            prop_assert_eq!(acl.mode(), mode);
            prop_assert!(!acl.set_mode(mode));
        }
    }

    #[test]
    fn valid_lists() {
        let valid = journal();
        assert_eq!(Acl::parse(&valid).unwrap().format(), valid);
        let minimal = [(USER_OBJ, 6, NO_ID), (GROUP_OBJ, 4, NO_ID), (OTHER, 0, NO_ID)];
        let mut acl = Acl::parse(&value(&minimal)).unwrap();
        assert!(!acl.is_extended());
        assert_eq!(acl.mode(), 0o640);
        let [user, group, other] = minimal;
        for bad in [
            vec![],
            vec![user, group],
            vec![group, user, other],
            vec![user, group, group, other],
            vec![user, (USER, 7, 1), group, other],
            vec![user, group, (MASK, 8, NO_ID), other],
            vec![user, group, other, (0x40, 0, NO_ID)],
        ] {
            assert_eq!(Acl::parse(&value(&bad)), None, "{bad:?}");
        }
        assert_eq!(Acl::parse(b"\x02\0\0"), None);
        assert_eq!(Acl::parse(b"\x03\0\0\0"), None);
        assert_eq!(Acl::parse(&[&valid[..], b"\0"].concat()), None);
    }

    #[test]
    fn chmod_changes_the_mask_and_not_the_group() {
        let mut acl = Acl::parse(&journal()).unwrap();
        assert!(acl.set_mode(0o700));
        let want = [
            (USER_OBJ, 7, NO_ID),
            (GROUP_OBJ, 5, NO_ID),
            (GROUP, 5, 4),
            (MASK, 0, NO_ID),
            (OTHER, 0, NO_ID),
        ];
        assert_eq!(acl.format(), value(&want));
    }

    #[test]
    fn directories_hand_their_list_down() {
        let mut mode = 0o2777;
        let got = Inherited::from(&mut Acl::parse(&journal()).unwrap(), &mut mode, true);
        assert_eq!(mode, 0o2755);
        assert_eq!(got.default, Some(journal()));
        assert_eq!(got.access, Some(journal()));
        let mut mode = 0o640;
        let got = Inherited::from(&mut Acl::parse(&journal()).unwrap(), &mut mode, false);
        assert_eq!(mode, 0o640);
        assert_eq!(got.default, None);
        let access = Acl::parse(&got.access.unwrap()).unwrap();
        assert_eq!(
            access.0.iter().map(|e| e.permissions).collect::<Vec<_>>(),
            [6, 5, 5, 4, 0]
        );
        // A list that says no more than a mode is none.
        let minimal = value(&[(USER_OBJ, 7, NO_ID), (GROUP_OBJ, 0, NO_ID), (OTHER, 0, NO_ID)]);
        let mut mode = 0o666;
        let got = Inherited::from(&mut Acl::parse(&minimal).unwrap(), &mut mode, false);
        assert_eq!((mode, got), (0o600, Inherited::default()));
    }
}
