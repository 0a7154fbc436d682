//! What is written where, found before anything is written.

use std::io;

use image_tree::{Error, Kind, NodeId, Options, Tree};

use crate::extents;
use crate::files::{self, Extent, Sink, is_inline};
use crate::format::{Key, MIB, NODE_SIZE, SECTOR, chunk_type, tree_id};
use crate::layout::{Amounts, Layout, Space};
use crate::names::Names;
use crate::roots::{self, Uuids};
use crate::sectors;
use crate::tree::{Packing, Planned, Shape};

/// Bytes of metadata that are free for changes besides the trees that the kernel's reserve is for, which is 5.5 MiB at least. Linux 6.18
/// mounts images with 1 MiB, creates files with 10 MiB, and for statfs(2) nothing is free where there is less than 4 MiB over its reserve.
const METADATA_ROOM: u64 = 16 * MIB;
/// Bytes of data that are free besides. What is in no chunk the kernel takes for metadata first, if that is filled by 80 percent.
const DATA_ROOM: u64 = 4 * MIB;
/// Most bytes of the kernel's reserve, which has the size of the trees that any change concerns.
const RESERVE_MAX: u64 = 512 * MIB;
/// Bytes of data that are to be free for one byte of metadata that is.
const DATA_PER_METADATA: u64 = 64;

/// Places and sizes of everything.
pub(crate) struct Plan {
    pub(crate) layout: Layout,
    /// Bytes of the image.
    pub(crate) size: u64,
    /// The trees in chunks for metadata, in the order in which they are written.
    pub(crate) trees: Trees,
    pub(crate) chunk_tree: Planned,
    /// All data, by address.
    pub(crate) extents: Vec<Extent>,
}

/// A number for each tree in chunks for metadata: the files' first, and the roots' last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trees {
    pub(crate) files: Shape,
    pub(crate) csums: Shape,
    pub(crate) devices: Shape,
    pub(crate) free_space: Shape,
    pub(crate) extents: Shape,
}

impl Trees {
    /// Returns the trees with their places.
    pub(crate) fn planned(&self) -> Vec<Planned> {
        let mut first = 0;
        let trees = [
            (tree_id::FS, self.files),
            (tree_id::CSUM, self.csums),
            (tree_id::DEV, self.devices),
            (tree_id::UUID, Shape::LEAF),
            (tree_id::FREE_SPACE, self.free_space),
            (tree_id::DATA_RELOC, Shape::LEAF),
            (tree_id::EXTENT, self.extents),
            (tree_id::ROOT, Shape::LEAF),
        ];
        let place = trees.map(|(id, shape)| {
            let planned = Planned { id, first, shape };
            first += shape.blocks();
            planned
        });
        place.to_vec()
    }

    fn bytes(&self) -> u64 {
        let blocks: u64 = self.planned().iter().map(|tree| tree.shape.blocks()).sum();
        blocks * NODE_SIZE
    }
}

impl Plan {
    /// # Errors
    /// Those of [`crate::write()`], but for reading and writing.
    pub(crate) fn new(
        tree: &Tree,
        names: &Names,
        options: &Options,
        uuids: &Uuids,
        step: &mut dyn FnMut() -> io::Result<()>,
    ) -> Result<Self, Error> {
        let too_large = || Error::Write(io::ErrorKind::FileTooLarge.into());
        let free = if options.size.is_some() { 0 } else { options.free };
        let data_used = data_bytes(tree, names);
        let mut amounts = Amounts {
            data: data_used
                .checked_add(free)
                .and_then(|data| data.checked_add(DATA_ROOM))
                .ok_or_else(too_large)?,
            data_used,
            metadata: 0,
            metadata_used: 0,
            system_used: NODE_SIZE,
        };
        let room = METADATA_ROOM + free / DATA_PER_METADATA;
        // Where data is depends on nothing else, and so does the tree of files.
        let data = Layout::new(&amounts)?;
        let mut count = Count {
            packing: Packing::default(),
            extents: Vec::new(),
            step,
        };
        files::items(tree, names, Space::new(data.of(chunk_type::DATA)), &mut count)?;
        let Count { packing, extents, .. } = count;
        let mut trees = Trees {
            files: packing.shape(),
            csums: extents::csum_shape(data_used),
            devices: Shape::LEAF,
            free_space: Shape::LEAF,
            extents: Shape::LEAF,
        };
        // The other trees tell of chunks and of their own blocks. With more of these they have not fewer leaves, so that this ends.
        loop {
            let reserve =
                (trees.extents.blocks() + trees.csums.blocks() + trees.free_space.blocks()) * NODE_SIZE;
            amounts.metadata_used = trees.bytes();
            amounts.metadata = trees.bytes() + room + reserve.min(RESERVE_MAX);
            let layout = Layout::new(&amounts)?;
            let lengths =
                |items: &mut dyn Iterator<Item = (Key, Vec<u8>)>| Shape::of(items.map(|item| item.1.len()));
            let next = Trees {
                devices: lengths(&mut roots::device_items(&layout, uuids).into_iter()),
                free_space: lengths(&mut extents::free_space_items(&layout)),
                extents: Shape::of(extents::lengths(&layout, &extents)),
                ..trees
            };
            let chunk_tree = Planned {
                id: tree_id::CHUNK,
                first: 0,
                shape: lengths(&mut roots::chunk_items(&layout, 0, uuids)),
            };
            let system = chunk_tree.shape.blocks() * NODE_SIZE;
            if next == trees && system == amounts.system_used {
                let size = size(options.size, layout.needed)?;
                return Ok(Self {
                    layout,
                    size,
                    trees,
                    chunk_tree,
                    extents,
                });
            }
            trees = next;
            amounts.system_used = system;
        }
    }
}

/// Returns the size of an image, which is wanted to have a size.
fn size(wanted: Option<u64>, needed: u64) -> Result<u64, Error> {
    let Some(size) = wanted else {
        return Ok(needed);
    };
    match size - size % SECTOR {
        fitting if fitting >= needed => Ok(fitting),
        _ => Err(Error::TooSmall { size, needed }),
    }
}

/// Returns the bytes of all data that is not in the tree of files.
fn data_bytes(tree: &Tree, names: &Names) -> u64 {
    let bytes = |(id, node): (NodeId, &image_tree::Node)| match &node.kind {
        Kind::Regular { size, data } if names.is_in(id) && !is_inline(*size) => sectors::bytes(data),
        _ => 0,
    };
    tree.nodes
        .iter()
        .enumerate()
        .map(bytes)
        .fold(0, u64::saturating_add)
}

/// Counts the items of the tree of files.
struct Count<'a> {
    packing: Packing,
    extents: Vec<Extent>,
    step: &'a mut dyn FnMut() -> io::Result<()>,
}

impl Sink for Count<'_> {
    fn begin(&mut self) -> Result<(), Error> {
        (self.step)().map_err(Error::Write)
    }

    fn item(&mut self, _: Key, data: &[u8]) -> Result<(), Error> {
        self.packing.add(data.len());
        Ok(())
    }

    fn inline(&mut self, _: NodeId, _: &mut [u8]) -> Result<(), Error> {
        Ok(())
    }

    fn extent(&mut self, extent: Extent) -> Result<(), Error> {
        self.extents.push(extent);
        Ok(())
    }
}
