//! Trees to write, their content, and what btrfs-progs say of an image.

#![allow(dead_code, reason = "each file of tests uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot make its files fails")]

pub(crate) mod dump;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use image_tree::{Contents, Error, Kind, Node, NodeId, Options, Time, Tree};

/// A tree that grows.
pub(crate) struct Builder {
    pub(crate) tree: Tree,
}

impl Builder {
    pub(crate) fn new() -> Self {
        let root = node(Kind::Directory { entries: Vec::new() });
        Self {
            tree: Tree { nodes: vec![root] },
        }
    }

    pub(crate) fn add(&mut self, directory: NodeId, name: impl AsRef<[u8]>, kind: Kind) -> NodeId {
        self.tree.nodes.push(node(kind));
        let id = self.tree.nodes.len() - 1;
        self.link(directory, name, id);
        id
    }

    pub(crate) fn directory(&mut self, directory: NodeId, name: impl AsRef<[u8]>) -> NodeId {
        self.add(directory, name, Kind::Directory { entries: Vec::new() })
    }

    /// Adds a file that is all data.
    pub(crate) fn file(&mut self, directory: NodeId, name: impl AsRef<[u8]>, size: u64) -> NodeId {
        let data = if size > 0 {
            std::iter::once(0..size).collect()
        } else {
            Vec::new()
        };
        self.add(directory, name, Kind::Regular { size, data })
    }

    pub(crate) fn link(&mut self, directory: NodeId, name: impl AsRef<[u8]>, id: NodeId) {
        let Kind::Directory { entries } = &mut self.tree.nodes[directory].kind else {
            panic!("{directory} is no directory");
        };
        entries.push((name.as_ref().to_vec(), id));
    }

    pub(crate) fn finish(mut self) -> Tree {
        for node in &mut self.tree.nodes {
            node.xattrs.sort();
            if let Kind::Directory { entries } = &mut node.kind {
                entries.sort();
            }
        }
        self.tree
    }
}

pub(crate) fn node(kind: Kind) -> Node {
    Node {
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: Time {
            sec: 1_700_000_000,
            nsec: 123_456_789,
        },
        xattrs: Vec::new(),
    }
}

/// Content that follows from node and offset; it looks after the order of questions.
#[derive(Default)]
pub(crate) struct Pattern {
    files: BTreeMap<NodeId, Vec<Range<u64>>>,
    last: (NodeId, u64),
}

impl Pattern {
    pub(crate) fn of(tree: &Tree) -> Self {
        let files = tree
            .nodes
            .iter()
            .enumerate()
            .filter_map(|(id, node)| match &node.kind {
                Kind::Regular { data, .. } => Some((id, data.clone())),
                _ => None,
            });
        Self {
            files: files.collect(),
            last: (0, 0),
        }
    }

    /// The byte of a file that has data there.
    pub(crate) fn byte(node: NodeId, offset: u64) -> u8 {
        let mixed = (node as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (offset >> 3);
        mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9).to_le_bytes()[(offset & 7) as usize] | 1
    }

    /// The whole of a file.
    pub(crate) fn content(node: NodeId, size: u64, data: &[Range<u64>]) -> Vec<u8> {
        let mut content = vec![0; usize::try_from(size).unwrap()];
        for range in data {
            for offset in range.clone() {
                content[usize::try_from(offset).unwrap()] = Self::byte(node, offset);
            }
        }
        content
    }
}

impl Contents for Pattern {
    fn read(&mut self, node: NodeId, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset + buffer.len() as u64;
        assert!(
            (node, offset) >= self.last,
            "{node} {offset} after {:?}",
            self.last
        );
        self.last = (node, end);
        let data = &self.files[&node];
        assert!(data.iter().any(|range| range.start <= offset && end <= range.end));
        for (offset, byte) in (offset..).zip(buffer) {
            *byte = Self::byte(node, offset);
        }
        Ok(())
    }
}

pub(crate) fn options() -> Options {
    Options {
        size: None,
        free: 0,
        uuid: *b"\x12\x34\x56\x78\x9a\xbc\x4d\xef\x81\x23\x45\x67\x89\xab\xcd\xef",
        label: b"a label".to_vec(),
        time: Time {
            sec: 1_750_000_000,
            nsec: 5,
        },
    }
}

/// An image in a directory of its own.
pub(crate) struct Image {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
}

pub(crate) fn try_image(tree: &Tree, options: &Options) -> Result<Image, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    let file = File::create_new(&path).unwrap();
    let size = btrfs_image::write(tree, &mut Pattern::of(tree), &file, options, &mut || Ok(()))?;
    assert_eq!(file.metadata().unwrap().len(), size);
    Ok(Image {
        directory,
        path,
        size,
    })
}

pub(crate) fn image(tree: &Tree, options: &Options) -> Image {
    try_image(tree, options).unwrap()
}

/// Returns whether btrfs-progs are there. Where continuous integration lacks them, the test fails.
pub(crate) fn has_btrfs() -> bool {
    let found = Command::new("btrfs")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    assert!(found || !ci, "no btrfs-progs");
    if !found {
        eprintln!("skipped: no btrfs-progs");
    }
    found
}

/// Runs btrfs, and returns what it wrote.
pub(crate) fn btrfs(arguments: &[&str], image: &Path, more: &[&Path]) -> Vec<u8> {
    let mut command = Command::new("btrfs");
    let output = command.args(arguments).arg(image).args(more).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{arguments:?}: {said}\n{error}");
    // `check` says some things only here, and succeeds.
    assert!(
        !error.to_lowercase().contains("error: "),
        "{arguments:?}: {error}"
    );
    output.stdout
}

/// Has btrfs check an image, in both of its ways.
pub(crate) fn check(image: &Image) {
    btrfs(&["check", "--readonly", "--check-data-csum"], &image.path, &[]);
    btrfs(&["check", "--readonly", "--mode=lowmem"], &image.path, &[]);
}

/// Holds an image against its tree: all items as `dump-tree` shows them, content as `restore` reads it.
pub(crate) fn compare(tree: &Tree, image: &Image) {
    dump::compare(tree, &image.path);
    let out = image.directory.path().join("out");
    std::fs::create_dir(&out).unwrap();
    btrfs(&["restore", "-S"], &image.path, &[&out]);
    compare_directory(tree, 0, &out);
}

fn compare_directory(tree: &Tree, id: NodeId, at: &Path) {
    use std::os::unix::ffi::OsStrExt;
    let Kind::Directory { entries } = &tree.nodes[id].kind else {
        return;
    };
    for (name, child) in entries {
        let path = at.join(std::ffi::OsStr::from_bytes(name));
        match &tree.nodes[*child].kind {
            Kind::Directory { .. } => compare_directory(tree, *child, &path),
            Kind::Regular { size, .. } if *size > 1 << 30 => {
                assert_eq!(path.metadata().unwrap().len(), *size, "{path:?}");
            }
            Kind::Regular { size, data } => {
                let same = std::fs::read(&path).unwrap() == Pattern::content(*child, *size, data);
                assert!(same, "{path:?}");
            }
            Kind::Symlink(text) => {
                assert_eq!(std::fs::read_link(&path).unwrap().as_os_str().as_bytes(), text);
            }
            _ => {}
        }
    }
}

/// Numbers that follow from a seed (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below a limit.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }
}
