//! `push`: a container image, or a target as one, in a registry.

use super::error::Error;
use super::pack::{self, PackSettings};
use super::unpack::{self, UnpackSettings};
use crate::input::{self, Input};
use crate::output::{Format, ImageOptions, Layout};
use crate::push::{self, PushError, PushOptions, Pushed};
use crate::staging::Staging;
use crate::target_spec::TargetSpec;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use task_progress::{Cancel, Reporter};

/// Settings of the command.
#[derive(Clone, Debug)]
pub struct PushSettings {
    /// The image; a file or a directory is an image by its name, or a target, or the tar of one.
    pub source: Input,
    /// Options of the image that is made of a target.
    pub image: ImageOptions,
    /// Latest time in it, in seconds since 1970.
    pub source_date_epoch: Option<i64>,
    /// Where to, and how.
    pub options: PushOptions,
    /// File that gets the digest.
    pub digest_file: Option<PathBuf>,
    /// Parent of the directory for files of this run.
    pub temporary: PathBuf,
}

/// Pushes the image.
///
/// # Errors
/// Those of reading or making it, and of the registry.
pub fn run(settings: &PushSettings, reporter: &dyn Reporter, cancel: &Cancel) -> Result<Pushed, Error> {
    let digest_file = settings
        .digest_file
        .as_deref()
        .map(DigestFile::begin)
        .transpose()?;
    let source = meant(&settings.source)?;
    if settings.image != ImageOptions::default() && matches!(source, Input::Image(..)) {
        return Err(PushError::Source {
            path: shown(&source),
            what: "it is an image already, whose configuration stays: leave --oci-… out, or give its target"
                .to_owned(),
        }
        .into());
    }
    let staging = Staging::scratch(&settings.temporary)?;
    let scratch = staging.make_scratch()?;
    let layout = scratch.join("layout");
    let shown = shown(&source);
    let extracted = || {
        let directory = scratch.join("archive");
        std::fs::create_dir(&directory).map_err(|source| PushError::File {
            what: "make",
            path: directory.clone(),
            source,
        })?;
        input::extract(&shown, &directory)?;
        cancel.check()?;
        Ok::<_, Error>(directory)
    };
    let (layout, name) = match &source {
        Input::Image(Layout::OciDirectory, path, name) => (path.clone(), name.as_deref()),
        Input::Image(Layout::OciArchive, _, name) => (extracted()?, name.as_deref()),
        Input::Image(Layout::DockerArchive, path, name) => {
            push::layout_of_docker(&extracted()?, path, name.as_deref(), &scratch, &layout)?;
            (layout, None)
        }
        Input::File(path) if path.is_dir() => {
            pack(settings, path.clone(), &layout, reporter, cancel)?;
            (layout, None)
        }
        Input::Stdin | Input::File(_) => {
            let unpacking = UnpackSettings {
                input: source.clone(),
                target: scratch.join("target"),
            };
            unpack::run(&unpacking, reporter, cancel)?;
            pack(settings, unpacking.target, &layout, reporter, cancel)?;
            (layout, None)
        }
    };
    let pushed = push::push(&layout, &shown, name, &settings.options, reporter, cancel)?;
    if let Some(file) = digest_file {
        file.end(&pushed.digest)?;
    }
    Ok(pushed)
}

/// Returns the input, as an image where its name says that it is one.
fn meant(source: &Input) -> Result<Input, Error> {
    let Input::File(path) = source else {
        return Ok(source.clone());
    };
    if path.is_dir() {
        return match path.join("oci-layout").exists() {
            true => Ok(Input::Image(Layout::OciDirectory, path.clone(), None)),
            false => Ok(source.clone()),
        };
    }
    match Format::of_name(path.as_os_str().as_bytes()) {
        Some(Format::Container(layout)) => Ok(Input::Image(layout, path.clone(), None)),
        _ => Ok(source.clone()),
    }
}

/// Makes an image layout of a target.
fn pack(
    settings: &PushSettings,
    target: PathBuf,
    layout: &Path,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<(), Error> {
    let packing = PackSettings {
        target,
        output: TargetSpec::File {
            path: layout.to_owned(),
            format: Format::Container(Layout::OciDirectory),
        },
        image: settings.image.clone(),
        source_date_epoch: settings.source_date_epoch,
        temporary: settings.temporary.clone(),
    };
    pack::run(&packing, reporter, cancel)?;
    Ok(())
}

/// Returns what the user knows an input by.
fn shown(source: &Input) -> PathBuf {
    match source {
        Input::Stdin => PathBuf::from("standard input"),
        Input::File(path) | Input::Image(_, path, _) => path.clone(),
    }
}

/// A file that gets the digest when that is known, and its name only then.
struct DigestFile {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

impl DigestFile {
    /// Finds out whether it can be written.
    fn begin(path: &Path) -> Result<Self, Error> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let made = match path.is_dir() {
            true => Err(std::io::ErrorKind::IsADirectory.into()),
            false => tempfile::Builder::new()
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
                .tempfile_in(parent),
        };
        let file = made.map_err(|source| failed(path, source))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    fn end(mut self, digest: &str) -> Result<(), Error> {
        writeln!(self.file, "{digest}").map_err(|source| failed(&self.path, source))?;
        match self.file.persist(&self.path) {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(&self.path, error.error)),
        }
    }
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    let path = path.to_owned();
    PushError::File {
        what: "write",
        path,
        source,
    }
    .into()
}
