//! Namespace, mount and server of a case.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sched::CloneFlags;
use nix::unistd::{Gid, Uid};
use rootless_install_fs::{SERVED, ServeOptions, Server, Target, serve};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

/// Names the case in the environment of its inner part.
pub(crate) const CASE: &str = "ROOTLESS_INSTALL_TEST_CASE";
const DIR: &str = "ROOTLESS_INSTALL_TEST_DIR";

/// One case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Prepares the target and says how it is served.
    pub(crate) prepare: fn(&Target, &Path) -> ServeOptions,
    /// Checks inside of the view.
    pub(crate) inside: fn(&Inside),
    /// Actions outside, at each [`Inside::step`] of the inner part.
    pub(crate) step: fn(&Outside, u8),
    /// Checks outside when the view is unmounted.
    pub(crate) after: fn(&Outside),
}

/// Context of the inner part.
pub(crate) struct Inside {
    /// Mount point of the view.
    pub(crate) view: PathBuf,
    /// A directory of the disk, for helpers.
    pub(crate) dir: PathBuf,
    stream: UnixStream,
}

impl Inside {
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.view.join(path)
    }

    /// Has the outer part do its step `n`.
    pub(crate) fn step(&self, n: u8) {
        (&self.stream).write_all(&[b'0' + n]).unwrap();
        expect(&self.stream, b'.');
    }
}

/// Context of the outer part.
pub(crate) struct Outside {
    pub(crate) target: Target,
    /// The target's directory on the disk.
    pub(crate) disk: PathBuf,
    pub(crate) counters: rootless_install_fs::Counters,
    /// The server's threads, as the kernel numbers them.
    #[allow(dead_code, reason = "the benchmark uses it")]
    pub(crate) threads: Vec<i32>,
}

fn expect(mut stream: &UnixStream, byte: u8) {
    let mut buffer = [0];
    stream.read_exact(&mut buffer).unwrap();
    assert_eq!(buffer[0], byte);
}

/// Whether this machine and user can do it.
pub(crate) fn possible() -> Result<(), String> {
    if let Err(e) = File::options().read(true).write(true).open("/dev/fuse") {
        return Err(format!("/dev/fuse: {e}"));
    }
    if !Uid::effective().is_root() {
        let found = |tool| Command::new(tool).stderr(Stdio::null()).status().is_ok();
        if !found("newuidmap") {
            return Err("no newuidmap".into());
        }
    }
    Ok(())
}

/// Maps the user to root and a subordinate range to the rest.
fn map_ids(pid: u32) {
    let (uid, gid) = (Uid::effective().as_raw(), Gid::effective().as_raw());
    if uid == 0 {
        std::fs::write(format!("/proc/{pid}/uid_map"), "0 0 1\n1 100000 65535\n").unwrap();
        std::fs::write(format!("/proc/{pid}/gid_map"), "0 0 1\n1 100000 65535\n").unwrap();
        return;
    }
    for (tool, id, file) in [
        ("newuidmap", uid, "/etc/subuid"),
        ("newgidmap", gid, "/etc/subgid"),
    ] {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap();
        let ranges = std::fs::read_to_string(file).unwrap();
        let start = ranges
            .lines()
            .find_map(|line| line.strip_prefix(user.trim())?.strip_prefix(':'));
        let start = start
            .expect("a range of subordinate ids")
            .split(':')
            .next()
            .unwrap();
        let (pid, id) = (pid.to_string(), id.to_string());
        let args = [&pid[..], "0", &id, "1", "1", start, "65535"];
        assert!(Command::new(tool).args(args).status().unwrap().success());
    }
}

pub(crate) fn run_outside(case: &Case) -> bool {
    let tmp = tempfile::tempdir().unwrap();
    let disk = tmp.path().join("target");
    std::fs::create_dir_all(&disk).unwrap();
    std::fs::create_dir(tmp.path().join("view")).unwrap();
    let target = Target::open(&disk).unwrap();
    let options = (case.prepare)(&target, tmp.path());

    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(CASE, case.name)
        .env(DIR, tmp.path())
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .unwrap();
    expect(&ours, b'u');
    map_ids(child.id());
    (&ours).write_all(b"m").unwrap();
    let threads = options.threads;
    let server: Server = serve(&target, receive_fd(&ours), options).unwrap();
    (&ours).write_all(b"s").unwrap();
    if threads != 0 {
        assert_eq!(
            server.threads().len(),
            threads,
            "threads that serve are not known"
        );
    }

    let outside = |server: &Server| Outside {
        target: target.clone(),
        disk: disk.clone(),
        counters: server.counters(),
        threads: server.threads().to_vec(),
    };
    let mut byte = [0];
    while (&ours).read(&mut byte).unwrap_or(0) == 1 {
        (case.step)(&outside(&server), byte[0] - b'0');
        (&ours).write_all(b".").unwrap();
    }
    let status = child.wait().unwrap();
    let last = outside(&server);
    server.join().unwrap();
    (case.after)(&last);
    status.success()
}

pub(crate) fn run_inside(case: &Case) {
    let dir = PathBuf::from(std::env::var_os(DIR).unwrap());
    let stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    nix::sched::unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).unwrap();
    (&stream).write_all(b"u").unwrap();
    expect(&stream, b'm');
    nix::unistd::setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0)).unwrap();
    nix::unistd::setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).unwrap();
    nix::unistd::setgroups(&[]).unwrap();
    let fuse = File::options().read(true).write(true).open("/dev/fuse").unwrap();
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions",
        fuse.as_raw_fd()
    );
    let flags = nix::mount::MsFlags::empty();
    let view = dir.join("view");
    nix::mount::mount(Some("test"), &view, Some("fuse"), flags, Some(options.as_str())).unwrap();
    send_fd(&stream, &fuse);
    drop(fuse);
    expect(&stream, b's');
    // The target is mounted where it is served.
    let clone = OpenTreeFlags::OPEN_TREE_CLONE;
    let served = open_tree(rustix::fs::CWD, view.join(SERVED), clone).unwrap();
    let by_descriptor = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&served, "", rustix::fs::CWD, &view, by_descriptor).unwrap();
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    (case.inside)(&Inside { view, dir, stream });
}

fn send_fd(stream: &UnixStream, fd: &File) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    rustix::net::sendmsg(stream, &[IoSlice::new(b"f")], &mut control, SendFlags::empty()).unwrap();
}

fn receive_fd(stream: &UnixStream) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    rustix::net::recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .unwrap();
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    fd.expect("a descriptor")
}
