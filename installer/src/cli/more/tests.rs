use super::super::Cli;
use super::*;
use crate::cli::environment::Environment;
use std::os::unix::fs::PermissionsExt;

fn settings(words: &[&str]) -> Result<Settings, SettingsError> {
    let environment = Environment {
        home: Some("/home/u".into()),
        ..Environment::default()
    };
    let words = std::iter::once("rootless-install").chain(words.iter().copied());
    let words = words.map(OsString::from).collect::<Vec<_>>();
    Cli::read(&words)
        .unwrap_or_else(|error| panic!("{error}"))
        .resolve(&environment)
}

#[test]
fn hooks_are_in_the_order_of_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    for (name, mode) in [
        ("setup02", 0o755),
        ("setup01-a.sh", 0o755),
        ("customize", 0o755),
        ("extract", 0o644),
        ("README", 0o644),
    ] {
        let path = directory.path().join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let option = format!("--hook-dir={}", directory.path().display());
    let given = [
        "--customize-hook=one",
        "--setup-hook=before",
        &option,
        "--setup-hook",
        "after",
        "--chrooted-customize-hook=two",
        "t",
    ];
    let settings = settings(&given).unwrap();
    let of = |moment| -> Vec<(String, bool)> {
        let hooks = settings.hooks.iter().filter(|hook| hook.moment == moment);
        let name = |hook: &Hook| {
            Path::new(&hook.text)
                .file_name()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        };
        hooks.map(|hook| (name(hook), hook.chrooted)).collect()
    };
    let plain = |names: &[&str]| -> Vec<(String, bool)> {
        names.iter().map(|name| ((*name).to_owned(), false)).collect()
    };
    assert_eq!(
        of(Moment::Setup),
        plain(&["before", "setup01-a.sh", "setup02", "after"])
    );
    assert_eq!(of(Moment::Extract), []);
    let mut customize = plain(&["one", "customize"]);
    customize.push(("two".to_owned(), true));
    assert_eq!(of(Moment::Customize), customize);
}

#[test]
fn options_of_apt_and_dpkg_are_lines_or_files() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("conf");
    fs::write(&file, "A::B \"1\";").unwrap();
    let option = format!("--aptopt={}", file.display());
    let settings = settings(&[
        "--aptopt=Apt::Install-Recommends \"true\"",
        &option,
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "t",
    ])
    .unwrap();
    assert_eq!(
        settings.apt_options,
        "Apt::Install-Recommends \"true\";\nA::B \"1\";\n"
    );
    assert_eq!(settings.dpkg_options, "path-exclude=/usr/share/doc/*\n");
}

#[test]
fn formats_and_steps() {
    let target = |words: &[&str]| settings(words).map(|settings| settings.target);
    assert_eq!(target(&["--format=null", "x"]).unwrap(), TargetSpec::Nothing);
    assert_eq!(
        target(&["--format=dir", "x.tar"]).unwrap(),
        TargetSpec::Directory("x.tar".into())
    );
    let tar = TargetSpec::File {
        path: "x".into(),
        format: Format::Tar(crate::output::Compression::None),
    };
    assert_eq!(target(&["--format=tar", "x"]).unwrap(), tar);
    assert!(target(&["--format=directory", "-"]).is_err());
    let all = settings(&["--skip=cleanup/apt,setup", "--skip", " output/dev", "x"]).unwrap();
    assert_eq!(all.skip.0, ["cleanup/apt", "setup", "output/dev"]);
    let error = settings(&["--skip=cleanup/atp", "x"]).map(|_| ()).unwrap_err();
    assert!(
        error.to_string().contains("did you mean `cleanup/apt`"),
        "{error}"
    );
}

#[test]
fn the_last_amount_of_messages_counts() {
    use task_progress::Verbosity;
    let of = |words: &[&str]| settings(words).unwrap().verbosity;
    assert_eq!(of(&["-q", "-v", "t"]), Verbosity::Verbose);
    assert_eq!(of(&["-v", "-d", "--silent", "t"]), Verbosity::Quiet);
    assert_eq!(of(&["-s", "-d", "t"]), Verbosity::Debug);
    assert_eq!(of(&["-vv", "t"]), Verbosity::Debug);
    assert_eq!(of(&["t"]), Verbosity::Normal);
}
