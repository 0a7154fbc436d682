//! What the dynamic section of a native program says (elf(5)).

use deb_arch::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB, Layout, PT_DYNAMIC, PT_LOAD};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Libraries that load no others by themselves and have no directories of their own.
const PLAIN: [&[u8]; 29] = [
    b"libacl.so.1",
    b"libattr.so.1",
    b"libaudit.so.1",
    b"libblkid.so.1",
    b"libbz2.so.1.0",
    b"libc.so.6",
    b"libcap-ng.so.0",
    b"libcap.so.2",
    b"libcrypt.so.1",
    b"libcrypto.so.3",
    b"libdebconfclient.so.0",
    b"libgcc_s.so.1",
    b"libgmp.so.10",
    b"liblz4.so.1",
    b"liblzma.so.5",
    b"libm.so.6",
    b"libmd.so.0",
    b"libmount.so.1",
    b"libpcre2-8.so.0",
    b"libpthread.so.0",
    b"libreadline.so.8",
    b"librt.so.1",
    b"libselinux.so.1",
    b"libsmartcols.so.1",
    b"libstdc++.so.6",
    b"libtinfo.so.6",
    b"libuuid.so.1",
    b"libz.so.1",
    b"libzstd.so.1",
];

/// More than any program has.
const LARGEST: u64 = 1 << 24;

/// Whether the program may look for libraries elsewhere than in the system's directories:
/// because it says so, loads some by itself, or has a library that may. What cannot
/// be read may.
pub(crate) fn looks_elsewhere(program: &OsStr) -> bool {
    File::open(program)
        .ok()
        .and_then(|file| elsewhere(&file))
        .unwrap_or(true)
}

fn elsewhere(file: &File) -> Option<bool> {
    let mut head = [0; 64];
    file.read_exact_at(&mut head, 0).ok()?;
    // A program of this machine has its byte order; the class is in the header.
    let wide = match head.get(..5)? {
        [0x7f, b'E', b'L', b'F', class] => *class == 2,
        _ => return None,
    };
    let layout = Layout {
        wide,
        big_endian: cfg!(target_endian = "big"),
    };
    let table = layout.segments(&head)?;
    let headers = read(file, table.offset, table.entry_size.checked_mul(table.count)?)?;
    let mut loads = Vec::new();
    let mut dynamic = None;
    let size = usize::try_from(table.entry_size).ok().filter(|size| *size > 0)?;
    for header in headers.chunks_exact(size) {
        let segment = layout.segment(header)?;
        match segment.kind {
            PT_LOAD => loads.push(segment),
            PT_DYNAMIC => dynamic = Some(read(file, segment.offset, segment.in_file)?),
            _ => {}
        }
    }
    // A static program loads nothing.
    let Some(dynamic) = dynamic else {
        return Some(false);
    };
    let entries: Vec<(u64, u64)> = layout.dynamic(&dynamic).collect();
    let value = |wanted| {
        entries
            .iter()
            .find(|(tag, _)| *tag == wanted)
            .map(|(_, value)| *value)
    };
    if value(DT_RPATH).is_some() || value(DT_RUNPATH).is_some() {
        return Some(true);
    }
    let strings = value(DT_STRTAB)?;
    let segment = loads.iter().find(|segment| {
        strings
            .checked_sub(segment.address)
            .is_some_and(|offset| offset < segment.in_file)
    })?;
    let strings = read(file, strings - segment.address + segment.offset, value(DT_STRSZ)?)?;
    let text = |offset: u64| {
        let rest = strings.get(usize::try_from(offset).ok()?..)?;
        rest.split(|byte| *byte == 0).next()
    };
    let needed = entries.iter().filter(|(tag, _)| *tag == DT_NEEDED);
    let plain = needed
        .map(|(_, offset)| text(*offset))
        .all(|name| name.is_some_and(|name| PLAIN.contains(&name) || name.starts_with(b"ld-linux")));
    let loads_itself = strings.split(|byte| *byte == 0).any(|name| name == b"dlopen");
    Some(!plain || loads_itself)
}

fn read(file: &File, place: u64, length: u64) -> Option<Vec<u8>> {
    let length = usize::try_from(length).ok().filter(|_| length <= LARGEST)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, place).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_this_machine() {
        for plain in ["/usr/bin/env", "/bin/sh", "/bin/grep", "/usr/bin/mawk"] {
            if std::path::Path::new(plain).exists() {
                assert!(!looks_elsewhere(OsStr::new(plain)), "{plain}");
            }
        }
        // perl loads its modules.
        assert!(looks_elsewhere(OsStr::new("/usr/bin/perl")));
    }

    #[test]
    fn what_is_no_program() {
        let dir = std::env::temp_dir().join(format!("shim-elf-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for (name, bytes) in [
            ("empty", &b""[..]),
            ("short", b"\x7fELF\x02"),
            ("text", &[b'#'; 100]),
        ] {
            std::fs::write(dir.join(name), bytes).unwrap();
            assert!(looks_elsewhere(dir.join(name).as_os_str()), "{name}");
        }
        let mut absurd = [0xff; 64];
        absurd[..5].copy_from_slice(b"\x7fELF\x02");
        std::fs::write(dir.join("absurd"), absurd).unwrap();
        assert!(looks_elsewhere(dir.join("absurd").as_os_str()));
        assert!(looks_elsewhere(OsStr::new("/no/such/program")));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
