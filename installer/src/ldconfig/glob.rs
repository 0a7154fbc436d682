//! File name patterns (glob(7)), resolved below a root.

use super::root::Root;
use rootless_install_fs::Error;
use std::os::unix::ffi::OsStringExt;

/// More components than any path of the kernel's length needs here.
const MOST_COMPONENTS: usize = 128;
/// More files than any configuration includes.
const MOST_MATCHES: usize = 10_000;

/// Paths that match an absolute pattern, sorted by their bytes.
pub(super) fn glob(root: &Root<'_>, pattern: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let components: Vec<&[u8]> = pattern.split(|&b| b == b'/').filter(|c| !c.is_empty()).collect();
    if components.len() > MOST_COMPONENTS {
        return Ok(Vec::new());
    }
    let mut matches = vec![Vec::new()];
    for component in components {
        let mut next = Vec::new();
        for path in matches {
            if !component.iter().any(|b| b"*?[".contains(b)) {
                next.push([&path, &b"/"[..], &unescaped(component)].concat());
                continue;
            }
            let names = match root.list(&[&path, &b"/"[..]].concat()) {
                Err(error) if error.is_not_found() => continue,
                names => names?,
            };
            let names = names.into_iter().map(OsStringExt::into_vec);
            next.extend(
                names
                    .filter(|name| matches_name(component, name))
                    .map(|name| [&path, &b"/"[..], &name].concat()),
            );
        }
        next.truncate(MOST_MATCHES);
        matches = next;
    }
    matches.retain(|path| {
        !path.is_empty()
            && root
                .beside(path)
                .is_ok_and(|place| root.target().stat(&place).is_ok())
    });
    matches.sort_unstable();
    Ok(matches)
}

fn unescaped(component: &[u8]) -> Vec<u8> {
    let mut bytes = component.iter();
    let mut text = Vec::with_capacity(component.len());
    while let Some(&byte) = bytes.next() {
        text.push(if byte == b'\\' {
            bytes.next().copied().unwrap_or(b'\\')
        } else {
            byte
        });
    }
    text
}

/// Whether a name matches a pattern of one component. A leading dot matches
/// only itself.
pub(super) fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut p, mut n) = (0, 0);
    // After the last star: where the pattern and the name go on.
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

/// Length of the pattern's first element if it matches the byte.
fn matches_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', rest @ ..] => match set(rest, byte) {
            Some((length, matched)) => matched.then_some(length + 1),
            None => (byte == b'[').then_some(1),
        },
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// A bracket expression after its `[`: its length and whether the byte is in
/// it; `None` if it does not end.
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
            ("*.conf", "libc.conf", true),
            ("*.conf", ".hidden.conf", false),
            (".*", ".hidden", true),
            ("*.conf", "libc.conf.dpkg-new", false),
            ("a*b*c", "aXbbc", true),
            ("a*b*c", "aXbb", false),
            ("?[a-c]x", "zbx", true),
            ("?[!a-c]x", "zbx", false),
            ("[]x]", "]", true),
            ("[x", "[x", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("**", "", true),
            ("", "x", false),
        ] {
            assert_eq!(
                matches_name(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
        let star = [b"*a".repeat(2000), b"b".to_vec()].concat();
        assert!(!matches_name(&star, &b"a".repeat(4000)));
    }
}
