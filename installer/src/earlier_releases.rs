//! Native packages of the releases before a target's, for what an upgrade has left in it.
//!
//! They are rarely asked for, so indexes are loaded when the first is.

use crate::archives::Archives;
use apt_solve::{IndexInput, PackageId, Universe, best_native_version, closure};
use deb_arch::Architecture;
use deb_archive::{ArchiveError, Index, Keyring, Source};
use script_host::sysroot::{EarlierPackage, package_file};
use std::sync::OnceLock;

/// How many releases are looked at, from the target's back.
const RELEASES: usize = 2;

/// The releases before the one that the sources name.
pub(crate) struct EarlierReleases<'a> {
    archives: &'a Archives,
    keyring: &'a Keyring,
    /// From the latest back.
    releases: Vec<Release>,
}

struct Release {
    sources: Vec<Source>,
    /// Its indexes, when they have been asked for.
    loaded: OnceLock<Result<Vec<Index>, String>>,
}

impl<'a> EarlierReleases<'a> {
    /// Returns the releases before the one of these sources.
    pub(crate) fn new(archives: &'a Archives, sources: &[Source], keyring: &'a Keyring) -> Self {
        let earlier = |sources: &[Source]| -> Vec<Source> {
            let earlier = sources.iter().filter_map(Source::of_earlier_release);
            earlier
                .filter(|one| {
                    !sources
                        .iter()
                        .any(|known| known.suites == one.suites && known.uris == one.uris)
                })
                .collect()
        };
        let first = earlier(sources);
        let all = std::iter::successors(Some(first), |sources| Some(earlier(sources)));
        Self {
            archives,
            keyring,
            releases: all
                .take(RELEASES)
                .filter(|sources| !sources.is_empty())
                .map(|sources| Release {
                    sources,
                    loaded: OnceLock::new(),
                })
                .collect(),
        }
    }

    /// Returns the package that has the first of some names, in the version nearest to one, and all that it depends on.
    ///
    /// # Errors
    /// The reason why there is none, in words.
    pub(crate) fn packages(&self, names: &[String], version: &str) -> Result<Vec<EarlierPackage>, String> {
        let mut reasons = Vec::new();
        for Release { sources, loaded } in &self.releases {
            let indexes = loaded.get_or_init(|| self.load(sources).map_err(|error| error.to_string()));
            let suites = || {
                sources
                    .iter()
                    .flat_map(|source| &source.suites)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            match indexes {
                Ok(indexes) => match find(indexes, names, version).map_err(|error| error.to_string())? {
                    found if found.is_empty() => reasons.push(format!("it is not in {}", suites())),
                    found => return Ok(found),
                },
                Err(error) => reasons.push(format!("{} cannot be read: {error}", suites())),
            }
        }
        if reasons.is_empty() {
            reasons.push("the sources' suites do not tell which that is".to_owned());
        }
        Err(reasons.join("; "))
    }

    fn load(&self, sources: &[Source]) -> Result<Vec<Index>, ArchiveError> {
        self.archives
            .indexes(sources, self.keyring, &[Architecture::native().name])
    }
}

fn find(indexes: &[Index], names: &[String], version: &str) -> Result<Vec<EarlierPackage>, ArchiveError> {
    let inputs: Vec<IndexInput<'_>> = indexes.iter().map(IndexInput::from).collect();
    let universe = Universe::new(&inputs, Architecture::native().name, &[]);
    let best = |name: &String| best_native_version(&universe, name, version);
    let Some(id) = names.iter().find_map(best) else {
        return Ok(Vec::new());
    };
    let package = |id: PackageId| -> Result<EarlierPackage, ArchiveError> {
        Ok(EarlierPackage {
            name: universe.package(id).name.to_owned(),
            file: package_file(&universe, indexes, id)?,
        })
    };
    let has_programs = |id: &PackageId| universe.package(*id).architecture != "all";
    closure(&universe, &[id])
        .packages
        .into_iter()
        .filter(has_programs)
        .map(package)
        .collect()
}
