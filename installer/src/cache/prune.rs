//! What is taken out of the cache: what was not used for long, or most of all what makes it too large.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use deb_archive::{ArchiveError, Lock, lock_file};
use task_progress::Reporter;
use task_progress::summary::ByteCount;

use super::{Entry, IN_USE, Kind, WORK, entries, unused_for};
use crate::staging;

/// Size in bytes beyond which a run shrinks its cache.
const LARGE: u64 = 30 << 30;
/// Time for which logs are kept.
const LOGS: Duration = Duration::from_secs(30 * 86_400);
/// Time after which what a run has left is nobody's.
const LEFT: Duration = Duration::from_secs(86_400);
/// File that tells when a run looked at its cache last.
const TIDIED: &str = "tidied";

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// What was used within this time.
    Used(Duration),
    /// What was used last, up to so many bytes.
    Bytes(u64),
}

/// What was taken out.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// The entries.
    pub entries: Vec<Entry>,
}

impl Pruned {
    /// Returns the number of bytes that they took.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.bytes).sum()
    }
}

/// Takes out what is not to be kept; only says it where nothing is to be done (`dry_run`). Waits until no run uses the
/// cache, or `stop` returns true.
///
/// # Errors
/// An entry that cannot be removed; [`ArchiveError::Interrupted`].
pub fn prune(
    cache: &Path,
    keep: Keep,
    dry_run: bool,
    stop: &dyn Fn() -> bool,
) -> Result<Pruned, ArchiveError> {
    let _alone = lock_file(&cache.join(IN_USE), Lock::Exclusive, stop)?;
    let failed = |source| ArchiveError::Io {
        action: "prune",
        path: cache.to_owned(),
        source,
    };
    let mut all = entries(cache).map_err(failed)?;
    all.sort_by_key(|entry| entry.used);
    let mut left: u64 = all.iter().map(|entry| entry.bytes).sum();
    let mut pruned = Pruned::default();
    for entry in all {
        let goes = match (entry.kind, keep) {
            (Kind::Old, _) => true,
            // Those of dead runs go below, by their locks.
            (Kind::Work, _) => false,
            (Kind::Partial, _) if unused_for(&entry) > LEFT => true,
            (_, Keep::Used(time)) => unused_for(&entry) > time,
            (_, Keep::Bytes(bytes)) => left > bytes,
        };
        if !goes {
            continue;
        }
        if !dry_run {
            remove(&entry).map_err(|source| ArchiveError::Io {
                action: "remove",
                path: entry.path.clone(),
                source,
            })?;
        }
        left = left.saturating_sub(entry.bytes);
        pruned.entries.push(entry);
    }
    if !dry_run && let Err(error) = staging::remove_dead_runs(&cache.join(WORK)) {
        tracing::debug!("what dead runs have left stays: {error}");
    }
    Ok(pruned)
}

/// Removes an entry. What other entries say of it goes first, so that nothing tells of what is not there.
pub(super) fn remove(entry: &Entry) -> io::Result<()> {
    if entry.kind == Kind::NativePackages {
        gone(fs::remove_file(entry.path.with_extension("digest")))?;
    }
    match fs::symlink_metadata(&entry.path) {
        Ok(meta) if meta.is_dir() => rootless_install_fs::remove_tree(&entry.path),
        Ok(_) => gone(fs::remove_file(&entry.path)),
        Err(error) => gone(Err(error)),
    }
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Looks at the cache once a day, at the end of a run: old logs go, and what was used longest ago where it is too large,
/// which is said. Nothing is done while another run uses it, and no failure matters.
pub fn tidy(cache: &Path, reporter: &dyn Reporter) {
    tidy_beyond(LARGE, cache, reporter);
}

fn tidy_beyond(large: u64, cache: &Path, reporter: &dyn Reporter) {
    let note = cache.join(TIDIED);
    let recent = fs::metadata(&note).and_then(|meta| meta.modified());
    if recent.is_ok_and(|then| then.elapsed().unwrap_or_default() < LEFT) {
        return;
    }
    if fs::write(&note, "").is_err() {
        return;
    }
    let Ok(all) = entries(cache) else { return };
    let is_old = |entry: &Entry| entry.kind == Kind::Logs && unused_for(entry) > LOGS;
    let (old, rest): (Vec<Entry>, Vec<Entry>) = all.into_iter().partition(is_old);
    for entry in &old {
        let _ = remove(entry);
    }
    if rest.iter().map(|entry| entry.bytes).sum::<u64>() <= large {
        return;
    }
    if let Ok(pruned) = prune(cache, Keep::Bytes(large / 10 * 8), false, &|| true)
        && !pruned.entries.is_empty()
    {
        reporter.note(&format!(
            "the cache was larger than {}: {} that were not used for the longest time are taken out (see `rootless-install cache`)",
            ByteCount(large),
            ByteCount(pruned.bytes())
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::cache;
    use super::*;
    use task_progress::lines::Lines;
    use task_progress::{Style, Verbosity};

    #[test]
    fn by_age_and_by_size() {
        let files = [
            ("by-hash/sha256/ab/ab01", 100_000, 1),
            ("by-hash/sha256/ab/ab02", 100_000, 5),
            ("by-hash/sha256/ab/ab03", 100_000, 20),
            ("log/old.log", 10, 30),
            ("partial/x", 10, 2),
            ("native-1/x", 10, 0),
            ("seen/x", 10, 300),
        ];
        let names = |keep: Keep, dry_run: bool| {
            let cache = cache(&files);
            let pruned = prune(cache.path(), keep, dry_run, &|| true).unwrap();
            let left = files.map(|(name, ..)| cache.path().join(name).exists());
            (pruned.entries.len(), left)
        };
        let fortnight = Keep::Used(Duration::from_secs(14 * 86_400));
        assert_eq!(
            names(fortnight, false),
            (4, [true, true, false, false, false, false, true])
        );
        assert_eq!(names(fortnight, true), (4, [true; 7]));
        assert_eq!(
            names(Keep::Bytes(250_000), false),
            (4, [true, true, false, false, false, false, true])
        );
        assert_eq!(
            names(Keep::Bytes(0), false).1,
            [false, false, false, false, false, false, true]
        );
    }

    #[test]
    fn once_a_day_old_logs_go_and_what_is_too_much() {
        let lines = Lines::new(std::io::sink(), Verbosity::default(), Style::default());
        let files = [
            ("by-hash/sha256/ab/ab01", 100_000, 1),
            ("by-hash/sha256/ab/ab02", 100_000, 5),
            ("log/old.log", 10, 31),
            ("log/new.log", 10, 1),
        ];
        let left = |large: u64| {
            let cache = cache(&files);
            tidy_beyond(large, cache.path(), &lines);
            // The second one of a day does nothing.
            tidy_beyond(0, cache.path(), &lines);
            files.map(|(name, ..)| cache.path().join(name).exists())
        };
        assert_eq!(left(1 << 30), [true, true, false, true]);
        assert_eq!(left(180_000), [true, false, false, true]);
    }

    #[test]
    fn not_while_a_run_uses_it() {
        let cache = cache(&[("by-hash/sha256/ab/ab01", 10, 100)]);
        let run = lock_file(&cache.path().join(IN_USE), Lock::Shared, &|| false).unwrap();
        let stopped = prune(cache.path(), Keep::Bytes(0), false, &|| true);
        assert!(matches!(stopped, Err(ArchiveError::Interrupted)));
        drop(run);
        assert_eq!(
            prune(cache.path(), Keep::Bytes(0), false, &|| true)
                .unwrap()
                .entries
                .len(),
            1
        );
    }
}
