//! A watch sees each access, with its process, before it is answered.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use rootless_install_fs::{
    Access, AccessKind, FileType, LookupResult, Parents, Phantom, PhantomKind, ServeOptions, Target, Watch,
};

use super::{Case, Inside, Outside, errno, meta};

pub(crate) fn all() -> Vec<Case> {
    vec![
        Case {
            name: "watch",
            prepare: watched,
            inside,
            step,
            after,
        },
        Case {
            name: "watch-changes",
            prepare: changes_watched,
            inside: changes,
            step,
            after: only_changes,
        },
    ]
}

/// Accesses seen since the last step, as text, each with the name of its process.
static SEEN: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
/// Accesses seen up to each step.
static STEPS: Mutex<Vec<Vec<(String, String)>>> = Mutex::new(Vec::new());

struct All;

impl Watch for All {
    fn seen(&self, access: &Access<'_>) {
        record(access);
    }
}

struct Changes;

impl Watch for Changes {
    fn seen(&self, access: &Access<'_>) {
        record(access);
    }

    fn sees_all(&self) -> bool {
        false
    }
}

fn record(access: &Access<'_>) {
    let path = access.path.display();
    let text = match access.kind {
        AccessKind::Lookup { found } => match found {
            LookupResult::Nothing => format!("lookup {path}: nothing"),
            LookupResult::Directory => format!("lookup {path}: directory"),
            LookupResult::Link(text) => format!("lookup {path}: link to {}", text.display()),
            LookupResult::Other => format!("lookup {path}: other"),
        },
        AccessKind::Open { write: false, .. } => format!("read {path}"),
        AccessKind::Open { .. } => format!("write {path}"),
        AccessKind::Rename { to } => format!("rename {path} {}", to.display()),
        AccessKind::Link { to } => format!("link {path} {}", to.display()),
        AccessKind::Attributes(what) => format!("{what:?} {path}"),
        kind => format!("{kind:?} {path}"),
    };
    // The process waits for the answer, so it is there.
    let command = fs::read(format!("/proc/{}/cmdline", access.pid)).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    SEEN.lock().unwrap().push((text, command.trim_end().to_owned()));
}

fn watched(target: &Target, _: &Path) -> ServeOptions {
    let dir = meta(FileType::Directory, 0o755, 0, 0);
    let file = meta(FileType::Regular, 0o644, 0, 0);
    target.make_dir(Path::new("etc"), &dir).unwrap();
    target.write(Path::new("etc/file"), b"x", &file).unwrap();
    target
        .make_symlink(
            Path::new("link"),
            Path::new("etc"),
            &meta(FileType::Symlink, 0o777, 0, 0),
        )
        .unwrap();
    ServeOptions {
        watch: Some(Arc::new(All)),
        phantoms: vec![Phantom {
            path: "/hidden/place".into(),
            kind: PhantomKind::Directory,
            parents: Parents::Shown,
        }],
        ..ServeOptions::default()
    }
}

fn changes_watched(target: &Target, dir: &Path) -> ServeOptions {
    ServeOptions {
        watch: Some(Arc::new(Changes)),
        ..watched(target, dir)
    }
}

fn step(_: &Outside, _: u8) {
    let seen = std::mem::take(&mut *SEEN.lock().unwrap());
    STEPS.lock().unwrap().push(seen);
}

fn inside(t: &Inside) {
    let at = |path: &str| t.at(path);
    t.step(0);
    for _ in 0..2 {
        // Again and again, and also what is not there.
        fs::metadata(at("etc/file")).unwrap();
        assert_eq!(errno(fs::metadata(at("etc/none"))), 2);
        t.step(1);
    }
    fs::read(at("link/file")).unwrap();
    t.step(2);
    fs::read_dir(at("etc")).unwrap().for_each(drop);
    fs::read_dir(at("etc")).unwrap().for_each(drop);
    t.step(3);
    fs::hard_link(at("etc/file"), at("etc/other")).unwrap();
    fs::read(at("etc/file")).unwrap();
    fs::read(at("etc/other")).unwrap();
    let flags = rustix::fs::OFlags::TMPFILE.bits().cast_signed();
    let nameless = fs::OpenOptions::new()
        .write(true)
        .custom_flags(flags)
        .open(at("etc"));
    let by_fd = format!("/proc/self/fd/{}", nameless.as_ref().unwrap().as_raw_fd());
    let follow = rustix::fs::AtFlags::SYMLINK_FOLLOW;
    rustix::fs::linkat(rustix::fs::CWD, by_fd, rustix::fs::CWD, at("etc/named"), follow).unwrap();
    fs::remove_file(at("etc/named")).unwrap();
    t.step(4);
    fs::write(at("new"), "x").unwrap();
    fs::create_dir(at("dir")).unwrap();
    symlink("a", at("dir/a")).unwrap();
    fs::rename(at("new"), at("dir/new")).unwrap();
    fs::set_permissions(at("dir/new"), fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(at("dir/new"), Some(3), None).unwrap();
    fs::write(at("dir/new"), "y").unwrap();
    fs::remove_file(at("dir/new")).unwrap();
    fs::remove_file(at("dir/a")).unwrap();
    fs::remove_dir(at("dir")).unwrap();
    t.step(5);
    fs::metadata(at("hidden/place")).unwrap();
    t.step(6);
    fs::copy("/bin/true", at("true")).unwrap();
    t.step(7);
    assert!(Command::new(at("true")).arg("told").status().unwrap().success());
    t.step(8);
    let file = at("etc/file");
    assert!(
        Command::new("/bin/cat")
            .arg(&file)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    t.step(9);
}

fn texts(step: &[(String, String)]) -> Vec<&str> {
    step.iter().map(|(text, _)| text.as_str()).collect()
}

fn after(t: &Outside) {
    let steps = std::mem::take(&mut *STEPS.lock().unwrap());
    let way = ["lookup /etc: directory", "lookup /etc/file: other"];
    let nothing = ["lookup /etc: directory", "lookup /etc/none: nothing"];
    for again in [&steps[1], &steps[2]] {
        assert_eq!(texts(again), [way, nothing].concat());
    }
    let through = [
        "lookup /link: link to etc",
        "ReadLink /link",
        way[0],
        way[1],
        "read /etc/file",
    ];
    assert_eq!(texts(&steps[3]), through);
    let lists = texts(&steps[4])
        .iter()
        .filter(|text| **text == "List /etc")
        .count();
    assert_eq!(lists, 2, "{:?}", steps[4]);
    let named = texts(&steps[5]);
    for part in [
        "link /etc/file /etc/other",
        "read /etc/file",
        "read /etc/other",
        "Create /etc/named",
    ] {
        assert!(named.contains(&part), "{named:?}");
    }
    let changes: Vec<&str> = texts(&steps[6])
        .into_iter()
        .filter(|text| !text.starts_with("lookup"))
        .collect();
    let expected = [
        "Create /new",
        "Create /dir",
        "Create /dir/a",
        "rename /new /dir/new",
        "Mode /dir/new",
        "Owner /dir/new",
        "write /dir/new",
        "Size /dir/new",
        "Remove /dir/new",
        "Remove /dir/a",
        "Remove /dir",
    ];
    let mut got = changes.clone();
    // The kernel empties the file before or after it opens it.
    if got.get(6) == Some(&"Size /dir/new") {
        got.swap(6, 7);
    }
    assert_eq!(got, expected);
    assert_eq!(
        texts(&steps[7]),
        ["lookup /hidden: directory", "lookup /hidden/place: directory"]
    );
    assert!(texts(&steps[9]).contains(&"Execute /true"), "{:?}", steps[9]);
    let cat = format!("/bin/cat {}", view(t).join("etc/file").display());
    let read = steps[10].iter().find(|(text, _)| text == "read /etc/file");
    assert_eq!(read.map(|(_, command)| command), Some(&cat));
}

fn view(t: &Outside) -> PathBuf {
    t.disk.with_file_name("view")
}

fn changes(t: &Inside) {
    for _ in 0..2 {
        fs::metadata(t.at("etc/file")).unwrap();
    }
    t.step(0);
    for _ in 0..2 {
        fs::metadata(t.at("etc/file")).unwrap();
        fs::write(t.at("etc/file"), "new").unwrap();
    }
    t.step(1);
}

fn only_changes(_: &Outside) {
    let steps = std::mem::take(&mut *STEPS.lock().unwrap());
    let seen = texts(&steps[1]);
    assert_eq!(
        seen.iter().filter(|text| **text == "write /etc/file").count(),
        2,
        "{seen:?}"
    );
    assert!(!seen.iter().any(|text| text.starts_with("lookup")), "{seen:?}");
}
