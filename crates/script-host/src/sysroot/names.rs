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

/// Returns the same with another name of the architecture mapped, too: Debian's, that of uname(2), GNU's, or that
/// of Node.js (`napi-v6-linux-glibc-x64`).
pub(super) fn renamed_paths(path: &Path, architecture: &Architecture) -> impl Iterator<Item = PathBuf> {
    let path = native_path(path, architecture);
    let names = |arch: &Architecture| [arch.name, arch.uname, arch.gnu_cpu, arch.node_name()];
    let pairs = names(architecture).into_iter().zip(names(Architecture::native()));
    pairs.map(move |(from, to)| PathBuf::from(OsStr::from_bytes(&map_word(&path, from, to))))
}

fn map_word(path: &Path, from: &str, to: &str) -> Vec<u8> {
    replace_word(path.as_os_str().as_bytes(), from.as_bytes(), to.as_bytes())
        .flatten()
        .copied()
        .collect()
}

/// Returns the name of an architecture's machine in names of packages: that which compilers have for it, which is `i686` for
/// i386, in the form that names allow.
pub(super) fn machine_in_names(architecture: &Architecture) -> String {
    let (_, system) = architecture.triplet.split_once('-').unwrap_or_default();
    format!("{}-{system}", architecture.gnu_cpu).replace('_', "-")
}

/// Returns the name of a package's native counterpart: packages of a toolchain have the name of the machine in theirs.
pub(super) fn native_name(package: &str, architecture: &Architecture) -> String {
    package.replace(
        &machine_in_names(architecture),
        &machine_in_names(Architecture::native()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_toolchains() {
        for (name, package) in [
            ("i386", "gcc-14-i686-linux-gnu"),
            ("riscv64", "gcc-14-riscv64-linux-gnu"),
            ("amd64", "gcc-14-x86-64-linux-gnu"),
            ("armhf", "gcc-14-arm-linux-gnueabihf"),
        ] {
            let arch = Architecture::by_name(name).unwrap();
            let native = format!("gcc-14-{}", machine_in_names(Architecture::native()));
            assert_eq!(native_name(package, arch), native);
            assert_eq!(native_name("gcc-14", arch), "gcc-14");
        }
    }

    #[test]
    fn paths_with_other_names_of_the_architecture() {
        let arch = Architecture::by_name("riscv64").unwrap();
        let native = Architecture::native();
        let path = Path::new("/usr/lib/riscv64-linux-gnu/nodejs/x/linux-glibc-riscv64/x.node");
        let expected = |name: &str| {
            let triplet = native.triplet;
            PathBuf::from(format!("usr/lib/{triplet}/nodejs/x/linux-glibc-{name}/x.node"))
        };
        if native != arch {
            let found: Vec<PathBuf> = renamed_paths(path, arch).collect();
            assert!(found.contains(&expected(native.node_name())), "{found:?}");
            assert!(found.contains(&expected(native.name)), "{found:?}");
        }
    }
}
