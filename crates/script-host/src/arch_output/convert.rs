//! Files that a native program reads and writes in the target: its databases are converted before and after it
//! runs.

use super::gdbm::{self, Layout};
use deb_arch::Architecture;
use rootless_install_fs::{FileType, Target};
use std::path::{Path, PathBuf};

/// Directory of mandb(8)'s databases, and of a directory for each language with one.
const DATABASES: &str = "/var/cache/man";
/// File name of a database.
const DATABASE: &str = "index.db";

/// Brings the databases into this machine's form, before the program runs. One that cannot be
/// converted is removed: the program makes it anew.
pub(crate) fn into_native(target: &Target, arch: &Architecture) {
    // A database that is gone needs no reason.
    let _ = convert_all(target, arch, Architecture::native());
}

/// Brings the databases into the target's form, after the program has run. One that cannot be
/// converted is removed, so that the target's own program makes it anew.
///
/// # Errors
/// The first database that cannot be converted, and the reason, in words.
pub(crate) fn into_target(target: &Target, arch: &Architecture) -> Result<(), String> {
    convert_all(target, Architecture::native(), arch)
}

fn convert_all(target: &Target, from: &Architecture, to: &Architecture) -> Result<(), String> {
    let [from, to] = [from, to].map(Layout::of);
    let mut first = Ok(());
    for path in databases(target) {
        let converted = convert_one(target, &path, from, to);
        if let Err(reason) = converted {
            first = first.and(Err(format!("{}: {reason}", path.display())));
            // It may have gone meanwhile.
            let _ = target.remove(&path);
        }
    }
    first
}

fn databases(target: &Target) -> Vec<PathBuf> {
    let top = Path::new(DATABASES);
    let languages = target.read_dir(top).unwrap_or_default();
    let directories = std::iter::once(top.to_owned()).chain(languages.iter().map(|name| top.join(name)));
    directories
        .map(|directory| directory.join(DATABASE))
        .filter(|path| {
            target
                .stat(path)
                .is_ok_and(|stat| stat.meta.kind == FileType::Regular)
        })
        .collect()
}

fn convert_one(target: &Target, path: &Path, from: Layout, to: Layout) -> Result<(), String> {
    let failed = |error: rootless_install_fs::Error| error.to_string();
    let meta = target.stat(path).map_err(failed)?.meta;
    let data = target.read(path).map_err(failed)?;
    match gdbm::convert(&data, from, to)? {
        Some(converted) => target.write(path, &converted, &meta).map_err(failed),
        None => Ok(()),
    }
}
