//! What glibc's own tools say of a root filesystem of any architecture, without executing anything of it.
//!
//! [`ldconfig`] makes `ld.so.cache` and the links of shared libraries as the target's ldconfig(8) does, byte
//! for byte. [`ldd`] does what the target's dynamic loader does when it lists the libraries of a program.
//! [`fnmatch`] matches patterns as fnmatch(3) does.

mod abi;
mod cache;
mod elf;
mod fnmatch;
pub mod ldconfig;
pub mod ldd;
mod output;
mod root;

pub use deb_arch::Architecture;
pub use fnmatch::fnmatch;
pub use output::Output;
pub use rootless_install_fs::Target;
