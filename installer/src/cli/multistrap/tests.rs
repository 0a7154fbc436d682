use super::*;

fn call(words: &[&str]) -> Result<Call, CallError> {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    Call::read(&words)
}

#[test]
fn the_command_has_names_and_a_word() {
    let of = |line: &[&str]| {
        let all: Vec<OsString> = line.iter().map(OsString::from).collect();
        words(&all).map(<[OsString]>::len)
    };
    assert_eq!(of(&["/usr/sbin/multistrap", "-f", "x"]), Some(2));
    assert_eq!(of(&["em_multistrap", "-f", "x"]), Some(2));
    assert_eq!(of(&["rootless-install", "multistrap", "--help"]), Some(1));
    assert_eq!(of(&["rootless-install", "target"]), None);
}

#[test]
fn options_are_multistraps_and_some_of_the_programs() {
    let read = call(&[
        "-a",
        "armhf",
        "-d",
        "out",
        "-f",
        "x.conf",
        "--tidy-up",
        "--no-auth",
        "--source-dir",
        "src",
        "--cache",
        "c",
        "--log=l",
        "-v",
        "--offline",
    ])
    .unwrap();
    assert_eq!(read.file.as_deref(), Some("x.conf"));
    assert_eq!(read.overrides.arch.as_deref(), Some("armhf"));
    assert!(read.overrides.tidy_up && read.overrides.no_auth && !read.simulate);
    let others: Vec<&str> = read.others.iter().filter_map(|word| word.to_str()).collect();
    assert_eq!(others, ["--cache", "c", "--log=l", "-v", "--offline"]);
    assert!(matches!(call(&["--include", "x"]), Err(CallError::Unknown(_))));
    assert!(matches!(call(&["-f"]), Err(CallError::Value(_))));
    assert!(matches!(call(&["x.conf"]), Err(CallError::Word(_))));
    assert!(matches!(
        call(&[]).unwrap().configuration(),
        Err(CallError::NoFile)
    ));
    assert_eq!(call(&["-?"]).unwrap().asks, Some(Asked::Help));
}

#[test]
fn all_that_is_taken_is_there() {
    let command = Cli::command();
    for id in TAKEN {
        let arg = command.get_arguments().find(|arg| arg.get_id() == id);
        let long = arg
            .and_then(clap::Arg::get_long)
            .unwrap_or_else(|| panic!("{id}"));
        assert!(
            long == "snapshot-url" || USAGE.contains(&format!("--{long}")),
            "{long}"
        );
    }
}
