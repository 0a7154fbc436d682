//! The image that is pushed: an OCI image layout (OCI Image Format Specification, `image-layout.md`) in a directory.

use super::PushError;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Most bytes of a manifest, as registries have it.
const MOST_JSON: u64 = 4 << 20;
/// Most levels of indexes in indexes.
const MOST_LEVELS: usize = 4;
/// Media types of manifests.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Annotation that has the tag of an image in a layout.
const REF_NAME: &str = "/annotations/org.opencontainers.image.ref.name";

/// A blob in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    /// `sha256:HEX`.
    pub(super) digest: String,
    /// Its size in bytes.
    pub(super) size: u64,
    /// Its media type.
    pub(super) media: String,
    /// Its file.
    pub(super) path: PathBuf,
}

/// A manifest or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    /// `sha256:HEX`.
    pub(super) digest: String,
    /// Its media type.
    pub(super) media: String,
    /// Its text.
    pub(super) text: Vec<u8>,
    /// Digest of what it is attached to; none where it is an image.
    pub(super) subject: Option<String>,
    /// Its descriptor, as a list of referrers has it.
    pub(super) described: Value,
}

/// An image, or an index of several, and what is attached to it. Manifests are verified, blobs are there and have their size.
#[derive(Debug, Default)]
pub(super) struct Image {
    /// Blobs of all manifests, once each.
    pub(super) blobs: Vec<Blob>,
    /// Manifests, each after those that it names; the last is the one that gets the tag.
    pub(super) manifests: Vec<Manifest>,
    /// Manifests of what is attached to these, each after what it is attached to.
    pub(super) referrers: Vec<Manifest>,
}

/// A layout that is read.
struct Layout<'a> {
    directory: &'a Path,
    /// The user's name of it.
    shown: &'a Path,
    image: Image,
    seen: HashSet<String>,
}

impl Image {
    /// Reads a layout. `name` is the tag of the image that is meant, where there are several; `shown` is what the user knows
    /// it by.
    ///
    /// # Errors
    /// [`PushError::Source`], [`PushError::File`].
    pub(super) fn read(directory: &Path, shown: &Path, name: Option<&str>) -> Result<Self, PushError> {
        let mut layout = Layout {
            directory,
            shown,
            image: Self::default(),
            seen: HashSet::new(),
        };
        let path = directory.join("index.json");
        let text = layout.text(&path, "index.json")?;
        let index = layout.json(&text, "index.json")?;
        let mut rest = layout.attached(&index);
        match layout.chosen(&index, name, &rest)? {
            Some(descriptor) => layout.manifest(&descriptor, 0)?,
            None => layout.add(&index, INDEX, digest(&text), text, 0)?,
        }
        let mut manifests = std::mem::take(&mut layout.image.manifests);
        // What is attached to something attached comes after that.
        loop {
            let fits = |(_, subject): &(Value, String)| layout.seen.contains(subject);
            let Some(next) = rest.iter().position(fits) else {
                break;
            };
            let (descriptor, _) = rest.remove(next);
            layout.manifest(&descriptor, 0)?;
        }
        std::mem::swap(&mut manifests, &mut layout.image.manifests);
        layout.image.referrers = manifests;
        Ok(layout.image)
    }
}

impl Layout<'_> {
    fn wrong(&self, what: impl Into<String>) -> PushError {
        PushError::Source {
            path: self.shown.to_owned(),
            what: what.into(),
        }
    }

    /// Opens a file that is no pipe or device, which could be waited for for ever. Returns its size.
    fn open(&self, path: &Path, what: &str) -> Result<(File, u64), PushError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => self.wrong(format!("it has no {what}")),
            _ => self.wrong(format!("its {what} cannot be read: {error}")),
        };
        let found = std::fs::metadata(path).map_err(failed)?;
        match found.is_file() {
            true => Ok((File::open(path).map_err(failed)?, found.len())),
            false => Err(self.wrong(format!("its {what} is no file"))),
        }
    }

    fn text(&self, path: &Path, what: &str) -> Result<Vec<u8>, PushError> {
        let (file, size) = self.open(path, what)?;
        if size > MOST_JSON {
            return Err(self.wrong(format!("its {what} has more than 4 MiB, which no registry takes")));
        }
        let mut text = Vec::new();
        file.take(MOST_JSON)
            .read_to_end(&mut text)
            .map_err(|error| self.wrong(format!("its {what} cannot be read: {error}")))?;
        Ok(text)
    }

    fn json(&self, text: &[u8], what: &str) -> Result<Value, PushError> {
        serde_json::from_slice(text).map_err(|error| self.wrong(format!("its {what} is no JSON: {error}")))
    }

    /// Returns the descriptors in `index.json` of what is attached to something and has no tag, with the digest of that.
    fn attached(&self, index: &Value) -> Vec<(Value, String)> {
        let mut found = Vec::new();
        for descriptor in array(index, "manifests") {
            if tag(&descriptor).is_some() {
                continue;
            }
            // What lacks, or is no manifest, counts where it is an image that is meant.
            let Ok((named, path, _)) = self.described(&descriptor) else {
                continue;
            };
            let text = self.text(&path, &named).unwrap_or_default();
            let manifest: Value = serde_json::from_slice(&text).unwrap_or_default();
            if let Some(subject) = subject(&manifest) {
                found.push((descriptor, subject));
            }
        }
        found
    }

    /// Returns the descriptor in `index.json` that is meant, which is none that is attached to something; none where that
    /// itself is the index of one image.
    fn chosen(
        &self,
        index: &Value,
        name: Option<&str>,
        attached: &[(Value, String)],
    ) -> Result<Option<Value>, PushError> {
        let mut all = array(index, "manifests");
        all.retain(|descriptor| attached.iter().all(|(one, _)| one != descriptor));
        let found: Vec<&Value> = all
            .iter()
            .filter(|descriptor| name.is_none() || tag(descriptor).as_deref() == name)
            .collect();
        let tags: Vec<String> = all.iter().filter_map(tag).collect();
        let tags = tags.join(", ");
        match (&found[..], name) {
            ([one], _) => Ok(Some((*one).clone())),
            ([], Some(name)) => Err(self.wrong(format!(
                "it has no image with the tag {name:?}; there are: {tags}"
            ))),
            ([], None) => Err(self.wrong("it has no image")),
            (several, None)
                if several
                    .iter()
                    .all(|one| tag(one).is_none() && one.get("platform").is_some()) =>
            {
                Ok(None)
            }
            _ => Err(self.wrong(format!(
                "it has several images: say which by its tag, oci:DIR:TAG; there are: {tags}"
            ))),
        }
    }

    /// Returns the digest, the file and the size of what a descriptor means.
    fn described(&self, descriptor: &Value) -> Result<(String, PathBuf, u64), PushError> {
        let digest = descriptor
            .get("digest")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if deb_types::parse_hex::<32>(hex).is_none() || hex.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(self.wrong(format!("{digest:?} is no SHA-256 digest")));
        }
        let size = descriptor.get("size").and_then(Value::as_u64);
        let size = size.ok_or_else(|| self.wrong(format!("it says no size of {digest}")))?;
        Ok((
            digest.to_owned(),
            self.directory.join("blobs/sha256").join(hex),
            size,
        ))
    }

    /// Takes the manifest of a descriptor, after all that it names.
    fn manifest(&mut self, descriptor: &Value, level: usize) -> Result<(), PushError> {
        let (named, path, size) = self.described(descriptor)?;
        if self.seen.contains(&named) {
            return Ok(());
        }
        if level > MOST_LEVELS {
            return Err(self.wrong("it has indexes of indexes of indexes"));
        }
        let what = format!("manifest {named}");
        let text = self.text(&path, &what)?;
        if digest(&text) != named || text.len() as u64 != size {
            return Err(self.wrong(format!("the {what} has another digest or size: it is damaged")));
        }
        let manifest = self.json(&text, &what)?;
        let media = |value: &Value| value.get("mediaType").and_then(Value::as_str).map(str::to_owned);
        let media = media(&manifest)
            .or_else(|| media(descriptor))
            .unwrap_or_else(|| MANIFEST.to_owned());
        if ![MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST].contains(&media.as_str()) {
            return Err(self.wrong(format!("the {what} is of the unknown type {media:?}")));
        }
        self.add(&manifest, &media, named, text, level)
    }

    fn add(
        &mut self,
        manifest: &Value,
        media: &str,
        digest: String,
        text: Vec<u8>,
        level: usize,
    ) -> Result<(), PushError> {
        if media == INDEX || media == DOCKER_LIST {
            for descriptor in array(manifest, "manifests") {
                self.manifest(&descriptor, level + 1)?;
            }
        } else {
            let config = manifest.get("config").cloned();
            let config =
                config.ok_or_else(|| self.wrong(format!("the manifest {digest} has no configuration")))?;
            let layers = array(manifest, "layers");
            // The configuration comes last: registries look at it when they get the manifest.
            for descriptor in layers.iter().chain([&config]) {
                self.blob(descriptor)?;
            }
        }
        self.seen.insert(digest.clone());
        self.image.manifests.push(Manifest {
            described: described(manifest, media, &digest, text.len()),
            subject: subject(manifest),
            digest,
            media: media.to_owned(),
            text,
        });
        Ok(())
    }

    fn blob(&mut self, descriptor: &Value) -> Result<(), PushError> {
        let (digest, path, size) = self.described(descriptor)?;
        if !self.seen.insert(digest.clone()) {
            return Ok(());
        }
        let (_, found) = self.open(&path, &format!("blob {digest}"))?;
        if found != size {
            return Err(self.wrong(format!(
                "the blob {digest} has {found} bytes, and {size} are said: it is damaged"
            )));
        }
        let media = descriptor.get("mediaType").and_then(Value::as_str);
        self.image.blobs.push(Blob {
            digest,
            size,
            media: media.unwrap_or_default().to_owned(),
            path,
        });
        Ok(())
    }
}

impl Blob {
    /// Opens the blob, whose digest is verified; `go_on` is asked now and then.
    ///
    /// # Errors
    /// [`PushError::Source`] where it is damaged, [`PushError::File`], those of `go_on`.
    pub(super) fn open(&self, go_on: impl Fn() -> Result<(), PushError>) -> Result<File, PushError> {
        let failed = |source| PushError::File {
            what: "read",
            path: self.path.clone(),
            source,
        };
        let mut file = File::open(&self.path).map_err(failed)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            go_on()?;
            match file.read(&mut buffer).map_err(failed)? {
                0 => break,
                read => hasher.update(buffer.get(..read).unwrap_or_default()),
            }
        }
        if format!("sha256:{}", deb_types::hex(&hasher.finalize())) != self.digest {
            return Err(PushError::Source {
                path: self.path.clone(),
                what: format!("it is not the blob {}: it is damaged", self.digest),
            });
        }
        Ok(file)
    }
}

/// Returns the descriptor of a manifest for a list of referrers (OCI Distribution Specification, "Listing Referrers"): the type of
/// the artifact, or that of its configuration, and the annotations.
fn described(manifest: &Value, media: &str, digest: &str, size: usize) -> Value {
    let mut described = json!({ "mediaType": media, "digest": digest, "size": size });
    let kind = manifest.get("artifactType");
    let kind = kind.or_else(|| manifest.pointer("/config/mediaType"));
    for (name, value) in [
        ("artifactType", kind),
        ("annotations", manifest.get("annotations")),
    ] {
        if let Some(value) = value {
            described[name] = value.clone();
        }
    }
    described
}

/// Returns the digest of what a manifest is attached to.
fn subject(manifest: &Value) -> Option<String> {
    let subject = manifest.pointer("/subject/digest")?;
    subject.as_str().map(str::to_owned)
}

/// Returns the tag in a descriptor.
fn tag(descriptor: &Value) -> Option<String> {
    let tag = descriptor.pointer(REF_NAME).and_then(Value::as_str);
    tag.map(str::to_owned)
}

/// Returns the members of an array in an object.
fn array(value: &Value, name: &str) -> Vec<Value> {
    value
        .get(name)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}

/// Returns the digest of a text.
pub(super) fn digest(text: &[u8]) -> String {
    format!("sha256:{}", deb_types::hex(&Sha256::digest(text)))
}
