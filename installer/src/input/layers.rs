//! Layers of a container image applied one upon the other (OCI Image Format Specification, `layer.md`).

use super::decompress::decompressed;
use super::open::damaged;
use super::tree::{Member, Tree, inside, shown};
use super::{Error, archive};
use std::fs::File;
use std::path::Path;

/// Prefix of the names of members that remove something.
const WHITEOUT: &[u8] = b".wh.";
/// What comes after that in the name of the member that empties its directory.
const OPAQUE: &[u8] = b".wh..opq";

/// Applies a layer in a file. What it removes is removed of the layers below it before any of its own is there, whatever
/// the order of its members.
///
/// # Errors
/// [`Error`].
pub(super) fn apply(path: &Path, tree: &mut Tree<'_>) -> Result<(), Error> {
    read(path, tree, |member, tree| {
        whiteout(member, tree)?;
        Ok(true)
    })?;
    tree.replaces = true;
    read(path, tree, |member, _| Ok(removed(member).is_some()))
}

fn read(
    path: &Path,
    tree: &mut Tree<'_>,
    takes: impl FnMut(&Member, &mut Tree<'_>) -> Result<bool, Error>,
) -> Result<(), Error> {
    let file = File::open(path).map_err(|source| Error::opening(path, source))?;
    let reader = decompressed(Box::new(file)).map_err(damaged(path))?;
    archive::read(path, reader, tree, takes)
}

/// Returns the directory of a member that removes something, and the name that is removed.
fn removed(member: &Member) -> Option<(&[u8], &[u8])> {
    let name = member.name.strip_suffix(b"/").unwrap_or(&member.name);
    let at = name
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    let (directory, last) = name.split_at(at);
    Some((directory, last.strip_prefix(WHITEOUT)?))
}

/// Removes what a member says, if it is of that kind.
fn whiteout(member: &Member, tree: &mut Tree<'_>) -> Result<(), Error> {
    let Some((directory, removed)) = removed(member) else {
        return Ok(());
    };
    let failed = |source| Error::Put {
        name: shown(&member.name),
        source,
    };
    let directory = inside(directory)?;
    if removed == OPAQUE {
        return tree.empty(&directory).map_err(failed);
    }
    if removed.is_empty() || removed == b"." || removed == b".." {
        return Err(Error::Member {
            name: shown(&member.name),
            what: "removes nothing that has a name".to_owned(),
        });
    }
    let path = inside(removed)?;
    let path = directory.join(path.strip_prefix("/").unwrap_or(&path));
    tree.remove(&path).map_err(failed)
}
