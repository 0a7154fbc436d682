//! What is compiled into one architecture's ldconfig.

use super::{LdconfigError, legacy};
use deb_arch::{Architecture, Family};
use rootless_install_fs::Target;
use std::io::Read;
use std::path::{Path, PathBuf};

/// `FLAG_ELF_LIBC6`: a library of glibc.
pub(crate) const LIBC6: u32 = 0x3;

/// How a library's flags follow from its header (readelflib.c of glibc).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flags {
    /// Libraries of the one word size; no flags.
    Plain,
    /// The machine in the header decides.
    X86,
    /// 64 bits are arm64, 32 bits have the float ABI in their header.
    Arm,
    /// Float ABI in the header.
    Riscv,
    /// Float ABI in the header, 64 bits only.
    Loongarch,
    /// Three ABIs and two kinds of NaN, all in the header.
    Mips,
    /// 64 bits have this flag, 32 bits none.
    Wide(u32),
}

/// What a header says of a library's flags.
pub(crate) enum Special {
    /// These they are.
    Set(u32),
    /// They stay what they are without the header.
    Keep,
    /// The library cannot be used.
    Unusable,
}

impl Flags {
    /// Flags that follow from the word size, `e_machine` and `e_flags`.
    pub(crate) fn of(self, wide: bool, machine: u64, flags: u64) -> Special {
        let set = |flag: u32| Special::Set(LIBC6 | flag);
        match (self, wide) {
            (Self::X86, true) => set(0x300),
            (Self::X86, false) if machine == 62 => set(0x800),
            (Self::Arm, true) => set(0xa00),
            // Version 5 of the EABI, then its float ABI.
            (Self::Arm, false) if flags & 0xff00_0000 == 0x0500_0000 => {
                match (flags & 0x400, flags & 0x200) {
                    (0, 0) => set(0),
                    (0, _) => set(0xb00),
                    _ => set(0x900),
                }
            }
            // EF_RISCV_FLOAT_ABI; EF_RISCV_RVC does not matter; others do.
            (Self::Riscv, _) => match flags & !1 {
                0 => set(0xf00),
                4 => set(0x1000),
                _ => Special::Unusable,
            },
            // EF_LARCH_OBJABI_V1 does not matter.
            (Self::Loongarch, _) => match flags & !0x40 {
                1 => set(0x1100),
                3 => set(0x1200),
                _ => Special::Unusable,
            },
            // EF_MIPS_NAN2008 and EF_MIPS_ABI2.
            (Self::Mips, true) => set(if flags & 0x400 == 0 { 0x700 } else { 0xe00 }),
            (Self::Mips, false) => match (flags & 0x20, flags & 0x400) {
                (0, 0) => Special::Keep,
                (0, _) => set(0xc00),
                (_, 0) => set(0x600),
                _ => set(0xd00),
            },
            (Self::Wide(flag), true) => set(flag),
            _ => Special::Keep,
        }
    }
}

/// One architecture's ldconfig of one version of glibc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2.36: subdirectories for hardware capabilities, and libraries of other C
    /// libraries, are still known.
    Legacy,
    /// 2.37 and 2.38.
    Plain,
    /// Since 2.39 files that dpkg is unpacking are passed over.
    SkipsDpkg,
}

/// One architecture's ldconfig.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) arch: Known,
    pub(crate) era: Era,
    /// What it writes into a cache as its name.
    pub(crate) generator: Vec<u8>,
}

/// What the architecture alone decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) family: Family,
    pub(crate) triplet: &'static str,
    pub(crate) loader: &'static str,
    /// `e_machine`.
    pub(crate) machine: u16,
    pub(crate) wide: bool,
    pub(crate) big_endian: bool,
    pub(crate) flags: Flags,
    /// Flag of its libraries in the cache.
    pub(crate) cache_flag: u32,
    /// Bits of `e_flags` that libraries of the other float ABI have.
    pub(crate) other_float_abi: u32,
    /// Name of the object that the kernel maps into every process.
    pub(crate) vdso: Option<&'static str>,
    /// Whether C's `char` is signed, which shows in the order of names that are
    /// not ASCII.
    pub(crate) signed_char: bool,
}

impl Known {
    pub(crate) fn of(arch: &Architecture) -> Self {
        let flags = match arch.family {
            Family::X86 => Flags::X86,
            Family::Arm => Flags::Arm,
            Family::Riscv => Flags::Riscv,
            Family::Loongarch => Flags::Loongarch,
            Family::Mips => Flags::Mips,
            Family::Power => Flags::Wide(0x500),
            Family::S390 => Flags::Wide(0x400),
            Family::Sparc => Flags::Wide(0x100),
            Family::Hppa | Family::M68k | Family::Sh => Flags::Plain,
        };
        Self {
            family: arch.family,
            triplet: arch.triplet,
            loader: arch.loader,
            machine: arch.elf_machine,
            wide: arch.bits == 64,
            big_endian: arch.is_big_endian(),
            flags,
            cache_flag: arch.ldconfig_flag,
            other_float_abi: arch.other_float_abi,
            vdso: arch.vdso,
            signed_char: arch.signed_char,
        }
    }

    /// Flags of the libraries that the loader takes from the cache.
    pub(crate) fn cache_flags(&self) -> u32 {
        LIBC6 | self.cache_flag
    }

    /// Flags that the loader takes as well: libraries that fit either float ABI.
    pub(crate) fn plain_flags(&self) -> Option<u32> {
        (self.flags == Flags::Arm && !self.wide).then_some(LIBC6)
    }

    /// Directories that are always looked into: those of the dynamic loader, as
    /// Debian has it (glibc itself takes its own two).
    pub(crate) fn system_directories(&self) -> [String; 4] {
        let triplet = self.triplet;
        [
            format!("/lib/{triplet}"),
            format!("/usr/lib/{triplet}"),
            "/lib".into(),
            "/usr/lib".into(),
        ]
    }
}

/// Where the program is; its version decides.
const PROGRAMS: [&str; 2] = ["/usr/sbin/ldconfig", "/sbin/ldconfig"];
/// No ldconfig is nearly as large.
const LARGEST_PROGRAM: u64 = 64 << 20;

impl Rules {
    /// The rules of the target's own ldconfig.
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
        let (generator, major, minor) = generator(&program).ok_or_else(not_glibc)?;
        let era = match (major, minor) {
            (2, 36) => Era::Legacy,
            (2, 37 | 38) => Era::Plain,
            (2, 39..) => Era::SkipsDpkg,
            _ => return Err(LdconfigError::Version { major, minor }),
        };
        Ok(Self {
            arch: Known::of(arch),
            era,
            generator: generator.to_vec(),
        })
    }

    /// The capability that a directory's name stands for, if that is known.
    pub(crate) fn is_capability(&self, name: &[u8]) -> bool {
        self.era == Era::Legacy && legacy::is_capability(&self.arch, name)
    }

    /// Capabilities at the end of a directory's path, as bits.
    pub(crate) fn capabilities(&self, path: &[u8]) -> u64 {
        if self.era == Era::Legacy {
            legacy::capabilities(&self.arch, path)
        } else {
            0
        }
    }
}

/// `ldconfig PKGVERSION RELEASE release version VERSION`, which stands in the
/// program as one string, and the two numbers of the version.
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

#[cfg(test)]
mod tests {
    use super::*;

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
