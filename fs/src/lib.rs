//! The target as a filesystem.
//!
//! A *target* is a directory that holds a root filesystem. On disk everything in it belongs to the
//! user who made it, carries no set-id or sticky bits and can always be read, written and removed by
//! that user. What the target's own users will see (owners, modes, devices, capabilities) is *fake
//! ownership*: it is recorded beside each file, as [`encoding`] describes.
//!
//! - [`Target`] is root-confined access to such a directory: every path is resolved as the target's
//!   own root would resolve it, and never leads outside.
//! - [`server`] presents a target as a FUSE filesystem with its fake ownership, executes foreign
//!   binaries through an interpreter (*exec redirection*) and shows *phantoms*: paths that can be
//!   looked up without being in the target.
//!
//! While a server runs, it and the [`Target`] it was started with are the only writers; what is
//! changed through the [`Target`] is invalidated in the kernel's caches.

mod acl;
mod confined;
mod descriptors;
pub mod encoding;
mod error;
mod marker;
mod meta;
mod recent;
mod removal;
pub mod server;
mod sys;
mod target;

pub use deb_arch::ElfIdentity;
pub use error::{Error, Result};
pub use marker::{MARKER, Marker, find_target};
pub use meta::{FileType, Meta, Stat, Timestamp};
pub use removal::remove_tree;
pub use server::{
    Access, AccessKind, Attribute, Counters, LookupResult, Parents, Phantom, PhantomKind, Redirect, SERVED,
    ServeOptions, Server, Watch, serve,
};
pub use target::traversal::Walk;
pub use target::writing::{Writing, is_temporary};
pub use target::xattr::Xattrs;
pub use target::{NewFile, Target};
