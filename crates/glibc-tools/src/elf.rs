//! Headers of ELF files (elf(5)), of any class and byte order.

use std::fs::File;
use std::os::unix::fs::FileExt;

pub(crate) const PT_LOAD: u64 = 1;
pub(crate) const PT_DYNAMIC: u64 = 2;
pub(crate) const PT_INTERP: u64 = 3;
pub(crate) const PT_GNU_PROPERTY: u64 = 0x6474_e553;
pub(crate) const DT_NEEDED: u64 = 1;
pub(crate) const DT_STRTAB: u64 = 5;
pub(crate) const DT_SONAME: u64 = 14;

/// What begins every file.
pub(crate) const MAGIC: &[u8] = b"\x7fELF";

/// Reads a file within its bounds.
pub(crate) struct Reader<'f> {
    file: &'f File,
    /// Bytes of the file.
    pub(crate) size: u64,
    /// `ELFCLASS64`.
    pub(crate) wide: bool,
    big_endian: bool,
}

/// A program header.
pub(crate) struct Segment {
    pub(crate) kind: u64,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    /// Bytes in the file.
    pub(crate) in_file: u64,
    /// Bytes of the address space.
    pub(crate) in_memory: u64,
    pub(crate) align: u64,
}

impl<'f> Reader<'f> {
    /// For a file of that word size and byte order.
    ///
    /// # Errors
    /// The file's size cannot be had.
    pub(crate) fn new(file: &'f File, wide: bool, big_endian: bool) -> std::io::Result<Self> {
        Ok(Self {
            file,
            size: file.metadata()?.len(),
            wide,
            big_endian,
        })
    }

    /// `length` bytes, if the file has them.
    pub(crate) fn bytes(&self, offset: u64, length: u64) -> Option<Vec<u8>> {
        if offset.checked_add(length)? > self.size {
            return None;
        }
        let mut data = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut data, offset).ok()?;
        Some(data)
    }

    /// A number of `length` bytes in what was read.
    pub(crate) fn number(&self, data: &[u8], at: usize, length: usize) -> Option<u64> {
        let bytes = data.get(at..at.checked_add(length)?)?;
        let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.big_endian {
            bytes.iter().fold(0, fold)
        } else {
            bytes.iter().rev().fold(0, fold)
        })
    }

    /// A string that ends within the file and within `longest` bytes.
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

    /// Size of a program header as the file's header says; those that can be
    /// read have [`Reader::segment_size`] bytes.
    pub(crate) fn stated_segment_size(&self, head: &[u8]) -> Option<u64> {
        self.number(head, if self.wide { 54 } else { 42 }, 2)
    }

    /// Bytes of a program header.
    pub(crate) fn segment_size(&self) -> u64 {
        if self.wide { 56 } else { 32 }
    }

    /// The program headers; `head` is the file's header.
    pub(crate) fn segments(&self, head: &[u8]) -> Option<Vec<Segment>> {
        let (start, count) = if self.wide { ((32, 8), 56) } else { ((28, 4), 44) };
        let each = self.segment_size();
        let count = self.number(head, count, 2)?;
        let table = self.bytes(self.number(head, start.0, start.1)?, count * each)?;
        let [offset, address, in_file, in_memory, align, word] = if self.wide {
            [8, 16, 32, 40, 48, 8]
        } else {
            [4, 8, 16, 20, 28, 4]
        };
        let segment = |row: &[u8]| {
            Some(Segment {
                kind: self.number(row, 0, 4)?,
                offset: self.number(row, offset, word)?,
                address: self.number(row, address, word)?,
                in_file: self.number(row, in_file, word)?,
                in_memory: self.number(row, in_memory, word)?,
                align: self.number(row, align, word)?,
            })
        };
        Some(
            table
                .chunks_exact(usize::try_from(each).ok()?)
                .filter_map(segment)
                .collect(),
        )
    }

    /// Tags and values of a dynamic section, up to its end.
    pub(crate) fn dynamic(&self, data: &[u8]) -> Vec<(u64, u64)> {
        let word = if self.wide { 8 } else { 4 };
        data.chunks_exact(2 * word)
            .filter_map(|entry| Some((self.number(entry, 0, word)?, self.number(entry, word, word)?)))
            .take_while(|(tag, _)| *tag != 0)
            .collect()
    }
}
