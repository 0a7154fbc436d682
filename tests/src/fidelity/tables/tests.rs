use super::*;
use crate::fidelity::cases::read;
use crate::fidelity::results::tests::record;

const DOCUMENT: &str = "# Title\n\nProse before.\n\n<!-- begin table: packages -->\nold\n<!-- end table: packages -->\n\
                        \nProse between.\n<!-- begin table: random -->\n<!-- end table: random -->\nProse after.\n";

fn cases() -> Vec<Case> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for group in GROUPS {
        std::fs::write(dir.path().join(group), "").expect("written");
    }
    let packages = "ssh riscv64/s390x stable minbase openssh-server,sudo\n\
                    pg s390x stable minbase postgresql refused=initdb\n\
                    odd riscv64 stable minbase a\nnone riscv64 stable minbase b\n";
    std::fs::write(dir.path().join("packages"), packages).expect("written");
    let wide = "w-zsh riscv64 stable minbase zsh alone\nw-x riscv64 stable minbase x alone\n";
    std::fs::write(dir.path().join("wide"), wide).expect("written");
    read(dir.path()).expect("cases")
}

fn records() -> BTreeMap<String, Record> {
    let mut ssh = record("riscv64-stable-minbase-ssh", Verdict::Equal);
    ssh.random = [("etc/ssh/key*".to_owned(), 6)].into();
    let mut refused = record("s390x-stable-minbase-pg", Verdict::Refused);
    refused.message = "initdb would be wrong | here".to_owned();
    (refused.packages, refused.entries) = (0, 0);
    let mut odd = record("riscv64-stable-minbase-odd", Verdict::Differs);
    odd.differences = 1234;
    let mut without = record("riscv64-stable-minbase-none", Verdict::NoReference);
    without.message = "qemu: uncaught target signal 11".to_owned();
    let mut instead = record("amd64-stable-minbase-none", Verdict::Equal);
    instead.instead_of = without.case.clone();
    let wide = record("riscv64-stable-minbase-w-zsh", Verdict::Installed);
    [ssh, refused, odd, without, instead, wide]
        .map(|record| (record.case.clone(), record))
        .into()
}

fn tables(change: impl FnOnce(&mut BTreeMap<String, Record>)) -> (BTreeMap<String, String>, Vec<String>) {
    let (cases, mut records) = (cases(), records());
    change(&mut records);
    let random = ["etc/ssh/key*", "never"].map(|glob| Random {
        glob: glob.to_owned(),
        excuse: Excuse::Content,
        suite: String::new(),
        packages: String::new(),
        reason: "keys are made".to_owned(),
    });
    let data = Data {
        cases: &cases,
        records: &records,
        random: &random,
        seen: &BTreeSet::new(),
    };
    (all(&data), idle(&data).into_iter().map(str::to_owned).collect())
}

#[test]
fn every_case_has_a_row() {
    let (tables, idle) = tables(|_| {});
    let packages = &tables["packages"];
    let said = "**1 of 5 equal, 1 refused by name, 0 deferred by name, 1 silently different, \
                1 without a reference, 1 not run.** Run 2025-10-09 with ";
    assert!(packages.starts_with(said), "{packages}");
    for row in [
        "| ssh | riscv64 | stable | minbase | `openssh-server sudo` | 77 | 5,440 | 0 | 6 a | 7.5 | 61.0 | equal |",
        "| ssh | s390x | stable | minbase | `openssh-server sudo` |  |  |  |  |  |  | not run |",
        "| pg | s390x | stable | minbase | `postgresql` |  |  |  |  | 7.5 | 61.0 | refused: initdb would be wrong \\| here |",
        "| odd | riscv64 | stable | minbase | `a` | 77 | 5,440 | 1,234 |  | 7.5 | 61.0 | **differs** |",
        "| none | riscv64 | stable | minbase | `b` | 77 | 5,440 |  |  | 7.5 | 61.0 | no reference: qemu: uncaught target signal 11 |",
        "| none, in its place | amd64 | stable | minbase | `b` | 77 | 5,440 | 0 |  | 7.5 | 61.0 | equal |",
        "a: `etc/ssh/key*`: keys are made",
    ] {
        assert!(
            packages.lines().any(|line| line == row),
            "{row} is not in\n{packages}"
        );
    }
    assert_eq!(
        packages.lines().filter(|line| line.starts_with("| ")).count(),
        7,
        "{packages}"
    );
    assert!(tables["wide"].contains("| `zsh` | 77 | 5,440 | 7.5 | installed |\n| `x` |  |  |  | not run |"));
    assert!(
        tables["wide"].starts_with("**1 of 2 installed, 0 refused by name, 0 deferred by name, 1 not run.**")
    );
    assert_eq!(idle, ["never"], "a row that excuses nothing");
    let state = &tables["state"];
    assert!(state.contains("| run | 2025-10-09 |"), "{state}");
    assert!(
        state.contains("| archive | trixie 13.2, Sat, 15 Nov 2025 10:00:00 UTC |"),
        "{state}"
    );
}

#[test]
fn references_that_were_not_at_hand_are_told() {
    let said = |whose: &[&str]| {
        let (tables, _) = tables(|records| {
            for case in whose {
                let record = records.get_mut(*case).expect("a record");
                record.compared = record.when - 86_400;
            }
        });
        tables["packages"].lines().next().unwrap_or_default().to_owned()
    };
    let ssh = "riscv64-stable-minbase-ssh";
    assert!(!said(&[]).contains("fingerprint"), "{}", said(&[]));
    let differing = said(&["riscv64-stable-minbase-odd"]);
    assert!(!differing.contains("fingerprint"), "{differing}");
    let one = said(&[ssh]);
    let sentence = " One row was compared with the fingerprint of a reference of 2025-10-08.";
    assert!(one.ends_with(sentence), "{one}");
}

#[test]
fn what_is_not_expected_is_shown() {
    let (tables, _) = tables(|records| {
        let record = records.get_mut("s390x-stable-minbase-pg").expect("there");
        record.message = "something else".to_owned();
    });
    assert!(tables["packages"].contains("**refused**, which is not expected: something else"));
}

#[test]
fn prose_is_kept() {
    let (tables, _) = tables(|_| {});
    let once = put(DOCUMENT, &tables, &[]).expect("put");
    assert!(!once.contains("\nold\n"));
    for prose in [
        "# Title\n\nProse before.\n\n",
        "\nProse between.\n",
        "\nProse after.\n",
    ] {
        assert!(once.contains(prose), "{once}");
    }
    assert!(once.contains("| ssh | riscv64 |"));
    assert_eq!(
        put(&once, &tables, &[]).expect("again"),
        once,
        "the same tables change nothing"
    );
}

#[test]
fn tables_that_are_not_chosen_are_kept() {
    let (tables, _) = tables(|_| {});
    let one = put(DOCUMENT, &tables, &["random".to_owned()]).expect("put");
    assert!(one.contains("\nold\n") && one.contains("| `never` |"), "{one}");
    let other = put(DOCUMENT, &tables, &["packages".to_owned()]).expect("put");
    assert!(
        !other.contains("\nold\n") && !other.contains("| `never` |"),
        "{other}"
    );
}

#[test]
fn marks_that_make_no_sense_are_errors() {
    let tables = [("a".to_owned(), String::new())].into();
    for (document, said) in [
        (
            "<!-- begin table: b -->\n<!-- end table: b -->\n",
            "there is no table b",
        ),
        ("<!-- begin table: a -->\ntext\n", "table a has no end"),
        ("<!-- end table: a -->\n", "table a ends and did not begin"),
        (
            "<!-- begin table: a -->\n<!-- begin table: a -->\n",
            "table a begins inside of a",
        ),
    ] {
        assert_eq!(put(document, &tables, &[]).expect_err(said), said);
    }
}

#[test]
fn the_documents_have_every_table() {
    let (tables, _) = tables(|_| {});
    let docs = crate::program::workspace().join("docs");
    let text = ["fidelity.md", "popular.md"]
        .map(|name| std::fs::read_to_string(docs.join(name)).expect(name))
        .concat();
    put(&text, &tables, &[]).expect("sound marks");
    for name in tables.keys() {
        let mark = format!("<!-- begin table: {name} -->");
        assert!(text.contains(&mark), "{mark} is in no document");
    }
}

#[test]
fn numbers_and_days_are_written_well() {
    assert_eq!(
        [0, 999, 1000, 1_234_567].map(grouped),
        ["0", "999", "1,000", "1,234,567"]
    );
    assert_eq!([0, 25, 26, 52].map(letter), ["a", "z", "aa", "ba"]);
    assert_eq!(
        [0, 951_782_400, 1_760_000_000].map(day),
        ["1970-01-01", "2000-02-29", "2025-10-09"]
    );
}
