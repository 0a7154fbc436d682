//! Conffiles of unpacked packages at configuring.

use std::path::Path;

use deb_testing::{Data, Deb};
use deb_types::PackageKey;
use dpkg_db::{Diversions, NEW_CONFFILE, Status};

use super::scene::Scene;

const MD5_A: &str = "0cc175b9c0f1b6a831c399e269772661";

fn scene(contents: &str) -> (Scene, PackageKey) {
    let mut scene = Scene::new();
    let data = Data::default()
        .dir("./etc/")
        .raw("./etc/a", b'0', contents.as_bytes(), |h| h.set_mode(0o640));
    let deb = Deb::new("p", data).with("conffiles", "/etc/a\n");
    let key = scene.install(&deb.with("triggers", "interest-noawait /etc\n"));
    (scene, key)
}

fn configure(scene: &mut Scene, key: &PackageKey) -> Result<String, String> {
    let diversions = Diversions::load(&scene.target).unwrap();
    let target = scene.target.clone();
    scene
        .database
        .install_conffiles(&target, key, &diversions)
        .map_err(|error| error.to_string())?;
    let hash = scene.database.get(key).unwrap().conffiles[0].hash.clone();
    assert!(
        !scene.root("etc/a.dpkg-new").exists(),
        "the new version is left over"
    );
    Ok(hash)
}

#[test]
fn a_new_one_takes_its_place() {
    let (mut scene, key) = scene("a");
    assert_eq!(scene.database.get(&key).unwrap().conffiles[0].hash, NEW_CONFFILE);
    assert_eq!(configure(&mut scene, &key).unwrap(), MD5_A);
    assert_eq!(scene.text("/etc/a"), "a");
    let meta = scene.target.stat(Path::new("/etc/a")).unwrap().meta;
    assert_eq!((meta.mode, meta.mtime.sec), (0o640, 1_000_000));
    // Again: nothing to do, nothing forgotten.
    assert_eq!(configure(&mut scene, &key).unwrap(), MD5_A);
}

#[test]
fn the_same_contents_stay_and_others_are_an_error() {
    let (mut scene, key) = scene("a");
    scene.put("etc/a", "a");
    assert_eq!(configure(&mut scene, &key).unwrap(), MD5_A);
    assert_eq!(
        scene.target.stat(Path::new("/etc/a")).unwrap().meta.mode,
        0o644,
        "the file there is kept"
    );

    let (mut scene, key) = self::scene("a");
    scene.put("etc/a", "edited");
    let error = configure(&mut scene, &key).unwrap_err();
    assert!(error.contains("/etc/a") && error.contains("package p"), "{error}");
    assert_eq!(scene.text("/etc/a"), "edited");
}

#[test]
fn a_new_version() {
    for (on_disk, expected) in [(Some("a"), Ok("new")), (Some("edited"), Err(())), (None, Err(()))] {
        let (mut scene, key) = scene("new");
        scene
            .database
            .update(&key, |p| p.conffiles[0].hash = MD5_A.to_owned())
            .unwrap();
        if let Some(contents) = on_disk {
            scene.put("etc/a", contents);
        }
        let result = configure(&mut scene, &key);
        match expected {
            Ok(contents) => {
                result.unwrap();
                assert_eq!(scene.text("/etc/a"), contents);
            }
            Err(()) => assert!(result.is_err(), "{on_disk:?}"),
        }
    }
    // Not changed by the package: what the administrator did stays.
    for on_disk in [Some("edited"), None] {
        let (mut scene, key) = scene("a");
        scene
            .database
            .update(&key, |p| p.conffiles[0].hash = MD5_A.to_owned())
            .unwrap();
        if let Some(contents) = on_disk {
            scene.put("etc/a", contents);
        }
        assert_eq!(configure(&mut scene, &key).unwrap(), MD5_A);
        assert_eq!(scene.root("etc/a").exists(), on_disk.is_some());
    }
}

#[test]
fn diverted_and_linked() {
    let mut scene = Scene::new();
    scene.put("var/lib/dpkg/diversions", "/etc/a\n/etc/a.diverted\nother\n");
    std::fs::create_dir_all(scene.root("etc/real")).unwrap();
    std::os::unix::fs::symlink("real/a", scene.root("etc/a.diverted")).unwrap();
    let data = Data::default().file("./etc/a", "a");
    let key = scene.install(&Deb::new("p", data).with("conffiles", "/etc/a\n"));
    assert_eq!(configure(&mut scene, &key).unwrap(), MD5_A);
    assert_eq!(scene.text("/etc/real/a"), "a");
    assert!(scene.root("etc/a.diverted").is_symlink() && !scene.root("etc/a").exists());
}

#[test]
fn another_architecture_installed_it() {
    let mut scene = Scene::new();
    let data = || Data::default().dir("./etc/").file("./etc/a", "a");
    let deb = Deb::new("p", data())
        .field("Multi-Arch: same")
        .with("conffiles", "/etc/a\n");
    let mut other = deb.clone();
    other.control = other.control.replace("riscv64", "arm64");
    let key = scene.install(&deb);
    configure(&mut scene, &key).unwrap();
    scene
        .database
        .update(&key, |p| p.status = Status::Installed)
        .unwrap();
    let second = scene.install(&other);
    assert_eq!(configure(&mut scene, &second).unwrap(), MD5_A);
}
