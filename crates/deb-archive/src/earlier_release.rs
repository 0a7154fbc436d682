//! The release before another in the same archive.

use crate::source::Source;

/// Codenames of releases in their order, of each vendor.
const RELEASES: [&[&str]; 2] = [
    &[
        "squeeze", "wheezy", "jessie", "stretch", "buster", "bullseye", "bookworm", "trixie", "forky", "duke",
    ],
    &["trusty", "xenial", "bionic", "focal", "jammy", "noble"],
];

/// Names that go from release to release, each with that of the release before.
const MOVING: [(&str, &str); 5] = [
    ("oldstable", "oldoldstable"),
    ("stable", "oldstable"),
    ("testing", "stable"),
    ("unstable", "testing"),
    ("sid", "testing"),
];

/// Returns a suite's name in the release before: `bookworm-security` for `trixie-security`.
fn earlier_suite(suite: &str) -> Option<String> {
    let end = suite.find(['-', '/']).unwrap_or(suite.len());
    let (release, rest) = suite.split_at(end);
    let before = |names: &&[&'static str]| {
        let place = names.iter().position(|name| *name == release)?;
        names.get(place.checked_sub(1)?).copied()
    };
    let moving = MOVING.iter().find(|(name, _)| *name == release);
    let earlier = moving
        .map(|(_, earlier)| *earlier)
        .or_else(|| RELEASES.iter().find_map(before))?;
    Some(format!("{earlier}{rest}"))
}

impl Source {
    /// Returns the same source for the release before, where Debian's or Ubuntu's names of suites tell which that is. Its
    /// suites may be missing in the archive.
    pub fn of_earlier_release(&self) -> Option<Self> {
        let suites: Vec<String> = self
            .suites
            .iter()
            .filter_map(|suite| earlier_suite(suite))
            .collect();
        (!suites.is_empty()).then(|| Self {
            place: format!("{}, for the release before ({})", self.place, suites.join(" ")),
            suites,
            inrelease_path: None,
            optional: true,
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_mirror_argument;

    #[test]
    fn suites_of_the_release_before() {
        for (suite, earlier) in [
            ("trixie", Some("bookworm")),
            ("trixie-security", Some("bookworm-security")),
            ("bookworm-updates", Some("bullseye-updates")),
            ("testing", Some("stable")),
            ("sid", Some("testing")),
            ("noble", Some("jammy")),
            ("squeeze", None),
            ("trusty", None),
            ("kali-rolling", None),
            ("./", None),
        ] {
            assert_eq!(earlier_suite(suite).as_deref(), earlier, "{suite}");
        }
        let line = "deb [arch=amd64] http://mirror.example.org/debian trixie main";
        let list = parse_mirror_argument(line, "trixie", &[]).unwrap();
        let earlier = list.sources[0].of_earlier_release().unwrap();
        assert_eq!(earlier.suites, ["bookworm"]);
        assert_eq!(earlier.components, ["main"]);
        assert_eq!(earlier.architectures, ["amd64"]);
        assert!(earlier.optional);
    }
}
