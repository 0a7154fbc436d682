//! `--path-exclude` and `--path-include`: paths of packages that are not unpacked.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Patterns in the order given; the last that matches decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(Vec<(Vec<u8>, bool)>);

impl Filters {
    /// Adds a pattern (glob(7), where `*` and `?` match slashes as well).
    pub fn add(&mut self, pattern: &Path, include: bool) {
        self.0.push((pattern.as_os_str().as_bytes().to_vec(), include));
    }

    /// Whether a path of a package is left out. Directories and links stay where an included path
    /// may lie below them.
    pub fn leave_out(&self, path: &Path, may_hold_others: bool) -> bool {
        let path = path.as_os_str().as_bytes();
        let mut matching = self.0.iter().rev();
        let last = matching.find(|(pattern, _)| matches(pattern, path));
        if last.is_none_or(|(_, include)| *include) {
            return false;
        }
        let reaches = |pattern: &[u8]| {
            let end = pattern
                .iter()
                .position(|b| b"*?[\\".contains(b))
                .unwrap_or(pattern.len());
            let mut fixed = pattern.get(..end).unwrap_or_default();
            while let Some(shorter) = fixed.strip_suffix(b"/") {
                fixed = shorter;
            }
            // As dpkg: no more than the part of the path that the pattern fixes is compared.
            path.starts_with(fixed)
        };
        !(may_hold_others
            && self
                .0
                .iter()
                .any(|(pattern, include)| *include && reaches(pattern)))
    }
}

/// fnmatch(3) without flags.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last `*` does not match.
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match step(pattern, p, text.get(t).copied().unwrap_or_default()) {
            Step::Star => {
                back = Some((p + 1, t));
                p += 1;
                continue;
            }
            Step::Match(next) => {
                p = next;
                t += 1;
                continue;
            }
            Step::No => {}
        }
        match &mut back {
            Some((after, from)) => {
                *from += 1;
                (p, t) = (*after, *from);
            }
            None => return false,
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|b| *b == b'*'))
}

enum Step {
    Star,
    Match(usize),
    No,
}

fn step(pattern: &[u8], at: usize, byte: u8) -> Step {
    let exactly = |wanted: u8, next: usize| {
        if wanted == byte {
            Step::Match(next)
        } else {
            Step::No
        }
    };
    match pattern.get(at) {
        None => Step::No,
        Some(b'*') => Step::Star,
        Some(b'?') => Step::Match(at + 1),
        Some(b'\\') => match pattern.get(at + 1) {
            Some(escaped) => exactly(*escaped, at + 2),
            None => Step::No,
        },
        Some(b'[') => match bracket(pattern, at + 1, byte) {
            Some((true, next)) => Step::Match(next),
            Some((false, _)) => Step::No,
            None => exactly(b'[', at + 1),
        },
        Some(other) => exactly(*other, at + 1),
    }
}

/// A bracket expression that begins after `[`: whether it matches, and what follows it.
fn bracket(pattern: &[u8], mut at: usize, byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    at += usize::from(negated);
    let begin = at;
    let mut found = false;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > begin {
            return Some((found != negated, at + 1));
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(high)) if *high != b']' => {
                found |= (low..=*high).contains(&byte);
                at += 3;
            }
            _ => {
                found |= low == byte;
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
        for (pattern, text, expected) in [
            ("/usr/share/doc/*", "/usr/share/doc/a/copyright", true),
            ("/usr/share/doc/*", "/usr/share/doc", false),
            ("/a?c", "/a/c", true),
            ("*/b*d", "/a/bcd", true),
            ("*/b*d", "/a/bcdx", false),
            ("/[a-c]x", "/bx", true),
            ("/[!a-c]x", "/bx", false),
            ("/\\*", "/*", true),
            ("/\\*", "/x", false),
            ("/[x", "/[x", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn the_last_pattern_decides_and_parents_stay() {
        let mut filters = Filters::default();
        assert!(!filters.leave_out(Path::new("/usr/share/doc/a"), false));
        filters.add(Path::new("/usr/share/doc/*"), false);
        filters.add(Path::new("/usr/share/doc/*/copyright"), true);
        assert!(filters.leave_out(Path::new("/usr/share/doc/a/README"), false));
        assert!(!filters.leave_out(Path::new("/usr/share/doc/a/copyright"), false));
        assert!(!filters.leave_out(Path::new("/usr/share/doc/a"), true));
        assert!(!filters.leave_out(Path::new("/usr/bin/a"), false));
        filters.add(Path::new("/usr/share/man/*"), false);
        assert!(filters.leave_out(Path::new("/usr/share/man/man1"), true));
    }
}
