//! Images of trees of every kind: btrfs-progs find nothing wrong with them, and read from them what was written.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::single_range_in_vec_init, reason = "files have lists of ranges")]

mod common;

use common::{Builder, Random, check, compare, has_btrfs, image, options};
use image_tree::{Kind, Options, Time, Tree};

/// Writes a tree, checks the image and reads it again.
fn round(tree: &Tree, options: &Options) {
    let image = image(tree, options);
    if has_btrfs() {
        check(&image);
        compare(tree, &image);
    }
}

#[test]
fn empty() {
    round(&Builder::new().finish(), &options());
}

#[test]
fn every_kind() {
    let mut b = Builder::new();
    let etc = b.directory(0, "etc");
    b.file(etc, "empty", 0);
    b.file(etc, "inline", 2048);
    b.file(etc, "not inline", 2049);
    b.file(etc, "sector", 4096);
    b.file(etc, "large", 3_000_001);
    b.add(0, "link", Kind::Symlink(b"etc/inline".to_vec()));
    b.add(0, "long link", Kind::Symlink(vec![b'x'; 4095]));
    for (name, major, minor) in [("null", 1, 3), ("large", 0xfff, 0xf_ffff), ("mid", 259, 300)] {
        b.add(0, format!("c-{name}"), Kind::CharDevice { major, minor });
        b.add(0, format!("b-{name}"), Kind::BlockDevice { major, minor });
    }
    b.add(0, "fifo", Kind::Fifo);
    b.add(0, "socket", Kind::Socket);
    b.add(0, [b'n'; 255], Kind::Fifo);
    b.add(0, b"\xff\xfe\n\x01 odd", Kind::Fifo);
    let file = b.file(0, "owned", 10);
    let node = &mut b.tree.nodes[file];
    (node.mode, node.uid, node.gid) = (0o7777, u32::MAX - 1, 100_000);
    node.mtime = Time {
        sec: -86_400 * 365,
        nsec: 999_999_999,
    };
    for sec in [i64::MIN, -1, 0, i64::from(u32::MAX) + 1] {
        let file = b.file(0, format!("time {sec}"), 1);
        b.tree.nodes[file].mtime = Time { sec, nsec: 1 };
    }
    b.tree.nodes[0].mode = 0o1777;
    round(&b.finish(), &options());
}

#[test]
fn holes() {
    const GIB: u64 = 1 << 30;
    let mut b = Builder::new();
    let mut file = |name: &str, size, data: &[std::ops::Range<u64>]| {
        let data = data.to_vec();
        b.add(0, name, Kind::Regular { size, data });
    };
    file("all", 1 << 20, &[]);
    file("small", 2048, &[]);
    file("small-with-data", 2000, &[5..9, 100..101]);
    file("end", 1 << 20, &[0..1]);
    file("start", 1 << 20, &[(1 << 20) - 1..1 << 20]);
    file("odd", 100_000, &[1..2, 5000..5001, 8193..12_289, 50_000..60_000]);
    file(
        "huge",
        900 * GIB,
        &[0..10, 400 * GIB + 17..400 * GIB + 18, 900 * GIB - 1..900 * GIB],
    );
    let ranges: Vec<_> = (0..3000).map(|at| at * 8192..at * 8192 + 1).collect();
    file("comb", 3000 * 8192, &ranges);
    round(&b.finish(), &options());
}

#[test]
fn largest_file_of_holes() {
    let mut b = Builder::new();
    let size = i64::MAX.cast_unsigned();
    let data = std::iter::once(size - 1..size).collect();
    b.add(0, "a", Kind::Regular { size, data });
    let image = image(&b.finish(), &options());
    if has_btrfs() {
        check(&image);
    }
}

#[test]
fn xattrs() {
    let mut b = Builder::new();
    let file = b.file(0, "file", 3);
    // One entry for the owner, a user, the group, the mask and others: version 2, then tag, bits and number of each.
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, bits, id) in [
        (1_u16, 6_u16, u32::MAX),
        (2, 7, 1000),
        (4, 4, u32::MAX),
        (0x10, 7, u32::MAX),
        (0x20, 4, u32::MAX),
    ] {
        acl.extend(tag.to_le_bytes());
        acl.extend(bits.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    b.tree.nodes[file].mode = 0o674;
    b.tree.nodes[file].xattrs = vec![
        (b"user.empty".to_vec(), Vec::new()),
        (b"user.large".to_vec(), vec![b'v'; 16_228 - 10]),
        (b"system.posix_acl_access".to_vec(), acl.clone()),
        (
            b"security.capability".to_vec(),
            b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        ),
    ];
    b.tree.nodes[0].xattrs = vec![
        (b"system.posix_acl_default".to_vec(), acl),
        (b"user.\n\xff".to_vec(), b"\0\xff\n".to_vec()),
    ];
    let link = b.add(0, "link", Kind::Symlink(b"file".to_vec()));
    b.tree.nodes[link].xattrs = vec![(b"trusted.a".to_vec(), b"b".to_vec())];
    for (index, name) in colliding("user.").into_iter().enumerate() {
        b.tree.nodes[link].xattrs.push((name, vec![b'x'; index]));
    }
    let tree = b.finish();
    round(&tree, &options());
    // Of values, dump-tree shows the beginning.
    let image = std::fs::read(image(&tree, &options()).path).unwrap();
    for (name, value) in tree.nodes.iter().flat_map(|node| &node.xattrs) {
        let wanted = [name.as_slice(), value].concat();
        let mut places = image.windows(wanted.len());
        assert!(
            places.any(|window| window == wanted),
            "{}",
            String::from_utf8_lossy(name)
        );
    }
}

#[test]
fn names_with_the_same_hash() {
    let mut b = Builder::new();
    for name in colliding("") {
        b.file(0, name, 5);
    }
    round(&b.finish(), &options());
}

#[test]
fn many_links_in_one_directory() {
    let mut b = Builder::new();
    let first = b.directory(0, "first");
    let second = b.directory(0, "second");
    let file = b.file(first, "a", 100_000);
    for index in 0..5000 {
        b.link(first, format!("a rather long name of the file {index:05}"), file);
    }
    for index in 0..700 {
        b.link(second, format!("{index:05}"), file);
    }
    let same = colliding("same hash of references ");
    for name in &same {
        b.link(second, name, file);
    }
    // Without these its names would fit in one item.
    for index in 0..100 {
        b.link(second, format!("{}{index:05}", "l".repeat(200)), file);
    }
    let tree = b.finish();
    let image = image(&tree, &options());
    if has_btrfs() {
        check(&image);
        common::dump::compare(&tree, &image.path);
    }
}

#[test]
fn as_many_links_as_can_be() {
    let mut b = Builder::new();
    let file = b.file(0, "00000", 5000);
    for index in 1..65535 {
        b.link(0, format!("{index:05}"), file);
    }
    let tree = b.finish();
    let image = image(&tree, &options());
    if has_btrfs() {
        // `btrfs check` needs minutes for them.
        common::dump::compare(&tree, &image.path);
    }
}

#[test]
fn nodes_without_names_are_left_out() {
    let mut b = Builder::new();
    let lost = b.directory(0, "lost");
    b.file(lost, "within", 5000);
    let kept = b.file(lost, "kept", 5000);
    b.link(0, "kept", kept);
    let Kind::Directory { entries } = &mut b.tree.nodes[0].kind else {
        unreachable!("it is a directory");
    };
    entries.retain(|(name, _)| name != b"lost");
    round(&b.finish(), &options());
}

#[test]
fn many_small_files() {
    let mut b = Builder::new();
    for directory in 0..60 {
        let directory = b.directory(0, format!("directory {directory}"));
        for file in 0..100 {
            b.file(directory, format!("file {file}"), file * 50);
        }
    }
    round(&b.finish(), &options());
}

#[test]
fn random_trees() {
    for seed in 1..=8 {
        let tree = random(&mut Random(seed));
        round(&tree, &options());
    }
}

/// A tree of some hundred nodes with anything in it.
fn random(random: &mut Random) -> Tree {
    let mut b = Builder::new();
    let mut directories = vec![0];
    let mut others = Vec::new();
    for index in 0..random.below(600) {
        let directory = directories[random.below(directories.len() as u64) as usize];
        let length = if random.below(10) == 0 {
            240
        } else {
            random.below(20)
        };
        let fill = (0..length)
            .map(|_| random.below(255) as u8 + 1)
            .map(|byte| if byte == b'/' { b'_' } else { byte });
        let name = [index.to_string().into_bytes(), fill.collect()].concat();
        let id = match random.below(10) {
            0 | 1 => {
                let id = b.directory(directory, name);
                directories.push(id);
                id
            }
            2 => b.add(
                directory,
                name,
                Kind::Symlink(vec![b't'; random.below(4095) as usize + 1]),
            ),
            3 if !others.is_empty() => {
                let id = others[random.below(others.len() as u64) as usize];
                b.link(directory, name, id);
                id
            }
            4 => {
                let (major, minor) = (random.below(4096) as u32, random.below(1 << 20) as u32);
                b.add(directory, name, Kind::CharDevice { major, minor })
            }
            _ => {
                let limit = 1 << random.below(21);
                let size = random.below(limit);
                let mut data = Vec::new();
                let mut at = random.below(5000) * random.below(2);
                while at < size {
                    let limit = 1 << random.below(17);
                    let end = (at + 1 + random.below(limit)).min(size);
                    data.push(at..end);
                    at = end + 1 + random.below(20_000);
                }
                b.add(directory, name, Kind::Regular { size, data })
            }
        };
        if !directories.contains(&id) {
            others.push(id);
        }
        let node = &mut b.tree.nodes[id];
        node.mode = random.below(0o10000) as u32;
        node.uid = random.next() as u32 >> random.below(32);
        node.gid = random.below(u64::from(u32::MAX)) as u32;
        node.mtime = Time {
            sec: random.next().cast_signed() >> random.below(64),
            nsec: random.below(1_000_000_000) as u32,
        };
        node.xattrs.clear();
        node.uid = node.uid.min(u32::MAX - 1);
        for index in 0..random.below(4) * random.below(2) {
            let value = vec![b'v'; random.below(3000) as usize];
            node.xattrs.push((format!("user.{index}").into_bytes(), value));
        }
    }
    b.finish()
}

/// Names of the same hash.
///
/// CRC-32C is linear: a pattern of bits that is a multiple of its polynomial, put over any name, changes no checksum. The polynomial
/// 0x11edc6f41 has 33 bits, so that it lies within 5 bytes, for each shift of up to 7 another.
fn colliding(start: &str) -> Vec<Vec<u8>> {
    const POLYNOMIAL: u64 = 0x1_1edc_6f41;
    let base = [start.as_bytes(), b"\x81\x82\x83\x84\x85\x86"].concat();
    let names = (0..4_u64).map(|pattern| {
        let multiple = (0..2)
            .filter(|bit| pattern >> bit & 1 == 1)
            .fold(0, |sum, bit| sum ^ POLYNOMIAL << bit);
        // The first bit is the lowest of the first byte.
        let bits = (multiple << (64 - 48)).reverse_bits().to_le_bytes();
        let mut name = base.clone();
        for (byte, bits) in name.iter_mut().skip(start.len()).zip(bits) {
            *byte ^= bits;
        }
        name
    });
    let mut names: Vec<_> = names.collect();
    names.retain(|name| !name.iter().any(|&byte| byte == 0 || byte == b'/'));
    assert!(names.len() > 1);
    names
}
