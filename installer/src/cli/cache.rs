//! The command `rootless-install cache`: what is in the cache, and what is taken out of it.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::environment::Environment;
use super::{Exit, console, error, values};
use crate::cache::{self, Entry, Keep, Kind};
use task_progress::summary::ByteCount;
use task_progress::{Cancel, Style, escape_path};

/// The command's word.
pub const NAME: &str = "cache";

const AFTER_HELP: &str = "\
A run looks at its cache once a day: logs of more than 30 days go, and where all is larger than 32 GB
what was not used for the longest time. What the archives' dates were is never forgotten.

Examples:
  rootless-install cache list
  rootless-install cache prune --keep 14d
  rootless-install cache prune --keep 5GiB --dry-run
  rootless-install cache verify";

/// Shows, prunes and verifies the cache
#[derive(Debug, Parser)]
#[command(name = "rootless-install cache", bin_name = "rootless-install cache", after_help = AFTER_HELP)]
struct CacheArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Args)]
struct Common {
    /// The cache [default: $XDG_CACHE_HOME/rootless-install or ~/.cache/rootless-install]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what is in the cache
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Take out what is not to be kept, once no run uses the cache
    Prune {
        /// What is kept: what was used within a time (`14d`), or last up to a size (`5GiB`)
        #[arg(long, value_name = "DURATION|SIZE", value_parser = keep)]
        keep: Keep,
        /// Only show what would be taken out
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Read packages, indexes, native tools and native roots, and take out what is damaged
    Verify {
        #[command(flatten)]
        common: Common,
    },
}

/// Runs the command with these words, of which the first is its own.
pub fn main(words: &[OsString], environment: &Environment, style: Style) -> ExitCode {
    let args: CacheArgs = match console::parse(NAME, words, style) {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    let cancel = Cancel::new();
    let done = cancel
        .listen(|_| {})
        .map_err(Failure::Io)
        .and_then(|()| run(&args.action, environment, &cancel));
    match (done, cancel.signal()) {
        (Ok(exit), _) => exit.into(),
        (Err(_), Some(signal)) => Exit::Signal(signal).into(),
        (Err(failure), None) => {
            error::print(&failure, failure.hint(), style);
            match failure {
                Failure::NoCache => Exit::Usage,
                _ => Exit::Failure,
            }
            .into()
        }
    }
}

/// Failure of the command.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(
        "there is no place for the cache: neither XDG_CACHE_HOME nor HOME is set, and passwd(5) has no home directory of the user"
    )]
    NoCache,
    #[error("there is no cache at {0}")]
    Missing(PathBuf),
    #[error(transparent)]
    Archive(#[from] deb_archive::ArchiveError),
    #[error("cannot read or print")]
    Io(#[from] io::Error),
    #[error("cannot print")]
    Json(#[from] serde_json::Error),
}

impl Failure {
    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoCache | Self::Missing(_) => Some("name a directory with --cache"),
            _ => None,
        }
    }
}

fn run(action: &Action, environment: &Environment, cancel: &Cancel) -> Result<Exit, Failure> {
    let (Action::List { common } | Action::Prune { common, .. } | Action::Verify { common }) = action;
    let cache = common
        .cache
        .clone()
        .or_else(|| environment.cache())
        .ok_or(Failure::NoCache)?;
    if !cache.is_dir() {
        return Err(Failure::Missing(cache));
    }
    let stop = || cancel.check().is_err();
    let mut out = io::stdout().lock();
    match action {
        Action::List { .. } => {
            let entries = cache::entries(&cache)?;
            match common.json {
                true => json(&mut out, &table(&entries))?,
                false => {
                    writeln!(out, "{}", escape_path(&cache))?;
                    print(&mut out, &table(&entries))?;
                }
            }
        }
        Action::Prune { keep, dry_run, .. } => {
            let pruned = cache::prune(&cache, *keep, *dry_run, &stop)?;
            let (table, bytes) = (table(&pruned.entries), ByteCount(pruned.bytes()));
            match common.json {
                true => json(&mut out, &table)?,
                false if pruned.entries.is_empty() => writeln!(out, "nothing to take out")?,
                false => {
                    print(&mut out, &table)?;
                    let would = if *dry_run { "would be freed" } else { "freed" };
                    writeln!(out, "{bytes} {would}")?;
                }
            }
        }
        Action::Verify { .. } => {
            let (damaged, checked) = cache::verify(&cache, &stop)?;
            if common.json {
                json(
                    &mut out,
                    &serde_json::json!({ "checked": checked, "damaged": damaged }),
                )?;
            } else {
                for damage in &damaged {
                    writeln!(out, "damaged, and taken out: {}", escape_path(&damage.path))?;
                }
                writeln!(out, "{checked} entries checked, {} damaged", damaged.len())?;
            }
            if !damaged.is_empty() {
                return Ok(Exit::Findings);
            }
        }
    }
    Ok(Exit::Success)
}

/// Entries of a kind, as they are shown.
#[derive(Debug, serde::Serialize)]
struct Row {
    kind: Kind,
    entries: usize,
    bytes: u64,
    /// Days since the one that was used last was used.
    unused_days: u64,
}

fn table(entries: &[Entry]) -> Vec<Row> {
    let row = |kind: Kind| {
        let own: Vec<&Entry> = entries.iter().filter(|entry| entry.kind == kind).collect();
        let last = own.iter().map(|entry| entry.used).max()?;
        Some(Row {
            kind,
            entries: own.len(),
            bytes: own.iter().map(|entry| entry.bytes).sum(),
            unused_days: last.elapsed().unwrap_or_default().as_secs() / 86_400,
        })
    };
    Kind::ALL.into_iter().filter_map(row).collect()
}

fn print(out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
    for row in rows {
        writeln!(
            out,
            "  {:24} {:>7} entries {:>10}  last used {}",
            row.kind.name(),
            row.entries,
            ByteCount(row.bytes),
            match row.unused_days {
                0 => "today".to_owned(),
                1 => "yesterday".to_owned(),
                days => format!("{days} days ago"),
            }
        )?;
    }
    let total = rows.iter().map(|row| row.bytes).sum();
    let entries: usize = rows.iter().map(|row| row.entries).sum();
    writeln!(
        out,
        "  {:24} {entries:>7} entries {:>10}",
        "together",
        ByteCount(total)
    )
}

fn json(out: &mut dyn Write, value: &impl serde::Serialize) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    Ok(writeln!(out)?)
}

/// Parses a duration with a unit, or a size with one.
fn keep(text: &str) -> Result<Keep, String> {
    let bad = || "give a time as `14d` or a size as `5GiB`".to_owned();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let size = || values::size(text).map(Keep::Bytes);
    let time = || crate::settings::duration(text).map(Keep::Used);
    // `30m` are minutes, `30M` is a size.
    let kept = match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => size().or_else(|_| time()),
        false => time().or_else(|_| size()),
    };
    kept.map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_and_sizes() {
        let days = |days: u64| Keep::Used(Duration::from_secs(days * 86_400));
        for (text, expected) in [
            ("14d", days(14)),
            ("1440m", days(1)),
            ("5M", Keep::Bytes(5 << 20)),
            ("2weeks", days(14)),
            ("1day 24h", days(2)),
            ("5GiB", Keep::Bytes(5 << 30)),
            ("5G", Keep::Bytes(5 << 30)),
            ("5GB", Keep::Bytes(5 << 30)),
            ("0B", Keep::Bytes(0)),
        ] {
            assert_eq!(keep(text), Ok(expected), "{text}");
        }
        for text in ["", "5", "GiB", "-1d", "99999999999GiB", "5GBBB", "5 apples"] {
            assert!(keep(text).is_err(), "{text}");
        }
    }
}
