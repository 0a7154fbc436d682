//! What is known of tools.

#![no_std]

pub mod chrootless;
pub mod output;
