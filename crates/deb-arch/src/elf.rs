//! Decoding of ELF files (elf(5)): identity, program headers and dynamic sections, of any class and byte order.
//!
//! Everything here works on bytes that the caller has read, and nothing allocates.
//!
//! ```
//! use deb_arch::{Architecture, elf::ElfIdentity};
//!
//! let header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\xf3\0";
//! let riscv64 = Architecture::by_name("riscv64").unwrap();
//! assert_eq!(ElfIdentity::of_header(header), Some(riscv64.elf_identity()));
//! ```

use crate::Architecture;

/// First bytes of every ELF file.
pub const MAGIC: &[u8] = b"\x7fELF";

/// Bytes at the start of a file that [`ElfIdentity::of_header`] looks at: up to and with `e_machine`.
pub const IDENTITY_SIZE: usize = 20;

/// Type of a segment that is mapped into memory.
pub const PT_LOAD: u64 = 1;
/// Type of the segment with the dynamic section.
pub const PT_DYNAMIC: u64 = 2;
/// Type of the segment with the path of the dynamic loader.
pub const PT_INTERP: u64 = 3;
/// Type of a segment with notes.
pub const PT_NOTE: u64 = 4;
/// Type of the segment with the properties of GNU.
pub const PT_GNU_PROPERTY: u64 = 0x6474_e553;

/// Tag of a needed library.
pub const DT_NEEDED: u64 = 1;
/// Tag of the string table's address.
pub const DT_STRTAB: u64 = 5;
/// Tag of the string table's size.
pub const DT_STRSZ: u64 = 10;
/// Tag of a library's own name.
pub const DT_SONAME: u64 = 14;
/// Tag of the old search path.
pub const DT_RPATH: u64 = 15;
/// Tag of the search path.
pub const DT_RUNPATH: u64 = 29;

/// Machine, word size and byte order of an ELF file, which tell the programs of one machine from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ElfIdentity {
    /// `e_machine`.
    pub machine: u16,
    /// 32 or 64, from `e_ident[EI_CLASS]`.
    pub class_bits: u8,
    /// Byte order, from `e_ident[EI_DATA]`: whether the most significant byte comes first.
    pub big_endian: bool,
}

impl ElfIdentity {
    /// Returns the identity of a file by its first bytes, of which at most [`IDENTITY_SIZE`] matter; `None` for
    /// everything but an ELF file.
    pub fn of_header(header: &[u8]) -> Option<Self> {
        let layout = Layout::of_header(header)?;
        // e_machine comes after e_ident and e_type.
        let machine = u16::try_from(layout.number(header, 18, 2)?).ok()?;
        Some(Self {
            machine,
            class_bits: if layout.wide { 64 } else { 32 },
            big_endian: layout.big_endian,
        })
    }
}

impl Architecture {
    /// Returns the identity of this architecture's programs.
    pub const fn elf_identity(&self) -> ElfIdentity {
        ElfIdentity {
            machine: self.elf_machine,
            class_bits: self.bits,
            big_endian: self.is_big_endian(),
        }
    }
}

/// Word size and byte order, by which everything else in an ELF file is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Whether words have 64 bits (`ELFCLASS64`).
    pub wide: bool,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
}

/// Position of the program headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentTable {
    /// Offset in the file.
    pub offset: u64,
    /// Number of headers.
    pub count: u64,
    /// Bytes of a header as the file has it; [`Layout::segment_size`] in a sound file.
    pub entry_size: u64,
}

/// Program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    /// Type, such as [`PT_LOAD`].
    pub kind: u64,
    /// Offset in the file.
    pub offset: u64,
    /// Address in memory.
    pub address: u64,
    /// Bytes in the file.
    pub in_file: u64,
    /// Bytes in memory.
    pub in_memory: u64,
    /// Alignment in bytes.
    pub align: u64,
}

impl Layout {
    /// Returns the layout of a file by its first bytes; `None` for everything but an ELF file.
    pub fn of_header(header: &[u8]) -> Option<Self> {
        let &[class, data] = header.strip_prefix(MAGIC)?.get(..2)? else {
            return None;
        };
        let wide = match class {
            1 => false,
            2 => true,
            _ => return None,
        };
        let big_endian = match data {
            1 => false,
            2 => true,
            _ => return None,
        };
        Some(Self { wide, big_endian })
    }

    /// Returns the bytes of a word: an address, an offset or a dynamic entry's half.
    pub const fn word(self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// Returns the number of `length` bytes at `at`, where `data` has them.
    pub fn number(self, data: &[u8], at: usize, length: usize) -> Option<u64> {
        let bytes = data.get(at..at.checked_add(length)?)?;
        let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.big_endian {
            bytes.iter().fold(0, fold)
        } else {
            bytes.iter().rev().fold(0, fold)
        })
    }

    /// Returns the bytes of a program header.
    pub const fn segment_size(self) -> u64 {
        if self.wide { 56 } else { 32 }
    }

    /// Returns where the program headers are, by the first 64 bytes of the file.
    pub fn segments(self, header: &[u8]) -> Option<SegmentTable> {
        let (offset, entry_size, count) = if self.wide { (32, 54, 56) } else { (28, 42, 44) };
        Some(SegmentTable {
            offset: self.number(header, offset, self.word())?,
            count: self.number(header, count, 2)?,
            entry_size: self.number(header, entry_size, 2)?,
        })
    }

    /// Decodes a program header.
    pub fn segment(self, row: &[u8]) -> Option<Segment> {
        let word = self.word();
        let [offset, address, in_file, in_memory, align] = if self.wide {
            [8, 16, 32, 40, 48]
        } else {
            [4, 8, 16, 20, 28]
        };
        Some(Segment {
            kind: self.number(row, 0, 4)?,
            offset: self.number(row, offset, word)?,
            address: self.number(row, address, word)?,
            in_file: self.number(row, in_file, word)?,
            in_memory: self.number(row, in_memory, word)?,
            align: self.number(row, align, word)?,
        })
    }

    /// Returns tags and values of a dynamic section, up to its end.
    pub fn dynamic(self, section: &[u8]) -> impl Iterator<Item = (u64, u64)> + '_ {
        let word = self.word();
        section
            .chunks_exact(2 * word)
            .map_while(move |entry| Some((self.number(entry, 0, word)?, self.number(entry, word, word)?)))
            .take_while(|(tag, _)| *tag != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities() {
        let mut header = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\xf3\0";
        let of = |name| Architecture::by_name(name).map(Architecture::elf_identity);
        assert_eq!(ElfIdentity::of_header(&header), of("riscv64"));
        for len in 0..header.len() {
            assert_eq!(ElfIdentity::of_header(&header[..len]), None);
        }
        (header[5], header[18], header[19]) = (2, 0, 22);
        assert_eq!(ElfIdentity::of_header(&header), of("s390x"));
        header[4] = 9;
        assert_eq!(ElfIdentity::of_header(&header), None);
        assert_eq!(ElfIdentity::of_header(b"#!/bin/sh\necho hello world\n"), None);
    }

    #[test]
    fn program_headers_and_dynamic_sections() {
        let layout = Layout {
            wide: false,
            big_endian: true,
        };
        let mut header = [0; 52];
        (header[31], header[43], header[45]) = (52, 32, 2);
        let table = SegmentTable {
            offset: 52,
            count: 2,
            entry_size: 32,
        };
        assert_eq!(layout.segments(&header), Some(table));
        assert_eq!(layout.segments(&header[..44]), None);
        let row: [u8; 32] = core::array::from_fn(|at| if at % 4 == 3 { at as u8 } else { 0 });
        let segment = layout.segment(&row).unwrap();
        assert_eq!((segment.kind, segment.offset, segment.address), (3, 7, 11));
        assert_eq!((segment.in_file, segment.in_memory, segment.align), (19, 23, 31));
        let section = [0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
        assert!(layout.dynamic(&section).eq([(DT_NEEDED, 9)]));
    }
}
