//! The tables in the documents: made from the cases and what came of them, and
//! put between the lines `<!-- begin table: NAME -->` and `<!-- end table: NAME -->`.
//! What is outside of these lines is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::cases::{Case, Expected, GROUPS};
use super::results::{Record, Verdict};
use crate::compare::{Excuse, Random};
use crate::error::At as _;
use crate::{Error, Result};

/// What the tables are made from.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// All cases.
    pub cases: &'a [Case],
    /// The last record of each case.
    pub records: &'a BTreeMap<String, Record>,
    /// The rows of random entries.
    pub random: &'a [Random],
    /// The globs of rows that were seen to differ between two references.
    pub seen: &'a BTreeSet<String>,
}

/// Every table, by name.
#[must_use]
pub fn all(data: &Data<'_>) -> BTreeMap<String, String> {
    let mut tables: BTreeMap<String, String> = GROUPS
        .iter()
        .map(|group| ((*group).to_owned(), table(data, group)))
        .collect();
    tables.insert("random".to_owned(), random(data));
    tables.insert("state".to_owned(), state(data));
    tables
}

/// Puts tables into a document: those that are chosen, or all if none is. What stands in the place of the others is kept.
///
/// # Errors
/// When a mark has no end, or names no table.
pub fn put(
    document: &str,
    tables: &BTreeMap<String, String>,
    chosen: &[String],
) -> std::result::Result<String, String> {
    let mut out = String::new();
    // The table that the line is in, and whether its lines are kept.
    let mut inside: Option<(&str, bool)> = None;
    for line in document.lines() {
        let mark = |which: &str| {
            let rest = line.trim().strip_prefix(&format!("<!-- {which} table: "))?;
            rest.strip_suffix(" -->")
        };
        match (mark("begin"), mark("end"), inside) {
            (Some(name), _, None) => {
                let table = tables
                    .get(name)
                    .ok_or_else(|| format!("there is no table {name}"))?;
                if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
                    out += &format!("{line}\n\n{}\n\n", table.trim());
                    inside = Some((name, false));
                } else {
                    out += &format!("{line}\n");
                    inside = Some((name, true));
                }
            }
            (Some(name), _, Some((open, _))) => return Err(format!("table {name} begins inside of {open}")),
            (_, Some(name), Some((open, _))) if name == open => {
                out += &format!("{line}\n");
                inside = None;
            }
            (_, Some(name), _) => return Err(format!("table {name} ends and did not begin")),
            (None, None, None | Some((_, true))) => out += &format!("{line}\n"),
            (None, None, Some((_, false))) => {}
        }
    }
    match inside {
        Some((name, _)) => Err(format!("table {name} has no end")),
        None => Ok(out),
    }
}

/// Writes tables into a document; see [`put`].
///
/// # Errors
/// When it cannot be read or written, or its marks make no sense.
pub fn write(path: &Path, tables: &BTreeMap<String, String>, chosen: &[String]) -> Result<()> {
    let old = std::fs::read_to_string(path).at(path)?;
    let new =
        put(&old, tables, chosen).map_err(|what| Error::Machine(format!("{}: {what}", path.display())))?;
    if new != old {
        std::fs::write(path, new).at(path)?;
    }
    Ok(())
}

/// How many cases of a group ended how, in a sentence.
#[must_use]
pub fn summary(data: &Data<'_>, group: &str) -> String {
    let cases = data.cases.iter().filter(|case| case.group == group && !case.peer);
    let cases: Vec<&Case> = cases.collect();
    let records: Vec<&Record> = cases
        .iter()
        .filter_map(|case| data.records.get(&case.id()))
        .collect();
    let count = |verdict| records.iter().filter(|record| record.verdict == verdict).count();
    let (alone, compared): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.alone);
    let mut parts = Vec::new();
    for (cases, good) in [(&compared, Verdict::Equal), (&alone, Verdict::Installed)] {
        if !cases.is_empty() {
            parts.push(format!("{} of {} {good}", count(good), cases.len()));
        }
    }
    parts.push(format!("{} refused by name", count(Verdict::Refused)));
    parts.push(format!("{} deferred by name", count(Verdict::Deferred)));
    if !compared.is_empty() {
        parts.push(format!("{} silently different", count(Verdict::Differs)));
    }
    for (number, what) in [
        (count(Verdict::Failed), "failed"),
        (count(Verdict::NoReference), "without a reference"),
        (cases.len() - records.len(), "not run"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    parts.join(", ")
}

fn table(data: &Data<'_>, group: &str) -> String {
    let cases = data.cases.iter().filter(|case| case.group == group);
    let records = cases.clone().filter_map(|case| data.records.get(&case.id()));
    let mut out = format!("**{}.** {}\n\n", summary(data, group), circumstances(records));
    match group {
        "matrix" => return out + &grid::matrix(data, cases),
        "thousand" => return out + &grid::thousand(data, cases),
        _ => {}
    }
    if group == "wide" {
        out += "| package | packages | entries | seconds | outcome |\n|---|--:|--:|--:|---|\n";
        for case in cases {
            let record = data.records.get(&case.id());
            let [packages, entries, seconds] = match record.filter(|record| record.packages > 0) {
                Some(record) => [
                    grouped(record.packages),
                    grouped(record.entries),
                    format!("{:.1}", record.ours),
                ],
                None => ["", "", ""].map(str::to_owned),
            };
            let outcome = outcome(case, record);
            out += &format!(
                "| `{}` | {packages} | {entries} | {seconds} | {outcome} |\n",
                case.include
            );
        }
        return out;
    }
    out += "| case | architecture | suite | variant | with | packages | entries | differences | random | \
            seconds | emulated | outcome |\n|---|---|---|---|---|--:|--:|--:|---|--:|--:|---|\n";
    let mut notes: Vec<&str> = Vec::new();
    for case in cases {
        let record = data.records.get(&case.id());
        out += &row(case, record, &mut notes);
        let instead = |other: &&Record| other.instead_of == case.id();
        if let Some(other) = data.records.values().find(instead) {
            let mut case = case.clone();
            case.architectures = vec![other.case.split('-').next().unwrap_or_default().to_owned()];
            case.name += ", in its place";
            out += &row(&case, Some(other), &mut notes);
        }
    }
    out.push('\n');
    for (at, glob) in notes.iter().enumerate() {
        let reason = data.random.iter().find(|row| row.glob == *glob);
        let reason = reason.map_or("no longer listed", |row| row.reason.as_str());
        out += &format!("{}: `{glob}`: {reason}\n\n", letter(at));
    }
    out
}

fn row<'a>(case: &Case, record: Option<&'a Record>, notes: &mut Vec<&'a str>) -> String {
    let compared = record.filter(|record| record.packages > 0 || record.entries > 0);
    let number =
        |value: fn(&Record) -> usize| compared.map_or(String::new(), |record| grouped(value(record)));
    let seconds = |value: f64| {
        if value > 0.0 {
            format!("{value:.1}")
        } else {
            String::new()
        }
    };
    let mut random = Vec::new();
    for (glob, count) in record.iter().flat_map(|record| &record.random) {
        let at = notes.iter().position(|note| note == glob).unwrap_or_else(|| {
            notes.push(glob);
            notes.len() - 1
        });
        random.push(format!("{count} {}", letter(at)));
    }
    let ours = record.map_or(String::new(), |record| seconds(record.ours));
    let theirs = record.map_or(String::new(), |record| seconds(record.theirs));
    let with = if case.include.is_empty() {
        String::new()
    } else {
        format!("`{}`", case.include.replace(',', " "))
    };
    let cells = [
        if case.name == "-" { "" } else { &case.name }.to_owned(),
        case.architectures.join(", "),
        case.suite.clone(),
        case.variant.clone(),
        with,
        number(|record| record.packages),
        number(|record| record.entries),
        compared
            .filter(|record| {
                matches!(
                    record.verdict,
                    Verdict::Equal | Verdict::Differs | Verdict::Deferred
                )
            })
            .map_or(String::new(), |record| grouped(record.differences)),
        random.join(", "),
        ours,
        theirs,
        outcome(case, record),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn outcome(case: &Case, record: Option<&Record>) -> String {
    let Some(record) = record else {
        return "not run".to_owned();
    };
    let verdict = match (
        record.verdict,
        record.as_expected(case) || case.expected == Expected::Equal,
    ) {
        (verdict, _) if case.peer => verdict.to_string(),
        (Verdict::Differs, _) => "**differs**".to_owned(),
        (Verdict::Failed, _) => "**failed**".to_owned(),
        (verdict, true) => verdict.to_string(),
        (verdict, false) => format!("**{verdict}**, which is not expected"),
    };
    if record.message.is_empty() {
        return verdict;
    }
    let message: String = record.message.chars().take(200).collect();
    format!("{verdict}: {}", message.replace('|', "\\|").replace('<', "&lt;"))
}

fn random(data: &Data<'_>) -> String {
    let mut out = "| entries | what may differ | why | between two references |\n\
                   |---|---|---|---|\n"
        .to_owned();
    for row in data.random {
        out += &format!(
            "| `{}`{} | {} | {} | {} |\n",
            row.glob,
            match row.suite.as_str() {
                "" => String::new(),
                suite => format!(" in {suite}"),
            },
            match row.excuse {
                Excuse::Content => "content",
                Excuse::Size => "content and size",
                Excuse::Existence => "whether it is there",
                Excuse::Records => "the form of the same records",
            },
            row.reason,
            match (data.seen.contains(&row.glob), row.packages.as_str()) {
                (true, _) => "differ",
                (false, "") => "the same",
                (false, _) => "not compared",
            },
        );
    }
    out
}

/// The rows that excused nothing in any case and did not differ between two references.
#[must_use]
pub fn idle<'a>(data: &Data<'a>) -> Vec<&'a str> {
    let used = |glob: &String| {
        data.records
            .values()
            .any(|record| record.random.contains_key(glob))
    };
    data.random
        .iter()
        .filter(|row| !used(&row.glob) && !data.seen.contains(&row.glob))
        .map(|row| row.glob.as_str())
        .collect()
}

/// When records were made, from which state of the archive, and by how many builds of the program; in a sentence.
fn circumstances<'a>(records: impl Iterator<Item = &'a Record>) -> String {
    let records: Vec<&Record> = records.collect();
    let list = |value: fn(&Record) -> String| {
        let values: BTreeSet<String> = records.iter().map(|record| value(record)).collect();
        values.into_iter().collect::<Vec<_>>()
    };
    let (days, archives) = (
        list(|record| day(record.when)),
        list(|record| record.release.clone()),
    );
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return String::new();
    };
    let when = if first == last {
        first.clone()
    } else {
        format!("{first} to {last}")
    };
    let builds = match list(|record| record.program.clone()).len() {
        1 => "one build".to_owned(),
        several => format!("{several} builds"),
    };
    let printed: Vec<u64> = records
        .iter()
        .filter(|record| record.by_fingerprint())
        .map(|record| record.compared)
        .collect();
    let since = match (printed.len(), printed.iter().min()) {
        (1, Some(first)) => format!(
            " One row was compared with the fingerprint of a reference of {}.",
            day(*first)
        ),
        (several, Some(first)) => {
            format!(
                " {several} rows were compared with fingerprints of references, the oldest of {}.",
                day(*first)
            )
        }
        (_, None) => String::new(),
    };
    format!(
        "Run {when} with {builds} of the program; archive: {}.{since}",
        archives.join("; ")
    )
}

fn state(data: &Data<'_>) -> String {
    let ids: BTreeSet<String> = data.cases.iter().map(Case::id).collect();
    let records = || data.records.values().filter(|record| ids.contains(&record.case));
    let list = |values: BTreeSet<String>| values.into_iter().collect::<Vec<_>>().join("; ");
    let of = |value: fn(&Record) -> String| list(records().map(value).collect());
    let mut out = "| | |\n|---|---|\n".to_owned();
    if let (Some(first), Some(last)) = (
        records().map(|record| record.when).min(),
        records().map(|record| record.when).max(),
    ) {
        let (first, last) = (day(first), day(last));
        let when = if first == last {
            first
        } else {
            format!("{first} to {last}")
        };
        out += &format!("| run | {when} |\n");
    }
    out += &format!("| program | {} |\n", of(|record| record.version.clone()));
    out += &format!("| archive | {} |\n", of(|record| record.release.clone()));
    let programs: BTreeSet<&str> = records().map(|record| record.program.as_str()).collect();
    if programs.len() > 1 {
        out += &format!("| builds of the program | {} |\n", programs.len());
    }
    for group in GROUPS {
        out += &format!("| {group} | {} |\n", summary(data, group));
    }
    out
}

fn letter(at: usize) -> String {
    let last = char::from(b'a' + u8::try_from(at % 26).unwrap_or_default());
    if at < 26 {
        last.to_string()
    } else {
        format!("{}{last}", letter(at / 26 - 1))
    }
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

// The day of a time, as YYYY-MM-DD in UTC.
fn day(seconds: u64) -> String {
    let (mut days, mut year) = (seconds / 86_400, 1970);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

mod grid;
#[cfg(test)]
mod tests;
