//! Words of errors that depend on what happened.

use std::time::Duration;

/// Returns a duration in seconds, as short as it can be written.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// Returns a span of time as apt writes it: `120d 23h 4min 24s`.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let parts: Vec<String> = parts
        .iter()
        .skip(first)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    parts.join(" ")
}

/// What an HTTP status means for the user (RFC 9110, section 15), after the status.
pub(super) fn advice(status: u16) -> &'static str {
    match status {
        401 => {
            " (user and password are wanted): write them into /etc/apt/auth.conf.d or a file for --auth-file, as `machine HOST login USER password PASSWORD` (apt_auth.conf(5); `machine http://HOST` where it is not https)"
        }
        402 | 403 | 451 => {
            " (access is refused): the server does not give this file to you; give another --mirror"
        }
        407 => {
            " (the proxy wants user and password): write them into http_proxy or https_proxy, or into auth.conf"
        }
        408 | 425 | 429 => " (too slow, or too many requests): try again later or give another --mirror",
        400..=499 => {
            " (it does not accept the request): check the URL, and the proxy variables (http_proxy, https_proxy, no_proxy)"
        }
        300..=399 => " and does not say where to go instead: check the URL or give another --mirror",
        501 | 505 => " (it cannot do what is asked): check the URL and the proxy, or give another --mirror",
        502..=504 => {
            " (the server or a proxy before it is overloaded or down): try again later or give another --mirror"
        }
        _ => ": the server is in trouble; try again later or give another --mirror",
    }
}

/// Suites and codenames of Debian and its derivatives' archives.
const SUITES: &[&str] = &[
    "stable",
    "testing",
    "unstable",
    "experimental",
    "oldstable",
    "oldoldstable",
    "sid",
    "stretch",
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "focal",
    "jammy",
    "noble",
];

/// Versions by which releases are called, and the names that archives have for them.
const VERSIONS: &[(&str, &str)] = &[
    ("9", "stretch"),
    ("10", "buster"),
    ("11", "bullseye"),
    ("12", "bookworm"),
    ("13", "trixie"),
    ("14", "forky"),
    ("15", "duke"),
    ("20.04", "focal"),
    ("22.04", "jammy"),
    ("24.04", "noble"),
];

/// Returns which suites may have been meant by one that is not there.
pub(super) fn near_suites(suite: &str) -> String {
    let end = suite.find(['-', '/']).unwrap_or(suite.len());
    let (name, rest) = suite.split_at(end);
    let version = name.trim_start_matches("debian").trim_start_matches("ubuntu");
    let point = |known: &str| {
        version
            .strip_prefix(known)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    if let Some((_, called)) = VERSIONS
        .iter()
        .find(|(known, _)| *known == version || !known.contains('.') && point(known))
    {
        return format!("; {name} is called `{called}{rest}` there");
    }
    // One that is not in this archive has no other name.
    if SUITES.contains(&name) {
        return String::new();
    }
    let near = deb_types::near::nearest(name, SUITES.iter().copied(), 2);
    let near: Vec<String> = near
        .into_iter()
        .take(3)
        .map(|name| format!("`{name}{rest}`"))
        .collect();
    match near.is_empty() {
        true => String::new(),
        false => format!("; perhaps {} is meant", near.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_apt_writes_them() {
        for (seconds, text) in [
            (0, "0s"),
            (61, "1min 1s"),
            (86_400 * 120 + 3600 * 23 + 24, "120d 23h 0min 24s"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn suites_that_are_nearly_meant() {
        assert_eq!(near_suites("trixi"), "; perhaps `trixie` is meant");
        assert_eq!(near_suites("Trixie"), "; perhaps `trixie` is meant");
        assert_eq!(
            near_suites("bokworm-backports"),
            "; perhaps `bookworm-backports` is meant"
        );
        assert_eq!(near_suites("trixie-backport"), "");
        assert_eq!(near_suites("whatever"), "");
        assert_eq!(near_suites("13"), "; 13 is called `trixie` there");
        assert_eq!(
            near_suites("12.5-backports"),
            "; 12.5 is called `bookworm-backports` there"
        );
        assert_eq!(near_suites("22.04"), "; 22.04 is called `jammy` there");
        assert_eq!(near_suites("debian11"), "; debian11 is called `bullseye` there");
        assert_eq!(near_suites("99"), "");
    }
}
