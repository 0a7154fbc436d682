//! Pushing images to registries (OCI Distribution Specification).
//!
//! An image is an OCI image layout in a directory. What always holds:
//!
//! * A blob is sent only when its content has the digest of its name, and only where the registry does not have it.
//! * A manifest is sent when the registry has said of all that it names that it is there by the right digest; so whenever
//!   a push ends, no tag and no manifest of it names what is missing, and the next push goes on.
//! * What is attached to an image is there, and listed, before the tag is set.
//! * A request that the registry fails at is made again a few times; each ends when nothing has moved for the limit.
//! * No password is shown.

mod connection;
mod credentials;
mod destination;
mod docker;
mod error;
mod failure;
mod image;
mod referrers;
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
    /// What is attached to them.
    pub referrers: Vec<PushedReferrer>,
    /// All blobs.
    pub blobs: Vec<PushedBlob>,
}

/// A manifest that is attached to another.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PushedReferrer {
    /// Its digest.
    pub digest: String,
    /// Digest of what it is attached to.
    pub subject: String,
    /// The type of the artifact.
    pub artifact_type: String,
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
    let (top, below) = match image.manifests.split_last() {
        Some((top, below)) => (Some(top), below),
        None => (None, &[][..]),
    };
    for manifest in below {
        registry.manifest(manifest, None).await?;
    }
    if let Some(top) = top {
        if !image.referrers.is_empty() {
            registry.manifest(top, None).await?;
            registry.referrers(&image.referrers, reporter).await?;
        }
        registry.manifest(top, Some(destination.tag())).await?;
    }
    let (digest, media_type) = top
        .map(|top| (top.digest.clone(), top.media.clone()))
        .unwrap_or_default();
    let referrers = image.referrers.iter().map(PushedReferrer::of);
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
        referrers: referrers.collect(),
        blobs,
    })
}

impl PushedReferrer {
    fn of(manifest: &Manifest) -> Self {
        let kind = manifest
            .described
            .get("artifactType")
            .and_then(|kind| kind.as_str());
        Self {
            digest: manifest.digest.clone(),
            subject: manifest.subject.clone().unwrap_or_default(),
            artifact_type: kind.unwrap_or_default().to_owned(),
        }
    }
}
