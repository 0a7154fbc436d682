//! Files without names, whiteouts, flags, and times of birth.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, chown};
use std::path::PathBuf;

use rustix::fs::{self as sys, AtFlags, CWD, IFlags, Mode, OFlags, RenameFlags, XattrFlags};

use super::Transcript;
use crate::cases::as_user;

/// Opens a file without a name in a directory.
fn open(t: &Transcript, directory: &str, flags: OFlags) -> rustix::io::Result<File> {
    let flags = OFlags::TMPFILE | flags;
    sys::open(t.at(directory), flags, Mode::from_raw_mode(0o666)).map(File::from)
}

fn name(t: &Transcript, file: &File, name: &str) -> rustix::io::Result<()> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    sys::linkat(CWD, &path, CWD, t.at(name), AtFlags::SYMLINK_FOLLOW)
}

fn names(t: &mut Transcript, directory: &str) {
    let entries = fs::read_dir(t.at(directory)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort_unstable();
    t.note(directory, names);
}

fn facts(t: &mut Transcript, file: &File) {
    let stat = file.metadata().unwrap();
    let owner = (stat.uid(), stat.gid());
    t.note(
        "nameless",
        (format!("{:o}", stat.mode()), owner, stat.nlink(), stat.len()),
    );
}

pub(super) fn nameless(t: &mut Transcript) {
    fs::create_dir(t.at("nameless")).unwrap();
    chown(t.at("nameless"), Some(0), Some(7)).unwrap();
    t.chmod("nameless", 0o2755);
    for flags in [
        OFlags::RDWR,
        OFlags::WRONLY,
        OFlags::RDWR | OFlags::EXCL,
        OFlags::RDONLY,
    ] {
        let file = open(t, "nameless", flags);
        t.note("open", (flags, file.as_ref().err()));
        let Ok(file) = file else { continue };
        file.write_all_at(b"contents", 0).unwrap();
        facts(t, &file);
        names(t, "nameless");
        chown(format!("/proc/self/fd/{}", file.as_raw_fd()), Some(5), Some(6)).unwrap();
        sys::fchmod(&file, Mode::from_raw_mode(0o4750)).unwrap();
        let set = sys::fsetxattr(&file, "user.some", b"value", XattrFlags::empty());
        t.note("attribute", set);
        file.set_len(4).unwrap();
        facts(t, &file);
        // It gets names, loses them, and gets none again.
        for step in 0..2 {
            let named = format!("nameless/named{step}");
            let linked = name(t, &file, &named);
            t.note("a name", linked);
            t.stat(&named);
            t.note("read", fs::read(t.at(&named)).ok());
            facts(t, &file);
        }
        let mut value = [0; 10];
        let got = sys::lgetxattr(t.at("nameless/named1"), "user.some", &mut value[..]);
        t.note("attribute", got);
        for step in 0..2 {
            t.errno("remove", fs::remove_file(t.at(&format!("nameless/named{step}"))));
        }
        let linked = name(t, &file, "nameless/again");
        t.note("a name again", linked);
        facts(t, &file);
        if flags == OFlags::RDWR {
            // Without /proc.
            let whole = open(t, "nameless", OFlags::RDWR).unwrap();
            let linked = sys::linkat(&whole, "", CWD, t.at("nameless/direct"), AtFlags::EMPTY_PATH);
            t.note("a name by the descriptor", linked);
            t.errno("remove", fs::remove_file(t.at("nameless/direct")));
        }
        let mut data = [0; 4];
        t.note("read", file.read_exact_at(&mut data, 0).is_ok().then_some(data));
    }
    names(t, "nameless");
    t.note("in a file", open(t, "nameless/none", OFlags::RDWR).err());
    // Who may not write in the directory may not make one there; who may, without other rights, does.
    let perl = |directory: &str| {
        let flags = (OFlags::TMPFILE | OFlags::RDWR).bits();
        format!("perl -e 'sysopen(my $file, \"{directory}\", {flags}, 0600) or exit 1'")
    };
    t.note("a stranger", as_user(1000, &t.dir, &perl("nameless")));
    t.chmod("nameless", 0o777);
    t.note("all may", as_user(1000, &t.dir, &perl("nameless")));
    // Many at once, each its own.
    let files: Vec<File> = (0..200)
        .map(|_| open(t, "nameless", OFlags::RDWR).unwrap())
        .collect();
    for (number, file) in files.iter().enumerate() {
        file.write_all_at(number.to_string().as_bytes(), 0).unwrap();
    }
    for (number, file) in files.iter().enumerate() {
        let mut data = vec![0; number.to_string().len()];
        file.read_exact_at(&mut data, 0).unwrap();
        assert_eq!(data, number.to_string().as_bytes());
    }
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

pub(super) fn births(t: &mut Transcript) {
    t.write("born", "x");
    let born = |t: &Transcript| fs::symlink_metadata(t.at("born")).unwrap().created();
    let first = born(t);
    let Ok(first) = first else {
        return t.note("no time", ());
    };
    let age = first.elapsed().unwrap_or_default();
    t.note("now", age.as_secs() < 100);
    std::thread::sleep(std::time::Duration::from_millis(20));
    t.write("born", "longer");
    t.chmod("born", 0o600);
    File::open(t.at("born")).unwrap().sync_all().unwrap();
    let written = fs::symlink_metadata(t.at("born")).unwrap();
    t.note("written later", written.modified().unwrap() > first);
    t.note("stays", born(t).unwrap() == first);
    // All else that is asked for at the same time is right, too.
    t.note("and", (written.len(), written.mode(), written.nlink()));
    fs::create_dir(t.at("born-dir")).unwrap();
    let directory = fs::metadata(t.at("born-dir")).unwrap();
    t.note("a directory", directory.created().unwrap() > first);
    let nameless = open(t, ".", OFlags::RDWR).unwrap();
    t.note(
        "nameless",
        nameless.metadata().unwrap().created().unwrap() > first,
    );
}
