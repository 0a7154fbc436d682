//! ELF headers that stand for programs of another architecture.

use deb_arch::Architecture;
use deb_testing::Elf;

/// What an ELF header says about its machine (elf(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Debian's name of the architecture.
    pub debian: &'static str,
    /// The multiarch triplet.
    pub triplet: &'static str,
    /// `e_machine`.
    pub number: u16,
}

/// Architectures with 64 bits, little endian, that the tests use.
pub const MACHINES: [Machine; 4] = [
    Machine {
        debian: "amd64",
        triplet: "x86_64-linux-gnu",
        number: 62,
    },
    Machine {
        debian: "arm64",
        triplet: "aarch64-linux-gnu",
        number: 183,
    },
    Machine {
        debian: "riscv64",
        triplet: "riscv64-linux-gnu",
        number: 243,
    },
    Machine {
        debian: "loong64",
        triplet: "loongarch64-linux-gnu",
        number: 258,
    },
];

/// This machine, if it is one of [`MACHINES`].
#[must_use]
pub fn native() -> Option<Machine> {
    let name = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "loongarch64" => "loong64",
        other => other,
    };
    MACHINES.into_iter().find(|machine| machine.debian == name)
}

/// An architecture this machine cannot execute: riscv64, or arm64 on riscv64.
#[must_use]
pub fn foreign() -> Machine {
    let [_, arm64, riscv64, _] = MACHINES;
    if native() == Some(riscv64) { arm64 } else { riscv64 }
}

impl Machine {
    /// Everything known of the architecture.
    fn architecture(self) -> &'static Architecture {
        Architecture::by_name(self.debian).expect("machines are Debian architectures")
    }
}

/// A whole ELF file of `machine`: a header, one loadable segment and no code.
///
/// `text` is put behind the headers, so that two programs differ.
#[must_use]
pub fn stub(machine: Machine, text: &str) -> Vec<u8> {
    deb_testing::executable(machine.architecture(), text)
}

/// Where programs of `machine` name their dynamic loader.
#[must_use]
pub fn loader(machine: Machine) -> &'static str {
    machine.architecture().loader
}

/// An ELF file of `machine` with no code that needs libraries: a program with an
/// interpreter, or a library with a name of its own.
#[must_use]
pub fn linked(machine: Machine, soname: Option<&str>, needed: &[&str]) -> Vec<u8> {
    let elf = Elf {
        interpreter: soname.is_none().then(|| loader(machine)),
        soname,
        needed,
        ..Elf::default()
    };
    elf.bytes(machine.architecture())
}

/// `e_machine` of a file's first bytes, if they are an ELF header.
#[must_use]
pub fn machine_of(head: &[u8]) -> Option<u16> {
    let &[a, b, c, d] = head.get(..4)? else {
        return None;
    };
    let &[low, high] = head.get(18..20)? else {
        return None;
    };
    ([a, b, c, d] == *b"\x7fELF").then(|| match head.get(5) {
        Some(2) => u16::from_be_bytes([low, high]),
        _ => u16::from_le_bytes([low, high]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_is_an_elf_file_of_its_machine() {
        let file = stub(foreign(), "x");
        assert_eq!(file.len(), 121);
        assert_eq!(machine_of(&file), Some(foreign().number));
        assert_eq!(machine_of(b"#!/bin/sh\n"), None);
    }

    #[test]
    fn the_kernel_refuses_a_stub_of_another_machine() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("program");
        std::fs::write(&path, stub(MACHINES[3], "x")).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
        if native() != Some(MACHINES[3]) {
            assert!(
                std::process::Command::new(&path).status().is_err() || crate::probe::emulated(MACHINES[3])
            );
        }
    }
}
