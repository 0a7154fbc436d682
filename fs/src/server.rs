//! The target as a FUSE filesystem.
//!
//! The adapter decodes requests and encodes replies; the view carries them out and needs no mount; nodes are the
//! files that the kernel knows. The kernel checks permissions (`default_permissions`) and may keep every answer for
//! ever: nothing else writes the target, and changes made through the [`Target`], or another view of it, are invalidated.

mod adapter;
mod counters;
mod nodes;
mod phantom;
mod redirect;
mod reporter;
mod view;
mod watch;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;
use fuser::{BackgroundSession, INodeNo, Notifier, Session, SessionACL};

use crate::error::{Error, Result};
use crate::target::{Observer, Target};
use adapter::Adapter;
use phantom::Phantoms;
use redirect::Redirections;
use reporter::AccessReporter;
use view::{Invalidation, View};

pub use counters::Counters;
pub use phantom::{Parents, Phantom, PhantomKind, SERVED};
pub use redirect::Redirect;
pub use watch::{Access, AccessKind, Attribute, LookupResult, Watch};

/// Options of a served view.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// Paths that the view has without the target having them.
    pub phantoms: Vec<Phantom>,
    /// Exec redirection; none executes every program as it is.
    pub redirect: Option<Redirect>,
    /// The user and group of this machine that are the target's root: for a mount outside of a user
    /// namespace, made by fusermount3(1), where nobody else may enter. The kernel checks no
    /// permissions there.
    pub root: Option<(u32, u32)>,
    /// Whether the target is the root of the mount itself, and not [`SERVED`] in it: for mounts that people look at.
    pub at_root: bool,
    /// Number of requests that are answered at the same time; 0 means as many as there are processors, up to 4.
    pub threads: usize,
    /// Whether only phantoms that are directories themselves are seen at first, as in a target that has nothing yet
    /// ([`Server::show_all`]).
    pub bare: bool,
    /// Directories that are not seen then, either.
    pub late: Vec<PathBuf>,
    /// Whether what is asked to be on the disk (fsync(2), `O_SYNC`) is brought there, and not left to the disk's own time.
    pub durable: bool,
    /// Receiver of accesses; none means that nobody watches.
    pub watch: Option<Arc<dyn Watch>>,
}

/// Time that a server has to end when it is dropped.
const PATIENCE: Duration = Duration::from_secs(3);

/// A running server. Dropping it waits for the view to be unmounted, but not for ever: one that stays mounted somewhere
/// is left to itself, with a warning.
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

    /// Waits at most for a time until the view is unmounted everywhere. Returns whether it is.
    pub fn ends_within(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let ended = || {
            self.session
                .as_ref()
                .is_none_or(|session| session.guard.is_finished())
        };
        while !ended() {
            if Instant::now() >= until {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    fn wait(&mut self) -> io::Result<()> {
        self.session.take().map_or(Ok(()), BackgroundSession::join)
    }

    /// Returns the counts of what has been done so far.
    pub fn counters(&self) -> Counters {
        self.view.counters()
    }

    /// Has all phantoms seen from now on ([`ServeOptions::bare`]).
    pub fn show_all(&self) {
        self.view.show_all();
    }

    /// Returns the ids of the threads that answer requests (gettid(2)); none where /proc does not have them.
    pub fn threads(&self) -> &[i32] {
        &self.threads
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.ends_within(PATIENCE) {
            tracing::warn!(
                target: "warning",
                "the view of {} is still mounted somewhere and is left behind",
                self.path.display()
            );
            self.session = None;
            return;
        }
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
/// target may have several views: each is told of what changes through another.
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
    let mut phantoms = Phantoms::new(options.phantoms)?;
    phantoms.set_late(&options.late);
    phantoms.set_bare(options.bare);
    let redirect = options.redirect.as_ref().map(Redirections::new).transpose()?;
    let (later, invalidations) = crossbeam::channel::unbounded();
    let view = Arc::new(View::new(
        target.clone(),
        phantoms,
        redirect,
        options.root,
        options.at_root,
        later,
    ));

    let mut config = fuser::Config::default();
    let count = match options.threads {
        0 => thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4)),
        n => n,
    };
    config.n_threads = Some(count);
    let reporter = AccessReporter::new(options.watch);
    let adapter = Adapter::new(view.clone(), reporter, options.at_root, options.durable);
    let session = Session::from_fd(adapter, fuse_fd, SessionACL::All, config).map_err(failed)?;
    let notifier = session.notifier();
    view.set_notifier(notifier.clone());
    let observer: Arc<dyn Observer> = view.clone();
    let observer: Weak<dyn Observer> = Arc::downgrade(&observer);
    target.observe(observer);
    thread::Builder::new()
        .name("fuse-notify".into())
        .spawn({
            let view = Arc::downgrade(&view);
            move || invalidate(&view, &notifier, &invalidations)
        })
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

/// Returns the `count` threads that serve and were not there before. The session's first thread starts them, so it
/// takes a moment; one that is not there in time costs speed only.
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

/// Returns the threads of this process that serve views: fuser names them by numbers (proc(5), `comm`).
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

/// Sends the kernel the invalidations that had to wait for an answer. Ends with the view.
fn invalidate(view: &Weak<View>, notifier: &Notifier, invalidations: &Receiver<Invalidation>) {
    for invalidation in invalidations {
        match (invalidation, view.upgrade()) {
            // Nothing to forget, or no view any more: both are fine.
            (Invalidation::Name { parent, name }, _) => {
                let _ = notifier.inval_entry(INodeNo(parent), &name);
            }
            (Invalidation::Inode { ino, done }, Some(view)) => {
                view.inode_changed(ino);
                let _ = done.try_send(());
            }
            (Invalidation::Entry { parent, name, done }, Some(view)) => {
                view.entry_changed(parent, &name);
                let _ = done.try_send(());
            }
            (_, None) => {}
        }
    }
}
