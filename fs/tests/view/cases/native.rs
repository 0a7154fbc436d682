//! Operations of scripts in the view and on the machine's own filesystem, whose results are equal.

mod contents;
mod flags;
mod nameless;
mod names;
mod rights;

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{
    self as sys, AtFlags, CWD, FallocateFlags, OFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags,
};

use super::{Case, done, idle, nothing, redirecting};
use crate::namespace::{Inside, Outside};

pub(crate) fn all() -> Vec<Case> {
    vec![
        Case {
            name: "native",
            prepare: nothing,
            inside: native,
            step: mapped_outside,
            after: done,
        },
        Case {
            name: "native, opens told",
            prepare: redirecting,
            inside: native,
            step: mapped_outside,
            after: done,
        },
        Case {
            name: "durable",
            prepare: durable,
            inside: on_disk,
            step: idle,
            after: brought_to_the_disk,
        },
        Case {
            name: "not durable",
            prepare: nothing,
            inside: on_disk,
            step: idle,
            after: left_to_the_disk,
        },
        Case {
            name: "lacking",
            prepare: nothing,
            inside: lacking,
            step: idle,
            after: done,
        },
    ]
}

/// Results in a directory, line by line.
struct Transcript {
    dir: PathBuf,
    lines: Vec<String>,
}

impl Transcript {
    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn note(&mut self, what: &str, how: impl Debug) {
        self.lines.push(format!("{what}: {how:?}"));
    }

    fn errno<T>(&mut self, what: &str, result: std::io::Result<T>) {
        let errno = result.err().map(|e| e.raw_os_error());
        self.note(what, errno);
    }

    /// Type, mode, owner, size and names of a file.
    fn stat(&mut self, name: &str) {
        let how = match fs::symlink_metadata(self.at(name)) {
            Ok(s) => {
                let size = if s.is_dir() { 0 } else { s.len() };
                let (mode, links) = (s.mode(), s.nlink());
                format!("{mode:o} {}:{} {size} {links} {:x}", s.uid(), s.gid(), s.rdev())
            }
            Err(e) => format!("{:?}", e.raw_os_error()),
        };
        self.note(name, how);
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn native(t: &Inside) {
    let plain = t.dir.join("plain");
    fs::create_dir(&plain).unwrap();
    let parts: [fn(&mut Transcript); 13] = [
        names::special_files,
        names::renames,
        contents::ranges,
        contents::mapped,
        contents::locks,
        names::names,
        nameless::nameless,
        nameless::births,
        rights::privileges,
        times,
        rights::attributes,
        flags::whiteouts,
        flags::flags,
    ];
    let run = |dir: &Path| {
        let mut transcript = Transcript {
            dir: dir.to_owned(),
            lines: Vec::new(),
        };
        for part in parts {
            part(&mut transcript);
        }
        transcript.lines
    };
    let (seen, want) = (run(&t.view), run(&plain));
    let differ: Vec<_> = seen.iter().zip(&want).filter(|(a, b)| a != b).collect();
    assert!(differ.is_empty(), "in the view, on the disk: {differ:#?}");
    assert_eq!(seen.len(), want.len());
    t.step(0);
}

/// Memory that was shared with a file is in the file on disk.
fn mapped_outside(t: &Outside, _: u8) {
    let data = t.target.read(Path::new("mapped")).unwrap();
    assert_eq!(
        (&data[5000..5006], &data[7000..7005]),
        (&b"mapped"[..], &b"later"[..])
    );
}

fn times(t: &mut Transcript) {
    t.write("timed", "x");
    let set = |t: &Transcript, name: &str, access: (i64, i64), change: (i64, i64)| {
        let time = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
        let times = Timestamps {
            last_access: time(access),
            last_modification: time(change),
        };
        sys::utimensat(CWD, t.at(name), &times, AtFlags::SYMLINK_NOFOLLOW)
    };
    let of = |t: &Transcript, name: &str| {
        let s = fs::symlink_metadata(t.at(name)).unwrap();
        (s.atime(), s.atime_nsec(), s.mtime(), s.mtime_nsec())
    };
    let absurd = [
        i64::MIN,
        i64::MIN + 1,
        -(1 << 40),
        -1,
        0,
        1 << 33,
        1 << 40,
        i64::MAX - 1,
        i64::MAX,
    ];
    for sec in absurd {
        for nsec in [0, 1, 999_999_999] {
            let result = set(t, "timed", (sec, nsec), (sec, nsec));
            let now = of(t, "timed");
            t.note("time", (sec, nsec, result, now));
        }
    }
    set(t, "timed", (100, 5), (200, 7)).unwrap();
    for (access, change) in [
        ((0, UTIME_OMIT), (300, 1)),
        ((400, 2), (0, UTIME_OMIT)),
        ((0, UTIME_OMIT), (0, UTIME_OMIT)),
        ((0, 1_000_000_000), (1, 1)),
    ] {
        let result = set(t, "timed", access, change);
        let now = of(t, "timed");
        t.note("some", (result, now));
    }
    symlink("timed", t.at("timed-link")).unwrap();
    set(t, "timed-link", (1, 2), (3, 4)).unwrap();
    let now = of(t, "timed-link").2;
    t.note("link", now);
    // Operations that change the time of a file or directory, and others.
    fs::create_dir(t.at("timed-dir")).unwrap();
    t.write("timed-dir/x", "x");
    type Action = fn(&Transcript);
    let moves: [(&str, Action); 9] = [
        ("chmod", |t| t.chmod("timed-dir/x", 0o600)),
        ("chown", |t| chown(t.at("timed-dir/x"), Some(1), Some(2)).unwrap()),
        ("read", |t| drop(fs::read(t.at("timed-dir/x")).unwrap())),
        ("open for writing", |t| {
            OpenOptions::new().write(true).open(t.at("timed-dir/x")).unwrap();
        }),
        ("append nothing", |t| {
            let mut file = OpenOptions::new().append(true).open(t.at("timed-dir/x")).unwrap();
            assert_eq!(file.write(b"").unwrap(), 0);
        }),
        ("append", |t| {
            let mut file = OpenOptions::new().append(true).open(t.at("timed-dir/x")).unwrap();
            file.write_all(b"y").unwrap();
        }),
        ("truncate", |t| t.write("timed-dir/x", "")),
        ("link", |t| {
            fs::hard_link(t.at("timed-dir/x"), t.at("timed-dir/y")).unwrap()
        }),
        ("rename", |t| {
            fs::rename(t.at("timed-dir/x"), t.at("timed-dir/z")).unwrap()
        }),
    ];
    for (what, action) in moves {
        for name in ["timed-dir/x", "timed-dir"] {
            set(t, name, (9, 9), (9, 9)).unwrap();
        }
        action(t);
        let file = if what == "rename" {
            "timed-dir/z"
        } else {
            "timed-dir/x"
        };
        let moved = [file, "timed-dir"].map(|name| of(t, name).2 != 9);
        t.note(what, moved);
    }
    let mut file = File::options().write(true).open(t.at("timed")).unwrap();
    file.write_all(b"z").unwrap();
    let time = Timespec {
        tv_sec: 77,
        tv_nsec: 0,
    };
    sys::futimens(
        &file,
        &Timestamps {
            last_access: time,
            last_modification: time,
        },
    )
    .unwrap();
    drop(file);
    let now = of(t, "timed").2;
    t.note("after a write", now);
}

fn durable(_: &rootless_install_fs::Target, _: &Path) -> rootless_install_fs::ServeOptions {
    rootless_install_fs::ServeOptions {
        durable: true,
        ..Default::default()
    }
}

/// Asks seven times for something to be on the disk.
fn on_disk(t: &Inside) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = File::create_new(t.at("kept")).unwrap();
    for _ in 0..2 {
        (&file).write_all(b"contents").unwrap();
        file.sync_all().unwrap();
        file.sync_data().unwrap();
    }
    File::open(&t.view).unwrap().sync_all().unwrap();
    fs::remove_file(t.at("kept")).unwrap();
    file.sync_all().unwrap();
    let flags = OFlags::SYNC.bits().cast_signed();
    let mut options = OpenOptions::new();
    let synchronous = options.write(true).create_new(true).custom_flags(flags);
    synchronous
        .open(t.at("written"))
        .unwrap()
        .write_all(b"x")
        .unwrap();
}

fn brought_to_the_disk(t: &Outside) {
    assert_eq!(t.counters.syncs, 7);
}

fn left_to_the_disk(t: &Outside) {
    assert_eq!(t.counters.syncs, 0);
}

/// Operations that a filesystem may lack, and one that root of a user namespace lacks elsewhere.
fn lacking(t: &Inside) {
    use rustix::io::Errno;
    let file = File::create_new(t.at("file")).unwrap();
    file.write_all_at(&[1; 16384], 0).unwrap();
    for range in [
        FallocateFlags::COLLAPSE_RANGE,
        FallocateFlags::INSERT_RANGE,
        FallocateFlags::UNSHARE_RANGE,
    ] {
        assert_eq!(sys::fallocate(&file, range, 4096, 4096), Err(Errno::OPNOTSUPP));
    }
    // Not asked for: a copy of blocks that are shared, which FUSE has no request for.
    let other = File::create_new(t.at("other")).unwrap();
    assert_eq!(sys::ioctl_ficlone(&other, &file), Err(Errno::OPNOTSUPP));
    let label = sys::lsetxattr(t.at("file"), "security.selinux", b"label", XattrFlags::empty());
    assert_eq!(label, Ok(()));
}
