//! Downloads: many at a time, retried, resumed, verified, into the cache.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::archive_cache::{self, ArchiveCache, Document};
use super::connections::Connections;
use super::lock::{Lock, lock_file};
use super::mirror_list::MirrorList;
use super::snapshot::Snapshot;
use super::transport::{Transport, TransportOptions};
use super::{ArchiveError, DownloadProgress, PackageFile, Result};
use deb_index::Packages;

/// Settings of downloads.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Directory of the cache; made if it is not there.
    pub cache: PathBuf,
    /// Number of downloads at the same time, at least one.
    pub jobs: usize,
    /// Number of further attempts after a failure that may pass.
    pub retries: u32,
    /// Wait before the first retry; doubled for each further one.
    pub backoff: Duration,
    /// Time limit for making a connection.
    pub connect_timeout: Duration,
    /// Time limit for each wait for the server's next bytes, and the time over which less than 1024 bytes a second are
    /// too slow.
    pub timeout: Duration,
    /// Proxies, certificates, users and passwords.
    pub connections: Connections,
    /// Time at which signatures and Release files must be valid; `None` means now.
    pub time: Option<SystemTime>,
    /// Accepts a Release file that is older than the one seen last.
    pub allow_older: bool,
    /// Nothing is asked of the network: what is not in the cache or on this machine cannot be had.
    pub offline: bool,
    /// The moment at which archives are read; none for their state of today.
    pub snapshot: Option<Snapshot>,
    /// Once this is true, downloads end with [`ArchiveError::Interrupted`].
    pub cancel: Arc<AtomicBool>,
}

impl FetchOptions {
    /// Returns the defaults, with the cache in a directory.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            jobs: 8,
            retries: 3,
            backoff: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(15),
            timeout: Duration::from_secs(30),
            connections: Connections::default(),
            time: None,
            allow_older: false,
            offline: false,
            snapshot: None,
            cancel: Arc::default(),
        }
    }
}

/// Brings files from archives into the cache. Shared by reference between threads.
pub struct Fetcher {
    pub(super) options: FetchOptions,
    pub(super) progress: Arc<dyn DownloadProgress>,
    pub(super) cache: ArchiveCache,
    pub(super) transport: Transport,
    /// Answers for Release files by URL, so that one run sees one state of an archive.
    pub(super) memo: Mutex<HashMap<String, Option<Arc<Document>>>>,
    /// Indexes without a checksum by URL, for the same reason.
    pub(super) unhashed: Mutex<HashMap<String, Option<Packages>>>,
    /// Lists of mirrors by their URLs.
    pub(super) mirror_lists: Mutex<HashMap<String, Arc<MirrorList>>>,
    /// Nothing is taken out of the cache as long as this is open.
    _in_use: std::fs::File,
    /// Warnings given so far.
    warned: Mutex<HashSet<String>>,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Fetcher {
    /// Makes the cache directory and a fetcher for it.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] if the cache cannot be written.
    pub fn new(options: FetchOptions, progress: Arc<dyn DownloadProgress>) -> Result<Self> {
        archive_cache::prepare(&options.cache)?;
        let stop = || options.cancel.load(Ordering::Relaxed);
        let in_use = lock_file(&options.cache.join(archive_cache::IN_USE), Lock::Shared, &stop)?;
        let transport = Transport::new(TransportOptions {
            connect_timeout: options.connect_timeout,
            read_timeout: options.timeout,
            connections: options.connections.clone(),
            offline: options.offline,
        });
        let cache = ArchiveCache::new(options.cache.clone());
        Ok(Self {
            options,
            progress,
            cache,
            transport,
            memo: Mutex::default(),
            unhashed: Mutex::default(),
            mirror_lists: Mutex::default(),
            _in_use: in_use,
            warned: Mutex::default(),
        })
    }

    /// Reaches servers in another way from now on.
    pub fn set_connections(&mut self, connections: Connections) {
        self.options.connections = connections.clone();
        self.transport.set_connections(connections);
    }

    /// Asks nothing of the network from now on, or again; returns what was so before.
    pub fn set_offline(&mut self, offline: bool) -> bool {
        self.transport.set_offline(offline);
        // What a server does not have the cache may.
        if let Ok(memo) = self.memo.get_mut() {
            memo.retain(|_, document| document.is_some());
        }
        std::mem::replace(&mut self.options.offline, offline)
    }

    /// Whether the token of its options was set: nothing more is fetched.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.options.cancel.load(Ordering::Relaxed)
    }

    /// Fetches all `files` and returns their paths in the cache, in the order of `files`.
    ///
    /// # Errors
    /// The error of the first file that fails; the others are given up then.
    pub fn fetch(&self, files: &[PackageFile]) -> Result<Vec<PathBuf>> {
        let paths = Mutex::new(vec![PathBuf::new(); files.len()]);
        self.fetch_each(files, |index, path| {
            if let Some(slot) = paths
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .get_mut(index)
            {
                *slot = path;
            }
        })?;
        Ok(paths
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Fetches all `files`, begun in their order, and calls `on_ready` with the
    /// index of each one when it is whole, verified and in the cache. The calls
    /// come from the downloading threads, in any order.
    ///
    /// # Errors
    /// The error of the first file that fails; the others are given up then.
    pub fn fetch_each(&self, files: &[PackageFile], on_ready: impl Fn(usize, PathBuf) + Sync) -> Result<()> {
        self.progress
            .started(files.len(), files.iter().map(|file| file.size).sum());
        let indexes: Vec<usize> = (0..files.len()).collect();
        self.parallel(&indexes, |&index, stop| {
            let Some(file) = files.get(index) else {
                return Ok(());
            };
            let path = self.file(file, stop)?;
            on_ready(index, path);
            Ok(())
        })
        .map(drop)
    }

    /// Returns the number of bytes of `files` that are not in the cache, by presence and size only.
    pub fn missing(&self, files: &[PackageFile]) -> u64 {
        let there = |file: &&PackageFile| {
            let found = std::fs::metadata(self.cache.path(&file.hash));
            found.is_ok_and(|found| found.len() == file.size)
        };
        files
            .iter()
            .filter(|file| !there(file))
            .map(|file| file.size)
            .sum()
    }

    /// Applies `work` to all items on as many threads as there are jobs. After
    /// an error no further item is begun, and the `stop` given to `work` returns true.
    pub(super) fn parallel<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T, &(dyn Fn() -> bool + Sync)) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let stop = || failed.load(Ordering::Relaxed) || self.options.cancel.load(Ordering::Relaxed);
        let worker = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else {
                    return (done, None);
                };
                let result = if stop() {
                    Err(ArchiveError::Interrupted)
                } else {
                    work(item, &stop)
                };
                match result {
                    Ok(value) => done.push((index, value)),
                    Err(error) => {
                        failed.store(true, Ordering::Relaxed);
                        return (done, Some(error));
                    }
                }
            }
        };
        let mut results = Vec::with_capacity(items.len());
        let mut first: Option<ArchiveError> = None;
        let jobs = self.options.jobs.clamp(1, items.len().max(1));
        thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
            for worker in workers {
                let (done, error) = match worker.join() {
                    Ok(result) => result,
                    Err(panic) => std::panic::resume_unwind(panic),
                };
                results.extend(done);
                // The error that made the others stop is the one to return.
                if let Some(error) = error
                    && first
                        .as_ref()
                        .is_none_or(|known| matches!(known, ArchiveError::Interrupted))
                {
                    first = Some(error);
                }
            }
        });
        if let Some(error) = first {
            return Err(error);
        }
        results.sort_by_key(|(index, _)| *index);
        Ok(results.into_iter().map(|(_, value)| value).collect())
    }

    /// Tells the user something that several parts of a run come upon.
    pub(super) fn warn_once(&self, message: &str) {
        let new = self
            .warned
            .lock()
            .is_ok_and(|mut warned| warned.insert(message.to_owned()));
        if new {
            self.progress.warning(message);
        }
    }

    /// Sleeps for at most 30 seconds, and ends early when the run is to stop.
    pub(super) fn pause(&self, time: Duration, stop: &dyn Fn() -> bool) -> Result<()> {
        let until = Instant::now() + time.min(Duration::from_secs(30));
        loop {
            if stop() {
                return Err(ArchiveError::Interrupted);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}
