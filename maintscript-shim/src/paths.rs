//! Multiarch triplets, and where things are in the view.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

pub(crate) use deb_arch::Architecture;
use deb_arch::{Described, NATIVE};
use shim_protocol::{FOREIGN, paths};

/// Triplet of the machine this helper was built for.
pub(crate) const NATIVE_TRIPLET: &str = NATIVE.triplet;

/// Directory in which native programs find locales that scripts make, when the target's are of
/// another byte order. It is not in the result.
pub(crate) const LOCALES: &str = "/dev/shm/rootless-install-locales";

/// Looks up the target architecture by the word for it: Debian's name, or a description.
pub(crate) fn target(word: &OsStr) -> Option<&'static Architecture> {
    let word = word.to_str()?;
    Architecture::by_name(word).or_else(|| {
        // One process has one, or two.
        Described::of_word(word)?;
        let word: &'static str = Box::leak(word.to_owned().into_boxed_str());
        Some(Box::leak(Box::new(Described::of_word(word)?.architecture())))
    })
}

/// The target's architecture, and that of the program where it is another one:
/// `riscv64`, or `riscv64+arm64`.
pub(crate) fn target_and_program(argument: &OsStr) -> Option<(&'static Architecture, &'static Architecture)> {
    let bytes = argument.as_bytes();
    match bytes.iter().position(|&b| b == FOREIGN) {
        None => target(argument).map(|arch| (arch, arch)),
        Some(at) => {
            let (first, second) = (bytes.get(..at)?, bytes.get(at + 1..)?);
            Some((
                target(OsStr::from_bytes(first))?,
                target(OsStr::from_bytes(second))?,
            ))
        }
    }
}
/// Byte order of the machine this helper was built for.
pub(crate) const NATIVE_BIG_ENDIAN: bool = NATIVE.is_big_endian();

/// Returns `path` with each whole triplet `from` in it replaced by `to`.
pub(crate) fn map_triplet(path: &[u8], from: &str, to: &str) -> Vec<u8> {
    deb_arch::replace_word(path, from.as_bytes(), to.as_bytes())
        .flatten()
        .copied()
        .collect()
}

/// Returns dpkg's administrative directory: the value of `DPKG_ADMINDIR`, else that of a root (dpkg(1)).
pub(crate) fn admin_directory(root: &[u8]) -> Vec<u8> {
    admin_or_default(root, std::env::var_os("DPKG_ADMINDIR"))
}

fn admin_or_default(root: &[u8], variable: Option<OsString>) -> Vec<u8> {
    let given = variable.map(OsString::into_vec);
    given
        .filter(|given| given.starts_with(b"/"))
        .unwrap_or_else(|| [root, b"/var/lib/dpkg"].concat())
}

/// A path of a program under the merged /usr.
pub(crate) fn merged(path: &[u8]) -> Vec<u8> {
    let unmerged = [&b"/bin/"[..], b"/sbin/"]
        .iter()
        .any(|begin| path.starts_with(begin));
    let top: &[u8] = if unmerged { b"/usr" } else { b"" };
    [top, path].concat()
}

/// Returns the path of a target path's counterpart in the native sysroot.
pub(crate) fn in_sysroot(arch: &Architecture, path: &OsStr) -> OsString {
    let mut native = paths::SYSROOT.as_bytes().to_vec();
    native.extend(map_triplet(path.as_bytes(), arch.triplet, NATIVE_TRIPLET));
    OsString::from_vec(native)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_directory_is_the_variables_or_the_roots() {
        let admin = |root: &str, given: Option<&str>| {
            String::from_utf8(admin_or_default(root.as_bytes(), given.map(OsString::from))).unwrap()
        };
        assert_eq!(admin("/target", None), "/target/var/lib/dpkg");
        assert_eq!(admin("", Some("")), "/var/lib/dpkg");
        assert_eq!(admin("/target", Some("/elsewhere")), "/elsewhere");
    }

    #[test]
    fn the_program_may_be_of_another_architecture() {
        let names = |argument: &str| target_and_program(OsStr::new(argument)).map(|(a, b)| (a.name, b.name));
        assert_eq!(names("riscv64"), Some(("riscv64", "riscv64")));
        assert_eq!(names("riscv64+arm64"), Some(("riscv64", "arm64")));
        assert_eq!(names("riscv64+"), None);
        assert_eq!(names("vax"), None);
    }

    #[test]
    fn sysroot_paths() {
        let arch = target(OsStr::new("riscv64")).unwrap();
        let path = in_sysroot(arch, OsStr::new("/usr/lib/riscv64-linux-gnu/tool"));
        assert_eq!(
            path,
            OsStr::new(&format!(
                "/.rootless-install/sysroot/usr/lib/{NATIVE_TRIPLET}/tool"
            ))
        );
    }
}
