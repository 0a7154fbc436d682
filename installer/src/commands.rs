//! The commands, a file each: what they do once their settings are known.
//!
//! [`install`] goes through all stages: `set_up`, `prepare`, `carry_out` and `finish`. [`lint`] goes through the first
//! two, with an observer of scripts. [`run`] opens a session on a target
//! that exists.

pub mod adopt;
pub mod boot;
pub mod build;
mod carry_out;
pub mod change;
pub mod check;
mod error;
mod finish;
pub mod install;
mod keep;
pub mod lint;
mod missing;
mod mode;
pub mod mode_change;
pub mod mount;
pub mod multi;
mod other_outputs;
pub mod pack;
mod prepare;
pub mod push;
pub mod real_owners;
pub mod rm;
pub mod run;
pub mod run_archive;
pub mod sbom;
mod set_up;
pub mod stat;
pub mod unpack;

pub use error::Error;
pub(crate) use install::begin;
