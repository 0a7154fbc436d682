//! Access control lists: the view does what the machine's own filesystem does.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, mkfifo, setegid, seteuid};
use rootless_install_fs::{FileType, Meta, Timestamp};
use rustix::fs::{XattrFlags, lgetxattr, listxattr, lremovexattr, lsetxattr};

use super::{Case, idle, meta, nothing};
use crate::namespace::{Inside, Outside};

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

pub(crate) fn all() -> Vec<Case> {
    vec![
        Case {
            name: "lists",
            prepare: nothing,
            inside: lists,
            step: idle,
            after: lists_disk,
        },
        Case {
            name: "walks",
            prepare: nothing,
            inside: walks,
            step: idle,
            after: walked,
        },
    ]
}

/// Somebody else than root walks the same path often: the kernel keeps the lists of all directories on the way.
fn walks(t: &Inside) {
    fs::create_dir(t.at("dir")).unwrap();
    fs::write(t.at("dir/file"), "").unwrap();
    let often = "for i in 1 2 3 4 5 6 7 8 9 10; do for j in 1 2 3 4 5 6 7 8 9 10; do [ -e dir/file ] || exit 1; done; done";
    assert!(as_ids(1000, 1000, &t.view, often));
}

fn walked(t: &Outside) {
    assert!(t.counters.requests < 50, "{:?}", t.counters);
}

/// An attribute's value, from the text that setfacl(1) takes, with numbers for names.
fn list(text: &str) -> Vec<u8> {
    let mut value = 2_u32.to_le_bytes().to_vec();
    for entry in text.split(',') {
        let mut fields = entry.split(':');
        let (class, id, bits) = (fields.next(), fields.next(), fields.next());
        let id = id.unwrap().parse().ok();
        let tag: u16 = match (class.unwrap(), id) {
            ("u", None) => 1,
            ("u", Some(_)) => 2,
            ("g", None) => 4,
            ("g", Some(_)) => 8,
            ("m", _) => 16,
            _ => 32,
        };
        let bits = bits.unwrap().chars().map(|bit| match bit {
            'r' => 4_u16,
            'w' => 2,
            'x' => 1,
            _ => 0,
        });
        value.extend_from_slice(&tag.to_le_bytes());
        value.extend_from_slice(&bits.sum::<u16>().to_le_bytes());
        value.extend_from_slice(&id.unwrap_or(u32::MAX).to_le_bytes());
    }
    value
}

/// Owner, mode and lists of a file, as text.
fn state(path: &Path) -> String {
    let mut text = String::new();
    match fs::symlink_metadata(path) {
        Ok(stat) => write!(text, "{:o} {}:{}", stat.mode(), stat.uid(), stat.gid()).unwrap(),
        Err(e) => return e.to_string(),
    }
    for name in [ACCESS, DEFAULT] {
        let mut value = [0; 500];
        match lgetxattr(path, name, &mut value[..]) {
            Ok(len) => write!(text, " {:x?}", &value[..len]).unwrap(),
            Err(e) => write!(text, " {e:?}").unwrap(),
        }
    }
    text
}

/// As systemd-tmpfiles leaves `/var/log/journal`.
const JOURNAL: &str = "u::rwx,g::r-x,g:4:r-x,m::r-x,o::r-x";

fn as_ids(uid: u32, gid: u32, dir: &Path, script: &str) -> bool {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).current_dir(dir).uid(uid).gid(gid);
    shell.stdout(Stdio::null()).stderr(Stdio::null());
    shell.status().unwrap().success()
}

/// Returns what becomes of lists in `dir`, step by step.
fn transcript(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut note = |what: &str, how: String| lines.push(format!("{what}: {how}"));
    let at = |name: &str| dir.join(name);
    let set =
        |name: &str, kind: &str, value: &str| lsetxattr(at(name), kind, &list(value), XattrFlags::empty());
    let mode = |name: &str, mode| fs::set_permissions(at(name), fs::Permissions::from_mode(mode));

    fs::create_dir(at("journal")).unwrap();
    chown(at("journal"), Some(0), Some(999)).unwrap();
    mode("journal", 0o2755).unwrap();
    note("none", state(&at("journal")));
    note("access", format!("{:?}", set("journal", ACCESS, JOURNAL)));
    note("default", format!("{:?}", set("journal", DEFAULT, JOURNAL)));
    note("journal", state(&at("journal")));
    let mut names = [0; 200];
    let len = listxattr(at("journal"), &mut names[..]).unwrap();
    let mut names: Vec<_> = names[..len]
        .split(|b| *b == 0)
        .map(String::from_utf8_lossy)
        .collect();
    names.sort_unstable();
    note("names", format!("{names:?}"));

    // A default list replaces the umask.
    for mask in [0o022, 0o077] {
        umask(Mode::from_bits_truncate(mask));
        fs::create_dir(at(&format!("journal/d{mask}"))).unwrap();
        fs::write(at(&format!("journal/f{mask}")), "x").unwrap();
        mkfifo(&at(&format!("journal/p{mask}")), Mode::from_bits_truncate(0o666)).unwrap();
        symlink("x", at(&format!("journal/l{mask}"))).unwrap();
        fs::create_dir_all(at(&format!("journal/d{mask}/deep/er"))).unwrap();
        fs::write(at(&format!("without{mask}")), "x").unwrap();
        for name in ["journal/d", "journal/f", "journal/p", "journal/l", "without"] {
            let name = format!("{name}{mask}");
            note(&name, state(&at(&name)));
        }
        let deep = format!("journal/d{mask}/deep/er");
        note(&deep, state(&at(&deep)));
    }
    umask(Mode::from_bits_truncate(0o022));

    // A list and a mode change together.
    for bits in [0o600, 0o640, 0o777, 0o4711] {
        mode("journal/f18", bits).unwrap();
        note("chmod file", state(&at("journal/f18")));
        mode("journal/d18", bits).unwrap();
        note("chmod directory", state(&at("journal/d18")));
    }
    note(
        "wide",
        format!(
            "{:?}",
            set("journal/f63", ACCESS, "u::rwx,u:7:rwx,g::---,m::rwx,o::---")
        ),
    );
    note("wide", state(&at("journal/f63")));
    note(
        "minimal",
        format!("{:?}", set("journal/f63", ACCESS, "u::rw-,g::r--,o::---")),
    );
    note("minimal", state(&at("journal/f63")));
    note(
        "minimal default",
        format!("{:?}", set("journal/d63", DEFAULT, "u::rwx,g::---,o::---")),
    );
    fs::write(at("journal/d63/x"), "").unwrap();
    fs::create_dir(at("journal/d63/y")).unwrap();
    note("below", state(&at("journal/d63/x")));
    note("below", state(&at("journal/d63/y")));
    for name in ["journal/f18", "journal/f63", "journal/d63"] {
        for kind in [ACCESS, DEFAULT] {
            note("remove", format!("{:?}", lremovexattr(at(name), kind)));
        }
        note("removed", state(&at(name)));
    }

    // Values that are refused.
    let long = vec![0; 5000];
    let short = &list("u::rwx,g::r-x,o::r-x")[..27];
    for value in [
        &b"\x02\0\0\0"[..],
        b"nonsense",
        short,
        &long,
        &list("u::rwx,g::r-x"),
    ] {
        let set = lsetxattr(at("journal"), ACCESS, value, XattrFlags::empty());
        note("damaged", format!("{set:?} {}", state(&at("journal"))));
    }
    note("again", format!("{:?}", set("journal", ACCESS, JOURNAL)));
    note(
        "without a mask",
        format!("{:?}", set("journal", ACCESS, "u::rwx,u:5:r--,g::r-x,o::r-x")),
    );
    note(
        "default of a file",
        format!("{:?}", set("without18", DEFAULT, JOURNAL)),
    );
    note(
        "list of a link",
        format!("{:?}", set("journal/l18", ACCESS, JOURNAL)),
    );
    note(
        "list of a pipe",
        format!(
            "{:?} {}",
            set("journal/p18", ACCESS, JOURNAL),
            state(&at("journal/p18"))
        ),
    );

    // The kernel checks them.
    fs::write(at("secret"), "x").unwrap();
    mode("secret", 0o600).unwrap();
    let may = |uid, gid, script| as_ids(uid, gid, dir, script);
    note("before", format!("{}", may(1000, 4, "cat secret")));
    set("secret", ACCESS, "u::rw-,u:1001:rw-,g::---,g:4:r--,m::rw-,o::---").unwrap();
    for (uid, gid) in [(1000, 4), (1000, 5), (1001, 5)] {
        let (read, write) = (may(uid, gid, "cat secret"), may(uid, gid, "echo >> secret"));
        note("may", format!("{uid}:{gid} {read} {write}"));
    }
    mode("secret", 0o640).unwrap();
    note(
        "masked",
        format!(
            "{} {}",
            may(1001, 5, "cat secret"),
            may(1001, 5, "echo >> secret")
        ),
    );
    mode("secret", 0o600).unwrap();
    note(
        "masked",
        format!(
            "{} {}",
            may(1001, 5, "cat secret"),
            may(1001, 5, "echo >> secret")
        ),
    );

    // Names, owners, and copies.
    set("secret", ACCESS, "u::rw-,u:1001:rw-,g::---,m::rw-,o::---").unwrap();
    fs::hard_link(at("secret"), at("journal/other-name")).unwrap();
    fs::rename(at("secret"), at("journal/secret")).unwrap();
    chown(at("journal/secret"), Some(3), Some(4)).unwrap();
    note("renamed", state(&at("journal/secret")));
    note("linked", state(&at("journal/other-name")));

    // One who is not in the group of a file gives up its set-group-ID bit.
    for group in [1000, 50] {
        fs::write(at("group"), "").unwrap();
        chown(at("group"), Some(1000), Some(group)).unwrap();
        mode("group", 0o2755).unwrap();
        setegid(Gid::from_raw(1000)).unwrap();
        seteuid(Uid::from_raw(1000)).unwrap();
        let result = set("group", ACCESS, JOURNAL);
        let others = set("without18", ACCESS, JOURNAL);
        seteuid(Uid::from_raw(0)).unwrap();
        setegid(Gid::from_raw(0)).unwrap();
        note(
            "by its owner",
            format!("{result:?} {others:?} {}", state(&at("group"))),
        );
    }
    lines
}

fn lists(t: &Inside) {
    let plain = t.dir.join("plain");
    fs::create_dir(&plain).unwrap();
    let (seen, want) = (transcript(&t.view), transcript(&plain));
    for (seen, want) in seen.iter().zip(&want) {
        assert_eq!(seen, want);
    }
    assert!(want.iter().any(|line| line.starts_with("access: Ok")), "{want:?}");

    // As dpkg unpacks: without permissions first. The outer part does the same.
    fs::write(t.at("unpacked-file"), state_of_unpacked(&t.at("journal"), "like")).unwrap();
}

/// Makes a file and a directory as dpkg does, and says what they are.
fn state_of_unpacked(dir: &Path, name: &str) -> String {
    let (file, directory) = (dir.join(name), dir.join(format!("{name}-dir")));
    let nothing = rustix::fs::Mode::empty();
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    rustix::fs::open(&file, flags, nothing).unwrap();
    rustix::fs::mkdir(&directory, nothing).unwrap();
    let mut text = String::new();
    for (path, mode) in [(file, 0o640), (directory, 0o755)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for kind in [ACCESS, DEFAULT] {
            let mut value = [0; 500];
            let len = lgetxattr(&path, kind, &mut value[..]).unwrap_or(0);
            writeln!(text, "{:x?}", &value[..len]).unwrap();
        }
    }
    text
}

fn lists_disk(t: &Outside) {
    let lists = |path: &str| {
        let attributes = t.target.xattrs(Path::new(path)).unwrap();
        let get = |name| {
            attributes
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, value)| value.clone())
        };
        (get(ACCESS), get(DEFAULT))
    };
    // The ids are the target's.
    assert_eq!(lists("journal"), (Some(list(JOURNAL)), Some(list(JOURNAL))));
    assert_eq!(t.target.stat(Path::new("journal")).unwrap().meta.mode, 0o2755);
    let disk = fs::metadata(t.disk.join("journal")).unwrap();
    assert_eq!(disk.mode() & 0o7777, 0o755);

    // Files that the installer unpacks get the lists that dpkg's files would.
    let path = Path::new("journal/installed");
    t.target
        .write(path, b"", &meta(FileType::Regular, 0o640, 0, 0))
        .unwrap();
    let path = Path::new("journal/created");
    let created = t
        .target
        .create(path, &meta(FileType::Regular, 0o640, 0, 0))
        .unwrap();
    created.finish().unwrap();
    let directory = meta(FileType::Directory, 0o755, 0, 0);
    t.target
        .make_dir(Path::new("journal/installed-dir"), &directory)
        .unwrap();
    let want = t.target.read(Path::new("unpacked-file")).unwrap();
    for file in ["journal/installed", "journal/created"] {
        let mut text = String::new();
        for path in [file, "journal/installed-dir"] {
            let (access, default) = lists(path);
            for list in [access, default] {
                writeln!(text, "{:x?}", list.unwrap_or_default()).unwrap();
            }
        }
        assert_eq!(text, String::from_utf8_lossy(&want));
    }

    // And what it changes keeps list and mode in step.
    let path = Path::new("journal/installed");
    t.target.set_mode(path, 0o600).unwrap();
    assert_eq!(
        lists("journal/installed").0,
        Some(list("u::rw-,g::r-x,g:4:r-x,m::---,o::---"))
    );
    t.target.set_xattr(path, ACCESS.as_ref(), &list(JOURNAL)).unwrap();
    assert_eq!(t.target.stat(path).unwrap().meta.mode, 0o755);
    t.target
        .set_xattr(path, ACCESS.as_ref(), &list("u::rw-,g::r--,o::---"))
        .unwrap();
    assert_eq!(t.target.stat(path).unwrap().meta.mode, 0o640);
    assert_eq!(lists("journal/installed").0, None);
    assert!(
        t.target
            .set_xattr(path, DEFAULT.as_ref(), &list(JOURNAL))
            .is_err()
    );
    let again = Meta {
        mtime: Timestamp::default(),
        ..meta(FileType::Regular, 0o600, 4, 4)
    };
    t.target.set_meta(path, &again).unwrap();
}
