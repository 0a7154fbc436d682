//! Tables with a case a cell: many cases that differ in little.

use super::{Data, grouped, outcome};
use crate::fidelity::cases::Case;
use crate::fidelity::results::Verdict;

/// Suites and architectures, a row each; variants, a column each.
pub(super) fn matrix<'a>(data: &Data<'_>, cases: impl Iterator<Item = &'a Case>) -> String {
    let place = |case: &Case| {
        let row = format!("{} | {}", case.suite, case.architectures.join(", "));
        (row, case.variant.clone())
    };
    grid(data, cases, "suite | architecture", place)
}

/// Sets of packages, a row each; architectures, a column each.
pub(super) fn thousand<'a>(data: &Data<'_>, cases: impl Iterator<Item = &'a Case>) -> String {
    let cases: Vec<&Case> = cases.collect();
    // A set may lack packages where the archive has them for some architectures only.
    let whole = |name: &str| {
        let all = cases.iter().filter(|case| case.name == name);
        all.map(|case| case.include.as_str())
            .max_by_key(|include| include.len())
    };
    let place = |case: &Case| {
        let include = whole(&case.name).unwrap_or_default().replace(',', " ");
        (
            format!("{} | `{include}`", case.name),
            case.architectures.join(", "),
        )
    };
    grid(data, cases.iter().copied(), "set | packages", place)
}

/// A table whose cells are placed by the words of a row and of a column. What is said of a
/// cell that is neither equal nor installed stands below.
fn grid<'a>(
    data: &Data<'_>,
    cases: impl Iterator<Item = &'a Case>,
    head: &str,
    place: impl Fn(&Case) -> (String, String),
) -> String {
    let (mut rows, mut columns): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut cells = std::collections::BTreeMap::new();
    let mut below = String::new();
    let index = |all: &mut Vec<String>, word: String| {
        all.iter().position(|known| *known == word).unwrap_or_else(|| {
            all.push(word);
            all.len() - 1
        })
    };
    for case in cases {
        let (row, column) = place(case);
        let at = (index(&mut rows, row), index(&mut columns, column));
        let record = data.records.get(&case.id());
        let cell = match record {
            Some(record) if matches!(record.verdict, Verdict::Equal | Verdict::Installed) => {
                format!("{}, {}", record.verdict, grouped(record.packages))
            }
            Some(record) => {
                below += &format!("{}: {}\n\n", case.id(), outcome(case, Some(record)));
                format!("**{}**", record.verdict)
            }
            None => "not run".to_owned(),
        };
        cells.insert(at, cell);
    }
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut out = line(
        [head]
            .into_iter()
            .chain(columns.iter().map(String::as_str))
            .collect(),
    );
    let width = head.split('|').count() + columns.len();
    out += &format!("|{}\n", "---|".repeat(width));
    for (at, row) in rows.iter().enumerate() {
        let cell = |column| cells.get(&(at, column)).map_or("", String::as_str);
        let all = [row.as_str()].into_iter().chain((0..columns.len()).map(cell));
        out += &line(all.collect());
    }
    out.push('\n');
    out + &below
}
