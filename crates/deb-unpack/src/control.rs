//! The control member: the control file, maintainer scripts and the other files for `info/`.

use std::path::Path;

use rootless_install_fs::{FileType, Meta, Timestamp};

use super::entries::EntryKind;
use super::error::DebError;
use dpkg_db::{ControlArchive, ControlFile};

/// A package as the index promised it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `Package`
    pub name: String,
    /// `Version`
    pub version: String,
    /// `Architecture`
    pub architecture: String,
}

impl Expected {
    /// Returns the usual name of the package file, `NAME_VERSION_ARCH.deb`.
    pub fn file_name(&self) -> String {
        format!("{}_{}_{}.deb", self.name, self.version, self.architecture)
    }
}

/// Adds an entry of the control member, which dpkg has tar(1) extract: of a name that appears twice the last one counts.
pub(super) fn add(
    archive: &mut ControlArchive,
    entry: &super::entries::Entry,
    data: Vec<u8>,
) -> Result<(), String> {
    let name = entry
        .path
        .strip_prefix("/")
        .ok()
        .and_then(Path::to_str)
        .unwrap_or_default();
    match entry.kind {
        EntryKind::Directory if name.is_empty() => Ok(()),
        EntryKind::File if !name.is_empty() && !name.contains('/') => {
            if name == "control" {
                archive.control = deb_types::raw_text::decode(data);
                return Ok(());
            }
            let mtime = Timestamp {
                sec: entry.mtime,
                nsec: 0,
            };
            let meta = Meta {
                kind: FileType::Regular,
                mode: entry.mode,
                uid: entry.uid,
                gid: entry.gid,
                mtime,
            };
            archive.files.insert(name.to_owned(), ControlFile { data, meta });
            Ok(())
        }
        _ => Err("it is not a plain file at the top of the control member".to_owned()),
    }
}

/// Checks that a control archive is that of the package the index promised.
///
/// # Errors
/// [`DebError::Mismatch`].
pub(super) fn check(archive: &ControlArchive, expected: &Expected, path: &Path) -> Result<(), DebError> {
    let package = archive.package().map_err(|source| DebError::Database {
        path: path.to_owned(),
        source,
    })?;
    // An epoch of zero may be written or not.
    let version = expected.version.strip_prefix("0:").unwrap_or(&expected.version);
    let pairs = [
        ("Package", expected.name.as_str(), package.name.as_str()),
        ("Version", version, package.version.as_str()),
        (
            "Architecture",
            expected.architecture.as_str(),
            package.architecture.as_str(),
        ),
    ];
    for (field, expected, found) in pairs {
        if expected != found {
            return Err(DebError::Mismatch {
                path: path.to_owned(),
                field,
                expected: expected.to_owned(),
                found: found.to_owned(),
            });
        }
    }
    Ok(())
}
