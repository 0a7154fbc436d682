//! Contents of files, and processes that use them at the same time.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::process::Command;

use rustix::fs::{self as sys, FallocateFlags, OFlags, SeekFrom, Timespec, Timestamps, inotify};

use super::Transcript;
use crate::memory::Shared;

pub(super) fn ranges(t: &mut Transcript) {
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(t.at("ranges"))
        .unwrap();
    file.write_all_at(&[7; 70_000], 0).unwrap();
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    for (flags, offset, len) in [
        (FallocateFlags::empty(), 0, 1 << 20),
        (FallocateFlags::KEEP_SIZE, 1 << 20, 1 << 20),
        (hole, 4096, 8192),
        (FallocateFlags::ZERO_RANGE, 16384, 4096),
        (FallocateFlags::PUNCH_HOLE, 0, 4096),
        (FallocateFlags::empty(), 0, 0),
    ] {
        let result = sys::fallocate(&file, flags, offset, len);
        t.note("fallocate", (flags, result));
    }
    let data = fs::read(t.at("ranges")).unwrap();
    t.note("zeroes", (data.len(), data.iter().filter(|b| **b == 0).count()));
    let sparse = File::create(t.at("sparse")).unwrap();
    sparse.set_len(1 << 20).unwrap();
    sparse.write_all_at(b"x", 1 << 19).unwrap();
    for seek in [
        SeekFrom::Data(0),
        SeekFrom::Hole(0),
        SeekFrom::Hole(1 << 19),
        SeekFrom::Data(1 << 21),
    ] {
        t.note("seek", sys::seek(&sparse, seek));
    }
    t.note("sparse", sparse.metadata().unwrap().blocks() < 100);
    t.errno("truncate far", sparse.set_len(1 << 62));
    // Straight to the disk, from memory that is aligned as it wants.
    let mut memory = vec![b'd'; 3 * 4096];
    let aligned = memory.as_ptr().align_offset(4096);
    let memory = &mut memory[aligned..aligned + 8192];
    let direct = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .custom_flags(OFlags::DIRECT.bits().cast_signed())
        .open(t.at("direct"))
        .unwrap();
    t.note("direct", direct.write_at(memory, 0).ok());
    t.note("direct, longer", direct.write_at(memory, 8192).ok());
    t.note("direct back", direct.read_at(memory, 4096).ok());
    t.errno("direct, on disk", direct.sync_all());
    t.stat("direct");
}

pub(super) fn mapped(t: &mut Transcript) {
    let path = t.at("mapped");
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    file.set_len(10_000).unwrap();
    let mut memory = Shared::new(&file, 10_000);
    memory.write(5000, b"mapped");
    let read = |file: &File, at| {
        let mut data = [0; 6];
        file.read_exact_at(&mut data, at).unwrap();
        data
    };
    t.note("the same file", read(&file, 5000));
    t.note("opened again", read(&File::open(&path).unwrap(), 5000));
    file.write_all_at(b"written", 100).unwrap();
    t.note("seen in memory", memory.read(100, 7));
    t.note("msync", memory.sync());
    let old = Timespec {
        tv_sec: 1000,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: old,
        last_modification: old,
    };
    sys::futimens(&file, &times).unwrap();
    // The descriptor may be gone before what is written.
    drop(file);
    memory.write(7000, b"later");
    drop(memory);
    t.note("contents", fs::read(&path).unwrap().get(6998..7006));
}

pub(super) fn locks(t: &mut Transcript) {
    t.write("locked", "");
    let file = OpenOptions::new().write(true).open(t.at("locked")).unwrap();
    let other = |t: &Transcript| {
        let mut flock = Command::new("flock");
        flock
            .arg("-n")
            .arg(t.at("locked"))
            .arg("true")
            .status()
            .ok()
            .and_then(|status| status.code())
    };
    for operation in [sys::FlockOperation::LockExclusive, sys::FlockOperation::Unlock] {
        sys::flock(&file, operation).unwrap();
        t.note("another process", (operation, other(t)));
    }
    t.note(
        "lock",
        sys::fcntl_lock(&file, sys::FlockOperation::NonBlockingLockExclusive),
    );
    t.note("unlock", sys::fcntl_lock(&file, sys::FlockOperation::Unlock));

    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, &t.dir, inotify::WatchFlags::ALL_EVENTS).unwrap();
    t.write("seen", "x");
    fs::rename(t.at("seen"), t.at("seen2")).unwrap();
    fs::remove_file(t.at("seen2")).unwrap();
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(watch.as_fd(), &mut buffer);
    let mut text = String::new();
    while let Ok(event) = events.next() {
        write!(text, "{:?} {:?}, ", event.events(), event.file_name()).unwrap();
    }
    t.note("events", text);
}
