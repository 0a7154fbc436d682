//! Scripts that run outside of their root: what each tool is told of it. The
//! shim acts by the [`table`] (`maintscript-shim/src/front.rs`).

#[allow(dead_code, reason = "the shim uses most of it")]
pub(crate) mod table;
