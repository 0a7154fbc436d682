//! Descriptors that may be kept open, by the limit of the process.

use rustix::process::{Resource, getrlimit};

/// Returns how many descriptors a cache may keep open: `most`, or `1/part` of the limit of open files (setrlimit(2))
/// where that is less.
pub(crate) fn share(most: usize, part: u64) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    share_of(limit.unwrap_or(u64::MAX), most, part)
}

fn share_of(limit: u64, most: usize, part: u64) -> usize {
    let share = limit.checked_div(part).unwrap_or(limit);
    // A cache that keeps nothing would open every directory on the way to each file.
    usize::try_from(share).unwrap_or(most).clamp(4, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_limit() {
        assert_eq!(share_of(u64::MAX, 256, 8), 256);
        assert_eq!(share_of(1024, 256, 8), 128);
        assert_eq!(share_of(48, 256, 8), 6);
        assert_eq!(share_of(0, 256, 8), 4);
    }
}
