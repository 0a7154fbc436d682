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

/// Where programs of `machine` name their dynamic loader.
#[must_use]
pub fn loader(machine: Machine) -> &'static str {
    match machine.debian {
        "amd64" => "/lib64/ld-linux-x86-64.so.2",
        "arm64" => "/lib/ld-linux-aarch64.so.1",
        "loong64" => "/lib64/ld-linux-loongarch-lp64d.so.1",
        _ => "/lib/ld-linux-riscv64-lp64d.so.1",
    }
}

/// An ELF file of `machine` with no code that needs libraries: a program with an
/// interpreter, or a library with a name of its own.
#[must_use]
pub fn linked(machine: Machine, soname: Option<&str>, needed: &[&str]) -> Vec<u8> {
    const BASE: u64 = 0x1_0000;
    let flags: u32 = match machine.debian {
        "riscv64" => 5,
        "loong64" => 0x43,
        _ => 0,
    };
    let mut strings = vec![0_u8];
    let mut string = |text: &str| {
        let at = strings.len() as u64;
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        at
    };
    let mut entries: Vec<(u64, u64)> = needed.iter().map(|name| (1, string(name))).collect();
    entries.extend(soname.map(|name| (14, string(name))));
    let interpreter = string(loader(machine));
    let strings_at = 64 + 3 * 56_u64;
    entries.extend([(5, BASE + strings_at), (0, 0)]);
    let dynamic_at = (strings_at + strings.len() as u64).next_multiple_of(8);
    let dynamic_size = 16 * entries.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend_from_slice(&3_u16.to_le_bytes()); // ET_DYN
    file.extend_from_slice(&machine.number.to_le_bytes());
    file.extend_from_slice(&1_u32.to_le_bytes()); // EV_CURRENT
    for word in [0_u64, 64, 0] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(&flags.to_le_bytes());
    for half in [64_u16, 56, 3, 64, 0, 0] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    let end = dynamic_at + dynamic_size;
    let length = loader(machine).len() as u64 + 1;
    // PT_LOAD, PT_DYNAMIC, and PT_INTERP or PT_NULL.
    let third = if soname.is_none() { 3 } else { 0 };
    for (kind, at, size) in [
        (1_u32, 0, end),
        (2, dynamic_at, dynamic_size),
        (third, strings_at + interpreter, length),
    ] {
        file.extend_from_slice(&kind.to_le_bytes());
        file.extend_from_slice(&5_u32.to_le_bytes());
        for word in [at, BASE + at, BASE + at, size, size, 8] {
            file.extend_from_slice(&word.to_le_bytes());
        }
    }
    file.extend_from_slice(&strings);
    file.resize(usize::try_from(dynamic_at).unwrap_or(0), 0);
    for (tag, value) in entries {
        file.extend_from_slice(&tag.to_le_bytes());
        file.extend_from_slice(&value.to_le_bytes());
    }
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
