//! ELF files, read within their bounds.

use deb_arch::elf::{Layout, Segment};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// A file, of which nothing outside its bounds is read.
pub(crate) struct Reader<'f> {
    file: &'f File,
    /// Bytes of the file.
    pub(crate) size: u64,
    /// Word size and byte order by which numbers are decoded.
    pub(crate) layout: Layout,
}

impl<'f> Reader<'f> {
    /// Reads a file of that word size and byte order.
    ///
    /// # Errors
    /// The file's size cannot be determined.
    pub(crate) fn new(file: &'f File, layout: Layout) -> std::io::Result<Self> {
        Ok(Self {
            file,
            size: file.metadata()?.len(),
            layout,
        })
    }

    /// Returns `length` bytes, if the file has them.
    pub(crate) fn bytes(&self, offset: u64, length: u64) -> Option<Vec<u8>> {
        if offset.checked_add(length)? > self.size {
            return None;
        }
        let mut data = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut data, offset).ok()?;
        Some(data)
    }

    /// Returns the number of `length` bytes at `at` in `data`.
    pub(crate) fn number(&self, data: &[u8], at: usize, length: usize) -> Option<u64> {
        self.layout.number(data, at, length)
    }

    /// Returns the string at an offset, which must end within the file and within `longest` bytes.
    pub(crate) fn string(&self, at: u64, longest: u64) -> Option<Vec<u8>> {
        let mut length = longest.min(256);
        loop {
            let available = self.size.checked_sub(at)?.min(length);
            let mut data = self.bytes(at, available)?;
            if let Some(end) = data.iter().position(|&b| b == 0) {
                data.truncate(end);
                return Some(data);
            }
            if available < length || length >= longest {
                return None;
            }
            length = (length * 16).min(longest);
        }
    }

    /// Returns the program headers; `head` is the file's header.
    pub(crate) fn segments(&self, head: &[u8]) -> Option<Vec<Segment>> {
        let each = self.layout.segment_size();
        let place = self.layout.segments(head)?;
        let table = self.bytes(place.offset, place.count * each)?;
        let rows = table.chunks_exact(usize::try_from(each).ok()?);
        Some(rows.filter_map(|row| self.layout.segment(row)).collect())
    }

    /// Returns tags and values of a dynamic section, up to its end.
    pub(crate) fn dynamic(&self, data: &[u8]) -> Vec<(u64, u64)> {
        self.layout.dynamic(data).collect()
    }
}
