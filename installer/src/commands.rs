//! The commands, a file each: what they do once their settings are known.

mod error;
pub mod install;
pub mod lint;
mod mode;

pub use error::Error;
