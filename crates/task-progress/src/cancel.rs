//! Stopping a run from outside: SIGINT, SIGTERM, SIGHUP.
//!
//! A signal sets a flag that all stages check, and calls the registered actions,
//! which end what cannot check it (child processes). The run then ends like any
//! other failed one: the same code cleans up. A further signal calls the
//! registered actions again, and changes nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The run was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped by {}", SignalName(*signal))]
pub struct Cancelled {
    /// Number of the signal.
    pub signal: i32,
}

struct SignalName(i32);

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SIGINT => f.write_str("SIGINT"),
            SIGTERM => f.write_str("SIGTERM"),
            SIGHUP => f.write_str("SIGHUP"),
            other => write!(f, "signal {other}"),
        }
    }
}

type Callback = Arc<dyn Fn(Cancelled) + Send + Sync>;

#[derive(Default)]
struct TokenState {
    /// Number of the first signal; 0 until there is one.
    signal: AtomicI32,
    next: AtomicU64,
    actions: Mutex<BTreeMap<u64, Callback>>,
    sleepers: Condvar,
}

impl TokenState {
    fn actions(&self) -> MutexGuard<'_, BTreeMap<u64, Callback>> {
        self.actions
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A token that says whether the run is to stop. Clones are the same token.
#[derive(Clone, Default)]
pub struct Cancel(Arc<TokenState>);

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.signal()).finish()
    }
}

impl Cancel {
    /// Returns a token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes SIGINT, SIGTERM and SIGHUP cancel this token instead of ending the
    /// process. Must be called once, before other threads are started. SIGHUP stays
    /// ignored if it is.
    ///
    /// # Errors
    /// Those of sigaction(2) and of starting a thread.
    pub fn listen(&self) -> io::Result<()> {
        let mut watched = vec![SIGINT, SIGTERM];
        if !hangup_is_ignored() {
            watched.push(SIGHUP);
        }
        let mut signals = Signals::new(watched)?;
        let cancel = self.clone();
        thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                cancel.cancel(signal);
            }
        })?;
        Ok(())
    }

    /// Stops the run as `signal` does.
    pub fn cancel(&self, signal: i32) {
        let _ = self
            .0
            .signal
            .compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        // Called without the lock: an action may drop its own registration.
        let actions: Vec<Callback> = self.0.actions().values().cloned().collect();
        self.0.sleepers.notify_all();
        let cancelled = Cancelled {
            signal: self.signal().unwrap_or(signal),
        };
        for action in actions {
            action(cancelled);
        }
    }

    /// Returns the signal that stopped the run, if any did.
    pub fn signal(&self) -> Option<i32> {
        match self.0.signal.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }

    /// Whether the run is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.signal().is_some()
    }

    /// Returns an error when the run is to stop. Stages call it at least once for each file
    /// or package.
    ///
    /// # Errors
    /// [`Cancelled`] when the run is to stop.
    pub fn check(&self) -> Result<(), Cancelled> {
        match self.signal() {
            None => Ok(()),
            Some(signal) => Err(Cancelled { signal }),
        }
    }

    /// Calls `action` when (and each time that) the run is stopped, from another
    /// thread, until the returned guard is dropped; at once if it was stopped
    /// already. An action may still run when the guard is dropped.
    pub fn on_cancel(&self, action: impl Fn(Cancelled) + Send + Sync + 'static) -> OnCancel {
        let action: Callback = Arc::new(action);
        let key = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.0.actions().insert(key, action.clone());
        if let Err(cancelled) = self.check() {
            action(cancelled);
        }
        OnCancel {
            cancel: self.clone(),
            key,
        }
    }

    /// Sleeps for a time, and ends early when the run is to stop.
    ///
    /// # Errors
    /// [`Cancelled`] when the run is to stop.
    pub fn sleep(&self, duration: Duration) -> Result<(), Cancelled> {
        let until = Instant::now() + duration;
        let mut actions = self.0.actions();
        loop {
            self.check()?;
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return Ok(());
            };
            actions = self
                .0
                .sleepers
                .wait_timeout(actions, left)
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .0;
        }
    }
}

/// Keeps an action registered.
#[must_use = "the action is forgotten when this is dropped"]
#[derive(Debug)]
pub struct OnCancel {
    cancel: Cancel,
    key: u64,
}

impl Drop for OnCancel {
    fn drop(&mut self) {
        self.cancel.0.actions().remove(&self.key);
    }
}

/// Whether SIGHUP is ignored, as nohup(1) has it: the run then outlives its terminal.
fn hangup_is_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| is_ignored(&status, SIGHUP))
}

/// Whether `SigIgn` of a proc(5) status file includes a signal.
fn is_ignored(status: &str, signal: i32) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn actions_run_each_time_until_dropped() {
        let cancel = Cancel::new();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        let guard = cancel.on_cancel(move |cancelled| {
            assert_eq!(cancelled.signal, SIGINT);
            counter.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(cancel.check(), Ok(()));
        cancel.cancel(SIGINT);
        cancel.cancel(SIGTERM);
        assert_eq!(cancel.check(), Err(Cancelled { signal: SIGINT }));
        drop(guard);
        cancel.cancel(SIGINT);
        assert_eq!(count.load(Ordering::SeqCst), 2);
        let counter = count.clone();
        let _late = cancel.on_cancel(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn sleepers_wake_up() {
        let cancel = Cancel::new();
        let other = cancel.clone();
        let thread = thread::spawn(move || {
            let begun = Instant::now();
            (other.sleep(Duration::from_secs(60)), begun.elapsed())
        });
        thread::sleep(Duration::from_millis(20));
        cancel.cancel(SIGTERM);
        let (slept, elapsed) = thread.join().unwrap_or_else(|_| panic!("the sleeper panicked"));
        assert_eq!(slept, Err(Cancelled { signal: SIGTERM }));
        assert!(elapsed < Duration::from_secs(30));
    }

    #[test]
    fn a_signal_cancels() -> io::Result<()> {
        let cancel = Cancel::new();
        cancel.listen()?;
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM)?;
        assert_eq!(
            cancel.sleep(Duration::from_secs(20)),
            Err(Cancelled { signal: SIGTERM })
        );
        assert_eq!(Cancelled { signal: SIGTERM }.to_string(), "stopped by SIGTERM");
        Ok(())
    }

    #[test]
    fn nohup_is_seen() {
        assert!(is_ignored("SigIgn:\t0000000000000001\n", SIGHUP));
        assert!(!is_ignored("SigIgn:\t0000000000001000\n", SIGHUP));
    }
}
