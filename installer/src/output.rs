//! Making the result of the finished target: a directory, an archive or an image.
//!
//! A [`Format`] is an [`Output`]: it writes a [`Source`], a finished target, to a [`Sink`].
//!
//! Everything is read through [`Target`], never through a mount, and in one order: a directory, then its entries,
//! sorted by the bytes of their names, as `tar --sort=name` does. Nothing in the result depends on the order in
//! which files were made, on inode numbers, on the number of threads or on the user. The same target gives the
//! same bytes.
//!
//! With `SOURCE_DATE_EPOCH` no time is later than that. Times have whole seconds in archives.

mod archive;
mod compress;
mod container;
mod cpio;
pub mod devices;
mod disk;
mod erofs;
mod error;
mod ext;
mod fat;
mod files;
mod format;
pub mod header;
mod image;
mod maker;
mod sink;
mod source;
mod squashfs;
mod vfat;

use crate::package_lock::PackageLock;
use rootless_install_fs::{Target, Timestamp};
use std::path::Path;
use task_progress::{Cancel, Reporter};

pub use archive::{Selection, TarOptions, write_selected, write_tar};
pub use compress::Compression;
pub use container::{Attachment, ContainerConfig, Layout, docker_as_oci, with_tag, write_index};
pub use disk::{Bootloader, DiskImage, DiskOptions, RootFormat};
pub use error::Error;
pub use ext::Generation;
pub use format::Format;
pub use image::Filesystem;
pub use sink::Sink;
pub use source::Facts;

use archive::BLOCK;
use files::Files;

/// A finished target, and all that a format needs beside it.
pub struct Source<'a> {
    /// The target.
    pub target: &'a Target,
    /// Options of images.
    pub options: &'a ImageOptions,
    /// Latest time in the result, in seconds since 1970; none for no limit.
    pub source_date_epoch: Option<i64>,
    /// Debian's name of the target's architecture.
    pub architecture: &'a str,
    /// What was installed, and from where; none where that is not known any more.
    pub lock: Option<&'a PackageLock>,
    /// What is found out about it once.
    pub facts: &'a Facts,
    /// A directory for files of this run, on the filesystem of the result.
    pub scratch: &'a Path,
    /// Receiver of progress.
    pub reporter: &'a dyn Reporter,
    /// The user's will to stop.
    pub cancel: &'a Cancel,
}

/// A way to write a finished target: everything in the order of [`Target::walk`], with its fake ownership. The same
/// target gives the same bytes.
pub trait Output {
    /// Checks what can be known before the target is there: options, and the program that is needed.
    ///
    /// # Errors
    /// The reason why [`write`](Self::write) would fail.
    fn check(&self, options: &ImageOptions) -> Result<(), Error>;

    /// Checks that the packages that a target of an architecture shall have, by their names, bring what is needed.
    ///
    /// # Errors
    /// The reason why [`write`](Self::write) would fail.
    fn check_packages(
        &self,
        _options: &ImageOptions,
        _architecture: &str,
        _names: &[&str],
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Writes the target.
    ///
    /// # Errors
    /// Those of reading the target and of writing, [`Error::Cancelled`].
    fn write(&self, source: &Source<'_>, sink: &mut Sink<'_>) -> Result<Written, Error>;
}

/// Options of images; which format has which is said at each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageOptions {
    /// Size in bytes of ext2, ext3, ext4, btrfs, xfs, vfat, or of a disk; none for as much as is needed.
    pub size: Option<u64>,
    /// Bytes that are left free, where the size is not given.
    pub free: Option<u64>,
    /// The filesystem's label: ext2, ext3, ext4, btrfs, xfs, vfat, EROFS, a disk's root.
    pub label: Option<String>,
    /// The filesystem's UUID; none for one that the content decides: ext2, ext3, ext4, btrfs, xfs, vfat, EROFS, a disk's root.
    pub uuid: Option<String>,
    /// Options of disks.
    pub disk: DiskOptions,
    /// Configuration of a container image.
    pub container: ContainerConfig,
}

/// Size of a result that was written, and what it lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Number of files.
    pub entries: u64,
    /// Number of bytes before compression, where that is known.
    pub uncompressed: u64,
    /// Number of bytes.
    pub bytes: u64,
    /// Number of sockets that were left out: the format has none.
    pub sockets: u64,
    /// Number of files whose access control lists were left out: the format has none.
    pub acls: u64,
    /// Number of files whose extended attributes were left out: the format has none.
    pub xattrs: u64,
    /// Number of files without their owner, mode or further names: the format has none.
    pub owners: u64,
    /// Number of symbolic links, devices, pipes and sockets that were left out: the format has files and directories only.
    pub others: u64,
    /// Number of files that have another time: the format has none so early or late.
    pub times: u64,
}

impl Written {
    /// Returns what of the target the result lacks, a sentence each.
    pub fn losses(&self) -> Vec<String> {
        let counted = |number, one: &str, many: &str| match number {
            0 => None,
            1 => Some(format!("1 {one}")),
            number => Some(format!("{number} {many}")),
        };
        let all = [
            counted(
                self.sockets,
                "socket was left out: this format cannot hold sockets",
                "sockets were left out: this format cannot hold sockets",
            ),
            counted(
                self.acls,
                "file is without its access control list: this format cannot hold them",
                "files are without their access control lists: this format cannot hold them",
            ),
            counted(
                self.xattrs,
                "file is without its capabilities and other extended attributes: this format cannot hold them",
                "files are without their capabilities and other extended attributes: this format cannot hold them",
            ),
            counted(
                self.owners,
                "file is without its owner, mode or further names: this format cannot hold them",
                "files are without their owners, modes or further names: this format cannot hold them",
            ),
            counted(
                self.others,
                "link, device, pipe or socket was left out: this format cannot hold them",
                "links, devices, pipes and sockets were left out: this format cannot hold them",
            ),
            counted(
                self.times,
                "file has another time: this format cannot hold one so early or late",
                "files have other times: this format cannot hold some so early or late",
            ),
        ];
        all.into_iter().flatten().collect()
    }
}

/// Makes the entries of `/dev`, with the time `source_date_epoch` or now; `nodes` is whether device nodes are among them.
///
/// # Errors
/// Those of changing the target.
pub fn make_devices(target: &Target, source_date_epoch: Option<i64>, nodes: bool) -> Result<(), Error> {
    let time = match source_date_epoch {
        Some(sec) => Timestamp { sec, nsec: 0 },
        None => Timestamp::now(),
    };
    devices::make(target, time, nodes)
}

/// Sets each time in `target` that is later than `epoch` (seconds since 1970) to it, as [`write_tar`] does in
/// archives.
///
/// # Errors
/// Those of changing the target, and [`Error::Cancelled`].
pub fn clamp_times(target: &Target, epoch: i64, cancel: &Cancel) -> Result<(), Error> {
    for found in target.walk() {
        let (path, stat) = found?;
        cancel.check()?;
        if later_than(stat.meta.mtime, epoch) {
            target.set_mtime(&path, Timestamp { sec: epoch, nsec: 0 })?;
        }
    }
    Ok(())
}

fn later_than(time: Timestamp, epoch: i64) -> bool {
    time.sec > epoch || (time.sec == epoch && time.nsec > 0)
}

#[cfg(test)]
mod tests;
