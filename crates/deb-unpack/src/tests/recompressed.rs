//! Recompressed packages.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use deb_testing::{Data, Deb};

use crate::recompressed::HEAD;
use crate::{DebFile, recompress};

fn entries(deb: &DebFile) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    deb.walk_data(1 << 20, 1, |entry, contents| {
        let mut data = Vec::new();
        contents.read_to_end(&mut data).unwrap();
        found.push((entry.path.display().to_string(), data));
        Ok(())
    })
    .unwrap();
    found
}

#[test]
fn the_same_files_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let go_on = AtomicBool::new(false);
    let data = |text: &str| Data::default().dir("./a/").file("./a/b", text);
    let package = Deb::new("x", data("text")).write(directory.path(), "x.deb");
    let made = path("made/x");
    let make = |package: &Path| recompress(package, &made, &path("scratch"), &go_on).unwrap();
    assert!(make(&package).is_some_and(|size| size > HEAD as u64));
    assert_eq!(make(&package), None);
    // Another package, to see what is read.
    let other = Deb::new("x", data("other")).write(directory.path(), "y.deb");
    let read = |made: &Path| {
        let mut deb = DebFile::open(&other).unwrap();
        deb.set_recompressed(made);
        entries(&deb)
    };
    let from_recompressed = read(&made);
    assert_eq!(from_recompressed, entries(&DebFile::open(&package).unwrap()));
    // One that is damaged is as good as none.
    let mut bytes = fs::read(&made).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    for bad in [&bytes[..], &bytes[..HEAD], &bytes[..HEAD - 1], b""] {
        fs::write(path("bad"), bad).unwrap();
        assert_eq!(read(&path("bad")), entries(&DebFile::open(&other).unwrap()));
    }
}

#[test]
fn only_where_it_is_faster_and_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let [made, scratch] = ["made", "scratch"].map(|name| directory.path().join(name));
    let make = |package: &Path, stop| recompress(package, &made, &scratch, &AtomicBool::new(stop)).unwrap();
    let deb = Deb::new("x", Data::default().dir("./a/"));
    let zstd = Deb {
        extension: ".zst",
        ..deb.clone()
    };
    let zstd = zstd.write(directory.path(), "zstd.deb");
    assert_eq!(make(&zstd, false), None);
    let xz = deb.write(directory.path(), "xz.deb");
    assert_eq!(make(&xz, true), None);
    assert!(!made.exists());
    // Nothing is left of what was begun.
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
}
