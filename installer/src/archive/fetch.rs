//! Downloads: many at a time, retried, resumed, verified, into the cache.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sha2::Digest;
use url::Url;

use super::cache::{self, Cache, Partial};
use super::package::{hex, show};
use super::transport::{Body, Failure, Reply, Transport, TransportOptions, Validators};
use super::{ArchiveError, PackageFile, Progress, Result};

/// A transfer that brings fewer bytes a second than this is taken for stalled.
const SLOWEST: u64 = 512;
/// How often one URL may serve a file that is not the one it should be.
const WRONG_CONTENTS: u32 = 2;

/// How to download.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Directory of the cache; made if it is not there.
    pub cache: PathBuf,
    /// Downloads at the same time, at least one.
    pub jobs: usize,
    /// How often a download is tried again after a failure that may pass.
    pub retries: u32,
    /// Wait before the first retry; doubled for each further one.
    pub backoff: Duration,
    /// Limit for making a connection.
    pub connect_timeout: Duration,
    /// Limit for each wait for the server's next bytes.
    pub timeout: Duration,
    /// Proxies for http and https URLs where the environment names none.
    pub http_proxy: Option<String>,
    /// See `http_proxy`.
    pub https_proxy: Option<String>,
    /// The time signatures and Release files are held against; `None`: now.
    pub time: Option<SystemTime>,
    /// Set to true, downloads end with [`ArchiveError::Interrupted`].
    pub cancel: Arc<AtomicBool>,
}

impl FetchOptions {
    /// The defaults, with the cache in this directory.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            jobs: 8,
            retries: 3,
            backoff: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(15),
            timeout: Duration::from_secs(30),
            http_proxy: None,
            https_proxy: None,
            time: None,
            cancel: Arc::default(),
        }
    }
}

/// Brings files from archives into the cache. Shared by reference between threads.
pub struct Fetcher {
    pub(super) options: FetchOptions,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) cache: Cache,
    transport: Transport,
    /// Answers for Release files; one run sees one state of an archive.
    memo: Mutex<HashMap<String, Option<Arc<Document>>>>,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A small file fetched whole, not verified yet.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) bytes: Vec<u8>,
    pub(super) validators: Validators,
}

impl Fetcher {
    /// Makes the cache directory and a fetcher for it.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] if the cache cannot be written.
    pub fn new(options: FetchOptions, progress: Arc<dyn Progress>) -> Result<Self> {
        cache::prepare(&options.cache)?;
        let transport = Transport::new(TransportOptions {
            connect_timeout: options.connect_timeout,
            read_timeout: options.timeout,
            http_proxy: options.http_proxy.clone(),
            https_proxy: options.https_proxy.clone(),
        });
        let cache = Cache::new(options.cache.clone());
        Ok(Self {
            options,
            progress,
            cache,
            transport,
            memo: Mutex::default(),
        })
    }

    /// Fetches all `files`; the paths are in the order of `files`.
    ///
    /// # Errors
    /// That of the first file that cannot be had; the others are given up then.
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
    /// That of the first file that cannot be had; the others are given up then.
    pub fn fetch_each(&self, files: &[PackageFile], on_ready: impl Fn(usize, PathBuf) + Sync) -> Result<()> {
        self.progress
            .started(files.len(), files.iter().map(|file| file.size).sum());
        let indexes: Vec<usize> = (0..files.len()).collect();
        self.parallel(&indexes, |&index, stop| {
            let Some(file) = files.get(index) else {
                return Ok(());
            };
            let path = self.file(file, stop)?;
            self.progress.finished_file(&file.name);
            on_ready(index, path);
            Ok(())
        })
        .map(drop)
    }

    /// Applies `work` to all items on as many threads as there are jobs. After
    /// an error no item is begun any more, and `work` can see it by `stop`.
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
                // The one that made the others stop is the one to tell.
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

    /// One file, from the cache or from the first of its URLs that has it.
    pub(super) fn file(&self, file: &PackageFile, stop: &dyn Fn() -> bool) -> Result<PathBuf> {
        let meter = Meter {
            progress: &*self.progress,
            told: Cell::new(0),
        };
        if let Some(path) = self.cache.find(&file.sha256, file.size)? {
            meter.at(file.size);
            return Ok(path);
        }
        let partial = self.cache.lock_partial(&file.sha256, stop)?;
        // Another run may have finished it while this one waited.
        if let Some(path) = self.cache.find(&file.sha256, file.size)? {
            partial.remove();
            meter.at(file.size);
            return Ok(path);
        }
        match self.download(file, &partial, &meter, stop) {
            Ok(()) => {
                meter.at(file.size);
                self.cache.commit(partial, &file.sha256)
            }
            Err(error) => {
                let keep = matches!(
                    error,
                    ArchiveError::Interrupted
                        | ArchiveError::Unreachable { .. }
                        | ArchiveError::Truncated { .. }
                );
                if !keep {
                    partial.remove();
                }
                Err(error)
            }
        }
    }

    fn download(
        &self,
        file: &PackageFile,
        partial: &Partial,
        meter: &Meter<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let mut candidates: Vec<(&Url, u32)> = file.urls.iter().map(|url| (url, 0)).collect();
        let mut last = ArchiveError::NoUrl {
            package: file.name.clone(),
        };
        let mut wait = self.options.backoff;
        for round in 0..=self.options.retries {
            let mut asked_to_wait = Duration::ZERO;
            let mut kept = Vec::new();
            for (url, wrong) in candidates {
                match self.attempt(file, url, partial, meter, stop) {
                    Ok(()) => return Ok(()),
                    Err(Attempt::Passing(error, delay)) => {
                        asked_to_wait = asked_to_wait.max(delay);
                        last = error;
                        kept.push((url, wrong));
                    }
                    Err(Attempt::WrongContent(error)) => {
                        // Not worth a resume, and a cache in between may hold it.
                        partial.clear()?;
                        last = error;
                        if wrong + 1 < WRONG_CONTENTS {
                            kept.push((url, wrong + 1));
                        }
                    }
                    Err(Attempt::Final(error)) => last = error,
                    Err(Attempt::Fatal(error)) => return Err(error),
                }
            }
            candidates = kept;
            if candidates.is_empty() || round == self.options.retries {
                break;
            }
            self.pause(wait.max(asked_to_wait), stop)?;
            wait = (wait * 2).min(Duration::from_secs(10));
        }
        Err(last)
    }

    /// Sleeps, but not longer than the run goes on.
    fn pause(&self, time: Duration, stop: &dyn Fn() -> bool) -> Result<()> {
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

    /// One request for one URL, from where the partial file ends.
    fn attempt(
        &self,
        file: &PackageFile,
        url: &Url,
        partial: &Partial,
        meter: &Meter<'_>,
        stop: &dyn Fn() -> bool,
    ) -> std::result::Result<(), Attempt> {
        let (mut have, mut hasher) = partial.state().map_err(Attempt::Fatal)?;
        if have > file.size {
            partial.clear().map_err(Attempt::Fatal)?;
            (have, hasher) = Default::default();
        }
        if have < file.size || file.size == 0 {
            let body = match self.transport.get(url, have, &Validators::default()) {
                Ok(Reply::Body(body)) => body,
                Ok(Reply::NotModified) => {
                    let failure = Failure::Status {
                        status: 304,
                        retry_after: None,
                    };
                    return Err(Attempt::Final(failure.into_error(&file.name, url)));
                }
                Err(Failure::Status { status: 416, .. }) if have > 0 => {
                    // Other content there, or no parts to be had: from the beginning.
                    partial.clear().map_err(Attempt::Fatal)?;
                    return self.attempt(file, url, partial, meter, stop);
                }
                Err(failure) => return Err(Attempt::failed(failure, &file.name, url)),
            };
            if body.offset != have {
                partial.clear().map_err(Attempt::Fatal)?;
                (have, hasher) = Default::default();
            }
            if body
                .length
                .is_some_and(|length| length > file.size.saturating_sub(have))
            {
                return Err(Attempt::WrongContent(self.too_large(file, url)));
            }
            let left = file.size.saturating_sub(have);
            let mut out = &partial.file;
            let mut write = |bytes: &[u8]| -> Result<()> {
                hasher.update(bytes);
                out.write_all(bytes)
                    .map_err(ArchiveError::io("write", &partial.path))?;
                have += bytes.len() as u64;
                meter.at(have);
                Ok(())
            };
            match self.copy(body, left, stop, &mut write) {
                Ok(Copied::Ended) if have == file.size => {}
                Ok(Copied::Ended | Copied::CutOff) => {
                    let (name, shown) = (file.name.clone(), show(url));
                    let error = ArchiveError::Truncated {
                        name,
                        url: shown,
                        expected: file.size,
                        got: have,
                    };
                    return Err(Attempt::Passing(error, Duration::ZERO));
                }
                Ok(Copied::Beyond) => return Err(Attempt::WrongContent(self.too_large(file, url))),
                Ok(Copied::Stalled(reason)) => {
                    let error = ArchiveError::Unreachable {
                        url: show(url),
                        reason,
                    };
                    return Err(Attempt::Passing(error, Duration::ZERO));
                }
                Err(error) => return Err(Attempt::Fatal(error)),
            }
        }
        let got = hasher.finalize();
        if got.as_slice() == file.sha256 {
            return Ok(());
        }
        Err(Attempt::WrongContent(ArchiveError::WrongHash {
            name: file.name.clone(),
            url: show(url),
            expected: hex(&file.sha256),
            got: hex(&got),
        }))
    }

    fn too_large(&self, file: &PackageFile, url: &Url) -> ArchiveError {
        ArchiveError::TooLarge {
            name: file.name.clone(),
            url: show(url),
            limit: file.size,
        }
    }

    /// Hands on at most `limit` bytes and looks whether there are more.
    fn copy(
        &self,
        mut body: Body,
        limit: u64,
        stop: &dyn Fn() -> bool,
        write: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<Copied> {
        let mut buffer = vec![0; 1 << 16];
        let mut total = 0u64;
        let window = self.options.timeout;
        let (mut since, mut before) = (Instant::now(), 0u64);
        loop {
            if stop() {
                return Err(ArchiveError::Interrupted);
            }
            let read = match body.reader.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_timeout(&error) => return Ok(Copied::Stalled("timed out".into())),
                // Also how a body shorter than its Content-Length shows.
                Err(_) => return Ok(Copied::CutOff),
            };
            if read == 0 {
                return Ok(Copied::Ended);
            }
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.len() as u64 > limit - total {
                return Ok(Copied::Beyond);
            }
            write(bytes)?;
            total += bytes.len() as u64;
            let passed = since.elapsed();
            if passed > window {
                if total - before < SLOWEST * passed.as_secs().max(1) {
                    return Ok(Copied::Stalled("the transfer stalled".into()));
                }
                (since, before) = (Instant::now(), total);
            }
        }
    }

    /// A small file that is not known by hash, such as InRelease; `None` if it
    /// is not there. `cached` is what an earlier run got: the answer may be that.
    pub(super) fn document(&self, url: &Url, limit: u64) -> Result<Option<Arc<Document>>> {
        let key = url.to_string();
        if let Some(known) = self.memo.lock().ok().and_then(|memo| memo.get(&key).cloned()) {
            return Ok(known);
        }
        let stop = || self.options.cancel.load(Ordering::Relaxed);
        let cached = self.cache.load_release(&key);
        let mut wait = self.options.backoff;
        let mut round = 0;
        let found = loop {
            match self.document_once(url, limit, cached.as_ref(), &stop) {
                Ok(found) => break found,
                Err(Attempt::Passing(error, delay)) => {
                    if round == self.options.retries {
                        return Err(error);
                    }
                    self.pause(wait.max(delay), &stop)?;
                    wait = (wait * 2).min(Duration::from_secs(10));
                    round += 1;
                }
                Err(Attempt::WrongContent(error) | Attempt::Final(error) | Attempt::Fatal(error)) => {
                    return Err(error);
                }
            }
        };
        if let Ok(mut memo) = self.memo.lock() {
            memo.insert(key, found.clone());
        }
        Ok(found)
    }

    fn document_once(
        &self,
        url: &Url,
        limit: u64,
        cached: Option<&(Validators, Vec<u8>)>,
        stop: &dyn Fn() -> bool,
    ) -> std::result::Result<Option<Arc<Document>>, Attempt> {
        let name = url
            .path_segments()
            .and_then(|mut parts| parts.next_back())
            .unwrap_or_default();
        let validators = cached
            .map(|(validators, _)| validators.clone())
            .unwrap_or_default();
        let body = match self.transport.get(url, 0, &validators) {
            Ok(Reply::Body(body)) => body,
            Ok(Reply::NotModified) => {
                let Some((validators, bytes)) = cached else {
                    let failure = Failure::Status {
                        status: 304,
                        retry_after: None,
                    };
                    return Err(Attempt::Final(failure.into_error(name, url)));
                };
                let (bytes, validators) = (bytes.clone(), validators.clone());
                return Ok(Some(Arc::new(Document { bytes, validators })));
            }
            Err(Failure::NotFound) => return Ok(None),
            Err(failure) => return Err(Attempt::failed(failure, name, url)),
        };
        let (expected, validators) = (body.length, body.validators.clone());
        let mut bytes = Vec::new();
        let mut write = |part: &[u8]| {
            bytes.extend_from_slice(part);
            Ok(())
        };
        let copied = self.copy(body, limit, stop, &mut write).map_err(Attempt::Fatal)?;
        let got = bytes.len() as u64;
        let (name, shown) = (name.to_owned(), show(url));
        match copied {
            Copied::Beyond => Err(Attempt::Final(ArchiveError::TooLarge {
                name,
                url: shown,
                limit,
            })),
            Copied::Stalled(reason) => Err(Attempt::Passing(
                ArchiveError::Unreachable { url: shown, reason },
                Duration::ZERO,
            )),
            Copied::CutOff => {
                let expected = expected.unwrap_or(limit);
                let error = ArchiveError::Truncated {
                    name,
                    url: shown,
                    expected,
                    got,
                };
                Err(Attempt::Passing(error, Duration::ZERO))
            }
            Copied::Ended => Ok(Some(Arc::new(Document { bytes, validators }))),
        }
    }
}

/// How one request ended, when not well.
enum Attempt {
    /// Worth another try, after at least this time.
    Passing(ArchiveError, Duration),
    /// The URL serves something else.
    WrongContent(ArchiveError),
    /// This URL will not do.
    Final(ArchiveError),
    /// No URL will do: the disk, an interruption.
    Fatal(ArchiveError),
}

impl Attempt {
    fn failed(failure: Failure, name: &str, url: &Url) -> Self {
        let passing = failure.is_passing();
        let delay = match &failure {
            Failure::Status {
                retry_after: Some(delay),
                ..
            } => *delay,
            _ => Duration::ZERO,
        };
        let error = failure.into_error(name, url);
        if passing {
            Self::Passing(error, delay)
        } else {
            Self::Final(error)
        }
    }
}

/// How a body came to its end.
enum Copied {
    /// The server said that this is all.
    Ended,
    /// The connection broke.
    CutOff,
    /// There is more than there may be.
    Beyond,
    /// Nothing, or almost nothing, came any more.
    Stalled(String),
}

fn is_timeout(error: &io::Error) -> bool {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<reqwest::Error>());
    error.kind() == io::ErrorKind::TimedOut || inner.is_some_and(reqwest::Error::is_timeout)
}

/// Bytes told to the progress: those of a file once only, however often it is
/// begun again.
struct Meter<'a> {
    progress: &'a dyn Progress,
    told: Cell<u64>,
}

impl Meter<'_> {
    fn at(&self, bytes: u64) {
        let told = self.told.get();
        if bytes > told {
            self.told.set(bytes);
            self.progress.advanced(bytes - told);
        }
    }
}
