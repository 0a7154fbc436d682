//! Whiteouts, and the flags of chattr(1).

use std::fs::{self, File};

use rustix::fs::{self as sys, CWD, IFlags, RenameFlags};

use super::Transcript;
use crate::cases::as_user;

fn names(t: &mut Transcript, directory: &str) {
    let entries = fs::read_dir(t.at(directory)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort_unstable();
    t.note(directory, names);
}

pub(super) fn whiteouts(t: &mut Transcript) {
    fs::create_dir(t.at("layer")).unwrap();
    fs::create_dir(t.at("layer/dir")).unwrap();
    for name in ["a", "b", "c", "dir/x"] {
        t.write(&format!("layer/{name}"), name);
    }
    for (from, to, flags) in [
        ("a", "new", RenameFlags::WHITEOUT),
        ("b", "c", RenameFlags::WHITEOUT | RenameFlags::NOREPLACE),
        ("b", "c", RenameFlags::WHITEOUT | RenameFlags::EXCHANGE),
        ("b", "c", RenameFlags::WHITEOUT),
        ("dir", "moved", RenameFlags::WHITEOUT),
        ("moved", "moved/inside", RenameFlags::WHITEOUT),
        ("none", "other", RenameFlags::WHITEOUT),
    ] {
        let (from, to) = (format!("layer/{from}"), format!("layer/{to}"));
        let moved = sys::renameat_with(CWD, t.at(&from), CWD, t.at(&to), flags);
        t.note(&format!("{from} {to} {flags:?}"), moved);
        for name in [&from, &to] {
            t.stat(name);
        }
        names(t, "layer");
    }
    t.note("what was moved", fs::read(t.at("layer/c")).ok());
    t.note("below it", fs::read(t.at("layer/moved/x")).ok());
    t.errno("removed", fs::remove_file(t.at("layer/a")));
    t.stat("layer/a");
}

pub(super) fn flags(t: &mut Transcript) {
    t.write("flagged", "x");
    fs::create_dir(t.at("flagged-dir")).unwrap();
    // What the disk has by itself.
    let own = IFlags::from_bits_retain(0x1008_0000);
    let get = |t: &mut Transcript, name: &str| {
        let got = File::open(t.at(name)).map(|file| sys::ioctl_getflags(&file).map(|flags| flags - own));
        t.note(name, got.unwrap());
    };
    for name in ["flagged", "flagged-dir"] {
        get(t, name);
        for flags in [
            IFlags::NODUMP | IFlags::NOATIME,
            IFlags::SYNC,
            IFlags::IMMUTABLE,
            IFlags::APPEND,
            IFlags::empty(),
        ] {
            let file = File::open(t.at(name)).unwrap();
            let now = sys::ioctl_getflags(&file).unwrap();
            let set = sys::ioctl_setflags(&file, flags | now & own);
            t.note("set", (flags, set));
            get(t, name);
        }
    }
    let file = File::open(t.at("flagged")).unwrap();
    let now = sys::ioctl_getflags(&file).unwrap();
    sys::ioctl_setflags(&file, IFlags::NODUMP | now & own).unwrap();
    fs::rename(t.at("flagged"), t.at("flagged2")).unwrap();
    get(t, "flagged2");
    t.chmod("flagged2", 0o644);
    t.note("a stranger", as_user(1000, &t.dir, "chattr -d flagged2"));
    get(t, "flagged2");
    t.note("chattr", as_user(0, &t.dir, "chattr -d flagged2"));
    get(t, "flagged2");
    let mut list = [0; 200];
    let length = sys::llistxattr(t.at("flagged2"), &mut list[..]).unwrap();
    t.note(
        "no attribute",
        String::from_utf8_lossy(&list[..length]).into_owned(),
    );
}
