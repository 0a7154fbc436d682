//! Rules of one architecture's ldconfig of one version of glibc, read from the program itself.

use super::{LdconfigError, legacy};
use crate::abi::Abi;
use deb_arch::Architecture;
use rootless_install_fs::Target;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Versions of glibc whose ldconfig behaves alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Era {
    /// 2.31, with Debian's changes: the strings of a cache are not shared, and it has no extensions; messages do not say
    /// where a directory is from.
    Unshared,
    /// 2.36: subdirectories for hardware capabilities, and libraries of other C
    /// libraries, are still known.
    Legacy,
    /// 2.37 and 2.38.
    Plain,
    /// Since 2.39 files that dpkg is unpacking are passed over.
    SkipsDpkg,
}

/// Rules of one target's ldconfig.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) abi: Abi,
    /// Version of glibc.
    pub(crate) era: Era,
    /// Name of the program that it writes into a cache.
    pub(crate) generator: Vec<u8>,
}

/// Paths of the program, whose version decides.
const PROGRAMS: [&str; 2] = ["/usr/sbin/ldconfig", "/sbin/ldconfig"];
/// Most bytes of the program that are read; no ldconfig is nearly as large.
const LARGEST_PROGRAM: u64 = 64 << 20;

impl Rules {
    /// Reads the rules of the target's own ldconfig.
    pub(crate) fn of(target: &Target, arch: &Architecture) -> Result<Self, LdconfigError> {
        let mut program = Vec::new();
        for path in PROGRAMS {
            match target.open_file(Path::new(path)) {
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error.into()),
                Ok(file) => {
                    file.take(LARGEST_PROGRAM)
                        .read_to_end(&mut program)
                        .map_err(|source| rootless_install_fs::Error::Io {
                            action: "read",
                            path: PathBuf::from(path),
                            source,
                        })?;
                    break;
                }
            }
        }
        let not_glibc = || LdconfigError::NotGlibc {
            path: PathBuf::from(PROGRAMS[0]),
        };
        let found = generator(&program).or_else(|| old_version(&program));
        let (generator, major, minor) = found.ok_or_else(not_glibc)?;
        let era = match (major, minor) {
            (2, 31) => Era::Unshared,
            (2, 36) => Era::Legacy,
            (2, 37 | 38) => Era::Plain,
            (2, 39..) => Era::SkipsDpkg,
            _ => return Err(LdconfigError::Version { major, minor }),
        };
        Ok(Self {
            abi: Abi::of(arch),
            era,
            generator: generator.to_vec(),
        })
    }

    /// Returns whether a subdirectory of this name has libraries for a hardware capability.
    pub(crate) fn is_capability(&self, name: &[u8]) -> bool {
        self.era <= Era::Legacy && legacy::is_capability(&self.abi, name)
    }

    /// Returns the hardware capabilities that the end of a directory's path names, as bits.
    pub(crate) fn capabilities(&self, path: &[u8]) -> u64 {
        if self.era <= Era::Legacy {
            legacy::capabilities(&self.abi, path)
        } else {
            0
        }
    }
}

/// Returns `ldconfig PKGVERSION RELEASE release version VERSION`, which is one string in the program, and the
/// two numbers of the version.
fn generator(program: &[u8]) -> Option<(&[u8], u32, u32)> {
    const START: &[u8] = b"ldconfig (";
    const VERSION: &[u8] = b" release version ";
    let candidates = program
        .windows(START.len())
        .enumerate()
        .filter(|(_, window)| *window == START);
    candidates.into_iter().find_map(|(at, _)| {
        let text = program
            .get(at..)?
            .split(|&b| b == 0)
            .next()
            .filter(|text| text.len() < 1024)?;
        let version = text.windows(VERSION.len()).position(|window| window == VERSION)? + VERSION.len();
        let mut numbers = std::str::from_utf8(text.get(version..)?)
            .ok()?
            .split('.')
            .map(str::parse::<u32>);
        Some((text, numbers.next()?.ok()?, numbers.next()?.ok()?))
    })
}

/// Returns the numbers of the version of a program that names none in its caches: they are in the text of `--version`,
/// `(Debian GLIBC 2.31-13) `.
fn old_version(program: &[u8]) -> Option<(&[u8], u32, u32)> {
    const START: &[u8] = b" GLIBC ";
    program.starts_with(b"\x7fELF").then_some(())?;
    let at = program.windows(START.len()).position(|window| window == START)?;
    let text = program
        .get(at + START.len()..)?
        .split(|&b| !(b.is_ascii_digit() || b == b'.'))
        .next()?;
    let mut numbers = std::str::from_utf8(text).ok()?.split('.').map(str::parse::<u32>);
    Some((b"", numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_without_a_generator() {
        let program = b"\x7fELF\0GLIBC_2.4\0(Debian GLIBC 2.31-13+deb11u11) \0";
        assert_eq!(old_version(program), Some((&b""[..], 2, 31)));
        assert_eq!(old_version(b"#!/bin/sh\n# of GLIBC 2.31\n"), None);
        assert_eq!(old_version(b"\x7fELF GLIBC two"), None);
    }

    #[test]
    fn the_generator_is_found() {
        let program = b"x\0ldconfig (no\0ldconfig (Debian GLIBC 2.41-12) stable release version 2.41\0y";
        let (text, major, minor) = generator(program).unwrap();
        assert_eq!(
            text,
            b"ldconfig (Debian GLIBC 2.41-12) stable release version 2.41"
        );
        assert_eq!((major, minor), (2, 41));
        assert_eq!(generator(b"ldconfig (x) release version two"), None);
        assert_eq!(generator(b""), None);
    }
}
