//! A section that is not `[General]`: a repository, and packages from it.

use super::ini::{REPEATED, Section, Value};
use super::{MultistrapError, Place};

/// Keys of such a section.
pub(super) const KEYS: &[&str] = &[
    "packages",
    "source",
    "suite",
    "components",
    "keyring",
    "architecture",
    "additional",
    "reinstall",
    "omitdebsrc",
    "flatfile",
];

/// A repository.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    pub(super) name: String,
    pub(super) place: Place,
    /// `packages`, with their architectures.
    pub(super) packages: Vec<String>,
    /// `additional` and `reinstall`.
    pub(super) others: Vec<String>,
    pub(super) source: Option<Value>,
    suite: Option<Value>,
    components: Option<Value>,
    pub(super) keyring: Option<Value>,
    /// `architecture`: that of its packages.
    pub(super) architecture: Option<Value>,
    pub(super) no_sources: bool,
    pub(super) flat: bool,
}

/// The line of a repository in apt's sources, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Options that the source has in brackets; empty for none.
    pub(super) options: String,
    /// URL, suite or path, and components.
    pub(super) rest: String,
    /// The suite; none for a flat repository.
    pub(super) suite: Option<String>,
}

impl Repository {
    /// Takes a section's keys; those of an earlier file count before these.
    pub(super) fn add(&mut self, section: &Section) -> Result<(), MultistrapError> {
        let set = |field: &mut Option<Value>, key: &str| {
            let value = section.get(key).filter(|value| !value.text.is_empty());
            if field.is_none() {
                *field = value.cloned();
            }
        };
        set(&mut self.source, "source");
        set(&mut self.suite, "suite");
        set(&mut self.components, "components");
        set(&mut self.keyring, "keyring");
        set(&mut self.architecture, "architecture");
        let truth = |key: &str| section.get(key).map(Value::truth).transpose();
        self.no_sources |= truth("omitdebsrc")?.flatten().unwrap_or(false);
        self.flat |= truth("flatfile")?.flatten().unwrap_or(false);
        for value in section.all(REPEATED) {
            self.packages.extend(value.words().map(str::to_owned));
        }
        for key in ["additional", "reinstall"] {
            let values = section.all(key).flat_map(Value::words);
            self.others.extend(values.map(str::to_owned));
        }
        Ok(())
    }

    pub(super) fn new(section: &Section) -> Self {
        Self {
            name: section.name.clone(),
            place: section.place.clone(),
            packages: Vec::new(),
            others: Vec::new(),
            source: None,
            suite: None,
            components: None,
            keyring: None,
            architecture: None,
            no_sources: false,
            flat: false,
        }
    }

    /// Returns the parts of its line in apt's sources. The source of a flat repository has the path behind its URL, with
    /// a slash in the end.
    pub(super) fn line(&self) -> Result<Line, MultistrapError> {
        let source = self.source.as_ref().ok_or_else(|| {
            let what = format!(
                "[{}] has no `source`; the URL of a repository was expected",
                self.name
            );
            MultistrapError::line(&self.place, what)
        })?;
        let mut text = source.text.as_str();
        let mut options = Vec::new();
        while let Some(rest) = text.strip_prefix('[') {
            let (inner, after) = rest.split_once(']').ok_or_else(|| {
                MultistrapError::line(&source.place, "the options in [ ] have no closing bracket")
            })?;
            options.push(inner.trim());
            text = after.trim_start();
        }
        let options = options.join(" ");
        let mut words = text.split_whitespace();
        let url = words.next().unwrap_or_default();
        let path: Vec<&str> = words.collect();
        let flat = path.last().is_some_and(|path| path.ends_with('/'));
        if flat || self.flat {
            let path = if flat { path.join(" ") } else { "./".to_owned() };
            return Ok(Line {
                options,
                rest: format!("{url} {path}"),
                suite: None,
            });
        }
        if let Some(more) = path.first() {
            let what = format!(
                "`{more}` after the URL: a path of a flat repository ends with a slash, a suite is given as `suite=`"
            );
            return Err(MultistrapError::line(&source.place, what));
        }
        // Old files have components behind the suite.
        let mut suites = self.suite.iter().flat_map(Value::words);
        let suite = suites.next().ok_or_else(|| {
            let what = format!("[{}] has no `suite`; one such as stable was expected", self.name);
            MultistrapError::line(&self.place, what)
        })?;
        let mut components: Vec<&str> = suites.collect();
        match &self.components {
            Some(value) => components.extend(value.words()),
            None if components.contains(&"main") => {}
            None => components.insert(0, "main"),
        }
        Ok(Line {
            options,
            rest: format!("{url} {suite} {}", components.join(" ")),
            suite: Some(suite.to_owned()),
        })
    }
}
