//! The same random operations on the view and on a plain directory: they must do the same.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rootless_install_fs::{FileType, ServeOptions, Target};

use super::{Case, done, idle, meta, nothing, redirecting};
use crate::namespace::{Inside, Outside};

pub(crate) fn all() -> Vec<Case> {
    vec![
        Case {
            name: "random",
            prepare: nothing,
            inside: random,
            step: idle,
            after: done,
        },
        Case {
            name: "random, opens told",
            prepare: redirecting,
            inside: random,
            step: idle,
            after: done,
        },
        Case {
            name: "both-sides",
            prepare: shared,
            inside: both_sides,
            step: from_outside,
            after: done,
        },
        Case {
            name: "crowd",
            prepare: nothing,
            inside: crowd,
            step: idle,
            after: done,
        },
        Case {
            name: "crowd, opens told",
            prepare: redirecting,
            inside: crowd,
            step: idle,
            after: done,
        },
    ]
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn path(random: &mut Random) -> String {
    let depth = random.below(3) + 1;
    (0..depth)
        .map(|_| NAMES[random.below(NAMES.len())])
        .collect::<Vec<_>>()
        .join("/")
}

fn random(t: &Inside) {
    let plain = t.dir.join("plain");
    fs::create_dir(&plain).unwrap();
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    for round in 0..8 {
        let mut random = Random(seed * 1000 + round);
        for i in 0..600 {
            let op = random.below(12);
            let (one, two) = (path(&mut random), path(&mut random));
            let number = random.below(5000);
            let of = |root: &Path| apply(root, op, &one, &two, number);
            let (ours, theirs) = (of(&t.view), of(&plain));
            assert_eq!(
                ours, theirs,
                "round {round}, operation {i}: {op} {one} {two} {number}"
            );
        }
        assert_eq!(tree(&t.view), tree(&plain), "round {round}");
    }
}

/// The operation's result: an errno, or what was seen.
fn apply(root: &Path, op: usize, one: &str, two: &str, number: usize) -> Result<String, i32> {
    let (one, two) = (root.join(one), root.join(two));
    let seen = |result: io::Result<()>| result.map(|()| String::new());
    let result = match op {
        0 => seen(fs::write(&one, "x".repeat(number))),
        1 => seen(fs::create_dir(&one)),
        2 => seen(fs::remove_file(&one)),
        3 => seen(fs::remove_dir(&one)),
        4 | 5 => seen(fs::rename(&one, &two)),
        6 => seen(fs::hard_link(&one, &two)),
        7 => seen(symlink(NAMES[number % NAMES.len()], &one)),
        8 => seen(
            OpenOptions::new()
                .append(true)
                .open(&one)
                .and_then(|mut f| f.write_all(b"tail")),
        ),
        9 => fs::read(&one).map(|data| format!("{} bytes", data.len())),
        10 => seen(fs::set_permissions(
            &one,
            fs::Permissions::from_mode(number as u32 & 0o1777 | 0o700),
        )),
        _ => seen(
            OpenOptions::new()
                .write(true)
                .open(&one)
                .and_then(|f| f.set_len(number as u64)),
        ),
    };
    result.map_err(|e| e.raw_os_error().unwrap())
}

/// Everything there is, in a form that can be compared.
fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let stat = fs::symlink_metadata(&path).unwrap();
            let content = if stat.is_file() {
                String::from_utf8(fs::read(&path).unwrap()).unwrap()
            } else if stat.is_symlink() {
                fs::read_link(&path).unwrap().display().to_string()
            } else {
                todo.push(path.clone());
                String::new()
            };
            let nlink = if stat.is_dir() { 0 } else { stat.nlink() };
            let name = path.strip_prefix(root).unwrap().display().to_string();
            found.push(format!("{name} {:o} {nlink} {content}", stat.mode()));
        }
    }
    found.sort_unstable();
    found
}

/// Several at the same time, each in its own corner and in a common one.
fn crowd(t: &Inside) {
    fs::create_dir(t.at("common")).unwrap();
    std::thread::scope(|scope| {
        for who in 0..6 {
            scope.spawn(move || {
                let own = t.at(&format!("own{who}"));
                for i in 0..40 {
                    fs::create_dir_all(own.join("x/y")).unwrap();
                    fs::write(own.join("x/y/z"), format!("{i}")).unwrap();
                    fs::rename(own.join("x"), own.join("w")).unwrap();
                    assert_eq!(fs::read(own.join("w/y/z")).unwrap(), format!("{i}").as_bytes());
                    let common = t.at(&format!("common/{who}-{i}"));
                    fs::rename(own.join("w/y/z"), &common).unwrap();
                    fs::remove_dir_all(&own).unwrap();
                    // Whoever comes first.
                    let _ = fs::write(t.at("common/fought-over"), "x");
                    let _ = fs::remove_file(t.at("common/fought-over"));
                    assert!(fs::read_dir(t.at("common")).unwrap().count() > 0);
                }
            });
        }
    });
    let _ = fs::remove_file(t.at("common/fought-over"));
    assert_eq!(fs::read_dir(t.at("common")).unwrap().count(), 240);
}

fn shared(target: &Target, _: &Path) -> ServeOptions {
    target
        .make_dir(Path::new("shared"), &meta(FileType::Directory, 0o755, 0, 0))
        .unwrap();
    ServeOptions {
        threads: 1,
        ..ServeOptions::default()
    }
}

/// The installer changes a directory in which scripts are at work: nobody waits for ever, and what is
/// seen at the end is what is there.
fn both_sides(t: &Inside) {
    let stop = std::sync::atomic::AtomicBool::new(false);
    let going = || !stop.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        for who in 0..3 {
            scope.spawn(move || {
                let mut i = 0;
                while going() {
                    i += 1;
                    let own = t.at(&format!("shared/own{who}"));
                    fs::write(&own, format!("{i}")).unwrap();
                    assert_eq!(fs::read(&own).unwrap(), format!("{i}").as_bytes());
                    for name in ["new", "kept", "none"] {
                        let _ = fs::read(t.at("shared").join(name));
                        let _ = fs::symlink_metadata(t.at("shared").join(name));
                    }
                    assert!(fs::read_dir(t.at("shared")).unwrap().count() > 0);
                    fs::remove_file(&own).unwrap();
                }
            });
        }
        for round in 1..=100 {
            t.step(0);
            assert_eq!(
                fs::read(t.at("shared/kept")).unwrap().len() % 20,
                0,
                "round {round}"
            );
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let mut names: Vec<_> = fs::read_dir(t.at("shared"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["kept", "link"]);
    assert_eq!(fs::read(t.at("shared/link")).unwrap().len(), 20);
}

fn from_outside(t: &Outside, _: u8) {
    let file = meta(FileType::Regular, 0o644, 0, 0);
    let (new, kept, link) = (
        Path::new("shared/new"),
        Path::new("shared/kept"),
        Path::new("shared/link"),
    );
    for size in 1..=20 {
        t.target.write(new, &vec![b'x'; size], &file).unwrap();
        t.target.set_owner(new, 1, 1).unwrap();
        t.target.rename(new, kept).unwrap();
    }
    let _ = t.target.remove(link);
    t.target
        .make_symlink(link, Path::new("kept"), &meta(FileType::Symlink, 0o777, 0, 0))
        .unwrap();
}
