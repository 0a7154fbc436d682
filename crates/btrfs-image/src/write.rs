//! Writing an image as it is planned.

use std::fs::File;
use std::io;

use image_tree::{Contents, Error, Kind, NodeId, Options, Tree};

use crate::extents;
use crate::files::{self, Extent, Sink};
use crate::format::{Key, MIB, SECTOR, checksum, chunk_type, tree_id};
use crate::layout::Space;
use crate::names::Names;
use crate::plan::Plan;
use crate::roots::{self, Uuids};
use crate::sectors;
use crate::superblock::{LABEL_MAX, Superblock};
use crate::tree::{Output, Planned, Root, Writer};

/// Writes a btrfs image of a tree, and returns its size in bytes.
///
/// `image` is a new, empty regular file, open for reading and writing. Without [`Options::size`] its size is a whole number of mebibytes:
/// chunks for what there is, [`Options::free`] bytes and 4 MiB for data, 16 MiB and more for changes of metadata (each byte of metadata is
/// there twice), and 4 MiB in no chunk; that are 47 MiB for an empty directory. A size is rounded down to 4096 bytes, and all that is over
/// is in no chunk, for the kernel to use. A node without a name in a directory is left out. `step` is called for each file, and for each
/// mebibyte that is written; its error ends the writing.
///
/// # Errors
/// - [`Error::Unfit`] where btrfs cannot hold a node, or the tree is none: names, numbers, times and ranges beyond what they may be, more
///   than 65535 names of a file, extended attributes over 16228 bytes with their name. The label (255 bytes, no 0) has the root's path.
/// - [`Error::TooSmall`] where the size does not do.
/// - [`Error::Read`] with what `contents` says, [`Error::Write`] with what `image` or `step` says, or for chunks of more than 16 TiB.
pub fn write(
    tree: &Tree,
    contents: &mut dyn Contents,
    image: &File,
    options: &Options,
    step: &mut dyn FnMut() -> io::Result<()>,
) -> Result<u64, Error> {
    if options.label.len() > LABEL_MAX || options.label.contains(&0) {
        return Err(Error::Unfit {
            path: Vec::new(),
            why: "the label has more than 255 bytes, or a byte 0".to_owned(),
        });
    }
    let names = Names::new(tree)?;
    let uuids = Uuids::new(options.uuid);
    let plan = Plan::new(tree, &names, options, &uuids, step)?;
    image.set_len(plan.size).map_err(Error::Write)?;
    let mut output = Output {
        image,
        step,
        fs_uuid: uuids.fs,
        chunk_tree_uuid: uuids.chunk_tree,
    };

    let metadata = plan.layout.of(chunk_type::METADATA);
    let planned = plan.trees.planned();
    let mut roots: Vec<Root> = Vec::new();
    let mut sums = Vec::new();
    for planned_tree in &planned {
        let writer = Writer::new(metadata, *planned_tree);
        let root = match planned_tree.id {
            tree_id::FS => {
                let (root, of_data) = write_files(tree, &names, contents, &plan, writer, &mut output)?;
                sums = of_data;
                root
            }
            tree_id::CSUM => {
                let first = plan
                    .layout
                    .of(chunk_type::DATA)
                    .first()
                    .map_or(0, |chunk| chunk.logical);
                writer.all(&mut output, extents::csum_items(first, &sums))?
            }
            tree_id::DEV => writer.all(&mut output, roots::device_items(&plan.layout, &uuids))?,
            tree_id::UUID => writer.all(&mut output, roots::uuid_items(&uuids))?,
            tree_id::FREE_SPACE => writer.all(&mut output, extents::free_space_items(&plan.layout))?,
            tree_id::DATA_RELOC => writer.all(&mut output, roots::relocation_items(options.time))?,
            tree_id::EXTENT => write_extents(&plan, &planned, writer, &mut output)?,
            _ => writer.all(&mut output, roots::root_items(&roots, &uuids, options))?,
        };
        roots.push(root);
    }
    let system = Writer::new(plan.layout.of(chunk_type::SYSTEM), plan.chunk_tree);
    let chunk_tree = system.all(&mut output, roots::chunk_items(&plan.layout, plan.size, &uuids))?;
    let superblock = Superblock {
        layout: &plan.layout,
        size: plan.size,
        uuids: &uuids,
        options,
        root_tree: roots.pop().unwrap_or_default(),
        chunk_tree,
        trees: &roots,
    };
    superblock.write(&mut output)?;
    Ok(plan.size)
}

/// Writes files and their tree, and returns it with the checksums of the data.
fn write_files(
    tree: &Tree,
    names: &Names,
    contents: &mut dyn Contents,
    plan: &Plan,
    writer: Writer,
    output: &mut Output,
) -> Result<(Root, Vec<u8>), Error> {
    let mut files = Files {
        tree,
        contents,
        writer,
        output,
        buffer: Vec::new(),
        sums: Vec::new(),
    };
    files::items(
        tree,
        names,
        Space::new(plan.layout.of(chunk_type::DATA)),
        &mut files,
    )?;
    let Files {
        writer, output, sums, ..
    } = files;
    Ok((writer.finish(output)?, sums))
}

fn write_extents(
    plan: &Plan,
    planned: &[Planned],
    mut writer: Writer,
    output: &mut Output,
) -> Result<Root, Error> {
    let mut emit = |key: Key, data: &[u8]| writer.item(output, key, data);
    extents::items(&plan.layout, &plan.extents, planned, plan.chunk_tree, &mut emit)?;
    writer.finish(output)
}

/// Writes items of files, and their data.
struct Files<'a, 'b> {
    tree: &'a Tree,
    contents: &'a mut dyn Contents,
    writer: Writer<'a>,
    output: &'a mut Output<'b>,
    buffer: Vec<u8>,
    /// Checksums of the data so far.
    sums: Vec<u8>,
}

impl Files<'_, '_> {
    fn read(&mut self, node: NodeId, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        let Some(Kind::Regular { data, .. }) = self.tree.nodes.get(node).map(|node| &node.kind) else {
            return Ok(());
        };
        sectors::read(self.contents, node, data, offset, into)
    }
}

impl Sink for Files<'_, '_> {
    fn begin(&mut self) -> Result<(), Error> {
        self.output.step()
    }

    fn item(&mut self, key: Key, data: &[u8]) -> Result<(), Error> {
        self.writer.item(self.output, key, data)
    }

    fn inline(&mut self, node: NodeId, into: &mut [u8]) -> Result<(), Error> {
        self.read(node, 0, into)
    }

    fn extent(&mut self, extent: Extent) -> Result<(), Error> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut done = 0;
        while done < extent.piece.length {
            let length = (extent.piece.length - done).min(MIB);
            buffer.clear();
            buffer.resize(length as usize, 0);
            self.read(extent.node, extent.offset + done, &mut buffer)?;
            for sector in buffer.chunks(SECTOR as usize) {
                self.sums.extend_from_slice(&checksum(sector).to_le_bytes());
            }
            self.output.write(&buffer, extent.piece.place + done)?;
            self.output.step()?;
            done += length;
        }
        self.buffer = buffer;
        Ok(())
    }
}
