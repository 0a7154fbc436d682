//! The tree of files as `btrfs inspect-internal dump-tree` shows it.

use std::collections::BTreeMap;
use std::path::Path;

use image_tree::{Kind, NodeId, Time, Tree};

/// All that is said of one inode.
#[derive(Debug, Default, PartialEq, Eq)]
struct Inode {
    /// Size, bytes, mode, links, owner, group, device.
    numbers: [u64; 7],
    /// Access, change, modification, birth.
    times: Vec<Time>,
    /// Directory, index and name.
    names: Vec<(u64, u64, Vec<u8>)>,
    /// Name, length of the value, and what is shown of it.
    xattrs: Vec<(Vec<u8>, u64, Vec<u8>)>,
    /// By hash: name, inode, type.
    hashed: Vec<(Vec<u8>, u64, String)>,
    /// By index.
    indexed: Vec<(u64, Vec<u8>, u64, String)>,
    /// Offset and length.
    extents: Vec<(u64, u64)>,
    inline: Option<u64>,
}

pub(crate) fn compare(tree: &Tree, image: &Path) {
    let mut found = read(&super::btrfs(
        &["inspect-internal", "dump-tree", "-t", "5"],
        image,
        &[],
    ));
    for (id, wanted) in expected(tree) {
        let found = found.remove(&(256 + id as u64)).unwrap_or_default();
        assert_eq!(found, wanted, "{}", String::from_utf8_lossy(&tree.path(id)));
    }
    assert!(found.is_empty(), "{found:?}");
}

/// Bytes that are read from the front.
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// Skips what is before a text, and the text.
    fn after(&mut self, text: &str) -> &mut Self {
        let from = self.0;
        while !self.starts(text) {
            assert!(
                !self.0.is_empty(),
                "no {text:?} in {:?}",
                String::from_utf8_lossy(&from[..from.len().min(200)])
            );
            self.0 = &self.0[1..];
            self.until(&text.as_bytes()[..1]);
        }
        self.0 = &self.0[text.len()..];
        self
    }

    fn until(&mut self, ends: &[u8]) -> &'a [u8] {
        let at = self
            .0
            .iter()
            .position(|byte| ends.contains(byte))
            .unwrap_or(self.0.len());
        let (found, rest) = self.0.split_at(at);
        self.0 = rest;
        found
    }

    fn word(&mut self) -> String {
        String::from_utf8(self.until(b" \n).").to_vec()).unwrap()
    }

    fn number(&mut self) -> u64 {
        let word = self.word();
        word.parse().unwrap_or_else(|_| panic!("{word:?} is no number"))
    }

    fn bytes(&mut self, count: u64) -> Vec<u8> {
        let (found, rest) = self.0.split_at(usize::try_from(count).unwrap());
        self.0 = rest;
        found.to_vec()
    }

    /// Takes the value of an attribute, and the end of the line, which is before a line that is known.
    fn value(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        loop {
            value.extend_from_slice(self.until(b"\n"));
            self.0 = &self.0[self.0.len().min(1)..];
            let known = ["\titem ", "\t\tlocation ", "leaf ", "node ", "total bytes "];
            if self.0.is_empty() || known.iter().any(|text| self.starts(text)) {
                return value;
            }
            value.push(b'\n');
        }
    }

    fn starts(&self, text: &str) -> bool {
        self.0.starts_with(text.as_bytes())
    }
}

fn read(dump: &[u8]) -> BTreeMap<u64, Inode> {
    const ITEM: &str = "\titem ";
    let mut inodes: BTreeMap<u64, Inode> = BTreeMap::new();
    let mut text = Text(dump);
    while !text.0.is_empty() {
        if !text.starts(ITEM) {
            text.until(b"\n");
            text.0 = &text.0[text.0.len().min(1)..];
            continue;
        }
        let number = text.after("key (").number();
        let kind = text.after(" ").word();
        let offset = text.after(" ").number();
        text.after("\n");
        let inode = inodes.entry(number).or_default();
        match kind.as_str() {
            "INODE_ITEM" => read_inode(&mut text, inode),
            "INODE_REF" | "INODE_EXTREF" => {
                read_names(&mut text, inode, (kind == "INODE_REF").then_some(offset))
            }
            "XATTR_ITEM" | "DIR_ITEM" | "DIR_INDEX" => read_entries(&mut text, inode, &kind, offset),
            "EXTENT_DATA" if text.after("type ").number() == 0 => {
                inode.inline = Some(text.after("size ").number());
            }
            "EXTENT_DATA" => {
                let length = text.after(" nr ").number();
                let part = (text.after("offset ").number(), text.after("nr ").number());
                assert_eq!(part, (0, length));
                inode.extents.push((offset, length));
            }
            other => panic!("{other}"),
        }
    }
    for inode in inodes.values_mut() {
        inode.names.sort();
        inode.xattrs.sort();
        inode.hashed.sort();
    }
    inodes
}

fn read_inode(text: &mut Text, inode: &mut Inode) {
    let [size, bytes, mode, links, uid, gid, device] = &mut inode.numbers;
    *size = text.after(" size ").number();
    *bytes = text.after(" nbytes ").number();
    *mode = u64::from_str_radix(&text.after(" mode ").word(), 8).unwrap();
    *links = text.after(" links ").number();
    *uid = text.after(" uid ").number();
    *gid = text.after(" gid ").number();
    *device = text.after(" rdev ").number();
    for time in ["atime ", "ctime ", "mtime ", "otime "] {
        let sec = text.after(time).word();
        let sec = sec
            .parse()
            .unwrap_or_else(|_| sec.parse::<u64>().unwrap().cast_signed());
        let nsec = u32::try_from(text.after(".").number()).unwrap();
        inode.times.push(Time { sec, nsec });
    }
    text.after("\n");
}

fn read_names(text: &mut Text, inode: &mut Inode, directory: Option<u64>) {
    while text.starts("\t\tindex ") {
        let index = text.after("index ").number();
        let directory = directory.unwrap_or_else(|| text.after("parent ").number());
        let length = text.after("namelen ").number();
        let name = text.after("name: ").bytes(length);
        text.after("\n");
        inode.names.push((directory, index, name));
    }
}

fn read_entries(text: &mut Text, inode: &mut Inode, kind: &str, offset: u64) {
    while text.starts("\t\tlocation key (") {
        let number = text.after("key (").number();
        let of = text.after("type ").word();
        let length = text.after("data_len ").number();
        let name_length = text.after("name_len ").number();
        let name = text.after("name: ").bytes(name_length);
        text.after("\n");
        if kind == "XATTR_ITEM" {
            let shown = if length > 0 {
                text.after("\t\tdata ").value()
            } else {
                Vec::new()
            };
            inode.xattrs.push((name, length, shown));
        } else if kind == "DIR_ITEM" {
            inode.hashed.push((name, number, of));
        } else {
            inode.indexed.push((offset, name, number, of));
        }
    }
}

/// What dump-tree shows of a value.
fn shown(value: &[u8]) -> Vec<u8> {
    const MAX: usize = 255;
    value
        .iter()
        .take(MAX)
        .take_while(|byte| **byte != 0)
        .copied()
        .collect()
}

/// What is to be found, for nodes with names.
fn expected(tree: &Tree) -> BTreeMap<NodeId, Inode> {
    let mut names: BTreeMap<NodeId, Vec<(u64, u64, Vec<u8>)>> = BTreeMap::new();
    names.insert(0, vec![(256, 0, b"..".to_vec())]);
    for (id, node) in tree.nodes.iter().enumerate() {
        if let Kind::Directory { entries } = &node.kind
            && names.contains_key(&id)
        {
            for (index, (name, child)) in (2..).zip(entries) {
                let directory = 256 + id as u64;
                names
                    .entry(*child)
                    .or_default()
                    .push((directory, index, name.clone()));
            }
        }
    }
    let inodes = names.into_iter().map(|(id, mut names)| {
        names.sort();
        let node = &tree.nodes[id];
        let mut inode = Inode {
            times: vec![node.mtime; 4],
            xattrs: node
                .xattrs
                .iter()
                .map(|(name, value)| (name.clone(), value.len() as u64, shown(value)))
                .collect(),
            ..Inode::default()
        };
        let (mut size, mut bytes, mut device, mut links) = (0, 0, 0, names.len() as u64);
        match &node.kind {
            Kind::Regular { size: of_file, data } => {
                size = *of_file;
                let small = *of_file <= 2048;
                inode.inline = (small && !data.is_empty()).then_some(size);
                bytes = inode.inline.unwrap_or_default();
                if !small {
                    inode.extents = extents(data);
                    bytes = inode.extents.iter().map(|extent| extent.1).sum();
                }
            }
            Kind::Directory { entries } => {
                links = 1;
                for (index, (name, child)) in (2..).zip(entries) {
                    size += 2 * name.len() as u64;
                    let (number, of) = (256 + *child as u64, type_name(&tree.nodes[*child].kind));
                    inode.hashed.push((name.clone(), number, of.clone()));
                    inode.indexed.push((index, name.clone(), number, of));
                }
            }
            Kind::Symlink(text) => {
                size = text.len() as u64;
                bytes = size;
                inode.inline = Some(size);
            }
            Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                device = u64::from(*major) * (1 << 20) + u64::from(*minor);
            }
            Kind::Fifo | Kind::Socket => {}
        }
        let mode = u64::from(kind_bits(&node.kind) | node.mode);
        inode.numbers = [size, bytes, mode, links, node.uid.into(), node.gid.into(), device];
        inode.names = names;
        inode.hashed.sort();
        (id, inode)
    });
    inodes.collect()
}

/// Whole sectors, in extents of at most 128 MiB. No chunk ends within data of these tests.
fn extents(data: &[std::ops::Range<u64>]) -> Vec<(u64, u64)> {
    const SECTOR: u64 = 4096;
    const MAX: u64 = 128 << 20;
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for range in data {
        let (start, end) = (range.start / SECTOR * SECTOR, range.end.div_ceil(SECTOR) * SECTOR);
        match spans.last_mut() {
            Some(last) if last.1 >= start => last.1 = end,
            _ => spans.push((start, end)),
        }
    }
    let extents = spans.into_iter().flat_map(|(start, end)| {
        let starts = (start..end).step_by(MAX as usize);
        starts.map(move |at| (at, MAX.min(end - at)))
    });
    extents.collect()
}

fn type_name(kind: &Kind) -> String {
    let name = match kind {
        Kind::Regular { .. } => "FILE",
        Kind::Directory { .. } => "DIR",
        Kind::Symlink(_) => "SYMLINK",
        Kind::CharDevice { .. } => "CHRDEV",
        Kind::BlockDevice { .. } => "BLKDEV",
        Kind::Fifo => "FIFO",
        Kind::Socket => "SOCK",
    };
    name.to_owned()
}

fn kind_bits(kind: &Kind) -> u32 {
    match kind {
        Kind::Regular { .. } => 0o100_000,
        Kind::Directory { .. } => 0o040_000,
        Kind::Symlink(_) => 0o120_000,
        Kind::CharDevice { .. } => 0o020_000,
        Kind::BlockDevice { .. } => 0o060_000,
        Kind::Fifo => 0o010_000,
        Kind::Socket => 0o140_000,
    }
}
