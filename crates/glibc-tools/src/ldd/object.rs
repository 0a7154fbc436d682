//! Headers and dynamic section of a program or library (elf(5)).

use crate::abi::{Abi, FlagRule, HeaderFlags};
use crate::elf::Reader as FileReader;
use deb_arch::elf::{
    self, DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_SONAME, DT_STRTAB, PT_DYNAMIC, PT_INTERP, PT_LOAD, Segment,
};
use std::fs::File;

const DT_FLAGS_1: u64 = 0x6fff_fffb;
const DT_VERDEF: u64 = 0x6fff_fffc;
const DT_VERDEFNUM: u64 = 0x6fff_fffd;
const DT_VERNEED: u64 = 0x6fff_fffe;
const DT_VERNEEDNUM: u64 = 0x6fff_ffff;
/// `DF_1_NODEFLIB`.
const NO_DEFAULT: u64 = 0x800;
/// `DF_1_PIE`.
const PIE: u64 = 0x0800_0000;
/// `VER_FLG_BASE`.
const BASE: u64 = 1;
/// `VER_FLG_WEAK`.
const WEAK: u64 = 2;

/// Longest string that is read: a search path has many paths of at most `PATH_MAX` bytes.
const LONGEST: u64 = 64 << 10;
/// Most bytes read of a section; real ones have some thousand.
const LARGEST_SECTION: u64 = 4 << 20;
/// Most versions read of one object.
const MOST_VERSIONS: u64 = 10_000;

/// Reason why a file cannot be loaded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It cannot be opened; the loader's message.
    Missing(Vec<u8>),
    /// It is for another machine, so the search goes on.
    Other,
    /// It is damaged, or no ELF file.
    Damaged(&'static str),
}

impl Problem {
    /// Returns the loader's message.
    pub(super) fn text(&self) -> &[u8] {
        match self {
            Self::Missing(reason) => reason,
            Self::Other => b"cannot open shared object file: No such file or directory",
            Self::Damaged(what) => what.as_bytes(),
        }
    }
}

/// Version of symbols that an object needs of a library.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NeededVersion {
    /// The library's name.
    pub(super) file: Vec<u8>,
    pub(super) version: Vec<u8>,
    pub(super) weak: bool,
}

/// A program or a library.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Object {
    /// `PT_INTERP`.
    pub(super) interpreter: Option<Vec<u8>>,
    /// Whether there is a dynamic section; a static program has none.
    pub(super) dynamic: bool,
    /// Whether it is a program: `ET_EXEC`, or one that is position-independent.
    pub(super) program: bool,
    /// `DT_NEEDED`, in order.
    pub(super) needed: Vec<Vec<u8>>,
    pub(super) soname: Option<Vec<u8>>,
    pub(super) rpath: Option<Vec<u8>>,
    pub(super) runpath: Option<Vec<u8>>,
    /// Whether its libraries are not searched in the system's directories (`DF_1_NODEFLIB`).
    pub(super) no_default: bool,
    /// Bytes that it takes of the address space.
    pub(super) extent: u64,
    /// Versions that it defines; none if it has no table of them.
    pub(super) defines: Option<Vec<Vec<u8>>>,
    /// Versions that it needs; none if it has no table of them.
    pub(super) needs: Option<Vec<NeededVersion>>,
}

impl Object {
    /// Reads a file as the loader of `known` does.
    pub(super) fn read(file: &File, abi: &Abi) -> Result<Self, Problem> {
        let unreadable = |_| Problem::Damaged("cannot read file data");
        let reader = FileReader::new(file, abi.layout()).map_err(unreadable)?;
        let head = reader.bytes(0, reader.size.min(64)).unwrap_or_default();
        if head.len() < 4 {
            return Err(Problem::Damaged("file too short"));
        }
        if !head.starts_with(elf::MAGIC) {
            return Err(Problem::Damaged("invalid ELF header"));
        }
        let wide = match head.get(4) {
            Some(1) => false,
            Some(2) => true,
            _ => return Err(Problem::Damaged("invalid ELF header")),
        };
        if wide != abi.wide {
            return Err(Problem::Other);
        }
        match (head.get(5), abi.big_endian) {
            (Some(1), false) | (Some(2), true) => {}
            _ => {
                return Err(Problem::Damaged(
                    "ELF file data encoding not little-endian or not big-endian",
                ));
            }
        }
        Reader(reader).object(&head, abi)
    }
}

struct Reader<'f>(FileReader<'f>);

const CUT: Problem = Problem::Damaged("cannot read file data");

impl Reader<'_> {
    fn object(&self, head: &[u8], abi: &Abi) -> Result<Object, Problem> {
        let number = |at, length| self.0.number(head, at, length).ok_or(CUT);
        let kind = number(16, 2)?;
        let machine = number(18, 2)?;
        let flags = number(if self.0.layout.wide { 48 } else { 36 }, 4)?;
        if !fits(abi, machine, flags) {
            return Err(Problem::Other);
        }
        if kind != 2 && kind != 3 {
            return Err(Problem::Damaged("only ET_DYN and ET_EXEC can be loaded"));
        }
        let table = self.0.layout.segments(head);
        if table.is_none_or(|table| table.entry_size != self.0.layout.segment_size()) {
            return Err(Problem::Damaged("ELF file's phentsize not the expected size"));
        }
        let segments = self.0.segments(head).ok_or(CUT)?;
        let mut object = Object {
            program: kind == 2,
            ..Object::default()
        };
        let loads = || segments.iter().filter(|segment| segment.kind == PT_LOAD);
        let first = loads().map(|s| s.address).min().unwrap_or(0);
        let last = loads()
            .map(|s| s.address.saturating_add(s.in_memory))
            .max()
            .unwrap_or(0);
        object.extent = last.saturating_sub(first & !0xfff);
        if let Some(segment) = segments.iter().find(|segment| segment.kind == PT_INTERP) {
            let text = self
                .0
                .bytes(segment.offset, segment.in_file.min(LONGEST))
                .ok_or(CUT)?;
            object.interpreter = text.split(|&b| b == 0).next().map(<[u8]>::to_vec);
        }
        if let Some(segment) = segments.iter().find(|s| s.kind == PT_DYNAMIC && s.in_file > 0) {
            object.dynamic = true;
            self.dynamic(&segments, segment, &mut object)?;
        }
        Ok(object)
    }

    fn dynamic(&self, segments: &[Segment], section: &Segment, object: &mut Object) -> Result<(), Problem> {
        let data = self
            .0
            .bytes(section.offset, section.in_file.min(LARGEST_SECTION))
            .ok_or(CUT)?;
        let entries = self.0.dynamic(&data);
        // Of a tag that may stand once, the last one counts.
        let last = |wanted: u64| entries.iter().rev().find(|(tag, _)| *tag == wanted).map(|e| e.1);
        let Some(table) = last(DT_STRTAB).and_then(|address| file_offset(segments, address)) else {
            return Ok(());
        };
        let string = |at: u64| self.0.string(table.checked_add(at)?, LONGEST);
        let text = |at: Option<u64>| at.map(|at| string(at).ok_or(CUT)).transpose();
        for (_, at) in entries.iter().filter(|(tag, _)| *tag == DT_NEEDED) {
            object.needed.push(string(*at).ok_or(CUT)?);
        }
        object.soname = text(last(DT_SONAME))?;
        object.runpath = text(last(DT_RUNPATH))?;
        // Beside RUNPATH, RPATH is void.
        if object.runpath.is_none() {
            object.rpath = text(last(DT_RPATH))?;
        }
        let flags = last(DT_FLAGS_1).unwrap_or(0);
        object.no_default = flags & NO_DEFAULT != 0;
        object.program |= flags & PIE != 0;
        let at = |tag: u64| file_offset(segments, last(tag)?);
        let count = |tag: u64| last(tag).unwrap_or(0).min(MOST_VERSIONS);
        object.defines = at(DT_VERDEF).map(|start| self.defined(start, count(DT_VERDEFNUM), &string));
        object.needs = at(DT_VERNEED).map(|start| self.versions(start, count(DT_VERNEEDNUM), &string));
        Ok(())
    }

    /// Reads `Elf_Verdef`, whose words have the same size in both classes.
    fn defined(&self, start: u64, count: u64, string: &dyn Fn(u64) -> Option<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut names = Vec::new();
        let mut at = start;
        for _ in 0..count {
            let Some(row) = self.0.bytes(at, 20) else { break };
            let word = |at, length| self.0.number(&row, at, length).unwrap_or(0);
            // The first one names the file.
            if word(2, 2) & BASE == 0 {
                let name = self
                    .0
                    .bytes(at.saturating_add(word(12, 4)), 8)
                    .and_then(|aux| string(self.0.number(&aux, 0, 4)?));
                names.extend(name);
            }
            if word(16, 4) == 0 {
                break;
            }
            at = at.saturating_add(word(16, 4));
        }
        names
    }

    /// Reads `Elf_Verneed` with its `Elf_Vernaux`.
    fn versions(
        &self,
        start: u64,
        count: u64,
        string: &dyn Fn(u64) -> Option<Vec<u8>>,
    ) -> Vec<NeededVersion> {
        let mut needed = Vec::new();
        let mut at = start;
        for _ in 0..count {
            let Some(row) = self.0.bytes(at, 16) else { break };
            let word = |at, length| self.0.number(&row, at, length).unwrap_or(0);
            let Some(file) = string(word(4, 4)) else { break };
            let mut aux = at.saturating_add(word(8, 4));
            for _ in 0..word(2, 2) {
                let Some(row) = self.0.bytes(aux, 16) else { break };
                let word = |at, length| self.0.number(&row, at, length).unwrap_or(0);
                let Some(version) = string(word(8, 4)) else { break };
                needed.push(NeededVersion {
                    file: file.clone(),
                    version,
                    weak: word(4, 2) & WEAK != 0,
                });
                if word(12, 4) == 0 || needed.len() as u64 >= MOST_VERSIONS {
                    break;
                }
                aux = aux.saturating_add(word(12, 4));
            }
            if word(12, 4) == 0 {
                break;
            }
            at = at.saturating_add(word(12, 4));
        }
        needed
    }
}

/// Returns the offset in the file of an address in memory.
fn file_offset(segments: &[Segment], address: u64) -> Option<u64> {
    segments
        .iter()
        .find(|s| s.kind == PT_LOAD && address >= s.address && address - s.address < s.in_file)
        .and_then(|s| s.offset.checked_add(address - s.address))
}

/// Returns whether a library of that machine, with these `e_flags`, is one of the architecture. The loader tells
/// apart what ldconfig's flags tell apart.
fn fits(abi: &Abi, machine: u64, flags: u64) -> bool {
    if machine != u64::from(abi.machine) {
        return false;
    }
    let double = match abi.flags {
        FlagRule::Riscv | FlagRule::Loongarch => match abi.flags.of(abi.wide, machine, flags) {
            HeaderFlags::Set(flags) => flags,
            HeaderFlags::Keep | HeaderFlags::Unusable => return false,
        },
        // Without one of the two bits a library serves both float ABIs.
        FlagRule::Arm if !abi.wide => {
            return flags & u64::from(abi.other_float_abi) == 0;
        }
        _ => return true,
    };
    double == abi.cache_flags()
}
