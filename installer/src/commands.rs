//! The commands, a file each: what they do once their settings are known.
//!
//! [`install`] goes through all stages: `set_up`, `prepare`, `carry_out` and `finish`. [`lint`] goes through the first
//! two, with an observer of scripts. [`run`] opens a session on a target
//! that exists.

mod carry_out;
mod error;
mod finish;
pub mod install;
pub mod lint;
mod mode;
mod prepare;
pub mod run;
mod set_up;

pub use error::Error;
