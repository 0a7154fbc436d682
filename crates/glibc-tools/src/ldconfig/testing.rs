//! Targets with an ldconfig, for tests.

use super::run;
use crate::testing::{Elf, TestTarget};
use deb_arch::Architecture;
use std::ops::Deref;

/// Returns a shared object for `arch`; an empty `needed` means that it needs no library.
pub(super) fn library(arch: &Architecture, soname: Option<&str>, needed: &str, flags: u32) -> Vec<u8> {
    let needed: &[&str] = if needed.is_empty() { &[] } else { &[needed] };
    let flags = Some(flags);
    Elf {
        soname,
        needed,
        flags,
        ..Elf::default()
    }
    .bytes(arch)
}

/// A target with an ldconfig of some version of glibc, and nothing else.
pub(super) struct WithLdconfig(TestTarget);

impl Deref for WithLdconfig {
    type Target = TestTarget;

    fn deref(&self) -> &TestTarget {
        &self.0
    }
}

impl WithLdconfig {
    /// `version` is that of Debian's package.
    pub(super) fn new(version: &str) -> Self {
        let target = TestTarget::new();
        let release = version.split('-').next().unwrap();
        let generator = match release {
            // Only what `--version` prints.
            "2.31" => format!("(Debian GLIBC {version}) "),
            _ => format!("ldconfig (Debian GLIBC {version}) stable release version {release}"),
        };
        target.write(
            "/usr/sbin/ldconfig",
            format!("\x7fELF..\0{generator}\0").as_bytes(),
        );
        target.mkdir("/etc");
        Self(target)
    }

    /// Runs ldconfig, which must succeed, and returns its standard output.
    pub(super) fn run(&self, arch: &str, arguments: &[&str]) -> String {
        let output = run(&self.target, Architecture::by_name(arch).unwrap(), arguments).unwrap();
        assert_eq!(output.status, 0, "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns the lines that `ldconfig -p` prints of the entries.
    pub(super) fn cached(&self, arch: &str) -> Vec<String> {
        let text = self.run(arch, &["-p"]);
        text.lines()
            .filter(|line| line.starts_with('\t'))
            .map(|line| line.trim().to_owned())
            .collect()
    }
}
