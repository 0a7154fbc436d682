//! What configuration files say together.

use super::MultistrapError;
use super::files::File;
use super::ini::{Section, Value};
use super::repository::{self, Repository};
use deb_types::near::nearest;
use std::path::PathBuf;

/// Keys of `[General]`.
const KEYS: &[&str] = &[
    "arch",
    "directory",
    "cleanup",
    "noauth",
    "unpack",
    "forceunpack",
    "retainsources",
    "aptsources",
    "bootstrap",
    "debootstrap",
    "include",
    "addimportant",
    "allowrecommends",
    "markauto",
    "explicitsuite",
    "aptdefaultrelease",
    "aptpreferences",
    "omitrequired",
    "omitdebsrc",
    "omitpreinst",
    "configscript",
    "setupscript",
    "hookdir",
    "tarballname",
    "multiarch",
    "ignorenativearch",
    "debconfseed",
    "flatfile",
];

/// Values of the command line, which count before those of files.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--arch`.
    pub arch: Option<String>,
    /// `--dir`.
    pub directory: Option<String>,
    /// `--tidy-up`.
    pub tidy_up: bool,
    /// `--no-auth`.
    pub no_auth: bool,
    /// `--source-dir`.
    pub source_dir: Option<String>,
}

/// A configuration. Of a key that several files have, the first one's counts: the file that includes another is the more
/// specific one. What is true or false is true where any file says so, and lists are joined.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    pub(super) files: Vec<PathBuf>,
    pub(super) arch: Option<String>,
    pub(super) directory: Option<String>,
    pub(super) cleanup: bool,
    pub(super) no_auth: bool,
    /// Whether packages are unpacked.
    pub(super) unpack: bool,
    /// `retainsources`: a directory that exists.
    pub(super) sources_dir: Option<PathBuf>,
    pub(super) apt_sources: Vec<Value>,
    pub(super) bootstrap: Vec<Value>,
    pub(super) add_important: bool,
    pub(super) allow_recommends: bool,
    pub(super) mark_auto: bool,
    pub(super) explicit_suite: bool,
    pub(super) default_release: Option<String>,
    pub(super) preferences: Option<Value>,
    pub(super) omit_required: bool,
    pub(super) config_script: Option<Value>,
    pub(super) setup_script: Option<Value>,
    pub(super) hook_dirs: Vec<Value>,
    pub(super) tarball: Option<Value>,
    pub(super) multiarch: Vec<Value>,
    pub(super) ignore_native: bool,
    pub(super) seeds: Vec<Value>,
    pub(super) repositories: Vec<Repository>,
    /// What the user should know, a line each.
    pub(super) notes: Vec<String>,
}

impl Configuration {
    /// Takes in files, in their order, and the command line.
    ///
    /// # Errors
    /// A value has no meaning, or values contradict each other.
    pub fn new(files: &[File], overrides: &Overrides) -> Result<Self, MultistrapError> {
        let mut all = Self {
            files: files.iter().map(|file| file.path.clone()).collect(),
            arch: overrides.arch.clone(),
            directory: overrides.directory.clone(),
            cleanup: overrides.tidy_up,
            no_auth: overrides.no_auth,
            unpack: true,
            ..Self::default()
        };
        if let Some(directory) = &overrides.source_dir {
            all.retain(directory, "--source-dir");
        }
        let mut sections = files.iter().flat_map(|file| &file.sections).collect::<Vec<_>>();
        sections.sort_by_key(|section| section.name != "general");
        let general: Vec<&Section> = sections
            .iter()
            .copied()
            .filter(|section| section.name == "general")
            .collect();
        for section in &general {
            all.general(section)?;
        }
        for section in sections.iter().filter(|section| section.name != "general") {
            all.unknown(section, repository::KEYS);
            let known = all
                .repositories
                .iter()
                .position(|known| known.name == section.name);
            let at = known.unwrap_or_else(|| {
                all.repositories.push(Repository::new(section));
                all.repositories.len() - 1
            });
            all.repositories[at].add(section)?;
            if let Some(value) = section.get("reinstall").filter(|value| !value.text.is_empty()) {
                all.note(value, "reinstall means nothing here: preinst scripts run when packages are unpacked; the packages are installed as any");
            }
        }
        all.flat(&general)?;
        if all.omit_required && all.add_important {
            return Err(
                all.lacking("addimportant and omitrequired are both true; one of them has to be false")
            );
        }
        Ok(all)
    }

    /// Returns what the user should know, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the error of something that is missing.
    pub(super) fn lacking(&self, what: impl Into<String>) -> MultistrapError {
        MultistrapError::Lacking {
            file: self.files.first().cloned().unwrap_or_default(),
            what: what.into(),
        }
    }

    pub(super) fn note(&mut self, value: &Value, what: &str) {
        self.notes.push(format!("{}: {what}", value.place));
    }

    /// Returns the repository of a name that a list has.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn repository(
        &self,
        key: &str,
        value: &Value,
        name: &str,
    ) -> Result<&Repository, MultistrapError> {
        let lower = name.to_lowercase();
        let found = self.repositories.iter().find(|known| known.name == lower);
        found.ok_or_else(|| {
            let near = nearest(
                &lower,
                self.repositories.iter().map(|known| known.name.as_str()),
                2,
            );
            let near = near
                .first()
                .map(|near| format!("; did you mean [{near}]?"))
                .unwrap_or_default();
            MultistrapError::line(
                &value.place,
                format!("`{key}` names {name}, and there is no section [{name}]{near}"),
            )
        })
    }

    /// Returns the repositories of a list, once each.
    pub(super) fn listed(&self, key: &str, list: &[Value]) -> Result<Vec<&Repository>, MultistrapError> {
        let mut found: Vec<&Repository> = Vec::new();
        for value in list {
            for name in value.words() {
                let repository = self.repository(key, value, name)?;
                if !found.iter().any(|known| known.name == repository.name) {
                    found.push(repository);
                }
            }
        }
        // As multistrap has them.
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn general(&mut self, section: &Section) -> Result<(), MultistrapError> {
        self.unknown(section, KEYS);
        let given = |key: &str| section.get(key).filter(|value| !value.text.is_empty());
        let truth = |key: &str| -> Result<bool, MultistrapError> {
            Ok(given(key)
                .map(Value::truth)
                .transpose()?
                .flatten()
                .unwrap_or(false))
        };
        let text = |field: &mut Option<String>, key: &str| {
            if field.is_none() {
                *field = given(key).map(|value| value.text.clone());
            }
        };
        let value = |field: &mut Option<Value>, key: &str| {
            if field.is_none() {
                *field = given(key).cloned();
            }
        };
        text(&mut self.arch, "arch");
        text(&mut self.directory, "directory");
        text(&mut self.default_release, "aptdefaultrelease");
        value(&mut self.preferences, "aptpreferences");
        value(&mut self.config_script, "configscript");
        value(&mut self.setup_script, "setupscript");
        value(&mut self.tarball, "tarballname");
        self.cleanup |= truth("cleanup")?;
        self.no_auth |= truth("noauth")?;
        for key in ["unpack", "forceunpack"] {
            if let Some(unpack) = given(key).map(Value::truth).transpose()?.flatten() {
                self.unpack &= unpack;
            }
        }
        self.add_important |= truth("addimportant")?;
        self.allow_recommends |= truth("allowrecommends")?;
        self.mark_auto |= truth("markauto")?;
        self.explicit_suite |= truth("explicitsuite")?;
        self.omit_required |= truth("omitrequired")?;
        self.ignore_native |= truth("ignorenativearch")?;
        if let Some(directory) =
            given("retainsources").filter(|value| !value.text.eq_ignore_ascii_case("false"))
        {
            self.retain(&directory.text, &format!("{}: retainsources", directory.place));
        }
        for (list, keys) in [
            (&mut self.apt_sources, &["aptsources"][..]),
            (&mut self.bootstrap, &["bootstrap", "debootstrap"]),
            (&mut self.multiarch, &["multiarch"]),
            (&mut self.hook_dirs, &["hookdir"]),
            (&mut self.seeds, &["debconfseed"]),
        ] {
            list.extend(keys.iter().filter_map(|key| given(key)).cloned());
        }
        for (key, means) in [
            (
                "ignorenativearch",
                "packages are configured here, whatever the architecture",
            ),
            ("omitpreinst", "preinst scripts run here, as dpkg runs them"),
        ] {
            if let Some(value) = given(key)
                && value.truth()?.unwrap_or(false)
            {
                self.note(value, &format!("{key} means nothing here: {means}"));
            }
        }
        Ok(())
    }

    /// Takes in `omitdebsrc` and `flatfile` of `[General]`: for all sections, or for those that are named.
    fn flat(&mut self, general: &[&Section]) -> Result<(), MultistrapError> {
        for section in general {
            for key in ["omitdebsrc", "flatfile"] {
                let Some(value) = section.get(key).filter(|value| !value.text.is_empty()) else {
                    continue;
                };
                let names: Vec<String> = match value.truth() {
                    Ok(Some(false) | None) => continue,
                    Ok(Some(true)) => self.repositories.iter().map(|known| known.name.clone()).collect(),
                    Err(_) => value
                        .words()
                        .map(|name| Ok(self.repository(key, value, name)?.name.clone()))
                        .collect::<Result<_, MultistrapError>>()?,
                };
                for repository in self
                    .repositories
                    .iter_mut()
                    .filter(|known| names.contains(&known.name))
                {
                    match key {
                        "flatfile" => repository.flat = true,
                        _ => repository.no_sources = true,
                    }
                }
            }
        }
        Ok(())
    }

    fn retain(&mut self, directory: &str, named: &str) {
        let path = PathBuf::from(directory);
        if !path.is_dir() {
            self.notes.push(format!(
                "{named}: there is no directory {directory}; nothing is kept there"
            ));
        } else if self.sources_dir.is_none() {
            self.sources_dir = Some(path);
        }
    }

    /// Notes keys that mean nothing, which may be for other programs, or misspelt.
    fn unknown(&mut self, section: &Section, known: &[&'static str]) {
        for (key, value) in &section.keys {
            if !known.contains(&key.as_str()) {
                let near = nearest(key, known.iter().copied(), 2);
                let near = near
                    .first()
                    .map(|near| format!("; did you mean `{near}`?"))
                    .unwrap_or_default();
                self.note(
                    value,
                    &format!(
                        "`{key}` means nothing in [{}], and is ignored{near}",
                        section.name
                    ),
                );
            }
        }
    }
}
