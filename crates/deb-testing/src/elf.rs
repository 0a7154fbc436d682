//! Small ELF files of any architecture (elf(5)): headers, a dynamic section and what glibc's tools read of
//! it, without code.

use deb_arch::{Architecture, ByteOrder};

/// Address at which the files ask to be loaded.
const BASE: u64 = 0x1_0000;

const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const PT_NOTE: u64 = 4;
const PT_GNU_PROPERTY: u64 = 0x6474_e553;

const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;
const DT_VERDEF: u64 = 0x6fff_fffc;
const DT_VERDEFNUM: u64 = 0x6fff_fffd;
const DT_VERNEED: u64 = 0x6fff_fffe;
const DT_VERNEEDNUM: u64 = 0x6fff_ffff;

/// A program or shared library in the making. The default one is a library without a name that needs
/// nothing.
///
/// ```
/// use deb_arch::Architecture;
/// use deb_testing::Elf;
///
/// let library = Elf {
///     soname: Some("libx.so.1"),
///     needed: &["libc.so.6"],
///     ..Elf::default()
/// };
/// assert!(library.bytes(Architecture::by_name("s390x").unwrap()).starts_with(b"\x7fELF"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Elf<'a> {
    /// Dynamic loader (`PT_INTERP`), which makes it a program.
    pub interpreter: Option<&'a str>,
    /// Libraries it needs (`DT_NEEDED`).
    pub needed: &'a [&'a str],
    /// Its name as a library (`DT_SONAME`).
    pub soname: Option<&'a str>,
    /// Directories to search (`DT_RPATH`).
    pub rpath: Option<&'a str>,
    /// Directories to search (`DT_RUNPATH`).
    pub runpath: Option<&'a str>,
    /// No dynamic section: a statically linked program.
    pub fixed: bool,
    /// Symbol versions it defines (`DT_VERDEF`).
    pub defines: &'a [&'a str],
    /// A library and the symbol versions that it needs of that (`DT_VERNEED`).
    pub needs: Option<(&'a str, &'a [&'a str])>,
    /// `e_flags`; none means those of Debian's programs of the architecture.
    pub flags: Option<u32>,
    /// Levels of x86-64 that it needs (`GNU_PROPERTY_X86_ISA_1_NEEDED`); 0 for no such note.
    pub isa: u32,
    /// Oldest kernel that it runs on (`NT_GNU_ABI_TAG`), where `isa` is 0.
    pub kernel: Option<[u8; 3]>,
}

/// Writer of numbers in an architecture's byte order and word size.
#[derive(Clone, Copy)]
struct Numbers {
    big: bool,
    wide: bool,
}

impl Numbers {
    fn of(arch: &Architecture) -> Self {
        Self {
            big: arch.byte_order == ByteOrder::Big,
            wide: arch.bits == 64,
        }
    }

    fn bytes(self, value: u64, length: usize) -> Vec<u8> {
        if self.big {
            value.to_be_bytes()[8 - length..].to_vec()
        } else {
            value.to_le_bytes()[..length].to_vec()
        }
    }

    /// Several numbers, each with its length.
    fn row(self, fields: &[(u64, usize)]) -> Vec<u8> {
        fields
            .iter()
            .flat_map(|(value, length)| self.bytes(*value, *length))
            .collect()
    }

    /// Size of an address in bytes.
    fn word(self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// Sizes of the file header and of a program header, in bytes.
    fn headers(self) -> (u64, u64) {
        if self.wide { (64, 56) } else { (52, 32) }
    }

    /// A whole file header for `segments` program headers, which follow it.
    fn header(self, kind: u64, arch: &Architecture, entry: u64, flags: u32, segments: u64) -> Vec<u8> {
        let (header, row) = self.headers();
        let word = self.word();
        let mut file = b"\x7fELF".to_vec();
        file.extend([arch.bits / 32, if self.big { 2 } else { 1 }, 1]);
        file.resize(16, 0);
        file.extend(self.row(&[
            (kind, 2),
            (arch.elf_machine.into(), 2),
            (1, 4),
            (entry, word),
            (header, word),
            (0, word),
            (flags.into(), 4),
        ]));
        let section = if self.wide { 64 } else { 40 };
        let halves = [header, row, segments, section, 0, 0];
        file.extend(halves.iter().flat_map(|half| self.bytes(*half, 2)));
        file
    }

    /// A program header of a readable and executable segment.
    fn segment(self, kind: u64, offset: u64, size: u64, align: u64) -> Vec<u8> {
        let word = self.word();
        let places = [(offset, word), (BASE + offset, word), (BASE + offset, word)];
        let sizes = [(size, word), (size, word)];
        let (kind, flags) = ([(kind, 4)], [(5, 4)]);
        let fields = if self.wide {
            [&kind[..], &flags, &places, &sizes, &[(align, word)]].concat()
        } else {
            [&kind[..], &places, &sizes, &flags, &[(align, word)]].concat()
        };
        self.row(&fields)
    }
}

const ET_EXEC: u64 = 2;
const ET_DYN: u64 = 3;

/// The string table in the making.
struct Strings(Vec<u8>);

impl Strings {
    /// Adds a string and returns its offset.
    fn add(&mut self, text: &str) -> u64 {
        let at = self.0.len() as u64;
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        at
    }
}

/// Returns `e_flags` of Debian's usual libraries of an architecture: float ABI and the like.
pub fn usual_flags(arch: &Architecture) -> u32 {
    match arch.name {
        "armel" => 0x0500_0200,
        "armhf" => 0x0500_0400,
        "loong64" => 0x43,
        "mips64el" => 0x8000_0007,
        "ppc64el" => 2,
        "riscv64" => 5,
        _ => 0,
    }
}

impl Elf<'_> {
    /// Returns the file for an architecture.
    pub fn bytes(&self, arch: &Architecture) -> Vec<u8> {
        let numbers = Numbers::of(arch);
        let word = numbers.word();
        let (header, row) = numbers.headers();
        let noted = self.isa != 0 || self.kernel.is_some();
        let segments = 3 + u64::from(noted);
        let mut strings = Strings(vec![0]);
        let mut entries: Vec<(u64, u64)> = Vec::new();
        entries.extend(self.needed.iter().map(|name| (DT_NEEDED, strings.add(name))));
        for (tag, text) in [
            (DT_SONAME, self.soname),
            (DT_RPATH, self.rpath),
            (DT_RUNPATH, self.runpath),
        ] {
            entries.extend(text.map(|text| (tag, strings.add(text))));
        }
        let interpreter = self.interpreter.map(|text| strings.add(text));
        let definitions = self.definitions(numbers, &mut strings);
        let requirements = self.requirements(numbers, &mut strings);
        let strings_at = header + segments * row;
        let definitions_at = (strings_at + strings.0.len() as u64).next_multiple_of(8);
        let requirements_at = definitions_at + definitions.len() as u64;
        let dynamic_at = (requirements_at + requirements.len() as u64).next_multiple_of(8);
        entries.push((DT_STRTAB, BASE + strings_at));
        if !self.defines.is_empty() {
            entries.extend([
                (DT_VERDEF, BASE + definitions_at),
                (DT_VERDEFNUM, self.defines.len() as u64),
            ]);
        }
        if self.needs.is_some() {
            entries.extend([(DT_VERNEED, BASE + requirements_at), (DT_VERNEEDNUM, 1)]);
        }
        entries.push((0, 0));
        let dynamic: Vec<u8> = entries
            .iter()
            .flat_map(|(tag, value)| numbers.row(&[(*tag, word), (*value, word)]))
            .collect();
        let note_at = (dynamic_at + dynamic.len() as u64).next_multiple_of(8);
        let note = self.note(numbers);
        let end = if note.is_empty() {
            dynamic_at + dynamic.len() as u64
        } else {
            note_at + note.len() as u64
        };

        let flags = self.flags.unwrap_or_else(|| usual_flags(arch));
        let mut file = numbers.header(ET_DYN, arch, 0, flags, segments);
        let interpreter_size = self.interpreter.map_or(0, |text| text.len() as u64 + 1);
        // A segment that is not there is PT_NULL.
        let used = |there: bool, kind: u64| if there { kind } else { 0 };
        for (kind, offset, size) in [
            (PT_LOAD, 0, end),
            (used(!self.fixed, PT_DYNAMIC), dynamic_at, dynamic.len() as u64),
            (
                used(interpreter.is_some(), PT_INTERP),
                strings_at + interpreter.unwrap_or(0),
                interpreter_size,
            ),
            (
                if self.isa == 0 { PT_NOTE } else { PT_GNU_PROPERTY },
                note_at,
                note.len() as u64,
            ),
        ]
        .into_iter()
        .take(3 + usize::from(noted))
        {
            let align = if kind == PT_NOTE { 4 } else { word as u64 };
            file.extend(numbers.segment(kind, offset, size, align));
        }
        for (at, part) in [
            (strings_at, strings.0),
            (definitions_at, definitions),
            (requirements_at, requirements),
            (dynamic_at, dynamic),
            (note_at, note),
        ] {
            if !part.is_empty() {
                file.resize(usize::try_from(at).unwrap(), 0);
                file.extend(part);
            }
        }
        file
    }

    /// `Verdef` and `Verdaux` for each version.
    fn definitions(&self, numbers: Numbers, strings: &mut Strings) -> Vec<u8> {
        let mut table = Vec::new();
        for (at, name) in self.defines.iter().enumerate() {
            let next = if at + 1 == self.defines.len() { 0 } else { 28 };
            table.extend(numbers.row(&[(1, 2), (0, 2), (at as u64 + 2, 2), (1, 2)]));
            table.extend(numbers.row(&[(0, 4), (20, 4), (next, 4)]));
            table.extend(numbers.row(&[(strings.add(name), 4), (0, 4)]));
        }
        table
    }

    /// `Verneed` for the library, and `Vernaux` for each version.
    fn requirements(&self, numbers: Numbers, strings: &mut Strings) -> Vec<u8> {
        let Some((file, versions)) = self.needs else {
            return Vec::new();
        };
        let count = versions.len() as u64;
        let mut table = numbers.row(&[(1, 2), (count, 2), (strings.add(file), 4), (16, 4), (0, 4)]);
        for (at, version) in versions.iter().enumerate() {
            let next = if at as u64 + 1 == count { 0 } else { 16 };
            table.extend(numbers.row(&[(0, 4), (0, 2), (2, 2), (strings.add(version), 4), (next, 4)]));
        }
        table
    }

    /// The note of the processor levels.
    fn note(&self, numbers: Numbers) -> Vec<u8> {
        if self.isa == 0 {
            let Some(kernel) = self.kernel else {
                return Vec::new();
            };
            // Another note comes before it.
            let mut note = numbers.row(&[(4, 4), (5, 4), (3, 4)]);
            note.extend(b"GNU\0build\0\0\0");
            note.extend(numbers.row(&[(4, 4), (16, 4), (1, 4)]));
            note.extend(b"GNU\0");
            note.extend(numbers.row(&[(0, 4)]));
            note.extend(numbers.row(&kernel.map(|number| (number.into(), 4))));
            return note;
        }
        let mut note = numbers.row(&[(4, 4), (16, 4), (5, 4)]);
        note.extend(b"GNU\0");
        note.extend(numbers.row(&[(0xc000_8002, 4), (4, 4), (self.isa.into(), 4), (0, 4)]));
        note
    }
}

/// Returns an executable of an architecture without code or libraries: a header, one loadable segment, and
/// `text` behind them, so that two programs differ.
pub fn executable(arch: &Architecture, text: &str) -> Vec<u8> {
    let numbers = Numbers::of(arch);
    let (header, row) = numbers.headers();
    let size = header + row + text.len() as u64;
    let mut file = numbers.header(ET_EXEC, arch, BASE + header + row, 0, 1);
    file.extend(numbers.segment(PT_LOAD, 0, size, 0x1000));
    file.extend_from_slice(text.as_bytes());
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(arch: &Architecture, file: &[u8], at: usize, length: usize) -> u64 {
        let digits = file[at..at + length].iter();
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        match arch.byte_order {
            ByteOrder::Big => digits.fold(0, add),
            ByteOrder::Little => digits.rev().fold(0, add),
        }
    }

    #[test]
    fn headers_say_the_architecture_and_where_segments_are() {
        for arch in deb_arch::ARCHITECTURES {
            let elf = Elf {
                needed: &["libc.so.6"],
                interpreter: Some(arch.loader),
                isa: 2,
                ..Elf::default()
            };
            for file in [elf.bytes(arch), executable(arch, "x")] {
                let wide = arch.bits == 64;
                let at = |narrow, broad| if wide { broad } else { narrow };
                let word = at(4, 8);
                assert_eq!(file[..4], *b"\x7fELF");
                assert_eq!(file[4], arch.bits / 32);
                assert_eq!(number(arch, &file, 18, 2), u64::from(arch.elf_machine));
                let table = number(arch, &file, at(0x1c, 0x20), word) as usize;
                let row = number(arch, &file, at(0x2a, 0x36), 2) as usize;
                let count = number(arch, &file, at(0x2c, 0x38), 2) as usize;
                let segments = file[table..table + row * count].chunks_exact(row);
                for segment in segments {
                    let offset = number(arch, segment, at(4, 8), word) as usize;
                    let size = number(arch, segment, at(16, 32), word) as usize;
                    let part = &file[offset..offset + size];
                    match number(arch, segment, 0, 4) {
                        PT_LOAD => assert_eq!(size, file.len(), "{}", arch.name),
                        PT_INTERP => assert_eq!(part, [arch.loader.as_bytes(), b"\0"].concat()),
                        PT_GNU_PROPERTY => assert_eq!(part[12..16], *b"GNU\0"),
                        PT_DYNAMIC => assert_eq!(number(arch, part, 0, word), DT_NEEDED),
                        other => panic!("{other}"),
                    }
                }
            }
        }
    }
}
