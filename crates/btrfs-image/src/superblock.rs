//! The superblock and its copies.

use image_tree::{Error, Options};

use crate::format::{
    CHUNK_OBJECT, Fields, GENERATION, Key, NODE_SIZE, ROOT_TREE_DIR, SECTOR, chunk_type, item, seal, tree_id,
};
use crate::layout::{Layout, MIRRORS, SUPERBLOCK};
use crate::roots::{Uuids, chunk_item, put_device};
use crate::tree::{Output, Root};

/// Bytes of a superblock.
const SIZE: usize = 4096;
/// Most bytes of the label.
pub(crate) const LABEL_MAX: usize = 255;
const MAGIC: &[u8; 8] = b"_BHRfS_M";
/// The block is written.
const FLAGS: u64 = 1;

/// Features that a kernel must know: references name their tree; blocks larger than a page; extended references of inodes;
/// short items of metadata; holes without items.
const INCOMPAT: u64 = 1 << 0 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 9;
/// Features that a kernel must know to write: the tree of free space, which is valid.
const COMPAT_RO: u64 = 1 << 0 | 1 << 1;

/// What superblocks say besides.
pub(crate) struct Superblock<'a> {
    pub(crate) layout: &'a Layout,
    /// Bytes of the image.
    pub(crate) size: u64,
    pub(crate) uuids: &'a Uuids,
    pub(crate) options: &'a Options,
    pub(crate) root_tree: Root,
    pub(crate) chunk_tree: Root,
    /// The other trees.
    pub(crate) trees: &'a [Root],
}

impl Superblock<'_> {
    /// Writes all that are within the image.
    pub(crate) fn write(&self, output: &mut Output) -> Result<(), Error> {
        let inside = |mirror: &u64| mirror + (SIZE as u64) < self.size;
        for place in MIRRORS.into_iter().filter(inside).chain([SUPERBLOCK]) {
            output.write(&self.bytes(place), place)?;
        }
        output.step()
    }

    fn bytes(&self, place: u64) -> Vec<u8> {
        let mut chunks = Fields::new();
        for chunk in self.layout.of(chunk_type::SYSTEM) {
            let (_, item) = chunk_item(chunk, self.uuids);
            let key = Key::new(CHUNK_OBJECT, item::CHUNK, chunk.logical);
            chunks.key(key).bytes(&item);
        }
        let mut fields = Fields::new();
        fields
            .zeros(32)
            .bytes(&self.uuids.fs)
            .u64(place)
            .u64(FLAGS)
            .bytes(MAGIC);
        fields
            .u64(GENERATION)
            .u64(self.root_tree.address)
            .u64(self.chunk_tree.address);
        // No log: its root and transaction.
        fields.u64(0).u64(0);
        fields
            .u64(self.size)
            .u64(self.layout.used())
            .u64(ROOT_TREE_DIR)
            .u64(1);
        let node = NODE_SIZE as u32;
        fields.u32(SECTOR as u32).u32(node).u32(node).u32(SECTOR as u32);
        fields.u32(chunks.0.len() as u32).u64(GENERATION);
        // CRC-32C is type 0; the log has level 0.
        fields.u64(0).u64(COMPAT_RO).u64(INCOMPAT).u16(0);
        fields.u8(self.root_tree.level).u8(self.chunk_tree.level).u8(0);
        put_device(&mut fields, self.layout, self.size, self.uuids);
        let label = &self.options.label;
        fields
            .bytes(label)
            .zeros((LABEL_MAX + 1).saturating_sub(label.len()));
        // No cache of free space, the UUID tree is of the last transaction; no UUID of metadata of its own.
        fields.u64(0).u64(GENERATION).zeros(16).zeros(28 * 8);
        fields
            .bytes(&chunks.0)
            .zeros(2048_usize.saturating_sub(chunks.0.len()));
        self.put_backup(&mut fields);
        fields.0.resize(SIZE, 0);
        seal(&mut fields.0);
        fields.0
    }

    /// Puts the first of four places where the last roots are kept.
    fn put_backup(&self, fields: &mut Fields) {
        let of = |id: u64| {
            self.trees
                .iter()
                .find(|root| root.id == id)
                .copied()
                .unwrap_or_default()
        };
        let roots = [
            self.root_tree,
            self.chunk_tree,
            of(tree_id::EXTENT),
            of(tree_id::FS),
            of(tree_id::DEV),
            of(tree_id::CSUM),
        ];
        for root in roots {
            fields.u64(root.address).u64(GENERATION);
        }
        fields.u64(self.size).u64(self.layout.used()).u64(1).zeros(4 * 8);
        for root in roots {
            fields.u8(root.level);
        }
        fields.zeros(10);
    }
}
