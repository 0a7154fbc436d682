//! The commands, a file each: what they do once their settings are known.
//!
//! [`install`] goes through all stages: `prepare`, `carry_out` and `finish`. [`lint`] goes through the first
//! two, with an observer of scripts.

mod carry_out;
mod error;
mod finish;
pub mod install;
pub mod lint;
mod mode;
pub mod pack;
mod prepare;

pub use error::Error;
pub(crate) use install::begin;
