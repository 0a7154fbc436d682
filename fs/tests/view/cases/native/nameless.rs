//! Files without a name (`O_TMPFILE` of open(2)), and the time at which a file was made.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::time::{Duration, SystemTime};

use rustix::fs::{self as sys, AtFlags, CWD, OFlags, XattrFlags};

use super::Transcript;

fn make(t: &Transcript, dir: &str, more: OFlags) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o6640)
        .custom_flags((OFlags::TMPFILE | more).bits().cast_signed())
        .open(t.at(dir))
}

fn named(t: &Transcript, file: &File, name: &str) -> Result<(), rustix::io::Errno> {
    use std::os::fd::AsRawFd as _;
    let from = format!("/proc/self/fd/{}", file.as_raw_fd());
    sys::linkat(CWD, from, CWD, t.at(name), AtFlags::SYMLINK_FOLLOW)
}

fn note(t: &mut Transcript, what: &str, file: &File) {
    let now = file.metadata().unwrap();
    let how = (now.mode(), now.uid(), now.gid(), now.len(), now.nlink());
    t.note(what, how);
}

pub(super) fn nameless(t: &mut Transcript) {
    fs::create_dir(t.at("temporary")).unwrap();
    let mut file = make(t, "temporary", OFlags::empty()).unwrap();
    note(t, "made", &file);
    file.write_all(&[7; 100_000]).unwrap();
    fchown(&file, Some(3), Some(4)).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o4751)).unwrap();
    let label = sys::fsetxattr(&file, "user.label", b"kept", XattrFlags::empty());
    t.note("label", label);
    file.set_len(50_000).unwrap();
    note(t, "changed", &file);
    let seen = fs::read_dir(t.at("temporary")).unwrap().count();
    t.note("names", seen);
    // Many others are opened meanwhile, and it is not closed for them.
    for number in 0..200 {
        t.write(&format!("temporary/{number}"), "x");
    }
    let given = named(t, &file, "temporary/first");
    t.note("first", given);
    t.stat("temporary/first");
    let again = named(t, &file, "temporary/second");
    t.note("second", again);
    t.stat("temporary/second");
    let taken = named(t, &file, "temporary/first");
    t.note("taken", taken);
    file.rewind().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    drop(file);
    t.note("the same", fs::read(t.at("temporary/second")).unwrap() == bytes);
    let mut label = [0; 8];
    let found = sys::getxattr(t.at("temporary/first"), "user.label", &mut label[..]);
    t.note("label kept", (found, label));
    fs::remove_file(t.at("temporary/first")).unwrap();
    t.stat("temporary/second");

    let hidden = make(t, "temporary", OFlags::EXCL).unwrap();
    let refused = named(t, &hidden, "temporary/hidden");
    t.note("exclusive", refused);
    fs::remove_file(t.at("temporary/second")).unwrap();
    t.errno("in a file", make(t, "temporary/0", OFlags::empty()));
    t.errno("nowhere", make(t, "temporary/none", OFlags::empty()));
    let reading = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::TMPFILE.bits().cast_signed())
        .open(t.at("temporary"));
    t.errno("only to read", reading);
    // As everything that is made in such a directory.
    fs::create_dir(t.at("shared")).unwrap();
    std::os::unix::fs::chown(t.at("shared"), Some(0), Some(50)).unwrap();
    t.chmod("shared", 0o2777);
    let shared = make(t, "shared", OFlags::empty()).unwrap();
    note(t, "of the group", &shared);
    // A directory that is removed has no place for one.
    let gone = File::open(t.at("shared")).unwrap();
    fs::remove_dir(t.at("shared")).unwrap();
    let flags = OFlags::TMPFILE | OFlags::RDWR;
    let in_it = sys::openat(gone.as_fd(), ".", flags, sys::Mode::RUSR).map(drop);
    t.note("of a directory without a name", in_it);
    note(t, "left behind", &shared);
    let late = named(t, &shared, "temporary/late");
    t.note("late", late);
    t.stat("temporary/late");
}

/// Times of birth are between those at which the file was not there yet and was, and stay.
pub(super) fn births(t: &mut Transcript) {
    let born = |t: &Transcript, name: &str| fs::symlink_metadata(t.at(name)).unwrap().created();
    // The kernel's clock for files is coarse.
    let pause = || std::thread::sleep(Duration::from_millis(20));
    let begin = SystemTime::now();
    pause();
    t.write("born", "x");
    fs::create_dir(t.at("born-dir")).unwrap();
    std::os::unix::fs::symlink("born", t.at("born-link")).unwrap();
    let nameless = make(t, "born-dir", OFlags::empty()).unwrap();
    pause();
    let end = SystemTime::now();
    for name in ["born", "born-dir", "born-link"] {
        let time = born(t, name).unwrap();
        t.note(name, begin < time && time < end);
    }
    let time = nameless.metadata().unwrap().created().unwrap();
    t.note("nameless", begin < time && time < end);
    let before = born(t, "born").unwrap();
    let open = File::options().append(true).open(t.at("born")).unwrap();
    (&open).write_all(b"more").unwrap();
    t.chmod("born", 0o600);
    fs::rename(t.at("born"), t.at("older")).unwrap();
    t.note("unchanged", born(t, "older").unwrap() == before);
    fs::remove_file(t.at("older")).unwrap();
    t.note(
        "of one removed",
        open.metadata().unwrap().created().unwrap() == before,
    );
    // What is asked for with it is the same as without.
    let with = sys::statx(CWD, t.at("born-dir"), AtFlags::empty(), sys::StatxFlags::ALL).unwrap();
    let plain = fs::metadata(t.at("born-dir")).unwrap();
    let same = (u64::from(with.stx_nlink), u32::from(with.stx_mode), with.stx_ino)
        == (plain.nlink(), plain.mode(), plain.ino());
    let times = (with.stx_mtime.tv_sec, i64::from(with.stx_mtime.tv_nsec))
        == (plain.mtime(), plain.mtime_nsec())
        && (with.stx_ctime.tv_sec, i64::from(with.stx_ctime.tv_nsec)) == (plain.ctime(), plain.ctime_nsec());
    t.note("the rest", (same, times, with.stx_uid, with.stx_gid));
}
