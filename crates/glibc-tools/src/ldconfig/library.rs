//! A library's name for the loader, and its flags, as its file has them.
//!
//! Only headers and the dynamic section are read. As in glibc neither machine nor byte order is compared, except on
//! x86: a file of another kind looks damaged or has other flags.

use super::rules::{Era, Rules};
use crate::abi::{FlagRule, HeaderFlags, LIBC6};
use crate::elf::Reader;
use crate::output::Output;
use deb_arch::elf::{
    self, DT_NEEDED, DT_SONAME, DT_STRTAB, PT_DYNAMIC, PT_GNU_PROPERTY, PT_INTERP, PT_LOAD, PT_NOTE, Segment,
};
use std::fs::File;

/// `FLAG_ELF`: a library that does not say which C library it needs.
pub(super) const ELF: u32 = 0x1;
/// `FLAG_ELF_LIBC5`.
pub(super) const LIBC5: u32 = 0x2;

/// `NT_GNU_PROPERTY_TYPE_0`.
const PROPERTIES: u64 = 5;
/// `GNU_PROPERTY_X86_ISA_1_NEEDED`.
const ISA_NEEDED: u64 = 0xc000_8002;

/// Longest string that is read (`PATH_MAX`).
const LONGEST_NAME: u64 = 4096;
/// Most bytes read of a dynamic section or a note; real ones have some hundred.
const LARGEST_SECTION: u64 = 1 << 20;

/// Properties of a library.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Library {
    /// `DT_SONAME`.
    pub(super) soname: Option<Vec<u8>>,
    /// Flags in the cache.
    pub(super) flags: u32,
    /// Level of the x86 instruction set that it needs; 0 for the lowest.
    pub(super) isa_level: u32,
    /// Oldest kernel that it runs on, a byte for each number; 0 where that is not kept (since glibc 2.36 at the latest).
    pub(super) os_version: u32,
}

/// Reads a library; `None` for a file that is no library of this architecture. `name` is the path for messages.
pub(super) fn read(
    file: &File,
    rules: &Rules,
    name: &[u8],
    verbose: bool,
    output: &mut Output,
) -> Option<Library> {
    let reader = Reader::new(file, rules.abi.layout()).ok()?;
    let size = reader.size;
    let least = if rules.abi.wide { 64 } else { 52 };
    if size == 0 {
        output.complain(&[b"File ", name, b" is empty, not checked."]);
        return None;
    }
    let head = reader.bytes(0, size.min(512))?;
    let is_elf = head.starts_with(elf::MAGIC);
    if size < least {
        if elf::MAGIC.starts_with(head.get(..4).unwrap_or(&head)) {
            output.complain(&[b"File ", name, b" is too small, not checked."]);
        }
        return None;
    }
    let base = name.rsplit(|&b| b == b'/').next().unwrap_or_default();
    // ZMAGIC and QMAGIC of a.out(5), in a word of the machine: the name has the major version only.
    let word = if rules.abi.wide { 8 } else { 4 };
    if matches!(reader.number(&head, 0, word)? & 0xffff, 0o413 | 0o314) {
        let soname = Some(until_second_dot(base).to_vec());
        let flags = if rules.era <= Era::Legacy { 0 } else { LIBC6 };
        return Some(Library {
            soname,
            flags,
            isa_level: 0,
            os_version: 0,
        });
    }
    if !is_elf {
        let has = |text: &[u8]| head.windows(text.len()).any(|window| window == text);
        let suffixes: &[&[u8]] = match rules.era {
            Era::Unshared | Era::Legacy => &[b"-gdb.py"],
            Era::Plain | Era::SkipsDpkg => &[b"-gdb.gdb", b"-gdb.py", b"-gdb.scm"],
        };
        if !has(b"GROUP") && !has(b"GNU ld script") && !suffixes.iter().any(|suffix| name.ends_with(suffix)) {
            output.complain(&[
                name,
                b" is not an ELF file - it has the wrong magic bytes at the start.\n",
            ]);
        }
        return None;
    }
    // Libraries are shared objects.
    if reader.number(&head, 16, 2)? != 3 {
        return None;
    }
    let mut header = Header { reader, head, rules };
    match header.library(name, verbose, output) {
        Ok(library) => library,
        Err(Truncated) => {
            output.complain(&[b"file ", name, b" is truncated\n"]);
            None
        }
    }
}

/// Returns `libNAME.so.1` for `libNAME.so.1.2`.
fn until_second_dot(name: &[u8]) -> &[u8] {
    let Some(at) = name.windows(4).position(|window| window == b".so.") else {
        return name;
    };
    let second = name.iter().skip(at + 4).position(|&b| b == b'.');
    second.and_then(|dot| name.get(..at + 4 + dot)).unwrap_or(name)
}

/// Error: a pointer in the file leads out of it.
struct Truncated;

struct Header<'f, 'r> {
    reader: Reader<'f>,
    head: Vec<u8>,
    rules: &'r Rules,
}

impl Header<'_, '_> {
    fn number(&self, offset: usize, length: usize) -> Result<u64, Truncated> {
        self.reader.number(&self.head, offset, length).ok_or(Truncated)
    }

    fn library(
        &mut self,
        name: &[u8],
        verbose: bool,
        output: &mut Output,
    ) -> Result<Option<Library>, Truncated> {
        let class = self.head.get(4).copied().unwrap_or(0);
        let abi = &self.rules.abi;
        let machine = self.number(18, 2)?;
        if abi.flags == FlagRule::X86 && !(machine == 62 || machine == 3 && class == 1) {
            output.complain(&[
                name,
                b" is for unknown machine ",
                machine.to_string().as_bytes(),
                b".\n",
            ]);
            return Ok(None);
        }
        let wide = match abi.flags {
            FlagRule::Plain => abi.wide,
            FlagRule::Loongarch => true,
            _ => class != 1,
        };
        if class != if wide { 2 } else { 1 } {
            if verbose {
                let kind: &[u8] = match class {
                    1 => b" is a 32 bit ELF file.\n",
                    2 => b" is a 64 bit ELF file.\n",
                    _ => b"",
                };
                if kind.is_empty() {
                    output.complain(&[b"Unknown ELFCLASS in file ", name, b".\n"]);
                } else {
                    output.complain(&[name, kind]);
                }
            }
            return Ok(None);
        }
        self.reader.layout.wide = wide;
        let Some(mut library) = self.dynamic()? else {
            return Ok(None);
        };
        let flags = self.number(if wide { 48 } else { 36 }, 4)?;
        match abi.flags.of(wide, machine, flags) {
            HeaderFlags::Set(flags) => library.flags = flags,
            HeaderFlags::Keep => {}
            HeaderFlags::Unusable => return Ok(None),
        }
        Ok(Some(library))
    }

    fn dynamic(&self) -> Result<Option<Library>, Truncated> {
        let legacy = self.rules.era <= Era::Legacy;
        let mut library = Library {
            soname: None,
            flags: if legacy { ELF } else { LIBC6 },
            isa_level: 0,
            os_version: 0,
        };
        let segments = self.reader.segments(&self.head).ok_or(Truncated)?;
        let mut section = None;
        for segment in &segments {
            match segment.kind {
                PT_DYNAMIC => section = Some(segment),
                PT_INTERP if legacy => {
                    let interpreter = self
                        .reader
                        .string(segment.offset, LONGEST_NAME)
                        .ok_or(Truncated)?;
                    library.flags = self.needs(&interpreter).unwrap_or(library.flags);
                }
                PT_GNU_PROPERTY if self.rules.abi.flags == FlagRule::X86 => {
                    library.isa_level = self.isa_level(segment).unwrap_or(library.isa_level);
                }
                PT_NOTE if self.rules.era == Era::Unshared && library.os_version == 0 => {
                    library.os_version = self.os_version(segment).unwrap_or(0);
                }
                _ => {}
            }
        }
        let Some(section) = section.filter(|section| section.in_file > 0) else {
            return Ok(None);
        };
        // glibc keeps 32 bits of the offset.
        let start = section.offset & 0xffff_ffff;
        let length = section
            .in_file
            .min(self.reader.size.saturating_sub(start))
            .min(LARGEST_SECTION);
        let data = self.reader.bytes(start, length).ok_or(Truncated)?;
        let entries = self.reader.dynamic(&data);
        let Some((_, table)) = entries.iter().find(|(tag, _)| *tag == DT_STRTAB) else {
            return Ok(None);
        };
        let holds = |s: &&Segment| s.kind == PT_LOAD && *table >= s.address && table - s.address < s.in_file;
        let shift = segments
            .iter()
            .find(holds)
            .map_or(0, |s| s.address.wrapping_sub(s.offset));
        let strings = table.wrapping_sub(shift);
        for (tag, value) in entries
            .iter()
            .filter(|(tag, _)| *tag == DT_SONAME || legacy && *tag == DT_NEEDED)
        {
            let text = self
                .reader
                .string(strings.wrapping_add(*value), LONGEST_NAME)
                .ok_or(Truncated)?;
            if *tag == DT_SONAME {
                library.soname = Some(text);
            } else if library.flags == ELF {
                library.flags = self.needs(&text).unwrap_or(ELF);
            }
            if library.soname.is_some() && library.flags != ELF {
                break;
            }
        }
        Ok(Some(library))
    }

    /// Returns the flags of the C library that a loader or a needed library belongs to (up to 2.36).
    fn needs(&self, name: &[u8]) -> Option<u32> {
        let abi = &self.rules.abi;
        let loader = abi.loader.as_bytes();
        let base = abi.loader.rsplit('/').next().unwrap_or_default();
        match name {
            b"libc.so.6" | b"libm.so.6" | b"/lib/ld-linux.so.2" | b"/lib/ld.so.1" => Some(LIBC6),
            b"libc.so.5" | b"libm.so.5" | b"/lib/ld-linux.so.1"
                if abi.flags == FlagRule::X86 && !abi.wide =>
            {
                Some(LIBC5)
            }
            name if name == loader || name == format!("/lib/{base}").as_bytes() => Some(LIBC6),
            _ => None,
        }
    }

    /// Returns the version in the note `NT_GNU_ABI_TAG`, which is the first of this form.
    fn os_version(&self, segment: &Segment) -> Option<u32> {
        const TAG: usize = 32;
        if segment.align < 4 {
            return None;
        }
        let length = segment.in_file.min(LARGEST_SECTION);
        let data = self.reader.bytes(segment.offset, length)?;
        let word = |at| self.reader.number(&data, at, 4);
        let align = usize::try_from(segment.align).ok()?;
        let mut at = 0_usize;
        while at.checked_add(TAG)? <= data.len() {
            let is = (word(at)?, word(at + 4)?, word(at + 8)?) == (4, 16, 1);
            if is && data.get(at + 12..at + 16)? == b"GNU\0" {
                let number = |index: usize| word(at + 16 + 4 * index).and_then(|n| u32::try_from(n).ok());
                let (system, rest) = (number(0)?, [number(1)?, number(2)?, number(3)?]);
                return Some(rest.iter().fold(system, |all, number| all << 8 | number & 0xff));
            }
            let [name, described] = [word(at)?, word(at + 4)?].map(|n| usize::try_from(n).ok());
            let before = name?.checked_add(12)?.checked_next_multiple_of(align)?;
            at = at.checked_add(before.checked_add(described?)?.checked_next_multiple_of(align)?)?;
        }
        None
    }

    /// Returns the level in the note `NT_GNU_PROPERTY_TYPE_0`.
    fn isa_level(&self, segment: &Segment) -> Option<u32> {
        let align: u8 = if self.reader.layout.wide { 8 } else { 4 };
        if segment.align != u64::from(align) {
            return None;
        }
        let length = segment
            .in_file
            .min(self.reader.size.checked_sub(segment.offset)?)
            .min(LARGEST_SECTION);
        let data = self.reader.bytes(segment.offset, length)?;
        let align = usize::from(align);
        let word = |at| self.reader.number(&data, at, 4);
        let size = |at| word(at).and_then(|n| usize::try_from(n).ok());
        let mut note = 0;
        while note + 12 < data.len() {
            let (name, described) = (size(note)?, size(note + 4)?);
            if name == 4 && word(note + 8)? == PROPERTIES && data.get(note + 12..note + 16)? == b"GNU\0" {
                if described < 8 || described % align != 0 {
                    return None;
                }
                let end = note.checked_add(16)?.checked_add(described)?;
                let mut at = note + 16;
                let mut last = 0;
                while end.checked_sub(at).is_some_and(|left| left >= 8) {
                    let (kind, length) = (word(at)?, size(at + 4)?);
                    at += 8;
                    if kind < last || kind > ISA_NEEDED || at.checked_add(length)? > end {
                        return None;
                    }
                    if kind == ISA_NEEDED {
                        let needed = if length == 4 { word(at)? } else { 0 };
                        return needed.checked_ilog2();
                    }
                    last = kind;
                    at = at.checked_add(length.checked_next_multiple_of(align)?)?;
                }
                return None;
            }
            let described_at = name.checked_add(12)?.checked_next_multiple_of(align)?;
            note = note.checked_add(
                described_at
                    .checked_add(described)?
                    .checked_next_multiple_of(align)?,
            )?;
        }
        None
    }
}
