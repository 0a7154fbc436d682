//! Scripts that run outside of their root: what each tool is told of it. The
//! shim acts by the [`table`] (`maintscript-shim/src/front.rs`).

#[allow(dead_code, reason = "the shim uses most of it")]
pub(crate) mod table;

/// Whether the table has a tool, named without its directory.
pub(crate) fn covers(tool: &str) -> bool {
    table::find(tool.as_bytes()).is_some()
}
