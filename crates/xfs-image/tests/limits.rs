//! Sizes of images, and what cannot be in one.

mod common;

use std::fs::File;
use std::io;

use common::{Files, check, directory, file, options, sparse, write, xfs_db};
use image_tree::{Error, Kind, Options, Time, Tree};

fn some_files() -> Tree {
    let mut files = Files::new();
    for number in 0..300 {
        let id = files.add(0, format!("d{number}"), directory());
        files.add(id, "f", file(number * 1500));
        files.xattr(id, "user.a", vec![1; number as usize * 10]);
    }
    files.tree()
}

#[test]
fn same_bytes_twice() {
    let directory = tempfile::tempdir().unwrap();
    let tree = some_files();
    let images = ["a", "b"].map(|name| {
        let path = directory.path().join(name);
        write(&tree, &path, &options()).unwrap();
        std::fs::read(path).unwrap()
    });
    assert!(images[0] == images[1]);
}

#[test]
fn given_sizes() {
    let tree = some_files();
    // The last is larger than inode numbers of 32 bits.
    for size in [200_000_000, (1 << 30) + 12_345, 5_000_000_000_000] {
        let options = Options {
            size: Some(size),
            ..options()
        };
        check("sized", &tree, &options, |image, written| {
            assert_eq!(written, size / 4096 * 4096);
            let said = xfs_db(image, &["sb 0".into(), "p dblocks".into()]);
            assert!(said.is_none_or(|said| said == format!("dblocks = {}\n", size / 4096)));
        });
    }
}

#[test]
fn free_bytes() {
    let options = Options {
        free: 100 << 20,
        ..options()
    };
    check("free", &some_files(), &options, |image, _| {
        let Some(said) = xfs_db(image, &["sb 0".into(), "p fdblocks".into()]) else {
            return;
        };
        let free: u64 = said.trim().trim_start_matches("fdblocks = ").parse().unwrap();
        assert!(free * 4096 > 100 << 20);
    });
}

#[test]
fn too_small() {
    let mut files = Files::new();
    files.add(0, "f", file(60 << 20));
    let tree = files.tree();
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("small");
    let sized = |size| Options {
        size: Some(size),
        ..options()
    };
    let mut least = 0;
    for size in [0, 4096, 32 << 20, 60 << 20, 64 << 20, 70 << 20] {
        match write(&tree, &image, &sized(size)) {
            Err(Error::TooSmall { size: said, needed }) if said == size && needed > size => least = needed,
            other => panic!("{size}: {other:?}"),
        }
    }
    assert_eq!(write(&tree, &image, &options()).unwrap(), least);
    check("least", &tree, &sized(least), |_, size| assert_eq!(size, least));
    assert!(
        matches!(write(&tree, &image, &sized(least - (1 << 20))), Err(Error::TooSmall { needed, .. }) if needed == least)
    );
}

#[test]
fn what_does_not_fit() {
    let directory_file = tempfile::tempdir().unwrap();
    let image = directory_file.path().join("unfit");
    let unfit = |tree: &Tree, options: &Options| match write(tree, &image, options) {
        Err(Error::Unfit { path, .. }) => path,
        other => panic!("{other:?} for {tree:?}"),
    };
    assert_eq!(unfit(&Tree::default(), &options()), b"/");
    let label = Options {
        label: vec![b'l'; 13],
        ..options()
    };
    assert_eq!(unfit(&Files::new().tree(), &label), b"/");
    let kinds = [
        Kind::Symlink(Vec::new()),
        Kind::Symlink(vec![b's'; 1024]),
        Kind::CharDevice {
            major: 1,
            minor: 1 << 18,
        },
        Kind::BlockDevice {
            major: 1 << 14,
            minor: 0,
        },
        sparse(10, std::iter::once(0..11).collect()),
        sparse(10, vec![5..6, 1..2]),
        sparse(10, std::iter::once(3..3).collect()),
        sparse(1 << 63, Vec::new()),
    ];
    for kind in kinds {
        let mut files = Files::new();
        files.add(0, "it", kind);
        assert_eq!(unfit(&files.tree(), &options()), b"/it");
    }
    for (name, value) in [
        ("nothing", 1),
        ("user.", 1),
        ("system.other", 1),
        ("system.posix_acl_access", 3),
        ("system.posix_acl_access", 12),
        ("trusted.SGI_ACL_FILE", 4),
        ("user.large", 65_537),
    ] {
        let mut files = Files::new();
        let id = files.add(0, "it", file(0));
        files.xattr(id, name, vec![0; value]);
        assert_eq!(unfit(&files.tree(), &options()), b"/it", "{name}");
    }
    for sec in [-(1 << 31) - 1, 1 << 40, i64::MIN, i64::MAX] {
        let mut files = Files::new();
        let id = files.add(0, "it", file(0));
        files.0.nodes[id].mtime = Time { sec, nsec: 0 };
        assert_eq!(unfit(&files.tree(), &options()), b"/it", "{sec}");
    }
    for name in [b"".as_slice(), b".", b"..", b"a/b", b"a\0", &[b'n'; 256]] {
        let mut files = Files::new();
        files.add(0, name, file(0));
        assert_eq!(unfit(&files.tree(), &options()), b"/");
    }
    let mut circle = Files::new();
    let id = circle.add(0, "d", directory());
    circle.link(id, "again", id);
    unfit(&circle.tree(), &options());
    let mut nowhere = Files::new();
    nowhere.link(0, "n", 17);
    unfit(&nowhere.tree(), &options());
}

#[test]
fn more_than_there_can_be() {
    let mut files = Files::new();
    for number in 0..5 {
        files.add(0, format!("{number}"), file(i64::MAX as u64));
    }
    let directory = tempfile::tempdir().unwrap();
    let error = write(&files.tree(), &directory.path().join("image"), &options()).unwrap_err();
    assert!(matches!(error, Error::Unfit { .. }), "{error}");
}

#[test]
fn a_step_ends_it() {
    let tree = some_files();
    let image: File = tempfile::tempfile().unwrap();
    let mut steps = 0;
    let mut step = || {
        steps += 1;
        if steps > 700 {
            Err(io::Error::other("enough"))
        } else {
            Ok(())
        }
    };
    let error = xfs_image::write(
        &tree,
        &mut common::Made::new(&tree),
        &image,
        &options(),
        &mut step,
    )
    .unwrap_err();
    assert!(matches!(error, Error::Write(_)), "{error}");
}
