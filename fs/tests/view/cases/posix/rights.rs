//! Modes and owners: who may change them, what they allow, and what is taken away.

use std::os::unix::fs::{chown, lchown};
use std::path::Path;

use rustix::fs::{self as sys, AtFlags, CWD, Mode, OFlags};
use rustix::io::Result;

use super::world::{
    GROUP, MEMBER, OTHER, OWNER, ROOT, TYPES, Who, World, chmod, errno, give, give_ids, make,
};

pub(super) fn modes(w: &mut World) {
    for kind in TYPES {
        for mode in [
            0, 0o111, 0o421, 0o644, 0o777, 0o1000, 0o1755, 0o2755, 0o4755, 0o6755, 0o7777,
        ] {
            for group in [1001, 1003, 1004] {
                for who in [ROOT, OWNER, MEMBER, GROUP, OTHER] {
                    let dir = w.fresh();
                    let at = dir.join("at");
                    make(&dir.join("pointed-at"), "file");
                    make(&at, kind);
                    errno(lchown(&at, None, Some(group))).unwrap();
                    w.call(
                        format!("chmod {kind} {mode:o} of group {group}"),
                        &dir,
                        who,
                        || sys::chmod(&at, Mode::from_raw_mode(mode)),
                    );
                }
            }
        }
    }
}

pub(super) fn owners(w: &mut World) {
    let owners = [
        (None, None),
        (Some(1001), None),
        (None, Some(1001)),
        (None, Some(1003)),
        (Some(1001), Some(1003)),
        (Some(1004), None),
        (None, Some(1004)),
        (Some(0), Some(0)),
    ];
    for kind in TYPES {
        for (uid, gid) in owners {
            for mode in [0o644, 0o755, 0o2644, 0o6755, 0o7777] {
                for who in [ROOT, OWNER, MEMBER, OTHER] {
                    for follow in [true, false] {
                        let dir = w.fresh();
                        let at = dir.join("at");
                        make(&dir.join("pointed-at"), "file");
                        make(&at, kind);
                        chmod(&at, mode);
                        let what = format!("chown {kind} {mode:o} {uid:?}:{gid:?} follow {follow}");
                        w.call(what, &dir, who, || match follow {
                            true => errno(chown(&at, uid, gid)),
                            false => errno(lchown(&at, uid, gid)),
                        });
                    }
                }
            }
        }
    }
}

/// What a caller does with a file, or in a directory.
type Use = fn(&Path) -> Result<()>;

fn opens(path: &Path, flags: OFlags) -> Result<()> {
    sys::open(path, flags | OFlags::NONBLOCK, Mode::from_raw_mode(0o644)).map(drop)
}

pub(super) fn permissions(w: &mut World) {
    let uses: [(&str, Use); 7] = [
        ("read", |path| opens(path, OFlags::RDONLY)),
        ("write", |path| opens(path, OFlags::WRONLY)),
        ("read and write", |path| opens(path, OFlags::RDWR)),
        ("truncate", |path| opens(path, OFlags::WRONLY | OFlags::TRUNC)),
        ("may read", |path| sys::access(path, sys::Access::READ_OK)),
        ("may write", |path| sys::access(path, sys::Access::WRITE_OK)),
        ("may execute", |path| sys::access(path, sys::Access::EXEC_OK)),
    ];
    let in_directory: [(&str, Use); 10] = [
        ("list", |path| opens(path, OFlags::RDONLY | OFlags::DIRECTORY)),
        ("stat in", |path| sys::stat(path.join("in")).map(drop)),
        ("read in", |path| opens(&path.join("in"), OFlags::RDONLY)),
        ("write in", |path| opens(&path.join("in"), OFlags::WRONLY)),
        ("create in", |path| {
            opens(&path.join("new"), OFlags::CREATE | OFlags::WRONLY)
        }),
        ("mkdir in", |path| {
            sys::mkdir(path.join("new"), Mode::from_raw_mode(0o755))
        }),
        ("unlink in", |path| sys::unlink(path.join("in"))),
        ("rename in", |path| sys::rename(path.join("in"), path.join("new"))),
        ("rename out", |path| {
            sys::rename(path.join("in"), path.with_file_name("out"))
        }),
        ("link in", |path| sys::link(path.join("in"), path.join("new"))),
    ];
    for shift in [0, 3, 6] {
        for bits in 0..8 {
            for rest in [0, 0o777 & !(7 << shift)] {
                let mode = bits << shift | rest;
                for who in [ROOT, OWNER, GROUP, OTHER] {
                    for kind in ["file", "fifo", "dir"] {
                        for (name, try_it) in uses {
                            let dir = w.fresh();
                            let at = dir.join("at");
                            make(&at, kind);
                            chmod(&at, mode);
                            w.call(format!("{name} {kind} {mode:o}"), &dir, who, || try_it(&at));
                        }
                    }
                    for (name, try_it) in in_directory {
                        let dir = w.fresh();
                        let at = dir.join("at");
                        make(&at, "full");
                        make(&at.join("own"), "file");
                        give(&at.join("in"), OWNER);
                        chmod(&at, mode);
                        w.call(format!("{name} {mode:o}"), &dir, who, || try_it(&at));
                    }
                }
            }
        }
    }
}

pub(super) fn set_id(w: &mut World) {
    let uses: [(&str, Use); 7] = [
        ("write", |path| {
            let file = sys::open(path, OFlags::WRONLY, Mode::empty())?;
            rustix::io::write(&file, b"x").map(drop)
        }),
        ("write nothing", |path| {
            let file = sys::open(path, OFlags::WRONLY, Mode::empty())?;
            rustix::io::write(&file, b"").map(drop)
        }),
        ("truncate", |path| opens(path, OFlags::WRONLY | OFlags::TRUNC)),
        ("ftruncate", |path| {
            let file = sys::open(path, OFlags::WRONLY, Mode::empty())?;
            sys::ftruncate(&file, 1)
        }),
        ("ftruncate to its size", |path| {
            let file = sys::open(path, OFlags::WRONLY, Mode::empty())?;
            sys::ftruncate(&file, 4)
        }),
        ("fallocate", |path| {
            let file = sys::open(path, OFlags::WRONLY, Mode::empty())?;
            sys::fallocate(&file, sys::FallocateFlags::empty(), 0, 100)
        }),
        ("link and unlink", |path| {
            sys::link(path, path.with_file_name("other"))?;
            sys::unlink(path.with_file_name("other"))
        }),
    ];
    for (name, try_it) in uses {
        for mode in [
            0o2646, 0o2666, 0o2676, 0o4666, 0o4777, 0o6666, 0o6676, 0o6777, 0o7777,
        ] {
            for who in [ROOT, OWNER, MEMBER, GROUP, OTHER] {
                let dir = w.fresh();
                let at = dir.join("at");
                make(&at, "file");
                chmod(&at, mode);
                w.call(format!("{name} {mode:o}"), &dir, who, || try_it(&at));
            }
        }
    }
}

pub(super) fn sticky(w: &mut World) {
    let owners: [Who; 3] = [ROOT, OWNER, OTHER];
    for mode in [0o777, 0o1777, 0o1775, 0o1755] {
        for of_directory in owners {
            for of_file in owners {
                for kind in TYPES {
                    for what in ["remove", "rename", "replace", "write"] {
                        for who in [ROOT, OWNER, GROUP] {
                            let dir = w.fresh();
                            let (sticky, own) = (dir.join("sticky"), dir.join("own"));
                            make(&sticky, "dir");
                            let (at, to) = (sticky.join("at"), sticky.join("to"));
                            make(&at, kind);
                            make(&own, kind);
                            give(&at, of_file);
                            give_ids(&sticky, of_directory.0, 1001);
                            chmod(&sticky, mode);
                            w.call(
                                format!("{what} {kind} of {of_file:?} in {mode:o} of {of_directory:?}"),
                                &dir,
                                who,
                                || match (what, kind) {
                                    ("remove", "dir") => sys::rmdir(&at),
                                    ("remove", _) => sys::unlink(&at),
                                    ("rename", _) => sys::rename(&at, &to),
                                    ("replace", _) => sys::rename(&own, &at),
                                    _ => {
                                        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NONBLOCK;
                                        let file = sys::open(&at, flags, Mode::from_raw_mode(0o644));
                                        file.map(drop)
                                    }
                                },
                            );
                        }
                    }
                }
            }
        }
    }
    for kind in TYPES {
        for who in [ROOT, OWNER] {
            let dir = w.fresh();
            let at = dir.join("at");
            make(&at, kind);
            w.call(format!("unlinkat of {kind} as a directory"), &dir, who, || {
                sys::unlinkat(CWD, &at, AtFlags::REMOVEDIR)
            });
        }
    }
}
