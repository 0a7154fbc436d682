//! The place that a result is written to.

use super::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The place that a result is written to.
pub enum Sink<'a> {
    /// A file, or a directory for a format that is one, that does not exist yet.
    Path(PathBuf),
    /// A stream: standard output, a pipe, a device.
    Stream(Box<dyn Write + 'a>),
}

impl Sink<'_> {
    /// Returns a writer to the place.
    ///
    /// # Errors
    /// [`Error::Write`] where the file cannot be made.
    pub(super) fn writer(&mut self) -> Result<Box<dyn Write + '_>, Error> {
        match self {
            Self::Path(path) => Ok(Box::new(File::create_new(path).map_err(Error::Write)?)),
            Self::Stream(stream) => Ok(Box::new(stream)),
        }
    }

    /// Brings a finished file to the place. Returns its size.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(super) fn bring(&mut self, made: &Path) -> Result<u64, Error> {
        let failed = Error::Write;
        let bytes = std::fs::metadata(made).map_err(failed)?.len();
        match self {
            // Both are in the work directory of the run.
            Self::Path(path) => std::fs::rename(made, path).map_err(failed)?,
            Self::Stream(stream) => {
                let mut file = File::open(made).map_err(failed)?;
                io::copy(&mut file, stream).map_err(failed)?;
                stream.flush().map_err(failed)?;
                std::fs::remove_file(made).map_err(failed)?;
            }
        }
        Ok(bytes)
    }
}
