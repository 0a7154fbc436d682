//! Trees of each kind: what `xfs_repair` says of their images, and what `xfs_db` and GRUB read in them.

mod common;

use std::path::Path;

use common::{Files, check, content, directory, file, options, paths, run, sparse, xfs_db};
use image_tree::{Kind, Time, Tree};

/// Compares with what `xfs_db` prints of inodes.
fn assert_inodes(tree: &Tree, image: &Path) {
    let links = tree.links();
    for part in paths(tree).chunks(200) {
        let mut commands = Vec::new();
        for (path, _) in part {
            commands.push(format!(
                "path {}",
                if path.is_empty() { "/" } else { path.as_str() }
            ));
            commands.push("p core.mode core.uid core.gid core.nlinkv2 core.size core.mtime.nsec".into());
        }
        let Some(said) = xfs_db(image, &commands) else {
            return;
        };
        let mut said = said.lines();
        for (path, id) in part {
            let node = &tree.nodes[*id];
            let of_type = match &node.kind {
                Kind::Fifo => 0o1,
                Kind::CharDevice { .. } => 0o2,
                Kind::Directory { .. } => 0o4,
                Kind::BlockDevice { .. } => 0o6,
                Kind::Regular { .. } => 0o10,
                Kind::Symlink(_) => 0o12,
                Kind::Socket => 0o14,
            };
            let mut is = |field: &str, value: String| {
                assert_eq!(
                    said.next(),
                    Some(format!("core.{field} = {value}").as_str()),
                    "{path}"
                );
            };
            is("mode", format!("0{:o}", of_type << 12 | node.mode));
            is("uid", node.uid.to_string());
            is("gid", node.gid.to_string());
            is("nlinkv2", links[*id].to_string());
            match &node.kind {
                Kind::Regular { size, .. } => is("size", size.to_string()),
                Kind::Symlink(target) => is("size", target.len().to_string()),
                Kind::Directory { .. } => {
                    assert!(said.next().is_some_and(|line| line.starts_with("core.size")))
                }
                _ => is("size", "0".into()),
            }
            assert_eq!(
                said.next(),
                Some(format!("core.mtime.nsec = {}", node.mtime.nsec).as_str()),
                "{path}"
            );
        }
    }
}

/// Compares with what GRUB reads.
fn assert_content(tree: &Tree, image: &Path) {
    let mut seen = std::collections::HashSet::new();
    for (path, id) in paths(tree) {
        let node = &tree.nodes[id];
        if seen.insert(id)
            && matches!(
                node.kind,
                Kind::Regular {
                    size: 0..2_000_000,
                    ..
                }
            )
        {
            let Some((success, said)) = run("grub-fstest", &["IMAGE", "cat", &path], image) else {
                return;
            };
            assert!(success, "{path}");
            // Not `assert_eq`: nobody wants to see them.
            assert!(said == content(id, &node.kind), "{path} has other content");
        }
    }
}

/// Compares with the names that `xfs_db` finds in directories, each by its hash.
fn assert_names(tree: &Tree, image: &Path) {
    for (path, id) in paths(tree) {
        let Kind::Directory { entries } = &tree.nodes[id].kind else {
            continue;
        };
        let path = if path.is_empty() { "/" } else { path.as_str() };
        let Some(said) = xfs_db(image, &[format!("path {path}"), "ls".into()]) else {
            return;
        };
        let mut found: Vec<&str> = said
            .lines()
            .filter_map(|line| line.strip_suffix(" (good)")?.split_whitespace().last())
            .collect();
        found.retain(|name| *name != "." && *name != "..");
        found.sort_unstable();
        let names: Vec<_> = entries
            .iter()
            .map(|(name, _)| String::from_utf8_lossy(name))
            .collect();
        assert_eq!(found, names, "{path}");
    }
}

#[test]
fn nothing() {
    check("nothing", &Files::new().tree(), &options(), |image, size| {
        assert_eq!(size, 32 << 20);
        let said = xfs_db(image, &["sb 0".into(), "p fname rootino agcount".into()]);
        let expected =
            "fname = \"root\\000\\000\\000\\000\\000\\000\\000\\000\"\nrootino = 128\nagcount = 2\n";
        assert!(said.is_none_or(|said| said == expected));
    });
}

#[test]
fn all_types() {
    let mut files = Files::new();
    let usr = files.add(0, "usr", directory());
    let id = files.add(usr, "suid", file(5000));
    files.0.nodes[id].mode = 0o6755;
    (files.0.nodes[id].uid, files.0.nodes[id].gid) = (u32::MAX - 1, 70_000);
    for number in 0..3000 {
        files.link(usr, format!("link{number}"), id);
    }
    files.link(0, "other", id);
    files.add(0, "fifo", Kind::Fifo);
    files.add(0, "socket", Kind::Socket);
    files.add(0, "char", Kind::CharDevice { major: 5, minor: 1 });
    let (major, minor) = ((1 << 14) - 1, (1 << 18) - 1);
    files.add(0, "block", Kind::BlockDevice { major, minor });
    for length in [1, 335, 336, 337, 1023] {
        let id = files.add(0, format!("symlink{length}"), Kind::Symlink(vec![b's'; length]));
        files.0.nodes[id].mode = 0o777;
    }
    let tmp = files.add(0, "tmp", directory());
    files.0.nodes[tmp].mode = 0o1777;
    let tree = files.tree();
    check("types", &tree, &options(), |image, _| {
        assert_inodes(&tree, image);
        assert_names(&tree, image);
        assert_content(&tree, image);
        let said = xfs_db(
            image,
            &[
                "path /block".into(),
                "p u3.dev".into(),
                "path /char".into(),
                "p u3.dev".into(),
            ],
        );
        let expected = format!("u3.dev = {:#x}\nu3.dev = {:#x}\n", u32::MAX, 5 << 18 | 1);
        assert!(said.is_none_or(|said| said == expected));
    });
}

#[test]
fn directories_of_all_sizes() {
    let mut files = Files::new();
    for count in [
        0, 1, 2, 10, 20, 21, 22, 23, 50, 110, 120, 130, 400, 490, 510, 3000,
    ] {
        let id = files.add(0, format!("of{count}"), directory());
        for number in 0..count {
            files.add(id, format!("name{number}"), file(0));
        }
    }
    let long = files.add(0, "long", directory());
    for number in 0..600 {
        files.add(long, format!("{number:0>255}"), directory());
    }
    let tree = files.tree();
    check("directories", &tree, &options(), |image, _| {
        assert_names(&tree, image);
        assert_inodes(&tree, image);
    });
}

#[test]
fn large_directory() {
    let mut files = Files::new();
    let large = files.add(0, "large", directory());
    for number in 0..100_000 {
        files.add(large, format!("a-name-of-some-length-{number}"), file(0));
    }
    let huge = files.add(0, "huge", directory());
    // More data blocks than one list of free bytes has room for.
    for number in 0..32_000 {
        files.link(huge, format!("{number:0>255}"), large + 1);
    }
    let tree = files.tree();
    check("large", &tree, &options(), |_, _| {});
}

#[test]
fn names_of_one_hash() {
    let mut files = Files::new();
    for group in 0..30 {
        for bits in 0..128_u32 {
            let mut name = format!("{group:04}").into_bytes();
            // A bit of one byte and one of the next are in the same place of the hash.
            for bit in 0..7 {
                let pair = if bits >> bit & 1 == 0 {
                    [0x41, 0xc2]
                } else {
                    [0x40, 0x42]
                };
                name.extend(pair.iter().chain(b"qq"));
            }
            files.add(0, &name, file(0));
            if bits < 16 {
                files.xattr(0, [b"user.", name.as_slice()].concat(), vec![b'v'; 50]);
            }
        }
    }
    check("hash", &files.tree(), &options(), |_, _| {});
}

#[test]
fn holes() {
    let mut files = Files::new();
    for size in [1, 4095, 4096, 4097, 1_000_000, 20_000_000] {
        files.add(0, format!("full{size}"), file(size));
    }
    for count in [1, 20, 21, 22, 30, 252, 6000] {
        let data = (0..count)
            .map(|number| number * 8192 + 10..number * 8192 + 20 + number % 4000)
            .collect();
        files.add(0, format!("holes{count}"), sparse(count * 8192 + 5000, data));
    }
    files.add(0, "one-block", sparse(4096, vec![1..2, 5..6, 4000..4096]));
    files.add(0, "only-hole", sparse(1 << 40, Vec::new()));
    files.add(
        0,
        "far",
        sparse(
            i64::MAX as u64,
            std::iter::once((1 << 62) - 7..(1 << 62) + 5000).collect(),
        ),
    );
    let tree = files.tree();
    check("holes", &tree, &options(), |image, _| {
        assert_content(&tree, image);
        assert_inodes(&tree, image);
    });
}

#[test]
fn times() {
    let mut files = Files::new();
    for sec in [-(1 << 31), -1, 0, i64::from(i32::MAX)] {
        let id = files.add(0, format!("at{sec}"), file(0));
        files.0.nodes[id].mtime = Time {
            sec,
            nsec: 999_999_999,
        };
    }
    let printed = |image: &Path| {
        let commands = [
            "path /at-1",
            "p core.mtime.sec",
            "path /at2147483647",
            "p core.mtime.sec",
        ];
        xfs_db(image, &commands.map(String::from))
    };
    let expected = "core.mtime.sec = Wed Dec 31 23:59:59 1969\ncore.mtime.sec = Tue Jan 19 03:14:07 2038\n";
    let look = |image: &Path, _| assert!(printed(image).is_none_or(|said| said == expected));
    check("times", &files.clone().tree(), &options(), look);
    let id = files.add(0, "late", file(0));
    files.0.nodes[id].mtime = Time {
        sec: 16_299_260_423,
        nsec: 1,
    };
    check("late", &files.tree(), &options(), |image, _| {
        assert!(printed(image).is_none_or(|said| said == expected));
        let said = xfs_db(
            image,
            &["path /late".into(), "p core.mtime.sec v3.bigtime".into()],
        );
        assert!(said.is_none_or(|said| said.contains(" 2486\nv3.bigtime = 1")));
    });
}
