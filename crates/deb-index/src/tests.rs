//! Tables compared with the text they are made of.

use super::*;

const INDEX: &str = "\
Package: b
Version: 1:2-3
Architecture: riscv64
Multi-Arch: same
Priority: required
Depends: c (>= 1) | v,
 a:any
Provides: v (= 2), w

Package: a
Version: 4
Architecture: all
Essential: yes
Suggests: w
Provides: v

Package: -bad
Version: 1
Architecture: all

Package: c
Version: 1
Architecture: riscv64
Multi-Arch: allowed
Breaks: w (<< 1)
Enhances: b
";

fn kept() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let index = directory.path().join("index");
    let table = directory.path().join("parsed/table");
    std::fs::write(&index, INDEX).unwrap();
    (directory, index, table)
}

fn check(packages: &Packages) {
    let found: Vec<_> = packages.records().collect();
    let names: Vec<&str> = found.iter().map(|record| record.name).collect();
    assert_eq!(names, ["b", "a", "c"]);
    let [b, a, c] = found.as_slice() else { panic!() };
    assert_eq!((b.version, b.architecture, b.priority), ("1:2-3", "riscv64", 1));
    assert_eq!(
        (b.multi_arch, a.multi_arch),
        (deb_types::MultiArch::Same, deb_types::MultiArch::No)
    );
    assert_eq!((a.essential, c.essential, c.priority), (true, false, 5));
    assert!(packages.stanza(a.stanza).starts_with("Package: a\n"));
    assert!(packages.stanza(a.stanza).ends_with("Provides: v\n"));
    let fields: Vec<_> = relations(packages.stanza(c.stanza)).collect();
    assert_eq!(fields, [(4, "w (<< 1)"), (8, "b")]);
    let providers = |name| packages.providers(name).collect::<Vec<_>>();
    assert_eq!(
        (providers("v"), providers("w"), providers("x")),
        (vec![1, 0], vec![0], vec![])
    );
    let first = |record, field, place| Some(Mention { record, field, place });
    let seen = packages.mention("w").unwrap();
    assert_eq!((seen.own, seen.for_all), (first(0, 9, 1), first(1, 6, 0)));
    let seen = packages.mention("a").unwrap();
    assert_eq!((seen.own, seen.for_all), (first(0, 2, 2), None));
    assert_eq!(packages.mention("nothing"), None);
    assert_eq!(
        (packages.architecture(), packages.is_mixed()),
        (Some("riscv64"), false)
    );
}

#[test]
fn a_table_says_what_the_text_says() {
    check(&Packages::parse(INDEX).unwrap());
    let mixed = INDEX.replacen("riscv64", "amd64", 1);
    assert!(Packages::parse(mixed).unwrap().is_mixed());
    let empty = Packages::parse("").unwrap();
    assert_eq!(
        (empty.len(), empty.mention("a"), empty.architecture()),
        (0, None, None)
    );
    assert_eq!(empty.providers("a").count(), 0);
}

#[test]
fn a_kept_table_is_taken() {
    let (_directory, index, table) = kept();
    check(&Packages::of_cache(&index, &table).unwrap());
    let made = std::fs::metadata(&table).unwrap().modified().unwrap();
    check(&Packages::of_cache(&index, &table).unwrap());
    assert_eq!(std::fs::metadata(&table).unwrap().modified().unwrap(), made);
}

#[test]
fn a_damaged_table_is_made_anew() {
    let (_directory, index, table) = kept();
    check(&Packages::of_cache(&index, &table).unwrap());
    let whole = std::fs::read(&table).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&table, &whole[..length]).unwrap();
        check(&Packages::of_cache(&index, &table).unwrap());
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x41;
        std::fs::write(&table, &damaged).unwrap();
        check(&Packages::of_cache(&index, &table).unwrap());
        assert_eq!(std::fs::read(&table).unwrap(), whole);
    }
}

#[test]
fn a_table_of_any_content_does_no_harm() {
    // With a right checksum, which damage would not have.
    let whole = index_builder::table(INDEX).unwrap();
    for at in 8..whole.len() - 32 {
        for value in [0, 1, 0x7f, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            let table = IndexTable::new(IndexBytes::Owned(damaged));
            if !table.fits(INDEX.len()) {
                continue;
            }
            let text = IndexBytes::Owned(INDEX.as_bytes().to_vec());
            let packages = Packages(Arc::new(Parts { text, table }));
            for record in packages.records().take(10) {
                let _ = packages.stanza(record.stanza);
            }
            let _ = (packages.mention("w"), packages.providers("v").take(10).count());
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_not_kept() {
    let (_directory, index, table) = kept();
    let mut bytes = INDEX.as_bytes().to_vec();
    bytes.splice(0..0, b"Description: caf\xe9\n".iter().copied());
    std::fs::write(&index, &bytes).unwrap();
    check(&Packages::of_cache(&index, &table).unwrap());
    assert!(!table.exists());
}

#[test]
fn a_line_that_is_no_field_is_nothing() {
    let text = INDEX
        .replace("Package: b\n", " stray\nPackage: b\nno field\n")
        .replace("Provides: v (= 2)", "-- : x\n: y\nProvides: v (= 2)");
    check(&Packages::parse(text.clone()).unwrap());
    let packages = Packages::parse(text).unwrap();
    let first = packages.records().next().unwrap();
    let fields: Vec<_> = relations(packages.stanza(first.stanza)).collect();
    assert_eq!(fields, [(2, "c (>= 1) | v,\n a:any"), (9, "v (= 2), w")]);
}

#[test]
fn names_of_fields_in_any_case_and_blanks_before_the_colon() {
    let small: String = INDEX
        .split_inclusive('\n')
        .map(|line| match line.split_once(':') {
            Some((name, rest)) if !line.starts_with(' ') => format!("{} \t:{rest}", name.to_lowercase()),
            _ => line.to_owned(),
        })
        .collect();
    let found = |text: String| {
        let packages = Packages::parse(text).unwrap();
        let shown = |record: IndexRecord<'_>| {
            let relations: Vec<_> = relations(packages.stanza(record.stanza))
                .map(|(field, value)| (field, value.to_owned()))
                .collect();
            let place = [0; 2];
            (
                format!(
                    "{:?}",
                    IndexRecord {
                        stanza: place,
                        ..record
                    }
                ),
                relations,
            )
        };
        packages.records().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(found(small), found(INDEX.to_owned()));
    assert_eq!(found(INDEX.to_uppercase()).len(), 3);
}

#[test]
fn what_is_no_index_is_refused() {
    for (text, line) in [
        ("Package", 1),
        ("Version: 1\n", 1),
        ("Package: a\nVersion: 1\n\n x\n", 4),
    ] {
        assert_eq!(Packages::parse(text).unwrap_err().line, line, "{text}");
    }
}
