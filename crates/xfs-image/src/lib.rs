//! Writes a tree of files as an XFS filesystem image, in one go, without mounting it and without privileges.
//!
//! The format is that of *XFS Algorithms & Data Structures* (third edition, kernel.org): version 5 with checksums, blocks of 4096 bytes,
//! sectors and inodes of 512, types in directories, a tree of free inodes, and chunks of inodes that may have gaps. There are neither shared
//! extents (`reflink`) nor trees of owners (`rmapbt`), so that Linux 5.10 mounts it for writing and GRUB 2.06 reads it.
//! Times are those of the range up to January 2038; if there is one after it, the filesystem has the feature `bigtime`, which begins with
//! Linux 5.10, and times up to July 2486. All times of a file are that of its last modification.
//!
//! As everything is known before, it is laid out in order: each allocation group has its headers, then its share of the inodes, then
//! its share of content and metadata, and its free blocks at the end. Files are in one extent unless they have holes or a group ends.
//!
//! Names may have the same hash. If there are more of them in a directory than a block of its index holds, 504, or more attributes of a file
//! than a block, Linux finds all of them, but xfs_repair takes the index for damaged; it does so too where Linux itself has written it.

mod allocate;
mod attribute_blocks;
mod attributes;
mod btree;
mod check;
mod content;
mod directory;
mod directory_blocks;
mod fork;
mod format;
mod geometry;
mod groups;
mod hashed;
mod inode;
mod log;
mod output;
mod plan;
mod superblock;
mod symlink;
mod writer;

use std::fs::File;
use std::io;

use image_tree::{Contents, Error, Options, Tree};

use crate::allocate::{Groups, REALTIME_INODES};
use crate::format::{BLOCK, CHUNK_BLOCKS, CHUNK_INODES};
use crate::geometry::{FIRST_BLOCK, Geometry};
use crate::inode::Inodes;
use crate::output::Output;
use crate::superblock::Superblock;
use crate::writer::Writer;

/// Writes the image of a tree to an empty regular file and returns its size in bytes.
///
/// Without a size in the options, the image is as large as its content, what they want to be free, and what the kernel keeps for itself
/// need, in whole MiB and at least 32: that is a twentieth, at most 32 MiB, and some blocks of each allocation group. With a size, it has so
/// many bytes, rounded down to 4096. There are four allocation groups, two below 64 MiB and more from 4 TiB on. The log has 10 MiB, from 160
/// MiB on a sixteenth, at most 64 MiB, and from 128 GiB on a 2048th of the image.
///
/// Linux asks for a log of 847 blocks of such an image (917 if groups have 1 TiB) and takes images below 32 MiB, but mkfs.xfs makes no group
/// below 16 MiB. Free blocks and holes of files are holes of the image. `step` is called for each node and each MiB at least; its error ends the writing.
///
/// # Errors
/// - [`Error::Unfit`]: the tree is not as [`Tree`] says; or a name is longer than 255 bytes, a symbolic link longer than 1023, an attribute's
///   value than 65,536, the label than 12; an attribute is in another namespace than `user`, `trusted` and `security` and is no access control
///   list, or such a list is malformed or empty; a device number has more than 14 and 18 bits; a time is outside December 1901 to July 2486.
/// - [`Error::TooSmall`]: the size in the options does not suffice.
/// - [`Error::Read`], [`Error::Write`]: content could not be read; the image could not be written, or a step failed.
pub fn write(
    tree: &Tree,
    contents: &mut dyn Contents,
    image: &File,
    options: &Options,
    step: &mut dyn FnMut() -> io::Result<()>,
) -> Result<u64, Error> {
    let mut output = Output::new(image, step);
    let checked = check::check(tree, options)?;
    let inodes = tree.nodes.len() as u64 + (REALTIME_INODES.end - REALTIME_INODES.start);
    let inode_blocks = inodes.div_ceil(CHUNK_INODES) * u64::from(CHUNK_BLOCKS);
    let choose = |blocks: u64| Geometry::choose(blocks.saturating_add(inode_blocks), options);
    let mut needs = plan::needs(tree, false, &mut output)?;
    let mut geometry = choose(needs.blocks)?;
    if geometry.has_wide_inodes() {
        needs = plan::needs(tree, true, &mut output)?;
        geometry = choose(needs.blocks)?;
    }
    let size = geometry.blocks * BLOCK as u64;
    output.resize(size)?;
    let mut groups = Groups::new(geometry, inodes, needs.blocks);
    let common = Inodes {
        uuid: options.uuid,
        big_time: checked.big_time,
    };
    Writer::new(tree, &mut groups, common, contents).write(&mut output)?;
    output.write(
        geometry.byte(geometry.block(geometry.log_group, FIRST_BLOCK)),
        &log::record(&options.uuid),
    )?;
    let superblock = Superblock {
        uuid: options.uuid,
        label: options.label.clone(),
        inodes: [0, REALTIME_INODES.start, REALTIME_INODES.start + 1].map(|position| groups.inode(position)),
        attributes: needs.attributes,
        big_time: checked.big_time,
    };
    let totals = groups::totals(&groups, inodes);
    for number in 0..geometry.groups {
        for block in groups::blocks(&groups, number, inodes, &totals, &superblock) {
            output.write(geometry.byte(geometry.block(number, block.number)), &block.bytes)?;
        }
        output.step()?;
    }
    Ok(size)
}
