//! The sources that mmdebstrap has for a suite where no mirror is given: those of the vendor whose suite it is. Debian's
//! are on the mirror that this machine's apt uses.

use std::fs;

use deb_archive::machine_sources;
use url::Url;

/// Suites of Debian that have no updates.
const MOVING: [&str; 3] = ["testing", "unstable", "sid"];

/// Suites of Debian whose security updates are in `SUITE/updates`: those before Debian 11.
const OLD: [&str; 9] = [
    "potato", "woody", "sarge", "etch", "lenny", "squeeze", "wheezy", "jessie", "stretch",
];

/// Suites of others that mmdebstrap knows without any file.
const UBUNTU: [&str; 6] = ["trusty", "xenial", "zesty", "artful", "bionic", "cosmic"];
const KALI: [&str; 3] = ["kali-dev", "kali-rolling", "kali-bleeding-edge"];
const DEBIAN: [&str; 8] = [
    "unstable",
    "stable",
    "oldstable",
    "stretch",
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
];

/// Returns lines of sources for a suite; none without one.
pub(super) fn sources(suite: &str, components: &[String]) -> Option<String> {
    if suite.is_empty() {
        return None;
    }
    let known = |file: &str| series(&fs::read_to_string(file).unwrap_or_default());
    let ubuntu = UBUNTU.contains(&suite)
        || known("/usr/share/distro-info/ubuntu.csv")
            .iter()
            .any(|s| s == suite);
    let debian = DEBIAN.contains(&suite)
        || OLD.contains(&suite)
        || known("/usr/share/distro-info/debian.csv")
            .iter()
            .any(|s| s == suite);
    let machine = machine_sources().ok();
    let archive = |url: Option<&Url>| url.map(|url| url.as_str().trim_end_matches('/').to_owned());
    let [main, security] = [
        archive(machine.as_ref().and_then(|machine| machine.mirror.as_ref())),
        archive(machine.as_ref().and_then(|machine| machine.security.as_ref())),
    ];
    let debians = (main.as_deref(), security.as_deref());
    lines(suite, &components.join(" "), ubuntu, debian, debians)
}

/// Returns the lines, with the mirrors of Debian and of its security updates; none where there is no mirror.
fn lines(
    suite: &str,
    components: &str,
    ubuntu: bool,
    debian: bool,
    (main, updates): (Option<&str>, Option<&str>),
) -> Option<String> {
    let line = |mirror: &str, suite: &str| format!("deb {mirror} {suite} {components}\n");
    if ubuntu {
        let (main, security) = match deb_arch::Architecture::native().name {
            "amd64" | "i386" => (
                "http://archive.ubuntu.com/ubuntu",
                "http://security.ubuntu.com/ubuntu",
            ),
            _ => (
                "http://ports.ubuntu.com/ubuntu-ports",
                "http://ports.ubuntu.com/ubuntu-ports",
            ),
        };
        let all = [
            line(main, suite),
            line(main, &format!("{suite}-updates")),
            line(security, &format!("{suite}-security")),
        ];
        return Some(all.concat());
    }
    if KALI.contains(&suite) {
        return Some(line("https://http.kali.org/kali", suite));
    }
    let main = main?;
    let mut text = line(main, suite);
    if debian && !MOVING.contains(&suite) {
        let security = if OLD.contains(&suite) || suite == "buster" {
            format!("{suite}/updates")
        } else {
            format!("{suite}-security")
        };
        text.push_str(&line(main, &format!("{suite}-updates")));
        text.extend(updates.map(|updates| line(updates, &security)));
    }
    Some(text)
}

/// Returns the suites of a file of distro-info: its third column.
fn series(text: &str) -> Vec<String> {
    let rows = text.lines().skip(1).filter_map(|line| line.split(',').nth(2));
    rows.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_those_of_the_vendor() {
        let debians = (
            Some("http://mirror.example.org/debian"),
            Some("http://mirror.example.org/debian-security"),
        );
        let of = |suite: &str| lines(suite, "main contrib", false, true, debians).unwrap();
        assert_eq!(
            of("trixie"),
            "deb http://mirror.example.org/debian trixie main contrib\n\
             deb http://mirror.example.org/debian trixie-updates main contrib\n\
             deb http://mirror.example.org/debian-security trixie-security main contrib\n"
        );
        assert_eq!(
            of("sid"),
            "deb http://mirror.example.org/debian sid main contrib\n"
        );
        assert!(of("buster").contains(" buster/updates "));
        let kali = lines("kali-rolling", "main", false, false, debians).unwrap();
        assert!(kali.contains("kali.org"));
        let ubuntu = lines("noble", "main", true, false, (None, None)).unwrap();
        assert_eq!(ubuntu.lines().count(), 3);
        assert_eq!(lines("trixie", "main", false, true, (None, None)), None);
        assert_eq!(sources("", &[]), None);
        assert_eq!(
            series("version,codename,series\n13,Trixie,trixie,x\n"),
            ["trixie"]
        );
    }
}
