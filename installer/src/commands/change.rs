//! `chown`, `chmod`, `mknod` and `setcap`: changes of what the target's users see of a file.

use super::error::Error;
use super::mode_change::ModeChange;
use crate::accounts::{Names, Owner};
use crate::finished;
use rootless_install_fs::{FileType, Meta, Stat, Target};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use task_progress::Cancel;

/// A change.
#[derive(Clone, Debug)]
pub enum Change {
    /// Another owner, as chown(1) takes it.
    Owner(String),
    /// Another mode.
    Mode(ModeChange),
    /// Capabilities; none take them away.
    Capability(Option<Vec<u8>>),
    /// A device, pipe or socket that is made.
    Node {
        /// Its type.
        kind: FileType,
        /// Its mode.
        mode: u32,
        /// Its owner, as chown(1) takes it.
        owner: Option<String>,
    },
}

/// Settings of the command.
#[derive(Clone, Debug)]
pub struct ChangeSettings {
    /// The target, where paths are its own; none where they are the machine's.
    pub root: Option<PathBuf>,
    /// The files.
    pub paths: Vec<PathBuf>,
    /// The change.
    pub change: Change,
    /// Whether all below directories is changed, too.
    pub recursive: bool,
    /// Whether links are changed, and not what they lead to.
    pub no_dereference: bool,
}

/// Attribute of capabilities (capabilities(7)).
const CAPABILITY: &str = "security.capability";
/// Links that are followed (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// Changes the files. The first that cannot be changed ends it.
///
/// # Errors
/// Those of finding and changing files.
pub fn run(settings: &ChangeSettings, cancel: &Cancel) -> Result<(), Error> {
    // Of each target, which is held while it is changed.
    let mut opened: HashMap<PathBuf, (Target, Names, finished::Hold)> = HashMap::new();
    for path in &settings.paths {
        let (target, inside) = finished::of_path(settings.root.as_deref(), path)?;
        let root = target.root_path().to_owned();
        if !opened.contains_key(&root) {
            let hold = finished::hold(&target, true)?;
            let names = Names::of(&target);
            opened.insert(root.clone(), (target, names, hold));
        }
        if let Some((target, names, _)) = opened.get(&root) {
            Changing {
                target,
                names,
                settings,
                cancel,
            }
            .path(&inside)?;
        }
    }
    Ok(())
}

struct Changing<'a> {
    target: &'a Target,
    names: &'a Names,
    settings: &'a ChangeSettings,
    cancel: &'a Cancel,
}

impl Changing<'_> {
    fn path(&self, path: &Path) -> Result<(), Error> {
        if let Change::Node { kind, mode, owner } = &self.settings.change {
            let owner = owner.as_deref().map(|owner| self.owner(owner)).transpose()?;
            let mut meta = Meta::of_root(*kind, *mode);
            meta.uid = owner.and_then(|owner| owner.uid).unwrap_or_default();
            meta.gid = owner.and_then(|owner| owner.gid).unwrap_or_default();
            return Ok(self.target.make_node(path, &meta)?);
        }
        if !self.settings.recursive {
            let path = match self.settings.no_dereference {
                true => path.to_owned(),
                false => self.followed(path)?,
            };
            let stat = self.target.stat(&path)?;
            return self.one(&path, &stat);
        }
        // What is below, the deepest last; links are not followed.
        let mut left = vec![path.to_owned()];
        while let Some(path) = left.pop() {
            self.cancel.check()?;
            let stat = self.target.stat(&path)?;
            self.one(&path, &stat)?;
            if stat.meta.kind == FileType::Directory {
                let names = self.target.read_dir(&path)?;
                left.extend(names.into_iter().map(|name| path.join(name)));
            }
        }
        Ok(())
    }

    fn one(&self, path: &Path, stat: &Stat) -> Result<(), Error> {
        let meta = &stat.meta;
        match &self.settings.change {
            Change::Owner(owner) => {
                let Owner { uid, gid } = self.owner(owner)?;
                self.target
                    .set_owner(path, uid.unwrap_or(meta.uid), gid.unwrap_or(meta.gid))?;
                if meta.kind == FileType::Regular {
                    self.drop_privileges(path, meta.mode)?;
                }
                Ok(())
            }
            // It has none of its own.
            Change::Mode(_) if meta.kind == FileType::Symlink => Ok(()),
            Change::Mode(change) => {
                let mode = change.apply(meta.mode, meta.kind == FileType::Directory);
                Ok(self.target.set_mode(path, mode)?)
            }
            Change::Capability(_) if meta.kind != FileType::Regular => Err(Error::Change {
                path: path.to_owned(),
                what: format!(
                    "is {}: only regular files have capabilities",
                    meta.kind.description()
                ),
            }),
            Change::Capability(Some(value)) => {
                Ok(self.target.set_xattr(path, OsStr::new(CAPABILITY), value)?)
            }
            Change::Capability(None) => self.remove_capability(path),
            Change::Node { .. } => Ok(()),
        }
    }

    /// Takes what the kernel takes of a file that is given away: chown(2), capabilities(7).
    fn drop_privileges(&self, path: &Path, mode: u32) -> Result<(), Error> {
        let group = if mode & 0o010 != 0 { 0o2000 } else { 0 };
        if mode & (0o4000 | group) != 0 {
            self.target.set_mode(path, mode & !(0o4000 | group))?;
        }
        self.remove_capability(path)
    }

    fn remove_capability(&self, path: &Path) -> Result<(), Error> {
        let has = self
            .target
            .xattrs(path)?
            .iter()
            .any(|(name, _)| name == CAPABILITY);
        match has {
            true => Ok(self.target.remove_xattr(path, OsStr::new(CAPABILITY))?),
            false => Ok(()),
        }
    }

    fn owner(&self, text: &str) -> Result<Owner, Error> {
        self.names.owner(text).map_err(|what| Error::Owner {
            path: self.target.root_path().to_owned(),
            what,
        })
    }

    /// Returns the path that a path leads to.
    fn followed(&self, path: &Path) -> Result<PathBuf, Error> {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            if self.target.stat(&path)?.meta.kind != FileType::Symlink {
                return Ok(path);
            }
            let text = self.target.read_link(&path)?;
            path = path.parent().unwrap_or(Path::new("/")).join(text);
        }
        Err(Error::Change {
            path,
            what: "is a link that leads to itself".to_owned(),
        })
    }
}
