//! Unpacking in parallel gives what unpacking in order gives.

use std::collections::BTreeMap;
use std::path::Path;

use super::scene::Scene;
use crate::claims::Claims;
use crate::directories::settle;
use crate::unpack::Unpacker;
use crate::{Job, Layering, open_package};
use deb_testing::{Data, Deb, TIME};

/// A small generator, so that a failing seed can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Packages with shared directories; with `overlap` also shared files, some with Replaces, and links
/// where others have directories.
fn packages(random: &mut Random, overlap: bool) -> Vec<Deb> {
    (0..6)
        .map(|index| {
            let mut data = Data::default().dir("./");
            let mut used = std::collections::HashSet::new();
            // This package may have a link where others have a directory.
            let linked = random.below(4);
            for _ in 0..random.below(12) {
                let directory = random.below(4);
                if directory == linked {
                    continue;
                }
                let directory = format!("./d{directory}/");
                let mode = 0o700 + random.below(8) as u32;
                let time = 1000 + random.below(1000);
                if used.insert(directory.clone()) {
                    data = data.raw(&directory, b'5', b"", |h| {
                        h.set_mode(mode);
                        h.set_mtime(time);
                    });
                }
                let sub = format!("{directory}s{}/", random.below(3));
                if used.insert(sub.clone()) {
                    data = data.raw(&sub, b'5', b"", |h| h.set_mtime(time));
                }
                let owner = if overlap && random.below(4) == 0 { 0 } else { index };
                let name = format!("{directory}f{owner}-{}", random.below(4));
                if used.insert(name.clone()) {
                    data = data.file(&name, &format!("from {index}"));
                }
                let link = format!("./l{index}-{}", random.below(3));
                if used.insert(link.clone()) {
                    data = data.link(&link, b'2', &directory);
                }
                if overlap && random.below(6) == 0 {
                    let link = format!("./d{linked}");
                    if used.insert(link.clone()) {
                        data = data.link(&link, b'2', &format!("d{}", random.below(4)));
                    }
                }
            }
            let all: Vec<String> = (0..6)
                .filter(|other| *other != index)
                .map(|other| format!("p{other}"))
                .collect();
            let deb = Deb::new(&format!("p{index}"), data);
            if random.below(8) == 0 {
                deb
            } else {
                deb.field(&format!("Replaces: {}", all.join(", ")))
            }
        })
        .collect()
}

/// Everything there is to see, times of the present left out.
fn snapshot(scene: &Scene) -> BTreeMap<String, String> {
    fn walk(scene: &Scene, path: &Path, into: &mut BTreeMap<String, String>) {
        for name in scene.target.read_dir(path).unwrap() {
            let path = path.join(name);
            let meta = scene.target.stat(&path).unwrap().meta;
            let time = Some(meta.mtime.sec).filter(|sec| *sec < 1_600_000_000);
            let contents = match meta.kind {
                rootless_install_fs::FileType::Regular => scene.target.read(&path).unwrap(),
                rootless_install_fs::FileType::Symlink => scene
                    .target
                    .read_link(&path)
                    .unwrap()
                    .as_os_str()
                    .as_encoded_bytes()
                    .to_vec(),
                _ => {
                    walk(scene, &path, into);
                    Vec::new()
                }
            };
            let text = format!(
                "{:?} {:o} {time:?} {}",
                meta.kind,
                meta.mode,
                String::from_utf8_lossy(&contents)
            );
            into.insert(path.to_str().unwrap().to_owned(), text);
        }
    }
    let mut into = BTreeMap::new();
    walk(scene, Path::new("/"), &mut into);
    into
}

fn outcome(
    debs: &[Deb],
    threads: usize,
    layering: Layering,
) -> Result<(BTreeMap<String, String>, Vec<String>), ()> {
    let mut scene = Scene::new();
    scene.layering = layering;
    // Which of several errors comes first may differ, and what was unpacked until then.
    let done = scene.unpack_all(debs, threads).map_err(|_| ())?;
    let describe =
        |p: &crate::UnpackedPackage| format!("{:?} {:?} {:?}", p.files.list, p.files.kept, p.files.placed);
    Ok((snapshot(&scene), done.iter().map(describe).collect()))
}

#[test]
fn order_of_threads_does_not_show() {
    let (mut succeeded, mut failed) = (0, 0);
    for seed in 1..=48 {
        let mut random = Random(seed * 0x9e37_79b9);
        let debs = packages(&mut random, seed % 2 == 0);
        let layering = if seed % 3 == 0 {
            Layering::TarThenDpkg
        } else {
            Layering::Dpkg
        };
        let sequential = outcome(&debs, 1, layering);
        let parallel = outcome(&debs, 4, layering);
        assert_eq!(sequential, parallel, "seed {seed} {layering:?}");
        if sequential.is_ok() {
            succeeded += 1
        } else {
            failed += 1
        }
    }
    assert!(
        succeeded > 24 && failed > 0,
        "the packages test little: {succeeded} and {failed}"
    );
}

#[test]
fn top_level_links_come_at_their_turn() {
    let files = |name: &str| Data::default().dir("./lib/").file(&format!("./lib/{name}"), name);
    let base = Data::default()
        .dir("./usr/")
        .dir("./usr/lib/")
        .link("./lib", b'2', "usr/lib");
    let debs = [
        Deb::new("base-files", base),
        Deb::new("a", files("a")),
        Deb::new("b", files("b")),
    ];
    for threads in [1, 4] {
        let scene = Scene::new();
        scene.unpack_all(&debs, threads).unwrap();
        assert!(scene.root("lib").is_symlink());
        assert_eq!(
            (scene.text("/usr/lib/a"), scene.text("/usr/lib/b")),
            ("a".to_owned(), "b".to_owned())
        );
    }
}

/// Were a directory given its time as it is made, that could be after another thread has put something
/// into it. Without other threads it is right at once, also if nothing comes after it.
#[test]
fn a_directory_gets_its_time_in_the_end() {
    for alone in [false, true] {
        let scene = Scene::new();
        let data = Data::default().dir("./d/").dir("./e/").file("./e/f", "");
        let path = Deb::new("p", data).write(scene.directory.path(), "p.deb");
        let job = Job {
            path: path.clone(),
            expected: None,
            recompressed: None,
        };
        let (deb, control) = open_package(&job).unwrap();
        let (package, context, claims) = (control.package().unwrap(), scene.context(), Claims::new());
        let mut unpacker = Unpacker::new(&deb, &control, &package, &scene.target, &context).unwrap();
        if !alone {
            unpacker.placement.claims = Some((&claims, 0));
        }
        let (_, log) = unpacker.run(1).unwrap();
        let time = |path: &str| scene.target.stat(Path::new(path)).unwrap().meta.mtime.sec;
        let archives = i64::try_from(TIME).unwrap();
        assert_eq!(time("/d") == archives, alone);
        assert!(time("/e") > archives);
        settle(&[log], &scene.target, Layering::Dpkg).unwrap();
        assert!(time("/d") == archives && time("/e") > archives);
    }
}
