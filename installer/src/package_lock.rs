//! Locks: what was chosen for an installation, in a file by which exactly that can be installed again.
//!
//! A lock is JSON. It has what was asked for, the sources with the date and hash of their Release files, and each package
//! with its hash and place and the fields of its paragraph in the index that choosing and ordering go by, so that no
//! index is needed later. Native tools are not in it: they are of the sources' state of the day.

mod compare;
mod universe;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::whole_file::WholeFile;
use serde::{Deserialize, Serialize};

use deb_archive::{Index, SourceFormat, SourceList, sources_list};

pub use compare::{Comparison, compare};

/// The form of locks that this program writes and reads.
const FORM: u32 = 1;
/// Size in bytes beyond which a file is no lock.
const LARGEST: u64 = 256 << 20;

/// Error of a lock.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// It cannot be read.
    #[error("cannot read the lock {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write the lock {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// It is not one.
    #[error("{path}: line {line}, column {column}: this is no lock: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// It is of another version of this program.
    #[error("{path}: a lock of form {form}, of a newer version of this program; this one knows form {FORM}")]
    Form {
        /// The file.
        path: PathBuf,
        /// The form.
        form: u32,
    },
    /// A value in it has no meaning.
    #[error("{path}: {what}")]
    Value {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// What is chosen from its packages is not what it has.
    #[error("the lock {path} does not fit: {what}; make it anew with --lock")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is other.
        what: String,
    },
    /// Packages of it are nowhere any more.
    #[error("{} of the lock cannot be had any more: {}", count(.packages.len()), .packages.join(", "))]
    Gone {
        /// Names and versions.
        packages: Vec<String>,
    },
}

fn count(number: usize) -> String {
    match number {
        1 => "a package".to_owned(),
        number => format!("{number} packages"),
    }
}

impl LockError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Gone { .. } => {
                Some("a snapshot service may have them: --snapshot TIME, with the date in the lock")
            }
            _ => None,
        }
    }
}

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageLock {
    /// Number of its form.
    pub form: u32,
    /// What was asked for.
    pub request: LockedRequest,
    /// Sources of apt, as the target has them.
    pub sources: Vec<LockedSource>,
    /// Release files of the sources.
    pub releases: Vec<LockedRelease>,
    /// Indexes that packages are of.
    pub indexes: Vec<LockedIndex>,
    /// The packages, in the order of the indexes.
    pub packages: Vec<LockedPackage>,
    /// The file it was read from.
    #[serde(skip)]
    pub path: PathBuf,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedRequest {
    /// The target's architecture, and foreign ones.
    pub architectures: Vec<String>,
    /// Suite or codename.
    pub suite: String,
    /// The variant.
    pub variant: String,
    /// Packages beside it.
    pub include: Vec<String>,
    /// Package files of this machine, and directories of them, that packages were chosen from. Native tools may come from
    /// them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub package_files: Vec<String>,
    /// Whether /usr is merged: `auto`, `yes` or `no`.
    pub merged_usr: String,
    /// Whether recommended packages are installed as well.
    pub recommends: bool,
    /// Whether suggested packages are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suggests: bool,
    /// Resolver that has chosen; the first of apt's where it is not said.
    #[serde(default = "internal")]
    pub solver: String,
    /// Release of mmdebstrap whose result it is.
    pub mmdebstrap: String,
}

fn internal() -> String {
    apt_solve::Solver::default().to_string()
}

/// A sources file of the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedSource {
    /// Whether it is written in paragraphs.
    pub deb822: bool,
    /// Base name of the user's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Path of the file below the root of the target, where its place among the others does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its lines, without passwords.
    pub lines: Vec<String>,
}

/// A Release file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LockedRelease {
    /// URL, without user and password.
    pub url: String,
    /// `Date`, as written.
    pub date: String,
    /// SHA-256 of the file as it was fetched.
    pub sha256: String,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedIndex {
    /// Root of the archive.
    pub base: String,
    /// Suite as the source names it.
    pub suite: String,
    /// `Suite` of the Release file.
    pub archive: String,
    /// `Codename`.
    pub codename: String,
    /// Component.
    pub component: String,
    /// Architecture that it was read for.
    pub architecture: String,
    /// apt's priority of its packages.
    pub priority: i16,
    /// `Label` of the Release file.
    #[serde(default)]
    pub label: String,
    /// `Origin`.
    #[serde(default)]
    pub origin: String,
    /// `Snapshots`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub snapshots: String,
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedPackage {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub architecture: String,
    /// Position of its index.
    pub index: usize,
    /// `Filename`.
    pub filename: String,
    /// Size of the package file in bytes.
    pub size: u64,
    /// `SHA256` or `SHA512`, with the algorithm's name in front: `sha256:…`.
    pub hash: String,
    /// Whether it is of the suite that was asked for by a version that the lock does not have, as a package is whose
    /// security update is installed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_suite: bool,
    /// Other fields of its paragraph.
    pub fields: BTreeMap<String, String>,
}

impl PackageLock {
    /// Returns a name of what it is a lock of: suite, architecture and variant.
    pub fn name(&self) -> String {
        let architecture = self.request.architectures.first();
        let architecture = architecture.map(String::as_str).unwrap_or_default();
        format!("{}-{architecture}-{}", self.request.suite, self.request.variant)
    }

    /// Reads a lock.
    ///
    /// # Errors
    /// [`LockError`], for a file that is none or of another form.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Read {
            path: path.to_owned(),
            source,
        };
        let mut text = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(LARGEST + 1).read_to_end(&mut text).map_err(failed)?;
        if text.len() as u64 > LARGEST {
            return Err(failed(io::Error::other("it is too large for a lock")));
        }
        let bad = |error: serde_json::Error| LockError::Syntax {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
            reason: reason(&error),
        };
        /// What a lock of any form has.
        #[derive(Deserialize)]
        struct Head {
            form: u32,
        }
        let Head { form } = serde_json::from_slice(&text).map_err(bad)?;
        if form != FORM {
            return Err(LockError::Form {
                path: path.to_owned(),
                form,
            });
        }
        let mut lock: Self = serde_json::from_slice(&text).map_err(bad)?;
        path.clone_into(&mut lock.path);
        lock.check()?;
        Ok(lock)
    }

    /// Begins a file that a lock will be in, before anything else is done.
    ///
    /// # Errors
    /// [`LockError::Write`].
    pub fn begin(path: &Path) -> Result<WholeFile, LockError> {
        WholeFile::begin(path).map_err(|source| LockError::Write {
            path: path.to_owned(),
            source,
        })
    }

    /// Writes the lock to a file that was begun.
    ///
    /// # Errors
    /// [`LockError::Write`].
    pub fn write(&self, to: WholeFile) -> Result<(), LockError> {
        let path = to.path().to_owned();
        let mut text = Vec::new();
        let done = self.print(&mut text).and_then(|()| to.finish(&text));
        done.map_err(|source| LockError::Write { path, source })
    }

    /// Writes the lock as text.
    ///
    /// # Errors
    /// Those of writing.
    pub fn print(&self, mut to: impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut to, self).map_err(io::Error::from)?;
        to.write_all(b"\n")?;
        to.flush()
    }

    /// Returns the error for a value without meaning.
    fn wrong(&self, what: impl Into<String>) -> LockError {
        LockError::Value {
            path: self.path.clone(),
            what: what.into(),
        }
    }

    /// Checks what is needed later on.
    fn check(&self) -> Result<(), LockError> {
        for package in &self.packages {
            let named = format!("package {} {}", package.name, package.version);
            if package.index >= self.indexes.len() {
                return Err(self.wrong(format!(
                    "{named} is of index {}, which is not there",
                    package.index
                )));
            }
            if self.packages_hash(package).is_none() {
                return Err(self.wrong(format!("{named}: `{}` is no checksum", package.hash)));
            }
        }
        if self.request.architectures.is_empty() {
            return Err(self.wrong("it has no architecture"));
        }
        Ok(())
    }

    /// Returns the target's sources.
    ///
    /// # Errors
    /// [`LockError::Value`].
    pub fn lists(&self) -> Result<Vec<SourceList>, LockError> {
        let list = |source: &LockedSource| {
            let format = match source.deb822 {
                true => SourceFormat::Deb822,
                false => SourceFormat::OneLine,
            };
            let text = source
                .lines
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>();
            let plain = |name: &String| !name.contains('/') && name.as_str() != "..";
            if !source.name.as_ref().is_none_or(plain) {
                return Err(self.wrong("a sources file's name has no `/`"));
            }
            let placed = |path: &String| {
                let name = path.strip_prefix("etc/apt/sources.list");
                let name = name.map(|name| name.strip_prefix(".d/").unwrap_or(name));
                name.is_some_and(|name| !name.contains('/') && !name.contains(char::is_control))
            };
            if !source.path.as_ref().is_none_or(placed) {
                return Err(self.wrong(
                    "a sources file's path is `etc/apt/sources.list` or in `etc/apt/sources.list.d`",
                ));
            }
            let mut list = sources_list(&text, format, source.name.clone(), &self.path.to_string_lossy())
                .map_err(|error| self.wrong(error.to_string()))?;
            list.place = source.path.as_ref().map(PathBuf::from);
            Ok(list)
        };
        self.sources.iter().map(list).collect()
    }
}

/// What is wrong with a lock, without the place, which is told in front.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ")
        .map_or(text.clone(), |(reason, _)| reason.to_owned())
}

/// Returns the Release files of indexes, each once.
fn releases(indexes: &[Index]) -> Vec<LockedRelease> {
    let mut found: Vec<LockedRelease> = indexes
        .iter()
        .filter_map(|index| index.release.as_deref())
        .map(|release| LockedRelease {
            url: release.url.clone(),
            date: release.date.clone(),
            sha256: release.sha256.clone(),
        })
        .collect();
    found.sort();
    found.dedup();
    found
}
