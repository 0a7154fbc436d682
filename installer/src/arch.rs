//! Debian architectures, from a crate of their own.

pub use deb_arch::*;
