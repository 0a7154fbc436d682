//! lint: packages are installed to see what their scripts do.

use super::error::Error;
use super::install::{self, Install, Prepared};
use super::mode;
use crate::lint::process::Proc;
use crate::lint::report::{Package, VERSION};
use crate::lint::{Format, Heard, Lint, Report};
use crate::local_packages::LocalPackage;
use crate::settings::Settings;
use crate::staging::Staging;
use progress::{Cancel, Reporter};
use rootless_install_fs::Target;
use script_host::Observer;
use script_host::view::DPKG_ROOT;
use std::path::PathBuf;
use std::sync::Arc;

/// What is to be looked at, and how it is told.
#[derive(Clone, Debug)]
pub struct LintSettings {
    /// The installation. Its target is not made.
    pub settings: Settings,
    /// Package files of the user's own, which are candidates before all others.
    pub local: Vec<LocalPackage>,
    /// The names of the packages that were asked for.
    pub packages: Vec<String>,
    /// Whether scripts of all packages are reported, and not only of those.
    pub all: bool,
    /// How findings are printed.
    pub format: Format,
}

impl LintSettings {
    /// Whether findings of a package are to be reported.
    pub fn wants(&self, package: &str) -> bool {
        self.all || self.packages.iter().any(|name| name == package)
    }
}

/// Installs the packages into a target that is thrown away, and returns what was found.
///
/// # Errors
/// Those of an installation.
pub fn run(lint: &LintSettings, reporter: Arc<dyn Reporter>, cancel: &Cancel) -> Result<Report, Error> {
    let settings = &lint.settings;
    install::begin();
    let scripts_run = mode::watched()?;
    install::check_native_tools(settings, scripts_run)?;
    let staging = Staging::throw_away(&settings.cache.join("run"))?;
    let prepared = Prepared::load(settings, scripts_run, &lint.local, &reporter, cancel)?;
    let universes = prepared.universes(settings, true, &*reporter);
    let chosen = prepared.choose(settings, &universes, &*reporter)?;
    let target = Target::open(&staging.root())?;
    let observer = Arc::new(Lint::new(crate::lint::Settings {
        root: PathBuf::from(DPKG_ROOT),
        admin: PathBuf::from(format!("{DPKG_ROOT}{}", dpkg_db::ADMIN)),
        target: target.clone(),
        is_covered: Box::new(|tool: &str| tool_table::wrapped(tool.as_bytes()).is_some()),
        processes: Box::new(Proc),
    }));
    let heard: Arc<dyn Reporter> = Arc::new(Heard {
        lint: Arc::clone(&observer),
        reporter,
    });
    let scratch = Staging::scratch(&settings.cache.join("run"))?;
    chosen.install(&Install {
        settings,
        prepared: &prepared,
        universes: &universes,
        staging: &staging,
        target: &target,
        scratch: scratch.directory(),
        observer: Some(Arc::clone(&observer) as Arc<dyn Observer>),
        reporter: &heard,
        cancel,
    })?;
    let (findings, scripts) = observer.findings(|package| lint.wants(package));
    let packages = chosen.versions(&universes.target).into_iter();
    Ok(Report {
        version: VERSION,
        architecture: settings.arch.name.to_owned(),
        suite: settings.archives.suite.clone(),
        packages: packages
            .filter(|(name, _)| lint.wants(name))
            .map(|(name, version)| Package { name, version })
            .collect(),
        scripts,
        findings,
    })
}
