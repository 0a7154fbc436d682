//! Reading .deb files (deb(5)) and unpacking them into a target.
//!
//! A package is read from a memory map: the ar container, the control member ([`ControlArchive`](dpkg_db::ControlArchive)) and,
//! streaming, the data member. [`unpack_all`] writes the files of many packages with all cores straight
//! into the [`Target`](rootless_install_fs::Target); the result is what dpkg would have made of them one
//! after the other. Nothing in a package is trusted: names are checked before they are used, sizes are
//! bounded ([`Limits`]), and every error names the package file and the entry.

mod check;
mod claims;
mod container;
mod context;
mod control;
mod decompress;
mod directories;
mod entries;
mod error;
mod fate;
mod file;
mod pipeline;
mod placement;
mod recompressed;
#[cfg(test)]
mod tests;
mod unpack;

pub use check::check_contents;
pub use context::{Context, Forces, Layering};
pub use control::Expected;
pub use directories::touched_by_tar;
pub use entries::{Entry, EntryKind};
pub use error::DebError;
pub use file::{DebFile, Limits, recompress};
pub use pipeline::{Job, UnpackedPackage, open_package, unpack_all};
