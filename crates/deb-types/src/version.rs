//! Versions as deb-version(7) orders them.
//!
//! Indexes are held to the manual: [`compare`] takes what [`is_valid`] refuses for no version at all.
//! dpkg's database and command line are not: [`compare_loosely`] orders everything that is made of a
//! version's characters, as dpkg does after its warning.

use std::cmp::Ordering;

use debversion::Version;

/// No archive comes near this; it bounds the work a hostile index can ask for.
const LONGEST: usize = 1024;

/// Returns whether a text is a version that deb-version(7) allows, of at most 1024 characters.
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
    is_valid(text).then(|| parse_loosely(text))?
}

fn parse_loosely(text: &str) -> Option<Version> {
    let mut version: Version = text.parse().ok()?;
    end_with_number(&mut version.upstream_version);
    if let Some(revision) = version.debian_revision.as_mut() {
        end_with_number(revision);
    }
    Some(version)
}

/// Compares two versions. A text that is not a version sorts before all that are.
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

/// Compares two versions, with a revision, an epoch or an upstream version that deb-version(7) does not allow
/// read as part of the upstream version; none where one of the two has other characters than a version.
///
/// ```
/// use deb_types::version::compare_loosely;
/// use std::cmp::Ordering;
///
/// assert_eq!(compare_loosely("1-", "1"), Some(Ordering::Greater));
/// assert_eq!(compare_loosely("1_0", "1"), None);
/// ```
pub fn compare_loosely(a: &str, b: &str) -> Option<Ordering> {
    Some(parse_loosely(a)?.cmp(&parse_loosely(b)?))
}

/// Returns the order of two versions by [`compare_loosely`]; texts with other characters are equal to each
/// other and earlier than all versions.
pub fn loose_order(a: &str, b: &str) -> Ordering {
    parse_loosely(a).cmp(&parse_loosely(b))
}

/// Returns a version without its binary-only rebuild (`+b` and a number at the end).
pub fn without_rebuild(version: &str) -> &str {
    match version.rsplit_once("+b") {
        Some((base, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => base,
        _ => version,
    }
}

/// Returns the number of a binary-only rebuild, 0 for an ordinary build.
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
    fn loose_versions() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, order) in [
            // As [`compare`] has it.
            ("1.0~rc1-1", "1.0-1", Some(Less)),
            ("1.0a", "1.0a0", Some(Equal)),
            ("0:1", "1", Some(Equal)),
            // deb-version(7) has none of these.
            ("-1", "1", Some(Greater)),
            ("1-", "1", Some(Greater)),
            (":1", "1", Some(Greater)),
            ("x:1", "1", Some(Greater)),
            ("", "1", None),
            ("1 2", "1", None),
            ("99999999999:1", "1", None),
        ] {
            assert_eq!(compare_loosely(a, b), order, "{a} {b}");
            assert_eq!(loose_order(a, b), order.unwrap_or(Less), "{a} {b}");
        }
        assert_eq!(loose_order("1 2", ""), Equal);
    }

    #[test]
    fn rebuilds() {
        assert_eq!(without_rebuild("1.2-3+b4"), "1.2-3");
        assert_eq!(rebuild("1.2-3+b4"), 4);
        assert_eq!(without_rebuild("1.2-3+beta"), "1.2-3+beta");
        assert_eq!(rebuild("1.2-3"), 0);
    }
}
