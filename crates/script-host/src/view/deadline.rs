//! The time limit and the cancellation of a script.

use super::{Ended, ViewError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Time between two checks of whether a script is to be ended.
pub(super) const INTERVAL: Duration = Duration::from_millis(50);

/// The reasons to end a script that does not end by itself.
pub(super) struct Deadline<'c> {
    started: Instant,
    limit: Option<Duration>,
    cancelled: &'c dyn Fn() -> bool,
}

impl<'c> Deadline<'c> {
    /// Starts to count `limit`; none means no limit.
    pub(super) fn new(limit: Option<Duration>, cancelled: &'c dyn Fn() -> bool) -> Self {
        Self {
            started: Instant::now(),
            limit,
            cancelled,
        }
    }

    /// Returns the time for which the script has run.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Starts to count anew.
    pub(super) fn renew(&mut self) {
        self.started = Instant::now();
    }

    /// Returns the reason to end the script; none lets it run.
    pub(super) fn verdict(&self) -> Option<Ended> {
        if (self.cancelled)() {
            return Some(Ended::Cancelled);
        }
        let late = self.limit.filter(|limit| self.elapsed() > *limit);
        late.map(Ended::TimedOut)
    }

    /// Waits a moment for something to be read, and returns whether there is something.
    pub(super) fn readable(&self, of: impl AsFd) -> Result<bool, ViewError> {
        let interval = Timespec::try_from(INTERVAL).ok();
        match poll(&mut [PollFd::new(&of, PollFlags::IN)], interval.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(ViewError::Lost(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cancels_is_heard_before_the_limit_counts() {
        let never = || false;
        let patient = Deadline::new(None, &never);
        assert!(patient.verdict().is_none());
        let late = Deadline::new(Some(Duration::ZERO), &never);
        std::thread::sleep(Duration::from_millis(1));
        assert!(matches!(late.verdict(), Some(Ended::TimedOut(_))));
        let cancelled = || true;
        let mut renewed = Deadline::new(Some(Duration::from_secs(1000)), &never);
        renewed.started = Instant::now().checked_sub(Duration::from_secs(2000)).unwrap();
        assert!(renewed.verdict().is_some());
        renewed.renew();
        assert!(renewed.verdict().is_none());
        let both = Deadline::new(Some(Duration::ZERO), &cancelled);
        assert!(matches!(both.verdict(), Some(Ended::Cancelled)));
    }

    #[test]
    fn what_can_be_read_is_seen() {
        let never = || false;
        let deadline = Deadline::new(None, &never);
        let (reader, writer) = std::io::pipe().unwrap();
        assert!(!deadline.readable(&reader).unwrap());
        drop(writer);
        assert!(deadline.readable(&reader).unwrap());
    }
}
