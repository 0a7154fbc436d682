use super::*;

#[test]
fn lines_are_read() {
    let line = "kernel riscv64/s390x stable minbase linux-image-{arch},x ci ours=--a=b";
    let cases = parse("packages", line).expect("cases");
    assert_eq!(cases.len(), 2);
    assert_eq!(cases[1].id(), "s390x-stable-minbase-kernel");
    assert_eq!(cases[1].include, "linux-image-s390x,x");
    assert!(cases[0].ci && !cases[0].alone);
    assert_eq!(cases[0].ours, ["--a=b"]);
    assert_eq!(cases[0].in_ci().as_ref(), Some(&cases[0]));
    let native = cases[0].for_architecture("amd64");
    assert_eq!(
        (native.include.as_str(), native.ci),
        ("linux-image-amd64,x", false)
    );
    let line = "- riscv64,amd64 testing apt - merged-usr=no deferred";
    let both = parse("variants", line).expect("a case");
    assert_eq!(both[0].id(), "riscv64,amd64-testing-apt");
    assert_eq!(both[0].architecture(), "riscv64");
    assert_eq!(both[0].expected, Expected::Deferred);
    assert_eq!(both[0].merged_usr, Some(false));
    assert_eq!(both[0].archive("http://x"), "http://x");
    let old = parse("suites", "- riscv64 sid apt - source=check-valid-until=no").expect("a case");
    assert_eq!(
        old[0].archive("http://x"),
        "deb [check-valid-until=no] http://x sid main"
    );
    let tools = parse("apt", "- s390x stable apt a tools=bookworm").expect("a case");
    assert_eq!((tools[0].tools(), both[0].tools()), ("bookworm", "testing"));
    assert_eq!(tools[0].apt_user, None);
    let user = parse("apt", "- s390x stable apt a tools=bookworm:100").expect("a case");
    assert_eq!((user[0].tools(), user[0].apt_user), ("bookworm", Some(100)));
    assert_ne!(user[0].made_of().ok(), tools[0].made_of().ok());
    let wrong = parse("apt", "- s390x stable apt a tools=bookworm:x").expect_err("no number");
    assert!(wrong.contains("tools=bookworm:x"), "{wrong}");
    let other = parse("variants", "- s390x stable apt - refused=initdb").expect("a case");
    assert_eq!(other[0].in_ci(), None);
    let many = parse("matrix", "m i386/amd64 stable/sid apt/buildd -").expect("cases");
    let ids: Vec<String> = many.iter().map(Case::id).collect();
    assert_eq!(ids.len(), 8);
    assert_eq!(
        (ids[0].as_str(), ids[7].as_str()),
        ("i386-stable-apt-m", "amd64-sid-buildd-m")
    );
    let apart = parse("variants", "- s390x stable apt - ci=alone").expect("a case");
    assert!(!apart[0].alone && !apart[0].ci);
    assert!(apart[0].in_ci().is_some_and(|case| case.alone));
    assert_eq!(other[0].expected, Expected::Refused("initdb".to_owned()));
}

#[test]
fn wrong_lines_are_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for group in GROUPS {
        std::fs::write(dir.path().join(group), "# nothing\n").expect("written");
    }
    let path = dir.path().join("suites");
    for (line, said) in [
        (
            "ssh riscv64 stable minbase",
            "a case is NAME ARCHITECTURES SUITES VARIANTS INCLUDE|- [WORD…]",
        ),
        (
            "- riscv64 stable minbas -",
            "`minbas` is no variant; there are extract, ",
        ),
        ("- riscv64 stable minbase - often", "`often` means nothing here"),
        (
            "- riscv64 stable minbase - refused=",
            "`refused=` means nothing here",
        ),
        (
            "- riscv64 stable minbase - merged-usr=perhaps",
            "`merged-usr=perhaps` means nothing here",
        ),
        ("- riscv64//s390x stable minbase -", "`` is no architecture"),
        ("a/b riscv64 stable minbase -", "`a/b` is no name"),
        (
            "- riscv64/riscv64 stable minbase -",
            "riscv64-stable-minbase is there already, at suites:2",
        ),
        ("- riscv64 stable minbase - debconf=none", "there is no "),
    ] {
        std::fs::write(&path, format!("# cases\n{line}\n")).expect("written");
        let error = read(dir.path()).expect_err(line).to_string();
        assert!(
            error.starts_with(&format!("{}:2: {said}", path.display())),
            "{line}: {error}"
        );
    }
}

#[test]
fn what_a_reference_depends_on_tells_cases_apart() {
    let of = |line: &str| parse("x", line).expect(line)[0].made_of().expect("text");
    let all: BTreeSet<_> = [
        "- riscv64 stable minbase -",
        "- riscv64 stable minbase a",
        "- riscv64,amd64 stable minbase -",
        "- riscv64 testing minbase -",
        "- riscv64 stable apt -",
        "- riscv64 stable minbase - merged-usr=yes",
        "- riscv64 stable minbase - reference=--x",
        "- riscv64 stable minbase - source=trusted=yes",
        "- riscv64 stable minbase - tools=oldstable",
    ]
    .map(of)
    .into();
    assert_eq!(all.len(), 9);
    assert_eq!(
        of("- riscv64 stable minbase -"),
        of("- riscv64 stable minbase - ci ours=--x")
    );
}

#[test]
fn each_row_of_random_entries_has_its_packages() {
    let rows = super::super::random::read(&data().join("random")).expect("sound");
    let cases = of_rows(&rows);
    assert!(cases.len() > 10);
    for row in rows.iter().filter(|row| !row.packages.is_empty()) {
        assert!(
            cases.iter().any(|case| case.include == row.packages),
            "{}",
            row.glob
        );
    }
}

#[test]
fn the_cases_of_the_project_are_sound() {
    let cases = all().expect("sound");
    let count = |group: &str| cases.iter().filter(|case| case.group == group).count();
    assert!(
        count("packages") >= 100,
        "only {} package cases",
        count("packages")
    );
    assert!(count("wide") >= 300);
    // The bundles have them all, but for one that is a case of its own.
    let packages = |group: &str| -> std::collections::BTreeSet<String> {
        let cases = cases.iter().filter(|case| case.group == group);
        cases
            .flat_map(|case| case.include.split(',').map(str::to_owned))
            .collect()
    };
    let apart: Vec<String> = (&packages("wide") - &packages("popular")).into_iter().collect();
    assert_eq!(apart, ["texlive-latex-base"]);
    assert!(cases.iter().filter(|case| case.ci).count() >= 6);
    // One that is made alone is compared for another architecture.
    for case in cases.iter().filter(|case| case.ci_alone) {
        let peer = |other: &&Case| {
            let same = |of: fn(&Case) -> &str| of(case) == of(other);
            same(|case| &case.variant) && same(|case| &case.include) && same(|case| &case.suite)
        };
        let compared = cases.iter().filter(peer).any(|other| other.ci);
        assert!(compared, "{} is compared for no architecture", case.id());
    }
    let alone = |group: &str| {
        let mut cases = cases.iter().filter(|case| case.group == group);
        cases.all(|case| case.alone)
    };
    assert!(GROUPS.iter().all(|group| alone(group) == (*group == "wide")));
    // What most people install, on three architectures; not all of it is in the archive for each.
    let thousand = cases.iter().filter(|case| case.group == "thousand");
    let thousand: BTreeSet<&str> = thousand.flat_map(|case| case.include.split(',')).collect();
    assert_eq!(thousand.len(), 1000);
}
