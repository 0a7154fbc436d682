//! Provenance of results: an in-toto statement (v1) with the predicate of SLSA (<https://slsa.dev/provenance/v1>).
//!
//! Its subjects are the results with their SHA-256, its dependencies the packages and Release files of the lock. It has no
//! moments, so that the same installation has the same statement.

use crate::package_lock::PackageLock;
use crate::whole_file::WholeFile;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Beginning of the identifiers of this program.
const ID: &str = env!("CARGO_PKG_REPOSITORY");

/// Type of what is said in a statement.
pub const PREDICATE: &str = "https://slsa.dev/provenance/v1";

/// Error of a statement.
#[derive(Debug, thiserror::Error)]
pub enum ProvenanceError {
    /// The statement cannot be written.
    #[error("cannot write the provenance {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A result cannot be read again.
    #[error("cannot read {}, whose provenance is asked for", path.display())]
    Result {
        /// The result.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// A result.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subject {
    name: String,
    sha256: String,
}

impl Subject {
    /// Takes the digest of a result. That of a directory, which is an OCI layout, is that of its index.
    ///
    /// # Errors
    /// [`ProvenanceError::Result`].
    fn of(path: &Path) -> Result<Self, ProvenanceError> {
        let is_layout = path.is_dir();
        let file = if is_layout {
            path.join("index.json")
        } else {
            path.to_owned()
        };
        let mut name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if is_layout {
            name.push_str("/index.json");
        }
        let sha256 = digest(&file).map_err(|source| ProvenanceError::Result { path: file, source })?;
        Ok(Self { name, sha256 })
    }
}

/// Returns the SHA-256 of a file.
fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 17];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(deb_types::hex(&hasher.finalize())),
            Ok(got) => hasher.update(buffer.get(..got).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Begins the file of a statement.
///
/// # Errors
/// [`ProvenanceError::Write`].
pub fn begin(path: &Path) -> Result<WholeFile, ProvenanceError> {
    WholeFile::begin(path).map_err(|source| ProvenanceError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Writes the statement of results.
///
/// # Errors
/// [`ProvenanceError`].
pub fn write<'p>(
    file: WholeFile,
    results: impl Iterator<Item = &'p Path>,
    lock: &PackageLock,
    source_date_epoch: Option<i64>,
) -> Result<(), ProvenanceError> {
    let subjects: Vec<Subject> = results.map(Subject::of).collect::<Result<_, _>>()?;
    let text = statement(&subjects, lock, source_date_epoch);
    let path = file.path().to_owned();
    file.finish(text.as_bytes())
        .map_err(|source| ProvenanceError::Write { path, source })
}

/// Returns the statement of a container image, by the SHA-256 of its manifest.
pub fn of_image(name: &str, sha256: &str, lock: &PackageLock, source_date_epoch: Option<i64>) -> String {
    let subject = Subject {
        name: name.to_owned(),
        sha256: sha256.to_owned(),
    };
    statement(&[subject], lock, source_date_epoch)
}

/// Returns the statement of an index of container images, by its SHA-256: what it was made of are the images, by their
/// platforms and the SHA-256 of their manifests.
pub fn of_index(name: &str, sha256: &str, images: &[(String, String)]) -> String {
    let subject = Subject {
        name: name.to_owned(),
        sha256: sha256.to_owned(),
    };
    let platforms: Vec<&String> = images.iter().map(|(platform, _)| platform).collect();
    let dependencies = images
        .iter()
        .map(|(platform, sha256)| json!({"name": platform, "digest": {"sha256": sha256}}));
    text(
        &[subject],
        json!({
            "buildType": format!("{ID}/index/v1"),
            "externalParameters": {"platforms": platforms},
            "resolvedDependencies": dependencies.collect::<Vec<_>>()
        }),
    )
}

/// Returns the statement of results.
fn statement(subjects: &[Subject], lock: &PackageLock, source_date_epoch: Option<i64>) -> String {
    let releases = lock.releases.iter().map(|release| {
        json!({
            "uri": release.url,
            "digest": {"sha256": release.sha256},
            "annotations": {"date": release.date}
        })
    });
    let packages = lock.packages.iter().map(|package| {
        let (algorithm, digest) = package.hash.split_once(':').unwrap_or(("sha256", &package.hash));
        let base = lock
            .indexes
            .get(package.index)
            .map_or("", |index| index.base.trim_end_matches('/'));
        json!({
            "name": format!("{}_{}_{}", package.name, package.version, package.architecture),
            "uri": format!("{base}/{}", package.filename),
            "digest": {algorithm: digest}
        })
    });
    let dependencies: Vec<Value> = releases.chain(packages).collect();
    let mut internal = json!({});
    if let Some(epoch) = source_date_epoch {
        internal["SOURCE_DATE_EPOCH"] = json!(epoch);
    }
    text(
        subjects,
        json!({
            "buildType": format!("{ID}/installation/v1"),
            "externalParameters": {"request": lock.request, "sources": lock.sources},
            "internalParameters": internal,
            "resolvedDependencies": dependencies
        }),
    )
}

/// Returns a statement as text.
fn text(subjects: &[Subject], build: Value) -> String {
    let subjects: Vec<Value> = subjects
        .iter()
        .map(|subject| json!({"name": subject.name, "digest": {"sha256": subject.sha256}}))
        .collect();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": build,
            "runDetails": {
                "builder": {"id": ID, "version": {"rootless-install": env!("CARGO_PKG_VERSION")}}
            }
        }
    });
    // Values that were made here have no keys but text.
    let text = serde_json::to_string_pretty(&statement).unwrap_or_default();
    format!("{text}\n")
}
