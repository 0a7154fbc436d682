//! Kernels of a target, as Debian's packages name their files.

use super::super::{Error, Source};
use super::machine::Machine;
use rootless_install_fs::FileType;
use std::path::{Path, PathBuf};

/// A kernel of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// Its version, the end of the names of its files.
    pub(super) version: String,
    /// Its image, in the target.
    pub(super) image: PathBuf,
    /// Its initrd, in the target; none where there is none.
    pub(super) initrd: Option<PathBuf>,
    /// The directory of its device trees, in the target; none where there is none.
    pub(super) device_trees: Option<PathBuf>,
}

/// Returns the kernels in /boot, the newest first.
///
/// # Errors
/// [`Error::NoKernel`] where there is none, [`Error::Kernel`] for one whose version is odd.
pub(super) fn find(source: &Source<'_>, machine: &Machine) -> Result<Vec<Kernel>, Error> {
    let boot = Path::new("/boot");
    let names = match source.target.read_dir(boot) {
        Err(error) if error.is_not_found() => Vec::new(),
        names => names?,
    };
    let is = |path: &Path, kind| {
        let found = source.target.stat(path);
        found.is_ok_and(|stat| stat.meta.kind == kind)
    };
    let mut kernels = Vec::new();
    for name in names {
        let name = name.to_string_lossy();
        let Some(version) = name
            .strip_prefix("vmlinuz-")
            .or_else(|| name.strip_prefix("vmlinux-"))
        else {
            continue;
        };
        let image = boot.join(&*name);
        if !is(&image, FileType::Regular) {
            continue;
        }
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || b".+-_~".contains(&byte);
        if version.is_empty() || !version.bytes().all(usual) {
            return Err(Error::Kernel {
                path: image,
                what: "a boot loader cannot be told its version".to_owned(),
            });
        }
        let initrd = boot.join(format!("initrd.img-{version}"));
        let device_trees = PathBuf::from(format!("/usr/lib/linux-image-{version}"));
        kernels.push(Kernel {
            version: version.to_owned(),
            image,
            initrd: is(&initrd, FileType::Regular).then_some(initrd),
            device_trees: is(&device_trees, FileType::Directory).then_some(device_trees),
        });
    }
    kernels.sort_by(|a, b| deb_types::version::loose_order(&b.version, &a.version));
    kernels.dedup_by(|a, b| a.version == b.version);
    match kernels.is_empty() {
        true => Err(Error::NoKernel {
            package: machine.kernel,
        }),
        false => Ok(kernels),
    }
}
