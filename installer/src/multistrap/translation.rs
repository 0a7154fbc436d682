//! What a configuration means for an installation.

use super::files::beside;
use super::hooks::Hooks;
use super::keyrings::Keyrings;
use super::repository::Repository;
use super::sources::{machine_files, source_list, target_sources};
use super::{Configuration, MultistrapError};
use crate::hooks::Hook;
use crate::output::{Compression, Format};
use crate::preferences::Preferences;
use crate::preseed::Selections;
use crate::settings::{AddedFile, Additions, Settings, Skip};
use crate::target_spec::TargetSpec;
use apt_solve::Variant;
use deb_arch::Architecture;
use deb_archive::{FetchOptions, SignedBy, SourceList};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Directories of preferences and of keys in a target.
const PREFERENCES: &str = "/etc/apt/preferences.d";
const KEYS: &str = "/etc/apt/trusted.gpg.d";

/// Priorities of packages as numbers ([`apt_solve::Request::lowest_priority`]).
const REQUIRED: u8 = 1;
const IMPORTANT: u8 = 2;

/// A configuration as settings of an installation.
#[derive(Debug)]
pub struct Translation {
    /// Architecture of the target.
    pub arch: &'static Architecture,
    /// Its foreign architectures.
    pub foreign: Vec<&'static Architecture>,
    /// Directory of the target.
    pub directory: PathBuf,
    /// What the user should know, a line each.
    pub notes: Vec<String>,
    pub(super) target: TargetSpec,
    pub(super) lists: Option<Vec<SourceList>>,
    pub(super) include: Vec<String>,
    pub(super) recommends: bool,
    pub(super) hooks: Vec<Hook>,
    pub(super) selections: Vec<Selections>,
    pub(super) additions: Additions,
    pub(super) skip: Vec<String>,
    /// Keys that were fetched; they are removed with this.
    keys: Option<TempDir>,
}

impl Translation {
    /// Translates a configuration. Keyring packages that are not installed here are fetched with `options`.
    ///
    /// # Errors
    /// [`MultistrapError`].
    pub fn new(configuration: &Configuration, options: FetchOptions) -> Result<Self, MultistrapError> {
        let bootstrap = configuration.listed("bootstrap", &configuration.bootstrap)?;
        let apt_sources = configuration.listed("aptsources", &configuration.apt_sources)?;
        if bootstrap.is_empty() && !configuration.repositories.is_empty() {
            return Err(configuration.lacking(
                "[General] has no `bootstrap`; the names of the sections to install from were expected",
            ));
        }
        let arch = architecture(configuration)?;
        let mut notes = configuration.notes.clone();
        let foreign = foreign(configuration, &bootstrap, arch, &mut notes)?;
        let directory = configuration
            .directory
            .as_deref()
            .filter(|directory| !directory.is_empty());
        let directory = directory.ok_or_else(|| {
            configuration
                .lacking("[General] has no `directory`, and there is no --dir; the target was expected")
        })?;
        let directory = std::path::absolute(directory).unwrap_or_else(|_| PathBuf::from(directory));
        let mut keyrings = Keyrings::new(options);
        let mut include = Vec::new();
        let mut add = |name: String| {
            if !include.contains(&name) {
                include.push(name);
            }
        };
        let mut additions = Additions {
            lowest_priority: match (configuration.omit_required, configuration.add_important) {
                (true, _) => None,
                (false, true) => Some(IMPORTANT),
                (false, false) => Some(REQUIRED),
            },
            download_only: !configuration.unpack,
            keeps_packages: !configuration.cleanup || !configuration.unpack,
            source_packages: configuration.sources_dir.clone(),
            copies: configuration
                .sources_dir
                .clone()
                .filter(|_| configuration.cleanup && configuration.unpack),
            marks_dependencies: configuration.mark_auto,
            ..Additions::default()
        };
        let mut lists = Vec::new();
        for repository in &bootstrap {
            let line = repository.line()?;
            let suite = line.suite.as_deref().filter(|_| configuration.explicit_suite);
            for package in &repository.packages {
                add(in_full(
                    package,
                    repository.architecture.as_ref().map(|value| value.text.as_str()),
                    suite,
                ));
            }
            let mut list = source_list(repository)?;
            let keys = repository.keyring.as_ref().filter(|_| !configuration.no_auth);
            let keys = keys.map(|value| keyrings.get(value)).transpose()?;
            for source in &mut list.sources {
                source.trusted |= configuration.no_auth;
                if let Some(keys) = keys.as_ref().filter(|_| source.signed_by.is_none()) {
                    source.signed_by = Some(SignedBy::Files {
                        files: keys.files.clone(),
                        fingerprints: Vec::new(),
                    });
                }
            }
            for file in keys.iter().flat_map(|keys| &keys.files) {
                add_key(&mut additions.files, file);
            }
            lists.push(list);
        }
        for repository in &configuration.repositories {
            repository.others.iter().cloned().for_each(&mut add);
        }
        for repository in bootstrap.iter().chain(&apt_sources) {
            let names = repository.keyring.iter().flat_map(|value| value.words());
            names
                .filter(|name| !name.contains('/'))
                .map(str::to_owned)
                .for_each(&mut add);
        }
        preferences(configuration, &mut additions, &mut notes)?;
        let mut hooks = Hooks::of(configuration, arch.name);
        notes.append(&mut hooks.notes);
        if let Some(path) = &hooks.config_script {
            add_file(&mut additions.files, Path::new("/"), path);
        }
        if !configuration.unpack && !hooks.hooks.is_empty() {
            notes.push("unpack=false: packages are fetched only, and no script runs".to_owned());
            hooks.hooks.clear();
        }
        if !configuration.repositories.is_empty() {
            let files = apt_sources
                .iter()
                .map(|repository| target_sources(repository, arch, &foreign));
            additions.sources = Some(files.collect::<Result<_, _>>()?);
        }
        let skip = match configuration.cleanup {
            true => Vec::new(),
            false => ["cleanup/apt/lists", "cleanup/apt/cache"]
                .map(str::to_owned)
                .to_vec(),
        };
        Ok(Self {
            arch,
            foreign,
            target: target(configuration, &directory),
            directory,
            lists: (!lists.is_empty()).then_some(lists),
            include,
            recommends: configuration.allow_recommends,
            hooks: hooks.hooks,
            selections: selections(configuration, &mut notes)?,
            additions,
            skip,
            keys: keyrings.into_directory(),
            notes,
        })
    }

    /// Takes what the configuration says into settings. Returns what has to live as long as they are used.
    pub fn apply(self, settings: &mut Settings) -> Option<TempDir> {
        settings.target = self.target;
        settings.variant = Variant::Custom;
        settings.include = self.include;
        settings.install_recommends = self.recommends;
        let given = std::mem::replace(&mut settings.additions, self.additions);
        settings.additions.ignores_missing = given.ignores_missing;
        settings.additions.missing = given.missing;
        if self.lists.is_none() {
            settings.archives.mirrors = machine_files();
        }
        settings.archives.suite = String::new();
        settings.archives.lists = self.lists;
        settings.system.selections.extend(self.selections);
        settings.hooks.extend(self.hooks);
        settings.skip = Skip(self.skip);
        settings.hook_context.include.clone_from(&settings.include);
        settings.hook_context.suite = None;
        if settings.target.format().is_some() {
            settings.hook_context.format = "tar".to_owned();
        }
        self.keys
    }
}

/// Returns the target: a directory, or an archive beside it.
fn target(configuration: &Configuration, directory: &Path) -> TargetSpec {
    let Some(name) = &configuration.tarball else {
        return TargetSpec::Directory(directory.to_owned());
    };
    let path = directory.parent().unwrap_or(directory).join(&name.text);
    let format = match Format::of_name(name.text.as_bytes()) {
        Some(format @ Format::Tar(_)) => format,
        // Whatever its name is, as with multistrap.
        _ => Format::Tar(Compression::Gzip),
    };
    TargetSpec::File { path, format }
}

fn architecture(configuration: &Configuration) -> Result<&'static Architecture, MultistrapError> {
    match configuration.arch.as_deref().filter(|name| !name.is_empty()) {
        None => Ok(Architecture::native()),
        Some(name) => Architecture::by_name(name).ok_or_else(|| {
            configuration.lacking(format!("`arch` is `{name}`, which is no architecture known here"))
        }),
    }
}

/// Returns the foreign architectures of `multiarch`, and of packages that are of none of these.
fn foreign(
    configuration: &Configuration,
    repositories: &[&Repository],
    arch: &'static Architecture,
    notes: &mut Vec<String>,
) -> Result<Vec<&'static Architecture>, MultistrapError> {
    let mut foreign: Vec<&'static Architecture> = Vec::new();
    let own = repositories
        .iter()
        .filter_map(|repository| repository.architecture.as_ref());
    let listed = configuration.multiarch.iter().map(|value| (value, true));
    for (value, listed) in listed.chain(own.map(|value| (value, false))) {
        for name in value.words() {
            let Some(found) = Architecture::by_name(name) else {
                let what = format!("`{name}` is no architecture known here");
                if !listed {
                    return Err(MultistrapError::line(&value.place, what));
                }
                // Old files have architectures that are gone.
                notes.push(format!("{}: {what}; it is left out", value.place));
                continue;
            };
            if found == arch || foreign.contains(&found) {
                continue;
            }
            if !listed {
                notes.push(format!(
                    "{}: {name} is not in `multiarch`; it is taken as if it were",
                    value.place
                ));
            }
            foreign.push(found);
        }
    }
    Ok(foreign)
}

/// Returns the name of a package with its architecture and suite, where it has none of its own.
fn in_full(package: &str, architecture: Option<&str>, suite: Option<&str>) -> String {
    let mut name = package.to_owned();
    if package.contains(['/', '=']) {
        return name;
    }
    if let Some(architecture) = architecture.filter(|_| !package.contains(':')) {
        name = format!("{name}:{architecture}");
    }
    match suite {
        Some(suite) => format!("{name}/{suite}"),
        None => name,
    }
}

fn preferences(
    configuration: &Configuration,
    additions: &mut Additions,
    notes: &mut Vec<String>,
) -> Result<(), MultistrapError> {
    let mut preferences = Preferences::default();
    let file = configuration.preferences.as_ref().and_then(|value| {
        let found = beside(&value.place, &value.text).filter(|path| path.is_file());
        if found.is_none() {
            notes.push(format!(
                "{}: aptpreferences: there is no file {}; there are none",
                value.place, value.text
            ));
        }
        found
    });
    match (&configuration.default_release, &file) {
        (Some(release), _) => preferences.prefer_release(release),
        (None, Some(_)) => {}
        (None, None) => preferences.prefer_release("*"),
    }
    if let Some(path) = &file {
        preferences.read(path)?;
        add_file(&mut additions.files, Path::new(PREFERENCES), path);
    }
    additions.preferences = preferences;
    Ok(())
}

fn selections(
    configuration: &Configuration,
    notes: &mut Vec<String>,
) -> Result<Vec<Selections>, MultistrapError> {
    let mut found = Vec::new();
    for value in &configuration.seeds {
        for name in value.words() {
            match beside(&value.place, name).filter(|path| path.is_file()) {
                Some(path) => found.push(Selections::read(&path)?),
                None => notes.push(format!(
                    "{}: debconfseed: there is no file {name}; it is left out",
                    value.place
                )),
            }
        }
    }
    Ok(found)
}

/// Adds a copy of a file to those of the target, by its own name. One that cannot be read is none.
fn add_file(files: &mut Vec<AddedFile>, directory: &Path, path: &Path) {
    if let (Some(name), Ok(data), Ok(here)) = (path.file_name(), std::fs::read(path), std::fs::metadata(path))
    {
        let place = directory.join(name);
        if !files.iter().any(|known| known.path == place) {
            let is_program = here.permissions().mode() & 0o100 != 0;
            files.push(AddedFile {
                path: place,
                data,
                mode: if is_program { 0o755 } else { 0o644 },
            });
        }
    }
}

/// Adds a file of keys to those of the target, if its apt would read it there.
fn add_key(files: &mut Vec<AddedFile>, path: &Path) {
    if path.extension().is_some_and(|end| end == "gpg" || end == "asc") {
        add_file(files, Path::new(KEYS), path);
    }
}
