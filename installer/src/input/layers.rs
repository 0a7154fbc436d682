//! Layers of a container image applied one upon the other (OCI Image Format Specification, `layer.md`).

use super::open::{damaged, decompressed};
use super::tree::{Member, Tree, inside, shown};
use super::{Error, archive};
use std::fs::File;
use std::path::Path;

/// Prefix of the names of members that remove something.
const WHITEOUT: &[u8] = b".wh.";
/// Name of the member that empties its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Applies a layer in a file.
///
/// # Errors
/// [`Error`].
pub(super) fn apply(path: &Path, tree: &mut Tree<'_>) -> Result<(), Error> {
    let file = File::open(path).map_err(|source| Error::Open {
        path: path.to_owned(),
        source,
    })?;
    let reader = decompressed(Box::new(file)).map_err(damaged(path))?;
    archive::read(path, reader, tree, whiteout)
}

/// Removes what a member says, if it is of that kind.
fn whiteout(member: &Member, tree: &mut Tree<'_>) -> Result<bool, Error> {
    let name = member.name.strip_suffix(b"/").unwrap_or(&member.name);
    let at = name
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    let (directory, last) = name.split_at(at);
    let Some(removed) = last.strip_prefix(WHITEOUT) else {
        return Ok(false);
    };
    let failed = |source| Error::Put {
        name: shown(&member.name),
        source,
    };
    let directory = inside(directory)?;
    if last == OPAQUE {
        tree.empty(&directory).map_err(failed)?;
        return Ok(true);
    }
    if removed.is_empty() || removed == b"." || removed == b".." {
        return Err(Error::Member {
            name: shown(&member.name),
            what: "removes nothing that has a name".to_owned(),
        });
    }
    let path = inside(removed)?;
    let path = directory.join(path.strip_prefix("/").unwrap_or(&path));
    tree.remove(&path).map_err(failed)?;
    Ok(true)
}
