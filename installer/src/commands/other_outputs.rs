//! Further results of one installation: each is written beside its name, and all get their names together in the end.

use super::error::Error;
use super::finish::write_output;
use crate::output::{Facts, Output as _, Source};
use crate::package_lock::PackageLock;
use crate::settings::{OtherOutput, Settings};
use crate::staging::Staging;
use rootless_install_fs::Target;
use std::path::PathBuf;
use task_progress::{Cancel, Reporter};

/// Results that are still to be written, or to get their names.
#[derive(Default)]
pub(super) struct OtherOutputs<'s>(Vec<(&'s OtherOutput, Staging)>);

impl<'s> OtherOutputs<'s> {
    /// Checks that they can be made, before anything is fetched.
    ///
    /// # Errors
    /// What a format needs is missing, or a name is taken.
    pub(super) fn begin(settings: &'s Settings) -> Result<Self, Error> {
        let mut all = Vec::new();
        for other in &settings.other_outputs {
            if let Some(format) = other.target.format() {
                format.check(&other.image)?;
            }
            all.push((other, Staging::for_output(&other.target, &settings.temporary)?));
        }
        Ok(Self(all))
    }

    /// Checks that the packages have what the formats need: names of packages of an architecture.
    ///
    /// # Errors
    /// One is missing.
    pub(super) fn check_packages(&self, architecture: &str, names: &[&str]) -> Result<(), Error> {
        for (other, _) in &self.0 {
            if let Some(format) = other.target.format() {
                format.check_packages(&other.image, architecture, names)?;
            }
        }
        Ok(())
    }

    /// Writes them. The lock says what was installed.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn write(
        &self,
        settings: &Settings,
        target: &Target,
        lock: Option<&PackageLock>,
        reporter: &dyn Reporter,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        for (other, staging) in &self.0 {
            let Some(format) = other.target.format() else {
                continue;
            };
            let source = Source {
                target,
                options: &other.image,
                source_date_epoch: settings.system.scripts.source_date_epoch,
                architecture: settings.system.arch.name,
                lock,
                facts: &Facts::default(),
                scratch: &staging.make_scratch()?,
                reporter,
                cancel,
            };
            write_output(&other.target, format, &source, staging)?;
        }
        Ok(())
    }

    /// Gives them their names. Returns their paths.
    ///
    /// # Errors
    /// Something has got one of the names meanwhile.
    pub(super) fn commit(self, reporter: &dyn Reporter) -> Result<Vec<PathBuf>, Error> {
        let mut paths = Vec::new();
        for (_, staging) in self.0 {
            if let Some(path) = staging.commit()? {
                reporter.note(&format!("also made {}", path.display()));
                paths.push(path);
            }
        }
        Ok(paths)
    }
}
