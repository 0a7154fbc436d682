//! What unpacking has to know of the target.

use std::path::Path;

use rootless_install_fs::Target;

use super::file::Limits;
use crate::dpkg::{Accounts, Database, Diversions, DpkgError, Package, StatOverrides};

/// What happens when a package ships a path that an installed package owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contest {
    /// nobody else owns it
    Free,
    /// the new package says `Replaces`: it takes the path over
    Replace,
    /// the owner says `Replaces` about the new package: the owner's file stays
    Keep,
    /// another architecture's instance of the same version ships the same file
    Shared,
    /// neither: an error
    Conflict {
        /// the owner
        owner: String,
        /// its version
        version: String,
    },
}

/// Knows which installed packages own which paths.
pub trait Ownership: Sync {
    /// Decides about `package` shipping `path`, a non-directory, named as in the package.
    /// `diverting` is the package that diverts the path: it and others each have their own file.
    fn contest(&self, package: &Package, path: &Path, diverting: Option<&str>) -> Contest;
}

/// Whose metadata a directory that several packages ship gets, and what its time shows.
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

/// What is in force in the target while packages are unpacked.
pub struct Context<'a> {
    /// diversions
    pub diversions: Diversions,
    /// statoverrides
    pub stat_overrides: StatOverrides,
    /// user and group names of the target
    pub accounts: Accounts,
    /// the installed packages
    pub ownership: &'a dyn Ownership,
    /// limits on unpacked sizes
    pub limits: Limits,
    /// metadata of shared directories
    pub layering: Layering,
    /// paths that are not unpacked, and whether such a path may have others below it
    pub left_out: &'a (dyn Fn(&Path, bool) -> bool + Sync),
    /// directories that are there, and get the package's metadata all the same
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
            limits: Limits::default(),
            layering,
            left_out: &|_, _| false,
            adopted: &|_| false,
        })
    }
}
