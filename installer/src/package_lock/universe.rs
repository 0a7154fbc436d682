//! Between locks and the packages to choose from.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use url::Url;

use super::{
    FORM, LockError, LockedIndex, LockedPackage, LockedRequest, LockedSource, PackageLock, releases,
};
use apt_solve::{Plan, Universe};
use deb_archive::{
    ArchiveError, ArchiveIdentity, Index, PackageFile, Snapshot, SourceFormat, SourceList, archive_path,
    without_passwords,
};
use deb_index::Packages;
use deb_types::FileHash;
use deb_types::control::{Item, next_item};

/// Fields of a paragraph that a lock has no use for, or has elsewhere; in lower case.
const LEFT_OUT: &[&str] = &[
    "package",
    "version",
    "architecture",
    "filename",
    "size",
    "md5sum",
    "sha1",
    "sha256",
    "sha512",
    "description",
    "description-md5",
    "homepage",
    "maintainer",
    "original-maintainer",
    "bugs",
    "tag",
    "build-ids",
    "ghc-package",
    "ruby-versions",
    "python-version",
];

/// The one of them that a pattern may ask for.
const FOR_PATTERNS: &str = "description";

/// Whether an item of what is asked for is a pattern.
fn is_pattern(item: &str) -> bool {
    item.starts_with(['?', '~', '!', '('])
}

impl PackageLock {
    /// Returns the lock of a plan that was made for `request` from `universe`, which was made from `indexes`.
    pub fn of(
        request: LockedRequest,
        lists: &[SourceList],
        indexes: &[Index],
        universe: &Universe<'_>,
        plan: &Plan,
    ) -> Self {
        let mut ids: Vec<_> = plan.packages().collect();
        ids.sort_unstable();
        let used: BTreeSet<usize> = ids.iter().map(|id| universe.package(*id).index).collect();
        let positions: BTreeMap<usize, usize> =
            used.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        let is_in_suite = |index: usize| {
            let index = indexes.get(index);
            index.is_some_and(|index| [&index.release_archive, &index.codename].contains(&&request.suite))
        };
        let for_patterns = request.include.iter().any(|item| is_pattern(item));
        let packages = ids.iter().map(|id| {
            let package = universe.package(*id);
            let hash = |hash: FileHash| format!("{}:{}", hash.field().to_ascii_lowercase(), hash.hex());
            LockedPackage {
                name: package.name.to_owned(),
                version: package.version.to_owned(),
                architecture: package.architecture.to_owned(),
                index: positions.get(&package.index).copied().unwrap_or(0),
                filename: package.filename.to_owned(),
                size: package.size,
                hash: package.hash.map(hash).unwrap_or_default(),
                of_suite: !is_in_suite(package.index) && universe.is_of_suite(*id, &request.suite),
                fields: fields(package.stanza, for_patterns),
            }
        });
        let packages = packages.collect();
        Self {
            form: FORM,
            request,
            sources: lists
                .iter()
                .map(|list| LockedSource {
                    deb822: list.format == SourceFormat::Deb822,
                    name: list.file_name.clone(),
                    path: list.place.as_ref().map(|place| place.display().to_string()),
                    lines: without_passwords(&list.text).lines().map(str::to_owned).collect(),
                })
                .collect(),
            releases: releases(indexes),
            indexes: used
                .iter()
                .filter_map(|index| indexes.get(*index))
                .map(locked_index)
                .collect(),
            packages,
            path: std::path::PathBuf::new(),
        }
    }

    /// Returns indexes with the lock's packages and no others.
    ///
    /// # Errors
    /// [`LockError::Value`].
    pub fn indexes(&self) -> Result<Vec<Index>, LockError> {
        let each = self.indexes.iter().enumerate().map(|(number, known)| {
            let mut text = String::new();
            for package in self.packages.iter().filter(|package| package.index == number) {
                text.push_str(&self.paragraph(package)?);
            }
            let packages = Packages::parse(text)
                .map_err(|error| self.wrong(format!("a package's fields cannot be understood: {error}")))?;
            let base =
                Url::parse(&known.base).map_err(|_| self.wrong(format!("`{}` is no URL", known.base)))?;
            Ok(Index {
                source: number,
                base,
                suite: known.suite.clone(),
                codename: known.codename.clone(),
                release_archive: known.archive.clone(),
                component: known.component.clone(),
                architecture: known.architecture.clone(),
                priority: known.priority,
                authenticated: true,
                release: None,
                files: Vec::new(),
                packages,
            })
        });
        each.collect()
    }

    /// Returns a package's paragraph, as an index has it.
    fn paragraph(&self, package: &LockedPackage) -> Result<String, LockError> {
        let hash = self
            .packages_hash(package)
            .ok_or_else(|| self.wrong("a package has no checksum"))?;
        let size = package.size.to_string();
        let hash_text = hash.hex();
        let own = [
            ("Package", package.name.as_str()),
            ("Version", &package.version),
            ("Architecture", &package.architecture),
            ("Filename", &package.filename),
            ("Size", &size),
            (hash.field(), &hash_text),
        ];
        let more = package
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let mut text = String::new();
        for (name, value) in own.into_iter().chain(more) {
            let sound =
                !name.is_empty() && !name.contains(|c: char| c.is_control() || c.is_whitespace() || c == ':');
            if !sound || value.contains('\n') {
                return Err(self.wrong(format!("package {}: `{name}` is no field", package.name)));
            }
            text.push_str(&format!("{name}: {value}\n"));
        }
        text.push('\n');
        Ok(text)
    }

    /// Returns a package's checksum.
    pub(super) fn packages_hash(&self, package: &LockedPackage) -> Option<FileHash> {
        let (algorithm, sum) = package.hash.split_once(':')?;
        FileHash::of_field(&algorithm.to_ascii_uppercase(), sum)
    }

    /// Fails unless a plan has the lock's packages, all of them and no others.
    ///
    /// # Errors
    /// [`LockError::Unfit`].
    pub fn check_plan(&self, universe: &Universe<'_>, plan: &Plan) -> Result<(), LockError> {
        let name =
            |name: &str, version: &str, architecture: &str| format!("{name} {version} ({architecture})");
        let planned: BTreeSet<String> = plan
            .packages()
            .map(|id| universe.package(id))
            .map(|package| name(package.name, package.version, package.architecture))
            .collect();
        let locked = self
            .packages
            .iter()
            .map(|package| name(&package.name, &package.version, &package.architecture));
        let missing: Vec<String> = locked.filter(|package| !planned.contains(package)).collect();
        match missing.as_slice() {
            [] => Ok(()),
            [first, ..] => Err(LockError::Unfit {
                path: self.path.clone(),
                what: format!("by what it asks for {first} would not be installed"),
            }),
        }
    }

    /// Returns names and architectures of the packages that are of the suite by another version.
    pub fn of_suite(&self) -> HashSet<(String, String)> {
        let all = self.packages.iter().filter(|package| package.of_suite);
        all.map(|package| (package.name.clone(), package.architecture.clone()))
            .collect()
    }

    /// Adds the place where a snapshot service has a package, to be asked after its own.
    ///
    /// # Errors
    /// No service is known for the archive, or a `Filename` leads out of it.
    pub fn add_snapshot(
        &self,
        index: usize,
        snapshot: &Snapshot,
        filename: &str,
        file: &mut PackageFile,
    ) -> Result<(), ArchiveError> {
        let Some(index) = self.indexes.get(index) else {
            return Ok(());
        };
        let archive = ArchiveIdentity {
            label: index.label.clone(),
            origin: index.origin.clone(),
            snapshots: index.snapshots.clone(),
        };
        let root = snapshot.root(&archive, &index.base)?;
        file.urls.push(archive_path(&root, filename, &file.name)?);
        Ok(())
    }
}

fn locked_index(index: &Index) -> LockedIndex {
    let release = index.release.as_deref();
    let identity = release
        .map(|release| release.identity.clone())
        .unwrap_or_default();
    LockedIndex {
        base: without_passwords(index.base.as_str()),
        suite: index.suite.clone(),
        archive: index.release_archive.clone(),
        codename: index.codename.clone(),
        component: index.component.clone(),
        architecture: index.architecture.clone(),
        priority: index.priority,
        label: identity.label,
        origin: identity.origin,
        snapshots: identity.snapshots,
    }
}

/// Returns the fields of a paragraph that count, each in one line.
fn fields(stanza: &str, for_patterns: bool) -> BTreeMap<String, String> {
    let left_out = |name: &str| {
        let name = name.to_ascii_lowercase();
        LEFT_OUT.contains(&name.as_str()) && !(for_patterns && name == FOR_PATTERNS)
    };
    let mut found = BTreeMap::new();
    let mut rest = stanza;
    loop {
        let (item, after) = next_item(rest);
        rest = after;
        match item {
            Item::Field { name, value } if !left_out(name) => {
                let value: Vec<&str> = value.split_whitespace().collect();
                found.insert(name.to_owned(), value.join(" "));
            }
            Item::End | Item::Blank => return found,
            _ => {}
        }
    }
}
