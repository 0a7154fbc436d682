//! Keys of the keyring packages that repositories name: those that are installed on this machine, or else those of the
//! package in this machine's archives, which is where multistrap takes them from.

use super::MultistrapError;
use super::files::beside;
use super::ini::Value;
use apt_solve::{IndexInput, Universe};
use deb_arch::Architecture;
use deb_archive::{
    ArchiveError, FetchOptions, Fetcher, Keyring, NoProgress, load_indexes, machine_sources, sources_of,
};
use deb_unpack::{DebError, DebFile, EntryKind};
use script_host::sysroot::package_file;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Directory of keys in packages.
const DIRECTORY: &str = "/usr/share/keyrings/";

/// The largest file of keys, in bytes.
const LARGEST: u64 = 16 << 20;

/// Keys of packages, each got once.
pub(super) struct Keyrings {
    options: FetchOptions,
    known: BTreeMap<String, Vec<PathBuf>>,
    /// Keys of packages that are not installed.
    directory: Option<TempDir>,
}

/// What a `keyring` names.
pub(super) struct Keys {
    /// Files of keys, absolute.
    pub(super) files: Vec<PathBuf>,
    /// The packages, which are installed in the target as well.
    pub(super) packages: Vec<String>,
}

impl Keyrings {
    /// Has packages be fetched with these options.
    pub(super) fn new(options: FetchOptions) -> Self {
        Self {
            options,
            known: BTreeMap::new(),
            directory: None,
        }
    }

    /// Returns the keys that a repository names: packages, or files by their paths.
    ///
    /// # Errors
    /// There is no such package or file.
    pub(super) fn get(&mut self, value: &Value) -> Result<Keys, MultistrapError> {
        let mut keys = Keys {
            files: Vec::new(),
            packages: Vec::new(),
        };
        for name in value.words() {
            if name.contains('/') {
                let path = beside(&value.place, name).and_then(|path| std::fs::canonicalize(path).ok());
                let path = path.ok_or_else(|| {
                    MultistrapError::line(&value.place, format!("`keyring`: there is no file {name}"))
                })?;
                keys.files.push(path);
                continue;
            }
            keys.files.extend(self.of_package(value, name)?);
            keys.packages.push(name.to_owned());
        }
        Ok(keys)
    }

    /// Returns the directory with keys that were fetched, which has to live as long as they are used.
    pub(super) fn into_directory(self) -> Option<TempDir> {
        self.directory
    }

    fn of_package(&mut self, value: &Value, name: &str) -> Result<Vec<PathBuf>, MultistrapError> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let mut files = installed(name);
        if files.is_empty() {
            files = self.fetched(name).map_err(|reason| MultistrapError::Keyring {
                place: value.place.clone(),
                package: name.to_owned(),
                reason,
            })?;
        }
        self.known.insert(name.to_owned(), files.clone());
        Ok(files)
    }

    /// Fetches a package from this machine's archives, and takes the keys out of it.
    fn fetched(&mut self, name: &str) -> Result<Vec<PathBuf>, String> {
        let deb = self
            .fetch(name)
            .map_err(|error| format!("fetching it failed: {error}"))?;
        let deb = deb.ok_or("this machine's archives do not have it")?;
        if self.directory.is_none() {
            let made = tempfile::Builder::new()
                .prefix("rootless-install-keys-")
                .tempdir();
            self.directory = Some(made.map_err(|error| format!("its keys cannot be written: {error}"))?);
        }
        let directory = self
            .directory
            .as_ref()
            .map_or(Path::new(""), TempDir::path)
            .join(name);
        let files = take_out(&deb, &directory).map_err(|error| format!("it cannot be unpacked: {error}"))?;
        match files.is_empty() {
            true => Err("it has no keys in /usr/share/keyrings".to_owned()),
            false => Ok(files),
        }
    }

    fn fetch(&self, name: &str) -> Result<Option<PathBuf>, ArchiveError> {
        let machine = machine_sources()?;
        let mut options = self.options.clone();
        options.connections = machine.connections.clone();
        let fetcher = Fetcher::new(options, Arc::new(NoProgress))?;
        let native = Architecture::native().name;
        let keyring = Keyring::of_machine(&machine)?;
        let indexes = load_indexes(&fetcher, &sources_of(Path::new("/"))?, &keyring, &[native])?;
        let inputs: Vec<IndexInput<'_>> = indexes.iter().map(IndexInput::from).collect();
        let universe = Universe::new(&inputs, native, &[]);
        let Some(id) = universe.candidate(name, native) else {
            return Ok(None);
        };
        let file = package_file(&universe, &indexes, id)?;
        Ok(fetcher.fetch(&[file])?.pop())
    }
}

/// Whether a file of keys is one of keys that are in use.
fn is_in_use(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let of_keys = [".gpg", ".pgp", ".asc"].iter().any(|end| name.ends_with(end));
    of_keys && !name.contains("removed")
}

/// Returns the files of keys of an installed package.
fn installed(name: &str) -> Vec<PathBuf> {
    if name.contains(['/', '\0']) {
        return Vec::new();
    }
    let list = std::fs::read_to_string(format!("/var/lib/dpkg/info/{name}.list")).unwrap_or_default();
    let keys = list
        .lines()
        .filter(|path| path.starts_with(DIRECTORY))
        .map(PathBuf::from);
    keys.filter(|path| is_in_use(path) && path.is_file()).collect()
}

/// Writes the files of keys of a package to a directory.
fn take_out(deb: &Path, directory: &Path) -> Result<Vec<PathBuf>, DebError> {
    let mut files = Vec::new();
    let opened = DebFile::open(deb)?;
    opened.walk_data(1 << 30, 1, |entry, content| {
        let here = entry.path.starts_with(DIRECTORY.trim_end_matches('/')) && is_in_use(&entry.path);
        if !here || entry.kind != EntryKind::File || entry.size > LARGEST {
            return Ok(());
        }
        let (Some(name), mut bytes) = (entry.path.file_name(), Vec::new()) else {
            return Ok(());
        };
        let path = directory.join(name);
        let written = content
            .read_to_end(&mut bytes)
            .and_then(|_| std::fs::create_dir_all(directory))
            .and_then(|()| std::fs::write(&path, &bytes));
        written.map_err(|source| DebError::Open {
            path: path.clone(),
            source,
        })?;
        files.push(path);
        Ok(())
    })?;
    Ok(files)
}
