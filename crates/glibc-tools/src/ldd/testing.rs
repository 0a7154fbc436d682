//! Small ELF files and targets for tests.

use super::run;
use crate::Output;
use deb_arch::{Architecture, ByteOrder};
use rootless_install_fs::{FileType, Meta, Target, Timestamp};
use std::ffi::OsStr;
use std::path::Path;

/// What goes into a program or library.
#[derive(Default)]
pub(super) struct Elf<'a> {
    pub(super) interpreter: Option<&'a str>,
    pub(super) needed: &'a [&'a str],
    pub(super) soname: Option<&'a str>,
    pub(super) rpath: Option<&'a str>,
    pub(super) runpath: Option<&'a str>,
    /// Without a dynamic section.
    pub(super) fixed: bool,
    /// Versions it has, and those it needs of a library.
    pub(super) defines: &'a [&'a str],
    pub(super) needs: Option<(&'a str, &'a [&'a str])>,
}

impl Elf<'_> {
    pub(super) fn bytes(&self, arch: &Architecture) -> Vec<u8> {
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
        let strings_at = header + 3 * row;
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
        let flags = match arch.name {
            "riscv64" => 5,
            "armhf" => 0x0500_0400,
            _ => 0,
        };
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
        for half in [header, row, 3, 0, 0, 0] {
            file.extend(number(half, 2));
        }
        let size = dynamic_at + dynamic.len() as u64;
        let interpreter_at = strings_at + interpreter.unwrap_or(0);
        let length = self.interpreter.map_or(0, str::len) as u64 + 1;
        for (kind, offset, size) in [
            (1, 0, size),
            (if self.fixed { 0 } else { 2 }, dynamic_at, dynamic.len() as u64),
            (if interpreter.is_some() { 3 } else { 0 }, interpreter_at, length),
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
        file
    }
}

pub(super) struct Place {
    _directory: tempfile::TempDir,
    pub(super) target: Target,
    pub(super) arch: &'static Architecture,
}

impl Place {
    /// With a loader and libc, which needs it.
    pub(super) fn new(arch: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let arch = Architecture::by_name(arch).unwrap();
        let target = Target::open(directory.path()).unwrap();
        let place = Self {
            _directory: directory,
            target,
            arch,
        };
        let soname = arch.loader.rsplit('/').next().unwrap();
        place.elf(
            arch.loader,
            &Elf {
                soname: Some(soname),
                ..Elf::default()
            },
        );
        place.library("libc.so.6", &[soname]);
        place
    }

    pub(super) fn write(&self, path: &str, data: &[u8]) {
        let mut whole = String::new();
        let meta = |kind, mode| Meta {
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime: Timestamp { sec: 1, nsec: 0 },
        };
        for component in path
            .rsplit_once('/')
            .unwrap()
            .0
            .split('/')
            .filter(|c| !c.is_empty())
        {
            whole = format!("{whole}/{component}");
            let _ = self
                .target
                .make_dir(Path::new(&whole), &meta(FileType::Directory, 0o755));
        }
        self.target
            .write(Path::new(path), data, &meta(FileType::Regular, 0o755))
            .unwrap();
    }

    pub(super) fn elf(&self, path: &str, elf: &Elf<'_>) {
        self.write(path, &elf.bytes(self.arch));
    }

    pub(super) fn library(&self, name: &str, needed: &[&str]) {
        let path = format!("/usr/lib/{}/{name}", self.arch.triplet);
        let soname = Some(name);
        self.elf(
            &path,
            &Elf {
                needed,
                soname,
                ..Elf::default()
            },
        );
    }

    pub(super) fn program(&self, path: &str, needed: &[&str]) {
        let interpreter = Some(self.arch.loader);
        self.elf(
            path,
            &Elf {
                interpreter,
                needed,
                ..Elf::default()
            },
        );
    }

    pub(super) fn run(&self, environment: &[&str], line: &str) -> Option<Output> {
        let environment: Vec<&OsStr> = environment.iter().map(OsStr::new).collect();
        let mut words = line.split(' ').map(OsStr::new);
        let program = words.next().unwrap();
        let arguments: Vec<&OsStr> = words.collect();
        run(
            &self.target,
            self.arch,
            Path::new("/work"),
            &environment,
            program,
            &arguments,
        )
        .unwrap()
    }

    /// The list for a program, without addresses.
    pub(super) fn list(&self, environment: &[&str], program: &str) -> Vec<String> {
        let output = self
            .run(environment, &format!("{} --list {program}", self.arch.loader))
            .unwrap();
        assert_eq!((output.status, output.stderr), (0, vec![]));
        plain(&output.stdout)
    }
}

/// Lines without addresses.
pub(super) fn plain(output: &[u8]) -> Vec<String> {
    let lines = std::str::from_utf8(output).unwrap().lines();
    lines
        .map(|line| line.split(" (0x").next().unwrap().trim().to_owned())
        .collect()
}
