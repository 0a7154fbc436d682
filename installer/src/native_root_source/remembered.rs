//! The native root that a call of dpkg used last for the same packages from the same sources: found without reading
//! an index, so that call follows call as quickly as with dpkg.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::sealed;
use apt_solve::Request;
use deb_archive::Source;
use deb_types::hex;

/// Time for which a native root serves before the archive is asked for newer packages again.
const SERVES: Duration = Duration::from_secs(24 * 60 * 60);

/// The record of the native root for a request.
pub(crate) struct Remembered {
    /// The native roots of the cache.
    roots: PathBuf,
    /// File with the name of one of them.
    record: PathBuf,
}

impl Remembered {
    /// Returns the record of the native root in `cache` that is made of these sources for this request.
    pub(crate) fn new(cache: &Path, sources: &[Source], request: &Request) -> Self {
        let mut hash = Sha256::new();
        hash.update(super::FORM);
        hash.update(format!("{sources:?} {:?}", request.variant));
        for name in &request.include {
            hash.update([name.as_bytes(), b"\n"].concat());
        }
        let roots = cache.join("native-root");
        let record = roots.join("of-request").join(hex(&hash.finalize()));
        Self { roots, record }
    }

    /// Returns the native root, if there is one and its packages were chosen a short time ago.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        let chosen = fs::metadata(&self.record).ok()?.modified().ok()?;
        // A time in the future says nothing.
        let age = SystemTime::now().duration_since(chosen).ok()?;
        let name = fs::read_to_string(&self.record).ok()?;
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let root = self.roots.join(&name);
        let usable = age < SERVES && is_name && !name.is_empty() && sealed::is_whole(&root);
        usable.then_some(root)
    }

    /// Records a native root of the cache. One that cannot be recorded is looked for in the indexes again.
    pub(crate) fn record(&self, root: &Path) {
        let (Some(name), Some(directory)) = (root.file_name(), self.record.parent()) else {
            return;
        };
        let written = fs::create_dir_all(directory).and_then(|()| {
            let new = self.record.with_extension(std::process::id().to_string());
            fs::write(&new, name.as_encoded_bytes())?;
            fs::rename(&new, &self.record)
        });
        if let Err(error) = written {
            tracing::debug!("cannot record a native root: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::FileTimes;

    #[test]
    fn a_root_is_found_for_a_day_and_for_the_same_request() {
        let cache = tempfile::tempdir().unwrap();
        let request = |include: &[&str]| Request {
            include: include.iter().map(|&name| name.to_owned()).collect(),
            ..Request::default()
        };
        let remembered = |names: &[&str]| Remembered::new(cache.path(), &[], &request(names));
        let root = cache.path().join("native-root/amd64-0123");
        assert_eq!(remembered(&["a"]).find(), None);
        remembered(&["a"]).record(&root);
        // The root is gone.
        assert_eq!(remembered(&["a"]).find(), None);
        fs::create_dir_all(root.join("bin")).unwrap();
        sealed::seal(&root).unwrap();
        assert_eq!(remembered(&["a"]).find(), Some(root));
        assert_eq!(remembered(&["a", "b"]).find(), None);
        let long_ago = SystemTime::now() - SERVES - Duration::from_secs(1);
        let record = fs::File::options()
            .write(true)
            .open(remembered(&["a"]).record)
            .unwrap();
        record.set_times(FileTimes::new().set_modified(long_ago)).unwrap();
        assert_eq!(remembered(&["a"]).find(), None);
        fs::write(remembered(&["a"]).record, "../../etc").unwrap();
        assert_eq!(remembered(&["a"]).find(), None);
    }
}
