//! Types that all of Debian's tools share: versions, relations between packages and control data.
//!
//! Nothing here reads or writes files.

pub mod apt_conf;
pub mod control;
pub mod edited;
mod file_hash;
mod hex;
mod multi_arch;
pub mod near;
mod package_key;
mod path_owners;
pub mod raw_text;
pub mod relation;
pub mod version;

pub use file_hash::FileHash;
pub use hex::{hex, parse_hex};
pub use multi_arch::MultiArch;
pub use package_key::PackageKey;
pub use path_owners::PathOwners;
