//! Debian architectures: names, multiarch triplets and ELF identity.
//!
//! Sources: dpkg's cputable/ostable/tupletable, elf(5), and the multiarch
//! triplets of the Debian toolchain.

use std::fmt;

/// Byte order of an architecture's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// Everything the program knows about one Debian architecture.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Architecture {
    /// Debian's name, as in `dpkg --print-architecture`.
    pub name: &'static str,
    /// Multiarch triplet, as in `/usr/lib/TRIPLET`.
    pub triplet: &'static str,
    /// What `uname -m` prints on a Debian system of this architecture.
    pub uname: &'static str,
    /// ELF `e_machine`.
    pub elf_machine: u16,
    /// Word size in bits, 32 or 64 (ELF class).
    pub bits: u8,
    /// Byte order (ELF data encoding).
    pub byte_order: ByteOrder,
    /// Path of the dynamic loader (`PT_INTERP`).
    pub loader: &'static str,
}

const fn arch(
    name: &'static str,
    triplet: &'static str,
    uname: &'static str,
    elf_machine: u16,
    bits: u8,
    byte_order: ByteOrder,
    loader: &'static str,
) -> Architecture {
    Architecture {
        name,
        triplet,
        uname,
        elf_machine,
        bits,
        byte_order,
        loader,
    }
}

use ByteOrder::{Big, Little};

/// The architectures the program can install.
pub static ARCHITECTURES: &[Architecture] = &[
    arch(
        "amd64",
        "x86_64-linux-gnu",
        "x86_64",
        62,
        64,
        Little,
        "/lib64/ld-linux-x86-64.so.2",
    ),
    arch(
        "arm64",
        "aarch64-linux-gnu",
        "aarch64",
        183,
        64,
        Little,
        "/lib/ld-linux-aarch64.so.1",
    ),
    arch(
        "armel",
        "arm-linux-gnueabi",
        "armv7l",
        40,
        32,
        Little,
        "/lib/ld-linux.so.3",
    ),
    arch(
        "armhf",
        "arm-linux-gnueabihf",
        "armv7l",
        40,
        32,
        Little,
        "/lib/ld-linux-armhf.so.3",
    ),
    arch("hppa", "hppa-linux-gnu", "parisc", 15, 32, Big, "/lib/ld.so.1"),
    arch(
        "i386",
        "i386-linux-gnu",
        "i686",
        3,
        32,
        Little,
        "/lib/ld-linux.so.2",
    ),
    arch(
        "loong64",
        "loongarch64-linux-gnu",
        "loongarch64",
        258,
        64,
        Little,
        "/lib64/ld-linux-loongarch-lp64d.so.1",
    ),
    arch("m68k", "m68k-linux-gnu", "m68k", 4, 32, Big, "/lib/ld.so.1"),
    arch(
        "mips64el",
        "mips64el-linux-gnuabi64",
        "mips64",
        8,
        64,
        Little,
        "/lib64/ld.so.1",
    ),
    arch("powerpc", "powerpc-linux-gnu", "ppc", 20, 32, Big, "/lib/ld.so.1"),
    arch(
        "ppc64",
        "powerpc64-linux-gnu",
        "ppc64",
        21,
        64,
        Big,
        "/lib64/ld64.so.1",
    ),
    arch(
        "ppc64el",
        "powerpc64le-linux-gnu",
        "ppc64le",
        21,
        64,
        Little,
        "/lib64/ld64.so.2",
    ),
    arch(
        "riscv64",
        "riscv64-linux-gnu",
        "riscv64",
        243,
        64,
        Little,
        "/lib/ld-linux-riscv64-lp64d.so.1",
    ),
    arch("s390x", "s390x-linux-gnu", "s390x", 22, 64, Big, "/lib/ld64.so.1"),
    arch(
        "sh4",
        "sh4-linux-gnu",
        "sh4a",
        42,
        32,
        Little,
        "/lib/ld-linux.so.2",
    ),
    arch(
        "sparc64",
        "sparc64-linux-gnu",
        "sparc64",
        43,
        64,
        Big,
        "/lib64/ld-linux.so.2",
    ),
];

impl Architecture {
    /// Looks an architecture up by Debian's name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        ARCHITECTURES.iter().find(|a| a.name == name)
    }

    /// The architecture this program was built for, which is the one whose
    /// programs this machine executes.
    pub fn native() -> &'static Self {
        let name = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "arm" => "armhf",
            "x86" => "i386",
            "loongarch64" => "loong64",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64el",
            "powerpc64" => "ppc64",
            other => other,
        };
        Self::by_name(name).unwrap_or(&ARCHITECTURES[0])
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for a in ARCHITECTURES {
            assert_eq!(Architecture::by_name(a.name), Some(a));
        }
        assert!(Architecture::by_name("vax").is_none());
        assert_eq!(
            Architecture::native().name,
            if cfg!(target_arch = "x86_64") {
                "amd64"
            } else {
                Architecture::native().name
            }
        );
    }

    // The shim is a program of its own that shares no code with the installer.
    #[test]
    fn the_shim_knows_the_same() {
        let source = include_str!("../../maintscript-shim/src/paths.rs");
        let theirs: Vec<Vec<&str>> = source
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("arch(\""))
            .map(|line| line.split('"').step_by(2).take(3).collect())
            .collect();
        let ours: Vec<Vec<&str>> = ARCHITECTURES
            .iter()
            .map(|a| vec![a.name, a.triplet, a.uname])
            .collect();
        assert_eq!(theirs, ours);
    }
}
