//! The two states on disk, and the link to one of them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::state::{Fault, MirrorFile, MirrorState};
use super::{MirrorError, Result};
use deb_archive::hash_of;
use rootless_install_fs::remove_tree;
use task_progress::Cancel;

/// Name of the file that tells of a state.
const STATE: &str = "mirror.json";

/// A mirror on disk.
pub(super) struct Tree {
    link: PathBuf,
    parent: PathBuf,
    name: OsString,
}

impl Tree {
    /// Returns the mirror at a path, where nothing is yet or a link to a state.
    pub(super) fn of(directory: &Path) -> Result<Self> {
        let link = std::path::absolute(directory).map_err(MirrorError::io("find", directory))?;
        let no_mirror = || MirrorError::NoMirror(directory.to_owned());
        let (Some(parent), Some(name)) = (link.parent(), link.file_name()) else {
            return Err(no_mirror());
        };
        // Without a slash in the end, which would follow the link.
        let tree = Self {
            link: parent.join(name),
            parent: parent.to_owned(),
            name: name.to_owned(),
        };
        let link = &tree.link;
        match link.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(tree),
            Err(error) => Err(MirrorError::io("read", link)(error)),
            Ok(_) if tree.target().is_some() => Ok(tree),
            Ok(_) => Err(no_mirror()),
        }
    }

    pub(super) fn link(&self) -> &Path {
        &self.link
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.beside("lock")
    }

    /// Notes that files of the present state are not as they should be, so that the next renewal looks at each.
    pub(super) fn note_damage(&self) {
        let note = self.beside("damaged");
        if let Err(error) = File::create(&note) {
            tracing::debug!("{} cannot be written: {error}", note.display());
        }
    }

    /// Whether damage was noted.
    pub(super) fn is_damaged(&self) -> bool {
        self.beside("damaged").symlink_metadata().is_ok()
    }

    fn beside(&self, end: &str) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(".");
        name.push(end);
        self.parent.join(name)
    }

    /// Returns the state that the link leads to, if it leads to one.
    fn target(&self) -> Option<PathBuf> {
        let to = fs::read_link(&self.link).ok()?;
        ["1", "2"]
            .map(|end| self.beside(end))
            .into_iter()
            .find(|state| state.file_name() == Some(to.as_os_str()))
    }

    /// Returns the state that the link does not lead to.
    pub(super) fn other(&self) -> Result<PathBuf> {
        let first = self.beside("1");
        Ok(match self.target() {
            Some(target) if target == first => self.beside("2"),
            _ => first,
        })
    }

    /// Reads the present state.
    pub(super) fn current(&self) -> Result<Option<MirrorState>> {
        let Some(target) = self.target() else {
            return Ok(None);
        };
        let path = target.join(STATE);
        match fs::read(&path) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok().filter(MirrorState::is_known)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(MirrorError::io("read", &path)(error)),
        }
    }

    /// Whether a file of the present state is not there, or of another size.
    pub(super) fn lacks(&self, state: &MirrorState) -> bool {
        let there = |(path, file): (&String, &MirrorFile)| {
            let found = fs::symlink_metadata(self.link.join(path));
            found.is_ok_and(|found| found.is_file() && found.len() == file.size)
        };
        !state.files.iter().all(there)
    }

    /// Returns an empty directory for the next state.
    pub(super) fn next(&self) -> Result<PathBuf> {
        let next = self.other()?;
        if next.symlink_metadata().is_ok() {
            remove_tree(&next).map_err(MirrorError::io("remove", &next))?;
        }
        fs::create_dir_all(&next).map_err(MirrorError::io("create", &next))?;
        Ok(next)
    }

    /// Links files of the former state that still are what the next one has, and returns the paths of all others.
    pub(super) fn link_kept(
        &self,
        state: &MirrorState,
        former: &MirrorState,
        next: &Path,
        cancel: &Cancel,
    ) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for (path, file) in &state.files {
            cancel.check()?;
            let old = self.link.join(path);
            if former.has(path, file) && is_whole(&old, file).unwrap_or(false) {
                place(&old, &next.join(path))?;
            } else {
                missing.push(path.clone());
            }
        }
        Ok(missing)
    }

    /// Writes what a state is, and has the link lead to it.
    pub(super) fn finish(&self, next: &Path, state: &MirrorState) -> Result<()> {
        let path = next.join(STATE);
        let written = File::create(&path).and_then(|mut file| {
            serde_json::to_writer_pretty(&mut file, state).map_err(io::Error::from)?;
            file.sync_all()
        });
        written.map_err(MirrorError::io("write", &path))?;
        let link = self.beside("link");
        let name = next.file_name().unwrap_or_default();
        let _ = fs::remove_file(&link);
        symlink(name, &link).map_err(MirrorError::io("create", &link))?;
        fs::rename(&link, &self.link).map_err(MirrorError::io("create", &self.link))?;
        let _ = fs::remove_file(self.beside("damaged"));
        Ok(())
    }

    /// Returns what is wrong with the files of the present state.
    pub(super) fn faults(&self, state: &MirrorState, cancel: &Cancel) -> Result<Vec<Fault>> {
        let mut faults = Vec::new();
        for (path, file) in &state.files {
            cancel.check()?;
            let what = match is_whole(&self.link.join(path), file) {
                Ok(true) => continue,
                Ok(false) => "other content",
                Err(error) if error.kind() == io::ErrorKind::NotFound => "missing",
                Err(_) => "unreadable",
            };
            faults.push(Fault {
                path: path.clone(),
                what,
            });
        }
        Ok(faults)
    }
}

/// Whether a file has the size and checksum that it should have.
fn is_whole(path: &Path, file: &MirrorFile) -> io::Result<bool> {
    let meta = fs::symlink_metadata(path)?;
    let Some(hash) = file.hash().filter(|_| meta.is_file() && meta.len() == file.size) else {
        return Ok(false);
    };
    Ok(hash_of(path, &hash)? == hash.bytes())
}

/// Puts a file at a path: by a hard link, else as a copy, which shares its blocks where the filesystem can.
pub(super) fn place(from: &Path, to: &Path) -> Result<()> {
    let parent = to.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(MirrorError::io("create", parent))?;
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        // To copy would write through the link that is there.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(MirrorError::Clash(to.to_string_lossy().into_owned()))
        }
        Err(_) => fs::copy(from, to).map(drop).map_err(MirrorError::io("write", to)),
    }
}
