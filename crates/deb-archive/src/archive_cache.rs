//! The cache on disk, which any number of runs use at the same time.
//!
//! ```text
//! CACHE/by-hash/sha256/ab/abcd…   whole files, named by their content; sha512 likewise
//! CACHE/partial/abcd…             downloads under way, locked with flock(2)
//! CACHE/release/…                 verified InRelease files with their validators
//! CACHE/hashed/abcd…              stat(2) data of an index when it was hashed
//! CACHE/parsed-1/abcd…            tables of indexes
//! ```
//!
//! Files get their final name by rename and are never changed under it. A lock
//! belongs to the open file, so the lock of a killed run is free.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::hasher::Hasher;
use super::lock::{Lock, lock};
use super::transport::Validators;
use super::{ArchiveError, Result};
use deb_index::keep;
use deb_types::{FileHash, hex};

/// Longest tick of a filesystem's clock: changes of a file that are further apart have different times.
const TICK: Duration = Duration::from_secs(2);

/// Name of the lock in a cache that is shared by all who use it, and belongs to whoever takes something out alone.
pub const IN_USE: &str = "in-use.lock";

/// Directory of the tables of indexes. Its number changes with the layout.
pub const TABLES: &str = "parsed-1";

/// Whether a file of a cache is what its name says, which is its checksum: `by-hash/sha256/ab/abcd…`.
///
/// # Errors
/// It cannot be read.
pub fn is_whole_download(path: &Path) -> io::Result<bool> {
    let name = |path: Option<&Path>| Some(path?.file_name()?.to_str()?.to_owned());
    let algorithm = name(path.parent().and_then(Path::parent)).unwrap_or_default();
    let sum = name(Some(path)).unwrap_or_default();
    let Some(hash) = FileHash::of_field(&algorithm.to_ascii_uppercase(), &sum) else {
        return Ok(false);
    };
    // To check a file is no use of it.
    let quiet = OFlags::NOATIME.bits().cast_signed();
    let quiet = OpenOptions::new().read(true).custom_flags(quiet).open(path);
    let mut hasher = Hasher::of(&hash);
    hash_into(&mut quiet.or_else(|_| File::open(path))?, &mut hasher)?;
    Ok(hasher.finish() == hash.bytes())
}

/// Returns a file's checksum by the algorithm of `like`.
///
/// # Errors
/// It cannot be read.
pub fn hash_of(path: &Path, like: &FileHash) -> io::Result<Vec<u8>> {
    let mut hasher = Hasher::of(like);
    hash_into(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finish())
}

/// A small file fetched whole.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// Content.
    pub(super) bytes: Vec<u8>,
    /// The server's names for this version.
    pub(super) validators: Validators,
}

/// The cache directory, and which of its files are known to be right.
#[derive(Debug)]
pub(super) struct ArchiveCache {
    /// Directory of the cache.
    root: PathBuf,
    /// Checksums of the files this run has hashed already.
    verified: Mutex<HashSet<FileHash>>,
}

impl ArchiveCache {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            verified: Mutex::default(),
        }
    }

    /// Returns the path of the file with a content, whether it is there or not.
    pub(super) fn path(&self, hash: &FileHash) -> PathBuf {
        let name = hash.hex();
        let shard = name.get(..2).unwrap_or_default().to_owned();
        let directory = self.root.join("by-hash").join(hash.field().to_ascii_lowercase());
        directory.join(shard).join(name)
    }

    /// Returns the path of a file if it is there and has this size and hash. The size is checked
    /// on every call, the hash on the first one of a run.
    pub(super) fn find(&self, hash: &FileHash, size: u64) -> Result<Option<PathBuf>> {
        let path = self.path(hash);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ArchiveError::io("read", path)(error)),
        };
        let meta = file.metadata().map_err(ArchiveError::io("read", &path))?;
        if !meta.is_file() || meta.len() != size {
            return Ok(None);
        }
        if self.is_verified(hash) {
            return Ok(Some(path));
        }
        let mut hasher = Hasher::of(hash);
        hash_into(&mut file, &mut hasher).map_err(ArchiveError::io("read", &path))?;
        if hasher.finish() != hash.bytes() {
            return Ok(None);
        }
        self.mark_verified(hash);
        Ok(Some(path))
    }

    /// As [`find`](Self::find), for large files of which little is read: a file is not hashed again as long as stat(2)
    /// says the same of it as when it was hashed.
    pub(super) fn find_unchanged(&self, hash: &FileHash, size: u64) -> Result<Option<PathBuf>> {
        let path = self.path(hash);
        let Ok(now) = fs::symlink_metadata(&path) else {
            return self.find(hash, size);
        };
        let look = look(&now);
        let known = self.root.join("hashed").join(hash.hex());
        if now.len() == size && fs::read(&known).is_ok_and(|known| known == look.as_bytes()) {
            self.mark_verified(hash);
            return Ok(Some(path));
        }
        let found = self.find(hash, size)?;
        // Another change in the same tick of the clock would look the same.
        if found.is_some()
            && age(&now) >= TICK
            && let Err(error) = keep(&known, look.as_bytes())
        {
            tracing::debug!(path = %known.display(), %error, "an index will be hashed again");
        }
        Ok(found)
    }

    fn is_verified(&self, hash: &FileHash) -> bool {
        self.verified.lock().is_ok_and(|set| set.contains(hash))
    }

    fn mark_verified(&self, hash: &FileHash) {
        if let Ok(mut set) = self.verified.lock() {
            set.insert(*hash);
        }
    }

    /// Opens and locks the partial file of a download. Waits while another thread
    /// or run has the lock, until `stop` returns true.
    pub(super) fn lock_partial(&self, hash: &FileHash, stop: &dyn Fn() -> bool) -> Result<Partial> {
        let directory = self.root.join("partial");
        fs::create_dir_all(&directory).map_err(ArchiveError::io("create", &directory))?;
        let path = directory.join(hash.hex());
        loop {
            let file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(&path)
                .map_err(ArchiveError::io("create", &path))?;
            lock(&file, &path, Lock::Exclusive, stop)?;
            // The former owner of the lock may have renamed the file.
            let ours = file.metadata().map_err(ArchiveError::io("read", &path))?;
            match fs::symlink_metadata(&path) {
                Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                    return Ok(Partial { file, path });
                }
                _ => continue,
            }
        }
    }

    /// Gives a partial file, whole and verified, its final name.
    pub(super) fn commit(&self, partial: Partial, hash: &FileHash) -> Result<PathBuf> {
        let path = self.path(hash);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(ArchiveError::io("create", parent))?;
        }
        fs::rename(&partial.path, &path).map_err(ArchiveError::io("create", &path))?;
        self.mark_verified(hash);
        Ok(path)
    }

    /// Returns the path of an index's table.
    pub(super) fn parsed(&self, hash: &FileHash) -> PathBuf {
        self.root.join(TABLES).join(hash.hex())
    }

    fn release_path(&self, url: &str) -> PathBuf {
        self.root
            .join("release")
            .join(hex(&Sha256::digest(url.as_bytes())))
    }

    /// Returns the last verified answer for a Release URL; none where the file is not as it was written.
    pub(super) fn load_release(&self, url: &str) -> Option<Document> {
        let mut bytes = fs::read(self.release_path(url)).ok()?;
        let head = bytes.windows(2).position(|pair| pair == b"\n\n")?;
        let mut validators = Validators::default();
        let mut sum = None;
        for line in std::str::from_utf8(bytes.get(..head)?).ok()?.lines() {
            match line.split_once(": ") {
                Some(("etag", value)) => validators.etag = Some(value.to_owned()),
                Some(("last-modified", value)) => validators.last_modified = Some(value.to_owned()),
                Some(("sha256", value)) => sum = Some(value.to_owned()),
                _ => {}
            }
        }
        bytes.drain(..head + 2);
        let whole = sum.is_some_and(|sum| sum == hex(&Sha256::digest(&bytes)));
        whole.then_some(Document { bytes, validators })
    }

    /// Keeps a verified answer. Text and validators are one file, so that
    /// concurrent runs cannot mix them.
    pub(super) fn store_release(&self, url: &str, validators: &Validators, bytes: &[u8]) -> Result<()> {
        let path = self.release_path(url);
        let mut text = format!("release: 2\nsha256: {}\n", hex(&Sha256::digest(bytes))).into_bytes();
        for (name, value) in [
            ("etag", &validators.etag),
            ("last-modified", &validators.last_modified),
        ] {
            if let Some(value) = value {
                text.extend_from_slice(format!("{name}: {value}\n").as_bytes());
            }
        }
        text.push(b'\n');
        text.extend_from_slice(bytes);
        keep(&path, &text).map_err(ArchiveError::io("write", &path))
    }
}

/// Returns the stat(2) data that changes when a file does.
fn look(meta: &fs::Metadata) -> String {
    format!(
        "{} {} {} {}.{:09} {}.{:09}\n",
        meta.dev(),
        meta.ino(),
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec()
    )
}

/// Returns the time since a file was changed; zero if the change is in the future.
fn age(meta: &fs::Metadata) -> Duration {
    let seconds = u64::try_from(meta.ctime()).unwrap_or(0);
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    changed.elapsed().unwrap_or_default()
}

/// The partial file of a download, locked as long as it is open.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl Partial {
    /// Empties the file.
    pub(super) fn clear(&self) -> Result<()> {
        self.file
            .set_len(0)
            .map_err(ArchiveError::io("write", &self.path))
    }

    /// Removes the file while it is locked, so that no other run resumes it.
    pub(super) fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Returns the size of the file, and a hasher that has read it.
    pub(super) fn state(&self, hash: &FileHash) -> Result<(u64, Hasher)> {
        let mut hasher = Hasher::of(hash);
        let mut reader = File::open(&self.path).map_err(ArchiveError::io("read", &self.path))?;
        let size = hash_into(&mut reader, &mut hasher).map_err(ArchiveError::io("read", &self.path))?;
        Ok((size, hasher))
    }
}

/// Hashes a file to its end and returns the number of bytes.
fn hash_into(file: &mut File, hasher: &mut Hasher) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 18];
    let mut total = 0u64;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(read) => {
                hasher.update(buffer.get(..read).unwrap_or_default());
                total += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes the cache directory and checks that it can be written.
pub(super) fn prepare(root: &Path) -> Result<()> {
    fs::create_dir_all(root).map_err(ArchiveError::io("create", root))?;
    tempfile::tempfile_in(root)
        .map(drop)
        .map_err(ArchiveError::io("write to the cache", root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_changed_is_not_hashed_again() {
        let directory = tempfile::tempdir().unwrap();
        let text = b"an index";
        let sum = FileHash::Sha256(Sha256::digest(text).into());
        let size = text.len() as u64;
        let find = || {
            ArchiveCache::new(directory.path().into())
                .find_unchanged(&sum, size)
                .unwrap()
        };
        assert_eq!(find(), None);
        let path = ArchiveCache::new(directory.path().into()).path(&sum);
        keep(&path, text).unwrap();
        let known = directory.path().join("hashed").join(sum.hex());
        assert_eq!(find().as_ref(), Some(&path));
        assert!(!known.exists(), "it may change again in this tick");
        std::thread::sleep(TICK + Duration::from_secs(1));
        assert_eq!(find().as_ref(), Some(&path));
        assert_eq!(
            fs::read_to_string(&known).unwrap(),
            look(&fs::metadata(&path).unwrap())
        );
        // A change shows in stat(2) even if size and modification time stay.
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, b"no index").unwrap();
        File::open(&path).unwrap().set_modified(time).unwrap();
        assert_eq!(find(), None);
        // Only stat(2) is compared: the record for a file is believed.
        keep(&known, look(&fs::metadata(&path).unwrap()).as_bytes()).unwrap();
        assert_eq!(find().as_ref(), Some(&path));
        fs::write(&path, b"a longer text").unwrap();
        keep(&known, look(&fs::metadata(&path).unwrap()).as_bytes()).unwrap();
        assert_eq!(find(), None);
    }
}
