//! Triplets and names of architectures in paths.

/// Returns `path` in pieces, with each whole `from` in it replaced by `to`.
///
/// A word counts only where it is not part of a longer one, so that `arm-linux-gnueabi` is not found inside
/// `arm-linux-gnueabihf`. An empty `from` is nowhere.
///
/// ```
/// let path = b"/usr/lib/riscv64-linux-gnu/x.so";
/// let mapped = deb_arch::replace_word(path, b"riscv64-linux-gnu", b"x86_64-linux-gnu");
/// assert_eq!(mapped.collect::<Vec<_>>().concat(), b"/usr/lib/x86_64-linux-gnu/x.so");
/// ```
pub fn replace_word<'a>(path: &'a [u8], from: &'a [u8], to: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let mut rest = path;
    let mut last = None;
    core::iter::from_fn(move || {
        if !from.is_empty()
            && let Some(tail) = rest.strip_prefix(from)
            && !word(last)
            && !word(tail.first())
        {
            rest = tail;
            last = to.last();
            return Some(to);
        }
        let (piece, tail) = rest.split_at_checked(1)?;
        rest = tail;
        last = piece.last();
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maps(path: &str, expected: &str) -> bool {
        let mapped = replace_word(path.as_bytes(), b"arm-linux-gnueabi", b"x86_64-linux-gnu");
        mapped.flatten().eq(expected.as_bytes())
    }

    #[test]
    fn triplets_are_mapped_as_words() {
        assert!(maps(
            "/usr/lib/arm-linux-gnueabi/x",
            "/usr/lib/x86_64-linux-gnu/x"
        ));
        let longer = "/usr/lib/arm-linux-gnueabihf/x";
        assert!(maps(longer, longer));
        assert!(maps(
            "/usr/bin/arm-linux-gnueabi-gcc",
            "/usr/bin/x86_64-linux-gnu-gcc"
        ));
        let behind = "/bin/xarm-linux-gnueabi";
        assert!(maps(behind, behind));
        assert!(replace_word(b"/x", b"", b"y").flatten().eq(b"/x"));
    }
}
