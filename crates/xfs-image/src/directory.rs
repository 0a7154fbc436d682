//! Directories: in the inode, or in data blocks with an index of the hashes of names, and one of the free bytes of data blocks.

use std::ops::Range;

use image_tree::Kind;

use crate::directory_blocks::{self as blocks, Entry, Item};
use crate::format::{BLOCK, Place, Record};
use crate::hashed::hash;

/// Bytes of the header in an inode without the parent's number.
const SHORT_HEADER: usize = 2;
/// Bytes of an entry in an inode without its name and number: lengths of the name, offset, type.
const SHORT_ENTRY: usize = 4;
/// Bytes of an inode number that needs no more, and of any other.
const NARROW: usize = 4;
const WIDE: usize = 8;

/// How a directory is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// In the inode, in so many bytes.
    Short(usize),
    /// In one block.
    Block,
    /// In data blocks and a leaf.
    Leaf(usize),
    /// In data blocks, a tree of leaves and blocks that list free bytes.
    Tree {
        /// Data blocks.
        data: usize,
        /// Blocks of the tree.
        index: usize,
        /// Blocks that list free bytes.
        free: usize,
    },
}

impl Layout {
    /// How a directory with these names is stored, of which so many bytes can be in the inode.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a [u8]> + Clone, wide: bool, room: usize) -> Self {
        let number = if wide { WIDE } else { NARROW };
        let entries = names.clone().map(|name| SHORT_ENTRY + name.len() + number);
        let short = SHORT_HEADER + number + entries.sum::<usize>();
        if short <= room {
            return Self::Short(short);
        }
        let names = [b".".as_slice(), b".."].into_iter().chain(names);
        let count = names.clone().count();
        let mut filler = blocks::Filler::new();
        for name in names.clone() {
            filler.place(name.len());
        }
        if filler.used() + blocks::index_in_block(count) <= BLOCK && filler.blocks() == 1 {
            return Self::Block;
        }
        let data = filler.blocks();
        if blocks::leaf_size(count, data) <= BLOCK {
            return Self::Leaf(data);
        }
        let mut hashes: Vec<u32> = names.map(hash).collect();
        hashes.sort_unstable();
        Self::Tree {
            data,
            index: blocks::index_blocks(&hashes),
            free: blocks::free_blocks(data),
        }
    }

    /// Runs of blocks that it has in the data fork.
    pub(crate) fn runs(self) -> Vec<Range<u64>> {
        let run = |first: u64, count: usize| first..first + count as u64;
        let (leaf, free_list) = (blocks::INDEX.into(), blocks::FREE.into());
        match self {
            Self::Short(_) => Vec::new(),
            Self::Block => vec![run(0, 1)],
            Self::Leaf(data) => vec![run(0, data), run(leaf, 1)],
            Self::Tree { data, index, free } => vec![run(0, data), run(leaf, index), run(free_list, free)],
        }
    }

    /// Size in the inode.
    pub(crate) fn size(self) -> u64 {
        match self {
            Self::Short(bytes) => bytes as u64,
            Self::Block => BLOCK as u64,
            Self::Leaf(data) | Self::Tree { data, .. } => data as u64 * BLOCK as u64,
        }
    }
}

/// Whether a number needs more than 32 bits.
pub(crate) fn is_wide(inode: u64) -> bool {
    inode > u64::from(u32::MAX)
}

/// What is in the inode of a short directory.
pub(crate) fn short(items: &[Item], parent: u64) -> Vec<u8> {
    let numbers = items.iter().map(|item| item.inode).chain([parent]);
    let wide = numbers.filter(|inode| is_wide(*inode)).count();
    let number = |record: &mut Record, inode: u64| {
        if wide > 0 {
            record.u64(inode);
        } else {
            record.u32(inode as u32);
        }
    };
    let mut record = Record::default();
    record.u8(items.len() as u8).u8(wide as u8);
    number(&mut record, parent);
    // Offsets are those that entries would have in a block.
    let mut filler = blocks::Filler::new();
    filler.place(1);
    filler.place(2);
    for item in items {
        let (_, offset) = filler.place(item.name.len());
        record
            .u8(item.name.len() as u8)
            .u16(offset as u16)
            .bytes(item.name)
            .u8(item.file_type);
        number(&mut record, item.inode);
    }
    record.0
}

/// Blocks of a directory, in the order of its runs. `place` tells where each is.
pub(crate) fn long(
    layout: Layout,
    items: &[Item],
    own: u64,
    parent: u64,
    place: impl Fn(usize) -> Place + Copy,
) -> Vec<Vec<u8>> {
    let file_type = file_type(&Kind::Directory { entries: Vec::new() });
    let dots = [(b".".as_slice(), own), (b"..", parent)].map(|(name, inode)| Item {
        name,
        inode,
        file_type,
    });
    let mut filler = blocks::Filler::new();
    let entries: Vec<Entry> = dots
        .iter()
        .chain(items)
        .map(|item| {
            let (block, offset) = filler.place(item.name.len());
            Entry { item, block, offset }
        })
        .collect();
    match layout {
        Layout::Short(_) => Vec::new(),
        Layout::Block => vec![blocks::single(&entries, &place(0))],
        Layout::Leaf(data) => {
            let (mut made, best) = blocks::data(&entries, data, place);
            made.push(blocks::leaf(&entries, &best, &place(data)));
            made
        }
        Layout::Tree { data, index, .. } => {
            let (mut made, best) = blocks::data(&entries, data, place);
            made.extend(blocks::index(&entries, |block| place(data + block)));
            made.extend(blocks::free_lists(&best, |block| place(data + index + block)));
            made
        }
    }
}

/// Number of a type in entries.
pub(crate) fn file_type(kind: &Kind) -> u8 {
    match kind {
        Kind::Regular { .. } => 1,
        Kind::Directory { .. } => 2,
        Kind::CharDevice { .. } => 3,
        Kind::BlockDevice { .. } => 4,
        Kind::Fifo => 5,
        Kind::Socket => 6,
        Kind::Symlink(_) => 7,
    }
}
