//! The cases.

mod change;
mod execute;
mod lists;
mod native;
mod posix;
mod random;
mod watch;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rootless_install_fs::{FileType, Meta, ServeOptions, Target, Timestamp};

use crate::namespace::{Case, Inside, Outside};

pub(crate) fn all() -> Vec<Case> {
    let mut cases = vec![
        Case {
            name: "ownership",
            prepare: nothing,
            inside: ownership,
            step: idle,
            after: ownership_disk,
        },
        Case {
            name: "nodes",
            prepare: nodes_target,
            inside: nodes,
            step: idle,
            after: nodes_disk,
        },
        Case {
            name: "attributes",
            prepare: nothing,
            inside: attributes,
            step: idle,
            after: attributes_disk,
        },
        Case {
            name: "big-directory",
            prepare: big,
            inside: big_directory,
            step: idle,
            after: done,
        },
    ];
    cases.extend(change::all());
    cases.extend(execute::all());
    cases.extend(lists::all());
    cases.extend(native::all());
    cases.extend(posix::all());
    cases.extend(random::all());
    cases.extend(watch::all());
    cases
}

pub(crate) fn nothing(_: &Target, _: &Path) -> ServeOptions {
    ServeOptions::default()
}

/// A view of which the server is told of opens: executions are redirected.
pub(crate) fn redirecting(_: &Target, dir: &Path) -> ServeOptions {
    ServeOptions {
        redirect: Some(rootless_install_fs::Redirect {
            interpreter: dir.join("shim"),
            argument: None,
            arguments: Vec::new(),
            native: execute::native(),
        }),
        threads: 3,
        ..ServeOptions::default()
    }
}

pub(crate) fn idle(_: &Outside, _: u8) {}

pub(crate) fn done(_: &Outside) {}

pub(crate) fn meta(kind: FileType, mode: u32, uid: u32, gid: u32) -> Meta {
    Meta {
        kind,
        mode,
        uid,
        gid,
        mtime: Timestamp {
            sec: 1_600_000_000,
            nsec: 5,
        },
    }
}

pub(crate) fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> i32 {
    result.expect_err("should fail").raw_os_error().expect("an errno")
}

fn override_of(path: &Path) -> Option<String> {
    let mut value = vec![0; 100];
    let len = rustix::fs::lgetxattr(path, "user.containers.override_stat", &mut value[..]).ok()?;
    value.truncate(len);
    Some(String::from_utf8(value).unwrap())
}

/// Runs a shell as another user of the view, without privileges; says whether it succeeded.
fn as_user(id: u32, dir: &Path, script: &str) -> bool {
    Command::new("/bin/sh")
        .args(["-c", script])
        .current_dir(dir)
        .uid(id)
        .gid(id)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap()
        .success()
}

fn ownership(t: &Inside) {
    let file = t.at("file");
    fs::write(&file, "x").unwrap();
    let stat = fs::metadata(&file).unwrap();
    assert_eq!((stat.uid(), stat.gid(), stat.mode()), (0, 0, 0o100_644));
    std::os::unix::fs::chown(&file, Some(33), Some(42)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)).unwrap();
    let stat = fs::metadata(&file).unwrap();
    assert_eq!((stat.uid(), stat.gid(), stat.mode()), (33, 42, 0o104_755));
    // chown takes the set-id bits, also for root.
    std::os::unix::fs::chown(&file, Some(34), None).unwrap();
    let stat = fs::metadata(&file).unwrap();
    assert_eq!((stat.uid(), stat.gid(), stat.mode()), (34, 42, 0o100_755));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o6755)).unwrap();

    // Unprivileged users of the view: the kernel checks, with the target's ids.
    let open = t.at("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(as_user(
        1000,
        &open,
        "echo mine > mine && mkdir d && ln -s mine link && mkfifo pipe"
    ));
    for name in ["mine", "d", "link", "pipe"] {
        let stat = fs::symlink_metadata(open.join(name)).unwrap();
        assert_eq!((stat.uid(), stat.gid()), (1000, 1000), "{name}");
    }
    assert_eq!(fs::read_link(open.join("link")).unwrap(), Path::new("mine"));
    assert_eq!(fs::read(open.join("link")).unwrap(), b"mine\n");
    assert!(as_user(1000, &open, "chmod 4700 mine && test -u mine"));
    assert!(!as_user(1001, &open, "cat mine"));
    assert!(!as_user(1001, &open, "rm -f mine"));
    // A write by one without privileges takes the set-id bit.
    assert!(as_user(1000, &open, "echo more >> mine && test ! -u mine"));
    assert!(!as_user(1000, &open, "chown 1001 mine"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    assert!(!as_user(34, &t.view, "echo x > file"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o6755)).unwrap();

    // Set-group-ID directories hand down their group, and directories the bit.
    let shared = t.at("shared");
    fs::create_dir(&shared).unwrap();
    std::os::unix::fs::chown(&shared, Some(0), Some(50)).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o2775)).unwrap();
    fs::write(shared.join("f"), "").unwrap();
    fs::create_dir(shared.join("d")).unwrap();
    assert_eq!(fs::metadata(shared.join("f")).unwrap().gid(), 50);
    let stat = fs::metadata(shared.join("d")).unwrap();
    assert_eq!((stat.gid(), stat.mode() & 0o7777), (50, 0o2755));

    // Times, also odd ones.
    for (sec, nsec) in [(1_000_000_000, 123_456_789), (-5, 250_000_000), (0, 0)] {
        let times = rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec {
                tv_sec: sec,
                tv_nsec: nsec,
            },
            last_modification: rustix::fs::Timespec {
                tv_sec: sec,
                tv_nsec: nsec,
            },
        };
        rustix::fs::utimensat(rustix::fs::CWD, &file, &times, rustix::fs::AtFlags::empty()).unwrap();
        let stat = fs::metadata(&file).unwrap();
        assert_eq!((stat.mtime(), stat.mtime_nsec()), (sec, nsec));
    }
}

fn ownership_disk(t: &Outside) {
    let file = t.disk.join("file");
    let stat = fs::metadata(&file).unwrap();
    assert_eq!(stat.uid(), nix::unistd::geteuid().as_raw());
    assert_eq!(stat.mode() & 0o7777, 0o755);
    assert_eq!(override_of(&file).as_deref(), Some("34:42:06755:file"));
    assert_eq!(fs::metadata(t.disk.join("open")).unwrap().mode() & 0o7777, 0o755);
    assert!(fs::symlink_metadata(t.disk.join("open/link")).unwrap().is_file());
    let stat = t.target.stat(Path::new("open/link")).unwrap();
    assert_eq!((stat.meta.kind, stat.meta.uid), (FileType::Symlink, 1000));
}

fn nodes_target(target: &Target, _: &Path) -> ServeOptions {
    let device = meta(FileType::CharDevice { major: 1, minor: 3 }, 0o666, 0, 0);
    target.make_node(Path::new("null"), &device).unwrap();
    let device = meta(
        FileType::BlockDevice {
            major: 259,
            minor: 300,
        },
        0o660,
        0,
        6,
    );
    target.make_node(Path::new("disk"), &device).unwrap();
    ServeOptions::default()
}

fn nodes(t: &Inside) {
    let stat = fs::metadata(t.at("null")).unwrap();
    assert!(stat.file_type().is_char_device());
    assert_eq!(
        (rustix::fs::major(stat.rdev()), rustix::fs::minor(stat.rdev())),
        (1, 3)
    );
    let stat = fs::metadata(t.at("disk")).unwrap();
    assert!(stat.file_type().is_block_device());
    assert_eq!(
        (rustix::fs::major(stat.rdev()), rustix::fs::minor(stat.rdev())),
        (259, 300)
    );
    assert_eq!(stat.gid(), 6);

    let pipe = t.at("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, "through").unwrap()
    });
    assert_eq!(fs::read(&pipe).unwrap(), b"through");
    writer.join().unwrap();

    let socket = t.at("socket");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    std::os::unix::net::UnixStream::connect(&socket).unwrap();
    drop(listener);

    // The kernel refuses devices before the server is asked.
    let device = rustix::fs::mknodat(
        rustix::fs::CWD,
        t.at("tty"),
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::from_raw_mode(0o600),
        rustix::fs::makedev(5, 0),
    );
    assert_eq!(device, Err(rustix::io::Errno::PERM));

    let types: Vec<_> = ["null", "disk", "pipe", "socket"]
        .iter()
        .map(|name| {
            let entry = fs::read_dir(&t.view)
                .unwrap()
                .find(|e| e.as_ref().unwrap().file_name() == *name);
            entry.unwrap().unwrap().file_type().unwrap()
        })
        .collect();
    assert!(types[0].is_char_device() && types[1].is_block_device());
    assert!(types[2].is_fifo() && types[3].is_socket());
}

fn nodes_disk(t: &Outside) {
    for (name, record) in [
        ("pipe", "0:0:0600:pipe"),
        ("socket", "0:0:0755:socket"),
        ("null", "0:0:0666:char-1-3"),
    ] {
        let path = t.disk.join(name);
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(override_of(&path).as_deref(), Some(record));
    }
}

fn attributes(t: &Inside) {
    use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lremovexattr, lsetxattr};
    use rustix::io::Errno;
    let file = t.at("ping");
    fs::write(&file, "x").unwrap();
    // cap_net_raw=ep, as setcap(8) writes it.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    lsetxattr(&file, "security.capability", &capability, XattrFlags::empty()).unwrap();
    let mut value = [0; 64];
    let len = lgetxattr(&file, "security.capability", &mut value[..]).unwrap();
    assert_eq!(&value[..len], &capability);
    lsetxattr(&file, "user.note", b"hello", XattrFlags::CREATE).unwrap();
    assert_eq!(
        lsetxattr(&file, "user.note", b"", XattrFlags::CREATE),
        Err(Errno::EXIST)
    );
    std::os::unix::fs::chown(&file, Some(0), Some(7)).unwrap();
    // chown takes capabilities as well.
    assert_eq!(
        lgetxattr(&file, "security.capability", &mut value[..]),
        Err(Errno::NODATA)
    );
    lsetxattr(&file, "security.capability", &capability, XattrFlags::empty()).unwrap();
    let mut list = [0; 200];
    let len = llistxattr(&file, &mut list[..]).unwrap();
    let mut names: Vec<_> = list[..len].split(|b| *b == 0).filter(|n| !n.is_empty()).collect();
    names.sort_unstable();
    assert_eq!(names, [&b"security.capability"[..], b"user.note"]);
    lremovexattr(&file, "user.note").unwrap();
    assert_eq!(lremovexattr(&file, "user.note"), Err(Errno::NODATA));
    let acl = lsetxattr(&file, "system.nfs4_acl", b"x", XattrFlags::empty());
    assert_eq!(acl, Err(Errno::OPNOTSUPP));
    let long = vec![7; 3000];
    lsetxattr(&file, "user.long", &long, XattrFlags::empty()).unwrap();
    let mut value = vec![0; 4000];
    assert_eq!(lgetxattr(&file, "user.long", &mut value[..]).unwrap(), 3000);
    assert_eq!(lgetxattr(&file, "user.long", &mut [0; 10][..]), Err(Errno::RANGE));
    // Ours cannot be forged from inside.
    lsetxattr(
        &file,
        "user.containers.override_stat",
        b"9:9:0777:file",
        XattrFlags::empty(),
    )
    .unwrap();
    assert_eq!(fs::metadata(&file).unwrap().uid(), 0);
}

fn attributes_disk(t: &Outside) {
    let attributes = t.target.xattrs(Path::new("ping")).unwrap();
    let names: Vec<_> = attributes.iter().map(|(name, _)| name.as_bytes()).collect();
    let want = [
        &b"security.capability"[..],
        b"user.containers.override_stat",
        b"user.long",
    ];
    assert_eq!(names, want);
    assert_eq!(
        override_of(&t.disk.join("ping")).as_deref(),
        Some("0:7:0644:file")
    );
}

const MANY: usize = 3000;

fn big(target: &Target, _: &Path) -> ServeOptions {
    target
        .make_dir(Path::new("big"), &meta(FileType::Directory, 0o755, 0, 0))
        .unwrap();
    for i in 0..MANY {
        let path = format!("big/file-with-a-longer-name-{i}");
        target
            .write(Path::new(&path), b"", &meta(FileType::Regular, 0o600, 1, 2))
            .unwrap();
    }
    ServeOptions::default()
}

fn big_directory(t: &Inside) {
    let dir = t.at("big");
    let list = || {
        let names: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        let listed: std::collections::BTreeSet<_> = names.iter().cloned().collect();
        // Each once, and in the order of their bytes.
        assert!(names.iter().eq(&listed));
        listed
    };
    let before = list();
    assert_eq!(before.len(), MANY);
    assert_eq!(list(), before);
    for entry in fs::read_dir(&dir).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().uid(), 1);
    }
    // Removed while listed: each entry is seen once.
    let mut removed = 0;
    for entry in fs::read_dir(&dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().as_bytes().last().is_some_and(|b| b % 2 == 0) {
            fs::remove_file(entry.path()).unwrap();
            removed += 1;
        }
    }
    assert_eq!(removed, MANY / 2);
    assert_eq!(list().len(), MANY - removed);
    fs::write(dir.join("new"), "").unwrap();
    assert!(list().contains(OsStr::new("new")));
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(errno(fs::metadata(&dir)), 2);
}
