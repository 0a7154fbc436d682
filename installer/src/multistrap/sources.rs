//! Sources of apt: those that packages come from, and those that the target has.

use super::MultistrapError;
use super::repository::Repository;
use deb_arch::Architecture;
use deb_archive::{SourceFormat, SourceList, parse_sources_text};
use std::path::{Path, PathBuf};

/// Directory of sources in a target.
const SOURCES: &str = "etc/apt/sources.list.d";

/// Returns the source that packages of a repository come from.
pub(super) fn source_list(repository: &Repository) -> Result<SourceList, MultistrapError> {
    let line = repository.line()?;
    let options = match line.options.as_str() {
        "" => String::new(),
        options => format!("[{options}] "),
    };
    let text = format!("deb {options}{}\n", line.rest);
    let place = repository
        .source
        .as_ref()
        .map_or(&repository.place, |source| &source.place);
    parse_sources_text(
        &text,
        SourceFormat::OneLine,
        None,
        &format!("[{}]", repository.name),
    )
    .map_err(|source| MultistrapError::Source {
        place: place.clone(),
        source,
    })
}

/// Returns the file of sources that the target has for a repository: its path and text.
pub(super) fn target_sources(
    repository: &Repository,
    arch: &Architecture,
    foreign: &[&Architecture],
) -> Result<(PathBuf, String), MultistrapError> {
    let line = repository.line()?;
    let names: Vec<&str> = std::iter::once(arch.name)
        .chain(foreign.iter().map(|arch| arch.name))
        .collect();
    let mut options = line.options.clone();
    if !options
        .split_whitespace()
        .any(|option| option.starts_with("arch"))
    {
        options = format!("{options} arch={}", names.join(","))
            .trim_start()
            .to_owned();
    }
    let mut text = format!("deb [{options}] {}\n", line.rest);
    if !repository.no_sources {
        let options = match line.options.as_str() {
            "" => String::new(),
            options => format!("[{options}] "),
        };
        text.push_str(&format!("deb-src {options}{}\n", line.rest));
    }
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || "-_".contains(letter) {
            letter
        } else {
            '_'
        }
    };
    let name: String = repository.name.chars().map(plain).collect();
    Ok((Path::new(SOURCES).join(format!("multistrap-{name}.list")), text))
}

/// Returns the files of this machine's sources.
pub(super) fn machine_files() -> Vec<String> {
    let directory = std::fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten();
    let mut files: Vec<PathBuf> = directory.map(|entry| entry.path()).collect();
    files.sort();
    files.insert(0, PathBuf::from("/etc/apt/sources.list"));
    let is_source = |path: &PathBuf| {
        let named = path
            .extension()
            .is_some_and(|end| end == "list" || end == "sources");
        named && std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0)
    };
    let files = files.into_iter().filter(is_source);
    files.map(|path| path.display().to_string()).collect()
}
