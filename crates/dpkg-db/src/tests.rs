//! Tests of the database: formats, states, triggers, conffiles.

mod conffiles;
mod formats;
mod triggers;
