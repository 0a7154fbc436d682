//! Tests of reading and unpacking, with packages made on the spot.

pub(crate) mod build;
mod hostile;
mod parallel;
mod unpacking;
