use super::*;
use script_host::BindMount;

fn given(words: &[&str]) -> Result<RunSettings, Mistake> {
    let environment = Environment {
        home: Some("/home/u".into()),
        ..Environment::default()
    };
    let shell = words.first() == Some(&SHELL);
    let matches = command_line(shell)
        .try_get_matches_from(words)
        .unwrap_or_else(|error| panic!("{error}"));
    resolve(&matches, shell, &environment).map(|(settings, _)| settings)
}

#[test]
fn definitions_are_consistent() {
    command_line(false).debug_assert();
    command_line(true).debug_assert();
    assert!(command_line(false).try_get_matches_from(["run", "t"]).is_err());
}

#[test]
fn the_command_has_all_words_after_the_target() {
    for words in [
        &["run", "t", "--", "ls", "-l", "--", "x"][..],
        &["run", "t", "ls", "-l", "--", "x"],
    ] {
        let settings = given(words).unwrap();
        assert_eq!(
            settings.program,
            Program::Command(["ls", "-l", "--", "x"].map(OsString::from).into())
        );
        assert!(settings.target.is_absolute() && settings.network == Network::Host);
    }
    let shell = given(&["shell", "--user", "www-data", "t", "--", "-c", "id"]).unwrap();
    assert_eq!(
        shell.program,
        Program::Shell(["-c", "id"].map(OsString::from).into())
    );
    assert_eq!(shell.user.as_deref(), Some("www-data"));
}

#[test]
fn binds_and_variables() {
    let settings = given(&[
        "run",
        "--bind",
        "/usr:/mnt:ro",
        "--bind",
        "/usr",
        "--env",
        "A=b=c",
        "--env",
        "NOT_SET_HERE",
        "--network",
        "none",
        "t",
        "true",
    ])
    .unwrap();
    let bind = |destination: &str, read_only| BindMount {
        source: "/usr".into(),
        destination: destination.into(),
        read_only,
    };
    assert_eq!(settings.binds, [bind("/mnt", true), bind("/usr", false)]);
    assert_eq!(settings.environment, [("A".into(), "b=c".into())]);
    assert_eq!(settings.network, Network::None);
    for wrong in ["/no/such", "/usr:mnt", "/usr:/", "/usr:/a/../b", "/usr:/a:ro:x"] {
        assert!(given(&["run", "--bind", wrong, "t", "true"]).is_err(), "{wrong}");
    }
    assert!(given(&["run", "--env", "=x", "t", "true"]).is_err());
}
