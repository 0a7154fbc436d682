//! The cache as a whole: what is in it, how large it is and when it was used; what is taken out, and what is damaged.

mod prune;
mod verify;

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::install::RECOMPRESSED;
use script_host::NATIVE_PACKAGES;
use shim_protocol::names::WRAPPERS_KEPT;

pub use prune::{Keep, Pruned, prune, tidy};
pub use verify::{Damage, verify};

/// Kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Packages and indexes, by their content.
    Downloads,
    /// Downloads that were not finished.
    Partial,
    /// Release files, and tables of indexes.
    Indexes,
    /// Unpacked packages of native tools.
    NativePackages,
    /// Native roots of chrootless mode, and its wrappers.
    NativeRoots,
    /// Packages in a form that is decoded faster.
    Recompressed,
    /// Logs.
    Logs,
    /// Work directories of runs.
    Work,
    /// What older versions of this program kept.
    Old,
}

impl Kind {
    /// All kinds, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Downloads,
        Self::Partial,
        Self::Indexes,
        Self::NativePackages,
        Self::NativeRoots,
        Self::Recompressed,
        Self::Logs,
        Self::Work,
        Self::Old,
    ];

    /// Returns its name for users.
    pub fn name(self) -> &'static str {
        match self {
            Self::Downloads => "packages and indexes",
            Self::Partial => "unfinished downloads",
            Self::Indexes => "Release files and tables",
            Self::NativePackages => "native tools",
            Self::NativeRoots => "native roots",
            Self::Recompressed => "recompressed packages",
            Self::Logs => "logs",
            Self::Work => "work directories",
            Self::Old => "of older versions",
        }
    }
}

/// An entry: what is kept or taken out as a whole.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Kind.
    pub kind: Kind,
    /// Its file or directory.
    pub path: PathBuf,
    /// Bytes on disk.
    pub bytes: u64,
    /// The time when it was read or written last, as far as the filesystem tells.
    pub used: SystemTime,
}

/// Name of the lock that runs share as long as they use the cache.
pub const IN_USE: &str = deb_archive::IN_USE;

/// Directory of work directories.
const WORK: &str = "run";

/// Where entries of a kind are: the directory, and how many directories deep below it.
const PLACES: &[(Kind, &str, u8)] = &[
    (Kind::Downloads, "by-hash", 2),
    (Kind::Partial, "partial", 0),
    (Kind::Indexes, "release", 0),
    (Kind::Indexes, deb_archive::TABLES, 0),
    (Kind::Indexes, "hashed", 0),
    (Kind::NativePackages, NATIVE_PACKAGES, 1),
    (Kind::NativeRoots, "native-root", 0),
    (Kind::NativeRoots, WRAPPERS_KEPT, 0),
    (Kind::Recompressed, RECOMPRESSED, 1),
    (Kind::Logs, "log", 0),
    (Kind::Work, WORK, 0),
];

/// Returns all entries of a cache. One that vanishes meanwhile is left out; what the program does not know is, too.
///
/// # Errors
/// A directory cannot be read.
pub fn entries(cache: &Path) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for (kind, name, depth) in PLACES {
        collect(*kind, &cache.join(name), *depth, &mut found)?;
    }
    for path in listed(cache)? {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if is_old(&name) {
            found.extend(entry(Kind::Old, path));
        }
    }
    Ok(found)
}

/// Whether a name is that of a directory whose layout has another number today.
fn is_old(name: &str) -> bool {
    let current = [NATIVE_PACKAGES, RECOMPRESSED, deb_archive::TABLES];
    let Some((stem, number)) = name.rsplit_once('-') else {
        return false;
    };
    let versioned = current
        .iter()
        .any(|known| known.rsplit_once('-').is_some_and(|(known, _)| known == stem));
    versioned
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && !current.contains(&name)
}

fn collect(kind: Kind, directory: &Path, depth: u8, found: &mut Vec<Entry>) -> io::Result<()> {
    for path in listed(directory)? {
        if depth > 0 {
            collect(kind, &path, depth - 1, found)?;
        // A digest belongs to the directory beside it.
        } else if !(kind == Kind::NativePackages && path.extension().is_some_and(|end| end == "digest")) {
            found.extend(entry(kind, path));
        }
    }
    Ok(())
}

/// Returns the paths in a directory, sorted; none where it is not one.
fn listed(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let read = match fs::read_dir(directory) {
        Ok(read) => read,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut paths = read
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn entry(kind: Kind, path: PathBuf) -> Option<Entry> {
    let meta = fs::symlink_metadata(&path).ok()?;
    let (mut bytes, mut used) = (0, SystemTime::UNIX_EPOCH);
    measure(&path, &meta, &mut bytes, &mut used);
    Some(Entry {
        kind,
        path,
        bytes,
        used,
    })
}

/// Adds what a file or directory with all that is in it takes, and when that was used.
fn measure(path: &Path, meta: &Metadata, bytes: &mut u64, used: &mut SystemTime) {
    *bytes += meta.blocks() * 512;
    // A directory is read by whoever looks what is in it, as this does.
    let times = [
        meta.modified().ok(),
        meta.accessed().ok().filter(|_| !meta.is_dir()),
    ];
    *used = times.into_iter().flatten().fold(*used, SystemTime::max);
    if !meta.is_dir() {
        return;
    }
    for inner in listed(path).unwrap_or_default() {
        if let Ok(meta) = fs::symlink_metadata(&inner) {
            measure(&inner, &meta, bytes, used);
        }
    }
}

/// Returns the time since an entry was used; zero for the future.
fn unused_for(entry: &Entry) -> Duration {
    entry.used.elapsed().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache with files of an age in days.
    pub(super) fn cache(files: &[(&str, usize, u64)]) -> tempfile::TempDir {
        let cache = tempfile::tempdir().unwrap();
        for (name, size, days) in files {
            let path = cache.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, vec![b'x'; *size]).unwrap();
            let then = SystemTime::now() - Duration::from_secs(days * 86_400);
            let times = fs::FileTimes::new().set_accessed(then).set_modified(then);
            fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_times(times)
                .unwrap();
        }
        cache
    }

    #[test]
    fn entries_are_files_or_whole_packages() {
        let native = format!("{NATIVE_PACKAGES}/ab/abcd/usr/bin/x");
        let digest = format!("{NATIVE_PACKAGES}/ab/abcd.digest");
        let cache = cache(&[
            ("by-hash/sha256/ab/abcd", 5000, 3),
            (&native, 1, 2),
            (&digest, 1, 2),
            ("native-1/x/y", 1, 0),
            ("native-sysroot/x", 1, 0),
            ("log/run.log", 1, 0),
            ("seen/x", 1, 0),
        ]);
        let entries = entries(cache.path()).unwrap();
        let kinds: Vec<Kind> = entries.iter().map(|entry| entry.kind).collect();
        assert_eq!(
            kinds,
            [Kind::Downloads, Kind::NativePackages, Kind::Logs, Kind::Old]
        );
        assert!(entries[0].bytes >= 5000);
        assert_eq!(
            entries[1].path,
            cache.path().join(NATIVE_PACKAGES).join("ab/abcd")
        );
        assert_eq!(unused_for(&entries[0]).as_secs() / 3600, 72);
        assert!(super::entries(&cache.path().join("none")).unwrap().is_empty());
    }
}
