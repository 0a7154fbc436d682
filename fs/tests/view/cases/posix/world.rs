//! A directory in which calls are made, by several users, and notes of what came of them.

use std::fmt::Debug;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{self as sys, CWD, FileType, Mode};
use rustix::io::{Errno, Result};
use rustix::process::{Gid, Uid};

/// A caller: user, group, and supplementary groups.
pub(super) type Who = (u32, u32, &'static [u32]);

pub(super) const ROOT: Who = (0, 0, &[]);
/// Owner of most files.
pub(super) const OWNER: Who = (1001, 1001, &[]);
/// The same, who is in another group as well.
pub(super) const MEMBER: Who = (1001, 1001, &[1003]);
/// One of the owner's group.
pub(super) const GROUP: Who = (1002, 1001, &[]);
pub(super) const OTHER: Who = (1004, 1004, &[]);

/// Types of files, as [`World::make`] makes them.
pub(super) const TYPES: [&str; 5] = ["file", "dir", "fifo", "socket", "link"];

pub(super) struct World {
    pub(super) dir: PathBuf,
    pub(super) lines: Vec<String>,
    fresh: u32,
}

impl World {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            lines: Vec::new(),
            fresh: 0,
        }
    }

    /// Begins a new empty directory, which everybody may write to.
    pub(super) fn fresh(&mut self) -> PathBuf {
        self.fresh += 1;
        let dir = self.dir.join(self.fresh.to_string());
        fs::create_dir(&dir).unwrap();
        chmod(&dir, 0o777);
        dir
    }

    pub(super) fn note(&mut self, what: impl Into<String>, how: impl Debug) {
        self.lines.push(format!("{}: {how:?}", what.into()));
    }

    /// Makes a call as `who` in a directory, and notes what it returned and what is in the directory then.
    pub(super) fn call<T: Debug + Send>(
        &mut self,
        what: impl Into<String>,
        dir: &Path,
        who: Who,
        call: impl FnOnce() -> Result<T> + Send,
    ) {
        let answer = run_as(who, call);
        self.note(format!("{} as {who:?}", what.into()), (answer, state(dir)));
        // Thousands of directories would be slow to list.
        let _ = fs::remove_dir_all(dir);
    }
}

/// Makes a call as another user.
pub(super) fn run_as<T: Send>(who: Who, call: impl FnOnce() -> T + Send) -> T {
    let (uid, gid, groups) = who;
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            if uid != 0 || gid != 0 {
                let groups: Vec<Gid> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
                rustix::thread::set_thread_groups(&groups).unwrap();
                let (gid, uid) = (Gid::from_raw(gid), Uid::from_raw(uid));
                rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
                rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
            }
            call()
        });
        thread.join().unwrap()
    })
}

/// Makes a file of a type that belongs to the owner, of mode 0644, or a directory of mode 0755.
pub(super) fn make(path: &Path, kind: &str) {
    let mode = Mode::from_raw_mode(0o644);
    match kind {
        "file" => fs::write(path, "text").unwrap(),
        "dir" => fs::create_dir(path).unwrap(),
        "full" => {
            fs::create_dir(path).unwrap();
            fs::write(path.join("in"), "").unwrap();
        }
        "fifo" => sys::mknodat(CWD, path, FileType::Fifo, mode, 0).unwrap(),
        "socket" => sys::mknodat(CWD, path, FileType::Socket, mode, 0).unwrap(),
        "link" => symlink("pointed-at", path).unwrap(),
        _ => return,
    }
    give(path, OWNER);
    if kind != "link" {
        chmod(path, if path.is_dir() { 0o755 } else { 0o644 });
    }
}

pub(super) fn give(path: &Path, (uid, gid, _): Who) {
    lchown(path, Some(uid), Some(gid)).unwrap();
    // A link is another file on disk then, which the kernel is told after the answer: until then, numbers that are used
    // again can be taken for it.
    if path.is_symlink() {
        thread::sleep(Duration::from_millis(1));
    }
}

pub(super) fn give_ids(path: &Path, uid: u32, gid: u32) {
    chown(path, Some(uid), Some(gid)).unwrap();
}

pub(super) fn chmod(path: &Path, mode: u32) {
    sys::chmod(path, Mode::from_raw_mode(mode)).unwrap();
}

/// Names, types, modes, owners, sizes and numbers of names of all that is in a directory, and of the directory.
pub(super) fn state(dir: &Path) -> Vec<String> {
    let mut found = vec![line(dir, ".")];
    list(dir, "", &mut found);
    found
}

fn list(dir: &Path, prefix: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        let (path, name) = (dir.join(&name), name.to_string_lossy().into_owned());
        let shown: String = name.chars().take(20).collect();
        found.push(line(&path, &format!("{prefix}{shown}")));
        if path.symlink_metadata().is_ok_and(|stat| stat.is_dir()) {
            list(&path, &format!("{prefix}{shown}/"), found);
        }
    }
}

fn line(path: &Path, name: &str) -> String {
    match path.symlink_metadata() {
        Ok(stat) => {
            let size = if stat.is_dir() { 0 } else { stat.len() };
            let text = fs::read_link(path).map(|text| text.as_os_str().len()).ok();
            let (mode, uid, gid) = (stat.mode(), stat.uid(), stat.gid());
            format!("{name} {mode:o} {uid}:{gid} {size} {} {text:?}", stat.nlink())
        }
        Err(error) => format!("{name} {error}"),
    }
}

/// Returns the error number of an operation of the standard library.
pub(super) fn errno<T>(result: std::io::Result<T>) -> Result<T> {
    result.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}
