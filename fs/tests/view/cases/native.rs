//! What scripts may do, in the view and on the machine's own filesystem: both say the same.

use std::ffi::OsStr;
use std::fmt::{Debug, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write as _};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::stat::{Mode as NixMode, umask};
use rustix::fs::{
    self as sys, AtFlags, CWD, FallocateFlags, FileType, Mode, OFlags, RenameFlags, SeekFrom, Timespec,
    Timestamps, UTIME_OMIT, XattrFlags, inotify,
};

use super::{Case, as_user, done, nothing};
use crate::memory::Shared;
use crate::namespace::{Inside, Outside};

pub(crate) fn all() -> Vec<Case> {
    vec![Case {
        name: "native",
        prepare: nothing,
        inside: native,
        step: mapped_outside,
        after: done,
    }]
}

/// What happened, line by line, in a directory.
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
    let parts: [fn(&mut Transcript); 9] = [
        special_files,
        renames,
        ranges,
        mapped,
        locks,
        names,
        privileges,
        times,
        attributes,
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

fn special_files(t: &mut Transcript) {
    symlink("nowhere", t.at("link")).unwrap();
    t.errno("link to a link", fs::hard_link(t.at("link"), t.at("link2")));
    lchown(t.at("link"), Some(5), Some(5)).unwrap();
    t.stat("link");
    t.errno(
        "link to a link given away",
        fs::hard_link(t.at("link"), t.at("link3")),
    );
    t.stat("link3");
    t.stat("link2");
    let node = |t: &Transcript, name: &str, kind, mode, device| {
        sys::mknodat(CWD, t.at(name), kind, Mode::from_raw_mode(mode), device)
    };
    for (name, kind, mode) in [
        ("pipe", FileType::Fifo, 0o640),
        ("socket", FileType::Socket, 0o700),
        ("file", FileType::RegularFile, 0o6755),
        ("character", FileType::CharacterDevice, 0o600),
        ("block", FileType::BlockDevice, 0o600),
        ("directory", FileType::Directory, 0o755),
    ] {
        let device = sys::makedev(1, 3);
        let made = node(t, name, kind, mode, if name == "file" { 0 } else { device });
        t.note(name, made);
        t.stat(name);
    }
    // What marks a removed name for overlayfs(5) anyone may make.
    let whiteout = node(t, "whiteout", FileType::CharacterDevice, 0o600, 0);
    t.note("whiteout", whiteout);
    t.stat("whiteout");
    t.errno("link to a pipe", fs::hard_link(t.at("pipe"), t.at("pipe2")));
    chown(t.at("pipe2"), Some(3), Some(4)).unwrap();
    t.chmod("pipe", 0o666);
    t.stat("pipe2");
    t.errno("open a socket", File::open(t.at("socket")));
    // Names for what is open.
    t.write("open", "open");
    let open = File::open(t.at("open")).unwrap();
    let by_fd = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
    let linked = sys::linkat(CWD, &by_fd, CWD, t.at("open2"), AtFlags::SYMLINK_FOLLOW);
    t.note("link by descriptor", linked);
    t.note("read it", fs::read(t.at("open2")).ok());
    fs::remove_file(t.at("open")).unwrap();
    fs::remove_file(t.at("open2")).unwrap();
    let linked = sys::linkat(CWD, &by_fd, CWD, t.at("open3"), AtFlags::SYMLINK_FOLLOW);
    t.note("link what is unlinked", linked);
    // A running program is not written.
    fs::copy("/bin/sleep", t.at("sleep")).unwrap();
    let mut running = Command::new(t.at("sleep")).arg("5").spawn().unwrap();
    t.errno(
        "write what runs",
        OpenOptions::new().write(true).open(t.at("sleep")),
    );
    t.errno("unlink what runs", fs::remove_file(t.at("sleep")));
    running.kill().unwrap();
    running.wait().unwrap();
    for (mask, name) in [(0, "wide"), (0o77, "narrow")] {
        umask(NixMode::from_bits_truncate(mask));
        fs::create_dir(t.at(name)).unwrap();
        let kind = FileType::Fifo;
        sys::mknodat(
            CWD,
            t.at(&format!("{name}/p")),
            kind,
            Mode::from_raw_mode(0o666),
            0,
        )
        .unwrap();
        t.write(&format!("{name}/f"), "");
        for name in ["", "/p", "/f"].map(|end| format!("{name}{end}")) {
            t.stat(&name);
        }
    }
    umask(NixMode::from_bits_truncate(0o022));
    let _ = sys::mkdir(t.at("all-bits"), Mode::from_raw_mode(0o7777));
    t.stat("all-bits");
}

fn renames(t: &mut Transcript) {
    for name in ["a", "b", "full"] {
        fs::create_dir(t.at(name)).unwrap();
    }
    t.write("full/x", "x");
    t.write("f", "f");
    for (from, to) in [
        ("a", "b"),
        ("b", "full"),
        ("f", "b"),
        ("b", "f"),
        ("f", "f"),
        ("b", "b/c"),
        ("b/.", "z"),
        ("f", "g/"),
        ("none", "z"),
        ("b", "z/"),
        ("f", "link2"),
        ("link3", "link2"),
    ] {
        t.errno(&format!("rename {from} {to}"), fs::rename(t.at(from), t.at(to)));
    }
    let flags = |t: &mut Transcript, from: &str, to: &str, flags| {
        let result = sys::renameat_with(CWD, t.at(from), CWD, t.at(to), flags);
        t.note(&format!("rename {from} {to} {flags:?}"), result);
    };
    t.write("one", "1");
    symlink("two", t.at("two")).unwrap();
    flags(t, "one", "full", RenameFlags::EXCHANGE);
    flags(t, "one", "two", RenameFlags::EXCHANGE);
    flags(t, "one", "none", RenameFlags::EXCHANGE);
    flags(t, "one", "two", RenameFlags::NOREPLACE);
    flags(t, "one", "three", RenameFlags::NOREPLACE);
    flags(t, "three", "two", RenameFlags::NOREPLACE | RenameFlags::EXCHANGE);
    for name in ["full", "one", "two", "three"] {
        t.stat(name);
    }
    t.errno("rmdir .", fs::remove_dir(t.at("full/.")));
    t.errno("rmdir ..", fs::remove_dir(t.at("full/..")));
    t.errno("unlink a directory", fs::remove_file(t.at("z")));
    t.errno("open a file as a directory", File::open(t.at("f/")));
    t.errno(
        "write a directory",
        OpenOptions::new().write(true).open(t.at("z")),
    );
    symlink("loop2", t.at("loop1")).unwrap();
    symlink("loop1", t.at("loop2")).unwrap();
    t.errno("loop", File::open(t.at("loop1")));
}

fn ranges(t: &mut Transcript) {
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(t.at("ranges"))
        .unwrap();
    file.write_all_at(&[7; 70_000], 0).unwrap();
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    for (flags, offset, len) in [
        (FallocateFlags::empty(), 0, 1 << 20),
        (FallocateFlags::KEEP_SIZE, 1 << 20, 1 << 20),
        (hole, 4096, 8192),
        (FallocateFlags::ZERO_RANGE, 16384, 4096),
        (FallocateFlags::PUNCH_HOLE, 0, 4096),
        (FallocateFlags::empty(), 0, 0),
    ] {
        let result = sys::fallocate(&file, flags, offset, len);
        t.note("fallocate", (flags, result));
    }
    let data = fs::read(t.at("ranges")).unwrap();
    t.note("zeroes", (data.len(), data.iter().filter(|b| **b == 0).count()));
    let sparse = File::create(t.at("sparse")).unwrap();
    sparse.set_len(1 << 20).unwrap();
    sparse.write_all_at(b"x", 1 << 19).unwrap();
    for seek in [
        SeekFrom::Data(0),
        SeekFrom::Hole(0),
        SeekFrom::Hole(1 << 19),
        SeekFrom::Data(1 << 21),
    ] {
        t.note("seek", sys::seek(&sparse, seek));
    }
    t.note("sparse", sparse.metadata().unwrap().blocks() < 100);
    t.errno("truncate far", sparse.set_len(1 << 62));
    // Straight to the disk, from memory that is aligned as it wants.
    let mut memory = vec![b'd'; 3 * 4096];
    let aligned = memory.as_ptr().align_offset(4096);
    let memory = &mut memory[aligned..aligned + 8192];
    let direct = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .custom_flags(OFlags::DIRECT.bits().cast_signed())
        .open(t.at("direct"))
        .unwrap();
    t.note("direct", direct.write_at(memory, 0).ok());
    t.note("direct, longer", direct.write_at(memory, 8192).ok());
    t.note("direct back", direct.read_at(memory, 4096).ok());
    t.errno("direct, on disk", direct.sync_all());
    t.stat("direct");
}

fn mapped(t: &mut Transcript) {
    let path = t.at("mapped");
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    file.set_len(10_000).unwrap();
    let mut memory = Shared::new(&file, 10_000);
    memory.write(5000, b"mapped");
    let read = |file: &File, at| {
        let mut data = [0; 6];
        file.read_exact_at(&mut data, at).unwrap();
        data
    };
    t.note("the same file", read(&file, 5000));
    t.note("opened again", read(&File::open(&path).unwrap(), 5000));
    file.write_all_at(b"written", 100).unwrap();
    t.note("seen in memory", memory.read(100, 7));
    t.note("msync", memory.sync());
    let old = Timespec {
        tv_sec: 1000,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: old,
        last_modification: old,
    };
    sys::futimens(&file, &times).unwrap();
    // The descriptor may be gone before what is written.
    drop(file);
    memory.write(7000, b"later");
    drop(memory);
    t.note("contents", fs::read(&path).unwrap().get(6998..7006));
}

fn locks(t: &mut Transcript) {
    t.write("locked", "");
    let file = OpenOptions::new().write(true).open(t.at("locked")).unwrap();
    let other = |t: &Transcript| {
        let mut flock = Command::new("flock");
        flock
            .arg("-n")
            .arg(t.at("locked"))
            .arg("true")
            .status()
            .ok()
            .and_then(|status| status.code())
    };
    for operation in [sys::FlockOperation::LockExclusive, sys::FlockOperation::Unlock] {
        sys::flock(&file, operation).unwrap();
        t.note("another process", (operation, other(t)));
    }
    t.note(
        "lock",
        sys::fcntl_lock(&file, sys::FlockOperation::NonBlockingLockExclusive),
    );
    t.note("unlock", sys::fcntl_lock(&file, sys::FlockOperation::Unlock));

    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, &t.dir, inotify::WatchFlags::ALL_EVENTS).unwrap();
    t.write("seen", "x");
    fs::rename(t.at("seen"), t.at("seen2")).unwrap();
    fs::remove_file(t.at("seen2")).unwrap();
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(watch.as_fd(), &mut buffer);
    let mut text = String::new();
    while let Ok(event) = events.next() {
        write!(text, "{:?} {:?}, ", event.events(), event.file_name()).unwrap();
    }
    t.note("events", text);
}

fn names(t: &mut Transcript) {
    let long = "n".repeat(255);
    t.errno("255", fs::write(t.at(&long), ""));
    t.errno("255 to another", fs::rename(t.at(&long), t.at(&"m".repeat(255))));
    t.errno("256", fs::write(t.at(&"n".repeat(256)), ""));
    t.errno(
        "bytes",
        fs::write(t.dir.join(OsStr::from_bytes(b"\xff\xfe\n*")), ""),
    );
    for (name, len) in [
        ("l1", 1),
        ("l60", 60),
        ("l2000", 2000),
        ("l4095", 4095),
        ("l4096", 4096),
    ] {
        t.errno(name, symlink("l".repeat(len), t.at(name)));
    }
    for name in ["l2000", "l4095"] {
        lchown(t.at(name), Some(1), Some(1)).unwrap();
        t.note(
            "still",
            fs::read_link(t.at(name)).map(|text| text.as_os_str().len()).ok(),
        );
        t.stat(name);
    }
    t.errno("empty", symlink("", t.at("empty")));
}

/// cap_net_raw=ep, as setcap(8) writes it.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn privileges(t: &mut Transcript) {
    // Who may what in a directory that is everybody's.
    fs::create_dir(t.at("tmp")).unwrap();
    t.chmod("tmp", 0o1777);
    t.write("tmp/root", "r");
    for script in [
        "rm -f tmp/root",
        "mv tmp/root tmp/x",
        "echo > tmp/mine",
        "rm tmp/mine",
        "chmod 600 f",
        "ln f tmp/f",
        "touch f",
        "cat f",
        "echo >> f",
    ] {
        let done = as_user(1000, &t.dir, script);
        t.note(script, done);
    }
    // What takes set-id bits and capabilities away.
    for (index, script) in [
        "echo x >> victim0",
        ": > victim1",
        "truncate -s 1 victim2",
        "fallocate -l 100 victim3",
        "dd if=/bin/sh of=victim4 bs=10 count=1 conv=notrunc",
        "chmod g+s victim5",
        "chgrp 1000 victim6",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("victim{index}");
        for root in [false, true] {
            t.write(&name, "xxxx");
            chown(t.at(&name), Some(1000), Some(50)).unwrap();
            sys::lsetxattr(
                t.at(&name),
                "security.capability",
                &CAPABILITY,
                XattrFlags::empty(),
            )
            .unwrap();
            t.chmod(&name, 0o6777);
            let done = as_user(if root { 0 } else { 1000 }, &t.dir, script);
            t.note(script, done);
            t.stat(&name);
            let mut value = [0; 64];
            t.note(
                "capability",
                sys::lgetxattr(t.at(&name), "security.capability", &mut value[..]),
            );
        }
    }
    for (mode, owner) in [
        (0o6755, Some(0)),
        (0o6755, None),
        (0o2644, Some(1)),
        (0o6711, Some(1)),
    ] {
        t.write("owned", "");
        t.chmod("owned", mode);
        t.errno("chown", chown(t.at("owned"), owner, owner));
        t.stat("owned");
    }
    fs::create_dir(t.at("shared")).unwrap();
    chown(t.at("shared"), Some(0), Some(50)).unwrap();
    t.chmod("shared", 0o2777);
    let done = as_user(
        1000,
        &t.dir,
        "cd shared && echo > f && mkdir d && ln -s f l && mkfifo p && mkdir -m 2700 e && umask 0 && echo > g",
    );
    t.note("shared", done);
    for name in ["f", "d", "l", "p", "e", "g"] {
        t.stat(&format!("shared/{name}"));
    }
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
    // What moves the time of a file or directory, and what does not.
    fs::create_dir(t.at("timed-dir")).unwrap();
    t.write("timed-dir/x", "x");
    let moves: [(&str, fn(&Transcript)); 9] = [
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

fn attributes(t: &mut Transcript) {
    t.write("marked", "x");
    fs::create_dir(t.at("marked-dir")).unwrap();
    let name_255 = format!("user.{}", "u".repeat(250));
    for (file, name, value) in [
        ("marked", "user.x", &b"value"[..]),
        ("marked", "user.empty", b""),
        ("marked", "user.", b"1"),
        ("marked", &name_255, b"1"),
        ("marked", &format!("{name_255}u"), b"1"),
        ("marked", "nonsense", b"1"),
        ("marked", "system.x", b"1"),
        ("marked", "trusted.x", b"1"),
        ("marked", "security.capability", b"1"),
        ("marked", "security.capability", &CAPABILITY),
        ("marked-dir", "security.capability", &CAPABILITY),
        ("marked-dir", "user.x", b"1"),
        ("link", "user.x", b"1"),
        ("pipe", "user.x", b"1"),
        ("marked", "user.large", &[1; 2000]),
        ("marked", "user.too-large", &[1; 66_000]),
        // What would be a record of ours on disk is one of many here.
        ("marked", "user.containers.override_stat", b"9:9:0777:symlink"),
        ("marked", "user.rootless-install.security.capability", &CAPABILITY),
        (
            "marked",
            "user.rootless-install.system.posix_acl_access",
            b"nonsense",
        ),
        (
            "marked-dir",
            "user.rootless-install.user.containers.override_stat",
            b"9:9:0:file",
        ),
    ] {
        let set = sys::lsetxattr(t.at(file), name, value, XattrFlags::empty());
        let mut buffer = [0; 3000];
        let got = sys::lgetxattr(t.at(file), name, &mut buffer[..]);
        let same = got.map(|len| &buffer[..len] == value);
        t.note(&format!("{file} {name}"), (set, same));
        t.stat(file);
    }
    let mut buffer = [0; 3000];
    t.note(
        "replace",
        sys::lsetxattr(t.at("marked"), "user.none", b"", XattrFlags::REPLACE),
    );
    t.note(
        "create",
        sys::lsetxattr(t.at("marked"), "user.x", b"", XattrFlags::CREATE),
    );
    t.note(
        "none",
        sys::lgetxattr(t.at("marked"), "user.none", &mut buffer[..]),
    );
    t.note("remove none", sys::lremovexattr(t.at("marked"), "user.none"));
    t.note(
        "no room",
        sys::lgetxattr(t.at("marked"), "user.large", &mut buffer[..10]),
    );
    let len = sys::llistxattr(t.at("marked"), &mut buffer[..]).unwrap();
    let mut names: Vec<_> = buffer[..len]
        .split(|b| *b == 0)
        .map(String::from_utf8_lossy)
        .collect();
    names.sort_unstable();
    t.note("names", names);
    let mut text = String::new();
    File::open(t.at("marked"))
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    t.note("contents", text);
}
