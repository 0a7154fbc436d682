//! The chrootless wrappers: links to the shim by the names of programs, in the first directory of `PATH`.
//!
//! For the programs of a native root they are made once and kept in the cache: they are mounted where a session has none
//! of its own.

use md5::{Digest, Md5};
use shim_protocol::names;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Directories of programs that are in `PATH`, in a root filesystem with merged or unmerged /usr.
const PROGRAMS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

/// Has the private directory show wrappers of the cache for the programs of a native root: an empty directory on which
/// they are mounted, and a link that says where they are. They are made where the cache has none, or others than it
/// should.
///
/// # Errors
/// A directory or a link cannot be made.
pub(super) fn share(private: &Path, cache: &Path, list: impl Fn(&str) -> Vec<OsString>) -> io::Result<()> {
    let names = all(list);
    let mut hash = Md5::new();
    for name in &names {
        hash.update(name.as_bytes());
        hash.update(b"\0");
    }
    let kept = cache.join(names::WRAPPERS_KEPT);
    let path = kept.join(deb_types::hex(&hash.finalize()));
    if !is_whole(&path, &names) {
        fs::create_dir_all(&kept)?;
        let work = tempfile::Builder::new().prefix(".new-").tempdir_in(&kept)?;
        let new = work.path().join("wrappers");
        make(&new, &names)?;
        // Those that are not right: under their name there is nothing from now on.
        let _ = fs::rename(&path, work.path().join("damaged"));
        match fs::rename(&new, &path) {
            // Another run has made them meanwhile.
            Err(_) if path.is_dir() => {}
            renamed => renamed?,
        }
    }
    fs::create_dir(private.join(names::WRAPPERS))?;
    symlink(path, private.join(names::WRAPPERS_KEPT))
}

/// Makes the directory of wrappers in the private directory: a link to the shim for each program of the
/// directories in `PATH`. `list` returns the names in a directory of the script root.
///
/// # Errors
/// The directory or a link cannot be made.
pub(super) fn create(private: &Path, list: impl Fn(&str) -> Vec<OsString>) -> io::Result<()> {
    make(&private.join(names::WRAPPERS), &all(list))
}

/// Returns the names of all programs; several directories may have one of the same name.
fn all(list: impl Fn(&str) -> Vec<OsString>) -> BTreeSet<OsString> {
    PROGRAMS.iter().flat_map(|directory| list(directory)).collect()
}

/// Returns the text of every link.
fn to_shim() -> PathBuf {
    Path::new("..").join(names::SHIM)
}

fn make(directory: &Path, names: &BTreeSet<OsString>) -> io::Result<()> {
    fs::create_dir(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    names
        .iter()
        .try_for_each(|name| symlink(to_shim(), directory.join(name)))
}

fn is_whole(directory: &Path, names: &BTreeSet<OsString>) -> bool {
    let Ok(entries) = fs::read_dir(directory) else {
        return false;
    };
    let there: BTreeSet<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
    let shim = to_shim();
    let leads = |name: &OsString| fs::read_link(directory.join(name)).is_ok_and(|text| text == shim);
    there == *names && names.iter().all(leads)
}

/// Returns the names in a directory of this machine; none where it cannot be read.
pub(super) fn names_on_machine(directory: &str) -> Vec<OsString> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootless_install_fs::Target;

    #[test]
    fn every_program_has_the_shim_in_front_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let (root, private) = (directory.path().join("root"), directory.path().join("private"));
        for made in ["root", "root/usr", "root/usr/bin", "root/usr/sbin", "private"] {
            fs::create_dir(directory.path().join(made)).unwrap();
        }
        fs::write(root.join("usr/bin/a"), "").unwrap();
        fs::write(root.join("usr/sbin/b"), "").unwrap();
        symlink("usr/bin", root.join("bin")).unwrap();
        let target = Target::open(&root).unwrap();
        let names = |directory: &str| target.read_dir(Path::new(directory)).unwrap_or_default();
        for session in ["one", "two", "damaged"] {
            if session == "damaged" {
                let kept = fs::read_dir(directory.path().join("cache/wrappers")).unwrap();
                let kept = kept.flatten().next().unwrap().path();
                fs::remove_file(kept.join("b")).unwrap();
            }
            let private = directory.path().join(session);
            fs::create_dir(&private).unwrap();
            share(&private, &directory.path().join("cache"), names).unwrap();
            assert!(private.join(names::WRAPPERS).is_dir());
            let kept = private.join(names::WRAPPERS_KEPT);
            assert_eq!(fs::read_link(kept.join("b")).unwrap(), Path::new("../shim"));
        }
        assert_eq!(
            fs::read_dir(directory.path().join("cache/wrappers"))
                .unwrap()
                .count(),
            1
        );
        create(&private, names).unwrap();
        for name in ["a", "b"] {
            let link = fs::read_link(private.join(names::WRAPPERS).join(name)).unwrap();
            assert_eq!(link, Path::new("../shim"));
        }
    }
}
