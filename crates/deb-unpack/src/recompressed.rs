//! Recompressed packages: the data member in a form that is decoded faster.
//!
//! xz makes packages small and takes most of the time of unpacking them. Packages that have to be
//! unpacked before anything else can happen are kept a second time, compressed with zstd; later ones are
//! recompressed while scripts run.
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

use file_mapping::FileMap;
use sha2::{Digest, Sha256};

use super::decompress::Source;

/// Size of the hash, in bytes.
pub(crate) const HEAD: usize = 32;
/// The fastest level whose files are not much larger than those of the next.
const LEVEL: i32 = 1;

/// A recompressed data member, mapped into memory and checked.
#[derive(Debug)]
pub(crate) struct Recompressed(FileMap);

impl Recompressed {
    /// Opens a file; none where there is none, or one that is not what its hash says.
    pub(crate) fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        if file.metadata().ok()?.len() <= HEAD as u64 {
            return None;
        }
        let map = FileMap::open(&file).ok()?;
        let recompressed = Self(map);
        let mut hashed = Hashed::new(io::sink());
        io::copy(&mut recompressed.source(), &mut hashed).ok()?;
        let hash = recompressed.0.get(..HEAD)?;
        (hashed.hasher.finalize().as_slice() == hash).then_some(recompressed)
    }

    /// Returns the zstd frame.
    pub(crate) fn source(&self) -> Source<'_> {
        let data = self.0.get(HEAD..).unwrap_or_default();
        Source::new(data, |from, length| {
            self.0.forget_range(HEAD + from..HEAD + from + length);
        })
    }
}

/// Writes the data member's archive that `reader` has, and returns the size of the file in bytes; none if
/// `stop` was set meanwhile, and nothing is left of it then. The file is written in the directory `scratch`
/// of the same filesystem and renamed to `path` when it is whole.
pub(crate) fn write(
    reader: &mut dyn Read,
    path: &Path,
    scratch: &Path,
    stop: &AtomicBool,
) -> io::Result<Option<u64>> {
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
    fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    file.persist(path)?;
    Ok(Some(size + HEAD as u64))
}

/// A writer that hashes and counts what is written through it.
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
