//! Damage in the cache: what is not what its name or its seal says is taken out, and made or fetched anew when it is
//! needed.

use std::io;
use std::path::{Path, PathBuf};

use deb_archive::{ArchiveError, Lock, is_whole_download, lock_file};

use super::prune::remove;
use super::{IN_USE, Kind, entries};
use crate::native_root_source;

/// A damaged entry.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Damage {
    /// Its file or directory, which is not there any more.
    pub path: PathBuf,
    /// Its kind.
    pub kind: Kind,
}

/// Reads all of the cache that can be checked and takes out what is damaged. Returns that, and the number of entries that
/// were checked. `stop` ends it early.
///
/// # Errors
/// The cache cannot be read or a damaged entry removed; [`ArchiveError::Interrupted`].
pub fn verify(cache: &Path, stop: &dyn Fn() -> bool) -> Result<(Vec<Damage>, usize), ArchiveError> {
    let _alone = lock_file(&cache.join(IN_USE), Lock::Exclusive, stop)?;
    let failed = |path: &Path, action| {
        let path = path.to_owned();
        move |source: io::Error| ArchiveError::Io { action, path, source }
    };
    let (mut damaged, mut checked) = (Vec::new(), 0);
    for entry in entries(cache).map_err(failed(cache, "read"))? {
        if stop() {
            return Err(ArchiveError::Interrupted);
        }
        let path = &entry.path;
        let whole = match entry.kind {
            Kind::Downloads => is_whole_download(path).map_err(failed(path, "read"))?,
            Kind::NativePackages => script_host::is_whole_native_package(path),
            Kind::NativeRoots if path.starts_with(cache.join("native-root")) => {
                native_root_source::is_whole(path)
            }
            _ => continue,
        };
        checked += 1;
        if whole {
            continue;
        }
        remove(&entry).map_err(failed(path, "remove"))?;
        damaged.push(Damage {
            path: entry.path,
            kind: entry.kind,
        });
    }
    Ok((damaged, checked))
}
