//! An HTTP server on loopback that stands for a Debian mirror.
//!
//! It serves a synthetic archive from a directory, or the real one: each file
//! is fetched once from the archive that this machine's apt uses, kept, and
//! served from there ever after, index files included. All tools in one run so
//! see one state of the archive. On request it misbehaves; see [`Fault`].

mod pinned;
mod serve;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::certificates::Certificates;
use crate::{Error, Result};

/// A way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status and no body.
    Status(u16),
    /// Half of the file, with the length of the whole announced, and an end.
    Cut,
    /// Half of the file, told as the whole.
    Truncated,
    /// A byte in the middle is another.
    Altered,
    /// This many milliseconds before each 64th part of the body.
    Slow(u64),
    /// This many milliseconds before each byte of the body.
    Trickle(u64),
    /// The whole file with status 200, whatever range was asked for.
    NoRange,
    /// No answer at all, ever.
    Silent,
}

/// Where a fault happens and how often.
#[derive(Clone, Debug)]
struct Trap {
    suffix: String,
    fault: Fault,
    left: usize,
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The path, unquoted, from the server's root.
    pub path: String,
    /// The first byte asked for, if a range was.
    pub from: Option<u64>,
    /// Whether only a file that has changed was asked for.
    pub conditional: bool,
    /// The field `Authorization`.
    pub authorization: Option<String>,
    /// Whether the whole URL was asked for, as of a proxy.
    pub by_proxy: bool,
    /// The status of the answer; 0 while there is none.
    pub status: u16,
}

enum Store {
    Directory(PathBuf),
    Pinned(pinned::Pinned),
}

struct State {
    store: Store,
    /// Certificates, where it speaks TLS.
    secure: Option<Arc<rustls::ServerConfig>>,
    /// The only `Authorization` that is served.
    login: Mutex<Option<String>>,
    traps: Mutex<Vec<Trap>>,
    requests: Mutex<Vec<Request>>,
    asked: Condvar,
    stop: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running server; it ends when this is dropped.
pub struct Mirror {
    address: SocketAddr,
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

impl Mirror {
    /// Serves `directory` as the archive.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn of(directory: &Path) -> Result<Self> {
        Self::start(Store::Directory(directory.to_path_buf()), 0, None)
    }

    /// Serves `directory` as the archive over https, perhaps only to clients that have a certificate.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn secure(directory: &Path, certificates: &Certificates, of_clients: bool) -> Result<Self> {
        let config = certificates.server(of_clients)?;
        Self::start(Store::Directory(directory.to_path_buf()), 0, Some(config))
    }

    /// Serves only those who give this user and password from now on.
    pub fn require(&self, user: &str, password: &str) {
        *lock(&self.state.login) = Some(basic(user, password));
    }

    /// Serves the archive of this machine's apt, remembering it in `cache`.
    ///
    /// The port is the same on every machine, if it can be had, or that in the cache's file `port`: the mirror's address is
    /// written into root filesystems that are compared.
    ///
    /// # Errors
    /// When apt has no archive, the cache cannot be made, or no port can be had.
    pub fn pinned(cache: &Path) -> Result<Self> {
        let pinned = pinned::Pinned::new(cache)?;
        let port = pinned.port();
        Self::start(Store::Pinned(pinned), port, None)
    }

    /// Whether a pinned mirror has the port that is wanted.
    pub fn has_wanted_port(&self) -> bool {
        match &self.state.store {
            Store::Pinned(pinned) => pinned.port() == self.address.port(),
            Store::Directory(_) => true,
        }
    }

    fn start(store: Store, port: u16, secure: Option<Arc<rustls::ServerConfig>>) -> Result<Self> {
        let fail = |error: std::io::Error| Error::Machine(format!("no port on loopback can be had: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let state = Arc::new(State {
            store,
            secure,
            login: Mutex::default(),
            traps: Mutex::default(),
            requests: Mutex::default(),
            asked: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::SeqCst) {
                    break;
                }
                if let Ok(stream) = stream {
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || serve::connection(&shared, stream));
                }
            }
        });
        Ok(Self {
            address,
            state,
            accepting: Some(accepting),
        })
    }

    /// The URL of the archive.
    #[must_use]
    pub fn url(&self) -> String {
        let path = match &self.state.store {
            Store::Directory(_) => "",
            Store::Pinned(_) => "/debian",
        };
        let scheme = self.state.secure.as_ref().map_or("http", |_| "https");
        format!("{scheme}://{}{path}", self.address)
    }

    /// Host and port.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The file that is served for the path of a request, if the mirror has it.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<PathBuf> {
        serve::local(&self.state, path).ok()
    }

    /// How many files had to be fetched from the archive so far, because they were not kept yet.
    #[must_use]
    pub fn fetched(&self) -> usize {
        match &self.state.store {
            Store::Directory(_) => 0,
            Store::Pinned(pinned) => pinned.fetched(),
        }
    }

    /// Misbehaves at every file whose path ends in `suffix`.
    pub fn fault(&self, suffix: &str, fault: Fault) {
        self.fault_times(suffix, fault, usize::MAX);
    }

    /// Misbehaves at files whose path ends in `suffix`, `times` times in all.
    pub fn fault_times(&self, suffix: &str, fault: Fault, times: usize) {
        lock(&self.state.traps).push(Trap {
            suffix: suffix.to_owned(),
            fault,
            left: times,
        });
    }

    /// Behaves well from now on.
    pub fn heal(&self) {
        lock(&self.state.traps).clear();
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state.requests).clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        lock(&self.state.requests).clear();
    }

    /// Waits until a path that ends in `suffix` is asked for; false if it is not within `limit`.
    #[must_use]
    pub fn wait_for(&self, suffix: &str, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut requests = lock(&self.state.requests);
        loop {
            if requests.iter().any(|request| request.path.ends_with(suffix)) {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.state.asked.wait_timeout(requests, left);
            requests = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, so that the port is free again.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// The field `Authorization` of a user and a password (RFC 7617).
#[must_use]
pub fn basic(user: &str, password: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("{user}:{password}");
    let mut encoded = String::from("Basic ");
    for part in text.as_bytes().chunks(3) {
        let number = (0..3).fold(0_usize, |sum, at| {
            sum << 8 | usize::from(part.get(at).copied().unwrap_or(0))
        });
        for at in 0..4 {
            let letter = LETTERS.get(number >> (18 - 6 * at) & 63).copied().unwrap_or(b'=');
            encoded.push(if at > part.len() { '=' } else { char::from(letter) });
        }
    }
    encoded
}

/// A URL on loopback at which nobody listens.
///
/// # Errors
/// When no port can be had.
pub fn unreachable() -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address
        .map(|address| format!("http://{address}/debian"))
        .map_err(|error| Error::Machine(format!("no port on loopback can be had: {error}")))
}

#[cfg(test)]
mod tests;
