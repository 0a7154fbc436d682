//! The phantoms of a view, as a tree beside the target's own.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use crate::error::{Error, Result};

/// Name of the target in the root directory of a served mount. The target is not that root itself, since the kernel
/// makes the root before the filesystem says that it has access control lists, and so never keeps its lists: everybody
/// but root would wait for an answer with each absolute path. The name is never listed.
pub const SERVED: &str = "target";

/// A path that can be looked up in the view without being in the target. It is never listed and
/// read-only; where the target has an entry of its own, that wins.
#[derive(Debug, Clone)]
pub struct Phantom {
    /// Absolute path in the view.
    pub path: PathBuf,
    /// Directories on the way that the target does not have.
    pub parents: Parents,
    /// Type and contents.
    pub kind: PhantomKind,
}

/// What becomes of directories on the way to a [`Phantom`] that the target does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parents {
    /// They are phantoms themselves.
    Shown,
    /// They are not seen, and nor is what is in them.
    Hidden,
    /// They are phantoms, unless the root directory of the target has a directory of this name.
    HiddenBy(OsString),
}

/// Type and contents of a [`Phantom`].
#[derive(Debug, Clone)]
pub enum PhantomKind {
    /// An empty directory of mode 0755; something may be mounted on it.
    Directory,
    /// A symbolic link with this text.
    Symlink(PathBuf),
    /// A regular file.
    File {
        /// Its contents.
        data: Vec<u8>,
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link with the text `link`. Where the target has a directory of its own, names that this directory
    /// and those below it lack are looked up in `source`, a directory of this machine that may grow, and are seen as
    /// links to the same path below `below`.
    Overlay {
        /// Text of the link; with none there is nothing where the target has nothing.
        link: Option<PathBuf>,
        /// Absolute path of `source` in the view.
        below: PathBuf,
        /// The directory of this machine.
        source: PathBuf,
    },
}

/// A phantom, or a directory on the way to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PhantomId(usize);

/// FUSE's number for the root of a mount (`FUSE_ROOT_ID`).
pub(super) const MOUNT: u64 = 1;

/// Node ids with this bit are phantoms. No filesystem hands out such inode numbers.
const BIT: u64 = 1 << 62;

impl PhantomId {
    /// The root of the tree, which stands beside the target's root.
    pub(super) const ROOT: Self = Self(0);

    /// The root of the mount, in which the target is seen as [`SERVED`]: an otherwise empty directory, and the only
    /// phantom without an item.
    pub(super) const GATE: Self = Self(usize::MAX);

    pub(super) fn node_id(self) -> u64 {
        match self {
            Self::GATE => MOUNT,
            Self(number) => BIT | number as u64,
        }
    }

    pub(super) fn from_node_id(id: u64) -> Option<Self> {
        if id == MOUNT {
            return Some(Self::GATE);
        }
        (id & BIT != 0).then_some(Self((id & !BIT) as usize))
    }
}

#[derive(Debug)]
pub(super) struct Phantoms {
    items: Vec<Item>,
    /// Whether only directories that are phantoms themselves are seen.
    bare: AtomicBool,
    /// Phantoms met so far below overlays; numbered after the items.
    below: RwLock<Below>,
}

#[derive(Debug, Default)]
struct Below {
    kinds: Vec<PhantomKind>,
    paths: Vec<PathBuf>,
    numbers: HashMap<(PhantomId, OsString), PhantomId>,
}

#[derive(Debug)]
struct Item {
    kind: PhantomKind,
    /// Path in the view.
    path: PathBuf,
    children: HashMap<OsString, PhantomId>,
    /// Whether it is a phantom itself and not merely a directory on the way to one.
    wanted: bool,
    /// Whether it is seen where the target has no entry.
    shown: Parents,
    /// Whether it is a directory that is not seen as long as the view is bare, either.
    late: bool,
}

impl Item {
    fn directory(path: PathBuf) -> Self {
        Self {
            kind: PhantomKind::Directory,
            path,
            children: HashMap::new(),
            wanted: false,
            shown: Parents::Hidden,
            late: false,
        }
    }
}

impl Phantoms {
    pub(super) fn new(phantoms: Vec<Phantom>) -> Result<Self> {
        let mut items = vec![Item::directory(PathBuf::from("/"))];
        for Phantom { path, kind, parents } in phantoms {
            let refuse = |reason| Error::Phantom {
                path: path.clone(),
                reason,
            };
            let names = names(&path).ok_or_else(|| refuse("the path is not absolute and plain"))?;
            let mut at = PhantomId::ROOT;
            for name in names {
                let next = PhantomId(items.len());
                let Some(item) = items.get_mut(at.0) else { break };
                if !matches!(item.kind, PhantomKind::Directory) {
                    return Err(refuse("a phantom on the way is not a directory"));
                }
                let path = item.path.join(name);
                at = *item.children.entry(name.to_owned()).or_insert(next);
                if at == next {
                    items.push(Item::directory(path));
                }
                if let Some(item) = items.get_mut(at.0)
                    && item.shown != Parents::Shown
                    && parents != Parents::Hidden
                {
                    item.shown = parents.clone();
                }
            }
            let Some(item) = items.get_mut(at.0) else { continue };
            if at == PhantomId::ROOT || item.wanted {
                return Err(refuse("the path is taken"));
            }
            if !item.children.is_empty() && !matches!(kind, PhantomKind::Directory) {
                return Err(refuse("phantoms lie below it"));
            }
            item.shown = match kind {
                PhantomKind::Overlay { link: None, .. } => Parents::Hidden,
                _ => Parents::Shown,
            };
            (item.kind, item.wanted) = (kind, true);
        }
        Ok(Self {
            items,
            bare: AtomicBool::new(false),
            below: RwLock::default(),
        })
    }

    fn below(&self) -> RwLockReadGuard<'_, Below> {
        self.below.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn kind(&self, id: PhantomId) -> Option<PhantomKind> {
        match id.0.checked_sub(self.items.len()) {
            None => self.items.get(id.0).map(|item| item.kind.clone()),
            Some(number) => self.below().kinds.get(number).cloned(),
        }
    }

    /// Returns the path of a phantom in the view.
    pub(super) fn path(&self, id: PhantomId) -> Option<PathBuf> {
        match id.0.checked_sub(self.items.len()) {
            None => self.items.get(id.0).map(|item| item.path.clone()),
            Some(number) => self.below().paths.get(number).cloned(),
        }
    }

    /// Returns whether the phantom is seen where the target has no entry.
    pub(super) fn shown(&self, id: PhantomId) -> &Parents {
        match self.items.get(id.0) {
            Some(item)
                if self.is_bare()
                    && (item.late || !(item.wanted && matches!(item.kind, PhantomKind::Directory))) =>
            {
                &Parents::Hidden
            }
            Some(item) => &item.shown,
            None => &Parents::Shown,
        }
    }

    /// Returns whether something may be mounted on the phantom: it is a directory that was asked for.
    pub(super) fn is_mount_point(&self, id: PhantomId) -> bool {
        self.items
            .get(id.0)
            .is_some_and(|item| item.wanted && matches!(item.kind, PhantomKind::Directory))
    }

    /// Has these directories hidden as well, as long as the view is bare.
    pub(super) fn set_late(&mut self, late: &[PathBuf]) {
        for item in &mut self.items {
            item.late = late.contains(&item.path);
        }
    }

    /// Has only those phantoms seen that are directories themselves, or all.
    pub(super) fn set_bare(&self, bare: bool) {
        self.bare.store(bare, Ordering::Release);
    }

    pub(super) fn is_bare(&self) -> bool {
        self.bare.load(Ordering::Acquire)
    }

    /// Returns the phantom that is seen as `name` in a directory.
    pub(super) fn child(&self, id: PhantomId, name: &OsStr) -> Option<PhantomId> {
        if let Some(PhantomKind::Overlay { source, .. }) = self.kind(id) {
            source.join(name).symlink_metadata().ok()?;
        }
        self.beside(id, name)
    }

    /// Returns the phantom beside the target's own entry `name` of a directory, in which names that the entry lacks are
    /// looked up. The source of an overlay may come to have it later.
    pub(super) fn beside(&self, id: PhantomId, name: &OsStr) -> Option<PhantomId> {
        let Some(PhantomKind::Overlay {
            below: seen, source, ..
        }) = self.kind(id)
        else {
            return self.items.get(id.0)?.children.get(name).copied();
        };
        let key = (id, name.to_owned());
        if let Some(known) = self.below().numbers.get(&key) {
            return Some(*known);
        }
        let path = self.path(id).unwrap_or_default().join(name);
        let mut below = self.below.write().unwrap_or_else(PoisonError::into_inner);
        let next = PhantomId(self.items.len() + below.kinds.len());
        let id = *below.numbers.entry(key).or_insert(next);
        if id == next {
            let (seen, source) = (seen.join(name), source.join(name));
            below.kinds.push(PhantomKind::Overlay {
                link: Some(seen.clone()),
                below: seen,
                source,
            });
            below.paths.push(path);
        }
        Some(id)
    }

    /// Returns whether the directory may come to have more names.
    pub(super) fn grows(&self, id: PhantomId) -> bool {
        matches!(self.kind(id), Some(PhantomKind::Overlay { .. }))
    }
}

/// Returns the components of an absolute path without `..`; `None` for another path.
fn names(path: &Path) -> Option<Vec<&OsStr>> {
    let mut components = path.components();
    if components.next() != Some(Component::RootDir) {
        return None;
    }
    components
        .map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phantom(path: &str, kind: PhantomKind) -> Phantom {
        Phantom {
            path: path.into(),
            kind,
            parents: Parents::Shown,
        }
    }

    #[test]
    fn tree() {
        let file = PhantomKind::File {
            data: b"x".to_vec(),
            mode: 0o755,
        };
        let phantoms = Phantoms::new(vec![
            phantom("/a/b/file", file.clone()),
            phantom("/a/b", PhantomKind::Directory),
            phantom("/link", PhantomKind::Symlink("a".into())),
        ])
        .unwrap();
        let child = |id, name: &str| phantoms.child(id, OsStr::new(name));
        let b = child(child(PhantomId::ROOT, "a").unwrap(), "b").unwrap();
        let found = child(b, "file").unwrap();
        assert!(matches!(phantoms.kind(found), Some(PhantomKind::File { .. })));
        assert_eq!(PhantomId::from_node_id(found.node_id()), Some(found));
        assert_eq!(child(PhantomId::ROOT, "b"), None);
    }

    #[test]
    fn a_bare_view_hides_what_comes_late() {
        let mut phantoms = Phantoms::new(vec![
            phantom("/proc", PhantomKind::Directory),
            phantom("/own", PhantomKind::Directory),
            phantom("/link", PhantomKind::Symlink("own".into())),
        ])
        .unwrap();
        phantoms.set_late(&["/proc".into(), "/nothing".into()]);
        let shown = |phantoms: &Phantoms| {
            ["proc", "own", "link"].map(|name| {
                let id = phantoms.child(PhantomId::ROOT, OsStr::new(name)).unwrap();
                *phantoms.shown(id) == Parents::Shown
            })
        };
        phantoms.set_bare(true);
        assert_eq!(shown(&phantoms), [false, true, false]);
        phantoms.set_bare(false);
        assert_eq!(shown(&phantoms), [true; 3]);
    }

    #[test]
    fn overlays_show_what_their_source_has() {
        let source = tempfile::tempdir().unwrap();
        std::fs::create_dir(source.path().join("d")).unwrap();
        std::fs::write(source.path().join("d/file"), "").unwrap();
        let overlay = PhantomKind::Overlay {
            link: Some("usr/lib".into()),
            below: "/elsewhere/lib".into(),
            source: source.path().to_owned(),
        };
        let phantoms = Phantoms::new(vec![phantom("/lib", overlay)]).unwrap();
        let lib = phantoms.child(PhantomId::ROOT, OsStr::new("lib")).unwrap();
        let d = phantoms.child(lib, OsStr::new("d")).unwrap();
        let file = phantoms.child(d, OsStr::new("file")).unwrap();
        let link = |id| match phantoms.kind(id) {
            Some(PhantomKind::Overlay { link: Some(link), .. }) => link,
            other => panic!("{other:?}"),
        };
        assert_eq!(link(lib), Path::new("usr/lib"));
        assert_eq!(link(file), Path::new("/elsewhere/lib/d/file"));
        assert_eq!(phantoms.path(file).as_deref(), Some(Path::new("/lib/d/file")));
        assert_eq!(phantoms.path(PhantomId::ROOT).as_deref(), Some(Path::new("/")));
        assert_eq!(phantoms.child(d, OsStr::new("file")), Some(file));
        // Not there yet.
        assert_eq!(phantoms.child(lib, OsStr::new("later")), None);
        let later = phantoms.beside(lib, OsStr::new("later")).unwrap();
        std::fs::create_dir(source.path().join("later")).unwrap();
        std::fs::write(source.path().join("later/x"), "").unwrap();
        let x = phantoms.child(later, OsStr::new("x")).unwrap();
        assert_eq!(link(x), Path::new("/elsewhere/lib/later/x"));
        assert!(phantoms.grows(lib) && phantoms.grows(later) && !phantoms.grows(PhantomId::ROOT));
    }

    #[test]
    fn directories_on_the_way() {
        let alone = |path| Phantom {
            parents: Parents::Hidden,
            ..phantom(path, PhantomKind::Directory)
        };
        let phantoms = Phantoms::new(vec![
            alone("/lib/x"),
            alone("/usr/lib/x"),
            phantom("/usr/y", PhantomKind::Directory),
        ])
        .unwrap();
        let shown = |path: &str| {
            let id = names(Path::new(path))
                .unwrap()
                .into_iter()
                .try_fold(PhantomId::ROOT, |id, name| phantoms.child(id, name));
            *phantoms.shown(id.unwrap()) == Parents::Shown
        };
        assert!(!shown("/lib") && shown("/lib/x"));
        assert!(shown("/usr") && !shown("/usr/lib") && shown("/usr/lib/x"));
    }

    #[test]
    fn nonsense_is_refused() {
        let file = PhantomKind::File {
            data: vec![],
            mode: 0o644,
        };
        for (paths, dir) in [
            (&["relative"][..], true),
            (&["/"], true),
            (&["/a/../b"], true),
            (&["/a", "/a"], true),
            (&["/a", "/a/b"], false),
            (&["/a/b", "/a"], false),
        ] {
            let kind = if dir { PhantomKind::Directory } else { file.clone() };
            let phantoms = paths.iter().map(|path| phantom(path, kind.clone())).collect();
            assert!(Phantoms::new(phantoms).is_err(), "{paths:?}");
        }
    }
}
