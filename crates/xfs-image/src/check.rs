//! What a tree must be so that there is a filesystem of it.

use image_tree::{Error, Kind, Node, NodeId, Options, Time, Tree};

use crate::inode::{MAJOR_BITS, MINOR_BITS, needs_big_time};
use crate::superblock::LABEL;
use crate::symlink;

const MAX_NAME: usize = 255;
const MAX_MODE: u32 = 0o7777;
/// Number that stands for nobody.
const NO_ID: u32 = u32::MAX;
const MAX_SIZE: u64 = i64::MAX as u64;

/// What was found out about a tree that is well-formed.
pub(crate) struct Checked {
    /// Whether a time needs the larger range.
    pub(crate) big_time: bool,
}

/// The error of a node.
pub(crate) fn unfit(tree: &Tree, node: NodeId, why: impl Into<String>) -> Error {
    let mut path = tree.path(node);
    if path.is_empty() {
        path = b"/".to_vec();
    }
    let why = why.into();
    Error::Unfit { path, why }
}

/// Checks a tree and what the image is to be.
pub(crate) fn check(tree: &Tree, options: &Options) -> Result<Checked, Error> {
    if !matches!(
        tree.nodes.first().map(|root| &root.kind),
        Some(Kind::Directory { .. })
    ) {
        return Err(unfit(tree, 0, "the root is no directory"));
    }
    if options.label.len() > LABEL || options.label.contains(&0) {
        return Err(unfit(
            tree,
            0,
            "the label is longer than 12 bytes or has a zero byte",
        ));
    }
    names(tree)?;
    let mut big_time = big(options.time).map_err(|why| unfit(tree, 0, why))?;
    for (id, node) in tree.nodes.iter().enumerate() {
        own(node).map_err(|why| unfit(tree, id, why))?;
        big_time |= big(node.mtime).map_err(|why| unfit(tree, id, why))?;
    }
    Ok(Checked { big_time })
}

fn big(time: Time) -> Result<bool, &'static str> {
    needs_big_time(time)
        .ok_or("its time is before December 1901 or after July 2486, or has a second of nanoseconds")
}

/// Checks names: each node has one, a directory exactly one and in a directory before it.
fn names(tree: &Tree) -> Result<(), Error> {
    let mut named = vec![false; tree.nodes.len()];
    for (id, node) in tree.nodes.iter().enumerate() {
        let Kind::Directory { entries } = &node.kind else {
            continue;
        };
        let mut before: Option<&[u8]> = None;
        for (name, entry) in entries {
            let bad =
                name.is_empty() || name.len() > MAX_NAME || name.iter().any(|byte| matches!(byte, 0 | b'/'));
            if bad || name == b"." || name == b".." {
                let name = String::from_utf8_lossy(name);
                return Err(unfit(tree, id, format!("{name:?} in it cannot be a name")));
            }
            if before.is_some_and(|before| before >= name.as_slice()) {
                return Err(unfit(tree, id, "its names are not sorted, or one is there twice"));
            }
            before = Some(name);
            let Some(seen) = named.get_mut(*entry) else {
                return Err(unfit(tree, id, "a name is of no node"));
            };
            let directory = matches!(tree.nodes[*entry].kind, Kind::Directory { .. });
            if directory && (*seen || *entry <= id) {
                return Err(unfit(
                    tree,
                    id,
                    "a directory in it is also elsewhere, or comes before it",
                ));
            }
            *seen = true;
        }
    }
    match named.iter().skip(1).position(|named| !named) {
        Some(node) => Err(unfit(tree, node + 1, format!("node {} has no name", node + 1))),
        None => Ok(()),
    }
}

fn own(node: &Node) -> Result<(), String> {
    if node.mode > MAX_MODE {
        return Err("its mode has more than permission bits".into());
    }
    if node.uid == NO_ID || node.gid == NO_ID {
        return Err("its owner or group is nobody".into());
    }
    match &node.kind {
        Kind::Regular { size, data } => {
            let mut at = 0;
            let sorted = data.iter().all(|range| {
                let sorted = at <= range.start && range.start < range.end;
                at = range.end;
                sorted
            });
            if !sorted || at > *size || *size > MAX_SIZE {
                return Err("its data are not in order, or it has more bytes than a file can have".into());
            }
        }
        Kind::Symlink(target) => {
            if target.is_empty() || target.len() > symlink::MAX_LENGTH || target.contains(&0) {
                return Err(
                    "as a symbolic link it is empty, longer than 1023 bytes or has a zero byte".into(),
                );
            }
        }
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            if *major >> MAJOR_BITS != 0 || *minor >> MINOR_BITS != 0 {
                return Err("its device number has more than 14 and 18 bits".into());
            }
        }
        Kind::Directory { .. } | Kind::Fifo | Kind::Socket => {}
    }
    Ok(())
}
