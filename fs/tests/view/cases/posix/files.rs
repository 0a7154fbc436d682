//! Making, linking, renaming, opening and truncating files.

use std::path::Path;

use nix::sys::stat::{Mode as NixMode, umask};
use rustix::fs::{self as sys, CWD, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Result;

use super::world::{
    GROUP, MEMBER, OTHER, OWNER, ROOT, TYPES, World, chmod, give, give_ids, make, run_as, state,
};

/// A file is made with a mode.
type Make = fn(&Path, Mode) -> Result<()>;

const MAKE: [(&str, Make); 6] = [
    ("mkdir", |path, mode| sys::mkdir(path, mode)),
    ("mkfifo", |path, mode| {
        sys::mknodat(CWD, path, FileType::Fifo, mode, 0)
    }),
    ("mknod", |path, mode| {
        sys::mknodat(CWD, path, FileType::RegularFile, mode, 0)
    }),
    ("mknod of a socket", |path, mode| {
        sys::mknodat(CWD, path, FileType::Socket, mode, 0)
    }),
    ("mknod of a device", |path, mode| {
        sys::mknodat(CWD, path, FileType::CharacterDevice, mode, sys::makedev(1, 3))
    }),
    ("open", |path, mode| {
        sys::open(path, OFlags::CREATE | OFlags::RDWR | OFlags::EXCL, mode).map(drop)
    }),
];

pub(super) fn creation(w: &mut World) {
    for (name, make_it) in MAKE {
        for mask in [0, 0o022, 0o070, 0o345, 0o777] {
            for mode in [0, 0o151, 0o345, 0o644, 0o777, 0o1777, 0o2755, 0o4755, 0o7777] {
                for parent in [0o777, 0o1777, 0o2777] {
                    for who in [ROOT, OWNER, MEMBER] {
                        let dir = w.fresh();
                        give_ids(&dir, 0, 1003);
                        chmod(&dir, parent);
                        umask(NixMode::from_bits_truncate(mask));
                        let at = dir.join("made");
                        let what = format!("{name} {mode:o} umask {mask:o} in {parent:o}");
                        let made = run_as(who, || make_it(&at, Mode::from_raw_mode(mode)));
                        umask(NixMode::from_bits_truncate(0o022));
                        w.note(format!("{what} as {who:?}"), (made, state(&dir)));
                        let _ = std::fs::remove_dir_all(&dir);
                    }
                }
            }
        }
        for there in TYPES {
            let dir = w.fresh();
            let at = dir.join("made");
            make(&at, there);
            w.call(format!("{name} over {there}"), &dir, OWNER, || {
                make_it(&at, Mode::from_raw_mode(0o644))
            });
        }
    }
}

pub(super) fn links(w: &mut World) {
    for kind in TYPES {
        for who in [ROOT, OWNER, GROUP, OTHER] {
            for mode in [0o600, 0o644, 0o666, 0o4755] {
                for there in ["none", "file", "dir", "link"] {
                    let dir = w.fresh();
                    let (from, to) = (dir.join("from"), dir.join("to"));
                    make(&from, kind);
                    make(&to, there);
                    if kind != "link" {
                        chmod(&from, mode);
                    }
                    w.call(format!("link {kind} {mode:o} to {there}"), &dir, who, || {
                        sys::link(&from, &to)
                    });
                }
            }
        }
    }
    // Names come and go, and the file is one.
    let dir = w.fresh();
    make(&dir.join("0"), "file");
    for number in 1..8 {
        sys::link(dir.join("0"), dir.join(number.to_string())).unwrap();
        w.note("names", state(&dir));
    }
    for number in 0..8 {
        sys::unlink(dir.join(number.to_string())).unwrap();
        w.note("names", state(&dir));
    }
}

pub(super) fn flags(w: &mut World) {
    let all = [
        OFlags::RDONLY,
        OFlags::WRONLY,
        OFlags::RDWR,
        OFlags::WRONLY | OFlags::TRUNC,
        OFlags::RDONLY | OFlags::TRUNC,
        OFlags::WRONLY | OFlags::APPEND,
        OFlags::CREATE | OFlags::RDONLY,
        OFlags::CREATE | OFlags::EXCL | OFlags::RDWR,
        OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY,
        OFlags::NOFOLLOW | OFlags::RDONLY,
        OFlags::NOFOLLOW | OFlags::CREATE | OFlags::WRONLY,
        OFlags::DIRECTORY | OFlags::RDONLY,
        OFlags::DIRECTORY | OFlags::WRONLY,
        OFlags::PATH,
        OFlags::PATH | OFlags::NOFOLLOW,
    ];
    for kind in [
        "none", "file", "dir", "fifo", "socket", "link", "loop", "to-file", "to-dir",
    ] {
        for flags in all {
            for who in [ROOT, OWNER, OTHER] {
                let dir = w.fresh();
                let at = dir.join("at");
                make(&dir.join("file"), "file");
                make(&dir.join("dir"), "dir");
                match kind {
                    "loop" => sys::symlink("at", &at).unwrap(),
                    "to-file" => sys::symlink("file", &at).unwrap(),
                    "to-dir" => sys::symlink("dir", &at).unwrap(),
                    kind => make(&at, kind),
                }
                w.call(format!("open {kind} {flags:?}"), &dir, who, || {
                    sys::open(&at, flags | OFlags::NONBLOCK, Mode::from_raw_mode(0o640)).map(drop)
                });
            }
        }
    }
    for flags in [OFlags::RDONLY, OFlags::WRONLY, OFlags::RDWR] {
        let dir = w.fresh();
        let at = dir.join("at");
        make(&at, "file");
        w.call(format!("read and write {flags:?}"), &dir, ROOT, || {
            let file = sys::open(&at, flags, Mode::empty())?;
            let read = rustix::io::read(&file, &mut [0; 4][..]);
            Ok((read, rustix::io::write(&file, b"more"), sys::ftruncate(&file, 1)))
        });
    }
}

pub(super) fn renames(w: &mut World) {
    let kinds = ["none", "file", "dir", "full", "fifo", "socket", "link"];
    for flags in [
        RenameFlags::empty(),
        RenameFlags::NOREPLACE,
        RenameFlags::EXCHANGE,
    ] {
        for from in kinds {
            for to in kinds {
                for who in [ROOT, OWNER, OTHER] {
                    let dir = w.fresh();
                    let (old, new) = (dir.join("old"), dir.join("new"));
                    make(&old, from);
                    make(&new, to);
                    w.call(format!("rename {from} {to} {flags:?}"), &dir, who, || {
                        sys::renameat_with(CWD, &old, CWD, &new, flags)
                    });
                }
            }
            for end in ["old/x", "old/x/y", "old", ".", "..", "same", "old/"] {
                let dir = w.fresh();
                let old = dir.join("old");
                make(&old, from);
                let _ = sys::link(&old, dir.join("same"));
                w.call(format!("rename {from} to {end} {flags:?}"), &dir, ROOT, || {
                    sys::renameat_with(CWD, &old, CWD, dir.join(end), flags)
                });
            }
        }
    }
    // A directory that is moved to another parent has to be written, since `..` in it changes.
    for kind in TYPES {
        for owner in [OWNER, OTHER] {
            for mode in [0o755, 0o555] {
                for who in [ROOT, OWNER] {
                    let dir = w.fresh();
                    let (moved, parent) = (dir.join("moved"), dir.join("parent"));
                    make(&moved, kind);
                    make(&parent, "dir");
                    chmod(&parent, 0o777);
                    give(&moved, owner);
                    if kind != "link" {
                        chmod(&moved, mode);
                    }
                    w.call(format!("move {kind} {mode:o} of {owner:?}"), &dir, who, || {
                        sys::rename(&moved, parent.join("moved"))
                    });
                }
            }
        }
    }
}

pub(super) fn truncation(w: &mut World) {
    for length in [0_u64, 1, 3, 4, 5, 4095, 4096, 123_456, 1 << 32] {
        for mode in [0o644, 0o444, 0o666, 0o6755, 0o6777] {
            for who in [ROOT, OWNER, GROUP, OTHER] {
                let dir = w.fresh();
                let at = dir.join("at");
                make(&at, "file");
                chmod(&at, mode);
                w.call(format!("truncate {mode:o} to {length}"), &dir, who, || {
                    let file = sys::open(&at, OFlags::WRONLY, Mode::empty())?;
                    sys::ftruncate(&file, length)
                });
                let at = w.fresh().join("at");
                make(&at, "file");
                sys::ftruncate(
                    sys::open(&at, OFlags::WRONLY, Mode::empty()).unwrap(),
                    length.min(8192),
                )
                .unwrap();
                w.note(
                    "contents",
                    std::fs::read(&at)
                        .map(|text| text.iter().map(|b| u64::from(*b)).sum::<u64>())
                        .ok(),
                );
            }
        }
    }
}
