//! Nodes on their way into the image: blocks of each, then its inode.

use std::collections::HashMap;

use image_tree::{Contents, Error, Kind, Node, NodeId, Tree};

use crate::allocate::{Groups, Piece, position};
use crate::attributes::{Data, spaces};
use crate::content::Copier;
use crate::directory::{self, Layout};
use crate::directory_blocks::Item;
use crate::fork::{self, Extent};
use crate::format::{BLOCK, CHUNK_INODES, INODE, INODES_PER_BLOCK_LOG, Place, SECTOR};
use crate::inode::{Fork, Format, Inode, Inodes, device, type_bits};
use crate::output::Output;
use crate::plan::{AttributesIn, Body};
use crate::symlink;

/// Writes nodes in their order.
pub(crate) struct Writer<'a> {
    tree: &'a Tree,
    groups: &'a mut Groups,
    inodes: Inodes,
    copier: Copier<'a>,
    links: Vec<u32>,
    parents: HashMap<NodeId, NodeId>,
    /// Inodes of a chunk that is not complete.
    chunk: Vec<u8>,
    /// Position of the next inode.
    next: u64,
}

/// Extents of the attributes, and blocks with them.
type AttributeFork = (Vec<Extent>, Vec<(u64, Vec<u8>)>);

impl<'a> Writer<'a> {
    pub(crate) fn new(
        tree: &'a Tree,
        groups: &'a mut Groups,
        inodes: Inodes,
        contents: &'a mut dyn Contents,
    ) -> Self {
        Self {
            tree,
            groups,
            inodes,
            copier: Copier::new(contents),
            links: tree.links(),
            parents: tree.parents(),
            chunk: Vec::new(),
            next: 0,
        }
    }

    /// Writes all of it.
    pub(crate) fn write(&mut self, output: &mut Output) -> Result<(), Error> {
        let tree = self.tree;
        for (id, node) in tree.nodes.iter().enumerate() {
            let inode = self.node(id, node, output)?;
            self.put(inode, output)?;
            if id == 0 {
                for bitmap in [true, false] {
                    let inode = self
                        .inodes
                        .realtime(self.groups.inode(self.next), node.mtime, bitmap);
                    self.put(inode, output)?;
                }
            }
            output.step()?;
        }
        while !self.chunk.is_empty() {
            let inode = self.inodes.free(self.groups.inode(self.next));
            self.put(inode, output)?;
        }
        Ok(())
    }

    /// Puts the next inode; a chunk that is complete is written.
    fn put(&mut self, inode: Vec<u8>, output: &mut Output) -> Result<(), Error> {
        self.chunk.extend(inode);
        self.next += 1;
        if self.next.is_multiple_of(CHUNK_INODES) {
            let first = self.groups.inode(self.next - CHUNK_INODES) >> INODES_PER_BLOCK_LOG;
            debug_assert_eq!(self.chunk.len(), CHUNK_INODES as usize * INODE);
            output.write(self.groups.geometry.byte(first), &self.chunk)?;
            self.chunk.clear();
        }
        Ok(())
    }

    fn node(&mut self, id: NodeId, node: &'a Node, output: &mut Output) -> Result<Vec<u8>, Error> {
        let number = self.groups.inode(position(id));
        let parent = self
            .groups
            .inode(position(self.parents.get(&id).copied().unwrap_or(0)));
        let items = self.items(node);
        let wide = items
            .iter()
            .map(|item| item.inode)
            .chain([parent])
            .any(directory::is_wide);
        // It was planned already; that it has attributes which cannot be is long known.
        let body = Body::of(node, wide).map_err(|why| crate::check::unfit(self.tree, id, why))?;
        let mut blocks = body.data_blocks();
        let pieces = self.take(blocks)?;
        let extents = fork::extents(&body.runs, &pieces);
        let data = body.data(node, extents.len());

        let (place, attributes) = match body.attributes_in(data) {
            AttributesIn::Nothing => (0, Fork::empty()),
            AttributesIn::Inode(place) => {
                let bytes = body.attributes.short();
                let format = Format::Local;
                (
                    place,
                    Fork {
                        format,
                        bytes,
                        extents: 0,
                    },
                )
            }
            AttributesIn::Blocks => {
                let (extents, made) = self.attribute_blocks(&body, number)?;
                let place = data.place_before(fork::list_size(extents.len()));
                blocks += made.len() as u64;
                self.write_blocks(&made, output)?;
                let fork = self.store(&extents, spaces(place).1, number, &mut blocks, output)?;
                (place, fork)
            }
        };
        let data = match (data, &node.kind) {
            (Data::Extents(_), _) => self.store(&extents, spaces(place).0, number, &mut blocks, output)?,
            (Data::Local(_), Kind::Symlink(target)) => local(target.clone()),
            (Data::Local(_), _) => local(directory::short(&items, parent)),
            (Data::Device, _) => device(node).unwrap_or(Fork::empty()),
        };
        let size = match (&node.kind, body.layout) {
            (Kind::Regular { size, data }, _) => {
                let geometry = self.groups.geometry;
                self.copier.copy(id, data, &extents, &geometry, output)?;
                *size
            }
            (Kind::Symlink(target), _) => {
                if body.local.is_none() {
                    let made = self.make(&pieces, number, |places| vec![symlink::block(target, &places(0))]);
                    self.write_blocks(&made, output)?;
                }
                target.len() as u64
            }
            (_, Some(layout)) => {
                if !matches!(layout, Layout::Short(_)) {
                    let made = self.make(&pieces, number, |places| {
                        directory::long(layout, &items, number, parent, places)
                    });
                    self.write_blocks(&made, output)?;
                }
                layout.size()
            }
            _ => 0,
        };
        Ok(self.inodes.node(&Inode {
            number,
            mode: type_bits(&node.kind) | node.mode as u16,
            uid: node.uid,
            gid: node.gid,
            time: node.mtime,
            links: self.links.get(id).copied().unwrap_or(1),
            size,
            blocks,
            data,
            attributes,
            attributes_at: place as u8,
        }))
    }

    /// Entries of a directory.
    fn items(&self, node: &'a Node) -> Vec<Item<'a>> {
        let Kind::Directory { entries } = &node.kind else {
            return Vec::new();
        };
        let item = |(name, entry): &'a (Vec<u8>, NodeId)| Item {
            name,
            inode: self.groups.inode(position(*entry)),
            file_type: self
                .tree
                .nodes
                .get(*entry)
                .map_or(0, |node| directory::file_type(&node.kind)),
        };
        entries.iter().map(item).collect()
    }

    fn attribute_blocks(&mut self, body: &Body, owner: u64) -> Result<AttributeFork, Error> {
        let leaves = body.attributes.leaves();
        let pieces = self.take(leaves.blocks())?;
        let made = self.make(&pieces, owner, |places| leaves.make(places));
        Ok((
            fork::extents(std::slice::from_ref(&(0..leaves.blocks())), &pieces),
            made,
        ))
    }

    /// Stores extents in so many bytes of an inode; blocks that they need are written and counted.
    fn store(
        &mut self,
        extents: &[Extent],
        space: usize,
        owner: u64,
        blocks: &mut u64,
        output: &mut Output,
    ) -> Result<Fork, Error> {
        let more = fork::tree_blocks(extents.len(), space);
        let numbers = numbers(&self.take(more)?);
        *blocks += more;
        let stored = fork::store(extents, space, &numbers, |number| self.place(number, owner));
        self.write_blocks(&stored.blocks, output)?;
        Ok(Fork {
            format: if stored.tree {
                Format::Tree
            } else {
                Format::Extents
            },
            bytes: stored.inline,
            extents: extents.len(),
        })
    }

    fn take(&mut self, blocks: u64) -> Result<Vec<Piece>, Error> {
        let size = self.groups.geometry.blocks * BLOCK as u64;
        // All was reckoned before: this does not happen.
        self.groups.take(blocks).ok_or(Error::TooSmall {
            size,
            needed: size.saturating_add(blocks * BLOCK as u64),
        })
    }

    fn place(&self, block: u64, owner: u64) -> Place {
        Place {
            uuid: self.inodes.uuid,
            sector: self.groups.geometry.byte(block) / SECTOR as u64,
            owner,
        }
    }

    /// Makes blocks that know their places, which are those of pieces.
    fn make(
        &self,
        pieces: &[Piece],
        owner: u64,
        make: impl FnOnce(&dyn Fn(usize) -> Place) -> Vec<Vec<u8>>,
    ) -> Vec<(u64, Vec<u8>)> {
        let numbers = numbers(pieces);
        let place = |index: usize| self.place(numbers.get(index).copied().unwrap_or(0), owner);
        let made = make(&place);
        debug_assert_eq!(made.len(), numbers.len());
        numbers.into_iter().zip(made).collect()
    }

    fn write_blocks(&self, blocks: &[(u64, Vec<u8>)], output: &mut Output) -> Result<(), Error> {
        for (number, bytes) in blocks {
            output.write(self.groups.geometry.byte(*number), bytes)?;
        }
        Ok(())
    }
}

fn local(bytes: Vec<u8>) -> Fork {
    Fork {
        format: Format::Local,
        bytes,
        extents: 0,
    }
}

/// Numbers of all blocks of pieces.
fn numbers(pieces: &[Piece]) -> Vec<u64> {
    pieces
        .iter()
        .flat_map(|piece| piece.start..piece.start + piece.blocks)
        .collect()
}
