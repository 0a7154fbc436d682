//! Trees of chance.

mod common;

use common::{Chance, Files, check, directory, file, options, sparse};
use image_tree::{Kind, Options, Time, Tree};

fn some_tree(chance: &mut Chance, most: u64) -> Tree {
    let mut files = Files::new();
    let mut directories = vec![0];
    let mut others = Vec::new();
    for number in 0..chance.below(most) {
        let within = directories[chance.below(directories.len() as u64) as usize];
        let length = 1 << chance.below(8);
        let name = format!("{number:x}-{:x>length$}", chance.below(100));
        let kind = match chance.below(12) {
            0 | 1 => directory(),
            2 => Kind::Symlink(vec![b'l'; 1 + chance.below(1023) as usize]),
            3 => Kind::Fifo,
            4 => Kind::CharDevice {
                major: chance.below(1 << 14) as u32,
                minor: chance.below(1 << 18) as u32,
            },
            5 => {
                let (count, step) = (chance.below(200), 1 + chance.below(20_000));
                let data = (0..count)
                    .map(|range| range * step..range * step + 1 + chance.below(step))
                    .collect::<Vec<_>>();
                let mut apart: Vec<std::ops::Range<u64>> = Vec::new();
                for range in data {
                    match apart.last_mut() {
                        Some(last) if last.end >= range.start => last.end = range.end,
                        _ => apart.push(range),
                    }
                }
                sparse(count * step + chance.below(1 << 30), apart)
            }
            6 if !others.is_empty() => {
                let other = others[chance.below(others.len() as u64) as usize];
                files.link(within, name, other);
                continue;
            }
            _ => {
                let limit = 1 << chance.below(20);
                file(chance.below(limit))
            }
        };
        let id = files.add(within, name, kind);
        match files.0.nodes[id].kind {
            Kind::Directory { .. } => directories.push(id),
            _ => others.push(id),
        }
        let node = &mut files.0.nodes[id];
        (node.uid, node.gid) = (
            chance.below(u64::from(u32::MAX)) as u32,
            chance.below(1000) as u32,
        );
        node.mode = chance.below(0o10000) as u32;
        node.mtime = Time {
            sec: chance.below(1 << 32) as i64 - (1 << 31),
            nsec: chance.below(1_000_000_000) as u32,
        };
        if chance.below(4) == 0 {
            let bits = chance.below(16);
            let size = 1 + chance.below(1 << bits);
            for attribute in 0..chance.below(12) {
                let space = ["user", "trusted", "security"][chance.below(3) as usize];
                let value = vec![b'v'; chance.below(size) as usize];
                files.xattr(id, format!("{space}.{attribute}"), value);
            }
        }
    }
    files.tree()
}

#[test]
fn are_sound() {
    for seed in 0..12 {
        let mut chance = Chance(seed);
        let tree = some_tree(&mut chance, 800);
        // The size that is needed, so that groups are full, or much more.
        let size = (seed % 3 == 2).then(|| (1 << 30) + chance.below(1 << 34));
        let options = Options { size, ..options() };
        check(&format!("seed-{seed}"), &tree, &options, |_, _| {});
    }
}

/// Changes something of a tree to what may not be.
fn spoil(tree: &mut Tree, chance: &mut Chance) {
    let edges = [0, 1, 2, 255, 4096, 1 << 31, 1 << 63, u64::MAX - 1, u64::MAX];
    let edge = edges[chance.below(edges.len() as u64) as usize];
    let length = 300 + chance.below(70_000);
    let short = edge.min(length) as usize;
    let (id, other) = (
        chance.below(tree.nodes.len() as u64) as usize,
        chance.below(60) as usize,
    );
    let what = chance.below(8);
    let node = &mut tree.nodes[id];
    match (what, &mut node.kind) {
        (0, _) => node.mode = edge as u32,
        (1, _) => node.uid = edge as u32,
        (2, _) => node.mtime.sec = edge as i64,
        (3, _) => node.mtime.nsec = edge as u32,
        (4, _) => node
            .xattrs
            .push((b"user.a"[..other % 7].to_vec(), vec![0; short])),
        (5, _) => node.kind = directory(),
        (_, Kind::Directory { entries }) if what == 6 => entries.push((vec![b'z'; other], other)),
        (_, Kind::Directory { entries }) => {
            if let Some(entry) = entries.get_mut(other) {
                entry.1 = edge as usize;
            }
        }
        (_, Kind::Symlink(target)) => target.resize(short, b's'),
        (_, Kind::CharDevice { major, .. }) => *major = edge as u32,
        (_, Kind::Regular { size, .. }) if what == 6 => *size = edge,
        (_, Kind::Regular { data, .. }) => data.push(edge..edge.saturating_add(length)),
        _ => {}
    }
}

#[test]
fn spoilt_trees_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    let (mut fit, mut not) = (0, 0);
    for seed in 0..200 {
        let mut chance = Chance(seed);
        let mut tree = some_tree(&mut chance, 60);
        spoil(&mut tree, &mut chance);
        match common::write(&tree, &image, &options()) {
            Ok(_) if seed % 20 == 0 => common::assert_sound(&image),
            Ok(_) => fit += 1,
            Err(_) => not += 1,
        }
    }
    assert!(fit > 20 && not > 20, "{fit} {not}");
    let tree = Files::new().tree();
    for (size, free) in [
        (None, u64::MAX),
        (None, u64::MAX / 2),
        (Some(u64::MAX), 0),
        (Some(1 << 63), 0),
    ] {
        let options = Options {
            size,
            free,
            ..options()
        };
        assert!(common::write(&tree, &image, &options).is_err());
    }
}
