//! Items of the small trees: roots, chunks, devices, subvolumes' UUIDs, relocation.

use image_tree::{Options, Time};

use crate::format::{
    CHUNK_OBJECT, DEVICE, DEVICES_OBJECT, FIRST_INODE, Fields, GENERATION, Key, NODE_SIZE, ROOT_TREE_DIR,
    SECTOR, STRIPE, derive_uuid, file_type, item, name_hash, tree_id,
};
use crate::inode::{Inode, mode, put_dir_item};
use crate::layout::{Chunk, Layout};
use crate::tree::Root;

type Items = Vec<(Key, Vec<u8>)>;

/// UUIDs of an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uuids {
    pub(crate) fs: [u8; 16],
    pub(crate) device: [u8; 16],
    pub(crate) chunk_tree: [u8; 16],
    pub(crate) subvolume: [u8; 16],
}

impl Uuids {
    pub(crate) fn new(fs: [u8; 16]) -> Self {
        Self {
            fs,
            device: derive_uuid(&fs, 1),
            chunk_tree: derive_uuid(&fs, 2),
            subvolume: derive_uuid(&fs, 3),
        }
    }
}

/// Puts what describes the device, in the chunk tree as in the superblock.
pub(crate) fn put_device(fields: &mut Fields, layout: &Layout, size: u64, uuids: &Uuids) {
    let sector = SECTOR as u32;
    fields.u64(DEVICE).u64(size).u64(layout.allocated());
    fields.u32(sector).u32(sector).u32(sector);
    // Type, generation, start, group, speed and bandwidth, of which nobody makes use.
    fields.u64(0).u64(0).u64(0).u32(0).u8(0).u8(0);
    fields.bytes(&uuids.device).bytes(&uuids.fs);
}

/// Puts a chunk's key and item.
pub(crate) fn chunk_item(chunk: &Chunk, uuids: &Uuids) -> (Key, Vec<u8>) {
    /// Stripes that make one, but for RAID 10.
    const SUB_STRIPES: u16 = 1;
    let stripe = STRIPE as u32;
    let mut fields = Fields::new();
    fields
        .u64(chunk.length)
        .u64(tree_id::EXTENT)
        .u64(STRIPE)
        .u64(chunk.flags);
    fields.u32(stripe).u32(stripe).u32(SECTOR as u32);
    fields.u16(chunk.places.len() as u16).u16(SUB_STRIPES);
    for place in &chunk.places {
        fields.u64(DEVICE).u64(*place).bytes(&uuids.device);
    }
    (Key::new(CHUNK_OBJECT, item::CHUNK, chunk.logical), fields.take())
}

pub(crate) fn chunk_items(layout: &Layout, size: u64, uuids: &Uuids) -> impl Iterator<Item = (Key, Vec<u8>)> {
    let mut device = Fields::new();
    put_device(&mut device, layout, size, uuids);
    let device = (Key::new(DEVICES_OBJECT, item::DEV, DEVICE), device.take());
    std::iter::once(device).chain(layout.chunks.iter().map(|chunk| chunk_item(chunk, uuids)))
}

/// Returns the items of the device tree: what chunk is where, in the device's order.
pub(crate) fn device_items(layout: &Layout, uuids: &Uuids) -> Items {
    let extents = layout.chunks.iter().flat_map(|chunk| {
        chunk.places.iter().map(|place| {
            let mut fields = Fields::new();
            fields.u64(tree_id::CHUNK).u64(CHUNK_OBJECT);
            fields
                .u64(chunk.logical)
                .u64(chunk.length)
                .bytes(&uuids.chunk_tree);
            (Key::new(DEVICE, item::DEV_EXTENT, *place), fields.take())
        })
    });
    let mut items: Items = extents.collect();
    items.sort_unstable();
    items
}

/// Returns the items of the tree that finds subvolumes by their UUID.
pub(crate) fn uuid_items(uuids: &Uuids) -> Items {
    let number = u128::from_le_bytes(uuids.subvolume);
    let key = Key::new(number as u64, item::UUID_SUBVOL, (number >> 64) as u64);
    vec![(key, tree_id::FS.to_le_bytes().to_vec())]
}

/// Returns the items of a subvolume of an empty directory, into which the kernel relocates data.
pub(crate) fn relocation_items(time: Time) -> Items {
    vec![directory_item(FIRST_INODE, 0, time), parent_item(FIRST_INODE)]
}

/// Returns the items of the root tree.
pub(crate) fn root_items(roots: &[Root], uuids: &Uuids, options: &Options) -> Items {
    /// The default subvolume's name, and the offset of its key, which means its newest state.
    const DEFAULT: &[u8] = b"default";
    const NEWEST: u64 = u64::MAX;
    let mut items: Items = roots.iter().map(|root| root_item(root, uuids, options)).collect();
    let mut fields = Fields::new();
    fields.u64(0).u16(DEFAULT.len() as u16).bytes(DEFAULT);
    items.push((
        Key::new(tree_id::FS, item::INODE_REF, ROOT_TREE_DIR),
        fields.take(),
    ));
    items.push(directory_item(ROOT_TREE_DIR, NODE_SIZE, options.time));
    items.push(parent_item(ROOT_TREE_DIR));
    let subvolume = Key::new(tree_id::FS, item::ROOT, NEWEST);
    put_dir_item(&mut fields, subvolume, file_type::DIRECTORY, DEFAULT, &[]);
    items.push((
        Key::new(ROOT_TREE_DIR, item::DIR_ITEM, name_hash(DEFAULT)),
        fields.take(),
    ));
    items.sort_unstable();
    items
}

fn directory_item(inode: u64, bytes: u64, time: Time) -> (Key, Vec<u8>) {
    let mut fields = Fields::new();
    let item = Inode {
        bytes,
        links: 1,
        mode: mode::DIRECTORY | 0o755,
        time,
        ..Inode::default()
    };
    item.put(&mut fields);
    (Key::new(inode, item::INODE, 0), fields.take())
}

fn parent_item(inode: u64) -> (Key, Vec<u8>) {
    let mut fields = Fields::new();
    fields.u64(0).u16(2).bytes(b"..");
    (Key::new(inode, item::INODE_REF, inode), fields.take())
}

fn root_item(root: &Root, uuids: &Uuids, options: &Options) -> (Key, Vec<u8>) {
    /// The item's flags are set, which they were not always (`BTRFS_INODE_ROOT_ITEM_INIT`).
    const FLAGS_SET: u64 = 1 << 31;
    /// Size of the inode that each root item has and nobody uses, as the kernel writes it.
    const SIZE: u64 = 3;
    /// No limit of bytes, no snapshot, no flags; one reference; never dropped, up to no key and no level.
    const PLAIN: (u64, u64, u64, u32, u8) = (0, 0, 0, 1, 0);
    let is_subvolume = root.id == tree_id::FS;
    let has_files = is_subvolume || root.id == tree_id::DATA_RELOC;
    let mut fields = Fields::new();
    let inode = Inode {
        size: SIZE,
        bytes: NODE_SIZE,
        links: 1,
        mode: mode::DIRECTORY | 0o755,
        flags: if is_subvolume { FLAGS_SET } else { 0 },
        ..Inode::default()
    };
    inode.put(&mut fields);
    fields
        .u64(GENERATION)
        .u64(if has_files { FIRST_INODE } else { 0 });
    fields.u64(root.address).u64(PLAIN.0).u64(root.blocks * NODE_SIZE);
    fields
        .u64(PLAIN.1)
        .u64(PLAIN.2)
        .u32(PLAIN.3)
        .key(Key::new(0, 0, 0))
        .u8(PLAIN.4);
    fields.u8(root.level).u64(GENERATION);
    // UUIDs: of itself, of what it is a snapshot of, of what it was received from.
    if is_subvolume {
        fields.bytes(&uuids.subvolume).zeros(2 * 16);
        // Transactions: of the last change, of birth, and of sending and receiving. The times are in the same order.
        fields.u64(GENERATION).u64(GENERATION).zeros(2 * 8);
        fields.time(options.time).time(options.time).zeros(2 * 12);
    } else {
        fields.zeros(3 * 16 + 4 * 8 + 4 * 12);
    }
    fields.zeros(8 * 8);
    (Key::new(root.id, item::ROOT, 0), fields.take())
}
