//! Which path stands for which, without a heap.

use deb_arch::{NATIVE, replace_word};
use shim_protocol::paths::SYSROOT;
use shim_protocol::{LONGEST_PATH, PHANTOM_DIRECTORY};

/// Triplet of the machine this is built for.
pub(crate) const NATIVE_TRIPLET: &[u8] = NATIVE.triplet.as_bytes();

/// A path that ends with NUL, in a place of its own.
pub(crate) struct Path {
    bytes: [u8; LONGEST_PATH],
    length: usize,
}

impl Path {
    /// An empty path.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; LONGEST_PATH],
            length: 0,
        }
    }

    /// Adds bytes; `false` when there is no room for them.
    pub(crate) fn push(&mut self, more: &[u8]) -> bool {
        let end = self.length + more.len();
        // The last byte stays NUL.
        if end >= LONGEST_PATH {
            return false;
        }
        for (place, byte) in self.bytes.iter_mut().skip(self.length).zip(more) {
            *place = *byte;
        }
        self.length = end;
        true
    }

    /// Adds a number in decimal digits.
    pub(crate) fn push_number(&mut self, number: usize) -> bool {
        let digit = b"0123456789".get(number % 10..=number % 10).unwrap_or_default();
        (number < 10 || self.push_number(number / 10)) && self.push(digit)
    }

    /// The path without the NUL.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Pointer to the path with its NUL.
    pub(crate) fn pointer(&self) -> *const core::ffi::c_char {
        self.bytes.as_ptr().cast()
    }

    /// Adds `path` with each whole triplet `from` in it replaced by `to`; `false` when there is no room.
    fn push_mapped(&mut self, path: &[u8], from: &[u8], to: &[u8]) -> bool {
        replace_word(path, from, to).all(|piece| self.push(piece))
    }
}

impl Default for Path {
    fn default() -> Self {
        Self::new()
    }
}

/// Meaning of a path that the loader is about to open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mapped {
    /// It is the machine's own already, or no path at all.
    Same,
    /// Its counterpart and the target's path, by which the installer knows it,
    /// are in the two places given.
    Both,
}

/// Returns whether a path is of the private directory of the view, where nothing is the target's.
fn is_private(path: &[u8]) -> bool {
    path.strip_prefix(PHANTOM_DIRECTORY.as_bytes())
        .is_some_and(|rest| rest.starts_with(b"/"))
}

/// Finds the counterpart of `path` and the path in the target that it belongs to.
pub(crate) fn map(path: &[u8], target: &[u8], counterpart: &mut Path, original: &mut Path) -> Mapped {
    if path.first() != Some(&b'/') || is_private(path) || target.is_empty() {
        return Mapped::Same;
    }
    let fits = counterpart.push(SYSROOT.as_bytes())
        && counterpart.push_mapped(path, target, NATIVE_TRIPLET)
        && original.push_mapped(path, NATIVE_TRIPLET, target);
    if fits { Mapped::Both } else { Mapped::Same }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(path: &str) -> Option<(String, String)> {
        let (mut there, mut here) = (Path::new(), Path::new());
        let text = |path: &Path| String::from_utf8(path.bytes().to_vec()).unwrap();
        (map(path.as_bytes(), b"arm-linux-gnueabi", &mut there, &mut here) == Mapped::Both)
            .then(|| (text(&there), text(&here)))
    }

    #[test]
    fn paths_of_the_target_have_a_counterpart() {
        let native = std::str::from_utf8(NATIVE_TRIPLET).unwrap();
        let (there, here) = mapped("/usr/lib/arm-linux-gnueabi/gio/modules/x.so").unwrap();
        assert_eq!(
            there,
            format!("/.rootless-install/sysroot/usr/lib/{native}/gio/modules/x.so")
        );
        assert_eq!(here, "/usr/lib/arm-linux-gnueabi/gio/modules/x.so");
        let (there, here) = mapped("/usr/lib/man-db/libman.so").unwrap();
        assert_eq!(there, "/.rootless-install/sysroot/usr/lib/man-db/libman.so");
        assert_eq!(here, "/usr/lib/man-db/libman.so");
        // A module that a native program looks for in its own directory.
        let (_, here) = mapped(&format!("/usr/lib/{native}/security/pam_x.so")).unwrap();
        assert_eq!(here, "/usr/lib/arm-linux-gnueabi/security/pam_x.so");
        let (there, _) = mapped("/usr/lib/arm-linux-gnueabihf/x.so").unwrap();
        assert!(there.ends_with("/arm-linux-gnueabihf/x.so"));
    }

    #[test]
    fn numbers() {
        for number in [0, 9, 10, 1047] {
            let mut path = Path::new();
            assert!(path.push_number(number));
            assert_eq!(path.bytes(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn others_stay() {
        assert_eq!(mapped("libc.so.6"), None);
        assert_eq!(mapped("/.rootless-install/sysroot/usr/lib/x.so"), None);
        assert_eq!(mapped(&format!("/{}", "x".repeat(LONGEST_PATH))), None);
    }
}
