//! Priorities of versions: files of preferences, the default release, and what Release files say of themselves
//! (apt_preferences(5)).

mod parse;
mod release;

use deb_archive::Index;
use deb_index::{IndexRecord, Packages};
use glibc_tools::fnmatch;
use regex::Regex;
use release::ReleaseFields;
use std::io;
use std::path::{Path, PathBuf};

pub use parse::parse;

/// Priority of the default release.
const DEFAULT_RELEASE: i16 = 990;

/// Reason why a file of preferences cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PreferencesError {
    /// It cannot be read.
    #[error("cannot read preferences of {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// No archive is of the default release.
    #[error("the default release is `{release}`, and no archive is of that suite, codename or version; there are {}", known.join(", "))]
    NoRelease {
        /// The default release.
        release: String,
        /// Suites and codenames that there are.
        known: Vec<String>,
    },
    /// Something in it has no meaning.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong, and what was expected.
        what: String,
    },
}

/// The packages of a record.
#[derive(Clone, Debug)]
enum Of {
    /// All, of the versions that match.
    All,
    /// Those of such a name, perhaps of one architecture.
    Named(Name, Option<String>),
    /// Those made of a source package of such a name, perhaps of one architecture.
    Source(Name, Option<String>),
}

/// A name, glob or regular expression.
#[derive(Clone, Debug)]
enum Name {
    Glob(String),
    Regex(Regex),
}

impl Name {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Glob(glob) => fnmatch(glob.as_bytes(), text.as_bytes()),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// What a version is matched by.
#[derive(Clone, Debug)]
enum Match {
    Version(Name),
    /// Fields of the Release file, by their letters: all have to match.
    Release(Vec<(char, Name)>),
    /// The host of the archive; empty for files of this machine.
    Origin(Name),
}

/// A record of preferences.
#[derive(Clone, Debug)]
struct Record {
    packages: Vec<Of>,
    by: Match,
    priority: i16,
}

/// Preferences, in the order in which they count: the first that fits.
#[derive(Clone, Debug, Default)]
pub struct Preferences {
    default_release: Option<String>,
    records: Vec<Record>,
}

impl Preferences {
    /// Reads the files of a root filesystem after what there is: those of `preferences.d`, and the single one after them.
    ///
    /// # Errors
    /// They cannot be read or understood.
    pub fn read_root(&mut self, root: &Path) -> Result<(), PreferencesError> {
        let apt = root.join("etc/apt");
        let parts = apt.join("preferences.d");
        let mut paths = Vec::new();
        match std::fs::read_dir(&parts) {
            Ok(found) => paths.extend(
                found
                    .flatten()
                    .map(|entry| entry.path())
                    .filter(|path| is_part(path)),
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(PreferencesError::Read { path: parts, source }),
        }
        paths.sort();
        paths.push(apt.join("preferences"));
        for path in paths.iter().filter(|path| path.is_file()) {
            self.read(path)?;
        }
        Ok(())
    }

    /// Reads a file, after what there is.
    ///
    /// # Errors
    /// It cannot be read or understood.
    pub fn read(&mut self, path: &Path) -> Result<(), PreferencesError> {
        let text = std::fs::read(path).map_err(|source| PreferencesError::Read {
            path: path.to_owned(),
            source,
        })?;
        let records = parse(&String::from_utf8_lossy(&text), path)?;
        self.records.extend(records.0);
        Ok(())
    }

    /// Has a release be preferred: a suite, a codename, a version, or several letters with values between commas; `*` for
    /// all, whatever they say of themselves.
    pub fn prefer_release(&mut self, release: &str) {
        self.default_release = Some(release.to_owned());
    }

    /// The same, where none is preferred yet.
    pub fn prefer_release_by_default(&mut self, release: &str) {
        self.default_release.get_or_insert_with(|| release.to_owned());
    }

    /// Gives priorities to indexes of archives, which have those of their Release files.
    ///
    /// # Errors
    /// None of them is of the default release.
    pub fn apply(&self, indexes: &mut [Index]) -> Result<(), PreferencesError> {
        if let Some(release) = &self.default_release {
            let parts = parse::release(release);
            let is = |index: &Index| {
                let fields = ReleaseFields::of(index);
                parts.iter().all(|part| fields.fits(part))
            };
            if !indexes.is_empty() && !indexes.iter().any(is) {
                let names = indexes
                    .iter()
                    .flat_map(|index| [index.release_archive.clone(), index.codename.clone()]);
                let mut known: Vec<String> = names.filter(|name| !name.is_empty()).collect();
                known.sort();
                known.dedup();
                return Err(PreferencesError::NoRelease {
                    release: release.clone(),
                    known,
                });
            }
        }
        for index in indexes {
            index.priority = self.of_index(index);
        }
        Ok(())
    }

    fn of_index(&self, index: &Index) -> i16 {
        let fields = ReleaseFields::of(index);
        if let Some(release) = &self.default_release
            && parse::release(release).iter().all(|part| fields.fits(part))
        {
            return DEFAULT_RELEASE;
        }
        let general = self.records.iter().find(|record| {
            let all = record.packages.iter().any(|packages| matches!(packages, Of::All));
            all && match &record.by {
                Match::Version(_) => false,
                Match::Release(parts) => parts.iter().all(|part| fields.fits(part)),
                Match::Origin(host) => host.matches(&fields.host),
            }
        });
        general.map_or(index.priority, |record| record.priority)
    }

    /// Whether versions have other priorities than their indexes.
    pub fn is_of_packages(&self) -> bool {
        self.records.iter().any(|record| record.is_of_packages())
    }

    /// Returns the priority of versions of these indexes which is not that of the index; `native` is the target's
    /// architecture, whose packages a name without one means.
    pub fn pins<'p>(
        &'p self,
        indexes: &[Index],
        native: &'p str,
    ) -> impl Fn(usize, &IndexRecord<'_>) -> Option<i16> + use<'p> {
        let known: Vec<(ReleaseFields, Packages)> = indexes
            .iter()
            .map(|index| (ReleaseFields::of(index), index.packages.clone()))
            .collect();
        move |number: usize, package: &IndexRecord<'_>| {
            let (fields, packages) = known.get(number)?;
            let fits = |record: &&Record| {
                let named = record.packages.iter().any(|of| match of {
                    Of::All => matches!(record.by, Match::Version(_)),
                    Of::Named(name, arch) => {
                        name.matches(package.name)
                            && is_of(package, arch.as_deref().unwrap_or("native"), native)
                    }
                    Of::Source(name, arch) => {
                        name.matches(source(packages.stanza(package.stanza), package.name))
                            && is_of(package, arch.as_deref().unwrap_or("any"), native)
                    }
                });
                named
                    && match &record.by {
                        Match::Version(wanted) => wanted.matches(package.version),
                        Match::Release(parts) => parts.iter().all(|part| fields.fits(part)),
                        Match::Origin(host) => host.matches(&fields.host),
                    }
            };
            self.records.iter().find(fits).map(|record| record.priority)
        }
    }
}

/// Whether apt reads a file of that name in a `.d` directory.
fn is_part(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or(".");
    let plain = name
        .chars()
        .all(|one| one.is_ascii_alphanumeric() || "_-.".contains(one));
    let end = path.extension().is_none_or(|end| end == "pref");
    plain && !name.starts_with('.') && end
}

/// Whether a package is of an architecture: a name, `native` or `any`. Packages for all are native ones to apt.
fn is_of(package: &IndexRecord<'_>, wanted: &str, native: &str) -> bool {
    let own = match package.architecture {
        "all" => native,
        own => own,
    };
    match wanted {
        "any" => true,
        "native" => own == native,
        wanted => own == wanted,
    }
}

/// Returns the name of the source package of a binary one.
fn source<'s>(stanza: &'s str, name: &'s str) -> &'s str {
    let named = stanza.lines().find_map(|line| line.strip_prefix("Source:"));
    named
        .and_then(|value| value.split_whitespace().next())
        .unwrap_or(name)
}

impl Record {
    fn is_of_packages(&self) -> bool {
        let all = |packages: &Of| matches!(packages, Of::All);
        matches!(self.by, Match::Version(_)) || !self.packages.iter().all(all)
    }
}

#[cfg(test)]
mod tests;
