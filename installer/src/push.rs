//! Pushing images to registries (OCI Distribution Specification).
//!
//! An image is an OCI image layout in a directory. What always holds:
//!
//! * A blob is sent only when its content has the digest of its name, and only where the registry does not have it.
//! * A manifest is sent when the registry has said of all that it names that it is there by the right digest; so whenever
//!   a push ends, no tag and no manifest of it names what is missing, and the next push goes on.
//! * A request that the registry fails at is made again a few times; each ends when nothing has moved for the limit.
//! * No password is shown.

mod connection;
mod credentials;
mod destination;
mod docker;
mod error;
mod failure;
mod image;
mod registry;

use image::{Image, Manifest};
use registry::Registry;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use task_progress::summary::ByteCount;
use task_progress::{Cancel, Reporter};

pub use credentials::{Credentials, Login};
pub use destination::Destination;
pub use docker::layout_of_docker;
pub use error::PushError;

/// How an image is pushed.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// The place in a registry.
    pub destination: Destination,
    /// Source of the user and password.
    pub credentials: Credentials,
    /// Whether the registry has no TLS. One on this machine has none unless an authority is given.
    pub plain_http: bool,
    /// File of certificates in PEM that are trusted besides the machine's.
    pub authority: Option<PathBuf>,
    /// Longest time in which nothing moves.
    pub limit: Duration,
}

/// What a push has done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pushed {
    /// `REGISTRY/NAME:TAG`.
    pub reference: String,
    /// Digest of the manifest or index with the tag.
    pub digest: String,
    /// `REGISTRY/NAME@DIGEST`.
    pub digest_reference: String,
    /// Its media type.
    pub media_type: String,
    /// Digests of all manifests, as they were sent.
    pub manifests: Vec<String>,
    /// All blobs.
    pub blobs: Vec<PushedBlob>,
}

/// A blob of an image that was pushed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PushedBlob {
    /// Its digest.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
    /// Whether it was sent; the registry had the others.
    pub sent: bool,
}

/// Pushes the image of a layout in a directory. `name` is its tag in there, where there are several; `shown` is what the user
/// knows the layout by.
///
/// # Errors
/// [`PushError`].
pub fn push(
    layout: &Path,
    shown: &Path,
    name: Option<&str>,
    options: &PushOptions,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Pushed, PushError> {
    let image = Image::read(layout, shown, name)?;
    let registry = Registry::new(options, cancel)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| PushError::Client {
        registry: options.destination.registry().to_owned(),
        what: error.to_string(),
    })?;
    let done = runtime.block_on(send(&image, &registry, options, reporter));
    // Whatever still looks up a name has nothing to say any more.
    runtime.shutdown_background();
    done
}

async fn send(
    image: &Image,
    registry: &Registry<'_>,
    options: &PushOptions,
    reporter: &dyn Reporter,
) -> Result<Pushed, PushError> {
    registry.log_in().await?;
    let mut blobs = Vec::new();
    for blob in &image.blobs {
        let sent = registry.blob(blob).await?;
        reporter.detail(&format!(
            "{} {}",
            if sent { "sent" } else { "is there:" },
            blob.digest
        ));
        blobs.push(PushedBlob {
            digest: blob.digest.clone(),
            size: blob.size,
            media_type: blob.media.clone(),
            sent,
        });
    }
    let destination = &options.destination;
    let mut top: Option<&Manifest> = None;
    for (number, manifest) in image.manifests.iter().enumerate() {
        let is_top = number + 1 == image.manifests.len();
        registry
            .manifest(manifest, is_top.then(|| destination.tag()))
            .await?;
        top = Some(manifest);
    }
    let (digest, media_type) = top
        .map(|top| (top.digest.clone(), top.media.clone()))
        .unwrap_or_default();
    let sent: Vec<u64> = blobs
        .iter()
        .filter(|blob| blob.sent)
        .map(|blob| blob.size)
        .collect();
    let reference = format!("{}:{}", destination.repository(), destination.tag());
    reporter.note(&format!(
        "pushed {reference}: sent {} of {} blobs, {}",
        sent.len(),
        blobs.len(),
        ByteCount(sent.iter().sum())
    ));
    Ok(Pushed {
        reference,
        digest_reference: format!("{}@{digest}", destination.repository()),
        digest,
        media_type,
        manifests: image
            .manifests
            .iter()
            .map(|manifest| manifest.digest.clone())
            .collect(),
        blobs,
    })
}
