//! Layouts made of images that are there: an index of several architectures, and what `docker save` writes.

use super::super::compress::Encoder;
use super::super::{Compression, Error, Sink};
use super::attached::Artifact;
use super::{Directory, Hashed, Layer, Layout, hex_of, tagged};
use crate::provenance;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Media types (OCI Image Format Specification).
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Makes one image of several architectures of OCI layouts in directories, an image each, whose files are taken, with what is
/// attached to them. `form` is [`Layout::OciDirectory`] or [`Layout::OciArchive`], `name` is the tag, `has_provenance` whether the
/// index has one of its own, `scratch` a directory that does not exist.
/// Returns the size of what was written.
///
/// # Errors
/// [`Error::Container`] for what is no such layout, those of reading and writing.
pub fn write_index(
    layouts: &[PathBuf],
    form: Layout,
    name: Option<&str>,
    has_provenance: bool,
    scratch: &Path,
    sink: &mut Sink<'_>,
) -> Result<u64, Error> {
    let directory = match (form, &sink) {
        (Layout::OciDirectory, Sink::Path(path)) => path.clone(),
        _ => scratch.to_owned(),
    };
    let mut made = Directory::new(directory)?;
    std::fs::create_dir_all(made.directory.join("blobs/sha256")).map_err(Error::Write)?;
    let mut manifests = Vec::new();
    let (mut images, mut attached) = (Vec::new(), Vec::new());
    let mut time = 0;
    for layout in layouts {
        let index = json_of(&layout.join("index.json"))?;
        let descriptor = index.pointer("/manifests/0");
        let blob = |descriptor: Option<&Value>| layout.join(blob_name(descriptor));
        let manifest = json_of(&blob(descriptor))?;
        let config = json_of(&blob(manifest.get("config")))?;
        time = time.max(created(&config));
        let mut described = Map::new();
        for field in ["mediaType", "digest", "size"] {
            described.insert(
                field.to_owned(),
                descriptor
                    .and_then(|all| all.get(field))
                    .cloned()
                    .unwrap_or_default(),
            );
        }
        let platform: Map<String, Value> = ["architecture", "os", "variant"]
            .into_iter()
            .filter_map(|field| Some((field.to_owned(), config.get(field)?.clone())))
            .collect();
        described.insert("platform".to_owned(), platform.into());
        let layers = manifest.get("layers").and_then(Value::as_array);
        let all = layers.into_iter().flatten().chain(manifest.get("config"));
        let mut take = |one: &Value| {
            let name = blob_name(Some(one));
            if made.names.contains(&name) {
                return Ok(());
            }
            let path = layout.join(&name);
            let size = std::fs::metadata(&path).map_err(Error::Write)?.len();
            made.adopt(&path, name, size)
        };
        all.chain(descriptor).try_for_each(&mut take)?;
        let referrers = index.get("manifests").and_then(Value::as_array);
        for referrer in referrers.into_iter().flatten().skip(1) {
            let manifest = json_of(&layout.join(blob_name(Some(referrer))))?;
            let layers = manifest.get("layers").and_then(Value::as_array);
            let all = layers.into_iter().flatten().chain(manifest.get("config"));
            all.chain([referrer]).try_for_each(&mut take)?;
            attached.push(referrer.clone());
        }
        let described = Value::from(described);
        images.push((provenance_name(&described), hex_of(&described).to_owned()));
        manifests.push(described);
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    let top = made.blob(INDEX, &index)?;
    if has_provenance {
        let text = provenance::of_index(name.unwrap_or("latest"), hex_of(&top), &images);
        let created = rfc3339(time);
        attached.push(made.attach(&Artifact::provenance(text), &top, &created)?);
    }
    let name = name.or((!attached.is_empty()).then_some("latest"));
    let mut all = vec![tagged(&top, name)];
    all.extend(attached);
    made.top(&all)?;
    match form {
        Layout::OciDirectory => Ok(made.bytes),
        Layout::OciArchive | Layout::DockerArchive => made.tar(sink.writer()?, time),
    }
}

/// Makes an OCI layout `into` of an image that `docker save` has written: its configuration and its layers, whose digests are
/// verified. `scratch` takes a file for each layer.
///
/// # Errors
/// [`Error::Container`] for a layer that is damaged, those of reading and writing.
pub fn docker_as_oci(config: &str, layers: &[PathBuf], scratch: &Path, into: &Path) -> Result<(), Error> {
    let damaged = |what: String| Error::Container { what };
    let parsed: Value = serde_json::from_str(config)
        .map_err(|error| damaged(format!("its configuration is no JSON: {error}")))?;
    let ids = parsed
        .pointer("/rootfs/diff_ids")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if ids.len() != layers.len() {
        return Err(damaged(format!(
            "it has {} layers, and digests of {}",
            layers.len(),
            ids.len()
        )));
    }
    let mut made = Vec::new();
    for (number, (layer, id)) in layers.iter().zip(&ids).enumerate() {
        let failed = |error: io::Error| damaged(format!("its layer {} cannot be read: {error}", number + 1));
        let mut reader = io::BufReader::new(File::open(layer).map_err(failed)?);
        let zipped = io::BufRead::fill_buf(&mut reader)
            .map_err(failed)?
            .starts_with(&[0x1f, 0x8b]);
        let mut reader: Box<dyn Read> = match zipped {
            true => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
            false => Box::new(reader),
        };
        let path = scratch.join(format!("layer-{number}"));
        let mut sink = Hashed {
            hasher: Sha256::new(),
            sink: Encoder::new(File::create_new(&path).map_err(Error::Write)?, Compression::Gzip)
                .map_err(Error::Write)?,
        };
        io::copy(&mut reader, &mut sink).map_err(failed)?;
        sink.sink.finish().map_err(Error::Write)?;
        let diff_id = format!("sha256:{}", deb_types::hex(&sink.hasher.finalize()));
        if id.as_str() != Some(&diff_id) {
            return Err(damaged(format!(
                "its layer {} has another digest than {id}",
                number + 1
            )));
        }
        made.push(Layer {
            path,
            diff_id,
            what: "",
        });
    }
    let mut directory = Directory::new(into.to_owned())?;
    let image = directory.oci(config, made)?;
    directory.top(&[image])
}

/// Returns the name of an image of an index: its platform.
fn provenance_name(descriptor: &Value) -> String {
    let platform = |field: &str| descriptor["platform"][field].as_str().map(str::to_owned);
    let parts = ["os", "architecture", "variant"].into_iter().filter_map(platform);
    parts.collect::<Vec<_>>().join("/")
}

/// Returns the name of the file of a blob in a layout.
fn blob_name(descriptor: Option<&Value>) -> String {
    let digest = descriptor
        .and_then(|all| all.get("digest"))
        .and_then(Value::as_str);
    format!("blobs/{}", digest.unwrap_or_default().replace(':', "/"))
}

fn json_of(path: &Path) -> Result<Value, Error> {
    let text = std::fs::read(path).map_err(Error::Write)?;
    serde_json::from_slice(&text).map_err(|error| Error::Container {
        what: format!("{}: {error}", path.display()),
    })
}

/// Returns a time in seconds since 1970 as text.
fn rfc3339(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

/// Returns the time of an image in seconds since 1970, from its configuration.
fn created(config: &Value) -> i64 {
    let text = config.get("created").and_then(Value::as_str).unwrap_or_default();
    let time = humantime::parse_rfc3339(text).unwrap_or(SystemTime::UNIX_EPOCH);
    let since = time.duration_since(UNIX_EPOCH).map(|since| since.as_secs());
    since
        .ok()
        .and_then(|seconds| i64::try_from(seconds).ok())
        .unwrap_or_default()
}
