//! Packages that are not what they should be: each one error, nothing outside the target.

use super::scene::Scene;
use crate::control::check;
use crate::{DebError, DebFile, Expected};
use deb_testing::{Data, Deb, ar, compress, write};

fn error_of(data: Data) -> String {
    let scene = Scene::new();
    scene.put("existing/dir/x", "");
    let error = scene
        .unpack(&Deb::new("bad", data))
        .expect_err("a hostile package was accepted");
    assert!(!scene.directory.path().join("evil").exists());
    let text = error.to_string();
    assert!(text.contains("0.deb"), "{text} does not name the package file");
    text
}

#[test]
fn entries() {
    let long = format!("./{}", "n/".repeat(2100));
    let cases: Vec<(Data, &str)> = vec![
        (
            Data::default().file("../evil", "x"),
            "'../evil': its name leads out",
        ),
        (Data::default().file("./a/../../evil", "x"), "leads out"),
        (Data::default().file("/../evil", "x"), "leads out"),
        (Data::default().file("//a//../../evil", "x"), "leads out"),
        (Data::default().file("./a\nb", "x"), "line break"),
        (
            Data::default().file(&format!("./{}", "n".repeat(256)), "x"),
            "too long",
        ),
        (Data::default().file(&long, "x"), "longer than a path"),
        (Data::default().raw("./p", b'x', b"11 path=/a\n", |_| {}), "pax"),
        (Data::default().raw("./p", b'g', b"11 path=/a\n", |_| {}), "pax"),
        (Data::default().raw("./p", b'S', b"", |_| {}), "sparse"),
        (Data::default().raw("./p", b'7', b"", |_| {}), "type '7'"),
        (
            Data::default().raw("./p", b'5', b"data", |_| {}),
            "it has contents",
        ),
        (Data::default().link("./p", b'2', ""), "link text"),
        (
            Data::default().link("./p", b'1', "./existing/dir/x"),
            "no earlier file",
        ),
        (Data::default().link("./p", b'1', "../../etc/passwd"), "leads out"),
        (
            Data::default().file("./p", "1").dir("./p"),
            "'/p': it appears twice",
        ),
        (
            Data::default().dir("./p").file("./p/x", "1").file("./p", "2"),
            "'/p': it appears twice",
        ),
        (
            Data::default().link("./l", b'2', "/etc").file("./l/evil", "x"),
            "lead through this link",
        ),
        (
            Data::default().file("./l/evil", "x").link("./l", b'2', "../.."),
            "lead through this link",
        ),
        (
            Data::default().raw("./p", b'0', b"", |h| h.set_uid(1 << 40)),
            "out of range",
        ),
    ];
    for (data, expected) in cases {
        let text = error_of(data);
        assert!(text.contains(expected), "'{text}' does not say '{expected}'");
    }
}

#[test]
fn a_link_out_of_the_target_is_not_followed() {
    let scene = Scene::new();
    std::os::unix::fs::symlink("../../..", scene.root("out")).unwrap();
    std::fs::create_dir(scene.directory.path().join("victim")).unwrap();
    let error = scene
        .unpack(&Deb::new("bad", Data::default().file("./out/victim/evil", "x")))
        .unwrap_err();
    assert!(error.to_string().contains("out of the target"), "{error}");
    assert!(!scene.directory.path().join("victim/evil").exists());

    // An absolute link is one of the target's own and leads into it.
    std::os::unix::fs::symlink(scene.directory.path(), scene.root("absolute")).unwrap();
    std::fs::create_dir_all(scene.root(scene.directory.path().to_str().unwrap())).unwrap();
    scene
        .unpack(&Deb::new(
            "ok",
            Data::default()
                .dir("./absolute/victim/")
                .file("./absolute/victim/inside", "x"),
        ))
        .unwrap();
    assert!(!scene.directory.path().join("victim/inside").exists());
}

/// dpkg makes no directory that is not in the archive or in the target, and none of a file.
#[test]
fn directories_have_to_be_there() {
    let no_directory = "its directory is in no package";
    let cases = [
        (Data::default().file("./no/parent", "x"), no_directory),
        (Data::default().dir("./no/parent/"), no_directory),
        (Data::default().link("./no/parent", b'2', "x"), no_directory),
        (
            Data::default().file("./a", "x").file("./a/below", "y"),
            "'/a' is no directory",
        ),
        (
            Data::default()
                .dir("./r/")
                .link("./l", b'2', "r")
                .file("./l/below", "y"),
            "other entries lead through this link",
        ),
        (
            Data::default().file("./there/below", "y"),
            "'/there' is no directory",
        ),
    ];
    for (data, expected) in cases {
        let scene = Scene::new();
        scene.put("there", "a file of the target");
        let error = scene.unpack(&Deb::new("bad", data)).unwrap_err().to_string();
        assert!(error.contains(expected), "'{error}' does not say '{expected}'");
        assert_eq!(scene.text("/there"), "a file of the target");
    }
    let scene = Scene::new();
    scene.put("there/x", "in a directory of the target");
    let there = Data::default().file("./there/below", "y");
    scene.unpack(&Deb::new("good", there)).unwrap();
}

#[test]
fn expansion_without_end_stops() {
    let zeros = vec![0_u8; 100 << 20];
    for extension in [".gz", ".xz", ".bz2", ".lzma", ".zst"] {
        let mut deb = Deb::new("bomb", Data::default().raw("./zeros", b'0', &zeros, |_| {}));
        deb.extension = extension;
        let scene = Scene::new();
        let error = scene.unpack(&deb).unwrap_err();
        let DebError::TooLarge { limit, .. } = error else {
            panic!("{error}")
        };
        assert!(
            (64 << 20..100 << 20).contains(&limit),
            "the default rule gives {limit}"
        );
        assert!(!scene.root("zeros").exists(), "what was written is removed again");
    }
    let mut scene = Scene::new();
    scene.limit = Some(300 << 20);
    scene
        .unpack(&Deb::new(
            "large",
            Data::default().raw("./zeros", b'0', &zeros, |_| {}),
        ))
        .unwrap();
    assert_eq!(scene.root("zeros").metadata().unwrap().len(), 100 << 20);
}

#[test]
fn containers() {
    let deb = Deb::new("p", Data::default().file("./a", "x"));
    let control = compress(&deb.control_tar(), ".gz");
    let data = compress(&deb.data.clone().finish(), ".xz");
    let (version, control) = (("debian-binary", &b"2.0\n"[..]), ("control.tar.gz", &control[..]));
    let payload = ("data.tar.xz", &data[..]);
    let good = ar(&[version, control, payload]);
    let mut garbage = good.clone();
    garbage.extend_from_slice(b"trailing garbage that dpkg-deb does not look at");
    let accepted = [
        good.clone(),
        garbage,
        ar(&[version, ("_extra", b"ignored"), control, payload, ("later", b"x")]),
        ar(&[("debian-binary", b"2.7\nmore\n"), control, payload]),
    ];
    let scene = Scene::new();
    for bytes in accepted {
        let path = write(scene.directory.path(), "good.deb", &bytes);
        DebFile::open(&path).unwrap().control().unwrap();
    }
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "empty"),
        (b"<html>404".to_vec(), "no Debian package"),
        (good[..good.len() / 2].to_vec(), "truncated"),
        (good[..30].to_vec(), "no Debian package"),
        (ar(&[control, payload]), "debian-binary"),
        (
            ar(&[("debian-binary", b"3.0\n"), control, payload]),
            "'3.0', not 2.x",
        ),
        (ar(&[("debian-binary", b"2.0"), control, payload]), "no line"),
        (ar(&[version, payload, control]), "data.tar comes before"),
        (ar(&[version, control, control, payload]), "two control members"),
        (ar(&[version, control, payload, payload]), "two data members"),
        (ar(&[version, control]), "no data.tar"),
        (
            ar(&[version, ("evil", b"x"), control, payload]),
            "unexpected member evil",
        ),
        (
            ar(&[version, control, ("data.tar.lz4", b"x")]),
            "unknown compression",
        ),
        (
            ar(&[version, ("control.tar.bz2", b"x"), payload]),
            "control.tar.bz2 has a compression that dpkg takes for data.tar only",
        ),
        (ar(&[version, control, ("data.tar.xz", b"")]), "is empty"),
        (
            [b"!<arch>\n#1/9999999999999".as_slice(), &[b' '; 100]].concat(),
            "long name",
        ),
    ];
    for (bytes, expected) in cases {
        let path = write(scene.directory.path(), "bad.deb", &bytes);
        let error = DebFile::open(&path).expect_err(expected).to_string();
        assert!(
            error.contains(expected) && error.contains("bad.deb"),
            "'{error}' does not say '{expected}'"
        );
    }
}

#[test]
fn damaged_members() {
    let deb = Deb::new("p", Data::default().file("./a", &"some contents ".repeat(10_000)));
    for extension in ["", ".gz", ".xz", ".bz2", ".lzma", ".zst"] {
        let mut deb = deb.clone();
        deb.extension = extension;
        let control = compress(&deb.control_tar(), ".gz");
        let mut data = compress(&deb.data.clone().finish(), extension);
        let cut = data.len() / 2;
        data.truncate(cut);
        let name = format!("data.tar{extension}");
        let bytes = ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", &control),
            (&name, &data),
        ]);
        let scene = Scene::new();
        let path = write(scene.directory.path(), "cut.deb", &bytes);
        let error = scene
            .unpack_files(&[path], 1)
            .expect_err("a truncated member was accepted");
        assert!(error.to_string().contains("cut.deb"), "{error}");
        assert!(!scene.root("a").exists(), "half a file remains with {extension}");
    }
}

#[test]
fn control_members() {
    let scene = Scene::new();
    let cases = [
        (Data::default().file("./postinst", "x"), "no control file"),
        (Data::default().file("./sub/control", "x"), "at the top"),
        (
            Data::default().link("./control", b'2', "/etc/passwd"),
            "plain file",
        ),
    ];
    for (tar, expected) in cases {
        let control = compress(&tar.finish(), ".gz");
        let bytes = ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", &control),
            ("data.tar", &[0; 1024]),
        ]);
        let path = write(scene.directory.path(), "bad.deb", &bytes);
        let error = DebFile::open(&path)
            .unwrap()
            .control()
            .expect_err(expected)
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn another_package_than_promised() {
    let scene = Scene::new();
    let path = Deb::new("p", Data::default()).write(scene.directory.path(), "p.deb");
    let control = DebFile::open(&path).unwrap().control().unwrap();
    let expected = |name: &str, version: &str, architecture: &str| Expected {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: architecture.to_owned(),
    };
    check(&control, &expected("p", "1.0", "riscv64"), &path).unwrap();
    check(&control, &expected("p", "0:1.0", "riscv64"), &path).unwrap();
    for wrong in [
        expected("q", "1.0", "riscv64"),
        expected("p", "1.1", "riscv64"),
        expected("p", "1.0", "all"),
    ] {
        assert!(
            matches!(check(&control, &wrong, &path), Err(DebError::Mismatch { .. })),
            "{wrong:?}"
        );
    }
}
