//! The target as a FUSE filesystem.
//!
//! The adapter decodes requests and encodes replies; the view is what they mean and needs no mount; nodes
//! are what the kernel knows. The kernel checks permissions (`default_permissions`) and may keep what it
//! is told for ever: nothing else writes the target, and what the installer changes through the
//! [`Target`] is invalidated.

mod adapter;
mod elf;
mod nodes;
mod phantom;
mod view;
mod watch;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crossbeam::channel::Receiver;
use fuser::{BackgroundSession, INodeNo, Notifier, Session, SessionACL};

use crate::error::{Error, Result};
use crate::target::{Observer, Target};
use adapter::Adapter;
use phantom::Phantoms;
use view::View;
pub use watch::{Access, AccessKind, Attribute, Found, Watch};

/// What the target is called in the root directory of a mount that is served. It is not that root itself, of
/// which the kernel never keeps the access control lists, as it makes it before the filesystem says that it has
/// any: everybody else than root would wait for an answer with each absolute path. It is never listed.
pub const SERVED: &str = "target";

/// The kernel reads this much of a file to find `#!` and the interpreter.
const SCRIPT_MAX: usize = 256;

/// `FMODE_EXEC`, which the kernel passes in the flags of an open for execve(2).
const FOR_EXECUTION: i32 = 0x20;

/// A path that can be looked up in the view without being in the target. It is never listed and
/// read-only; where the target has an entry of its own, that wins.
#[derive(Debug, Clone)]
pub struct Phantom {
    /// Where it is: an absolute path of the view.
    pub path: PathBuf,
    /// Whether directories on the way that the target does not have are phantoms themselves; where they
    /// are not, there is no phantom.
    pub with_parents: bool,
    /// What it is.
    pub kind: PhantomKind,
}

/// What a [`Phantom`] is.
#[derive(Debug, Clone)]
pub enum PhantomKind {
    /// An empty directory of mode 0755; something may be mounted on it.
    Directory,
    /// A symbolic link with this text.
    Symlink(PathBuf),
    /// A regular file.
    File {
        /// Its contents.
        data: Vec<u8>,
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link with the text `link`. Where the target has a directory of its own, what that and
    /// those below it lack is looked for in `source`, a directory of this machine that may grow, and seen
    /// as links to the same place below `link`.
    Overlay {
        /// Text of the link: where the view has `source`.
        link: PathBuf,
        /// The directory of this machine.
        source: PathBuf,
    },
}

/// What tells ELF files of this machine from others, from the first bytes of the file (elf(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElfIdentity {
    /// `e_machine`.
    pub machine: u16,
    /// 32 or 64, from `e_ident[EI_CLASS]`.
    pub class_bits: u8,
    /// From `e_ident[EI_DATA]`.
    pub big_endian: bool,
}

/// How execution of foreign binaries is redirected.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// The program that is executed instead, with the path as its argument: a path of the view, absolute,
    /// at most 250 bytes without blanks.
    pub interpreter: PathBuf,
    /// One word that it gets before the path (execve(2)).
    pub argument: Option<String>,
    /// Another word for ELF files of some identities; the first that fits counts.
    pub arguments: Vec<(ElfIdentity, String)>,
    /// What needs no redirection.
    pub native: ElfIdentity,
}

/// What is read in the place of binaries that are executed.
struct Scripts {
    native: ElfIdentity,
    some: Vec<(ElfIdentity, Arc<[u8]>)>,
    others: Arc<[u8]>,
}

impl Scripts {
    fn new(redirect: &Redirect) -> Result<Self> {
        let one = |argument: Option<&str>| script(&redirect.interpreter, argument);
        let some = redirect.arguments.iter();
        Ok(Self {
            native: redirect.native,
            some: some
                .map(|(identity, argument)| Ok((*identity, one(Some(argument))?)))
                .collect::<Result<_>>()?,
            others: one(redirect.argument.as_deref())?,
        })
    }

    /// What is read instead of a binary; `None` for a native one.
    fn of(&self, identity: ElfIdentity) -> Option<Arc<[u8]>> {
        let known = self.some.iter().find(|(some, _)| *some == identity);
        (identity != self.native).then(|| known.map_or(&self.others, |(_, script)| script).clone())
    }
}

/// How a view is served.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// What is there without being in the target.
    pub phantoms: Vec<Phantom>,
    /// Exec redirection; `None` executes everything as it is.
    pub redirect: Option<Redirect>,
    /// The user and group of this machine that are the target's root: for a mount outside of a user
    /// namespace, made by fusermount3(1), where nobody else may enter. The kernel checks no
    /// permissions there.
    pub root: Option<(u32, u32)>,
    /// How many requests are answered at the same time; 0 for as many as there are processors, up to 4.
    pub threads: usize,
    /// Who is told of accesses.
    pub watch: Option<Arc<dyn Watch>>,
}

/// What a server has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests answered.
    pub requests: u64,
    /// Executions of foreign ELF files that were given to the interpreter.
    pub redirected: u64,
    /// Executions of native ELF files of the target, which ran themselves.
    pub native: u64,
    /// Executions of files that are not ELF: scripts.
    pub scripts: u64,
}

/// A running server. Dropping it waits, as [`join`](Self::join) does, until the view is unmounted.
pub struct Server {
    session: Option<BackgroundSession>,
    view: Arc<View>,
    path: PathBuf,
    threads: Vec<i32>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Waits until the view is unmounted everywhere.
    ///
    /// # Errors
    /// [`Error::Serve`] if the connection broke.
    pub fn join(mut self) -> Result<()> {
        self.wait().map_err(|source| Error::Serve {
            path: self.path.clone(),
            source,
        })
    }

    fn wait(&mut self) -> io::Result<()> {
        self.session.take().map_or(Ok(()), BackgroundSession::join)
    }

    /// What has been done so far.
    pub fn counters(&self) -> Counters {
        self.view.counters()
    }

    /// The threads that answer requests, by their ids (gettid(2)); none where /proc does not tell.
    pub fn threads(&self) -> &[i32] {
        &self.threads
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let ended = self.wait();
        let counters = self.counters();
        match ended {
            Ok(()) => {
                tracing::debug!(path = %self.path.display(), ?counters, "the view's server has ended");
            }
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, ?counters, "the view's server ended badly");
            }
        }
    }
}

/// Serves the view of `target` on `fuse_fd`, a descriptor of `/dev/fuse` that was mounted with mount(2), as
/// [`SERVED`] in the root directory of that mount.
///
/// The mount's ids are the target's: it belongs in a user namespace that maps them, with `user_id=0`,
/// `group_id=0`, `allow_other` and `default_permissions`. The server may run outside that namespace. A
/// target has one view at a time: a second one takes over the notifications of the first.
///
/// # Errors
/// [`Error::Phantom`] for a phantom or interpreter that cannot be shown, [`Error::Serve`] if the
/// descriptor is not a mounted one.
pub fn serve(target: &Target, fuse_fd: OwnedFd, options: ServeOptions) -> Result<Server> {
    let path = target.root_path().to_owned();
    let failed = |source| Error::Serve {
        path: path.clone(),
        source,
    };
    let phantoms = Phantoms::new(options.phantoms)?;
    let redirect = options.redirect.as_ref().map(Scripts::new).transpose()?;
    let (later, to_tell) = crossbeam::channel::unbounded();
    let view = Arc::new(View::new(target.clone(), phantoms, redirect, options.root, later));

    let mut config = fuser::Config::default();
    let count = match options.threads {
        0 => thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4)),
        n => n,
    };
    config.n_threads = Some(count);
    let adapter = Adapter::new(view.clone(), watch::Eye::new(options.watch));
    let session = Session::from_fd(adapter, fuse_fd, SessionACL::All, config).map_err(failed)?;
    let notifier = session.notifier();
    view.set_notifier(notifier.clone());
    let observer: Arc<dyn Observer> = view.clone();
    let observer: Weak<dyn Observer> = Arc::downgrade(&observer);
    target.observe(observer);
    thread::Builder::new()
        .name("fuse-notify".into())
        .spawn(move || tell(&notifier, &to_tell))
        .map_err(failed)?;
    let before = threads();
    let session = session.spawn().map_err(failed)?;
    Ok(Server {
        session: Some(session),
        threads: new_threads(&before, count),
        view,
        path,
    })
}

/// The `count` threads that serve and were not there before. The session's first thread starts them, so it
/// takes a moment; what is not there in time is a matter of speed only.
fn new_threads(before: &[i32], count: usize) -> Vec<i32> {
    let mut found = Vec::new();
    for _ in 0..1000 {
        found = threads();
        found.retain(|thread| !before.contains(thread));
        if found.len() >= count {
            break;
        }
        thread::sleep(Duration::from_micros(100));
    }
    found
}

/// The threads of this process that serve views: fuser names them by numbers (proc(5), `comm`).
fn threads() -> Vec<i32> {
    let serves = |task: &Path| {
        let name = std::fs::read(task.join("comm")).unwrap_or_default();
        let number = name.strip_prefix(b"fuser-");
        number.is_some_and(|number| number.first().is_some_and(u8::is_ascii_digit))
    };
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    tasks
        .filter(|task| serves(&task.path()))
        .filter_map(|task| task.file_name().to_str()?.parse().ok())
        .collect()
}

/// Tells the kernel what could not be told while it waited for an answer. Ends with the view.
fn tell(notifier: &Notifier, names: &Receiver<(u64, OsString)>) {
    for (parent, name) in names {
        // Nothing to forget, or no view any more: both are fine.
        let _ = notifier.inval_entry(INodeNo(parent), &name);
    }
}

/// What is read in the place of a binary that is executed.
fn script(interpreter: &Path, argument: Option<&str>) -> Result<Arc<[u8]>> {
    let refuse = |reason| Error::Phantom {
        path: interpreter.to_owned(),
        reason,
    };
    if !interpreter.is_absolute() {
        return Err(refuse("an interpreter needs an absolute path"));
    }
    let bytes = interpreter.as_os_str().as_bytes();
    if bytes.iter().any(|b| b.is_ascii_whitespace() || *b == 0) {
        return Err(refuse("an interpreter's path has no blanks"));
    }
    let argument = argument.unwrap_or_default();
    if argument.bytes().any(|b| b.is_ascii_whitespace() || b == 0) {
        return Err(refuse("an interpreter's argument has no blanks"));
    }
    let blank: &[u8] = if argument.is_empty() { b"" } else { b" " };
    let script = [b"#!", bytes, blank, argument.as_bytes(), b"\n"].concat();
    if script.len() >= SCRIPT_MAX {
        return Err(refuse("an interpreter's path has at most 250 bytes"));
    }
    Ok(script.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_architecture_has_its_word() {
        let identity = |machine| ElfIdentity {
            machine,
            class_bits: 64,
            big_endian: false,
        };
        let redirect = Redirect {
            interpreter: "/shim".into(),
            argument: Some("a".into()),
            arguments: vec![(identity(2), "b".into()), (identity(2), "c".into())],
            native: identity(1),
        };
        let scripts = Scripts::new(&redirect).unwrap();
        assert_eq!(scripts.of(identity(1)), None);
        assert_eq!(&scripts.of(identity(2)).unwrap()[..], b"#!/shim b\n");
        assert_eq!(&scripts.of(identity(3)).unwrap()[..], b"#!/shim a\n");
    }

    #[test]
    fn interpreters() {
        assert_eq!(
            &script(Path::new("/run/shim"), None).unwrap()[..],
            b"#!/run/shim\n"
        );
        assert_eq!(
            &script(Path::new("/shim"), Some("s390x")).unwrap()[..],
            b"#!/shim s390x\n"
        );
        assert!(script(Path::new("/shim"), Some("a b")).is_err());
        let long = format!("/{}", "x".repeat(260));
        for bad in ["shim", "/a b", "/a\nb", &long] {
            assert!(script(Path::new(bad), None).is_err(), "{bad}");
        }
    }
}
