//! The database as a whole: packages, their state on disk, and the journal.

use deb_types::{PackageKey, PathOwners};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rootless_install_fs::Target;

use super::error::DpkgError;
use super::files::{
    ensure_dir, ensure_file, failed, malformed, read_optional, read_text, remove_optional, write,
};
use super::package::Package;
use super::states::Status;
use super::triggers::{Interests, TRIGGERS};

/// dpkg's administrative directory.
pub const ADMIN: &str = "/var/lib/dpkg";
pub(super) const STATUS: &str = "/var/lib/dpkg/status";
const UPDATES: &str = "/var/lib/dpkg/updates";

/// How many single updates dpkg keeps before it writes the whole status file again.
const MAX_UPDATES: u32 = 250;

/// dpkg's database of a target, in memory.
///
/// Changes are made here and reach the target in two ways, as in dpkg: [`Database::flush`] writes a
/// stanza a changed package to `updates/`, [`Database::save`] writes the whole `status`. Whatever
/// reads the database between (a maintainer script) must find it flushed.
#[derive(Debug)]
pub struct Database {
    pub(super) native: String,
    pub(super) foreign: Vec<String>,
    pub(super) packages: BTreeMap<PackageKey, Package>,
    pub(super) interests: Interests,
    pub(super) deferred: VecDeque<PackageKey>,
    pub(super) owners: PathOwners<PackageKey>,
    dirty: Vec<PackageKey>,
    next_update: u32,
    /// Changes noted since dpkg would have written the status file.
    notes: u32,
    /// The status file as dpkg would have written it in the middle of a run.
    checkpoint: Option<String>,
    /// States as they were noted, where somebody wants to know.
    noted: Option<Vec<Noted>>,
}

/// A package's state at the moment at which dpkg notes it, and so tells front ends of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The package.
    pub key: PackageKey,
    /// dpkg's unambiguous name of it
    pub name: String,
    /// Its version, empty where nothing is installed.
    pub version: String,
    /// The state.
    pub status: Status,
}

impl Database {
    /// An empty database in memory for a system of architecture `native`.
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

    /// What was noted since the last call.
    pub fn take_noted(&mut self) -> Vec<Noted> {
        self.noted.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Makes what mmdebstrap gives dpkg and apt to begin with: the directories, an empty `status`, and
    /// `arch`. What is there stays.
    ///
    /// # Errors
    /// The target cannot be written.
    pub fn prepare(target: &Target, native: &str, foreign: &[String]) -> Result<Database, DpkgError> {
        let admin = Path::new(ADMIN);
        for directory in ["triggers", "info", "alternatives", "updates"] {
            ensure_dir(target, &admin.join(directory))?;
        }
        let mut arch = format!("{native}\n");
        for name in foreign {
            arch.push_str(name);
            arch.push('\n');
        }
        ensure_file(target, &admin.join("status"), b"", 0o644)?;
        ensure_file(target, &admin.join("arch"), arch.as_bytes(), 0o644)?;
        Database::load(target, native)
    }

    /// [`Database::prepare`], and what dpkg itself adds before its first package: `info/format`,
    /// `lock`, `lock-frontend` and `triggers/{Lock,Unincorp}`. What is there stays.
    ///
    /// # Errors
    /// The target cannot be written.
    pub fn create(target: &Target, native: &str, foreign: &[String]) -> Result<Database, DpkgError> {
        let database = Database::prepare(target, native, foreign)?;
        let admin = Path::new(ADMIN);
        ensure_file(target, &admin.join("info/format"), b"1\n", 0o644)?;
        ensure_file(target, &admin.join("lock"), b"", 0o640)?;
        ensure_file(target, &admin.join("lock-frontend"), b"", 0o640)?;
        ensure_file(target, &admin.join("triggers/Lock"), b"", 0o600)?;
        ensure_file(target, &admin.join("triggers/Unincorp"), b"", 0o644)?;
        Ok(database)
    }

    /// Reads the database of a target: `status`, `updates/`, `arch`, trigger interests and file lists.
    ///
    /// `native` is the architecture the target is for; other lines of `arch` are foreign.
    ///
    /// # Errors
    /// A file that cannot be read or that dpkg would not accept.
    pub fn load(target: &Target, native: &str) -> Result<Database, DpkgError> {
        let mut database = Database::new(native, Vec::new());
        let arch = read_text(target, &Path::new(ADMIN).join("arch"))?;
        database.foreign = arch
            .lines()
            .filter(|a| !a.is_empty() && *a != native)
            .map(str::to_owned)
            .collect();
        database.merge(&read_text(target, Path::new(STATUS))?, Path::new(STATUS))?;
        database.load_updates(target)?;
        database.resolve_awaited();
        database.load_interests(target)?;
        database.load_owners(target)?;
        Ok(database)
    }

    fn merge(&mut self, text: &str, path: &Path) -> Result<(), DpkgError> {
        for stanza in text.split("\n\n").map(|stanza| stanza.trim_matches('\n')) {
            // dpkg pads its journal files with comment lines until they are complete.
            if stanza.is_empty() || stanza.lines().all(|line| line.starts_with('#')) {
                continue;
            }
            let package = Package::parse(stanza).map_err(|error| malformed(path, error.to_string()))?;
            let key = package.key();
            if package.is_informative() {
                self.packages.insert(key, package);
            } else {
                self.packages.remove(&key);
            }
        }
        Ok(())
    }

    fn load_updates(&mut self, target: &Target) -> Result<(), DpkgError> {
        let directory = Path::new(UPDATES);
        let mut names = match target.read_dir(directory) {
            Ok(names) => names,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(failed(directory)(error)),
        };
        names.retain(|name| name.as_bytes().iter().all(u8::is_ascii_digit));
        names.sort();
        for name in names {
            let path = directory.join(&name);
            self.merge(&read_text(target, &path)?, &path)?;
            let number = name.to_str().and_then(|name| name.parse::<u32>().ok());
            let number = number.ok_or_else(|| malformed(&path, "has a name dpkg would not give it"))?;
            self.next_update = self.next_update.max(number.saturating_add(1));
        }
        Ok(())
    }

    /// Gives the packages in `Triggers-Awaited` that are written without one their architecture.
    fn resolve_awaited(&mut self) {
        let keys: Vec<PackageKey> = self.packages.keys().cloned().collect();
        for key in keys {
            let Some(package) = self.packages.get(&key) else {
                continue;
            };
            let awaited = package.triggers_awaited.iter();
            let resolved: Vec<_> = awaited
                .filter_map(|have| self.resolve_parts(&have.name, &have.architecture))
                .collect();
            if let Some(package) = self.packages.get_mut(&key) {
                package.triggers_awaited = resolved;
            }
        }
    }

    fn load_interests(&mut self, target: &Target) -> Result<(), DpkgError> {
        let directory = Path::new(TRIGGERS);
        let names = match target.read_dir(directory) {
            Ok(names) => names,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(failed(directory)(error)),
        };
        for name in names {
            let path = directory.join(&name);
            match name.to_str() {
                Some("Lock" | "Unincorp" | "Unincorp.new") | None => {}
                Some("File") => self.interests.parse_file_triggers(&read_text(target, &path)?)?,
                Some(trigger) => self.interests.parse_explicit(trigger, &read_text(target, &path)?),
            }
        }
        Ok(())
    }

    fn load_owners(&mut self, target: &Target) -> Result<(), DpkgError> {
        let mut owners = PathOwners::default();
        for (key, package) in &self.packages {
            if package.status == Status::NotInstalled {
                continue;
            }
            let path = package.info_path("list");
            let list = read_optional(target, &path)?.unwrap_or_default();
            let lines = list.split(|b| *b == b'\n').filter(|line| !line.is_empty());
            owners.add(key, lines.map(OsStr::from_bytes));
        }
        self.owners = owners;
        Ok(())
    }

    /// The architecture the target is for.
    pub fn native(&self) -> &str {
        &self.native
    }

    /// Foreign architectures (`dpkg --add-architecture`).
    pub fn foreign(&self) -> &[String] {
        &self.foreign
    }

    /// A package by key.
    pub fn get(&self, key: &PackageKey) -> Option<&Package> {
        self.packages.get(key)
    }

    /// All packages, by name and architecture.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    /// Trigger interests of the packages.
    pub fn interests(&self) -> &Interests {
        &self.interests
    }

    /// The installed packages that own a path; directories have many.
    pub fn owners(&self, path: &Path) -> impl Iterator<Item = &PackageKey> {
        self.owners.of(path)
    }

    /// The package that `NAME` or `NAME:ARCH` means, as dpkg resolves it: without architecture the
    /// only instance there is, or the native one.
    pub fn resolve(&self, spec: &str) -> Option<PackageKey> {
        let (name, architecture) = spec.split_once(':').unwrap_or((spec, ""));
        self.resolve_parts(name, architecture)
    }

    fn resolve_parts(&self, name: &str, architecture: &str) -> Option<PackageKey> {
        let first = PackageKey::new(name, "");
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

    /// dpkg's unambiguous name of a package (see [`Package::display_name`]).
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

    /// Adds a package, or takes the place of its old record, and notes it.
    pub fn insert(&mut self, package: Package) -> PackageKey {
        let key = self.place(package);
        self.note(&key);
        key
    }

    /// Takes the place of a package's old record, for [`Database::note`] to follow.
    pub(super) fn place(&mut self, package: Package) -> PackageKey {
        let key = package.key();
        self.packages.insert(key.clone(), package);
        key
    }

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

    /// How many packages can be unpacked together, the changes of each after those of all before it,
    /// and dpkg would not write the status file meanwhile: what it writes then shows the order.
    pub fn room_for_packages(&self) -> usize {
        /// Half-installed and twice unpacked, and a trigger that is awaited.
        const CHANGES: u32 = 5;
        (MAX_UPDATES.saturating_sub(self.notes) / CHANGES) as usize
    }

    /// A package's stanza as dpkg would write it, without the empty line after it.
    pub fn stanza(&self, package: &Package) -> String {
        let mut out = String::with_capacity(1024);
        package.write_stanza(|key| self.display_name(key), &mut out);
        out
    }

    /// The whole status file.
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
            write(target, &path, self.stanza(package).as_bytes(), 0o644)?;
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
        write(target, status, text.as_bytes(), 0o644)?;
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
    /// The path of one of the package's files in `info/`.
    pub fn info_path(&self, kind: &str) -> PathBuf {
        Path::new(ADMIN)
            .join("info")
            .join(format!("{}.{kind}", self.info_name()))
    }
}
