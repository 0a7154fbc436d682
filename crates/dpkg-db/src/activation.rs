//! Trigger activation (dpkg's trigger documentation, "Trigger activation").
//!
//! A trigger is *activated* by name. Each interested package that is configured gets it *pending*
//! and is queued for processing; the activating package, unless either side said `noawait`, *awaits*
//! it. All of it is state of the database; running `postinst triggered` is the caller's.

use std::path::Path;

use deb_types::PackageKey;
use rootless_install_fs::{FileType, Meta, Target};

use super::database::Database;
use super::error::DpkgError;
use super::files::{failed, read_text};
use super::package::Package;
use super::states::Status;
use super::triggers::{Declarations, TRIGGERS, TriggerKind, parse_unincorp};

impl Database {
    /// Activates a trigger by name: an explicit one, or for a path the file triggers of it and of
    /// all directories above it (as `dpkg-trigger` and a conffile's installation do). `by` awaits the
    /// processing; `None` for `noawait`.
    pub fn activate(&mut self, trigger: &str, by: Option<&PackageKey>) {
        match TriggerKind::of(trigger) {
            TriggerKind::Invalid => {}
            TriggerKind::Explicit => self.activate_exactly(trigger, by),
            TriggerKind::File => {
                let mut path = trigger;
                while !path.is_empty() {
                    self.activate_exactly(path, by);
                    path = path.rfind('/').map_or("", |slash| &path[..slash]);
                }
            }
        }
    }

    /// Activates the file triggers that unpacking `paths` fires: those of exactly these names.
    pub fn activate_unpacked<'a>(&mut self, paths: impl IntoIterator<Item = &'a Path>, by: &PackageKey) {
        if !self.interests.has_file_triggers() {
            return;
        }
        let triggers: Vec<String> = self
            .interests
            .file_triggers_for(paths)
            .into_iter()
            .map(str::to_owned)
            .collect();
        for trigger in triggers {
            self.activate_exactly(&trigger, Some(by));
        }
    }

    /// Activates what a package's `triggers` file declares with `activate`: at unpacking and at the
    /// start of configuring.
    pub fn activate_declared(&mut self, key: &PackageKey, declarations: &Declarations) {
        for declaration in &declarations.activations {
            self.activate(&declaration.trigger, declaration.awaited.then_some(key));
        }
    }

    /// Returns a package's `triggers` file in `info/`; empty when it has none.
    ///
    /// # Errors
    /// No such package, or a file that cannot be read or parsed.
    pub fn declarations(&self, target: &Target, key: &PackageKey) -> Result<Declarations, DpkgError> {
        let package = self.get(key).ok_or_else(|| DpkgError::NoPackage {
            package: key.to_string(),
        })?;
        Declarations::parse(&read_text(target, &package.info_path("triggers"))?, &package.name)
    }

    fn activate_exactly(&mut self, trigger: &str, by: Option<&PackageKey>) {
        let interests: Vec<(String, bool)> = self
            .interests
            .of(trigger)
            .into_iter()
            .map(|i| (i.package.clone(), i.awaited))
            .collect();
        for (package, awaited) in interests {
            if let Some(pending) = self.resolve(&package) {
                self.record_activation(&pending, by.filter(|_| awaited), trigger);
            }
        }
    }

    fn record_activation(&mut self, pending: &PackageKey, awaiter: Option<&PackageKey>, trigger: &str) {
        let Some(package) = self.packages.get_mut(pending) else {
            return;
        };
        if package.status < Status::TriggersAwaited {
            // Not configured yet: configuring will do what the trigger asks for.
            return;
        }
        if !package.triggers_pending.iter().any(|have| have == trigger) {
            package.triggers_pending.insert(0, trigger.to_owned());
            let awaiting = !package.triggers_awaited.is_empty();
            package.status = if awaiting {
                Status::TriggersAwaited
            } else {
                Status::TriggersPending
            };
            self.note(pending);
        }
        if !self.deferred.contains(pending) {
            self.deferred.push_back(pending.clone());
        }
        let Some(awaiter) = awaiter else { return };
        let Some(package) = self.packages.get_mut(awaiter) else {
            return;
        };
        if !package.triggers_awaited.contains(pending) {
            package.triggers_awaited.push(pending.clone());
            if package.status > Status::TriggersAwaited {
                package.status = Status::TriggersAwaited;
            }
            self.note(awaiter);
        }
    }

    /// Releases the packages that await a package with nothing pending any more.
    pub(super) fn clear_awaiters(&mut self, done: &PackageKey) {
        let awaiting: Vec<PackageKey> = self
            .packages
            .iter()
            .filter(|(_, package)| package.triggers_awaited.contains(done))
            .map(|(key, _)| key.clone())
            .collect();
        for key in awaiting {
            let Some(package) = self.packages.get_mut(&key) else {
                continue;
            };
            package.triggers_awaited.retain(|have| have != done);
            if package.triggers_awaited.is_empty() && package.status == Status::TriggersAwaited {
                package.status = settled(package.triggers_pending.is_empty());
                self.note(&key);
            }
        }
    }

    /// Sets and returns the state after a postinst that succeeded: `installed`, or a trigger state. Follow it with
    /// [`Database::incorporate`], as after every maintainer script.
    ///
    /// # Errors
    /// No such package.
    pub fn settle(&mut self, key: &PackageKey) -> Result<Status, DpkgError> {
        self.update(key, |package| {
            package.status = if package.triggers_awaited.is_empty() {
                settled(package.triggers_pending.is_empty())
            } else {
                Status::TriggersAwaited
            };
            package.status
        })
    }

    /// Takes a package's pending triggers for processing: it becomes half-configured, and the names
    /// are returned in the order in which `postinst triggered` gets them.
    ///
    /// # Errors
    /// No such package.
    pub fn take_pending(&mut self, key: &PackageKey) -> Result<Vec<String>, DpkgError> {
        self.deferred.retain(|have| have != key);
        let pending = self.get(key).map(|package| package.triggers_pending.clone());
        let pending = pending.ok_or_else(|| DpkgError::NoPackage {
            package: key.to_string(),
        })?;
        self.update(key, |package| package.status = Status::HalfConfigured)?;
        Ok(pending)
    }

    /// Returns the packages that await a package's trigger processing.
    pub fn awaiters(&self, key: &PackageKey) -> Vec<PackageKey> {
        let packages = self.packages.iter();
        packages
            .filter(|(_, package)| package.triggers_awaited.contains(key))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Undoes [`Database::take_pending`]: the triggers are pending again, and
    /// `awaiters` await them.
    ///
    /// # Errors
    /// No such package.
    pub fn put_back(
        &mut self,
        key: &PackageKey,
        pending: &[String],
        awaiters: &[PackageKey],
    ) -> Result<(), DpkgError> {
        self.update(key, |package| {
            package.triggers_pending = pending.to_vec();
            package.status = if package.triggers_awaited.is_empty() {
                Status::TriggersPending
            } else {
                Status::TriggersAwaited
            };
        })?;
        for awaiter in awaiters {
            self.update(awaiter, |package| {
                if !package.triggers_awaited.contains(key) {
                    package.triggers_awaited.push(key.clone());
                }
                if package.status > Status::TriggersAwaited {
                    package.status = Status::TriggersAwaited;
                }
            })?;
        }
        Ok(())
    }

    /// Takes the next package off the queue of deferred trigger processing.
    pub fn next_deferred(&mut self) -> Option<PackageKey> {
        self.deferred.pop_front()
    }

    /// Brings the database into the state that a new dpkg process reads from what the one before it wrote:
    /// nothing is queued, and pending triggers are in the opposite order, as it puts each one it reads before
    /// the others.
    pub fn begin_run(&mut self) {
        self.deferred.clear();
        self.packages.values_mut().for_each(Package::reread);
    }

    /// Activates what maintainer scripts noted in `triggers/Unincorp` and empties it.
    ///
    /// # Errors
    /// The file cannot be read, parsed or written.
    pub fn incorporate(&mut self, target: &Target) -> Result<(), DpkgError> {
        let path = Path::new(TRIGGERS).join("Unincorp");
        let text = read_text(target, &path)?;
        if text.is_empty() {
            return Ok(());
        }
        for deferred in parse_unincorp(&text)? {
            for awaiter in deferred.awaiters {
                let awaiter = awaiter.and_then(|name| self.resolve(&name));
                self.activate(&deferred.trigger, awaiter.as_ref());
            }
        }
        let meta = Meta::of_root(FileType::Regular, 0o644);
        target.write(&path, b"", &meta).map_err(failed(&path))
    }
}

fn settled(idle: bool) -> Status {
    if idle {
        Status::Installed
    } else {
        Status::TriggersPending
    }
}
