//! The database as a whole: packages, their state on disk, and the journal.

use deb_types::{PackageKey, PathOwners, raw_text};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use rootless_install_fs::Target;

use super::error::DpkgError;
use super::files::{failed, remove_optional, write};
use super::package::Package;
use super::states::Status;
use super::triggers::Interests;

/// dpkg's administrative directory.
pub const ADMIN: &str = "/var/lib/dpkg";
pub(super) const STATUS: &str = "/var/lib/dpkg/status";
pub(super) const UPDATES: &str = "/var/lib/dpkg/updates";

/// Number of single updates that dpkg keeps before it writes the whole status file again.
const MAX_UPDATES: u32 = 250;

/// dpkg's database of a target, in memory.
///
/// Changes are made here and reach the target in two ways, as in dpkg: [`Database::flush`] writes a
/// stanza a changed package to `updates/`, [`Database::save`] writes the whole `status`. Whatever
/// reads the database between (a maintainer script) must find it flushed.
///
/// ```
/// use dpkg_db::{Database, Package, PackageKey, Status};
///
/// let mut database = Database::new("riscv64", Vec::new());
/// let stanza = "Package: demo\nStatus: install ok unpacked\nArchitecture: all\nVersion: 0:1.0-1\n";
/// let key = database.insert(Package::parse(stanza).unwrap());
/// assert_eq!(database.resolve("demo"), Some(PackageKey::new("demo", "all")));
/// database.update(&key, |package| package.status = Status::Installed).unwrap();
/// assert!(database.status_text().contains("Status: install ok installed\n"));
/// assert!(database.status_text().contains("Version: 1.0-1\n"));
/// ```
#[derive(Debug)]
pub struct Database {
    pub(super) native: String,
    pub(super) foreign: Vec<String>,
    pub(super) packages: BTreeMap<PackageKey, Package>,
    pub(super) interests: Interests,
    pub(super) deferred: VecDeque<PackageKey>,
    pub(super) owners: PathOwners<PackageKey>,
    dirty: Vec<PackageKey>,
    /// Number of the next file in `updates/`.
    pub(super) next_update: u32,
    /// Changes noted since dpkg would have written the status file.
    notes: u32,
    /// The status file as dpkg would have written it in the middle of a run.
    checkpoint: Option<String>,
    /// States as they were noted, to be taken; none where nobody wants them.
    noted: Option<Vec<Noted>>,
}

/// A package's state at the moment at which dpkg notes it, and so tells front ends of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The package's key.
    pub key: PackageKey,
    /// dpkg's unambiguous name of the package
    pub name: String,
    /// Version, empty where nothing is installed.
    pub version: String,
    /// State.
    pub status: Status,
}

impl Database {
    /// Makes an empty database in memory for a system of architecture `native`.
    pub fn new(native: impl Into<String>, foreign: Vec<String>) -> Database {
        Database {
            native: native.into(),
            foreign,
            packages: BTreeMap::new(),
            interests: Interests::default(),
            deferred: VecDeque::new(),
            owners: PathOwners::default(),
            dirty: Vec::new(),
            next_update: 0,
            notes: 0,
            checkpoint: None,
            noted: None,
        }
    }

    /// Keeps what is noted from now on for [`Database::take_noted`].
    pub fn keep_noted(&mut self) {
        self.noted.get_or_insert_default();
    }

    /// Returns what was noted since the last call.
    pub fn take_noted(&mut self) -> Vec<Noted> {
        self.noted.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Returns the architecture the target is for.
    pub fn native(&self) -> &str {
        &self.native
    }

    /// Returns the foreign architectures (`dpkg --add-architecture`).
    pub fn foreign(&self) -> &[String] {
        &self.foreign
    }

    /// Returns a package by key.
    pub fn get(&self, key: &PackageKey) -> Option<&Package> {
        self.packages.get(key)
    }

    /// Returns all packages, by name and architecture.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    /// Returns the trigger interests of the packages.
    pub fn interests(&self) -> &Interests {
        &self.interests
    }

    /// Returns the installed packages that own a path; directories have many.
    pub fn owners(&self, path: &Path) -> impl Iterator<Item = &PackageKey> {
        self.owners.of(path)
    }

    /// Returns the package that `NAME` or `NAME:ARCH` means, as dpkg resolves it: without architecture the
    /// only instance there is, or the native one.
    pub fn resolve(&self, spec: &str) -> Option<PackageKey> {
        let (name, architecture) = spec.split_once(':').unwrap_or((spec, ""));
        self.resolve_parts(name, architecture)
    }

    pub(super) fn resolve_parts(&self, name: &str, architecture: &str) -> Option<PackageKey> {
        // dpkg's names of packages are in lower case.
        let name = name.to_ascii_lowercase();
        let first = PackageKey::new(name.as_str(), "");
        let mut instances = self
            .packages
            .range(first..)
            .map(|(key, _)| key)
            .take_while(|key| key.name == name);
        if !architecture.is_empty() {
            // `all` packages count as native ones
            let matches = |key: &&PackageKey| {
                key.architecture == architecture || (key.architecture == "all" && architecture == self.native)
            };
            return instances.find(matches).cloned();
        }
        let all: Vec<&PackageKey> = instances.collect();
        let native = all
            .iter()
            .find(|key| key.architecture == self.native || key.architecture == "all");
        native.or(all.first()).map(|key| (*key).clone())
    }

    /// Returns dpkg's unambiguous name of a package (see [`Package::display_name`]).
    pub fn display_name(&self, key: &PackageKey) -> String {
        self.packages
            .get(key)
            .map_or_else(|| key.to_string(), |package| package.display_name(&self.native))
    }

    /// Changes a package and notes the change, with what follows from its new state: pending
    /// triggers go unless the state is one of triggers, awaited ones when it is no longer installed,
    /// and packages that awaited it are released when nothing is pending any more.
    ///
    /// # Errors
    /// No such package.
    pub fn update<R>(
        &mut self,
        key: &PackageKey,
        change: impl FnOnce(&mut Package) -> R,
    ) -> Result<R, DpkgError> {
        let package = self.packages.get_mut(key).ok_or_else(|| DpkgError::NoPackage {
            package: key.to_string(),
        })?;
        let result = change(package);
        self.note(key);
        Ok(result)
    }

    /// Adds a package, or replaces its old record, and notes it.
    pub fn insert(&mut self, package: Package) -> PackageKey {
        let key = self.place(package);
        self.note(&key);
        key
    }

    /// Adds a package, or replaces its old record, for [`Database::note`] to follow.
    pub(super) fn place(&mut self, package: Package) -> PackageKey {
        let key = package.key();
        self.packages.insert(key.clone(), package);
        key
    }

    /// Follows a change of a package's state, and has the package written with the next
    /// [`Database::flush`].
    pub(super) fn note(&mut self, key: &PackageKey) {
        let Some(package) = self.packages.get_mut(key) else {
            return;
        };
        if !matches!(package.status, Status::TriggersPending | Status::TriggersAwaited) {
            package.triggers_pending.clear();
        }
        if package.status <= Status::ConfigFiles {
            package.triggers_awaited.clear();
        }
        let idle = package.triggers_pending.is_empty();
        if let Some(noted) = &mut self.noted {
            noted.push(Noted {
                key: key.clone(),
                name: package.display_name(&self.native),
                version: package.version.clone(),
                status: package.status,
            });
        }
        if !self.dirty.contains(key) {
            self.dirty.push(key.clone());
        }
        // Each note is a journal file of dpkg's; when there are too many it writes
        // the status file, which is what stays as status-old.
        self.notes += 1;
        if self.notes > MAX_UPDATES {
            self.checkpoint = Some(self.status_text());
            self.notes = 0;
        }
        if idle {
            self.clear_awaiters(key);
        }
    }

    /// Returns how many packages can be unpacked together, the changes of each after those of all before it,
    /// without dpkg writing the status file meanwhile: what it writes then shows the order.
    pub fn room_for_packages(&self) -> usize {
        /// Half-installed and twice unpacked, and a trigger that is awaited.
        const CHANGES: u32 = 5;
        (MAX_UPDATES.saturating_sub(self.notes) / CHANGES) as usize
    }

    /// Returns a package's stanza as dpkg would write it, without the empty line after it.
    pub fn stanza(&self, package: &Package) -> String {
        let mut out = String::with_capacity(1024);
        package.write_stanza(|key| self.display_name(key), &mut out);
        out
    }

    /// Returns the whole status file.
    pub fn status_text(&self) -> String {
        let mut packages: Vec<&Package> = self.packages.values().filter(|p| p.is_informative()).collect();
        packages.sort_by(|a, b| {
            let rank = |p: &Package| p.needs_architecture(&self.native);
            (&a.name, rank(a), &a.architecture).cmp(&(&b.name, rank(b), &b.architecture))
        });
        let mut out = String::with_capacity(packages.len() * 1024);
        for package in packages {
            package.write_stanza(|key| self.display_name(key), &mut out);
            out.push('\n');
        }
        out
    }

    /// Writes what changed since the last call to `updates/`, one file a package, after the status
    /// file where dpkg would have written that meanwhile.
    ///
    /// # Errors
    /// The target cannot be written.
    pub fn flush(&mut self, target: &Target) -> Result<(), DpkgError> {
        if let Some(text) = self.checkpoint.take() {
            self.replace_status(target, &text)?;
        }
        for key in std::mem::take(&mut self.dirty) {
            let Some(package) = self.packages.get(&key) else {
                continue;
            };
            let path = update_path(self.next_update);
            write(target, &path, &raw_text::encode(&self.stanza(package)), 0o644)?;
            self.next_update += 1;
        }
        Ok(())
    }

    /// Writes the status file, as dpkg does when it ends: the old one becomes `status-old`, `updates/`
    /// empty.
    ///
    /// # Errors
    /// The target cannot be written.
    pub fn save(&mut self, target: &Target) -> Result<(), DpkgError> {
        if let Some(text) = self.checkpoint.take() {
            self.replace_status(target, &text)?;
        }
        let text = self.status_text();
        self.replace_status(target, &text)?;
        self.dirty.clear();
        self.notes = 0;
        Ok(())
    }

    fn replace_status(&mut self, target: &Target, text: &str) -> Result<(), DpkgError> {
        let status = Path::new(STATUS);
        let old = Path::new("/var/lib/dpkg/status-old");
        remove_optional(target, old)?;
        match target.link(status, old) {
            Ok(()) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(failed(old)(error)),
        }
        write(target, status, &raw_text::encode(text), 0o644)?;
        for number in 0..self.next_update {
            remove_optional(target, &update_path(number))?;
        }
        self.next_update = 0;
        Ok(())
    }
}

fn update_path(number: u32) -> PathBuf {
    Path::new(UPDATES).join(format!("{number:04}"))
}

impl Package {
    /// Returns the path of one of the package's files in `info/`.
    pub fn info_path(&self, kind: &str) -> PathBuf {
        Path::new(ADMIN)
            .join("info")
            .join(format!("{}.{kind}", self.info_name()))
    }
}
