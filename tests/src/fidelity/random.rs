//! The entries whose content is random by design: `tests/cases/random`.
//!
//! One row a line: `GLOB EXCUSE PACKAGES REASON`. A row excuses the bytes of an entry (`content`), and its
//! length if it says so (`content+size`), the form of a database with the same records (`records`), or that
//! one side does not have it (`existence`); nothing else. PACKAGES, split by commas, are those with which two
//! references differ there, `-` where no two do; `SUITE:PACKAGES` for a row that holds in one suite only.

use std::path::Path;

use super::{lines, wrong};
use crate::Result;
use crate::compare::{Excuse, Random};

/// Reads the rows of a file.
///
/// # Errors
/// When it cannot be read, or a row makes no sense; the error names its line.
pub fn read(path: &Path) -> Result<Vec<Random>> {
    let mut rows: Vec<Random> = Vec::new();
    for (at, line) in lines(path)? {
        let mut words = line.split_whitespace();
        let glob = words.next().unwrap_or_default();
        let excuse = match words.next() {
            Some("content") => Excuse::Content,
            Some("content+size") => Excuse::Size,
            Some("existence") => Excuse::Existence,
            Some("records") => Excuse::Records,
            Some(other) => {
                return Err(wrong(
                    path,
                    at,
                    format!("`{other}` is none of `content`, `content+size`, `existence`, `records`"),
                ));
            }
            None => {
                return Err(wrong(
                    path,
                    at,
                    "a row is GLOB content|content+size|existence|records PACKAGES|- REASON",
                ));
            }
        };
        let packages = words.next().filter(|word| *word != "-").unwrap_or_default();
        let (suite, packages) = packages.split_once(':').unwrap_or(("", packages));
        let reason = words.collect::<Vec<_>>().join(" ");
        if reason.is_empty() {
            return Err(wrong(path, at, format!("no reason for {glob}")));
        }
        if glob.starts_with(['/', '.']) {
            return Err(wrong(
                path,
                at,
                format!("{glob} should be relative, without `./`"),
            ));
        }
        if rows.iter().any(|row| row.glob == glob) {
            return Err(wrong(path, at, format!("{glob} is there twice")));
        }
        rows.push(Random {
            glob: glob.to_owned(),
            excuse,
            suite: suite.to_owned(),
            packages: packages.to_owned(),
            reason,
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> std::result::Result<Vec<Random>, String> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("random");
        std::fs::write(&path, text).expect("written");
        read(&path).map_err(|error| error.to_string().replace(&*path.to_string_lossy(), "random"))
    }

    #[test]
    fn rows_are_read() {
        let rows = of(
            "# a comment\n\netc/key*  content b,c  a key\nx content+size -  a  seed\ny content old:b  z\n",
        )
        .expect("rows");
        assert_eq!(rows.len(), 3);
        assert_eq!([rows[2].suite.as_str(), &rows[2].packages], ["old", "b"]);
        let holding = |suite| Random::of_suite(&rows, suite).len();
        assert_eq!([holding("old"), holding("stable")], [3, 2]);
        assert_eq!([rows[0].excuse, rows[1].excuse], [Excuse::Content, Excuse::Size]);
        assert_eq!([rows[0].packages.as_str(), &rows[1].packages], ["b,c", ""]);
        assert_eq!(rows[1].reason, "a seed");
    }

    #[test]
    fn wrong_rows_name_their_line() {
        for (text, said) in [
            (
                "\netc/key size x\n",
                "random:2: `size` is none of `content`, `content+size`, `existence`, `records`",
            ),
            ("etc/key content -\n", "random:1: no reason for etc/key"),
            (
                "etc/key\n",
                "random:1: a row is GLOB content|content+size|existence|records PACKAGES|- REASON",
            ),
            (
                "/etc/key content - x\n",
                "random:1: /etc/key should be relative, without `./`",
            ),
            ("a content - x\na content - y\n", "random:2: a is there twice"),
        ] {
            assert_eq!(of(text).expect_err("wrong"), said);
        }
    }

    #[test]
    fn the_rows_of_the_project_are_sound() {
        let rows = read(&super::super::data().join("random")).expect("sound");
        assert!(rows.iter().any(|row| row.glob.contains("ssh_host")));
    }
}
