//! The state of the target that unpacking depends on.

use std::path::Path;

use rootless_install_fs::Target;

use super::file::Limits;
use dpkg_db::{Accounts, Database, Diversions, DpkgError, Ownership, StatOverrides};

/// The rule by which a directory that several packages ship gets its metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layering {
    /// As dpkg unpacks: the first package makes the directory, later ones leave it alone; anything
    /// made in it changes its time.
    Dpkg,
    /// As when tar extracts all packages before dpkg unpacks them again (the essential set of a new
    /// system): the last package sets the metadata, and only files put into the directory change
    /// its time.
    TarThenDpkg,
    /// As tar extracts all packages: the last package sets the metadata, times and all.
    Tar,
}

/// Problems that are ignored (dpkg(1), `--force-…`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forces {
    /// A file of another package is written over.
    pub overwrite: bool,
    /// A directory of another package makes room for something else.
    pub overwrite_directory: bool,
    /// The diverted version of a file is written over.
    pub overwrite_diverted: bool,
}

/// Everything in force in the target while packages are unpacked.
pub struct Context<'a> {
    /// Diversions.
    pub diversions: Diversions,
    /// Statoverrides.
    pub stat_overrides: StatOverrides,
    /// User and group names of the target.
    pub accounts: Accounts,
    /// The installed packages.
    pub ownership: &'a dyn Ownership,
    /// Problems that are ignored.
    pub forces: Forces,
    /// Is told of each problem that is ignored, in dpkg's words.
    pub warn: &'a (dyn Fn(&str) + Sync),
    /// Whether versions in control files need not be valid (dpkg(1), `--force-bad-version`).
    pub bad_versions: bool,
    /// Limits on unpacked sizes.
    pub limits: Limits,
    /// Metadata of shared directories.
    pub layering: Layering,
    /// Returns whether a path is not unpacked; the second argument is whether others may be below it.
    pub left_out: &'a (dyn Fn(&Path, bool) -> bool + Sync),
    /// Returns whether a directory that exists gets the package's metadata all the same.
    pub adopted: &'a (dyn Fn(&Path) -> bool + Sync),
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("limits", &self.limits)
            .field("layering", &self.layering)
            .finish_non_exhaustive()
    }
}

impl<'a> Context<'a> {
    /// Reads diversions, statoverrides and names from the target.
    ///
    /// # Errors
    /// A file that cannot be read or parsed.
    pub fn load(
        target: &Target,
        database: &'a Database,
        layering: Layering,
    ) -> Result<Context<'a>, DpkgError> {
        let accounts = Accounts::load(target)?;
        Ok(Context {
            diversions: Diversions::load(target)?,
            stat_overrides: StatOverrides::load(target, &accounts)?,
            accounts,
            ownership: database,
            forces: Forces::default(),
            warn: &|_| {},
            bad_versions: false,
            limits: Limits::default(),
            layering,
            left_out: &|_, _| false,
            adopted: &|_| false,
        })
    }
}
