//! The date of the last Release file of each source, against those who serve an old state again.
//!
//! A signature says who made a Release file, not that it is the newest. Kept in the cache as `seen/KEY`, one file a
//! suite of an archive; whoever removes the cache starts anew, as with apt's lists.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::{ArchiveError, Lock, Result, lock_file};
use deb_index::keep;
use deb_types::hex;

/// A Release file of a source.
pub(super) struct Sighting<'a> {
    /// What names the source: the same for InRelease and Release.
    pub(super) source: &'a str,
    /// URL to show.
    pub(super) url: &'a str,
    /// `Date`, and what it says; none without one, or with one that cannot be read.
    pub(super) date: Option<(SystemTime, &'a str)>,
}

impl Sighting<'_> {
    /// Compares with what was seen before, and notes the date. Runs at the same time come one after the other, so that
    /// none takes another's newer date back.
    ///
    /// # Errors
    /// [`ArchiveError::Older`], unless `accept_older`: then the older date is the one seen last.
    pub(super) fn note(&self, cache: &Path, accept_older: bool, stop: &dyn Fn() -> bool) -> Result<()> {
        let directory = cache.join("seen");
        let path = directory.join(hex(&Sha256::digest(self.source.as_bytes())));
        let _alone = lock_file(&path.with_extension("lock"), Lock::Exclusive, stop)?;
        let before = fs::read_to_string(&path).ok();
        let before = before.as_deref().and_then(parse);
        let now = self.date.map(|(date, text)| (seconds(date), text));
        if let Some((seen, seen_text)) = before
            && now.is_none_or(|(now, _)| now < seen)
            && !accept_older
        {
            return Err(ArchiveError::Older {
                url: self.url.to_owned(),
                date: now.map_or("no date", |(_, text)| text).to_owned(),
                seen: seen_text.to_owned(),
            });
        }
        match now {
            Some((now, text)) if before.is_none_or(|(seen, _)| seen != now) => {
                let line = format!("{now} {}\n{}\n", text.replace(['\n', '\r'], " "), self.source);
                keep(&path, line.as_bytes()).map_err(ArchiveError::io("write", &path))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a Release file of a source was seen before.
///
/// # Errors
/// The lock cannot be had.
pub(super) fn was_seen(cache: &Path, source: &str, stop: &dyn Fn() -> bool) -> Result<bool> {
    let path = cache.join("seen").join(hex(&Sha256::digest(source.as_bytes())));
    if !path.exists() {
        return Ok(false);
    }
    let _alone = lock_file(&path.with_extension("lock"), Lock::Shared, stop)?;
    Ok(fs::read_to_string(&path).is_ok_and(|text| parse(&text).is_some()))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Parses `SECONDS DATE`, the first line of a file; a file that says something else is as good as none.
fn parse(text: &str) -> Option<(u64, &str)> {
    let (seconds, date) = text.lines().next()?.split_once(' ')?;
    Some((seconds.parse().ok()?, date))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    fn note(cache: &Path, source: &str, day: Option<u64>, accept: bool) -> Result<()> {
        let text = day.map(|day| format!("day {day}"));
        let date = day.map(|day| SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400));
        Sighting {
            source,
            url: "u",
            date: date.zip(text.as_deref()),
        }
        .note(cache, accept, &|| false)
    }

    #[test]
    fn an_older_date_is_refused_until_it_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let at = |day, accept| note(dir.path(), "a", day, accept);
        at(None, false).unwrap();
        at(Some(5), false).unwrap();
        at(Some(5), false).unwrap();
        at(Some(7), false).unwrap();
        let error = at(Some(6), false).unwrap_err().to_string();
        assert!(
            error.contains("day 6") && error.contains("day 7") && error.contains("--allow-older-release"),
            "{error}"
        );
        assert!(at(None, false).unwrap_err().to_string().contains("no date"));
        note(dir.path(), "b", Some(1), false).unwrap();
        at(Some(6), true).unwrap();
        at(Some(6), false).unwrap();
        assert!(at(Some(5), false).is_err());
        // What cannot be read is nobody's word.
        let path = dir.path().join("seen").join(hex(&Sha256::digest(b"a")));
        fs::write(path, "x").unwrap();
        at(Some(1), false).unwrap();
    }

    #[test]
    fn runs_at_the_same_time_keep_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        thread::scope(|scope| {
            for first in 1..5 {
                let cache = dir.path();
                scope.spawn(move || {
                    for day in 0..50 {
                        let _ = note(cache, "a", Some(first + day * 4), false);
                    }
                });
            }
        });
        note(dir.path(), "a", Some(200), false).unwrap();
        assert!(note(dir.path(), "a", Some(199), false).is_err());
    }
}
