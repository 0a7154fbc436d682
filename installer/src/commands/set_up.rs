//! The stage that comes first where the user has given hooks for it, or options of apt: the target gets its directories
//! and configuration, hooks change them, and what is there then is what the installation goes by.

use super::error::Error;
use crate::archives::Archives;
use crate::bookkeeping::{self, Given};
use crate::external_solver;
use crate::hooks::{
    Moment,
    moments::{Moments, RunHooks as _},
};
use crate::local_packages::{LocalPackage, installed_packages, local_package, packages_of_directory};
use crate::settings::Settings;
use apt_solve::Mmdebstrap;
use deb_archive::target_sources;
use rootless_install_fs::Target;
use std::path::Path;
use task_progress::Cancel;

/// What the stage has found.
pub(super) struct SetUp {
    /// The settings, with what the target's own configuration says.
    pub(super) settings: Settings,
    /// The release of mmdebstrap whose files the target has; none where it has none yet.
    pub(super) prepared_as: Option<Mmdebstrap>,
    /// Whether the sources are those that the target has.
    pub(super) written: bool,
    /// Packages of the user's own.
    pub(super) local: Vec<LocalPackage>,
}

impl SetUp {
    /// Does what the stage is for; nothing, where there is nothing to be done before packages are chosen.
    ///
    /// # Errors
    /// Those of sources, of a hook, and of writing to the target; a file of `--include` that is no package.
    pub(super) fn run(
        settings: &Settings,
        target: &Target,
        archives: &mut Archives,
        moments: Option<&Moments<'_>>,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let mut set_up = Self::without_files(settings)?;
        let hooks = moments.filter(|moments| moments.has(Moment::Setup));
        if hooks.is_none() && settings.apt_options.is_empty() {
            return Ok(set_up);
        }
        // Options of apt say how servers are reached, from the first one on.
        if !settings.apt_options.is_empty() {
            let own = &mut set_up.settings.archives.connections;
            own.add_settings(&settings.apt_options);
            archives.set_connections(&set_up.settings.archives);
        }
        let (lists, _) = archives.sources(&settings.archives)?;
        let release = settings.imitate.unwrap_or(Mmdebstrap::NEWEST);
        if !settings.skip.has("setup") {
            bookkeeping::prepare(
                target,
                &settings.additions.sources(&lists),
                &Given::of(settings),
                false,
                release,
            )?;
            set_up.prepared_as = Some(release);
        }
        if let Some(hooks) = hooks {
            if !settings.skip.has("setup") {
                bookkeeping::make_directory(target, "/tmp")?;
                hooks.write_apt_config()?;
            }
            hooks.run(Moment::Setup, &[], None)?;
        }
        cancel.check()?;
        set_up.read(target)?;
        archives.set_connections(&set_up.settings.archives);
        set_up.written = true;
        Ok(set_up)
    }

    /// Returns what a run would find, where nothing is made and no hook runs.
    ///
    /// # Errors
    /// Those of [`without_files`](Self::without_files), and of reading options of apt.
    pub(super) fn planned(settings: &Settings) -> Result<Self, Error> {
        let mut set_up = Self::without_files(settings)?;
        if !settings.apt_options.is_empty() {
            let failed = |source| Error::Planned { source };
            let root = tempfile::tempdir().map_err(failed)?;
            let directory = root.path().join("etc/apt/apt.conf.d");
            std::fs::create_dir_all(&directory).map_err(failed)?;
            std::fs::write(directory.join("99mmdebstrap"), &settings.apt_options).map_err(failed)?;
            set_up.configure(root.path())?;
        }
        Ok(set_up)
    }

    /// Returns what the settings say by themselves.
    ///
    /// # Errors
    /// A file of `--include` that is no package.
    pub(super) fn without_files(settings: &Settings) -> Result<Self, Error> {
        let system = &settings.system;
        let mut settings = settings.clone();
        let mut local = Vec::new();
        let fits = |name: &str| system.architectures().any(|arch| arch.name == name);
        let mut include = Vec::new();
        for item in std::mem::take(&mut settings.include) {
            if !item.starts_with('/') {
                include.push(item);
                continue;
            }
            let path = Path::new(&item);
            let packages = match path.is_dir() {
                true => packages_of_directory(path, fits)?,
                false => vec![local_package(path)?],
            };
            for package in packages {
                include.push(match package.architecture.as_str() {
                    "all" => format!("{}={}", package.name, package.version),
                    arch => format!("{}:{arch}={}", package.name, package.version),
                });
                local.push(package);
            }
        }
        settings.include = include;
        Ok(Self {
            settings,
            prepared_as: None,
            written: false,
            local,
        })
    }

    /// Takes in what the target's configuration of apt says.
    fn read(&mut self, target: &Target) -> Result<(), Error> {
        let arch = self.settings.system.arch.name;
        for package in &installed_packages(target, arch)? {
            let key = (
                package.name.clone(),
                package.version.clone(),
                package.architecture.clone(),
            );
            self.settings.present.push(key);
            self.local.push(package.clone());
        }
        self.configure(target.root_path())
    }

    /// Takes in the configuration of apt below a root.
    fn configure(&mut self, root: &Path) -> Result<(), Error> {
        let own = target_sources(root)?;
        let settings = &mut self.settings;
        // What a lock says was so when it was made.
        if settings.locked.is_none() {
            settings.install_recommends |= own.install_recommends.unwrap_or(false);
            settings.install_suggests |= own.install_suggests.unwrap_or(false);
            if let (None, Some(name)) = (&settings.solver, &own.solver) {
                settings.solver = Some(external_solver::named(name).map_err(Error::Solver)?);
            }
            if let Some(release) = &own.default_release {
                settings.additions.preferences.prefer_release_by_default(release);
            }
        }
        let mut connections = own.connections;
        connections.extend(&settings.archives.connections);
        settings.archives.connections = connections;
        Ok(())
    }
}
