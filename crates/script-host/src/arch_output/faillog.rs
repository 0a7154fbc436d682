//! Records of failed logins brought from one architecture's layout into another's.
//!
//! `/var/log/faillog` has one C structure for each number of a user, in their order (faillog(5), shadow's
//! `lib/faillog.h`): two `short`, a name of 12 bytes, a `time_t` and a `long`. useradd of Debian 11 writes
//! an empty one for each user that it makes, if the file is there.

use deb_arch::{Architecture, ByteOrder};
use rootless_install_fs::Target;
use std::path::Path;

/// Bytes before the `time_t`: two `short` and a name.
const HEAD: usize = 16;
/// Part of the names of glibc's functions for 64-bit times on architectures with 32-bit words.
const TIME64: &[u8] = b"time64\0";
/// Longest file that is converted, in bytes: users up to a million.
const LONGEST: usize = 64 << 20;

/// The properties of a program on which the form of a record depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    order: ByteOrder,
    /// Bytes of a `time_t`.
    time: usize,
    /// Bytes of a `long`.
    long: usize,
    /// Alignment of a record, in bytes.
    alignment: usize,
}

impl Layout {
    /// Returns the layout of this machine's programs.
    pub(super) fn native() -> Self {
        Self::of(Architecture::native(), false)
    }

    /// Returns the layout of a program of the target. Where words have 32 bits, times have 64 if it calls glibc's
    /// functions for them.
    pub(super) fn of_program(target: &Target, arch: &Architecture, program: &Path) -> Self {
        let calls_time64 = || {
            target
                .read(program)
                .is_ok_and(|bytes| bytes.windows(TIME64.len()).any(|name| name == TIME64))
        };
        Self::of(arch, arch.bits == 32 && calls_time64())
    }

    fn of(arch: &Architecture, time64: bool) -> Self {
        let long = usize::from(arch.bits / 8);
        let time = if time64 { 8 } else { long };
        Self {
            order: arch.byte_order,
            time,
            long,
            alignment: time.min(usize::from(arch.wide_alignment)).max(long),
        }
    }

    /// Size of a record.
    pub(super) fn size(self) -> usize {
        (HEAD + self.time + self.long).next_multiple_of(self.alignment)
    }

    fn read(self, bytes: &[u8]) -> i64 {
        let sign = |top: u8| if top & 0x80 == 0 { 0 } else { 0xff };
        let mut wide = match self.order {
            ByteOrder::Little => [sign(bytes.last().copied().unwrap_or(0)); 8],
            ByteOrder::Big => [sign(bytes.first().copied().unwrap_or(0)); 8],
        };
        match self.order {
            ByteOrder::Little => {
                wide[..bytes.len()].copy_from_slice(bytes);
                i64::from_le_bytes(wide)
            }
            ByteOrder::Big => {
                wide[8 - bytes.len()..].copy_from_slice(bytes);
                i64::from_be_bytes(wide)
            }
        }
    }

    /// Appends the low `size` bytes of a number.
    fn write(self, out: &mut Vec<u8>, number: i64, size: usize) {
        match self.order {
            ByteOrder::Little => out.extend_from_slice(&number.to_le_bytes()[..size]),
            ByteOrder::Big => out.extend_from_slice(&number.to_be_bytes()[8 - size..]),
        }
    }
}

/// Returns the same records in another layout.
///
/// # Errors
/// When the file has no whole number of records, or would be too long; in words.
pub(super) fn convert(data: &[u8], from: Layout, to: Layout) -> Result<Vec<u8>, String> {
    let records = data.chunks_exact(from.size());
    if !records.remainder().is_empty() {
        return Err(format!(
            "{} bytes are no whole number of records of {} bytes",
            data.len(),
            from.size()
        ));
    }
    if records.len().saturating_mul(from.size().max(to.size())) > LONGEST {
        return Err(format!("more than {LONGEST} bytes are not converted"));
    }
    let mut out = Vec::with_capacity(records.len() * to.size());
    for record in records {
        let (head, rest) = record.split_at(HEAD);
        let (shorts, name) = head.split_at(4);
        for short in shorts.chunks_exact(2) {
            to.write(&mut out, from.read(short), 2);
        }
        out.extend_from_slice(name);
        let (time, rest) = rest.split_at(from.time);
        to.write(&mut out, from.read(time), to.time);
        to.write(&mut out, from.read(&rest[..from.long]), to.long);
        out.resize(out.len().next_multiple_of(to.size()), 0);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(name: &str, time64: bool) -> Layout {
        Layout::of(Architecture::by_name(name).unwrap(), time64)
    }

    // A record as the C compilers of the architectures lay it out.
    #[test]
    fn sizes_are_those_of_the_structure() {
        let sizes = [
            ("amd64", false, 32),
            ("s390x", false, 32),
            ("i386", false, 24),
            ("armhf", false, 24),
            ("armhf", true, 32),
            ("i386", true, 28),
            ("m68k", true, 28),
        ];
        for (name, time64, size) in sizes {
            assert_eq!(layout(name, time64).size(), size, "{name} {time64}");
        }
    }

    #[test]
    fn records_keep_what_they_say() {
        let mut big = vec![0; 32];
        big.extend_from_slice(&[0, 3, 0xff, 0xfe]);
        big.extend_from_slice(b"tty1\0\0\0\0\0\0\0\0");
        big.extend_from_slice(&1_600_000_000_i64.to_be_bytes());
        big.extend_from_slice(&(-5_i64).to_be_bytes());
        let [s390x, i386, armhf] =
            [("s390x", false), ("i386", false), ("armhf", true)].map(|(a, b)| layout(a, b));
        let small = convert(&big, s390x, i386).unwrap();
        let mut expected = vec![0; 24];
        expected.extend_from_slice(&[3, 0, 0xfe, 0xff]);
        expected.extend_from_slice(b"tty1\0\0\0\0\0\0\0\0");
        expected.extend_from_slice(&1_600_000_000_i32.to_le_bytes());
        expected.extend_from_slice(&(-5_i32).to_le_bytes());
        assert_eq!(small, expected);
        assert_eq!(convert(&small, i386, s390x).unwrap(), big);
        let padded = convert(&big, s390x, armhf).unwrap();
        assert_eq!((padded.len(), &padded[60..]), (64, &[0; 4][..]));
        assert_eq!(convert(&padded, armhf, s390x).unwrap(), big);
    }

    #[test]
    fn what_has_no_records_is_refused() {
        let [amd64, i386] = ["amd64", "i386"].map(|name| layout(name, false));
        assert_eq!(convert(&[], amd64, i386).unwrap(), Vec::<u8>::new());
        let error = convert(&[0; 40], amd64, i386).unwrap_err();
        assert!(error.contains("40 bytes"), "{error}");
        let error = convert(&vec![0; LONGEST + 32], amd64, i386).unwrap_err();
        assert!(error.contains("not converted"), "{error}");
    }
}
