//! Memory maps: the one thing here that the compiler cannot check.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps a file for reading.
pub(super) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is only read, as bytes. Package files come from the cache, which replaces files
    // by rename and never writes to one in place; were one truncated all the same, the process would
    // get SIGBUS, not wrong memory.
    unsafe { Mmap::map(file) }
}
