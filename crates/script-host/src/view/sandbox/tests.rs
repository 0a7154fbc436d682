use super::*;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, XattrFlags};
use std::fs;
use std::io::ErrorKind::PermissionDenied;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

/// Returns the result of `act` in a thread that is confined as a script is.
fn bound<T: Send>(readable: &Path, writable: &Path, act: impl FnOnce() -> T + Send) -> T {
    bound_by(RULES, readable, writable, act)
}

/// Returns the same on a kernel that has landlock's rules up to a version.
fn bound_by<T: Send>(rules: ABI, readable: &Path, writable: &Path, act: impl FnOnce() -> T + Send) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    let start = move || {
        let confined = confine(&[readable.into()], &[writable.into()], rules);
        let is_confined = confined.is_ok();
        sender.send(confined).unwrap();
        assert!(is_confined);
        act()
    };
    std::thread::scope(|scope| {
        let acts = scope.spawn(start);
        let listener = receiver.recv().unwrap().unwrap().unwrap();
        let supervisor = Supervisor::new(listener, &[writable], None);
        while !acts.is_finished() {
            let mut waiting = [PollFd::new(supervisor.listener(), PollFlags::IN)];
            let moment = rustix::event::Timespec {
                tv_sec: 0,
                tv_nsec: 1_000_000,
            };
            if poll(&mut waiting, Some(&moment)).unwrap() > 0 && !acts.is_finished() {
                supervisor.decide();
            }
        }
        acts.join().unwrap()
    })
}

/// Starts a process that is no descendant of this one.
fn stranger() -> i32 {
    let command = "setsid sleep 300 >/dev/null 2>&1 & echo $!";
    let started = Command::new("sh").args(["-c", command]).output().unwrap();
    String::from_utf8(started.stdout).unwrap().trim().parse().unwrap()
}

/// A directory with a file.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "text").unwrap();
    directory
}

#[test]
fn files_elsewhere_are_out_of_reach() {
    if !protects() {
        return;
    }
    let [readable, writable, elsewhere] = [(); 3].map(|()| directory());
    let [readable, writable, elsewhere] = [&readable, &writable, &elsewhere].map(tempfile::TempDir::path);
    bound(readable, writable, || {
        let read = |directory: &Path| fs::read(directory.join("file"));
        let write = |directory: &Path| fs::write(directory.join("new"), "");
        let denied = |done: io::Result<()>| assert_eq!(done.unwrap_err().kind(), PermissionDenied);
        read(readable).unwrap();
        read(writable).unwrap();
        write(writable).unwrap();
        fs::read("/etc/passwd").unwrap();
        fs::write("/dev/null", "x").unwrap();
        denied(write(readable));
        denied(write(elsewhere));
        denied(read(elsewhere).map(drop));
        denied(fs::read_dir(elsewhere).map(drop));
        denied(fs::remove_file(elsewhere.join("file")));
        // What it starts is bound, too.
        let file = elsewhere.join("file");
        let started = Command::new("cat").arg(file).stderr(Stdio::null()).status();
        assert!(!started.unwrap().success());
    });
    // Nobody else is.
    fs::read(elsewhere.join("file")).unwrap();
}

#[test]
fn there_is_no_network() {
    let [readable, writable] = [directory(), directory()];
    let named = readable.path().join("socket");
    let _listens = UnixListener::bind(&named).unwrap();
    bound(readable.path(), writable.path(), || {
        for socket in [
            UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)),
            UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)),
        ] {
            assert_eq!(socket.unwrap_err().kind(), PermissionDenied);
        }
        UnixStream::pair().unwrap();
        // Nor is there a way to a socket with a name, or through datagrams to one.
        assert_eq!(UnixStream::connect(&named).unwrap_err().kind(), PermissionDenied);
        assert_eq!(UnixDatagram::pair().unwrap_err().kind(), PermissionDenied);
        let of = |family| socket(family, SockType::Stream, SockFlag::empty(), None);
        assert_eq!(
            of(AddressFamily::Vsock).unwrap_err(),
            nix::errno::Errno::EAFNOSUPPORT
        );
    });
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
}

#[test]
fn other_processes_get_no_signals() {
    let scoped = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .scope(Scope::Signal)
        .and_then(Ruleset::create);
    if scoped.is_err() {
        return;
    }
    let [readable, writable] = [directory(), directory()];
    let mut child = Command::new("sleep").arg("300").spawn().unwrap();
    let id = child.id();
    bound(readable.path(), writable.path(), || {
        // The thread may signal its own process; a program that it starts may not.
        let killed = |id: u32| {
            let command = format!("kill -s KILL {id}");
            let mut shell = Command::new("sh");
            let ended = shell.args(["-c", &command]).stderr(Stdio::null()).status();
            ended.unwrap().success()
        };
        assert!(!killed(id) && !killed(std::process::id()));
        let mut own = Command::new("sleep").arg("300").spawn().unwrap();
        assert!(killed(own.id()));
        own.wait().unwrap();
    });
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn older_rules_keep_signals_in() {
    let [readable, writable] = [directory(), directory()];
    let other = stranger();
    let signal = |id: i32| kill(Pid::from_raw(id), Signal::SIGKILL);
    let denied = Err(nix::errno::Errno::EPERM);
    bound_by(ABI::V5, readable.path(), writable.path(), || {
        for id in [other, -other, std::process::id().cast_signed()] {
            assert_eq!(signal(id), denied, "{id}");
        }
        let mut own = Command::new("sleep").arg("300").process_group(0).spawn().unwrap();
        signal(-own.id().cast_signed()).unwrap();
        own.wait().unwrap();
        // The C library signals a thread of its own by its process.
        let aborts = Command::new("sh")
            .args(["-c", "kill -s ABRT $$"])
            .status()
            .unwrap();
        assert_eq!(aborts.signal(), Some(6));
    });
    signal(other).unwrap();
}

#[test]
fn other_processes_are_left_as_they_are() {
    use rustix::process::{Resource, Rlimit, getpriority_process, prlimit, setpriority_process};
    let [readable, writable] = [directory(), directory()];
    let other = stranger();
    let limit = || Rlimit {
        current: Some(77),
        maximum: Some(77),
    };
    let act = |id: i32| {
        let process = rustix::process::Pid::from_raw(id);
        let cpus = nix::sched::sched_getaffinity(Pid::from_raw(id)).unwrap();
        [
            prlimit(process, Resource::Nofile, limit())
                .map(drop)
                .map_err(|errno| errno.raw_os_error()),
            setpriority_process(process, 5).map_err(|errno| errno.raw_os_error()),
            nix::sched::sched_setaffinity(Pid::from_raw(id), &cpus).map_err(|errno| errno as i32),
        ]
    };
    bound(readable.path(), writable.path(), || {
        assert_eq!(act(other), [Err(libc::EPERM); 3]);
        let mut own = Command::new("sleep").arg("300").spawn().unwrap();
        let id = own.id().cast_signed();
        assert_eq!(act(id), [Ok(()); 3]);
        assert_eq!(
            getpriority_process(rustix::process::Pid::from_raw(id)).unwrap(),
            5
        );
        own.kill().unwrap();
        own.wait().unwrap();
    });
    kill(Pid::from_raw(other), Signal::SIGKILL).unwrap();
}

const NAME: &str = "user.of-tests";

/// Changes what describes a file in every way, by its path from a directory; the error of each.
fn describe(directory: &Path, name: &str) -> Vec<Option<i32>> {
    let path = directory.join(name);
    let times = |tv_sec| Timestamps {
        last_access: Timespec { tv_sec, tv_nsec: 7 },
        last_modification: Timespec { tv_sec, tv_nsec: 8 },
    };
    let open = |path: &Path, flags| rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty());
    let at = open(directory, OFlags::PATH).unwrap();
    let file = open(&path, OFlags::PATH).unwrap();
    let inner = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let group = Some(Gid::from_raw(rustix::process::getegid().as_raw()));
    let done = [
        rustix::fs::chmod(&path, Mode::from(0o640)),
        rustix::fs::chmodat(&at, name, Mode::from(0o604), AtFlags::empty()),
        rustix::fs::chmod(&inner, Mode::from(0o606)),
        rustix::fs::chownat(&at, name, None, group, AtFlags::empty()),
        rustix::fs::chownat(&at, name, None, group, AtFlags::SYMLINK_NOFOLLOW),
        rustix::fs::chownat(&file, "", None, group, AtFlags::EMPTY_PATH),
        rustix::fs::utimensat(&at, name, &times(1000), AtFlags::empty()),
        rustix::fs::setxattr(&path, NAME, b"value", XattrFlags::empty()),
    ];
    done.into_iter()
        .map(|done| done.err().map(|errno| errno.raw_os_error()))
        .collect()
}

#[test]
fn files_elsewhere_keep_what_describes_them() {
    let [readable, writable, elsewhere] = [(); 3].map(|()| directory());
    let [readable, writable, elsewhere] = [&readable, &writable, &elsewhere].map(tempfile::TempDir::path);
    symlink(elsewhere.join("file"), writable.join("link")).unwrap();
    symlink(elsewhere, writable.join("way")).unwrap();
    let above = writable.join("..").join(elsewhere.file_name().unwrap());
    let state = |path: &Path| {
        let facts = fs::metadata(path).unwrap();
        (
            facts.mode(),
            facts.ctime(),
            facts.ctime_nsec(),
            facts.mtime(),
            facts.len(),
        )
    };
    let before = state(&elsewhere.join("file"));
    bound_by(ABI::V2, readable, writable, || {
        let denied = vec![Some(libc::EACCES); 8];
        for directory in [elsewhere, readable, &above, &writable.join("way")] {
            assert_eq!(describe(directory, "file"), denied, "{directory:?}");
            assert!(nix::unistd::truncate(&directory.join("file"), 0).is_err());
        }
        // A link is the script's own, and no more than the link.
        let link = describe(writable, "link");
        assert_eq!(link.iter().flatten().count(), 7, "{link:?}");
        // A file that can only be read, by a descriptor.
        let open = fs::File::open(readable.join("file")).unwrap();
        let set = open.set_permissions(fs::Permissions::from_mode(0o777));
        assert_eq!(set.unwrap_err().kind(), PermissionDenied);
        assert_eq!(
            open.set_modified(std::time::UNIX_EPOCH).unwrap_err().kind(),
            PermissionDenied
        );
        let missing = fs::set_permissions(elsewhere.join("none"), fs::Permissions::from_mode(0o777));
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    });
    assert_eq!(state(&elsewhere.join("file")), before);
}

#[test]
fn files_of_the_target_are_described_by_scripts() {
    let [readable, writable] = [directory(), directory()];
    let writable = writable.path();
    let file = writable.join("file");
    bound_by(ABI::V2, readable.path(), writable, || {
        assert_eq!(describe(writable, "file"), vec![None; 8]);
        let facts = fs::metadata(&file).unwrap();
        assert_eq!(facts.mode() & 0o7777, 0o606);
        assert_eq!((facts.atime(), facts.atime_nsec()), (1000, 7));
        assert_eq!((facts.mtime(), facts.mtime_nsec()), (1000, 8));
        let mut value = [0; 8];
        assert_eq!(rustix::fs::getxattr(&file, NAME, &mut value).unwrap(), 5);
        rustix::fs::removexattr(&file, NAME).unwrap();
        assert!(rustix::fs::getxattr(&file, NAME, &mut value).is_err());
        nix::unistd::truncate(&file, 2).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"te");
        let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
        open.set_modified(std::time::UNIX_EPOCH).unwrap();
        fs::remove_file(&file).unwrap();
        open.set_permissions(fs::Permissions::from_mode(0o400)).unwrap();
        let facts = open.metadata().unwrap();
        assert_eq!((facts.mode() & 0o7777, facts.mtime()), (0o400, 0));
        // Programs have their own ways to say it.
        let commands = "cd \"$1\"; : >new; chmod 640 new; chmod u+x new; touch -d @5 new; chgrp \"$(id -g)\" new; \
            cp -p new copy; mkdir -m 700 made; ln -s new link; touch -h -d @9 link; stat -c %a,%Y new copy made link";
        let shell = Command::new("sh")
            .args(["-ec", commands, "sh"])
            .arg(writable)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&shell.stdout).into_owned();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[..2], ["740,5", "740,5"], "{shell:?}");
        assert!(
            lines[2].starts_with("700,") && lines[3].ends_with(",9"),
            "{shell:?}"
        );
    });
}

#[test]
fn lists_of_paths_are_read() {
    let mut arguments = ["2", "/a", "/b", "0", "sh"].map(OsString::from).into_iter();
    assert_eq!(paths(&mut arguments).unwrap(), ["/a", "/b"]);
    assert!(paths(&mut arguments).unwrap().is_empty());
    assert_eq!(arguments.next().unwrap(), "sh");
    assert!(paths(&mut arguments).is_none());
    assert!(paths(&mut ["x"].map(OsString::from).into_iter()).is_none());
}

#[test]
fn descendants_are_ended() {
    let mut child = Command::new("sh")
        .args(["-c", "sleep 300 & sleep 300"])
        .spawn()
        .unwrap();
    let children = || {
        let id = child.id();
        fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default()
    };
    while children().split_whitespace().count() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    end_descendants(child.id());
    assert!(!child.wait().unwrap().success());
}
