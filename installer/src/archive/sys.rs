//! The two things the compiler cannot check: that a mapped file keeps still,
//! and that text checked once stays text.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps a whole cache file for reading. `None` for an empty one.
pub(super) fn map(file: &File) -> io::Result<Option<Mmap>> {
    if file.metadata()?.len() == 0 {
        return Ok(None);
    }
    // SAFETY: only files of the content-addressed cache are mapped. They get
    // their name whole, by rename, and this program never writes, truncates or
    // reuses them afterwards; to replace one is to rename another over it.
    unsafe { Mmap::map(file) }.map(Some)
}

/// The text of a mapping; `valid_utf8` was established for exactly these bytes.
pub(super) fn text(map: &Utf8Map) -> &str {
    // SAFETY: `Utf8Map` can only be made by `check`, which validated the bytes,
    // and the mapping is private, read only and immutable, see `map`.
    unsafe { std::str::from_utf8_unchecked(&map.0) }
}

/// A mapping whose bytes were found to be UTF-8.
#[derive(Debug)]
pub(super) struct Utf8Map(Mmap);

/// Validates a mapping once, so that it need not be on every use.
pub(super) fn check(map: Mmap) -> Result<Utf8Map, Mmap> {
    match std::str::from_utf8(&map) {
        Ok(_) => Ok(Utf8Map(map)),
        Err(_) => Err(map),
    }
}
