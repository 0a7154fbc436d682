//! Read-only memory maps of files that never change after they have got their name, such as those of a
//! content-addressed cache.
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! let path = std::env::temp_dir().join(format!("file-map-{}", std::process::id()));
//! std::fs::write(&path, b"!<arch>\n")?;
//! let map = file_map::FileMap::open(&std::fs::File::open(&path)?)?;
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
    /// Maps a whole file. Nobody may write or truncate it as long as the map is there: the process would
    /// get SIGBUS.
    ///
    /// # Errors
    /// Those of mmap(2); an empty file has no map.
    pub fn open(file: &File) -> io::Result<Self> {
        sys::map(file).map(Self)
    }

    /// Tells the kernel that pages are read here and there, so that it need not read those around them
    /// (madvise(2), `MADV_RANDOM`).
    pub fn advise_random(&self) {
        // Advice only: the map serves as well without.
        let _ = self.0.advise(memmap2::Advice::Random);
    }

    /// Gives the memory of all pages back to the kernel; they are read again when they are looked at
    /// (madvise(2), `MADV_DONTNEED`).
    pub fn forget(&self) {
        sys::forget(&self.0, 0, self.0.len());
    }

    /// Gives the memory of the pages back that hold a range of bytes.
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
