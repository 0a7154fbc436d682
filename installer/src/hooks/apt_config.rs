//! A configuration with which the machine's own apt works in the target, for hooks (`MMDEBSTRAP_APT_CONFIG`).

use deb_arch::Architecture;
use rootless_install_fs::{Error, FileType, Meta, Target};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Its path in the target.
pub const FILE: &str = "/tmp/mmdebstrap.apt.conf";

/// Writes it, and returns its path as hooks see it: `root` is that of the target. `keyrings` are files or directories
/// of keys, the machine's own where there are none.
///
/// # Errors
/// Those of writing to the target.
pub(super) fn write(
    target: &Target,
    root: &Path,
    arch: &'static Architecture,
    foreign: &[&'static Architecture],
    keyrings: &[PathBuf],
) -> Result<PathBuf, Error> {
    let mut text = String::new();
    let mut set = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name} \"{value}\";");
    };
    let shown = root.to_string_lossy();
    set("Apt::Architecture", arch.name);
    let all: Vec<String> = std::iter::once(arch)
        .chain(foreign.iter().copied())
        .map(|arch| format!("\"{}\"; ", arch.name))
        .collect();
    set("Dir", &shown);
    set("DPkg::Chroot-Directory", &shown);
    set("Dir::State::Status", &format!("{shown}/var/lib/dpkg/status"));
    let (directories, files): (Vec<&PathBuf>, Vec<&PathBuf>) =
        keyrings.iter().partition(|path| path.is_dir());
    let or = |given: Option<&&PathBuf>, machine: &str| {
        given.map_or_else(|| machine.to_owned(), |path| path.to_string_lossy().into_owned())
    };
    set("Dir::Etc::Trusted", &or(files.last(), "/etc/apt/trusted.gpg"));
    set(
        "Dir::Etc::TrustedParts",
        &or(directories.last(), "/etc/apt/trusted.gpg.d/"),
    );
    set("pkgCacheGen::ForceEssential", ",");
    // Another user cannot reach the target, which is below a directory of the user's own.
    set("APT::Sandbox::User", "root");
    let text = format!("Apt::Architectures {{ {}}};\n{text}", all.concat());
    let file = Path::new(FILE);
    target.write(file, text.as_bytes(), &Meta::of_root(FileType::Regular, 0o644))?;
    Ok(root.join(FILE.trim_start_matches('/')))
}
