//! What a process that was killed in the midst of a change has left, and how the next one knows of it.
//!
//! A file that replaces another one has a temporary name until it is complete. Whoever changes a target notes that on the
//! marker, and takes the note away in the end: where it is still there, somebody was killed, and such files are looked for.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::XattrFlags;

use super::Target;
use crate::marker::{MARKER, Marker};

/// Beginning of a temporary name; a process, `-` and a number follow.
const TEMPORARY: &str = ".rootless-install-";
/// Attribute of the marker's file while somebody changes the target.
const WRITING: &str = "user.rootless-install.writing";

/// The note that this process changes a target. It is taken away when this is dropped.
#[derive(Debug)]
pub struct Writing(Option<File>);

impl Target {
    /// Notes that this process changes the target, and removes the files that one that was killed meanwhile has left.
    /// Where there is no marker, or it may not be changed, nothing is noted: the target can be changed all the same.
    ///
    /// The caller sees to it that no other process changes the target.
    pub fn begin_writing(&self) -> Writing {
        if !Marker::is_in(self.root_path()) {
            return Writing(None);
        }
        let Ok(marker) = File::open(self.root_path().join(MARKER)) else {
            return Writing(None);
        };
        if was_killed(&marker) {
            remove_leftovers(self.root_path());
        }
        let noted = rustix::fs::fsetxattr(marker.as_fd(), WRITING, b"", XattrFlags::empty());
        Writing(noted.is_ok().then_some(marker))
    }

    /// Whether a process was killed while it changed the target, if none does now: the next one removes what it has left.
    pub fn was_killed(&self) -> bool {
        File::open(self.root_path().join(MARKER)).is_ok_and(|marker| was_killed(&marker))
    }
}

fn was_killed(marker: &File) -> bool {
    rustix::fs::fgetxattr(marker.as_fd(), WRITING, &mut [0_u8; 0]).is_ok()
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(marker) = &self.0 {
            // The target may be gone.
            let _ = rustix::fs::fremovexattr(marker.as_fd(), WRITING);
        }
    }
}

/// Whether a name is that of a file that was to be renamed when it was complete.
pub fn is_temporary(name: &[u8]) -> bool {
    let number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let Some(rest) = name.strip_prefix(TEMPORARY.as_bytes()) else {
        return false;
    };
    let dash = rest.iter().position(|byte| *byte == b'-');
    dash.is_some_and(|at| number(&rest[..at]) && number(&rest[at + 1..]))
}

pub(super) fn temporary_name(count: u64) -> std::ffi::OsString {
    format!("{TEMPORARY}{}-{count}", std::process::id()).into()
}

fn remove_leftovers(root: &Path) {
    use std::os::unix::ffi::OsStrExt;
    let mut left = vec![PathBuf::from(root)];
    while let Some(directory) = left.pop() {
        // One at a time is open. What is gone, or may not be listed, has nothing to be removed.
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                left.push(entry.path());
            } else if is_temporary(entry.file_name().as_bytes()) {
                // What cannot be removed is named by a check.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_are_made() {
        use std::os::unix::ffi::OsStrExt;
        assert!(is_temporary(Target::temporary_name().as_bytes()));
        for other in [
            ".rootless-install-",
            ".rootless-install-1",
            ".rootless-install-1-",
            ".rootless-install--2",
            ".rootless-install-1-2-3",
            ".rootless-install-1-x",
            "rootless-install-1-2",
        ] {
            assert!(!is_temporary(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn what_a_killed_process_has_left_is_removed_once() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("var/lib/dpkg/updates");
        fs::create_dir_all(&deep).unwrap();
        std::os::unix::fs::symlink("/", directory.path().join("link")).unwrap();
        let target = Target::open(directory.path()).unwrap();
        let left = deep.join(".rootless-install-4194305-7");
        fs::write(&left, "half").unwrap();
        fs::write(deep.join("0001"), "whole").unwrap();
        drop(target.begin_writing());
        assert!(left.exists(), "there is no marker");

        Marker::write(directory.path()).unwrap();
        drop(target.begin_writing());
        assert!(left.exists() && !target.was_killed(), "nobody was killed");
        // As a process that is killed.
        std::mem::forget(target.begin_writing());
        assert!(target.was_killed());
        let writing = target.begin_writing();
        assert!(!left.exists() && deep.join("0001").exists());
        drop(writing);
        assert!(!target.was_killed());
    }
}
