//! Properties that glibc's tools have compiled into them for one architecture: machine, word size, flags of libraries
//! in the cache, directories that are always searched.

use deb_arch::elf::Layout;
use deb_arch::{Architecture, Family};

/// `FLAG_ELF_LIBC6`: a library of glibc.
pub(crate) const LIBC6: u32 = 0x3;

/// Rule by which a library's flags in the cache follow from its ELF header (`readelflib.c` of glibc).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlagRule {
    /// One word size, no flags.
    Plain,
    /// The machine in the header decides.
    X86,
    /// 64 bits mean arm64; of 32 bits the header has the float ABI.
    Arm,
    /// Float ABI in the header.
    Riscv,
    /// Float ABI in the header, 64 bits only.
    Loongarch,
    /// Three ABIs and two kinds of NaN, all in the header.
    Mips,
    /// This flag for 64 bits, none for 32.
    Wide(u32),
}

/// Flags of a library in the cache, as its ELF header has them.
pub(crate) enum HeaderFlags {
    /// Exactly these.
    Set(u32),
    /// Those that the rest of the file implies; the header adds nothing.
    Keep,
    /// The library cannot be used.
    Unusable,
}

impl FlagRule {
    /// Returns the flags that follow from the word size, `e_machine` and `e_flags`.
    pub(crate) fn of(self, wide: bool, machine: u64, flags: u64) -> HeaderFlags {
        let set = |flag: u32| HeaderFlags::Set(LIBC6 | flag);
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
                _ => HeaderFlags::Unusable,
            },
            // EF_LARCH_OBJABI_V1 does not matter.
            (Self::Loongarch, _) => match flags & !0x40 {
                1 => set(0x1100),
                3 => set(0x1200),
                _ => HeaderFlags::Unusable,
            },
            // EF_MIPS_NAN2008 and EF_MIPS_ABI2.
            (Self::Mips, true) => set(if flags & 0x400 == 0 { 0x700 } else { 0xe00 }),
            (Self::Mips, false) => match (flags & 0x20, flags & 0x400) {
                (0, 0) => HeaderFlags::Keep,
                (0, _) => set(0xc00),
                (_, 0) => set(0x600),
                _ => set(0xd00),
            },
            (Self::Wide(flag), true) => set(flag),
            _ => HeaderFlags::Keep,
        }
    }
}

/// Properties of one architecture that glibc's tools are compiled for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abi {
    pub(crate) family: Family,
    /// Multiarch triplet.
    pub(crate) triplet: &'static str,
    /// Path of the dynamic loader.
    pub(crate) loader: &'static str,
    /// `e_machine`.
    pub(crate) machine: u16,
    /// 64-bit words (`ELFCLASS64`).
    pub(crate) wide: bool,
    pub(crate) big_endian: bool,
    /// Rule for the flags of a library.
    pub(crate) flags: FlagRule,
    /// Flag of its libraries in the cache, beside [`LIBC6`].
    pub(crate) cache_flag: u32,
    /// Bits of `e_flags` that libraries of the other float ABI have.
    pub(crate) other_float_abi: u32,
    /// Name of the object that the kernel maps into every process; none where there is none.
    pub(crate) vdso: Option<&'static str>,
    /// Whether C's `char` is signed, which decides the order of names that are not ASCII.
    pub(crate) signed_char: bool,
}

impl Abi {
    /// Returns the properties of an architecture.
    pub(crate) fn of(arch: &Architecture) -> Self {
        let flags = match arch.family {
            Family::X86 => FlagRule::X86,
            Family::Arm => FlagRule::Arm,
            Family::Riscv => FlagRule::Riscv,
            Family::Loongarch => FlagRule::Loongarch,
            Family::Mips => FlagRule::Mips,
            Family::Power => FlagRule::Wide(0x500),
            Family::S390 => FlagRule::Wide(0x400),
            Family::Sparc => FlagRule::Wide(0x100),
            Family::Alpha | Family::Hppa | Family::M68k | Family::Sh => FlagRule::Plain,
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

    /// Returns word size and byte order of its files.
    pub(crate) fn layout(&self) -> Layout {
        Layout {
            wide: self.wide,
            big_endian: self.big_endian,
        }
    }

    /// Returns the flags of the libraries that the loader takes from the cache.
    pub(crate) fn cache_flags(&self) -> u32 {
        LIBC6 | self.cache_flag
    }

    /// Returns the flags that the loader takes as well: those of libraries that fit either float ABI.
    pub(crate) fn plain_flags(&self) -> Option<u32> {
        (self.flags == FlagRule::Arm && !self.wide).then_some(LIBC6)
    }

    /// Returns the directories that are always searched: those of the dynamic loader as Debian builds it (glibc
    /// itself has two of its own).
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
