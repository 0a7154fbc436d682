//! What dpkg accepts though no package of Debian's has it. The results are those of dpkg 1.21.22.

use std::path::Path;

use rootless_install_fs::FileType;

use super::scene::Scene;
use crate::DebFile;
use deb_testing::{Data, Deb, ar, compress, write};

fn list(scene: &Scene, data: Data) -> Vec<String> {
    let unpacked = scene.unpack(&Deb::new("p", data)).unwrap();
    let shown = |path: &std::path::PathBuf| path.display().to_string();
    unpacked.list.iter().map(shown).collect()
}

#[test]
fn names_begin_at_the_root_of_the_target() {
    for names in [
        ["/", "/usr/", "/usr/a", "/usr/h", "/usr/a"],
        ["//", "//usr", "//usr//a", "/usr/./h", "./usr/a"],
        [".", "usr", "usr/a", "usr/h", "usr//a"],
    ] {
        let scene = Scene::new();
        let [root, usr, file, hard, to] = names;
        let data = Data::default()
            .dir(root)
            .dir(usr)
            .file(file, "x")
            .link(hard, b'1', to);
        assert_eq!(
            list(&scene, data),
            ["/.", "/usr", "/usr/a", "/usr/h"],
            "{names:?}"
        );
        assert_eq!(scene.text("/usr/h"), "x");
    }
    let scene = Scene::new();
    let evil = scene.directory.path().join("evil");
    std::fs::create_dir_all(scene.root(scene.directory.path().to_str().unwrap())).unwrap();
    let data = Data::default().file(evil.to_str().unwrap(), "x");
    list(&scene, data);
    assert!(!evil.exists() && scene.root(evil.to_str().unwrap()).is_file());
}

#[test]
fn the_last_one_of_a_path_stays() {
    let mode = |mode| move |header: &mut tar::Header| header.set_mode(mode);
    let scene = Scene::new();
    let data = Data::default()
        .file("./a", "one")
        .link("./h", b'1', "./a")
        .raw("./a", b'0', b"second", mode(0o600))
        .raw("./a", b'0', b"3", mode(0o640))
        .link("./i", b'1', "./a");
    assert_eq!(list(&scene, data), ["/.", "/a", "/h", "/a", "/a", "/i"][1..]);
    let texts = ["/a", "/h", "/i"].map(|path| scene.text(path));
    assert_eq!(texts, ["3", "one", "3"]);
    // Links are made last, wherever they stand.
    for data in [
        Data::default().link("./l", b'2', "b").file("./l", "x"),
        Data::default().file("./l", "x").link("./l", b'2', "b"),
        Data::default().link("./l", b'2', "a").link("./l", b'2', "b"),
    ] {
        let scene = Scene::new();
        list(&scene, data);
        let path = Path::new("/l");
        assert_eq!(scene.target.stat(path).unwrap().meta.kind, FileType::Symlink);
        assert_eq!(scene.target.read_link(path).unwrap(), Path::new("b"));
    }
    let scene = Scene::new();
    let deb = Deb::new(
        "p",
        Data::default()
            .dir("./etc")
            .file("./etc/c", "1")
            .file("./etc/c", "2"),
    );
    scene.unpack(&deb.with("conffiles", "/etc/c\n")).unwrap();
    assert_eq!(scene.text("/etc/c.dpkg-new"), "2");
    assert!(!scene.root("etc/c").exists());
}

/// The control member is extracted by tar, which knows more.
#[test]
fn control_members_as_tar_reads_them() {
    let text = "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: T\nDescription: x\n";
    let pax = b"28 mtime=1600000000.1234567\n";
    for tar in [
        Data::default().file("control", text),
        Data::default().file("/control", text),
        Data::default()
            .file("./control", "Package: q\n")
            .file("./control", text),
        Data::default()
            .raw("./x", b'x', pax, |_| {})
            .file("./control", text),
        Data::default()
            .raw("./x", b'g', pax, |_| {})
            .dir("./")
            .file("./control", text),
    ] {
        let control = compress(&tar.finish(), ".xz");
        let bytes = ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.xz", &control),
            ("data.tar", &[0; 1024]),
        ]);
        let scene = Scene::new();
        let path = write(scene.directory.path(), "p.deb", &bytes);
        let control = DebFile::open(&path).unwrap().control().unwrap();
        assert_eq!(
            (control.package().unwrap().name.as_str(), control.files.len()),
            ("p", 0)
        );
    }
}

#[test]
fn bytes_that_are_not_utf8_reach_the_database() {
    let mut scene = Scene::new();
    let text = b"Package: p\nVersion: 1\nArchitecture: riscv64\nMaintainer: Andr\xe9 <a@example.org>\n\
        Description: caf\xc3\xa9 and caf\xe9\n";
    let tar = Data::default().raw("./control", b'0', text, |_| {});
    let control = compress(&tar.finish(), ".gz");
    let bytes = ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &control),
        ("data.tar", &[0; 1024]),
    ]);
    let path = write(scene.directory.path(), "p.deb", &bytes);
    let unpacked = scene.unpack_files(&[path], 1).unwrap().remove(0);
    scene.database.begin_unpack(&unpacked.control).unwrap();
    let key = scene
        .database
        .finish_unpack(&scene.target, &unpacked.control, &unpacked.files)
        .unwrap();
    scene.database.save(&scene.target).unwrap();
    let status = || scene.target.read(Path::new("/var/lib/dpkg/status")).unwrap();
    let has = |part: &[u8]| status().windows(part.len()).any(|window| window == part);
    assert!(has(b"Maintainer: Andr\xe9 <a@example.org>\n") && has(b"Description: caf\xc3\xa9 and caf\xe9\n"));
    // And are read from there.
    let before = status();
    let mut again = dpkg_db::Database::load(&scene.target, "riscv64").unwrap();
    assert!(again.get(&key).is_some());
    again.save(&scene.target).unwrap();
    assert_eq!(status(), before);
}

#[test]
fn data_members_of_nothing() {
    let text = "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: T\nDescription: x\n";
    let control = compress(&Data::default().file("control", text).finish(), ".gz");
    for (name, accepted) in [
        ("data.tar", true),
        ("data.tar.gz", true),
        ("data.tar.xz", false),
        ("data.tar.bz2", false),
        ("data.tar.lzma", false),
    ] {
        let bytes = ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", &control),
            (name, b""),
        ]);
        let scene = Scene::new();
        let path = write(scene.directory.path(), "p.deb", &bytes);
        match scene.unpack_files(&[path], 1) {
            Ok(unpacked) => assert!(accepted && unpacked[0].files.list.is_empty(), "{name}"),
            Err(error) => assert!(!accepted, "{name}: {error}"),
        }
    }
}

#[test]
fn something_else_in_the_place_of_a_directory() {
    let scene = Scene::new();
    let data = Data::default()
        .dir("./")
        .dir("./o")
        .file("./o", "file")
        .dir("./q")
        .link("./q", b'2', "o")
        .link("./v", b'2', "w")
        .dir("./v");
    assert_eq!(list(&scene, data), ["/.", "/o", "/o", "/q", "/v", "/q", "/v"]);
    assert_eq!(scene.text("/o"), "file");
    let stat = |path: &str| scene.target.stat(Path::new(path)).unwrap().meta;
    assert_eq!((stat("/o").kind, stat("/o").mode), (FileType::Regular, 0o644));
    assert_eq!(
        (stat("/q").kind, stat("/v").kind),
        (FileType::Directory, FileType::Directory)
    );
    // What is not empty, and a directory after a file, dpkg cannot rename.
    for data in [
        Data::default().dir("./r").file("./r/x", "x").file("./r", "file"),
        Data::default().file("./p", "file").dir("./p"),
    ] {
        assert!(Scene::new().unpack(&Deb::new("p", data)).is_err());
    }
}
