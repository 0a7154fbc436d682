//! The command lint: packages are installed to observe what their scripts do.

use super::carry_out::CarryOut;
use super::error::Error;
use super::install::{begin, check_native_tools};
use super::mode;
use super::prepare::Prepared;
use crate::archives::Archives;
use crate::lint::process::Proc;
use crate::lint::report::{Package, VERSION};
use crate::lint::{Format, Lint, LintContext, LintReporter, Report};
use crate::local_packages::LocalPackage;
use crate::settings::Settings;
use crate::staging::{self, Staging};
use rootless_install_fs::Target;
use script_host::Observer;
use script_host::view::DPKG_ROOT;
use std::path::PathBuf;
use std::sync::Arc;
use task_progress::{Cancel, Reporter};

/// Settings of lint.
#[derive(Clone, Debug)]
pub struct LintSettings {
    /// Settings of the installation. Its result is thrown away.
    pub settings: Settings,
    /// Package files of the user's own, which are preferred to packages of archives.
    pub local: Vec<LocalPackage>,
    /// Names of the packages that were asked for.
    pub packages: Vec<String>,
    /// Whether scripts of all packages are reported, and not only of those.
    pub all: bool,
    /// Form of the report.
    pub format: Format,
}

impl LintSettings {
    /// Whether findings of a package are reported.
    pub fn wants(&self, package: &str) -> bool {
        self.all || self.packages.iter().any(|name| name == package)
    }
}

/// Installs the packages into a target that is thrown away, and returns the report.
///
/// # Errors
/// Those of an installation.
pub fn run(lint: &LintSettings, reporter: Arc<dyn Reporter>, cancel: &Cancel) -> Result<Report, Error> {
    let settings = &lint.settings;
    begin();
    let scripts_run = mode::watched()?;
    staging::check_cache(&settings.cache, true)?;
    check_native_tools(settings, scripts_run)?;
    let staging = Staging::throw_away(&settings.cache.join("run"))?;
    let archives = Archives::open(&settings.cache, &settings.archives, Arc::clone(&reporter), cancel)?;
    let local = &lint.local;
    let prepared = Prepared::load(settings, scripts_run, local, None, archives, &*reporter, cancel)?;
    let (universes, chosen) = prepared.choose(settings, true, &*reporter)?;
    let target = Target::open(&staging.root())?;
    let observer = Arc::new(Lint::new(LintContext {
        root: PathBuf::from(DPKG_ROOT),
        admin: PathBuf::from(format!("{DPKG_ROOT}{}", dpkg_db::ADMIN)),
        target: target.clone(),
        is_covered: Box::new(|tool: &str| tool_table::wrapped(tool.as_bytes()).is_some()),
        processes: Box::new(Proc),
    }));
    let reporter: Arc<dyn Reporter> = Arc::new(LintReporter {
        lint: Arc::clone(&observer),
        reporter,
    });
    let scratch = Staging::scratch(&settings.cache.join("run"))?;
    CarryOut {
        settings,
        prepared: &prepared,
        universes: &universes,
        chosen: &chosen,
        staging: &staging,
        target: &target,
        prepared_as: None,
        moments: None,
        scratch: scratch.directory(),
        observer: Some(Arc::clone(&observer) as Arc<dyn Observer>),
        reporter: &reporter,
        cancel,
    }
    .run()?;
    let (findings, scripts) = observer.findings(|package| lint.wants(package));
    let packages = chosen.versions(&universes.target).into_iter();
    Ok(Report {
        version: VERSION,
        architecture: settings.system.arch.name.to_owned(),
        suite: settings.archives.suite.clone(),
        packages: packages
            .filter(|(name, _)| lint.wants(name))
            .map(|(name, version)| Package { name, version })
            .collect(),
        scripts,
        findings,
    })
}
