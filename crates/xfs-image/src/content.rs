//! Content of regular files, on its way into the image.

use std::ops::Range;

use image_tree::{Contents, Error, NodeId};

use crate::fork::Extent;
use crate::format::BLOCK;
use crate::geometry::Geometry;
use crate::output::Output;

/// Bytes that are asked for at a time.
const BUFFER: u64 = 1 << 20;

/// Copies the data of files.
pub(crate) struct Copier<'a> {
    contents: &'a mut dyn Contents,
    buffer: Vec<u8>,
}

impl<'a> Copier<'a> {
    pub(crate) fn new(contents: &'a mut dyn Contents) -> Self {
        let buffer = vec![0; BUFFER as usize];
        Self { contents, buffer }
    }

    /// Copies ranges of a node to the extents that hold them. What else is in their blocks stays zero.
    pub(crate) fn copy(
        &mut self,
        node: NodeId,
        data: &[Range<u64>],
        mut extents: &[Extent],
        geometry: &Geometry,
        output: &mut Output,
    ) -> Result<(), Error> {
        for range in data {
            let mut at = range.start;
            while at < range.end {
                let length = (range.end - at).min(BUFFER);
                let buffer = &mut self.buffer[..length as usize];
                self.contents.read(node, at, buffer).map_err(Error::Read)?;
                let mut rest: &[u8] = buffer;
                while let Some((extent, after)) = extents.split_first().filter(|_| !rest.is_empty()) {
                    let start = extent.logical * BLOCK as u64;
                    let end = start + extent.piece.blocks * BLOCK as u64;
                    if at >= end {
                        extents = after;
                        continue;
                    }
                    let (now, later) = rest.split_at((end - at).min(rest.len() as u64) as usize);
                    output.write(geometry.byte(extent.piece.start) + (at - start), now)?;
                    at += now.len() as u64;
                    rest = later;
                }
                if !rest.is_empty() {
                    // There are extents for all of the data.
                    return Err(Error::Write(std::io::Error::other("data without extents")));
                }
            }
        }
        Ok(())
    }
}
