//! What the end-to-end tests of `rootless-install` are made with.
//!
//! * [`deb`], [`archive`] and [`base`] make synthetic, signed Debian archives,
//!   sound ones and hostile ones;
//! * [`mirror`] serves an archive on loopback: a synthetic one, or the real one
//!   pinned to the state it first had, with faults on request;
//! * [`registry`] runs a registry for container images, and [`faulty_registry`] is one that fails and lies;
//! * [`program`] runs the program as an ordinary user ([`account`]) and looks for what it
//!   leaves behind; [`machine`] takes parts of the machine away from it;
//! * [`fidelity`] holds root filesystems against references, which mmdebstrap makes with emulation,
//!   case by case; [`compare`] is the comparison, [`listing`] and [`initramfs`] are what is compared,
//!   and [`disk`] is for directories;
//! * [`filled`] is a target with a file of every kind;
//! * [`attack`] is a script that means harm;
//! * [`in_place`] calls the program as dpkg;
//! * [`bench`](mod@bench) measures what a root filesystem takes, beside others;
//! * [`choice`] compares the choice of packages with that of the suite's apt;
//! * [`workspace`] knows the packages of the workspace, whose structure and documents are checked;
//! * [`suite`] runs all test programs at once;
//! * [`probe`] says what a machine lacks for a test, [`scenario`](mod@scenario) declares one.
//!
//! The tests know the program by its command line only.

pub mod account;
pub mod archive;
pub mod attack;
pub mod base;
pub mod bench;
pub mod certificates;
pub mod choice;
pub mod compare;
pub mod deb;
pub mod disk;
#[cfg(test)]
mod documents;
pub mod elf;
pub mod error;
pub mod faulty_registry;
pub mod fidelity;
pub mod filled;
pub mod findings;
pub mod gdbm;
pub mod in_place;
pub mod initramfs;
pub mod keys;
#[cfg(test)]
mod licences;
pub mod listing;
pub mod machine;
pub mod mirror;
pub mod packing;
pub mod pe;
pub mod place;
pub mod probe;
pub mod program;
pub mod real;
pub mod registry;
pub mod repository;
pub mod scenario;
#[cfg(test)]
mod structure;
pub mod suite;
pub mod synthetic;
pub mod workspace;

pub use error::{Error, Result};
