//! Items that say what of the chunks is used, whose it is, and what data's checksums are.

use image_tree::Error;

use crate::files::{Extent, inode};
use crate::format::{
    CHUNK_OBJECT, CSUM_OBJECT, Fields, GENERATION, ITEM_MAX, ITEM_SIZE, Key, NODE_SIZE, SECTOR, chunk_type,
    item, tree_id,
};
use crate::layout::{self, Chunk, Layout};
use crate::tree::{Planned, Shape};

/// What an extent is: data, or a block of a tree.
const EXTENT_DATA: u64 = 1;
const EXTENT_TREE_BLOCK: u64 = 2;
/// Bytes of an extent's item: of data, of a block, and of a block group.
const DATA_ITEM: usize = 53;
const BLOCK_ITEM: usize = 33;
const GROUP_ITEM: usize = 24;
/// Bytes of the checksum of a sector.
const CSUM: usize = 4;
/// Most sectors of one item with checksums, as the kernel has them.
const CSUMS: usize = (ITEM_MAX - ITEM_SIZE) / CSUM - 1;

/// What takes items.
type Emit<'a> = dyn FnMut(Key, &[u8]) -> Result<(), Error> + 'a;

/// Returns the lengths of the extent tree's items in their order.
pub(crate) fn lengths<'a>(layout: &'a Layout, extents: &'a [Extent]) -> impl Iterator<Item = usize> + 'a {
    let mut rest = extents;
    layout.chunks.iter().flat_map(move |chunk| {
        let (count, length) = match chunk.flags & chunk_type::DATA {
            0 => ((chunk.used / NODE_SIZE) as usize, BLOCK_ITEM),
            _ => {
                let (inside, after) = split(rest, chunk);
                rest = after;
                (inside.len(), DATA_ITEM)
            }
        };
        // The block group's item comes after that of an extent at the same address.
        let first = std::iter::repeat_n(length, count.min(1));
        let more = std::iter::repeat_n(length, count.saturating_sub(1));
        first.chain([GROUP_ITEM]).chain(more)
    })
}

/// Makes the extent tree's items, in their order.
pub(crate) fn items(
    layout: &Layout,
    extents: &[Extent],
    trees: &[Planned],
    chunk_tree: Planned,
    emit: &mut Emit,
) -> Result<(), Error> {
    let mut rest = extents;
    let mut fields = Fields::new();
    for chunk in layout.of(chunk_type::DATA) {
        let (inside, after) = split(rest, chunk);
        rest = after;
        let mut group = Some(chunk);
        for extent in inside {
            fields.u64(1).u64(GENERATION).u64(EXTENT_DATA);
            fields.u8(item::EXTENT_DATA_REF).u64(tree_id::FS);
            fields.u64(inode(extent.node)).u64(extent.offset).u32(1);
            let piece = extent.piece;
            emit(
                Key::new(piece.logical, item::EXTENT, piece.length),
                &fields.take(),
            )?;
            emit_group(group.take(), emit)?;
        }
        emit_group(group, emit)?;
    }
    let metadata = layout.of(chunk_type::METADATA);
    emit_blocks(metadata, blocks(trees), emit)?;
    emit_blocks(layout.of(chunk_type::SYSTEM), blocks(&[chunk_tree]), emit)
}

/// Parts extents in those of a chunk and those after it.
fn split<'a>(extents: &'a [Extent], chunk: &Chunk) -> (&'a [Extent], &'a [Extent]) {
    let end = chunk.logical + chunk.length;
    extents.split_at(extents.partition_point(|extent| extent.piece.logical < end))
}

/// Returns tree and level of each block.
fn blocks(trees: &[Planned]) -> impl Iterator<Item = (u64, u64)> {
    trees.iter().flat_map(|tree| {
        let levels = (0_u64..).zip(tree.shape.levels());
        levels.flat_map(move |(level, count)| (0..count).map(move |_| (tree.id, level)))
    })
}

fn emit_blocks(
    chunks: &[Chunk],
    blocks: impl Iterator<Item = (u64, u64)>,
    emit: &mut Emit,
) -> Result<(), Error> {
    let mut groups = chunks.iter().peekable();
    for (index, (tree, level)) in (0..).zip(blocks) {
        let Some((address, _)) = layout::block(chunks, index) else {
            break;
        };
        let mut fields = Fields::new();
        fields.u64(1).u64(GENERATION).u64(EXTENT_TREE_BLOCK);
        fields.u8(item::TREE_BLOCK_REF).u64(tree);
        emit(Key::new(address, item::METADATA, level), &fields.0)?;
        emit_group(groups.next_if(|chunk| chunk.logical == address), emit)?;
    }
    groups.try_for_each(|chunk| emit_group(Some(chunk), emit))
}

fn emit_group(chunk: Option<&Chunk>, emit: &mut Emit) -> Result<(), Error> {
    let Some(chunk) = chunk else {
        return Ok(());
    };
    let mut fields = Fields::new();
    fields.u64(chunk.used).u64(CHUNK_OBJECT).u64(chunk.flags);
    emit(
        Key::new(chunk.logical, item::BLOCK_GROUP, chunk.length),
        &fields.0,
    )
}

/// Returns the shape of the tree of checksums for as many bytes of data.
pub(crate) fn csum_shape(bytes: u64) -> Shape {
    // An item fills a leaf so far that no other fits beside it, but for the last, which may.
    let (full, rest) = (bytes / SECTOR / CSUMS as u64, bytes / SECTOR % CSUMS as u64);
    let first = Shape::of(
        (full > 0)
            .then_some(CSUMS * CSUM)
            .into_iter()
            .chain((rest > 0).then_some(rest as usize * CSUM)),
    );
    Shape {
        leaves: full.saturating_sub(1) + first.leaves,
    }
}

/// Returns the items with the checksums of data, of which each has 4 bytes; data has no gaps.
pub(crate) fn csum_items(first: u64, sums: &[u8]) -> impl Iterator<Item = (Key, Vec<u8>)> {
    let bytes = CSUMS as u64 * SECTOR;
    (0_u64..)
        .zip(sums.chunks(CSUMS * CSUM))
        .map(move |(index, sums)| {
            let key = Key::new(CSUM_OBJECT, item::EXTENT_CSUM, first + index * bytes);
            (key, sums.to_vec())
        })
}

/// Returns the items of the tree of free space: one extent at the end of each chunk that is not full.
pub(crate) fn free_space_items(layout: &Layout) -> impl Iterator<Item = (Key, Vec<u8>)> {
    /// Free space is in extents, not in a bitmap.
    const FLAGS: u32 = 0;
    layout.chunks.iter().flat_map(|chunk| {
        let free = chunk.length - chunk.used;
        let mut info = Fields::new();
        info.u32((free > 0).into()).u32(FLAGS);
        let info = (
            Key::new(chunk.logical, item::FREE_SPACE_INFO, chunk.length),
            info.take(),
        );
        let start = chunk.logical + chunk.used;
        let extent = (Key::new(start, item::FREE_SPACE_EXTENT, free), Vec::new());
        [Some(info), (free > 0).then_some(extent)].into_iter().flatten()
    })
}
