//! Where the native counterparts of libraries are; without a heap, for `audit.rs`.

use super::NATIVE_TRIPLET;

/// Where the installer mounts the native sysroot in the view.
const SYSROOT: &[u8] = b"/.rootless-install/sysroot/usr/lib";
/// PATH_MAX of Linux.
pub(crate) const LENGTH: usize = 4096;

/// Writes the place of `path` in the sysroot into `buffer`, with a NUL at its end.
pub(crate) fn redirected(path: &[u8], buffer: &mut [u8; LENGTH]) -> bool {
    let below = path.strip_prefix(b"/usr").unwrap_or(path);
    let (kind, below) = match (below.strip_prefix(b"/lib/"), below.strip_prefix(b"/libexec/")) {
        (Some(below), _) => (&b""[..], below),
        (None, Some(below)) => (&b"exec"[..], below),
        (None, None) => return false,
    };
    let mut to = 0;
    let mut put = |bytes: &[u8]| {
        for byte in bytes {
            // One byte stays for the end.
            if to + 1 < LENGTH
                && let Some(place) = buffer.get_mut(to)
            {
                *place = *byte;
                to += 1;
            } else {
                return false;
            }
        }
        true
    };
    let first = below.split(|byte| *byte == b'/').next().unwrap_or_default();
    let rest = below.get(first.len()..).unwrap_or_default();
    // A multiarch directory, whatever architecture it is for.
    let triplet = first.windows(10).any(|part| part == b"-linux-gnu");
    let first = if triplet { NATIVE_TRIPLET.as_bytes() } else { first };
    put(SYSROOT) && put(kind) && put(b"/") && put(first) && put(rest) && put(b"\0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Option<String> {
        let mut buffer = [b'x'; LENGTH];
        let found = redirected(path.as_bytes(), &mut buffer);
        let end = buffer.iter().position(|byte| *byte == 0);
        found.then(|| String::from_utf8(buffer[..end.unwrap()].to_vec()).unwrap())
    }

    #[test]
    fn libraries_are_those_of_the_sysroot() {
        let root = "/.rootless-install/sysroot/usr";
        // What a RUNPATH names, and a plug-in that is loaded by its path.
        for path in ["/usr/lib/man-db/libman.so", "/lib/man-db/libman.so"] {
            assert_eq!(place(path).unwrap(), format!("{root}/lib/man-db/libman.so"));
        }
        let sudo = place("/usr/libexec/sudo/sudoers.so").unwrap();
        assert_eq!(sudo, format!("{root}/libexec/sudo/sudoers.so"));
        for triplet in ["s390x-linux-gnu", "arm-linux-gnueabihf", NATIVE_TRIPLET] {
            assert_eq!(
                place(&format!("/usr/lib/{triplet}/x/y.so")).unwrap(),
                format!("{root}/lib/{NATIVE_TRIPLET}/x/y.so")
            );
        }
    }

    #[test]
    fn other_files_stay() {
        for path in [
            "libc.so.6",
            "/opt/lib/x.so",
            "/usr/share/lib/x.so",
            "/.rootless-install/x.so",
            "",
        ] {
            assert_eq!(place(path), None, "{path}");
        }
        assert_eq!(place(&format!("/usr/lib/{}", "x".repeat(LENGTH))), None);
    }
}
