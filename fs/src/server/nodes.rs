//! The files that the kernel knows: its inodes, and their locations in the target.
//!
//! A node's id is the number of its file on disk (`sys/number.rs`; only the root has one of its own), so hard links are
//! one node. A number may be used again on disk while the kernel still remembers the old file: such a
//! node is marked, and gets another generation when its number turns up again.
//!
//! Names are kept exact by the [`Observer`](crate::target::Observer) calls. A node without a name (its
//! file is unlinked, or was made so) can only be reached through its [file](files), if it was open.

mod files;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::phantom::{MOUNT, Parents, PhantomId, Phantoms};
use crate::confined::{Dir, Location, PART};
use crate::descriptors;
use crate::recent::Recent;
use crate::{FileType, sys};

/// The root of the target, in every view.
pub(super) const ROOT: u64 = MOUNT + 1;

/// Bit of the ids of files whose numbers on disk mean something else.
const MOVED: u64 = 1 << 61;

/// Most directories that are kept open.
const DIRS_OPEN: usize = 256;

/// Most files with a name that are kept open.
const FILES_OPEN: usize = 64;

/// The nodes of a view.
#[derive(Debug)]
pub(super) struct Nodes {
    root: Arc<Dir>,
    phantoms: Arc<Phantoms>,
    table: Mutex<Table>,
    /// Whether any file may be open, since the kernel does not tell of opens.
    any_may_be_open: AtomicBool,
}

#[derive(Debug)]
struct Table {
    nodes: HashMap<u64, Node>,
    /// Directories that are open.
    dirs: Recent<u64, Arc<Dir>>,
    /// Files that are open.
    files: Recent<u64, OpenFile>,
    generations: u64,
    /// Number of times that the kernel has looked each phantom up and not forgotten it.
    phantoms: HashMap<PhantomId, u64>,
}

/// The open file of a node.
#[derive(Debug, Clone)]
struct OpenFile {
    file: Arc<File>,
    writable: bool,
}

#[derive(Debug, Default)]
struct Node {
    /// Number of times that the kernel has looked it up and not forgotten it.
    lookups: u64,
    generation: u64,
    /// Whether the file's last name is gone, so that its number may come to mean another file.
    number_free: bool,
    /// Parent and name of every name known.
    names: Vec<(u64, OsString)>,
    /// Phantom beside a directory, for the phantoms in it.
    phantom: Option<PhantomId>,
    /// Whether a process has opened it since the kernel came to know it.
    may_be_open: bool,
}

/// Way in which a node comes to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A lookup found it.
    Found,
    /// It has just been made: whatever had its number is gone.
    Made,
}

impl Nodes {
    pub(super) fn new(root: Arc<Dir>, phantoms: Arc<Phantoms>) -> Self {
        let mut table = Table {
            nodes: HashMap::new(),
            dirs: Recent::new(descriptors::share(DIRS_OPEN, PART)),
            files: Recent::new(descriptors::share(FILES_OPEN, 4 * PART)),
            generations: 0,
            phantoms: HashMap::new(),
        };
        let node = Node {
            lookups: 1,
            phantom: Some(PhantomId::ROOT),
            ..Node::default()
        };
        table.nodes.insert(ROOT, node);
        Self {
            root,
            phantoms,
            table: Mutex::new(table),
            any_may_be_open: AtomicBool::new(false),
        }
    }

    /// Returns the node id of a file on disk.
    pub(super) fn id(&self, ino: u64) -> u64 {
        match ino {
            ino if ino == self.root.ino() => ROOT,
            // tmpfs hands out small numbers, perhaps those.
            MOUNT | ROOT => MOVED | ino,
            ino => ino,
        }
    }

    /// Returns the number on disk of a node that is no phantom.
    pub(super) fn ino(&self, id: u64) -> u64 {
        match id {
            ROOT => self.root.ino(),
            id => id & !MOVED,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the kernel comes to know the node `id`, as `name` in `parent`. Returns its generation.
    pub(super) fn remember(&self, id: u64, parent: u64, name: &OsStr, known: Origin) -> u64 {
        let mut table = self.table();
        let table = &mut *table;
        let phantom = self.beside(table, parent, name);
        let node = table.looked_up(id, known);
        node.phantom = phantom;
        // The name used last is the last one, which is that of the node's path.
        match node.names.iter().position(|(p, n)| *p == parent && n == name) {
            None => node.names.push((parent, name.to_owned())),
            Some(at) => {
                let last = node.names.len() - 1;
                node.names.swap(at, last);
            }
        }
        node.generation
    }

    /// Notes that the kernel comes to know a file that has just been made without a name. Returns its generation.
    pub(super) fn remember_nameless(&self, id: u64) -> u64 {
        self.table().looked_up(id, Origin::Made).generation
    }

    fn beside(&self, table: &Table, parent: u64, name: &OsStr) -> Option<PhantomId> {
        self.phantoms.beside(table.nodes.get(&parent)?.phantom?, name)
    }

    /// Returns the phantom that would be seen as `name` in the node `parent`.
    pub(super) fn phantom_in(&self, parent: u64, name: &OsStr) -> Option<PhantomId> {
        let beside = self.table().nodes.get(&parent)?.phantom?;
        let id = self.phantoms.child(beside, name)?;
        let shown = match self.phantoms.shown(id) {
            Parents::Shown => true,
            Parents::Hidden => false,
            Parents::HiddenBy(name) => !self.has_directory(name),
        };
        shown.then_some(id)
    }

    /// Returns whether the root directory of the target has a directory of this name.
    fn has_directory(&self, name: &OsStr) -> bool {
        let root = self.dir(ROOT);
        let attr = root.map(|root| sys::attr_at(root.as_fd(), name));
        matches!(attr, Ok(Ok(attr)) if attr.meta.kind == FileType::Directory)
    }

    /// Returns the phantom directory that the kernel knows as `name` in the node `parent`, and on which something may be
    /// mounted: were it another directory now, the kernel would take that off.
    pub(super) fn mount_point_in(&self, parent: u64, name: &OsStr) -> Option<PhantomId> {
        let table = self.table();
        let beside = table.nodes.get(&parent)?.phantom?;
        let id = self.phantoms.child(beside, name)?;
        (table.phantoms.contains_key(&id) && self.phantoms.is_mount_point(id)).then_some(id)
    }

    /// Returns whether the node `parent` may come to have a phantom of this name.
    pub(super) fn may_have_phantom(&self, parent: u64, name: &OsStr) -> bool {
        let beside = self.table().nodes.get(&parent).and_then(|node| node.phantom);
        let bare = self.phantoms.is_bare();
        let depends = |id| bare || matches!(self.phantoms.shown(id), Parents::HiddenBy(_));
        beside.is_some_and(|beside| {
            self.phantoms.grows(beside) || self.phantoms.child(beside, name).is_some_and(depends)
        })
    }

    /// Notes that the kernel has looked a phantom up.
    pub(super) fn remember_phantom(&self, id: PhantomId) {
        *self.table().phantoms.entry(id).or_default() += 1;
    }

    /// Returns whether the kernel knows the phantom.
    pub(super) fn knows_phantom(&self, id: PhantomId) -> bool {
        self.table().phantoms.contains_key(&id)
    }

    /// Notes that the kernel has forgotten a node or phantom `count` times.
    pub(super) fn forget(&self, id: u64, count: u64) {
        if let Some(phantom) = PhantomId::from_node_id(id) {
            let mut table = self.table();
            if let Some(lookups) = table.phantoms.get_mut(&phantom) {
                *lookups = lookups.saturating_sub(count);
                if *lookups == 0 {
                    table.phantoms.remove(&phantom);
                }
            }
            return;
        }
        if id == ROOT {
            return;
        }
        let mut table = self.table();
        let table = &mut *table;
        if let Some(node) = table.nodes.get_mut(&id) {
            node.lookups = node.lookups.saturating_sub(count);
            if node.lookups == 0 {
                table.nodes.remove(&id);
                table.files.remove(&id);
                table.dirs.remove(&id);
            }
        }
    }

    /// Returns whether the kernel knows the node.
    pub(super) fn knows(&self, id: u64) -> bool {
        self.table().nodes.contains_key(&id)
    }

    /// Returns the location of a node: `ESTALE` for one the kernel should not know, `ENOENT` for one without a name.
    pub(super) fn location(&self, id: u64) -> Result<Location, Errno> {
        if id == ROOT {
            return Ok(Location {
                dir: self.root.clone(),
                name: ".".into(),
            });
        }
        let (parent, name) = {
            let table = self.table();
            let node = table.nodes.get(&id).ok_or(Errno::STALE)?;
            node.names.last().ok_or(Errno::NOENT)?.clone()
        };
        Ok(Location {
            dir: self.dir(parent)?,
            name,
        })
    }

    /// Returns all locations of a node that are known, as far as the directories can be reached.
    pub(super) fn locations(&self, id: u64) -> Vec<Location> {
        let names = self.table().nodes.get(&id).map(|node| node.names.clone());
        let location = |(parent, name)| self.dir(parent).ok().map(|dir| Location { dir, name });
        names.into_iter().flatten().filter_map(location).collect()
    }

    /// Returns the path of a node in the view, by the name that was looked up last; `None` for one without a name.
    pub(super) fn path(&self, id: u64) -> Option<PathBuf> {
        let table = self.table();
        let mut names: Vec<&OsStr> = Vec::new();
        let mut at = id;
        let mut path = loop {
            if at == ROOT {
                break PathBuf::from("/");
            }
            if let Some(phantom) = PhantomId::from_node_id(at) {
                break self.phantoms.path(phantom)?;
            }
            let (parent, name) = table.nodes.get(&at)?.names.last()?;
            names.push(name);
            // A circle: there are no more directories than nodes.
            if names.len() > table.nodes.len() {
                return None;
            }
            at = *parent;
        };
        path.extend(names.into_iter().rev());
        Some(path)
    }

    /// Returns the directory of a node.
    pub(super) fn dir(&self, id: u64) -> Result<Arc<Dir>, Errno> {
        let mut way = Vec::new();
        let mut dir = {
            let mut table = self.table();
            let mut at = id;
            loop {
                if at == ROOT {
                    break self.root.clone();
                }
                if let Some(dir) = table.dirs.get(&at) {
                    break dir.clone();
                }
                let node = table.nodes.get(&at).ok_or(Errno::STALE)?;
                let (parent, name) = node.names.last().ok_or(Errno::NOENT)?.clone();
                way.push((at, name));
                if way.len() > table.nodes.len() {
                    return Err(Errno::LOOP);
                }
                at = parent;
            }
        };
        for (id, name) in way.into_iter().rev() {
            dir = Arc::new(dir.child(&name)?);
            if self.id(dir.ino()) != id {
                // Renamed in between; the kernel looks it up again.
                return Err(Errno::STALE);
            }
            self.table().keep_open(id, dir.clone());
        }
        Ok(dir)
    }

    /// Notes that the node is about to lose a name, `last` if it has no other.
    pub(super) fn leaving(&self, id: u64, parent: u64, name: &OsStr, last: bool) {
        self.hold(id, parent, name);
        if let Some(node) = self.table().nodes.get_mut(&id) {
            node.names.retain(|(p, n)| !(*p == parent && n == name));
            node.number_free |= last;
        }
    }

    /// Notes that the node keeps the name that it was to lose.
    pub(super) fn stayed(&self, id: u64, parent: u64, name: &OsStr) {
        self.keep_name(id, parent, name);
        if let Some(node) = self.table().nodes.get_mut(&id) {
            node.number_free = false;
        }
    }

    /// Notes that the node is reached by this name, though the file there has another number now.
    pub(super) fn keep_name(&self, id: u64, parent: u64, name: &OsStr) {
        if let Some(node) = self.table().nodes.get_mut(&id) {
            node.names.push((parent, name.to_owned()));
        }
    }

    /// Notes that the node has another name.
    pub(super) fn moved(&self, id: u64, from: (u64, &OsStr), to: (u64, &OsStr)) {
        let mut table = self.table();
        let phantom = self.beside(&table, to.0, to.1);
        if let Some(node) = table.nodes.get_mut(&id) {
            node.names.retain(|(p, n)| !(*p == from.0 && n == from.1));
            node.names.push((to.0, to.1.to_owned()));
            node.phantom = phantom;
        }
    }
}

impl Table {
    /// Counts a lookup of a node, which is another than the one that had the number where that is gone.
    fn looked_up(&mut self, id: u64, known: Origin) -> &mut Node {
        let node = self.nodes.entry(id).or_default();
        if node.lookups == 0 || node.number_free || known == Origin::Made {
            self.generations += 1;
            *node = Node {
                generation: self.generations,
                lookups: node.lookups,
                ..Node::default()
            };
            self.files.remove(&id);
            self.dirs.remove(&id);
        }
        node.lookups += 1;
        node
    }

    fn keep_open(&mut self, id: u64, dir: Arc<Dir>) {
        if self.nodes.contains_key(&id) {
            self.dirs.insert(id, dir);
        }
    }
}
