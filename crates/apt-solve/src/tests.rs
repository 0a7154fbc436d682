//! Small archives and the choices from them.

mod external;
mod items;
mod resolvers;

use super::*;
use deb_index::{Malformed, Packages};

/// Makes an index of lines "name version[:arch]; Field: value; ...".
fn index(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        let mut parts = line.split("; ");
        let head: Vec<&str> = parts.next().unwrap().split(' ').collect();
        let arch = head.get(2).copied().unwrap_or("riscv64");
        text.push_str(&format!(
            "Package: {}\nVersion: {}\nArchitecture: {arch}\n",
            head[0], head[1]
        ));
        for field in parts {
            text.push_str(field);
            text.push('\n');
        }
        let sum = "ab".repeat(32);
        text.push_str(&format!(
            "Filename: pool/{}.deb\nSize: 10\nSHA256: {sum}\n\n",
            head[0]
        ));
    }
    text
}

/// Returns an index that lives until the test program ends.
fn input<'a>(text: &str, suite: &'a str, architecture: &'a str) -> IndexInput<'a> {
    let packages = Box::leak(Box::new(Packages::parse(text).unwrap()));
    IndexInput {
        packages,
        suite,
        codename: suite,
        component: "main",
        architecture,
        priority: DEFAULT_PRIORITY,
    }
}

/// Chooses from one index and returns the names, sorted, or the error's text.
fn pick(lines: &[&str], include: &[&str]) -> Result<Vec<String>, String> {
    let text = index(lines);
    let universe = Universe::new(&[input(&text, "s", "riscv64")], "riscv64", &[]);
    let request = Request {
        variant: Variant::Custom,
        include: include.iter().map(ToString::to_string).collect(),
        ..Request::default()
    };
    let selection = choose(&universe, &request).map_err(|error| error.to_string())?;
    let mut names: Vec<String> = selection.packages().map(|id| universe.display_name(id)).collect();
    names.sort();
    Ok(names)
}

#[test]
fn takes_the_first_alternative_unless_another_is_there() {
    let lines = &["a 1; Depends: b | c", "b 1", "c 1", "d 1; Depends: c, a"];
    assert_eq!(pick(lines, &["a"]).unwrap(), ["a", "b"]);
    assert_eq!(pick(lines, &["a", "c"]).unwrap(), ["a", "c"]);
    assert_eq!(pick(lines, &["d"]).unwrap(), ["a", "c", "d"]);
}

#[test]
fn reasons_of_several_architectures_are_the_true_ones() {
    let native = index(&[
        "lib 1; Multi-Arch: same",
        "needs-tool 1; Depends: tool",
        "needs-old 1; Depends: lib (>= 2)",
    ]);
    let foreign = index(&["lib 2; Multi-Arch: same", "tool 1", "other 1"]);
    let foreign = foreign.replace("Architecture: riscv64", "Architecture: arm64");
    let inputs = [input(&native, "s", "riscv64"), input(&foreign, "s", "arm64")];
    let universe = Universe::new(&inputs, "riscv64", &["arm64"]);
    let fails = |include: &[&str]| {
        let request = Request {
            variant: Variant::Custom,
            include: include.iter().map(ToString::to_string).collect(),
            ..Request::default()
        };
        choose(&universe, &request).map(|_| ()).unwrap_err().to_string()
    };
    let skew = fails(&["lib", "lib:arm64"]);
    assert!(skew.contains("have to be of one version"), "{skew}");
    let tool = fails(&["needs-tool"]);
    assert!(tool.contains("tool:arm64 1 is of another architecture"), "{tool}");
    let old = fails(&["needs-old"]);
    assert!(old.contains("only lib 1 is available"), "{old}");
}

#[test]
fn goes_back_where_an_alternative_fails_further_down() {
    let lines = &[
        "a 1; Depends: b | c",
        "b 1; Depends: x",
        "x 1; Depends: nowhere",
        "c 1",
    ];
    assert_eq!(pick(lines, &["a"]).unwrap(), ["a", "c"]);
}

#[test]
fn provides_with_and_without_versions() {
    let lines = &[
        "a 1; Depends: v",
        "b 1; Depends: v (>= 2)",
        "p 1; Provides: v; Priority: optional",
        "q 1; Provides: v (= 2); Priority: extra",
    ];
    assert_eq!(pick(lines, &["a"]).unwrap(), ["a", "p"]);
    assert_eq!(pick(lines, &["b"]).unwrap(), ["b", "q"]);
    // Of equals the one mentioned last, as apt has it.
    let lines = &["a 1; Depends: v", "p 1; Provides: v", "q 1; Provides: v"];
    assert_eq!(pick(lines, &["a"]).unwrap(), ["a", "q"]);
}

#[test]
fn conflicts_lead_to_another_alternative_or_an_error() {
    let lines = &[
        "a 1; Depends: b | c",
        "b 1; Conflicts: k",
        "c 1",
        "k 1",
        "m 1; Breaks: k (<< 2)",
        "n 1; Conflicts: n",
    ];
    assert_eq!(pick(lines, &["k", "a"]).unwrap(), ["a", "c", "k"]);
    assert_eq!(pick(lines, &["n"]).unwrap(), ["n"]);
    let error = pick(lines, &["k", "m"]).unwrap_err();
    assert!(
        error.contains("m 1 breaks k (<< 2), but k 1 is to be installed too"),
        "{error}"
    );
    let error = pick(lines, &["m", "k"]).unwrap_err();
    assert!(error.contains("m 1 breaks k (<< 2), but k 1"), "{error}");
}

#[test]
fn errors_name_the_chain() {
    let lines = &["foo 1; Depends: bar", "bar 3; Depends: baz (>= 2)", "baz 1"];
    let error = pick(lines, &["foo"]).unwrap_err();
    assert_eq!(
        error,
        "package foo 1 cannot be installed: foo depends on bar, \
         bar depends on baz (>= 2), but only baz 1 is available"
    );
    let error = pick(lines, &["ba"]).unwrap_err();
    assert!(error.contains("did you mean bar, baz"), "{error}");
    let error = pick(lines, &["foo=2"]).unwrap_err();
    assert!(
        error.contains("no version 2") && error.contains("1 (s)"),
        "{error}"
    );
    let error = pick(lines, &["foo:vax"]).unwrap_err();
    assert!(error.contains("vax"), "{error}");
    let error = pick(&["p 1; Provides: v", "q 1; Provides: v"], &["v"]).unwrap_err();
    assert!(error.contains("one of p, q"), "{error}");
    assert_eq!(pick(&["p 1; Provides: v"], &["v"]).unwrap(), ["p"]);
}

#[test]
fn versions_suites_and_priorities() {
    let (old, new) = (index(&["a 1", "b 1"]), index(&["a 2", "b 2; Depends: a (>= 2)"]));
    let mut inputs = [input(&old, "old", "riscv64"), input(&new, "new", "riscv64")];
    let chosen = |inputs: &[IndexInput<'_>], include: &str| {
        let universe = Universe::new(inputs, "riscv64", &[]);
        let request = Request {
            variant: Variant::Custom,
            include: vec![include.to_owned()],
            ..Request::default()
        };
        let selection = choose(&universe, &request).unwrap();
        let name = |id| format!("{}={}", universe.display_name(id), universe.package(id).version);
        selection.packages().map(name).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&inputs, "a"), ["a=2"]);
    assert_eq!(chosen(&inputs, "a=1"), ["a=1"]);
    assert_eq!(chosen(&inputs, "a/old"), ["a=1"]);
    assert_eq!(chosen(&inputs, "a=1*"), ["a=1"]);
    inputs[1].priority = 1;
    assert_eq!(chosen(&inputs, "a"), ["a=1"]);
    assert_eq!(chosen(&inputs, "b/new"), ["b=2", "a=2"]);
}

#[test]
fn architectures() {
    let native = index(&[
        "same 1; Multi-Arch: same",
        "tool 1; Multi-Arch: foreign",
        "interp 1; Multi-Arch: allowed",
        "plain 1",
        "data 1 all",
    ]);
    let foreign = index(&[
        "same 1 amd64; Multi-Arch: same",
        "plain 1 amd64",
        "a 1 amd64; Depends: tool, interp:any, same, data2",
        "b 1 amd64; Depends: interp",
        "data2 1 all; Multi-Arch: foreign",
    ]);
    let inputs = [input(&native, "s", "riscv64"), input(&foreign, "s", "amd64")];
    let universe = Universe::new(&inputs, "riscv64", &["amd64"]);
    let chosen = |include: &[&str]| {
        let request = Request {
            variant: Variant::Custom,
            include: include.iter().map(ToString::to_string).collect(),
            ..Request::default()
        };
        let selection = choose(&universe, &request)?;
        let mut names: Vec<String> = selection.packages().map(|id| universe.display_name(id)).collect();
        names.sort();
        Ok::<_, SolveError>(names)
    };
    assert_eq!(
        chosen(&["a:amd64"]).unwrap(),
        ["a:amd64", "data2", "interp", "same:amd64", "tool"]
    );
    assert_eq!(chosen(&["same", "same:amd64"]).unwrap(), ["same", "same:amd64"]);
    assert_eq!(chosen(&["a"]).unwrap().len(), 5);
    assert!(chosen(&["b:amd64"]).is_err());
    let error = chosen(&["plain", "plain:amd64"]).unwrap_err().to_string();
    assert!(error.contains("Multi-Arch"), "{error}");
}

fn base() -> Vec<&'static str> {
    vec![
        "base-files 1; Essential: yes; Priority: required; Pre-Depends: awk",
        "awk 1; Priority: required; Depends: libc",
        "libc 1",
        "init 1; Essential: yes; Priority: required",
        "login 1; Priority: required; Pre-Depends: libpam | libpam2",
        "libpam 1; Depends: conf",
        "conf 1",
        "apt 1; Priority: important; Depends: keyring",
        "keyring 1 all",
        "loop1 1; Pre-Depends: loop2",
        "loop2 1; Pre-Depends: loop1",
    ]
}

fn planned(variant: Variant, include: &[&str]) -> (Vec<Vec<String>>, String) {
    planned_as(Mmdebstrap::NEWEST, variant, include)
}

fn planned_as(mmdebstrap: Mmdebstrap, variant: Variant, include: &[&str]) -> (Vec<Vec<String>>, String) {
    let text = index(&base());
    let universe = Universe::new(&[input(&text, "s", "riscv64")], "riscv64", &[]);
    let request = Request {
        variant,
        include: include.iter().map(ToString::to_string).collect(),
        mmdebstrap,
        ..Request::default()
    };
    let selection = choose(&universe, &request).unwrap();
    let plan = Plan::new(&universe, &selection);
    let names = |ids: &Vec<PackageId>| {
        ids.iter()
            .map(|id| universe.display_name(*id))
            .collect::<Vec<_>>()
    };
    (
        plan.phases.iter().map(|phase| names(&phase.packages)).collect(),
        plan.display(&universe).to_string(),
    )
}

#[test]
fn the_release_of_mmdebstrap_is_the_suites() {
    let of = |lines: &[&str]| {
        let text = index(lines);
        Mmdebstrap::of_suite(&Universe::new(&[input(&text, "s", "riscv64")], "riscv64", &[]))
    };
    assert_eq!(of(&["mmdebstrap 1.4.3-6 all", "apt 2.6.1"]).to_string(), "1.4.3");
    assert_eq!(of(&["apt 2.6.1"]), Mmdebstrap::BOOKWORM);
    assert_eq!(of(&["apt 3.0.3"]), Mmdebstrap::NEWEST);
    assert_eq!(of(&["mmdebstrap 0~strange all", "apt 3.0.3"]), Mmdebstrap::NEWEST);
    assert_eq!(of(&["other 1"]), Mmdebstrap::NEWEST);
}

#[test]
fn phases_of_the_variants() {
    let (phases, text) = planned(Variant::Essential, &[]);
    assert_eq!(phases, [["libc", "awk", "base-files", "init"]]);
    assert!(text.contains("essential: 4 packages, 40 B"), "{text}");
    assert!(text.contains("total: 4 packages, 40 B to fetch"), "{text}");
    let (phases, _) = planned(Variant::Apt, &["login"]);
    assert_eq!(phases.len(), 2);
    assert!(phases[1].contains(&"keyring".to_owned()));
    let (phases, _) = planned(Variant::Minbase, &[]);
    assert_eq!(phases[1], ["conf", "libpam", "login", "keyring", "apt"]);
    let (phases, _) = planned(Variant::Important, &["conf"]);
    assert_eq!(phases[1].len(), 5);
    // Before 1.5.1 apt is no package of other variants, and comes first in its own.
    let (phases, _) = planned_as(Mmdebstrap::BOOKWORM, Variant::Apt, &[]);
    assert_eq!(phases.len(), 1);
    assert!(phases[0].contains(&"keyring".to_owned()));
    let (phases, _) = planned_as(Mmdebstrap::BOOKWORM, Variant::Minbase, &[]);
    assert_eq!(phases[1], ["conf", "libpam", "login"]);
    let (phases, text) = planned(Variant::Extract, &["keyring"]);
    assert_eq!(phases, [["keyring"]]);
    assert!(text.starts_with("extract: 1 package"), "{text}");
}

#[test]
fn circles_of_pre_depends_are_ordered_all_the_same() {
    let (phases, _) = planned(Variant::Essential, &["loop1"]);
    assert_eq!(phases[1].len(), 2);
}

#[test]
fn circles_through_a_package_that_needs_itself_end() {
    let text = index(&[
        "a 1; Essential: yes; Depends: c, a",
        "c 1; Pre-Depends: a",
        "d 1; Depends: a",
    ]);
    let universe = Universe::new(&[input(&text, "s", "riscv64")], "riscv64", &[]);
    let request = Request {
        variant: Variant::Custom,
        include: ["a", "c", "d"].map(str::to_owned).into(),
        ..Request::default()
    };
    let selection = choose(&universe, &request).unwrap();
    assert_eq!(Plan::new(&universe, &selection).packages().count(), 3);
}

#[test]
fn automatic_marks() {
    let text = index(&base());
    let universe = Universe::new(&[input(&text, "s", "riscv64")], "riscv64", &[]);
    let request = Request {
        include: vec!["apt".into()],
        ..Request::default()
    };
    let selection = choose(&universe, &request).unwrap();
    let mut automatic: Vec<_> = selection
        .automatic
        .iter()
        .map(|id| universe.package(*id).name)
        .collect();
    automatic.sort_unstable();
    // "libc" is from the first phase, "login" belongs to the variant.
    assert_eq!(automatic, ["conf", "keyring", "libpam"]);
}

#[test]
fn closures_leave_out_what_is_not_there() {
    let text = index(&[
        "a 1; Depends: b, missing (>= 1)",
        "b 1; Pre-Depends: c | d",
        "d 1",
        "x 1+b2",
        "x 1",
        "y 3",
    ]);
    let universe = Universe::new(&[input(&text, "s", "riscv64")], "riscv64", &[]);
    let a = universe.candidate("a", "riscv64").unwrap();
    let found = closure(&universe, &[a]);
    assert_eq!(found.packages.len(), 3);
    assert_eq!(found.missing, ["a depends on missing (>= 1)"]);
    let version =
        |name, wanted| best_native_version(&universe, name, wanted).map(|id| universe.package(id).version);
    assert_eq!(version("x", "1"), Some("1"));
    assert_eq!(version("x", "1+b3"), Some("1+b2"));
    assert_eq!(version("y", "2"), Some("3"));
    assert_eq!(version("z", "2"), None);
}

#[test]
fn hostile_indexes() {
    let bad = |text: &str| {
        Packages::parse(text).map(|_| Universe::new(&[input(text, "s", "riscv64")], "riscv64", &[]).len())
    };
    assert!(matches!(bad("Package"), Err(Malformed { line: 1, .. })));
    assert!(bad("Version: 1\n").is_err());
    assert_eq!(bad("Package: ../x\nVersion: 1\nArchitecture: all\n"), Ok(0));
    assert_eq!(bad("Package: x\nVersion: \nArchitecture: all\n"), Ok(0));
    assert_eq!(bad("Package: x\nVersion: 1\nArchitecture: s390x\n"), Ok(0));
    assert_eq!(bad(""), Ok(0));
    let error = pick(&["a 1; Depends: b (>= é)"], &["a"]).unwrap_err();
    assert!(error.contains("malformed"), "{error}");
    // No checksum, no package.
    let text = "Package: a\nVersion: 1\nArchitecture: all\nFilename: a.deb\n";
    let universe = Universe::new(&[input(text, "s", "riscv64")], "riscv64", &[]);
    let request = Request {
        variant: Variant::Extract,
        include: vec!["a".into()],
        ..Request::default()
    };
    let error = choose(&universe, &request).unwrap_err().to_string();
    assert!(error.contains("SHA256"), "{error}");
}

#[test]
fn long_chains_end_in_an_error() {
    let lines: Vec<String> = (0..5000)
        .map(|n| format!("p{n} 1; Depends: p{}", n + 1))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert!(pick(&lines, &["p0"]).is_err());
    let lines = [&lines[4000..], &["p5000 1"]].concat();
    assert_eq!(pick(&lines, &["p4000"]).unwrap().len(), 1001);
}

#[test]
fn security_updates_of_the_suite_are_taken() {
    let main = index(&["core 1; Essential: yes; Priority: required"]);
    let security = index(&[
        "core 2; Essential: yes; Priority: required",
        "other 1; Essential: yes",
    ]);
    let inputs = [
        input(&main, "s", "riscv64"),
        input(&security, "s-security", "riscv64"),
    ];
    let universe = Universe::new(&inputs, "riscv64", &[]);
    let request = Request {
        suite: "s".into(),
        ..Request::default()
    };
    let selection = choose(&universe, &request).unwrap();
    let name = |id| (universe.package(id).name, universe.package(id).version);
    assert_eq!(
        selection.packages().map(name).collect::<Vec<_>>(),
        [("core", "2")]
    );
}

#[test]
fn mentions_are_the_same_from_the_table_and_from_the_text() {
    let main = index(&[
        "a 1; Depends: z, y:any | x",
        "b 1 all; Suggests: x, w",
        "w 1",
        "x 1; Provides: y",
        "y 1",
        "z 1 all; Breaks: a",
    ]);
    // That version is there already, so not every package of this index counts.
    let again = index(&["w 1; Depends: b", "v 1; Enhances: z"]);
    let found = |inputs: &[IndexInput<'_>]| {
        let universe = Universe::new(inputs, "riscv64", &[]);
        let slots: Vec<_> = ["a", "b", "w", "x", "y", "z"]
            .map(|name| universe.slot(name, 0).unwrap())
            .to_vec();
        universe.mentions(&slots)
    };
    let expected = [(0, 0, 0), (1, 0, 0), (1, 6, 1), (0, 2, 2), (0, 2, 1), (0, 2, 0)];
    let one = input(&main, "s", "riscv64");
    assert_eq!(found(&[one]), expected);
    let two = input(&again, "t", "riscv64");
    assert_eq!(found(&[one, two]), expected);
    // With the second one first its relations come first, but for what is left out.
    let other = found(&[two, one]);
    assert_eq!((other[0], other[1], other[2]), ((2, 0, 0), (0, 2, 0), (0, 0, 0)));
    assert_eq!((other[3], other[5]), ((2, 2, 2), (1, 8, 0)));
    // Packages of another architecture in it: the text is read.
    let mixed = format!("{main}{}", index(&["c 1 s390x; Depends: a"]));
    assert_eq!(found(&[input(&mixed, "s", "riscv64")]), expected);
}

#[test]
fn what_was_chosen_before_gives_way_to_what_has_to_be() {
    let lines = &[
        "office 1; Depends: base, gui",
        "base 1; Depends: plain | gui, tool",
        "plain 1; Depends: only-plain; Conflicts: gui",
        "gui 1; Conflicts: plain",
        "only-plain 1",
        "tool 1; Depends: plain | gui | none",
        "lone 1; Depends: plain",
        "both 1; Depends: lone | tool, gui",
        "neither 1; Depends: lone, gui",
    ];
    assert_eq!(
        pick(lines, &["office"]).unwrap(),
        ["base", "gui", "office", "tool"]
    );
    // Whatever the order, and where only one of the two excludes the other.
    let one_sided: Vec<String> = lines
        .iter()
        .map(|line| line.replace("gui 1; Conflicts: plain", "gui 1"))
        .collect();
    let one_sided: Vec<&str> = one_sided.iter().map(String::as_str).collect();
    assert_eq!(
        pick(&one_sided, &["base", "gui"]).unwrap(),
        ["base", "gui", "tool"]
    );
    assert_eq!(
        pick(&one_sided, &["office"]).unwrap(),
        ["base", "gui", "office", "tool"]
    );
    // What needed the one that gave way is replaced, too, or nothing can be done.
    assert_eq!(pick(lines, &["both"]).unwrap(), ["both", "gui", "tool"]);
    let error = pick(lines, &["neither"]).unwrap_err();
    assert!(error.contains("plain"), "{error}");
}
