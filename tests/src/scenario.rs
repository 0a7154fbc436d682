//! All that is tested end to end, in one table: what each test shows and what it
//! needs of the machine. A test that is not in the table, or an entry without a
//! test, is an error.

mod table;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::probe::{Need, met};

pub use table::SCENARIOS;

/// One end-to-end test.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// The test function.
    pub name: &'static str,
    /// What it shows.
    pub shows: &'static str,
    /// What it needs beside the program.
    pub needs: &'static [Need],
    /// Whether no other test of the same file may run meanwhile.
    pub alone: bool,
}

/// The right to run; other tests that must be alone wait for its end.
#[derive(Debug)]
pub struct Begun {
    _alone: Option<MutexGuard<'static, ()>>,
}

/// Every scenario with its file.
fn all() -> impl Iterator<Item = (&'static str, &'static Scenario)> {
    let files = SCENARIOS.iter();
    files.flat_map(|(file, scenarios)| scenarios.iter().map(move |one| (*file, one)))
}

/// Begins a test; nothing if the machine lacks something it needs.
///
/// # Panics
/// When the test is not in the table; with `CI=true` also when a need is not met.
#[must_use]
pub fn begin(file: &str, name: &str) -> Option<Begun> {
    static ALONE: Mutex<()> = Mutex::new(());
    let scenario = all().find(|(of, one)| *of == file && one.name == name);
    let (_, scenario) = scenario.unwrap_or_else(|| panic!("{file}::{name} is not in the table of scenarios"));
    if !met(name, scenario.needs) {
        return None;
    }
    let alone = scenario
        .alone
        .then(|| ALONE.lock().unwrap_or_else(PoisonError::into_inner));
    Some(Begun { _alone: alone })
}

/// Declares a test of the table: a name and a body that may use `?`.
#[macro_export]
macro_rules! scenario {
    ($name:ident, $body:block) => {
        #[test]
        fn $name() {
            let file = std::path::Path::new(file!()).file_stem().and_then(|stem| stem.to_str());
            let Some(_begun) = $crate::scenario::begin(file.unwrap_or(""), stringify!($name)) else { return };
            let body = || -> std::result::Result<(), Box<dyn std::error::Error>> {
                $body
                Ok(())
            };
            if let Err(error) = body() {
                panic!("{error}");
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_table_and_the_tests_agree() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let mut written = BTreeSet::new();
        for entry in std::fs::read_dir(&dir).expect("tests/tests") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|end| end != "rs") {
                continue;
            }
            let file = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("text");
            assert!(
                !text.contains("#[test]"),
                "{file}.rs has a test that is not declared with scenario!"
            );
            for line in text.lines() {
                if let Some(rest) = line.trim_start().strip_prefix("scenario!(") {
                    let name = rest.split(',').next().unwrap_or(rest).to_owned();
                    assert!(
                        written.insert((file.clone(), name.clone())),
                        "{file}::{name} is there twice"
                    );
                }
            }
        }
        let table: BTreeSet<_> = all()
            .map(|(file, one)| (file.to_owned(), one.name.to_owned()))
            .collect();
        assert_eq!(table.len(), all().count(), "a scenario is in the table twice");
        assert_eq!(
            table.difference(&written).collect::<Vec<_>>(),
            Vec::<&(String, String)>::new(),
            "no test"
        );
        assert_eq!(
            written.difference(&table).collect::<Vec<_>>(),
            Vec::<&(String, String)>::new(),
            "no entry"
        );
    }
}
