//! The tables of files, modules and crates name exactly those that are there.

use std::collections::BTreeSet;
use std::path::Path;

use super::table::{quoted, table};
use crate::program::workspace;
use crate::workspace::members;

// The names in the first column of a table.
fn listed(document: &str, head: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(workspace().join(document)).expect(document);
    let table = table(&text, head).unwrap_or_else(|| panic!("{document} has no table headed `{head}`"));
    let mut names = BTreeSet::new();
    for row in &table.rows {
        for name in quoted(row[0]) {
            assert!(
                names.insert(name.to_owned()),
                "{document}: {name} is listed twice"
            );
        }
    }
    names
}

fn compared(document: &str, head: &str, there: &BTreeSet<String>) {
    let listed = listed(document, head);
    let missing: Vec<&String> = there.difference(&listed).collect();
    let gone: Vec<&String> = listed.difference(there).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "{document}, the table headed `{head}`: without a row {missing:?}, not there any more {gone:?}"
    );
}

// The names of the files and directories in `dir`, `lib.rs` and what belongs to another left out.
fn entries(dir: &str, shown: impl Fn(&Path) -> Option<String>) -> BTreeSet<String> {
    let dir = workspace().join(dir);
    let all = std::fs::read_dir(&dir).expect("a directory");
    all.filter_map(|entry| shown(&entry.expect("an entry").path()))
        .collect()
}

fn stem(path: &Path) -> Option<String> {
    path.file_stem().map(|name| name.to_string_lossy().into_owned())
}

fn source(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "rs")
}

#[test]
fn every_test_file_has_a_row() {
    let there = entries("tests/tests", |path| {
        let name = source(path).then(|| path.file_name())??;
        Some(name.to_string_lossy().into_owned())
    });
    compared("docs/testing.md", "file in `tests/tests`", &there);
}

#[test]
fn every_module_of_the_tests_has_a_row() {
    let there = entries("tests/src", |path| {
        stem(path).filter(|name| source(path) && name != "lib")
    });
    compared("docs/testing.md", "module in `tests/src`", &there);
}

#[test]
fn every_program_of_the_tests_has_a_row() {
    let there = entries("tests/src/bin", stem);
    compared("docs/testing.md", "program in `tests/src/bin`", &there);
}

#[test]
fn every_crate_has_a_row() {
    let members = members(&workspace()).expect("cargo metadata");
    let there = members.into_iter().map(|member| member.name).collect();
    compared("docs/architecture.md", "crate", &there);
}
