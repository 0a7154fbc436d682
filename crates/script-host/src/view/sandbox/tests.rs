use super::*;
use std::fs;
use std::io::ErrorKind::PermissionDenied;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::unix::net::UnixStream;

/// Returns the result of `act` in a thread that is confined as a script is.
fn bound<T: Send>(readable: &Path, writable: &Path, act: impl FnOnce() -> T + Send) -> T {
    let start = || {
        confine(&[readable.into()], &[writable.into()]).unwrap();
        act()
    };
    std::thread::scope(|scope| scope.spawn(start).join().unwrap())
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
    bound(readable.path(), writable.path(), || {
        for socket in [
            UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)),
            UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)),
        ] {
            assert_eq!(socket.unwrap_err().kind(), PermissionDenied);
        }
        UnixStream::pair().unwrap();
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
