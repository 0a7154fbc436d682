//! The file that `fakeroot -s` writes: a line for each file by device and inode number.

use crate::commands::Error;
use rootless_install_fs::FileType;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What fakeroot knows of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// A device or pipe; none for the kind on the disk.
    pub(super) kind: Option<FileType>,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What fakeroot knows.
#[derive(Debug)]
pub(super) struct Fakeroot(HashMap<(u64, u64), Known>);

impl Fakeroot {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::Adopt {
            path: path.to_owned(),
            source,
        })?;
        let mut known = HashMap::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (id, file) = parse(line).ok_or_else(|| Error::Fakeroot {
                path: path.to_owned(),
                line: line.to_owned(),
            })?;
            known.insert(id, file);
        }
        Ok(Self(known))
    }

    pub(super) fn get(&self, seen: &fs::Metadata) -> Option<Known> {
        self.0.get(&(seen.dev(), seen.ino())).copied()
    }
}

/// Parses `dev=HEX,ino=N,mode=OCTAL,uid=N,gid=N,nlink=N,rdev=N`.
fn parse(line: &str) -> Option<((u64, u64), Known)> {
    let fields: HashMap<&str, &str> = line
        .trim()
        .split(',')
        .filter_map(|field| field.split_once('='))
        .collect();
    let number = |name: &str, radix| u64::from_str_radix(fields.get(name)?, radix).ok();
    let small = |name: &str, radix| u32::try_from(number(name, radix)?).ok();
    let mode = small("mode", 8)?;
    let device = number("rdev", 10).unwrap_or_default();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let kind = match mode & 0o170_000 {
        0o020_000 => Some(FileType::CharDevice { major, minor }),
        0o060_000 => Some(FileType::BlockDevice { major, minor }),
        0o010_000 => Some(FileType::Fifo),
        0o140_000 => Some(FileType::Socket),
        _ => None,
    };
    let known = Known {
        kind,
        mode: mode & 0o7777,
        uid: small("uid", 10)?,
        gid: small("gid", 10)?,
    };
    Some(((number("dev", 16)?, number("ino", 10)?), known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_parsed() {
        let line = "dev=fe01,ino=1234,mode=104755,uid=0,gid=42,nlink=1,rdev=0";
        let known = Known {
            kind: None,
            mode: 0o4755,
            uid: 0,
            gid: 42,
        };
        assert_eq!(parse(line), Some(((0xfe01, 1234), known)));
        let device = parse("dev=1,ino=2,mode=20666,uid=0,gid=0,nlink=1,rdev=259")
            .unwrap()
            .1;
        assert_eq!(device.kind, Some(FileType::CharDevice { major: 1, minor: 3 }));
        assert_eq!((parse(""), parse("dev=x,ino=1,mode=1,uid=0,gid=0")), (None, None));
    }
}
