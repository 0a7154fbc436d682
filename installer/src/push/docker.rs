//! What `docker save` writes, as an OCI image layout.

use super::PushError;
use crate::output::{docker_as_oci, with_tag};
use serde_json::Value;
use std::path::{Component, Path, PathBuf};

/// Makes a layout `into` of the files of an archive in the directory `from`; `shown` is the archive, and `name` the name of the
/// image that is meant, where there are several. `scratch` takes files meanwhile.
///
/// # Errors
/// [`PushError::Source`].
pub fn layout_of_docker(
    from: &Path,
    shown: &Path,
    name: Option<&str>,
    scratch: &Path,
    into: &Path,
) -> Result<(), PushError> {
    let wrong = |what: String| PushError::Source {
        path: shown.to_owned(),
        what,
    };
    let text = |name: &str| {
        let failed = |error: std::io::Error| wrong(format!("its {name} cannot be read: {error}"));
        std::fs::read_to_string(
            from.join(inside(name).ok_or_else(|| wrong(format!("{name:?} leads out of it")))?),
        )
        .map_err(failed)
    };
    let all: Value = serde_json::from_str(&text("manifest.json")?)
        .map_err(|error| wrong(format!("its manifest.json is no JSON: {error}")))?;
    let all = all.as_array().cloned().unwrap_or_default();
    let name = name.map(with_tag);
    let tags = |image: &Value| strings(image, "RepoTags");
    let mut found = all
        .iter()
        .filter(|image| name.as_ref().is_none_or(|name| tags(image).contains(name)));
    let (Some(image), None) = (found.next(), found.next()) else {
        let tags: Vec<String> = all.iter().flat_map(tags).collect();
        return Err(wrong(format!(
            "it has no image of that name, or several: say which by docker-archive:FILE:NAME:TAG; there are: {}",
            tags.join(", ")
        )));
    };
    let config = text(image.get("Config").and_then(Value::as_str).unwrap_or_default())?;
    let layers = strings(image, "Layers");
    let layers: Option<Vec<PathBuf>> = layers
        .iter()
        .map(|layer| Some(from.join(inside(layer)?)))
        .collect();
    let layers = layers.ok_or_else(|| wrong("a layer's name leads out of it".to_owned()))?;
    docker_as_oci(&config, &layers, scratch, into).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        wrong(format!("{error}{}", cause.unwrap_or_default()))
    })
}

/// Returns a name as a path below a directory; none where it leads out.
fn inside(name: &str) -> Option<&Path> {
    let path = Path::new(name);
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    (!name.is_empty() && path.components().all(plain)).then_some(path)
}

fn strings(value: &Value, name: &str) -> Vec<String> {
    let all = value.get(name).and_then(Value::as_array);
    let all = all.into_iter().flatten().filter_map(Value::as_str);
    all.map(str::to_owned).collect()
}
