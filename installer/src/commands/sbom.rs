//! `sbom`: a bill of materials of a target.

use super::error::Error;
use crate::finished;
use crate::package_lock::PackageLock;
use crate::sbom::{Sbom, SbomFormat};
use crate::settings::SbomFile;
use crate::whole_file::WholeFile;
use deb_arch::Architecture;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Settings of the command.
#[derive(Clone, Debug)]
pub struct SbomSettings {
    /// The target's directory.
    pub target: PathBuf,
    /// The form.
    pub format: SbomFormat,
    /// The file; none for standard output.
    pub output: Option<PathBuf>,
    /// A lock that knows the package files.
    pub lock: Option<PathBuf>,
    /// Name of what the bill is of; none for that of the directory.
    pub name: Option<String>,
    /// No moment is later than this, in seconds.
    pub source_date_epoch: Option<i64>,
}

/// Writes the bill.
///
/// # Errors
/// What is no target; those of reading it and of writing.
pub fn run(settings: &SbomSettings) -> Result<(), Error> {
    let target = finished::open(&settings.target)?;
    let _held = finished::hold(&target, false)?;
    let file = settings.output.as_deref().map(begin).transpose()?;
    let lock = settings.lock.as_deref().map(PackageLock::read).transpose()?;
    let native = finished::architecture(&target)?.map_or(Architecture::native().name, |found| found.name);
    let directory = std::path::absolute(&settings.target).unwrap_or_default();
    let name = match (&settings.name, directory.file_name()) {
        (Some(name), _) => name.clone(),
        (None, Some(name)) => name.to_string_lossy().into_owned(),
        (None, None) => "root".to_owned(),
    };
    let epoch = settings
        .source_date_epoch
        .and_then(|epoch| u64::try_from(epoch).ok());
    let text = Sbom::of(&target, native, &name, lock.as_ref(), epoch)?.text(settings.format);
    match file {
        Some(file) => write(file, &text),
        None => std::io::stdout()
            .lock()
            .write_all(text.as_bytes())
            .map_err(Error::Print),
    }
}

fn begin(path: &Path) -> Result<WholeFile, Error> {
    WholeFile::begin(path).map_err(|source| Error::SbomFile {
        path: path.to_owned(),
        source,
    })
}

fn write(file: WholeFile, text: &str) -> Result<(), Error> {
    let path = file.path().to_owned();
    file.finish(text.as_bytes())
        .map_err(|source| Error::SbomFile { path, source })
}

/// Files of an installation's bills, begun before it.
pub(super) struct SbomFiles(Vec<(SbomFormat, WholeFile)>);

impl SbomFiles {
    pub(super) fn begin(wanted: &[SbomFile]) -> Result<Self, Error> {
        let begun = wanted.iter().map(|file| Ok((file.format, begin(&file.path)?)));
        begun.collect::<Result<_, Error>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the bills.
    pub(super) fn write(self, sbom: &Sbom) -> Result<(), Error> {
        for (format, file) in self.0 {
            write(file, &sbom.text(format))?;
        }
        Ok(())
    }
}
