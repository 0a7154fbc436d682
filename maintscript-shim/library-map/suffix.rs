//! Names of python's compiled modules: the triplet in them is compiled into the interpreter.

use crate::path::NATIVE_TRIPLET;
use deb_arch::replace_word;

/// Room for a suffix, with its NUL.
pub(crate) const LONGEST: usize = 96;

/// Returns whether a text is the end of the names of native modules, such as `.cpython-313-x86_64-linux-gnu.so`
/// (PEP 3149).
pub(crate) fn is_native(text: &[u8]) -> bool {
    let without = |text: &[u8], end: &[u8]| text.strip_suffix(end).map(<[u8]>::len);
    text.first() == Some(&b'.')
        && without(text, b".so")
            .and_then(|length| text.get(..length))
            .and_then(|text| without(text, NATIVE_TRIPLET))
            .and_then(|length| text.get(..length))
            .is_some_and(|rest| rest.ends_with(b"-") && !rest.contains(&b'/'))
}

/// Writes the same suffix for the triplet `target`, with a NUL behind; `false` when there is no room for it.
pub(crate) fn of_target(native: &[u8], target: &[u8], place: &mut [u8; LONGEST]) -> bool {
    let mapped = replace_word(native, NATIVE_TRIPLET, target).flatten();
    mapped.chain([&0]).enumerate().all(|(at, byte)| {
        let place = place.get_mut(at);
        place.map(|place| *place = *byte).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_of_modules() {
        let native = std::str::from_utf8(NATIVE_TRIPLET).unwrap();
        let suffix = format!(".cpython-313-{native}.so");
        assert!(is_native(suffix.as_bytes()));
        assert!(is_native(format!(".abi3-{native}.so").as_bytes()));
        for other in [
            ".abi3.so",
            ".so",
            "",
            native,
            &format!("cpython-313-{native}.so"),
            &format!("./x-{native}.so"),
            &format!(".cpython-313-{native}.pyd"),
        ] {
            assert!(!is_native(other.as_bytes()), "{other}");
        }
        let mut place = [1; LONGEST];
        assert!(of_target(suffix.as_bytes(), b"arm-linux-gnueabihf", &mut place));
        assert!(place.starts_with(b".cpython-313-arm-linux-gnueabihf.so\0"));
        assert!(!of_target(&[b'x'; LONGEST], b"a", &mut place));
    }
}
