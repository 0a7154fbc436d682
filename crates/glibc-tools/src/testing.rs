//! Small ELF files and targets for tests.

use deb_arch::{Architecture, ByteOrder};
use rootless_install_fs::{FileType, Meta, Target, Timestamp};
use std::path::Path;

/// Contents of a program or library.
#[derive(Default)]
pub(crate) struct Elf<'a> {
    pub(crate) interpreter: Option<&'a str>,
    pub(crate) needed: &'a [&'a str],
    pub(crate) soname: Option<&'a str>,
    pub(crate) rpath: Option<&'a str>,
    pub(crate) runpath: Option<&'a str>,
    /// Whether there is no dynamic section.
    pub(crate) fixed: bool,
    /// Versions of symbols that it defines.
    pub(crate) defines: &'a [&'a str],
    /// Versions of symbols that it needs of a library.
    pub(crate) needs: Option<(&'a str, &'a [&'a str])>,
    /// `e_flags`; none means those of the architecture's usual libraries.
    pub(crate) flags: Option<u32>,
    /// `GNU_PROPERTY_X86_ISA_1_NEEDED`; 0 means that there is no such note.
    pub(crate) isa: u32,
}

/// `e_flags` of a usual library.
pub(crate) fn usual_flags(arch: &Architecture) -> u32 {
    match arch.name {
        "riscv64" => 5,
        "armhf" => 0x0500_0400,
        "armel" => 0x0500_0200,
        "loong64" => 0x43,
        "ppc64el" => 2,
        "mips64el" => 0x8000_0007,
        _ => 0,
    }
}

impl Elf<'_> {
    pub(crate) fn bytes(&self, arch: &Architecture) -> Vec<u8> {
        let wide = arch.bits == 64;
        let number = |value: u64, length: usize| {
            if arch.byte_order == ByteOrder::Big {
                value.to_be_bytes()[8 - length..].to_vec()
            } else {
                value.to_le_bytes()[..length].to_vec()
            }
        };
        let (word, header, row) = if wide { (8, 64, 56) } else { (4, 52, 32) };
        let mut strings = vec![0];
        let mut string = |text: &str| {
            let at = strings.len() as u64;
            strings.extend([text.as_bytes(), b"\0"].concat());
            at
        };
        let mut entries: Vec<(u64, u64)> = self.needed.iter().map(|name| (1, string(name))).collect();
        for (tag, text) in [(14, self.soname), (15, self.rpath), (29, self.runpath)] {
            entries.extend(text.map(|text| (tag, string(text))));
        }
        let interpreter = self.interpreter.map(&mut string);
        let mut tables = Vec::new();
        for (at, name) in self.defines.iter().enumerate() {
            let last = at + 1 == self.defines.len();
            tables.push([number(1, 2), number(0, 2), number(at as u64 + 2, 2), number(1, 2)].concat());
            tables.push([number(0, 4), number(20, 4), number(if last { 0 } else { 28 }, 4)].concat());
            tables.push([number(string(name), 4), number(0, 4)].concat());
        }
        let needs_at = tables.concat().len() as u64;
        if let Some((file, versions)) = self.needs {
            let count = versions.len() as u64;
            tables.push([number(1, 2), number(count, 2), number(string(file), 4)].concat());
            tables.push([number(16, 4), number(0, 4)].concat());
            for (at, version) in versions.iter().enumerate() {
                let next = if at as u64 + 1 == count { 0 } else { 16 };
                tables.push([number(0, 4), number(0, 2), number(2, 2)].concat());
                tables.push([number(string(version), 4), number(next, 4)].concat());
            }
        }
        let tables = tables.concat();
        let base = 0x1_0000;
        let strings_at = header + 4 * row;
        let tables_at = (strings_at + strings.len() as u64).next_multiple_of(8);
        let dynamic_at = (tables_at + tables.len() as u64).next_multiple_of(8);
        entries.push((5, base + strings_at));
        if !self.defines.is_empty() {
            entries.extend([
                (0x6fff_fffc, base + tables_at),
                (0x6fff_fffd, self.defines.len() as u64),
            ]);
        }
        if self.needs.is_some() {
            entries.extend([(0x6fff_fffe, base + tables_at + needs_at), (0x6fff_ffff, 1)]);
        }
        entries.push((0, 0));
        let dynamic: Vec<u8> = entries
            .iter()
            .flat_map(|(tag, value)| [number(*tag, word), number(*value, word)].concat())
            .collect();
        let mut file = b"\x7fELF".to_vec();
        file.extend([
            arch.bits / 32,
            if arch.byte_order == ByteOrder::Big { 2 } else { 1 },
            1,
        ]);
        file.resize(16, 0);
        let flags = u64::from(self.flags.unwrap_or_else(|| usual_flags(arch)));
        for (value, length) in [
            (3, 2),
            (u64::from(arch.elf_machine), 2),
            (1, 4),
            (0, word),
            (header, word),
        ] {
            file.extend(number(value, length));
        }
        file.extend([number(0, word), number(flags, 4)].concat());
        for half in [header, row, 4, 0, 0, 0] {
            file.extend(number(half, 2));
        }
        let note_at = (dynamic_at + dynamic.len() as u64).next_multiple_of(8);
        let mut note: Vec<u8> = [4, 16, 5].iter().flat_map(|n| number(*n, 4)).collect();
        note.extend(b"GNU\0");
        let property = [0xc000_8002, 4, u64::from(self.isa), 0];
        note.extend(property.iter().flat_map(|n| number(*n, 4)));
        let size = note_at + note.len() as u64;
        let interpreter_at = strings_at + interpreter.unwrap_or(0);
        let length = self.interpreter.map_or(0, str::len) as u64 + 1;
        for (kind, offset, size) in [
            (1, 0, size),
            (if self.fixed { 0 } else { 2 }, dynamic_at, dynamic.len() as u64),
            (if interpreter.is_some() { 3 } else { 0 }, interpreter_at, length),
            (
                if self.isa == 0 { 0 } else { 0x6474_e553 },
                note_at,
                note.len() as u64,
            ),
        ] {
            let [offset, address, size] = [offset, base + offset, size].map(|n| number(n, word));
            let places = [offset, address.clone(), address, size.clone(), size].concat();
            file.extend(if wide {
                [number(kind, 4), number(5, 4), places, number(8, 8)].concat()
            } else {
                [number(kind, 4), places, number(5, 4), number(4, 4)].concat()
            });
        }
        file.extend(strings);
        file.resize(tables_at as usize, 0);
        file.extend(tables);
        file.resize(dynamic_at as usize, 0);
        file.extend(dynamic);
        file.resize(note_at as usize, 0);
        file.extend(note);
        file
    }
}

/// A target in a directory of its own, which is empty at first.
pub(crate) struct TestTarget {
    _directory: tempfile::TempDir,
    pub(crate) target: Target,
}

impl TestTarget {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        Self {
            _directory: directory,
            target,
        }
    }

    pub(crate) fn mkdir(&self, path: &str) {
        let mut whole = String::new();
        for component in path.split('/').filter(|c| !c.is_empty()) {
            whole = format!("{whole}/{component}");
            if self.target.stat_follow(Path::new(&whole)).is_err() {
                self.target
                    .make_dir(Path::new(&whole), &meta(FileType::Directory))
                    .unwrap();
            }
        }
    }

    pub(crate) fn write(&self, path: &str, data: &[u8]) {
        self.mkdir(path.rsplit_once('/').unwrap().0);
        self.target
            .write(Path::new(path), data, &meta(FileType::Regular))
            .unwrap();
    }

    pub(crate) fn symlink(&self, path: &str, text: &str) {
        self.mkdir(path.rsplit_once('/').unwrap().0);
        self.target
            .make_symlink(Path::new(path), Path::new(text), &meta(FileType::Symlink))
            .unwrap();
    }

    /// Text of a link, if it is one.
    pub(crate) fn link(&self, path: &str) -> Option<String> {
        self.target
            .read_link(Path::new(path))
            .ok()
            .map(|text| text.to_str().unwrap().to_owned())
    }
}

fn meta(kind: FileType) -> Meta {
    let mode = if kind == FileType::Regular { 0o644 } else { 0o755 };
    Meta {
        kind,
        mode,
        uid: 0,
        gid: 0,
        mtime: Timestamp { sec: 1, nsec: 0 },
    }
}
