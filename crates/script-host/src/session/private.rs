//! The private directory: files of this program that scripts find beside the target's own.

use super::SessionError;
use super::interpreters;
use super::serving::loader_top;
use crate::sysroot::SysrootError;
use crate::view::START_STOP_DAEMON;
use deb_arch::Architecture;
use rootless_install_fs::{Error as TargetError, FileType, Meta, Target};
use shim_protocol::{Description, names};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Contents of start-stop-daemon, the same as mmdebstrap's: nothing is started in a filesystem
/// that is being made. For a redirected target the shim answers the same.
static NOTHING_STARTS: &str =
    "#!/bin/sh\necho\necho \"Warning: Fake start-stop-daemon called, doing nothing\"\n";

/// Directories of a native system that have programs and libraries.
const NATIVE_DIRECTORIES: [&str; 7] = [
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/lib32",
    "usr/lib64",
    "usr/libx32",
    "usr/libexec",
];

/// Makes the directory that appears in the view as [`PHANTOM_DIRECTORY`](crate::view::PHANTOM_DIRECTORY), with
/// the shim in it where programs are redirected (`redirected`), and a start-stop-daemon where the target's own
/// programs are executed.
pub(super) fn create(
    private: &Path,
    redirected: bool,
    target: &Architecture,
    chrootless: bool,
) -> Result<(), SessionError> {
    let mut description = Vec::new();
    Description {
        triplet: target.triplet.as_bytes(),
        machine: target.uname.as_bytes(),
    }
    .encode(&mut |piece| description.extend_from_slice(piece));
    let [ruby, node, guile] = [
        interpreters::ruby(target),
        interpreters::node(target),
        interpreters::guile(target),
    ];
    let mut files: Vec<(&str, &[u8], u32)> = Vec::new();
    if redirected {
        files.extend([
            (names::SHIM, maintscript_shim::PROGRAM, 0o755),
            (names::LIBRARY_MAP, maintscript_shim::LIBRARY_MAP, 0o644),
            (names::DESCRIPTION, &description, 0o644),
            (names::RUBY_START, ruby.as_bytes(), 0o644),
            (names::GUILE_START, guile.as_bytes(), 0o644),
            (names::NODE_START, node.as_bytes(), 0o644),
            (names::R_START, interpreters::R.as_bytes(), 0o644),
        ]);
    }
    if chrootless || target == Architecture::native() {
        files.push((START_STOP_DAEMON, NOTHING_STARTS.as_bytes(), 0o755));
    }
    let write = || -> std::io::Result<()> {
        fs::create_dir(private)?;
        fs::set_permissions(private, fs::Permissions::from_mode(0o755))?;
        for (name, contents, mode) in files {
            let file = private.join(name);
            fs::write(&file, contents)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    };
    write().map_err(|source| SessionError::Write {
        path: private.to_owned(),
        source,
    })
}

/// Checks that a directory can be the native sysroot: it has a merged /usr with the
/// native dynamic loader.
///
/// # Errors
/// [`SysrootError::NotASystem`] names the file that is missing.
pub fn check_native_system(directory: &Path) -> Result<(), SysrootError> {
    let missing = |missing| {
        Err(SysrootError::NotASystem {
            path: directory.to_owned(),
            missing,
        })
    };
    if !directory.join("usr/bin/sh").exists() {
        return missing("usr/bin/sh");
    }
    let loader = Architecture::native().loader.trim_start_matches('/');
    if !directory.join("usr").join(loader).exists() {
        return missing("native dynamic loader below usr/");
    }
    Ok(())
}

/// Makes the directories on which those of a native system are mounted.
pub(super) fn create_mount_points(sysroot: &Path) -> Result<(), SessionError> {
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(sysroot.join("usr"))?;
        for name in NATIVE_DIRECTORIES {
            fs::create_dir_all(sysroot.join(name))?;
        }
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            std::os::unix::fs::symlink(Path::new("usr").join(name), sysroot.join(name))?;
        }
        Ok(())
    };
    write().map_err(|source| SessionError::Write {
        path: sysroot.to_owned(),
        source,
    })
}

/// Makes the link of the native loader's directory, where `preinst` would make it: that of a libc6 for this
/// machine's architecture does where there is none, and would take the phantom for it.
pub(super) fn make_loader_link(target: &Target, preinst: Option<&[u8]>) -> Result<(), TargetError> {
    let (Some(top), Some(script)) = (loader_top(), preinst) else {
        return Ok(());
    };
    let text = Path::new("usr").join(top);
    let made = format!("ln -s {} ", text.display()).into_bytes();
    if !script.windows(made.len()).any(|part| part == made) {
        return Ok(());
    }
    let done = [
        target.make_symlink(
            &Path::new("/").join(top),
            &text,
            &Meta::of_root(FileType::Symlink, 0o777),
        ),
        target.make_dir(
            &Path::new("/").join(&text),
            &Meta::of_root(FileType::Directory, 0o755),
        ),
    ];
    done.into_iter().try_for_each(|done| match done {
        Err(error) if error.is_already_exists() => Ok(()),
        done => done,
    })
}

#[cfg(test)]
mod tests {
    use super::super::serving::loader_top;
    use super::*;

    #[test]
    fn the_loaders_link_is_made_where_a_script_would_make_it() {
        let Some(top) = loader_top() else { return };
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        let usr = Meta::of_root(FileType::Directory, 0o755);
        target.make_dir(Path::new("/usr"), &usr).unwrap();
        let link = Path::new("/").join(top);
        make_loader_link(&target, Some(b"#!/bin/sh\n: nothing\n")).unwrap();
        assert!(target.stat(&link).is_err());
        let script = format!("#!/bin/sh\nln -s usr/{top} \"$DPKG_ROOT/{top}\"\n");
        make_loader_link(&target, Some(script.as_bytes())).unwrap();
        make_loader_link(&target, Some(script.as_bytes())).unwrap();
        assert_eq!(target.read_link(&link).unwrap(), Path::new("usr").join(top));
    }

    #[test]
    fn a_directory_without_a_system_is_refused() {
        let empty = tempfile::tempdir().unwrap();
        let error = check_native_system(empty.path()).unwrap_err();
        assert!(error.to_string().contains("usr/bin/sh"));
    }
}
