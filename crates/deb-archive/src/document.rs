//! Small files without a known hash: Release files and signatures.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use url::Url;

use super::archive_cache::Document;
use super::download::{Attempt, CopyEnd};
use super::package_file::show;
use super::transport::{RequestError, TransportReply};
use super::{ArchiveError, Fetcher, Result};

impl Fetcher {
    /// Returns a small file that is not known by hash, such as InRelease; `None` if the server does not have it.
    /// Where an earlier run got the file and the server has no newer one, the cache answers.
    pub(super) fn document(&self, url: &Url, limit: u64) -> Result<Option<Arc<Document>>> {
        let key = url.to_string();
        if let Some(known) = self.memo.lock().ok().and_then(|memo| memo.get(&key).cloned()) {
            return Ok(known);
        }
        let cached = self.cache.load_release(&key);
        if self.options.offline
            && !matches!(url.scheme(), "file" | "copy")
            && let Some(document) = cached
        {
            return Ok(Some(Arc::new(document)));
        }
        let found = self.small_file(url, limit, cached.as_ref())?;
        if let Ok(mut memo) = self.memo.lock() {
            memo.insert(key, found.clone());
        }
        Ok(found)
    }

    /// Requests a small file until a server answers that has it; `None` if none does.
    pub(super) fn small_file(
        &self,
        url: &Url,
        limit: u64,
        cached: Option<&Document>,
    ) -> Result<Option<Arc<Document>>> {
        let stop = || self.options.cancel.load(Ordering::Relaxed);
        let mut wait = self.options.backoff;
        let mut places = self.places(url)?;
        // What to end with where no server has it.
        let mut end = Ok(None);
        for round in 0..=self.options.retries {
            let mut asked_to_wait = Duration::ZERO;
            let mut kept = Vec::new();
            for place in places {
                match self.document_once(&place, limit, cached, &stop) {
                    Ok(Some(found)) => return Ok(Some(found)),
                    Ok(None) if round > 0 => end = Ok(None),
                    Ok(None) => {}
                    Err(Attempt::Passing(error, delay)) => {
                        asked_to_wait = asked_to_wait.max(delay);
                        end = Err(error);
                        kept.push(place);
                    }
                    Err(Attempt::WrongContent(error) | Attempt::Final(error)) => end = Err(error),
                    Err(Attempt::Fatal(error)) => return Err(error),
                }
            }
            places = kept;
            if places.is_empty() || round == self.options.retries {
                break;
            }
            self.pause(wait.max(asked_to_wait), &stop)?;
            wait = (wait * 2).min(Duration::from_secs(10));
        }
        end
    }

    fn document_once(
        &self,
        url: &Url,
        limit: u64,
        cached: Option<&Document>,
        stop: &dyn Fn() -> bool,
    ) -> std::result::Result<Option<Arc<Document>>, Attempt> {
        let name = url
            .path_segments()
            .and_then(|mut parts| parts.next_back())
            .unwrap_or_default();
        let validators = cached
            .map(|document| document.validators.clone())
            .unwrap_or_default();
        let body = match self.transport.get(url, 0, &validators) {
            Ok(TransportReply::Body(body)) => body,
            Ok(TransportReply::NotModified) => {
                let Some(document) = cached else {
                    let failure = RequestError::Status {
                        status: 304,
                        retry_after: None,
                    };
                    return Err(Attempt::Final(failure.into_error(name, url)));
                };
                return Ok(Some(Arc::new(document.clone())));
            }
            Err(RequestError::NotFound) => return Ok(None),
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
            CopyEnd::Beyond => Err(Attempt::Final(ArchiveError::TooLarge {
                name,
                url: shown,
                limit,
            })),
            CopyEnd::Stalled(rate) => Err(Attempt::Passing(self.too_slow(url, rate), Duration::ZERO)),
            CopyEnd::CutOff => {
                let expected = expected.unwrap_or(limit);
                let error = ArchiveError::Truncated {
                    name,
                    url: shown,
                    expected,
                    got,
                };
                Err(Attempt::Passing(error, Duration::ZERO))
            }
            CopyEnd::Ended => Ok(Some(Arc::new(Document { bytes, validators }))),
        }
    }
}
