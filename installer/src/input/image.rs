//! Container images: an OCI image layout in a directory or a tar, or what `docker save` writes.

use super::decompress::decompressed;
use super::open::damaged;
use super::tree::Tree;
use super::{Error, layers};
use crate::output::{Layout, with_tag};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// Most bytes of a file of JSON.
const MOST_JSON: u64 = 16 << 20;

/// Reads an image. `name` is the tag or name of the one that is meant where there are several; `scratch` takes the files
/// of an archive.
///
/// # Errors
/// [`Error`].
pub(super) fn read(
    layout: Layout,
    path: &Path,
    name: Option<&str>,
    scratch: &Path,
    tree: &mut Tree<'_>,
) -> Result<(), Error> {
    let directory = match layout {
        Layout::OciDirectory => path.to_owned(),
        Layout::OciArchive | Layout::DockerArchive => {
            extract(path, scratch)?;
            scratch.to_owned()
        }
    };
    let image = Image {
        directory,
        path: path.to_owned(),
    };
    match layout {
        Layout::DockerArchive => image.docker(name, tree),
        Layout::OciDirectory | Layout::OciArchive => image.oci(name, tree),
    }
}

/// Puts the regular files of an archive of a container image into a directory. Links, which could lead out of it, are left out.
///
/// # Errors
/// [`Error`].
pub fn extract(path: &Path, directory: &Path) -> Result<(), Error> {
    let file = File::open(path).map_err(|source| Error::opening(path, source))?;
    let reader = decompressed(Box::new(file)).map_err(damaged(path))?;
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(damaged(path))? {
        let mut entry = entry.map_err(damaged(path))?;
        let name = entry.path().map_err(damaged(path))?.into_owned();
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let to = directory.join(relative(path, &name)?);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(damaged(path))?;
        }
        let mut file = File::create(&to).map_err(damaged(path))?;
        io::copy(&mut entry, &mut file).map_err(damaged(path))?;
    }
    Ok(())
}

/// Returns a name as a relative path without `..`.
fn relative(path: &Path, name: &Path) -> Result<PathBuf, Error> {
    let mut relative = PathBuf::new();
    for part in name.components() {
        match part {
            Component::Normal(part) => relative.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(Error::Image {
                    path: path.to_owned(),
                    what: format!("the name {name:?} has a `..`"),
                });
            }
        }
    }
    Ok(relative)
}

struct Image {
    directory: PathBuf,
    path: PathBuf,
}

impl Image {
    fn wrong(&self, what: impl Into<String>) -> Error {
        Error::Image {
            path: self.path.clone(),
            what: what.into(),
        }
    }

    /// Reads a file of JSON.
    fn json(&self, name: &Path) -> Result<Value, Error> {
        let path = self.directory.join(name);
        let file = File::open(&path)
            .map_err(|error| self.wrong(format!("it has no {}: {error}", name.display())))?;
        let mut text = Vec::new();
        file.take(MOST_JSON)
            .read_to_end(&mut text)
            .map_err(damaged(&path))?;
        serde_json::from_slice(&text).map_err(|error| self.wrong(format!("{}: {error}", name.display())))
    }

    /// Returns the name of the file that a descriptor means, whose digest is verified.
    fn blob(&self, descriptor: &Value) -> Result<PathBuf, Error> {
        let digest = descriptor
            .get("digest")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if deb_types::parse_hex::<32>(hex).is_none() {
            return Err(self.wrong(format!("{digest:?} is no SHA-256 digest")));
        }
        let name = PathBuf::from("blobs/sha256").join(hex);
        let path = self.directory.join(&name);
        let mut file =
            File::open(&path).map_err(|error| self.wrong(format!("it lacks the blob {digest}: {error}")))?;
        let mut hasher = Hasher(Sha256::new());
        io::copy(&mut file, &mut hasher).map_err(damaged(&path))?;
        match deb_types::hex(&hasher.0.finalize()) == hex.to_ascii_lowercase() {
            true => Ok(name),
            false => Err(self.wrong(format!("the blob {digest} has another digest: it is damaged"))),
        }
    }

    fn oci(&self, name: Option<&str>, tree: &mut Tree<'_>) -> Result<(), Error> {
        let index = self.json(Path::new("index.json"))?;
        let mut descriptor = self.chosen(&index, name)?;
        // An index of several architectures.
        for _ in 0..4 {
            let manifest = self.json(&self.blob(&descriptor)?)?;
            if manifest.get("manifests").is_some() {
                descriptor = self.chosen(&manifest, None)?;
                continue;
            }
            let layers = manifest.get("layers").and_then(Value::as_array);
            let layers = layers.ok_or_else(|| self.wrong("its manifest has no layers"))?;
            for layer in layers {
                layers::apply(&self.directory.join(self.blob(layer)?), tree)?;
            }
            return Ok(());
        }
        Err(self.wrong("it has indexes of indexes of indexes"))
    }

    /// Returns the descriptor of an index that is meant.
    fn chosen(&self, index: &Value, name: Option<&str>) -> Result<Value, Error> {
        let all = index
            .get("manifests")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let named = |descriptor: &&Value| {
            let pointer = descriptor.pointer("/annotations/org.opencontainers.image.ref.name");
            name.is_none() || pointer.and_then(Value::as_str) == name
        };
        let found = all.iter().filter(named);
        let mut found = found.filter(|descriptor| name.is_some() || !is_attached(descriptor));
        match (found.next(), found.next()) {
            (Some(descriptor), None) => Ok(descriptor.clone()),
            (None, _) => Err(self.wrong(match name {
                Some(name) => format!("it has no image with the tag {name:?}"),
                None => "it has no image".to_owned(),
            })),
            (Some(_), Some(_)) => Err(self.wrong(
                "it has several images: say which by oci:DIR:TAG, or take one architecture's with skopeo",
            )),
        }
    }

    fn docker(&self, name: Option<&str>, tree: &mut Tree<'_>) -> Result<(), Error> {
        let manifest = self.json(Path::new("manifest.json"))?;
        let all = manifest.as_array().cloned().unwrap_or_default();
        let name = name.map(with_tag);
        let name = name.as_deref();
        let named = |image: &&Value| {
            let tags = image.get("RepoTags").and_then(Value::as_array);
            name.is_none() || tags.is_some_and(|tags| tags.iter().any(|tag| tag.as_str() == name))
        };
        let mut found = all.iter().filter(named);
        let (Some(image), None) = (found.next(), found.next()) else {
            return Err(self.wrong(
                "it has no image of that name, or several: say which by docker-archive:FILE:NAME:TAG",
            ));
        };
        for layer in image
            .get("Layers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = relative(&self.path, Path::new(layer.as_str().unwrap_or_default()))?;
            layers::apply(&self.directory.join(name), tree)?;
        }
        Ok(())
    }
}

/// Whether a descriptor in an index says that it is an artifact, which other images are not.
fn is_attached(descriptor: &Value) -> bool {
    let kind = descriptor.get("artifactType");
    kind.is_some()
        && descriptor
            .pointer("/annotations/org.opencontainers.image.ref.name")
            .is_none()
}

/// A sink that hashes.
struct Hasher(Sha256);

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
