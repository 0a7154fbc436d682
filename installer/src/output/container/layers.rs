//! The layers of an image, at the seams of the installation: what the base packages ship, what other packages ship,
//! and all else.
//!
//! A file is in a package's layer only where it is as the package shipped it (its MD5 is that of the package), so
//! that a layer says nothing of the rest: all images whose base packages are of the same versions have the same base layer,
//! byte for byte. The last layer has all that scripts made, changed or configured, dpkg's database, and all
//! directories with their times.

use super::super::{Error, Source};
use dpkg_db::{Database, Package, Status, parse_relations};
use rootless_install_fs::{FileType, Stat};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

const BASE: usize = 0;
const PACKAGES: usize = 1;
const REST: usize = 2;
const NAMES: [&str; 3] = ["base packages", "packages", "files"];

/// The layers of a target.
pub(super) struct Layers {
    /// The layer of a file, by its inode number; all others are in the last.
    of: HashMap<u64, usize>,
    /// Directories that a layer has files in.
    directories: [HashSet<PathBuf>; 2],
}

impl Layers {
    /// Finds the layers.
    ///
    /// # Errors
    /// Those of reading the target. Without a database of dpkg there is one layer.
    pub(super) fn of(source: &Source<'_>) -> Result<Self, Error> {
        let mut layers = Self {
            of: HashMap::new(),
            directories: [HashSet::new(), HashSet::new()],
        };
        let Ok(database) = Database::load(source.target, source.architecture) else {
            return Ok(layers);
        };
        let base = base(&database);
        for package in database
            .packages()
            .filter(|package| package.status == Status::Installed)
        {
            source.cancel.check()?;
            let layer = match base.contains(package.name.as_str()) {
                true => BASE,
                false => PACKAGES,
            };
            layers.claim(source, package, layer);
        }
        layers.settle(source)?;
        Ok(layers)
    }

    /// Returns the numbers of the layers that have files, and what is in them.
    pub(super) fn kept(&self) -> impl Iterator<Item = (usize, &'static str)> {
        let filled: BTreeSet<usize> = self.of.values().copied().chain([REST]).collect();
        filled
            .into_iter()
            .map(|layer| (layer, NAMES.get(layer).copied().unwrap_or_default()))
    }

    pub(super) fn is_last(&self, layer: usize) -> bool {
        layer == REST
    }

    /// Whether a layer has a file.
    pub(super) fn has(&self, layer: usize, path: &Path, stat: &Stat) -> bool {
        if stat.meta.kind == FileType::Directory {
            let directories = self.directories.get(layer);
            return directories.is_none_or(|directories| directories.contains(path));
        }
        self.of.get(&stat.ino).copied().unwrap_or(REST) == layer
    }

    /// Gives what a package has shipped to a layer.
    fn claim(&mut self, source: &Source<'_>, package: &Package, layer: usize) {
        let text = |kind: &str| {
            let path = dpkg_db::ADMIN.to_owned() + "/info/" + &package.info_name() + "." + kind;
            source.target.read(Path::new(&path)).unwrap_or_default()
        };
        let sums = text("md5sums");
        let sums = String::from_utf8_lossy(&sums);
        for line in sums.lines() {
            let Some((sum, path)) = line.split_once("  ") else {
                continue;
            };
            let path = Path::new("/").join(path);
            let same = |stat: &Stat| {
                stat.meta.kind == FileType::Regular
                    && dpkg_db::md5_of(source.target, &path).is_ok_and(|found| found == sum)
            };
            if let Ok(stat) = source.target.stat(&path)
                && same(&stat)
            {
                self.of.insert(stat.ino, layer);
            }
        }
        let list = text("list");
        for path in String::from_utf8_lossy(&list).lines() {
            if let Ok(stat) = source.target.stat(Path::new(path))
                && stat.meta.kind == FileType::Symlink
            {
                self.of.insert(stat.ino, layer);
            }
        }
    }

    /// Notes the directories of each layer. A file that has a name which no package ships is in the last layer: its names
    /// must be in one.
    fn settle(&mut self, source: &Source<'_>) -> Result<(), Error> {
        for found in source.target.walk() {
            let (path, stat) = found?;
            let layer = self.of.get(&stat.ino).copied();
            if stat.meta.kind == FileType::Directory {
                continue;
            }
            let directories = layer.and_then(|layer| self.directories.get_mut(layer));
            let Some(directories) = directories else { continue };
            for above in path.ancestors().skip(1) {
                // What is above one that is known is known.
                if !directories.insert(above.to_owned()) {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Returns the names of the base packages: those that are essential or required, and what they depend on. Of alternatives
/// the first that is installed counts.
fn base(database: &Database) -> HashSet<&str> {
    let installed = || {
        database
            .packages()
            .filter(|package| package.status == Status::Installed)
    };
    let mut providers: HashMap<&str, Vec<&Package>> = HashMap::new();
    for package in installed() {
        providers.entry(&package.name).or_default().insert(0, package);
        for provided in package.field("Provides").unwrap_or_default().split(',') {
            let name = provided.split_whitespace().next().unwrap_or_default();
            providers.entry(name).or_default().push(package);
        }
    }
    let first = |package: &&Package| package.essential() || package.field("Priority") == Some("required");
    let mut left: Vec<&Package> = installed().filter(first).collect();
    let mut base = HashSet::new();
    while let Some(package) = left.pop() {
        if !base.insert(package.name.as_str()) {
            continue;
        }
        for value in package.requirements() {
            for alternatives in parse_relations(value).unwrap_or_default() {
                let found = alternatives
                    .iter()
                    .find_map(|possibility| providers.get(possibility.name.as_str())?.first());
                left.extend(found.copied());
            }
        }
    }
    base
}
