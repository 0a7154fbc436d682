//! Debian architectures: one table with everything known of each.
//!
//! Sources: dpkg's cputable, ostable and tupletable; elf(5); the multiarch triplets of the Debian
//! toolchain; the processor supplements of the System V ABI (psABI); glibc's `ldconfig.h`; vdso(7).
//!
//! Adding an architecture is one row in `table.rs`. A processor family that is not there yet is a
//! variant of [`Family`]; the compiler then names every place that decides by it.
//!
//! The crate has no dependencies and needs no standard library, since a static helper and a module of
//! the dynamic loader use it, too.
//!
//! ```
//! use deb_arch::{Architecture, ByteOrder};
//!
//! let arch = Architecture::by_name("riscv64").unwrap();
//! assert_eq!(arch.triplet, "riscv64-linux-gnu");
//! assert_eq!((arch.bits, arch.byte_order), (64, ByteOrder::Little));
//! assert!(Architecture::by_name("vax").is_none());
//! ```

#![no_std]

#[cfg(feature = "std")]
extern crate std;

mod described;
pub mod elf;
mod table;
mod word;

use core::fmt;
#[cfg(feature = "std")]
pub use described::describe;
pub use described::{Described, Word};
pub use elf::ElfIdentity;
pub use table::ARCHITECTURES;
pub use word::replace_word;

/// Byte order of an architecture's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// Processor family: what glibc has one directory of `sysdeps` for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Alpha.
    Alpha,
    /// Arm, 32 and 64 bits.
    Arm,
    /// PA-RISC.
    Hppa,
    /// LoongArch.
    Loongarch,
    /// Motorola 68000.
    M68k,
    /// MIPS.
    Mips,
    /// PowerPC.
    Power,
    /// RISC-V.
    Riscv,
    /// IBM Z.
    S390,
    /// SuperH.
    Sh,
    /// SPARC.
    Sparc,
    /// i386 and x86-64.
    X86,
}

/// Everything known of one Debian architecture.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Architecture {
    /// Debian's name, as in `dpkg --print-architecture`.
    pub name: &'static str,
    /// Names that others have for it or its processors, in small letters.
    pub other_names: &'static [&'static str],
    /// Multiarch triplet, as in `/usr/lib/TRIPLET`.
    pub triplet: &'static str,
    /// Machine that `uname -m` prints on a Debian system of this architecture.
    pub uname: &'static str,
    /// Processor family.
    pub family: Family,
    /// ELF `e_machine`.
    pub elf_machine: u16,
    /// Bits of `e_flags` that a library of the other float ABI of this machine has; 0 where the
    /// machine has one ABI, or its flags are compared whole.
    pub other_float_abi: u32,
    /// Word size in bits, 32 or 64 (ELF class).
    pub bits: u8,
    /// Byte order (ELF data encoding).
    pub byte_order: ByteOrder,
    /// Path of the dynamic loader (`PT_INTERP`).
    pub loader: &'static str,
    /// Flag of its libraries in `ld.so.cache` beside `FLAG_ELF_LIBC6` (`ldconfig.h` of glibc).
    pub ldconfig_flag: u32,
    /// Signedness of C's `char`.
    pub signed_char: bool,
    /// Alignment of 64-bit integers and doubles in C structures, in bytes.
    pub wide_alignment: u8,
    /// Name of the object that the kernel maps into every process (vdso(7)); none where there is none.
    pub vdso: Option<&'static str>,
    /// Minimum size of a thread's stack in bytes (`PTHREAD_STACK_MIN` of glibc).
    pub minimum_stack: u32,
    /// Processor in GNU's name of the system (`config.guess`).
    pub gnu_cpu: &'static str,
    /// Vendor in GNU's name of the system.
    pub gnu_vendor: &'static str,
    /// Compiler option for this word size; empty where the compiler knows no other.
    pub compiler_option: &'static str,
    /// Library directories in `/` and `/usr` besides `lib`, of other word sizes and ABIs (`base-files`).
    pub multilib: &'static [&'static str],
    /// Programs that a machine of this architecture executes besides its own: `e_machine` and word size
    /// in bits.
    pub also_executes: &'static [(u16, u8)],
    /// The row that an architecture is like which the table does not have; empty for those of the table.
    pub like: &'static str,
}

impl Architecture {
    /// Returns the architecture that others call `name`, in letters of either case: other distributions, GNU, the kernel.
    #[must_use]
    pub fn by_other_name(name: &str) -> Option<&'static Self> {
        let is_it = |other: &&str| other.eq_ignore_ascii_case(name);
        let known = |arch: &&Self| arch.other_names.iter().any(is_it);
        let by_kernel = |arch: &&Self| [arch.uname, arch.triplet].iter().any(is_it);
        let mut all = ARCHITECTURES.iter();
        all.clone().find(known).or_else(|| all.find(by_kernel))
    }

    /// Returns the number of bytes of a time in records of last logins (`struct lastlog` of glibc's `bits/utmp.h`): that of a
    /// `time_t`, but for architectures whose 64-bit records are those of 32-bit programs (`__WORDSIZE_TIME64_COMPAT32` of
    /// `bits/wordsize.h`).
    #[must_use]
    pub fn login_time(&self) -> u8 {
        let own = matches!(
            self.family,
            Family::Alpha | Family::Arm | Family::Loongarch | Family::S390
        );
        if own && self.bits == 64 { 8 } else { 4 }
    }

    /// Returns the architecture that Debian calls `name`, or that this process was told of by this name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        let of_table = ARCHITECTURES.iter().find(|arch| arch.name == name);
        of_table.or_else(|| described::known(name))
    }

    /// Returns the word in which the shim learns of it.
    pub const fn word(&self) -> Word<'_> {
        Word(self)
    }

    /// Returns the architecture this program was built for, which is the one whose programs this machine
    /// executes.
    pub const fn native() -> &'static Self {
        NATIVE
    }

    /// Returns whether the most significant byte comes first.
    pub const fn is_big_endian(&self) -> bool {
        matches!(self.byte_order, ByteOrder::Big)
    }

    /// Returns fontconfig's name for the layout of its caches: byte order, word size, and the alignment of a
    /// double where that is not the word size's (`fcarch.h` of fontconfig).
    pub const fn fontconfig_name(&self) -> &'static str {
        match (self.bits, self.byte_order) {
            (64, ByteOrder::Little) => "le64",
            (64, ByteOrder::Big) => "be64",
            (_, ByteOrder::Little) if self.wide_alignment == 4 => "le32d4",
            (_, ByteOrder::Little) => "le32d8",
            (_, ByteOrder::Big) => "be32d8",
        }
    }

    /// Returns the parts of the name that GNU's configure gives to the system, joined by `-`: processor, vendor, system.
    pub fn system_type(&self) -> [&'static str; 3] {
        let (_, system) = self.triplet.split_once('-').unwrap_or_default();
        [self.gnu_cpu, self.gnu_vendor, system]
    }

    /// Returns LuaJIT's name of the processor (`lj_arch.h` in its source).
    pub fn luajit_name(&self) -> &'static str {
        match self.family {
            Family::X86 if self.bits == 64 => "x64",
            Family::X86 => "x86",
            Family::Arm if self.bits == 64 => "arm64",
            Family::Arm => "arm",
            Family::Power if self.bits == 64 => "ppc64",
            Family::Power => "ppc",
            _ => self.uname,
        }
    }

    /// Returns Node.js' name of the processor (`process.arch`, the documentation of process).
    pub fn node_name(&self) -> &'static str {
        match self.family {
            Family::X86 if self.bits == 64 => "x64",
            Family::X86 => "ia32",
            Family::Arm if self.bits == 64 => "arm64",
            Family::Arm => "arm",
            Family::Power if self.bits == 64 => "ppc64",
            Family::Power => "ppc",
            Family::Loongarch => "loong64",
            _ => self.gnu_cpu,
        }
    }
}

/// The architecture this program was built for.
pub const NATIVE: &Architecture = {
    let name = if cfg!(target_arch = "x86_64") {
        "amd64"
    } else if cfg!(target_arch = "aarch64") {
        "arm64"
    } else if cfg!(target_arch = "arm") {
        "armhf"
    } else if cfg!(target_arch = "x86") {
        "i386"
    } else if cfg!(target_arch = "loongarch64") {
        "loong64"
    } else if cfg!(all(target_arch = "powerpc64", target_endian = "little")) {
        "ppc64el"
    } else if cfg!(target_arch = "powerpc64") {
        "ppc64"
    } else if cfg!(target_arch = "powerpc") {
        "powerpc"
    } else if cfg!(target_arch = "riscv64") {
        "riscv64"
    } else if cfg!(target_arch = "s390x") {
        "s390x"
    } else if cfg!(target_arch = "sparc64") {
        "sparc64"
    } else if cfg!(target_arch = "mips64") {
        "mips64el"
    } else if cfg!(target_arch = "m68k") {
        "m68k"
    } else {
        panic!("this machine is no architecture of the table")
    };
    let mut at = 0;
    while !same(table::TABLE[at].name, name) {
        at += 1;
    }
    &table::TABLE[at]
};

/// Compares two strings where `==` is not available, at compile time.
const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for arch in ARCHITECTURES {
            assert_eq!(Architecture::by_name(arch.name), Some(arch));
        }
        assert!(Architecture::by_name("vax").is_none());
        for arch in ARCHITECTURES {
            for other in arch.other_names {
                assert_eq!(Architecture::by_other_name(other), Some(arch));
                assert!(Architecture::by_name(other).is_none(), "{other} is Debian's own");
            }
            let uname = Architecture::by_other_name(arch.uname).expect("known");
            // The kernel's name does not tell x32 from amd64.
            assert!(uname.bits == arch.bits || arch.name == "x32", "{arch}");
        }
        let arm = Architecture::by_other_name("ARMv7l").expect("known");
        assert_eq!(arm.name, "armhf");
    }

    #[test]
    fn the_native_one_is_this_machines() {
        let native = Architecture::native();
        assert_eq!(u32::from(native.bits), usize::BITS);
        assert_eq!(native.is_big_endian(), cfg!(target_endian = "big"));
        assert_eq!(native.signed_char, core::ffi::c_char::MIN != 0);
        assert_eq!(usize::from(native.wide_alignment), align_of::<Wide>());
        #[cfg(target_arch = "x86_64")]
        assert_eq!(native.name, "amd64");
    }

    /// An alignment in a structure, which is not that of the type alone on i386.
    #[repr(C)]
    struct Wide(u64);

    #[test]
    fn rows_are_sound() {
        for arch in ARCHITECTURES {
            assert!(matches!(arch.bits, 32 | 64), "{arch}");
            assert!(arch.loader.starts_with("/lib"), "{arch}");
            assert!(arch.triplet.contains("-linux-gnu"), "{arch}");
            assert_eq!(
                arch.bits == 64,
                arch.wide_alignment == 8 && arch.bits == 64,
                "{arch}"
            );
            // The triplet's processor is GNU's, but for i386.
            assert!(
                arch.triplet.starts_with(arch.gnu_cpu) || arch.name == "i386",
                "{arch}"
            );
        }
    }

    #[test]
    fn words_describe_what_the_table_lacks() {
        let word = "newport=riscv64,newport-linux-gnu,4660";
        let described = Described::of_word(word).unwrap();
        assert_eq!((described.name, described.elf_machine), ("newport", 4660));
        let arch = described.architecture();
        assert_eq!(std::format!("{}", arch.word()), word);
        assert_eq!(
            (arch.triplet, arch.uname, arch.bits),
            ("newport-linux-gnu", "newport", 64)
        );
        let known = Architecture::by_name("riscv64").unwrap();
        assert_eq!(std::format!("{}", known.word()), "riscv64");
        for word in ["riscv64", "a=vax,b,1", "a=riscv64,b", "a=riscv64,b,x"] {
            assert_eq!(Described::of_word(word), None, "{word}");
        }
    }

    #[test]
    fn layouts_of_fontconfig() {
        for (name, layout) in [
            ("riscv64", "le64"),
            ("s390x", "be64"),
            ("armhf", "le32d8"),
            ("i386", "le32d4"),
        ] {
            assert_eq!(Architecture::by_name(name).unwrap().fontconfig_name(), layout);
        }
    }

    #[test]
    fn names_of_node() {
        for (name, node) in [
            ("amd64", "x64"),
            ("i386", "ia32"),
            ("arm64", "arm64"),
            ("armhf", "arm"),
            ("ppc64el", "ppc64"),
            ("riscv64", "riscv64"),
            ("loong64", "loong64"),
            ("s390x", "s390x"),
        ] {
            assert_eq!(Architecture::by_name(name).unwrap().node_name(), node);
        }
    }
}
