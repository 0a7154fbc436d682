//! Targets for tests, and the ELF files to put into them.

pub(crate) use deb_testing::{Elf, usual_flags};
use rootless_install_fs::{FileType, Meta, Target, Timestamp};
use std::path::Path;

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
