//! The documents are true: tests that they name are there, and tables of files, crates and
//! dependencies list exactly those that there are.

mod dependencies;
mod files;
mod table;

use std::path::Path;

// `FILE.rs::NAME` in backticks, with the line it stands in.
fn named(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let lines = text.lines().enumerate();
    lines.flat_map(|(number, line)| {
        line.split('`')
            .skip(1)
            .step_by(2)
            .filter_map(move |quoted| match quoted.split_once(".rs::") {
                Some((file, name)) if !quoted.contains(' ') => Some((number + 1, file, name)),
                _ => None,
            })
    })
}

#[test]
fn every_test_named_is_there() {
    let root = crate::program::workspace();
    let text = std::fs::read_to_string(root.join("docs/semantics.md")).expect("docs/semantics.md");
    let mut missing = Vec::new();
    let mut count = 0;
    for (line, file, name) in named(&text) {
        count += 1;
        let source = std::fs::read_to_string(root.join(Path::new(file).with_extension("rs")));
        let forms = [
            format!("fn {name}("),
            format!("fn {name}<"),
            format!("\n    {name}, "),
        ];
        if !source.is_ok_and(|source| forms.iter().any(|form| source.contains(form))) {
            missing.push(format!("line {line}: {file}.rs::{name}"));
        }
    }
    assert_eq!(
        missing,
        Vec::<String>::new(),
        "docs/semantics.md names no such test"
    );
    assert!(count > 100, "only {count} tests are named");
}
