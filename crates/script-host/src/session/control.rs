//! The socket on which the shim asks for what only the installer can do.
//!
//! The conversation is described in [`shim_protocol`].

use glibc_tools::Output;
use nix::sys::socket::{Backlog, getsockopt, listen, sockopt::PeerCredentials};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use shim_protocol::{LONGEST_REQUEST, Request, Violation};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// Reply to the shim.
pub(super) type Reply = shim_protocol::Reply<Vec<u8>>;

/// Returns the reply that hands a program's output on.
pub(super) fn done(output: Output) -> Reply {
    Reply::Done {
        output: output.stdout,
        messages: output.stderr,
        status: u8::try_from(output.status).unwrap_or(1),
    }
}

/// Returns the reply that something cannot be done, with the reason.
pub(super) fn refused(reason: impl Into<String>) -> Reply {
    Reply::Refused(reason.into().into_bytes())
}

/// Most conversations at a time, each a descriptor and a thread of this process. Scripts may open as many connections as
/// they like; the others wait in the kernel.
const MOST: usize = 32;

/// Time for one side of a conversation.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same where all places are taken: the shim sends its request at once.
const PATIENCE_IN_A_QUEUE: Duration = Duration::from_millis(500);

/// Time between two looks at whether a conversation is to end.
const INTERVAL: Duration = Duration::from_millis(50);

/// The places of conversations.
#[derive(Default)]
struct Places {
    taken: Mutex<usize>,
    freed: Condvar,
    ending: AtomicBool,
}

impl Places {
    /// Waits for a place; none is left when the session ends.
    fn take(&self) -> bool {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = |taken: &mut usize| *taken >= MOST && !self.is_ending();
        let taken = self.freed.wait_while(taken, wait);
        *taken.unwrap_or_else(PoisonError::into_inner) += 1;
        !self.is_ending()
    }

    fn free(&self) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.freed.notify_all();
    }

    fn is_full(&self) -> bool {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) >= MOST
    }

    fn end(&self) {
        // Under the lock, so that nobody is about to wait.
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        self.ending.store(true, Ordering::Release);
        drop(taken);
        self.freed.notify_all();
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Waits until a stream is ready. None where the other side takes too long, or the session ends.
    fn wait_for(&self, stream: &UnixStream, flags: PollFlags, since: Instant) -> Option<()> {
        let interval = Timespec::try_from(INTERVAL).ok();
        loop {
            let patience = if self.is_full() {
                PATIENCE_IN_A_QUEUE
            } else {
                PATIENCE
            };
            if self.is_ending() || since.elapsed() > patience {
                return None;
            }
            match poll(&mut [PollFd::new(stream, flags)], interval.as_ref()) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Some(()),
                Err(_) => return None,
            }
        }
    }
}

/// The listening thread; it ends when this is dropped.
pub(super) struct Control<'scope> {
    listener: Arc<UnixListener>,
    places: Arc<Places>,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope> Control<'scope> {
    /// Listens at `path`, which every user of the view may connect to, and
    /// answers requests.
    ///
    /// # Errors
    /// Those of bind(2).
    pub(super) fn listen<'env>(
        scope: &'scope Scope<'scope, 'env>,
        path: &Path,
        answer: impl Fn(Request<'_>, Vec<OwnedFd>) -> Reply + Send + Sync + 'scope,
    ) -> io::Result<Self> {
        let answer = Arc::new(answer);
        let listener = Arc::new(bind(path)?);
        // Who waits is served in turn, and not after thousands of connections of one script.
        listen(&listener, Backlog::new(i32::try_from(MOST).unwrap_or(1))?)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        let places = Arc::new(Places::default());
        let (theirs, accepting) = (Arc::clone(&places), Arc::clone(&listener));
        let thread = scope.spawn(move || {
            while theirs.take() {
                let Ok((stream, _)) = accepting.accept() else {
                    theirs.free();
                    // Of descriptors or memory there may be more in a while.
                    std::thread::sleep(INTERVAL);
                    continue;
                };
                let (answer, places) = (Arc::clone(&answer), Arc::clone(&theirs));
                let conversation = move || {
                    let _ = converse(&stream, &places, &*answer);
                    drop(stream);
                    places.free();
                };
                if std::thread::Builder::new()
                    .spawn_scoped(scope, conversation)
                    .is_err()
                {
                    theirs.free();
                }
            }
        });
        Ok(Self {
            listener,
            places,
            thread: Some(thread),
        })
    }
}

/// A socket's address holds 107 bytes (unix(7)), which a path below a user's
/// cache may exceed; the name in /proc of its directory is short.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = std::fs::File::open(directory)?;
    UnixListener::bind(short(&directory).join(name))
}

fn short(directory: &std::fs::File) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

/// Hears one request and answers it. None where the other side does not take part.
fn converse(
    stream: &UnixStream,
    places: &Places,
    answer: &dyn Fn(Request<'_>, Vec<OwnedFd>) -> Reply,
) -> Option<()> {
    stream.set_nonblocking(true).ok()?;
    let (request, descriptors) = hear(stream, places)?;
    let reply = match Request::decode(&request) {
        Ok(Request::Violation(violation)) => {
            let violation = Violation {
                process: peer(stream).unwrap_or(violation.process),
                ..violation
            };
            answer(Request::Violation(violation), descriptors)
        }
        Ok(request) => answer(request, descriptors),
        Err(reason) => refused(reason.to_string()),
    };
    let mut bytes = Vec::new();
    reply.encode(&mut |piece| bytes.extend_from_slice(piece));
    let (mut rest, since) = (bytes.as_slice(), Instant::now());
    while !rest.is_empty() {
        places.wait_for(stream, PollFlags::OUT, since)?;
        match (&*stream).write(rest) {
            Ok(written) => rest = rest.get(written..)?,
            Err(error) if is_passing(&error) => {}
            // A script that was killed meanwhile does not read the answer.
            Err(_) => return None,
        }
    }
    Some(())
}

/// Most descriptors that come with a request.
const MOST_DESCRIPTORS: usize = 16;

/// Hears a request, and the descriptors that come along.
fn hear(stream: &UnixStream, places: &Places) -> Option<(Vec<u8>, Vec<OwnedFd>)> {
    let (mut request, mut descriptors, since) = (Vec::new(), Vec::new(), Instant::now());
    let mut chunk = [0; 4096];
    loop {
        places.wait_for(stream, PollFlags::IN, since)?;
        match crate::sys::receive_with(stream, &mut chunk) {
            Ok((0, _)) => return Some((request, descriptors)),
            Ok((length, more)) => {
                request.extend_from_slice(chunk.get(..length)?);
                descriptors.extend(more);
            }
            Err(error) if is_passing(&error) => {}
            Err(_) => return None,
        }
        if request.len() > LONGEST_REQUEST {
            return Some((request, Vec::new()));
        }
        if descriptors.len() > MOST_DESCRIPTORS {
            return None;
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Returns the id of the process at the other end, as this process sees it (unix(7), `SO_PEERCRED`).
fn peer(stream: &UnixStream) -> Option<u32> {
    let credentials = getsockopt(stream, PeerCredentials).ok()?;
    u32::try_from(credentials.pid()).ok()
}

impl Drop for Control<'_> {
    fn drop(&mut self) {
        self.places.end();
        // Wakes the thread from accept(2), and needs no descriptor for that.
        let woken = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let (Ok(()), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn ask(path: &Path, request: &[u8]) -> Vec<u8> {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.write_all(request).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        reply
    }

    #[test]
    fn questions_are_answered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control");
        std::thread::scope(|scope| {
            let control = Control::listen(scope, &path, |request, _| match request {
                Request::Counterpart { path } => Reply::Execute(path.to_vec()),
                Request::Ldconfig { arguments, .. } => done(Output {
                    stdout: arguments.as_bytes().to_vec(),
                    stderr: b"!".to_vec(),
                    status: 3,
                }),
                Request::Violation(violation) => refused(violation.process.to_string()),
                other => refused(format!("{other:?}")),
            })
            .unwrap();
            assert_eq!(ask(&path, b"c/usr/bin/tool\0"), b"+/usr/bin/tool");
            assert_eq!(ask(&path, b"l/\0-n\0/a\0"), b"=\x03\0\0\0\x06-n\0/a\0!");
            assert_eq!(ask(&path, b"l/\0"), b"=\x03\0\0\0\0!");
            // The process is the kernel's word, not the script's.
            let own = format!("-{}", std::process::id());
            assert_eq!(ask(&path, b"vpath\0chown\0/var/x\x001\x0077\0"), own.as_bytes());
            for hostile in [&b""[..], b"c", b"cusr/bin/tool\0", b"?/\0"] {
                assert_eq!(ask(&path, hostile).first(), Some(&b'-'), "{hostile:?}");
            }
            let long = vec![b'c'; LONGEST_REQUEST + 1];
            assert_eq!(ask(&path, &long), b"-the request is too long");
            drop(control);
        });
    }

    #[test]
    fn many_connections_are_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control");
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        std::thread::scope(|scope| {
            let control = Control::listen(scope, &path, |_, _| Reply::Counterpart).unwrap();
            let idle: Vec<UnixStream> = (0..MOST * 2)
                .map(|_| UnixStream::connect(&path).unwrap())
                .collect();
            let before = Instant::now();
            assert_eq!(ask(&path, b"c/usr/bin/tool\0"), b">");
            assert!(before.elapsed() < PATIENCE);
            assert!(descriptors() < MOST * 4, "{}", descriptors());
            // The end of the session does not wait for those who say nothing.
            let before = Instant::now();
            drop(control);
            drop(idle);
            assert!(before.elapsed() < Duration::from_secs(2));
        });
    }
}
