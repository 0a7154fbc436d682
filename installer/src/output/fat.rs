//! FAT filesystems, made by mkfs.fat(8) and filled by mtools(1), which needs neither a mount nor rights.
//!
//! Always FAT32, which every firmware and boot loader reads. Files get their times one by one: mtools takes what it
//! shall take for now, so a call of it is for files of one directory and one time.

use super::maker::{Call, Maker};
use super::{Error, ImageOptions, Source};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

const MKFS: Maker = Maker {
    program: "mkfs.fat",
    package: "dosfstools",
    makes: "FAT filesystems",
};
const MCOPY: Maker = Maker {
    program: "mcopy",
    package: "mtools",
    makes: "FAT filesystems",
};
const MMD: Maker = Maker {
    program: "mmd",
    ..MCOPY
};

const MLABEL: Maker = Maker {
    program: "mlabel",
    ..MCOPY
};

/// Size of a sector in bytes.
const SECTOR: u64 = 512;
/// Filesystems have a whole number of these bytes.
const STEP: u64 = 1 << 20;
/// With less, there would be fewer clusters than a FAT32 has.
const LEAST: u64 = 36 << 20;
/// Sectors before the first allocation table.
const RESERVED: u64 = 32;
/// Files that are told to mtools at once.
const AT_ONCE: usize = 200;
/// Files are smaller than this.
const LARGEST: u64 = 1 << 32;
/// First and last time that the filesystem has: the years 1980 and 2107.
const TIMES: (i64, i64) = (315_532_800, 4_354_819_198);

/// A file or directory of a filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path, without a `/` before it. A directory is before what is in it.
    pub(super) path: String,
    /// The file on the disk with its content, whose name is that of the entry, and its size in bytes; none for a
    /// directory.
    pub(super) content: Option<(PathBuf, u64)>,
    /// Its time, in seconds since 1970.
    pub(super) time: i64,
}

/// A filesystem that is to be made.
pub(super) struct Fat<'a> {
    /// Everything in it.
    pub(super) entries: &'a [Entry],
    /// Its label; none for none.
    pub(super) label: Option<&'a str>,
    /// A UUID, whose beginning is the serial number.
    pub(super) uuid: &'a str,
}

/// Checks that the programs are there, and that the options can be.
///
/// # Errors
/// [`Error::NoMaker`], [`Error::Label`], [`Error::TooSmall`].
pub(super) fn check(options: &ImageOptions) -> Result<(), Error> {
    for maker in [MKFS, MCOPY, MMD, MLABEL] {
        maker.find()?;
    }
    match options.size {
        Some(size) if size < LEAST => Err(Error::TooSmall { size, needed: LEAST }),
        _ => Ok(()),
    }
}

/// Returns a time as the filesystem has it.
pub(super) fn time(time: i64) -> i64 {
    time.clamp(TIMES.0, TIMES.1)
}

impl Fat<'_> {
    /// Returns the bytes that a filesystem with `free` bytes besides needs.
    pub(super) fn need(&self, free: u64) -> u64 {
        let mut size = LEAST;
        loop {
            let cluster = sectors_of_cluster(size);
            let needed = self.need_with(cluster * SECTOR, free).max(LEAST);
            if sectors_of_cluster(needed) == cluster {
                return needed;
            }
            // A smaller one would have smaller clusters, and need more.
            if needed < size {
                return size;
            }
            size = needed;
        }
    }

    /// Returns the bytes that a filesystem with clusters of so many bytes needs.
    fn need_with(&self, cluster: u64, free: u64) -> u64 {
        // Bytes of the entries of each directory; `.` and `..`, or the label.
        let mut directories: HashMap<&str, u64> = HashMap::from([("", 64)]);
        let mut clusters = free.div_ceil(cluster) + 2;
        for entry in self.entries {
            let (parent, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
            let length = name.encode_utf16().count() as u64;
            *directories.entry(parent).or_insert(64) += 32 * (1 + length.div_ceil(13));
            match &entry.content {
                Some((_, size)) => clusters += size.div_ceil(cluster),
                None => {
                    directories.entry(&entry.path).or_insert(64);
                }
            }
        }
        clusters += directories
            .values()
            .map(|bytes| bytes.div_ceil(cluster))
            .sum::<u64>();
        let tables = 2 * (clusters * 4).div_ceil(SECTOR);
        // mkfs.fat rounds its tables up.
        ((RESERVED + tables + 64) * SECTOR + clusters * cluster).next_multiple_of(STEP)
    }

    /// Makes the filesystem of `size` bytes in a file that is not there yet.
    ///
    /// # Errors
    /// [`Error::TooSmall`], [`Error::TooLarge`], a name that cannot be, those of the programs, [`Error::Cancelled`].
    pub(super) fn make(&self, source: &Source<'_>, image: &Path, size: u64) -> Result<(), Error> {
        self.check_names()?;
        let needed = self.need_with(sectors_of_cluster(size) * SECTOR, 0).max(LEAST);
        if size < needed {
            return Err(Error::TooSmall { size, needed });
        }
        let file = File::create_new(image).map_err(Error::Write)?;
        file.set_len(size).map_err(Error::Write)?;
        drop(file);
        let log = source.scratch.join("mkfs.fat.log");
        let mut call = MKFS.call(time(source.time()), &log)?;
        let serial: String = self
            .uuid
            .chars()
            .filter(char::is_ascii_hexdigit)
            .take(8)
            .collect();
        call.args([
            "-F",
            "32",
            "-S",
            "512",
            "-s",
            &sectors_of_cluster(size).to_string(),
        ])
        .args(["-i", &serial]);
        call.args([image]);
        call.output()?;
        if let Some(label) = self.label {
            // mkfs.fat would give it the time that it is.
            let mut call = mtools(MLABEL, source, time(source.time()), image)?;
            call.args([format!("::{label}")]);
            call.output()?;
        }
        // All directories first, and each before what is in it.
        let alike = |entry: &Entry| {
            (
                entry.content.is_some(),
                parent(&entry.path).to_owned(),
                entry.time,
            )
        };
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_by_cached_key(|entry| (alike(entry), entry.path.clone()));
        for group in entries.chunk_by(|a, b| alike(a) == alike(b)) {
            for part in group.chunks(AT_ONCE) {
                source.cancel.check()?;
                fill(source, image, part)?;
            }
        }
        Ok(())
    }

    /// Checks that every entry can be named, and that no two names are one.
    fn check_names(&self) -> Result<(), Error> {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for entry in self.entries {
            let name = entry.path.rsplit('/').next().unwrap_or_default();
            let wrong = |what: String| Error::NoName {
                path: PathBuf::from("/").join(&entry.path),
                format: "vfat",
                what,
            };
            if let Some(bad) = name
                .chars()
                .find(|char| char.is_control() || "\"*:<>?\\|".contains(*char))
            {
                return Err(wrong(format!("there is no {bad:?} in names")));
            }
            if name.ends_with([' ', '.']) || name.starts_with(' ') {
                return Err(wrong(
                    "no name begins with a blank, or ends with one or with a full stop".to_owned(),
                ));
            }
            if let Some(other) = seen.insert(entry.path.to_lowercase(), &entry.path) {
                return Err(wrong(format!(
                    "/{other} would be the same name, with other letters"
                )));
            }
            if let Some((_, size)) = entry.content
                && size >= LARGEST
            {
                return Err(Error::TooLarge {
                    path: PathBuf::from("/").join(&entry.path),
                    format: "vfat",
                    most: "4 GiB",
                });
            }
        }
        Ok(())
    }
}

/// Puts entries of one directory, one kind and one time into a filesystem.
fn fill(source: &Source<'_>, image: &Path, entries: &[&Entry]) -> Result<(), Error> {
    let Some(first) = entries.first() else {
        return Ok(());
    };
    let files: Vec<&PathBuf> = entries
        .iter()
        .filter_map(|entry| entry.content.as_ref().map(|(file, _)| file))
        .collect();
    let maker = match files.is_empty() {
        true => MMD,
        false => MCOPY,
    };
    let mut call = mtools(maker, source, first.time, image)?;
    if files.is_empty() {
        call.args(entries.iter().map(|entry| format!("::/{}", entry.path)));
    } else {
        call.args(["-Q"]).args(files);
        call.args([format!("::/{}", parent(&first.path))]);
    }
    call.output().map(|_| ())
}

/// Returns a call of one of mtools' programs on a filesystem, which takes `time` for now.
fn mtools(maker: Maker, source: &Source<'_>, time: i64, image: &Path) -> Result<Call, Error> {
    let mut call = maker.call(time, &source.scratch.join("mtools.log"))?;
    // Names that are not ASCII are read as UTF-8.
    call.env("LC_ALL", "C.UTF-8")
        .env("MTOOLSRC", "/dev/null")
        .env("MTOOLS_SKIP_CHECK", "1");
    call.args(["-i"]).args([image]);
    Ok(call)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Returns the sectors of a cluster in a filesystem of a size, as mkfs.fat has them but for small ones, which are FAT32
/// all the same.
fn sectors_of_cluster(size: u64) -> u64 {
    match size >> 20 {
        0..=260 => 1,
        261..=8192 => 8,
        8193..=16_384 => 16,
        16_385..=32_768 => 32,
        _ => 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, size: Option<u64>) -> Entry {
        Entry {
            path: path.to_owned(),
            content: size.map(|size| (PathBuf::from("/x"), size)),
            time: 0,
        }
    }

    fn named(paths: &[&str]) -> Result<(), Error> {
        let entries: Vec<Entry> = paths.iter().map(|path| entry(path, Some(1))).collect();
        let fat = Fat {
            entries: &entries,
            label: None,
            uuid: "",
        };
        fat.check_names()
    }

    #[test]
    fn names_that_cannot_be_are_found() {
        assert!(named(&["a", "b.txt", "x y", "é"]).is_ok());
        for names in [
            &["a:b"][..],
            &["a", "A"],
            &["d/É", "d/é"],
            &["x."],
            &[" x"],
            &["a\nb"],
        ] {
            assert!(named(names).is_err(), "{names:?}");
        }
    }

    #[test]
    fn sizes_are_enough_and_no_waste() {
        let need = |size| {
            let entries = [entry("d", None), entry("d/x", Some(size))];
            let fat = Fat {
                entries: &entries,
                label: None,
                uuid: "",
            };
            fat.need(0)
        };
        assert_eq!(need(1), LEAST);
        assert!((100 << 20..104 << 20).contains(&need(100 << 20)));
        assert!((1000 << 20..1010 << 20).contains(&need(1000 << 20)));
    }
}
