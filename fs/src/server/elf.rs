//! Which executions are redirected: by the first bytes of the file, as elf(5) has them.

use super::ElfIdentity;

/// How much of a file is looked at: up to and with `e_machine`.
pub(super) const HEADER: usize = 20;

/// What a file is, to one who executes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Executable {
    /// An ELF file of this identity.
    Elf(ElfIdentity),
    /// Something else: a script, or nothing the kernel executes.
    Other,
}

/// Reads the first bytes of a file, at most [`HEADER`] of which matter.
pub(super) fn identify(header: &[u8]) -> Executable {
    let &[0x7f, b'E', b'L', b'F', class, data, ref rest @ ..] = header else {
        return Executable::Other;
    };
    // e_machine lies at 18, after e_ident and e_type.
    let Some(&[low, high]) = rest.get(12..14) else {
        return Executable::Other;
    };
    let big_endian = match data {
        1 => false,
        2 => true,
        _ => return Executable::Other,
    };
    let class_bits = match class {
        1 => 32,
        2 => 64,
        _ => return Executable::Other,
    };
    let machine = if big_endian {
        u16::from_be_bytes([low, high])
    } else {
        u16::from_le_bytes([low, high])
    };
    Executable::Elf(ElfIdentity {
        machine,
        class_bits,
        big_endian,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let mut header = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\xf3\0";
        let riscv = ElfIdentity {
            machine: 243,
            class_bits: 64,
            big_endian: false,
        };
        assert_eq!(identify(&header), Executable::Elf(riscv));
        for len in 0..header.len() {
            assert_eq!(identify(&header[..len]), Executable::Other);
        }
        (header[5], header[18], header[19]) = (2, 0, 22);
        let s390x = ElfIdentity {
            machine: 22,
            class_bits: 64,
            big_endian: true,
        };
        assert_eq!(identify(&header), Executable::Elf(s390x));
        header[4] = 9;
        assert_eq!(identify(&header), Executable::Other);
        assert_eq!(identify(b"#!/bin/sh\necho hello world\n"), Executable::Other);
    }
}
