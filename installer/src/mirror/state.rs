//! The file `mirror.json` of a state: what it is of, and every file that it has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Renewal;
use deb_types::FileHash;

/// Number of the form of `mirror.json`.
const FORM: u32 = 1;

/// A state of a mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorState {
    /// Number of its form.
    pub form: u32,
    /// What was asked for, in words that are compared.
    pub request: Vec<String>,
    /// SHA-256 of each Release file, by its URL.
    pub releases: BTreeMap<String, String>,
    /// Sources, as apt takes them, with `DIR` for the mirror.
    pub sources: Vec<String>,
    /// Indexes and packages by their paths.
    pub files: BTreeMap<String, MirrorFile>,
}

/// A file of a mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorFile {
    /// Size in bytes.
    pub size: u64,
    /// Checksum, with the algorithm's name in front.
    pub hash: String,
}

/// A file that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Path below the mirror.
    pub path: String,
    /// What is wrong.
    pub what: &'static str,
}

impl MirrorFile {
    /// Returns the file with a size and checksum.
    pub fn new(size: u64, hash: FileHash) -> Self {
        Self {
            size,
            hash: format!("{}:{}", hash.field().to_ascii_lowercase(), hash.hex()),
        }
    }

    /// Returns its checksum; none where that is written wrongly.
    pub fn hash(&self) -> Option<FileHash> {
        let (algorithm, sum) = self.hash.split_once(':')?;
        FileHash::of_field(&algorithm.to_ascii_uppercase(), sum)
    }
}

impl MirrorState {
    /// Returns a state without files.
    pub fn new(request: Vec<String>, releases: BTreeMap<String, String>) -> Self {
        Self {
            form: FORM,
            request,
            releases,
            ..Self::default()
        }
    }

    /// Whether it is one that this program knows to read.
    pub fn is_known(&self) -> bool {
        self.form == FORM
    }

    /// Whether it is of these Release files, and of this request.
    pub fn is_of(&self, releases: &BTreeMap<String, String>, request: &[String]) -> bool {
        self.releases == *releases && self.request == request
    }

    /// Whether it has a file with this content.
    pub fn has(&self, path: &str, file: &MirrorFile) -> bool {
        self.files.get(path) == Some(file)
    }

    /// Returns its size, as all of it were kept.
    pub fn summary(&self) -> Renewal {
        Renewal {
            files: self.files.len(),
            bytes: self.files.values().map(|file| file.size).sum(),
            kept: self.files.len(),
            sources: self.sources.clone(),
            ..Renewal::default()
        }
    }
}
