//! Seconds and executions of all runs, and the table made of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::targets;

const TOTALS: &str = "fuzz/totals.tsv";
const TABLE: &str = "docs/fuzzing.md";
const BEGIN: &str = "<!-- table -->\n";
const END: &str = "<!-- end -->\n";

/// What a run did, or all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// Seconds that processors have worked.
    pub(crate) seconds: u64,
    pub(crate) executions: u64,
}

impl Share {
    /// Writes it into a worker's directory.
    pub(crate) fn save(self, directory: &Path) -> Result<(), String> {
        let path = directory.join("share");
        let text = format!("{}\t{}", self.seconds, self.executions);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Returns what a worker has written; nothing, if it was killed before.
    pub(crate) fn load(directory: &Path) -> Self {
        let text = fs::read_to_string(directory.join("share")).unwrap_or_default();
        let (seconds, executions) = text.split_once('\t').unwrap_or_default();
        Self {
            seconds: seconds.parse().unwrap_or(0),
            executions: executions.parse().unwrap_or(0),
        }
    }
}

fn load() -> Result<BTreeMap<String, Share>, String> {
    let text = match fs::read_to_string(TOTALS) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(format!("{TOTALS}: {error}")),
    };
    let parse = |line: &str| {
        let mut words = line.split('\t');
        let (name, seconds, executions) = (words.next()?, words.next()?, words.next()?);
        let share = Share {
            seconds: seconds.parse().ok()?,
            executions: executions.parse().ok()?,
        };
        Some((name.to_owned(), share))
    };
    text.lines()
        .map(|line| parse(line).ok_or_else(|| format!("{TOTALS}: `{line}` is not NAME, SECONDS, EXECUTIONS")))
        .collect()
}

/// Adds a run's share to the totals.
pub(crate) fn add(target: &str, share: Share) -> Result<(), String> {
    let mut all = load()?;
    let total = all.entry(target.to_owned()).or_default();
    total.seconds += share.seconds;
    total.executions += share.executions;
    let mut text = String::new();
    for (name, share) in &all {
        let _ = writeln!(text, "{name}\t{}\t{}", share.seconds, share.executions);
    }
    let new = Path::new(TOTALS).with_extension("new");
    fs::write(&new, text).map_err(|error| format!("{}: {error}", new.display()))?;
    fs::rename(&new, TOTALS).map_err(|error| format!("{TOTALS}: {error}"))
}

/// Writes the table into the document.
pub(crate) fn write_table() -> Result<(), String> {
    let all = load()?;
    let document = fs::read_to_string(TABLE).map_err(|error| format!("{TABLE}: {error}"))?;
    let document =
        with_table(&document, &all).ok_or_else(|| format!("{TABLE} has no place for the table"))?;
    fs::write(TABLE, document).map_err(|error| format!("{TABLE}: {error}"))
}

/// Returns the document with a row for each target and the sum.
pub(crate) fn with_table(document: &str, all: &BTreeMap<String, Share>) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    let mut table =
        "| target | what reads the input | processor hours | executions | findings once |\n|---|---|---:|---:|---:|\n"
            .to_owned();
    let mut sum = Share::default();
    for target in targets::ALL {
        let share = all.get(target.name).copied().unwrap_or_default();
        sum.seconds += share.seconds;
        sum.executions += share.executions;
        // What was a finding once is a seed for ever.
        let once = fs::read_dir(Path::new("fuzz/seeds").join(target.name)).map_or(0, |entries| {
            let found = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b"found-");
            entries.flatten().filter(found).count()
        });
        row(
            &mut table,
            &format!("`{}`", target.name),
            target.what,
            share,
            &once.to_string(),
        );
    }
    row(&mut table, "all", "", sum, "");
    Some(format!("{before}{BEGIN}{table}{END}{after}"))
}

fn row(table: &mut String, name: &str, what: &str, share: Share, findings: &str) {
    let (whole, part) = (share.seconds / 3600, share.seconds % 3600 * 100 / 3600);
    let digits = share.executions.to_string();
    let grouped: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|three| std::str::from_utf8(three).unwrap_or_default())
        .collect();
    let _ = writeln!(
        table,
        "| {name} | {what} | {whole}.{part:02} | {} | {findings} |",
        grouped.join(",")
    );
}
