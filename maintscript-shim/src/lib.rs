//! The shim and the library map as bytes, for whoever embeds them: always found, and always the ones that belong
//! to that program.
//!
//! The shim's own code is the program beside this library (`main.rs`), that of the library map the directory
//! `library-map`; the build script compiles both for the architecture of the program that embeds them.

/// The shim, a static program: every redirected execution and every chrootless wrapper enters it.
pub static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/maintscript-shim"));

/// The library map, a module of the dynamic loader (rtld-audit(7)): it tells native programs where their libraries
/// are, and needs the C library only.
pub static LIBRARY_MAP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/library-map.so"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shim_is_static_and_native() {
        assert_eq!(PROGRAM.get(..4), Some(&b"\x7fELF"[..]));
        let number = |at: usize, length: usize| {
            let bytes = PROGRAM.get(at..at + length).unwrap();
            let digits = bytes.iter().map(|byte| usize::from(*byte));
            match cfg!(target_endian = "big") {
                true => digits.fold(0, |number, byte| number << 8 | byte),
                false => digits.rev().fold(0, |number, byte| number << 8 | byte),
            }
        };
        // Offset, size and number of the program headers (elf(5)).
        let (table, size, count) = match PROGRAM.get(4) {
            Some(2) => (number(0x20, 8), number(0x36, 2), number(0x38, 2)),
            _ => (number(0x1c, 4), number(0x2a, 2), number(0x2c, 2)),
        };
        let types: Vec<usize> = (0..count).map(|at| number(table + at * size, 4)).collect();
        const PT_LOAD: usize = 1;
        const PT_INTERP: usize = 3;
        assert!(
            types.contains(&PT_LOAD) && !types.contains(&PT_INTERP),
            "{types:?}"
        );
    }

    /// It is loaded by the C library of the sysroot, which may be an old one.
    #[test]
    fn the_library_map_needs_the_c_library_only() {
        assert_eq!(LIBRARY_MAP.get(..4), Some(&b"\x7fELF"[..]));
        let has = |text: &[u8]| LIBRARY_MAP.windows(text.len()).any(|window| window == text);
        assert!(has(b"la_objsearch") && has(b"libc.so.6"));
        let recent = if cfg!(target_arch = "x86_64") {
            "GLIBC_2.3"
        } else {
            "GLIBC_2.9"
        };
        for other in ["libgcc_s", "ld-linux", "rust_eh_personality", recent] {
            assert!(!has(other.as_bytes()), "{other}");
        }
    }
}
