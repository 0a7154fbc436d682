//! The only place with `unsafe` in this crate.
#![allow(unsafe_code, reason = "each block says why it is sound")]

use memmap2::{Mmap, UncheckedAdvice};
use std::fs::File;
use std::io;

/// Maps a whole file for reading.
///
/// # Errors
/// Those of mmap(2).
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is only read, and who calls promises that the file does not change. Were it truncated
    // all the same, the process would get SIGBUS, not wrong memory.
    unsafe { Mmap::map(file) }
}

/// Gives the pages of `length` bytes at `from` back to the kernel, with what else is on them.
pub(crate) fn forget(map: &Mmap, from: usize, length: usize) {
    // SAFETY: the map is of a file, private and never written, so its pages hold nothing but what the file
    // has. That they could not be given back harms nobody.
    let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, from, length) };
}
