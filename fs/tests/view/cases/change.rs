//! Names, contents, and changes from outside.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rootless_install_fs::{FileType, ServeOptions, Target, Timestamp};
use rustix::fs::{AtFlags, CWD, Mode, RenameFlags, renameat_with, statat};
use rustix::io::Errno;

use super::{Case, done, errno, idle, meta, nothing, redirecting};
use crate::namespace::{Inside, Outside};

pub(crate) fn all() -> Vec<Case> {
    vec![
        Case {
            name: "names",
            prepare: nothing,
            inside: names,
            step: idle,
            after: names_disk,
        },
        Case {
            name: "contents",
            prepare: nothing,
            inside: contents,
            step: idle,
            after: done,
        },
        Case {
            name: "contents, opens told",
            prepare: redirecting,
            inside: contents,
            step: idle,
            after: done,
        },
        Case {
            name: "unlinked",
            prepare: nothing,
            inside: unlinked,
            step: all_closed,
            after: done,
        },
        Case {
            name: "unlinked, opens told",
            prepare: redirecting,
            inside: unlinked,
            step: all_closed,
            after: done,
        },
        Case {
            name: "other names",
            prepare: other_names,
            inside: by_one_of_two_names,
            step: idle,
            after: done,
        },
        Case {
            name: "other names, opens told",
            prepare: |target, dir| {
                other_names(target, dir);
                redirecting(target, dir)
            },
            inside: by_one_of_two_names,
            step: idle,
            after: done,
        },
        Case {
            name: "links",
            prepare: links,
            inside: links_given_away,
            step: idle,
            after: links_disk,
        },
        Case {
            name: "invalidation",
            prepare: stale,
            inside: invalidation,
            step: invalidate,
            after: done,
        },
    ]
}

fn names(t: &Inside) {
    fs::write(t.at("a"), "a").unwrap();
    fs::hard_link(t.at("a"), t.at("b")).unwrap();
    let (a, b) = (fs::metadata(t.at("a")).unwrap(), fs::metadata(t.at("b")).unwrap());
    assert_eq!((a.ino(), a.nlink()), (b.ino(), 2));
    fs::write(t.at("b"), "through b").unwrap();
    assert_eq!(fs::read(t.at("a")).unwrap(), b"through b");
    fs::rename(t.at("a"), t.at("b")).unwrap();
    assert!(
        t.at("a").exists() && t.at("b").exists(),
        "rename of one file onto itself does nothing"
    );
    fs::remove_file(t.at("a")).unwrap();
    assert_eq!(fs::metadata(t.at("b")).unwrap().nlink(), 1);

    let rename = |a: &str, b: &str, flags| renameat_with(CWD, t.at(a), CWD, t.at(b), flags);
    fs::write(t.at("c"), "c").unwrap();
    assert_eq!(rename("c", "b", RenameFlags::NOREPLACE), Err(Errno::EXIST));
    rename("c", "b", RenameFlags::EXCHANGE).unwrap();
    assert_eq!(fs::read(t.at("b")).unwrap(), b"c");
    assert_eq!(fs::read(t.at("c")).unwrap(), b"through b");
    fs::rename(t.at("b"), t.at("c")).unwrap();
    assert_eq!(fs::read(t.at("c")).unwrap(), b"c");

    // A directory moves with what is in it, also for those who are in it.
    fs::create_dir_all(t.at("d/e/f")).unwrap();
    fs::write(t.at("d/e/f/x"), "x").unwrap();
    let inside = File::open(t.at("d/e/f")).unwrap();
    fs::create_dir(t.at("g")).unwrap();
    fs::rename(t.at("d/e"), t.at("g/e")).unwrap();
    assert_eq!(fs::read(t.at("g/e/f/x")).unwrap(), b"x");
    assert!(statat(&inside, "x", AtFlags::empty()).is_ok());
    rustix::fs::mkdirat(&inside, "y", Mode::from_raw_mode(0o755)).unwrap();
    assert!(t.at("g/e/f/y").is_dir());
    rename("d", "c", RenameFlags::EXCHANGE).unwrap();
    assert!(t.at("c").is_dir() && t.at("d").is_file());
    assert_eq!(errno(fs::remove_dir(t.at("g"))), 39);
    assert_eq!(errno(fs::rename(t.at("g"), t.at("g/e/g"))), 22);
    fs::remove_dir(t.at("c")).unwrap();
    assert_eq!(errno(fs::create_dir(t.at("g"))), 17);
    assert_eq!(errno(fs::remove_file(t.at("none"))), 2);
    assert_eq!(errno(fs::write(t.at(&"n".repeat(256)), "")), 36);

    // Numbers that are used again must not bring back what they meant.
    for i in 0..200 {
        let path = t.at("again");
        if i % 2 == 0 {
            fs::create_dir(&path).unwrap();
            assert!(fs::metadata(&path).unwrap().is_dir());
            fs::remove_dir(&path).unwrap();
        } else {
            fs::write(&path, format!("{i}")).unwrap();
            assert_eq!(fs::read(&path).unwrap(), format!("{i}").as_bytes());
            fs::remove_file(&path).unwrap();
        }
    }
    symlink("/g/../g/e", t.at("s")).unwrap();
    assert_eq!(fs::read_link(t.at("s")).unwrap(), Path::new("/g/../g/e"));
}

fn names_disk(t: &Outside) {
    assert!(fs::symlink_metadata(t.disk.join("s")).unwrap().is_symlink());
    assert_eq!(t.target.read(Path::new("/s/f/x")).unwrap(), b"x");
    assert_eq!(t.target.read_dir(Path::new("/")).unwrap(), ["d", "g", "s"]);
}

fn contents(t: &Inside) {
    let path = t.at("file");
    let data: Vec<u8> = (0..5_000_001_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    fs::write(&path, &data).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), data.len() as u64);
    assert!(fs::read(&path).unwrap() == data);
    fs::copy(&path, t.at("copy")).unwrap();
    assert!(fs::read(t.at("copy")).unwrap() == data);

    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    file.write_all_at(b"HELLO", 4_999_999).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 5_000_004);
    file.set_len(3).unwrap();
    assert_eq!(fs::read(&path).unwrap(), &data[..3]);
    file.set_len(10).unwrap();
    assert_eq!(fs::read(&path).unwrap()[3..], [0; 7]);
    let mut append = OpenOptions::new().append(true).open(&path).unwrap();
    append.write_all(b"tail").unwrap();
    append.write_all(b"more").unwrap();
    assert_eq!(&fs::read(&path).unwrap()[10..], b"tailmore");
    file.sync_all().unwrap();
    fs::write(&path, "new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");

    // One reads what another writes, without closing.
    let mut reader = File::open(&path).unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "new");
    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"er")
        .unwrap();
    text.clear();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "er");

    // The one who makes a file may use it as it was opened, whatever its mode.
    let path = t.at("readonly");
    let mut made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(&path)
        .unwrap();
    made.write_all(b"written").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o400);
    assert_eq!(
        errno(OpenOptions::new().write(true).create_new(true).open(&path)),
        17
    );
    let before = fs::metadata(&path).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    made.write_all(b"!").unwrap();
    drop(made);
    let after = fs::metadata(&path).unwrap();
    let time = |m: &fs::Metadata| (m.mtime(), m.mtime_nsec());
    assert!(time(&after) > time(&before));

    let sparse = File::create(t.at("sparse")).unwrap();
    rustix::fs::fallocate(&sparse, rustix::fs::FallocateFlags::empty(), 0, 8192).unwrap();
    assert_eq!(sparse.metadata().unwrap().len(), 8192);
    sparse.set_len(1 << 30).unwrap();
    sparse.write_all_at(b"x", (1 << 30) - 1).unwrap();
    assert!(sparse.metadata().unwrap().blocks() < 1 << 12);
    let hole = rustix::fs::seek(&sparse, rustix::fs::SeekFrom::Hole(0)).unwrap();
    assert!(hole < 1 << 20, "{hole}");
}

fn unlinked(t: &Inside) {
    few_unlinked(t);
    many_unlinked(t);
    t.step(0);
}

fn few_unlinked(t: &Inside) {
    let path = t.at("f");
    fs::write(&path, "before").unwrap();
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(!path.exists());
    assert_eq!(file.metadata().unwrap().nlink(), 0);
    file.write_all_at(b"after!", 0).unwrap();
    let mut data = [0; 6];
    file.read_exact_at(&mut data, 0).unwrap();
    assert_eq!(&data, b"after!");
    file.set_len(2).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 2);
    file.set_permissions(fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::fchown(&file, Some(5), Some(6)).unwrap();
    let stat = file.metadata().unwrap();
    assert_eq!((stat.mode() & 0o7777, stat.uid(), stat.gid()), (0o640, 5, 6));
    // Opened once more, as shells do with here-documents.
    let mut again = File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    let mut text = String::new();
    again.read_to_string(&mut text).unwrap();
    assert_eq!(text, "af");
    // A new file of the same name, and perhaps number, is another one.
    fs::write(&path, "new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(file.metadata().unwrap().len(), 2);
    // Replaced while open.
    let file = File::open(&path).unwrap();
    fs::write(t.at("g"), "replacement").unwrap();
    fs::rename(t.at("g"), &path).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 3);
    assert_eq!(fs::read(&path).unwrap(), b"replacement");
    // A directory that is gone while someone is in it.
    fs::create_dir(t.at("d")).unwrap();
    let dir = File::open(t.at("d")).unwrap();
    fs::remove_dir(t.at("d")).unwrap();
    let inside = rustix::fs::mkdirat(&dir, "x", Mode::from_raw_mode(0o755));
    assert_eq!(inside, Err(Errno::NOENT));
}

/// More files than the server keeps open, not read before they are unlinked or replaced.
fn many_unlinked(t: &Inside) {
    let name = |number: usize| t.at(&format!("many-{number}"));
    let mut files = Vec::new();
    for number in 0..300 {
        fs::write(name(number), number.to_string()).unwrap();
        files.push(
            OpenOptions::new()
                .read(true)
                .append(true)
                .open(name(number))
                .unwrap(),
        );
    }
    for number in 0..300 {
        if number % 2 == 0 {
            fs::remove_file(name(number)).unwrap();
        } else {
            fs::write(t.at("other"), "other").unwrap();
            fs::rename(t.at("other"), name(number)).unwrap();
        }
    }
    for (number, file) in files.iter_mut().enumerate() {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, number.to_string());
        file.write_all(b"!").unwrap();
        assert_eq!(file.metadata().unwrap().len(), text.len() as u64 + 1);
    }
}

/// Files with two names, of which the view is told one, and files to be renamed.
fn other_names(target: &Target, _: &Path) -> ServeOptions {
    let regular = meta(FileType::Regular, 0o644, 0, 0);
    for number in 0..FILES {
        let text = number.to_string();
        let path = |kind: &str| PathBuf::from(format!("{kind}-{number}"));
        target.write(&path("one"), text.as_bytes(), &regular).unwrap();
        target.link(&path("one"), &path("two")).unwrap();
        target.write(&path("moving"), text.as_bytes(), &regular).unwrap();
    }
    ServeOptions::default()
}

const FILES: usize = 300;

/// A process that has opened a file reads it, though the only name known is gone or changes all the time.
fn by_one_of_two_names(t: &Inside) {
    let read = |mut file: File| {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    };
    for number in 0..FILES {
        let path = t.at(&format!("one-{number}"));
        let file = File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(read(file), number.to_string());
    }
    for number in 0..FILES {
        let names = ["moving", "moved"].map(|kind| t.at(&format!("{kind}-{number}")));
        let file = File::open(&names[0]).unwrap();
        let enough = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    fs::rename(&names[0], &names[1]).unwrap();
                    fs::rename(&names[1], &names[0]).unwrap();
                }
            });
            std::thread::sleep(std::time::Duration::from_micros(200));
            let text = std::panic::catch_unwind(|| read(file));
            enough.store(true, Ordering::Relaxed);
            assert_eq!(text.unwrap(), number.to_string());
        });
    }
}

/// Nothing that is unlinked stays open in the server once the kernel has forgotten it.
fn all_closed(_: &Outside, _: u8) {
    let unlinked = || {
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let open = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        open.filter(|path| path.to_string_lossy().ends_with(" (deleted)"))
            .collect::<Vec<_>>()
    };
    for _ in 0..100 {
        if unlinked().is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("unlinked files are open: {:?}", unlinked());
}

fn links(target: &Target, _: &Path) -> ServeOptions {
    target
        .make_dir(Path::new("dir"), &meta(FileType::Directory, 0o755, 0, 0))
        .unwrap();
    let link = meta(FileType::Symlink, 0o777, 0, 0);
    target
        .make_symlink(Path::new("root"), Path::new("dir"), &link)
        .unwrap();
    target
        .make_symlink(
            Path::new("user"),
            Path::new("dir"),
            &meta(FileType::Symlink, 0o777, 9, 9),
        )
        .unwrap();
    // One thread must do: nothing waits for an answer while it gives one.
    ServeOptions {
        threads: 1,
        ..ServeOptions::default()
    }
}

fn links_given_away(t: &Inside) {
    for (name, owner) in [("root", 0), ("user", 9)] {
        let stat = fs::symlink_metadata(t.at(name)).unwrap();
        assert!(stat.is_symlink());
        assert_eq!((stat.uid(), stat.len()), (owner, 3));
        assert_eq!(fs::read_link(t.at(name)).unwrap(), Path::new("dir"));
        fs::write(t.at(name).join("through"), name).unwrap();
    }
    for owner in [33, 0, 34] {
        std::os::unix::fs::lchown(t.at("root"), Some(owner), Some(owner)).unwrap();
        for _ in 0..20 {
            let stat = fs::symlink_metadata(t.at("root")).unwrap();
            assert_eq!((stat.uid(), stat.gid(), stat.is_symlink()), (owner, owner, true));
            assert_eq!(fs::read_link(t.at("root")).unwrap(), Path::new("dir"));
            // The number the link had on disk may go to this one.
            fs::write(t.at("other"), "other").unwrap();
            assert_eq!(fs::read(t.at("other")).unwrap(), b"other");
            fs::remove_file(t.at("other")).unwrap();
        }
    }
    assert_eq!(fs::read(t.at("root/through")).unwrap(), b"user");
    // All names of a link are given away with it, whichever is named.
    fs::create_dir(t.at("below")).unwrap();
    let names = ["one", "two", "below/three"];
    for (round, named) in (40..).zip(names) {
        std::os::unix::fs::symlink("dir", t.at("one")).unwrap();
        fs::hard_link(t.at("one"), t.at("two")).unwrap();
        fs::hard_link(t.at("two"), t.at("below/three")).unwrap();
        std::os::unix::fs::lchown(t.at(named), Some(round), Some(round)).unwrap();
        for turn in 0..20 {
            let seen = names.map(|name| fs::symlink_metadata(t.at(name)).unwrap());
            for stat in &seen {
                assert_eq!((stat.uid(), stat.gid(), stat.is_symlink()), (round, round, true));
                assert_eq!(stat.nlink(), 3);
            }
            // The kernel looks them up again soon after.
            assert!(turn < 19 || seen.iter().all(|stat| stat.ino() == seen[0].ino()));
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        for name in names {
            assert_eq!(fs::read_link(t.at(name)).unwrap(), Path::new("dir"));
            if round < 42 {
                fs::remove_file(t.at(name)).unwrap();
            }
        }
    }
}

fn links_disk(t: &Outside) {
    for (name, owner) in [("root", 34), ("user", 9)] {
        let stat = t.target.stat(Path::new(name)).unwrap();
        assert_eq!((stat.meta.kind, stat.meta.uid), (FileType::Symlink, owner));
        assert!(fs::symlink_metadata(t.disk.join(name)).unwrap().is_file());
        // Such links lead somewhere for the target, too.
        assert_eq!(t.target.read(&Path::new(name).join("through")).unwrap(), b"user");
    }
    for name in ["one", "two", "below/three"] {
        let stat = t.target.stat(Path::new(name)).unwrap();
        assert_eq!(
            (stat.meta.kind, stat.meta.uid, stat.nlink),
            (FileType::Symlink, 42, 3)
        );
    }
}

fn stale(target: &Target, _: &Path) -> ServeOptions {
    target
        .make_dir(Path::new("etc"), &meta(FileType::Directory, 0o755, 0, 0))
        .unwrap();
    target
        .write(
            Path::new("etc/conf"),
            b"old",
            &meta(FileType::Regular, 0o644, 0, 0),
        )
        .unwrap();
    target
        .write(
            Path::new("etc/gone"),
            b"gone",
            &meta(FileType::Regular, 0o644, 0, 0),
        )
        .unwrap();
    ServeOptions::default()
}

fn invalidation(t: &Inside) {
    let list = || fs::read_dir(t.at("etc")).unwrap().count();
    assert_eq!(fs::read(t.at("etc/conf")).unwrap(), b"old");
    assert!(t.at("etc/gone").exists() && !t.at("etc/new").exists() && !t.at("etc/moved").exists());
    assert_eq!((list(), list()), (2, 2));
    let open = File::open(t.at("etc/conf")).unwrap();
    let busy = File::open(t.at("etc")).unwrap();
    t.step(0);
    assert_eq!(fs::read(t.at("etc/conf")).unwrap(), b"a longer text");
    assert_eq!(fs::metadata(t.at("etc/conf")).unwrap().uid(), 3);
    assert_eq!(open.metadata().unwrap().len(), 3);
    assert!(!t.at("etc/gone").exists());
    assert_eq!(fs::read(t.at("etc/new")).unwrap(), b"made");
    assert_eq!(list(), 2);
    assert_eq!(fs::metadata(t.at("etc")).unwrap().mode() & 0o7777, 0o750);
    t.step(1);
    assert_eq!(fs::read(t.at("etc/moved")).unwrap(), b"made");
    assert!(!t.at("etc/new").exists());
    assert_eq!(fs::metadata(t.at("etc/moved")).unwrap().uid(), 8);
    assert_eq!(fs::metadata(t.at("etc/moved")).unwrap().mtime(), 77);
    assert!(t.at("etc/sub/x").is_file() && fs::symlink_metadata(t.at("etc/link")).unwrap().is_symlink());
    assert_eq!(list(), 4);
    t.step(2);
    assert!(t.at("opt/sub/x").is_file() && !t.at("etc").exists());
    assert!(statat(&busy, "moved", AtFlags::empty()).is_ok());
    assert_eq!(fs::metadata(t.at("opt/moved")).unwrap().nlink(), 2);
    fs::write(t.at("opt/moved"), "inside").unwrap();
    t.step(3);
}

fn invalidate(t: &Outside, step: u8) {
    let path = Path::new;
    let file = meta(FileType::Regular, 0o600, 3, 4);
    match step {
        0 => {
            t.target.write(path("etc/conf"), b"a longer text", &file).unwrap();
            t.target.remove(path("etc/gone")).unwrap();
            let mut new = t.target.create(path("/etc/new"), &file).unwrap();
            new.write_all(b"made").unwrap();
            new.finish().unwrap();
            t.target.set_mode(path("etc"), 0o750).unwrap();
        }
        1 => {
            t.target.rename(path("etc/new"), path("etc/moved")).unwrap();
            t.target.set_owner(path("etc/moved"), 8, 8).unwrap();
            t.target
                .set_mtime(path("etc/moved"), Timestamp { sec: 77, nsec: 0 })
                .unwrap();
            t.target
                .make_dir(path("etc/sub"), &meta(FileType::Directory, 0o700, 0, 0))
                .unwrap();
            t.target.write(path("etc/sub/x"), b"x", &file).unwrap();
            let link = meta(FileType::Symlink, 0o777, 0, 0);
            t.target.make_symlink(path("etc/link"), path("x"), &link).unwrap();
        }
        2 => {
            t.target.rename(path("etc"), path("opt")).unwrap();
            t.target.link(path("opt/moved"), path("opt/again")).unwrap();
        }
        _ => assert_eq!(t.target.read(path("opt/again")).unwrap(), b"inside"),
    }
}
