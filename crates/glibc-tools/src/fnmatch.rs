//! Patterns of the shell (glob(7)), for whole names.

/// Returns whether a name matches a pattern, as fnmatch(3) without flags: `*`, `?` and brackets match slashes and
/// leading dots as well. Bytes are compared; there are no character classes.
///
/// ```
/// use glibc_tools::fnmatch;
///
/// assert!(fnmatch(b"/usr/share/doc/*", b"/usr/share/doc/tar/copyright"));
/// assert!(fnmatch(b"lib[a-c]?.so", b"libbz.so"));
/// assert!(!fnmatch(b"*.conf", b"ld.so.conf.d"));
/// ```
pub fn fnmatch(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Positions behind the last star, in the pattern and in the name.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = name.get(n) {
        let rest = pattern.get(p..).unwrap_or_default();
        if rest.first() == Some(&b'*') {
            p += 1;
            star = Some((p, n));
        } else if let Some(length) = matches_one(rest, byte) {
            p += length;
            n += 1;
        } else if let Some((after, start)) = star {
            star = Some((after, start + 1));
            (p, n) = (after, start + 1);
        } else {
            return false;
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|&b| b == b'*')
}

/// Returns the length of the pattern's first element if it matches the byte.
fn matches_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'\\'] => None,
        [b'[', rest @ ..] => match set(rest, byte) {
            Some((length, matched)) => matched.then_some(length + 1),
            None => (byte == b'[').then_some(1),
        },
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// Returns the length of a bracket expression after its `[`, and whether the byte is in it; `None` if it does not
/// end.
fn set(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let mut at = usize::from(negated);
    let first = at;
    let mut matched = false;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((at + 1, matched != negated));
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                matched |= (low..=high).contains(&byte);
                at += 3;
            }
            _ => {
                matched |= low == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("/usr/share/doc/*", "/usr/share/doc/a/copyright", true),
            ("/usr/share/doc/*", "/usr/share/doc", false),
            ("/a?c", "/a/c", true),
            ("*/b*d", "/a/bcd", true),
            ("*/b*d", "/a/bcdx", false),
            ("*.conf", "libc.conf.dpkg-new", false),
            ("a*b*c", "aXbbc", true),
            ("a*b*c", "aXbb", false),
            ("?[a-c]x", "zbx", true),
            ("?[!a-c]x", "zbx", false),
            ("[]x]", "]", true),
            ("[x", "[x", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("\\", "\\", false),
            ("**", "", true),
            ("", "x", false),
        ] {
            assert_eq!(
                fnmatch(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn hostile_patterns_take_no_time() {
        let pattern = [b"*a".repeat(2000), b"b".to_vec()].concat();
        assert!(!fnmatch(&pattern, &b"a".repeat(4000)));
    }
}
