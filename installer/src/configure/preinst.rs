//! Preinst scripts, and the rest of unpacking that scripts can observe: the new control files beside them.

use super::{ConfigureError, Configurer, Result};
use dpkg_db::{ControlArchive, PackageKey, Status, Unpacked};
use rootless_install_fs::{FileType, Meta};
use script_host::script::Script;
use script_host::view::Ended;
use std::path::{Path, PathBuf};

/// Directory of the control files of a package that is being unpacked.
const INCOMING: &str = "/var/lib/dpkg/tmp.ci";

impl Configurer<'_, '_> {
    /// Begins to unpack a package: it becomes half-installed in the database, and its preinst runs.
    ///
    /// # Errors
    /// The preinst failed; `postrm abort-install` has undone its effects where the package has a postrm.
    pub fn begin_unpack(&mut self, control: &ControlArchive) -> Result<PackageKey> {
        self.session.cancel().check()?;
        self.check_pre_depends(&control.package()?)?;
        let key = self.database.begin_unpack(control)?;
        if control.script("preinst").is_none() {
            return Ok(key);
        }
        self.write_incoming(&key, control)?;
        let ran = self.run(&key, Script::Preinst, &incoming("preinst"));
        self.database.incorporate(self.target())?;
        if let Err(ConfigureError::Script(failure)) = ran {
            if control.script("postrm").is_some() && failure.outcome.ended != Ended::Cancelled {
                // The first failure is the one to report. dpkg leaves the package half-installed where undoing
                // it fails too.
                if self.run(&key, Script::AbortInstall, &incoming("postrm")).is_ok() {
                    self.database
                        .update(&key, |package| package.status = Status::NotInstalled)?;
                }
            } else {
                self.database
                    .update(&key, |package| package.status = Status::NotInstalled)?;
            }
            self.database.flush(self.target())?;
            return Err(ConfigureError::Script(failure));
        }
        ran?;
        self.remove_incoming(&key, control)?;
        Ok(key)
    }

    /// Ends the unpacking of a package whose files are in the target.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn finish_unpack(&mut self, control: &ControlArchive, files: &Unpacked) -> Result<PackageKey> {
        Ok(self.database.finish_unpack(self.target(), control, files)?)
    }

    fn write_incoming(&self, key: &PackageKey, control: &ControlArchive) -> Result<()> {
        let failed = |source| ConfigureError::Target {
            package: key.name.clone(),
            source,
        };
        match self
            .target()
            .make_dir(Path::new(INCOMING), &Meta::of_root(FileType::Directory, 0o755))
        {
            Err(error) if error.is_already_exists() => {}
            made => made.map_err(failed)?,
        }
        for (name, file) in &control.files {
            file.write(self.target(), &incoming(name))?;
        }
        self.target()
            .write(
                &incoming("control"),
                control.control.as_bytes(),
                &Meta::of_root(FileType::Regular, 0o644),
            )
            .map_err(failed)
    }

    fn remove_incoming(&self, key: &PackageKey, control: &ControlArchive) -> Result<()> {
        let failed = |source| ConfigureError::Target {
            package: key.name.clone(),
            source,
        };
        let known = control.files.keys().map(String::as_str).chain(["control"]);
        for name in known {
            match self.target().remove(&incoming(name)) {
                Err(error) if error.is_not_found() => {}
                removed => removed.map_err(failed)?,
            }
        }
        self.target().remove_dir(Path::new(INCOMING)).map_err(failed)
    }
}

fn incoming(name: &str) -> PathBuf {
    Path::new(INCOMING).join(name)
}
