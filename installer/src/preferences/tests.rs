use super::*;
use deb_archive::{ArchiveIdentity, ReleaseState};
use std::sync::Arc;

fn index(suite: &str, release: &str) -> Index {
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
            files: vec![("InRelease".to_owned(), release.as_bytes().to_vec())],
            by_hash: false,
            url: String::new(),
            date: String::new(),
            sha256: String::new(),
            identity: ArchiveIdentity {
                label: "Label".to_owned(),
                origin: "Maker".to_owned(),
                snapshots: String::new(),
            },
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
fn archives_say_what_is_not_automatic() {
    let mut indexes = [
        index("stable", "Version: 13.1\n"),
        index("experimental", "NotAutomatic: yes\nMD5Sum:\n"),
        index("backports", "NotAutomatic: yes\nButAutomaticUpgrades: yes\n"),
    ];
    Preferences::default().apply(&mut indexes).unwrap();
    assert_eq!(indexes.each_ref().map(|index| index.priority), [500, 1, 100]);
    let mut all = Preferences::default();
    all.prefer_release("*");
    indexes
        .iter_mut()
        .for_each(|index| index.priority = DEFAULT_PRIORITY);
    all.apply(&mut indexes).unwrap();
    assert_eq!(indexes.each_ref().map(|index| index.priority), [990, 990, 990]);
    let mut one = Preferences::default();
    one.prefer_release("backports-name");
    indexes
        .iter_mut()
        .for_each(|index| index.priority = DEFAULT_PRIORITY);
    one.apply(&mut indexes).unwrap();
    assert_eq!(indexes.each_ref().map(|index| index.priority), [500, 1, 990]);
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
    let mut indexes = [index("stable", "Version: 13.1\n"), index("sid", "")];
    known.apply(&mut indexes).unwrap();
    assert_eq!(indexes.each_ref().map(|index| index.priority), [700, -1]);
    let pins = known.pins(&indexes);
    let of = |number: usize| pins(number, &indexes[number].packages.records().next().unwrap());
    assert_eq!((of(0), of(1)), (None, Some(900)));
    assert!(known.is_of_packages() && !Preferences::default().is_of_packages());
    let by_version = preferences("Package: too*\nPin: version 1.3*\nPin-Priority: 1001\n");
    let pins = by_version.pins(&indexes);
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
