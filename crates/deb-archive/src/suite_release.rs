//! Suites of sources and their Release files: fetched, verified, and checked to be those asked for.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use deb_types::hex;
use sha2::{Digest, Sha256};
use url::Url;

use super::archive_cache::Document;
use super::package_file::{file_name, join, show};
use super::release::Release;
use super::seen::{Sighting, was_seen};
use super::snapshot::{Snapshot, SnapshotServices};
use super::source::SourceSnapshot;
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
    pub(super) base: Cow<'a, Url>,
    /// Name as the source gives it.
    pub(super) name: &'a str,
    /// Keys its Release file may be signed with.
    pub(super) keyring: Keyring,
}

impl<'a> Suite<'a> {
    /// Returns the error for a suite that is not there.
    pub(super) fn unknown(&self) -> ArchiveError {
        ArchiveError::UnknownSuite {
            base: show(&self.base),
            suite: self.name.to_owned(),
        }
    }

    /// Returns the components to read, an empty name for an exact path; and an error for each that is not there. As with
    /// apt these are left out.
    pub(super) fn components(&self, release: &Release) -> (Vec<&'a str>, Vec<ArchiveError>) {
        if self.source.components.is_empty() {
            return (vec![""], Vec::new());
        }
        let (mut found, mut lacking) = (Vec::new(), Vec::new());
        for component in &self.source.components {
            if release.has_component(component) {
                found.push(component.as_str());
            } else if !self.source.optional {
                lacking.push(ArchiveError::UnknownComponent {
                    url: release.url.clone(),
                    component: component.clone(),
                    available: release.components.clone(),
                });
            }
        }
        (found, lacking)
    }

    /// Returns the Release file to read in the place of today's, and the archive's root, where a state of the past is asked
    /// for. It counts as valid: who asks for it knows its age.
    pub(super) fn of_the_past(&self, fetcher: &Fetcher, today: Release) -> Result<(Release, Option<Url>)> {
        let asked = fetcher.options.snapshot.as_ref();
        let snapshot = match &self.source.snapshot {
            SourceSnapshot::AsAsked => asked.cloned(),
            SourceSnapshot::Never => None,
            SourceSnapshot::At(id) => Some(Snapshot {
                id: id.clone(),
                template: asked.and_then(|asked| asked.template.clone()),
                services: match asked {
                    Some(asked) => asked.services.clone(),
                    None => SnapshotServices::of_machine(),
                },
            }),
        };
        let Some(snapshot) = snapshot else {
            return Ok((today, None));
        };
        let base = snapshot.root(&today.identity, &today.url)?;
        let mut source = self.source.clone();
        source.check_valid_until = false;
        let release = load_release(fetcher, &source, &base, self.name, &self.keyring)?;
        Ok((release, Some(base)))
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

/// A Release file as it was fetched.
struct Fetched {
    text: Vec<u8>,
    /// URL to show.
    url: String,
    /// The files, which may answer in the place of the server.
    documents: Vec<(Url, Arc<Document>)>,
    /// What is wrong with its signature, where the source may be insecure.
    doubt: Option<ArchiveError>,
}

/// Fetches, verifies and checks the Release file of one suite. A trusted source may have none, and so may one that may be
/// insecure.
pub(super) fn load_release(
    fetcher: &Fetcher,
    source: &Source,
    base: &Url,
    suite: &str,
    keyring: &Keyring,
) -> Result<Release> {
    let directory = suite_path(suite);
    let now = fetcher.options.time.unwrap_or_else(SystemTime::now);
    let stop = || fetcher.options.cancel.load(Ordering::Relaxed);
    let named = show(&join(base, &format!("{directory}Release"), suite)?);
    let fetched = match fetch_release(fetcher, source, (base, suite, &directory), keyring, now) {
        Err(ArchiveError::UnknownSuite { .. }) if source.trusted => return Ok(Release::absent(&named)),
        Err(ArchiveError::UnknownSuite { .. }) if source.allow_insecure => {
            let doubt = "it has no Release file".to_owned();
            accept_insecure(fetcher, source, &named, &named, doubt, &stop)?;
            let mut absent = Release::absent(&named);
            absent.authenticated = false;
            return Ok(absent);
        }
        fetched => fetched?,
    };
    let Fetched {
        text,
        url,
        documents,
        doubt,
    } = fetched;
    let insecure = doubt.is_some();
    if let Some(doubt) = doubt {
        accept_insecure(fetcher, source, &named, &url, doubt.to_string(), &stop)?;
    }
    let mut release = Release::parse(&text, &url, source.takes_weak())?;
    if let Some((_, document)) = documents.first() {
        release.sha256 = hex(&Sha256::digest(&document.bytes));
        release.directory.clone_from(&directory);
        let named = documents
            .iter()
            .map(|(url, document)| (file_name(url), Arc::clone(document)));
        release.documents = named.collect();
    }
    if release.unhashed && !source.trusted {
        fetcher.warn_once(&format!(
            "{url}: the repository provides only weak security information; nothing is installed from it"
        ));
    }
    release.authenticated = source.trusted || !(insecure || release.unhashed);
    let checked = match release.check(suite, source, now) {
        // Whoever is without the network wants the state that there is.
        Err(error @ ArchiveError::Expired { .. }) if fetcher.options.offline => vec![error.to_string()],
        checked => checked?,
    };
    for warning in checked {
        fetcher.warn_once(&warning);
    }
    // Whoever needs no signature could write any date for those who do.
    let trust = match (source.trusted, insecure) {
        (true, _) => " (trusted)",
        (_, true) => " (insecure)",
        _ => "",
    };
    let sighting = Sighting {
        source: &format!("{named}{trust}"),
        url: &url,
        date: release.date(),
    };
    sighting.note(&fetcher.options.cache, fetcher.options.allow_older, &stop)?;
    // Only now: what was refused must not answer in the place of the server.
    for (url, document) in documents {
        let Document { bytes, validators } = &*document;
        fetcher.cache.store_release(url.as_str(), validators, bytes)?;
    }
    Ok(release)
}

/// Warns of a source that may be insecure and is.
///
/// # Errors
/// [`ArchiveError::NoLongerSigned`] for one that was signed when it was seen last.
fn accept_insecure(
    fetcher: &Fetcher,
    source: &Source,
    named: &str,
    url: &str,
    doubt: String,
    stop: &dyn Fn() -> bool,
) -> Result<()> {
    if !source.allow_downgrade && was_seen(&fetcher.options.cache, named, stop)? {
        return Err(ArchiveError::NoLongerSigned {
            url: url.to_owned(),
            reason: doubt,
        });
    }
    fetcher.warn_once(&format!(
        "{url}: the repository is not signed, so nothing is installed from it: {doubt}"
    ));
    Ok(())
}

/// Whether an error is one of a signature, without which a source may be that may be insecure.
fn is_of_the_signature(error: &ArchiveError) -> bool {
    matches!(
        error,
        ArchiveError::NotSigned { .. }
            | ArchiveError::NoKeyring { .. }
            | ArchiveError::UnknownKey { .. }
            | ArchiveError::RevokedKey { .. }
            | ArchiveError::ExpiredKey { .. }
            | ArchiveError::ExpiredSignature { .. }
            | ArchiveError::WeakSignature { .. }
            | ArchiveError::Altered { .. }
    )
}

/// Fetches the Release file of a suite and verifies its signature.
fn fetch_release(
    fetcher: &Fetcher,
    source: &Source,
    (base, suite, directory): (&Url, &str, &str),
    keyring: &Keyring,
    now: SystemTime,
) -> Result<Fetched> {
    let name = source.inrelease_path.as_deref().unwrap_or("InRelease");
    let inline_url = join(base, &format!("{directory}{name}"), suite)?;
    let unknown = || ArchiveError::UnknownSuite {
        base: show(base),
        suite: suite.to_owned(),
    };
    let inline = match fetcher.document(&inline_url, RELEASE_LIMIT) {
        // The cache may have the other form.
        Err(ArchiveError::Offline { .. }) if source.inrelease_path.is_none() => None,
        inline => inline?,
    };
    if let Some(document) = inline {
        let url = show(&inline_url);
        let verified = match source.trusted {
            true => verify::unverified(&document.bytes, &url),
            false => verify::inline(&document.bytes, keyring, now, &url),
        };
        let (text, doubt) = match verified {
            Err(error) if source.allow_insecure && is_of_the_signature(&error) => {
                (verify::unverified(&document.bytes, &url)?, Some(error))
            }
            text => (text?, None),
        };
        return Ok(Fetched {
            text,
            url,
            documents: vec![(inline_url, document)],
            doubt,
        });
    }
    // As with apt there is no other where its path is given.
    if source.inrelease_path.is_some() {
        return Err(unknown());
    }
    // Release with its detached signature in Release.gpg.
    let release_url = join(base, &format!("{directory}Release"), suite)?;
    let text = fetcher
        .document(&release_url, RELEASE_LIMIT)?
        .ok_or_else(unknown)?;
    let url = show(&release_url);
    let mut documents = vec![(release_url, Arc::clone(&text))];
    let verified = match source.trusted {
        true => Ok(()),
        false => {
            let signature_url = join(base, &format!("{directory}Release.gpg"), suite)?;
            match fetcher.document(&signature_url, SIGNATURE_LIMIT)? {
                Some(signature) => {
                    let verified = verify::detached(&text.bytes, &signature.bytes, keyring, now, &url);
                    documents.push((signature_url, signature));
                    verified
                }
                None => Err(ArchiveError::NotSigned { url: url.clone() }),
            }
        }
    };
    let doubt = match verified {
        Err(error) if source.allow_insecure && is_of_the_signature(&error) => Some(error),
        verified => verified.map(|()| None)?,
    };
    Ok(Fetched {
        text: text.bytes.clone(),
        url,
        documents,
        doubt,
    })
}
