//! Native packages that the release does not have any more: a target that was upgraded keeps packages of the release
//! before until they are removed, and their scripts execute their programs.

use super::counterparts::in_words;
use super::{Sysroot, SysrootError};
use apt_solve::native_of_name;
use deb_archive::PackageFile;

/// A native package of an earlier release.
pub struct EarlierPackage {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: PackageFile,
}

/// Returns the native package of an earlier release that has the first of these names that is there, in the version nearest to
/// the one given, and all that it depends on; the reason in words why there is none.
pub type EarlierPackages<'a> = dyn Fn(&[String], &str) -> Result<Vec<EarlierPackage>, String> + Sync + 'a;

impl Sysroot<'_, '_> {
    /// Adds the first of some packages that an earlier release has, and returns its name. What it depends on comes from the
    /// present release as far as that has it, so that a library is never older than what was linked with it.
    ///
    /// # Errors
    /// The reason why there is none, in words.
    pub(super) fn add_earlier(&self, names: &[String], version: &str) -> Result<String, String> {
        let find = self.earlier.ok_or("no earlier release is looked at")?;
        let mut packages = find(names, version)?.into_iter();
        let wanted = packages.next().ok_or("an earlier release does not have it")?;
        let (mut present, mut files) = (Vec::new(), vec![wanted.file]);
        for package in packages {
            match native_of_name(self.universe, &package.name) {
                Some(id) => present.push(id),
                None => files.push(package.file),
            }
        }
        let add = || -> Result<(), SysrootError> {
            self.add(&present)?;
            self.compose(&files)
        };
        add().map_err(in_words)?;
        Ok(wanted.name)
    }
}
