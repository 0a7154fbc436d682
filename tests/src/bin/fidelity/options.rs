//! The command line of `fidelity`.

use std::path::PathBuf;

use rootless_install_tests::fidelity::cases::GROUPS;

/// The text of `--help`.
pub(crate) const USAGE: &str = "\
usage: fidelity [OPTION]…

Without a choice of cases: runs all of them and writes the tables of the documents.

  --only GLOB        cases whose id matches; may be given more than once
  --group GROUP      cases of a group; may be given more than once
  --ci               cases that continuous integration runs
  --list             prints the chosen cases, how they ended last, and stops
  --tables           writes the tables from the results there are, and stops; with --group those of
                     the groups only
  --twice            makes a second reference of each chosen case and prints what differs
                     between the two: such content is random by design
  --justify          does so with the packages of each row of tests/cases/random, for this
                     machine's architecture; writes the table of
                     these rows; one that no such pair needs is an error
  --against PROGRAM  runs each chosen case with PROGRAM, another build of this program, in the
                     place of a reference: the same bytes, messages and errors are to come of it
  --adopt [ID=]TAR…  takes tars that were made with the same mirror and options as the
                     references of cases; the id is the tar's name if it is not given,
                     and ends in .second for the second one of --twice
  --jobs N           cases at the same time [1]
  --again            also cases whose record is of this program and reference; and references are
                     made where else the fingerprint that an earlier record keeps would do
  --fallback         where emulation cannot make a reference, compares the same packages
                     for this machine's architecture
  --keep             keeps the tars, in target/fidelity/tars
  --limit SECONDS    how long one side of a case may take [7200]
  --mirror URL       a mirror on loopback that runs already [the tests' pinned one]
  --references DIR   where listings of references are kept
  --results FILE     where records are kept [target/fidelity/results]
";

/// The options, as they were given.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) only: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) ci: bool,
    pub(crate) list: bool,
    pub(crate) tables: bool,
    pub(crate) twice: bool,
    pub(crate) justify: bool,
    pub(crate) against: Option<PathBuf>,
    pub(crate) adopt: Vec<String>,
    pub(crate) jobs: usize,
    pub(crate) again: bool,
    pub(crate) fallback: bool,
    pub(crate) keep: bool,
    pub(crate) limit: u64,
    pub(crate) mirror: Option<String>,
    pub(crate) references: Option<PathBuf>,
    pub(crate) results: Option<PathBuf>,
}

/// Reads the command line; nothing means that help is asked for.
///
/// # Errors
/// What is wrong with an option.
pub(crate) fn options() -> std::result::Result<Option<Options>, String> {
    let mut options = Options {
        jobs: 1,
        limit: 7200,
        ..Options::default()
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if !argument.starts_with('-') && !options.adopt.is_empty() {
            options.adopt.push(argument);
            continue;
        }
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument.clone(), None),
        };
        let mut value = || {
            let value = inline.clone().or_else(|| arguments.next());
            value.ok_or_else(|| format!("{name} wants a value"))
        };
        let number = |text: String| match text.parse() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("{text} is no number above 0")),
        };
        match name.as_str() {
            "--only" => options.only.push(value()?),
            "--group" => options.groups.push(value()?),
            "--adopt" => options.adopt.push(value()?),
            "--jobs" => options.jobs = number(value()?)?,
            "--limit" => options.limit = number(value()?)? as u64,
            "--mirror" => options.mirror = Some(value()?.trim_end_matches('/').to_owned()),
            "--references" => options.references = Some(value()?.into()),
            "--results" => options.results = Some(value()?.into()),
            "--against" => options.against = Some(value()?.into()),
            "--ci" => options.ci = true,
            "--list" => options.list = true,
            "--tables" => options.tables = true,
            "--twice" => options.twice = true,
            "--justify" => options.justify = true,
            "--again" => options.again = true,
            "--fallback" => options.fallback = true,
            "--keep" => options.keep = true,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("{argument} is no option")),
        }
    }
    if let Some(group) = options
        .groups
        .iter()
        .find(|group| !GROUPS.contains(&group.as_str()))
    {
        return Err(format!(
            "there is no group {group}; there are {}",
            GROUPS.join(", ")
        ));
    }
    Ok(Some(options))
}
