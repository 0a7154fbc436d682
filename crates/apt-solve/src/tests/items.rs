//! Items of a request: signs, tasks, globs, expressions and patterns.

use super::{index, input, pick};
use crate::{Request, Universe, Variant, choose};

const LINES: &[&str] = &[
    "apt 1; Priority: required; Section: admin",
    "bar 2; Depends: foo | baz; Description: a bar of gold",
    "baz 1; Task: minimal, web-server",
    "foo 1; Section: libs; Source: foosrc",
    "foo- 1",
    "g++ 1",
    "ruby3.1 1; Task: web-server",
];

fn names(items: &[&str]) -> Result<Vec<String>, String> {
    pick(LINES, items)
}

#[test]
fn a_sign_says_what_becomes_of_a_package() {
    // The name itself comes first.
    assert_eq!(names(&["g++"]).unwrap(), ["g++"]);
    assert_eq!(names(&["foo-"]).unwrap(), ["foo-"]);
    assert_eq!(names(&["baz+"]).unwrap(), ["baz"]);
    assert_eq!(names(&["ba*", "bar-"]).unwrap(), ["baz"]);
    // An alternative is taken where the first one is not to be installed.
    assert_eq!(names(&["bar"]).unwrap(), ["bar", "foo"]);
    let lines = &["bar 2; Depends: foo | baz", "baz 1", "foo 1"];
    assert_eq!(pick(lines, &["bar", "foo-"]).unwrap(), ["bar", "baz"]);
    let error = pick(&["bar 2; Depends: foo", "foo 1"], &["bar", "foo-"]).unwrap_err();
    assert!(error.contains("asked not to be installed"), "{error}");
    assert!(names(&["nothing-"]).unwrap_err().contains("nothing-"));
    // Nobody has these, or several have.
    let lines = &[
        "bar 2; Recommends: missing",
        "baz 1; Provides: mail",
        "foo 1; Provides: mail",
    ];
    assert_eq!(pick(lines, &["bar", "missing-", "mail-"]).unwrap(), ["bar"]);
    assert!(pick(lines, &["bar", "mail"]).is_err());
}

#[test]
fn what_is_installed_first_is_not_left_out() {
    let text = index(&["base 1; Essential: yes; Depends: lib", "lib 1", "foo 1", "bar 1"]);
    let universe = Universe::new(&[input(&text, "s", "riscv64")], "riscv64", &[]);
    let chosen = |left: &str| {
        let request = Request {
            variant: Variant::Essential,
            include: vec!["foo".to_owned(), left.to_owned()],
            ..Request::default()
        };
        choose(&universe, &request).map_err(|error| error.to_string())
    };
    assert!(chosen("bar-").is_ok());
    for left in ["lib-", "base-"] {
        let error = chosen(left).unwrap_err();
        assert!(
            error.contains("removed") && error.contains(left.trim_end_matches('-')),
            "{error}"
        );
    }
}

#[test]
fn several_packages_are_named_at_once() {
    assert_eq!(names(&["web-server^"]).unwrap(), ["baz", "ruby3.1"]);
    assert_eq!(names(&["ruby*"]).unwrap(), ["ruby3.1"]);
    assert_eq!(names(&["ba[rz]"]).unwrap(), ["bar", "baz"]);
    assert_eq!(names(&["^(baz|foo)$"]).unwrap(), ["baz", "foo"]);
    assert_eq!(names(&["b?z:riscv64"]).unwrap(), ["baz"]);
    assert_eq!(names(&["baz:any"]).unwrap(), ["baz"]);
    assert!(names(&["x*"]).is_err());
    assert!(names(&["none^"]).unwrap_err().contains("none^"));
}

#[test]
fn patterns_choose_by_what_packages_have() {
    for (pattern, expected) in [
        ("?priority(required)", &["apt"][..]),
        ("~prequired|~nbaz", &["apt", "baz"]),
        ("?and(?section(libs), ?not(?essential))", &["foo"]),
        ("~nba !~nbar", &["baz"]),
        ("?source-package(foosrc)", &["foo"]),
        ("~dgold", &["bar", "foo"]),
        ("?depends(?exact-name(baz))", &["bar", "foo"]),
        ("?task(minimal)", &["baz"]),
        (
            "?narrow(?archive(^s$),?architecture(riscv64),~nruby)",
            &["ruby3.1"],
        ),
    ] {
        assert_eq!(names(&[pattern]).unwrap(), expected, "{pattern}");
    }
    // Nothing matches, which is no error; a name that is none is one.
    assert_eq!(
        names(&["~nzzz", "?not(?virtual)?exact-name(zzz)"]).unwrap(),
        [""; 0]
    );
    assert!(names(&["zzz"]).is_err());
    assert!(names(&["?origin(x)"]).unwrap_err().contains("?origin"));
}
