//! What all of Debian's tools share: versions, relations between packages and control data.
//!
//! Nothing here reads or writes files.

pub mod control;
mod multi_arch;
mod path_owners;
pub mod version;

pub use multi_arch::MultiArch;
pub use path_owners::PathOwners;
