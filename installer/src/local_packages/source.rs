//! Package files as a source of packages: indexes that are made when they are read.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

use url::Url;

use super::{Described, LOCAL, LocalError, LocalPackage, is_plain, local_package};
use deb_archive::Index;
use deb_index::{DEFAULT_PRIORITY, Packages};
use deb_types::version;

/// Depth of directories in which package files are looked for.
const DEEPEST: usize = 16;

/// A path of this machine that is given as a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalSource {
    /// A package file, or a directory of them without a Release file.
    Packages(PathBuf),
    /// The directory of an archive, as a URL or a line of sources.list(5).
    Archive(String),
}

impl LocalSource {
    /// Returns the source that a value of `--mirror` is; none for what is no directory and no package file.
    pub fn of(mirror: &str) -> Option<Self> {
        let path = Path::new(mirror);
        if path.is_file() {
            let package = path.extension().is_some_and(|extension| extension == "deb");
            return package.then(|| Self::Packages(path.to_owned()));
        }
        if !path.is_dir() {
            return None;
        }
        let url = std::path::absolute(path).ok();
        let url = url.and_then(|path| Url::from_file_path(path).ok());
        let has = |name: &str| path.join(name).exists();
        Some(match url {
            Some(url) if has("dists") => Self::Archive(url.to_string()),
            Some(url) if has("InRelease") || has("Release") => Self::Archive(format!("deb {url} ./")),
            _ => Self::Packages(path.to_owned()),
        })
    }

    /// Returns the absolute paths of the package files and their directories that values of `--mirror` name.
    pub fn paths(mirrors: &[String]) -> Vec<String> {
        let found = mirrors.iter().filter_map(|mirror| match Self::of(mirror)? {
            Self::Packages(path) => std::path::absolute(path).ok(),
            Self::Archive(_) => None,
        });
        found.map(|path| path.display().to_string()).collect()
    }

    /// Returns the indexes of the package files that values of `--mirror` name: of each an index for each architecture, with all
    /// versions.
    ///
    /// # Errors
    /// [`LocalError`], for a file that is no package and a directory without any.
    pub fn indexes(mirrors: &[String]) -> Result<Vec<Index>, LocalError> {
        let mut all = Vec::new();
        for mirror in mirrors {
            if let Some(Self::Packages(path)) = Self::of(mirror) {
                all.extend(indexes(&path)?);
            }
        }
        Ok(all)
    }
}

/// Returns the package files of a directory that are for some architectures, of each name the newest version.
///
/// # Errors
/// [`LocalError`], also where there is none.
pub fn packages_of_directory(
    directory: &Path,
    fits: impl Fn(&str) -> bool,
) -> Result<Vec<LocalPackage>, LocalError> {
    let mut newest: BTreeMap<(String, String), LocalPackage> = BTreeMap::new();
    let mut found = false;
    for path in files(directory)? {
        let package = local_package(&path)?;
        found = true;
        if package.architecture != "all" && !fits(&package.architecture) {
            continue;
        }
        let key = (package.name.clone(), package.architecture.clone());
        let older = |known: &LocalPackage| version::compare(&known.version, &package.version).is_lt();
        if newest.get(&key).is_none_or(older) {
            newest.insert(key, package);
        }
    }
    match (found, newest.is_empty()) {
        (true, true) => Err(LocalError::NoneFits {
            path: directory.to_owned(),
        }),
        _ => Ok(newest.into_values().collect()),
    }
}

/// Returns the package files of a directory and those below it, in the order of their paths.
fn files(directory: &Path) -> Result<Vec<PathBuf>, LocalError> {
    let mut found = Vec::new();
    let mut left = vec![(directory.to_owned(), 0)];
    while let Some((path, depth)) = left.pop() {
        let failed = |source| LocalError::Read {
            path: path.clone(),
            source,
        };
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let path = entry.path();
            if kind.is_dir() && depth < DEEPEST {
                left.push((path, depth + 1));
            } else if path.extension().is_some_and(|extension| extension == "deb") && path.is_file() {
                found.push(path);
            }
        }
    }
    if found.is_empty() {
        return Err(LocalError::NoPackages {
            path: directory.to_owned(),
        });
    }
    found.sort();
    Ok(found)
}

/// Returns the indexes of a package file or a directory of them.
fn indexes(path: &Path) -> Result<Vec<Index>, LocalError> {
    let root = if path.is_dir() {
        path
    } else {
        path.parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    };
    let found = match path.is_dir() {
        true => files(path)?,
        false => vec![path.to_owned()],
    };
    let name = |path: &Path| LocalError::Name {
        path: path.to_owned(),
    };
    let absolute = std::path::absolute(root).map_err(|source| LocalError::Read {
        path: root.to_owned(),
        source,
    })?;
    let base = Url::from_directory_path(absolute).map_err(|()| name(root))?;
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (path, described) in found.iter().zip(described(&found)) {
        let described = described?;
        let below = path.strip_prefix(root).unwrap_or(path);
        let below = below
            .to_str()
            .filter(|below| is_plain(below))
            .ok_or_else(|| name(path))?;
        let text = texts.entry(described.architecture.clone()).or_default();
        text.push_str(&described.stanza(below));
        text.push('\n');
    }
    let index = |(architecture, text): (String, String)| {
        let packages = Packages::parse(text).map_err(|source| LocalError::Control {
            path: path.to_owned(),
            source,
        })?;
        Ok(Index {
            source: usize::MAX,
            base: base.clone(),
            suite: LOCAL.to_owned(),
            codename: LOCAL.to_owned(),
            release_archive: LOCAL.to_owned(),
            component: LOCAL.to_owned(),
            architecture,
            priority: DEFAULT_PRIORITY,
            authenticated: true,
            release: None,
            files: Vec::new(),
            packages,
        })
    };
    texts.into_iter().map(index).collect()
}

/// Reads package files, several at a time.
fn described(paths: &[PathBuf]) -> Vec<Result<Described, LocalError>> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = paths.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = paths
            .chunks(share)
            .map(|part| {
                let read = || part.iter().map(|path| Described::read(path)).collect::<Vec<_>>();
                scope.spawn(read)
            })
            .collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Vec<_>>| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().flat_map(join).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use deb_testing::{Data, Deb};

    fn put(directory: &Path, name: &str, version: &str, architecture: &str) {
        fs::create_dir_all(directory).unwrap();
        let mut deb = Deb::new(name, Data::default());
        deb.control = deb
            .control
            .replace("Version: 1.0", &format!("Version: {version}"))
            .replace("Architecture: riscv64", &format!("Architecture: {architecture}"));
        deb.write(directory, &format!("{name}_{version}_{architecture}.deb"));
    }

    #[test]
    fn all_versions_and_architectures_of_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        put(root, "a", "1", "riscv64");
        put(&root.join("below"), "a", "2", "riscv64");
        put(root, "a", "1", "arm64");
        put(root, "data", "3", "all");
        let found = LocalSource::indexes(&[root.display().to_string()]).unwrap();
        let names: Vec<String> = found
            .iter()
            .flat_map(|index| index.packages.records())
            .map(|record| format!("{} {} {}", record.name, record.version, record.architecture))
            .collect();
        assert_eq!(names, ["data 3 all", "a 1 arm64", "a 1 riscv64", "a 2 riscv64"]);
        assert!(found.iter().all(|index| index.priority == DEFAULT_PRIORITY));
        let newest = packages_of_directory(root, |arch| arch == "riscv64").unwrap();
        let newest: Vec<_> = newest
            .iter()
            .map(|package| (package.name.as_str(), package.version.as_str()))
            .collect();
        assert_eq!(newest, [("a", "2"), ("data", "3")]);
        let one = LocalSource::indexes(&[root.join("a_1_arm64.deb").display().to_string()]).unwrap();
        assert!(one.len() == 1 && one[0].architecture == "arm64" && one[0].packages.len() == 1);
    }

    #[test]
    fn directories_of_archives_are_archives() {
        let directory = tempfile::tempdir().unwrap();
        let shown = directory.path().display().to_string();
        assert!(matches!(LocalSource::of(&shown), Some(LocalSource::Packages(_))));
        fs::write(directory.path().join("Release"), "x").unwrap();
        assert_eq!(
            LocalSource::of(&shown),
            Some(LocalSource::Archive(format!("deb file://{shown} ./")))
        );
        fs::create_dir(directory.path().join("dists")).unwrap();
        assert_eq!(
            LocalSource::of(&shown),
            Some(LocalSource::Archive(format!("file://{shown}")))
        );
        assert_eq!(LocalSource::of("http://mirror.example.org/debian"), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let shown = vec![directory.path().display().to_string()];
        let none = LocalSource::indexes(&shown).unwrap_err().to_string();
        assert!(none.contains(&shown[0]) && none.contains(".deb"), "{none}");
        fs::write(directory.path().join("broken.deb"), "no package").unwrap();
        let broken = LocalSource::indexes(&shown).unwrap_err().to_string();
        assert!(broken.contains("broken.deb"), "{broken}");
        fs::remove_file(directory.path().join("broken.deb")).unwrap();
        put(directory.path(), "a", "1", "riscv64");
        let other = packages_of_directory(directory.path(), |arch| arch == "arm64");
        assert!(matches!(other, Err(LocalError::NoneFits { .. })));
    }
}
