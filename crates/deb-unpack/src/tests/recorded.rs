//! What unpacking leaves in the database.

use std::path::Path;

use deb_testing::{Data, Deb};
use dpkg_db::{Database, Flag, Status};

use super::scene::Scene;
use crate::DebFile;

#[test]
fn unpacking_is_recorded() {
    let mut scene = Scene::new();
    scene.database = Database::create(&scene.target, "riscv64", &[]).unwrap();
    let deb = Deb::new(
        "libx",
        Data::default()
            .dir("./")
            .dir("./usr/")
            .file("./usr/f", "hello")
            .link("./a", b'2', "usr"),
    )
    .field("Multi-Arch: same")
    .field("Section: libs")
    .with("postinst", "#!/bin/sh\n")
    .with(
        "triggers",
        "interest-noawait /usr/share/x\ninterest-await ld\nactivate-noawait ld\n",
    )
    .with("odd.name", "ignored");
    let control = {
        let path = deb.write(scene.directory.path(), "x.deb");
        DebFile::open(&path).unwrap().control().unwrap()
    };
    let key = scene.database.begin_unpack(&control).unwrap();
    let half = scene.database.stanza(scene.database.get(&key).unwrap());
    assert_eq!(
        half,
        "Package: libx\nStatus: install reinstreq half-installed\nSection: libs\nArchitecture: riscv64\n\
         Multi-Arch: same\nVersion: 1.0\n"
    );
    assert_eq!(scene.install(&deb), key);
    let package = scene.database.get(&key).unwrap();
    assert_eq!((package.flag, package.status), (Flag::Ok, Status::Unpacked));
    let info = |kind: &str| scene.text(&format!("/var/lib/dpkg/info/libx:riscv64.{kind}"));
    assert_eq!(info("list"), "/.\n/usr\n/usr/f\n/a\n");
    assert_eq!(info("md5sums"), "5d41402abc4b2a76b9719d911017c592  usr/f\n");
    let script = scene
        .target
        .stat(Path::new("/var/lib/dpkg/info/libx:riscv64.postinst"))
        .unwrap();
    assert_eq!((script.meta.mode, script.meta.mtime.sec), (0o755, 1_000_000));
    assert_eq!(
        scene.text("/var/lib/dpkg/triggers/File"),
        "/usr/share/x libx:riscv64/noawait\n"
    );
    assert_eq!(scene.text("/var/lib/dpkg/triggers/ld"), "libx:riscv64\n");
    let names = scene.target.read_dir(Path::new("/var/lib/dpkg/info")).unwrap();
    assert_eq!(names.len(), 5, "{names:?}");
    assert_eq!(
        scene.database.owners(Path::new("/usr/f")).collect::<Vec<_>>(),
        [&key]
    );
    scene.database.save(&scene.target).unwrap();
    let loaded = Database::load(&scene.target, "riscv64").unwrap();
    assert_eq!(loaded.owners(Path::new("/usr/f")).collect::<Vec<_>>(), [&key]);
    assert_eq!(loaded.interests(), scene.database.interests());
}
