use std::sync::Arc;

use deb_index::{DEFAULT_PRIORITY, Packages};

use super::super::{ArchiveIdentity, ReleaseState};
use super::*;

fn index(suite: &str, host: &str) -> Index {
    let text = "Package: perl\nVersion: 5.32.1\nArchitecture: riscv64\n\n\
                Package: perl\nVersion: 5.36.0\nArchitecture: riscv64\n\n\
                Package: libx\nSource: xorg (1)\nVersion: 1\nArchitecture: arm64\n";
    Index {
        source: 0,
        base: url::Url::parse(&format!("http://{host}/debian")).unwrap(),
        suite: suite.to_owned(),
        codename: format!("code-{suite}"),
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
                origin: "Debian".to_owned(),
                label: "Own".to_owned(),
                snapshots: String::new(),
            },
            version: "12.1".to_owned(),
        })),
        files: Vec::new(),
        packages: Packages::parse(text).unwrap(),
    }
}

/// Priorities of perl 5.32.1, perl 5.36.0 and libx; 0 for none.
fn priorities(text: &str) -> [i16; 3] {
    let mut preferences = Preferences::default();
    preferences.add(text, "preferences").unwrap();
    let all = preferences
        .apply(vec![index("stable", "mirror.example.org")], "riscv64")
        .unwrap();
    ["5.32.1", "5.36.0", "1"].map(|version| {
        let has = |index: &&Index| index.packages.records().any(|record| record.version == version);
        all.iter().find(has).map_or(0, |index| index.priority)
    })
}

#[test]
fn records_of_the_manual() {
    for (package, pin, priority, expected) in [
        ("perl", "version 5.32*", "1001", [1001, 500, 500]),
        ("*", "origin \"mirror.example.org\"", "999", [999; 3]),
        ("*", "origin \"\"", "999", [500; 3]),
        ("*", "release a=stable", "50", [50; 3]),
        ("*", "release a=unstable", "50", [500; 3]),
        ("*", "release n=code-st*", "900", [900; 3]),
        ("*", "release a=stable, v=12*", "800", [800; 3]),
        ("*", "release o=Debian,l=Other", "800", [500; 3]),
        ("*", "release stable", "42", [42; 3]),
        ("*", "release 12.1", "42", [42; 3]),
        ("*", "release c=main, b=riscv64", "42", [42; 3]),
        ("perl* /^nothing/", "release a=stable", "-10", [0, 0, 500]),
        ("libx", "release a=stable", "7", [500; 3]),
        ("libx:any", "release a=stable", "7", [500, 500, 7]),
        ("src:xorg:arm64", "version *", "8", [500, 500, 8]),
        ("/^pe/", "version /36/", "9", [500, 9, 500]),
    ] {
        let text = format!("Explanation: why\nPackage: {package}\nPin: {pin}\nPin-Priority: {priority}\n");
        assert_eq!(priorities(&text), expected, "{text}");
    }
}

#[test]
fn the_first_special_record_counts_and_the_highest_general_one() {
    let text = "Package: *\nPin: release a=stable\nPin-Priority: -1\n\n\
                # perl alone\nPackage: perl\nPin: version 5.32*\nPin-Priority: 600\n\n\
                Package: perl\nPin: version *\nPin-Priority: 700\n";
    assert_eq!(priorities(text), [600, 700, 0]);
    let both = "Package: *\nPin: release a=stable\nPin-Priority: 100\n\n\
                Package: *\nPin: origin *\nPin-Priority: 200\n";
    assert_eq!(priorities(both), [200; 3]);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, line, word) in [
        ("\nPackage: x\nPin: version 1\n", 2, "Pin-Priority"),
        ("Package: x\nPin: version 1\nPin-Priority: high\n", 3, "number"),
        ("Package: x\nPin: version 1\nPin-Priority: 0\n", 3, "other than 0"),
        ("Package: x\nPin: release q=1\nPin-Priority: 1\n", 2, "q=1"),
        (
            "Package: x\nPin: suite stable\nPin-Priority: 1\n",
            2,
            "release a=",
        ),
        ("Package: /(/\nPin: version 1\nPin-Priority: 1\n", 1, "regular"),
        ("what\n", 1, "Field: value"),
    ] {
        let error = Preferences::default()
            .add(text, "preferences")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("preferences:{line}")) && error.contains(word),
            "{error}"
        );
    }
}
