//! Configuration files: where they are, and those that they include.

use super::ini::{self, Section, Value};
use super::{MultistrapError, Place};
use std::path::{Path, PathBuf};

/// Directories of files with short names, the first that has one counts.
const DIRECTORIES: [&str; 3] = ["/etc/multistrap.d", "/usr/share/multistrap", "."];

/// The most files of a configuration.
const MOST: usize = 100;

/// Size in bytes beyond which a file is no configuration.
const LARGEST: u64 = 16 << 20;

/// A configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub(super) path: PathBuf,
    pub(super) sections: Vec<Section>,
}

/// Returns the path of a configuration file. A `short` name is that of a file NAME.conf in the places where multistrap has
/// them, and so is another name without a slash of which there is no file.
///
/// # Errors
/// [`MultistrapError::NotFound`].
pub fn find(name: &str, short: bool) -> Result<PathBuf, MultistrapError> {
    let mut looked_for = Vec::new();
    let mut candidates = Vec::new();
    if !short {
        candidates.push(PathBuf::from(name));
    }
    if short || !name.contains('/') {
        let file = match name.ends_with(".conf") {
            true => name.to_owned(),
            false => format!("{name}.conf"),
        };
        candidates.extend(
            DIRECTORIES
                .iter()
                .map(|directory| Path::new(directory).join(&file)),
        );
    }
    for path in candidates {
        if path.is_file() {
            return Ok(path);
        }
        looked_for.push(path.display().to_string());
    }
    Err(MultistrapError::NotFound {
        name: name.to_owned(),
        looked_for,
    })
}

/// Reads a file and all that it includes, the file itself first. What is included is found as it is named, or beside the
/// file that names it.
///
/// # Errors
/// A file cannot be read or understood, or is not there.
pub fn read(path: &Path) -> Result<Vec<File>, MultistrapError> {
    let mut files = vec![read_one(path)?];
    let mut known = vec![std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())];
    let mut next = 0;
    while let Some(file) = files.get(next) {
        next += 1;
        let general = file.sections.iter().filter(|section| section.name == "general");
        let includes: Vec<Value> = general
            .flat_map(|section| section.all("include"))
            .cloned()
            .collect();
        for value in &includes {
            for word in value.words() {
                // multistrap looks beside the first file.
                let path = beside(&value.place, word)
                    .or_else(|| Some(path.parent()?.join(word)))
                    .filter(|path| path.is_file())
                    .ok_or_else(|| {
                        let what = format!(
                            "`include` names {word}, and there is no such file, also not beside this one"
                        );
                        MultistrapError::line(&value.place, what)
                    })?;
                let whole = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
                if known.contains(&whole) {
                    continue;
                }
                if known.len() == MOST {
                    let what = format!("more than {MOST} files are included");
                    return Err(MultistrapError::line(&value.place, what));
                }
                known.push(whole);
                files.push(read_one(&path)?);
            }
        }
    }
    Ok(files)
}

/// Returns the path of a file that a line names: as it is, or else beside the file with the line.
pub(super) fn beside(place: &Place, name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(name);
    if path.exists() {
        return Some(path);
    }
    let path = place.directory().join(name);
    path.exists().then_some(path)
}

fn read_one(path: &Path) -> Result<File, MultistrapError> {
    let failed = |source| MultistrapError::Read {
        path: path.to_owned(),
        source,
    };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    let text = match size {
        ..=LARGEST => std::fs::read(path).map_err(failed)?,
        _ => return Err(failed(std::io::ErrorKind::FileTooLarge.into())),
    };
    let sections = ini::parse(&String::from_utf8_lossy(&text), path)?;
    if sections.is_empty() {
        return Err(MultistrapError::Lacking {
            file: path.to_owned(),
            what: "it has no section; `[General]` was expected".to_owned(),
        });
    }
    Ok(File {
        path: path.to_owned(),
        sections,
    })
}
