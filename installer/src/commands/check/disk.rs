//! What is on the disk: records, attributes, and files that no target has there.

use super::{Kind, Report};
use crate::commands::Error;
use rootless_install_fs::encoding::{
    INODE_FLAGS, OVERRIDE_XATTR, XATTR_PREFIX, inode_flags, xattr_from_disk,
};
use rootless_install_fs::{FileType, MARKER, Target, is_temporary};
use rustix::io::Errno;
use shim_protocol::capability;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use task_progress::Cancel;

/// Names of files that dpkg has while it works, by their ends (`dpkg-new` becomes a file or is removed again).
const OF_DPKG: [&str; 2] = [".dpkg-new", ".dpkg-tmp"];

/// Looks at every file.
pub(super) fn check(target: &Target, report: &mut Report, cancel: &Cancel) -> Result<(), Error> {
    let mut left = vec![PathBuf::from("/")];
    while let Some(path) = left.pop() {
        cancel.check()?;
        report.files += 1;
        let on_disk = target.root_path().join(path.strip_prefix("/").unwrap_or(&path));
        let found = match fs::symlink_metadata(&on_disk) {
            Ok(found) => found,
            Err(error) => {
                report.add(Kind::Stray, &path, format!("cannot be looked at: {error}"), "");
                continue;
            }
        };
        file(target, &path, &on_disk, &found, report);
        if found.is_dir() {
            match fs::read_dir(&on_disk) {
                Ok(entries) => {
                    let names = entries.flatten().map(|entry| entry.file_name());
                    let marker = |name: &std::ffi::OsString| path == Path::new("/") && name == MARKER;
                    left.extend(names.filter(|name| !marker(name)).map(|name| path.join(name)));
                }
                Err(error) => {
                    report.add(
                        Kind::Stray,
                        &path,
                        format!("cannot be listed: {error}"),
                        "give yourself the right: chmod u+rwx",
                    );
                }
            }
        }
    }
    beside(target, report);
    Ok(())
}

fn file(target: &Target, path: &Path, on_disk: &Path, found: &fs::Metadata, report: &mut Report) {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    if is_temporary(name.as_bytes()) {
        let how = match target.was_killed() {
            true => "the next run, or call of dpkg, removes it",
            false => "remove it",
        };
        report.add(Kind::Leftover, path, "is a file of a run that was killed", how);
    } else if OF_DPKG.iter().any(|end| name.ends_with(end)) {
        report.add(
            Kind::Leftover,
            path,
            "is a file of a call of dpkg that did not end",
            "dpkg --configure -a, or installing its package again, mends it",
        );
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        report.add(
            Kind::Stray,
            path,
            format!("belongs to user {} on the disk, not to you", found.uid()),
            "`rootless-install adopt` takes it over",
        );
    }
    let kind = found.file_type();
    if kind.is_char_device() || kind.is_block_device() || kind.is_fifo() || kind.is_socket() {
        report.add(
            Kind::Stray,
            path,
            "is a device, pipe or socket on the disk itself",
            "remove it",
        );
        return;
    }
    // Links have no mode, and can carry no attribute.
    if !kind.is_symlink() && found.mode() & 0o7022 != 0 {
        report.add(
            Kind::Stray,
            path,
            format!(
                "has the mode {:04o} on the disk, with which others could write to it or become you",
                found.mode() & 0o7777
            ),
            "chmod go-w,a-st, and set what its users see with `rootless-install chmod`",
        );
    }
    if !kind.is_symlink() {
        attributes(path, on_disk, report);
    }
    match target.stat(path) {
        Ok(stat) => {
            let special = !matches!(
                stat.meta.kind,
                FileType::Regular | FileType::Directory | FileType::Symlink
            );
            if special && stat.size > 0 {
                report.add(
                    Kind::Record,
                    path,
                    format!(
                        "is {} to its users, and has a content",
                        stat.meta.kind.description()
                    ),
                    "",
                );
            }
            if stat.meta.kind == FileType::Symlink && stat.size == 0 {
                report.add(Kind::Record, path, "is a link to nothing", "remove it");
            }
        }
        Err(rootless_install_fs::Error::DamagedOverride { value, .. }) => {
            report.add(
                Kind::Record,
                path,
                format!("has a record of its owner and mode that is none: {value:?}"),
                format!("remove it (setfattr -x {OVERRIDE_XATTR}) and set them with `rootless-install chown` and `chmod`"),
            );
        }
        Err(error) => report.add(Kind::Stray, path, error.to_string(), ""),
    }
}

/// Looks at the names of a file's attributes, and at the values that the kernel would refuse.
fn attributes(path: &Path, on_disk: &Path, report: &mut Report) {
    let mut list = vec![0; 1 << 16];
    let length = match rustix::fs::llistxattr(on_disk, &mut list) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => return,
        Err(errno) => {
            let why = std::io::Error::from(errno);
            return report.add(
                Kind::Record,
                path,
                format!("has attributes that cannot be read: {why}"),
                "",
            );
        }
    };
    list.truncate(length);
    for name in list
        .split(|byte| *byte == 0)
        .filter(|name| name.starts_with(XATTR_PREFIX.as_bytes()))
    {
        let shown = String::from_utf8_lossy(name).into_owned();
        let mut value = vec![0; 1 << 16];
        let length = rustix::fs::lgetxattr(on_disk, name, &mut value).unwrap_or_default();
        value.truncate(length);
        match xattr_from_disk(name) {
            None if shown.strip_prefix(XATTR_PREFIX) == Some("probe") => {
                report.add(
                    Kind::Leftover,
                    path,
                    format!("has the attribute {shown} of a run that was killed"),
                    format!("setfattr -x {shown}"),
                );
            }
            None if shown == INODE_FLAGS && inode_flags(&value).is_some() => {}
            None => report.add(
                Kind::Record,
                path,
                format!("has the attribute {shown}, which means none"),
                format!("setfattr -x {shown}"),
            ),
            Some(b"security.capability") if capability::sets(&value).is_none() => {
                report.add(
                    Kind::Record,
                    path,
                    "has capabilities that are none",
                    "set them with `rootless-install setcap`",
                );
            }
            Some(_) => {}
        }
    }
}

/// Looks for work directories of runs that were killed, beside the target.
fn beside(target: &Target, report: &mut Report) {
    let Ok(root) = fs::canonicalize(target.root_path()) else {
        return;
    };
    let (Some(parent), Some(name)) = (root.parent(), root.file_name()) else {
        return;
    };
    let prefix = [b".", name.as_bytes(), b".rootless-install-"].concat();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !entry.file_name().as_bytes().starts_with(&prefix) {
            continue;
        }
        let path = entry.path();
        let marker = fs::File::open(path.join("lock"));
        let alive = marker.is_ok_and(|marker| {
            rustix::fs::flock(&marker, rustix::fs::FlockOperation::NonBlockingLockShared)
                == Err(Errno::WOULDBLOCK)
        });
        if !alive {
            report.add(
                Kind::Leftover,
                &path,
                "is the work directory of a run that was killed",
                format!(
                    "the next run for {} removes it; or `rm -r`",
                    name.to_string_lossy()
                ),
            );
        }
    }
}
