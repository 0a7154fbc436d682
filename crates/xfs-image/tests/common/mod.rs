//! Trees for tests, and programs that read their images.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use image_tree::{Contents, Error, Kind, Node, NodeId, Options, Time, Tree};

pub(crate) const UUID: [u8; 16] = *b"0123456789abcdef";

/// A tree that grows.
#[derive(Clone)]
pub(crate) struct Files(pub(crate) Tree);

impl Files {
    pub(crate) fn new() -> Self {
        let mut files = Self(Tree::default());
        files.0.nodes.push(node(directory()));
        files
    }

    /// Adds a node to a directory.
    pub(crate) fn add(&mut self, directory: NodeId, name: impl AsRef<[u8]>, kind: Kind) -> NodeId {
        let id = self.0.nodes.len();
        self.0.nodes.push(node(kind));
        self.link(directory, name, id);
        id
    }

    /// Gives a node another name.
    pub(crate) fn link(&mut self, directory: NodeId, name: impl AsRef<[u8]>, id: NodeId) {
        if let Kind::Directory { entries } = &mut self.0.nodes[directory].kind {
            entries.push((name.as_ref().to_vec(), id));
        }
    }

    pub(crate) fn xattr(&mut self, id: NodeId, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.0.nodes[id]
            .xattrs
            .push((name.as_ref().to_vec(), value.as_ref().to_vec()));
    }

    /// The tree, with all that is to be sorted.
    pub(crate) fn tree(mut self) -> Tree {
        for node in &mut self.0.nodes {
            node.xattrs.sort();
            if let Kind::Directory { entries } = &mut node.kind {
                entries.sort();
            }
        }
        self.0
    }
}

pub(crate) fn node(kind: Kind) -> Node {
    let mtime = Time {
        sec: 1_700_000_000,
        nsec: 123_456_789,
    };
    Node {
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime,
        xattrs: Vec::new(),
    }
}

pub(crate) fn directory() -> Kind {
    Kind::Directory { entries: Vec::new() }
}

/// A file without holes.
pub(crate) fn file(size: u64) -> Kind {
    sparse(size, (size > 0).then_some(0..size).into_iter().collect())
}

pub(crate) fn sparse(size: u64, data: Vec<Range<u64>>) -> Kind {
    Kind::Regular { size, data }
}

/// Content that is made of its place; it is an error to ask for anything else than the data in their order.
pub(crate) struct Made<'a> {
    tree: &'a Tree,
    last: (NodeId, u64),
}

impl<'a> Made<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        Self { tree, last: (0, 0) }
    }
}

fn fill(node: NodeId, offset: u64, buffer: &mut [u8]) {
    for (at, byte) in (offset..).zip(buffer) {
        *byte = ((at >> 12) as usize * 7 + at as usize % 251 + node) as u8 | 1;
    }
}

impl Contents for Made<'_> {
    fn read(&mut self, node: NodeId, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let Kind::Regular { data, .. } = &self.tree.nodes[node].kind else {
            return Err(io::Error::other("no file"));
        };
        let end = offset + buffer.len() as u64;
        let within = data.iter().any(|range| range.start <= offset && end <= range.end);
        if !within || (node, offset) < self.last {
            return Err(io::Error::other("not asked for in order, or a hole"));
        }
        self.last = (node, end);
        fill(node, offset, buffer);
        Ok(())
    }
}

/// All bytes of a regular file.
pub(crate) fn content(node: NodeId, kind: &Kind) -> Vec<u8> {
    let Kind::Regular { size, data } = kind else {
        return Vec::new();
    };
    let mut content = vec![0; *size as usize];
    for range in data {
        fill(
            node,
            range.start,
            &mut content[range.start as usize..range.end as usize],
        );
    }
    content
}

pub(crate) fn options() -> Options {
    let time = Time {
        sec: 1_700_000_000,
        nsec: 0,
    };
    Options {
        uuid: UUID,
        label: b"root".to_vec(),
        time,
        ..Options::default()
    }
}

/// Writes an image.
pub(crate) fn write(tree: &Tree, image: &Path, options: &Options) -> Result<u64, Error> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(image)
        .unwrap();
    xfs_image::write(tree, &mut Made::new(tree), &file, options, &mut || Ok(()))
}

/// Runs a program and returns whether it succeeded, and what it said; nothing where it is missing, which with `CI=true` in the environment
/// is a failure.
pub(crate) fn run(program: &str, arguments: &[&str], image: &Path) -> Option<(bool, Vec<u8>)> {
    let found = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        .iter()
        .map(|directory| Path::new(directory).join(program))
        .find(|path| path.exists());
    let Some(found) = found else {
        let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
        assert!(!ci, "no {program}");
        eprintln!("skipped: no {program}");
        return None;
    };
    let mut command = Command::new(found);
    for argument in arguments {
        match *argument {
            "IMAGE" => command.arg(image),
            argument => command.arg(argument),
        };
    }
    let output = command.env("TZ", "UTC").env("LC_ALL", "C").output().unwrap();
    let mut said = output.stdout;
    said.extend(output.stderr);
    Some((output.status.success(), said))
}

/// What `xfs_repair` says of an image without faults: its phases, and that it does not know the filesystem that the image is on.
const REPAIR_SAYS: [&str; 5] = [
    "Phase ",
    "        - ",
    "No modify flag set, ",
    "Cannot get host filesystem geometry.",
    "Repair may fail if there is a sector size mismatch between",
];

/// Fails unless `xfs_repair` finds nothing.
pub(crate) fn assert_sound(image: &Path) {
    let Some((success, said)) = run("xfs_repair", &["-n", "IMAGE"], image) else {
        return;
    };
    let said = String::from_utf8_lossy(&said);
    let more: Vec<&str> = said
        .lines()
        .filter(|line| !REPAIR_SAYS.iter().any(|start| line.starts_with(start)))
        .filter(|line| !line.is_empty() && *line != "the image and the host filesystem.")
        .collect();
    assert!(success && more.is_empty(), "{more:#?}");
}

/// Output of commands of `xfs_db`.
pub(crate) fn xfs_db(image: &Path, commands: &[String]) -> Option<String> {
    let mut arguments = vec!["-r"];
    for command in commands {
        arguments.extend(["-c", command]);
    }
    arguments.push("IMAGE");
    let (success, said) = run("xfs_db", &arguments, image)?;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(success, "{said}");
    Some(said)
}

/// Writes a tree's image, with a name for the case, and looks at it.
pub(crate) fn check(name: &str, tree: &Tree, options: &Options, look: impl FnOnce(&Path, u64)) {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join(name);
    let size = write(tree, &image, options).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(image.metadata().unwrap().len(), size, "{name}");
    assert_sound(&image);
    look(&image, size);
}

/// Paths of all nodes, each with the node.
pub(crate) fn paths(tree: &Tree) -> Vec<(String, NodeId)> {
    fn walk(tree: &Tree, id: NodeId, path: &str, paths: &mut Vec<(String, NodeId)>) {
        paths.push((path.into(), id));
        if let Kind::Directory { entries } = &tree.nodes[id].kind {
            for (name, entry) in entries {
                let name = String::from_utf8_lossy(name);
                walk(tree, *entry, &format!("{path}/{name}"), paths);
            }
        }
    }
    let mut paths = Vec::new();
    walk(tree, 0, "", &mut paths);
    paths
}

/// Numbers that look like chance and are the same each time.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ value >> 31) % end
    }
}
