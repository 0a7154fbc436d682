//! Creating and reading a database: `status`, the journal in `updates/`, trigger interests and file lists.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use deb_types::{PackageKey, PathOwners};
use rootless_install_fs::Target;

use super::database::{ADMIN, Database, STATUS, UPDATES};
use super::error::DpkgError;
use super::files::{ensure_dir, ensure_file, failed, malformed, read_optional, read_text};
use super::package::Package;
use super::states::Status;
use super::triggers::TRIGGERS;

impl Database {
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
        let mut database = Database::prepare(target, native, foreign)?;
        let admin = Path::new(ADMIN);
        if database.upgrade_info(target)? {
            database = Database::load(target, native)?;
        }
        ensure_file(target, &admin.join("info/format"), b"1\n", 0o644)?;
        ensure_file(target, &admin.join("lock"), b"", 0o640)?;
        ensure_file(target, &admin.join("lock-frontend"), b"", 0o640)?;
        ensure_file(target, &admin.join("triggers/Lock"), b"", 0o600)?;
        ensure_file(target, &admin.join("triggers/Unincorp"), b"", 0o644)?;
        Ok(database)
    }

    /// Gives the files in `info/` of `Multi-Arch: same` packages the names that they have since `info/format` is there,
    /// and returns whether there were any with older names (`pkg_infodb_upgrade` in dpkg's source).
    fn upgrade_info(&self, target: &Target) -> Result<bool, DpkgError> {
        let info = Path::new(ADMIN).join("info");
        if target.stat(&info.join("format")).is_ok() {
            return Ok(false);
        }
        let mut renamed = false;
        for file in target.read_dir(&info).map_err(failed(&info))? {
            let parts = file.to_str().and_then(|file| file.rsplit_once('.'));
            let Some((name, kind)) = parts.filter(|(name, _)| !name.contains(':')) else {
                continue;
            };
            let key = self.resolve(name);
            let package = key.and_then(|key| self.get(&key));
            if let Some(package) = package.filter(|package| package.info_name() != name) {
                let path = package.info_path(kind);
                target.rename(&info.join(&file), &path).map_err(failed(&path))?;
                renamed = true;
            }
        }
        Ok(renamed)
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
        database.release_stale_awaiters();
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
            if path.starts_with(UPDATES) {
                self.follow_architecture(&package);
            }
            if package.is_informative() {
                self.packages.insert(key, package);
            } else {
                self.packages.remove(&key);
            }
        }
        Ok(())
    }

    /// Removes the record of another architecture that a journal entry of a package has replaced.
    fn follow_architecture(&mut self, new: &Package) {
        if let Ok(old) = self.record_of(new)
            && old != new.key()
        {
            self.packages.remove(&old);
        }
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

    /// Settles packages that await the triggers of others with nothing pending, which a dpkg that was interrupted
    /// leaves.
    fn release_stale_awaiters(&mut self) {
        let awaited = self
            .packages
            .values()
            .flat_map(|package| &package.triggers_awaited);
        let idle = |key: &&PackageKey| {
            self.get(key)
                .is_none_or(|package| package.triggers_pending.is_empty())
        };
        let idle: Vec<PackageKey> = awaited.filter(idle).cloned().collect();
        for key in idle {
            self.clear_awaiters(&key);
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
        // Older versions of dpkg gave names of foreign packages an architecture.
        let packages = &self.packages;
        self.interests.rename(|name| {
            let (name, architecture) = name.split_once(':')?;
            let package = packages.get(&PackageKey::new(name, architecture))?;
            Some(package.info_name())
        });
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
}
