//! Read-only memory maps of files that never change under their name, such as those of a
//! content-addressed cache.
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! let path = std::env::temp_dir().join(format!("file-map-{}", std::process::id()));
//! std::fs::write(&path, b"!<arch>\n")?;
//! let map = file_mapping::FileMap::open(&std::fs::File::open(&path)?)?;
//! assert!(map.starts_with(b"!<arch>"));
//! # std::fs::remove_file(&path)
//! # }
//! ```

mod sys;

use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};

/// The contents of a file, read page by page when they are looked at.
#[derive(Debug)]
pub struct FileMap(Mmap);

impl FileMap {
    /// Maps a whole file. No process may write or truncate the file as long as the map exists: this process would
    /// get SIGBUS.
    ///
    /// # Errors
    /// Those of mmap(2); an empty file has no map.
    pub fn open(file: &File) -> io::Result<Self> {
        sys::map(file).map(Self)
    }

    /// Tells the kernel that pages are read in random order, so that it does not read those around them
    /// (madvise(2), `MADV_RANDOM`).
    pub fn advise_random(&self) {
        // Advice only: the map works without it.
        let _ = self.0.advise(memmap2::Advice::Random);
    }

    /// Gives the memory of all pages back to the kernel; they are read again when they are looked at
    /// (madvise(2), `MADV_DONTNEED`).
    pub fn forget(&self) {
        sys::forget(&self.0, 0, self.0.len());
    }

    /// Gives the memory of the pages that hold a range of bytes back to the kernel.
    pub fn forget_range(&self, range: Range<usize>) {
        sys::forget(&self.0, range.start, range.len());
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
