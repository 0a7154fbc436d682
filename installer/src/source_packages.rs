//! Source packages of what is installed, from the archives of the binary packages.
//!
//! A Release file names the indexes of sources as it does those of packages, and these name the files: all of them are
//! verified by that chain.

use apt_solve::Package;
use deb_archive::{ArchiveError, Fetcher, Index, PackageFile, ReleaseState, archive_path};
use deb_types::control::paragraphs;
use deb_types::{FileHash, version};
use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use task_progress::Reporter;

/// The largest index of sources, in bytes.
const LARGEST: u64 = 1 << 30;

/// Reason why source packages cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourcePackagesError {
    /// A file cannot be fetched.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An index of sources cannot be read.
    #[error("{index}: the index of sources cannot be understood")]
    Index {
        /// The index.
        index: String,
        /// The reason.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// An index names a file that cannot be one.
    #[error("source package {package}: `{name}` is no name of a file with a checksum")]
    Name {
        /// The package.
        package: String,
        /// The name.
        name: String,
    },
}

/// Names and versions of source packages.
type Wanted<'p> = Vec<(&'p str, &'p str)>;

/// Fetches the source packages of `packages`, which are of `indexes`, into a directory. What an archive does not have is
/// warned of.
///
/// # Errors
/// [`SourcePackagesError`].
pub fn fetch<'p>(
    fetcher: &Fetcher,
    indexes: &[Index],
    packages: impl Iterator<Item = &'p Package<'p>>,
    directory: &Path,
    reporter: &dyn Reporter,
) -> Result<(), SourcePackagesError> {
    // Indexes of several architectures have the same sources.
    let mut wanted: BTreeMap<(String, &str, &str), (&Index, Wanted<'p>)> = BTreeMap::new();
    for package in packages {
        let Some(index) = indexes.get(package.index) else {
            continue;
        };
        let release = index
            .release
            .as_ref()
            .map_or("", |release| release.directory.as_str());
        let key = (index.base.to_string(), release, index.component.as_str());
        let (_, list) = wanted.entry(key).or_insert_with(|| (index, Vec::new()));
        let source = (package.source, source_version(package));
        if !list.contains(&source) {
            list.push(source);
        }
    }
    for (index, list) in wanted.values() {
        let Some(text) = sources_index(fetcher, index)? else {
            let names: Vec<&str> = list.iter().map(|(name, _)| *name).collect();
            reporter.warn(&format!(
                "{}{}: the archive has no index of sources; there are no sources of {}",
                index.base,
                index.suite,
                names.join(" ")
            ));
            continue;
        };
        let mut files = Vec::new();
        for (name, version) in list {
            match find(&text, name, version) {
                Some(stanza) => files.extend(files_of(index, name, stanza)?),
                None => reporter.warn(&format!("{}: there is no source package {name}", index.suite)),
            }
        }
        let all: Vec<PackageFile> = files.iter().map(|(_, file)| file.clone()).collect();
        for (got, (name, _)) in fetcher.fetch(&all)?.iter().zip(&files) {
            let path = directory.join(name);
            fs::copy(got, &path).map_err(|source| SourcePackagesError::Write { path, source })?;
        }
    }
    Ok(())
}

/// Returns the version of a package's source: that in brackets, or its own.
fn source_version<'p>(package: &'p Package<'_>) -> &'p str {
    let field = package
        .stanza
        .lines()
        .find_map(|line| line.strip_prefix("Source:"));
    let inner = field.and_then(|value| value.split_once('(')?.1.split_once(')'));
    inner.map_or(package.version, |(version, _)| version.trim())
}

/// Returns the text of the index of sources beside an index of packages; none where there is none.
fn sources_index(fetcher: &Fetcher, index: &Index) -> Result<Option<String>, SourcePackagesError> {
    let Some(release) = &index.release else {
        return Ok(None);
    };
    let stem = match index.component.as_str() {
        "" => "Sources".to_owned(),
        component => format!("{component}/source/Sources"),
    };
    for end in [".xz", ".gz", ""] {
        let path = format!("{stem}{end}");
        let Some((size, hash)) = named(release, &path) else {
            continue;
        };
        let below = format!("{}{path}", release.directory);
        let file = PackageFile {
            urls: vec![archive_path(&index.base, &below, &path)?],
            name: format!("{} {path}", index.suite),
            size,
            hash,
        };
        let Some(got) = fetcher.fetch(&[file])?.pop() else {
            continue;
        };
        let failed = |source| SourcePackagesError::Index {
            index: below.clone(),
            source,
        };
        let packed = File::open(&got).map_err(failed)?;
        let mut reader: Box<dyn Read> = match end {
            ".xz" => Box::new(XzDecoder::new(packed)),
            ".gz" => Box::new(MultiGzDecoder::new(packed)),
            _ => Box::new(packed),
        };
        let mut text = Vec::new();
        reader
            .by_ref()
            .take(LARGEST)
            .read_to_end(&mut text)
            .map_err(failed)?;
        return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
    }
    Ok(None)
}

/// Returns size and checksum of a file that a Release file names.
pub(crate) fn named(release: &ReleaseState, path: &str) -> Option<(u64, FileHash)> {
    let (_, text) = release.files.first()?;
    let text = String::from_utf8_lossy(text);
    let lines = text
        .lines()
        .skip_while(|line| !line.to_ascii_lowercase().starts_with("sha256:"))
        .skip(1);
    let mut lines = lines.take_while(|line| line.starts_with(' '));
    lines.find_map(|line| {
        checksum(line)
            .filter(|(_, _, name)| *name == path)
            .map(|(hash, size, _)| (size, hash))
    })
}

/// Returns checksum, size and name of a line of files.
fn checksum(line: &str) -> Option<(FileHash, u64, &str)> {
    let mut words = line.split_whitespace();
    let hash = FileHash::of_field("SHA256", words.next()?)?;
    Some((hash, words.next()?.parse().ok()?, words.next()?))
}

/// Returns the paragraph of a source package in that version, or else in its newest.
fn find<'t>(text: &'t str, name: &str, version: &str) -> Option<&'t str> {
    let mut newest: Option<(&str, &str)> = None;
    for stanza in text.split("\n\n") {
        let field = |field: &str| {
            let mut lines = stanza.lines();
            lines.find_map(|line| line.strip_prefix(field)).map(str::trim)
        };
        if field("Package:") != Some(name) {
            continue;
        }
        let found = field("Version:").unwrap_or_default();
        if found == version {
            return Some(stanza);
        }
        if newest.is_none_or(|(known, _)| version::compare(found, known) == Ordering::Greater) {
            newest = Some((found, stanza));
        }
    }
    newest.map(|(_, stanza)| stanza)
}

/// Returns the files of a source package, with their names.
fn files_of(
    index: &Index,
    package: &str,
    stanza: &str,
) -> Result<Vec<(String, PackageFile)>, SourcePackagesError> {
    let wrong = |name: &str| SourcePackagesError::Name {
        package: package.to_owned(),
        name: name.to_owned(),
    };
    let paragraph = paragraphs(stanza).next().and_then(Result::ok);
    let field = |name: &str| {
        paragraph
            .and_then(|paragraph| paragraph.get(name))
            .unwrap_or_default()
    };
    let directory = field("Directory");
    let mut files = Vec::new();
    for line in field("Checksums-Sha256")
        .lines()
        .filter(|line| !line.trim().is_empty())
    {
        let (hash, size, name) = checksum(line).ok_or_else(|| wrong(line.trim()))?;
        if name.contains('/') || name.starts_with('.') {
            return Err(wrong(name));
        }
        let url = archive_path(&index.base, &format!("{directory}/{name}"), package)?;
        files.push((
            name.to_owned(),
            PackageFile {
                urls: vec![url],
                name: name.to_owned(),
                size,
                hash,
            },
        ));
    }
    match files.is_empty() {
        true => Err(wrong("")),
        false => Ok(files),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_is_installed_comes_before_the_newest() {
        let text = "Package: a\nVersion: 1\n\nPackage: a\nVersion: 3\n\nPackage: a\nVersion: 2\n\nPackage: b\nVersion: 9\n";
        let version = |wanted| find(text, "a", wanted).and_then(|stanza| stanza.lines().nth(1));
        assert_eq!(version("1"), Some("Version: 1"));
        assert_eq!(version("7"), Some("Version: 3"));
        assert_eq!(find(text, "c", "1"), None);
    }

    #[test]
    fn lines_of_files_have_a_checksum() {
        let sum = "ab".repeat(32);
        let line = format!(" {sum} 12 a_1.dsc");
        assert_eq!(
            checksum(&line).map(|(_, size, name)| (size, name)),
            Some((12, "a_1.dsc"))
        );
        assert_eq!(checksum(" ab 12 a_1.dsc"), None);
        assert_eq!(checksum(""), None);
    }
}
