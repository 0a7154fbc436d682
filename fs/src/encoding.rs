//! Encoding of fake ownership on disk.
//!
//! An ordinary user can neither give files away nor make devices, and set-id bits on disk would act on
//! the machine itself. So what is on disk differs from what the target's users see:
//!
//! | the target's users see | on disk |
//! |---|---|
//! | an owner other than 0:0 | the user's own file, with [`OVERRIDE_XATTR`] |
//! | a mode | [`disk_mode`]; the mode itself in [`OVERRIDE_XATTR`] where it differs |
//! | a symbolic link of 0:0 | a symbolic link |
//! | another symbolic link | a regular file with the link's text, [`OVERRIDE_XATTR`] |
//! | a device, named pipe, socket | an empty regular file, [`OVERRIDE_XATTR`] |
//! | the attribute `security.NAME`, `trusted.NAME` | `user.rootless-install.security.NAME`, … |
//! | `system.posix_acl_access`, `system.posix_acl_default` | `user.rootless-install.system.…` |
//! | the attribute `user.NAME` | the same |
//! | flags of chattr(1) | [`INODE_FLAGS`] |
//!
//! The value of [`OVERRIDE_XATTR`] is what containers/storage, podman and fuse-overlayfs use:
//! `UID:GID:0MODE:TYPE`, with ids in decimal, mode in octal, and TYPE one of `file`, `dir`, `symlink`,
//! `pipe`, `socket`, `char-MAJOR-MINOR`, `block-MAJOR-MINOR`. A value without TYPE means the type on disk.
//! It is written only where it says something that the file on disk does not.
//!
//! Invariants, each with a test: [`Override::format`] and [`Override::parse`] are inverse; so are
//! [`xattr_to_disk`] and [`xattr_from_disk`]; and no mode on disk has set-id or sticky bits, denies the
//! user anything, or lets anyone else write.

use crate::acl;
use crate::meta::FileType;

/// Attribute that records owner, mode and type.
pub const OVERRIDE_XATTR: &str = "user.containers.override_stat";

/// Prefix to the name of an attribute that cannot be kept under its own.
pub const XATTR_PREFIX: &str = "user.rootless-install.";

/// Attribute that records the flags of chattr(1), in hexadecimal. It is there only where one is set.
pub const INODE_FLAGS: &str = "user.rootless-install.inode-flags";

/// Flags that are recorded in [`INODE_FLAGS`], as ioctl_iflags(2) numbers them: those of ext4 but `i` and `a`, and those
/// by which directories of btrfs are marked. The kernel lets nobody but the machine's root set those two, and does not
/// ask a FUSE server.
pub(crate) const SETTABLE_FLAGS: u32 = 0x2083_c4cf;

/// Attribute on disk for [`acl::ACCESS`].
pub(crate) const ACCESS_ON_DISK: &str = "user.rootless-install.system.posix_acl_access";

/// Attribute on disk for [`acl::DEFAULT`].
pub(crate) const DEFAULT_ON_DISK: &str = "user.rootless-install.system.posix_acl_default";

/// Bytes that are enough for every value of [`OVERRIDE_XATTR`] that [`Override::format`] makes.
pub(crate) const OVERRIDE_MAX: usize = 96;

/// The record in [`OVERRIDE_XATTR`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Override {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Type; none means that of the file on disk.
    pub kind: Option<FileType>,
}

impl Override {
    /// Returns the attribute's value.
    pub fn format(&self) -> String {
        let Self { uid, gid, mode, kind } = self;
        let mut text = format!("{uid}:{gid}:0{mode:o}");
        match kind {
            None => {}
            Some(FileType::Regular) => text.push_str(":file"),
            Some(FileType::Directory) => text.push_str(":dir"),
            Some(FileType::Symlink) => text.push_str(":symlink"),
            Some(FileType::Fifo) => text.push_str(":pipe"),
            Some(FileType::Socket) => text.push_str(":socket"),
            Some(FileType::CharDevice { major, minor }) => {
                text.push_str(&format!(":char-{major}-{minor}"));
            }
            Some(FileType::BlockDevice { major, minor }) => {
                text.push_str(&format!(":block-{major}-{minor}"));
            }
        }
        text
    }

    /// Parses a value; `None` if it is not one.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let mut fields = text.split(':');
        let uid = number(fields.next()?, 10)?;
        let gid = number(fields.next()?, 10)?;
        let mode = number(fields.next()?, 8)?;
        if mode > 0o7777 {
            return None;
        }
        let kind = match fields.next() {
            None => None,
            Some("file") => Some(FileType::Regular),
            Some("dir") => Some(FileType::Directory),
            Some("symlink") => Some(FileType::Symlink),
            Some("pipe") => Some(FileType::Fifo),
            Some("socket") => Some(FileType::Socket),
            Some(device) => {
                let mut parts = device.split('-');
                let class = parts.next()?;
                let major = number(parts.next()?, 10)?;
                let minor = number(parts.next()?, 10)?;
                if parts.next().is_some() {
                    return None;
                }
                match class {
                    "char" => Some(FileType::CharDevice { major, minor }),
                    "block" => Some(FileType::BlockDevice { major, minor }),
                    _ => return None,
                }
            }
        };
        fields.next().is_none().then_some(Self { uid, gid, mode, kind })
    }

    /// Returns the type that the record gives to a file that is `on_disk`; `None` if the two contradict each other.
    pub fn kind_on(&self, on_disk: FileType) -> Option<FileType> {
        match (self.kind, on_disk) {
            (None, kind) => Some(kind),
            (Some(FileType::Directory), FileType::Directory) => Some(FileType::Directory),
            (Some(FileType::Directory), _) | (_, FileType::Directory) => None,
            (Some(kind), FileType::Regular) => Some(kind),
            (Some(kind), disk) => (kind == disk).then_some(kind),
        }
    }
}

/// Parses a number without sign or blanks, which `from_str_radix` would partly accept.
fn number(text: &str, radix: u32) -> Option<u32> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    u32::from_str_radix(text, radix).ok()
}

/// Returns the type that a file has on disk when the target's users see `kind` with this owner.
pub fn disk_type(kind: FileType, uid: u32, gid: u32) -> FileType {
    match kind {
        FileType::Directory => FileType::Directory,
        FileType::Symlink if uid == 0 && gid == 0 => FileType::Symlink,
        _ => FileType::Regular,
    }
}

/// Returns the mode on disk of a file or directory that the target's users see with `mode`.
///
/// The user may always read and write (and search a directory); no set-id or sticky bits; nobody else
/// may write, and the group, which on disk is the user's and not the target's, may do what others may.
pub fn disk_mode(kind: FileType, mode: u32) -> u32 {
    let others = mode & 0o005;
    let group = (mode & 0o050) & (others << 3);
    let user = if kind == FileType::Directory {
        0o700
    } else {
        (mode & 0o100) | 0o600
    };
    user | group | others
}

/// Returns the record that a file needs; `None` if the file on disk says it all.
pub fn record(kind: FileType, mode: u32, uid: u32, gid: u32) -> Option<Override> {
    let disk = disk_type(kind, uid, gid);
    let plain = uid == 0 && gid == 0 && disk == kind;
    if plain && (kind == FileType::Symlink || disk_mode(kind, mode) == mode) {
        return None;
    }
    let mode = if kind == FileType::Symlink {
        0o777
    } else {
        mode & 0o7777
    };
    Some(Override {
        uid,
        gid,
        mode,
        kind: Some(kind),
    })
}

/// Parses the value of [`INODE_FLAGS`]; `None` if it is not one.
pub fn inode_flags(value: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(value).ok()?;
    let flags = u32::from_str_radix(text, 16).ok()?;
    (format!("{flags:x}") == text && flags & !SETTABLE_FLAGS == 0).then_some(flags)
}

/// Attribute on disk for one that the target's users name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum XattrName {
    /// It is kept under this name.
    Disk(Vec<u8>),
    /// It cannot be kept: the filesystem does not support the class of attributes.
    Unsupported,
}

/// Returns the attribute on disk for the attribute `name`.
pub fn xattr_to_disk(name: &[u8]) -> XattrName {
    let ours = name.starts_with(XATTR_PREFIX.as_bytes()) || name == OVERRIDE_XATTR.as_bytes();
    if name.starts_with(b"user.") && !ours {
        return XattrName::Disk(name.to_vec());
    }
    let list = name == acl::ACCESS.as_bytes() || name == acl::DEFAULT.as_bytes();
    if ours || list || name.starts_with(b"security.") || name.starts_with(b"trusted.") {
        return XattrName::Disk([XATTR_PREFIX.as_bytes(), name].concat());
    }
    XattrName::Unsupported
}

/// Returns the attribute that is kept as `name`; `None` for one that the target's users do not see.
pub fn xattr_from_disk(name: &[u8]) -> Option<&[u8]> {
    if name == OVERRIDE_XATTR.as_bytes() {
        return None;
    }
    match name.strip_prefix(XATTR_PREFIX.as_bytes()) {
        // A name that this encoding would not have written is hidden, or two names would mean one attribute.
        Some(inner) => (xattr_to_disk(inner) == XattrName::Disk(name.to_vec())).then_some(inner),
        None => name.starts_with(b"user.").then_some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_of_flags() {
        for flags in [0x40, 0x80, 0x80_0000, SETTABLE_FLAGS] {
            assert_eq!(inode_flags(format!("{flags:x}").as_bytes()), Some(flags));
        }
        for bad in ["", "+40", "040", "10", "x", "100000040"] {
            assert_eq!(inode_flags(bad.as_bytes()), None, "{bad}");
        }
    }

    fn kinds() -> impl Strategy<Value = FileType> {
        prop_oneof![
            Just(FileType::Regular),
            Just(FileType::Directory),
            Just(FileType::Symlink),
            Just(FileType::Fifo),
            Just(FileType::Socket),
            (any::<u32>(), any::<u32>()).prop_map(|(major, minor)| FileType::CharDevice { major, minor }),
            (any::<u32>(), any::<u32>()).prop_map(|(major, minor)| FileType::BlockDevice { major, minor }),
        ]
    }

    proptest! {
        #[test]
        fn override_round_trip(
            uid: u32, gid: u32, mode in 0u32..=0o7777, kind in proptest::option::of(kinds()),
        ) {
            let record = Override { uid, gid, mode, kind };
            let text = record.format();
            prop_assert!(text.len() <= OVERRIDE_MAX);
            prop_assert_eq!(Override::parse(text.as_bytes()), Some(record));
        }

        #[test]
        fn parsing_never_panics(value: Vec<u8>) {
            let _ = Override::parse(&value);
        }

        #[test]
        fn disk_and_record_give_back_what_is_seen(
            kind in kinds(), mode in 0u32..=0o7777,
            uid in prop_oneof![Just(0u32), any::<u32>()], gid in prop_oneof![Just(0u32), any::<u32>()],
        ) {
            let mode = if kind == FileType::Symlink { 0o777 } else { mode };
            let on_disk = disk_type(kind, uid, gid);
            match record(kind, mode, uid, gid) {
                Some(record) => {
                    prop_assert_eq!(record.kind_on(on_disk), Some(kind));
                    prop_assert_eq!((record.uid, record.gid, record.mode), (uid, gid, mode));
                }
                None => {
                    prop_assert_eq!(on_disk, kind);
                    prop_assert_eq!((uid, gid), (0, 0));
                    prop_assert!(kind == FileType::Symlink || disk_mode(kind, mode) == mode);
                }
            }
        }

        #[test]
        fn modes_on_disk_are_harmless(kind in kinds(), mode in 0u32..=0o7777) {
            let disk = disk_mode(kind, mode);
            prop_assert_eq!(disk & 0o7022, 0);
            prop_assert_eq!(disk & 0o600, 0o600);
            prop_assert!(kind != FileType::Directory || disk & 0o700 == 0o700);
            prop_assert_eq!(disk & 0o055 & !mode, 0);
        }

        #[test]
        fn xattr_names_round_trip(
            class in prop_oneof![
                Just("user."), Just("security."), Just("trusted."), Just(XATTR_PREFIX), Just(OVERRIDE_XATTR),
                Just("system.posix_acl_access\0"), Just("system.posix_acl_default\0"),
            ],
            rest in "[a-z.]{0,12}",
        ) {
            // A class that ends with a zero here is a whole name.
            let name = match class.strip_suffix('\0') {
                Some(whole) => whole.to_owned(),
                None => format!("{class}{rest}"),
            };
            let name = name.into_bytes();
            let XattrName::Disk(disk) = xattr_to_disk(&name) else { panic!("{name:?} is not kept") };
            prop_assert!(disk.starts_with(b"user."));
            prop_assert_ne!(&disk[..], OVERRIDE_XATTR.as_bytes());
            prop_assert_eq!(xattr_from_disk(&disk), Some(&name[..]));
        }
    }

    #[test]
    fn values_of_other_tools_are_read() {
        let file = |mode| Override {
            uid: 0,
            gid: 42,
            mode,
            kind: Some(FileType::Regular),
        };
        assert_eq!(Override::parse(b"0:42:0640:file"), Some(file(0o640)));
        assert_eq!(Override::parse(b"0:42:4755:file"), Some(file(0o4755)));
        assert_eq!(
            Override::parse(b"1:2:755"),
            Some(Override {
                uid: 1,
                gid: 2,
                mode: 0o755,
                kind: None
            })
        );
        for bad in [
            &b""[..],
            b"0",
            b"0:0",
            b"0:0:",
            b"0:0:08",
            b"-1:0:0644:file",
            b"+1:0:0644:file",
            b"0:0:0644:file:",
            b"0:0:010000:file",
            b"0:0:0644:char",
            b"0:0:0644:char-1",
            b"0:0:0644:char-1-2-3",
            b"0:0:0644:what",
            b"4294967296:0:0644:file",
            b"\xff:0:0644:file",
        ] {
            assert_eq!(Override::parse(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let dir = Override {
            uid: 0,
            gid: 0,
            mode: 0,
            kind: Some(FileType::Directory),
        };
        assert_eq!(dir.kind_on(FileType::Regular), None);
        let fifo = Override {
            kind: Some(FileType::Fifo),
            ..dir
        };
        assert_eq!(fifo.kind_on(FileType::Directory), None);
        assert_eq!(fifo.kind_on(FileType::Symlink), None);
    }

    #[test]
    fn only_what_differs_is_recorded() {
        assert_eq!(record(FileType::Regular, 0o644, 0, 0), None);
        assert_eq!(record(FileType::Directory, 0o755, 0, 0), None);
        assert_eq!(record(FileType::Symlink, 0o777, 0, 0), None);
        assert!(record(FileType::Regular, 0o4755, 0, 0).is_some());
        assert!(record(FileType::Directory, 0o1777, 0, 0).is_some());
        assert!(record(FileType::Regular, 0o444, 0, 0).is_some());
        assert!(record(FileType::Regular, 0o640, 0, 42).is_some());
        assert!(record(FileType::Fifo, 0o600, 0, 0).is_some());
    }

    #[test]
    fn foreign_attribute_classes() {
        for (name, disk) in [(acl::ACCESS, ACCESS_ON_DISK), (acl::DEFAULT, DEFAULT_ON_DISK)] {
            assert_eq!(xattr_to_disk(name.as_bytes()), XattrName::Disk(disk.into()));
        }
        assert_eq!(xattr_to_disk(b"system.nfs4_acl"), XattrName::Unsupported);
        assert_eq!(
            xattr_to_disk(b"system.posix_acl_access.x"),
            XattrName::Unsupported
        );
        assert_eq!(xattr_to_disk(b"nonsense"), XattrName::Unsupported);
        assert_eq!(xattr_from_disk(b"user.rootless-install.user.foo"), None);
        assert_eq!(xattr_from_disk(b"security.selinux"), None);
    }
}
