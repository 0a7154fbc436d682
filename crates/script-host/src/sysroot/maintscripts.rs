//! Maintainer scripts that are programs (the preinst of bash is one): the native package's runs in the place of the
//! target's, where it is of the same version.

use super::names::native_name;
use super::{Sysroot, SysrootError, package_file};
use apt_solve::{PackageId, Universe, best_native_version};
use deb_arch::Architecture;
use deb_arch::elf::ElfIdentity;
use deb_archive::{Fetcher, Index};
use deb_types::version::without_rebuild;
use deb_unpack::DebFile;
use dpkg_db::{ADMIN, Database, Package};
use rootless_install_fs::Target;
use shim_protocol::paths;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Directory of the sysroot for scripts.
const DIRECTORY: &str = "maintscripts";

/// Names of scripts.
const SCRIPTS: [&str; 5] = ["preinst", "postinst", "prerm", "postrm", "config"];

/// Returns the package of a script in dpkg's directories of a target, and the script's name; none where the path is not
/// one of a script.
pub(crate) fn script_at(
    target: &Target,
    arch: &Architecture,
    path: &Path,
) -> Option<(Package, &'static str)> {
    let below = path.strip_prefix(ADMIN).ok()?;
    let directory = below.parent()?;
    let file = below.file_name().and_then(OsStr::to_str)?;
    let known = |name: &str| SCRIPTS.into_iter().find(|script| *script == name);
    if directory == Path::new("tmp.ci") {
        let control = target.read(&path.with_file_name("control")).ok()?;
        let control = String::from_utf8_lossy(&control);
        return Some((Package::parse(&control).ok()?, known(file)?));
    }
    if directory != Path::new("info") {
        return None;
    }
    let (name, script) = file.rsplit_once('.')?;
    let database = Database::load(target, arch.name).ok()?;
    let package = database.get(&database.resolve(name)?)?.clone();
    Some((package, known(script)?))
}

/// Returns the names that a package's native counterpart may have; `arch` is the target's architecture.
pub(crate) fn native_names(package: &Package, arch: &Architecture) -> [String; 2] {
    let architecture = Architecture::by_name(&package.architecture).unwrap_or(arch);
    [package.name.clone(), native_name(&package.name, architecture)]
}

/// Whether these are the bytes of a program that this machine executes.
pub(crate) fn is_native_program(content: &[u8]) -> bool {
    ElfIdentity::of_header(content) == Some(Architecture::native().elf_identity())
}

/// The script of a native package.
pub struct NativeScript {
    /// The package.
    pub package: PackageId,
    /// Contents of the script: a program of this machine.
    pub program: Vec<u8>,
}

/// Returns a script of a package's native counterpart of the same version, which is fetched; `arch` is the target's
/// architecture.
///
/// # Errors
/// The reason why there is none, in words.
pub fn native_script(
    universe: &Universe<'_>,
    indexes: &[Index],
    fetcher: &Fetcher,
    (package, arch): (&Package, &Architecture),
    script: &str,
) -> Result<NativeScript, String> {
    let native = Architecture::native();
    let Package { name, version, .. } = package;
    let names = native_names(package, arch);
    let found = names
        .iter()
        .find_map(|name| best_native_version(universe, name, version));
    let id = found
        .ok_or_else(|| format!("package {name} does not exist for {native}, this machine's architecture"))?;
    let counterpart = universe.package(id);
    if without_rebuild(counterpart.version) != without_rebuild(version) {
        return Err(format!(
            "it is a program, and for {native} there is version {} of the package, not {version}",
            counterpart.version
        ));
    }
    let fetch = || -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let file = package_file(universe, indexes, id).map_err(SysrootError::Fetch)?;
        let fetched = fetcher
            .fetch(std::slice::from_ref(&file))
            .map_err(SysrootError::Fetch)?;
        let deb = fetched.first().ok_or("nothing was fetched")?;
        let control = DebFile::open_as(deb, Path::new(&file.name))?.control()?;
        let content = control.script(script).map(|file| file.data.clone());
        Ok(content.unwrap_or_default())
    };
    let program = fetch().map_err(|error| in_words(name, &*error))?;
    if !is_native_program(&program) {
        return Err(format!(
            "package {name} for {native} has no {script} that is a program of this machine"
        ));
    }
    Ok(NativeScript { package: id, program })
}

fn in_words(name: &str, error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("package {name}: {error}: {cause}"),
        None => format!("package {name}: {error}"),
    }
}

impl Sysroot<'_, '_> {
    /// Returns the native counterpart of a maintainer script that is a program, as a path of the view; none where the
    /// path is not one of a script.
    pub(super) fn find_script(&self, path: &Path) -> Option<Result<PathBuf, String>> {
        let (package, script) = script_at(self.target, self.arch, path)?;
        Some(self.native_script(&package, script))
    }

    fn native_script(&self, package: &Package, script: &str) -> Result<PathBuf, String> {
        let found = native_script(
            self.universe,
            self.indexes,
            self.fetcher,
            (package, self.arch),
            script,
        )?;
        // What it is linked with.
        self.add(&[found.package])
            .map_err(|error| in_words(&package.name, &error))?;
        let name = self.universe.package(found.package).name;
        let tail = Path::new(DIRECTORY).join(format!("{name}.{script}"));
        let path = self.tree.join(&tail);
        let written = fs::create_dir_all(self.tree.join(DIRECTORY))
            .and_then(|()| fs::write(&path, found.program))
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)));
        written.map_err(|error| in_words(&package.name, &error))?;
        Ok(Path::new(paths::SYSROOT).join(tail))
    }
}
