//! Archives that become a target: what others wrote, which may mean harm.
//!
//! Whatever an archive says, files are made through [`Target`](rootless_install_fs::Target) only, which no path leads out of;
//! a name with `..` is refused all the same, since nobody writes one who means well. What a format has and a target
//! cannot have ends the work with an error that names the member.

mod acl;
mod archive;
mod cpio;
mod decompress;
mod error;
mod image;
mod layers;
mod open;
mod tree;

pub use error::Error;
pub use image::extract;
pub use open::{Input, unpack};
pub use tree::Unpacked;
