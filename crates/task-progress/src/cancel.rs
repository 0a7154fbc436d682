//! Stopping a run from outside: every signal that would end the process.
//!
//! A signal sets a flag that all stages check, and calls the registered actions,
//! which end what cannot check it (child processes). The run then ends like any
//! other failed one: the same code cleans up. A further signal calls the
//! registered actions again, and changes nothing else.
//!
//! Where the run has not ended [`GRACE`] after the first signal, whatever it waits for (a reader of its output, a
//! process that is stopped, a slow disk), a watchdog calls a last action, which hands over what is left to clean up
//! and [ends](end_now) the process.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH,
    SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::Signals;

/// Time that a run has to end and clean up after a signal.
pub const GRACE: Duration = Duration::from_millis(1500);

/// Signals that stop a run, whatever the process was started with.
const ALWAYS: [i32; 3] = [SIGINT, SIGTERM, SIGQUIT];

/// Signals that stop a run unless they are ignored when it begins, as nohup(1) has SIGHUP. The others that would end
/// a process without a core file (signal(7)): limits of processor time, timers, signals of a user.
const UNLESS_IGNORED: [i32; 9] = [
    SIGHUP,
    SIGXCPU,
    SIGALRM,
    SIGVTALRM,
    SIGPROF,
    SIGUSR1,
    SIGUSR2,
    SIGIO,
    Signal::SIGPWR as i32,
];

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
        match Signal::try_from(self.0) {
            Ok(Signal::SIGXCPU) => f.write_str("SIGXCPU, the limit of processor time (ulimit -t)"),
            Ok(signal) => f.write_str(signal.as_str()),
            Err(_) => write!(f, "signal {}", self.0),
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
    /// Receiver of signals that do not stop the run.
    diverted: Mutex<Option<UnixStream>>,
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

    /// Makes the signals that end a process cancel this token instead. Must be called once, before other threads are
    /// started. Those that are ignored stay so, but for SIGINT, SIGTERM and SIGQUIT, which shells ignore for
    /// commands in the background. A write beyond the limit of a file's size (SIGXFSZ) is an error of that write.
    ///
    /// Where the process has not ended [`GRACE`] after the first signal, `late` is called, which ends it.
    ///
    /// # Errors
    /// Those of sigaction(2) and of starting a thread.
    pub fn listen(&self, late: impl FnOnce(Cancelled) + Send + 'static) -> io::Result<()> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let others = UNLESS_IGNORED.into_iter();
        let others = others.filter(|signal| !is_ignored(&status, *signal));
        let mut signals = Signals::new(ALWAYS.into_iter().chain(others))?;
        // A handler, since programs that are executed would inherit that it is ignored.
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
        let cancel = self.clone();
        thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                if !cancel.is_diverted(signal) {
                    cancel.cancel(signal);
                }
            }
        })?;
        let cancel = self.clone();
        thread::Builder::new().name("watchdog".into()).spawn(move || {
            let cancelled = cancel.wait();
            thread::sleep(GRACE);
            late(cancelled);
        })?;
        Ok(())
    }

    /// Sends the numbers of signals, a byte each, to `receiver` until the returned guard is dropped; they do not stop the
    /// run then. A change of the terminal's window (SIGWINCH) sends [`WINDOW`].
    ///
    /// # Errors
    /// Those of sigaction(2).
    pub fn divert(&self, receiver: UnixStream) -> io::Result<Diverted> {
        let window = signal_hook::low_level::pipe::register(SIGWINCH, receiver.try_clone()?)?;
        *self.diverted() = Some(receiver);
        Ok(Diverted {
            cancel: self.clone(),
            window,
        })
    }

    fn diverted(&self) -> MutexGuard<'_, Option<UnixStream>> {
        self.0
            .diverted
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Diverts a signal, where somebody wants it.
    fn is_diverted(&self, signal: i32) -> bool {
        let mut diverted = self.diverted();
        let number = u8::try_from(signal).unwrap_or_default();
        diverted
            .as_mut()
            .is_some_and(|receiver| receiver.write_all(&[number]).is_ok())
    }

    /// Waits until the run is to stop.
    fn wait(&self) -> Cancelled {
        let mut actions = self.0.actions();
        loop {
            if let Err(cancelled) = self.check() {
                return cancelled;
            }
            let woken = self.0.sleepers.wait(actions);
            actions = woken.unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// Stops the run as `signal` does.
    pub fn cancel(&self, signal: i32) {
        // Called without the lock: an action may drop its own registration.
        let actions: Vec<Callback> = {
            // Under it, so that who is about to sleep does not miss the signal.
            let actions = self.0.actions();
            let _ = self
                .0
                .signal
                .compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
            actions.values().cloned().collect()
        };
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

/// Ends the process at once, with the exit status that shells give to one that a signal ended. Unlike exit(3) it
/// waits for nothing that another thread may hold.
pub fn end_now(cancelled: Cancelled) -> ! {
    signal_hook::low_level::exit(cancelled.signal.saturating_add(128))
}

/// The byte that says that the terminal's window has another size; no signal has this number.
pub const WINDOW: u8 = b'X';

/// Keeps signals [diverted](Cancel::divert).
#[must_use = "signals stop the run again when this is dropped"]
#[derive(Debug)]
pub struct Diverted {
    cancel: Cancel,
    window: signal_hook::SigId,
}

impl Drop for Diverted {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.window);
        *self.cancel.diverted() = None;
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
    use std::io::Read;

    #[test]
    fn diverted_signals_do_not_stop_the_run() {
        let cancel = Cancel::new();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let diverted = cancel.divert(theirs).unwrap();
        assert!(cancel.is_diverted(SIGTERM));
        signal_hook::low_level::raise(SIGWINCH).unwrap();
        let mut bytes = [0; 2];
        ours.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, [15, WINDOW]);
        drop(diverted);
        assert!(!cancel.is_diverted(SIGTERM) && !cancel.is_cancelled());
    }
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
        let (late, told) = std::sync::mpsc::channel();
        cancel.listen(move |cancelled| {
            let _ = late.send(cancelled);
        })?;
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM)?;
        assert_eq!(
            cancel.sleep(Duration::from_secs(20)),
            Err(Cancelled { signal: SIGTERM })
        );
        assert_eq!(Cancelled { signal: SIGTERM }.to_string(), "stopped by SIGTERM");
        // The process lives on: the watchdog has to see to that.
        let told = told.recv_timeout(Duration::from_secs(20));
        assert_eq!(told, Ok(Cancelled { signal: SIGTERM }));
        // Not the end of the process.
        nix::sys::signal::raise(Signal::SIGXFSZ)?;
        let named = |signal| Cancelled { signal }.to_string();
        assert_eq!(named(SIGQUIT), "stopped by SIGQUIT");
        assert!(named(SIGXCPU).contains("ulimit -t"));
        assert_eq!(named(64), "stopped by signal 64");
        Ok(())
    }

    #[test]
    fn nohup_is_seen() {
        assert!(is_ignored("SigIgn:\t0000000000000001\n", SIGHUP));
        assert!(!is_ignored("SigIgn:\t0000000000001000\n", SIGHUP));
    }
}
