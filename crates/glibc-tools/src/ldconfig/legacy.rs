//! Subdirectories for hardware capabilities, as glibc up to 2.36 knew them.
//!
//! Names and bit numbers are those of its dl-procinfo of each architecture.

use crate::abi::Abi;
use deb_arch::Family;

/// A name, its bit, and whether a subdirectory of that name is scanned.
type Row = (&'static str, u32, bool);

/// Directory of libraries that use thread-local storage, and its bit.
const TLS: (&[u8], u32) = (b"tls", 63);

const X86: &[Row] = &[
    ("sse2", 0, true),
    ("x86_64", 1, true),
    ("avx512_1", 2, true),
    ("i586", 48, true),
    ("i686", 49, true),
    ("haswell", 50, true),
    ("xeon_phi", 51, true),
];
const ARM: &[Row] = &numbered(
    [
        "swp", "half", "thumb", "26bit", "fastmult", "fpa", "vfp", "edsp", "java", "iwmmxt", "crunch",
        "thumbee", "neon", "vfpv3", "vfpv3d16", "tls", "vfpv4", "idiva", "idivt", "vfpd32", "lpae",
        "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32",
    ],
    0,
    1 << 6 | 1 << 12,
);
const ARM64: &[Row] = &numbered(
    [
        "fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "atomics", "fphp", "asimdhp",
        "cpuid", "asimdrdm", "jscvt", "fcma", "lrcpc", "dcpop", "sha3", "sm3", "sm4", "asimddp", "sha512",
        "sve", "asimdfhm", "dit", "uscat", "ilrcpc", "flagm", "ssbs", "sb", "paca", "pacg",
    ],
    0,
    1 << 8,
);
const S390: &[Row] = &numbered(
    [
        "esan3", "zarch", "stfle", "msa", "ldisp", "eimm", "dfp", "edat", "etf3eh", "highgprs", "te", "vx",
        "vxd", "vxe", "gs", "vxe2", "vxp", "sort", "dflt", "vxp2", "nnpa", "pcimio", "sie",
    ],
    0,
    1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 11 | 1 << 13 | 1 << 15,
);
const S390_PLATFORMS: &[Row] = &numbered(
    [
        "g5", "z900", "z990", "z9-109", "z10", "z196", "zEC12", "z13", "z14", "z15", "z16",
    ],
    32,
    u64::MAX,
);
const POWER: &[Row] = &[
    ("ppcle", 0, false),
    ("true_le", 1, false),
    ("archpmu", 6, false),
    ("vsx", 7, false),
    ("arch_2_06", 8, false),
    ("power6x", 9, false),
    ("dfp", 10, true),
    ("pa6t", 11, false),
    ("arch_2_05", 12, false),
    ("ic_snoop", 13, false),
    ("smt", 14, false),
    ("booke", 15, false),
    ("cellbe", 16, false),
    ("power5+", 17, false),
    ("power5", 18, false),
    ("power4", 19, false),
    ("notb", 20, false),
    ("efpdouble", 21, false),
    ("efpsingle", 22, false),
    ("spe", 23, false),
    ("ucache", 24, false),
    ("4xxmac", 25, false),
    ("mmu", 26, false),
    ("fpu", 27, false),
    ("altivec", 28, true),
    ("ppc601", 29, false),
    ("ppc64", 30, false),
    ("ppc32", 31, false),
];
const POWER_PLATFORMS: &[Row] = &numbered(
    [
        "power4",
        "ppc970",
        "power5",
        "power5+",
        "power6",
        "ppc-cell-be",
        "power6x",
        "power7",
        "ppca2",
        "ppc405",
        "ppc440",
        "ppc464",
        "ppc476",
        "power8",
        "power9",
        "power10",
    ],
    32,
    u64::MAX,
);

/// Gives names consecutive bits from `first` on; `important` marks those whose subdirectories are scanned.
const fn numbered<const N: usize>(names: [&'static str; N], first: u32, important: u64) -> [Row; N] {
    let mut rows = [("", 0, false); N];
    let mut i = 0;
    while i < N {
        rows[i] = (names[i], first + i as u32, important >> i & 1 == 1);
        i += 1;
    }
    rows
}

/// Returns an architecture's capabilities, which are looked up first, and its platforms.
fn tables(abi: &Abi) -> [&'static [Row]; 2] {
    match abi.family {
        Family::X86 => [X86, &[]],
        Family::Arm if abi.wide => [ARM64, &[]],
        Family::Arm => [ARM, &[]],
        Family::S390 => [S390, S390_PLATFORMS],
        Family::Power => [POWER, POWER_PLATFORMS],
        Family::Alpha
        | Family::Hppa
        | Family::Loongarch
        | Family::M68k
        | Family::Mips
        | Family::Riscv
        | Family::Sh
        | Family::Sparc => [&[], &[]],
    }
}

/// Returns whether a subdirectory of this name has libraries for some machines only.
pub(super) fn is_capability(abi: &Abi, name: &[u8]) -> bool {
    let known = |rows: &[Row]| {
        rows.iter()
            .any(|(row, _, looked)| *looked && row.as_bytes() == name)
    };
    tables(abi).into_iter().any(known) || name == TLS.0
}

/// Returns the bits of the capabilities that the last components of a path name.
pub(super) fn capabilities(abi: &Abi, path: &[u8]) -> u64 {
    let tables = tables(abi);
    let bit = |name: &[u8]| {
        let named = |rows: &[Row]| {
            rows.iter()
                .find(|(row, _, _)| row.as_bytes() == name)
                .map(|row| row.1)
        };
        tables
            .into_iter()
            .find_map(named)
            .or_else(|| (name == TLS.0).then_some(TLS.1))
    };
    let mut rest = path;
    let mut bits = 0_u64;
    while let Some(slash) = rest.iter().rposition(|&b| b == b'/') {
        let Some(bit) = rest.get(slash + 1..).and_then(bit) else {
            break;
        };
        bits = bits.wrapping_add(1 << bit);
        rest = rest.get(..slash).unwrap_or_default();
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use deb_arch::Architecture;

    fn capabilities(arch: &str, path: &[u8]) -> u64 {
        super::capabilities(&Abi::of(Architecture::by_name(arch).unwrap()), path)
    }

    fn is_capability(arch: &str, name: &[u8]) -> bool {
        super::is_capability(&Abi::of(Architecture::by_name(arch).unwrap()), name)
    }

    #[test]
    fn paths_name_capabilities() {
        assert_eq!(
            capabilities("armhf", b"/usr/lib/arm-linux-gnueabihf/neon/vfp"),
            1 << 12 | 1 << 6
        );
        assert_eq!(capabilities("armhf", b"/usr/lib/tls"), 1 << 15);
        assert_eq!(capabilities("i386", b"/usr/lib/i686/sse2"), 1 << 49 | 1);
        assert_eq!(capabilities("amd64", b"/usr/lib/sse2/x"), 0);
        assert_eq!(capabilities("riscv64", b"/usr/lib/tls/tls"), 0);
        assert_eq!(capabilities("s390x", b"/lib/z13"), 1 << 39);
        assert!(is_capability("armhf", b"neon") && !is_capability("armhf", b"crunch"));
        assert!(is_capability("ppc64el", b"power9") && !is_capability("riscv64", b"power9"));
    }
}
