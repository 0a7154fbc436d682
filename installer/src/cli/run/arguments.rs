//! Values of the options of `run` and `shell` that have parts.

use super::Mistake;
use script_host::BindMount;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Reads `SRC[:DST[:ro]]`. A colon that belongs to a name cannot be given.
pub(super) fn bind(given: &OsStr) -> Result<BindMount, Mistake> {
    let wrong = |problem: &str| Mistake(format!("--bind {}: {problem}", given.display()));
    let parts: Vec<&[u8]> = given.as_bytes().split(|&byte| byte == b':').collect();
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let (source, destination, read_only) = match *parts.as_slice() {
        [source] => (source, None, false),
        [source, b"ro"] => (source, None, true),
        [source, destination] => (source, Some(destination), false),
        [source, destination, b"ro"] => (source, Some(destination), true),
        [source, destination, b"rw"] => (source, Some(destination), false),
        _ => return Err(wrong("give it as SRC, SRC:DST or SRC:DST:ro")),
    };
    let source = std::fs::canonicalize(path(source)).map_err(|error| wrong(&error.to_string()))?;
    let destination = match destination {
        Some(destination) => path(destination),
        None => source.clone(),
    };
    if !destination.is_absolute() {
        return Err(wrong("the path in the target has to begin with `/`"));
    }
    let plain: PathBuf = destination.components().collect();
    let odd = plain
        .components()
        .any(|part| part == std::path::Component::ParentDir);
    if odd || plain.parent().is_none() {
        return Err(wrong(
            "the path in the target has to be below its root, without `..`",
        ));
    }
    Ok(BindMount {
        source,
        destination: plain,
        read_only,
    })
}

/// Reads `NAME[=VALUE]`; none for a variable that the caller does not have.
pub(super) fn variable(given: &OsStr) -> Option<Result<(OsString, OsString), Mistake>> {
    let bytes = given.as_bytes();
    let part = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    match bytes.iter().position(|&byte| byte == b'=') {
        Some(0) => Some(Err(Mistake(format!(
            "--env {}: the variable has no name",
            given.display()
        )))),
        Some(at) => Some(Ok((
            part(bytes.get(..at).unwrap_or_default()),
            part(bytes.get(at + 1..).unwrap_or_default()),
        ))),
        None => Some(Ok((given.to_owned(), std::env::var_os(given)?))),
    }
}
