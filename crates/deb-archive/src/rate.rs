//! The speed of a transfer over a sliding window of time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Parts of the window after which the speed is looked at again.
const PARTS: u32 = 8;

/// Measures a transfer, and tells when it is too slow to be waited for.
#[derive(Debug)]
pub(super) struct RateMeter {
    window: Duration,
    /// Bytes a second that are enough.
    least: u64,
    /// Times at which parts of the window began, and the bytes that had come by then.
    marks: VecDeque<(Instant, u64)>,
    total: u64,
}

impl RateMeter {
    pub(super) fn new(window: Duration, least: u64, now: Instant) -> Self {
        Self {
            window,
            least,
            marks: VecDeque::from([(now, 0)]),
            total: 0,
        }
    }

    /// Counts bytes that have come. Returns the bytes a second over the last window if they are too few.
    pub(super) fn add(&mut self, bytes: u64, now: Instant) -> Option<u64> {
        self.total = self.total.saturating_add(bytes);
        let since = |at: Instant| now.saturating_duration_since(at);
        // The oldest mark stays the last one that is a whole window old.
        while self.marks.get(1).is_some_and(|(at, _)| since(*at) >= self.window) {
            self.marks.pop_front();
        }
        if self
            .marks
            .back()
            .is_none_or(|(at, _)| since(*at) >= self.window / PARTS)
        {
            self.marks.push_back((now, self.total));
        }
        let (at, before) = *self.marks.front()?;
        let passed = since(at);
        if passed < self.window {
            return None;
        }
        let came = u128::from(self.total - before) * 1000 / passed.as_millis().max(1);
        let rate = u64::try_from(came).unwrap_or(u64::MAX);
        (rate < self.least).then_some(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);

    // Lets `bytes` come every `step` until the transfer is too slow; returns the time until then and its speed.
    fn given_up(bytes: u64, step: Duration) -> Option<(Duration, u64)> {
        let begin = Instant::now();
        let mut meter = RateMeter::new(WINDOW, 1024, begin);
        let steps = 100_000_000 / step.as_micros();
        (1..=u32::try_from(steps).unwrap()).find_map(|number| {
            let passed = step * number;
            meter.add(bytes, begin + passed).map(|rate| (passed, rate))
        })
    }

    #[test]
    fn a_slow_transfer_is_given_up_after_one_window() {
        let (after, rate) = given_up(1, Duration::from_secs(2)).unwrap();
        assert_eq!((after, rate), (WINDOW, 0));
        let (after, rate) = given_up(1, Duration::from_millis(1)).unwrap();
        assert_eq!((after, rate), (WINDOW, 1000));
        assert_eq!(given_up(1024, Duration::from_secs(1)), None);
        assert_eq!(given_up(20 * 1024, Duration::from_secs(20)), None);
    }

    #[test]
    fn a_fast_beginning_does_not_count_for_ever() {
        let begin = Instant::now();
        let mut meter = RateMeter::new(WINDOW, 1024, begin);
        assert_eq!(meter.add(100 << 20, begin + Duration::from_secs(1)), None);
        let slow = (2..200).find(|second| meter.add(1, begin + Duration::from_secs(*second)).is_some());
        assert!(slow.is_some_and(|second| second <= 40), "{slow:?}");
    }

    #[test]
    fn a_pause_shorter_than_the_window_is_waited_for() {
        let begin = Instant::now();
        let mut meter = RateMeter::new(WINDOW, 1024, begin);
        assert_eq!(meter.add(1 << 20, begin + Duration::from_secs(1)), None);
        assert_eq!(meter.add(1, begin + Duration::from_secs(29)), None);
        assert_eq!(meter.add(1 << 20, begin + Duration::from_secs(31)), None);
    }
}
