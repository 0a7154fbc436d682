//! Versions of symbols that objects need of their libraries.

use super::load::{Map, Maps};
use super::object::NeededVersion;
use crate::output::Output;

/// Complains about versions that a library does not define, as the loader does while it lists.
pub(super) fn check(maps: &Maps<'_>, program: &[u8], output: &mut Output) {
    for map in maps.chain() {
        for needed in map.object.needs.iter().flatten() {
            // A library that was not found, or has no versions, is no complaint here.
            let Some(library) = maps.by_name(&needed.file) else {
                continue;
            };
            let Some(defines) = &library.object.defines else {
                continue;
            };
            if needed.weak || defines.contains(&needed.version) {
                continue;
            }
            let parts: [&[u8]; 8] = [
                program,
                b": ",
                &library.path,
                b": version `",
                &needed.version,
                b"' not found (required by ",
                &map.path,
                b")\n",
            ];
            output.stderr.extend(parts.concat());
        }
    }
}

/// Prints the versions, as `ldd -v` does.
pub(super) fn print(maps: &Maps<'_>, output: &mut Vec<u8>) {
    let mut first = true;
    for map in maps.chain() {
        let Some(needs) = &map.object.needs else { continue };
        if std::mem::take(&mut first) {
            output.extend(b"\n\tVersion information:\n");
        }
        output.extend([b"\t", map.path.as_slice(), b":\n"].concat());
        for needed in needs {
            let weak: &[u8] = if needed.weak { b"[WEAK] " } else { b"" };
            let library = maps.by_name(&needed.file).filter(|library| has(library, needed));
            let parts: [&[u8]; 8] = [
                b"\t\t",
                &needed.file,
                b" (",
                &needed.version,
                b") ",
                weak,
                b"=> ",
                library.map_or(&b"not found"[..], |library| &library.path),
            ];
            output.extend(parts.concat());
            output.push(b'\n');
        }
    }
}

/// Returns whether a library defines a version.
fn has(library: &Map, needed: &NeededVersion) -> bool {
    library
        .object
        .defines
        .as_ref()
        .is_some_and(|defines| defines.contains(&needed.version))
}
