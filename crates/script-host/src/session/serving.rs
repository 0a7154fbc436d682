//! How the FUSE server shows the target and a native root: phantoms and redirected programs.

use crate::view::{DPKG_ROOT, PHANTOM_DIRECTORY};
use deb_arch::Architecture;
use rootless_install_fs::{Parents, Phantom, PhantomKind, Redirect, ServeOptions};
use shim_protocol::{FOREIGN, paths};
use std::path::{Path, PathBuf};

/// The program that says whether a service may be started (invoke-rc.d(8)).
pub mod policy {
    /// Its path.
    pub const FILE: &str = "/usr/sbin/policy-rc.d";
    /// Text of one that forbids it.
    pub const TEXT: &str = "#!/bin/sh\nexit 101\n";
}

/// Server threads: a script is one process as a rule, and a second request
/// comes from a pipeline.
const THREADS: usize = 2;

/// Returns the top directory of the native loader, such as `lib64`; none where it is `lib`, which every target has.
pub(super) fn loader_top() -> Option<&'static str> {
    let top = Architecture::native().loader.split('/').nth(1)?;
    (top != "lib").then_some(top)
}

fn phantom(path: &str, kind: PhantomKind) -> Phantom {
    Phantom {
        path: PathBuf::from(path),
        kind,
        parents: Parents::Shown,
    }
}

/// Returns the phantoms of every root directory of scripts.
fn always() -> Vec<Phantom> {
    vec![
        phantom(PHANTOM_DIRECTORY, PhantomKind::Directory),
        phantom("/proc", PhantomKind::Directory),
        phantom("/dev", PhantomKind::Directory),
        // invoke-rc.d(8): no service is started in a filesystem being made.
        phantom(
            policy::FILE,
            PhantomKind::File {
                data: policy::TEXT.as_bytes().to_vec(),
                mode: 0o755,
            },
        ),
    ]
}

/// Returns the phantom on which a directory or file of this machine is mounted.
pub(super) fn mount_point(path: &Path, directory: bool) -> Phantom {
    let kind = match directory {
        true => PhantomKind::Directory,
        false => PhantomKind::File {
            data: Vec::new(),
            mode: 0o644,
        },
    };
    Phantom {
        path: path.to_owned(),
        kind,
        parents: Parents::Shown,
    }
}

/// Returns how a native root is served.
pub(super) fn serve_native_root() -> ServeOptions {
    let mut phantoms = always();
    phantoms.push(phantom(DPKG_ROOT, PhantomKind::Directory));
    ServeOptions {
        phantoms,
        threads: THREADS,
        ..ServeOptions::default()
    }
}

/// Returns how a target with some foreign architectures is served;
/// `sysroot` is the native sysroot on this machine; with none nothing is redirected. With `own_top` the target has
/// the directory of [`loader_top`] itself.
pub(super) fn serve_target(
    target: &Architecture,
    foreign: &[&'static Architecture],
    sysroot: Option<PathBuf>,
    own_top: bool,
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
    // A script that merges /usr makes the directory there, if the target has it at the top.
    phantoms.push(Phantom {
        parents: loader_top().map_or(Parents::Shown, |top| Parents::HiddenBy(top.into())),
        ..phantom(&merged, PhantomKind::Symlink(in_sysroot(&merged)))
    });
    // Where the target has no such directory, the top looks as base-files wants it: a link into /usr. Where
    // it has one, since its /usr is not merged (yet) and its own libraries or loader are there, the loader is
    // seen in that; a script that merges it puts a link of its own in the place. /lib itself is always the
    // target's own.
    if let Some(top) = loader_top() {
        let below = in_sysroot(&format!("/usr/{top}"));
        let overlay = PhantomKind::Overlay {
            link: (!own_top).then(|| Path::new("usr").join(top)),
            below,
            source: sysroot.join("usr").join(top),
        };
        phantoms.push(phantom(&format!("/{top}"), overlay));
    }
    // The second is for a target whose /usr is not merged (yet). Where the target
    // has native libraries itself, native tools find theirs beside those.
    for path in [libraries.as_str(), libraries.trim_start_matches("/usr")] {
        let overlay = PhantomKind::Overlay {
            link: Some(in_sysroot(&libraries)),
            below: in_sysroot(&libraries),
            source: sysroot.join(libraries.trim_start_matches('/')),
        };
        // Of an unmerged target /lib is its own, and a script that merges it replaces it.
        phantoms.push(Phantom {
            parents: if path.starts_with("/usr") {
                Parents::Shown
            } else {
                Parents::Hidden
            },
            ..phantom(path, overlay)
        });
    }
    let of_foreign = |program: &&'static Architecture| {
        let argument = format!("{}{}{}", target.word(), char::from(FOREIGN), program.word());
        (program.elf_identity(), argument)
    };
    ServeOptions {
        phantoms,
        redirect: Some(Redirect {
            interpreter: PathBuf::from(paths::SHIM),
            argument: Some(target.word().to_string()),
            arguments: std::iter::once((target.elf_identity(), target.word().to_string()))
                .chain(foreign.iter().map(of_foreign))
                .collect(),
            native: native.elf_identity(),
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
        let options = serve_target(
            by_name("riscv64"),
            &[by_name("arm64"), by_name("s390x")],
            Some("/x".into()),
            false,
        );
        let redirect = options.redirect.unwrap();
        let argument = |name| {
            let wanted = by_name(name).elf_identity();
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
        assert!(
            serve_target(by_name("riscv64"), &[], None, false)
                .redirect
                .is_none()
        );
    }
}
