//! The files of a filesystem image that is to be written, and what its writers have in common.
//!
//! A tree is made by whoever has the files, in memory and without their content; a writer numbers inodes in its order and asks for the content
//! of one file after the other. The same tree, content and options give the same bytes.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

/// Position of a node in its tree; that of the root directory is 0.
pub type NodeId = usize;

/// All files of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The nodes. The first is the root directory; a directory comes before what is in it.
    pub nodes: Vec<Node>,
}

/// A file, whatever its kind and however many names it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Kind, with what belongs to it.
    pub kind: Kind,
    /// Permission, set-id and sticky bits: at most 0o7777.
    pub mode: u32,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Time of the last modification.
    pub mtime: Time,
    /// Extended attributes, sorted: full names (`user.a`, `security.capability`, `system.posix_acl_access`) and values as
    /// system calls have them (xattr(7); access control lists as acl(5) has them in an attribute, version 2).
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Kind of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    Regular {
        /// Size in bytes.
        size: u64,
        /// Ranges of bytes that are data, sorted, neither empty nor touching each other; the rest are holes. Ends may be anywhere up to `size`.
        data: Vec<Range<u64>>,
    },
    /// A directory.
    Directory {
        /// Names, without `.` and `..`, and what has them, sorted by the bytes of the names. A node that is no directory may have several, also in several
        /// directories.
        entries: Vec<(Vec<u8>, NodeId)>,
    },
    /// A symbolic link, with its text of 1 to 4095 bytes.
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
    /// A fifo.
    Fifo,
    /// A socket.
    Socket,
}

/// A moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970.
    pub sec: i64,
    /// Nanoseconds: at most 999,999,999.
    pub nsec: u32,
}

/// Where the content of regular files comes from.
pub trait Contents {
    /// Fills a buffer with the bytes of a node from an offset on. A writer asks for the nodes in their order, and within one for rising
    /// offsets, all of them within its data.
    ///
    /// # Errors
    /// Whatever keeps it from that; the file is named in it.
    fn read(&mut self, node: NodeId, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// What an image is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Size in bytes; none for as large as it needs to be.
    pub size: Option<u64>,
    /// Bytes that are to be free besides; not with a size.
    pub free: u64,
    /// UUID of the filesystem. All others are made of it.
    pub uuid: [u8; 16],
    /// Label, in bytes that the filesystem takes.
    pub label: Vec<u8>,
    /// Time that stands for now.
    pub time: Time,
}

/// Reason why there is no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Content could not be read.
    #[error("cannot read what goes into the image")]
    Read(#[source] io::Error),
    /// The image could not be written.
    #[error("cannot write the image")]
    Write(#[source] io::Error),
    /// The size is too small for the content.
    #[error("{size} bytes are too few for the image: it needs {needed}")]
    TooSmall {
        /// The size in bytes.
        size: u64,
        /// The least size in bytes.
        needed: u64,
    },
    /// The filesystem cannot hold a node.
    #[error("{} cannot be in it: {why}", String::from_utf8_lossy(.path))]
    Unfit {
        /// A path of the node.
        path: Vec<u8>,
        /// What it is that cannot be held.
        why: String,
    },
}

impl Tree {
    /// Returns the number of names of each node: for a directory that of its own subdirectories and 2.
    pub fn links(&self) -> Vec<u32> {
        let mut links = vec![0; self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate() {
            let Kind::Directory { entries } = &node.kind else {
                continue;
            };
            add(&mut links, id, 2);
            for (_, entry) in entries {
                match self.nodes.get(*entry).map(|node| &node.kind) {
                    Some(Kind::Directory { .. }) => add(&mut links, id, 1),
                    _ => add(&mut links, *entry, 1),
                }
            }
        }
        links
    }

    /// Returns the directory of each directory; the root's is itself. Other nodes have none here.
    pub fn parents(&self) -> HashMap<NodeId, NodeId> {
        let mut parents = HashMap::from([(0, 0)]);
        for (id, node) in self.nodes.iter().enumerate() {
            let Kind::Directory { entries } = &node.kind else {
                continue;
            };
            for (_, entry) in entries {
                if matches!(
                    self.nodes.get(*entry).map(|node| &node.kind),
                    Some(Kind::Directory { .. })
                ) {
                    parents.insert(*entry, id);
                }
            }
        }
        parents
    }

    /// Returns the first path of a node, with `/` before each name.
    pub fn path(&self, wanted: NodeId) -> Vec<u8> {
        let mut path = Vec::new();
        let mut at = wanted;
        while at != 0 {
            let found = self
                .nodes
                .iter()
                .enumerate()
                .find_map(|(id, node)| match &node.kind {
                    Kind::Directory { entries } => {
                        let entry = entries.iter().find(|(_, entry)| *entry == at);
                        entry.map(|(name, _)| (id, name))
                    }
                    _ => None,
                });
            // A directory comes before what is in it, so that this ends.
            let Some((id, name)) = found.filter(|(id, _)| *id < at) else {
                break;
            };
            path.splice(0..0, [b"/", name.as_slice()].concat());
            at = id;
        }
        path
    }
}

fn add(links: &mut [u32], id: NodeId, more: u32) {
    if let Some(links) = links.get_mut(id) {
        *links += more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: Kind) -> Node {
        Node {
            kind,
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: Time::default(),
            xattrs: Vec::new(),
        }
    }

    #[test]
    fn links_parents_and_paths() {
        let directory = |entries: &[(&str, NodeId)]| {
            let entries = entries.iter().map(|(name, id)| (name.as_bytes().to_vec(), *id));
            node(Kind::Directory {
                entries: entries.collect(),
            })
        };
        let tree = Tree {
            nodes: vec![
                directory(&[("a", 1), ("f", 3)]),
                directory(&[("b", 2), ("g", 3)]),
                directory(&[]),
                node(Kind::Fifo),
            ],
        };
        assert_eq!(tree.links(), [3, 3, 2, 2]);
        assert_eq!(tree.parents(), HashMap::from([(0, 0), (1, 0), (2, 1)]));
        assert_eq!(
            (tree.path(2), tree.path(3), tree.path(0)),
            (b"/a/b".to_vec(), b"/f".to_vec(), Vec::new())
        );
    }
}
