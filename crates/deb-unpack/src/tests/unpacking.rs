//! dpkg's rules for what exists, owners, links, conffiles, diversions and overrides.

use std::path::{Path, PathBuf};

use rootless_install_fs::{FileType, Meta};

use super::scene::Scene;
use crate::{DebError, Layering};
use deb_testing::{Data, Deb, TIME};

fn paths(list: &[PathBuf]) -> Vec<&str> {
    list.iter().map(|path| path.to_str().unwrap()).collect()
}

#[test]
fn every_kind_of_entry_in_every_compression() {
    for extension in ["", ".gz", ".xz", ".bz2", ".lzma", ".zst"] {
        let scene = Scene::new();
        let data = Data::default()
            .dir("./")
            .raw("./tmp/", b'5', b"", |h| h.set_mode(0o1777))
            .link("./tmp/link", b'2', "file")
            .raw("./tmp/file", b'0', b"hello", |h| {
                h.set_mode(0o4755);
                h.set_uid(7);
                h.set_gid(8);
            })
            .raw("./tmp/hard", b'1', b"", |h| {
                h.set_link_name_literal("./tmp/file").unwrap();
                h.set_mode(0o4755);
                h.set_uid(7);
                h.set_gid(8);
            })
            .raw("./tmp/fifo", b'6', b"", |_| {})
            .raw("./tmp/null", b'3', b"", |h| {
                h.set_device_major(1).unwrap();
                h.set_device_minor(3).unwrap();
            });
        let mut deb = Deb::new("p", data);
        deb.extension = extension;
        let unpacked = scene.unpack(&deb).unwrap();
        // links come last, as in dpkg's list
        let expected = [
            "/.",
            "/tmp",
            "/tmp/file",
            "/tmp/hard",
            "/tmp/fifo",
            "/tmp/null",
            "/tmp/link",
        ];
        assert_eq!(paths(&unpacked.list), expected);
        let sums = String::from_utf8(unpacked.md5sums.unwrap()).unwrap();
        let sum = "5d41402abc4b2a76b9719d911017c592";
        assert_eq!(sums, format!("{sum}  tmp/file\n{sum}  tmp/hard\n"));
        let stat = |path: &str| scene.target.stat(Path::new(path)).unwrap();
        let file = stat("/tmp/file");
        assert_eq!(
            (file.meta.mode, file.meta.uid, file.meta.gid, file.nlink),
            (0o4755, 7, 8, 2)
        );
        assert_eq!(file.meta.mtime.sec, TIME as i64);
        assert_eq!(stat("/tmp/hard").ino, file.ino);
        assert_eq!(stat("/tmp").meta.mode, 0o1777);
        assert_eq!(
            stat("/tmp/null").meta.kind,
            FileType::CharDevice { major: 1, minor: 3 }
        );
        assert_eq!(stat("/tmp/fifo").meta.kind, FileType::Fifo);
        assert_eq!(stat("/tmp/link").meta.mtime.sec, TIME as i64);
        assert_eq!(scene.text("/tmp/link"), "hello");
    }
}

#[test]
fn long_names() {
    let scene = Scene::new();
    let name = format!("./{}/{}", "d".repeat(120), "f".repeat(200));
    let directory = format!("./{}/", "d".repeat(120));
    let data = Data::default().dir(&directory).file(&name, "x");
    let unpacked = scene.unpack(&Deb::new("p", data)).unwrap();
    assert_eq!(paths(&unpacked.list), [&directory[1..122], &name[1..]]);
    assert_eq!(scene.text(&name[1..]), "x");
}

#[test]
fn owners_by_name_overrides_and_diversions() {
    let scene = Scene::new();
    scene.put("etc/passwd", "root:x:0:0::/:\nman:x:6:12::/:\n");
    scene.put("etc/group", "root:x:0:\nman:x:12:\n");
    scene.put("var/lib/dpkg/statoverride", "man #99 2750 /bin/b\n");
    scene.put(
        "var/lib/dpkg/diversions",
        "/bin/c\n/bin/c.other\nq\n/bin/d\n/bin/d.mine\np\n",
    );
    let named = |h: &mut tar::Header| {
        h.set_username("man").unwrap();
        h.set_groupname("nobody-knows").unwrap();
        h.set_uid(500);
        h.set_gid(501);
    };
    let data = Data::default()
        .dir("./bin/")
        .raw("./bin/a", b'0', b"a", named)
        .raw("./bin/b", b'0', b"b", named)
        .file("./bin/c", "c")
        .file("./bin/d", "d");
    let unpacked = scene.unpack(&Deb::new("p", data)).unwrap();
    let meta = |path: &str| scene.target.stat(Path::new(path)).unwrap().meta;
    assert_eq!((meta("/bin/a").uid, meta("/bin/a").gid), (6, 501));
    assert_eq!(
        (meta("/bin/b").uid, meta("/bin/b").gid, meta("/bin/b").mode),
        (6, 99, 0o2750)
    );
    assert_eq!(
        (scene.text("/bin/c.other"), scene.text("/bin/d")),
        ("c".to_owned(), "d".to_owned())
    );
    assert!(!scene.root("bin/c").exists());
    assert!(
        paths(&unpacked.list).contains(&"/bin/c"),
        "lists have the contested name"
    );
    assert!(
        unpacked
            .used_paths()
            .any(|path| path == Path::new("/bin/c.other")),
        "triggers the used one"
    );
    let error = scene
        .unpack(&Deb::new("x", Data::default().file("./bin/c.other", "x")))
        .unwrap_err();
    assert!(
        error.to_string().contains("diverted version of '/bin/c'"),
        "{error}"
    );
}

#[test]
fn what_exists() {
    let scene = Scene::new();
    scene.put("usr/lib/old", "old");
    scene.put("dir/x", "");
    scene.put("plain", "was a file");
    std::os::unix::fs::symlink("usr/lib", scene.root("lib")).unwrap();
    std::os::unix::fs::symlink("nowhere", scene.root("dangling")).unwrap();
    let data = Data::default()
        .dir("./lib/")
        .file("./lib/new", "through the link")
        .link("./dir", b'2', "usr")
        .file("./usr/lib/old", "replaced")
        .dir("./plain/")
        .file("./dangling", "a file now");
    scene.unpack(&Deb::new("p", data)).unwrap();
    assert_eq!(scene.text("/usr/lib/new"), "through the link");
    assert!(
        scene.root("lib").is_symlink(),
        "a link to a directory is kept for a directory"
    );
    assert!(
        scene.root("dir").is_dir() && !scene.root("dir").is_symlink(),
        "a link never replaces a directory"
    );
    assert_eq!(scene.text("/usr/lib/old"), "replaced");
    assert!(scene.root("plain").is_dir());
    assert!(!scene.root("dangling").is_symlink());
    assert!(!scene.root("usr/lib/old.dpkg-new").exists());
}

#[test]
fn conffiles_wait() {
    let mut scene = Scene::new();
    scene.put("etc/real", "edited");
    std::os::unix::fs::symlink("/etc/real", scene.root("etc/b")).unwrap();
    let data = Data::default()
        .file("./etc/a", "a")
        .file("./etc/b", "b")
        .link("./etc/a2", b'1', "./etc/a");
    let deb = Deb::new("p", data).with("conffiles", "/etc/a\n/etc/b\nremove-on-upgrade /etc/gone\n");
    let key = scene.install(&deb);
    assert_eq!(scene.text("/etc/a.dpkg-new"), "a");
    assert_eq!(
        scene.text("/etc/real.dpkg-new"),
        "b",
        "a conffile's link is followed"
    );
    assert_eq!(
        scene.text("/etc/a2"),
        "a",
        "hard links find a conffile where it is"
    );
    assert!(!scene.root("etc/a").exists());
    let stanza = scene.database.stanza(scene.database.get(&key).unwrap());
    let lines = " /etc/a newconffile\n /etc/b newconffile\n /etc/gone newconffile remove-on-upgrade\n";
    assert!(stanza.contains(lines), "{stanza}");
}

/// The words with which a package is refused.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, DebError>) -> String {
    match result {
        Err(DebError::Refused { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn contested_paths() {
    let mut scene = Scene::new();
    scene.install(&Deb::new(
        "old",
        Data::default()
            .dir("./bin/")
            .file("./bin/x", "old")
            .file("./bin/y", "old"),
    ));
    let data = Data::default().dir("./bin/").file("./bin/x", "new");
    let error = scene.unpack(&Deb::new("new", data.clone())).unwrap_err();
    assert_eq!(
        refused::<()>(Err(error)),
        "trying to overwrite '/bin/x', which is also in package old (1.0)"
    );
    assert_eq!(scene.text("/bin/x"), "old");
    let too_old = Deb::new("new", data.clone()).field("Replaces: old (<< 1.0)");
    refused(scene.unpack(&too_old));

    scene.install(&Deb::new("new", data).field("Replaces: old (<< 2)"));
    assert_eq!(scene.text("/bin/x"), "new");
    assert_eq!(scene.text("/var/lib/dpkg/info/old.list"), "/bin\n/bin/y\n");

    // Who diverts a path shares it with nobody; anybody else contests it as ever.
    scene.put("var/lib/dpkg/diversions", "/bin/y\n/bin/y.old2\nold\n");
    let diverted = Deb::new("old2", Data::default().file("./bin/y", "another"));
    scene.install(&diverted);
    assert_eq!(
        (scene.text("/bin/y"), scene.text("/bin/y.old2")),
        ("old".to_owned(), "another".to_owned())
    );
    let third = Deb::new("third", Data::default().file("./bin/y", "3"));
    assert!(refused(scene.unpack(&third)).contains("package old2 "));

    let back = Deb::new("old3", Data::default().file("./bin/x", "late"));
    assert!(scene.unpack(&back).is_err());
    scene.install(&Deb::new("greedy", Data::default().file("./bin/z", "1")).field("Replaces: late"));
    let late = scene
        .unpack(&Deb::new("late", Data::default().file("./bin/z", "2")))
        .unwrap();
    assert_eq!(
        (scene.text("/bin/z"), late.list.len(), late.kept.len()),
        ("1".to_owned(), 0, 1)
    );
}

#[test]
fn directories() {
    let old = |h: &mut tar::Header| h.set_mtime(1000);
    let later = |h: &mut tar::Header| {
        h.set_mtime(2000);
        h.set_mode(0o700);
    };
    let first = Data::default()
        .raw("./empty/", b'5', b"", old)
        .raw("./dirs/", b'5', b"", old)
        .raw("./dirs/sub/", b'5', b"", old)
        .raw("./files/", b'5', b"", old)
        .file("./files/x", "x");
    let second = Data::default()
        .raw("./empty/", b'5', b"", later)
        .raw("./dirs/", b'5', b"", later);
    let debs = [Deb::new("a", first), Deb::new("b", second)];
    for (layering, empty, dirs) in [
        (Layering::Dpkg, Some((1000, 0o755)), None),
        (Layering::TarThenDpkg, Some((2000, 0o700)), Some((2000, 0o700))),
    ] {
        let mut scene = Scene::new();
        scene.layering = layering;
        scene.unpack_all(&debs, 1).unwrap();
        let of = |path: &str| {
            let meta = scene.target.stat(Path::new(path)).unwrap().meta;
            (meta.mtime.sec < 5000).then_some((meta.mtime.sec, meta.mode))
        };
        assert_eq!(
            (of("/empty"), of("/dirs"), of("/files")),
            (empty, dirs, None),
            "{layering:?}"
        );
        assert_eq!(of("/dirs/sub"), Some((1000, 0o755)));
    }
}

#[test]
fn a_link_takes_the_place_of_an_empty_directory_as_tar_has_it() {
    let deb = Deb::new("a", Data::default().link("./bin", b'2', "usr/bin"));
    for (layering, kind) in [
        (Layering::Dpkg, FileType::Directory),
        (Layering::TarThenDpkg, FileType::Symlink),
        (Layering::Tar, FileType::Symlink),
    ] {
        let mut scene = Scene::new();
        scene.layering = layering;
        let meta = Meta::of_root(FileType::Directory, 0o755);
        scene.target.make_dir(Path::new("/bin"), &meta).unwrap();
        // dpkg finds a conflict where the directory is nobody's.
        let _ = scene.unpack_all(std::slice::from_ref(&deb), 1);
        let found = scene.target.stat(Path::new("/bin")).unwrap().meta.kind;
        assert_eq!(found, kind, "{layering:?}");
    }
}
