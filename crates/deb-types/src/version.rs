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

/// A version as dpkg reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DpkgVersion<'a> {
    /// The version as dpkg writes it: without blanks around it, and without an epoch of zero where none is needed.
    pub text: &'a str,
    /// A fault that dpkg warns about in its database, and refuses in an archive.
    pub doubt: Option<&'static str>,
}

/// Parses a version as dpkg does (`parseversion` in its source).
///
/// ```
/// use deb_types::version::parse_as_dpkg;
///
/// assert_eq!(parse_as_dpkg("00:1.0-1").unwrap().text, "1.0-1");
/// assert_eq!(parse_as_dpkg("1-"), Err("revision number is empty"));
/// assert_eq!(parse_as_dpkg("v1").unwrap().doubt, Some("version number does not start with digit"));
/// ```
///
/// # Errors
/// The fault, in dpkg's words.
pub fn parse_as_dpkg(text: &str) -> Result<DpkgVersion<'_>, &'static str> {
    /// `INT_MAX`.
    const LARGEST_EPOCH: u64 = 2_147_483_647;
    let text = text.trim_matches([' ', '\t']);
    if text.is_empty() {
        return Err("version string is empty");
    }
    if text.contains([' ', '\t']) {
        return Err("version string has embedded spaces");
    }
    let (shown, version) = match text.split_once(':') {
        None => (text, text),
        Some((epoch, version)) => {
            let signed = epoch.strip_prefix(['+', '-']);
            let digits = signed.unwrap_or(epoch);
            if !digits.starts_with(|c: char| c.is_ascii_digit()) {
                return Err("epoch in version is empty");
            }
            if !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err("epoch in version is not number");
            }
            let digits = digits.trim_start_matches('0');
            if epoch.starts_with('-') && !digits.is_empty() {
                return Err("epoch in version is negative");
            }
            if !digits.is_empty() && !digits.parse().is_ok_and(|epoch: u64| epoch <= LARGEST_EPOCH) {
                return Err("epoch in version is too big");
            }
            if version.is_empty() {
                return Err("nothing after colon in version number");
            }
            // Without its epoch a version with another colon would be read as having one.
            let written = match (digits.is_empty(), version.contains(':')) {
                (true, false) => version.len(),
                (true, true) => version.len() + "0:".len(),
                (false, _) => digits.len() + 1 + version.len(),
            };
            (text.get(text.len() - written..).unwrap_or(text), version)
        }
    };
    let (upstream, revision) = version.rsplit_once('-').unwrap_or((version, "0"));
    if revision.is_empty() {
        return Err("revision number is empty");
    }
    if upstream.is_empty() {
        return Err("version number is empty");
    }
    let has_only = |text: &str, marks: &[u8]| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || marks.contains(&b))
    };
    let doubt = if !upstream.starts_with(|c: char| c.is_ascii_digit()) {
        Some("version number does not start with digit")
    } else if !has_only(upstream, b".-+~:") {
        Some("invalid character in version number")
    } else if !has_only(revision, b".+~") {
        Some("invalid character in revision number")
    } else {
        None
    };
    Ok(DpkgVersion { text: shown, doubt })
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

    /// Every check of dpkg's `parseversion`, with its words; a version that has only a doubt is taken for a database.
    #[test]
    fn versions_as_dpkg_reads_them() {
        for (text, written) in [
            ("1", "1"),
            (" 1.0-1\t", "1.0-1"),
            ("0:1", "1"),
            ("000:1-2", "1-2"),
            ("007:1", "7:1"),
            ("+3:1", "3:1"),
            ("-0:1", "1"),
            ("0:1:2", "0:1:2"),
            ("00:1:2", "0:1:2"),
            ("2147483647:1", "2147483647:1"),
            ("1-2-3~a+b.c", "1-2-3~a+b.c"),
        ] {
            assert_eq!(
                parse_as_dpkg(text),
                Ok(DpkgVersion {
                    text: written,
                    doubt: None
                }),
                "{text}"
            );
        }
        for (text, problem) in [
            ("", "version string is empty"),
            (" ", "version string is empty"),
            ("1 2", "version string has embedded spaces"),
            (":1", "epoch in version is empty"),
            ("x:1", "epoch in version is empty"),
            ("1x:1", "epoch in version is not number"),
            ("-1:1", "epoch in version is negative"),
            ("2147483648:1", "epoch in version is too big"),
            ("99999999999999999999999:1", "epoch in version is too big"),
            ("1:", "nothing after colon in version number"),
            ("1-", "revision number is empty"),
            ("1:2-", "revision number is empty"),
            ("-1", "version number is empty"),
            ("1:-1", "version number is empty"),
        ] {
            assert_eq!(parse_as_dpkg(text), Err(problem), "{text}");
        }
        for (text, doubt) in [
            ("v1.0", "version number does not start with digit"),
            ("~1", "version number does not start with digit"),
            ("1_0", "invalid character in version number"),
            ("1.0é-1", "invalid character in version number"),
            ("1-1_1", "invalid character in revision number"),
            ("1-1:1", "epoch in version is not number"),
            ("0:1-1:1", "invalid character in revision number"),
        ] {
            let found = parse_as_dpkg(text);
            let found = found.map_or_else(Some, |version| version.doubt);
            assert_eq!(found, Some(doubt), "{text}");
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
