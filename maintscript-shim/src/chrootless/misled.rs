//! Calls that a script makes because of what it has seen outside of the root.

use super::call::{Piece, Use};
use super::paths::{self, Place, World};
use std::ffi::OsString;

/// Whether a call would bring the outer system's state into the root: the script has seen a file there that the root
/// lacks (the preinst of ucf looks for lists that it kept before), and in the root would not have made the call. One
/// that names a file of the root itself knows what it does.
pub(super) fn is_misled(world: &dyn World, root: &[u8], pieces: &[Piece], arguments: &[OsString]) -> bool {
    let places = |used: Use| {
        let of_use = pieces.iter().filter(move |piece| piece.used == used);
        of_use.map(move |piece| {
            (
                piece.of(arguments),
                paths::place(world, root, piece.of(arguments), used),
            )
        })
    };
    let state = |(path, place): (&[u8], Place)| place == Place::Outside && paths::is_state(path);
    places(Use::Read).next().is_some()
        && places(Use::Read).all(state)
        && places(Use::Write).any(|(_, place)| matches!(place, Place::Inside(_)))
}
