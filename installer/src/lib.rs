//! Makes Debian root filesystems as an ordinary user, with native tools only.
//!
//! One module a stage: [`archive`] (signed indexes and packages), [`solve`]
//! (what is installed, in which order), [`deb`] and [`dpkg`] (unpacking and
//! dpkg's database), [`view`], [`sysroot`] and [`configure`] (maintainer
//! scripts), [`output`] (directory or tar), [`cli`] (the command).

pub mod arch;
pub mod archive;
pub mod bookkeeping;
pub mod cli;
pub mod configure;
pub mod control;
pub mod deb;
pub mod dpkg;
mod elf;
mod fnmatch;
mod fontconfig;
pub mod hazards;
pub mod install;
pub mod ldconfig;
pub mod ldd;
pub mod lint;
pub mod merge_usr;
pub mod native_root;
pub mod output;
mod owned;
pub mod packages;
pub mod preseed;
pub mod report;
pub mod solve;
pub mod staging;
mod sys;
pub mod sysroot;
pub mod unrunnable;
pub mod view;
