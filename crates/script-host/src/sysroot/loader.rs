//! Programs that ask for another dynamic loader than glibc's: those of klibc, or of musl.
//!
//! The kernel looks for it in the root directory of scripts, which has the target's at another path or not at all. So the
//! path that such a program names (the segment `PT_INTERP`, elf(5)) is made one of the sysroot.

use deb_arch::Architecture;
use deb_arch::elf::{Layout, PT_INTERP};
use shim_protocol::paths;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Longest path of a loader, and most bytes of program headers.
const LONGEST: u64 = 1 << 16;

/// Makes the program in `file` ask for its loader in the sysroot. What is no program of this machine, or has glibc's
/// loader, stays as it is.
///
/// # Errors
/// Those of writing the file.
pub(super) fn lead_to_sysroot(file: &File) -> io::Result<()> {
    let Some((row, layout, path)) = find(file) else {
        return Ok(());
    };
    let native = Architecture::native().loader;
    let name = |path: &str| path.rsplit('/').next().map(str::to_owned);
    if !path.starts_with("/lib") && !path.starts_with("/usr/lib") || name(&path) == name(native) {
        return Ok(());
    }
    let below = path.strip_prefix("/usr").unwrap_or(&path);
    let wanted = format!("{}/usr{below}\0", paths::SYSROOT);
    // Its place is the end of the file, which is not mapped: the kernel reads it from there.
    let end = file.metadata()?.len();
    file.write_all_at(wanted.as_bytes(), end)?;
    let length = wanted.len() as u64;
    let (offset, in_file) = if layout.wide { (8, 32) } else { (4, 16) };
    for (at, value) in [(offset, end), (in_file, length)] {
        let bytes = match (layout.wide, layout.big_endian) {
            (true, false) => value.to_le_bytes().to_vec(),
            (true, true) => value.to_be_bytes().to_vec(),
            (false, big) => {
                let value = u32::try_from(value).map_err(io::Error::other)?;
                let bytes = if big {
                    value.to_be_bytes()
                } else {
                    value.to_le_bytes()
                };
                bytes.to_vec()
            }
        };
        file.write_all_at(&bytes, row + at)?;
    }
    Ok(())
}

/// Returns the place of the program header that names the loader, the file's layout, and that path.
fn find(file: &File) -> Option<(u64, Layout, String)> {
    let mut head = [0; 64];
    file.read_exact_at(&mut head, 0).ok()?;
    let identity = deb_arch::elf::ElfIdentity::of_header(&head)?;
    if identity != Architecture::native().elf_identity() {
        return None;
    }
    let layout = Layout::of_header(&head)?;
    let table = layout.segments(&head)?;
    let read = |place: u64, length: u64| {
        let length = usize::try_from(length).ok().filter(|_| length <= LONGEST)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, place).ok()?;
        Some(bytes)
    };
    let rows = read(table.offset, table.entry_size.checked_mul(table.count)?)?;
    let size = usize::try_from(table.entry_size).ok().filter(|size| *size > 0)?;
    for (number, row) in (0..).zip(rows.chunks_exact(size)) {
        let segment = layout.segment(row)?;
        if segment.kind == PT_INTERP {
            let path = read(segment.offset, segment.in_file)?;
            let path = path.split(|byte| *byte == 0).next()?;
            let path = String::from_utf8(path.to_vec()).ok()?;
            return Some((table.offset + number * table.entry_size, layout, path));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program of this machine that names a loader.
    fn program(loader: &str) -> File {
        let mut image = std::fs::read("/proc/self/exe").unwrap();
        image.truncate(4096);
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&image, 0).unwrap();
        let (row, layout, _) = find_in(&image, &file);
        let end = image.len() as u64;
        file.write_all_at(loader.as_bytes(), end).unwrap();
        let (offset, in_file, width) = if layout.wide { (8, 32, 8) } else { (4, 16, 4) };
        for (at, value) in [(offset, end), (in_file, loader.len() as u64)] {
            let bytes = if layout.big_endian {
                value.to_be_bytes()[8 - width..].to_vec()
            } else {
                value.to_le_bytes()[..width].to_vec()
            };
            file.write_all_at(&bytes, row + at).unwrap();
        }
        file
    }

    fn find_in(image: &[u8], file: &File) -> (u64, Layout, String) {
        // The test program's own loader is near its start.
        assert!(image.len() <= 4096);
        find(file).unwrap()
    }

    fn length(file: &File) -> u64 {
        file.metadata().unwrap().len()
    }

    #[test]
    fn a_loader_of_its_own_is_found_in_the_sysroot() {
        let file = program("/lib/klibc-abc.so\0");
        lead_to_sysroot(&file).unwrap();
        let (.., path) = find(&file).unwrap();
        assert_eq!(path, format!("{}/usr/lib/klibc-abc.so", paths::SYSROOT));
        // And once only.
        let before = length(&file);
        lead_to_sysroot(&file).unwrap();
        assert_eq!(length(&file), before);
    }

    #[test]
    fn what_has_glibcs_loader_or_none_stays() {
        let file = program(&format!("{}\0", Architecture::native().loader));
        let before = length(&file);
        lead_to_sysroot(&file).unwrap();
        assert_eq!(length(&file), before);
        for content in [&b"#!/bin/sh\n"[..], b"", b"\x7fELF"] {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(content, 0).unwrap();
            lead_to_sysroot(&file).unwrap();
            assert_eq!(length(&file), content.len() as u64);
        }
    }
}
