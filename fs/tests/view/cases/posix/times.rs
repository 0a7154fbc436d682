//! Which calls move which times, of what, and who may set them.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, lchown, symlink};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{
    self as sys, AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT,
};
use rustix::io::Result;

use super::world::{GROUP, OTHER, OWNER, ROOT, TYPES, Who, World, chmod, errno, make, run_as};

/// A disk counts its times in ticks of the kernel, of at most ten milliseconds.
const TICK: Duration = Duration::from_millis(12);

/// A call on `at`, in a directory beside another one, `other`.
type Call = fn(&Path) -> Result<()>;

const CALLS: [(&str, Call); 26] = [
    ("chmod", |at| sys::chmod(at, Mode::from_raw_mode(0o711))),
    ("chmod to the same", |at| {
        sys::chmod(at, Mode::from_raw_mode(0o755))
    }),
    ("chown", |at| errno(chown(at, Some(1001), Some(1003)))),
    ("chown of nobody", |at| errno(chown(at, None, None))),
    ("lchown", |at| errno(lchown(at, Some(1001), Some(1003)))),
    ("link", |at| sys::link(at, at.with_file_name("new"))),
    ("unlink", |at| sys::unlink(at)),
    ("rmdir", |at| sys::rmdir(at)),
    ("unlink one of two", |at| {
        sys::link(at, at.with_file_name("new"))?;
        sys::unlink(at.with_file_name("new"))
    }),
    ("rename", |at| sys::rename(at, at.with_file_name("new"))),
    ("rename elsewhere", |at| {
        sys::rename(at, at.with_file_name("other").join("new"))
    }),
    ("rename over another", |at| {
        sys::rename(at, at.with_file_name("victim"))
    }),
    ("mkdir", |at| {
        sys::mkdir(at.with_file_name("new"), Mode::from_raw_mode(0o755))
    }),
    ("mkdir in it", |at| {
        sys::mkdir(at.join("new"), Mode::from_raw_mode(0o755))
    }),
    ("mkfifo", |at| {
        sys::mknodat(
            CWD,
            at.with_file_name("new"),
            FileType::Fifo,
            Mode::from_raw_mode(0o644),
            0,
        )
    }),
    ("symlink", |at| sys::symlink("text", at.with_file_name("new"))),
    ("create", |at| {
        opens(&at.with_file_name("new"), OFlags::CREATE | OFlags::WRONLY)
    }),
    ("open to create", |at| opens(at, OFlags::CREATE | OFlags::WRONLY)),
    ("open to truncate", |at| opens(at, OFlags::TRUNC | OFlags::WRONLY)),
    ("read", |at| {
        let file = sys::open(at, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?;
        rustix::io::read(&file, &mut [0; 4][..]).map(drop)
    }),
    ("write", |at| {
        let file = sys::open(at, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty())?;
        rustix::io::write(&file, b"x").map(drop)
    }),
    ("ftruncate", |at| {
        let file = sys::open(at, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty())?;
        sys::ftruncate(&file, 100)
    }),
    ("ftruncate to its size", |at| {
        let file = sys::open(at, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty())?;
        sys::ftruncate(&file, 4)
    }),
    ("setxattr", |at| {
        sys::lsetxattr(at, "user.x", b"1", sys::XattrFlags::empty())
    }),
    ("utimensat", |at| set(at, (7, 8), (9, 10))),
    ("utimensat of nothing", |at| {
        set(at, (0, UTIME_OMIT), (0, UTIME_OMIT))
    }),
];

fn opens(path: &Path, flags: OFlags) -> Result<()> {
    sys::open(path, flags | OFlags::NONBLOCK, Mode::from_raw_mode(0o644)).map(drop)
}

fn set(path: &Path, access: (i64, i64), change: (i64, i64)) -> Result<()> {
    let time = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
    let times = Timestamps {
        last_access: time(access),
        last_modification: time(change),
    };
    sys::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
}

/// Times of modification and change; none for what is not there.
fn of(path: &Path) -> Option<[(i64, i64); 2]> {
    let stat = path.symlink_metadata().ok()?;
    Some([
        (stat.mtime(), stat.mtime_nsec()),
        (stat.ctime(), stat.ctime_nsec()),
    ])
}

pub(super) fn times(w: &mut World) {
    for kind in TYPES {
        for (name, call) in CALLS {
            for who in [ROOT, OTHER] {
                let dir = w.fresh();
                let at = dir.join("at");
                make(&at, kind);
                make(&dir.join("other"), "dir");
                make(&dir.join("victim"), if kind == "dir" { "dir" } else { "file" });
                chmod(&dir.join("other"), 0o777);
                chmod(&dir, 0o1777);
                if kind == "file" {
                    chmod(&at, 0o755);
                }
                let watched = [at.clone(), dir.clone(), dir.join("other")];
                let before = watched.each_ref().map(|path| of(path));
                std::thread::sleep(TICK);
                let answer = run_as(who, || call(&at));
                // What was moved is looked at where it is now.
                let now = [dir.join("new"), dir.join("other/new"), dir.join("victim")];
                let at_now = match name {
                    "rename" => &now[0],
                    "rename elsewhere" => &now[1],
                    "rename over another" => &now[2],
                    _ => &at,
                };
                let at_now = if answer.is_ok() { at_now } else { &at };
                let after = [of(at_now), of(&dir), of(&dir.join("other"))];
                let moved: Vec<_> = before
                    .iter()
                    .zip(&after)
                    .map(|(before, after)| match (before, after) {
                        (Some(before), Some(after)) => Some([before[0] != after[0], before[1] != after[1]]),
                        _ => None,
                    })
                    .collect();
                w.note(format!("{name} {kind} as {who:?}"), (answer, moved));
                let _ = fs::remove_dir_all(&dir);
            }
        }
    }
    setting(w);
}

/// Who may set times, and to what.
fn setting(w: &mut World) {
    let values = [
        ((5, 6), (7, 8)),
        ((-5, 6), (-7, 999_999_999)),
        ((0, UTIME_NOW), (0, UTIME_NOW)),
        ((0, UTIME_OMIT), (0, UTIME_OMIT)),
        ((0, UTIME_NOW), (0, UTIME_OMIT)),
        ((0, UTIME_OMIT), (0, UTIME_NOW)),
        ((5, 6), (0, UTIME_OMIT)),
        ((0, UTIME_OMIT), (7, 8)),
        ((5, 6), (0, UTIME_NOW)),
        ((5, 1_000_000_000), (7, 8)),
        ((5, -1), (7, 8)),
        ((1 << 33, 1), (1 << 33, 2)),
    ];
    let callers: [Who; 4] = [ROOT, OWNER, GROUP, OTHER];
    for kind in TYPES {
        for mode in [0o644, 0o664, 0o666] {
            for who in callers {
                for (access, change) in values {
                    let dir = w.fresh();
                    let at = dir.join("at");
                    make(&at, kind);
                    if kind == "link" {
                        fs::remove_file(&at).unwrap();
                        symlink("nowhere", &at).unwrap();
                        errno(lchown(&at, Some(1001), Some(1001))).unwrap();
                    } else {
                        chmod(&at, mode);
                    }
                    set(&at, (100, 1), (200, 2)).unwrap();
                    let answer = run_as(who, || set(&at, access, change));
                    let stat = at.symlink_metadata().unwrap();
                    // Of now it is enough that it is.
                    let shown = |sec: i64, nsec: i64| {
                        if (1 << 30..1 << 33).contains(&sec) {
                            (-1, -1)
                        } else {
                            (sec, nsec)
                        }
                    };
                    let times = (
                        shown(stat.atime(), stat.atime_nsec()),
                        shown(stat.mtime(), stat.mtime_nsec()),
                    );
                    w.note(
                        format!("utimensat {kind} {mode:o} {access:?} {change:?} as {who:?}"),
                        (answer, times),
                    );
                    let _ = fs::remove_dir_all(&dir);
                }
            }
        }
    }
}
