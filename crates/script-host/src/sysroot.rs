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

mod counterparts;
mod earlier;
mod error;
mod loader;
mod maintscripts;
mod names;
mod owners;
mod stored;
mod tree;
mod unpack;

pub use counterparts::Counterparts;
pub use earlier::{EarlierPackage, EarlierPackages};
pub use error::SysrootError;
pub use maintscripts::{NativeScript, native_script};
pub(crate) use maintscripts::{is_native_program, native_names, script_at};
pub use stored::is_whole;

use apt_solve::{PackageId, Universe, closure};
use crossbeam::channel;
use deb_arch::Architecture;
use deb_archive::{ArchiveError, Fetcher, Index, Lock, PackageFile, lock_file};
use dpkg_db::{Diversion, Diversions};
use names::{native_name, native_path};
use owners::{Owners, merged};
use rootless_install_fs::Target;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use task_progress::Reporter;

/// The sysroot of one run.
pub struct Sysroot<'a, 'u> {
    tree: PathBuf,
    store: PathBuf,
    arch: &'static Architecture,
    universe: &'a Universe<'u>,
    indexes: &'a [Index],
    fetcher: &'a Fetcher,
    earlier: Option<&'a EarlierPackages<'a>>,
    reporter: &'a dyn Reporter,
    present: Mutex<HashSet<PackageId>>,
    owners: Owners,
    target: &'a Target,
    /// The target's diversions, as far as the tree follows them.
    diverted: Mutex<Vec<Diversion>>,
}

/// Directories of a sysroot and the source of its packages.
pub struct SysrootOptions<'a, 'u> {
    /// Directory of the run for the tree.
    pub tree: PathBuf,
    /// Directory of the cache for unpacked packages.
    pub store: PathBuf,
    /// Architecture of the target.
    pub arch: &'static Architecture,
    /// The target.
    pub target: &'a Target,
    /// Packages of the same suite for the native architecture.
    pub universe: &'a Universe<'u>,
    /// The indexes of which `universe` was made.
    pub indexes: &'a [Index],
    /// The fetcher of these packages.
    pub fetcher: &'a Fetcher,
    /// Where packages come from that the universe does not have.
    pub earlier: Option<&'a EarlierPackages<'a>>,
    /// The reporter, which gets packages that are added on demand.
    pub reporter: &'a dyn Reporter,
}

impl<'a, 'u> Sysroot<'a, 'u> {
    /// Makes a sysroot of the essential packages and what they depend on.
    ///
    /// # Errors
    /// A package cannot be fetched or unpacked, or the suite has none for this machine.
    pub fn new(options: SysrootOptions<'a, 'u>) -> Result<Self, SysrootError> {
        let SysrootOptions {
            tree,
            store,
            arch,
            target,
            universe,
            indexes,
            fetcher,
            earlier,
            reporter,
        } = options;
        tree::create(&tree).map_err(|source| SysrootError::Write {
            path: tree.clone(),
            source,
        })?;
        let sysroot = Self {
            tree,
            store,
            arch,
            universe,
            indexes,
            fetcher,
            earlier,
            reporter,
            present: Mutex::default(),
            owners: Owners::default(),
            target,
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
        self.compose(&files)?;
        present.extend(wanted);
        self.divert(&present)
    }

    /// Fetches packages and links their files into the tree. What is there already stays.
    fn compose(&self, files: &[PackageFile]) -> Result<(), SysrootError> {
        self.fetch_and_unpack(files)?;
        for file in files {
            let unpacked = self.unpacked(file);
            tree::link(&unpacked, &self.tree).map_err(|source| SysrootError::Write {
                path: self.tree.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// Diverts paths of the tree as the target does, where the files of both packages are there.
    fn divert(&self, present: &HashSet<PackageId>) -> Result<(), SysrootError> {
        let diverted = self.diverted.lock().unwrap_or_else(PoisonError::into_inner);
        for diversion in diverted.iter() {
            let [from, to] =
                [&diversion.from, &diversion.to].map(|path| native_path(&merged(path), self.arch));
            let by = diversion.package.as_deref().unwrap_or_default();
            let by = [by.to_owned(), native_name(by, self.arch)];
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
            tree::divert(&self.tree, &from, &to, &ships).map_err(|source| SysrootError::Write {
                path: self.tree.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// Follows the target's diversions.
    fn follow_diversions(&self) -> Result<(), SysrootError> {
        let now = Diversions::load(self.target).unwrap_or_default();
        let mut diverted = self.diverted.lock().unwrap_or_else(PoisonError::into_inner);
        // A diversion that is removed leaves its names: programs are looked for by the target's names.
        // Libraries keep the names by which native programs find them.
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
        self.divert(&self.present.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches the packages that the store lacks, and unpacks each as it comes.
    fn fetch_and_unpack(&self, files: &[PackageFile]) -> Result<(), SysrootError> {
        let lock = |kind| lock_file(&self.store.join("lock"), kind, &|| self.fetcher.is_stopped());
        let lacking = || -> Vec<PackageFile> {
            let broken = |file: &&PackageFile| !stored::is_whole(&self.unpacked(file));
            files.iter().filter(broken).cloned().collect()
        };
        // Two runs that find the same damage would remove each other's work.
        let shared = lock(Lock::Shared)?;
        if lacking().is_empty() {
            return Ok(());
        }
        drop(shared);
        // Another run may have made them meanwhile.
        let _alone = lock(Lock::Exclusive)?;
        let missing = lacking();
        for file in &missing {
            let unpacked = self.unpacked(file);
            stored::discard(&unpacked).map_err(|source| SysrootError::Write {
                path: unpacked,
                source,
            })?;
        }
        let (send, receive) = channel::unbounded::<(usize, PathBuf)>();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..std::thread::available_parallelism().map_or(2, usize::from))
                .map(|_| {
                    let (receive, missing) = (receive.clone(), &missing);
                    scope.spawn(move || -> Result<(), SysrootError> {
                        for (index, deb) in receive {
                            if let Some(file) = missing.get(index) {
                                let unpacked = self.unpacked(file);
                                unpack::unpack(&deb, &file.name, &unpacked)?;
                                stored::seal(&unpacked).map_err(|source| SysrootError::Write {
                                    path: unpacked,
                                    source,
                                })?;
                            }
                        }
                        Ok(())
                    })
                })
                .collect();
            let fetched = self.fetcher.fetch_each(&missing, move |index, path| {
                // A worker that failed has stopped listening; its error is returned below.
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
        let hash = file.hash.hex();
        self.store.join(hash.get(..2).unwrap_or_default()).join(hash)
    }
}

/// Returns the file of a package, for a fetcher.
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
    let hash = package.hash.ok_or_else(|| ArchiveError::NoUrl {
        package: name.clone(),
    })?;
    index.package_file(&name, package.filename, package.size, hash)
}
