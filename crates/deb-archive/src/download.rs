//! One file by its hash: attempts, resumption, limits.

use std::cell::Cell;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sha2::Digest;
use url::Url;

use super::cache::Partial;
use super::package::show;
use super::transport::{Body, Failure, Reply, Validators};
use super::{ArchiveError, Fetcher, PackageFile, Progress, Result};
use deb_types::hex;

/// A transfer that brings fewer bytes a second than this is taken for stalled.
const SLOWEST: u64 = 512;
/// How often one URL may serve a file that is not the one it should be.
const WRONG_CONTENTS: u32 = 2;

impl Fetcher {
    /// One file, from the cache or from the first of its URLs that has it.
    pub(super) fn file(&self, file: &PackageFile, stop: &dyn Fn() -> bool) -> Result<PathBuf> {
        let meter = Meter {
            progress: &*self.progress,
            told: Cell::new(0),
        };
        if let Some(path) = self.cache.find(&file.sha256, file.size)? {
            self.progress.finished_file(&file.name, file.size, true);
            return Ok(path);
        }
        let partial = self.cache.lock_partial(&file.sha256, stop)?;
        // Another run may have finished it while this one waited.
        if let Some(path) = self.cache.find(&file.sha256, file.size)? {
            partial.remove();
            self.progress.finished_file(&file.name, file.size, true);
            return Ok(path);
        }
        match self.download(file, &partial, &meter, stop) {
            Ok(()) => {
                meter.at(file.size);
                let path = self.cache.commit(partial, &file.sha256)?;
                self.progress.finished_file(&file.name, file.size, false);
                Ok(path)
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
            // What the server says it has is another file: not worth the transfer.
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
    pub(super) fn copy(
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
}

/// How one request ended, when not well.
pub(super) enum Attempt {
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
    pub(super) fn failed(failure: Failure, name: &str, url: &Url) -> Self {
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
pub(super) enum Copied {
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
