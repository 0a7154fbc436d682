//! Checking that a root filesystem boots: a virtual machine of its architecture, watched from outside.
//!
//! [`machine`] has the kinds of virtual machine, [`image`] finds what one starts with, [`qemu`] runs it, `console` reads what it says,
//! [`watch`] decides when it has ended, [`guest`] is what runs in it and how its results come out, and `results` unpacks
//! them. The guest may mean harm: its image is never written to, it has no network, and what it says is only read.

mod console;
mod error;
pub mod guest;
pub mod image;
pub mod machine;
pub mod qemu;
mod results;
pub mod watch;

pub use error::{BootError, Failure};
pub use results::OutPath;
pub(crate) use results::{Results, check_places};
