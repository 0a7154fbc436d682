//! Compilers.

use super::line;
use crate::paths::Architecture;
use std::ffi::OsString;

/// gcc(1), clang(1): the options that print the machine programs are compiled for.
pub(super) fn machine(arch: &Architecture, arguments: &[OsString]) -> Option<Vec<u8>> {
    let asked = |option: &str| arguments.iter().any(|argument| argument == option);
    // Debian's compilers for i386 make programs for i686.
    let (_, system) = arch.triplet.split_once('-').unwrap_or_default();
    let machine = format!("{}-{system}", arch.gnu_cpu);
    if asked("-dumpmachine") {
        return Some(line(&machine));
    }
    (asked("-print-multiarch") || asked("--print-multiarch")).then(|| line(arch.triplet))
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;

    #[test]
    fn machines_of_compilers() {
        for compiler in ["gcc", "gcc-14", "riscv64-linux-gnu-gcc-14", "g++", "cpp-14"] {
            let path = format!("/usr/bin/{compiler}");
            assert_eq!(told(&path, &["-dumpmachine"]).unwrap(), "riscv64-linux-gnu\n");
        }
        assert_eq!(
            told("/usr/bin/gcc", &["-print-multiarch"]).unwrap(),
            "riscv64-linux-gnu\n"
        );
        assert_eq!(told("/usr/bin/gcc", &["--version"]), None);
    }
}
