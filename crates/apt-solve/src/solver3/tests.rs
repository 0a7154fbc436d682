use super::clauses::Key;
use super::*;
use crate::{DEFAULT_PRIORITY, IndexInput, Universe};
use deb_index::Packages;

/// Returns what the versions of `tool`, one in each suite, need, and the same in what way.
fn dependencies(first: &str, second: &str) -> [Vec<Key>; 2] {
    let library = |version| format!("Package: lib\nVersion: {version}\nArchitecture: riscv64\n\n");
    let texts = [(2, first), (1, second)].map(|(version, fields)| {
        let tool = format!("Package: tool\nVersion: {version}\nArchitecture: riscv64\n{fields}\n\n");
        library(version) + &tool
    });
    let packages = texts.map(|text| Packages::parse(&text).unwrap());
    let inputs = packages
        .iter()
        .zip(["new", "old"])
        .map(|(packages, suite)| IndexInput {
            packages,
            suite,
            codename: suite,
            component: "main",
            architecture: "riscv64",
            priority: DEFAULT_PRIORITY,
        });
    let inputs: Vec<IndexInput<'_>> = inputs.collect();
    let universe = Universe::new(&inputs, "riscv64", &[]);
    let marks = Marks::new(&universe, false, false);
    let solver = Solver::new(&marks);
    let slot = universe.slot("tool", 0).unwrap();
    let keys: Vec<Vec<Key>> = universe
        .versions(slot)
        .iter()
        .map(|id| solver.keys(*id))
        .collect();
    keys.try_into().unwrap()
}

#[test]
fn dependencies_are_the_same_where_they_are_written_the_same() {
    // Each of these means both versions of `lib`.
    let [new, old] = dependencies(
        "Depends: lib (<< 3), lib (>= 2)",
        "Depends: lib (<< 2), lib (>= 1)",
    );
    assert!(new.iter().all(|key| !old.contains(key)), "{new:?} {old:?}");
    let [new, old] = dependencies("Recommends: lib", "Recommends: lib (>= 1)");
    assert!(new != old, "{new:?} {old:?}");
    let [new, old] = dependencies("Depends: lib | other", "Depends: lib|other");
    assert!(new == old, "{new:?} {old:?}");
    let [new, old] = dependencies("Depends: lib", "Pre-Depends: lib");
    assert!(new != old, "{new:?} {old:?}");
}

#[test]
fn what_is_replaced_concerns_each_architecture_that_has_it() {
    let text = |architecture: &str, more: &str| {
        format!(
            "Package: both\nVersion: 1\nArchitecture: {architecture}\n\n\
             Package: everywhere\nVersion: 1\nArchitecture: all\nMulti-Arch: foreign\n\n{more}"
        )
    };
    let tool = "Package: one\nVersion: 1\nArchitecture: riscv64\n\n\
                Package: tool\nVersion: 1\nArchitecture: riscv64\n\
                Replaces: both, one, everywhere, nobody, both:amd64\n\n";
    let archs = ["riscv64", "amd64"];
    let packages = [text("riscv64", tool), text("amd64", "")].map(|text| Packages::parse(&text).unwrap());
    let inputs = packages
        .iter()
        .zip(archs)
        .map(|(packages, architecture)| IndexInput {
            packages,
            suite: "new",
            codename: "new",
            component: "main",
            architecture,
            priority: DEFAULT_PRIORITY,
        });
    let inputs: Vec<IndexInput<'_>> = inputs.collect();
    let universe = Universe::new(&inputs, "riscv64", &["amd64"]);
    let marks = Marks::new(&universe, false, false);
    let solver = Solver::new(&marks);
    let tool = universe.slot_candidate(universe.slot("tool", 0).unwrap());
    let keys = solver.keys(tool);
    for (name, count) in [
        ("both", 2),
        ("one", 1),
        ("everywhere", 2),
        ("nobody", 1),
        ("both:amd64", 1),
    ] {
        let key = Key::Other(format!("replaces {name}"));
        assert_eq!(
            keys.iter().filter(|known| **known == key).count(),
            count,
            "{name}"
        );
    }
}
