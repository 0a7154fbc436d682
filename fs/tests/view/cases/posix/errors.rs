//! Errors of paths: components that are no directories, are not there, may not be searched, are too long, or lead round.

use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{self as sys, AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Result;

use super::world::{OTHER, OWNER, ROOT, World, chmod, errno, give, make};

/// A call with one path that matters; another one is below the directory.
type Call = fn(&Path, &Path) -> Result<()>;

/// The calls that take a path.
pub(super) const CALLS: [(&str, Call); 24] = [
    ("access", |_, path| sys::access(path, sys::Access::EXISTS)),
    ("chmod", |_, path| sys::chmod(path, Mode::from_raw_mode(0o642))),
    ("chown", |_, path| {
        errno(std::os::unix::fs::chown(path, None, Some(1001)))
    }),
    ("lchown", |_, path| {
        errno(std::os::unix::fs::lchown(path, None, Some(1001)))
    }),
    ("chdir", |_, path| {
        sys::open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).map(drop)
    }),
    ("link from", |dir, path| sys::link(path, dir.join("new"))),
    ("link to", |dir, path| sys::link(dir.join("aux"), path)),
    ("lstat", |_, path| sys::lstat(path).map(drop)),
    ("mkdir", |_, path| sys::mkdir(path, Mode::from_raw_mode(0o755))),
    ("mkfifo", |_, path| {
        sys::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0)
    }),
    ("mknod", |_, path| {
        sys::mknodat(CWD, path, FileType::RegularFile, Mode::from_raw_mode(0o644), 0)
    }),
    ("open", |_, path| {
        sys::open(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).map(drop)
    }),
    ("open to write", |_, path| {
        sys::open(path, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()).map(drop)
    }),
    ("creat", |_, path| {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC | OFlags::NONBLOCK;
        sys::open(path, flags, Mode::from_raw_mode(0o644)).map(drop)
    }),
    ("creat exclusively", |_, path| {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::EXCL;
        sys::open(path, flags, Mode::from_raw_mode(0o644)).map(drop)
    }),
    ("readlink", |_, path| sys::readlink(path, Vec::new()).map(drop)),
    ("rename from", |dir, path| sys::rename(path, dir.join("new"))),
    ("rename to", |dir, path| sys::rename(dir.join("aux"), path)),
    ("rename a directory to", |dir, path| {
        sys::rename(dir.join("auxdir"), path)
    }),
    ("rmdir", |_, path| sys::rmdir(path)),
    ("symlink", |_, path| sys::symlink("text", path)),
    ("truncate", |_, path| {
        let file = sys::open(path, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty())?;
        sys::ftruncate(file, 2)
    }),
    ("unlink", |_, path| sys::unlink(path)),
    ("utimensat", |_, path| {
        let time = Timespec {
            tv_sec: 1,
            tv_nsec: 2,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        sys::utimensat(CWD, path, &times, AtFlags::empty())
    }),
];

/// Makes what the paths of [`paths`] lead through.
fn tree(dir: &Path) {
    for (name, kind) in [
        ("aux", "file"),
        ("auxdir", "dir"),
        ("dir", "dir"),
        ("fifo", "fifo"),
        ("file", "file"),
        ("full", "full"),
        ("socket", "socket"),
    ] {
        make(&dir.join(name), kind);
    }
    for (name, text) in [
        ("dangling", "none"),
        ("loop1", "loop2"),
        ("loop2", "loop1"),
        ("to-dir", "dir"),
        ("to-file", "file"),
    ] {
        symlink(text, dir.join(name)).unwrap();
    }
    // Nobody but root may search the first or write to the second.
    for (name, mode) in [("closed", 0o666), ("fixed", 0o555)] {
        make(&dir.join(name), "full");
        give(&dir.join(name), ROOT);
        chmod(&dir.join(name), mode);
    }
}

pub(super) fn paths(w: &mut World) {
    let long = [
        "n".repeat(256),
        format!("{}x", "d/".repeat(2100)),
        format!("dir/{}", "n".repeat(256)),
    ];
    let mut paths: Vec<&str> = vec![
        "",
        "none",
        "none/x",
        "file",
        "file/",
        "file/x",
        "fifo",
        "fifo/x",
        "socket",
        "socket/x",
        "dir",
        "dir/",
        "dir/.",
        "dir/..",
        "dir/new",
        "full",
        "full/in",
        "dangling",
        "dangling/x",
        "loop1",
        "loop1/x",
        "to-dir",
        "to-dir/",
        "to-file",
        "to-file/",
        "to-dir/new",
        "closed/in",
        "closed/new",
        "fixed/in",
        "fixed/new",
    ];
    paths.extend(long.iter().map(String::as_str));
    for (name, call) in CALLS {
        for path in &paths {
            for who in [ROOT, OWNER, OTHER] {
                let dir = w.fresh();
                tree(&dir);
                let at = dir.join(path);
                let shown: String = path.chars().take(20).collect();
                w.call(format!("{name} {shown:?}"), &dir, who, || call(&dir, &at));
            }
        }
    }
}

pub(super) fn lengths(w: &mut World) {
    for (name, call) in CALLS {
        for length in [1, 254, 255, 256] {
            for kind in ["none", "file", "dir"] {
                let dir = w.fresh();
                for name in ["aux", "auxdir"] {
                    make(&dir.join(name), if name == "aux" { "file" } else { "dir" });
                }
                let at = dir.join("n".repeat(length));
                if length < 256 {
                    make(&at, kind);
                }
                w.call(format!("{name} {kind} {length}"), &dir, OWNER, || call(&dir, &at));
            }
        }
    }
    for length in [0, 1, 59, 60, 61, 255, 1023, 4094, 4095, 4096] {
        let dir = w.fresh();
        let (text, at) = ("t".repeat(length), dir.join("link"));
        w.call(format!("symlink of {length}"), &dir, OWNER, || {
            sys::symlink(&*text, &at)
        });
    }
}
