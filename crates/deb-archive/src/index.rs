//! `Packages` indexes of sources.

use std::borrow::Cow;
use std::sync::Arc;

use url::Url;

use super::index_file::IndexFile;
use super::package_file::{join, show};
use super::suite_release::{ALL, Suite, load_release};
use super::{ArchiveError, ArchiveIdentity, Fetcher, Keyring, PackageFile, Result, Source};
use deb_index::{IndexInput, Packages};
use deb_types::FileHash;

/// One `Packages` index: of a suite, a component and an architecture.
#[derive(Clone, Debug)]
pub struct Index {
    /// Position in the `sources` given to [`load_indexes`].
    pub source: usize,
    /// Archive root, which `Filename` fields are relative to.
    pub base: Url,
    /// Suite as the source names it.
    pub suite: String,
    /// `Codename` of the Release file, for example `trixie`.
    pub codename: String,
    /// `Suite` of the Release file, for example `stable` (apt's archive).
    pub release_archive: String,
    /// Component; empty for a suite that is an exact path.
    pub component: String,
    /// Architecture the index was read for; `all` where the archive has an
    /// index of its own for these packages. The index of an exact path holds
    /// packages of any architecture and is listed once for each architecture
    /// asked for.
    pub architecture: String,
    /// apt's priority of its packages (apt_preferences(5)).
    pub priority: i16,
    /// Whether its packages can be authenticated; no package is fetched where they cannot.
    pub authenticated: bool,
    /// The Release file that names it; none where there is none.
    pub release: Option<Arc<ReleaseState>>,
    /// Files that the archive has of it, in the order to try; none for an index without packages.
    pub files: Vec<ArchiveFile>,
    /// The index: paragraphs as in deb-control(5), with Filename, Size, SHA256.
    pub packages: Packages,
}

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveFile {
    /// Path below the archive's root.
    pub path: String,
    /// The file.
    pub file: PackageFile,
}

/// A Release file as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseState {
    /// Its directory below the archive's root, with a slash in the end; empty for the root.
    pub directory: String,
    /// The file, or the file and its signature, by their names.
    pub files: Vec<(String, Vec<u8>)>,
    /// Whether indexes are also there by their checksums.
    pub by_hash: bool,
    /// URL, without user and password.
    pub url: String,
    /// `Date`, as written.
    pub date: String,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// What it says of the archive.
    pub identity: ArchiveIdentity,
    /// `Version` of what is released, for example `13.1`.
    pub version: String,
}

impl Index {
    /// Returns the file of a package of this index: `filename` is its `Filename`
    /// field, `name` the text to show to users.
    ///
    /// # Errors
    /// [`ArchiveError::BadFilename`] for a path that leads out of the archive
    /// root or is malformed, [`ArchiveError::Unauthenticated`] for a package of a source that may be insecure, and is.
    pub fn package_file(&self, name: &str, filename: &str, size: u64, hash: FileHash) -> Result<PackageFile> {
        if !self.authenticated {
            return Err(ArchiveError::Unauthenticated {
                package: name.to_owned(),
                base: show(&self.base),
            });
        }
        let url = join(&self.base, filename, name)?;
        Ok(PackageFile {
            urls: vec![url],
            name: name.to_owned(),
            size,
            hash,
        })
    }
}

/// Fetches and verifies the Release file of every suite of `sources` and reads
/// the indexes of their components for the architectures `archs`. The result
/// is in the order of the sources, suites, components and `archs`.
///
/// A source with `Signed-By` uses that instead of `keyring`.
///
/// # Errors
/// [`ArchiveError`], also when no source has the first of the architectures, or any of
/// the components. Other components and architectures that are not there are left out with
/// a warning, as with apt. For a source that is `optional`, missing suites are left out, too, and so
/// is, with a warning, an index that is not the one its Release file names.
pub fn load_indexes(
    fetcher: &Fetcher,
    sources: &[Source],
    keyring: &Keyring,
    archs: &[&str],
) -> Result<Vec<Index>> {
    let mut each = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        if !source.has_variable() {
            each.push((number, Cow::Borrowed(source)));
            continue;
        }
        let wanted = |arch: &&&str| source.has_architecture(arch);
        for arch in archs.iter().filter(wanted) {
            let mut own = source.for_architecture(arch);
            own.architectures = vec![(*arch).to_owned()];
            each.push((number, Cow::Owned(own)));
        }
    }
    let mut suites = Vec::new();
    for (number, source) in &each {
        let number = *number;
        let source: &Source = source;
        let keyring = keyring.for_source(source)?;
        for base in &source.uris {
            for suite in &source.suites {
                suites.push(Suite {
                    number,
                    source,
                    base: Cow::Borrowed(base),
                    name: suite,
                    keyring: keyring.clone(),
                });
            }
        }
    }
    let releases = fetcher.parallel(&suites, |suite, _| {
        match load_release(fetcher, suite.source, &suite.base, suite.name, &suite.keyring) {
            Err(ArchiveError::UnknownSuite { .. } | ArchiveError::Offline { .. })
                if suite.source.optional =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
            Ok(release) => suite.of_the_past(fetcher, release).map(Some),
        }
    })?;
    for (suite, found) in suites.iter_mut().zip(&releases) {
        if let Some((_, Some(base))) = found {
            suite.base = Cow::Owned(base.clone());
        }
    }
    let releases: Vec<_> = releases
        .into_iter()
        .map(|found| found.map(|(release, _)| release))
        .collect();
    let mut wanted: Vec<IndexFile<'_>> = Vec::new();
    let mut skipped = Vec::new();
    for (suite, release) in suites.iter().zip(&releases) {
        let Some(release) = release else { continue };
        let (components, lacking) = suite.components(release);
        skipped.extend(lacking);
        for component in components {
            for arch in suite.architectures(release, archs) {
                let index = IndexFile::new(suite, release, component, arch);
                wanted.extend(index.filter(|index| !wanted.iter().any(|known| known.is_same(index))));
            }
        }
    }
    if wanted.is_empty() && !skipped.is_empty() {
        return Err(skipped.swap_remove(0));
    }
    for lacking in skipped {
        fetcher.warn_once(&format!("{lacking}; it is left out"));
    }
    for (number, arch) in archs.iter().enumerate() {
        let offered = |index: &IndexFile<'_>| index.arch == *arch;
        if wanted.iter().any(offered) {
            continue;
        }
        let Some(release) = releases.iter().flatten().next() else {
            continue;
        };
        let known = release.architectures.iter().filter(|known| *known != ALL);
        let lacking = ArchiveError::UnknownArchitecture {
            url: release.url.clone(),
            architecture: (*arch).to_owned(),
            available: known.cloned().collect(),
        };
        // As with apt others are left out; but without its own architecture nothing can be installed.
        if number == 0 {
            return Err(lacking);
        }
        fetcher.warn_once(&format!("{lacking}; it is left out"));
    }
    fetcher
        .progress
        .started(wanted.len(), wanted.iter().map(IndexFile::packed_size).sum());
    let indexes = fetcher.parallel(&wanted, |index, stop| {
        let packages = match index.load(fetcher, stop) {
            Err(error) if index.suite.source.optional && is_inconsistent(&error) => {
                fetcher
                    .progress
                    .warning(&format!("going on without {}: {error}", index.suite.name));
                return Ok(None);
            }
            Ok(None) => return Ok(None),
            Ok(Some(packages)) => of_source(index.suite.source, packages)?,
            Err(error) => return Err(error),
        };
        Ok(Some(Index {
            source: index.suite.number,
            base: index.suite.base.clone().into_owned(),
            suite: index.suite.name.to_owned(),
            codename: index.release.codename.clone(),
            release_archive: index.release.suite.clone(),
            component: index.component.to_owned(),
            architecture: index.arch.to_owned(),
            priority: index.release.priority(),
            authenticated: index.release.authenticated,
            release: index.release.state(),
            files: index.files(),
            packages,
        }))
    })?;
    let there = |index: usize| indexes.get(index).is_some_and(Option::is_some);
    let missing = |suite: &Suite<'_>| {
        let mut own = wanted
            .iter()
            .enumerate()
            .filter(|(_, index)| std::ptr::eq(index.suite, suite));
        !own.any(|(number, _)| there(number))
    };
    for (suite, release) in suites.iter().zip(&releases) {
        // A source without a Release file is there if any index of it is.
        if release.as_ref().is_some_and(|release| release.unhashed)
            && !suite.source.optional
            && missing(suite)
        {
            return Err(suite.unknown());
        }
    }
    Ok(indexes.into_iter().flatten().collect())
}

/// Returns the packages that a source takes of an index.
fn of_source(source: &Source, packages: Packages) -> Result<Packages> {
    if source.include.is_empty() && source.exclude.is_empty() {
        return Ok(packages);
    }
    let taken = packages.records().filter(|record| source.takes(record.name));
    only(&packages, taken.map(|record| record.stanza))
}

/// Returns some paragraphs of an index as one of their own.
pub(super) fn only(packages: &Packages, stanzas: impl Iterator<Item = [u32; 2]>) -> Result<Packages> {
    let mut text = String::new();
    for stanza in stanzas {
        text.push_str(packages.stanza(stanza).trim_end());
        text.push_str("\n\n");
    }
    Packages::parse(text).map_err(|problem| ArchiveError::BadIndex {
        url: "a part of an index".to_owned(),
        problem,
    })
}

/// Whether an error means that a mirror's indexes are not those of its Release
/// file: it is half-way through an update, or a proxy cached one of them longer.
fn is_inconsistent(error: &ArchiveError) -> bool {
    matches!(
        error,
        ArchiveError::NotFound { .. }
            | ArchiveError::Truncated { .. }
            | ArchiveError::TooLarge { .. }
            | ArchiveError::WrongHash { .. }
    )
}

impl<'a> From<&'a Index> for IndexInput<'a> {
    fn from(index: &'a Index) -> Self {
        Self {
            packages: &index.packages,
            suite: &index.release_archive,
            codename: &index.codename,
            component: &index.component,
            architecture: &index.architecture,
            priority: index.priority,
        }
    }
}
