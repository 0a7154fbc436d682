//! Paths in recipes: those of files that are read are relative to the file that names them.

use super::error::Place;
use super::options::OptionEntry;
use std::path::Path;

/// Options that name results: they are relative to the working directory, and can have placeholders.
pub(super) const RESULTS: [&str; 8] = [
    "provenance",
    "target",
    "lock",
    "log",
    "stats",
    "missing",
    "sbom",
    "locked",
];

/// Further options that can have placeholders.
pub(super) const NAMES: [&str; 2] = ["oci-name", "hostname"];

/// Returns a value of an option with its path made absolute, if it is the path of a file that is read.
pub(super) fn rebased(option: &OptionEntry, value: &str, place: &Place) -> String {
    let directory = place.directory();
    let join = |path: &str| {
        let path = directory.join(path);
        path.to_str().map_or_else(|| value.to_owned(), str::to_owned)
    };
    match option.name.as_str() {
        name if RESULTS.contains(&name) && name != "locked" => value.to_owned(),
        "copy" => match value.rsplit_once(':') {
            Some((source, path)) => format!("{}:{path}", join(source)),
            None => value.to_owned(),
        },
        "ssh-key" => rebased_key(value, &join),
        _ if option.is_path => join(value),
        _ if value.starts_with("./") || value.starts_with("../") => join(value),
        _ => value.to_owned(),
    }
}

fn rebased_key(value: &str, join: &dyn Fn(&str) -> String) -> String {
    let is_key = |text: &str| text.contains(' ');
    match value.split_once('=') {
        _ if is_key(value) && !value.split(' ').next().is_some_and(|first| first.contains('=')) => {
            value.to_owned()
        }
        Some((_, key)) if is_key(key) => value.to_owned(),
        Some((user, file)) if !user.contains('/') && !Path::new(value).is_absolute() => {
            format!("{user}={}", join(file))
        }
        _ => join(value),
    }
}
