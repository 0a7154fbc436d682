//! Package files that are kept: in the target, where its apt has them, or in a directory of this machine; and the source
//! packages beside them.

use super::carry_out::CarryOut;
use super::error::Error;
use crate::bookkeeping::{self, Given};
use crate::install::archive_name;
use crate::source_packages;
use dpkg_db::Database;
use rootless_install_fs::{FileType, Meta};
use std::fs;
use std::path::{Path, PathBuf};
use task_progress::Stage;

/// Directory of package files in a target.
const ARCHIVES: &str = "/var/cache/apt/archives";

/// Makes a target that has package files and no packages: the files of apt and dpkg. `sources` are files of sources.
///
/// # Errors
/// Those of writing to the target.
pub(super) fn prepare(run: &CarryOut<'_, '_>, sources: &[(PathBuf, String)]) -> Result<(), Error> {
    let settings = run.settings;
    if run.prepared_as.is_none() {
        let release = run.chosen.selection.mmdebstrap;
        bookkeeping::prepare(run.target, sources, &Given::of(settings), true, release)?;
    }
    let foreign: Vec<String> = settings
        .system
        .foreign
        .iter()
        .map(|arch| arch.name.to_owned())
        .collect();
    Database::prepare(run.target, settings.system.arch.name, &foreign)?;
    Ok(bookkeeping::finish(run.target, &settings.skip)?)
}

/// Keeps the package files of a plan, which are in its order, as the settings ask for it.
///
/// # Errors
/// Those of writing, and of fetching source packages.
pub(super) fn keep(run: &CarryOut<'_, '_>, debs: &[PathBuf]) -> Result<(), Error> {
    let additions = &run.settings.additions;
    if additions.keeps_packages {
        bookkeeping::make_directory(run.target, ARCHIVES)?;
    }
    let universe = &run.universes.target;
    for (id, deb) in run.chosen.plan.packages().zip(debs) {
        run.cancel.check()?;
        let name = archive_name(universe.package(id));
        if additions.keeps_packages {
            let failed = |source| Error::Copy {
                path: Path::new(ARCHIVES).join(&name),
                source,
            };
            let data = fs::read(deb).map_err(failed)?;
            let meta = Meta::of_root(FileType::Regular, 0o644);
            run.target.write(&Path::new(ARCHIVES).join(&name), &data, &meta)?;
        }
        if let Some(directory) = &additions.copies {
            let path = directory.join(&name);
            fs::copy(deb, &path).map_err(|source| Error::Copy { path, source })?;
        }
    }
    if let Some(directory) = &additions.source_packages {
        let _stage = run.reporter.stage(Stage::Download);
        let packages = run.chosen.plan.packages().map(|id| universe.package(id));
        let fetcher = &run.prepared.archives.fetcher;
        source_packages::fetch(
            fetcher,
            &run.prepared.target,
            packages,
            directory,
            &**run.reporter,
        )?;
    }
    Ok(())
}
