//! Settings: one value, made once from the command line and the environment, checked once, and handed down
//! whole to where each part acts.

use crate::customization::Customization;
use crate::hooks::{Hook, HookContext};
use crate::merge_usr::MergedUsr;
use crate::output::ImageOptions;
use crate::package_lock::PackageLock;
use crate::preferences::Preferences;
use crate::preseed::Selections;
use crate::sbom::SbomFormat;
pub use crate::skip::Skip;
use crate::target_spec::TargetSpec;
use apt_solve::{Mmdebstrap, Solver, Universe, Variant};
use deb_arch::Architecture;
use deb_archive::{Connections, Snapshot, SourceList, target_files, without_passwords};
use script_host::ScriptSettings;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use task_progress::{Verbosity, escape, escape_path};

/// Settings of the command that makes a root filesystem.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Form and path of the result.
    pub target: TargetSpec,
    /// Options of the result, where it is an image.
    pub image: ImageOptions,
    /// Further results of the same installation: archives and images.
    pub other_outputs: Vec<OtherOutput>,
    /// Settings of the system in it.
    pub system: SystemSettings,
    /// The set of packages.
    pub variant: Variant,
    /// Release of mmdebstrap whose result this one equals; none for that of the suite.
    pub imitate: Option<Mmdebstrap>,
    /// Packages beside the set: `NAME[:ARCH][=VERSION|/SUITE]`, in the order given.
    pub include: Vec<String>,
    /// Packages that the target has already: names, versions and architectures.
    pub present: Vec<(String, String, String)>,
    /// Resolver that decides; none for that of the suite's apt-get.
    pub solver: Option<Solver>,
    /// Whether recommended packages are installed as well.
    pub install_recommends: bool,
    /// Whether suggested packages are installed as well.
    pub install_suggests: bool,
    /// What is asked for besides.
    pub additions: Additions,
    /// What the system is to be beside its packages.
    pub customization: Customization,
    /// Archives that packages come from.
    pub archives: ArchiveSettings,
    /// The cache directory, absolute; it may not exist yet.
    pub cache: PathBuf,
    /// Parent of the work directory when the target is standard output.
    pub temporary: PathBuf,
    /// The way in which scripts are run.
    pub mode: Mode,
    /// Source of native tools.
    pub native_tools: NativeTools,
    /// Programs that run at moments of the installation, in their order.
    pub hooks: Vec<Hook>,
    /// What hooks are told of this call.
    pub hook_context: HookContext,
    /// Time limit of one hook; none means no limit.
    pub hook_timeout: Option<Duration>,
    /// Text of the target's file of apt's configuration for the options given; empty for none.
    pub apt_options: String,
    /// Text of the target's file of dpkg's configuration for the options given; empty for none.
    pub dpkg_options: String,
    /// Steps that are left out.
    pub skip: Skip,
    /// File of the log; none for a new one in the cache.
    pub log: Option<PathBuf>,
    /// Whether the work directory of a failed run is kept.
    pub keep_failed: bool,
    /// Whether the plan is only printed.
    pub dry_run: bool,
    /// Whether it is printed as a lock.
    pub plan_as_lock: bool,
    /// Bills of materials that are written.
    pub sboms: Vec<SbomFile>,
    /// File of the provenance that is written; none for no provenance.
    pub provenance: Option<PathBuf>,
    /// File of the statistics that are written; none for no statistics.
    pub statistics: Option<PathBuf>,
    /// File of the lock that is written; none for no lock.
    pub lock: Option<PathBuf>,
    /// The lock whose packages are installed.
    pub locked: Option<Arc<PackageLock>>,
    /// Amount of messages on standard error.
    pub verbosity: Verbosity,
}

/// A further result of an installation.
#[derive(Clone, Debug)]
pub struct OtherOutput {
    /// Form and path.
    pub target: TargetSpec,
    /// Options of its format.
    pub image: ImageOptions,
}

/// What can be asked for of an installation beside its set of packages.
#[derive(Clone, Debug, Default)]
pub struct Additions {
    /// Lowest priority of packages that are installed whatever the variant ([`apt_solve::Request::lowest_priority`]).
    pub lowest_priority: Option<u8>,
    /// Priorities of archives and versions.
    pub preferences: Preferences,
    /// Files that the target has before its first package.
    pub files: Vec<AddedFile>,
    /// Files of sources that the target has, by their paths in it; none for those that packages come from.
    pub sources: Option<Vec<(PathBuf, String)>>,
    /// Whether packages are fetched and not unpacked.
    pub download_only: bool,
    /// Whether the target keeps the package files, where its apt looks for them.
    pub keeps_packages: bool,
    /// A directory of this machine that gets the package files; none for no copies.
    pub copies: Option<PathBuf>,
    /// A directory of this machine that gets the source packages of what is installed; none for no sources.
    pub source_packages: Option<PathBuf>,
    /// Whether packages that cannot be installed are left out.
    pub ignores_missing: bool,
    /// A file for the list of these, as JSON; none for no file.
    pub missing: Option<PathBuf>,
    /// Whether apt is told which packages are there for others only, those of the first phase included.
    pub marks_dependencies: bool,
}

/// A file of the user's that the target has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedFile {
    /// Absolute path in the target.
    pub path: PathBuf,
    /// Its content.
    pub data: Vec<u8>,
    /// Its permissions.
    pub mode: u32,
}

impl Additions {
    /// Returns the files of sources that the target has, where `lists` are those that packages come from.
    pub fn sources(&self, lists: &[SourceList]) -> Vec<(PathBuf, String)> {
        match &self.sources {
            Some(files) => files.clone(),
            None => target_files(lists),
        }
    }
}

impl Settings {
    /// Whether anything is attached to a container image.
    pub fn attaches(&self) -> bool {
        let others = self.other_outputs.iter().map(|other| &other.image);
        let mut images = others.chain([&self.image]);
        images.any(|image| !image.container.attached().is_empty())
    }
}

/// A bill of materials that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SbomFile {
    /// Its form.
    pub format: SbomFormat,
    /// Its file.
    pub path: PathBuf,
}

/// Settings of a system that packages are installed in.
#[derive(Clone, Debug)]
pub struct SystemSettings {
    /// Its own architecture.
    pub arch: &'static Architecture,
    /// Its foreign architectures, in the order given.
    pub foreign: Vec<&'static Architecture>,
    /// Whether /usr is merged.
    pub merged_usr: MergedUsr,
    /// Answers for debconf, in the order given.
    pub selections: Vec<Selections>,
    /// Settings of its maintainer scripts.
    pub scripts: ScriptSettings,
}

/// Archives that packages come from.
#[derive(Clone, Debug)]
pub struct ArchiveSettings {
    /// Suite or codename, for mirrors given as a URL.
    pub suite: String,
    /// Components, for mirrors given as a URL; never empty.
    pub components: Vec<String>,
    /// URLs, one-line sources or sources files; empty for those of this machine's apt.
    pub mirrors: Vec<String>,
    /// The same for native tools; empty for the target's archives.
    pub native_mirrors: Vec<String>,
    /// Sources in the place of those of `mirrors`; none for these.
    pub lists: Option<Vec<SourceList>>,
    /// Files or directories of keys, beside those of this machine's apt.
    pub keyrings: Vec<PathBuf>,
    /// How servers are reached; what is not said here is as this machine's apt does it.
    pub connections: Connections,
    /// Accepts a Release file that is older than the one seen last.
    pub allow_older: bool,
    /// Time limit for each wait for a server, over which it must also send fast enough.
    pub download_timeout: Duration,
    /// Whether the network is left alone.
    pub offline: bool,
    /// The moment at which archives are read; none for today.
    pub snapshot: Option<Snapshot>,
}

impl Default for ArchiveSettings {
    fn default() -> Self {
        Self {
            suite: "stable".to_owned(),
            components: vec!["main".to_owned()],
            mirrors: Vec::new(),
            native_mirrors: Vec::new(),
            lists: None,
            keyrings: Vec::new(),
            connections: Connections::default(),
            allow_older: false,
            download_timeout: Duration::from_secs(30),
            offline: false,
            snapshot: None,
        }
    }
}

/// `--mode`: the way in which maintainer scripts run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Redirect, or chrootless where this machine does not let an ordinary user make namespaces.
    #[default]
    Auto,
    /// In a view of the target where every tool is its native counterpart.
    Redirect,
    /// Outside of the target, with `DPKG_ROOT`, as dpkg --force-script-chrootless runs them.
    Chrootless,
}

/// Source of native tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NativeTools {
    /// Packages of the target's suite, unpacked in the cache.
    #[default]
    Packages,
    /// The root of a native system.
    Directory(PathBuf),
}

impl NativeTools {
    /// Returns the root of the native system; none where the tools are packages.
    pub fn directory(&self) -> Option<&PathBuf> {
        match self {
            Self::Packages => None,
            Self::Directory(path) => Some(path),
        }
    }
}

impl Settings {
    /// Returns the resolver that is asked for, or that of the suite's apt-get.
    pub fn solver(&self, universe: &Universe<'_>) -> Solver {
        match &self.solver {
            Some(solver) => solver.clone().in_suite(universe),
            None => Solver::of_suite(universe),
        }
    }

    /// Whether nothing is run: packages are extracted, and there are no hooks.
    pub fn runs_nothing(&self) -> bool {
        (self.variant == Variant::Extract || self.additions.download_only) && self.hooks.is_empty()
    }

    /// Whether no package is wanted and no index is to be read: the target is what hooks make of it.
    pub fn wants_no_packages(&self) -> bool {
        matches!(self.variant, Variant::Custom | Variant::Extract)
            && self.include.is_empty()
            && self.locked.is_none()
            && self.skip.covers("update")
    }
}

impl SystemSettings {
    /// Returns the system's own architecture and its foreign ones.
    pub fn architectures(&self) -> impl Iterator<Item = &'static Architecture> {
        std::iter::once(self.arch).chain(self.foreign.iter().copied())
    }

    /// Whether the system may have programs that this machine does not execute.
    pub fn is_redirected(&self) -> bool {
        self.architectures().any(|arch| arch != Architecture::native())
    }
}

/// The settings as the log has them: lines of `NAME: VALUE`.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "target: {}", escape(&self.target.to_string()))?;
        writeln!(
            f,
            "architecture: {}, suite: {}, variant: {}, merged /usr: {}",
            self.system
                .architectures()
                .map(|arch| arch.name)
                .collect::<Vec<_>>()
                .join(" "),
            self.archives.suite,
            self.variant.as_str(),
            self.system.merged_usr.name()
        )?;
        writeln!(f, "include: {}", self.include.join(" "))?;
        if let Some(release) = self.imitate {
            writeln!(f, "imitates mmdebstrap {release}")?;
        }
        writeln!(f, "components: {}", self.archives.components.join(" "))?;
        for mirror in &self.archives.mirrors {
            // A URL may hold a password, a log should not.
            writeln!(f, "mirror: {}", escape(&without_passwords(mirror)))?;
        }
        for keyring in &self.archives.keyrings {
            writeln!(f, "keyring: {}", escape_path(keyring))?;
        }
        if self.archives.allow_older {
            writeln!(f, "older Release files are accepted")?;
        }
        if let Some(lock) = &self.locked {
            writeln!(f, "packages of the lock {}", escape_path(&lock.path))?;
        }
        if self.archives.offline {
            writeln!(f, "offline")?;
        }
        if let Some(snapshot) = &self.archives.snapshot {
            writeln!(f, "archives as of {}", snapshot.id)?;
        }
        writeln!(f, "cache: {}", escape_path(&self.cache))?;
        for selections in &self.system.selections {
            writeln!(f, "answers for debconf: {}", escape_path(&selections.path))?;
        }
        for hook in &self.hooks {
            let text = hook.text.to_string_lossy();
            writeln!(f, "{} hook: {}", hook.moment.name(), escape(&text))?;
        }
        if !self.skip.0.is_empty() {
            writeln!(f, "left out: {}", escape(&self.skip.0.join(" ")))?;
        }
        match &self.native_tools {
            NativeTools::Packages => writeln!(f, "native sysroot: auto")?,
            NativeTools::Directory(path) => writeln!(f, "native sysroot: {}", escape_path(path))?,
        }
        match self.system.scripts.source_date_epoch {
            Some(epoch) => write!(f, "SOURCE_DATE_EPOCH: {epoch}"),
            None => write!(f, "SOURCE_DATE_EPOCH: not set"),
        }
    }
}

/// Parses a duration as humantime writes it; a bare number is seconds.
///
/// # Errors
/// The problem, in words.
pub(crate) fn duration(value: &str) -> Result<Duration, String> {
    match value.parse::<u64>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        // Its list of units is long, and not ASCII.
        Err(_) => humantime::parse_duration(value).map_err(|error| {
            let problem = match error {
                humantime::DurationError::UnknownUnit { unit, .. } => format!("`{unit}` is no unit of time"),
                other => other.to_string(),
            };
            format!("{problem}; give it as `90s`, `10min` or `1h 30min`")
        }),
    }
}

/// Parses `--download-timeout`: a duration of at least a second and at most a day.
///
/// # Errors
/// The problem, in words.
pub(crate) fn download_timeout(value: &str) -> Result<Duration, String> {
    let duration = duration(value)?;
    if (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&duration) {
        return Ok(duration);
    }
    Err("less than a second, or more than a day; give it as `30s` or `5min`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_step_are_left_out_with_it() {
        let skip = Skip(vec!["cleanup/apt".to_owned(), "output/dev".to_owned()]);
        assert!(skip.covers("cleanup/apt/lists") && skip.covers("cleanup/apt"));
        assert!(!skip.covers("cleanup") && !skip.covers("cleanup/aptitude"));
        assert!(skip.has("output/dev") && !skip.has("cleanup/apt/lists"));
    }
}
