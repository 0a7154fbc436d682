//! Special hooks: `copy-in`, `copy-out`, `sync-in`, `sync-out`, `tar-in`, `tar-out`, `upload` and `download`
//! (mmdebstrap(1), HOOKS).
//!
//! This process carries them out itself: outside as the user, inside through [`Target`], which leads every link in the
//! target to a place in the target. Relative paths outside are those of the working directory of the call.

use super::archive::{Placed, Placing};
use super::outside::{self, Outside};
use crate::skip::Skip;
use rootless_install_fs::{Error as TargetError, FileType, Meta, Target};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// The commands.
const COMMANDS: [&str; 8] = [
    "copy-in", "copy-out", "sync-in", "sync-out", "tar-in", "tar-out", "upload", "download",
];

/// Most links on the way to a file (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Reason why a special hook failed.
#[derive(Debug, thiserror::Error)]
pub enum SpecialError {
    /// There is no such command.
    #[error("`{command}` is no special hook; there are: {}", COMMANDS.join(", "))]
    Unknown {
        /// The command.
        command: String,
    },
    /// The quotes of a hook do not match.
    #[error("its quotes do not match")]
    Quotes,
    /// A path is missing.
    #[error("{command} needs a path {first} and one {last}")]
    Usage {
        /// The command.
        command: String,
        /// Side of the first paths.
        first: &'static str,
        /// Side of the last path.
        last: &'static str,
    },
    /// A path in the target cannot be used.
    #[error("{}, in the target, {reason}", path.display())]
    Inside {
        /// The path, as given.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// A file of the machine cannot be used.
    #[error("cannot {action} {}", path.display())]
    Outside {
        /// Verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// An archive is no tar, or has what cannot be unpacked.
    #[error("{}: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The target refuses.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl SpecialError {
    pub(super) fn outside(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Outside { action, path, source }
    }
}

type Result<T> = std::result::Result<T, SpecialError>;

/// Whether a hook's text is a special hook.
pub fn is_special(text: &OsStr) -> bool {
    let text = text.as_bytes();
    COMMANDS.iter().any(|command| {
        text.strip_prefix(command.as_bytes())
            .is_some_and(|rest| rest.starts_with(b" "))
    })
}

/// Returns the words of a special hook, as a shell would read them.
///
/// # Errors
/// [`SpecialError::Quotes`].
pub fn words(text: &OsStr) -> Result<Vec<OsString>> {
    let words = shlex::bytes::split(text.as_bytes()).ok_or(SpecialError::Quotes)?;
    Ok(words.into_iter().map(OsString::from_vec).collect())
}

/// What special hooks work with.
#[derive(Clone, Copy, Debug)]
pub struct Special<'a> {
    /// The target.
    pub target: &'a Target,
    /// Directory of relative paths outside.
    pub directory: &'a Path,
    /// Commands that leave out devices (`--skip=tar-in/mknod`).
    pub skip: &'a Skip,
}

impl Special<'_> {
    /// Carries out a command with its paths.
    ///
    /// # Errors
    /// [`SpecialError`]; what was copied before stays.
    pub fn run(&self, words: &[OsString]) -> Result<()> {
        let (command, paths) = words.split_first().ok_or(SpecialError::Quotes)?;
        let command = command.to_string_lossy();
        let into = match &*command {
            "copy-in" | "sync-in" | "tar-in" | "upload" => true,
            "copy-out" | "sync-out" | "tar-out" | "download" => false,
            _ => {
                let command = command.into_owned();
                return Err(SpecialError::Unknown { command });
            }
        };
        let (first, last) = if into {
            ("outside", "in the target")
        } else {
            ("in the target", "outside")
        };
        let (to, from) = match paths.split_last() {
            Some((to, from)) if !from.is_empty() => (Path::new(to), from),
            _ => {
                return Err(SpecialError::Usage {
                    command: command.into_owned(),
                    first,
                    last,
                });
            }
        };
        for from in from.iter().map(Path::new) {
            match &*command {
                "copy-in" => self.copy_in(from, to, false)?,
                "sync-in" => self.copy_in(from, to, true)?,
                "tar-in" => self.tar_in(from, to)?,
                "upload" => self.upload(from, to)?,
                "copy-out" => self.copy_out(from, to, false)?,
                "sync-out" => self.copy_out(from, to, true)?,
                "tar-out" => self.tar_out(from, to)?,
                _ => self.download(from, to)?,
            }
        }
        Ok(())
    }

    fn outside(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    fn placing(&self, command: &str, directory: &Path) -> Result<Placing<'_>> {
        let real = self.directory_inside(directory)?;
        let devices = !self.skip.has(&format!("{command}/mknod"));
        Ok(Placing::new(self.target, real, devices))
    }

    fn copy_in(&self, from: &Path, to: &Path, contents: bool) -> Result<()> {
        let command = if contents { "sync-in" } else { "copy-in" };
        let mut placing = self.placing(command, to)?;
        let from = self.outside(from);
        fs::symlink_metadata(&from).map_err(SpecialError::outside("find", &from))?;
        let name = match (contents, from.file_name()) {
            (false, Some(name)) => PathBuf::from(name),
            _ => PathBuf::new(),
        };
        outside::read(&from, &name, &mut |name, placed, from| {
            placing.place(name, placed, from)
        })?;
        Ok(placing.finish()?)
    }

    fn tar_in(&self, from: &Path, to: &Path) -> Result<()> {
        let mut placing = self.placing("tar-in", to)?;
        let from = self.outside(from);
        let file = File::open(&from).map_err(SpecialError::outside("open", &from))?;
        placing.unpack(&from, file)?;
        Ok(placing.finish()?)
    }

    fn upload(&self, from: &Path, to: &Path) -> Result<()> {
        let parent = to.parent().unwrap_or(Path::new("/"));
        let directory = self.directory_inside(parent)?;
        let from = self.outside(from);
        let mut file = File::open(&from).map_err(SpecialError::outside("open", &from))?;
        let name = to.file_name().ok_or_else(|| inside(to, "is no name of a file"))?;
        // A link at the end leads to what is written, as for a shell.
        let path = self.real(&directory.join(name), to, true)?;
        let meta = match self.target.stat(&path) {
            Ok(stat) if stat.meta.kind == FileType::Regular => Meta {
                mtime: rootless_install_fs::Timestamp::now(),
                ..stat.meta
            },
            Ok(stat) if stat.meta.kind == FileType::Directory => return Err(inside(to, "is a directory")),
            Ok(_) => return Err(inside(to, "is no regular file")),
            Err(error) if error.is_not_found() => Meta::of_root(FileType::Regular, 0o644),
            Err(error) => return Err(error.into()),
        };
        let placed = Placed {
            meta,
            xattrs: Vec::new(),
        };
        Placing::new(self.target, PathBuf::from("/"), true).put_file(&path, &placed, &mut file)
    }

    fn copy_out(&self, from: &Path, to: &Path, contents: bool) -> Result<()> {
        let real = self.real(from, from, false)?;
        let stat = self.target.stat(&real)?;
        if contents && stat.meta.kind != FileType::Directory {
            return Err(inside(from, "is no directory"));
        }
        let to = self.outside(to);
        outside::make_directories(&to)?;
        let top = match (contents, real.file_name()) {
            (false, Some(name)) => to.join(name),
            _ => to,
        };
        let mut outside = Outside::new(self.target);
        outside.copy(&real, &top)?;
        outside.finish()
    }

    fn tar_out(&self, from: &Path, to: &Path) -> Result<()> {
        let real = self.real(from, from, false)?;
        let to = self.outside(to);
        let file = create(&to)?;
        let name = real.file_name().map_or_else(|| PathBuf::from("."), PathBuf::from);
        super::archive::write(self.target, &real, &name, file, &to)
    }

    fn download(&self, from: &Path, to: &Path) -> Result<()> {
        let real = self.real(from, from, false)?;
        if self.target.stat(&real)?.meta.kind != FileType::Regular {
            return Err(inside(from, "is no regular file"));
        }
        let mut file = self.target.open_file(&real)?;
        let to = self.outside(to);
        io::copy(&mut file, &mut create(&to)?)
            .map(|_| ())
            .map_err(SpecialError::outside("write", &to))
    }

    /// Returns the path of a directory in the target, without links.
    fn directory_inside(&self, path: &Path) -> Result<PathBuf> {
        let real = self.real(path, path, false)?;
        match self.target.stat(&real)?.meta.kind {
            FileType::Directory => Ok(real),
            _ => Err(inside(path, "is no directory")),
        }
    }

    /// Returns a path in the target without links; `..` never leads out. With `may_lack` the last name need not exist.
    /// `given` names it in errors.
    fn real(&self, path: &Path, given: &Path, may_lack: bool) -> Result<PathBuf> {
        let parts = |path: &Path| -> Vec<OsString> {
            let parts = path.components().rev().filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_owned()),
                Component::ParentDir => Some("..".into()),
                _ => None,
            });
            parts.collect()
        };
        let mut real = PathBuf::from("/");
        let mut left = parts(path);
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == ".." {
                real.pop();
                continue;
            }
            let next = real.join(&name);
            match self.target.stat(&next) {
                Ok(stat) if stat.meta.kind == FileType::Symlink => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(inside(given, "leads through too many links"));
                    }
                    let text = self.target.read_link(&next)?;
                    if text.is_absolute() {
                        real = PathBuf::from("/");
                    }
                    left.extend(parts(&text));
                }
                Ok(_) => real = next,
                Err(error) if error.is_not_found() && left.is_empty() && may_lack => real = next,
                Err(error) if error.is_not_found() => return Err(inside(given, "does not exist")),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(real)
    }
}

fn inside(path: &Path, reason: &'static str) -> SpecialError {
    SpecialError::Inside {
        path: path.to_owned(),
        reason,
    }
}

/// Makes a file of the machine, and the directories on the way.
fn create(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        outside::make_directories(parent)?;
    }
    File::create(path).map_err(SpecialError::outside("write", path))
}

#[cfg(test)]
mod tests;
