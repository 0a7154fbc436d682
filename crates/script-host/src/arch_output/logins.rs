//! Records of logins brought from one architecture's layout into another's.
//!
//! Both files have one C structure for each number of a user, in their order. `/var/log/faillog` (faillog(5), shadow's
//! `lib/faillog.h`): two `short`, a name of 12 bytes, a `time_t` and a `long`. `/var/log/lastlog` (glibc's `bits/utmp.h`): a time,
//! whose width is the architecture's, and two names of 288 bytes together. useradd of Debian 11 writes
//! empty ones for each user that it makes, if the files are there.

use deb_arch::{Architecture, ByteOrder};
use rootless_install_fs::Target;
use std::path::Path;

/// Bytes before the `time_t`: two `short` and a name.
const HEAD: usize = 16;
/// Bytes after the time of a last login: names of its line and host.
const NAMES: usize = 32 + 256;
/// Part of the names of glibc's functions for 64-bit times on architectures with 32-bit words.
const TIME64: &[u8] = b"time64\0";
/// Longest file that is converted, in bytes: users up to a million.
const LONGEST: usize = 64 << 20;

/// Kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Failed logins.
    Failed,
    /// Last logins.
    Last,
}

impl Kind {
    /// Both, with their files.
    pub(super) const ALL: [(Self, &str); 2] = [
        (Self::Failed, "/var/log/faillog"),
        (Self::Last, "/var/log/lastlog"),
    ];
}

/// The properties of a program on which the form of a record depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    order: ByteOrder,
    /// Bytes of the time of a last login.
    last: usize,
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
            last: usize::from(arch.login_time()),
            time,
            long,
            alignment: time.min(usize::from(arch.wide_alignment)).max(long),
        }
    }

    /// Size of a record.
    pub(super) fn size(self, kind: Kind) -> usize {
        match kind {
            Kind::Failed => (HEAD + self.time + self.long).next_multiple_of(self.alignment),
            Kind::Last => self.last + NAMES,
        }
    }

    /// Whether records of one size are the same in another layout: they have the same byte order.
    pub(super) fn is_alike(self, other: Self) -> bool {
        (self.order, self.time, self.long) == (other.order, other.time, other.long)
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
pub(super) fn convert(kind: Kind, data: &[u8], from: Layout, to: Layout) -> Result<Vec<u8>, String> {
    let (size, wanted) = (from.size(kind), to.size(kind));
    let records = data.chunks_exact(size);
    if !records.remainder().is_empty() {
        return Err(format!(
            "{} bytes are no whole number of records of {size} bytes",
            data.len(),
        ));
    }
    if records.len().saturating_mul(size.max(wanted)) > LONGEST {
        return Err(format!("more than {LONGEST} bytes are not converted"));
    }
    let mut out = Vec::with_capacity(records.len() * wanted);
    for record in records {
        match kind {
            Kind::Failed => failed(&mut out, record, from, to),
            Kind::Last => {
                let (time, names) = record.split_at(from.last);
                to.write(&mut out, from.read(time), to.last);
                out.extend_from_slice(names);
            }
        }
        out.resize(out.len().next_multiple_of(wanted), 0);
    }
    Ok(out)
}

/// Appends a record of failed logins in another layout, but for what comes after its end.
fn failed(out: &mut Vec<u8>, record: &[u8], from: Layout, to: Layout) {
    let (head, rest) = record.split_at(HEAD);
    let (shorts, name) = head.split_at(4);
    for short in shorts.chunks_exact(2) {
        to.write(out, from.read(short), 2);
    }
    out.extend_from_slice(name);
    let (time, rest) = rest.split_at(from.time);
    to.write(out, from.read(time), to.time);
    to.write(out, from.read(&rest[..from.long]), to.long);
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
            assert_eq!(layout(name, time64).size(Kind::Failed), size, "{name} {time64}");
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
        let small = convert(Kind::Failed, &big, s390x, i386).unwrap();
        let mut expected = vec![0; 24];
        expected.extend_from_slice(&[3, 0, 0xfe, 0xff]);
        expected.extend_from_slice(b"tty1\0\0\0\0\0\0\0\0");
        expected.extend_from_slice(&1_600_000_000_i32.to_le_bytes());
        expected.extend_from_slice(&(-5_i32).to_le_bytes());
        assert_eq!(small, expected);
        assert_eq!(convert(Kind::Failed, &small, i386, s390x).unwrap(), big);
        let padded = convert(Kind::Failed, &big, s390x, armhf).unwrap();
        assert_eq!((padded.len(), &padded[60..]), (64, &[0; 4][..]));
        assert_eq!(convert(Kind::Failed, &padded, armhf, s390x).unwrap(), big);
    }

    #[test]
    fn what_has_no_records_is_refused() {
        let [amd64, i386] = ["amd64", "i386"].map(|name| layout(name, false));
        assert_eq!(convert(Kind::Failed, &[], amd64, i386).unwrap(), Vec::<u8>::new());
        let error = convert(Kind::Failed, &[0; 40], amd64, i386).unwrap_err();
        assert!(error.contains("40 bytes"), "{error}");
        let error = convert(Kind::Failed, &vec![0; LONGEST + 32], amd64, i386).unwrap_err();
        assert!(error.contains("not converted"), "{error}");
    }

    #[test]
    fn last_logins_have_the_times_of_the_architecture() {
        // Of the references with emulation, whose lastlog has 101 records.
        for (name, size) in [("amd64", 292), ("i386", 292), ("arm64", 296), ("armhf", 292)] {
            assert_eq!(layout(name, false).size(Kind::Last), size, "{name}");
        }
        let [s390x, riscv64] = ["s390x", "riscv64"].map(|name| layout(name, false));
        let mut wide = vec![0; 296];
        wide.extend_from_slice(&1_600_000_000_i64.to_be_bytes());
        wide.extend_from_slice(&[b'x'; NAMES]);
        let narrow = convert(Kind::Last, &wide, s390x, riscv64).unwrap();
        let mut expected = vec![0; 292];
        expected.extend_from_slice(&1_600_000_000_i32.to_le_bytes());
        expected.extend_from_slice(&[b'x'; NAMES]);
        assert_eq!(narrow, expected);
        assert_eq!(convert(Kind::Last, &narrow, riscv64, s390x).unwrap(), wide);
    }
}
