//! Names, and files that are no plain files.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{chown, lchown, symlink};
use std::path::PathBuf;
use std::process::Command;

use nix::sys::stat::{Mode as NixMode, umask};
use rustix::fs::{self as sys, AtFlags, CWD, FileType, Mode, RenameFlags};

use super::Transcript;

pub(super) fn special_files(t: &mut Transcript) {
    symlink("nowhere", t.at("link")).unwrap();
    t.errno("link to a link", fs::hard_link(t.at("link"), t.at("link2")));
    lchown(t.at("link"), Some(5), Some(5)).unwrap();
    // The kernel looks its names up again soon after.
    std::thread::sleep(std::time::Duration::from_millis(100));
    t.stat("link");
    t.errno(
        "link to a link given away",
        fs::hard_link(t.at("link"), t.at("link3")),
    );
    t.stat("link3");
    t.stat("link2");
    let node = |t: &Transcript, name: &str, kind, mode, device| {
        sys::mknodat(CWD, t.at(name), kind, Mode::from_raw_mode(mode), device)
    };
    for (name, kind, mode) in [
        ("pipe", FileType::Fifo, 0o640),
        ("socket", FileType::Socket, 0o700),
        ("file", FileType::RegularFile, 0o6755),
        ("character", FileType::CharacterDevice, 0o600),
        ("block", FileType::BlockDevice, 0o600),
        ("directory", FileType::Directory, 0o755),
    ] {
        let device = sys::makedev(1, 3);
        let made = node(t, name, kind, mode, if name == "file" { 0 } else { device });
        t.note(name, made);
        t.stat(name);
    }
    // Anyone may make the device that marks a removed name for overlayfs(5).
    let whiteout = node(t, "whiteout", FileType::CharacterDevice, 0o600, 0);
    t.note("whiteout", whiteout);
    t.stat("whiteout");
    t.errno("link to a pipe", fs::hard_link(t.at("pipe"), t.at("pipe2")));
    chown(t.at("pipe2"), Some(3), Some(4)).unwrap();
    t.chmod("pipe", 0o666);
    t.stat("pipe2");
    t.errno("open a socket", File::open(t.at("socket")));
    // Names for what is open.
    t.write("open", "open");
    let open = File::open(t.at("open")).unwrap();
    let by_fd = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
    let linked = sys::linkat(CWD, &by_fd, CWD, t.at("open2"), AtFlags::SYMLINK_FOLLOW);
    t.note("link by descriptor", linked);
    t.note("read it", fs::read(t.at("open2")).ok());
    fs::remove_file(t.at("open")).unwrap();
    fs::remove_file(t.at("open2")).unwrap();
    let linked = sys::linkat(CWD, &by_fd, CWD, t.at("open3"), AtFlags::SYMLINK_FOLLOW);
    t.note("link what is unlinked", linked);
    // A running program is not written.
    fs::copy("/bin/sleep", t.at("sleep")).unwrap();
    let mut running = Command::new(t.at("sleep")).arg("5").spawn().unwrap();
    t.errno(
        "write what runs",
        OpenOptions::new().write(true).open(t.at("sleep")),
    );
    t.errno("unlink what runs", fs::remove_file(t.at("sleep")));
    running.kill().unwrap();
    running.wait().unwrap();
    for (mask, name) in [(0, "wide"), (0o77, "narrow")] {
        umask(NixMode::from_bits_truncate(mask));
        fs::create_dir(t.at(name)).unwrap();
        let kind = FileType::Fifo;
        sys::mknodat(
            CWD,
            t.at(&format!("{name}/p")),
            kind,
            Mode::from_raw_mode(0o666),
            0,
        )
        .unwrap();
        t.write(&format!("{name}/f"), "");
        for name in ["", "/p", "/f"].map(|end| format!("{name}{end}")) {
            t.stat(&name);
        }
    }
    umask(NixMode::from_bits_truncate(0o022));
    let _ = sys::mkdir(t.at("all-bits"), Mode::from_raw_mode(0o7777));
    t.stat("all-bits");
}

pub(super) fn renames(t: &mut Transcript) {
    for name in ["a", "b", "full"] {
        fs::create_dir(t.at(name)).unwrap();
    }
    t.write("full/x", "x");
    t.write("f", "f");
    for (from, to) in [
        ("a", "b"),
        ("b", "full"),
        ("f", "b"),
        ("b", "f"),
        ("f", "f"),
        ("b", "b/c"),
        ("b/.", "z"),
        ("f", "g/"),
        ("none", "z"),
        ("b", "z/"),
        ("f", "link2"),
        ("link3", "link2"),
    ] {
        t.errno(&format!("rename {from} {to}"), fs::rename(t.at(from), t.at(to)));
    }
    let flags = |t: &mut Transcript, from: &str, to: &str, flags| {
        let result = sys::renameat_with(CWD, t.at(from), CWD, t.at(to), flags);
        t.note(&format!("rename {from} {to} {flags:?}"), result);
    };
    t.write("one", "1");
    symlink("two", t.at("two")).unwrap();
    flags(t, "one", "full", RenameFlags::EXCHANGE);
    flags(t, "one", "two", RenameFlags::EXCHANGE);
    flags(t, "one", "none", RenameFlags::EXCHANGE);
    flags(t, "one", "two", RenameFlags::NOREPLACE);
    flags(t, "one", "three", RenameFlags::NOREPLACE);
    flags(t, "three", "two", RenameFlags::NOREPLACE | RenameFlags::EXCHANGE);
    for name in ["full", "one", "two", "three"] {
        t.stat(name);
    }
    t.errno("rmdir .", fs::remove_dir(t.at("full/.")));
    t.errno("rmdir ..", fs::remove_dir(t.at("full/..")));
    t.errno("unlink a directory", fs::remove_file(t.at("z")));
    t.errno("open a file as a directory", File::open(t.at("f/")));
    t.errno(
        "write a directory",
        OpenOptions::new().write(true).open(t.at("z")),
    );
    symlink("loop2", t.at("loop1")).unwrap();
    symlink("loop1", t.at("loop2")).unwrap();
    t.errno("loop", File::open(t.at("loop1")));
}

pub(super) fn names(t: &mut Transcript) {
    let long = "n".repeat(255);
    t.errno("255", fs::write(t.at(&long), ""));
    t.errno("255 to another", fs::rename(t.at(&long), t.at(&"m".repeat(255))));
    t.errno("256", fs::write(t.at(&"n".repeat(256)), ""));
    t.errno(
        "bytes",
        fs::write(t.dir.join(OsStr::from_bytes(b"\xff\xfe\n*")), ""),
    );
    for (name, len) in [
        ("l1", 1),
        ("l60", 60),
        ("l2000", 2000),
        ("l4095", 4095),
        ("l4096", 4096),
    ] {
        t.errno(name, symlink("l".repeat(len), t.at(name)));
    }
    for name in ["l2000", "l4095"] {
        lchown(t.at(name), Some(1), Some(1)).unwrap();
        t.note(
            "still",
            fs::read_link(t.at(name)).map(|text| text.as_os_str().len()).ok(),
        );
        t.stat(name);
    }
    t.errno("empty", symlink("", t.at("empty")));
}
