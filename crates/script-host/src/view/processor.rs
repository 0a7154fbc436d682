//! The processor on which a script runs, together with the server's threads that answer its requests.
//!
//! A script and the server take turns: while one works, the other waits. On one processor
//! a turn costs a switch between two processes; on two, the one that waits has let its
//! processor fall asleep, and waking it up takes longer than the answer. A script that
//! goes on for long may have work for several processors and gets them.

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;
use std::time::Duration;

/// Time for which a script has one processor only.
pub(super) const ALONE: Duration = Duration::from_secs(1);

/// Processors of the server's threads.
pub(super) struct Processors {
    threads: Vec<Pid>,
    /// The processors that this program may use (sched_setaffinity(2)); `None` where the kernel does not say, and
    /// then threads stay where they are.
    all: Option<CpuSet>,
    /// The processor to which the threads were bound last; none means all.
    at: Option<usize>,
}

impl Processors {
    pub(super) fn new(threads: &[i32]) -> Self {
        Self {
            threads: threads.iter().copied().map(Pid::from_raw).collect(),
            all: sched_getaffinity(Pid::from_raw(0)).ok(),
            at: None,
        }
    }

    /// Chooses the caller's processor for a script, since the caller will wait, and binds the threads to it.
    pub(super) fn choose(&mut self) -> Option<usize> {
        self.all.as_ref()?;
        let chosen = sched_getcpu().ok()?;
        if self.at != Some(chosen) {
            self.put(&only(chosen)?);
            self.at = Some(chosen);
        }
        Some(chosen)
    }

    /// Gives the threads every processor.
    pub(super) fn spread(&mut self) {
        if let Some(all) = self.all {
            self.put(&all);
        }
        self.at = None;
    }

    fn put(&self, set: &CpuSet) {
        for thread in &self.threads {
            // A failure costs speed only.
            let _ = sched_setaffinity(*thread, set);
        }
    }
}

fn only(processor: usize) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    set.set(processor).ok()?;
    Some(set)
}

/// In the agent: puts the calling process, and what it starts from here on, on a processor.
pub(super) fn stay_on(processor: Option<usize>, all: Option<&CpuSet>) {
    let set = processor.and_then(only);
    if let Some(set) = set.as_ref().or(all) {
        let _ = sched_setaffinity(Pid::from_raw(0), set);
    }
}

/// Returns the processors that the calling process may use.
pub(super) fn allowed() -> Option<CpuSet> {
    sched_getaffinity(Pid::from_raw(0)).ok()
}

/// In the agent: gives every thread in the view all processors. Processes that begin
/// meanwhile are found by the second look.
pub(super) fn spread_all(all: &CpuSet) {
    for _ in 0..2 {
        for process in numbers("/proc") {
            for thread in numbers(&format!("/proc/{process}/task")) {
                let _ = sched_setaffinity(Pid::from_raw(thread), all);
            }
        }
    }
}

fn numbers(directory: &str) -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_follow_and_are_free_again() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let (named, name) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            named.send(nix::unistd::gettid()).unwrap();
            let _ = receiver.recv();
        });
        let thread_id = name.recv().unwrap();
        let before = sched_getaffinity(thread_id).unwrap();
        let mut processors = Processors::new(&[thread_id.as_raw()]);
        let chosen = processors.choose().unwrap();
        let pinned = sched_getaffinity(thread_id).unwrap();
        let count = |set: &CpuSet| (0..CpuSet::count()).filter(|n| set.is_set(*n).unwrap()).count();
        assert!(pinned.is_set(chosen).unwrap());
        assert_eq!(count(&pinned), 1);
        processors.spread();
        assert_eq!(sched_getaffinity(thread_id).unwrap(), before);
        drop(sender);
        thread.join().unwrap();
    }
}
