//! The target as a FUSE filesystem.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::error::Result;
use crate::target::Target;

/// A path that can be looked up in the view without being in the target. It is never listed and
/// read-only; where the target has an entry of its own, that wins.
#[derive(Debug, Clone)]
pub struct Phantom {
    /// Where it is: an absolute path of the view. Directories on the way that the target does not have
    /// are phantoms themselves.
    pub path: PathBuf,
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
    /// What needs no redirection.
    pub native: ElfIdentity,
}

/// How a view is served.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// What is there without being in the target.
    pub phantoms: Vec<Phantom>,
    /// Exec redirection; `None` executes everything as it is.
    pub redirect: Option<Redirect>,
    /// How many requests are answered at the same time; 0 for as many as there are processors, up to 4.
    pub threads: usize,
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
#[derive(Debug)]
pub struct Server {}

impl Server {
    /// Waits until the view is unmounted everywhere.
    ///
    /// # Errors
    /// [`crate::Error::Serve`] if the connection broke.
    pub fn join(self) -> Result<()> {
        Ok(())
    }

    /// What has been done so far.
    pub fn counters(&self) -> Counters {
        Counters::default()
    }
}

/// Serves the view of `target` on `fuse_fd`.
///
/// # Errors
/// [`crate::Error::Serve`], [`crate::Error::Phantom`].
pub fn serve(target: &Target, fuse_fd: OwnedFd, options: ServeOptions) -> Result<Server> {
    let _ = (target, fuse_fd, options);
    Ok(Server {})
}
