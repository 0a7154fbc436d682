//! All files of a target at once, for formats that have to know further names of a file, or the size of the whole.

use super::{Error, Source};
use rootless_install_fs::{FileType, Stat};
use rustix::fs::{SeekFrom, seek};
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Least size in bytes of a file whose holes are looked for.
const SPARSE: u64 = 1 << 16;

/// All files of a target, in the order of the result.
pub(super) struct Files {
    /// Paths, and what the target's users see.
    pub(super) found: Vec<(PathBuf, Stat)>,
    /// The number of names in the target, and the position of the first, of files that the disk says to have several.
    several: HashMap<u64, (u32, usize)>,
}

impl Source<'_> {
    /// Finds all files of the target.
    ///
    /// # Errors
    /// Those of reading it, and [`Error::Cancelled`].
    pub(super) fn files(&self) -> Result<Files, Error> {
        let mut found = Vec::new();
        let mut several: HashMap<u64, (u32, usize)> = HashMap::new();
        for file in self.target.walk() {
            self.cancel.check()?;
            let (path, stat) = file?;
            if stat.nlink > 1 && stat.meta.kind != FileType::Directory {
                several.entry(stat.ino).or_insert((0, found.len())).0 += 1;
            }
            found.push((path, stat));
        }
        Ok(Files { found, several })
    }

    /// Returns the ranges of bytes in a regular file that are not in holes; the whole of a small one, and where the filesystem does not say.
    ///
    /// # Errors
    /// Those of opening it.
    pub(super) fn data(&self, path: &Path, stat: &Stat) -> Result<Vec<Range<u64>>, Error> {
        let whole = match stat.size {
            0 => Vec::new(),
            size => std::iter::once(0..size).collect(),
        };
        if stat.size < SPARSE {
            return Ok(whole);
        }
        let file = self.target.open_file(path)?;
        Ok(data(&file, stat.size).unwrap_or(whole))
    }
}

/// Returns the ranges of a file that are not in holes (lseek(2)).
fn data(file: &File, size: u64) -> rustix::io::Result<Vec<Range<u64>>> {
    let (mut ranges, mut at) = (Vec::<Range<u64>>::new(), 0);
    while at < size {
        let begin = match seek(file, SeekFrom::Data(at)) {
            Ok(begin) => begin,
            Err(rustix::io::Errno::NXIO) => break,
            Err(errno) => return Err(errno),
        };
        at = seek(file, SeekFrom::Hole(begin))?.max(begin + 1).min(size);
        match ranges.last_mut() {
            Some(last) if last.end == begin => last.end = at,
            _ if begin < at => ranges.push(begin..at),
            _ => (),
        }
    }
    Ok(ranges)
}

impl Files {
    /// Returns the number of names that a file has in the target.
    pub(super) fn names(&self, stat: &Stat) -> u32 {
        self.several.get(&stat.ino).map_or(1, |(names, _)| *names)
    }

    /// Returns the first name of a file; none where that is `path` itself.
    pub(super) fn first_name(&self, path: &Path, stat: &Stat) -> Option<&Path> {
        let (_, first) = self.several.get(&stat.ino)?;
        let (first, _) = self.found.get(*first)?;
        (first != path).then_some(first)
    }

    /// Whether a path is the first name of its file.
    pub(super) fn is_first(&self, path: &Path, stat: &Stat) -> bool {
        self.first_name(path, stat).is_none()
    }

    /// Returns the number of directories.
    pub(super) fn directories(&self) -> u64 {
        let kinds = self.found.iter().map(|(_, stat)| stat.meta.kind);
        kinds.filter(|kind| *kind == FileType::Directory).count() as u64
    }
}
