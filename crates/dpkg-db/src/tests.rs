//! Tests of the database: formats, states, triggers. Those of conffiles and of what unpacking records are in
//! the crate that unpacks.

mod formats;
mod scene;
mod triggers;
