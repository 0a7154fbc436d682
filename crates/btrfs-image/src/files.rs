//! The items of the tree of files, in their order: inodes, names, extended attributes, extents.
//!
//! They are made twice: to count, and to be written.

use image_tree::{Error, Kind, Node, NodeId, Tree};

use crate::format::{
    FIRST_INODE, Fields, GENERATION, ITEM_MAX, Key, SECTOR, file_type, item, name_hash, reference_hash,
};
use crate::inode::{Inode, device, mode_of, put_dir_item, type_of};
use crate::layout::{Piece, Space};
use crate::names::{Name, Names, unfit};
use crate::sectors;

/// Most bytes of a file that is in the tree itself, as mkfs and kernel have it if nobody says otherwise (`max_inline`).
const INLINE_MAX: u64 = 2048;
/// Most bytes of the name and value of an extended attribute (`BTRFS_MAX_XATTR_SIZE`).
const XATTR_MAX: usize = ITEM_MAX - DIR_ITEM_SIZE;
/// Bytes of a directory's item before the name.
const DIR_ITEM_SIZE: usize = 30;
/// Position of the first name of a directory; `.` and `..` have those before.
const FIRST_INDEX: u64 = 2;
/// Extents within the tree, and elsewhere.
const EXTENT_INLINE: u8 = 0;
const EXTENT_REGULAR: u8 = 1;

/// Data of a file in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Where it is.
    pub(crate) piece: Piece,
    /// Whose it is.
    pub(crate) node: NodeId,
    /// Where it is in the file.
    pub(crate) offset: u64,
}

/// What takes the items.
pub(crate) trait Sink {
    /// A node begins.
    fn begin(&mut self) -> Result<(), Error>;
    /// The next item.
    fn item(&mut self, key: Key, data: &[u8]) -> Result<(), Error>;
    /// Wants a whole small file, instead of zeros.
    fn inline(&mut self, node: NodeId, into: &mut [u8]) -> Result<(), Error>;
    /// An extent that an item told of.
    fn extent(&mut self, extent: Extent) -> Result<(), Error>;
}

/// Returns the inode of a node.
pub(crate) fn inode(id: NodeId) -> u64 {
    FIRST_INODE + id as u64
}

/// Returns whether a file is in the tree itself.
pub(crate) fn is_inline(size: u64) -> bool {
    size <= INLINE_MAX
}

/// Makes all items of the tree of files.
pub(crate) fn items(tree: &Tree, names: &Names, space: Space, sink: &mut dyn Sink) -> Result<(), Error> {
    let mut maker = Maker {
        tree,
        names,
        space,
        sink,
        fields: Fields::new(),
    };
    for (id, node) in tree.nodes.iter().enumerate() {
        if names.is_in(id) {
            maker.sink.begin()?;
            maker.node(id, node)?;
        }
    }
    Ok(())
}

struct Maker<'a> {
    tree: &'a Tree,
    names: &'a Names,
    space: Space<'a>,
    sink: &'a mut dyn Sink,
    fields: Fields,
}

impl Maker<'_> {
    fn node(&mut self, id: NodeId, node: &Node) -> Result<(), Error> {
        let (size, bytes) = match &node.kind {
            Kind::Regular { size, data } if is_inline(*size) && !data.is_empty() => (*size, *size),
            Kind::Regular { size, data } => (*size, sectors::bytes(data)),
            Kind::Directory { entries } => {
                // Each name is there twice, by hash and by position.
                let names: usize = entries.iter().map(|(name, _)| 2 * name.len()).sum();
                (names as u64, 0)
            }
            Kind::Symlink(text) => (text.len() as u64, text.len() as u64),
            _ => (0, 0),
        };
        let links = match node.kind {
            Kind::Directory { .. } => 1,
            _ => self.names.of(id).len() as u32,
        };
        let inode_item = Inode {
            size,
            bytes,
            links,
            uid: node.uid,
            gid: node.gid,
            mode: mode_of(&node.kind) | node.mode,
            device: device(&node.kind),
            flags: 0,
            time: node.mtime,
        };
        inode_item.put(&mut self.fields);
        self.item(id, item::INODE, 0)?;
        self.references(id)?;
        self.xattrs(id, node)?;
        match &node.kind {
            Kind::Directory { entries } => self.directory(id, entries),
            Kind::Regular { size, data } if is_inline(*size) && !data.is_empty() => {
                let mut content = vec![0; *size as usize];
                self.sink.inline(id, &mut content)?;
                self.inline_extent(id, &content)
            }
            Kind::Regular { data, .. } => {
                for span in sectors::spans(data) {
                    self.extents(id, span.start, span.end)?;
                }
                Ok(())
            }
            Kind::Symlink(text) => self.inline_extent(id, text),
            _ => Ok(()),
        }
    }

    /// Sends the item whose data is put.
    fn item(&mut self, id: NodeId, kind: u8, offset: u64) -> Result<(), Error> {
        let sent = self.sink.item(Key::new(inode(id), kind, offset), &self.fields.0);
        self.fields.0.clear();
        sent
    }

    /// The names of a node: those of a directory in one item, and what does not fit there in items of their own.
    fn references(&mut self, id: NodeId) -> Result<(), Error> {
        /// Bytes of a reference before the name.
        const REFERENCE_SIZE: usize = 10;
        if id == 0 {
            self.fields.u64(0).u16(2).bytes(b"..");
            return self.item(id, item::INODE_REF, inode(0));
        }
        let tree = self.tree;
        let mut more: Vec<(u64, u64, u64, &[u8])> = Vec::new();
        for of_one in self.names.of(id).chunk_by(|a, b| a.directory == b.directory) {
            let directory = of_one.first().map_or(0, |name| inode(name.directory));
            for name in of_one {
                let (index, text) = (FIRST_INDEX + name.entry as u64, text(tree, *name));
                // Once one does not fit, those after it have their own too, so that what there is says nothing twice.
                if more.last().is_none_or(|last| last.1 != directory)
                    && self.fields.0.len() + REFERENCE_SIZE + text.len() <= ITEM_MAX
                {
                    self.fields.u64(index).u16(text.len() as u16).bytes(text);
                } else {
                    more.push((reference_hash(directory, text), directory, index, text));
                }
            }
            self.item(id, item::INODE_REF, directory)?;
        }
        more.sort_unstable();
        for same in more.chunk_by(|a, b| a.0 == b.0) {
            for (_, directory, index, text) in same {
                self.fields
                    .u64(*directory)
                    .u64(*index)
                    .u16(text.len() as u16)
                    .bytes(text);
            }
            self.check_length(id, "too many of its names have the same hash")?;
            let hash = same.first().map_or(0, |first| first.0);
            self.item(id, item::INODE_EXTREF, hash)?;
        }
        Ok(())
    }

    fn xattrs(&mut self, id: NodeId, node: &Node) -> Result<(), Error> {
        let hashed = node.xattrs.iter().map(|xattr| (name_hash(&xattr.0), xattr));
        let mut hashed: Vec<_> = hashed.collect();
        hashed.sort_by_key(|(hash, _)| *hash);
        for same in hashed.chunk_by(|a, b| a.0 == b.0) {
            for (_, (name, value)) in same {
                if name.len() + value.len() > XATTR_MAX {
                    return Err(unfit(
                        self.tree,
                        id,
                        "an extended attribute has more than 16228 bytes",
                    ));
                }
                let nowhere = Key::new(0, 0, 0);
                put_dir_item(&mut self.fields, nowhere, file_type::XATTR, name, value);
            }
            self.check_length(id, "extended attributes with the same hash are too long together")?;
            let hash = same.first().map_or(0, |first| first.0);
            self.item(id, item::XATTR, hash)?;
        }
        Ok(())
    }

    fn directory(&mut self, id: NodeId, entries: &[(Vec<u8>, NodeId)]) -> Result<(), Error> {
        let hashed = entries.iter().map(|entry| (name_hash(&entry.0), entry));
        let mut hashed: Vec<_> = hashed.collect();
        hashed.sort_by_key(|(hash, _)| *hash);
        for same in hashed.chunk_by(|a, b| a.0 == b.0) {
            for (_, (name, child)) in same {
                self.entry(name, *child);
            }
            self.check_length(id, "too many names in it have the same hash")?;
            let hash = same.first().map_or(0, |first| first.0);
            self.item(id, item::DIR_ITEM, hash)?;
        }
        for (index, (name, child)) in (FIRST_INDEX..).zip(entries) {
            self.entry(name, *child);
            self.item(id, item::DIR_INDEX, index)?;
        }
        Ok(())
    }

    fn entry(&mut self, name: &[u8], child: NodeId) {
        let kind = self
            .tree
            .nodes
            .get(child)
            .map_or(file_type::REGULAR, |node| type_of(&node.kind));
        let location = Key::new(inode(child), item::INODE, 0);
        put_dir_item(&mut self.fields, location, kind, name, &[]);
    }

    fn inline_extent(&mut self, id: NodeId, content: &[u8]) -> Result<(), Error> {
        self.extent_head(content.len() as u64, EXTENT_INLINE)
            .bytes(content);
        self.item(id, item::EXTENT_DATA, 0)
    }

    fn extents(&mut self, id: NodeId, start: u64, end: u64) -> Result<(), Error> {
        let mut offset = start;
        while offset < end {
            let Some(piece) = self.space.take(end - offset) else {
                return Err(Error::Write(std::io::Error::other(
                    "chunks are too small for the data",
                )));
            };
            let length = piece.length;
            let fields = self.extent_head(length, EXTENT_REGULAR);
            // The extent on disk, the part of it that is the file's, which is all.
            fields.u64(piece.logical).u64(length).u64(0).u64(length);
            self.item(id, item::EXTENT_DATA, offset)?;
            let node = id;
            self.sink.extent(Extent { piece, node, offset })?;
            offset += length;
        }
        debug_assert!(offset.is_multiple_of(SECTOR));
        Ok(())
    }

    fn extent_head(&mut self, length: u64, kind: u8) -> &mut Fields {
        /// No compression, no encryption, no other encoding.
        const PLAIN: (u8, u8, u16) = (0, 0, 0);
        let fields = self.fields.u64(GENERATION).u64(length);
        fields.u8(PLAIN.0).u8(PLAIN.1).u16(PLAIN.2).u8(kind)
    }

    fn check_length(&self, id: NodeId, why: &str) -> Result<(), Error> {
        if self.fields.0.len() > ITEM_MAX {
            return Err(unfit(self.tree, id, why));
        }
        Ok(())
    }
}

/// The bytes of a name.
fn text(tree: &Tree, name: Name) -> &[u8] {
    match tree.nodes.get(name.directory).map(|node| &node.kind) {
        Some(Kind::Directory { entries }) => entries.get(name.entry).map_or(&[], |entry| &entry.0),
        _ => &[],
    }
}
