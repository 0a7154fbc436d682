//! The form of configuration files: `[section]`, `key=value`, and comments.

use super::{MultistrapError, Place};
use std::path::Path;
use std::sync::Arc;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Value {
    /// Returns the words of the value: lists have blanks between them, and may have commas.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.text
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|word| !word.is_empty())
    }

    /// Returns the value of something that is `true` or `false`; none where it is empty.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn truth(&self) -> Result<Option<bool>, MultistrapError> {
        match self.text.to_ascii_lowercase().as_str() {
            "" => Ok(None),
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(MultistrapError::line(
                &self.place,
                format!("`{}` is neither true nor false", self.text),
            )),
        }
    }
}

/// A section: its name in lower case, where it begins, and its keys in lower case with their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) keys: Vec<(String, Value)>,
}

impl Section {
    /// Returns the value of a key that stands once.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.keys
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// Returns all values of a key.
    pub(super) fn all<'s>(&'s self, key: &'s str) -> impl Iterator<Item = &'s Value> {
        self.keys
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value)
    }
}

/// The key that may stand several times in a section.
pub(super) const REPEATED: &str = "packages";

/// Parses a file. A section that stands twice goes on.
///
/// # Errors
/// [`MultistrapError::Line`] for the first line that has no meaning.
pub(super) fn parse(text: &str, file: &Path) -> Result<Vec<Section>, MultistrapError> {
    let file: Arc<Path> = Arc::from(file);
    let mut sections: Vec<Section> = Vec::new();
    let mut current: Option<usize> = None;
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let place = Place {
            file: Arc::clone(&file),
            line: number + 1,
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest
                .strip_suffix(']')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            let name = name
                .ok_or_else(|| {
                    MultistrapError::line(
                        &place,
                        format!("`{line}`: a section was expected, such as `[General]`"),
                    )
                })?
                .to_lowercase();
            let known = sections.iter().position(|section| section.name == name);
            current = Some(known.unwrap_or_else(|| {
                sections.push(Section {
                    name,
                    place,
                    keys: Vec::new(),
                });
                sections.len() - 1
            }));
            continue;
        }
        let Some((key, text)) = line.split_once('=') else {
            let what = format!(
                "`{line}`: `key=value`, `[section]` or a comment was expected; a value is on one line with its key"
            );
            return Err(MultistrapError::line(&place, what));
        };
        let key = key.trim().to_lowercase();
        if key.is_empty() || key.contains(char::is_whitespace) {
            let what = format!("`{key}` is no name of a key; `key=value` was expected");
            return Err(MultistrapError::line(&place, what));
        }
        if text.contains('\0') {
            return Err(MultistrapError::line(
                &place,
                format!("the value of `{key}` has a null byte"),
            ));
        }
        let Some(section) = current.and_then(|at| sections.get_mut(at)) else {
            let what = format!("`{key}` stands before any section; `[General]` was expected first");
            return Err(MultistrapError::line(&place, what));
        };
        if let Some(before) = section.get(&key)
            && key != REPEATED
        {
            let what = format!(
                "`{key}` stands in [{}] for the second time, after line {}; only `{REPEATED}` may be repeated",
                section.name, before.place.line
            );
            return Err(MultistrapError::line(&place, what));
        }
        let text = text.trim().to_owned();
        section.keys.push((key, Value { text, place }));
    }
    Ok(sections)
}
