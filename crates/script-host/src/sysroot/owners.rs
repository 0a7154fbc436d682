//! The origin of a program of the target: the package that ships it, and the path at which it does.
//! Diversions and copies have other names.

use deb_arch::Architecture;
use deb_types::PathOwners;
use dpkg_db::{ADMIN, Diversion, Diversions};
use md5::{Digest, Md5};
use rootless_install_fs::Target;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// Bytes of a program that count when it is looked up by its content.
const LONGEST: u64 = 256 << 20;

/// A program as a package of the target ships it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// Path in the package, under the merged /usr.
    pub(super) path: PathBuf,
    /// Name of the package.
    pub(super) package: String,
    /// Version of the package.
    pub(super) version: String,
    /// Architecture of the package; the target's own for `all`.
    pub(super) architecture: &'static Architecture,
}

/// Paths as packages ship them, with those packages, the latest last.
#[derive(Debug, Default)]
pub(super) struct Owners(RwLock<PathOwners<Owner>>);

type Owner = (String, String, &'static Architecture);

impl Owners {
    /// Notes the paths that a package ships.
    pub(super) fn learn<'p>(
        &self,
        package: &str,
        version: &str,
        architecture: &'static Architecture,
        paths: impl IntoIterator<Item = &'p Path>,
    ) {
        let mut owners = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let owner: Owner = (package.to_owned(), version.to_owned(), architecture);
        owners.add(&owner, paths.into_iter().map(merged));
    }

    /// Returns the origin of the program that is now at `path`.
    pub(super) fn find(&self, target: &Target, path: &Path) -> Option<Origin> {
        let path = merged(path);
        // A database that cannot be read is an error elsewhere.
        let diversions = Diversions::load(target).unwrap_or_default();
        let diverted =
            |end: fn(&Diversion) -> &PathBuf| diversions.iter().find(|one| merged(end(one)) == path);
        let by_name = if let Some(diversion) = diverted(|one| &one.to) {
            let by = diversion.package.as_deref();
            self.of(&merged(&diversion.from), |package| Some(package) != by)
        } else if let Some(diversion) = diverted(|one| &one.from) {
            // A local diversion leaves the path to what no package ships.
            self.of(&path, |package| diversion.package.as_deref() == Some(package))
        } else {
            self.of(&path, |_| true)
        };
        by_name.or_else(|| self.by_content(target, &path))
    }

    fn of(&self, path: &Path, fits: impl Fn(&str) -> bool) -> Option<Origin> {
        let owners = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = owners.of(path).rev().find(|(package, ..)| fits(package));
        found.map(|(package, version, architecture)| Origin {
            path: path.to_owned(),
            package: package.clone(),
            version: version.clone(),
            architecture,
        })
    }

    /// Finds the origin of a copy by the checksum that dpkg keeps of the original.
    fn by_content(&self, target: &Target, path: &Path) -> Option<Origin> {
        let sum = checksum(target, path)?;
        let info = Path::new(ADMIN).join("info");
        for name in target.read_dir(&info).ok()? {
            let Some(package) = name.to_str().and_then(|name| name.strip_suffix(".md5sums")) else {
                continue;
            };
            let package = package.split_once(':').map_or(package, |(package, _)| package);
            let sums = target.read(&info.join(&name)).ok()?;
            // Lines of MD5, two blanks and the path (deb-md5sums(5)).
            let lines = sums.split(|&byte| byte == b'\n');
            for line in lines.filter(|line| line.starts_with(sum.as_bytes())) {
                let original = line.get(sum.len() + 2..).unwrap_or_default();
                let original = merged(&Path::new("/").join(OsStr::from_bytes(original)));
                if let Some(found) = self.of(&original, |owner| owner == package) {
                    return Some(found);
                }
            }
        }
        None
    }
}

/// Returns the MD5 of an ELF file in hexadecimal, as in dpkg's lists; none for other files.
fn checksum(target: &Target, path: &Path) -> Option<String> {
    let mut content = Vec::new();
    let file = target.open_file(path).ok()?;
    file.take(LONGEST).read_to_end(&mut content).ok()?;
    content
        .starts_with(b"\x7fELF")
        .then(|| deb_types::hex(&Md5::digest(&content)))
}

/// Returns the path under the merged /usr, as a resolved path is.
pub(super) fn merged(path: &Path) -> PathBuf {
    let Ok(below) = path.strip_prefix("/") else {
        return path.to_owned();
    };
    let first = below
        .components()
        .next()
        .map(|c| c.as_os_str().to_string_lossy().into_owned());
    match first {
        Some(first) if first == "bin" || first == "sbin" || first.starts_with("lib") => {
            Path::new("/usr").join(below)
        }
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootless_install_fs::{FileType, Meta};

    fn target(directory: &Path, files: &[(&str, &[u8])]) -> Target {
        for (path, content) in files {
            let path = directory.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let target = Target::open(directory).unwrap();
        let meta = Meta::of_root(FileType::Directory, 0o755);
        target.set_meta(Path::new("/"), &meta).unwrap();
        target
    }

    #[test]
    fn diverted_programs_are_those_of_their_packages() {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let diversions = b"/bin/tool\n/bin/tool.real\nwrapper\n/usr/bin/own\n/usr/bin/own.distrib\n:\n";
        let target = target(directory.path(), &[("var/lib/dpkg/diversions", diversions)]);
        let owners = Owners::default();
        owners.learn(
            "tools",
            "1",
            Architecture::native(),
            [Path::new("/bin/tool"), Path::new("/usr/bin/own")],
        );
        owners.learn(
            "wrapper",
            "2",
            Architecture::native(),
            [Path::new("/usr/bin/tool")],
        );
        let found = |path: &str| {
            let found = owners.find(&target, Path::new(path));
            found.map(|found| (found.package, found.path.to_string_lossy().into_owned()))
        };
        let is = |package: &str, path: &str| Some((package.to_owned(), path.to_owned()));
        assert_eq!(found("/usr/bin/tool"), is("wrapper", "/usr/bin/tool"));
        assert_eq!(found("/usr/bin/tool.real"), is("tools", "/usr/bin/tool"));
        assert_eq!(found("/usr/bin/own.distrib"), is("tools", "/usr/bin/own"));
        assert_eq!(found("/usr/bin/own"), None);
    }

    #[test]
    fn copies_are_known_by_their_content() {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let program = b"\x7fELF program";
        let sum = deb_types::hex(&Md5::digest(program));
        let list = format!("{}  usr/bin/other\n{sum}  usr/bin/tool\n", "0".repeat(32));
        let target = target(
            directory.path(),
            &[
                ("var/lib/dpkg/info/tools:riscv64.md5sums", list.as_bytes()),
                ("tmp/copy", program),
                ("tmp/changed", b"\x7fELF changed"),
            ],
        );
        let owners = Owners::default();
        owners.learn("tools", "1", Architecture::native(), [Path::new("/usr/bin/tool")]);
        let found = owners.find(&target, Path::new("/tmp/copy")).unwrap();
        assert_eq!(
            (&*found.package, &*found.path),
            ("tools", Path::new("/usr/bin/tool"))
        );
        assert_eq!(owners.find(&target, Path::new("/tmp/changed")), None);
    }
}
