//! The native sysroot: programs and libraries of the target's suite for this
//! machine's architecture (the term is Yocto's).
//!
//! Packages are unpacked once into a store in the cache, named by the SHA-256 of
//! the .deb, and composed by hard links into a tree that belongs to one run. It
//! starts with the essential packages; when a script executes something that is
//! not there, the shim asks on a socket, and the package that owns
//! the path in the target gets its native counterpart unpacked, with what that
//! depends on. The version nearest to the target's is taken: rebuilds (binNMU)
//! differ between architectures.

mod owners;
mod tree;
mod unpack;

use apt_solve::{PackageId, Universe, best_native_version, closure};
use crossbeam::channel;
use deb_arch::{Architecture, replace_word};
use deb_archive::{ArchiveError, Fetcher, Index, PackageFile};
use deb_unpack::DebError;
use dpkg_db::{Diversion, Diversions};
use owners::{Owners, Shipped, merged};
use progress::{Event, Reporter};
use rootless_install_fs::Target;
use shim_protocol::paths;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Why the sysroot could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SysrootError {
    /// A package could not be fetched.
    #[error("cannot fetch packages for the native sysroot")]
    Fetch(#[from] ArchiveError),
    /// A package could not be unpacked.
    #[error("cannot unpack a package for the native sysroot")]
    Unpack(#[from] DebError),
    /// The cache could not be written.
    #[error("cannot write the native sysroot: {}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The suite has no packages for this machine's architecture.
    #[error("the archive has no essential packages of this suite for {native}, this machine's architecture")]
    NoNativePackages {
        /// The architecture.
        native: String,
    },
    /// A directory given by the user is no native system.
    #[error("{} cannot be the native sysroot: it has no {missing}", path.display())]
    NotASystem {
        /// The directory.
        path: PathBuf,
        /// What was looked for.
        missing: &'static str,
    },
}

impl SysrootError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoNativePackages { .. } => Some(
                "add a mirror that has this machine's architecture, or name a system with --native-sysroot"
                    .into(),
            ),
            Self::NotASystem { .. } => Some(
                "name the root of a Debian system with a merged /usr, for example --native-sysroot=/".into(),
            ),
            Self::Fetch(_) | Self::Unpack(_) | Self::Write { .. } => None,
        }
    }
}

/// The sysroot of one run.
pub struct Sysroot<'a, 'u> {
    tree: PathBuf,
    store: PathBuf,
    target: &'static Architecture,
    universe: &'a Universe<'u>,
    indexes: &'a [Index],
    fetcher: &'a Fetcher,
    reporter: &'a dyn Reporter,
    present: Mutex<HashSet<PackageId>>,
    owners: Owners,
    files: &'a Target,
    /// Contested paths, as they are told apart in the tree: path, where the others' is, whose it is.
    diverted: Mutex<Vec<Diversion>>,
}

/// Where a sysroot is kept and where its packages come from.
pub struct Sources<'a, 'u> {
    /// Directory of the run for the tree.
    pub tree: PathBuf,
    /// Directory of the cache for unpacked packages.
    pub store: PathBuf,
    /// The target's architecture.
    pub target: &'static Architecture,
    /// The target's files.
    pub files: &'a Target,
    /// Packages of the same suite for the native architecture.
    pub universe: &'a Universe<'u>,
    /// The indexes that universe was made of.
    pub indexes: &'a [Index],
    /// What fetches them.
    pub fetcher: &'a Fetcher,
    /// Who is told of packages added on demand.
    pub reporter: &'a dyn Reporter,
}

impl<'a, 'u> Sysroot<'a, 'u> {
    /// Makes a sysroot of the essential packages and what they depend on.
    ///
    /// # Errors
    /// A package that cannot be fetched or unpacked.
    pub fn new(sources: Sources<'a, 'u>) -> Result<Self, SysrootError> {
        let Sources {
            tree,
            store,
            target,
            files,
            universe,
            indexes,
            fetcher,
            reporter,
        } = sources;
        tree::create(&tree).map_err(|source| SysrootError::Write {
            path: tree.clone(),
            source,
        })?;
        let sysroot = Self {
            tree,
            store,
            target,
            universe,
            indexes,
            fetcher,
            reporter,
            present: Mutex::default(),
            owners: Owners::default(),
            files,
            diverted: Mutex::default(),
        };
        let essential: Vec<PackageId> = universe.essential().collect();
        if essential.is_empty() {
            return Err(SysrootError::NoNativePackages {
                native: universe.native().to_owned(),
            });
        }
        sysroot.add(&essential)?;
        Ok(sysroot)
    }

    /// Adds packages with what they depend on.
    fn add(&self, roots: &[PackageId]) -> Result<(), SysrootError> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted: Vec<PackageId> = closure(self.universe, roots)
            .packages
            .into_iter()
            .filter(|id| !present.contains(id) && self.universe.package(*id).architecture != "all")
            .collect();
        let files = wanted
            .iter()
            .map(|id| self.file(*id))
            .collect::<Result<Vec<PackageFile>, _>>()?;
        self.fetch_and_unpack(&files)?;
        for file in &files {
            let unpacked = self.unpacked(file);
            tree::link(&unpacked, &self.tree).map_err(|source| SysrootError::Write {
                path: self.tree.clone(),
                source,
            })?;
        }
        present.extend(wanted);
        self.tell_apart(&present)
    }

    /// Gives contested paths of the tree the names they have in the target,
    /// where both packages' files are.
    fn tell_apart(&self, present: &HashSet<PackageId>) -> Result<(), SysrootError> {
        let diverted = self.diverted.lock().unwrap_or_else(PoisonError::into_inner);
        for diversion in diverted.iter() {
            let [from, to] =
                [&diversion.from, &diversion.to].map(|path| native_path(&merged(path), self.target));
            let by = diversion.package.as_deref().unwrap_or_default();
            let by = [by.to_owned(), native_name(by, self.target)];
            let mut ships = Vec::new();
            for id in present {
                let file = self.unpacked(&self.file(*id)?).join(&from);
                if std::fs::symlink_metadata(&file).is_ok_and(|there| !there.is_dir()) {
                    let name = self.universe.package(*id).name;
                    ships.push((
                        file,
                        if by.iter().any(|by| by == name) {
                            &from
                        } else {
                            &to
                        },
                    ));
                }
            }
            tree::place(&self.tree, &from, &to, &ships).map_err(|source| SysrootError::Write {
                path: self.tree.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// Follows the target's diversions.
    fn follow_diversions(&self) -> Result<(), SysrootError> {
        let now = Diversions::load(self.files).unwrap_or_default();
        let mut diverted = self.diverted.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is taken away leaves its names: what is asked for is found by the target's own.
        // Libraries stay what native programs need.
        let library = |one: &Diversion| one.from.to_string_lossy().contains(".so");
        let new: Vec<Diversion> = now
            .iter()
            .filter(|one| !library(one) && !diverted.contains(one))
            .cloned()
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        diverted.extend(new);
        drop(diverted);
        self.tell_apart(&self.present.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches what the store does not hold, and unpacks it as it comes.
    fn fetch_and_unpack(&self, files: &[PackageFile]) -> Result<(), SysrootError> {
        let missing: Vec<PackageFile> = files
            .iter()
            .filter(|file| !self.unpacked(file).is_dir())
            .cloned()
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (send, receive) = channel::unbounded::<(usize, PathBuf)>();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..std::thread::available_parallelism().map_or(2, usize::from))
                .map(|_| {
                    let (receive, missing) = (receive.clone(), &missing);
                    scope.spawn(move || -> Result<(), SysrootError> {
                        for (index, deb) in receive {
                            if let Some(file) = missing.get(index) {
                                unpack::unpack(&deb, &file.name, &self.unpacked(file))?;
                            }
                        }
                        Ok(())
                    })
                })
                .collect();
            let fetched = self.fetcher.fetch_each(&missing, move |index, path| {
                // A worker that failed has stopped listening; its error is told below.
                let _ = send.send((index, path));
            });
            let unpacked = workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            fetched?;
            unpacked
        })
    }

    fn file(&self, id: PackageId) -> Result<PackageFile, SysrootError> {
        package_file(self.universe, self.indexes, id).map_err(SysrootError::Fetch)
    }

    fn unpacked(&self, file: &PackageFile) -> PathBuf {
        let hash = deb_types::hex(&file.sha256);
        self.store.join(hash.get(..2).unwrap_or_default()).join(hash)
    }
}

/// Finds native programs for the target's own.
pub trait Counterparts: Sync {
    /// Notes which paths of the target a package ships.
    ///
    /// # Errors
    /// The tree cannot be changed.
    fn learn(
        &self,
        name: &str,
        version: &str,
        architecture: &str,
        paths: &[PathBuf],
    ) -> Result<(), SysrootError>;

    /// Returns the counterpart of a target program, as a path of the view; its package
    /// is added if that is not there yet.
    ///
    /// # Errors
    /// Why there is none, in words.
    fn find(&self, path: &Path) -> Result<PathBuf, String>;
}

impl Counterparts for Sysroot<'_, '_> {
    fn learn(
        &self,
        name: &str,
        version: &str,
        architecture: &str,
        paths: &[PathBuf],
    ) -> Result<(), SysrootError> {
        // For `all` as well: its programs are scripts.
        let architecture = Architecture::by_name(architecture).unwrap_or(self.target);
        self.owners
            .learn(name, version, architecture, paths.iter().map(PathBuf::as_path));
        self.follow_diversions()
    }

    fn find(&self, path: &Path) -> Result<PathBuf, String> {
        let told = |error: SysrootError| {
            let cause = std::error::Error::source(&error)
                .map(|cause| format!(": {cause}"))
                .unwrap_or_default();
            format!("{error}{cause}")
        };
        self.follow_diversions().map_err(told)?;
        let Some(shipped) = self.owners.find(self.files, path) else {
            return Err("no package of the target owns it".into());
        };
        let Shipped {
            path: original,
            package,
            version,
            architecture,
        } = shipped;
        let native = Architecture::native();
        let names = [package.clone(), native_name(&package, architecture)];
        let found = names
            .iter()
            .find_map(|name| best_native_version(self.universe, name, &version));
        let Some(id) = found else {
            return Err(format!(
                "package {package} does not exist for {native}, this machine's architecture"
            ));
        };
        let counterpart = self.universe.package(id);
        self.add(&[id])
            .map_err(|error| format!("package {package}: {}", told(error)))?;
        // Diverted in the tree as in the target, or a copy of what is at its package's path.
        let mut names = vec![merged(path)];
        let diverted = self.diverted.lock().unwrap_or_else(PoisonError::into_inner);
        let away = diverted
            .iter()
            .filter(|one| merged(&one.from) == original && one.package.as_ref() != Some(&package));
        names.extend(away.map(|one| merged(&one.to)));
        drop(diverted);
        names.push(original);
        let tails = names
            .iter()
            .flat_map(|name| [native_path(name, architecture), renamed_path(name, architecture)]);
        let found = tails
            .into_iter()
            .find(|tail| std::fs::symlink_metadata(self.tree.join(tail)).is_ok());
        let Some(tail) = found else {
            return Err(format!(
                "package {} {} for {native} does not have it (the target has {package} {version})",
                counterpart.name, counterpart.version
            ));
        };
        let (path, package) = (path.to_string_lossy(), counterpart.name);
        self.reporter
            .event(&Event::SysrootExtended { path: &path, package });
        Ok(Path::new(paths::SYSROOT).join(tail))
    }
}

/// The path in the sysroot, relative to its root, of a path of a target
/// package of some architecture.
fn native_path(path: &Path, architecture: &Architecture) -> PathBuf {
    let native = Architecture::native().triplet;
    let mapped = map_word(path, architecture.triplet, native);
    let relative = mapped.strip_prefix(b"/").unwrap_or(&mapped);
    PathBuf::from(OsStr::from_bytes(relative))
}

/// The same, where the path has Debian's name of the architecture in it.
fn renamed_path(path: &Path, architecture: &Architecture) -> PathBuf {
    let path = native_path(path, architecture);
    let native = Architecture::native().name;
    let mapped = map_word(&path, architecture.name, native);
    PathBuf::from(OsStr::from_bytes(&mapped))
}

fn map_word(path: &Path, from: &str, to: &str) -> Vec<u8> {
    replace_word(path.as_os_str().as_bytes(), from.as_bytes(), to.as_bytes())
        .flatten()
        .copied()
        .collect()
}

/// Packages of a toolchain have the triplet in their name, in the form that
/// names allow.
fn native_name(package: &str, architecture: &Architecture) -> String {
    let form = |arch: &Architecture| arch.triplet.replace('_', "-");
    package.replace(&form(architecture), &form(Architecture::native()))
}

/// What to fetch for a package.
///
/// # Errors
/// The index names a file outside the archive.
pub fn package_file(
    universe: &Universe<'_>,
    indexes: &[Index],
    id: PackageId,
) -> Result<PackageFile, ArchiveError> {
    let package = universe.package(id);
    let index = indexes
        .get(package.index)
        .ok_or_else(|| ArchiveError::BadFilename {
            package: package.name.to_owned(),
            filename: package.filename.to_owned(),
        })?;
    let name = format!("{} {} ({})", package.name, package.version, package.architecture);
    index.package_file(&name, package.filename, package.size, package.sha256)
}
