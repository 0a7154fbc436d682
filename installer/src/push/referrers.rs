//! Lists of what is attached to an image (OCI Distribution Specification 1.1, "Listing Referrers" and "Pushing Manifests with
//! Subject"): the registry keeps them, or, where it knows nothing of that, an index with a tag made of the subject's digest.

use super::PushError;
use super::image::{INDEX, Manifest, digest};
use super::registry::Registry;
use oci_client::Reference;
use oci_client::errors::OciDistributionError as Failure;
use serde_json::{Value, json};
use std::time::Duration;
use task_progress::Reporter;

/// Waits for a list that is brought up to date a little later.
const WAITS: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// What a registry says of the list of a subject.
enum List {
    /// It has all that was attached.
    Whole,
    /// It has others, and lacks some.
    Lacking,
    /// It has none.
    Empty,
    /// There is none that could be read as such.
    Unknown,
}

impl Registry<'_> {
    /// Brings manifests there that are attached to what is there, and has them listed.
    ///
    /// # Errors
    /// Those of requests, [`PushError::Lied`].
    pub(super) async fn referrers(
        &self,
        manifests: &[Manifest],
        reporter: &dyn Reporter,
    ) -> Result<(), PushError> {
        let mut subjects: Vec<&str> = Vec::new();
        for manifest in manifests {
            self.manifest(manifest, None).await?;
            let subject = manifest.subject.as_deref().unwrap_or_default();
            if !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
        for subject in subjects {
            let attached = manifests
                .iter()
                .filter(|manifest| manifest.subject.as_deref() == Some(subject));
            let attached: Vec<&Value> = attached.map(|manifest| &manifest.described).collect();
            match self.list(subject, &attached, reporter).await {
                // Whoever may write need not be allowed to read.
                Err(PushError::Unauthorized { .. } | PushError::Refused { status: 403, .. }) => {
                    reporter.warn(&format!(
                        "{} does not let its list of what is attached to {subject} be read: whether it has all is not checked",
                        self.destination.registry()
                    ));
                }
                listed => listed?,
            }
        }
        Ok(())
    }

    /// Has what is attached to a subject listed. A registry without such lists gets the index that stands for one.
    async fn list(
        &self,
        subject: &str,
        attached: &[&Value],
        reporter: &dyn Reporter,
    ) -> Result<(), PushError> {
        if let List::Whole = self.listed(subject, attached).await? {
            return Ok(());
        }
        let tag = fallback(subject);
        let index = self.with_tag(&tag, attached).await?;
        if let Some(index) = index {
            self.manifest(&index, Some(&tag)).await?;
        }
        let mut waits = WAITS.iter();
        loop {
            match (self.listed(subject, attached).await?, waits.next()) {
                (List::Whole | List::Unknown, _) => return Ok(()),
                (List::Lacking | List::Empty, Some(wait)) => self.cancel.sleep(*wait)?,
                // It may have it on a later page.
                (List::Lacking, None) => {
                    reporter.warn(&format!(
                        "the list that {} has of what is attached to {subject} begins without what was sent: \
                         whether it has all is not checked",
                        self.destination.registry()
                    ));
                    return Ok(());
                }
                (List::Empty, None) => {
                    return Err(self.lied(
                        &format!("what is attached to {subject}"),
                        "it has taken it, and its list of referrers lacks it",
                    ));
                }
            }
        }
    }

    /// Asks for the list of a subject, or for what stands for it.
    async fn listed(&self, subject: &str, attached: &[&Value]) -> Result<List, PushError> {
        let name = self.destination.of(self.destination.tag());
        let reference = Reference::with_digest(
            name.registry().to_owned(),
            name.repository().to_owned(),
            subject.to_owned(),
        );
        let what = format!("the list of what is attached to {subject}");
        let mut kinds: Vec<Option<&str>> = Vec::new();
        for one in attached {
            let kind = one.get("artifactType").and_then(Value::as_str);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let mut entries = Vec::new();
        // A list may come in pages, of which the client reads the first: one of a single type is shorter.
        for kind in kinds {
            let found = self
                .tried(&what, || async {
                    match self.client.pull_referrers(&reference, kind).await {
                        Ok(index) => Ok(Some(index)),
                        // A page that says so, and other answers of who does not know the request.
                        Err(Failure::ManifestParsingError(_)) => Ok(None),
                        Err(error) => Err(error),
                    }
                })
                .await;
            match found {
                Ok(Some(index)) => entries.extend(index.manifests),
                Ok(None)
                | Err(PushError::Refused {
                    status: 400 | 404 | 405 | 406 | 410,
                    ..
                }) => return Ok(List::Unknown),
                Err(error) => return Err(error),
            }
        }
        let is_there = |one: &&Value| {
            let digest = one.get("digest").and_then(Value::as_str);
            entries.iter().any(|entry| Some(entry.digest.as_str()) == digest)
        };
        Ok(match attached.iter().all(is_there) {
            true => List::Whole,
            false if entries.is_empty() => List::Empty,
            false => List::Lacking,
        })
    }

    /// Returns the index under a tag, with what is attached; none where it has all of that.
    async fn with_tag(&self, tag: &str, attached: &[&Value]) -> Result<Option<Manifest>, PushError> {
        let what = format!("the manifest {tag}");
        let reference = self.destination.of(tag);
        let read = self
            .tried(&what, || {
                self.client.pull_manifest_raw(&reference, &self.auth, &[INDEX])
            })
            .await;
        let mut entries = match read {
            Ok((text, _)) => {
                let index: Value = serde_json::from_slice(&text).unwrap_or_default();
                let entries = index.get("manifests").and_then(Value::as_array);
                // Another manifest under this tag is somebody's.
                entries.cloned().ok_or_else(|| {
                    self.lied(
                        &what,
                        "it has something there that is no index of what is attached",
                    )
                })?
            }
            Err(PushError::Refused { status: 404, .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        let before = entries.len();
        for one in attached {
            let is_same = |entry: &&Value| entry.get("digest") == one.get("digest");
            if entries.iter().find(is_same).is_none() {
                entries.push((*one).clone());
            }
        }
        if entries.len() == before {
            return Ok(None);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        let text = index.to_string().into_bytes();
        Ok(Some(Manifest {
            digest: digest(&text),
            media: INDEX.to_owned(),
            text,
            subject: None,
            described: Value::Null,
        }))
    }
}

/// Returns the tag of the index that stands for the list of a subject.
fn fallback(subject: &str) -> String {
    subject.replacen(':', "-", 1)
}
