//! Packages that are left for the target's own dpkg.
//!
//! A package whose postinst cannot be run is left as dpkg would leave it:
//! `unpacked` where that is known before ([`script_host::Session::foreseen`]), `half-configured`
//! where the script had begun; `dpkg --configure -a` runs the postinst, from its
//! beginning, in both cases (Policy 6.5, and 6.2 for what was begun). Triggers
//! stay pending, and those who await them stay so. What depends on a package
//! that is left stays unpacked.

use super::{ConfigureError, Configurer, Result};
use dpkg_db::{Database, Package, PackageKey, Possibility, Status, parse_relations};
use script_host::unrunnable::{Deferred, OnUnrunnable, Unrunnable};

impl Configurer<'_, '_> {
    fn is_left(&self, key: &PackageKey) -> bool {
        is_left(self.database, self.session.unrunnable(), key)
    }

    /// Leaves a package whose postinst is known to need what cannot be run.
    pub(super) fn leave_foreseen(&self, key: &PackageKey) -> bool {
        let unrunnable = self.session.unrunnable();
        if unrunnable.mode() != OnUnrunnable::Defer {
            return false;
        }
        let Some(refusal) = self.session.foreseen(&key.name) else {
            return false;
        };
        let script = "postinst configure".to_owned();
        unrunnable.defer(key.clone(), Deferred::Script { script, refusal });
        true
    }

    /// Notes a package whose postinst was stopped, where the user wants such
    /// packages left for later. `false` when the script did its work.
    ///
    /// # Errors
    /// Those of the script, but for this.
    pub(super) fn leave_for_later(&mut self, key: &PackageKey, ran: Result<()>) -> Result<bool> {
        match ran {
            Err(ConfigureError::Unrunnable { script, refusal, .. })
                if self.session.unrunnable().mode() == OnUnrunnable::Defer =>
            {
                let script = script.to_string();
                let deferred = Deferred::Script { script, refusal };
                self.session.unrunnable().defer(key.clone(), deferred);
                Ok(true)
            }
            ran => ran.map(|()| false),
        }
    }

    /// Checks that nothing a package pre-depends on is left for later: dpkg would
    /// not unpack it then.
    ///
    /// # Errors
    /// The first that is.
    pub(super) fn check_pre_depends(&self, package: &Package) -> Result<()> {
        let groups = package.field("Pre-Depends").map(parse_relations);
        for group in groups.and_then(std::result::Result::ok).unwrap_or_default() {
            let satisfying = || {
                self.database
                    .packages()
                    .filter(|have| group.iter().any(|wanted| satisfies(have, wanted)))
            };
            let left = satisfying().find(|have| self.is_left(&have.key()));
            if let (Some(left), true) = (left, satisfying().all(|have| self.is_left(&have.key()))) {
                return Err(ConfigureError::PreDepends {
                    package: package.name.clone(),
                    on: left.name.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Whether nothing in this run will make the package satisfy a dependency.
pub(super) fn is_left(database: &Database, unrunnable: &Unrunnable, key: &PackageKey) -> bool {
    database.get(key).is_some_and(|package| match package.status {
        Status::Installed | Status::TriggersPending => false,
        Status::TriggersAwaited => package
            .triggers_awaited
            .iter()
            .any(|on| unrunnable.is_deferred(on)),
        _ => unrunnable.is_deferred(key),
    })
}

fn satisfies(have: &Package, wanted: &Possibility) -> bool {
    if have.name == wanted.name {
        return wanted.accepts(&have.version);
    }
    let provided = have.field("Provides").map(parse_relations);
    let mut provided = provided
        .and_then(std::result::Result::ok)
        .unwrap_or_default()
        .into_iter()
        .flatten();
    provided.any(|one| {
        let version = one.constraint.map(|(_, version)| version);
        let fits = wanted.constraint.is_none() || version.is_some_and(|version| wanted.accepts(&version));
        one.name == wanted.name && fits
    })
}
