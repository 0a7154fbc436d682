//! Trees that are packed from sorted items: full leaves first, then the nodes above them.
//!
//! How many blocks a tree has follows from the lengths of its items alone, so that all addresses are known before anything is written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use image_tree::Error;

use crate::format::{
    Fields, GENERATION, HEADER_SIZE, ITEM_SIZE, Key, LEAF_SPACE, NODE_SIZE, POINTER_SIZE, POINTERS, seal,
};
use crate::layout::{self, Chunk};

/// How many blocks a tree has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Leaves: at least one.
    pub(crate) leaves: u64,
}

impl Shape {
    /// The shape of a tree that has at most one leaf of items.
    pub(crate) const LEAF: Self = Self { leaves: 1 };

    /// Returns the shape of a tree of items of these lengths.
    pub(crate) fn of(lengths: impl IntoIterator<Item = usize>) -> Self {
        let mut packing = Packing::default();
        lengths.into_iter().for_each(|length| {
            packing.add(length);
        });
        packing.shape()
    }

    /// Returns the number of blocks of each level, from the leaves on.
    pub(crate) fn levels(self) -> Vec<u64> {
        let mut levels = vec![self.leaves];
        let mut last = self.leaves;
        while last > 1 {
            last = last.div_ceil(POINTERS);
            levels.push(last);
        }
        levels
    }

    /// Returns the number of blocks.
    pub(crate) fn blocks(self) -> u64 {
        self.levels().iter().sum()
    }
}

/// The division of items into leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packing {
    leaves: u64,
    free: usize,
}

impl Default for Packing {
    fn default() -> Self {
        Self {
            leaves: 1,
            free: LEAF_SPACE,
        }
    }
}

impl Packing {
    /// Adds an item, and returns whether it is in a new leaf.
    pub(crate) fn add(&mut self, length: usize) -> bool {
        let wanted = length.saturating_add(ITEM_SIZE);
        let new = wanted > self.free;
        if new {
            self.leaves += 1;
            self.free = LEAF_SPACE;
        }
        self.free = self.free.saturating_sub(wanted);
        new
    }

    pub(crate) fn shape(self) -> Shape {
        Shape { leaves: self.leaves }
    }
}

/// A tree with its place among the blocks of the chunks that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Number of the tree.
    pub(crate) id: u64,
    /// Its first block: leaves, then the nodes of each level.
    pub(crate) first: u64,
    pub(crate) shape: Shape,
}

/// A tree that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) id: u64,
    /// Logical address of the block at the top.
    pub(crate) address: u64,
    pub(crate) level: u8,
    pub(crate) blocks: u64,
}

/// The image, with what all blocks of trees say.
pub(crate) struct Output<'a> {
    pub(crate) image: &'a File,
    pub(crate) step: &'a mut dyn FnMut() -> io::Result<()>,
    /// UUIDs of the filesystem and of the chunk tree.
    pub(crate) fs_uuid: [u8; 16],
    pub(crate) chunk_tree_uuid: [u8; 16],
}

impl Output<'_> {
    pub(crate) fn step(&mut self) -> Result<(), Error> {
        (self.step)().map_err(Error::Write)
    }

    pub(crate) fn write(&mut self, bytes: &[u8], place: u64) -> Result<(), Error> {
        self.image.write_all_at(bytes, place).map_err(Error::Write)
    }
}

/// A tree that is being written.
pub(crate) struct Writer<'a> {
    chunks: &'a [Chunk],
    planned: Planned,
    /// The next block.
    next: u64,
    packing: Packing,
    block: Vec<u8>,
    items: usize,
    /// Where the data of the leaf's items begins.
    data: usize,
    first_key: Option<Key>,
    pointers: Vec<(Key, u64)>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(chunks: &'a [Chunk], planned: Planned) -> Self {
        Self {
            chunks,
            planned,
            next: planned.first,
            packing: Packing::default(),
            block: vec![0; NODE_SIZE as usize],
            items: 0,
            data: NODE_SIZE as usize,
            first_key: None,
            pointers: Vec::new(),
        }
    }

    /// Writes a whole tree.
    pub(crate) fn all(
        mut self,
        output: &mut Output,
        items: impl IntoIterator<Item = (Key, Vec<u8>)>,
    ) -> Result<Root, Error> {
        for (key, data) in items {
            self.item(output, key, &data)?;
        }
        self.finish(output)
    }

    /// Writes the next item; its key is above those before.
    pub(crate) fn item(&mut self, output: &mut Output, key: Key, data: &[u8]) -> Result<(), Error> {
        if self.packing.add(data.len()) {
            self.leaf(output)?;
        }
        let at = HEADER_SIZE + self.items * ITEM_SIZE;
        let start = self
            .data
            .checked_sub(data.len())
            .filter(|&start| start >= at + ITEM_SIZE);
        let start = start.ok_or_else(astray)?;
        let mut head = Fields::new();
        head.key(key)
            .u32((start - HEADER_SIZE) as u32)
            .u32(data.len() as u32);
        self.block[at..at + ITEM_SIZE].copy_from_slice(&head.0);
        self.block[start..self.data].copy_from_slice(data);
        self.data = start;
        self.items += 1;
        self.first_key.get_or_insert(key);
        Ok(())
    }

    /// Writes what remains, and the nodes above the leaves.
    pub(crate) fn finish(mut self, output: &mut Output) -> Result<Root, Error> {
        self.leaf(output)?;
        let mut level = 0;
        while self.pointers.len() > 1 {
            level += 1;
            let below = std::mem::take(&mut self.pointers);
            for pointers in below.chunks(POINTERS as usize) {
                for (index, (key, address)) in pointers.iter().enumerate() {
                    let at = HEADER_SIZE + index * POINTER_SIZE;
                    let mut pointer = Fields::new();
                    pointer.key(*key).u64(*address).u64(GENERATION);
                    self.block[at..at + POINTER_SIZE].copy_from_slice(&pointer.0);
                }
                self.items = pointers.len();
                self.first_key = pointers.first().map(|pointer| pointer.0);
                self.flush(output, level)?;
            }
        }
        let blocks = self.planned.shape.blocks();
        let top = self.pointers.first();
        let address = top
            .filter(|_| self.next == self.planned.first + blocks)
            .map(|top| top.1);
        Ok(Root {
            id: self.planned.id,
            address: address.ok_or_else(astray)?,
            level,
            blocks,
        })
    }

    fn leaf(&mut self, output: &mut Output) -> Result<(), Error> {
        self.flush(output, 0)
    }

    /// Writes the block, and begins the next.
    fn flush(&mut self, output: &mut Output, level: u8) -> Result<(), Error> {
        /// The block is written, and references to it say whose it is (revision 1).
        const FLAGS: u64 = 1 | 1 << 56;
        /// Blocks between steps, which are less than 1 MiB with their copies.
        const STEP: u64 = 16;
        let (address, places) = layout::block(self.chunks, self.next).ok_or_else(astray)?;
        let mut header = Fields::new();
        header.zeros(32).bytes(&output.fs_uuid).u64(address).u64(FLAGS);
        header
            .bytes(&output.chunk_tree_uuid)
            .u64(GENERATION)
            .u64(self.planned.id);
        header.u32(self.items as u32).u8(level);
        self.block[..HEADER_SIZE].copy_from_slice(&header.0);
        seal(&mut self.block);
        for place in places {
            output.write(&self.block, place)?;
        }
        if self.next.is_multiple_of(STEP) {
            output.step()?;
        }
        let key = self.first_key.take().unwrap_or(Key::new(0, 0, 0));
        self.pointers.push((key, address));
        self.next += 1;
        self.items = 0;
        self.data = NODE_SIZE as usize;
        self.block.fill(0);
        Ok(())
    }
}

/// What is written is not what was counted, which would be a mistake of this crate.
fn astray() -> Error {
    Error::Write(io::Error::other("a tree is not as it was planned"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::ITEM_MAX;

    #[test]
    fn shapes() {
        assert_eq!(Shape::of([]), Shape::LEAF);
        assert_eq!(Shape::of([ITEM_MAX]), Shape::LEAF);
        assert_eq!(Shape::of([ITEM_MAX, 0]).levels(), [2, 1]);
        let wide = Shape { leaves: POINTERS + 1 };
        assert_eq!(wide.levels(), [POINTERS + 1, 2, 1]);
        assert_eq!(wide.blocks(), POINTERS + 4);
    }
}
