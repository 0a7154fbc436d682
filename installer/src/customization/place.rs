//! Files of the target by paths that others chose: links in the target lead to places in the target.

use super::error::CustomizationError;
use rootless_install_fs::{FileType, Meta, Target};
use std::io::{Read, Write};
use std::path::{Component, Path};

type Result<T> = std::result::Result<T, CustomizationError>;

/// Checks that a path names a place in a target by itself.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn check_path(path: &Path) -> std::result::Result<(), String> {
    if !path.is_absolute() {
        return Err(format!("{} is no absolute path of the target", path.display()));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(format!("{} has a `..`, which may lead elsewhere", path.display()));
    }
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err("a path cannot have a zero byte".to_owned());
    }
    Ok(())
}

fn failed(path: &Path) -> impl FnOnce(rootless_install_fs::Error) -> CustomizationError {
    let path = path.to_owned();
    move |source| CustomizationError::Place { path, source }
}

/// Makes a directory, unless one is there, and those on the way, which are root's. Returns whether it was made.
pub(super) fn directory(target: &Target, path: &Path, meta: &Meta) -> Result<bool> {
    match target.stat_follow(path) {
        Ok(stat) if stat.meta.kind == FileType::Directory => Ok(false),
        Ok(_) => Err(CustomizationError::unfit(
            path.display().to_string(),
            "is in the target, and no directory",
        )),
        Err(error) if error.is_not_found() => {
            parents(target, path)?;
            target.make_dir(path, meta).map_err(failed(path))?;
            Ok(true)
        }
        Err(error) => Err(failed(path)(error)),
    }
}

fn parents(target: &Target, path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) => directory(target, parent, &Meta::of_root(FileType::Directory, 0o755)).map(|_| ()),
        None => Ok(()),
    }
}

/// Makes room for a file that is no directory: what is there is removed, a link itself and not what it leads to.
fn clear(target: &Target, path: &Path) -> Result<()> {
    parents(target, path)?;
    match target.stat(path) {
        Ok(stat) if stat.meta.kind == FileType::Directory => Err(CustomizationError::unfit(
            path.display().to_string(),
            "is a directory in the target",
        )),
        Ok(_) => target.remove(path).map_err(failed(path)),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(failed(path)(error)),
    }
}

/// Puts a regular file into the target; `source` names its content in errors.
pub(super) fn file(
    target: &Target,
    path: &Path,
    meta: &Meta,
    data: &mut dyn Read,
    source: &Path,
) -> Result<()> {
    clear(target, path)?;
    let mut file = target.create(path, meta).map_err(failed(path))?;
    let mut buffer = vec![0; 1 << 17];
    loop {
        let got = match data.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => got,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(CustomizationError::Source {
                    path: source.to_owned(),
                    source: error,
                });
            }
        };
        file.write_all(buffer.get(..got).unwrap_or_default())
            .map_err(|error| CustomizationError::unfit(path.display().to_string(), error.to_string()))?;
    }
    file.finish().map_err(failed(path))
}

/// Puts text into the target, as root's file.
pub(super) fn text(target: &Target, path: &str, text: &str) -> Result<()> {
    let meta = Meta::of_root(FileType::Regular, 0o644);
    file(
        target,
        Path::new(path),
        &meta,
        &mut text.as_bytes(),
        Path::new(path),
    )
}

/// Puts a link into the target.
pub(super) fn link(target: &Target, path: &Path, to: &Path, meta: &Meta) -> Result<()> {
    clear(target, path)?;
    target.make_symlink(path, to, meta).map_err(failed(path))
}

/// Whether the target has a file, links followed.
pub(super) fn has(target: &Target, path: &str) -> bool {
    target.stat_follow(Path::new(path)).is_ok()
}
