//! Makes the files that tests need: `.deb` files ([`Deb`]) and ELF files ([`Elf`]), sound and otherwise.
//!
//! A test says what a file is to hold, in Rust, and needs neither dpkg-deb nor a compiler, for whatever
//! architecture. Functions panic where a file cannot be made.
//!
//! Members of the workspace depend on this crate by its path and for tests only, so that they can be packaged
//! without it.

#![allow(clippy::unwrap_used, reason = "a test that cannot make its files fails")]

mod deb;
mod elf;

pub use deb::{Data, Deb, TIME, ar, compress, write};
pub use elf::{Elf, executable, usual_flags};
