//! Where everything is: chunks on the device, data in chunks, the size of the image.
//!
//! From the front there are data, metadata twice, the chunk tree twice, and the rest for the kernel. No chunk is where copies of the
//! superblock are, so that addresses within chunks need no gaps.

use std::io;

use image_tree::Error;

use crate::format::{MIB, NODE_SIZE, SECTOR, chunk_type};

/// Where the superblock is.
pub(crate) const SUPERBLOCK: u64 = 64 << 10;
/// Where copies of the superblock are, in images that are large enough.
pub(crate) const MIRRORS: [u64; 2] = [64 * MIB, 256 << 30];
/// The first byte that chunks may have: before it are boot loaders, and the superblock.
const FIRST: u64 = MIB;
/// The first logical address. Zero would be that of a hole.
const FIRST_LOGICAL: u64 = MIB;
/// Most bytes of a chunk, as the kernel makes them on devices of this size.
const DATA_MAX: u64 = 1 << 30;
const METADATA_MAX: u64 = 256 * MIB;
/// Least bytes of the chunk of the chunk tree. To make a chunk, the kernel wants 384 KiB free in it.
const SYSTEM_MIN: u64 = 2 * MIB;
/// Bytes that are in no chunk at least: the kernel makes chunks of a tenth of the device, also in so small a place.
const UNALLOCATED: u64 = 4 * MIB;
/// Most bytes of an image with chunks for all of it.
const IMAGE_MAX: u64 = 1 << 44;
/// Most bytes of one extent of data (`BTRFS_MAX_EXTENT_SIZE`).
const EXTENT_MAX: u64 = 128 * MIB;

/// Part of the logical addresses with its places on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// The first logical address.
    pub(crate) logical: u64,
    /// Bytes.
    pub(crate) length: u64,
    /// What it is for ([`chunk_type`]).
    pub(crate) flags: u64,
    /// Where it is on the device: once, or twice with the same content.
    pub(crate) places: Vec<u64>,
    /// Bytes that are used, which are the first.
    pub(crate) used: u64,
}

/// All chunks, by logical address, which are data's, metadata's and then the chunk tree's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) chunks: Vec<Chunk>,
    /// Least bytes of the image, a multiple of 1 MiB.
    pub(crate) needed: u64,
}

/// How much there is to lay out, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amounts {
    /// Data with what is to be free.
    pub(crate) data: u64,
    /// Of data what is used.
    pub(crate) data_used: u64,
    /// Metadata with what is to be free.
    pub(crate) metadata: u64,
    /// Of metadata what is used.
    pub(crate) metadata_used: u64,
    /// The chunk tree.
    pub(crate) system_used: u64,
}

impl Layout {
    /// # Errors
    /// [`Error::Write`] where it is more than any image has.
    pub(crate) fn new(amounts: &Amounts) -> Result<Self, Error> {
        let sum = amounts.data.saturating_add(amounts.metadata.saturating_mul(2));
        if sum > IMAGE_MAX {
            return Err(Error::Write(io::ErrorKind::FileTooLarge.into()));
        }
        let mut device = Device { end: FIRST, gaps: 0 };
        let mut chunks = Vec::new();
        let mut logical = FIRST_LOGICAL;
        let mut add = |flags, length: u64, places, left: &mut u64| {
            let used = length.min(*left);
            *left -= used;
            chunks.push(Chunk {
                logical,
                length,
                flags,
                places,
                used,
            });
            logical += length;
        };
        let (mut left, mut used) = (amounts.data.next_multiple_of(MIB), amounts.data_used);
        while left > 0 {
            let length = left.min(DATA_MAX).min(device.before_mirror());
            add(chunk_type::DATA, length, vec![device.take(length)], &mut used);
            left -= length;
        }
        let (mut left, mut used) = (amounts.metadata.next_multiple_of(MIB), amounts.metadata_used);
        while left > 0 {
            let length = left.min(METADATA_MAX);
            let places = vec![device.take(length), device.take(length)];
            add(chunk_type::METADATA | chunk_type::DUP, length, places, &mut used);
            left -= length;
        }
        // As much again is free, since the kernel writes a changed tree beside what it was.
        let length = (2 * amounts.system_used).next_multiple_of(MIB).max(SYSTEM_MIN);
        let places = vec![device.take(length), device.take(length)];
        let mut used = amounts.system_used;
        add(chunk_type::SYSTEM | chunk_type::DUP, length, places, &mut used);
        let needed = device.end + UNALLOCATED.saturating_sub(device.gaps);
        Ok(Self { chunks, needed })
    }

    /// Returns the chunks of a kind.
    pub(crate) fn of(&self, kind: u64) -> &[Chunk] {
        let of = |chunk: &&Chunk| chunk.flags & kind != 0;
        let start = self.chunks.iter().take_while(|chunk| !of(chunk)).count();
        let length = self.chunks[start..].iter().take_while(of).count();
        &self.chunks[start..start + length]
    }

    /// Returns the bytes of the device that chunks have.
    pub(crate) fn allocated(&self) -> u64 {
        let bytes = |chunk: &Chunk| chunk.length * chunk.places.len() as u64;
        self.chunks.iter().map(bytes).sum()
    }

    /// Returns the bytes of logical addresses that are used.
    pub(crate) fn used(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.used).sum()
    }
}

/// The part of the device that is taken.
struct Device {
    end: u64,
    /// Bytes before the end that no chunk has, but may have.
    gaps: u64,
}

impl Device {
    /// Takes bytes where no copy of the superblock is.
    fn take(&mut self, length: u64) -> u64 {
        for mirror in MIRRORS {
            if self.end < mirror + MIB && self.end + length > mirror {
                self.gaps += mirror.saturating_sub(self.end);
                self.end = mirror + MIB;
            }
        }
        let at = self.end;
        self.end += length;
        at
    }

    /// Returns the bytes before the next copy of the superblock.
    fn before_mirror(&self) -> u64 {
        let mirror = MIRRORS.into_iter().find(|&mirror| mirror > self.end);
        mirror.map_or(u64::MAX, |mirror| mirror - self.end)
    }
}

/// Returns the block of a number among those of chunks of metadata or of the chunk tree: its logical address and its places.
pub(crate) fn block(chunks: &[Chunk], index: u64) -> Option<(u64, impl Iterator<Item = u64>)> {
    // All chunks but the last are of the same length.
    let each = chunks.first()?.length / NODE_SIZE;
    let chunk = chunks.get(usize::try_from(index / each).ok()?)?;
    let within = index % each * NODE_SIZE;
    (within < chunk.length).then(|| {
        let places = chunk.places.iter().map(move |place| place + within);
        (chunk.logical + within, places)
    })
}

/// A piece of a chunk for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) logical: u64,
    /// Where it is on the device.
    pub(crate) place: u64,
    pub(crate) length: u64,
}

/// Chunks for data, given piece by piece.
pub(crate) struct Space<'a> {
    chunks: &'a [Chunk],
    /// Bytes of the first chunk that are given.
    given: u64,
}

impl<'a> Space<'a> {
    pub(crate) fn new(chunks: &'a [Chunk]) -> Self {
        Self { chunks, given: 0 }
    }

    /// Gives up to as many bytes, a multiple of [`SECTOR`], in one piece; none at the end.
    pub(crate) fn take(&mut self, wanted: u64) -> Option<Piece> {
        debug_assert!(wanted.is_multiple_of(SECTOR));
        while let Some((chunk, rest)) = self.chunks.split_first() {
            let length = wanted.min(EXTENT_MAX).min(chunk.length - self.given);
            if length == 0 {
                (self.chunks, self.given) = (rest, 0);
                continue;
            }
            let piece = Piece {
                logical: chunk.logical + self.given,
                place: chunk.places.first()? + self.given,
                length,
            };
            self.given += length;
            return Some(piece);
        }
        None
    }
}
