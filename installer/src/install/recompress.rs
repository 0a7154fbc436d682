//! Recompression of packages, by processors that scripts leave free.
//!
//! Scripts run one after the other. Meanwhile the packages of later steps are recompressed into a form that is
//! [decompressed faster](deb_unpack::recompress), in the order in which they will be unpacked. The packages of the first
//! phase follow, for the next run: they are unpacked before any script, so nothing hides the time that takes. A
//! package that is not ready in time is decompressed from its own file.

use deb_unpack::recompress;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Directory of recompressed packages in the cache. Another form has another name.
pub const KEPT: &str = "quick-1";
/// Directory of recompressed packages in the scratch directory of a run.
const TEMPORARY: &str = "recompressed";
/// Number of bytes of recompressed packages that may wait to be unpacked.
const ENOUGH: u64 = 256 << 20;
/// Size in bytes below which a package is not worth recompressing.
const SMALL: u64 = 32 << 10;
/// Greatest number of threads.
const THREADS: usize = 3;

/// A package to be recompressed.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// The package file.
    pub(super) package: PathBuf,
    /// Path of the recompressed package.
    pub(super) recompressed: PathBuf,
}

/// The recompression of one run.
#[derive(Debug, Default)]
pub(super) struct Recompression {
    tasks: Vec<Task>,
    /// Directory of files that are not complete.
    scratch: PathBuf,
    /// Positions of the tasks, by package file.
    positions: HashMap<PathBuf, usize>,
    /// Position of the first task whose result is kept in the cache for other runs.
    kept_from: usize,
    /// Position of the next task.
    next: AtomicUsize,
    stop: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Recompressed packages that wait to be unpacked, with their sizes in bytes.
    ready: Vec<(PathBuf, u64)>,
    /// Recompressed packages that are not needed any more.
    past: HashSet<PathBuf>,
}

/// Returns the path in the cache of a recompressed package; `None` for a package file that is not named by its
/// hash.
pub(super) fn cached(cache: &Path, package: &Path) -> Option<PathBuf> {
    let hash = hash(package)?;
    Some(cache.join(KEPT).join(hash.get(..2)?).join(hash))
}

/// Returns the path of a recompressed package that is for this run only.
pub(super) fn temporary(scratch: &Path, package: &Path) -> Option<PathBuf> {
    Some(scratch.join(TEMPORARY).join(hash(package)?))
}

/// Returns the hash that a package file of the cache is named by.
fn hash(package: &Path) -> Option<&str> {
    let name = package.file_name()?.to_str()?;
    (name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(name)
}

impl Recompression {
    /// `soon` are for this run, in the order in which they are needed; `keep` are for other runs. `scratch` is a
    /// directory of this run, on the filesystem of the cache.
    pub(super) fn new(scratch: &Path, soon: Vec<Task>, keep: Vec<Task>) -> Self {
        let kept_from = soon.len();
        let tasks: Vec<Task> = soon.into_iter().chain(keep).collect();
        let positions = tasks.iter().enumerate();
        Self {
            positions: positions
                .map(|(index, task)| (task.package.clone(), index))
                .collect(),
            scratch: scratch.join(TEMPORARY),
            tasks,
            kept_from,
            ..Self::default()
        }
    }

    /// Returns the path of the recompressed package, which is there if it is ready.
    pub(super) fn recompressed(&self, package: &Path) -> Option<&Path> {
        let task = self.tasks.get(*self.positions.get(package)?)?;
        Some(&task.recompressed)
    }

    /// Returns the number of threads for [`work`](Self::work) on this machine.
    pub(super) fn threads(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        processors.saturating_sub(1).min(THREADS).min(self.tasks.len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Recompresses packages until all are done or the guard of [`until_dropped`](Self::until_dropped) is dropped.
    pub(super) fn work(&self) {
        // Scripts and unpacking come first. The call is about this thread alone (setpriority(2), "C library/kernel
        // differences").
        let _ = rustix::process::setpriority_process(None, 19);
        while !self.stop.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = self.tasks.get(index) else { return };
            let is_temporary = index < self.kept_from;
            if is_temporary && !self.wait_for_room(&task.recompressed) {
                continue;
            }
            // A package that cannot be read fails when it is unpacked; one that cannot be written is not needed.
            if let Ok(Some(size)) = recompress(&task.package, &task.recompressed, &self.scratch, &self.stop)
                && is_temporary
            {
                let mut state = self.state();
                if state.past.contains(&task.recompressed) {
                    let _ = std::fs::remove_file(&task.recompressed);
                } else {
                    state.ready.push((task.recompressed.clone(), size));
                }
            }
        }
    }

    /// Waits until there is room for another package. Returns whether it is still needed.
    fn wait_for_room(&self, recompressed: &Path) -> bool {
        let mut state = self.state();
        loop {
            if self.stop.load(Ordering::Relaxed) || state.past.contains(recompressed) {
                return false;
            }
            if state.ready.iter().map(|(_, size)| size).sum::<u64>() < ENOUGH {
                return true;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that a package is unpacked: its recompressed form is not needed in this run any more.
    pub(super) fn past(&self, package: &Path) {
        let Some(&index) = self
            .positions
            .get(package)
            .filter(|index| **index < self.kept_from)
        else {
            return;
        };
        let Some(recompressed) = self.tasks.get(index).map(|task| task.recompressed.as_path()) else {
            return;
        };
        let mut state = self.state();
        if let Some(at) = state.ready.iter().position(|(path, _)| path == recompressed) {
            state.ready.swap_remove(at);
            let _ = std::fs::remove_file(recompressed);
        }
        state.past.insert(recompressed.to_owned());
        drop(state);
        self.changed.notify_all();
    }

    /// Returns a guard that ends the work when it is dropped, also by a panic: the scope of the threads would wait
    /// for ever for one that waits for room.
    pub(super) fn until_dropped(&self) -> Stop<'_> {
        Stop(self)
    }

    /// Ends the work after the package at hand.
    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that looked at the flag before holds the lock until it waits.
        drop(self.state());
        self.changed.notify_all();
    }
}

/// Guard that ends the work when it is dropped.
pub(super) struct Stop<'a>(&'a Recompression);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Whether a package is large enough to be worth recompressing.
pub(super) fn worth_while(package: &Path) -> bool {
    std::fs::metadata(package).is_ok_and(|meta| meta.len() >= SMALL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use deb_testing::{Data, Deb};
    use std::time::Duration;

    fn tasks(directory: &Path, names: &[&str]) -> Vec<Task> {
        let deb = Deb::new("x", Data::default().file("./a", "text"));
        let of = |name: &&str| Task {
            package: deb.write(directory, name),
            recompressed: directory.join("recompressed").join(name),
        };
        names.iter().map(of).collect()
    }

    #[test]
    fn what_is_needed_later_is_ready_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let soon = tasks(path, &["a", "b"]);
        let keep = tasks(path, &["k"]);
        let recompression = Recompression::new(path, soon.clone(), keep.clone());
        // Unpacked before anybody came to it.
        recompression.past(&soon[0].package);
        recompression.work();
        assert!(
            !soon[0].recompressed.exists() && soon[1].recompressed.exists() && keep[0].recompressed.exists()
        );
        assert_eq!(
            recompression.recompressed(&soon[1].package),
            Some(soon[1].recompressed.as_path())
        );
        assert_eq!(recompression.recompressed(Path::new("/other")), None);
        recompression.past(&soon[1].package);
        recompression.past(&keep[0].package);
        assert!(!soon[1].recompressed.exists() && keep[0].recompressed.exists());
    }

    #[test]
    fn threads_that_wait_for_room_go_on() {
        let directory = tempfile::tempdir().unwrap();
        let soon = tasks(directory.path(), &["a", "b"]);
        let recompression = Recompression::new(directory.path(), soon.clone(), Vec::new());
        let full = directory.path().join("full");
        recompression.state().ready.push((full, ENOUGH));
        std::thread::scope(|scope| {
            scope.spawn(|| recompression.work());
            std::thread::sleep(Duration::from_millis(50));
            assert!(!soon[0].recompressed.exists());
            recompression.state().ready.clear();
            // The first is unpacked meanwhile; the second is made then.
            recompression.past(&soon[0].package);
        });
        assert!(!soon[0].recompressed.exists() && soon[1].recompressed.exists());
        let recompression = Recompression::new(directory.path(), soon, Vec::new());
        recompression
            .state()
            .ready
            .push((directory.path().join("full"), ENOUGH));
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| recompression.work());
            drop(recompression.until_dropped());
            worker.join().unwrap();
        });
    }

    #[test]
    fn paths_are_named_by_the_hash() {
        let hash = "ab".repeat(32);
        let package = Path::new("/cache/by-hash/sha256/ab").join(&hash);
        let cached = cached(Path::new("/c"), &package).unwrap();
        assert_eq!(cached, Path::new("/c/quick-1/ab").join(&hash));
        assert_eq!(
            temporary(Path::new("/s"), &package).unwrap(),
            Path::new("/s/recompressed").join(&hash)
        );
        assert_eq!(temporary(Path::new("/s"), Path::new("/x/a.deb")), None);
    }
}
