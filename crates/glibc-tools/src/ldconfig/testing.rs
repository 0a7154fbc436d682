//! Small libraries and targets for tests.

use deb_arch::Architecture;
use deb_testing::Elf;
use rootless_install_fs::{FileType, Meta, Target, Timestamp};
use std::path::Path;

/// Returns a shared object for `arch` with `e_flags`, which needs one library or, if that is empty, none.
pub(super) fn library(arch: &Architecture, soname: Option<&str>, needed: &str, flags: u32) -> Vec<u8> {
    let one = [needed];
    let elf = Elf {
        soname,
        needed: if needed.is_empty() { &[] } else { &one },
        flags: Some(flags),
        ..Elf::default()
    };
    elf.bytes(arch)
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
        let ran = super::run(&self.target, Architecture::by_name(arch).unwrap(), arguments).unwrap();
        assert_eq!(ran.status, 0, "{}", String::from_utf8_lossy(&ran.messages));
        String::from_utf8(ran.output).unwrap()
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
