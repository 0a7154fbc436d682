//! The command line of `rootless-install build`: a recipe, and options that count as a last file of it would.

use super::environment::Environment;
use super::image_args::ImageArgs;
use super::multi::{self, Refused};
use super::{Cli, Exit, Given, SettingsError, console, described, made};
use crate::arch_table::ArchTableError;
use crate::commands::build::{self, Build};
use crate::recipe::{Installation, Options, Place, Recipe, RecipeError, Word, schema};
use crate::settings::{OtherOutput, Settings};
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, CommandFactory as _};
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use task_progress::{Style, with_causes};

/// Variable of the environment that a recipe's `env` may have, for the run as well.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

const ABOUT: &str = "\
Makes what a recipe asks for

A recipe is a file in TOML. Its keys are the options of `rootless-install`, by their names; tables beside them have files, \
users, groups, networks, several results of one installation, and a matrix of several installations. Options given here count \
as a last file of the recipe would: what there is only one of is replaced, lists go on.";

const AFTER: &str = "\
Examples:
  rootless-install build board.toml
  rootless-install build --arch riscv64 board.toml out/board.img
  rootless-install build --schema > recipe.schema.json";

/// Reason why a recipe is not followed.
#[derive(Debug, thiserror::Error)]
enum BuildError {
    /// The recipe is wrong.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// An option of the recipe is wrong.
    #[error("{}{message}", place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default())]
    Option {
        place: Option<Place>,
        message: String,
        hint: Option<String>,
    },
    /// Several directories are asked for.
    #[error("only one result can be a directory: {0} would be a second one")]
    Directories(String),
    /// One image of several architectures has other results beside it.
    #[error("an image of several architectures (multi) is the only result of its installations")]
    MultiOutputs,
}

impl BuildError {
    fn hint(&self) -> Option<&str> {
        match self {
            Self::Option { hint, .. } => hint.as_deref(),
            Self::Directories(_) => {
                Some("make others of it with `rootless-install unpack`, from a tar of this run")
            }
            Self::MultiOutputs => Some("put the other results into a recipe of their own"),
            Self::Recipe(_) => None,
        }
    }
}

/// Runs the command.
pub(super) fn main(_: &str, arguments: &[OsString], environment: &Environment, style: Style) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(mut error) => return super::clap_exit(&mut error, style),
    };
    let options = options();
    if matches.get_flag("schema") {
        let text = serde_json::to_string_pretty(&schema(&options)).unwrap_or_default();
        return match writeln!(std::io::stdout().lock(), "{text}") {
            Ok(()) => Exit::Success.into(),
            Err(source) => {
                super::error::print(&crate::commands::Error::Print(source), None::<&str>, style);
                Exit::Failure.into()
            }
        };
    }
    let builds = match builds(&matches, &options, environment) {
        Ok(builds) => builds,
        Err(error) => return console::usage(&error, error.hint(), style),
    };
    let Some(first) = builds.first().and_then(|build| build.all.first()) else {
        return Exit::Success.into();
    };
    made(first, style, |reporter, cancel| {
        build::run(&builds, &reporter, cancel)
    })
}

/// Returns the command line: that of an installation, and the recipe.
fn command() -> Command {
    let mut words = ABOUT.splitn(2, "\n\n");
    let about = words.next().unwrap_or_default();
    Cli::command()
        .name("rootless-install build")
        .bin_name("rootless-install build")
        .about(about)
        .long_about(ABOUT)
        .after_help(AFTER)
        .after_long_help(AFTER)
        .mut_arg("target", |arg| {
            arg.required(false)
                .index(2)
                .help("What to make, in the place of what the recipe makes")
                .long_help(None::<&str>)
        })
        .next_help_heading(None::<&str>)
        .arg(
            Arg::new("recipe")
                .value_name("FILE.toml")
                .value_parser(clap::value_parser!(PathBuf))
                .index(1)
                .required_unless_present("schema")
                .help("The recipe"),
        )
        .arg(
            Arg::new("schema")
                .long("schema")
                .action(ArgAction::SetTrue)
                .exclusive(true)
                .help("Print the JSON schema of recipes, and stop"),
        )
}

/// Returns the table of options that recipes have.
pub fn options() -> Options {
    Options::of(&Cli::command(), &ImageArgs::augment_args(Command::new("image")))
}

/// Returns the words that the command line gives.
fn given(matches: &ArgMatches, options: &Options) -> Vec<Word> {
    let command = command();
    let mut words: Vec<(usize, Word)> = Vec::new();
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        if ["recipe", "schema"].contains(&id) || matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let name = arg.get_long().unwrap_or(id);
        if options.get(name).is_none() {
            continue;
        }
        let word = |value: Option<OsString>| Word {
            option: name.to_owned(),
            value,
            place: None,
        };
        let at: Vec<usize> = matches.indices_of(id).into_iter().flatten().collect();
        if arg.get_action().takes_values() {
            let values = matches.get_raw(id).into_iter().flatten();
            words.extend(
                at.into_iter()
                    .zip(values.map(|value| word(Some(value.to_owned())))),
            );
        } else {
            let times = match arg.get_action() {
                ArgAction::Count => usize::from(matches.get_count(id)),
                _ => 1,
            };
            words.extend(
                std::iter::repeat_with(|| (at.first().copied().unwrap_or(0), word(None))).take(times),
            );
        }
    }
    words.sort_by_key(|(at, _)| *at);
    words.into_iter().map(|(_, word)| word).collect()
}

/// Reads the recipe, and returns what is to be made.
fn builds(
    matches: &ArgMatches,
    options: &Options,
    environment: &Environment,
) -> Result<Vec<Build>, BuildError> {
    let Some(path) = matches.get_one::<PathBuf>("recipe") else {
        return Ok(Vec::new());
    };
    let recipe = Recipe::read(path, options)?;
    let installations = recipe.installations(options, &given(matches, options))?;
    installations
        .iter()
        .map(|made| build(made, &recipe, environment))
        .collect()
}

/// Returns what one installation makes.
fn build(made: &Installation, recipe: &Recipe, environment: &Environment) -> Result<Build, BuildError> {
    let mut environment = environment.clone();
    let epoch = made.variables.iter().find(|(name, _)| name == EPOCH);
    if let (None, Some((_, value))) = (&environment.source_date_epoch, epoch) {
        environment.source_date_epoch = Some(value.into());
    }
    if made.has("multi") {
        let [output] = made.outputs.as_slice() else {
            return Err(BuildError::MultiOutputs);
        };
        let (words, given) = read(made, output)?;
        let mut all = multi::settings(&words, &given, &environment).map_err(|refused| match refused {
            Refused::Usage(error) => of_clap(made, &error),
            Refused::Settings(error) => of_settings(made, &error),
            Refused::Multi(error) => BuildError::Option {
                place: made.place("multi", None).cloned(),
                hint: Some(error.hint().to_owned()),
                message: error.to_string(),
            },
        })?;
        for settings in &mut all {
            complete(settings, made, recipe)?;
        }
        return Ok(Build {
            name: made.name.clone(),
            all,
        });
    }
    let mut results = Vec::new();
    for output in &made.outputs {
        let (_, given) = read(made, output)?;
        results.push(
            given
                .resolve(&environment)
                .map_err(|error| of_settings(made, &error))?,
        );
    }
    // What is made in place is the first one.
    let is_directory = |settings: &Settings| settings.target.format().is_none();
    let first = results.iter().position(is_directory).unwrap_or(0);
    let mut settings = results.remove(first);
    if let Some(second) = results.iter().find(|settings| is_directory(settings)) {
        return Err(BuildError::Directories(second.target.to_string()));
    }
    settings.other_outputs = results
        .into_iter()
        .map(|other| OtherOutput {
            target: other.target,
            image: other.image,
        })
        .collect();
    complete(&mut settings, made, recipe)?;
    Ok(Build {
        name: made.name.clone(),
        all: vec![settings],
    })
}

/// Reads the command line of a result. Architectures that it describes are known from then on.
fn read(made: &Installation, output: &[Word]) -> Result<(Vec<OsString>, Given), BuildError> {
    let mut words = made.command_line(output);
    described::take(&mut words).map_err(|error| BuildError::Option {
        place: match &error {
            ArchTableError::Option { option, .. } => {
                made.place(option.trim_start_matches('-'), None).cloned()
            }
            _ => made.place("arch-table", None).cloned(),
        },
        message: with_causes(&error),
        hint: None,
    })?;
    let given = Cli::read(&words).map_err(|error| of_clap(made, &error))?;
    Ok((words, given))
}

/// Adds what the tables of the recipe say.
fn complete(settings: &mut Settings, made: &Installation, recipe: &Recipe) -> Result<(), BuildError> {
    let mut customization = made.customization.clone();
    customization.extend(settings.customization.clone());
    customization.check().map_err(|wrong| BuildError::Option {
        place: made.place(&wrong.key, None).cloned(),
        message: wrong.to_string(),
        hint: None,
    })?;
    settings.customization = customization;
    recipe
        .directory()
        .clone_into(&mut settings.hook_context.directory);
    settings.hook_context.variables.clone_from(&made.variables);
    Ok(())
}

/// Returns what clap says of words of a recipe, with the place of the value.
fn of_clap(made: &Installation, error: &clap::Error) -> BuildError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(all)) => all.first().cloned(),
        _ => None,
    };
    let option = text(ContextKind::InvalidArg).map(|shown| option_of(&shown));
    let value = text(ContextKind::InvalidValue);
    let place = option
        .as_deref()
        .and_then(|option| made.place(option, value.as_deref()));
    let rendered = error.render().to_string();
    let lines: Vec<&str> = rendered
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let message = lines.join(" ");
    BuildError::Option {
        place: place.cloned(),
        message: message.strip_prefix("error: ").unwrap_or(&message).to_owned(),
        hint: None,
    }
}

/// Returns the name of an option as clap shows it: `--arch <ARCH,...>`.
fn option_of(shown: &str) -> String {
    let word = shown
        .split([' ', '=', '<', '['])
        .find(|word| !word.is_empty())
        .unwrap_or(shown);
    match word.strip_prefix("--") {
        Some(name) => name.to_owned(),
        None => word.trim_end_matches('>').to_ascii_lowercase(),
    }
}

/// Returns an error of settings, with the place of the option that it begins with.
fn of_settings(made: &Installation, error: &SettingsError) -> BuildError {
    let said = error.to_string();
    let option = said.split_whitespace().find_map(|word| word.strip_prefix("--"));
    let option = option.map(|word| {
        let end = word
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .unwrap_or(word.len());
        word.get(..end).unwrap_or(word).to_owned()
    });
    let option = match error {
        SettingsError::Target(_) => Some("target".to_owned()),
        _ => option,
    };
    let message = with_causes(error);
    BuildError::Option {
        place: option.and_then(|option| made.place(&option, None)).cloned(),
        message,
        hint: error.hint().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests;
