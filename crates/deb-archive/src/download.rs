//! One file by its hash: attempts, resumption, limits.

use std::cell::Cell;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use url::Url;

use super::archive_cache::Partial;
use super::hasher::Hasher;
use super::package_file::show;
use super::rate::RateMeter;
use super::transport::{Body, RequestError, TransportReply, Validators};
use super::{ArchiveError, DownloadProgress, Fetcher, PackageFile, Result};
use deb_types::hex;

/// Bytes a second below which a transfer is too slow to be waited for.
pub(super) const SLOWEST: u64 = 1024;
/// Number of times one URL may serve wrong content before it is given up.
const WRONG_CONTENTS: u32 = 2;

impl Fetcher {
    /// Returns the path of a file in the cache, downloaded from the first of its URLs that has it if necessary.
    pub(super) fn file(&self, file: &PackageFile, stop: &dyn Fn() -> bool) -> Result<PathBuf> {
        let meter = ByteMeter {
            progress: &*self.progress,
            reported: Cell::new(0),
        };
        if let Some(path) = self.cache.find(&file.hash, file.size)? {
            self.progress.finished_file(&file.name, file.size, true);
            return Ok(path);
        }
        let partial = self.cache.lock_partial(&file.hash, stop)?;
        // Another run may have finished it while this one waited.
        if let Some(path) = self.cache.find(&file.hash, file.size)? {
            partial.remove();
            self.progress.finished_file(&file.name, file.size, true);
            return Ok(path);
        }
        match self.download(file, &partial, &meter, stop) {
            Ok(()) => {
                meter.at(file.size);
                let path = self.cache.commit(partial, &file.hash)?;
                self.progress.finished_file(&file.name, file.size, false);
                Ok(path)
            }
            Err(error) => {
                let keep = matches!(
                    error,
                    ArchiveError::Interrupted
                        | ArchiveError::Unreachable { .. }
                        | ArchiveError::TooSlow { .. }
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
        meter: &ByteMeter<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let mut last = ArchiveError::NoUrl {
            package: file.name.clone(),
        };
        let mut candidates: Vec<(Url, u32)> = Vec::new();
        for url in &file.urls {
            match self.places(url) {
                Ok(places) => candidates.extend(places.into_iter().map(|url| (url, 0))),
                Err(error) => last = error,
            }
        }
        let mut wait = self.options.backoff;
        for round in 0..=self.options.retries {
            let mut asked_to_wait = Duration::ZERO;
            let mut kept = Vec::new();
            for (url, wrong) in candidates {
                match self.attempt(file, &url, partial, meter, stop) {
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

    /// Makes one request for one URL, from the end of the partial file on.
    fn attempt(
        &self,
        file: &PackageFile,
        url: &Url,
        partial: &Partial,
        meter: &ByteMeter<'_>,
        stop: &dyn Fn() -> bool,
    ) -> std::result::Result<(), Attempt> {
        let (mut have, mut hasher) = partial.state(&file.hash).map_err(Attempt::Fatal)?;
        if have > file.size {
            partial.clear().map_err(Attempt::Fatal)?;
            (have, hasher) = (0, Hasher::of(&file.hash));
        }
        if have < file.size || file.size == 0 {
            let body = match self.transport.get(url, have, &Validators::default()) {
                Ok(TransportReply::Body(body)) => body,
                Ok(TransportReply::NotModified) => {
                    let failure = RequestError::Status {
                        status: 304,
                        retry_after: None,
                    };
                    return Err(Attempt::Final(failure.into_error(&file.name, url)));
                }
                Err(RequestError::Status { status: 416, .. }) if have > 0 => {
                    // Other content there, or no parts to be had: from the beginning.
                    partial.clear().map_err(Attempt::Fatal)?;
                    return self.attempt(file, url, partial, meter, stop);
                }
                Err(failure) => return Err(Attempt::failed(failure, &file.name, url)),
            };
            if body.offset != have {
                partial.clear().map_err(Attempt::Fatal)?;
                (have, hasher) = (0, Hasher::of(&file.hash));
            }
            // By its length the server has another file: not worth the transfer.
            match body.length.map(|length| have.saturating_add(length)) {
                Some(all) if all > file.size => return Err(Attempt::WrongContent(self.too_large(file, url))),
                Some(all) if all < file.size => {
                    let (name, shown) = (file.name.clone(), show(url));
                    let error = ArchiveError::Truncated {
                        name,
                        url: shown,
                        expected: file.size,
                        got: all,
                    };
                    return Err(Attempt::WrongContent(error));
                }
                _ => {}
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
                Ok(CopyEnd::Ended) if have == file.size => {}
                Ok(CopyEnd::Ended | CopyEnd::CutOff) => {
                    let (name, shown) = (file.name.clone(), show(url));
                    let error = ArchiveError::Truncated {
                        name,
                        url: shown,
                        expected: file.size,
                        got: have,
                    };
                    return Err(Attempt::Passing(error, Duration::ZERO));
                }
                Ok(CopyEnd::Beyond) => return Err(Attempt::WrongContent(self.too_large(file, url))),
                Ok(CopyEnd::Stalled(rate)) => {
                    return Err(Attempt::Passing(self.too_slow(url, rate), Duration::ZERO));
                }
                Err(error) => return Err(Attempt::Fatal(error)),
            }
        }
        let got = hasher.finish();
        if got == file.hash.bytes() {
            return Ok(());
        }
        Err(Attempt::WrongContent(ArchiveError::WrongHash {
            name: file.name.clone(),
            url: show(url),
            expected: file.hash,
            got: hex(&got),
        }))
    }

    /// Returns the error for a transfer with a speed in bytes a second.
    pub(super) fn too_slow(&self, url: &Url, rate: u64) -> ArchiveError {
        ArchiveError::TooSlow {
            url: show(url),
            rate,
            least: SLOWEST,
            window: self.options.timeout,
        }
    }

    fn too_large(&self, file: &PackageFile, url: &Url) -> ArchiveError {
        ArchiveError::TooLarge {
            name: file.name.clone(),
            url: show(url),
            limit: file.size,
        }
    }

    /// Writes at most `limit` bytes of a body, and finds out if there are more.
    pub(super) fn copy(
        &self,
        mut body: Body,
        limit: u64,
        stop: &dyn Fn() -> bool,
        write: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<CopyEnd> {
        let mut buffer = vec![0; 1 << 16];
        let mut total = 0u64;
        let mut meter = RateMeter::new(self.options.timeout, SLOWEST, Instant::now());
        loop {
            if stop() {
                return Err(ArchiveError::Interrupted);
            }
            let read = match body.reader.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_timeout(&error) => return Ok(CopyEnd::Stalled(0)),
                // Also how a body shorter than its Content-Length shows.
                Err(_) => return Ok(CopyEnd::CutOff),
            };
            if read == 0 {
                return Ok(CopyEnd::Ended);
            }
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.len() as u64 > limit - total {
                return Ok(CopyEnd::Beyond);
            }
            write(bytes)?;
            total += bytes.len() as u64;
            if let Some(rate) = meter.add(bytes.len() as u64, Instant::now())
                && total < limit
            {
                return Ok(CopyEnd::Stalled(rate));
            }
        }
    }
}

/// Failure of an attempt, by what can be done about it.
pub(super) enum Attempt {
    /// Another attempt may work, after at least this time.
    Passing(ArchiveError, Duration),
    /// The URL serves another content.
    WrongContent(ArchiveError),
    /// This URL cannot serve the file.
    Final(ArchiveError),
    /// No URL can help: the disk failed, or the run is to stop.
    Fatal(ArchiveError),
}

impl Attempt {
    pub(super) fn failed(failure: RequestError, name: &str, url: &Url) -> Self {
        let passing = failure.is_passing();
        let delay = match &failure {
            RequestError::Status {
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

/// The end of a body.
pub(super) enum CopyEnd {
    /// The server said that this is all.
    Ended,
    /// The connection broke.
    CutOff,
    /// There is more than there may be.
    Beyond,
    /// Too little came, this many bytes a second.
    Stalled(u64),
}

fn is_timeout(error: &io::Error) -> bool {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<reqwest::Error>());
    error.kind() == io::ErrorKind::TimedOut || inner.is_some_and(reqwest::Error::is_timeout)
}

/// Reports the bytes of a file to the progress: each once only, however often the download
/// begins again.
struct ByteMeter<'a> {
    progress: &'a dyn DownloadProgress,
    /// Bytes reported so far.
    reported: Cell<u64>,
}

impl ByteMeter<'_> {
    /// Reports that `bytes` of the file are there.
    fn at(&self, bytes: u64) {
        let reported = self.reported.get();
        if bytes > reported {
            self.reported.set(bytes);
            self.progress.advanced(bytes - reported);
        }
    }
}
