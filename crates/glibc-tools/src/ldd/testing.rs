//! Targets with a dynamic loader, for tests.

use super::run;
use crate::Output;
use crate::testing::{Elf, TestTarget};
use deb_arch::Architecture;
use std::ffi::OsStr;
use std::ops::Deref;
use std::path::Path;

/// A target with a dynamic loader, and the C library, which needs it.
pub(super) struct WithLoader {
    files: TestTarget,
    pub(super) arch: &'static Architecture,
}

impl Deref for WithLoader {
    type Target = TestTarget;

    fn deref(&self) -> &TestTarget {
        &self.files
    }
}

impl WithLoader {
    pub(super) fn new(arch: &str) -> Self {
        let arch = Architecture::by_name(arch).unwrap();
        let target = Self {
            files: TestTarget::new(),
            arch,
        };
        let soname = arch.loader.rsplit('/').next().unwrap();
        target.elf(
            arch.loader,
            &Elf {
                soname: Some(soname),
                ..Elf::default()
            },
        );
        target.library("libc.so.6", &[soname]);
        target
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

    /// Returns the list for a program, without addresses.
    pub(super) fn list(&self, environment: &[&str], program: &str) -> Vec<String> {
        let output = self
            .run(environment, &format!("{} --list {program}", self.arch.loader))
            .unwrap();
        assert_eq!((output.status, output.stderr), (0, vec![]));
        plain(&output.stdout)
    }
}

/// Returns the lines of a list without addresses.
pub(super) fn plain(output: &[u8]) -> Vec<String> {
    let lines = std::str::from_utf8(output).unwrap().lines();
    lines
        .map(|line| line.split(" (0x").next().unwrap().trim().to_owned())
        .collect()
}
