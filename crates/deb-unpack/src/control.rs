//! The control member: the control file, maintainer scripts and the other files for `info/`.

use std::os::unix::ffi::OsStrExt;
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
    if name.contains('/') {
        return Err("it is not at the top of the control member".to_owned());
    }
    let (kind, data) = match &entry.kind {
        EntryKind::Directory if name.is_empty() => return Ok(()),
        EntryKind::File => (FileType::Regular, data),
        EntryKind::Symlink(text) => (FileType::Symlink, text.as_os_str().as_bytes().to_vec()),
        EntryKind::Hardlink(to) => {
            let first = to.strip_prefix("/").ok().and_then(Path::to_str);
            let first = first.and_then(|first| archive.files.get(first));
            let first = first.ok_or("it is a link to no earlier file of the control member")?;
            (first.meta.kind, first.data.clone())
        }
        _ => return Err("it is not a plain file or a link".to_owned()),
    };
    if name.is_empty() {
        return Err("it has no name".to_owned());
    }
    if name == "control" {
        if kind != FileType::Regular {
            return Err("it is not a plain file".to_owned());
        }
        archive.control = deb_types::raw_text::decode(data);
        return Ok(());
    }
    let mtime = Timestamp {
        sec: entry.mtime,
        nsec: 0,
    };
    let meta = Meta {
        kind,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime,
    };
    archive.files.insert(name.to_owned(), ControlFile { data, meta });
    Ok(())
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
        // dpkg's names of packages are in lower case.
        if expected != found && !(field == "Package" && expected.eq_ignore_ascii_case(found)) {
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
