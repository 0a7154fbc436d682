use super::*;
use apt_solve::DEFAULT_PRIORITY;
use deb_archive::{ArchiveIdentity, ReleaseState};
use std::sync::Arc;

fn index(suite: &str, version: &str) -> Index {
    let stanza = format!(
        "Package: tool\nSource: kit (1)\nVersion: 1.{}\nArchitecture: riscv64\nFilename: tool.deb\nSize: 1\nSHA256: {}\n",
        suite.len(),
        "0".repeat(64)
    );
    Index {
        source: 0,
        base: url::Url::parse("http://mirror.example.org/debian").unwrap(),
        suite: suite.to_owned(),
        codename: format!("{suite}-name"),
        release_archive: suite.to_owned(),
        component: "main".to_owned(),
        architecture: "riscv64".to_owned(),
        priority: DEFAULT_PRIORITY,
        authenticated: true,
        release: Some(Arc::new(ReleaseState {
            directory: String::new(),
            files: Vec::new(),
            by_hash: false,
            url: String::new(),
            date: String::new(),
            sha256: String::new(),
            identity: ArchiveIdentity {
                label: "Label".to_owned(),
                origin: "Maker".to_owned(),
                snapshots: String::new(),
            },
            version: version.to_owned(),
        })),
        files: Vec::new(),
        packages: Packages::parse(stanza).unwrap(),
    }
}

fn preferences(text: &str) -> Preferences {
    Preferences {
        default_release: None,
        records: parse(text, Path::new("pref")).unwrap().0,
    }
}

#[test]
fn a_release_is_preferred() {
    let mut indexes = [
        index("stable", "13.1"),
        index("experimental", "1"),
        index("backports", ""),
    ];
    indexes[1].priority = 1;
    indexes[2].priority = 100;
    let mut none = indexes.clone();
    Preferences::default().apply(&mut none).unwrap();
    assert_eq!(none.map(|index| index.priority), [500, 1, 100]);
    for (release, expected) in [
        ("*", [990; 3]),
        ("backports-name", [500, 1, 990]),
        ("13", [990, 1, 100]),
    ] {
        let mut preferred = Preferences::default();
        preferred.prefer_release(release);
        let mut indexes = indexes.clone();
        preferred.apply(&mut indexes).unwrap();
        assert_eq!(indexes.map(|index| index.priority), expected, "{release}");
    }
}

#[test]
fn a_default_release_has_to_be_there() {
    let mut none = Preferences::default();
    none.prefer_release("bookworm");
    let error = none.apply(&mut [index("stable", "")]).unwrap_err().to_string();
    assert!(
        error.contains("`bookworm`") && error.contains("stable, stable-name"),
        "{error}"
    );
}

#[test]
fn the_first_record_that_fits_counts() {
    let text = "Explanation: a note\n of two lines\nPackage: *\nPin: release v=13, o=Maker\nPin-Priority: 700\n\n\
                # a comment\nPackage: *\nPin: origin \"mirror.example.org\"\nPin-Priority: -1\n\n\
                Package: other src:kit\nPin: release a=sid\nPin-Priority: 900\n";
    let known = preferences(text);
    let mut indexes = [index("stable", "13.1"), index("sid", "")];
    known.apply(&mut indexes).unwrap();
    assert_eq!(indexes.each_ref().map(|index| index.priority), [700, -1]);
    let pins = known.pins(&indexes, "riscv64");
    let of = |number: usize| pins(number, &indexes[number].packages.records().next().unwrap());
    assert_eq!((of(0), of(1)), (None, Some(900)));
    assert!(known.is_of_packages() && !Preferences::default().is_of_packages());
    let by_version = preferences("Package: too*\nPin: version 1.3*\nPin-Priority: 1001\n");
    let pins = by_version.pins(&indexes, "riscv64");
    let of = |number: usize| pins(number, &indexes[number].packages.records().next().unwrap());
    assert_eq!((of(0), of(1)), (None, Some(1001)));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, line, part) in [
        ("Package *\n", 1, "a field was expected"),
        ("Package: *\nPin: release a=x\n", 1, "no field Pin-Priority"),
        (
            "Package: *\nPin: relaese a=x\nPin-Priority: 1\n",
            2,
            "expected `version",
        ),
        ("\nPackage: *\nPin: release q=x\nPin-Priority: 1\n", 3, "`q=`"),
        ("Package: *\nPin: release a=x\nPin-Priority: high\n", 3, "`high`"),
        ("Package: *\nPin: release a=x\nPin-Priority: 0\n", 3, "not 0"),
        (
            "Package: /[/\nPin: release a=x\nPin-Priority: 1\n",
            1,
            "regular expression",
        ),
        ("Packages: a\n", 1, "unknown field"),
    ] {
        let error = parse(text, Path::new("some/pref")).unwrap_err().to_string();
        assert!(error.starts_with(&format!("some/pref:{line}: ")), "{error}");
        assert!(error.contains(part), "{error}");
    }
}

/// Priorities of perl 5.32.1, perl 5.36.0 and libx of arm64.
fn priorities(text: &str) -> [i16; 3] {
    let known = preferences(text);
    let mut indexes = [index("stable", "12.1")];
    indexes[0].packages = Packages::parse(
        "Package: perl\nVersion: 5.32.1\nArchitecture: riscv64\n\n\
         Package: perl\nVersion: 5.36.0\nArchitecture: riscv64\n\n\
         Package: libx\nSource: xorg (1)\nVersion: 1\nArchitecture: arm64\n",
    )
    .unwrap();
    known.apply(&mut indexes).unwrap();
    let pins = known.pins(&indexes, "riscv64");
    let all: Vec<i16> = indexes[0]
        .packages
        .records()
        .map(|record| pins(0, &record).unwrap_or(indexes[0].priority))
        .collect();
    all.try_into().unwrap()
}

#[test]
fn records_of_the_manual() {
    for (package, pin, priority, expected) in [
        ("perl", "version 5.32*", "1001", [1001, 500, 500]),
        ("*", "origin \"mirror.example.org\"", "999", [999; 3]),
        ("*", "origin \"\"", "999", [500; 3]),
        ("*", "release a=stable", "50", [50; 3]),
        ("*", "release a=unstable", "50", [500; 3]),
        ("*", "release n=stable-n*", "900", [900; 3]),
        ("*", "release a=stable, v=12*", "800", [800; 3]),
        ("*", "release o=Maker,l=Other", "800", [500; 3]),
        ("*", "release stable", "42", [42; 3]),
        ("*", "release 12.1", "42", [42; 3]),
        ("*", "release c=main, b=riscv64", "42", [42; 3]),
        ("perl* /^nothing/", "release a=stable", "-10", [-10, -10, 500]),
        ("libx", "release a=stable", "7", [500; 3]),
        ("libx:any", "release a=stable", "7", [500, 500, 7]),
        ("src:xorg:arm64", "version *", "8", [500, 500, 8]),
        ("src:xorg:i386", "version *", "8", [500; 3]),
        ("/^pe/", "version /36/", "9", [500, 9, 500]),
    ] {
        let text = format!("Explanation: why\nPackage: {package}\nPin: {pin}\nPin-Priority: {priority}\n");
        assert_eq!(priorities(&text), expected, "{text}");
    }
}

#[test]
fn parts_are_read_before_the_single_file() {
    let root = tempfile::tempdir().unwrap();
    let apt = root.path().join("etc/apt");
    std::fs::create_dir_all(apt.join("preferences.d")).unwrap();
    let record = |priority: i16| format!("Package: *\nPin: release a=stable\nPin-Priority: {priority}\n");
    std::fs::write(apt.join("preferences"), record(3)).unwrap();
    std::fs::write(apt.join("preferences.d/b.pref"), record(2)).unwrap();
    std::fs::write(apt.join("preferences.d/a.bak"), record(1)).unwrap();
    let mut known = Preferences::default();
    known.read_root(root.path()).unwrap();
    let mut indexes = [index("stable", "")];
    known.apply(&mut indexes).unwrap();
    assert_eq!(indexes[0].priority, 2);
}
