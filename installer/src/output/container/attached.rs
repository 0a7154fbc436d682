//! What is attached to an image: artifacts whose manifests name it as their subject (OCI Image Format Specification 1.1,
//! `manifest.md`, "Guidelines for Artifact Usage").

use super::super::{Error, Source};
use super::{Directory, MANIFEST};
use crate::provenance;
use crate::sbom::{Sbom, SbomFormat};
use serde_json::{Value, json};

/// Media type and content of a configuration that says nothing.
const EMPTY: (&str, &str) = ("application/vnd.oci.empty.v1+json", "{}");
/// Media type of statements of in-toto.
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Something that is attached to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// A bill of materials.
    Sbom(SbomFormat),
    /// What the image was made of; only an installation knows.
    Provenance,
}

/// An artifact with one file.
pub(super) struct Artifact {
    media: &'static str,
    /// Name of the file.
    title: &'static str,
    /// An annotation more.
    annotation: Option<(&'static str, &'static str)>,
    text: String,
}

impl Attachment {
    /// Returns the artifact for the image of a source, whose manifest has this digest.
    ///
    /// # Errors
    /// [`Error::Container`].
    pub(super) fn artifact(self, source: &Source<'_>, name: &str, digest: &str) -> Result<Artifact, Error> {
        match self {
            Self::Sbom(format) => {
                let of = source.lock.map(crate::package_lock::PackageLock::name);
                let epoch = u64::try_from(source.time()).unwrap_or_default();
                let bill = Sbom::of(
                    source.target,
                    source.architecture,
                    of.as_deref().unwrap_or("image"),
                    source.lock,
                    Some(epoch),
                );
                let bill = bill.map_err(|error| Error::Container {
                    what: error.to_string(),
                })?;
                Ok(Artifact {
                    media: format.media_type(),
                    title: match format {
                        SbomFormat::Spdx => "sbom.spdx.json",
                        SbomFormat::CycloneDx => "sbom.cdx.json",
                    },
                    annotation: None,
                    text: bill.text(format),
                })
            }
            Self::Provenance => match source.lock {
                Some(lock) => Ok(Artifact::provenance(provenance::of_image(
                    name,
                    digest,
                    lock,
                    source.source_date_epoch,
                ))),
                None => Err(Error::Container {
                    what:
                        "its provenance is known to the installation only: give --oci-attach provenance there"
                            .to_owned(),
                }),
            },
        }
    }
}

impl Artifact {
    /// Returns the artifact of a statement.
    pub(super) fn provenance(text: String) -> Self {
        Self {
            media: IN_TOTO,
            title: "provenance.intoto.json",
            annotation: Some(("in-toto.io/predicate-type", provenance::PREDICATE)),
            text,
        }
    }
}

impl Directory {
    /// Adds an artifact, attached to what `subject` describes. `created` is its time (RFC 3339). Returns the descriptor of
    /// its manifest, as a list of referrers has it.
    pub(super) fn attach(
        &mut self,
        artifact: &Artifact,
        subject: &Value,
        created: &str,
    ) -> Result<Value, Error> {
        let config = self.blob_of(EMPTY.0, EMPTY.1)?;
        let mut layer = self.blob_of(artifact.media, &artifact.text)?;
        let mut annotations = json!({ "org.opencontainers.image.created": created });
        let mut of_layer = json!({ "org.opencontainers.image.title": artifact.title });
        if let Some((name, value)) = artifact.annotation {
            annotations[name] = json!(value);
            of_layer[name] = json!(value);
        }
        layer["annotations"] = of_layer;
        let mut described = self.blob(
            MANIFEST,
            &json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": artifact.media,
                "config": config,
                "layers": [layer],
                "subject": {
                    "mediaType": subject["mediaType"],
                    "digest": subject["digest"],
                    "size": subject["size"],
                },
                "annotations": annotations,
            }),
        )?;
        described["artifactType"] = json!(artifact.media);
        described["annotations"] = annotations;
        Ok(described)
    }
}
