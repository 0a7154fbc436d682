//! What surrounds the target in the view: the private directory with the shim,
//! and the phantoms.

use super::InstallError;
use crate::arch::{Architecture, ByteOrder};
use crate::sysroot::SysrootError;
use crate::view::{DPKG_ROOT, PHANTOM_DIRECTORY, START_STOP_DAEMON};
use rootless_install_fs::{
    ElfIdentity, Error as TargetError, FileType, Meta, Phantom, PhantomKind, Redirect, ServeOptions, Target,
};
use shim_protocol::{Description, FOREIGN, names, paths};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What mmdebstrap puts in its place, too: nothing is started in a filesystem
/// being made. For a redirected target the shim answers the same.
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

/// Server threads: a script is one process as a rule, and a second request
/// comes from a pipeline.
const THREADS: usize = 2;

/// Makes the directory that appears in the view as [`PHANTOM_DIRECTORY`], with
/// the shim in it where something is redirected, and where the target's own
/// programs are executed what the shim would answer for them.
pub(super) fn create_private(
    scratch: &Path,
    redirected: bool,
    target: &Architecture,
    chrootless: bool,
) -> Result<PathBuf, InstallError> {
    let private = scratch.join("private");
    let mut description = Vec::new();
    Description {
        triplet: target.triplet.as_bytes(),
        machine: target.uname.as_bytes(),
    }
    .encode(&mut |piece| description.extend_from_slice(piece));
    let mut files: Vec<(&str, &[u8], u32)> = Vec::new();
    if redirected {
        files.extend([
            (names::SHIM, maintscript_shim::PROGRAM, 0o755),
            (names::LIBRARY_MAP, maintscript_shim::LIBRARY_MAP, 0o644),
            (names::DESCRIPTION, &description, 0o644),
        ]);
    }
    if chrootless || target == Architecture::native() {
        files.push((START_STOP_DAEMON, NOTHING_STARTS.as_bytes(), 0o755));
    }
    let write = || -> std::io::Result<()> {
        fs::create_dir(&private)?;
        fs::set_permissions(&private, fs::Permissions::from_mode(0o755))?;
        for (name, contents, mode) in files {
            let file = private.join(name);
            fs::write(&file, contents)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    };
    write().map_err(|source| InstallError::Write {
        path: private.clone(),
        source,
    })?;
    Ok(private)
}

/// Checks that a directory can be the native sysroot: a merged /usr with the
/// native dynamic loader.
pub(crate) fn check_native_system(directory: &Path) -> Result<(), SysrootError> {
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
pub(super) fn create_mount_points(sysroot: &Path) -> Result<(), InstallError> {
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
    write().map_err(|source| InstallError::Write {
        path: sysroot.to_owned(),
        source,
    })
}

/// The top directory of the native loader, where that is a phantom of its own.
fn loader_top() -> Option<&'static str> {
    let top = Architecture::native().loader.split('/').nth(1)?;
    (top != "lib").then_some(top)
}

/// A libc6 for this machine's architecture makes the link of its loader's
/// directory in `preinst` where there is none. Its phantom would be taken for
/// it, so the link is made before.
pub(super) fn make_hidden_link(target: &Target, preinst: Option<&[u8]>) -> Result<(), TargetError> {
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

/// What tells an architecture's programs from others.
fn identity(architecture: &Architecture) -> ElfIdentity {
    ElfIdentity {
        machine: architecture.elf_machine,
        class_bits: architecture.bits,
        big_endian: architecture.byte_order == ByteOrder::Big,
    }
}

fn phantom(path: &str, kind: PhantomKind) -> Phantom {
    Phantom {
        path: PathBuf::from(path),
        kind,
        with_parents: true,
    }
}

/// What every root directory of scripts has.
fn always() -> Vec<Phantom> {
    vec![
        phantom(PHANTOM_DIRECTORY, PhantomKind::Directory),
        phantom("/proc", PhantomKind::Directory),
        phantom("/dev", PhantomKind::Directory),
        // invoke-rc.d(8): no service is started in a filesystem being made.
        phantom(
            "/usr/sbin/policy-rc.d",
            PhantomKind::File {
                data: b"#!/bin/sh\nexit 101\n".to_vec(),
                mode: 0o755,
            },
        ),
    ]
}

/// How a native root is served.
pub(super) fn serve_native_root() -> ServeOptions {
    let mut phantoms = always();
    phantoms.push(phantom(DPKG_ROOT, PhantomKind::Directory));
    ServeOptions {
        phantoms,
        threads: THREADS,
        ..ServeOptions::default()
    }
}

/// How the view of a target with some foreign architectures is served;
/// `sysroot` is where on this machine the native sysroot is, if there is one.
pub(super) fn serve_options(
    target: &Architecture,
    foreign: &[&'static Architecture],
    sysroot: Option<PathBuf>,
) -> ServeOptions {
    let native = Architecture::native();
    let mut phantoms = always();
    let Some(sysroot) = sysroot else {
        return ServeOptions {
            phantoms,
            threads: THREADS,
            ..ServeOptions::default()
        };
    };
    let in_sysroot = |path: &str| PathBuf::from(format!("{}{path}", paths::SYSROOT));
    let merged = format!("/usr{}", native.loader);
    let libraries = format!("/usr/lib/{}", native.triplet);
    phantoms.push(phantom(&merged, PhantomKind::Symlink(in_sysroot(&merged))));
    // Where the target has no such directory, the top looks as base-files wants
    // it: links into /usr. /lib itself is always the target's own.
    if let Some(top) = loader_top() {
        phantoms.push(phantom(
            &format!("/{top}"),
            PhantomKind::Symlink(Path::new("usr").join(top)),
        ));
    }
    // The second is for a target whose /usr is not merged (yet). Where the target
    // has native libraries itself, native tools find theirs beside those.
    for path in [libraries.as_str(), libraries.trim_start_matches("/usr")] {
        let overlay = PhantomKind::Overlay {
            link: in_sysroot(&libraries),
            source: sysroot.join(libraries.trim_start_matches('/')),
        };
        // Of an unmerged target /lib is its own, and a script that merges it replaces it.
        phantoms.push(Phantom {
            with_parents: path.starts_with("/usr"),
            ..phantom(path, overlay)
        });
    }
    let of_foreign = |program: &&'static Architecture| {
        let argument = format!("{}{}{}", target.name, char::from(FOREIGN), program.name);
        (identity(program), argument)
    };
    ServeOptions {
        phantoms,
        redirect: Some(Redirect {
            interpreter: PathBuf::from(paths::SHIM),
            argument: Some(target.name.to_owned()),
            arguments: std::iter::once((identity(target), target.name.to_owned()))
                .chain(foreign.iter().map(of_foreign))
                .collect(),
            native: identity(native),
        }),
        threads: THREADS,
        ..ServeOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_foreign_architectures_are_told_apart() {
        let by_name = |name| Architecture::by_name(name).unwrap();
        let options = serve_options(
            by_name("riscv64"),
            &[by_name("arm64"), by_name("s390x")],
            Some("/x".into()),
        );
        let redirect = options.redirect.unwrap();
        let argument = |name| {
            let wanted = identity(by_name(name));
            redirect
                .arguments
                .iter()
                .find(|(is, _)| *is == wanted)
                .unwrap()
                .1
                .clone()
        };
        assert_eq!(argument("riscv64"), "riscv64");
        assert_eq!(argument("arm64"), "riscv64+arm64");
        assert_eq!(argument("s390x"), "riscv64+s390x");
        assert!(serve_options(by_name("riscv64"), &[], None).redirect.is_none());
    }

    #[test]
    fn the_loaders_link_is_made_where_a_script_would_make_it() {
        let Some(top) = loader_top() else { return };
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        let usr = Meta::of_root(FileType::Directory, 0o755);
        target.make_dir(Path::new("/usr"), &usr).unwrap();
        let link = Path::new("/").join(top);
        make_hidden_link(&target, Some(b"#!/bin/sh\n: nothing\n")).unwrap();
        assert!(target.stat(&link).is_err());
        let script = format!("#!/bin/sh\nln -s usr/{top} \"$DPKG_ROOT/{top}\"\n");
        make_hidden_link(&target, Some(script.as_bytes())).unwrap();
        make_hidden_link(&target, Some(script.as_bytes())).unwrap();
        assert_eq!(target.read_link(&link).unwrap(), Path::new("usr").join(top));
    }

    #[test]
    fn a_directory_without_a_system_is_refused() {
        let empty = tempfile::tempdir().unwrap();
        let error = check_native_system(empty.path()).unwrap_err();
        assert!(error.to_string().contains("usr/bin/sh"));
    }
}
