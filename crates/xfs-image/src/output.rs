//! The image file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use image_tree::Error;

/// Bytes after which a step is due.
const STEP: u64 = 1 << 20;

/// Writes to an image and takes steps.
pub(crate) struct Output<'a> {
    image: &'a File,
    step: &'a mut dyn FnMut() -> io::Result<()>,
    /// Bytes since the last step.
    written: u64,
}

impl<'a> Output<'a> {
    /// Output to an empty file.
    pub(crate) fn new(image: &'a File, step: &'a mut dyn FnMut() -> io::Result<()>) -> Self {
        Self {
            image,
            step,
            written: 0,
        }
    }

    /// Makes the file so long; what is not written is a hole.
    pub(crate) fn resize(&mut self, size: u64) -> Result<(), Error> {
        self.image.set_len(size).map_err(Error::Write)
    }

    /// Writes bytes at an offset.
    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        self.image.write_all_at(bytes, at).map_err(Error::Write)?;
        self.written += bytes.len() as u64;
        if self.written >= STEP {
            self.step()?;
        }
        Ok(())
    }

    /// Takes a step.
    pub(crate) fn step(&mut self) -> Result<(), Error> {
        self.written = 0;
        (self.step)().map_err(Error::Write)
    }
}
