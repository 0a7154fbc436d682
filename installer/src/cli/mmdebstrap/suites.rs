//! The sources that mmdebstrap has for a suite where no mirror is given: those of the vendor whose suite it is.

use std::fs;

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
    Some(lines(suite, &components.join(" "), ubuntu, debian))
}

fn lines(suite: &str, components: &str, ubuntu: bool, debian: bool) -> String {
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
        return [
            line(main, suite),
            line(main, &format!("{suite}-updates")),
            line(security, &format!("{suite}-security")),
        ]
        .concat();
    }
    if KALI.contains(&suite) {
        return line("https://http.kali.org/kali", suite);
    }
    let main = "http://deb.debian.org/debian";
    let mut text = line(main, suite);
    if debian && !MOVING.contains(&suite) {
        let security = if OLD.contains(&suite) || suite == "buster" {
            format!("{suite}/updates")
        } else {
            format!("{suite}-security")
        };
        text.push_str(&line(main, &format!("{suite}-updates")));
        text.push_str(&line("http://security.debian.org/debian-security", &security));
    }
    text
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
        let of = |suite: &str| lines(suite, "main contrib", false, true);
        assert_eq!(
            of("trixie"),
            "deb http://deb.debian.org/debian trixie main contrib\n\
             deb http://deb.debian.org/debian trixie-updates main contrib\n\
             deb http://security.debian.org/debian-security trixie-security main contrib\n"
        );
        assert_eq!(of("sid"), "deb http://deb.debian.org/debian sid main contrib\n");
        assert!(of("buster").contains(" buster/updates "));
        assert!(lines("kali-rolling", "main", false, false).contains("kali.org"));
        assert_eq!(lines("noble", "main", true, false).lines().count(), 3);
        assert_eq!(sources("", &[]), None);
        assert_eq!(
            series("version,codename,series\n13,Trixie,trixie,x\n"),
            ["trixie"]
        );
    }
}
