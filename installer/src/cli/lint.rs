//! The command line of `rootless-install lint`.
//!
//! Its options are those of an installation, from the same definition, but for those about the result.

use super::args::Args;
use super::environment::Environment;
use super::exit::Exit;
use super::resolve::SettingsError;
use super::{choices, error, values};
use crate::commands;
use crate::commands::lint::LintSettings;
use crate::lint::Format;
use crate::local_packages::{LocalError, LocalPackage, local_package};
use crate::settings::Settings;
use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, FromArgMatches, ValueHint};
use script_host::unrunnable::OnUnrunnable;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use task_progress::Style;

/// Name of the command, as the first argument.
pub const NAME: &str = "lint";

const ABOUT: &str =
    "Installs packages in chrootless mode and reports what their maintainer scripts do outside DPKG_ROOT";

const LONG_ABOUT: &str = "\
Installs packages with what they depend on into a target that is thrown away, as dpkg does
with --force-script-chrootless, and reports where their maintainer scripts break its
contract: what they read, test, change or execute outside DPKG_ROOT, with script and line.

Nothing outside is really touched: what scripts see there is a system made for this run.";

const AFTER_HELP: &str = "\
Exit status:
  0    nothing was found
  1    it could not be found out: something could not be had, or a script failed
  2    the command line makes no sense
  3    there are findings
  130  stopped with Ctrl-C (128 + the signal's number for others)

Examples:
  rootless-install lint --suite sid ./foo_1.0-1_all.deb
  rootless-install lint --arch riscv64 --suite trixie openssh-server
  rootless-install lint --format json --all mariadb-server >findings.json";

/// Options of an installation that lint does not have.
const UNUSED: [&str; 17] = [
    "mode",
    "native_sysroot",
    "on_unrunnable",
    "dry_run",
    "merged_usr",
    "result_format",
    "size",
    "free",
    "fs_label",
    "fs_uuid",
    "oci_name",
    "oci_entrypoint",
    "oci_cmd",
    "oci_env",
    "oci_user",
    "oci_workdir",
    "oci_label",
];

/// Error of an argument that has no meaning.
#[derive(Debug, thiserror::Error)]
pub enum LintError {
    /// An error of the options of an installation.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A package file cannot be used.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// A package is for another architecture.
    #[error("{path} is for {architecture}, the target for {target}")]
    Architecture {
        /// The file.
        path: PathBuf,
        /// Its architecture.
        architecture: String,
        /// The target's.
        target: String,
    },
    /// An argument is neither a package's name nor a file.
    #[error("{argument}: {problem}")]
    Argument {
        /// The argument.
        argument: String,
        /// The problem.
        problem: String,
    },
}

impl LintError {
    /// Returns advice to the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Settings(error) => error.hint().map(str::to_owned),
            Self::Architecture { architecture, .. } => Some(format!("give --arch {architecture}")),
            Self::Local(_) | Self::Argument { .. } => None,
        }
    }
}

/// Runs the command; `arguments` begin with its name.
pub fn main(arguments: &[OsString], environment: &Environment, style: Style) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(mut error) => {
            super::print_usage(&mut error, style);
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            };
            return exit.into();
        }
    };
    match resolve(matches, environment) {
        Ok(config) => run(&config, style),
        Err(error) => {
            error::print(&error, error.hint(), style);
            Exit::Usage.into()
        }
    }
}

/// Runs lint and prints its report.
fn run(config: &LintSettings, style: Style) -> ExitCode {
    super::with_reporter(&config.settings, style, |reporter, cancel, _| {
        let report = commands::lint::run(config, reporter, cancel)?;
        report
            .write(config.format, std::io::stdout().lock())
            .map_err(commands::Error::Print)?;
        Ok(match report.findings.is_empty() {
            true => Exit::Success,
            false => Exit::Findings,
        })
    })
}

/// Returns the command line: that of an installation with other arguments, and options of its own.
pub fn command() -> Command {
    let hidden = |command: Command, name| command.mut_arg(name, |arg| arg.hide(true));
    let installation =
        Args::augment_args(Command::new("rootless-install").version(env!("CARGO_PKG_VERSION")));
    let command = UNUSED
        .into_iter()
        .fold(installation.args_override_self(true).max_term_width(100), hidden);
    command
        .name("rootless-install lint")
        .bin_name("rootless-install lint")
        .about(ABOUT)
        .long_about(LONG_ABOUT)
        .after_help(AFTER_HELP)
        .after_long_help(AFTER_HELP)
        .mut_arg("target", |arg| {
            arg.value_name("PACKAGE|FILE.deb")
                .help("Packages to look at: names, or files that end in .deb")
                .long_help(
                    "Packages to look at\n\nEach is a name as --include takes it, or a file that ends in .deb or \
                     has a `/` in its name. A file's package is taken before all others of that name; what it \
                     depends on comes from the archive or from the other files.",
                )
                .action(ArgAction::Append)
                .num_args(1..)
                .value_hint(ValueHint::Other)
        })
        // Its result is a report, which has formats of its own.
        .mut_arg("result_format", |arg| arg.long("result-format"))
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(choices::format())
                .default_value("text")
                .help("How findings are printed on standard output"),
        )
        .arg(
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .help("Report the scripts of all packages that are installed, not only of those named"),
        )
}

/// Returns the settings that arguments and environment mean.
///
/// # Errors
/// [`LintError`] where an argument has no meaning.
fn resolve(mut matches: ArgMatches, environment: &Environment) -> Result<LintSettings, LintError> {
    let wanted: Vec<OsString> = matches
        .get_many::<OsString>("target")
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let all = matches.get_flag("all");
    let format = matches.get_one("format").copied().unwrap_or(Format::Text);
    let mut args = Args::from_arg_matches_mut(&mut matches).map_err(|error| LintError::Argument {
        argument: NAME.to_owned(),
        problem: error.to_string(),
    })?;
    // The result is thrown away, but the settings need a name.
    args.target = environment.temporary().join(NAME).into();
    // A package that cannot be configured does not keep others from being looked at.
    args.on_unrunnable = OnUnrunnable::Defer;
    let mut settings = super::resolve::resolve(args, environment)?;
    let (mut local, mut packages) = (Vec::new(), Vec::new());
    for argument in wanted {
        let asked = if is_file(&argument) {
            let package = own(Path::new(&argument), &settings)?;
            let asked = format!("{}={}", package.name, package.version);
            packages.push(package.name.clone());
            local.push(package);
            vec![asked]
        } else {
            let asked = named(&argument)?;
            packages.extend(asked.iter().map(|asked| base(asked).to_owned()));
            asked
        };
        for name in asked {
            if !settings.include.contains(&name) {
                settings.include.push(name);
            }
        }
    }
    packages.dedup();
    Ok(LintSettings {
        settings,
        local,
        packages,
        all,
        format,
    })
}

/// Whether an argument is a path and not a name, by apt's rule.
fn is_file(argument: &OsStr) -> bool {
    let bytes = argument.as_encoded_bytes();
    // NAME/SUITE has a `/` as well, and is no file.
    bytes.ends_with(b".deb")
        || bytes.starts_with(b"/")
        || bytes.starts_with(b"./")
        || bytes.starts_with(b"../")
}

/// Returns NAME of `NAME[:ARCH][=VERSION|/SUITE]`.
fn base(asked: &str) -> &str {
    asked.split([':', '=', '/']).next().unwrap_or(asked)
}

/// Reads a package file, which must be for an architecture of the target.
fn own(path: &Path, settings: &Settings) -> Result<LocalPackage, LintError> {
    let package = local_package(path)?;
    let fits = package.architecture == "all"
        || settings
            .system
            .architectures()
            .any(|arch| arch.name == package.architecture);
    if fits {
        return Ok(package);
    }
    Err(LintError::Architecture {
        path: path.to_owned(),
        architecture: package.architecture,
        target: settings.system.arch.name.to_owned(),
    })
}

/// Parses an argument of package names.
fn named(argument: &OsStr) -> Result<Vec<String>, LintError> {
    let text = argument.to_string_lossy();
    let names = values::packages(&text).map_err(|problem| LintError::Argument {
        argument: text.into_owned(),
        problem,
    })?;
    Ok(names.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use deb_testing::{Data, Deb};

    fn given(arguments: &[&OsStr]) -> Result<LintSettings, LintError> {
        let environment = Environment {
            home: Some("/home/u".into()),
            ..Environment::default()
        };
        let all = std::iter::once(OsStr::new(NAME)).chain(arguments.iter().copied());
        let matches = command()
            .try_get_matches_from(all)
            .unwrap_or_else(|error| panic!("{error}"));
        super::resolve(matches, &environment)
    }

    fn package(control: &str) -> Vec<u8> {
        let mut deb = Deb::new("own", Data::default());
        deb.control = format!("{control}Maintainer: A <a@example.org>\nDescription: test\n");
        deb.bytes()
    }

    fn words(line: &str) -> Vec<&OsStr> {
        line.split(' ').map(OsStr::new).collect()
    }

    #[test]
    fn definition_is_consistent() {
        command().debug_assert();
        let none = command().try_get_matches_from([NAME]);
        assert!(none.is_err_and(|error| error.to_string().contains("PACKAGE|FILE.deb")));
        let help = command().render_long_help().to_string();
        assert!(help.contains("--format") && help.contains("--mirror") && !help.contains("--on-unrunnable"));
    }

    #[test]
    fn packages_are_asked_for_with_the_options_of_an_installation() {
        let line = "--arch riscv64 --suite trixie --include d --format json a b=1:2 c/sid b:arm64";
        let lint = given(&words(line)).unwrap();
        assert_eq!(lint.settings.include, ["d", "a", "b=1:2", "c/sid", "b:arm64"]);
        assert_eq!(lint.packages, ["a", "b", "c", "b"]);
        assert_eq!(
            (lint.settings.system.arch.name, lint.format),
            ("riscv64", Format::Json)
        );
        assert!(lint.wants("a") && !lint.wants("d"));
        assert!(given(&words("--all a")).unwrap().wants("d"));
        assert!(matches!(
            given(&words("Bad_Name")),
            Err(LintError::Argument { .. })
        ));
    }

    #[test]
    fn files_are_packages_of_their_own() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("own_1%3a2_all.deb");
        std::fs::write(&file, package("Package: own\nVersion: 1:2\nArchitecture: all\n")).unwrap();
        let lint = given(&[file.as_os_str()]).unwrap();
        assert_eq!(lint.settings.include, ["own=1:2"]);
        assert!(lint.wants("own"));
        let other = directory.path().join("own_2_hurd-i386.deb");
        std::fs::write(
            &other,
            package("Package: own\nVersion: 2\nArchitecture: hurd-i386\n"),
        )
        .unwrap();
        let error = given(&[other.as_os_str()]).unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.contains("--arch hurd-i386")));
        let missing = given(&words("./missing.deb"));
        assert!(matches!(missing, Err(LintError::Local(LocalError::Read { .. }))));
    }
}
