//! Small ELF files and targets for tests.

use deb_arch::{Architecture, ByteOrder};
use rootless_install_fs::{FileType, Meta, Target, Timestamp};
use std::path::Path;

/// A shared object with a name, for `arch`, with `e_flags`.
pub(super) fn library(arch: &Architecture, soname: Option<&str>, needed: &str, flags: u32) -> Vec<u8> {
    Elf {
        arch,
        soname,
        needed,
        flags,
        isa: 0,
    }
    .bytes()
}

/// What goes into a shared object.
pub(super) struct Elf<'a> {
    pub(super) arch: &'a Architecture,
    pub(super) soname: Option<&'a str>,
    pub(super) needed: &'a str,
    pub(super) flags: u32,
    /// `GNU_PROPERTY_X86_ISA_1_NEEDED`, unless 0.
    pub(super) isa: u32,
}

impl Elf<'_> {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let wide = self.arch.bits == 64;
        let big = self.arch.byte_order == ByteOrder::Big;
        let number = |value: u64, length: usize| -> Vec<u8> {
            if big {
                value.to_be_bytes()[8 - length..].to_vec()
            } else {
                value.to_le_bytes()[..length].to_vec()
            }
        };
        let word = if wide { 8 } else { 4 };
        let (header, segment) = if wide { (64, 56) } else { (52, 32) };
        let base = 0x1_0000_u64;
        let strings = [
            b"\0",
            self.needed.as_bytes(),
            b"\0",
            self.soname.unwrap_or_default().as_bytes(),
            b"\0",
        ]
        .concat();
        let strings_at = header + 3 * segment;
        let dynamic_at = (strings_at + strings.len() as u64).next_multiple_of(8);
        let mut entries = vec![(1, 1), (5, base + strings_at)];
        if self.soname.is_some() {
            entries.push((14, 2 + self.needed.len() as u64));
        }
        entries.push((0, 0));
        let dynamic: Vec<u8> = entries
            .iter()
            .flat_map(|(tag, value)| [number(*tag, word), number(*value, word)].concat())
            .collect();
        let note_at = (dynamic_at + dynamic.len() as u64).next_multiple_of(8);
        let mut note: Vec<u8> = [4, 16, 5].iter().flat_map(|n| number(*n, 4)).collect();
        note.extend(b"GNU\0");
        note.extend(
            [0xc000_8002, 4, u64::from(self.isa), 0]
                .iter()
                .flat_map(|n| number(*n, 4)),
        );

        let mut file = b"\x7fELF".to_vec();
        file.extend([if wide { 2 } else { 1 }, if big { 2 } else { 1 }, 1]);
        file.resize(16, 0);
        file.extend(
            [
                number(3, 2),
                number(self.arch.elf_machine.into(), 2),
                number(1, 4),
            ]
            .concat(),
        );
        file.extend(
            [
                number(0, word),
                number(header, word),
                number(0, word),
                number(self.flags.into(), 4),
            ]
            .concat(),
        );
        for half in [header, segment, if self.isa == 0 { 2 } else { 3 }, 0, 0, 0] {
            file.extend(number(half, 2));
        }
        let mut add_segment = |kind: u64, offset: u64, size: u64| {
            let [offset, address, size, align] =
                [offset, base + offset, size, word as u64].map(|n| number(n, word));
            let fields = if wide {
                [
                    number(kind, 4),
                    number(5, 4),
                    offset,
                    address.clone(),
                    address,
                    size.clone(),
                    size,
                    align,
                ]
            } else {
                [
                    number(kind, 4),
                    offset,
                    address.clone(),
                    address,
                    size.clone(),
                    size,
                    number(5, 4),
                    align,
                ]
            };
            file.extend(fields.concat());
        };
        add_segment(1, 0, note_at + note.len() as u64);
        add_segment(2, dynamic_at, dynamic.len() as u64);
        add_segment(0x6474_e553, note_at, note.len() as u64);
        file.extend(strings);
        file.resize(dynamic_at as usize, 0);
        file.extend(dynamic);
        file.resize(note_at as usize, 0);
        file.extend(note);
        file
    }
}

/// An empty target, with an ldconfig of some version of glibc.
pub(super) struct Place {
    _directory: tempfile::TempDir,
    pub(super) target: Target,
}

impl Place {
    /// `version` is that of Debian's package.
    pub(super) fn new(version: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        let place = Self {
            _directory: directory,
            target,
        };
        let release = version.split('-').next().unwrap();
        let generator = format!("ldconfig (Debian GLIBC {version}) stable release version {release}");
        place.write(
            "/usr/sbin/ldconfig",
            format!("\x7fELF..\0{generator}\0").as_bytes(),
        );
        place.mkdir("/etc");
        place
    }

    pub(super) fn mkdir(&self, path: &str) {
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

    pub(super) fn write(&self, path: &str, data: &[u8]) {
        self.mkdir(path.rsplit_once('/').unwrap().0);
        self.target
            .write(Path::new(path), data, &meta(FileType::Regular))
            .unwrap();
    }

    pub(super) fn symlink(&self, path: &str, text: &str) {
        self.mkdir(path.rsplit_once('/').unwrap().0);
        self.target
            .make_symlink(Path::new(path), Path::new(text), &meta(FileType::Symlink))
            .unwrap();
    }

    /// Text of a link, if it is one.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        self.target
            .read_link(Path::new(path))
            .ok()
            .map(|text| text.to_str().unwrap().to_owned())
    }

    /// Runs ldconfig; standard output if it succeeds.
    pub(super) fn run(&self, arch: &str, arguments: &[&str]) -> String {
        let output = super::run(&self.target, Architecture::by_name(arch).unwrap(), arguments).unwrap();
        assert_eq!(output.status, 0, "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The cache's entries, without counts and what wrote it.
    pub(super) fn cached(&self, arch: &str) -> Vec<String> {
        let text = self.run(arch, &["-p"]);
        text.lines()
            .filter(|line| line.starts_with('\t'))
            .map(|line| line.trim().to_owned())
            .collect()
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
