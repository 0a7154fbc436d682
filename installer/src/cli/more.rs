//! Options of the command that makes a root filesystem which are mmdebstrap's (mmdebstrap(1), OPTIONS): hooks, options of
//! apt and dpkg, the format, and what is left out.

use super::resolve::SettingsError;
use crate::hooks::{Hook, HookContext, Moment};
use crate::output::Format;
use crate::settings::{Mode, Settings, Skip};
use crate::target_spec::TargetSpec;
use clap::{ArgAction, ArgMatches};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::values;

/// Names of `--skip` that mmdebstrap knows.
pub const SKIPS: [&str; 31] = [
    "check/chrootless",
    "check/empty",
    "check/qemu",
    "check/signed-by",
    "chroot/mount",
    "chroot/mount/dev",
    "chroot/mount/proc",
    "chroot/mount/sys",
    "chroot/policy-rc.d",
    "chroot/start-stop-daemon",
    "cleanup",
    "cleanup/apt",
    "cleanup/apt/cache",
    "cleanup/apt/lists",
    "cleanup/dev",
    "cleanup/mmdebstrap",
    "cleanup/reproducible",
    "cleanup/reproducible/machine-id",
    "cleanup/run",
    "cleanup/tmp",
    "copy-in/mknod",
    "essential/unlink",
    "output/dev",
    "output/mknod",
    "setup",
    "sync-in/mknod",
    "tar-in/mknod",
    "update",
    "upload/mknod",
    "zombie-reaping",
    "download/empty",
];

/// Hooks by the names of their options: identifier, moment, whether they run in the target.
const HOOKS: [(&str, Moment, bool); 7] = [
    ("setup_hook", Moment::Setup, false),
    ("extract_hook", Moment::Extract, false),
    ("essential_hook", Moment::Essential, false),
    ("customize_hook", Moment::Customize, false),
    ("chrooted_extract_hook", Moment::Extract, true),
    ("chrooted_essential_hook", Moment::Essential, true),
    ("chrooted_customize_hook", Moment::Customize, true),
];

/// The options as given.
#[derive(Debug, clap::Args)]
pub struct MoreArgs {
    /// Options for the target's apt, and this run's
    ///
    /// A line of apt.conf(5), or a file of them. They stay in the target's etc/apt/apt.conf.d/99mmdebstrap. May be given
    /// more than once.
    #[arg(long, value_name = "OPTION|FILE", action = ArgAction::Append)]
    pub aptopt: Vec<OsString>,

    /// Options for the target's dpkg, and this run's
    ///
    /// A line of dpkg.cfg(5), or a file of them: `path-exclude=/usr/share/doc/*`. They stay in the target's
    /// etc/dpkg/dpkg.cfg.d/99mmdebstrap. May be given more than once.
    #[arg(long, value_name = "OPTION|FILE", action = ArgAction::Append)]
    pub dpkgopt: Vec<OsString>,

    /// Run a command before anything is downloaded
    ///
    /// Commands of hooks run on this machine, with your rights; the root filesystem is at their first argument, `$1`, of
    /// which they are root: `chroot "$1" COMMAND` works whatever its architecture. `copy-in`, `copy-out`, `sync-in`,
    /// `sync-out`, `tar-in`, `tar-out`, `upload` and `download` with two paths bring files in or out. May be given more
    /// than once, as all hooks; see docs/mmdebstrap.md.
    #[arg(long, value_name = "COMMAND", action = ArgAction::Append)]
    pub setup_hook: Vec<OsString>,

    /// Run a command when the essential packages are extracted, before they are configured
    #[arg(long, value_name = "COMMAND", action = ArgAction::Append)]
    pub extract_hook: Vec<OsString>,

    /// Run a command when the essential packages are configured, before the others are installed
    #[arg(long, value_name = "COMMAND", action = ArgAction::Append)]
    pub essential_hook: Vec<OsString>,

    /// Run a command when all packages are installed
    #[arg(long, value_name = "COMMAND", action = ArgAction::Append)]
    pub customize_hook: Vec<OsString>,

    /// Run a command in the target when the essential packages are extracted
    #[arg(long, value_name = "COMMAND", action = ArgAction::Append, hide = true)]
    pub chrooted_extract_hook: Vec<OsString>,

    /// Run a command in the target when the essential packages are configured
    #[arg(long, value_name = "COMMAND", action = ArgAction::Append, hide = true)]
    pub chrooted_essential_hook: Vec<OsString>,

    /// Run a command in the target when all packages are installed
    #[arg(long, value_name = "COMMAND", action = ArgAction::Append, hide = true)]
    pub chrooted_customize_hook: Vec<OsString>,

    /// Run the programs of a directory as hooks
    ///
    /// Those whose names begin with setup, extract, essential or customize, in the order of their names.
    #[arg(long, visible_alias = "hook-dir", value_name = "DIR", action = ArgAction::Append)]
    pub hook_directory: Vec<OsString>,

    /// How long one hook may take before it is stopped
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = values::timeout)]
    pub hook_timeout: Duration,

    /// Steps to leave out, by mmdebstrap's names
    ///
    /// Names between commas or blanks; may be given more than once. docs/mmdebstrap.md says what each does here.
    #[arg(long, value_name = "STEP,...", action = ArgAction::Append)]
    pub skip: Vec<String>,

    /// Word of --mode, for hooks
    #[arg(long, hide = true)]
    pub hook_mode: Option<String>,

    /// Name of the format, for hooks, where the result is not what the caller gets
    #[arg(long, hide = true)]
    pub hook_format: Option<String>,
}

/// Reason why such an option has no meaning.
#[derive(Debug, thiserror::Error)]
pub enum MoreError {
    /// A directory of hooks cannot be read.
    #[error("--hook-directory: cannot read {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file of options cannot be read.
    #[error("--{option}: cannot read {}", path.display())]
    File {
        /// The option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Options are no text.
    #[error("--{option}: its value is not text in UTF-8")]
    NotText {
        /// The option.
        option: &'static str,
    },
    /// No step has that name.
    #[error("--skip: there is no step `{word}`{near}")]
    Step {
        /// The name.
        word: String,
        /// The nearest name.
        near: String,
    },
    /// A directory cannot be written to standard output.
    #[error("--format={format}: it cannot be written to standard output")]
    Stdout {
        /// The format.
        format: &'static str,
    },
    /// Hooks cannot run in a mode.
    #[error("hooks need namespaces: --mode={mode} has none")]
    NoNamespaces {
        /// The mode.
        mode: &'static str,
    },
}

impl MoreError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Step { .. } => Some("docs/mmdebstrap.md lists all steps, with what each means here"),
            Self::Stdout { .. } => Some("name a file or directory as the target"),
            Self::NoNamespaces { .. } => Some("leave --mode out"),
            Self::Directory { .. } | Self::File { .. } | Self::NotText { .. } => None,
        }
    }
}

/// Adds what these options mean to the settings. `matches` tells the order in which hooks were given, `suite_given`
/// whether a suite was named.
///
/// # Errors
/// [`MoreError`]; those of finding the target.
pub fn resolve(settings: &mut Settings, args: MoreArgs, matches: &ArgMatches) -> Result<(), SettingsError> {
    settings.apt_options = options("aptopt", &args.aptopt, ";")?;
    settings.dpkg_options = options("dpkgopt", &args.dpkgopt, "")?;
    settings.hooks = hooks(matches)?;
    settings.hook_timeout = Some(args.hook_timeout);
    settings.skip = skip(&args.skip)?;
    let given = matches.get_one::<OsString>("target");
    if matches!(settings.target, TargetSpec::Directory(_)) && given.is_some_and(|target| target == "-") {
        return Err(MoreError::Stdout { format: "directory" }.into());
    }
    let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mode = args.hook_mode.as_deref().map_or("unshare", |mode| match mode {
        "root" | "sudo" => "root",
        "chrootless" => "chrootless",
        _ => "unshare",
    });
    if settings.mode == Mode::Chrootless && settings.hooks.iter().any(|hook| hook.chrooted) {
        return Err(MoreError::NoNamespaces { mode: "chrootless" }.into());
    }
    settings.hook_context = HookContext {
        argv0: own_name(),
        mode: mode.to_owned(),
        suite: Some(settings.archives.suite.clone()).filter(|suite| !suite.is_empty()),
        include: settings.include.clone(),
        format: args
            .hook_format
            .unwrap_or_else(|| format_name(&settings.target).to_owned()),
        verbosity: HookContext::verbosity_of(settings.verbosity),
        directory,
        variables: Vec::new(),
        skip: settings.skip.clone(),
    };
    Ok(())
}

/// Returns this program's path, for a hook that calls it.
fn own_name() -> OsString {
    std::env::current_exe().map_or_else(|_| OsString::from("rootless-install"), Into::into)
}

/// Returns the text of options: each a file of them, or one, which `end` ends.
fn options(option: &'static str, given: &[OsString], end: &str) -> Result<String, MoreError> {
    let mut text = String::new();
    for value in given {
        let path = Path::new(value);
        let part = if path.is_file() {
            let failed = |source| MoreError::File {
                option,
                path: path.to_owned(),
                source,
            };
            String::from_utf8(fs::read(path).map_err(failed)?).map_err(|_| MoreError::NotText { option })?
        } else {
            let value = value.to_str().ok_or(MoreError::NotText { option })?;
            let mut line = value.to_owned();
            if !line.ends_with(end) {
                line.push_str(end);
            }
            line
        };
        text.push_str(&part);
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    Ok(text)
}

/// Returns the hooks in the order in which they were given.
fn hooks(matches: &ArgMatches) -> Result<Vec<Hook>, MoreError> {
    let mut all: Vec<(usize, Hook)> = Vec::new();
    let given = |id: &str| -> Vec<(usize, OsString)> {
        let values = matches.get_many::<OsString>(id).into_iter().flatten().cloned();
        matches.indices_of(id).into_iter().flatten().zip(values).collect()
    };
    for (id, moment, chrooted) in HOOKS {
        let hook = |(at, text)| {
            let hook = Hook {
                moment,
                text,
                chrooted,
            };
            (at, hook)
        };
        all.extend(given(id).into_iter().map(hook));
    }
    for (at, directory) in given("hook_directory") {
        all.extend(of_directory(&directory)?.into_iter().map(|hook| (at, hook)));
    }
    // Those of a directory have one place, and keep their order.
    all.sort_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, hook)| hook).collect())
}

/// Returns the hooks of a directory.
fn of_directory(directory: &OsStr) -> Result<Vec<Hook>, MoreError> {
    let path = Path::new(directory);
    let failed = |source| MoreError::Directory {
        path: path.to_owned(),
        source,
    };
    let entries: io::Result<Vec<OsString>> = fs::read_dir(path).and_then(|entries| {
        entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect()
    });
    let mut names = entries.map_err(failed)?;
    names.sort();
    let mut hooks = Vec::new();
    for name in names {
        let file = path.join(&name);
        let is_program = nix::unistd::access(&file, nix::unistd::AccessFlags::X_OK).is_ok();
        let moment = Moment::ALL
            .into_iter()
            .find(|moment| name.as_bytes().starts_with(moment.name().as_bytes()));
        match moment {
            Some(moment) if is_program => hooks.push(Hook {
                moment,
                text: fs::canonicalize(path).map_err(failed)?.join(&name).into(),
                chrooted: false,
            }),
            Some(_) => tracing::warn!(
                target: task_progress::trace::WARNING,
                "{} is named like a hook but is not executable", file.display()
            ),
            None => {}
        }
    }
    Ok(hooks)
}

fn skip(given: &[String]) -> Result<Skip, MoreError> {
    let mut all = Vec::new();
    let words = given
        .iter()
        .flat_map(|words| words.split(|c: char| c == ',' || c.is_whitespace()))
        .filter(|word| !word.is_empty());
    for word in words {
        if !SKIPS.contains(&word) {
            let near = deb_types::near::nearest(word, SKIPS, 2);
            let near = near.first().map(|near| format!("; did you mean `{near}`?"));
            return Err(MoreError::Step {
                word: word.to_owned(),
                near: near.unwrap_or_default(),
            });
        }
        all.push(word.to_owned());
    }
    Ok(Skip(all))
}

fn format_name(target: &TargetSpec) -> &'static str {
    match target {
        TargetSpec::Directory(_) => "directory",
        TargetSpec::Nothing => "null",
        target => target.format().map_or("tar", Format::name),
    }
}

#[cfg(test)]
mod tests;
