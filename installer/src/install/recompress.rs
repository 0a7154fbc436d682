//! Packages decoded before they are needed, by a processor that scripts leave free.
//!
//! Scripts run one after the other. Meanwhile the packages of later steps are brought into
//! their [recompressed form](deb_unpack::recompress), in the order in which they will be unpacked; and
//! then those of the first phase, which nothing can hide, for the next run. What is not ready
//! in time is decoded as it is unpacked.

use deb_unpack::recompress;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Where quick forms are kept in the cache. Another form has another name.
const KEPT: &str = "quick-1";
/// And where they are in a directory of the run.
const PASSING: &str = "ahead";
/// How much may lie ready, in bytes.
const ENOUGH: u64 = 256 << 20;
/// Packages that are smaller, in bytes, are decoded in no time.
const SMALL: u64 = 32 << 10;
/// Most threads at work.
const THREADS: usize = 3;

/// What is to be done ahead.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// The package file.
    pub(super) package: PathBuf,
    /// Where its quick form goes.
    pub(super) quick: PathBuf,
}

/// The work of one run.
#[derive(Debug, Default)]
pub(super) struct Recompression {
    tasks: Vec<Task>,
    /// Where files are written until they are whole.
    scratch: PathBuf,
    /// Their places, by package.
    places: HashMap<PathBuf, usize>,
    /// Those from here on are kept, and nobody waits for them.
    kept_from: usize,
    next: AtomicUsize,
    stop: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Quick forms that wait, with their sizes in bytes.
    ready: Vec<(PathBuf, u64)>,
    /// Those that are not wanted any more.
    past: HashSet<PathBuf>,
}

/// Where the quick form of a package file of the cache is kept; `None` for a file that is not
/// named by its hash.
pub(super) fn kept(cache: &Path, package: &Path) -> Option<PathBuf> {
    let hash = hash(package)?;
    Some(cache.join(KEPT).join(hash.get(..2)?).join(hash))
}

/// Where it is for this run only.
pub(super) fn passing(scratch: &Path, package: &Path) -> Option<PathBuf> {
    Some(scratch.join(PASSING).join(hash(package)?))
}

fn hash(package: &Path) -> Option<&str> {
    let name = package.file_name()?.to_str()?;
    (name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(name)
}

impl Recompression {
    /// `soon` in the order in which they are needed, then what is to be kept; `scratch` is a
    /// directory of this run, on the filesystem of the cache.
    pub(super) fn new(scratch: &Path, soon: Vec<Task>, keep: Vec<Task>) -> Self {
        let kept_from = soon.len();
        let tasks: Vec<Task> = soon.into_iter().chain(keep).collect();
        let places = tasks.iter().enumerate();
        Self {
            places: places
                .map(|(index, task)| (task.package.clone(), index))
                .collect(),
            scratch: scratch.join(PASSING),
            tasks,
            kept_from,
            ..Self::default()
        }
    }

    /// Where the quick form of a package is, if it is ready.
    pub(super) fn quick(&self, package: &Path) -> Option<&Path> {
        let task = self.tasks.get(*self.places.get(package)?)?;
        Some(&task.quick)
    }

    /// How many threads [`work`](Self::work) is worth here.
    pub(super) fn threads(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        processors.saturating_sub(1).min(THREADS).min(self.tasks.len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until all is done or [`until_dropped`](Self::until_dropped) ends it.
    pub(super) fn work(&self) {
        // Scripts and unpacking come first. Of this thread alone (setpriority(2), "C library/kernel
        // differences").
        let _ = rustix::process::setpriority_process(None, 19);
        while !self.stop.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = self.tasks.get(index) else { return };
            let passing = index < self.kept_from;
            if passing && !self.wait_for_room(&task.quick) {
                continue;
            }
            // What cannot be read is said when it is unpacked; what cannot be written is not needed.
            if let Ok(Some(size)) = recompress(&task.package, &task.quick, &self.scratch, &self.stop)
                && passing
            {
                let mut state = self.state();
                if state.past.contains(&task.quick) {
                    let _ = std::fs::remove_file(&task.quick);
                } else {
                    state.ready.push((task.quick.clone(), size));
                }
            }
        }
    }

    /// Whether the task is to be done.
    fn wait_for_room(&self, quick: &Path) -> bool {
        let mut state = self.state();
        loop {
            if self.stop.load(Ordering::Relaxed) || state.past.contains(quick) {
                return false;
            }
            if state.ready.iter().map(|(_, size)| size).sum::<u64>() < ENOUGH {
                return true;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A package is unpacked: its quick form is not needed in this run any more.
    pub(super) fn past(&self, package: &Path) {
        let Some(&index) = self.places.get(package).filter(|index| **index < self.kept_from) else {
            return;
        };
        let Some(quick) = self.tasks.get(index).map(|task| task.quick.as_path()) else {
            return;
        };
        let mut state = self.state();
        if let Some(at) = state.ready.iter().position(|(path, _)| path == quick) {
            state.ready.swap_remove(at);
            let _ = std::fs::remove_file(quick);
        }
        state.past.insert(quick.to_owned());
        drop(state);
        self.changed.notify_all();
    }

    /// Has the work end when what is returned is dropped, also where that is by a panic: the scope
    /// of the threads would wait for one that waits for room.
    pub(super) fn until_dropped(&self) -> Stop<'_> {
        Stop(self)
    }

    /// Ends the work soon.
    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // Whoever has looked at it before is waiting now.
        drop(self.state());
        self.changed.notify_all();
    }
}

/// Ends the work when it is dropped.
pub(super) struct Stop<'a>(&'a Recompression);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Whether a package is large enough for it to be worth while.
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
            quick: directory.join("quick").join(name),
        };
        names.iter().map(of).collect()
    }

    #[test]
    fn what_is_needed_later_is_ready_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let soon = tasks(path, &["a", "b"]);
        let keep = tasks(path, &["k"]);
        let ahead = Recompression::new(path, soon.clone(), keep.clone());
        // Unpacked before anybody came to it.
        ahead.past(&soon[0].package);
        ahead.work();
        assert!(!soon[0].quick.exists() && soon[1].quick.exists() && keep[0].quick.exists());
        assert_eq!(ahead.quick(&soon[1].package), Some(soon[1].quick.as_path()));
        assert_eq!(ahead.quick(Path::new("/other")), None);
        ahead.past(&soon[1].package);
        ahead.past(&keep[0].package);
        assert!(!soon[1].quick.exists() && keep[0].quick.exists());
    }

    #[test]
    fn who_waits_for_room_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let soon = tasks(directory.path(), &["a", "b"]);
        let ahead = Recompression::new(directory.path(), soon.clone(), Vec::new());
        let full = directory.path().join("full");
        ahead.state().ready.push((full, ENOUGH));
        std::thread::scope(|scope| {
            scope.spawn(|| ahead.work());
            std::thread::sleep(Duration::from_millis(50));
            assert!(!soon[0].quick.exists());
            ahead.state().ready.clear();
            // The first is unpacked meanwhile; the second is made then.
            ahead.past(&soon[0].package);
        });
        assert!(!soon[0].quick.exists() && soon[1].quick.exists());
        let ahead = Recompression::new(directory.path(), soon, Vec::new());
        ahead.state().ready.push((directory.path().join("full"), ENOUGH));
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| ahead.work());
            drop(ahead.until_dropped());
            worker.join().unwrap();
        });
    }

    #[test]
    fn places_are_named_by_the_hash() {
        let hash = "ab".repeat(32);
        let package = Path::new("/cache/by-hash/sha256/ab").join(&hash);
        let kept = kept(Path::new("/c"), &package).unwrap();
        assert_eq!(kept, Path::new("/c/quick-1/ab").join(&hash));
        assert_eq!(
            passing(Path::new("/s"), &package).unwrap(),
            Path::new("/s/ahead").join(&hash)
        );
        assert_eq!(passing(Path::new("/s"), Path::new("/x/a.deb")), None);
    }
}
