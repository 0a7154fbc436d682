//! From arguments and environment to [`Settings`].

use std::ffi::OsStr;
use std::fs::File;
use std::io::IsTerminal;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::args::Args;
use super::environment::Environment;
use super::more::MoreError;
use super::values::Names;
use crate::customization::Customization;
use crate::hooks::HookContext;
use crate::output::{self, Attachment, Format, Layout};
use crate::package_lock::LockError;
use crate::preseed::{PreseedError, Selections};
use crate::settings::{Additions, ArchiveSettings, NativeTools, Settings, Skip, SystemSettings};
use crate::target_spec::{TargetError, TargetSpec};
use deb_arch::Architecture;
use deb_archive::ArchiveError;
use script_host::{Processor, ScriptSettings};
use task_progress::Verbosity;

/// Error of an argument that has no meaning.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// TARGET has no meaning.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The value of `--default-release` is empty.
    #[error("--default-release: the name of the suite is empty")]
    NoRelease,
    /// There is no default cache directory.
    #[error(
        "there is no place for the cache: neither XDG_CACHE_HOME nor HOME is set, and passwd(5) has no home directory of the user"
    )]
    NoCache,
    /// A path is relative, and the current directory does not exist any more.
    #[error("cannot find the current directory")]
    CurrentDirectory(#[source] std::io::Error),
    /// `SOURCE_DATE_EPOCH` is not a number.
    #[error("SOURCE_DATE_EPOCH is `{0}`, not a number of seconds since 1970")]
    SourceDateEpoch(String),
    /// `--native-sysroot` is no directory.
    #[error("--native-sysroot: there is no directory {0}")]
    NativeSysroot(PathBuf),
    /// A path of `--keyring` does not exist.
    #[error("--keyring: cannot find {path}")]
    Keyring {
        /// The path as given.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file of users and passwords, of certificates or keys cannot be used.
    #[error(transparent)]
    Access(#[from] ArchiveError),
    /// `--debconf-selections` has a file that cannot be used.
    #[error(transparent)]
    Preseed(#[from] PreseedError),
    /// There is no suite of which sources could be made.
    #[error("the suite is empty: there is none to take packages from")]
    NoSuite,
    /// An option of mmdebstrap has a value without a meaning.
    #[error(transparent)]
    More(#[from] MoreError),
    /// A file of preferences cannot be used.
    #[error(transparent)]
    Preferences(#[from] crate::preferences::PreferencesError),
    /// `--locked` has no lock, or one that cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An option has no meaning for the result's format.
    #[error(transparent)]
    Image(#[from] output::Error),
    /// `--multi` is given where one root filesystem is made.
    #[error("--multi has no meaning here: it makes one container image of several architectures")]
    Multi,
    /// An option for the system in the result has a value without a meaning.
    #[error("--{0}")]
    Customization(#[from] crate::customization::Wrong),
    /// The result is nothing that has a digest.
    #[error("--provenance needs a result that is a file or an OCI layout: others have no digest")]
    Provenance,
    /// The archive would be written on a terminal.
    #[error("standard output is a terminal; the archive would be shown on it")]
    Terminal,
}

impl SettingsError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoCache => Some("name a directory with --cache"),
            Self::Terminal => Some("send it to a file or a program: `rootless-install ... - > NAME.tar`"),
            Self::SourceDateEpoch(_) => Some("unset it, or set it as `SOURCE_DATE_EPOCH=$(date +%s)` does"),
            Self::Keyring { .. } => Some(
                "Debian's keys are in /usr/share/keyrings/debian-archive-keyring.gpg, from the package debian-archive-keyring",
            ),
            Self::NativeSysroot(_) => Some("leave the option out to have one made"),
            Self::Preseed(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            Self::More(error) => error.hint(),
            Self::Multi => {
                Some("leave it out, or use it as in `rootless-install --arch riscv64,arm64 --multi oci:DIR`")
            }
            Self::Provenance => Some("write an archive or an image, as NAME.tar.zst"),
            Self::NoRelease => Some("name one, as in --default-release trixie"),
            Self::NoSuite => Some("name one with --suite, or give sources that name theirs with --mirror"),
            Self::Access(_)
            | Self::Target(_)
            | Self::Image(_)
            | Self::CurrentDirectory(_)
            | Self::Customization(_)
            | Self::Preferences(_) => None,
        }
    }
}

/// Returns the settings that `args` mean, completed from `environment` and this machine.
///
/// # Errors
/// [`SettingsError`] where an argument has no meaning.
pub fn resolve(args: Args, environment: &Environment) -> Result<Settings, SettingsError> {
    // A URL needs a suite, a source line has its own.
    let needs_suite = |mirror: &String| mirror.contains("://") && !mirror.contains([' ', '\n']);
    if args.suite.is_empty() && (args.mirror.is_empty() || args.mirror.iter().any(needs_suite)) {
        return Err(SettingsError::NoSuite);
    }
    if args.multi {
        return Err(SettingsError::Multi);
    }
    let target = TargetSpec::find(&args.target, args.image.format)?;
    if args.provenance.is_some() && !matches!(target, TargetSpec::File { .. }) {
        return Err(SettingsError::Provenance);
    }
    let mut image = args.image.options(&args.target);
    if let Some(format) = target.format() {
        image.check(format)?;
        if matches!(
            format,
            Format::Container(Layout::OciDirectory | Layout::OciArchive)
        ) {
            let bills = args.sbom.iter().map(|bill| Attachment::Sbom(bill.format));
            let provenance = args.provenance.iter().map(|_| Attachment::Provenance);
            let written = bills.chain(provenance).collect();
            image.container.attach.get_or_insert(written);
        }
    }
    let terminal = match &target {
        TargetSpec::Stdout { .. } => std::io::stdout().is_terminal(),
        // Opening a pipe would wait for its reader.
        TargetSpec::Stream { path, .. } => {
            is_device(path) && File::open(path).is_ok_and(|file| file.is_terminal())
        }
        _ => false,
    };
    if terminal && !args.dry_run {
        return Err(SettingsError::Terminal);
    }
    let cache = args
        .cache
        .or_else(|| environment.cache())
        .ok_or(SettingsError::NoCache)?;
    let keyrings = args
        .keyring
        .into_iter()
        .map(|path| match std::fs::canonicalize(&path) {
            Ok(found) => Ok(found),
            Err(source) => Err(SettingsError::Keyring { path, source }),
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
    Ok(Settings {
        target,
        image,
        other_outputs: Vec::new(),
        system: SystemSettings {
            arch: architectures.next().unwrap_or_else(Architecture::native),
            foreign: architectures.collect(),
            merged_usr: args.merged_usr,
            selections,
            scripts: ScriptSettings {
                timeout: Some(args.script_timeout),
                on_unrunnable: args.on_unrunnable,
                processor: processor(args.target_cpu),
                source_date_epoch: environment
                    .source_date_epoch
                    .as_deref()
                    .map(source_date_epoch)
                    .transpose()?,
            },
        },
        variant: args.variant,
        imitate: args.imitate,
        include: join(args.include),
        present: Vec::new(),
        solver: None,
        install_recommends: false,
        install_suggests: false,
        additions: Additions::default(),
        customization: Customization::default(),
        archives: ArchiveSettings {
            suite: args.suite,
            components,
            mirrors: args.mirror,
            native_mirrors: Vec::new(),
            lists: None,
            keyrings,
            connections: args.access.connections()?,
            allow_older: args.allow_older_release,
            download_timeout: args.download_timeout,
            offline: args.state.offline,
            snapshot: args.state.snapshot(),
        },
        cache: std::path::absolute(cache).map_err(SettingsError::CurrentDirectory)?,
        temporary: environment.temporary(),
        mode: args.mode,
        native_tools: native_tools(&args.native_sysroot)?,
        hooks: Vec::new(),
        hook_context: HookContext::default(),
        hook_timeout: None,
        apt_options: String::new(),
        dpkg_options: String::new(),
        skip: Skip::default(),
        log: args.log,
        keep_failed: args.keep_failed,
        dry_run: args.dry_run,
        plan_as_lock: false,
        statistics: args.stats,
        sboms: args.sbom,
        provenance: args.provenance,
        lock: None,
        locked: None,
        verbosity: match (args.quiet, args.debug, args.verbose) {
            (true, ..) => Verbosity::Quiet,
            (_, true, _) => Verbosity::Debug,
            (_, _, 0) => Verbosity::Normal,
            (_, _, 1) => Verbosity::Verbose,
            _ => Verbosity::Debug,
        },
    })
}

/// Whether a path is a character device.
fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_char_device())
}

/// Returns the target's processor; none where all extensions are taken for granted.
fn processor(extensions: Vec<Names>) -> Option<Processor> {
    let mut all = join(extensions);
    if all.is_empty() {
        return None;
    }
    all.retain(|name| name != "none");
    Some(Processor(all))
}

/// Returns all names once each, in the order of their first mention.
pub(super) fn join(lists: Vec<Names>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in lists.into_iter().flat_map(|names| names.0) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

fn native_tools(value: &OsStr) -> Result<NativeTools, SettingsError> {
    if value == "auto" {
        return Ok(NativeTools::Packages);
    }
    match std::fs::canonicalize(value) {
        Ok(path) if path.is_dir() => Ok(NativeTools::Directory(path)),
        _ => Err(SettingsError::NativeSysroot(value.into())),
    }
}

pub(super) fn source_date_epoch(value: &OsStr) -> Result<i64, SettingsError> {
    value
        .to_str()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| SettingsError::SourceDateEpoch(value.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use apt_solve::Variant;
    use std::time::Duration;

    fn resolve(arguments: &[&str], environment: &Environment) -> Result<Settings, SettingsError> {
        let mut all = vec!["rootless-install"];
        all.extend(arguments);
        let all: Vec<std::ffi::OsString> = all.into_iter().map(Into::into).collect();
        let given = Cli::read(&all).unwrap_or_else(|error| panic!("{error}"));
        given.resolve(environment)
    }

    fn home() -> Environment {
        Environment {
            home: Some("/home/u".into()),
            ..Environment::default()
        }
    }

    #[test]
    fn defaults() -> Result<(), SettingsError> {
        let settings = resolve(&["t"], &home())?;
        assert_eq!(settings.system.arch.name, Architecture::native().name);
        assert_eq!(settings.archives.suite, "stable");
        assert_eq!(settings.variant, Variant::Minbase);
        assert_eq!(settings.archives.components, ["main"]);
        assert_eq!(settings.native_tools, NativeTools::Packages);
        assert_eq!(settings.system.scripts.timeout, Some(Duration::from_secs(600)));
        assert_eq!(settings.system.scripts.source_date_epoch, None);
        assert!(settings.archives.mirrors.is_empty() && settings.archives.keyrings.is_empty());
        Ok(())
    }

    #[test]
    fn lists_are_joined_once_each() -> Result<(), SettingsError> {
        let settings = resolve(
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
        assert_eq!(settings.include, ["a", "b", "c"]);
        assert_eq!(settings.archives.components, ["main", "contrib"]);
        Ok(())
    }

    #[test]
    fn the_first_architecture_is_the_targets_own() -> Result<(), SettingsError> {
        let settings = resolve(
            &["--arch", "riscv64,s390x", "--arch", "arm64 riscv64", "t"],
            &home(),
        )?;
        assert_eq!(settings.system.arch.name, "riscv64");
        let foreign: Vec<&str> = settings.system.foreign.iter().map(|arch| arch.name).collect();
        assert_eq!(foreign, ["s390x", "arm64"]);
        assert!(settings.system.is_redirected());
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
            Err(SettingsError::SourceDateEpoch(_))
        ));
        assert!(matches!(
            resolve(&["--keyring", "/nowhere/k.gpg", "t"], &home()),
            Err(SettingsError::Keyring { .. })
        ));
        assert!(matches!(
            resolve(&["--native-sysroot", "/nowhere", "t"], &home()),
            Err(SettingsError::NativeSysroot(_))
        ));
    }
}
