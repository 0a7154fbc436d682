//! What surrounds the target in the view: the private directory with the shim,
//! and the phantoms.

use super::InstallError;
use crate::arch::{Architecture, ByteOrder};
use crate::sysroot::SysrootError;
use crate::view::{PHANTOM_DIRECTORY, START_STOP_DAEMON};
use rootless_install_fs::{ElfIdentity, Phantom, PhantomKind, Redirect, ServeOptions};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The static helper, as the build script made it.
static SHIM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/maintscript-shim"));

/// Tells the dynamic loader of native programs where their libraries are.
static AUDIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/audit.so"));

/// The same for tools that load modules of the target, and more.
static LIBRARIES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/library-map.so"));

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
/// the shim in it, or where nothing is redirected what the shim would answer.
pub(super) fn create_private(
    scratch: &Path,
    redirected: Option<&Architecture>,
) -> Result<PathBuf, InstallError> {
    let private = scratch.join("private");
    let description = redirected.map(|target| format!("{}\n{}\n", target.triplet, target.uname));
    let files: Vec<(&str, &[u8], u32)> = match &description {
        Some(description) => vec![
            ("shim", SHIM, 0o755),
            ("audit.so", AUDIT, 0o644),
            ("libraries.so", LIBRARIES, 0o644),
            ("target", description.as_bytes(), 0o644),
        ],
        None => vec![(START_STOP_DAEMON, NOTHING_STARTS.as_bytes(), 0o755)],
    };
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
pub(super) fn check_native_system(directory: &Path) -> Result<(), SysrootError> {
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

/// How the view is served.
pub(super) fn serve_options(target: &Architecture, redirected: bool) -> ServeOptions {
    let native = Architecture::native();
    let phantom = |path: &str, kind| Phantom {
        path: PathBuf::from(path),
        kind,
    };
    let mut phantoms = vec![
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
    ];
    if !redirected {
        return ServeOptions {
            phantoms,
            redirect: None,
            threads: THREADS,
        };
    }
    let in_sysroot = |path: &str| PathBuf::from(format!("{PHANTOM_DIRECTORY}/sysroot{path}"));
    let merged = format!("/usr{}", native.loader);
    let libraries = format!("/usr/lib/{}", native.triplet);
    phantoms.push(phantom(&merged, PhantomKind::Symlink(in_sysroot(&merged))));
    // Where the target has no such directory, the top looks as base-files wants
    // it: links into /usr. /lib itself is always the target's own.
    let top = native.loader.split('/').nth(1).unwrap_or_default();
    if top != "lib" {
        phantoms.push(phantom(
            &format!("/{top}"),
            PhantomKind::Symlink(Path::new("usr").join(top)),
        ));
    }
    // The second is for a target whose /usr is not merged (yet).
    for path in [libraries.as_str(), libraries.trim_start_matches("/usr")] {
        phantoms.push(phantom(path, PhantomKind::Symlink(in_sysroot(&libraries))));
    }
    ServeOptions {
        phantoms,
        redirect: Some(Redirect {
            interpreter: PathBuf::from(format!("{PHANTOM_DIRECTORY}/shim")),
            argument: Some(target.name.to_owned()),
            native: ElfIdentity {
                machine: native.elf_machine,
                class_bits: native.bits,
                big_endian: native.byte_order == ByteOrder::Big,
            },
        }),
        threads: THREADS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shim_is_static_and_native() {
        assert_eq!(SHIM.get(..4), Some(&b"\x7fELF"[..]));
        let needed = b"/lib64/ld-linux";
        assert!(
            !SHIM.windows(needed.len()).any(|window| window == needed),
            "the shim has an interpreter"
        );
    }

    /// It is loaded by the C library of the sysroot, which may be an old one.
    #[test]
    fn the_library_map_needs_the_c_library_only() {
        assert_eq!(LIBRARIES.get(..4), Some(&b"\x7fELF"[..]));
        let has = |text: &[u8]| LIBRARIES.windows(text.len()).any(|window| window == text);
        assert!(has(b"la_objsearch") && has(b"libc.so.6"));
        let recent = if cfg!(target_arch = "x86_64") {
            "GLIBC_2.3"
        } else {
            "GLIBC_2.9"
        };
        for other in ["libgcc_s", "ld-linux", "rust_eh_personality", recent] {
            assert!(!has(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_directory_without_a_system_is_refused() {
        let empty = tempfile::tempdir().unwrap();
        let error = check_native_system(empty.path()).unwrap_err();
        assert!(error.to_string().contains("usr/bin/sh"));
    }
}
