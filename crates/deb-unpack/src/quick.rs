//! The files of a package in a form that is decoded faster.
//!
//! xz makes packages small and takes most of the time of unpacking them. What has to be
//! unpacked before anything else can happen is kept a second time, compressed with zstd;
//! what comes later is brought into this form while scripts run.
//!
//! ```text
//! 32 bytes      SHA-256 of the rest
//! the rest      the data member's archive, one zstd frame (RFC 8878)
//! ```
//!
//! A file that is not what its hash says is as good as none.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use file_map::FileMap;
use sha2::{Digest, Sha256};

use super::decompress::Source;
use super::error::DebError;
use super::file::{DebFile, Limits};

/// Size of the hash.
const HEAD: usize = 32;
/// The fastest level whose files are not much larger than those of the next.
const LEVEL: i32 = 1;

/// A mapped file, checked.
#[derive(Debug)]
pub struct Quick(FileMap);

impl Quick {
    /// Opens one; `None` when there is none.
    pub fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        if file.metadata().ok()?.len() <= HEAD as u64 {
            return None;
        }
        let map = FileMap::open(&file).ok()?;
        let quick = Self(map);
        let mut hashed = Hashed::new(io::sink());
        io::copy(&mut quick.source(), &mut hashed).ok()?;
        let hash = quick.0.get(..HEAD)?;
        (hashed.hasher.finalize().as_slice() == hash).then_some(quick)
    }

    /// The zstd frame.
    pub fn source(&self) -> Source<'_> {
        let data = self.0.get(HEAD..).unwrap_or_default();
        Source::new(data, |from, length| {
            self.0.forget_range(HEAD + from..HEAD + from + length);
        })
    }
}

/// Makes the quick form of a package at `quick`, unless it is there or would not be any
/// quicker; its size in bytes if it was made. Gives up once `stop` is set. It is written in the
/// directory `scratch` of the same filesystem, and gets its place when it is whole.
///
/// # Errors
/// A package that cannot be read, which unpacking will say better; a file that cannot be written.
pub fn make(
    package: &Path,
    quick: &Path,
    scratch: &Path,
    stop: &AtomicBool,
) -> Result<Option<u64>, DebError> {
    if quick.exists() {
        return Ok(None);
    }
    let deb = DebFile::open(package)?;
    let limit = Limits::default().of(deb.size(), None);
    let Some(mut reader) = deb.slow_data(limit)? else {
        return Ok(None);
    };
    let written = write(&mut reader, quick, scratch, stop);
    drop(reader);
    deb.forget();
    written.map_err(|source| DebError::Write {
        path: package.to_owned(),
        entry: quick.display().to_string(),
        source,
    })
}

fn write(reader: &mut dyn Read, quick: &Path, scratch: &Path, stop: &AtomicBool) -> io::Result<Option<u64>> {
    fs::create_dir_all(scratch)?;
    let mut file = tempfile::NamedTempFile::new_in(scratch)?;
    file.write_all(&[0; HEAD])?;
    let mut encoder = zstd::stream::write::Encoder::new(Hashed::new(&mut file), LEVEL)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let read = reader.read(&mut buffer)?;
        let Some(data) = buffer.get(..read).filter(|data| !data.is_empty()) else {
            break;
        };
        encoder.write_all(data)?;
    }
    let Hashed { hasher, size, .. } = encoder.finish()?;
    file.as_file().write_all_at(&hasher.finalize(), 0)?;
    fs::create_dir_all(quick.parent().unwrap_or(Path::new("/")))?;
    file.persist(quick)?;
    Ok(Some(size + HEAD as u64))
}

struct Hashed<W> {
    inner: W,
    hasher: Sha256,
    size: u64,
}

impl<W> Hashed<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            size: 0,
        }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(data)?;
        self.hasher.update(data.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::build::{Data, Deb};

    fn entries(deb: &DebFile) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        deb.walk_data(1 << 20, 1, |entry, contents| {
            let mut data = Vec::new();
            contents.read_to_end(&mut data).unwrap();
            found.push((entry.path.display().to_string(), data));
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn the_same_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let go_on = AtomicBool::new(false);
        let data = |text: &str| Data::default().dir("./a/").file("./a/b", text);
        let package = Deb::new("x", data("text")).write(directory.path(), "x.deb");
        let quick = path("quick/x");
        let make = |package: &Path| make(package, &quick, &path("scratch"), &go_on).unwrap();
        assert!(make(&package).is_some_and(|size| size > HEAD as u64));
        assert_eq!(make(&package), None);
        // Another package, to see what is read.
        let other = Deb::new("x", data("other")).write(directory.path(), "y.deb");
        let read = |quick: &Path| {
            let mut deb = DebFile::open(&other).unwrap();
            deb.or_quick(quick);
            entries(&deb)
        };
        let from_quick = read(&quick);
        assert_eq!(from_quick, entries(&DebFile::open(&package).unwrap()));
        // One that is damaged is as good as none.
        let mut bytes = fs::read(&quick).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        for bad in [&bytes[..], &bytes[..HEAD], &bytes[..HEAD - 1], b""] {
            fs::write(path("bad"), bad).unwrap();
            assert_eq!(read(&path("bad")), entries(&DebFile::open(&other).unwrap()));
        }
    }

    #[test]
    fn only_where_it_is_quicker_and_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let [quick, scratch] = ["quick", "scratch"].map(|name| directory.path().join(name));
        let make = |package: &Path, stop| make(package, &quick, &scratch, &AtomicBool::new(stop)).unwrap();
        let deb = Deb::new("x", Data::default().dir("./a/"));
        let zstd = Deb {
            extension: ".zst",
            ..deb.clone()
        };
        let zstd = zstd.write(directory.path(), "zstd.deb");
        assert_eq!(make(&zstd, false), None);
        let xz = deb.write(directory.path(), "xz.deb");
        assert_eq!(make(&xz, true), None);
        assert!(!quick.exists());
        // Nothing is left of what was begun.
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
    }
}
