//! Targets for tests.

use super::{Ran, run};
use deb_arch::Architecture;
use deb_testing::Elf;
use rootless_install_fs::{FileType, Meta, Target, Timestamp};
use std::ffi::OsStr;
use std::path::Path;

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

    pub(super) fn run(&self, environment: &[&str], line: &str) -> Option<Ran> {
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
        let ran = self
            .run(environment, &format!("{} --list {program}", self.arch.loader))
            .unwrap();
        assert_eq!((ran.status, ran.messages), (0, vec![]));
        plain(&ran.output)
    }
}

/// Lines without addresses.
pub(super) fn plain(output: &[u8]) -> Vec<String> {
    let lines = std::str::from_utf8(output).unwrap().lines();
    lines
        .map(|line| line.split(" (0x").next().unwrap().trim().to_owned())
        .collect()
}
