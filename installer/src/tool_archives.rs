//! Indexes of the native tools for a target that exists.
//!
//! A target is older than what its archives have today, is taken to machines that have no network or do not reach the mirror it was
//! made from, and has sources that answer no longer. Its tools are packages of those of its sources that can
//! be read, of what was fetched of the others before, and where that is nothing, of this machine's sources.

use crate::archives::Archives;
use apt_solve::{IndexInput, Universe};
use deb_arch::Architecture;
use deb_archive::{ArchiveError, Index, Keyring, Source};
use std::collections::HashMap;
use std::slice;
use task_progress::{Event, Reporter};
use url::Url;

/// Servers that did not answer, and the error of each.
type Silent = HashMap<String, String>;

/// What was read for native tools.
pub(crate) struct ToolIndexes {
    /// The sources that were read, in their order.
    pub(crate) sources: Vec<Source>,
    /// Their indexes for this machine's architecture.
    pub(crate) indexes: Vec<Index>,
    /// Whether they are all sources that were asked for, in their state of today.
    pub(crate) complete: bool,
}

impl Archives {
    /// Reads the indexes of some sources of native tools as far as they are to be had, else those of `instead`. Each that is
    /// not, or not of today, is named by a warning. What this machine's apt is told to accept is accepted.
    ///
    /// # Errors
    /// That of the first source, if no index has what tools need, or the run was stopped.
    pub(crate) fn tool_indexes(
        &mut self,
        sources: &[Source],
        keyring: &Keyring,
        instead: &[Source],
        reporter: &dyn Reporter,
    ) -> Result<ToolIndexes, ArchiveError> {
        let accepting = |sources: &[Source]| {
            let mut sources = sources.to_vec();
            sources.iter_mut().for_each(|source| self.accept(source));
            sources
        };
        let (sources, instead) = (&accepting(sources), &accepting(instead));
        let error = match self.native_indexes(sources, keyring) {
            Ok(indexes) => {
                return Ok(ToolIndexes {
                    sources: sources.to_vec(),
                    indexes,
                    complete: true,
                });
            }
            Err(ArchiveError::Interrupted) => return Err(ArchiveError::Interrupted),
            Err(error) => error,
        };
        let mut silent: Silent = silent_server(&error).into_iter().collect();
        let mut found = ToolIndexes {
            sources: Vec::new(),
            indexes: Vec::new(),
            complete: false,
        };
        let mut warnings = self.each(sources, keyring, &mut silent, &mut found)?;
        if !has_essential(&found.indexes) {
            warnings = vec![format!(
                "{error}; native tools come from this machine's sources, and may be of another release than the target"
            )];
            let more = self.each(instead, keyring, &mut silent, &mut found)?;
            if !has_essential(&found.indexes) {
                return Err(error);
            }
            warnings.extend(more);
        } else if warnings.is_empty() {
            warnings.push(format!(
                "{error}; native tools are chosen from what was fetched of it before"
            ));
        }
        for message in &warnings {
            reporter.event(&Event::Warning { message });
        }
        Ok(found)
    }

    fn native_indexes(&self, sources: &[Source], keyring: &Keyring) -> Result<Vec<Index>, ArchiveError> {
        self.indexes(sources, keyring, &[Architecture::native().name])
    }

    /// Reads each source for itself, and returns a warning for each that is not there as it should be.
    ///
    /// # Errors
    /// The run was stopped.
    fn each(
        &mut self,
        sources: &[Source],
        keyring: &Keyring,
        silent: &mut Silent,
        found: &mut ToolIndexes,
    ) -> Result<Vec<String>, ArchiveError> {
        let mut warnings = Vec::new();
        for source in sources {
            let (indexes, warning) = self.today_or_kept(source, keyring, silent)?;
            warnings.extend(warning);
            if indexes.is_empty() {
                continue;
            }
            let number = found.sources.len();
            found.sources.push(source.clone());
            found.indexes.extend(indexes.into_iter().map(|index| Index {
                source: number,
                ..index
            }));
        }
        Ok(warnings)
    }

    /// Reads a source, or what the cache has of it, and returns a warning if it is not of today. Servers that did not answer are
    /// not asked again; of them there is a warning only if there is nothing in the cache.
    ///
    /// # Errors
    /// The run was stopped.
    fn today_or_kept(
        &mut self,
        source: &Source,
        keyring: &Keyring,
        silent: &mut Silent,
    ) -> Result<(Vec<Index>, Option<String>), ArchiveError> {
        let one = slice::from_ref(source);
        let mut servers = source.uris.iter().filter_map(server);
        let today = match servers.find_map(|server| silent.get(&server).cloned()) {
            Some(reason) => Err(reason),
            None => match self.native_indexes(one, keyring) {
                Ok(indexes) => return Ok((indexes, None)),
                Err(ArchiveError::Interrupted) => return Err(ArchiveError::Interrupted),
                Err(error) => {
                    silent.extend(silent_server(&error));
                    Ok(error)
                }
            },
        };
        let asks_nothing = self.fetcher.set_offline(true);
        let kept = self.native_indexes(one, keyring);
        self.fetcher.set_offline(asks_nothing);
        Ok(match (kept, today) {
            (Err(ArchiveError::Interrupted), _) => return Err(ArchiveError::Interrupted),
            (Ok(indexes), today) => (
                indexes,
                today.ok().map(|error| {
                    format!("{error}; native tools are chosen from what was fetched of this source before")
                }),
            ),
            (Err(_), today) => {
                let reason = today.map_or_else(|silent| silent, |error| error.to_string());
                // Some errors begin with the place already.
                let place = match reason.starts_with(&source.place) {
                    true => String::new(),
                    false => format!("{}: ", source.place),
                };
                let left_out = format!("{place}{reason}; native tools come without this source");
                (Vec::new(), Some(left_out))
            }
        })
    }
}

/// Whether some indexes have the packages without which no tool runs.
fn has_essential(indexes: &[Index]) -> bool {
    let inputs: Vec<IndexInput<'_>> = indexes.iter().map(IndexInput::from).collect();
    let universe = Universe::new(&inputs, Architecture::native().name, &[]);
    universe.essential().next().is_some()
}

/// Returns the server of a URL, with its port.
fn server(url: &Url) -> Option<String> {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    url.host_str().map(|host| format!("{host}{port}"))
}

/// Returns the server that did not answer, and the error in words.
fn silent_server(error: &ArchiveError) -> Option<(String, String)> {
    match error {
        ArchiveError::Unreachable { url, .. } | ArchiveError::TooSlow { url, .. } => {
            Some((server(&Url::parse(url).ok()?)?, error.to_string()))
        }
        _ => None,
    }
}
