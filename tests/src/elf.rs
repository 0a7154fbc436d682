//! ELF headers that stand for programs of another architecture.

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

/// A whole ELF file of `machine`: a header, one loadable segment and no code.
///
/// `text` is put behind the headers, so that two programs differ.
#[must_use]
pub fn stub(machine: Machine, text: &str) -> Vec<u8> {
    let mut file = Vec::with_capacity(256);
    file.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.extend_from_slice(&2_u16.to_le_bytes()); // ET_EXEC
    file.extend_from_slice(&machine.number.to_le_bytes());
    file.extend_from_slice(&1_u32.to_le_bytes()); // EV_CURRENT
    file.extend_from_slice(&0x1_0078_u64.to_le_bytes()); // e_entry
    file.extend_from_slice(&64_u64.to_le_bytes()); // e_phoff
    file.extend_from_slice(&0_u64.to_le_bytes()); // e_shoff
    file.extend_from_slice(&0_u32.to_le_bytes()); // e_flags
    for half in [64_u16, 56, 1, 64, 0, 0] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    let size = 120 + text.len() as u64;
    file.extend_from_slice(&1_u32.to_le_bytes()); // PT_LOAD
    file.extend_from_slice(&5_u32.to_le_bytes()); // r-x
    for word in [0_u64, 0x1_0000, 0x1_0000, size, size, 0x1000] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(text.as_bytes());
    file
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
