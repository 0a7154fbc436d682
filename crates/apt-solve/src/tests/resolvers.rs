//! What apt's resolvers choose where it is not the first that comes to mind. What is expected was seen of apt 3.0.4.

use super::*;

/// Chooses from indexes of suites with a resolver; returns names with versions, sorted, or the error's text.
fn chosen(suites: &[(&str, &[&str])], include: &[&str], solver: &Solver) -> Result<Vec<String>, String> {
    let inputs: Vec<IndexInput<'_>> = suites
        .iter()
        .map(|(suite, lines)| input(&index(lines), suite, "riscv64"))
        .collect();
    let universe = Universe::new(&inputs, "riscv64", &[]);
    let request = Request {
        variant: Variant::Custom,
        include: include.iter().map(ToString::to_string).collect(),
        solver: solver.clone(),
        ..Request::default()
    };
    let selection = choose(&universe, &request).map_err(|error| error.to_string())?;
    let name = |id| format!("{}={}", universe.display_name(id), universe.package(id).version);
    let mut names: Vec<String> = selection.packages().map(name).collect();
    names.sort();
    Ok(names)
}

const ALONE: Solver = Solver::Internal { falls_back: false };

fn both(lines: &[&str], include: &[&str], expected: &[&str]) {
    for solver in [&ALONE, &Solver::Three] {
        let found = chosen(&[("s", lines)], include, solver).unwrap();
        assert_eq!(found, expected, "{solver}");
    }
}

#[test]
fn an_early_choice_gives_way_to_what_provides_it_too() {
    let old = &["tool 1; Depends: lib", "lib 1"];
    let new = &[
        "tool 2; Depends: libt64",
        "libt64 2; Provides: lib (= 2); Breaks: lib (<< 2); Replaces: lib",
        "other 2; Depends: libt64",
    ];
    let suites: &[(&str, &[&str])] = &[("new", new), ("old", old)];
    let expected = ["libt64=2", "other=2", "tool=1"];
    for solver in [&ALONE, &Solver::Three] {
        assert_eq!(
            chosen(suites, &["tool=1", "other"], solver).unwrap(),
            expected,
            "{solver}"
        );
        assert_eq!(
            chosen(suites, &["other", "tool=1"], solver).unwrap(),
            expected,
            "{solver}"
        );
    }
}

#[test]
fn dependencies_come_from_the_suite_where_candidates_do_not_do() {
    let new = &["core 2", "extra 2; Depends: core (>= 2)"];
    let old = &[
        "core 1",
        "extra 1; Depends: core (<< 2)",
        "top 1; Depends: extra (<< 2)",
    ];
    let suites: &[(&str, &[&str])] = &[("new", new), ("old", old)];
    let expected = ["core=1", "extra=1", "top=1"];
    assert_eq!(chosen(suites, &["top/old"], &ALONE).unwrap(), expected);
    // A version alone does not carry that far, for this resolver as for apt.
    assert!(chosen(suites, &["top=1"], &ALONE).is_err());
}

#[test]
fn alternatives_that_were_tried_leave_nothing_behind() {
    let lines = &[
        "top 1; Depends: first | second",
        "first 1; Depends: helper, broken",
        "broken 1; Depends: nowhere",
        "helper 1",
        "second 1",
    ];
    both(lines, &["top"], &["second=1", "top=1"]);
}

#[test]
fn what_conflicts_with_a_requested_package_is_kept_out() {
    let lines = &[
        "wanted 1; Depends: plain | fancy",
        "plain 1; Conflicts: strict",
        "fancy 1",
        "strict 1",
    ];
    both(lines, &["strict", "wanted"], &["fancy=1", "strict=1", "wanted=1"]);
    // The same from the other side.
    let lines = &[
        "wanted 1; Depends: plain | fancy",
        "plain 1",
        "fancy 1",
        "strict 1; Conflicts: plain",
    ];
    both(lines, &["wanted", "strict"], &["fancy=1", "strict=1", "wanted=1"]);
}

#[test]
fn the_newer_one_is_asked_where_the_first_finds_nothing() {
    // The first alternative can be installed by itself, and excludes what the second dependency needs.
    let lines = &[
        "top 1; Depends: middle",
        "middle 1; Depends: one | two, three",
        "one 1",
        "two 1",
        "three 1; Depends: four",
        "four 1; Conflicts: one",
    ];
    let expected = ["four=1", "middle=1", "three=1", "top=1", "two=1"];
    assert_eq!(
        chosen(&[("s", lines)], &["top"], &Solver::Three).unwrap(),
        expected
    );
    assert_eq!(
        chosen(&[("s", lines)], &["top"], &Solver::default()).unwrap(),
        expected
    );
}

#[test]
fn all_that_cannot_be_installed_is_told_with_what_leads_to_it() {
    let lines = &[
        "a 1; Depends: b",
        "b 1; Depends: nowhere (>= 2)",
        "c 1; Depends: d (>= 3)",
        "d 2",
        "fine 1",
    ];
    let error = chosen(&[("s", lines)], &["a", "fine", "c"], &Solver::default()).unwrap_err();
    let told: Vec<&str> = error.lines().collect();
    assert_eq!(told.len(), 2, "{error}");
    assert!(
        told[0].contains("package a 1") && told[0].contains("a depends on b"),
        "{error}"
    );
    assert!(told[0].contains("there is no package nowhere"), "{error}");
    assert!(
        told[1].contains("c depends on d (>= 3), but only d 2 is available"),
        "{error}"
    );
}

#[test]
fn suggested_packages_come_where_they_are_asked_for() {
    let text = index(&["a 1; Suggests: b", "b 1; Recommends: c", "c 1"]);
    let universe = Universe::new(&[input(&text, "s", "riscv64")], "riscv64", &[]);
    let count = |recommends, suggests, solver: &Solver| {
        let request = Request {
            variant: Variant::Custom,
            include: vec!["a".to_owned()],
            install_recommends: recommends,
            install_suggests: suggests,
            solver: solver.clone(),
            ..Request::default()
        };
        choose(&universe, &request).unwrap().packages().count()
    };
    for solver in [&ALONE, &Solver::Three] {
        assert_eq!(count(false, false, solver), 1, "{solver}");
        assert_eq!(count(true, false, solver), 1, "{solver}");
        assert_eq!(count(false, true, solver), 2, "{solver}");
        assert_eq!(count(true, true, solver), 3, "{solver}");
    }
}

#[test]
fn the_resolver_is_that_of_the_suite() {
    let of = |apt: &str| {
        let line = format!("apt {apt}");
        let text = index(&[line.as_str()]);
        Solver::of_suite(&Universe::new(&[input(&text, "s", "riscv64")], "riscv64", &[]))
    };
    assert_eq!(of("2.6.1"), ALONE);
    assert_eq!(of("3.0.4"), Solver::default());
    assert_eq!(of("3.3.3"), Solver::Three);
    assert_eq!("3.0".parse(), Ok(Solver::Three));
    let error = "4".parse::<Solver>().unwrap_err().to_string();
    assert!(error.contains("`internal` and `3.0`"), "{error}");
}

#[test]
fn what_a_later_version_of_its_source_provides_too_is_not_needed() {
    let lines = |source: &str| {
        [
            "want 1; Depends: old".to_owned(),
            "old 1; Source: s; Depends: new".to_owned(),
            format!("new 2; Source: {source}; Provides: old"),
        ]
    };
    let with = |source: &str, expected: &[&str]| {
        let lines = lines(source);
        both(&lines.each_ref().map(String::as_str), &["want"], expected);
    };
    with("s", &["new=2", "want=1"]);
    with("other", &["new=2", "old=1", "want=1"]);
}

#[test]
fn a_version_or_suite_of_a_name_that_one_package_provides() {
    let first: &[&str] = &["p 1; Provides: v (= 5), w", "r 1; Provides: w", "v 1"];
    let second: &[&str] = &["q 1; Provides: v, x", "p 2"];
    let suites = &[("one", first), ("two", second)];
    for solver in [&ALONE, &Solver::Three] {
        for (item, expected) in [
            ("v/one", "v=1"),
            ("v/two", "q=1"),
            ("x/two", "q=1"),
            ("v=5", "p=1"),
            ("v=1", "v=1"),
        ] {
            assert_eq!(
                chosen(suites, &[item], solver).as_deref(),
                Ok(&[expected.to_owned()][..]),
                "{item}"
            );
        }
        for (item, said) in [("w/one", "w"), ("v=6", "v"), ("x/one", "x")] {
            let error = chosen(suites, &[item], solver).unwrap_err();
            assert!(error.contains(said), "{item}: {error}");
        }
    }
}
