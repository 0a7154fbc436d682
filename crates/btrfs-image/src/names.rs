//! The names of each node, and whether the filesystem can hold the tree.
//!
//! What is written from is a tree for which [`Names::new`] returned: its nodes' numbers, names, times and ranges need no more looks.

use std::ops::Range;

use image_tree::{Error, Kind, Node, NodeId, Tree};

/// Most bytes of a name in a directory.
const NAME_MAX: usize = 255;
/// Most bytes of a symbolic link's text.
const SYMLINK_MAX: usize = 4095;
/// Most names of a file (`BTRFS_LINK_MAX`).
const LINK_MAX: usize = 65535;
/// Most of a major number, of 12 bits, and of a minor number, of 20 bits.
const MAJOR_MAX: u32 = 0xfff;
const MINOR_MAX: u32 = 0xf_ffff;
/// The number that stands for no owner.
const NOBODY: u32 = u32::MAX;

/// One name of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The directory.
    pub(crate) directory: NodeId,
    /// Position among the directory's entries.
    pub(crate) entry: usize,
}

/// The names of all nodes.
pub(crate) struct Names {
    /// For each node the position of its first name, and the number of names.
    starts: Vec<usize>,
    names: Vec<Name>,
}

impl Names {
    /// Collects names from the root directory on.
    ///
    /// # Errors
    /// [`Error::Unfit`] where the tree is no tree, or has what the filesystem cannot hold. Files without a name have no say.
    pub(crate) fn new(tree: &Tree) -> Result<Self, Error> {
        let count = tree.nodes.len();
        if !matches!(
            tree.nodes.first().map(|node| &node.kind),
            Some(Kind::Directory { .. })
        ) {
            return Err(unfit(tree, 0, "the first node is no directory"));
        }
        let mut links = vec![0_usize; count];
        for (id, node) in tree.nodes.iter().enumerate() {
            // A directory comes before what is in it: whether it has a name is known when it is met.
            if let Kind::Directory { entries } = &node.kind
                && (id == 0 || links[id] > 0)
            {
                check_entries(tree, id, entries, &mut links)?;
            }
        }
        let mut starts = Vec::with_capacity(count + 1);
        let mut sum = 0;
        for &links in &links {
            starts.push(sum);
            sum += links;
        }
        starts.push(sum);
        let nowhere = Name {
            directory: 0,
            entry: 0,
        };
        let mut names = vec![nowhere; sum];
        let mut next = starts.clone();
        for (id, node) in tree.nodes.iter().enumerate() {
            if id > 0 && links[id] == 0 {
                continue;
            }
            check_node(node).map_err(|why| unfit(tree, id, why))?;
            if links[id] > LINK_MAX {
                return Err(unfit(tree, id, "it has more than 65535 names"));
            }
            let Kind::Directory { entries } = &node.kind else {
                continue;
            };
            for (entry, (_, child)) in entries.iter().enumerate() {
                names[next[*child]] = Name { directory: id, entry };
                next[*child] += 1;
            }
        }
        Ok(Self { starts, names })
    }

    /// Returns the names of a node, by directory and then in the order of entries. The root directory has none.
    pub(crate) fn of(&self, id: NodeId) -> &[Name] {
        match (self.starts.get(id), self.starts.get(id + 1)) {
            (Some(&start), Some(&end)) => &self.names[start..end],
            _ => &[],
        }
    }

    /// Returns whether a node is in the filesystem: it is the root directory or has a name.
    pub(crate) fn is_in(&self, id: NodeId) -> bool {
        id == 0 || !self.of(id).is_empty()
    }
}

/// Says why a node is in no image.
pub(crate) fn unfit(tree: &Tree, id: NodeId, why: &str) -> Error {
    Error::Unfit {
        path: tree.path(id),
        why: why.to_owned(),
    }
}

fn check_entries(
    tree: &Tree,
    id: NodeId,
    entries: &[(Vec<u8>, NodeId)],
    links: &mut [usize],
) -> Result<(), Error> {
    let refuse = |name: &[u8], why: &str| Error::Unfit {
        path: [&tree.path(id), b"/".as_slice(), name].concat(),
        why: why.to_owned(),
    };
    let mut last: Option<&[u8]> = None;
    for (name, child) in entries {
        if name.is_empty() || name.len() > NAME_MAX {
            return Err(refuse(name, "a name has 1 to 255 bytes"));
        }
        if name == b"." || name == b".." || name.iter().any(|&byte| byte == b'/' || byte == 0) {
            return Err(refuse(name, "that is no name"));
        }
        if last.is_some_and(|last| last >= name.as_slice()) {
            return Err(refuse(
                name,
                "names are not in their order, or one is there twice",
            ));
        }
        last = Some(name);
        let Some(node) = tree.nodes.get(*child) else {
            return Err(refuse(name, "there is no such node"));
        };
        if matches!(node.kind, Kind::Directory { .. }) && (*child <= id || links[*child] > 0) {
            return Err(refuse(name, "a directory has one name, in a directory before it"));
        }
        links[*child] += 1;
    }
    Ok(())
}

/// Returns what is wrong with a node by itself.
fn check_node(node: &Node) -> Result<(), &'static str> {
    if node.mode > 0o7777 {
        return Err("its mode has bits beyond 07777");
    }
    if node.uid == NOBODY || node.gid == NOBODY {
        return Err("4294967295 is no owner");
    }
    if node.mtime.nsec > 999_999_999 {
        return Err("its time has too many nanoseconds");
    }
    if node.xattrs.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err("its extended attributes are not in their order, or one is there twice");
    }
    if node
        .xattrs
        .iter()
        .any(|(name, _)| name.is_empty() || name.len() > NAME_MAX)
    {
        return Err("the name of an extended attribute has 1 to 255 bytes");
    }
    match &node.kind {
        Kind::Regular { size, data } => check_ranges(*size, data),
        Kind::Symlink(text) if text.is_empty() || text.len() > SYMLINK_MAX => {
            Err("the text of a symbolic link has 1 to 4095 bytes")
        }
        Kind::Symlink(text) if text.contains(&0) => Err("the text of a symbolic link has a byte 0"),
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor }
            if *major > MAJOR_MAX || *minor > MINOR_MAX =>
        {
            Err("its major number is over 4095 or its minor number over 1048575")
        }
        _ => Ok(()),
    }
}

fn check_ranges(size: u64, data: &[Range<u64>]) -> Result<(), &'static str> {
    if i64::try_from(size).is_err() {
        return Err("it is larger than files can be");
    }
    let mut end = None;
    for range in data {
        if range.is_empty() || range.end > size || end.is_some_and(|end| range.start <= end) {
            return Err("its ranges of data are not in their order, or beyond its size");
        }
        end = Some(range.end);
    }
    Ok(())
}
