//! Trees of chance.

mod common;

use common::{Chance, Files, check, directory, file, options, sparse};
use image_tree::{Kind, Options, Time, Tree};

fn some_tree(chance: &mut Chance) -> Tree {
    let mut files = Files::new();
    let mut directories = vec![0];
    let mut others = Vec::new();
    for number in 0..chance.below(800) {
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
        let tree = some_tree(&mut chance);
        // The size that is needed, so that groups are full, or much more.
        let size = (seed % 3 == 2).then(|| (1 << 30) + chance.below(1 << 34));
        let options = Options { size, ..options() };
        check(&format!("seed-{seed}"), &tree, &options, |_, _| {});
    }
}
