//! Names of paths and packages in the native architecture.

use deb_arch::{Architecture, replace_word};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Returns the path in the sysroot, relative to its root, of a path that a package of
/// `architecture` ships in the target: the triplet in it is the native one.
pub(super) fn native_path(path: &Path, architecture: &Architecture) -> PathBuf {
    let native = Architecture::native().triplet;
    let mapped = map_word(path, architecture.triplet, native);
    let relative = mapped.strip_prefix(b"/").unwrap_or(&mapped);
    PathBuf::from(OsStr::from_bytes(relative))
}

/// Returns the same with Debian's name of the architecture mapped, too.
pub(super) fn renamed_path(path: &Path, architecture: &Architecture) -> PathBuf {
    let path = native_path(path, architecture);
    let native = Architecture::native().name;
    let mapped = map_word(&path, architecture.name, native);
    PathBuf::from(OsStr::from_bytes(&mapped))
}

fn map_word(path: &Path, from: &str, to: &str) -> Vec<u8> {
    replace_word(path.as_os_str().as_bytes(), from.as_bytes(), to.as_bytes())
        .flatten()
        .copied()
        .collect()
}

/// Returns the name of a package's native counterpart: packages of a toolchain have the triplet in
/// their name, in the form that names allow.
pub(super) fn native_name(package: &str, architecture: &Architecture) -> String {
    let form = |arch: &Architecture| arch.triplet.replace('_', "-");
    package.replace(&form(architecture), &form(Architecture::native()))
}
