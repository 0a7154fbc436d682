//! Programs of the root that are executed by their path from outside of it: what they are
//! called there, and that the installer is told.

use super::report::{self, Finding};
use crate::base_name;
use shim_protocol::ViolationKind;
use shim_protocol::paths::CONTROL;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Returns the path in the root of a path that leads there from outside.
pub(crate) fn inside(path: &Path) -> Option<PathBuf> {
    below(&super::root(std::env::var_os("DPKG_ROOT"))?, path)
}

fn below(root: &[u8], path: &Path) -> Option<PathBuf> {
    let rest = path.as_os_str().as_bytes().strip_prefix(root)?;
    match rest {
        b"" => Some(PathBuf::from("/")),
        [b'/', ..] => Some(PathBuf::from(OsStr::from_bytes(rest))),
        _ => None,
    }
}

/// Reports that `called`, a program of the root, is executed; `helped` says that a program of this
/// machine stands in for it.
pub(crate) fn tell(called: &OsStr, helped: bool) {
    let finding = Finding {
        kind: ViolationKind::TargetBinary,
        subject: called.as_bytes().to_vec(),
        helped,
    };
    report::report(Path::new(CONTROL), base_name(called), &finding);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_the_root() {
        let below = |path: &str| below(b"/target", Path::new(path));
        assert_eq!(
            below("/target/usr/bin/tool"),
            Some(PathBuf::from("/usr/bin/tool"))
        );
        assert_eq!(below("/target"), Some(PathBuf::from("/")));
        for other in ["/targets/usr/bin/tool", "/usr/bin/tool", "tool"] {
            assert_eq!(below(other), None, "{other}");
        }
    }
}
