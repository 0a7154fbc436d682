//! File name patterns (glob(7)), resolved below a root.

use crate::fnmatch::fnmatch;
use crate::root::Root;
use rootless_install_fs::Error;
use std::os::unix::ffi::OsStringExt;

/// Most components of a pattern; a longer one matches nothing.
const MOST_COMPONENTS: usize = 128;
/// Most files that a pattern matches; no configuration includes as many.
const MOST_MATCHES: usize = 10_000;

/// Returns the paths that match an absolute pattern, sorted by their bytes.
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
                .is_ok_and(|path| root.target().stat(&path).is_ok())
    });
    matches.sort_unstable();
    Ok(matches)
}

/// Returns a component without its backslashes.
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

/// Returns whether a name matches a pattern of one component. A leading dot matches only itself.
pub(super) fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    fnmatch(pattern, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_names_are_named() {
        for (pattern, name, expected) in [
            ("*.conf", "libc.conf", true),
            ("*.conf", ".hidden.conf", false),
            ("[.]*", ".hidden", false),
            (".*", ".hidden", true),
        ] {
            assert_eq!(
                matches_name(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }
}
