//! Preferences of apt: priorities of packages and versions (apt_preferences(5)).
//!
//! They are brought into indexes before anything is chosen: an index has one priority, so packages that have another one
//! become an index of their own, and those with a negative priority are in none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use regex::Regex;

use super::apt_settings::files;
use super::index::{Index, only};
use super::paragraphs::{self, TextField};
use super::source::glob;
use super::{ArchiveError, Result};

/// The records of preferences files, in apt's order.
#[derive(Clone, Debug, Default)]
pub struct Preferences(Vec<Pin>);

/// A record.
#[derive(Clone, Debug)]
struct Pin {
    /// Packages it is for; none for all, the general form.
    packages: Option<Vec<PackagePattern>>,
    what: Pinned,
    priority: i16,
}

/// What has the priority.
#[derive(Clone, Debug)]
enum Pinned {
    /// Archives by fields of their Release files: letter and pattern.
    Release(Vec<(char, Text)>),
    /// Archives by the host of their URL; empty for this machine.
    Origin(Text),
    /// Versions.
    Version(Text),
}

/// A package name, or that of a source package, in one architecture or all.
#[derive(Clone, Debug)]
struct PackagePattern {
    name: Text,
    source: bool,
    /// `any`, `native`, or a name.
    architecture: String,
}

/// A pattern: glob(7), or a regular expression between slashes.
#[derive(Clone, Debug)]
enum Text {
    Glob(String),
    Regex(Regex),
}

impl Text {
    fn parse(text: &str) -> std::result::Result<Self, String> {
        match text.strip_prefix('/').and_then(|text| text.strip_suffix('/')) {
            Some(pattern) => Regex::new(pattern)
                .map(Self::Regex)
                .map_err(|_| format!("`{text}` is no regular expression")),
            None => Ok(Self::Glob(text.to_owned())),
        }
    }

    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Glob(pattern) => glob(pattern.as_bytes(), text.as_bytes()),
            Self::Regex(pattern) => pattern.is_match(text),
        }
    }
}

impl PackagePattern {
    fn parse(word: &str) -> std::result::Result<Self, String> {
        let (source, word) = match word.strip_prefix("src:") {
            Some(word) => (true, word),
            None => (false, word),
        };
        // A regular expression may have a colon in it.
        let (name, architecture) = match word.rsplit_once(':').filter(|(_, after)| !after.contains('/')) {
            Some(parts) => parts,
            None => (word, "native"),
        };
        if name.is_empty() || architecture.is_empty() {
            return Err(format!("`{word}` is no name of a package"));
        }
        Ok(Self {
            name: Text::parse(name)?,
            source,
            architecture: architecture.to_owned(),
        })
    }

    fn fits(&self, package: &Candidate<'_>, native: &str) -> bool {
        let name = if self.source {
            package.source()
        } else {
            package.name
        };
        let architecture = match self.architecture.as_str() {
            "any" => true,
            "native" => matches!(package.architecture, "all") || package.architecture == native,
            named => package.architecture == named,
        };
        architecture && self.name.fits(name)
    }
}

/// A version of a package.
struct Candidate<'a> {
    name: &'a str,
    version: &'a str,
    architecture: &'a str,
    stanza: &'a str,
}

impl Candidate<'_> {
    /// Returns the name of its source package.
    fn source(&self) -> &str {
        let line = self.stanza.lines().find_map(|line| line.strip_prefix("Source:"));
        let named = line.and_then(|value| value.split_whitespace().next());
        named.unwrap_or(self.name)
    }
}

impl Preferences {
    /// Reads `etc/apt/preferences` and its parts in a root filesystem.
    ///
    /// # Errors
    /// [`ArchiveError::BadPreferences`] for a line that cannot be understood, [`ArchiveError::Io`].
    pub fn of_root(root: &Path) -> Result<Self> {
        let mut all = Self::default();
        let mut paths = files(
            root,
            "etc/apt/preferences",
            "etc/apt/preferences.d",
            &["", "pref"],
        )?;
        // apt reads its single file after the parts.
        if paths
            .first()
            .is_some_and(|path| path.ends_with("etc/apt/preferences"))
        {
            paths.rotate_left(1);
        }
        for path in paths {
            let text = fs::read(&path).map_err(ArchiveError::io("read", &path))?;
            let shown = path.strip_prefix(root).unwrap_or(&path).display();
            all.add(&String::from_utf8_lossy(&text), &format!("/{shown}"))?;
        }
        Ok(all)
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the records of a text; `origin` names it in errors.
    ///
    /// # Errors
    /// [`ArchiveError::BadPreferences`].
    pub fn add(&mut self, text: &str, origin: &str) -> Result<()> {
        let bad = |line: usize, reason: String| ArchiveError::BadPreferences {
            origin: origin.to_owned(),
            line,
            reason,
        };
        for paragraph in paragraphs::paragraphs(text) {
            let (line, fields) = paragraph
                .map_err(|line| bad(line, "this is neither `Field: value` nor its continuation".into()))?;
            let get = |name: &str| {
                let found = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name));
                found.ok_or_else(|| {
                    bad(
                        line,
                        format!("the record has no {name}; Package, Pin and Pin-Priority are expected"),
                    )
                })
            };
            let said =
                |field: &TextField, reason: String| bad(field.line, format!("{}: {reason}", field.name));
            let (packages, pin, priority) = (get("Package")?, get("Pin")?, get("Pin-Priority")?);
            let number = priority.value.trim();
            let number: i16 = number.parse().ok().filter(|number| *number != 0).ok_or_else(|| {
                let reason = format!("`{number}`: a number from -32768 to 32767 other than 0 is expected");
                said(priority, reason)
            })?;
            let names: Vec<&str> = packages.value.split_whitespace().collect();
            let patterns = match names.as_slice() {
                [] => return Err(said(packages, "a name is expected, or `*`".to_owned())),
                ["*"] => None,
                names => {
                    let parsed = names.iter().map(|name| PackagePattern::parse(name));
                    let parsed: std::result::Result<Vec<_>, String> = parsed.collect();
                    Some(parsed.map_err(|reason| said(packages, reason))?)
                }
            };
            self.0.push(Pin {
                packages: patterns,
                what: Pinned::parse(pin.value.trim()).map_err(|reason| said(pin, reason))?,
                priority: number,
            });
        }
        Ok(())
    }

    /// Returns indexes with the priorities that these say; `native` is the target's architecture.
    ///
    /// # Errors
    /// [`ArchiveError::BadIndex`].
    pub fn apply(&self, indexes: Vec<Index>, native: &str) -> Result<Vec<Index>> {
        let mut all = Vec::with_capacity(indexes.len());
        for index in indexes {
            self.apply_to(index, native, &mut all)?;
        }
        Ok(all)
    }

    fn apply_to(&self, mut index: Index, native: &str, all: &mut Vec<Index>) -> Result<()> {
        let here: Vec<&Pin> = self.0.iter().filter(|pin| pin.what.may_fit(&index)).collect();
        let general = here.iter().filter(|pin| pin.packages.is_none());
        let of_versions = |pin: &&&Pin| matches!(pin.what, Pinned::Version(_));
        index.priority = general
            .filter(|pin| !of_versions(pin))
            .map(|pin| pin.priority)
            .max()
            .unwrap_or(index.priority);
        let special: Vec<&Pin> = here
            .into_iter()
            .filter(|pin| pin.packages.is_some() || of_versions(&pin))
            .collect();
        let mut groups: BTreeMap<i16, Vec<[u32; 2]>> = BTreeMap::new();
        if special.is_empty() && index.priority >= 0 {
            all.push(index);
            return Ok(());
        }
        for record in index.packages.records() {
            let package = Candidate {
                name: record.name,
                version: record.version,
                architecture: record.architecture,
                stanza: index.packages.stanza(record.stanza),
            };
            let own = special.iter().find(|pin| pin.fits(&package, native));
            let priority = own.map_or(index.priority, |pin| pin.priority);
            groups.entry(priority).or_default().push(record.stanza);
        }
        for (priority, stanzas) in groups.into_iter().rev().filter(|(priority, _)| *priority >= 0) {
            let mut part = index.clone();
            part.priority = priority;
            if stanzas.len() != index.packages.len() {
                part.packages = only(&index.packages, stanzas.into_iter())?;
            }
            all.push(part);
        }
        Ok(())
    }
}

impl Pin {
    fn fits(&self, package: &Candidate<'_>, native: &str) -> bool {
        let named = self
            .packages
            .as_ref()
            .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.fits(package, native)));
        named
            && match &self.what {
                Pinned::Version(version) => version.fits(package.version),
                // Of these only what fits the index is asked.
                Pinned::Release(_) | Pinned::Origin(_) => true,
            }
    }
}

impl Pinned {
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let (kind, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let value = value.trim();
        let unquoted = value.trim_matches('"');
        match kind {
            "version" if !value.is_empty() => Ok(Self::Version(Text::parse(unquoted)?)),
            "origin" if !value.is_empty() => Ok(Self::Origin(Text::parse(unquoted)?)),
            "release" if !value.is_empty() => {
                let mut fields: Vec<(char, Text)> = Vec::new();
                for part in value.split(',').map(str::trim) {
                    let (letter, value) = match part.split_once('=') {
                        Some((letter, value)) => (letter.trim(), value.trim().trim_matches('"')),
                        None if part.starts_with(|c: char| c.is_ascii_digit()) => ("v", part),
                        // A suite or a codename.
                        None => ("r", part),
                    };
                    let known = |letter: &char| "anvolcb".contains(*letter);
                    let mut letters = letter.chars();
                    let letter = match (letters.next(), letters.next(), part.contains('=')) {
                        (Some(letter), None, false) => letter,
                        (Some(letter), None, true) if known(&letter) => letter,
                        _ => {
                            return Err(format!(
                                "`{part}`: one of a, n, v, o, l, c and b is expected, as in `release a=stable`"
                            ));
                        }
                    };
                    // Of two conditions of a kind the last one counts.
                    fields.retain(|(known, _)| *known != letter);
                    fields.push((letter, Text::parse(value)?));
                }
                Ok(Self::Release(fields))
            }
            _ => Err(format!(
                "`{text}`: `version VERSION`, `origin \"HOST\"` or `release a=SUITE` is expected"
            )),
        }
    }

    /// Whether an index may have what is pinned.
    fn may_fit(&self, index: &Index) -> bool {
        let release = index.release.as_deref();
        match self {
            Self::Version(_) => true,
            Self::Origin(host) => host.fits(index.base.host_str().unwrap_or("")),
            Self::Release(fields) => fields.iter().all(|(letter, text)| match letter {
                'a' => text.fits(&index.release_archive),
                'n' => text.fits(&index.codename),
                'r' => text.fits(&index.release_archive) || text.fits(&index.codename),
                'c' => text.fits(&index.component),
                'b' => text.fits(&index.architecture),
                'v' => release.is_some_and(|release| text.fits(&release.version)),
                'o' => release.is_some_and(|release| text.fits(&release.identity.origin)),
                'l' => release.is_some_and(|release| text.fits(&release.identity.label)),
                _ => false,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
