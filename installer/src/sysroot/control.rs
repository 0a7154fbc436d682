//! The socket on which the shim asks for a counterpart that is not there.
//!
//! One request a connection: the path of the target program, ended by shutting
//! the sending side down. The answer is `+PATH`, a path in the view, or
//! `-REASON`. Scripts can reach the socket too; all they can get is another
//! verified package in the sysroot of their own run.

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

/// Longest path a request may have (`PATH_MAX`).
const LONGEST: u64 = 4096;

/// The listening thread; it ends when this is dropped.
pub struct Control<'scope> {
    path: PathBuf,
    ending: Arc<AtomicBool>,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope> Control<'scope> {
    /// Listens at `path`, which every user of the view may connect to, and
    /// answers requests with a path in the view or the reason why there is none.
    ///
    /// # Errors
    /// What bind(2) says.
    pub(super) fn listen<'env>(
        scope: &'scope Scope<'scope, 'env>,
        path: &Path,
        answer: impl Fn(&Path) -> Result<PathBuf, String> + Send + Sync + 'scope,
    ) -> io::Result<Self> {
        let answer = Arc::new(answer);
        let listener = bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        let ending = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&ending);
        let thread = scope.spawn(move || {
            for connection in listener.incoming() {
                if theirs.load(Ordering::Acquire) {
                    return;
                }
                if let Ok(stream) = connection {
                    let answer = Arc::clone(&answer);
                    scope.spawn(move || converse(stream, &*answer));
                }
            }
        });
        Ok(Self {
            path: path.to_owned(),
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

fn converse(mut stream: UnixStream, answer: &dyn Fn(&Path) -> Result<PathBuf, String>) {
    let patience = Some(Duration::from_secs(10));
    let mut request = Vec::new();
    let read = stream
        .set_read_timeout(patience)
        .and_then(|()| stream.set_write_timeout(patience))
        .and_then(|()| (&stream).take(LONGEST).read_to_end(&mut request));
    if read.is_err() {
        return;
    }
    let reply = match answer(Path::new(std::ffi::OsStr::from_bytes(&request))) {
        Ok(path) => [b"+", path.as_os_str().as_bytes()].concat(),
        Err(reason) => [b"-", reason.as_bytes()].concat(),
    };
    // A script that was killed meanwhile does not read the answer.
    let _ = stream.write_all(&reply);
}

impl Drop for Control<'_> {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        // Wakes the thread from accept(2).
        let woken = self
            .path
            .parent()
            .and_then(|directory| std::fs::File::open(directory).ok())
            .and_then(|directory| UnixStream::connect(short(&directory).join(self.path.file_name()?)).ok());
        if let (Some(_), Some(thread)) = (woken, self.thread.take()) {
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
            let control = Control::listen(scope, &path, |path: &Path| match path.to_str() {
                Some("/usr/bin/tool") => Ok(PathBuf::from("/.rootless-install/sysroot/usr/bin/tool")),
                other => Err(format!("{other:?} is unknown")),
            })
            .unwrap();
            assert_eq!(
                ask(&path, b"/usr/bin/tool"),
                b"+/.rootless-install/sysroot/usr/bin/tool"
            );
            assert!(ask(&path, b"\xff\xfe").starts_with(b"-"));
            drop(control);
        });
    }
}
