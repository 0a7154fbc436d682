//! Files of the target that contain the path of `DPKG_ROOT`.
//!
//! Only files that scripts write are searched. A [`Writes`] watches the view of the target for changes only, so
//! the kernel's caches of lookups and attributes stay in use.

use rootless_install_fs::{Access, AccessKind, FileType, Target, Watch};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Size in bytes above which a file is not searched.
const LARGEST: u64 = 64 << 20;

/// Package and name of the script that runs.
type Running = (String, String);

/// Files of the target that scripts wrote, with the last writer of each.
#[derive(Debug, Default)]
pub struct Writes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: Option<Running>,
    written: BTreeMap<PathBuf, Running>,
}

impl Writes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the script that runs from now on; none between scripts.
    pub(super) fn running(&self, script: Option<Running>) {
        self.state().running = script;
    }

    /// Returns the files and links that scripts wrote and that contain `root`, each with its last writer.
    pub(super) fn leaks(&self, target: &Target, root: &Path) -> Vec<(PathBuf, Running)> {
        let written = self.state().written.clone();
        let leaks = |path: &Path| {
            let stat = target.stat(path).ok()?;
            let bytes = match stat.meta.kind {
                FileType::Symlink => target.read_link(path).ok()?.as_os_str().as_bytes().to_vec(),
                FileType::Regular if stat.size <= LARGEST => target.read(path).ok()?,
                _ => return None,
            };
            Some(has(&bytes, root.as_os_str().as_bytes()))
        };
        written
            .into_iter()
            .filter(|(path, _)| leaks(path) == Some(true))
            .collect()
    }
}

impl Watch for Writes {
    fn seen(&self, access: &Access<'_>) {
        let path = match access.kind {
            AccessKind::Open { write: true, .. } | AccessKind::Create => access.path,
            AccessKind::Rename { to } | AccessKind::Link { to } => to,
            _ => return,
        };
        let state = &mut *self.state();
        let Some(running) = &state.running else { return };
        // A file that is renamed keeps its writer.
        let writer = state.written.remove(access.path);
        let writer = writer.filter(|_| path != access.path);
        state
            .written
            .insert(path.to_owned(), writer.unwrap_or_else(|| running.clone()));
    }

    fn sees_all(&self) -> bool {
        false
    }
}

/// Whether bytes contain a path, and not only as a part of a longer name.
fn has(bytes: &[u8], root: &[u8]) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || b"_-.+".contains(b));
    bytes.windows(root.len()).enumerate().any(|(at, window)| {
        window == root
            && !is_part(at.checked_sub(1).and_then(|before| bytes.get(before)))
            && !is_part(bytes.get(at + root.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootless_install_fs::Meta;

    #[test]
    fn only_the_path_itself_counts() {
        for (text, leaks) in [
            ("a=/target/etc/x", true),
            ("/target", true),
            ("'/target'", true),
            ("/targets/x", false),
            ("/etc/target/x", false),
            ("/systemd/multi-user.target/", false),
            ("/usr/share/target", false),
            ("", false),
        ] {
            assert_eq!(has(text.as_bytes(), b"/target"), leaks, "{text}");
        }
    }

    #[test]
    fn the_writer_is_remembered() {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let target = Target::open(directory.path()).unwrap();
        let file = Meta::of_root(FileType::Regular, 0o644);
        target.write(Path::new("a"), b"/target/x", &file).unwrap();
        target.write(Path::new("b"), b"clean", &file).unwrap();
        target.write(Path::new("c"), b"/target/x", &file).unwrap();
        let link = Meta::of_root(FileType::Symlink, 0o777);
        target
            .make_symlink(Path::new("l"), Path::new("/target/a"), &link)
            .unwrap();
        let writes = Writes::default();
        let see = |path: &str, kind| {
            let path = Path::new(path);
            writes.seen(&Access { pid: 1, path, kind });
        };
        see("/c", AccessKind::Create);
        let script = |name: &str| Some((name.to_owned(), "postinst".to_owned()));
        writes.running(script("first"));
        see("/a.new", AccessKind::Create);
        see("/b", AccessKind::Create);
        see("/l", AccessKind::Create);
        writes.running(script("second"));
        let to = AccessKind::Rename { to: Path::new("/a") };
        see("/a.new", to);
        let leaks = writes.leaks(&target, Path::new("/target"));
        let seen: Vec<_> = leaks
            .iter()
            .map(|(path, (package, _))| (path.to_str().unwrap(), package.as_str()))
            .collect();
        assert_eq!(seen, [("/a", "first"), ("/l", "first")]);
    }
}
