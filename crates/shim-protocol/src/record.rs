//! What the kernel refuses an ordinary user and the installer records.

/// Type of a device file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Block device.
    Block,
    /// Character device.
    Character,
}

/// Fake ownership, device or capabilities to be recorded of a file of the target; paths are as scripts see
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// chown(2), or lchown(2) where links are not followed.
    Owner {
        /// File.
        path: &'a [u8],
        /// New owner; none leaves it as it is.
        uid: Option<u32>,
        /// New group; none leaves it as it is.
        gid: Option<u32>,
        /// Whether a link at the end of the path is followed.
        follow: bool,
    },
    /// The owner and group that are recorded for another file.
    OwnerOf {
        /// File.
        path: &'a [u8],
        /// File whose owner it gets, links followed.
        reference: &'a [u8],
        /// Whether it gets the group only.
        group_only: bool,
        /// Whether a link at the end of the path is followed.
        follow: bool,
    },
    /// mknod(2) of a device, where nothing is yet.
    Node {
        /// File to be made.
        path: &'a [u8],
        /// Type.
        device: Device,
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
        /// Permission bits, with the mask taken off.
        mode: u32,
    },
    /// capabilities(7) of a file.
    Capability {
        /// File, links followed.
        path: &'a [u8],
        /// Bytes of the attribute `security.capability`; empty takes it away.
        value: &'a [u8],
    },
}

impl<'a> Record<'a> {
    /// Returns the file that is recorded.
    pub fn path(&self) -> &'a [u8] {
        match self {
            Self::Owner { path, .. }
            | Self::OwnerOf { path, .. }
            | Self::Node { path, .. }
            | Self::Capability { path, .. } => path,
        }
    }
}
