//! Every check that dpkg makes of the control information of an archive.

use super::*;
use rootless_install_fs::FileType;

const SOUND: &str =
    "Package: some\nVersion: 1.0-1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: x\n";

fn archive(control: &str, files: &[(&str, &[u8])]) -> ControlArchive {
    let meta = Meta::of_root(FileType::Regular, 0o644);
    let file = |data: &[u8]| ControlFile {
        data: data.to_vec(),
        meta,
    };
    ControlArchive {
        control: control.to_owned(),
        files: files
            .iter()
            .map(|(name, data)| ((*name).to_owned(), file(data)))
            .collect(),
        bad_versions: false,
    }
}

fn refused(control: &str) -> String {
    match archive(control, &[]).package() {
        Err(error) => error.to_string(),
        Ok(package) => panic!("accepted {control:?} as {package:?}"),
    }
}

#[test]
fn control_files_have_dpkgs_form() {
    assert!(archive(SOUND, &[]).package().is_ok());
    assert!(archive(&format!("\n\n{SOUND}\n\n"), &[]).package().is_ok());
    for (control, problem) in [
        (String::new(), "no package information"),
        ("\n\n".to_owned(), "no package information"),
        (SOUND.trim_end().to_owned(), "no newline at its end"),
        (format!("{SOUND}\n{SOUND}"), "several stanzas"),
        (format!("{SOUND} one\n \n two\n"), "blank line"),
        (format!("{SOUND}\t\n"), "blank line"),
        (format!("{SOUND}-X: y\n"), "hyphen"),
        (format!("{SOUND}no colon\n"), "neither a field"),
        (format!("{SOUND}: y\n"), "neither a field"),
        (format!("{SOUND}A b: y\n"), "neither a field"),
        (format!("{SOUND}X: y\n"), "too short"),
        (format!("{SOUND}Foo: y\nfoo: z\n"), "appears twice"),
        (format!("{SOUND}section: y\nSection: z\n"), "appears twice"),
    ] {
        let said = refused(&control);
        assert!(said.contains(problem), "{control:?}: {said}");
    }
}

#[test]
fn fields_of_archives_are_checked() {
    let with = |line: &str| {
        let field = line.split(':').next().unwrap_or_default();
        let others = SOUND
            .lines()
            .filter(|other| !other.starts_with(&format!("{field}:")));
        let others: Vec<&str> = others.collect();
        format!("{}\n{line}\n", others.join("\n"))
    };
    for line in [
        "Package: Upper",
        "Version: 0:1",
        "Depends:",
        "Depends: A (>= 1), b | c:any (<< 2)",
        "Provides: x (= 1.0), y",
        "Priority: OPTIONAL",
        "Priority: whatever",
        "Essential: YES",
        "Essential:",
        "Architecture:",
        "Multi-Arch: foreign",
        "Optional: x",
        "Revision: 2",
        "Filename: x",
        "Conffiles:\n /etc/a 0123",
    ] {
        let control = with(line);
        let read = archive(&control, &[]).package();
        assert!(read.is_ok(), "{line}: {read:?}");
    }
    for (line, problem) in [
        ("Package:", "invalid package name"),
        ("Package: -x", "invalid package name"),
        ("Package: a/b", "invalid package name"),
        ("Package: a b", "invalid package name"),
        ("Version: v1.0", "does not start with digit"),
        ("Version: 4294967296:1", "epoch in version is too big"),
        ("Version: 1 2", "embedded spaces"),
        ("Version: 1-", "revision number is empty"),
        ("Version: 1_2", "invalid character"),
        ("Version:", "Version"),
        ("Architecture: -x", "not an architecture"),
        ("Architecture: a_b", "not an architecture"),
        ("Multi-Arch: same", "architecture is 'all'"),
        ("Multi-Arch: perhaps", "no value"),
        ("Essential: perhaps", "neither yes nor no"),
        ("Essential: yesno", "neither yes nor no"),
        ("Protected: 1", "neither yes nor no"),
        ("Priority: optional extra", "trailing junk"),
        ("Status: install ok installed", "not allowed in an archive"),
        ("Config-Version: 1", "not allowed in an archive"),
        ("Triggers-Pending: x", "not allowed in an archive"),
        ("Triggers-Awaited: x", "not allowed in an archive"),
        ("Provides: x (>= 1.0)", "exact versions only"),
        ("Provides: x | y", "alternatives"),
        ("Conflicts: x | y", "alternatives"),
        ("Breaks: x | y", "alternatives"),
        ("Replaces: x | y", "alternatives"),
        ("Depends: x (>= v1)", "does not start with digit"),
        ("Depends: x (>= 1", "unterminated"),
        ("Depends: x,", "invalid package name"),
        ("Depends: x:-y", "invalid architecture"),
        ("Depends: x (= 9999999999:1)", "epoch in version is too big"),
        ("Recommended: x |", "invalid package name"),
        ("Filename:", "is empty"),
        ("Size:", "is empty"),
        ("Conffiles:\n x", "malformed line"),
    ] {
        let said = refused(&with(line));
        assert!(said.contains(problem), "{line}: {said}");
    }
    let version = with("Version: v1.0");
    let mut forced = archive(&version, &[]);
    forced.bad_versions = true;
    assert_eq!(forced.package().unwrap().version, "v1.0");
    let name = archive(&with("Package: Upper"), &[]).package().unwrap().name;
    assert_eq!(name, "upper");
    let package = archive(&with("Depends: A (>= 1), b"), &[]).package().unwrap();
    assert_eq!(package.field("Depends"), Some("a (>= 1), b"));
    let package = archive(&format!("{SOUND}Optional: x\nRevision: 2\n"), &[])
        .package()
        .unwrap();
    assert_eq!(package.field("Suggests"), Some("x"));
    assert_eq!(package.version, "1.0-1-2");
}

#[test]
fn conffiles_are_checked() {
    let read = |text: &[u8]| archive(SOUND, &[("conffiles", text)]).conffiles();
    assert_eq!(
        read(b"/etc/a \n\n  \n/etc/b c\nremove-on-upgrade /etc/d\n").unwrap(),
        [
            ("/etc/a".to_owned(), false),
            ("/etc/b c".to_owned(), false),
            ("/etc/d".to_owned(), true)
        ]
    );
    let longest = format!("/{}\n", "x".repeat(995));
    assert!(read(longest.as_bytes()).is_ok());
    let long = format!("/{}\n", "x".repeat(996));
    for (text, problem) in [
        (&b"/etc/a"[..], "no newline at its end"),
        (b"/etc/a\n/etc/b", "no newline at its end"),
        (b"/etc/a\0b\n", "no newline at its end"),
        (long.as_bytes(), "too long"),
        (b"etc/a\n", "not an absolute path"),
        (b" /etc/a\n", "unknown flag"),
        (b"remove-on-upgrade \n", "not an absolute path"),
        (b"remove-on-upgrade etc/a\n", "not an absolute path"),
        (b"keep /etc/a\n", "unknown flag 'keep'"),
        (b"/etc/../b\n", "'..'"),
    ] {
        let said = read(text).unwrap_err().to_string();
        assert!(
            said.contains(problem),
            "{:?}: {said}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn triggers_files_are_checked() {
    let read = |text: &str| archive(SOUND, &[("triggers", text.as_bytes())]).triggers();
    let sound = " # comment\n\ninterest a\n interest-noawait /usr/b \nactivate-await c\nactivate A_b//\n";
    let declared = read(sound).unwrap();
    assert_eq!((declared.interests.len(), declared.activations.len()), (2, 2));
    let long = format!("interest /{}\n", "x".repeat(250));
    for (text, problem) in [
        ("interest a", "no newline at its end"),
        (long.as_str(), "too long"),
        ("interest\n", "names no trigger"),
        ("interest \n", "names no trigger"),
        ("interested a\n", "unknown"),
        ("interest a b\n", "invalid character"),
        ("interest \u{e9}\n", "invalid character"),
        ("activate a\u{7f}\n", "invalid character"),
        ("interest /a//b\n", "no trigger name"),
        ("interest /a/\n", "no trigger name"),
        ("interest a_b\n", "no trigger name"),
        ("interest .a\n", "no trigger name"),
    ] {
        let said = read(text).unwrap_err().to_string();
        assert!(said.contains(problem), "{text:?}: {said}");
    }
}
