//! Small archives whose packages need and exclude each other at random, more than those of a real one do, and requests of
//! each. Everything comes from the number of the archive.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Request;
use super::requests::Dice;
use super::setting::Setting;
use crate::Result;
use crate::error::At as _;

/// Name of the class and of its setting.
pub const CLASS: &str = "small archives";

/// How many archives there are.
pub const ARCHIVES: usize = 200;

/// How many requests are made of each.
pub const REQUESTS: usize = 8;

/// An archive and the requests of it.
#[derive(Debug)]
pub struct Small {
    /// The suites it has.
    pub setting: Setting,
    /// Indexes of the suites.
    indexes: Vec<(&'static str, String)>,
    /// The requests.
    pub requests: Vec<Request>,
}

const SETTING: Setting = Setting {
    name: CLASS,
    archs: &["amd64"],
    suites: &["s1"],
    components: "main",
    installed: false,
    recommends: false,
};

impl Small {
    /// Makes one.
    #[must_use]
    pub fn new(number: usize) -> Self {
        let mut dice = Dice::new(0x5ee_d000 + number as u64);
        let count = 8 + dice.below(32);
        let two = dice.chance(5);
        let suites: &'static [&'static str] = if two { &["s1", "s2"] } else { &["s1"] };
        let mut maker = Maker {
            needs: 3 + dice.below(4),
            excludes: 1 + dice.below(2),
            dice,
            count,
            two,
        };
        let indexes = suites
            .iter()
            .map(|suite| (*suite, maker.index(*suite == "s1")))
            .collect();
        let requests = (0..REQUESTS).map(|_| maker.request()).collect();
        Self {
            setting: Setting { suites, ..SETTING },
            indexes,
            requests,
        }
    }

    /// Writes the archive, and the same indexes as apt keeps them.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, archive: &Path, lists: &Path) -> Result<()> {
        for (suite, index) in &self.indexes {
            let dir = archive.join("dists").join(suite);
            let below = dir.join("main/binary-amd64");
            std::fs::create_dir_all(&below).at(&below)?;
            let hash: String = Sha256::digest(index.as_bytes())
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let release = format!(
                "Origin: small\nSuite: {suite}\nCodename: {suite}\nDate: Sat, 21 Nov 2026 09:15:44 UTC\nArchitectures: \
                 amd64\nComponents: main\nSHA256:\n {hash} {} main/binary-amd64/Packages\n",
                index.len()
            );
            let kept = |name: &str| lists.join(format!("archive_dists_{suite}_{name}"));
            let files: [(PathBuf, &str); 4] = [
                (below.join("Packages"), index),
                (dir.join("Release"), &release),
                (kept("main_binary-amd64_Packages"), index),
                (kept("Release"), &release),
            ];
            for (path, text) in files {
                std::fs::write(&path, text).at(&path)?;
            }
        }
        Ok(())
    }
}

struct Maker {
    dice: Dice,
    count: usize,
    two: bool,
    /// Chance of ten that a package needs one more.
    needs: usize,
    excludes: usize,
}

impl Maker {
    fn name(&mut self) -> String {
        match self.dice.chance(8) {
            true => format!("p{}", self.dice.below(self.count)),
            false => format!("v{}", self.dice.below(4)),
        }
    }

    fn pick(&mut self, all: &[&'static str]) -> &'static str {
        self.dice.one(all).copied().unwrap_or_default()
    }

    fn relation(&mut self) -> String {
        let name = self.name();
        let bound = match (self.two, self.dice.below(10)) {
            (true, 0..3) => self.pick(&[" (>= 2)", " (<< 2)", " (= 2)", " (= 1)", " (>> 1)"]),
            (false, 0) => self.pick(&[" (>= 2)", " (>= 1)", " (<< 2)"]),
            _ => "",
        };
        name + bound
    }

    fn list(&mut self, field: &str, count: usize, text: &mut String) {
        let all: Vec<String> = (0..count).map(|_| self.relation()).collect();
        let _ = writeln!(text, "{field}: {}", all.join(", "));
    }

    fn index(&mut self, newer: bool) -> String {
        let mut text = String::new();
        for number in 0..self.count {
            // Each suite lacks some.
            if self.dice.chance(if newer { 1 } else { 3 }) && self.two {
                continue;
            }
            let version = if newer { "2" } else { "1" };
            let priority = self.pick(&[
                "optional",
                "optional",
                "optional",
                "extra",
                "important",
                "standard",
            ]);
            let _ = writeln!(
                text,
                "Package: p{number}\nVersion: {version}\nArchitecture: amd64\nPriority: {priority}"
            );
            let mut groups = Vec::new();
            while groups.len() < 5 && self.dice.chance(self.needs) {
                let alternatives = [1, 1, 1, 2, 2, 3][self.dice.below(6)];
                let group: Vec<String> = (0..alternatives).map(|_| self.relation()).collect();
                groups.push(group.join(" | "));
            }
            if !groups.is_empty() {
                let field = if self.dice.chance(1) {
                    "Pre-Depends"
                } else {
                    "Depends"
                };
                let _ = writeln!(text, "{field}: {}", groups.join(", "));
            }
            if self.dice.chance(self.excludes) {
                let field = self.pick(&["Conflicts", "Breaks"]);
                let count = 1 + self.dice.below(2);
                self.list(field, count, &mut text);
            }
            if self.dice.chance(3) {
                let name = self.name();
                let version = self.pick(&["", " (= 1)", " (= 2)"]);
                let _ = writeln!(text, "Provides: {name}{version}");
            }
            for (field, chance) in [("Recommends", 2), ("Suggests", 2)] {
                if self.dice.chance(chance) {
                    self.list(field, 1, &mut text);
                }
            }
            let _ = writeln!(
                text,
                "Filename: pool/p{number}_{version}.deb\nSize: 10\nSHA256: {}\n",
                "ab".repeat(32)
            );
        }
        text
    }

    fn request(&mut self) -> Request {
        let count = 1 + self.dice.below(4);
        let mut items: Vec<String> = (0..count)
            .map(|_| format!("p{}", self.dice.below(self.count)))
            .collect();
        items.sort();
        items.dedup();
        if self.two
            && self.dice.chance(4)
            && let Some(first) = items.first_mut()
        {
            first.push_str(["=1", "=2", "/s1", "/s2"][self.dice.below(4)]);
        }
        if self.dice.chance(2) {
            items.push(format!("p{}-", self.dice.below(self.count)));
        }
        Request {
            class: CLASS,
            setting: CLASS,
            items,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_comes_from_its_number() {
        let (first, again, other) = (Small::new(7), Small::new(7), Small::new(8));
        assert_eq!(first.indexes, again.indexes);
        assert_eq!(first.requests, again.requests);
        assert_ne!(first.indexes, other.indexes);
        assert_eq!(first.requests.len(), REQUESTS);
        let dir = tempfile::tempdir().expect("a temporary directory");
        first
            .write(&dir.path().join("archive"), dir.path())
            .expect("written");
        let index = dir.path().join("archive/dists/s1/main/binary-amd64/Packages");
        let text = std::fs::read_to_string(index).expect("an index");
        assert!(text.starts_with("Package: p"), "{text}");
    }
}
