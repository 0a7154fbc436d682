//! Reading and writing the database's files in the target.

use std::path::Path;

use rootless_install_fs::{FileType, Meta, Target};

use super::error::DpkgError;

pub(super) fn failed(path: &Path) -> impl FnOnce(rootless_install_fs::Error) -> DpkgError {
    let path = path.to_owned();
    move |source| DpkgError::Fs { path, source }
}

pub(super) fn malformed(path: impl AsRef<Path>, problem: impl Into<String>) -> DpkgError {
    DpkgError::Format {
        path: path.as_ref().to_owned(),
        problem: problem.into(),
    }
}

pub(super) fn read_optional(target: &Target, path: &Path) -> Result<Option<Vec<u8>>, DpkgError> {
    match target.read(path) {
        Ok(data) => Ok(Some(data)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(failed(path)(error)),
    }
}

/// Reads a database file as text, to be written with [`deb_types::raw_text::encode`]; empty when it does not exist.
pub(super) fn read_text(target: &Target, path: &Path) -> Result<String, DpkgError> {
    let data = read_optional(target, path)?.unwrap_or_default();
    Ok(deb_types::raw_text::decode(data))
}

pub(super) fn write(target: &Target, path: &Path, data: &[u8], mode: u32) -> Result<(), DpkgError> {
    target
        .write(path, data, &Meta::of_root(FileType::Regular, mode))
        .map_err(failed(path))
}

/// Writes a file unless it exists.
pub(super) fn ensure_file(target: &Target, path: &Path, data: &[u8], mode: u32) -> Result<(), DpkgError> {
    match target.stat(path) {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => write(target, path, data, mode),
        Err(error) => Err(failed(path)(error)),
    }
}

/// Makes a directory and its parents where they do not exist.
pub(super) fn ensure_dir(target: &Target, path: &Path) -> Result<(), DpkgError> {
    match target.stat_follow(path) {
        Ok(stat) if stat.meta.kind == FileType::Directory => return Ok(()),
        Ok(_) => return Err(malformed(path, "is not a directory")),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(failed(path)(error)),
    }
    if let Some(parent) = path.parent() {
        ensure_dir(target, parent)?;
    }
    target
        .make_dir(path, &Meta::of_root(FileType::Directory, 0o755))
        .map_err(failed(path))
}

pub(super) fn remove_optional(target: &Target, path: &Path) -> Result<(), DpkgError> {
    match target.remove(path) {
        Ok(()) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(failed(path)(error)),
    }
}
