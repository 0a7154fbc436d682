//! Maintainer scripts of packages for this machine's architecture, for those of the target that are programs.
//!
//! They are rare, so indexes are loaded when the first is asked for.

use crate::archives::Archives;
use crate::local_packages::LocalSource;
use crate::settings::ArchiveSettings;
use apt_solve::{IndexInput, Universe};
use deb_arch::Architecture;
use deb_archive::{ArchiveError, Index, Source};
use dpkg_db::Package;
use rootless_install_fs::Target;
use script_host::sysroot::native_script;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use task_progress::{Cancel, Reporter};

/// The packages' source.
pub(crate) struct NativeScripts<'a> {
    /// The cache directory.
    pub(crate) cache: &'a Path,
    /// Archives that packages come from.
    pub(crate) settings: &'a ArchiveSettings,
    /// The target, where it exists already, so that its own sources of apt count.
    pub(crate) existing: Option<&'a Target>,
    /// Architecture of the target.
    pub(crate) arch: &'static Architecture,
    /// The reporter of downloads.
    pub(crate) reporter: &'a Arc<dyn Reporter>,
    /// The token that stops the run.
    pub(crate) cancel: &'a Cancel,
    /// The indexes, when they have been asked for.
    pub(crate) loaded: OnceLock<Result<(Archives, Vec<Index>), String>>,
}

impl NativeScripts<'_> {
    /// Returns the program that is a script of a package's native counterpart.
    ///
    /// # Errors
    /// The reason why there is none, in words.
    pub(crate) fn script(&self, package: &Package, script: &str) -> Result<Vec<u8>, String> {
        let loaded = self.loaded.get_or_init(|| {
            self.load()
                .map_err(|error| format!("native packages are not to be had: {error}"))
        });
        let (archives, indexes) = loaded.as_ref().map_err(String::clone)?;
        let inputs: Vec<IndexInput<'_>> = indexes.iter().map(IndexInput::from).collect();
        let universe = Universe::new(&inputs, Architecture::native().name, &[]);
        let fetcher = &archives.fetcher;
        let found = native_script(&universe, indexes, fetcher, (package, self.arch), script)?;
        Ok(found.program)
    }

    fn load(&self) -> Result<(Archives, Vec<Index>), ArchiveError> {
        let mut archives = Archives::open(self.cache, self.settings, Arc::clone(self.reporter), self.cancel)?;
        if let Some(sources) = Archives::native_sources(self.settings)? {
            let (_, keyring) = archives.sources(self.settings)?;
            let indexes = archives.indexes(&sources, &keyring, &[Architecture::native().name])?;
            return Ok((archives, indexes));
        }
        let mut indexes = match self.existing {
            Some(target) => {
                let (sources, keyring) = archives.sources_for(target, self.settings)?;
                let instead = Archives::instead(self.settings)?;
                let read = archives.tool_indexes(&sources, &keyring, &instead, &**self.reporter)?;
                read.indexes
            }
            None => {
                let (lists, keyring) = archives.sources(self.settings)?;
                let sources: Vec<Source> = lists.into_iter().flat_map(|list| list.sources).collect();
                archives.indexes(&sources, &keyring, &[Architecture::native().name])?
            }
        };
        // They could be read when the packages were chosen.
        indexes.extend(LocalSource::indexes(&self.settings.mirrors).unwrap_or_default());
        Ok((archives, indexes))
    }
}
