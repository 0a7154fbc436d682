use super::*;

fn shown(field: &str, dialect: Dialect) -> Result<Vec<String>, String> {
    match parse_groups(field, dialect) {
        Ok(groups) => Ok(groups.iter().map(|group| display_alternatives(group)).collect()),
        Err(error) => Err(format!("{:?} {error}", error.relation)),
    }
}

#[test]
fn both_parse_what_archives_hold() {
    let field = "libc6 (>= 2.38), perl:any|awk ( << 1:2-3~ ) ,\n python3:amd64, a(<1), b ( >2 ), c (3)";
    for dialect in [Dialect::Dpkg, Dialect::Apt] {
        assert_eq!(
            shown(field, dialect).unwrap(),
            [
                "libc6 (>= 2.38)",
                "perl:any | awk (<< 1:2-3~)",
                "python3:amd64",
                "a (<= 1)",
                "b (>= 2)",
                "c (= 3)"
            ]
        );
        let list = parse_list("a (= 1), b", dialect).unwrap();
        assert!(list[0].bound.unwrap().allows("1-0"));
        assert!(list[1].bound.is_none());
    }
}

#[test]
fn both_refuse() {
    for bad in [
        "a |",
        "(>= 1)",
        "a (>= )",
        "a (?? 1)",
        "é",
        ":any",
        "a:",
        "a (=> 1)",
        "a (<<= 1)",
        "a (> = 1)",
        "a (",
        "a ()",
    ] {
        for dialect in [Dialect::Dpkg, Dialect::Apt] {
            assert!(parse_groups(bad, dialect).is_err(), "{bad} {dialect:?}");
        }
    }
}

/// A text, and its relations in both dialects: as dpkg writes them or its complaint, as apt reads them if it
/// does.
type Row = (
    &'static str,
    Result<&'static str, &'static str>,
    Option<&'static str>,
);

#[test]
fn differences() {
    let rows: [Row; 20] = [
        ("", Err("has an invalid package name ''"), Some("")),
        (" , ", Err("has an invalid package name ''"), Some("")),
        ("a,,b", Err("has an invalid package name ''"), Some("a, b")),
        (
            "a [amd64]",
            Err("has an invalid package name 'a [amd64]'"),
            Some("a"),
        ),
        (
            "a <!nocheck>",
            Err("has an invalid package name 'a <!nocheck>'"),
            Some("a"),
        ),
        (
            "a [amd64] (>= 1)",
            Err("has an invalid package name 'a [amd64]'"),
            Some("a"),
        ),
        (
            "a (>= 1) x",
            Err("has an unterminated version in 'a (>= 1) x'"),
            Some("a (>= 1)"),
        ),
        (
            "a (>= 1",
            Err("has an unterminated version in 'a (>= 1'"),
            Some("a (>= 1)"),
        ),
        ("a b", Err("has an invalid package name 'a b'"), Some("a")),
        ("a :any", Err("has an invalid package name 'a '"), Some("a")),
        (
            "a:any b",
            Err("has an invalid architecture in 'a:any b'"),
            Some("a:any"),
        ),
        (
            "a:x_y",
            Err("has an invalid architecture in 'a:x_y'"),
            Some("a:x_y"),
        ),
        ("-a", Err("has an invalid package name '-a'"), Some("-a")),
        ("a!", Err("has an invalid package name 'a!'"), Some("a!")),
        ("a (= 0:1)", Ok("a (= 1)"), Some("a (= 0:1)")),
        ("a (= 010:1)", Ok("a (= 10:1)"), Some("a (= 010:1)")),
        (
            "a (= 1-)",
            Err("has an invalid version '1-': revision number is empty"),
            None,
        ),
        (
            "a (= :1)",
            Err("has an invalid version ':1': epoch in version is empty"),
            None,
        ),
        ("a (>= 1_2)", Ok("a (>= 1_2)"), None),
        ("a (= v1)", Ok("a (= v1)"), Some("a (= v1)")),
    ];
    for (field, dpkg, apt) in rows {
        let found = parse_groups(field, Dialect::Dpkg).map(|groups| written(&groups));
        let found = found.map_err(|error| error.to_string());
        assert_eq!(found, dpkg.map(str::to_owned).map_err(str::to_owned), "{field}");
        let found = parse_groups(field, Dialect::Apt)
            .ok()
            .map(|groups| written(&groups));
        assert_eq!(found.as_deref(), apt, "{field}");
    }
}

/// dpkg takes versions that are no versions in its database, but not in an archive.
#[test]
fn archives_are_read_strictly() {
    for version in ["1_2", "v1", "1-1_1"] {
        let text = format!("a | b (>= {version})");
        assert!(parse_groups(&text, Dialect::Dpkg).is_ok(), "{version}");
        let error = parse_groups(&text, Dialect::DpkgArchive).unwrap_err();
        assert!(matches!(error.problem, Problem::Malformed(..)), "{version}");
    }
    assert!(parse_groups("a (>= 1.2-3), b", Dialect::DpkgArchive).is_ok());
}

fn written(groups: &[Alternatives<'_>]) -> String {
    let groups: Vec<String> = groups.iter().map(|group| display_alternatives(group)).collect();
    groups.join(", ")
}

#[test]
fn an_error_has_the_relation() {
    let error = parse_groups("a, b | c:x y , d", Dialect::Dpkg).unwrap_err();
    assert_eq!(
        (error.relation, error.problem),
        (" c:x y ", Problem::Qualifier("c:x y"))
    );
    let error = parse_list("a,  b (?) ", Dialect::Apt).unwrap_err();
    assert_eq!(
        (error.relation, error.problem),
        ("  b (?) ", Problem::Version("?"))
    );
    // A list has no alternatives: a bar is a character like others to apt, and none of a name to dpkg.
    assert_eq!(parse_list("a|b", Dialect::Apt).unwrap()[0].name, "a|b");
    assert!(parse_list("a|b", Dialect::Dpkg).is_err());
    let long = "é".repeat(100);
    let text = parse(&long, Dialect::Dpkg).unwrap_err().to_string();
    assert_eq!(text, format!("has an invalid package name '{}'", "é".repeat(60)));
}

#[test]
fn bounds() {
    let cases = [
        ("<<", "1", true),
        ("<=", "2", true),
        ("=", "2", true),
        (">=", "1", false),
        (">>", "3", true),
    ];
    for (operator, version, expected) in cases {
        let text = format!("a ({operator} 2)");
        for dialect in [Dialect::Dpkg, Dialect::Apt] {
            let relation = parse(&text, dialect).unwrap();
            assert_eq!(relation.bound.unwrap().allows(version), expected, "{text}");
        }
    }
}

/// A relation that is shown and read again is the same one.
#[test]
fn written_and_read_again() {
    let texts = [
        "a",
        "a:any",
        "a (>= 1)",
        "a:b-c (<< 1:2~3-4+5)",
        "0 (= 1)",
        "A_b (>> 2)",
    ];
    for text in texts {
        for dialect in [Dialect::Dpkg, Dialect::Apt] {
            let relation = parse(text, dialect).unwrap();
            assert_eq!(relation.to_string(), text);
        }
    }
}
