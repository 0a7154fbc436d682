//! ldconfig(8) and ldd(1) of glibc for a root filesystem of any architecture, without executing anything of it.
//!
//! [`ldconfig`] writes `ld.so.cache` and the links of shared libraries as the filesystem's own ldconfig does, byte
//! for byte. [`ldd`] lists the libraries of a program as the filesystem's dynamic loader does. [`fnmatch()`] matches
//! patterns as fnmatch(3) does.
//!
//! The filesystem is a [`Target`], below whose root every path is resolved; its architecture is one that Debian
//! has ([`Architecture::by_name`]). A program's complaints and its exit status are in [`Output`], as its caller would
//! have got them; errors are what the real program does not know.

mod abi;
mod cache;
mod elf;
mod fnmatch;
pub mod ldconfig;
pub mod ldd;
mod output;
mod root;
#[cfg(test)]
mod testing;

pub use deb_arch::Architecture;
pub use fnmatch::fnmatch;
pub use output::Output;
pub use rootless_install_fs::Target;

/// The example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
