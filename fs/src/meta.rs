//! Attributes of a file as the target's users see them.

/// Type of a file, with the numbers of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix domain socket.
    Socket,
    /// A character device.
    CharDevice {
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
}

impl FileType {
    /// Returns the type as a noun with its article, for messages.
    pub fn description(self) -> &'static str {
        match self {
            Self::Regular => "a regular file",
            Self::Directory => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Fifo => "a named pipe",
            Self::Socket => "a socket",
            Self::CharDevice { .. } => "a character device",
            Self::BlockDevice { .. } => "a block device",
        }
    }
}

/// A point in time since the epoch, as `struct timespec` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 00:00 UTC; negative before.
    pub sec: i64,
    /// Nanoseconds to add, 0 to 999 999 999.
    pub nsec: u32,
}

impl Timestamp {
    /// Returns the present time of this machine's clock.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            sec: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nsec: since.subsec_nanos(),
        }
    }
}

/// Type, mode, owner and time of a file as the target's users see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Meta {
    /// The type.
    pub kind: FileType,
    /// Permission, set-id and sticky bits (0 to 0o7777).
    pub mode: u32,
    /// The owner's id in the target.
    pub uid: u32,
    /// The group's id in the target.
    pub gid: u32,
    /// The time of the last modification.
    pub mtime: Timestamp,
}

impl Meta {
    /// Returns the attributes of a file that belongs to root and is modified now.
    pub fn of_root(kind: FileType, mode: u32) -> Self {
        Self {
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime: Timestamp::now(),
        }
    }
}

/// Everything known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stat {
    /// Type, mode, owner and time as the target's users see them.
    pub meta: Meta,
    /// The size in bytes: of a regular file its length, of a symbolic link that of its text.
    pub size: u64,
    /// Number of names (hard links).
    pub nlink: u32,
    /// The inode number on disk, the same for all hard links to one file.
    pub ino: u64,
}
