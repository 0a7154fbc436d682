//! Unpacking a native package into the store: programs and libraries only, no
//! owners, no set-id bits. The package was verified against a signed index.

use super::tree::{kept, make_directories};
use super::{SysrootError, loader};
use deb_unpack::{DebError, DebFile, EntryKind, Limits};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Mode of every file: who may execute a program is decided by that of the target, which scripts change.
const MODE: u32 = 0o755;

/// Unpacks `deb`, called `name` in errors, as the directory `to`, which appears only when it is whole.
/// Another run may do the same at the same time: the first one wins.
pub(super) fn unpack(deb: &Path, name: &str, to: &Path) -> Result<(), SysrootError> {
    if to.is_dir() {
        return Ok(());
    }
    let failed = |source| SysrootError::Write {
        path: to.to_owned(),
        source,
    };
    let parent = to
        .parent()
        .ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    fs::create_dir_all(parent).map_err(failed)?;
    let unfinished = tempfile::Builder::new()
        .prefix(".unpacking-")
        .tempdir_in(parent)
        .map_err(failed)?;
    let root = unfinished.path().join("root");
    fs::create_dir(&root).map_err(failed)?;
    let file = DebFile::open_as(deb, Path::new(name))?;
    let limit = Limits::default().of(file.size(), None);
    file.walk_data(limit, 2, |entry, contents| {
        let Some(path) = kept(&entry.path) else {
            return Ok(());
        };
        let mut write = || -> io::Result<()> {
            let parent = path.parent().unwrap_or(Path::new(""));
            make_directories(&root, parent)?;
            no_links(&root, parent)?;
            let destination = root.join(&path);
            match &entry.kind {
                EntryKind::Directory => make_directories(&root, &path),
                EntryKind::File => {
                    // Never through a link, never over another entry.
                    let mut out = OpenOptions::new()
                        .read(true)
                        .write(true)
                        .create_new(true)
                        .mode(MODE)
                        .open(&destination)?;
                    io::copy(contents, &mut out)?;
                    loader::lead_to_sysroot(&out)?;
                    out.set_permissions(fs::Permissions::from_mode(MODE))
                }
                EntryKind::Symlink(text) => symlink(within(text, &path), &destination),
                EntryKind::Hardlink(original) => match kept(original) {
                    Some(original) => {
                        no_links(&root, original.parent().unwrap_or(Path::new("")))?;
                        fs::hard_link(root.join(original), &destination)
                    }
                    None => Ok(()),
                },
                _ => Ok(()),
            }
        };
        write().map_err(|source| DebError::Open {
            path: to.join(&path),
            source,
        })
    })?;
    match fs::rename(&root, to) {
        Err(_) if to.is_dir() => Ok(()),
        done => done.map_err(failed),
    }
}

/// Returns the text of the link at `path` in a sysroot: an absolute link to something of a sysroot is made
/// relative, so that it leads there and not to the path of that name in the target.
fn within(text: &Path, path: &Path) -> PathBuf {
    match kept(text) {
        Some(inside) if text.is_absolute() => {
            let up = path.components().count().saturating_sub(1);
            std::iter::repeat_n("..", up).collect::<PathBuf>().join(inside)
        }
        _ => text.to_owned(),
    }
}

/// Refuses a path with a link on the way: a package that ships a link and then something below it could
/// write elsewhere. No package of an archive does so.
fn no_links(root: &Path, below: &Path) -> io::Result<()> {
    let mut path = root.to_owned();
    for component in below.components() {
        path.push(component);
        if fs::symlink_metadata(&path)?.is_symlink() {
            return Err(io::Error::other(format!(
                "{} is a link on the way to a file",
                path.display()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_links_stay_in_the_sysroot() {
        let link = |text: &str, path: &str| {
            within(Path::new(text), Path::new(path))
                .to_string_lossy()
                .into_owned()
        };
        assert_eq!(link("/lib/x/ld.so", "usr/lib64/ld.so"), "../../usr/lib/x/ld.so");
        assert_eq!(link("ld-2.so", "usr/lib64/ld.so"), "ld-2.so");
        assert_eq!(
            link("/etc/alternatives/awk", "usr/bin/awk"),
            "/etc/alternatives/awk"
        );
    }
}
