//! Maintainer scripts that are programs (the preinst of bash is one): the native package's runs in the place of the
//! target's, where it is of the same version.

use super::names::native_name;
use super::{Sysroot, SysrootError};
use apt_solve::best_native_version;
use deb_arch::Architecture;
use deb_types::version::without_rebuild;
use deb_unpack::DebFile;
use dpkg_db::{ADMIN, Database, Package};
use shim_protocol::paths;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Directory of the sysroot for scripts.
const DIRECTORY: &str = "maintscripts";

/// Names of scripts.
const SCRIPTS: [&str; 5] = ["preinst", "postinst", "prerm", "postrm", "config"];

impl Sysroot<'_, '_> {
    /// Returns the native counterpart of a maintainer script that is a program, as a path of the view; none where the
    /// path is not one of a script.
    pub(super) fn find_script(&self, path: &Path) -> Option<Result<PathBuf, String>> {
        let (package, script) = self.script_at(path)?;
        Some(self.native_script(&package, script))
    }

    /// Returns the package of a script in dpkg's directories, and the script's name.
    fn script_at(&self, path: &Path) -> Option<(Package, &'static str)> {
        let below = path.strip_prefix(ADMIN).ok()?;
        let directory = below.parent()?;
        let file = below.file_name().and_then(OsStr::to_str)?;
        let known = |name: &str| SCRIPTS.into_iter().find(|script| *script == name);
        if directory == Path::new("tmp.ci") {
            let control = self.target.read(&path.with_file_name("control")).ok()?;
            let control = String::from_utf8_lossy(&control);
            return Some((Package::parse(&control).ok()?, known(file)?));
        }
        if directory != Path::new("info") {
            return None;
        }
        let (name, script) = file.rsplit_once('.')?;
        let database = Database::load(self.target, self.arch.name).ok()?;
        let package = database.get(&database.resolve(name)?)?.clone();
        Some((package, known(script)?))
    }

    fn native_script(&self, package: &Package, script: &str) -> Result<PathBuf, String> {
        let native = Architecture::native();
        let architecture = Architecture::by_name(&package.architecture).unwrap_or(self.arch);
        let Package { name, version, .. } = package;
        let names = [name.clone(), native_name(name, architecture)];
        let found = names
            .iter()
            .find_map(|name| best_native_version(self.universe, name, version));
        let id = found.ok_or_else(|| {
            format!("package {name} does not exist for {native}, this machine's architecture")
        })?;
        let counterpart = self.universe.package(id);
        if without_rebuild(counterpart.version) != without_rebuild(version) {
            return Err(format!(
                "it is a program, and for {native} there is version {} of the package, not {version}",
                counterpart.version
            ));
        }
        let in_words = |error: &dyn std::error::Error| match error.source() {
            Some(cause) => format!("package {name}: {error}: {cause}"),
            None => format!("package {name}: {error}"),
        };
        // What it is linked with.
        self.add(&[id]).map_err(|error| in_words(&error))?;
        let file = self.file(id).map_err(|error| in_words(&error))?;
        let fetched = self.fetcher.fetch(std::slice::from_ref(&file));
        let fetched = fetched.map_err(|error| in_words(&SysrootError::Fetch(error)))?;
        let deb = fetched.first().ok_or("nothing was fetched")?;
        let control = DebFile::open_as(deb, Path::new(&file.name)).and_then(|deb| deb.control());
        let control = control.map_err(|error| in_words(&error))?;
        let content = control
            .script(script)
            .map(|file| file.data.as_slice())
            .filter(|data| data.starts_with(b"\x7fELF"))
            .ok_or_else(|| format!("package {name} for {native} has no {script} that is a program"))?;
        let tail = Path::new(DIRECTORY).join(format!("{}.{script}", counterpart.name));
        let path = self.tree.join(&tail);
        let written = fs::create_dir_all(self.tree.join(DIRECTORY))
            .and_then(|()| fs::write(&path, content))
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)));
        written.map_err(|error| in_words(&error))?;
        Ok(Path::new(paths::SYSROOT).join(tail))
    }
}
