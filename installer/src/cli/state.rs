//! Options for the state of archives.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::resolve::SettingsError;
use crate::external_solver;
use crate::merge_usr::MergedUsr;
use crate::package_lock::{LockError, PackageLock};
use crate::settings::Settings;
use apt_solve::Variant;
use deb_arch::Architecture;
use deb_archive::{Snapshot, SnapshotServices};

/// Options whose values are in a lock.
const IN_LOCK: [&str; 8] = [
    "arch",
    "suite",
    "variant",
    "include",
    "components",
    "mirror",
    "imitate",
    "merged_usr",
];

/// Which state of archives is read, and whether the network is.
#[derive(Args, Clone, Debug, Default)]
pub struct StateArgs {
    /// Use no network: what is not in the cache or on this machine is missing
    ///
    /// Archives are in the state in which an earlier run saw them, however old it is.
    #[arg(long)]
    pub offline: bool,

    /// Archives as they were at this moment: `2026-09-12T08:00Z`, UTC
    ///
    /// Packages come from the snapshot service that an archive's Release file or apt's configuration
    /// (Acquire::Snapshots::URI) names, or that of --snapshot-url.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub snapshot: Option<String>,

    /// Where snapshots are, with @SNAPSHOTID@ in the place of the moment
    ///
    /// Where nothing names a service, or for a nearer one.
    #[arg(long, value_name = "URL", value_parser = template, requires = "snapshot")]
    pub snapshot_url: Option<String>,

    /// Write down what was chosen, by which --locked makes the same again
    ///
    /// The file has the sources with the dates of their Release files, and each package with its version, hash and place. With
    /// --dry-run it is written, too.
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,

    /// Install exactly the packages of this file, which --lock has written
    ///
    /// Architecture, suite, variant, packages and sources are those of the file. Packages come from the cache, from
    /// where they were, or with --snapshot from a snapshot service.
    #[arg(long, value_name = "FILE", conflicts_with_all = IN_LOCK)]
    pub locked: Option<PathBuf>,
}

impl StateArgs {
    /// Applies the options about locks.
    ///
    /// # Errors
    /// Those of reading the lock, and a value in it that has no meaning.
    pub(super) fn apply(self, settings: &mut Settings) -> Result<(), SettingsError> {
        settings.lock = self.lock;
        let Some(path) = &self.locked else {
            return Ok(());
        };
        let lock = PackageLock::read(path)?;
        let wrong = |what: String| LockError::Value {
            path: path.clone(),
            what,
        };
        let request = &lock.request;
        let architectures: Vec<&Architecture> = request
            .architectures
            .iter()
            .map(|name| {
                Architecture::by_name(name).ok_or_else(|| wrong(format!("`{name}` is no architecture")))
            })
            .collect::<Result<_, _>>()?;
        if let [own, foreign @ ..] = architectures.as_slice() {
            settings.system.arch = own;
            settings.system.foreign = foreign.to_vec();
        }
        settings.variant = Variant::by_name(&request.variant)
            .ok_or_else(|| wrong(format!("there is no variant `{}`", request.variant)))?;
        settings.system.merged_usr = MergedUsr::by_name(&request.merged_usr)
            .ok_or_else(|| wrong(format!("`{}` is not auto, yes or no", request.merged_usr)))?;
        let release = request.mmdebstrap.parse();
        let release =
            release.map_err(|_| wrong(format!("`{}` is no release of mmdebstrap", request.mmdebstrap)))?;
        settings.imitate = Some(release);
        settings.include.clone_from(&request.include);
        settings.install_recommends = request.recommends;
        settings.install_suggests = request.suggests;
        let solver = external_solver::named(&request.solver);
        settings.solver = Some(solver.map_err(|error| wrong(error.to_string()))?);
        settings.archives.suite.clone_from(&request.suite);
        settings.archives.lists = Some(lock.lists()?);
        settings.archives.mirrors.clone_from(&request.package_files);
        settings.locked = Some(Arc::new(lock));
        Ok(())
    }

    /// Returns the moment at which archives are read.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        let id = self.snapshot.clone()?;
        let template = self.snapshot_url.clone();
        Some(Snapshot {
            id,
            services: match template {
                Some(_) => SnapshotServices::default(),
                None => SnapshotServices::of_machine(),
            },
            template,
        })
    }
}

fn moment(text: &str) -> Result<String, String> {
    Snapshot::parse_id(text).ok_or_else(|| "write it as 2026-09-12T08:00Z or 2026-09-12".to_owned())
}

fn template(text: &str) -> Result<String, String> {
    match text.contains("@SNAPSHOTID@") && text.contains("://") {
        true => Ok(text.to_owned()),
        false => Err("it is a URL with @SNAPSHOTID@ in the place of the moment".to_owned()),
    }
}
