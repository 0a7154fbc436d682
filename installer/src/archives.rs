//! Archives of a run: the fetcher, the sources that the settings name, and their indexes.

use crate::local_packages::LocalSource;
use crate::settings::ArchiveSettings;
use deb_archive::{
    ArchiveError, Connections, FetchOptions, Fetcher, Index, Keyring, MachineSources, Source, SourceList,
    default_sources, load_indexes, machine_sources, parse_mirror_argument, sources_in, sources_of,
    target_sources,
};
use nix::sys::resource::{Resource, getrlimit};
use rootless_install_fs::Target;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use task_progress::{Cancel, Event, OnCancel, Reporter};

/// A fetcher, and this machine's configuration of apt. Downloads end when the run is stopped.
pub(crate) struct Archives {
    /// The fetcher.
    pub(crate) fetcher: Fetcher,
    /// Sources, keyrings and proxies of this machine.
    machine: MachineSources,
    _stop: OnCancel,
}

impl Archives {
    /// Makes the fetcher, with the proxies that the settings have, or else this machine's; downloads go to `cache`.
    ///
    /// # Errors
    /// Those of reading apt's configuration and of the client for https.
    pub(crate) fn open(
        cache: &Path,
        settings: &ArchiveSettings,
        reporter: Arc<dyn Reporter>,
        cancel: &Cancel,
    ) -> Result<Self, ArchiveError> {
        let machine = machine_sources()?;
        let mut options = FetchOptions::new(cache);
        options.connections = connections(&machine, settings);
        for warning in options.connections.unsupported() {
            reporter.event(&Event::Warning { message: &warning });
        }
        // Each download has a socket, a file and what resolving a name takes.
        let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        options.jobs = usize::try_from(files / 16)
            .unwrap_or(usize::MAX)
            .clamp(1, options.jobs);
        options.allow_older = settings.allow_older;
        options.offline = settings.offline;
        options.snapshot.clone_from(&settings.snapshot);
        options.timeout = settings.download_timeout;
        options.connect_timeout = options.connect_timeout.min(settings.download_timeout);
        let flag: Arc<AtomicBool> = Arc::clone(&options.cancel);
        let stop = cancel.on_cancel(move |_| flag.store(true, Ordering::Relaxed));
        Ok(Self {
            fetcher: Fetcher::new(options, Arc::new(DownloadReporter(reporter)))?,
            machine,
            _stop: stop,
        })
    }

    /// Reaches servers as other settings say from now on.
    pub(crate) fn set_connections(&mut self, settings: &ArchiveSettings) {
        self.fetcher.set_connections(connections(&self.machine, settings));
    }

    /// Returns the sources of a new target: those that the settings name, else this machine's. Keys, for sources that
    /// name none, are those given and this machine's.
    ///
    /// # Errors
    /// A source that cannot be understood, or none for the suite.
    pub(crate) fn sources(
        &self,
        settings: &ArchiveSettings,
    ) -> Result<(Vec<SourceList>, Keyring), ArchiveError> {
        let keyring = Keyring::load(&settings.keyrings)?.and(Keyring::of_machine(&self.machine)?);
        if let Some(lists) = &settings.lists {
            return Ok((lists.clone(), keyring));
        }
        let lists = match settings.mirrors.as_slice() {
            [] => vec![default_sources(
                &self.fetcher,
                &self.machine,
                &keyring,
                &settings.suite,
                &settings.components,
            )?],
            _ => given(settings)?,
        };
        Ok((lists, keyring))
    }

    /// Returns the sources of native tools, where the settings name some of their own.
    ///
    /// # Errors
    /// A source that cannot be understood.
    pub(crate) fn native_sources(settings: &ArchiveSettings) -> Result<Option<Vec<Source>>, ArchiveError> {
        let parse = |mirror: &String| parse_mirror_argument(mirror, &settings.suite, &settings.components);
        let lists = settings
            .native_mirrors
            .iter()
            .map(parse)
            .collect::<Result<Vec<_>, _>>()?;
        let sources = lists
            .into_iter()
            .flat_map(|list| list.sources)
            .collect::<Vec<Source>>();
        Ok((!sources.is_empty()).then_some(sources))
    }

    /// Returns the sources of native tools for a target that exists: those that the settings name, else the
    /// target's own, so that the tools are of its suite, else this machine's. Keys are those given, the
    /// target's and this machine's. From now on servers are reached as the target's apt would reach them, and what that is told
    /// to accept is accepted.
    ///
    /// # Errors
    /// A source that cannot be understood.
    pub(crate) fn sources_for(
        &mut self,
        target: &Target,
        settings: &ArchiveSettings,
    ) -> Result<(Vec<Source>, Keyring), ArchiveError> {
        if has_packages(settings) {
            return Err(ArchiveError::BadMirror {
                argument: settings.mirrors.join("` and `"),
                reason: "package files are a source of installations only".to_owned(),
            });
        }
        let mut own = target_sources(target.root_path())?;
        own.connections.confine(target.root_path());
        let mut reached = self.machine.connections.clone();
        reached.extend(&own.connections);
        reached.extend(&settings.connections);
        self.fetcher.set_connections(reached);
        let mut both = self.machine.clone();
        both.keyrings.extend(own.keyrings.iter().cloned());
        both.inline_key = own.inline_key.clone().or(both.inline_key);
        let keyring = Keyring::load(&settings.keyrings)?.and(Keyring::of_machine(&both)?);
        let lists = given(settings)?;
        let mut sources: Vec<Source> = lists.into_iter().flat_map(|list| list.sources).collect();
        if sources.is_empty() {
            sources = sources_of(target.root_path())?;
            for source in &mut sources {
                accept(source, &own);
            }
        }
        if sources.is_empty() {
            sources = sources_of(Path::new("/"))?;
        }
        Ok((sources, keyring))
    }

    /// Returns the sources of native tools for a target whose own are not to be had: this machine's, or none where the
    /// settings name some.
    ///
    /// # Errors
    /// apt's files are there and cannot be read.
    pub(crate) fn instead(settings: &ArchiveSettings) -> Result<Vec<Source>, ArchiveError> {
        match settings.mirrors.as_slice() {
            [] => sources_of(Path::new("/")),
            _ => Ok(Vec::new()),
        }
    }

    /// Has a source of tools accept what this machine's apt, for which they are, is told to accept.
    pub(crate) fn accept(&self, source: &mut Source) {
        accept(source, &self.machine);
    }

    /// Returns the sources of a target that is being made, from its own files, and the keys for those that name none: those
    /// given, the target's and this machine's.
    ///
    /// # Errors
    /// A source that cannot be understood, or none at all.
    pub(crate) fn sources_written(
        &self,
        target: &Target,
        settings: &ArchiveSettings,
    ) -> Result<(Vec<SourceList>, Keyring), ArchiveError> {
        let root = target.root_path();
        let own = target_sources(root)?;
        let mut lists = sources_in(root)?;
        if lists.iter().all(|list| list.sources.is_empty()) && !has_packages(settings) {
            return Err(ArchiveError::NoSources);
        }
        for source in lists.iter_mut().flat_map(|list| &mut list.sources) {
            accept(source, &own);
        }
        let mut both = self.machine.clone();
        both.keyrings.extend(own.keyrings);
        let keyring = Keyring::load(&settings.keyrings)?.and(Keyring::of_machine(&both)?);
        Ok((lists, keyring))
    }

    /// Fetches and verifies the indexes of some sources for some architectures.
    ///
    /// # Errors
    /// An index that cannot be fetched or verified.
    pub(crate) fn indexes(
        &self,
        sources: &[Source],
        keyring: &Keyring,
        architectures: &[&str],
    ) -> Result<Vec<Index>, ArchiveError> {
        load_indexes(&self.fetcher, sources, keyring, architectures)
    }
}

/// Has a source accept what a configuration of apt says.
fn accept(source: &mut Source, configuration: &MachineSources) {
    source.check_valid_until &= configuration.check_valid_until;
    source.check_date &= configuration.check_date;
    source.allow_insecure |= configuration.allow_insecure;
}

/// Returns the sources that the settings name; an empty name is none.
fn given(settings: &ArchiveSettings) -> Result<Vec<SourceList>, ArchiveError> {
    let parse = |mirror: &String| parse_mirror_argument(mirror, &settings.suite, &settings.components);
    let named = settings.mirrors.iter().filter(|mirror| !mirror.is_empty());
    let named = named.filter_map(|mirror| match LocalSource::of(mirror) {
        Some(LocalSource::Packages(_)) => None,
        Some(LocalSource::Archive(source)) => Some(parse(&source)),
        None => Some(parse(mirror)),
    });
    named.collect()
}

/// Whether the settings name package files of this machine as a source.
fn has_packages(settings: &ArchiveSettings) -> bool {
    let is_file = |mirror: &String| matches!(LocalSource::of(mirror), Some(LocalSource::Packages(_)));
    settings.mirrors.iter().any(is_file)
}

/// Returns how servers are reached: as the settings say, and where they say nothing as this machine's apt does it.
fn connections(machine: &MachineSources, settings: &ArchiveSettings) -> Connections {
    let mut all = machine.connections.clone();
    all.extend(&settings.connections);
    all
}

/// Passes the progress of downloads on to a reporter.
struct DownloadReporter(Arc<dyn Reporter>);

impl deb_archive::DownloadProgress for DownloadReporter {
    fn started(&self, files: usize, bytes: u64) {
        self.0.event(&Event::DownloadPlanned { files, bytes });
    }

    fn advanced(&self, bytes: u64) {
        self.0.event(&Event::DownloadAdvanced { bytes });
    }

    fn finished_file(&self, name: &str, size: u64, cached: bool) {
        self.0.event(&Event::DownloadFinished { name, size, cached });
    }

    fn warning(&self, message: &str) {
        self.0.event(&Event::Warning { message });
    }
}
