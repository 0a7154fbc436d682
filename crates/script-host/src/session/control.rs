//! The socket on which the shim asks for what only the installer can do.
//!
//! The conversation is described in [`shim_protocol`].

use glibc_tools::Output;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use shim_protocol::{LONGEST_REQUEST, Request, Violation};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

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

/// Wait after a connection could not be accepted, for want of descriptors perhaps.
const PAUSE: Duration = Duration::from_millis(20);

/// The listening thread; it ends when this is dropped.
pub(super) struct Control<'scope> {
    listener: Arc<UnixListener>,
    ending: Arc<AtomicBool>,
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
        answer: impl Fn(Request<'_>) -> Reply + Send + Sync + 'scope,
    ) -> io::Result<Self> {
        let answer = Arc::new(answer);
        let listener = Arc::new(bind(path)?);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        let ending = Arc::new(AtomicBool::new(false));
        let (theirs, accepting) = (Arc::clone(&ending), Arc::clone(&listener));
        let thread = scope.spawn(move || {
            for connection in accepting.incoming() {
                if theirs.load(Ordering::Acquire) {
                    return;
                }
                match connection {
                    Ok(stream) => {
                        let answer = Arc::clone(&answer);
                        scope.spawn(move || converse(stream, &*answer));
                    }
                    Err(_) => std::thread::sleep(PAUSE),
                }
            }
        });
        Ok(Self {
            listener,
            ending,
            thread: Some(thread),
        })
    }
}

/// A socket's address holds 107 bytes (unix(7)), which a path below a user's
/// cache may exceed; the name in /proc of its directory is short.
fn bind(path: &Path) -> io::Result<UnixListener> {
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

fn converse(mut stream: UnixStream, answer: &dyn Fn(Request<'_>) -> Reply) {
    let patience = Some(Duration::from_secs(10));
    let mut request = Vec::new();
    let read = stream
        .set_read_timeout(patience)
        .and_then(|()| stream.set_write_timeout(patience))
        .and_then(|()| {
            (&stream)
                .take(LONGEST_REQUEST as u64 + 1)
                .read_to_end(&mut request)
        });
    let reply = match read {
        Err(_) => return,
        Ok(_) => match Request::decode(&request) {
            Ok(Request::Violation(violation)) => answer(Request::Violation(Violation {
                process: peer(&stream).unwrap_or(violation.process),
                ..violation
            })),
            Ok(request) => answer(request),
            Err(reason) => refused(reason.to_string()),
        },
    };
    let mut bytes = Vec::new();
    reply.encode(&mut |piece| bytes.extend_from_slice(piece));
    // A script that was killed meanwhile does not read the answer.
    let _ = stream.write_all(&bytes);
}

/// Returns the id of the process at the other end, as this process sees it (unix(7), `SO_PEERCRED`).
fn peer(stream: &UnixStream) -> Option<u32> {
    let credentials = getsockopt(stream, PeerCredentials).ok()?;
    u32::try_from(credentials.pid()).ok()
}

impl Drop for Control<'_> {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
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
            let control = Control::listen(scope, &path, |request| match request {
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
}
