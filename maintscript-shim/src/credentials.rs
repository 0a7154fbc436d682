//! Set-id programs of the target. The kernel gives none of their rights away (`no_new_privs`), and need not: root's
//! scripts may take every id of the target themselves.

use crate::sys::{self, Ids};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bits of a mode (inode(7)).
const SET_USER: u32 = 0o4000;
const SET_GROUP: u32 = 0o2000;
const GROUP_EXECUTES: u32 = 0o010;

/// Takes the ids that the kernel would give a process of root that executes the program (execve(2)). One of another
/// user keeps its own.
pub(crate) fn take(program: &Path) {
    if let Ok(file) = std::fs::metadata(program)
        && let Some((user, group)) = given_by(&file)
        && sys::effective_user() == 0
    {
        sys::set_ids((user, group), with_real_ids());
    }
}

/// Returns the user and the group that the program runs as, where it does not run as its caller.
fn given_by(file: &Metadata) -> Option<Ids> {
    let mode = file.mode();
    // Without the right to execute, the bit of the group means locking (inode(7)).
    let group = mode & SET_GROUP != 0 && mode & GROUP_EXECUTES != 0;
    let ids = (
        // Root runs as root.
        (mode & SET_USER != 0 && file.uid() != 0).then_some(file.uid()),
        group.then_some(file.gid()),
    );
    (ids != (None, None)).then_some(ids)
}

/// Returns whether the real ids have to be the same: before Linux 6.16 a process without the right to get new ones
/// loses effective ids that differ from them with the next execution (`cap_bprm_creds_from_file` in its source).
fn with_real_ids() -> bool {
    let [_, _, release, _] = sys::kernel();
    let release = release.to_string_lossy().into_owned();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
    (next(), next()) < (6, 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn bits_that_count() {
        let file = tempfile();
        let given = |mode| {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let found = std::fs::metadata(&file).unwrap();
            (given_by(&found), found.gid())
        };
        assert_eq!(given(0o755).0, None);
        let (ids, gid) = given(0o2755);
        assert_eq!(ids, Some((None, Some(gid))));
        assert_eq!(given(0o2745).0, None);
        std::fs::remove_file(file).unwrap();
    }

    fn tempfile() -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("shim-credentials-{}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        path
    }
}
