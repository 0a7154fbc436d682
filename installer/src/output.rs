//! Making the result of the finished target: a directory, an archive or an image.
//!
//! A [`Format`] is an [`Output`]: it writes a target to a [`Sink`].
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
mod erofs;
mod error;
mod ext;
mod files;
mod format;
pub mod header;
mod maker;
mod options;
mod sink;
mod squashfs;

use rootless_install_fs::{Target, Timestamp};
use task_progress::Cancel;

pub use archive::{Selection, TarOptions, write_selected, write_tar};
pub use compress::Compression;
pub use container::{ContainerConfig, Layout};
pub use error::Error;
pub use ext::Generation;
pub use format::{Format, Output, Source};
pub use options::ImageOptions;
pub use sink::Sink;

use archive::BLOCK;
use files::Files;

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
