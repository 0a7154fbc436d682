//! Many packages at once.
//!
//! The result is that of unpacking one after the other in the given order. Packages of a *wave* are
//! unpacked by all threads, the largest first, under [`Claims`]: as long as no two ship the same
//! non-directory, order cannot matter but for the metadata of directories, which is settled at the
//! end. When two do (`Replaces` within one batch), what the wave made is removed and it is unpacked
//! again in order.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::channel;
use rootless_install_fs::Target;

use super::claims::Claims;
use super::context::Context;
use super::control::Expected;
use super::directories::{DirectoryLog, settle, without_directory};
use super::error::DebError;
use super::file::DebFile;
use super::unpack::Unpacker;
use deb_types::PathOwners;
use dpkg_db::{Claim, Contest, ControlArchive, Ownership, Package, Unpacked, contest};

/// Packages that get a wave of their own: the top-level links (`/lib` to `usr/lib`) they ship decide
/// where other packages' paths lead.
const ALONE: &[&str] = &["base-files", "usrmerge"];

/// A package file to be unpacked.
#[derive(Clone, Debug)]
pub struct Job {
    /// The `.deb` file.
    pub path: PathBuf,
    /// The package that the index promised; none means any.
    pub expected: Option<Expected>,
    /// Its [recompressed form](super::recompress); none where it has none.
    pub recompressed: Option<PathBuf>,
}

/// An unpacked package: its control member and the outcome for its files.
#[derive(Clone, Debug)]
pub struct UnpackedPackage {
    /// The control member.
    pub control: ControlArchive,
    /// Outcome of unpacking its files.
    pub files: Unpacked,
}

struct Opened {
    deb: DebFile,
    control: ControlArchive,
    package: Package,
}

/// Opens a package and reads its control member, checked against the index.
///
/// # Errors
/// A file that is no package, or not the promised one.
pub fn open_package(job: &Job) -> Result<(DebFile, ControlArchive), DebError> {
    let Some(expected) = &job.expected else {
        let deb = DebFile::open(&job.path)?;
        let control = deb.control()?;
        deb.forget();
        return Ok((deb, control));
    };
    let name = PathBuf::from(expected.file_name());
    let mut deb = DebFile::open_as(&job.path, &name)?;
    if let Some(path) = &job.recompressed {
        deb.set_recompressed(path);
    }
    let control = deb.control()?;
    super::control::check(&control, expected, &name)?;
    // Packages are opened all together, and unpacked one after the other.
    deb.forget();
    Ok((deb, control))
}

/// Unpacks packages into the target with `threads` threads; the result is that of one after the other
/// in this order, and in this order is what is returned. `on_done` is called, from any thread, as each
/// package is done; a package may be reported again when packages share paths.
///
/// # Errors
/// The first error in the order of the packages. What was unpacked until then stays.
pub fn unpack_all(
    jobs: &[Job],
    target: &Target,
    context: &Context<'_>,
    threads: usize,
    on_done: &(dyn Fn(usize, &Unpacked) + Sync),
) -> Result<Vec<UnpackedPackage>, DebError> {
    let threads = threads.max(1);
    let opened = open_all(jobs, context.bad_versions, threads)?;
    let mut logs = Vec::with_capacity(opened.len());
    let mut results = Vec::with_capacity(opened.len());
    let mut before = 0;
    while before < opened.len() {
        let rest = opened.get(before..).unwrap_or_default();
        let alone = |package: &Opened| ALONE.contains(&package.package.name.as_str());
        let length = rest.iter().position(alone).unwrap_or(rest.len()).max(1);
        let wave = rest.get(..length).unwrap_or_default();
        let batch = Batch {
            wave,
            earlier: opened.get(..before).unwrap_or_default(),
            first: before,
        };
        let done = batch.unpack(&results, target, context, threads, on_done)?;
        for (files, log) in done {
            results.push(files);
            logs.push(log);
        }
        before += length;
    }
    if let Some((index, path)) = without_directory(&logs, context.layering)
        && let Some(opened) = opened.get(index)
    {
        let problem = "its directory is in no package (dpkg: No such file or directory)";
        return Err(opened.deb.bad_entry(path, problem));
    }
    settle(&logs, target, context.layering).map_err(|source| DebError::Target {
        path: jobs.last().map(|job| job.path.clone()).unwrap_or_default(),
        entry: "(directories)".to_owned(),
        source,
    })?;
    let pairs = opened.into_iter().zip(results);
    Ok(pairs
        .map(|(opened, files)| UnpackedPackage {
            control: opened.control,
            files,
        })
        .collect())
}

/// Runs `work` for every index below `count` on some threads, in the given order of starting; results
/// by index, of which the first error stops what has not begun.
fn in_parallel<T: Send>(
    order: &[usize],
    threads: usize,
    work: impl Fn(usize) -> Result<T, DebError> + Sync,
) -> Vec<Option<Result<T, DebError>>> {
    let mut results: Vec<Option<Result<T, DebError>>> = Vec::new();
    results.resize_with(order.len(), || None);
    let failed = AtomicBool::new(false);
    let (queue, todo) = channel::unbounded();
    let (sender, done) = channel::unbounded();
    for index in order {
        // the receiver lives in this function
        let _ = queue.send(*index);
    }
    drop(queue);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(order.len()) {
            let (todo, sender, work, failed) = (todo.clone(), sender.clone(), &work, &failed);
            scope.spawn(move || {
                for index in todo {
                    if failed.load(Ordering::Relaxed) {
                        break;
                    }
                    let result = work(index);
                    if result.is_err() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    let _ = sender.send((index, result));
                }
            });
        }
        drop(sender);
        for (index, result) in done {
            if let Some(slot) = results.get_mut(index) {
                *slot = Some(result);
            }
        }
    });
    results
}

fn open_all(jobs: &[Job], bad_versions: bool, threads: usize) -> Result<Vec<Opened>, DebError> {
    let order: Vec<usize> = (0..jobs.len()).collect();
    let results = in_parallel(&order, threads, |index| {
        let Some(job) = jobs.get(index) else {
            return Ok(None);
        };
        let (deb, mut control) = open_package(job)?;
        control.bad_versions = bad_versions;
        let package = control.package().map_err(|source| DebError::Database {
            path: job.path.clone(),
            source,
        })?;
        Ok(Some(Opened {
            deb,
            control,
            package,
        }))
    });
    collect(results).map(|opened| opened.into_iter().flatten().collect())
}

/// Returns all results, or the first error.
fn collect<T>(results: Vec<Option<Result<T, DebError>>>) -> Result<Vec<T>, DebError> {
    let mut all = Vec::with_capacity(results.len());
    let mut error = None;
    for result in results {
        match result {
            Some(Ok(value)) => all.push(value),
            Some(Err(found)) if error.is_none() => error = Some(found),
            _ => {}
        }
    }
    error.map_or(Ok(all), Err)
}

/// Packages unpacked together, after `earlier` ones of the same run.
struct Batch<'a> {
    wave: &'a [Opened],
    earlier: &'a [Opened],
    first: usize,
}

impl Batch<'_> {
    fn unpack(
        &self,
        results: &[Unpacked],
        target: &Target,
        context: &Context<'_>,
        threads: usize,
        on_done: &(dyn Fn(usize, &Unpacked) + Sync),
    ) -> Result<Vec<(Unpacked, DirectoryLog)>, DebError> {
        let mut overlay = Overlay {
            below: context.ownership,
            packages: Vec::new(),
            owners: PathOwners::default(),
        };
        for (opened, files) in self.earlier.iter().zip(results) {
            overlay.add(&opened.package, files);
        }
        if self.wave.len() > 1 && threads > 1 {
            let made = Mutex::new(Vec::new());
            match self.at_once(&overlay, &made, target, context, threads, on_done) {
                Err(DebError::Contended { path, entry }) => {
                    tracing::debug!(package = %path.display(), entry, "shared path: unpacking again in order");
                    undo(made, target);
                }
                result => return result,
            }
        }
        let mut done = Vec::with_capacity(self.wave.len());
        for (index, opened) in self.wave.iter().enumerate() {
            let mut unpacker = Unpacker::new(&opened.deb, &opened.control, &opened.package, target, context)?;
            unpacker.placement.ownership = &overlay;
            let (files, log) = unpacker.run(threads)?;
            opened.deb.forget();
            on_done(self.first + index, &files);
            overlay.add(&opened.package, &files);
            done.push((files, log));
        }
        Ok(done)
    }

    fn at_once(
        &self,
        overlay: &Overlay<'_>,
        made: &Mutex<Vec<(PathBuf, bool)>>,
        target: &Target,
        context: &Context<'_>,
        threads: usize,
        on_done: &(dyn Fn(usize, &Unpacked) + Sync),
    ) -> Result<Vec<(Unpacked, DirectoryLog)>, DebError> {
        let claims = Claims::new();
        let mut order: Vec<usize> = (0..self.wave.len()).collect();
        order.sort_by_key(|index| {
            std::cmp::Reverse(self.wave.get(*index).map_or(0, |opened| opened.deb.size()))
        });
        let total: u64 = self.wave.iter().map(|opened| opened.deb.size()).sum();
        // Decoding one package with several threads takes memory for each, and gains
        // nothing while others are waiting: only for one that is more than its share.
        let helpers = |size: u64| {
            if size.saturating_mul(threads as u64) > total {
                threads
            } else {
                1
            }
        };
        let results = in_parallel(&order, threads, |index| {
            let Some(opened) = self.wave.get(index) else {
                return Ok(None);
            };
            let mut unpacker = Unpacker::new(&opened.deb, &opened.control, &opened.package, target, context)?;
            unpacker.placement.ownership = overlay;
            unpacker.placement.claims = Some((&claims, index));
            unpacker.placement.made = Some(made);
            let (files, log) = unpacker.run(helpers(opened.deb.size()))?;
            opened.deb.forget();
            on_done(self.first + index, &files);
            Ok(Some((files, log)))
        });
        // A shared path anywhere may be what made another package fail.
        let shared =
            |result: &Option<Result<_, DebError>>| matches!(result, Some(Err(DebError::Contended { .. })));
        if let Some(index) = results.iter().position(shared) {
            let error = results.into_iter().nth(index).flatten().and_then(Result::err);
            return error.map_or(Ok(Vec::new()), Err);
        }
        collect(results).map(|done| done.into_iter().flatten().collect())
    }
}

/// Removes what an abandoned wave made: it is unpacked again as if it had never been. What took the
/// place of something older stays, and is replaced again.
fn undo(made: Mutex<Vec<(PathBuf, bool)>>, target: &Target) {
    let mut made = made
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    // The log's order is that of the threads: files first, then directories from the deepest.
    made.sort_by_key(|(path, directory)| (*directory, std::cmp::Reverse(path.components().count())));
    for (path, directory) in made {
        let result = if directory {
            target.remove_dir(&path)
        } else {
            target.remove(&path)
        };
        if let Err(error) = result {
            tracing::debug!(path = %path.display(), %error, "left of an abandoned attempt");
        }
    }
}

/// The installed packages and those of this run before.
struct Overlay<'a> {
    below: &'a dyn Ownership,
    packages: Vec<&'a Package>,
    /// Indices into `packages`.
    owners: PathOwners<usize>,
}

impl<'a> Overlay<'a> {
    fn add(&mut self, package: &'a Package, files: &Unpacked) {
        for path in &files.placed {
            let by = files.diverting.get(path);
            self.owners.take(path, |index| {
                let other = self.packages.get(*index).map(|package| &package.name);
                by.is_none_or(|by| *by != package.name && Some(by) != other)
                    && other.is_none_or(|other| *other != package.name)
            });
        }
        let index = self.packages.len();
        self.packages.push(package);
        self.owners.add(&index, &files.list);
    }
}

impl Ownership for Overlay<'_> {
    fn contest(&self, package: &Package, claim: &Claim<'_>) -> Contest {
        let owners: Vec<&Package> = self
            .owners
            .of(claim.path)
            .filter_map(|index| self.packages.get(*index).copied())
            .collect();
        if !owners.is_empty() {
            let others = self.packages.iter().filter(|other| other.name == package.name);
            let in_step = || others.clone().all(|other| other.version == package.version);
            let result = contest(package, &package.key(), owners.into_iter(), claim, &in_step);
            if result != Contest::Free {
                return result;
            }
        }
        self.below.contest(package, claim)
    }

    fn is_owned_by_others(&self, package: &Package, path: &Path) -> bool {
        self.owners.of(path).next().is_some() || self.below.is_owned_by_others(package, path)
    }

    fn shared_conffile(&self, package: &Package, path: &Path) -> Option<String> {
        self.below.shared_conffile(package, path)
    }
}
