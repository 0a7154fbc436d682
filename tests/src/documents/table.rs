//! Tables in the documents.

/// A table: where it begins, and its rows without the head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table<'a> {
    /// The line of its head, counted from 1.
    pub(super) line: usize,
    /// The cells of each row.
    pub(super) rows: Vec<Vec<&'a str>>,
}

/// The table whose head has `first` in its first cell.
pub(super) fn table<'a>(text: &'a str, first: &str) -> Option<Table<'a>> {
    let mut lines = text.lines().enumerate();
    let (line, _) = lines.find(|(_, line)| cells(line).first() == Some(&first))?;
    let rows = lines.skip(1).map(|(_, line)| cells(line));
    Some(Table {
        line: line + 1,
        rows: rows.take_while(|cells| !cells.is_empty()).collect(),
    })
}

fn cells(line: &str) -> Vec<&str> {
    let inner = line
        .strip_prefix('|')
        .and_then(|line| line.trim_end().strip_suffix('|'));
    inner.map_or_else(Vec::new, |inner| inner.split('|').map(str::trim).collect())
}

/// What is quoted in backticks.
pub(super) fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn tables_are_read() {
    let text = "text\n\n| file | what |\n|---|---|\n| `a.rs`, `b.rs` | x |\n| `c.rs` | y |\n\n| other |\n";
    let table = table(text, "file").expect("a table");
    assert_eq!(table.line, 3);
    assert_eq!(table.rows, [["`a.rs`, `b.rs`", "x"], ["`c.rs`", "y"]]);
    assert_eq!(quoted(table.rows[0][0]).collect::<Vec<_>>(), ["a.rs", "b.rs"]);
    assert_eq!(super::table::table(text, "what"), None);
}
