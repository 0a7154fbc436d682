//! What an archive has, as far as requests are made from it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::Result;
use crate::error::At as _;

/// A paragraph of an index.
#[derive(Clone, Debug, Default)]
pub struct Package {
    /// Suite by whose index it is.
    pub suite: String,
    /// Architecture of that index.
    pub index: String,
    /// Its fields.
    pub fields: BTreeMap<String, String>,
    /// All of it.
    pub text: String,
}

impl Package {
    /// A field, empty where it has none.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.field("Package")
    }

    /// The names in a field of relations, without versions and architectures; alternatives too.
    pub fn named(&self, field: &str) -> impl Iterator<Item = &str> {
        self.field(field)
            .split([',', '|'])
            .filter_map(|one| one.split_whitespace().next())
            .map(|name| name.split([':', '(']).next().unwrap_or(name))
            .filter(|name| !name.is_empty())
    }
}

/// The fields that are kept.
const FIELDS: [&str; 9] = [
    "Package",
    "Version",
    "Architecture",
    "Provides",
    "Depends",
    "Recommends",
    "Conflicts",
    "Breaks",
    "Section",
];

/// All packages of the indexes in a directory of apt's lists, by file and place.
///
/// # Errors
/// When a list cannot be read.
pub fn read(lists: &Path, suites: &[&str]) -> Result<Vec<Package>> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(lists).at(lists)? {
        files.insert(entry.at(lists)?.path());
    }
    let mut all = Vec::new();
    for path in files {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some((before, index)) = name
            .strip_suffix("_Packages")
            .and_then(|name| name.rsplit_once("_binary-"))
        else {
            continue;
        };
        let is_of = |suite: &&&str| before.contains(&format!("_dists_{suite}_"));
        let suite = suites.iter().find(is_of).copied().unwrap_or_default();
        let text = std::fs::read_to_string(&path).at(&path)?;
        all.extend(text.split("\n\n").filter_map(|text| package(text, suite, index)));
    }
    Ok(all)
}

fn package(text: &str, suite: &str, index: &str) -> Option<Package> {
    let fields: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| FIELDS.contains(name))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    fields.contains_key("Package").then(|| Package {
        suite: suite.to_owned(),
        index: index.to_owned(),
        fields,
        text: text.to_owned(),
    })
}
