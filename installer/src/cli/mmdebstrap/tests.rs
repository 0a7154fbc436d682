use super::*;

fn words_of(line: &[&str], input: &str) -> Result<Vec<String>, MmdebstrapError> {
    let words: Vec<OsString> = line.iter().map(OsString::from).collect();
    let words = Call::read(&words)?.into_words(&mut input.as_bytes())?;
    Ok(words
        .into_iter()
        .map(|word| word.into_string().unwrap())
        .collect())
}

#[test]
fn the_command_has_a_name_and_a_word() {
    let of = |line: &[&str]| {
        let all: Vec<OsString> = line.iter().map(OsString::from).collect();
        words(&all).map(<[OsString]>::len)
    };
    assert_eq!(of(&["/usr/bin/mmdebstrap", "a", "b"]), Some(2));
    assert_eq!(of(&["rootless-install", "mmdebstrap", "a"]), Some(1));
    assert_eq!(of(&["rootless-install", "target"]), None);
}

#[test]
fn defaults_are_mmdebstraps() {
    let words = words_of(&["trixie"], "").unwrap();
    assert!(words.contains(&"--variant=important".to_owned()));
    assert!(words.contains(&"--suite=trixie".to_owned()));
    assert_eq!(words.last().map(String::as_str), Some("-"));
    let mirror = words.iter().find(|word| word.starts_with("--mirror=")).unwrap();
    assert_eq!(mirror.lines().count(), 3);
    let words = words_of(&[], "deb http://mirror.example.org/debian trixie main").unwrap();
    assert!(words.contains(&"--mirror=deb http://mirror.example.org/debian trixie main\n".to_owned()));
    assert!(words.contains(&"--suite=".to_owned()));
    let words = words_of(&["", "out.tar", "--include=, ,"], "").unwrap();
    assert!(words.contains(&"--mirror=".to_owned()), "{words:?}");
    assert!(
        !words.iter().any(|word| word.starts_with("--include")),
        "{words:?}"
    );
}

#[test]
fn options_stand_anywhere_and_may_be_short() {
    let words = words_of(
        &[
            "--var=-",
            "trixie",
            "-vd",
            "--INC",
            "a,b",
            "--custom",
            "echo x",
            "out/",
            "--hook-dir=d",
            "http://mirror.example.org/debian",
            "--architecture=arm64",
            "-",
        ],
        "Types: deb\n",
    )
    .unwrap();
    let expected = [
        "rootless-install",
        "--variant=-",
        "--verbose",
        "--debug",
        "--include=a,b",
        "--customize-hook=echo x",
        "--hook-directory=d",
        "--architectures=arm64",
        "--suite=trixie",
        "--mirror=http://mirror.example.org/debian",
        "--mirror=Types: deb\n",
        "--",
        "out/",
    ];
    assert_eq!(words, expected);
}

#[test]
fn what_is_wrong_is_named() {
    let error = |line: &[&str]| words_of(line, "").unwrap_err().to_string();
    assert!(error(&["--nothing-like-it"]).contains("--nothing-like-it"));
    assert!(error(&["--c=x"]).contains("components"));
    assert!(error(&["trixie", "--include"]).contains("requires"));
    assert!(error(&["--verbose=1"]).contains("does not take"));
    assert!(error(&["-x"]).contains("-x"));
    assert!(error(&["trixie", "/"]).contains("filesystem root"));
}

#[test]
fn options_that_do_nothing_are_known() {
    let all: Vec<OsString> = ["--merged-usr", "--resolve-deps", "trixie"]
        .map(OsString::from)
        .to_vec();
    let call = Call::read(&all).unwrap();
    assert_eq!(call.nothing, ["merged-usr", "resolve-deps"]);
    assert!(!call.options.iter().any(|option| option == "--merged-usr"));
}

/// Every option is one of `rootless-install`, too.
#[test]
fn options_are_those_of_the_program() {
    let command = Cli::command();
    let names: Vec<String> = command
        .get_arguments()
        .flat_map(|argument| {
            let aliases = argument.get_all_aliases().unwrap_or_default();
            let mut all: Vec<String> = aliases.into_iter().map(str::to_owned).collect();
            all.extend(argument.get_long().map(str::to_owned));
            all
        })
        .collect();
    for option in OPTIONS {
        let own = matches!(option.name, "help" | "man" | "version") || option.takes == Takes::NothingToDo;
        assert!(
            own || names.iter().any(|name| name == option.name),
            "{}",
            option.name
        );
    }
}
