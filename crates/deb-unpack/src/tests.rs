//! Tests of reading and unpacking, with packages made on the spot.

mod conffiles;
mod hostile;
mod lenient;
mod parallel;
mod recompressed;
mod recorded;
mod scene;
mod unpacking;
