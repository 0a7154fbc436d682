//! Maintainer scripts that are programs (the preinst of bash is one), where scripts run outside of the target: nothing
//! there redirects them, so the native package's script is executed by its own path.

use super::shared::Shared;
use super::{ScriptRoot, SessionError};
use crate::sysroot::{is_native_program, native_names, script_at};
use deb_arch::Architecture;
use deb_arch::elf::{ElfIdentity, IDENTITY_SIZE};
use deb_types::version::without_rebuild;
use dpkg_db::{Database, Package};
use rootless_install_fs::Target;
use shim_protocol::{names, paths};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Source of maintainer scripts of packages for this machine's architecture: returns the program that is the script of
/// that name of a package's native counterpart, or the reason why there is none, in words.
pub type NativeScripts<'a> = dyn Fn(&Package, &str) -> Result<Vec<u8>, String> + Sync + 'a;

impl Shared<'_> {
    /// Returns what is executed in the place of a maintainer script, a path of the target, as scripts see it; none where
    /// it is executed itself. The inner error is the reason why there is nothing, in words.
    pub(super) fn stand_in(&self, script: &Path) -> Result<Option<Result<PathBuf, String>>, SessionError> {
        if !self.options.root.is_chrootless() {
            return Ok(None);
        }
        let content = self.options.target.read(script)?;
        let head = content.get(..IDENTITY_SIZE).unwrap_or(&content);
        match ElfIdentity::of_header(head) {
            Some(identity) if identity != Architecture::native().elf_identity() => {
                Ok(self.native_script(script))
            }
            _ => Ok(None),
        }
    }

    /// Returns the native counterpart of a maintainer script, a path of the target, as scripts see it; none where the
    /// path is not one of a script.
    pub(super) fn native_script(&self, path: &Path) -> Option<Result<PathBuf, String>> {
        let (package, script) = script_at(self.options.target, self.options.arch, path)?;
        let found = self.find_native_script(&package, script).and_then(|program| {
            let name = format!("{}.{script}", package.name);
            self.keep_script(&name, &program)
                .map_err(|error| format!("its native counterpart cannot be written: {error}"))
        });
        Some(found)
    }

    fn find_native_script(&self, package: &Package, script: &str) -> Result<Vec<u8>, String> {
        if let Some(program) = self
            .options
            .root
            .native_root()
            .and_then(|root| installed_script(root, package, self.options.arch, script))
        {
            return Ok(program);
        }
        match self.options.native_scripts {
            Some(of_archives) => of_archives(package, script),
            None => Err(format!(
                "it is a program for another machine, and the native system does not have {} {}",
                package.name, package.version
            )),
        }
    }

    /// Writes a program to the private directory, and returns its path as scripts see it.
    fn keep_script(&self, name: &str, program: &[u8]) -> io::Result<PathBuf> {
        let directory = self.private().join(names::MAINTSCRIPTS);
        fs::create_dir_all(&directory)?;
        fs::set_permissions(&directory, Permissions::from_mode(0o755))?;
        // Under another name first: the one of before may be running.
        let (file, new) = (directory.join(name), directory.join(format!("{name}.new")));
        fs::write(&new, program)?;
        fs::set_permissions(&new, Permissions::from_mode(0o755))?;
        fs::rename(&new, &file)?;
        Ok(match self.options.root {
            ScriptRoot::Machine { .. } => file,
            ScriptRoot::Target | ScriptRoot::Native { .. } => Path::new(paths::MAINTSCRIPTS).join(name),
        })
    }
}

/// Returns the script of a package's native counterpart that is installed in a native root filesystem.
fn installed_script(root: &Target, package: &Package, arch: &Architecture, script: &str) -> Option<Vec<u8>> {
    let database = Database::load(root, Architecture::native().name).ok()?;
    let names = native_names(package, arch);
    let installed = names
        .iter()
        .find_map(|name| database.get(&database.resolve(name)?))?;
    if without_rebuild(&installed.version) != without_rebuild(&package.version) {
        return None;
    }
    let program = root.read(&installed.info_path(script)).ok()?;
    is_native_program(&program).then_some(program)
}
