//! Suites of sources and their Release files: fetched, verified, and checked to be those asked for.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use url::Url;

use super::package_file::{join, show};
use super::release::Release;
use super::seen::Sighting;
use super::{ArchiveError, Fetcher, Keyring, Result, Source, verify};

/// The architecture of packages that fit any.
pub(super) const ALL: &str = "all";
/// Largest Release file in bytes; sid's is below 1 MB.
const RELEASE_LIMIT: u64 = 32 << 20;
/// Largest detached signature in bytes.
const SIGNATURE_LIMIT: u64 = 1 << 20;

/// One suite of one source.
#[derive(Debug)]
pub(super) struct Suite<'a> {
    /// Position of the source in the list of sources.
    pub(super) number: usize,
    pub(super) source: &'a Source,
    /// Archive root.
    pub(super) base: &'a Url,
    /// Name as the source gives it.
    pub(super) name: &'a str,
    /// Keys its Release file may be signed with.
    pub(super) keyring: Keyring,
}

impl<'a> Suite<'a> {
    /// Returns the error for a suite that is not there.
    pub(super) fn unknown(&self) -> ArchiveError {
        ArchiveError::UnknownSuite {
            base: show(self.base),
            suite: self.name.to_owned(),
        }
    }

    /// Returns the components to read: an empty name for an exact path.
    pub(super) fn components(&self, release: &Release) -> Result<Vec<&'a str>> {
        if self.source.components.is_empty() {
            return Ok(vec![""]);
        }
        let mut found = Vec::new();
        for component in &self.source.components {
            if release.has_component(component) {
                found.push(component.as_str());
            } else if !self.source.optional {
                return Err(ArchiveError::UnknownComponent {
                    url: release.url.clone(),
                    component: component.clone(),
                    available: release.components.clone(),
                });
            }
        }
        Ok(found)
    }

    /// Returns the architectures to read, of those asked for.
    pub(super) fn architectures<'b>(&self, release: &Release, archs: &[&'b str]) -> Vec<&'b str> {
        let here = |arch: &&str| self.source.has_architecture(arch);
        // An exact path has one index for all of them.
        let all = (!release.all_included && !self.source.components.is_empty()).then_some(ALL);
        archs.iter().copied().filter(here).chain(all).collect()
    }
}

/// Returns the directory of a suite's Release file, below the archive root.
pub(super) fn suite_path(suite: &str) -> String {
    match suite.strip_suffix('/') {
        None => format!("dists/{suite}/"),
        Some("" | ".") => String::new(),
        Some(flat) => format!("{}/", flat.strip_prefix("./").unwrap_or(flat)),
    }
}

/// Fetches, verifies and checks the Release file of one suite. A trusted source may have none.
pub(super) fn load_release(
    fetcher: &Fetcher,
    source: &Source,
    base: &Url,
    suite: &str,
    keyring: &Keyring,
) -> Result<Release> {
    let directory = suite_path(suite);
    let now = fetcher.options.time.unwrap_or_else(SystemTime::now);
    let name = source.inrelease_path.as_deref().unwrap_or("InRelease");
    let inline_url = join(base, &format!("{directory}{name}"), suite)?;
    let (text, url, document) = match fetcher.document(&inline_url, RELEASE_LIMIT)? {
        Some(document) => {
            let shown = show(&inline_url);
            let text = if source.trusted {
                verify::unverified(&document.bytes, &shown)?
            } else {
                verify::inline(&document.bytes, keyring, now, &shown)?
            };
            (text, shown, Some(document))
        }
        // As with apt there is no other where its path is given.
        None if source.inrelease_path.is_some() => {
            return Err(ArchiveError::UnknownSuite {
                base: show(base),
                suite: suite.to_owned(),
            });
        }
        None => match detached_release(fetcher, source, base, suite, &directory, keyring, now) {
            Err(ArchiveError::UnknownSuite { .. }) if source.trusted => {
                return Ok(Release::absent(&show(&inline_url)));
            }
            other => {
                let (text, url) = other?;
                (text, url, None)
            }
        },
    };
    let release = Release::parse(&text, &url, source.trusted)?;
    for warning in release.check(suite, source, now)? {
        fetcher.warn_once(&warning);
    }
    // Whoever needs no signature could write any date for those who do.
    let trust = if source.trusted { " (trusted)" } else { "" };
    let sighting = Sighting {
        source: &format!(
            "{}{trust}",
            show(&join(base, &format!("{directory}Release"), suite)?)
        ),
        url: &url,
        date: release.date(),
    };
    let stop = || fetcher.options.cancel.load(Ordering::Relaxed);
    sighting.note(&fetcher.options.cache, fetcher.options.allow_older, &stop)?;
    // Only now: what was refused must not answer in the place of the server.
    if let Some(document) = document {
        fetcher
            .cache
            .store_release(inline_url.as_str(), &document.validators, &document.bytes)?;
    }
    Ok(release)
}

/// Fetches and verifies Release with its detached signature in Release.gpg, for archives without InRelease.
/// Returns the text and the URL to show.
fn detached_release(
    fetcher: &Fetcher,
    source: &Source,
    base: &Url,
    suite: &str,
    directory: &str,
    keyring: &Keyring,
    now: SystemTime,
) -> Result<(Vec<u8>, String)> {
    let url = join(base, &format!("{directory}Release"), suite)?;
    let Some(text) = fetcher.document(&url, RELEASE_LIMIT)? else {
        return Err(ArchiveError::UnknownSuite {
            base: show(base),
            suite: suite.to_owned(),
        });
    };
    let shown = show(&url);
    if !source.trusted {
        let signature_url = join(base, &format!("{directory}Release.gpg"), suite)?;
        let signature = fetcher
            .document(&signature_url, SIGNATURE_LIMIT)?
            .ok_or_else(|| ArchiveError::NotSigned { url: shown.clone() })?;
        verify::detached(&text.bytes, &signature.bytes, keyring, now, &shown)?;
    }
    Ok((text.bytes.clone(), shown))
}
