//! A check before anything is written that a package can be unpacked: the whole of it is read.

use rootless_install_fs::{FileType, Target};

use super::context::Context;
use super::entries::EntryKind;
use super::error::DebError;
use super::file::DebFile;
use dpkg_db::{Contest, ControlArchive, Package};

/// Reads all of a package and checks that each of its paths is free.
///
/// # Errors
/// Whatever would make unpacking fail: a damaged package, a path that another package has, a file
/// where the target has a directory.
pub fn check_contents(
    deb: &DebFile,
    control: &ControlArchive,
    package: &Package,
    target: &Target,
    context: &Context<'_>,
    threads: usize,
) -> Result<(), DebError> {
    let conffiles = control.conffiles().map_err(|source| DebError::Database {
        path: deb.path().to_owned(),
        source,
    })?;
    let installed = package.field("Installed-Size").and_then(|size| size.parse().ok());
    let limit = context.limits.of(deb.size(), installed);
    let mut buffer = vec![0; 64 << 10];
    let checked = deb.walk_data(limit, threads, |entry, contents| {
        let path = &entry.path;
        let directory = entry.kind == EntryKind::Directory;
        let link = matches!(entry.kind, EntryKind::Symlink(_));
        while contents
            .read(&mut buffer)
            .map_err(|error| deb.damaged_data(limit, error))?
            > 0
        {}
        if directory || (context.left_out)(path, link) {
            return Ok(());
        }
        let diversion = context.diversions.of(path);
        let diverting = diversion.and_then(|diversion| diversion.package.as_deref());
        if let Contest::Conflict { owner, version } = context.ownership.contest(package, path, diverting) {
            return Err(DebError::Conflict {
                path: deb.path().to_owned(),
                entry: path.to_string_lossy().into_owned(),
                owner,
                version,
            });
        }
        let used = context.diversions.used(path, &package.name);
        let conffile = conffiles
            .iter()
            .any(|(conffile, _)| path.as_os_str() == conffile.as_str());
        let there = target.stat(used).map(|stat| stat.meta.kind);
        if !link && !conffile && matches!(there, Ok(FileType::Directory)) {
            return Err(deb.bad_entry(path, "it is a directory in the target, and a file in the package"));
        }
        Ok(())
    });
    deb.forget();
    checked
}
