//! Sizes, errors, and that the same input has the same bytes.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use common::{Builder, Pattern, Random, check, compare, has_btrfs, image, node, options, try_image};
use image_tree::{Contents, Error, Kind, NodeId, Options, Time, Tree};

const MIB: u64 = 1 << 20;

fn some_tree() -> Tree {
    let mut b = Builder::new();
    let directory = b.directory(0, "directory");
    b.file(directory, "file", 3 * MIB + 5);
    b.file(directory, "small", 5);
    b.finish()
}

#[test]
fn same_bytes_twice() {
    let tree = some_tree();
    let once = std::fs::read(image(&tree, &options()).path).unwrap();
    let again = std::fs::read(image(&tree, &options()).path).unwrap();
    assert!(once == again);
    let other = Options {
        uuid: [9; 16],
        ..options()
    };
    assert!(once != std::fs::read(image(&tree, &other).path).unwrap());
}

#[test]
fn sizes() {
    let tree = some_tree();
    let needed = image(&tree, &options()).size;
    assert_eq!(needed % MIB, 0);
    for size in [
        needed,
        needed + 4096 + 7,
        64 * MIB + 4096,
        65 * MIB,
        200 * MIB,
        300 << 30,
    ] {
        let size = size.max(needed);
        let image = image(
            &tree,
            &Options {
                size: Some(size),
                // Not with a size.
                free: 1 << 40,
                ..options()
            },
        );
        assert_eq!(image.size, size / 4096 * 4096);
        if has_btrfs() {
            check(&image);
            compare(&tree, &image);
        }
    }
    for size in [0, 4096, needed - 1] {
        let wanted = Options {
            size: Some(size),
            ..options()
        };
        match try_image(&tree, &wanted).err() {
            Some(Error::TooSmall {
                size: said,
                needed: least,
            }) => assert_eq!((said, least), (size, needed)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn free_space() {
    let tree = some_tree();
    let least = image(&tree, &options()).size;
    for free in [1, 100 * MIB, 3 << 30, 300 << 30] {
        let image = image(&tree, &Options { free, ..options() });
        // What is there without may be up to a mebibyte more than it has to be.
        assert!(image.size + MIB > least + free, "{free}");
        if has_btrfs() {
            check(&image);
            compare(&tree, &image);
        }
    }
    let endless = Options {
        free: u64::MAX,
        ..options()
    };
    assert!(matches!(try_image(&tree, &endless).err(), Some(Error::Write(_))));
}

/// Data on both sides of the superblock's copy at 64 MiB.
#[test]
fn data_around_a_copy_of_the_superblock() {
    let mut b = Builder::new();
    b.file(0, "a", 30 * MIB);
    b.file(0, "b", 50 * MIB);
    let tree = b.finish();
    let image = image(&tree, &options());
    if has_btrfs() {
        check(&image);
        common::btrfs(&["check", "--readonly", "--super", "1"], &image.path, &[]);
        let out = image.directory.path().join("out");
        std::fs::create_dir(&out).unwrap();
        common::btrfs(&["restore"], &image.path, &[&out]);
        let wanted = Pattern::content(2, 50 * MIB, std::slice::from_ref(&(0..50 * MIB)));
        assert!(std::fs::read(out.join("b")).unwrap() == wanted);
    }
}

#[test]
fn either_copy_of_metadata_does() {
    if !has_btrfs() {
        return;
    }
    for copy in 0..2 {
        let tree = some_tree();
        let image = image(&tree, &options());
        let dump = common::btrfs(&["inspect-internal", "dump-tree", "-t", "3"], &image.path, &[]);
        let dump = String::from_utf8(dump).unwrap();
        let (_, metadata) = dump.split_once("METADATA|DUP").unwrap();
        let (_, place) = metadata
            .split_once(&format!("stripe {copy} devid 1 offset "))
            .unwrap();
        let place = place.lines().next().unwrap().parse().unwrap();
        let file = File::options().write(true).open(&image.path).unwrap();
        file.write_all_at(&[0x55; 1 << 20], place).unwrap();
        common::dump::compare(&tree, &image.path);
    }
}

#[test]
fn what_does_not_fit() {
    let file = |size, data| node(Kind::Regular { size, data });
    let fifo = || node(Kind::Fifo);
    let with = |change: fn(&mut image_tree::Node)| {
        let mut node = node(Kind::Fifo);
        change(&mut node);
        node
    };
    let nodes = [
        file(u64::MAX, Vec::new()),
        file(10, std::iter::once(0..11).collect()),
        file(10, vec![0..5, 5..6]),
        file(10, vec![5..6, 0..1]),
        file(10, std::iter::once(5..5).collect()),
        node(Kind::Symlink(Vec::new())),
        node(Kind::Symlink(vec![b'a'; 4096])),
        node(Kind::Symlink(b"a\0".to_vec())),
        node(Kind::CharDevice {
            major: 4096,
            minor: 0,
        }),
        node(Kind::BlockDevice {
            major: 0,
            minor: 1 << 20,
        }),
        with(|node| node.mode = 0o10000),
        with(|node| node.uid = u32::MAX),
        with(|node| node.gid = u32::MAX),
        with(|node| {
            node.mtime = Time {
                sec: 0,
                nsec: 1_000_000_000,
            }
        }),
        with(|node| node.xattrs = vec![(b"user.a".to_vec(), vec![0; 16_228 - 5])]),
        with(|node| node.xattrs = vec![(Vec::new(), Vec::new())]),
        with(|node| node.xattrs = vec![(vec![b'a'; 256], Vec::new())]),
        with(|node| node.xattrs = vec![(b"b".to_vec(), Vec::new()), (b"a".to_vec(), Vec::new())]),
    ];
    for unfit in nodes {
        let mut b = Builder::new();
        let id = b.add(0, "name", Kind::Fifo);
        b.tree.nodes[id] = unfit.clone();
        match try_image(&b.tree, &options()).err() {
            Some(Error::Unfit { path, .. }) => assert_eq!(path, b"/name"),
            other => panic!("{unfit:?}: {other:?}"),
        }
    }
    let root = |entries: &[(&[u8], usize)]| {
        let entries = entries.iter().map(|(name, id)| (name.to_vec(), *id)).collect();
        node(Kind::Directory { entries })
    };
    let trees = [
        Vec::new(),
        vec![fifo()],
        vec![root(&[(b"", 1)]), fifo()],
        vec![root(&[(b".", 1)]), fifo()],
        vec![root(&[(b"..", 1)]), fifo()],
        vec![root(&[(b"a/b", 1)]), fifo()],
        vec![root(&[(b"a\0", 1)]), fifo()],
        vec![root(&[(&[b'a'; 256], 1)]), fifo()],
        vec![root(&[(b"a", 1), (b"a", 1)]), fifo()],
        vec![root(&[(b"b", 1), (b"a", 1)]), fifo()],
        vec![root(&[(b"a", 2)]), fifo()],
        vec![root(&[(b"a", 0)])],
        vec![root(&[(b"a", 1), (b"b", 1)]), root(&[])],
        vec![root(&[(b"a", 2), (b"b", 1)]), root(&[(b"c", 2)]), root(&[])],
        vec![root(&[(b"a", 1)]), root(&[(b"c", 1)])],
    ];
    for nodes in trees {
        let tree = Tree { nodes };
        let error = try_image(&tree, &options()).err();
        assert!(matches!(error, Some(Error::Unfit { .. })), "{tree:?}: {error:?}");
    }
    let mut b = Builder::new();
    let file = b.file(0, "00000", 0);
    (1..65536).for_each(|index| b.link(0, format!("{index:05}"), file));
    let error = try_image(&b.finish(), &options()).err();
    assert!(matches!(error, Some(Error::Unfit { .. })), "{error:?}");
    for label in [vec![b'a'; 256], b"a\0".to_vec()] {
        let wanted = Options { label, ..options() };
        assert!(matches!(
            try_image(&some_tree(), &wanted).err(),
            Some(Error::Unfit { .. })
        ));
    }
}

#[test]
fn steps_end_the_writing() {
    let tree = some_tree();
    let write = |limit: u32| {
        let mut steps = 0;
        let file = tempfile::tempfile().unwrap();
        let mut step = || {
            steps += 1;
            if steps > limit {
                return Err(std::io::Error::other("no more"));
            }
            Ok(())
        };
        let written = btrfs_image::write(&tree, &mut Pattern::of(&tree), &file, &options(), &mut step);
        (written, steps)
    };
    let (written, steps) = write(u32::MAX);
    assert!(written.is_ok() && steps > 7, "{steps}");
    for limit in 0..steps {
        assert!(matches!(write(limit).0, Err(Error::Write(_))), "{limit}");
    }
}

/// Whatever a tree says, it is an image or an error.
#[test]
fn senseless_trees() {
    struct Zeros;
    impl Contents for Zeros {
        fn read(&mut self, _: NodeId, _: u64, _: &mut [u8]) -> io::Result<()> {
            Ok(())
        }
    }
    let mut random = Random(1);
    let mut written = 0;
    for _ in 0..500 {
        let nodes = (0..1 + random.below(5)).map(|index| {
            let kind = match random.below(6) {
                _ if index == 0 && random.below(20) > 0 => senseless_directory(&mut random),
                0 | 1 => senseless_directory(&mut random),
                2 => Kind::Symlink(vec![random.below(3) as u8; random.below(3) as usize]),
                3 => Kind::CharDevice {
                    major: random.next() as u32 >> random.below(32),
                    minor: 0,
                },
                4 => Kind::Fifo,
                _ => {
                    let mut number = || random.0.rotate_left(7) >> random.below(64);
                    let size = number();
                    let data = (0..number() % 3).map(|_| number()..number()).collect();
                    Kind::Regular { size, data }
                }
            };
            node(kind)
        });
        let tree = Tree {
            nodes: nodes.collect(),
        };
        let file = tempfile::tempfile().unwrap();
        let mut left = 100;
        let mut step = || {
            left -= 1;
            if left == 0 {
                Err(io::Error::other("enough"))
            } else {
                Ok(())
            }
        };
        written += u32::from(btrfs_image::write(&tree, &mut Zeros, &file, &options(), &mut step).is_ok());
    }
    assert!(written > 20, "{written}");
}

fn senseless_directory(random: &mut Random) -> Kind {
    let entries = (0..random.below(4)).map(|index| {
        let name = vec![b'a' + index as u8; 1 + random.below(40) as usize * random.below(10) as usize];
        (name, random.below(6) as NodeId)
    });
    Kind::Directory {
        entries: entries.collect(),
    }
}

#[test]
fn content_that_cannot_be_read() {
    struct Broken;
    impl Contents for Broken {
        fn read(&mut self, _: NodeId, _: u64, _: &mut [u8]) -> io::Result<()> {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
    for size in [5, 5000] {
        let mut b = Builder::new();
        b.file(0, "file", size);
        let file = tempfile::tempfile().unwrap();
        let error = btrfs_image::write(&b.finish(), &mut Broken, &file, &options(), &mut || Ok(())).err();
        assert!(matches!(error, Some(Error::Read(_))), "{error:?}");
    }
}
