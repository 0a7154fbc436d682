//! The sysroot as a directory: packages unpacked once into a store, and a tree
//! of hard links composed of them.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

/// Returns the path in a sysroot, under the merged /usr, of a path of a package; `None` when it is not
/// kept, as all but programs and libraries.
///
/// The result has normal components only, so it cannot leave the directory it
/// is joined to.
pub(super) fn kept(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    let mut components = clean.components();
    let first = components.next()?.as_os_str().to_str()?.to_owned();
    // At the top there are only the links of the merged /usr, which exist already.
    components.next()?;
    if first == "bin" || first == "sbin" || first.starts_with("lib") {
        clean = Path::new("usr").join(clean);
    }
    let mut parts = clean.components().skip(1);
    let second = parts.next()?.as_os_str().to_str()?.to_owned();
    let kept = clean.starts_with("usr") && (second == "bin" || second == "sbin" || second.starts_with("lib"));
    // Kernel modules, firmware and detached debug symbols are large and never executed.
    let useless = ["usr/lib/modules", "usr/lib/firmware", "usr/lib/debug"];
    (kept && !useless.iter().any(|prefix| clean.starts_with(prefix))).then_some(clean)
}

/// Makes an empty sysroot: the links of the merged /usr (file-hierarchy(7)).
pub(super) fn create(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root.join("usr"))?;
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        fs::create_dir_all(root.join("usr").join(name))?;
        match symlink(Path::new("usr").join(name), root.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Adds an unpacked package to a sysroot. Files that are there already stay: where two
/// packages ship one path, one of them diverts it.
pub(super) fn link(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, destination) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        let done = if kind.is_dir() {
            match fs::create_dir(&destination) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
            link(&source, &destination)
        } else {
            link_one(&source, &destination, &kind)
        };
        done?;
    }
    Ok(())
}

/// Adds a file or link, unless its path exists.
fn link_one(source: &Path, destination: &Path, kind: &fs::FileType) -> io::Result<()> {
    let done = if kind.is_symlink() {
        symlink(fs::read_link(source)?, destination)
    } else {
        match fs::hard_link(source, destination) {
            // Too many links to one inode, or a store on another filesystem.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EMLINK | libc::EXDEV | libc::EPERM)
                ) =>
            {
                fs::copy(source, destination).map(drop)
            }
            linked => linked,
        }
    };
    match done {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// Follows a diversion: removes the files at `from` and `to`, then links each of `files` at its
/// path.
pub(super) fn divert(root: &Path, from: &Path, to: &Path, files: &[(PathBuf, &PathBuf)]) -> io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    for path in [from, to] {
        match fs::remove_file(root.join(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for (source, name) in files {
        if let Some(above) = name.parent() {
            make_directories(root, above)?;
        }
        link_one(
            source,
            &root.join(name),
            &fs::symlink_metadata(source)?.file_type(),
        )?;
    }
    Ok(())
}

/// Makes a directory and those above it, readable for everybody: no user of
/// the view owns files of the sysroot.
pub(super) fn make_directories(root: &Path, below: &Path) -> io::Result<()> {
    let mut path = root.to_owned();
    for component in below.components() {
        path.push(component);
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                made?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_and_libraries_are_kept() {
        let kept = |p: &str| kept(Path::new(p)).map(|p| p.to_string_lossy().into_owned());
        assert_eq!(kept("./bin/true").as_deref(), Some("usr/bin/true"));
        assert_eq!(kept("./usr/lib64/ld.so").as_deref(), Some("usr/lib64/ld.so"));
        assert_eq!(kept("/usr/libexec/x/y").as_deref(), Some("usr/libexec/x/y"));
        for nothing in [
            "./usr/share/doc/x",
            "./etc/passwd",
            "./usr",
            "./lib64",
            "./usr/lib/../../x",
            "./usr/lib/modules/6/x",
            ".",
        ] {
            assert_eq!(kept(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn packages_are_composed() {
        let dir = tempfile::tempdir().unwrap();
        let (package, root) = (dir.path().join("package"), dir.path().join("root"));
        make_directories(&package, Path::new("usr/bin")).ok();
        fs::create_dir_all(package.join("usr/bin")).unwrap();
        fs::write(package.join("usr/bin/tool"), "native").unwrap();
        symlink("tool", package.join("usr/bin/alias")).unwrap();
        create(&root).unwrap();
        link(&package, &root).unwrap();
        link(&package, &root).unwrap();
        assert_eq!(fs::read_to_string(root.join("bin/alias")).unwrap(), "native");
    }
}
