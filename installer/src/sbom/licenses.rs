//! Licences in Debian's words as expressions of SPDX (SPDX 2.3, annex D; the copyright format, section "License syntax").

use std::collections::BTreeMap;

/// A licence, and the texts of the parts of it that SPDX has no name for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct License {
    /// The expression.
    pub(super) expression: String,
    /// Names that begin with `LicenseRef-`, with the name in Debian's words.
    pub(super) own: BTreeMap<String, String>,
    /// Texts of these, where the copyright file has them.
    pub(super) texts: BTreeMap<String, String>,
}

/// Names in Debian's words, in lower case and without `+`, with those of SPDX. Where the second is none, it is the first
/// that is followed by `-only` or `-or-later`.
const NAMES: [(&str, &str); 51] = [
    ("0bsd", "0BSD"),
    ("afl-2.1", "AFL-2.1"),
    ("apache-1.1", "Apache-1.1"),
    ("apache-2", "Apache-2.0"),
    ("apache-2.0", "Apache-2.0"),
    ("artistic", "Artistic-1.0-Perl"),
    ("artistic-1", "Artistic-1.0-Perl"),
    ("artistic-2", "Artistic-2.0"),
    ("artistic-2.0", "Artistic-2.0"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsd-4-clause", "BSD-4-Clause"),
    ("bsl-1.0", "BSL-1.0"),
    ("boost-1.0", "BSL-1.0"),
    ("cc-by-3.0", "CC-BY-3.0"),
    ("cc-by-4.0", "CC-BY-4.0"),
    ("cc-by-sa-3.0", "CC-BY-SA-3.0"),
    ("cc-by-sa-4.0", "CC-BY-SA-4.0"),
    ("cc0", "CC0-1.0"),
    ("cc0-1.0", "CC0-1.0"),
    ("cddl-1.0", "CDDL-1.0"),
    ("curl", "curl"),
    ("epl-1.0", "EPL-1.0"),
    ("epl-2.0", "EPL-2.0"),
    ("expat", "MIT"),
    ("fsfap", "FSFAP"),
    ("fsful", "FSFUL"),
    ("fsfullr", "FSFULLR"),
    ("ijg", "IJG"),
    ("isc", "ISC"),
    ("lppl-1.3c", "LPPL-1.3c"),
    ("mit", "MIT"),
    ("mit-0", "MIT-0"),
    ("mpl-1.1", "MPL-1.1"),
    ("mpl-2.0", "MPL-2.0"),
    ("ms-pl", "MS-PL"),
    ("ncsa", "NCSA"),
    ("ofl-1.0", "OFL-1.0"),
    ("ofl-1.1", "OFL-1.1"),
    ("openldap-2.8", "OLDAP-2.8"),
    ("openssl", "OpenSSL"),
    ("php-3.01", "PHP-3.01"),
    ("postgresql", "PostgreSQL"),
    ("psf-2", "PSF-2.0"),
    ("psf-2.0", "PSF-2.0"),
    ("unicode-3.0", "Unicode-3.0"),
    ("unlicense", "Unlicense"),
    ("w3c", "W3C"),
    ("x11", "X11"),
    ("zlib", "Zlib"),
    ("zpl-2.1", "ZPL-2.1"),
];

/// Families of the Free Software Foundation's licences, with their versions in SPDX.
const FAMILIES: [(&str, &str, &[&str]); 4] = [
    ("gpl", "GPL", &["1.0", "2.0", "3.0"]),
    ("lgpl", "LGPL", &["2.0", "2.1", "3.0"]),
    ("agpl", "AGPL", &["3.0"]),
    ("gfdl", "GFDL", &["1.1", "1.2", "1.3"]),
];

/// Reads the synopsis of a `License` field: names with `and`, `or` and commas between them. Names that SPDX does not know
/// get `scope` in front, since the same name means another text elsewhere.
pub(super) fn parse(synopsis: &str, scope: &str) -> License {
    let mut license = License::default();
    license.expression = license.part(synopsis.trim(), scope);
    license
}

impl License {
    /// Adds another licence that holds as well.
    pub(super) fn and(&mut self, other: Self) {
        if self.expression.is_empty() {
            self.expression = other.expression;
        } else {
            self.expression = format!("{} AND {}", self.expression, grouped(&other.expression));
        }
        self.own.extend(other.own);
    }

    /// Splits at commas first, which bind the least, then at `or`, then at `and`.
    fn part(&mut self, text: &str, scope: &str) -> String {
        for (separator, operator) in [
            (", and ", "AND"),
            (", or ", "OR"),
            (" or ", "OR"),
            (" and ", "AND"),
        ] {
            let parts: Vec<&str> = text
                .split(separator)
                .filter(|part| !part.trim().is_empty())
                .collect();
            if parts.len() > 1 {
                let parts: Vec<String> = parts
                    .into_iter()
                    .map(|part| self.part(part.trim(), scope))
                    .map(|part| if operator == "AND" { grouped(&part) } else { part })
                    .collect();
                return parts.join(&format!(" {operator} "));
            }
        }
        self.name(text.trim_matches([',', ' ']), scope)
    }

    fn name(&mut self, text: &str, scope: &str) -> String {
        if let Some(known) = known(text) {
            return known;
        }
        let plain = |text: &str| {
            let of = |one: char| {
                if one.is_ascii_alphanumeric() || one == '.' {
                    one
                } else {
                    '-'
                }
            };
            text.chars().map(of).collect::<String>()
        };
        let name = format!("LicenseRef-{}-{}", plain(scope), plain(text));
        self.own.insert(name.clone(), text.to_owned());
        name
    }
}

/// Has an expression be one part of another.
fn grouped(expression: &str) -> String {
    match expression.contains(" OR ") {
        true => format!("({expression})"),
        false => expression.to_owned(),
    }
}

/// Returns SPDX's name of a licence.
fn known(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let later = lower.ends_with('+');
    let name = lower.trim_end_matches('+');
    for (family, spdx, versions) in FAMILIES {
        let Some(version) = name.strip_prefix(family).and_then(|rest| rest.strip_prefix('-')) else {
            continue;
        };
        let (version, later) = match version.strip_suffix("-only") {
            Some(version) => (version, false),
            None => match version.strip_suffix("-or-later") {
                Some(version) => (version, true),
                None => (version, later),
            },
        };
        let found = versions
            .iter()
            .find(|known| **known == version || known.strip_suffix(".0") == Some(version))?;
        return Some(format!(
            "{spdx}-{found}-{}",
            if later { "or-later" } else { "only" }
        ));
    }
    let (_, spdx) = NAMES.iter().find(|(debian, _)| *debian == name)?;
    match later {
        true => Some(format!("{spdx}+")),
        false => Some((*spdx).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_words_become_spdx() {
        for (debian, spdx) in [
            ("GPL-2+", "GPL-2.0-or-later"),
            ("GPL-3", "GPL-3.0-only"),
            ("LGPL-2.1+", "LGPL-2.1-or-later"),
            ("GPL-2.0-or-later", "GPL-2.0-or-later"),
            ("Expat", "MIT"),
            ("GPL-1+ or Artistic", "GPL-1.0-or-later OR Artistic-1.0-Perl"),
            ("GPL-2 and Expat or ISC", "GPL-2.0-only AND MIT OR ISC"),
            ("GPL-2+ or Expat, and ISC", "(GPL-2.0-or-later OR MIT) AND ISC"),
            ("MPL-1.1+", "MPL-1.1+"),
            ("public-domain", "LicenseRef-x-public-domain"),
            (
                "GPL-2+ with OpenSSL exception",
                "LicenseRef-x-GPL-2--with-OpenSSL-exception",
            ),
            ("GPL-9", "LicenseRef-x-GPL-9"),
        ] {
            assert_eq!(parse(debian, "x").expression, spdx, "{debian}");
        }
        let mut both = parse("Expat", "x");
        both.and(parse("GPL-2 or public domain", "x"));
        assert_eq!(
            both.expression,
            "MIT AND (GPL-2.0-only OR LicenseRef-x-public-domain)"
        );
        assert_eq!(both.own["LicenseRef-x-public-domain"], "public domain");
    }
}
