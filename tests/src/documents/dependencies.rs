//! `docs/dependencies.md` has a row for each crate of others that a `Cargo.toml` names, and says who
//! names it. `WRITE_DOCS=1` has this test write the second column; reasons are written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::table::table;
use crate::program::workspace;
use crate::workspace::{Package, When, members};

const DOCUMENT: &str = "docs/dependencies.md";
const HEAD: &str = "crate";

// Each dependency and those that name it: `package`, `package (build)`, `package (tests)`.
fn named(members: &[Package]) -> BTreeMap<String, BTreeSet<String>> {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for member in members {
        for dependency in &member.dependencies {
            if members.iter().any(|other| other.name == dependency.name) {
                continue;
            }
            let user = match dependency.kind {
                When::Normal => member.name.clone(),
                When::Build => format!("{} (build)", member.name),
                When::Dev => format!("{} (tests)", member.name),
            };
            named.entry(dependency.name.clone()).or_default().insert(user);
        }
    }
    named
}

fn joined(users: &BTreeSet<String>) -> String {
    users.iter().cloned().collect::<Vec<_>>().join(", ")
}

#[test]
fn every_dependency_has_a_row_that_says_who_uses_it() {
    let path = workspace().join(DOCUMENT);
    let text = std::fs::read_to_string(&path).expect(DOCUMENT);
    let named = named(&members(&workspace()).expect("cargo metadata"));
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&path, written(&text, &named)).expect("written");
        return;
    }
    let table = table(&text, HEAD).expect("a table");
    let mut wrong = Vec::new();
    let mut rows = BTreeSet::new();
    for row in &table.rows {
        let [name, users, job, _] = row.as_slice() else {
            panic!("{DOCUMENT}: a row has four cells: crate, used by, job, why this one: {row:?}");
        };
        assert!(rows.insert(*name), "{DOCUMENT}: {name} has two rows");
        match named.get(*name).map(joined) {
            None => wrong.push(format!("{name} is in no Cargo.toml")),
            Some(there) if there != *users => wrong.push(format!("{name} is used by {there}")),
            Some(_) if job.is_empty() => wrong.push(format!("{name} has no job")),
            Some(_) => {}
        }
    }
    let missing = named.iter().filter(|(name, _)| !rows.contains(name.as_str()));
    wrong.extend(missing.map(|(name, users)| format!("{name} has no row; used by {}", joined(users))));
    assert!(
        wrong.is_empty(),
        "{DOCUMENT} is wrong (WRITE_DOCS=1 with this test mends who uses a crate):\n{}",
        wrong.join("\n")
    );
}

// The document with the rows there are, those that are missing and none that are too many, in the
// order of names.
fn written(text: &str, named: &BTreeMap<String, BTreeSet<String>>) -> String {
    let table = table(text, HEAD).expect("a table");
    let rows = named.iter().map(|(name, users)| {
        let old = table.rows.iter().find(|row| row[0] == name);
        let cell = |at: usize| old.and_then(|row| row.get(at)).copied().unwrap_or_default();
        format!("| {name} | {} | {} | {} |", joined(users), cell(2), cell(3))
    });
    let before = text.lines().take(table.line + 1).map(str::to_owned);
    let after = text
        .lines()
        .skip(table.line + 1 + table.rows.len())
        .map(str::to_owned);
    before.chain(rows).chain(after).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn rows_are_written() {
    let text = "a\n\n| crate | used by | job | why |\n|---|---|---|---|\n| ar | x | reads | small |\n| gone | x | | |\n\nb\n";
    let users = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let named = BTreeMap::from([
        ("tar".to_owned(), users(&["x", "y (tests)"])),
        ("ar".to_owned(), users(&["y"])),
    ]);
    let new = "a\n\n| crate | used by | job | why |\n|---|---|---|---|\n| ar | y | reads | small |\n| tar | x, y (tests) |  |  |\n\nb\n";
    assert_eq!(written(text, &named), new);
}

#[test]
fn no_dependency_is_left_over() {
    let mut unused = Vec::new();
    for member in members(&workspace()).expect("cargo metadata") {
        let mut text = String::new();
        for dir in ["src", "tests", "benches", "examples", "build.rs"] {
            collect(&member.dir.join(dir), &mut text);
        }
        for dependency in &member.dependencies {
            // `md-5` is `md5` in sources: a library may have a name of its own.
            let names = [
                dependency.name.replace('-', "_"),
                dependency.name.replace('-', ""),
            ];
            if !names.iter().any(|name| mentions(&text, name)) {
                unused.push(format!("{}: {}", member.name, dependency.name));
            }
        }
    }
    assert_eq!(unused, [""; 0], "named in Cargo.toml and used in no source file");
}

fn collect(path: &Path, text: &mut String) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a directory").flatten() {
            collect(&entry.path(), text);
        }
    } else if path.is_file() && path.extension().is_some_and(|end| end == "rs") {
        *text += &std::fs::read_to_string(path).expect("a source file");
    }
}

// Whether the name stands alone somewhere outside of comments.
fn mentions(text: &str, name: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .any(|line| line.split(|letter| !part(letter)).any(|word| word == name))
}
