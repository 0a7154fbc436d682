//! Packages that are deferred to the target's own dpkg.
//!
//! A package whose postinst cannot be run keeps the state in which dpkg would leave it: `unpacked` where that is
//! known before ([`script_host::Session::foreseen`]), `half-configured` where the script had begun. In both cases
//! `dpkg --configure -a` runs the postinst from its beginning (Policy 6.5, and 6.2 for scripts that were
//! interrupted). Triggers stay pending, and packages that await them stay `triggers-awaited`. Packages that depend
//! on a deferred one stay `unpacked`.

use super::{ConfigureError, Configurer, Result};
use dpkg_db::{Database, Package, PackageKey, Possibility, Status, parse_relations};
use script_host::unrunnable::{Deferred, OnUnrunnable, Unrunnable};

impl Configurer<'_, '_> {
    fn is_deferred(&self, key: &PackageKey) -> bool {
        is_deferred(self.database, self.session.unrunnable(), key)
    }

    /// Defers a package whose postinst is known to need a program that cannot be run, where the user wants such
    /// packages deferred. Returns whether it is deferred.
    pub(super) fn defer_foreseen(&self, key: &PackageKey) -> bool {
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

    /// Defers a package whose postinst was stopped, where the user wants such packages deferred. Returns whether it
    /// is deferred; `ran` is the result of the script.
    ///
    /// # Errors
    /// All other errors of the script.
    pub(super) fn defer_stopped(&mut self, key: &PackageKey, ran: Result<()>) -> Result<bool> {
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

    /// Checks that no package which satisfies a pre-dependency is deferred: dpkg would not unpack the package then.
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
            let deferred = satisfying().find(|have| self.is_deferred(&have.key()));
            let all = satisfying().all(|have| self.is_deferred(&have.key()));
            if let (Some(deferred), true) = (deferred, all) {
                return Err(ConfigureError::PreDepends {
                    package: package.name.clone(),
                    on: deferred.name.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Whether a package is deferred, or awaits triggers of one that is: nothing in this run will make it satisfy a
/// dependency.
pub(super) fn is_deferred(database: &Database, unrunnable: &Unrunnable, key: &PackageKey) -> bool {
    database.get(key).is_some_and(|package| match package.status {
        Status::Installed | Status::TriggersPending => false,
        Status::TriggersAwaited => package
            .triggers_awaited
            .iter()
            .any(|on| unrunnable.is_deferred(on)),
        _ => unrunnable.is_deferred(key),
    })
}

/// Whether a package is the one that a relation names, or provides it.
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
