//! A registry, as the OCI Distribution Specification has it: requests that are tried again, end when nothing moves, and
//! whose answers are checked.

use super::connection::client;
use super::image::{Blob, DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST, Manifest};
use super::{Destination, PushError, PushOptions, failure};
use bytes::Bytes;
use futures_util::stream;
use oci_client::client::{BlobResponse, Client};
use oci_client::errors::OciDistributionError as Failure;
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use task_progress::Cancel;

/// Waits between the tries of a request.
const WAITS: [Duration; 4] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// A repository of a registry.
pub(super) struct Registry<'a> {
    pub(super) client: Client,
    pub(super) auth: RegistryAuth,
    /// Where the user and password come from.
    credentials: Option<String>,
    pub(super) destination: &'a Destination,
    limit: Duration,
    pub(super) cancel: &'a Cancel,
    /// Bytes that have been taken for sending.
    moved: Arc<AtomicU64>,
    /// Why a blob could not be read.
    local: Arc<Mutex<Option<PushError>>>,
}

impl<'a> Registry<'a> {
    /// Prepares connections; makes none.
    ///
    /// # Errors
    /// [`PushError::Client`], and those of credentials.
    pub(super) fn new(options: &'a PushOptions, cancel: &'a Cancel) -> Result<Self, PushError> {
        let destination = &options.destination;
        let (auth, credentials) = options.credentials.find(destination)?;
        let client = client(options)?;
        Ok(Self {
            client,
            auth,
            credentials,
            destination,
            limit: options.limit,
            cancel,
            moved: Arc::default(),
            local: Arc::default(),
        })
    }

    /// Logs in, where the registry wants that.
    ///
    /// # Errors
    /// Those of the request.
    pub(super) async fn log_in(&self) -> Result<(), PushError> {
        let reference = self.destination.of(self.destination.tag());
        for operation in [RegistryOperation::Push, RegistryOperation::Pull] {
            let what = "the login";
            let token = self
                .tried(what, || self.client.auth(&reference, &self.auth, operation))
                .await?;
            // The client makes a header of it, whatever is in there.
            if token.is_some_and(|token| token.bytes().any(|byte| !byte.is_ascii_graphic())) {
                return Err(self.lied(what, "a token that cannot be in a header"));
            }
        }
        Ok(())
    }

    /// Brings a blob there, unless it is there. Returns whether it was sent.
    ///
    /// # Errors
    /// Those of reading it and of requests, [`PushError::Lied`].
    pub(super) async fn blob(&self, blob: &Blob) -> Result<bool, PushError> {
        let reference = self.destination.of(self.destination.tag());
        let what = format!("the blob {} ({} bytes)", blob.digest, blob.size);
        let there = self
            .tried(&what, || self.client.blob_exists(&reference, &blob.digest))
            .await?;
        if !there {
            let verified = blob.open(|| Ok(self.cancel.check()?))?;
            let sent = self
                .tried(&what, || async {
                    let body = self.body(blob, verified.try_clone().map_err(Failure::IoError)?);
                    let sent = self
                        .client
                        .push_blob_stream(&reference, body, &blob.digest, Some(blob.size));
                    match sent.await {
                        // It is there, and is looked for below.
                        Err(Failure::RegistryNoLocationError) => Ok(String::new()),
                        sent => sent,
                    }
                })
                .await?;
            self.check_location(&what, &sent, &blob.digest)?;
        }
        self.check_blob(&reference, &what, blob).await?;
        Ok(!there)
    }

    /// Asks by which digest a blob is there, and for no more than its first byte.
    async fn check_blob(&self, reference: &Reference, what: &str, blob: &Blob) -> Result<(), PushError> {
        let answer = self
            .tried(what, || async {
                let digest = blob.digest.as_str();
                match blob.size {
                    0 => self
                        .client
                        .pull_blob_stream(reference, digest)
                        .await
                        .map(BlobResponse::Full),
                    _ => {
                        self.client
                            .pull_blob_stream_partial(reference, digest, 0, Some(1))
                            .await
                    }
                }
            })
            .await;
        let (answer, whole) = match answer {
            Ok(BlobResponse::Full(answer)) => (answer, true),
            Ok(BlobResponse::Partial(answer)) => (answer, false),
            Err(PushError::Refused {
                status: 404, said, ..
            }) => {
                return Err(self.lied(what, &format!("it has taken it, and does not have it: {said}")));
            }
            // Whoever may write need not be allowed to read, and ranges need not be known.
            Err(
                PushError::Unauthorized { .. }
                | PushError::Refused {
                    status: 400..=499, ..
                },
            ) => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Some(digest) = answer.digest_header_value {
            return Err(self.lied(what, &format!("it has it as {digest} (Docker-Content-Digest)")));
        }
        match answer.content_length {
            Some(length) if whole && length != blob.size => {
                Err(self.lied(what, &format!("it has {length} bytes of it")))
            }
            _ => Ok(()),
        }
    }

    /// Brings a manifest there, under a tag or its digest, and reads it back.
    ///
    /// # Errors
    /// Those of requests, [`PushError::Lied`].
    pub(super) async fn manifest(&self, manifest: &Manifest, tag: Option<&str>) -> Result<(), PushError> {
        // A digest is given as a tag, too: the client has an answer without a location in mind for tags only.
        let reference = self.destination.of(tag.unwrap_or(&manifest.digest));
        let what = match tag {
            Some(tag) => format!("the manifest {} as {tag}", manifest.digest),
            None => format!("the manifest {}", manifest.digest),
        };
        let text = Bytes::copy_from_slice(&manifest.text);
        let sent = self
            .tried(&what, || async {
                match manifest.media.parse() {
                    Ok(media) => {
                        self.client
                            .push_manifest_raw(&reference, text.clone(), media)
                            .await
                    }
                    Err(_) => Err(Failure::UnsupportedMediaTypeError(manifest.media.clone())),
                }
            })
            .await?;
        self.check_location(&what, &sent, &manifest.digest)?;
        let types = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST];
        let read = self
            .tried(&what, || {
                self.client.pull_manifest_raw(&reference, &self.auth, &types)
            })
            .await;
        match read {
            Ok((text, digest)) if text[..] == manifest.text[..] && digest == manifest.digest => Ok(()),
            Ok((_, digest)) => Err(self.lied(&what, &format!("it has {digest} there"))),
            Err(PushError::Refused {
                status: 404, said, ..
            }) => Err(self.lied(&what, &format!("it has taken it, and does not have it: {said}"))),
            // Whoever may write need not be allowed to read.
            Err(PushError::Unauthorized { .. } | PushError::Refused { status: 403, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns the content of a file, piece by piece.
    fn body(
        &self,
        blob: &Blob,
        file: File,
    ) -> impl stream::Stream<Item = Result<Bytes, Failure>> + Send + 'static {
        let (moved, local) = (Arc::clone(&self.moved), Arc::clone(&self.local));
        let path = blob.path.clone();
        stream::try_unfold(0, move |offset| {
            let mut piece = vec![0; 1 << 16];
            // Copies of a descriptor share its offset.
            let next = match file.read_at(&mut piece, offset) {
                Ok(0) => Ok(None),
                Ok(read) => {
                    piece.truncate(read);
                    moved.fetch_add(read as u64, Ordering::Relaxed);
                    Ok(Some((Bytes::from(piece), offset + read as u64)))
                }
                Err(source) => {
                    let told = std::io::Error::other(source.to_string());
                    let path = path.clone();
                    let error = PushError::File {
                        what: "read",
                        path,
                        source,
                    };
                    *local.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
                    Err(Failure::IoError(told))
                }
            };
            std::future::ready(next)
        })
    }

    /// Makes a request; one that may succeed later is made again.
    pub(super) async fn tried<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        what: &str,
        request: impl Fn() -> F,
    ) -> Result<T, PushError> {
        let mut waits = WAITS.iter();
        loop {
            let error = match self.watched(what, request()).await? {
                Ok(done) => return Ok(done),
                Err(failure) => self.error(what, &failure),
            };
            let local = self
                .local
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .take();
            if let Some(error) = local {
                return Err(error);
            }
            let passing = match &error {
                PushError::Broken { reason, .. } => !reason.contains("ertificate"),
                PushError::Refused { status, .. } => *status >= 500 || matches!(status, 408 | 425 | 429),
                _ => false,
            };
            match waits.next() {
                Some(wait) if passing => {
                    tracing::debug!("{error}; trying again");
                    self.cancel.sleep(*wait)?;
                }
                _ => return Err(error),
            }
        }
    }

    /// Waits for a request, as long as bytes are taken, or the limit has not passed without.
    async fn watched<T>(
        &self,
        what: &str,
        request: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Result<T, Failure>, PushError> {
        let mut request = std::pin::pin!(request);
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        let mut seen = (self.moved.load(Ordering::Relaxed), Instant::now());
        loop {
            tokio::select! {
                done = &mut request => return Ok(done),
                _ = tick.tick() => {
                    self.cancel.check()?;
                    let moved = self.moved.load(Ordering::Relaxed);
                    if moved != seen.0 {
                        seen = (moved, Instant::now());
                    } else if seen.1.elapsed() > self.limit {
                        return Err(PushError::Silent {
                            registry: self.destination.registry().to_owned(),
                            what: what.to_owned(),
                            limit: self.limit,
                        });
                    }
                }
            }
        }
    }

    /// Checks the place where something is said to be: if that has a digest, then the right one.
    fn check_location(&self, what: &str, location: &str, digest: &str) -> Result<(), PushError> {
        let plain = location.replace("%3A", ":").replace("%3a", ":");
        let found = plain
            .split("sha256:")
            .nth(1)
            .map(|rest| rest.get(..64).unwrap_or(rest));
        match found {
            Some(found) if !digest.ends_with(&found.to_ascii_lowercase()) => {
                Err(self.lied(what, &format!("it has it as sha256:{found} (Location)")))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn lied(&self, what: &str, said: &str) -> PushError {
        PushError::Lied {
            registry: self.destination.registry().to_owned(),
            what: what.to_owned(),
            said: said.to_owned(),
        }
    }

    fn error(&self, what: &str, failure: &Failure) -> PushError {
        let registry = self.destination.registry();
        failure::error(registry, what, self.credentials.as_deref(), failure)
    }
}
