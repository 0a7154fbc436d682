//! Copyright files that machines can read (<https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/>).

use super::licenses::{License, parse};
use deb_types::control::{Paragraph, paragraphs};
use rootless_install_fs::Target;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Most bytes of a copyright file that is looked at.
const LARGEST: u64 = 8 << 20;

/// Returns the licences of an installed package: all that its copyright file names; none where it is not there, or
/// is prose.
pub(super) fn of_package(target: &Target, package: &str) -> Option<License> {
    let path = Path::new("/usr/share/doc").join(package).join("copyright");
    let stat = target.stat_follow(&path).ok()?;
    if stat.size > LARGEST {
        return None;
    }
    of_text(&String::from_utf8_lossy(&target.read(&path).ok()?), package)
}

fn of_text(text: &str, package: &str) -> Option<License> {
    // What comes before a mistake counts.
    let all: Vec<Paragraph<'_>> = paragraphs(text).map_while(Result::ok).collect();
    let (header, rest) = all.split_first()?;
    let format = header
        .get("Format")
        .or_else(|| header.get("Format-Specification"))?;
    if !format.contains("copyright-format") && !format.contains("dep5") {
        return None;
    }
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    let mut named: BTreeSet<&str> = BTreeSet::new();
    for paragraph in std::iter::once(header).chain(rest) {
        let Some(license) = paragraph.get("License") else {
            continue;
        };
        let (synopsis, more) = license.split_once('\n').unwrap_or((license, ""));
        let synopsis = synopsis.trim();
        // A paragraph without files is the text of a licence that others name.
        if !synopsis.is_empty() && (paragraph.get("Files").is_some() || paragraph == header) {
            named.insert(synopsis);
        }
        if !more.trim().is_empty() {
            texts.entry(synopsis).or_insert_with(|| unfolded(more));
        }
    }
    let mut license = License::default();
    let mut known = BTreeSet::new();
    for one in named.into_iter().map(|synopsis| parse(synopsis, package)) {
        // Debian has several words for some licences.
        if known.insert(one.expression.clone()) {
            license.and(one);
        }
    }
    if license.expression.is_empty() {
        return None;
    }
    for (name, words) in &license.own {
        if let Some(text) = texts.get(words.as_str()) {
            license.texts.insert(name.clone(), text.clone());
        }
    }
    Some(license)
}

/// Returns continuation lines as text: without the blank in front, with empty lines for those of a dot.
fn unfolded(value: &str) -> String {
    let lines = value.lines().map(|line| match line.trim() {
        "." => "",
        _ => line.strip_prefix(' ').unwrap_or(line),
    });
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_licences_of_files_count() {
        let text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
                    Upstream-Name: tool\n\n\
                    Files: *\nCopyright: 2020 A\nLicense: GPL-2+\n\n\
                    Files: lib/*\nCopyright: 2020 B\nLicense: own\n Do what\n .\n you like.\n\n\
                    Files: x\nCopyright: 2021 C\nLicense: GPL-2+\n\n\
                    Files: y\nCopyright: 2021 D\nLicense: GPL-2.0+\n\n\
                    License: GPL-2+\n See elsewhere.\n\nLicense: unused\n Never.\n";
        let found = of_text(text, "tool").unwrap();
        assert_eq!(found.expression, "GPL-2.0-or-later AND LicenseRef-tool-own");
        assert_eq!(found.texts["LicenseRef-tool-own"], "Do what\n\nyou like.");
        assert_eq!(of_text("This is the GPL.\n", "tool"), None);
        assert_eq!(of_text("", "tool"), None);
        assert_eq!(
            of_text(
                "Format: https://example.org/other\n\nFiles: *\nLicense: Expat\n",
                "tool"
            ),
            None
        );
    }
}
