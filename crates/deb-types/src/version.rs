//! Versions as deb-version(7) orders them.

use std::cmp::Ordering;

use debversion::Version;

/// No archive comes near this; it bounds the work a hostile index can ask for.
const LONGEST: usize = 1024;

/// Whether a text is a version that can be compared.
pub fn is_valid(text: &str) -> bool {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (Some(epoch), rest),
        None => (None, text),
    };
    text.len() <= LONGEST
        && epoch.is_none_or(|e| {
            !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit()) && e.parse::<u32>().is_ok()
        })
        && !rest.is_empty()
        && !rest.starts_with('-')
        && !rest.ends_with('-')
        && rest
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'~' | b':'))
}

/// An empty number counts as zero (deb-version(7)): the last one is written out.
fn end_with_number(part: &mut String) {
    if !part.ends_with(|c: char| c.is_ascii_digit()) {
        part.push('0');
    }
}

fn parse(text: &str) -> Option<Version> {
    if !is_valid(text) {
        return None;
    }
    let mut version: Version = text.parse().ok()?;
    end_with_number(&mut version.upstream_version);
    if let Some(revision) = version.debian_revision.as_mut() {
        end_with_number(revision);
    }
    Some(version)
}

/// Compares two versions. What is not a version sorts before all that are.
pub fn compare(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// A version without its binary-only rebuild (`+b` and a number at the end).
pub fn without_rebuild(version: &str) -> &str {
    match version.rsplit_once("+b") {
        Some((base, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => base,
        _ => version,
    }
}

/// The number of a binary-only rebuild, 0 for an ordinary build.
pub fn rebuild(version: &str) -> u64 {
    let base = without_rebuild(version);
    version
        .get(base.len() + 2..)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_versions() {
        // Each list ascending, as dpkg --compare-versions has it.
        for list in [
            &[
                "1.0~rc1-1",
                "1.0-1",
                "1.0-1+b1",
                "1.0-1+b10",
                "1.0-2",
                "1.0.1-1",
                "1:0.1",
            ][..],
            &["1~~", "1~~a", "1~", "1", "1a", "1+", "1.1"],
            &[
                "2",
                "12345678901234567890123456789",
                "12345678901234567890123456790",
            ],
        ] {
            for (i, a) in list.iter().enumerate() {
                for (j, b) in list.iter().enumerate() {
                    assert_eq!(compare(a, b), i.cmp(&j), "{a} {b}");
                }
            }
        }
        for (a, b) in [
            ("1.0a", "1.0a0"),
            ("1.0", "1.0-0"),
            ("0:1", "1"),
            ("1.00", "1.0"),
            ("1.", "1.0"),
        ] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn hostile_versions() {
        let long = "9".repeat(100_000);
        for bad in [
            "",
            ":",
            "1:",
            ":1",
            "x:1",
            "99999999999:1",
            "1-",
            "-1",
            "1 2",
            "١",
            "1_0",
            "é",
            &long,
        ] {
            assert!(!is_valid(bad), "{bad}");
            assert_eq!(compare(bad, "1"), Ordering::Less);
            assert_eq!(compare("1", bad), Ordering::Greater);
        }
    }

    #[test]
    fn rebuilds() {
        assert_eq!(without_rebuild("1.2-3+b4"), "1.2-3");
        assert_eq!(rebuild("1.2-3+b4"), 4);
        assert_eq!(without_rebuild("1.2-3+beta"), "1.2-3+beta");
        assert_eq!(rebuild("1.2-3"), 0);
    }
}
