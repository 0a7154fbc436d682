//! Every seed, and some mutations of each that are always the same.

use std::collections::BTreeMap;
use std::path::Path;

use crate::mutate::{Random, mend_tar, mutate};
use crate::targets::{self, ALL};
use crate::totals::{Share, with_table};
use crate::worker::{inputs, read};

#[test]
fn seeds_and_some_mutations_of_them() {
    for target in ALL {
        let directory = tempfile::tempdir().unwrap();
        let mut one = (target.open)(directory.path());
        let mut seeds = (target.seeds)();
        // Among these is every input that once was a finding.
        seeds.extend(inputs(
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("seeds")
                .join(target.name),
        ));
        assert!(!seeds.is_empty(), "{}", target.name);
        let mut random = Random::new(1);
        for seed in &seeds {
            if let Err(said) = read(&mut *one, seed) {
                panic!("{}: {said}", target.name);
            }
            for _ in 0..20 {
                let mut input = mutate(seed, &seeds[random.below(seeds.len())], &mut random);
                (target.mend)(&mut input);
                if let Err(said) = read(&mut *one, &input) {
                    panic!("{}: {said}\n{}", target.name, input.escape_ascii());
                }
            }
        }
    }
}

#[test]
fn targets_read_what_they_are_for() {
    let read_seed = |spec: &targets::Spec| {
        let directory = tempfile::tempdir().unwrap();
        let mut one = (spec.open)(directory.path());
        (spec.seeds)()
            .iter()
            .map(|seed| one.read(seed))
            .collect::<Vec<_>>()
    };
    // A target whose seeds are refused at the door would find nothing.
    let all: BTreeMap<&str, Vec<String>> = ALL.iter().map(|spec| (spec.name, read_seed(spec))).collect();
    for (name, outcomes) in &all {
        let fine = outcomes.iter().filter(|outcome| outcome.contains("ok")).count();
        assert!(fine * 2 >= outcomes.len(), "{name}: {outcomes:?}");
    }
}

#[test]
fn a_panic_is_an_outcome() {
    struct Fails;
    impl targets::Target for Fails {
        fn read(&mut self, input: &[u8]) -> String {
            assert!(input.is_empty(), "not empty");
            "fine".to_owned()
        }
    }
    assert_eq!(read(&mut Fails, b""), Ok("fine".to_owned()));
    assert!(read(&mut Fails, b"x").unwrap_err().contains("not empty"));
}

#[test]
fn mended_archives_have_right_checksums() {
    let mut tar = deb_testing::Data::default().file("./a", "x").finish();
    let whole = tar.clone();
    tar[0] = b'z';
    tar[148] = b'9';
    mend_tar(&mut tar);
    assert_ne!(tar, whole);
    tar[0] = whole[0];
    mend_tar(&mut tar);
    let sum =
        |header: &[u8]| u32::from_str_radix(std::str::from_utf8(&header[148..154]).unwrap(), 8).unwrap();
    let bytes: u32 = whole[..148]
        .iter()
        .chain(&whole[156..512])
        .map(|byte| u32::from(*byte))
        .sum();
    assert_eq!(sum(&tar), bytes + 8 * 32);
}

#[test]
fn the_table_has_a_row_for_each_target() {
    let share = Share {
        seconds: 5400,
        executions: 1_234_567,
    };
    let all = BTreeMap::from([("deb".to_owned(), share)]);
    let document = with_table("a\n<!-- table -->\nold\n<!-- end -->\nb\n", &all).unwrap();
    assert!(
        document.starts_with("a\n") && document.ends_with("<!-- end -->\nb\n") && !document.contains("old")
    );
    assert!(document.contains("| 1.50 | 1,234,567 |") && document.contains("| all |  | 1.50 | 1,234,567 |"));
    assert_eq!(document.matches("\n| `").count(), ALL.len());
    assert_eq!(with_table("nothing", &all), None);
}

/// The document in the repository has the targets that there are.
#[test]
fn the_document_names_every_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document = std::fs::read_to_string(root.join("docs/fuzzing.md")).unwrap();
    for target in ALL {
        let row = format!("| `{}` | {} |", target.name, target.what);
        assert!(document.contains(&row), "run `make fuzz`: {row}");
    }
}
