//! [`Target`] against a plain directory, and against those who want out of it.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rootless_install_fs::{Error, FileType, Meta, Target, Timestamp};

fn meta(kind: FileType, mode: u32, uid: u32, gid: u32) -> Meta {
    Meta {
        kind,
        mode,
        uid,
        gid,
        mtime: Timestamp {
            sec: 1_500_000_000,
            nsec: 123_456_789,
        },
    }
}

fn file(mode: u32) -> Meta {
    meta(FileType::Regular, mode, 0, 0)
}

fn target() -> (tempfile::TempDir, Target) {
    let tmp = tempfile::tempdir().unwrap();
    fs::create_dir(tmp.path().join("target")).unwrap();
    let target = Target::open(&tmp.path().join("target")).unwrap();
    (tmp, target)
}

fn p(path: &str) -> &Path {
    Path::new(path)
}

#[test]
fn every_type_is_seen_as_it_was_made() {
    let (tmp, target) = target();
    let kinds = [
        FileType::Regular,
        FileType::Directory,
        FileType::Symlink,
        FileType::Fifo,
        FileType::Socket,
        FileType::CharDevice { major: 5, minor: 1 },
        FileType::BlockDevice {
            major: 259,
            minor: 70000,
        },
    ];
    for (i, kind) in kinds.into_iter().enumerate() {
        for (uid, gid) in [(0, 0), (0, 42), (65534, 65534)] {
            for mode in [0o644, 0o755, 0o4711, 0o1777, 0o000, 0o640] {
                let name = format!("{i}-{uid}-{gid}-{mode:o}");
                let mode = if kind == FileType::Symlink { 0o777 } else { mode };
                let want = meta(kind, mode, uid, gid);
                let path = p(&name);
                if target.stat(path).is_ok() {
                    continue;
                }
                match kind {
                    FileType::Regular => {
                        let mut new = target.create(path, &want).unwrap();
                        new.write_all(b"hello").unwrap();
                        new.finish().unwrap();
                    }
                    FileType::Directory => target.make_dir(path, &want).unwrap(),
                    FileType::Symlink => target.make_symlink(path, p("to/it"), &want).unwrap(),
                    _ => target.make_node(path, &want).unwrap(),
                }
                let stat = target.stat(path).unwrap();
                assert_eq!(stat.meta, want, "{name}");
                let size = match kind {
                    FileType::Regular | FileType::Symlink => 5,
                    _ => stat.size,
                };
                assert_eq!(stat.size, size, "{name}");
                if kind == FileType::Symlink {
                    assert_eq!(target.read_link(path).unwrap(), p("to/it"));
                }
                let disk = fs::symlink_metadata(tmp.path().join("target").join(&name)).unwrap();
                assert!(disk.is_file() || disk.is_dir() || disk.is_symlink());
                assert!(
                    disk.is_symlink() || disk.mode() & 0o7022 == 0,
                    "{name}: {:o}",
                    disk.mode()
                );
                assert!(disk.mode() & 0o600 == 0o600);

                let other = Meta {
                    kind,
                    mode,
                    uid: 7,
                    gid: 8,
                    mtime: Timestamp { sec: -9, nsec: 1 },
                };
                target.set_meta(path, &other).unwrap();
                assert_eq!(target.stat(path).unwrap().meta, other, "{name}");
                target.set_meta(path, &want).unwrap();
                assert_eq!(target.stat(path).unwrap().meta, want, "{name}");
            }
        }
    }
    fs::remove_dir_all(tmp.path().join("target")).unwrap();
}

#[test]
fn no_path_leads_outside() {
    let (tmp, target) = target();
    let outside = tmp.path().join("secret");
    fs::write(&outside, "secret").unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o644)).unwrap();
    let dir = meta(FileType::Directory, 0o755, 0, 0);
    target.make_dir(p("etc"), &dir).unwrap();
    target.make_dir(p("usr"), &dir).unwrap();
    target.write(p("etc/passwd"), b"ours", &file(0o644)).unwrap();
    for owner in [0, 9] {
        let link = |name: String, text: &str| {
            target
                .make_symlink(p(&name), p(text), &meta(FileType::Symlink, 0o777, owner, 0))
                .unwrap();
        };
        link(format!("absolute{owner}"), "/etc");
        link(format!("up{owner}"), "../../../../etc");
        link(format!("usr/up{owner}"), "../etc/../etc");
        link(format!("secret{owner}"), "../secret");
        link(format!("self{owner}"), &format!("self{owner}"));
        link(
            format!("chain{owner}"),
            &format!("usr/up{owner}/../absolute{owner}"),
        );
        for path in ["absolute", "up", "usr/up", "chain"] {
            let path = format!("{path}{owner}/passwd");
            assert_eq!(target.read(p(&path)).unwrap(), b"ours", "{path}");
        }
        assert!(
            target
                .read(p(&format!("secret{owner}")))
                .unwrap_err()
                .is_not_found()
        );
        assert!(target.stat(p(&format!("self{owner}/x"))).is_err());
        assert!(target.stat_follow(p(&format!("self{owner}"))).is_err());
        // A link is replaced, never written through.
        target
            .write(p(&format!("secret{owner}")), b"new", &file(0o600))
            .unwrap();
        assert_eq!(
            target.stat(p(&format!("secret{owner}"))).unwrap().meta.kind,
            FileType::Regular
        );
    }
    for path in [
        "../secret",
        "/../../secret",
        "etc/../../secret",
        "usr/../../../secret",
    ] {
        assert!(target.read(p(path)).unwrap_err().is_not_found(), "{path}");
        target.write(p(path), b"inside", &file(0o644)).unwrap();
        assert_eq!(target.read(p("secret")).unwrap(), b"inside");
        target.remove(p("secret")).unwrap();
    }
    assert_eq!(fs::read(&outside).unwrap(), b"secret");
    // Links that lead out for the machine, put there by something else.
    symlink("/", tmp.path().join("target/root")).unwrap();
    symlink(&outside, tmp.path().join("target/out")).unwrap();
    assert_eq!(target.read(p("root/etc/passwd")).unwrap(), b"ours");
    assert!(target.read(p("out")).unwrap_err().is_not_found());
    target.set_mode(p("out"), 0o600).unwrap();
    target.set_owner(p("out"), 5, 5).unwrap();
    assert_eq!(fs::metadata(&outside).unwrap().mode(), 0o100_644);
    assert_eq!(target.stat(p("out")).unwrap().meta.uid, 5);
    assert_eq!(fs::read(&outside).unwrap(), b"secret");
    assert!(matches!(
        target.open_file(p("root")),
        Err(Error::WrongType { .. })
    ));
}

#[test]
fn files_are_complete_or_not_there() {
    let (tmp, target) = target();
    let mut new = target.create(p("a"), &file(0o644)).unwrap();
    new.write_all(b"half").unwrap();
    drop(new);
    assert!(target.stat(p("a")).unwrap_err().is_not_found());
    target.write(p("a"), b"one", &file(0o644)).unwrap();
    assert!(
        target
            .create(p("a"), &file(0o644))
            .unwrap_err()
            .is_already_exists()
    );
    target
        .write(p("a"), b"two", &meta(FileType::Regular, 0o4755, 1, 2))
        .unwrap();
    assert_eq!(target.read(p("a")).unwrap(), b"two");
    target
        .make_dir(p("d"), &meta(FileType::Directory, 0o755, 0, 0))
        .unwrap();
    let error = target.write(p("d"), b"x", &file(0o644)).unwrap_err();
    assert_eq!(error.io_kind(), Some(ErrorKind::IsADirectory));
    assert_eq!(target.read_dir(p("")).unwrap(), ["a", "d"]);
    assert!(
        target
            .write(p("none/x"), b"", &file(0o644))
            .unwrap_err()
            .is_not_found()
    );
    assert!(
        target
            .write(p("a/x"), b"", &file(0o644))
            .unwrap_err()
            .is_not_found()
    );
    for wrong in [
        target.write(p("x"), b"", &meta(FileType::Fifo, 0, 0, 0)),
        target.make_node(p("x"), &file(0)),
    ] {
        assert!(matches!(wrong, Err(Error::WrongType { .. })));
    }
    assert!(target.write(p("a\0b"), b"", &file(0o644)).is_err());
    assert!(target.remove(p("/")).is_err() && target.remove_dir(p("")).is_err());
    assert!(tmp.path().join("target").is_dir());
}

#[test]
fn attributes_and_damage() {
    let (tmp, target) = target();
    target.write(p("f"), b"x", &file(0o644)).unwrap();
    let name = std::ffi::OsStr::new("security.capability");
    target.set_xattr(p("f"), name, b"caps").unwrap();
    target.set_xattr(p("f"), "user.x".as_ref(), b"").unwrap();
    let names: Vec<_> = target.xattrs(p("f")).unwrap();
    assert_eq!(
        names,
        [(name.into(), b"caps".to_vec()), ("user.x".into(), vec![])]
    );
    target.link(p("f"), p("g")).unwrap();
    target.set_owner(p("g"), 3, 4).unwrap();
    let (f, g) = (target.stat(p("f")).unwrap(), target.stat(p("g")).unwrap());
    assert_eq!(f, g);
    assert_eq!((f.meta.uid, f.nlink), (3, 2));
    target.remove_xattr(p("g"), name).unwrap();
    assert_eq!(target.xattrs(p("f")).unwrap().len(), 1);
    assert!(target.remove_xattr(p("g"), name).is_err());
    assert!(
        target
            .set_xattr(p("f"), "system.posix_acl_access".as_ref(), b"x")
            .is_err()
    );

    let disk = tmp.path().join("target/f");
    for damage in [&b"nonsense"[..], b"0:0:0755:dir", &[b'1'; 500]] {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&disk, "user.containers.override_stat", damage, flags).unwrap();
        let error = target.stat(p("f")).unwrap_err();
        assert!(matches!(error, Error::DamagedOverride { .. }), "{error}");
        assert!(matches!(target.read(p("f")), Err(Error::DamagedOverride { .. })));
    }
}

#[test]
fn what_cannot_be_a_target() {
    let none = Target::open(p("/nonexistent/target")).unwrap_err();
    assert!(none.is_not_found());
    // proc has no user attributes.
    let error = Target::open(p("/proc")).unwrap_err();
    assert!(!error.to_string().is_empty());
}

#[test]
fn what_cannot_be_served() {
    use rootless_install_fs::{Parents, Phantom, PhantomKind, ServeOptions, serve};
    let (_tmp, target) = target();
    let null = || fs::File::open("/dev/null").unwrap().into();
    let error = serve(&target, null(), ServeOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Serve { .. }), "{error}");
    let phantom = Phantom {
        path: "not/absolute".into(),
        kind: PhantomKind::Directory,
        parents: Parents::Shown,
    };
    let options = ServeOptions {
        phantoms: vec![phantom],
        ..ServeOptions::default()
    };
    assert!(matches!(
        serve(&target, null(), options),
        Err(Error::Phantom { .. })
    ));
    // A target that could not be served is still one.
    target
        .make_dir(p("d"), &meta(FileType::Directory, 0o755, 0, 0))
        .unwrap();
}

#[test]
fn many_threads() {
    let (_tmp, target) = target();
    for dir in ["a", "b", "c"] {
        target
            .make_dir(p(dir), &meta(FileType::Directory, 0o755, 0, 0))
            .unwrap();
    }
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let target = target.clone();
            scope.spawn(move || {
                for i in 0..200 {
                    let dir = ["a", "b", "c"][i % 3];
                    let path = format!("{dir}/{thread}-{i}");
                    target
                        .write(p(&path), path.as_bytes(), &meta(FileType::Regular, 0o640, 1, 1))
                        .unwrap();
                    target
                        .rename(p(&path), p(&format!("a/done-{thread}-{i}")))
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(target.read_dir(p("a")).unwrap().len(), 800);
}

/// One operation, on paths of few names so that they meet.
#[derive(Debug, Clone)]
enum Op {
    Write(String, usize, u32, u32),
    MakeDir(String, u32),
    Symlink(String, String, u32),
    Link(String, String),
    Rename(String, String),
    Remove(String),
    RemoveDir(String),
    Owner(String, u32),
    Mode(String, u32),
    Read(String),
}

fn op() -> impl Strategy<Value = Op> {
    let path = || proptest::collection::vec("[a-d]", 1..4).prop_map(|names| names.join("/"));
    let id = || prop_oneof![Just(0u32), 1..70000u32];
    prop_oneof![
        3 => (path(), 0..3000usize, 0..=0o7777u32, id()).prop_map(|(p, n, m, u)| Op::Write(p, n, m, u)),
        3 => (path(), 0..=0o7777u32).prop_map(|(p, m)| Op::MakeDir(p, m)),
        2 => (path(), path(), id()).prop_map(|(p, t, u)| Op::Symlink(p, t, u)),
        1 => (path(), path()).prop_map(|(a, b)| Op::Link(a, b)),
        2 => (path(), path()).prop_map(|(a, b)| Op::Rename(a, b)),
        1 => path().prop_map(Op::Remove),
        1 => path().prop_map(Op::RemoveDir),
        2 => (path(), id()).prop_map(|(p, u)| Op::Owner(p, u)),
        1 => (path(), 0..=0o7777u32).prop_map(|(p, m)| Op::Mode(p, m)),
        1 => path().prop_map(Op::Read),
    ]
}

/// A plain directory, with owners and modes beside it by inode number.
struct Model {
    root: PathBuf,
    seen: HashMap<u64, (u32, u32)>,
}

impl Model {
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn note(&mut self, path: &Path, uid: Option<u32>, mode: Option<u32>) {
        let stat = fs::symlink_metadata(path).unwrap();
        let mode = if stat.is_symlink() { Some(0o777) } else { mode };
        let seen = self.seen.entry(stat.ino()).or_insert((0, 0));
        *seen = (uid.unwrap_or(seen.0), mode.unwrap_or(seen.1));
    }

    fn apply(&mut self, op: &Op) -> std::io::Result<Vec<u8>> {
        let nothing = Ok(Vec::new());
        match op {
            Op::Write(path, size, mode, uid) => {
                let path = self.at(path);
                let temporary = path.with_file_name("temporary");
                fs::write(&temporary, vec![b'x'; *size])?;
                if let Err(e) = fs::rename(&temporary, &path) {
                    fs::remove_file(&temporary).unwrap();
                    return Err(e);
                }
                self.note(&path, Some(*uid), Some(*mode));
            }
            Op::MakeDir(path, mode) => {
                fs::create_dir(self.at(path))?;
                self.note(&self.at(path), Some(0), Some(*mode));
            }
            Op::Symlink(path, text, uid) => {
                symlink(text, self.at(path))?;
                self.note(&self.at(path), Some(*uid), None);
            }
            Op::Link(from, to) => fs::hard_link(self.at(from), self.at(to))?,
            Op::Rename(from, to) => fs::rename(self.at(from), self.at(to))?,
            Op::Remove(path) => fs::remove_file(self.at(path))?,
            Op::RemoveDir(path) => fs::remove_dir(self.at(path))?,
            Op::Owner(path, uid) => {
                fs::symlink_metadata(self.at(path))?;
                self.note(&self.at(path), Some(*uid), None);
            }
            Op::Mode(path, mode) => {
                fs::symlink_metadata(self.at(path))?;
                self.note(&self.at(path), None, Some(*mode));
            }
            Op::Read(path) => return fs::read(self.at(path)),
        }
        nothing
    }
}

fn apply(target: &Target, op: &Op) -> Result<Vec<u8>, Error> {
    match op {
        Op::Write(path, size, mode, uid) => {
            target.write(
                p(path),
                &vec![b'x'; *size],
                &meta(FileType::Regular, *mode, *uid, 0),
            )?;
        }
        Op::MakeDir(path, mode) => target.make_dir(p(path), &meta(FileType::Directory, *mode, 0, 0))?,
        Op::Symlink(path, text, uid) => {
            target.make_symlink(p(path), p(text), &meta(FileType::Symlink, 0o777, *uid, 0))?;
        }
        Op::Link(from, to) => target.link(p(from), p(to))?,
        Op::Rename(from, to) => target.rename(p(from), p(to))?,
        Op::Remove(path) => target.remove(p(path))?,
        Op::RemoveDir(path) => target.remove_dir(p(path))?,
        Op::Owner(path, uid) => target.set_owner(p(path), *uid, 0)?,
        Op::Mode(path, mode) => target.set_mode(p(path), *mode)?,
        Op::Read(path) => return target.read(p(path)),
    }
    Ok(Vec::new())
}

fn compare(target: &Target, model: &Model, dir: &str) {
    let mut names: Vec<_> = fs::read_dir(model.at(dir))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort_unstable();
    assert_eq!(target.read_dir(p(dir)).unwrap(), names, "in {dir:?}");
    for name in names {
        let path = format!("{dir}/{}", name.to_str().unwrap());
        let path = path.trim_start_matches('/');
        let plain = fs::symlink_metadata(model.at(path)).unwrap();
        let stat = target.stat(p(path)).unwrap();
        let seen = (stat.meta.uid, stat.meta.mode);
        assert_eq!(
            Some(&seen),
            model.seen.get(&plain.ino()),
            "owner and mode of {path}"
        );
        if plain.is_dir() {
            compare(target, model, path);
        } else {
            assert_eq!(u64::from(stat.nlink), plain.nlink(), "links of {path}");
            assert_eq!(stat.size, plain.len(), "size of {path}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn does_what_a_plain_directory_does(ops in proptest::collection::vec(op(), 1..80)) {
        let (tmp, target) = target();
        let root = tmp.path().join("plain");
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
        let mut model = Model { root, seen: HashMap::new() };
        for op in &ops {
            // A hard link to a link that is given away is one name of two (see the encoding).
            if let Op::Link(from, _) = op && model.at(from).is_symlink() {
                continue;
            }
            let (ours, theirs) = (apply(&target, op), model.apply(op));
            match (&ours, &theirs) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
                (Err(Error::WrongType { .. }), Err(_)) => {}
                // With two paths, which of two errors comes first is nobody's promise.
                (Err(_), Err(_)) if matches!(op, Op::Link(..) | Op::Rename(..)) => {}
                (Err(ours), Err(theirs)) => {
                    prop_assert_eq!(ours.io_kind(), Some(theirs.kind()), "{:?}", op);
                }
                _ => prop_assert!(false, "{op:?}: {ours:?}, but {theirs:?}"),
            }
        }
        compare(&target, &model, "");
    }
}

#[test]
fn a_directory_elsewhere() {
    let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let target = Target::open_with(root.path(), Path::new("/var/lib/dpkg"), other.path()).unwrap();
    let directory = Meta::of_root(FileType::Directory, 0o755);
    let file = Meta::of_root(FileType::Regular, 0o644);
    target
        .make_dir(Path::new("/var/lib/dpkg/info"), &directory)
        .unwrap();
    target
        .write(Path::new("var/lib//dpkg/info/x.list"), b"/.\n", &file)
        .unwrap();
    target
        .rename(Path::new("/var/lib/dpkg/info"), Path::new("/var/lib/dpkg/old"))
        .unwrap();
    assert_eq!(
        target.read(Path::new("/var/lib/dpkg/old/x.list")).unwrap(),
        b"/.\n"
    );
    assert_eq!(target.read_dir(Path::new("/var/lib/dpkg")).unwrap(), ["old"]);
    assert_eq!(std::fs::read(other.path().join("old/x.list")).unwrap(), b"/.\n");
    assert!(target.stat(Path::new("/var/lib/dpkg")).is_ok() && target.stat(Path::new("/var")).is_err());
    // A name that only begins like it, and the way back, are in the root.
    target.write(Path::new("/a"), b"x", &file).unwrap();
    assert!(root.path().join("a").exists() && target.stat(Path::new("/var/lib/dpkg-x")).is_err());
    assert!(target.read(Path::new("/var/lib/dpkg/../../../../a")).is_err());
}
