//! Container images: an OCI image layout (OCI Image Format Specification 1.1) in a directory or a tar, or what
//! `docker save` writes.
//!
//! The target is divided at the seams of its installation ([`layers`]), so that images that share packages share
//! layers. Times are those of the target; the same target gives the same bytes, and so the same digests.

mod attached;
mod config;
mod layers;
mod made_again;

use super::compress::Encoder;
use super::{
    Compression, Error, ImageOptions, Output, Selection, Sink, Source, TarOptions, Written, write_selected,
};
use layers::Layers;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use attached::Attachment;
pub use config::{ContainerConfig, with_tag};
pub use made_again::{docker_as_oci, write_index};

/// Media type of manifests.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Form of a container image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// An OCI image layout in a directory.
    OciDirectory,
    /// An OCI image layout in a tar.
    OciArchive,
    /// What `docker load` reads.
    DockerArchive,
}

/// Writer of container images.
pub(super) struct Container(pub(super) Layout);

/// A layer in a file.
struct Layer {
    path: PathBuf,
    /// Digest of the tar.
    diff_id: String,
    /// What is in it.
    what: &'static str,
}

impl Output for Container {
    fn check(&self, options: &ImageOptions) -> Result<(), Error> {
        match self.0 == Layout::DockerArchive && !options.container.attached().is_empty() {
            true => Err(Error::Container {
                what: "--oci-attach: nothing can be attached in a docker-archive: make oci:DIR or oci-archive:FILE"
                    .to_owned(),
            }),
            false => Ok(()),
        }
    }

    fn write(&self, source: &Source<'_>, sink: &mut Sink<'_>) -> Result<Written, Error> {
        let attached = source.options.container.attached();
        if attached.contains(&Attachment::Provenance) {
            // Known to be missing before layers are made.
            Attachment::Provenance.artifact(source, "", "")?;
        }
        let compression = match self.0 {
            Layout::DockerArchive => Compression::None,
            Layout::OciDirectory | Layout::OciArchive => Compression::Gzip,
        };
        let (layers, written) = write_layers(source, compression)?;
        let created = config::created(source);
        let config = config::json(source, &created, &layers.iter().map(history).collect::<Vec<_>>());
        let directory = match (self.0, &sink) {
            (Layout::OciDirectory, Sink::Path(path)) => path.clone(),
            _ => source.scratch.join("layout"),
        };
        let mut made = Directory::new(directory)?;
        let mut name = source.options.container.name.as_deref();
        match self.0 {
            Layout::OciDirectory | Layout::OciArchive => {
                if !attached.is_empty() {
                    // Of several manifests readers want to know which by its tag.
                    name = name.or(Some("latest"));
                }
                let image = made.oci(&config.to_string(), layers)?;
                let mut all = vec![tagged(&image, name)];
                for attachment in attached {
                    let (name, digest) = (name.unwrap_or_default(), hex_of(&image));
                    let artifact = attachment.artifact(source, name, digest)?;
                    all.push(made.attach(&artifact, &image, &created)?);
                }
                made.top(&all)?;
            }
            Layout::DockerArchive => made.docker(&config, layers, name)?,
        }
        let bytes = match self.0 {
            Layout::OciDirectory => made.bytes,
            Layout::OciArchive | Layout::DockerArchive => {
                let bytes = made.tar(sink.writer()?, source.time().max(0))?;
                std::fs::remove_dir_all(&made.directory).map_err(Error::Write)?;
                bytes
            }
        };
        Ok(Written { bytes, ..written })
    }
}

/// Returns the descriptor of an image with its tag.
fn tagged(descriptor: &Value, name: Option<&str>) -> Value {
    let mut descriptor = descriptor.clone();
    if let Some(name) = name {
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    }
    descriptor
}

/// Returns the SHA-256 in a descriptor that was made here, in hexadecimal.
fn hex_of(descriptor: &Value) -> &str {
    let digest = descriptor["digest"].as_str().unwrap_or_default();
    digest.trim_start_matches("sha256:")
}

fn history(layer: &Layer) -> (&str, &str) {
    (&layer.diff_id, layer.what)
}

/// Writes the layers of a target into files.
fn write_layers(source: &Source<'_>, compression: Compression) -> Result<(Vec<Layer>, Written), Error> {
    let found = Layers::of(source)?;
    let mut layers = Vec::new();
    let mut total = Written::default();
    for (number, what) in found.kept() {
        let path = source.scratch.join(format!("layer-{number}"));
        let file = File::create_new(&path).map_err(Error::Write)?;
        let mut sink = Hashed {
            hasher: Sha256::new(),
            sink: Encoder::new(file, compression).map_err(Error::Write)?,
        };
        let options = TarOptions {
            compression: Compression::None,
            source_date_epoch: source.source_date_epoch,
            ..TarOptions::default()
        };
        let selection = Selection {
            has: &|path, stat| found.has(number, path, stat),
            // Of a directory below other layers only its place counts; the last layer has all of them.
            directories_time: (!found.is_last(number)).then_some(0),
        };
        let written = write_selected(
            source.target,
            &mut sink,
            &options,
            &selection,
            source.reporter,
            source.cancel,
        )?;
        sink.sink.finish().map_err(Error::Write)?;
        total.entries += written.entries;
        total.uncompressed += written.uncompressed;
        total.sockets += written.sockets;
        layers.push(Layer {
            path,
            diff_id: format!("sha256:{}", deb_types::hex(&sink.hasher.finalize())),
            what,
        });
    }
    Ok((layers, total))
}

/// The files of an image in a directory.
struct Directory {
    directory: PathBuf,
    /// Names of files, in the order of the archive.
    names: Vec<String>,
    bytes: u64,
}

impl Directory {
    fn new(directory: PathBuf) -> Result<Self, Error> {
        // The one that becomes the result is there already.
        std::fs::create_dir_all(&directory).map_err(Error::Write)?;
        Ok(Self {
            directory,
            names: Vec::new(),
            bytes: 0,
        })
    }

    /// Makes the image of an OCI image layout. Returns its descriptor.
    fn oci(&mut self, config: &str, layers: Vec<Layer>) -> Result<Value, Error> {
        let blobs = self.directory.join("blobs/sha256");
        std::fs::create_dir_all(blobs).map_err(Error::Write)?;
        let mut described = Vec::new();
        for layer in layers {
            let (digest, size) = digest(&layer.path)?;
            self.adopt(&layer.path, format!("blobs/sha256/{digest}"), size)?;
            described.push(json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": format!("sha256:{digest}"),
                "size": size,
            }));
        }
        let config = self.blob_of("application/vnd.oci.image.config.v1+json", config)?;
        self.blob(
            MANIFEST,
            &json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config,
                "layers": described,
            }),
        )
    }

    /// Makes the files above the blobs of an OCI image layout, of the descriptors of its image and of what is attached.
    fn top(&mut self, descriptors: &[Value]) -> Result<(), Error> {
        self.file("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }))?;
        self.file(
            "index.json",
            &json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": descriptors,
            }),
        )
    }

    /// Makes what `docker save` writes.
    fn docker(&mut self, config: &Value, layers: Vec<Layer>, name: Option<&str>) -> Result<(), Error> {
        let mut names = Vec::new();
        for layer in layers {
            let name = format!("{}.tar", layer.diff_id.trim_start_matches("sha256:"));
            let (_, size) = digest(&layer.path)?;
            // Two layers without a file are the same.
            if !names.contains(&name) {
                self.adopt(&layer.path, name.clone(), size)?;
            }
            names.push(name);
        }
        let text = config.to_string();
        let config = format!("{}.json", deb_types::hex(&Sha256::digest(&text)));
        self.put(&config, text.as_bytes())?;
        let tags: Vec<String> = name.map(config::with_tag).into_iter().collect();
        self.file(
            "manifest.json",
            &json!([{ "Config": config, "RepoTags": tags, "Layers": names }]),
        )
    }

    /// Writes a blob of an OCI layout. Returns its descriptor.
    fn blob(&mut self, media: &str, value: &Value) -> Result<Value, Error> {
        self.blob_of(media, &value.to_string())
    }

    /// As [`Self::blob`], of a text.
    fn blob_of(&mut self, media: &str, text: &str) -> Result<Value, Error> {
        let digest = deb_types::hex(&Sha256::digest(text));
        let name = format!("blobs/sha256/{digest}");
        if !self.names.contains(&name) {
            self.put(&name, text.as_bytes())?;
        }
        Ok(json!({
            "mediaType": media,
            "digest": format!("sha256:{digest}"),
            "size": text.len(),
        }))
    }

    fn file(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        self.put(name, value.to_string().as_bytes())
    }

    fn put(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        std::fs::write(self.directory.join(name), content).map_err(Error::Write)?;
        self.note(name.to_owned(), content.len() as u64);
        Ok(())
    }

    fn adopt(&mut self, made: &Path, name: String, size: u64) -> Result<(), Error> {
        std::fs::rename(made, self.directory.join(&name)).map_err(Error::Write)?;
        self.note(name, size);
        Ok(())
    }

    fn note(&mut self, name: String, size: u64) {
        self.bytes += size;
        self.names.push(name);
    }

    /// Writes all files as a tar. Returns its size.
    fn tar(&self, sink: impl Write, time: i64) -> Result<u64, Error> {
        let mut archive = tar::Builder::new(Encoder::new(sink, Compression::None).map_err(Error::Write)?);
        let mut directories = Vec::new();
        for name in &self.names {
            let above = Path::new(name)
                .ancestors()
                .skip(1)
                .filter(|path| !path.as_os_str().is_empty());
            for directory in above.collect::<Vec<_>>().into_iter().rev() {
                if !directories.contains(&directory) {
                    directories.push(directory);
                    let mut header = header(0o755, 0, time);
                    header.set_entry_type(tar::EntryType::Directory);
                    archive
                        .append_data(&mut header, format!("{}/", directory.display()), io::empty())
                        .map_err(Error::Write)?;
                }
            }
            let file = File::open(self.directory.join(name)).map_err(Error::Write)?;
            let size = file.metadata().map_err(Error::Write)?.len();
            archive
                .append_data(&mut header(0o644, size, time), name, file)
                .map_err(Error::Write)?;
        }
        archive
            .into_inner()
            .and_then(Encoder::finish)
            .map_err(Error::Write)
    }
}

fn header(mode: u32, size: u64, time: i64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(time).unwrap_or_default());
    header
}

/// Returns the SHA-256 of a file, in hexadecimal, and its size.
fn digest(path: &Path) -> Result<(String, u64), Error> {
    let mut hasher = Hashed {
        hasher: Sha256::new(),
        sink: io::sink(),
    };
    let mut file = File::open(path).map_err(Error::Write)?;
    let size = io::copy(&mut file, &mut hasher).map_err(Error::Write)?;
    Ok((deb_types::hex(&hasher.hasher.finalize()), size))
}

/// A writer that hashes what goes through it.
struct Hashed<W> {
    hasher: Sha256,
    sink: W,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
