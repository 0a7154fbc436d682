//! What the command line and the environment mean, checked and complete.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::args::{Args, Mode};
use super::environment::Environment;
use super::target::{TargetError, TargetSpec};
use super::values::Names;
use crate::arch::Architecture;
use crate::merge_usr::MergedUsr;
use crate::preseed::{PreseedError, Selections};
use crate::report::{Verbosity, escape, escape_path};
use crate::solve::Variant;
use crate::unrunnable::OnUnrunnable;

/// All that a run needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is made.
    pub target: TargetSpec,
    /// The target's architecture.
    pub arch: &'static Architecture,
    /// Its foreign architectures, in the order given.
    pub foreign: Vec<&'static Architecture>,
    /// The suite or codename.
    pub suite: String,
    /// The set of packages.
    pub variant: Variant,
    /// Whether /usr is merged.
    pub merged_usr: MergedUsr,
    /// Packages beside the set: `NAME[:ARCH][=VERSION|/SUITE]`, in the order given.
    pub include: Vec<String>,
    /// Components for mirrors given as a URL; never empty.
    pub components: Vec<String>,
    /// `--mirror` arguments; empty for those of this machine's apt.
    pub mirrors: Vec<String>,
    /// Files or directories of keys; empty for those of this machine's apt.
    pub keyrings: Vec<PathBuf>,
    /// The cache directory, absolute; it may not exist yet.
    pub cache: PathBuf,
    /// Where a work directory can be when the target is standard output.
    pub temporary: PathBuf,
    /// How scripts are run.
    pub mode: Mode,
    /// Where native tools come from.
    pub native_sysroot: NativeSysroot,
    /// Answers for debconf, in the order given.
    pub selections: Vec<Selections>,
    /// How long a script may take.
    pub script_timeout: Duration,
    /// What becomes of packages whose scripts need what cannot be run.
    pub on_unrunnable: OnUnrunnable,
    /// Where the log goes, if not into the cache.
    pub log: Option<PathBuf>,
    /// Leave the work directory of a failed run.
    pub keep_failed: bool,
    /// Print the plan and stop.
    pub dry_run: bool,
    /// How much is said.
    pub verbosity: Verbosity,
    /// No time in the result is later: seconds since 1970.
    pub source_date_epoch: Option<i64>,
}

/// Where native tools come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NativeSysroot {
    /// Made from the same suite, in the cache.
    Auto,
    /// The root of a native system.
    Directory(PathBuf),
}

/// Arguments that make no sense here.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// TARGET.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// There is no default cache directory.
    #[error("there is no place for the cache: neither XDG_CACHE_HOME nor HOME is set")]
    NoCache,
    /// A relative path, and the current directory is gone.
    #[error("cannot find the current directory")]
    CurrentDirectory(#[source] std::io::Error),
    /// `SOURCE_DATE_EPOCH` is no number.
    #[error("SOURCE_DATE_EPOCH is `{0}`, not a number of seconds since 1970")]
    SourceDateEpoch(String),
    /// `--native-sysroot` is no directory.
    #[error("--native-sysroot: there is no directory {0}")]
    NativeSysroot(PathBuf),
    /// `--keyring` is not there.
    #[error("--keyring: cannot find {path}")]
    Keyring {
        /// The path as given.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// `--debconf-selections`.
    #[error(transparent)]
    Preseed(#[from] PreseedError),
    /// A tar archive on a terminal.
    #[error("standard output is a terminal; the archive would be shown on it")]
    Terminal,
}

impl ConfigError {
    /// How to mend it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoCache => Some("name a directory with --cache"),
            Self::Terminal => Some("send it to a file or a program: `rootless-install … - > NAME.tar`"),
            Self::SourceDateEpoch(_) => Some("unset it, or set it as `SOURCE_DATE_EPOCH=$(date +%s)` does"),
            Self::Keyring { .. } => Some(
                "Debian's keys are in /usr/share/keyrings/debian-archive-keyring.gpg, from the package debian-archive-keyring",
            ),
            Self::NativeSysroot(_) => Some("leave the option out to have one made"),
            Self::Preseed(error) => error.hint(),
            Self::Target(_) | Self::CurrentDirectory(_) => None,
        }
    }
}

impl Config {
    /// Completes `args` from `environment` and this machine.
    ///
    /// # Errors
    /// [`ConfigError`] where an argument cannot be meant.
    pub fn resolve(args: Args, environment: &Environment) -> Result<Self, ConfigError> {
        let target = TargetSpec::parse(&args.target)?;
        if target == TargetSpec::Stdout
            && !args.dry_run
            && std::io::IsTerminal::is_terminal(&std::io::stdout())
        {
            return Err(ConfigError::Terminal);
        }
        let cache = args
            .cache
            .or_else(|| environment.cache())
            .ok_or(ConfigError::NoCache)?;
        let keyrings = args
            .keyring
            .into_iter()
            .map(|path| match std::fs::canonicalize(&path) {
                Ok(found) => Ok(found),
                Err(source) => Err(ConfigError::Keyring { path, source }),
            })
            .collect::<Result<_, _>>()?;
        let selections = args
            .debconf_selections
            .iter()
            .map(|path| Selections::read(path))
            .collect::<Result<_, _>>()?;
        let mut components = join(args.components);
        if components.is_empty() {
            components.push("main".to_owned());
        }
        // clap has checked the names against the same table.
        let architectures = join(args.arch);
        let mut architectures = architectures
            .iter()
            .filter_map(|name| Architecture::by_name(name));
        Ok(Self {
            target,
            arch: architectures.next().unwrap_or_else(Architecture::native),
            foreign: architectures.collect(),
            suite: args.suite,
            variant: args.variant,
            merged_usr: args.merged_usr,
            include: join(args.include),
            components,
            mirrors: args.mirror,
            keyrings,
            cache: std::path::absolute(cache).map_err(ConfigError::CurrentDirectory)?,
            temporary: environment.temporary(),
            mode: args.mode,
            native_sysroot: native_sysroot(&args.native_sysroot)?,
            selections,
            script_timeout: args.script_timeout,
            on_unrunnable: args.on_unrunnable,
            log: args.log,
            keep_failed: args.keep_failed,
            dry_run: args.dry_run,
            verbosity: match (args.quiet, args.verbose) {
                (true, _) => Verbosity::Quiet,
                (_, true) => Verbosity::Verbose,
                _ => Verbosity::Normal,
            },
            source_date_epoch: environment
                .source_date_epoch
                .as_deref()
                .map(source_date_epoch)
                .transpose()?,
        })
    }
}

impl Config {
    /// The target's architecture and its foreign ones.
    pub fn architectures(&self) -> impl Iterator<Item = &'static Architecture> {
        std::iter::once(self.arch).chain(self.foreign.iter().copied())
    }

    /// Whether there may be programs in the target that this machine does not execute.
    pub fn is_redirected(&self) -> bool {
        self.architectures().any(|arch| arch != Architecture::native())
    }
}

/// All names, each once, in the order of their first mention.
fn join(lists: Vec<Names>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in lists.into_iter().flat_map(|names| names.0) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

fn native_sysroot(value: &OsStr) -> Result<NativeSysroot, ConfigError> {
    if value == "auto" {
        return Ok(NativeSysroot::Auto);
    }
    match std::fs::canonicalize(value) {
        Ok(path) if path.is_dir() => Ok(NativeSysroot::Directory(path)),
        _ => Err(ConfigError::NativeSysroot(value.into())),
    }
}

fn source_date_epoch(value: &OsStr) -> Result<i64, ConfigError> {
    value
        .to_str()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| ConfigError::SourceDateEpoch(value.to_string_lossy().into_owned()))
}

/// For the log: one line for each setting.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "target: {}", escape(&self.target.to_string()))?;
        writeln!(
            f,
            "architecture: {}, suite: {}, variant: {}, merged /usr: {}",
            self.architectures()
                .map(|arch| arch.name)
                .collect::<Vec<_>>()
                .join(" "),
            self.suite,
            self.variant.as_str(),
            self.merged_usr.name()
        )?;
        writeln!(f, "include: {}", self.include.join(" "))?;
        writeln!(f, "components: {}", self.components.join(" "))?;
        for mirror in &self.mirrors {
            // A URL may hold a password, a log should not.
            writeln!(f, "mirror: {}", escape(&without_password(mirror)))?;
        }
        for keyring in &self.keyrings {
            writeln!(f, "keyring: {}", escape_path(keyring))?;
        }
        writeln!(f, "cache: {}", escape_path(&self.cache))?;
        for selections in &self.selections {
            writeln!(f, "answers for debconf: {}", escape_path(&selections.path))?;
        }
        match &self.native_sysroot {
            NativeSysroot::Auto => writeln!(f, "native sysroot: auto")?,
            NativeSysroot::Directory(path) => writeln!(f, "native sysroot: {}", escape_path(path))?,
        }
        match self.source_date_epoch {
            Some(epoch) => write!(f, "SOURCE_DATE_EPOCH: {epoch}"),
            None => write!(f, "SOURCE_DATE_EPOCH: not set"),
        }
    }
}

/// `text` with what stands between `://` and `@` of a host left out.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let host_end = rest.find(['/', ' ']).unwrap_or(rest.len());
    match rest.get(..host_end).and_then(|host| host.rfind('@')) {
        Some(at) => format!("{scheme}://…{}", rest.get(at..).unwrap_or("")),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn resolve(arguments: &[&str], environment: &Environment) -> Result<Config, ConfigError> {
        let mut all = vec!["rootless-install"];
        all.extend(arguments);
        let args = Args::try_parse_from(all).unwrap_or_else(|error| panic!("{error}"));
        Config::resolve(args, environment)
    }

    fn home() -> Environment {
        Environment {
            home: Some("/home/u".into()),
            ..Environment::default()
        }
    }

    #[test]
    fn defaults() -> Result<(), ConfigError> {
        let config = resolve(&["t"], &home())?;
        assert_eq!(config.arch.name, Architecture::native().name);
        assert_eq!(config.suite, "stable");
        assert_eq!(config.variant, Variant::Minbase);
        assert_eq!(config.components, ["main"]);
        assert_eq!(config.native_sysroot, NativeSysroot::Auto);
        assert_eq!(config.script_timeout, Duration::from_secs(600));
        assert_eq!(config.source_date_epoch, None);
        assert!(config.mirrors.is_empty() && config.keyrings.is_empty());
        Ok(())
    }

    #[test]
    fn lists_are_joined_once_each() -> Result<(), ConfigError> {
        let config = resolve(
            &[
                "--include",
                "a,b",
                "--include",
                "b c",
                "--components",
                "main contrib",
                "t.tar.gz",
            ],
            &home(),
        )?;
        assert_eq!(config.include, ["a", "b", "c"]);
        assert_eq!(config.components, ["main", "contrib"]);
        Ok(())
    }

    #[test]
    fn the_first_architecture_is_the_targets_own() -> Result<(), ConfigError> {
        let config = resolve(
            &["--arch", "riscv64,s390x", "--arch", "arm64 riscv64", "t"],
            &home(),
        )?;
        assert_eq!(config.arch.name, "riscv64");
        let foreign: Vec<&str> = config.foreign.iter().map(|arch| arch.name).collect();
        assert_eq!(foreign, ["s390x", "arm64"]);
        assert!(config.is_redirected());
        Ok(())
    }

    #[test]
    fn errors_say_how_to_mend() {
        let no_cache = resolve(&["t"], &Environment::default());
        assert!(no_cache.is_err_and(|e| e.hint().is_some_and(|hint| hint.contains("--cache"))));
        let mut environment = home();
        environment.source_date_epoch = Some("-5".into());
        assert!(matches!(
            resolve(&["t"], &environment),
            Err(ConfigError::SourceDateEpoch(_))
        ));
        assert!(matches!(
            resolve(&["--keyring", "/nowhere/k.gpg", "t"], &home()),
            Err(ConfigError::Keyring { .. })
        ));
        assert!(matches!(
            resolve(&["--native-sysroot", "/nowhere", "t"], &home()),
            Err(ConfigError::NativeSysroot(_))
        ));
    }

    #[test]
    fn passwords_stay_out_of_logs() {
        assert_eq!(
            without_password("https://u:p@mirror.example.org/a@b"),
            "https://…@mirror.example.org/a@b"
        );
        assert_eq!(
            without_password("deb http://mirror.example.org/ x"),
            "deb http://mirror.example.org/ x"
        );
    }
}
