//! `unpack`: an archive becomes a target.

use super::error::Error;
use crate::input::{self, Input, Unpacked};
use crate::staging::Staging;
use crate::target_spec::TargetSpec;
use rootless_install_fs::{Marker, Target};
use std::path::PathBuf;
use task_progress::{Cancel, Reporter, Stage};

/// Settings of the command.
#[derive(Clone, Debug)]
pub struct UnpackSettings {
    /// The archive.
    pub input: Input,
    /// The directory, which does not exist yet or is empty.
    pub target: PathBuf,
}

/// Makes a target of the archive. Nothing is left behind where that fails.
///
/// # Errors
/// Those of the archive, and of making the directory.
pub fn run(settings: &UnpackSettings, reporter: &dyn Reporter, cancel: &Cancel) -> Result<Unpacked, Error> {
    let spec = TargetSpec::Directory(settings.target.clone());
    let staging = Staging::create(&spec, &settings.target)?;
    let target = Target::open(&staging.root())?;
    let scratch = staging.make_scratch()?;
    let unpacked = {
        let _stage = reporter.stage(Stage::Archive);
        input::unpack(&settings.input, &target, &scratch, cancel)?
    };
    if unpacked.of_directory {
        reporter.warn(
            "another program made this archive of the directory of a target: owners, modes and devices in it are \
             what that directory has on the disk, not what its users see; make it with `rootless-install pack`",
        );
    }
    if unpacked.acls > 0 {
        reporter.warn(&format!(
            "the access control lists of {} files were left out: they have names of another system's users \
             (SCHILY.acl); make the archive with tar's --numeric-owner",
            unpacked.acls
        ));
    }
    if unpacked.attributes > 0 {
        reporter.warn(&format!(
            "{} extended attributes were left out: they are of no class that a target can have",
            unpacked.attributes
        ));
    }
    Marker::write(&staging.root()).map_err(|source| Error::Marker {
        path: staging.root(),
        source,
    })?;
    cancel.check()?;
    staging.commit()?;
    Ok(unpacked)
}
