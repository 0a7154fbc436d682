use super::*;
use crate::settings::Additions;
use deb_archive::FetchOptions;

/// A directory with files, by their names and texts.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn configuration(files: &[(&str, &str)]) -> Result<Configuration, MultistrapError> {
    let directory = directory(files);
    let read = read(&directory.path().join(files[0].0))?;
    Configuration::new(&read, &Overrides::default())
}

fn translated(text: &str) -> Result<Translation, MultistrapError> {
    let options = FetchOptions::new("/nonexistent");
    Translation::new(&configuration(&[("a.conf", text)])?, options)
}

const PLAIN: &str = "[General]\narch=riscv64\ndirectory=/x/y/\nbootstrap=Debian\naptsources=Debian\n\
                     [Debian]\nsource=http://mirror.example.org/debian\nsuite=trixie\n";

#[test]
fn what_is_wrong_is_named_with_file_and_line() {
    for (text, line, part) in [
        ("[General]\nnothing\n", 2, "`key=value`"),
        ("arch=x\n", 1, "before any section"),
        ("[General\n", 1, "a section was expected"),
        ("[]\n", 1, "a section was expected"),
        ("[General]\n\na b=c\n", 3, "no name of a key"),
        ("[General]\narch=a\nArch=b\n", 3, "second time, after line 3"),
        ("[General]\ncleanup=perhaps\n", 2, "neither true nor false"),
        ("[General]\ninclude=nowhere.conf\n", 2, "nowhere.conf"),
        (
            "[General]\nbootstrap=Debain\n[Debian]\n",
            2,
            "did you mean [debian]?",
        ),
        ("[General]\nbootstrap=a\n[a]\nsuite=x\n", 3, "no `source`"),
        (
            "[General]\nbootstrap=a\n[a]\nsource=http://mirror.example.org\n",
            3,
            "no `suite`",
        ),
        (
            "[General]\nbootstrap=a\n[a]\nsource=[arch=x http://mirror.example.org\n",
            4,
            "closing bracket",
        ),
        (
            "[General]\nbootstrap=a\n[a]\nsource=http://mirror.example.org stable\n",
            4,
            "ends with a slash",
        ),
        (
            "[General]\nbootstrap=a\n[a]\nsource=gopher://mirror.example.org\nsuite=x\n",
            4,
            "gopher",
        ),
        ("[General]\nbootstrap=a\n[a]\narchitecture=pdp11\n", 4, "pdp11"),
    ] {
        let text = text.replace("[General]\n", "[General]\ndirectory=x\n");
        let line = if text.starts_with("[General]\n") {
            line + 1
        } else {
            line
        };
        let error = translated(&text).unwrap_err().to_string();
        assert!(error.contains(&format!("a.conf:{line}: ")), "{text}: {error}");
        assert!(error.contains(part), "{text}: {error}");
    }
    for (text, part) in [
        ("# nothing\n", "it has no section"),
        ("[General]\naddimportant=true\nomitrequired=true\n", "both true"),
        ("[General]\ndirectory=x\n[a]\nsource=x\n", "no `bootstrap`"),
        (
            "[General]\nbootstrap=a\n[a]\nsource=http://mirror.example.org\nsuite=x\n",
            "no `directory`",
        ),
        ("[General]\narch=vax\ndirectory=x\n", "`vax`"),
    ] {
        let error = translated(text).unwrap_err().to_string();
        assert!(error.contains("a.conf: ") && error.contains(part), "{error}");
    }
}

#[test]
fn files_are_included_and_the_first_counts() {
    let files = [
        (
            "top.conf",
            "[General]\ninclude=base.conf\nARCH=armhf\nbootstrap=Own\n[Own]\nsource=copy:/srv/own ./\npackages=a\n",
        ),
        (
            "base.conf",
            "\u{feff}; a comment\r\n[general]\r\ninclude=top.conf last.conf\narch=arm64\ndirectory=/d\ncleanup=TRUE\ndebootstrap=Debian\n\
             [Debian]\nsource=http://mirror.example.org/debian\nsuite=stable universe\npackages=b c\npackages=d\n",
        ),
        ("last.conf", "[General]\nforceunpack=false\nnewkey=1\n"),
    ];
    let all = configuration(&files).unwrap();
    assert_eq!(
        (all.arch.as_deref(), all.directory.as_deref()),
        (Some("armhf"), Some("/d"))
    );
    assert!(all.cleanup && !all.unpack && all.files.len() == 3);
    assert!(
        all.notes[0].contains("last.conf:3: `newkey` means nothing"),
        "{:?}",
        all.notes
    );
    let listed = all.listed("bootstrap", &all.bootstrap).unwrap();
    let names: Vec<&str> = listed.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["debian", "own"]);
    assert_eq!(listed[0].packages, ["b", "c", "d"]);
    assert_eq!(
        listed[0].line().unwrap().rest,
        "http://mirror.example.org/debian stable main universe"
    );
    let flat = listed[1].line().unwrap();
    assert_eq!((flat.rest.as_str(), flat.suite), ("copy:/srv/own ./", None));
    let text = summary(&all).unwrap();
    assert!(
        text.contains("[own] packages: a\n") && text.contains("unpack: false\n"),
        "{text}"
    );
}

#[test]
fn keys_become_settings() {
    let made = translated(PLAIN).unwrap();
    let Additions {
        lowest_priority,
        sources,
        keeps_packages,
        ..
    } = &made.additions;
    assert_eq!((*lowest_priority, *keeps_packages), (Some(1), true));
    let sources = sources.as_ref().unwrap();
    assert_eq!(
        sources[0].0,
        Path::new("etc/apt/sources.list.d/multistrap-debian.list")
    );
    assert_eq!(
        sources[0].1,
        "deb [arch=riscv64] http://mirror.example.org/debian trixie main\ndeb-src http://mirror.example.org/debian trixie main\n"
    );
    let text = PLAIN
        .replace("[General]\n", "[General]\nexplicitsuite=true\nmultiarch=armhf i386\naddimportant=true\ntarballname=out.tgz\ncleanup=true\nnoauth=true\n")
        + "packages=one two/sid\nreinstall=three\nomitdebsrc=true\n[More]\nsource=http://mirror.example.org/debian\nsuite=sid\narchitecture=s390x\npackages=four\nadditional=five\n";
    let made = translated(&text.replace("bootstrap=Debian", "bootstrap=debian more")).unwrap();
    assert_eq!(
        made.include,
        ["one/trixie", "two/sid", "four:s390x/sid", "three", "five"]
    );
    let foreign: Vec<&str> = made.foreign.iter().map(|arch| arch.name).collect();
    assert_eq!(foreign, ["armhf", "i386", "s390x"]);
    assert_eq!(made.target.path(), Some(Path::new("/x/out.tgz")));
    assert_eq!(
        (made.additions.lowest_priority, made.additions.keeps_packages),
        (Some(2), false)
    );
    assert!(
        made.lists
            .as_ref()
            .unwrap()
            .iter()
            .all(|list| list.sources[0].trusted)
    );
    assert!(!made.additions.sources.as_ref().unwrap()[0].1.contains("deb-src"));
    for part in ["reinstall means nothing here", "s390x is not in `multiarch`"] {
        assert!(
            made.notes.iter().any(|note| note.contains(part)),
            "{part}: {:?}",
            made.notes
        );
    }
}

#[test]
fn scripts_become_hooks() {
    use std::os::unix::fs::PermissionsExt;
    let directory = directory(&[
        ("set up.sh", "#!/bin/sh\n"),
        ("config.sh", "#!/bin/sh\n"),
        ("plain.sh", ""),
        ("native1", "#!/bin/sh\n"),
        ("completion1", "#!/bin/sh\n"),
        ("download1", "#!/bin/sh\n"),
        ("other", "#!/bin/sh\n"),
        ("prefs", "Package: *\nPin: release a=sid\nPin-Priority: 5\n"),
        ("seed", "a a/b string c\n"),
    ]);
    for name in [
        "set up.sh",
        "config.sh",
        "native1",
        "completion1",
        "download1",
        "other",
    ] {
        std::fs::set_permissions(directory.path().join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let more = "[General]\nsetupscript=set up.sh\nconfigscript=config.sh\nhookdir=.\naptpreferences=prefs\ndebconfseed=seed none\n";
    std::fs::write(
        directory.path().join("a.conf"),
        PLAIN.replace("[General]\n", more),
    )
    .unwrap();
    // What is relative is beside the file.
    let absolute = |text: &str| text.replace("hookdir=.", &format!("hookdir={}", directory.path().display()));
    std::fs::write(
        directory.path().join("a.conf"),
        absolute(&PLAIN.replace("[General]\n", more)),
    )
    .unwrap();
    let read = read(&directory.path().join("a.conf")).unwrap();
    let all = Configuration::new(&read, &Overrides::default()).unwrap();
    let made = Translation::new(&all, FetchOptions::new("/nonexistent")).unwrap();
    let hooks: Vec<(String, String)> = made
        .hooks
        .iter()
        .map(|hook| {
            let text = hook
                .text
                .to_string_lossy()
                .replace(&directory.path().display().to_string(), "D");
            (hook.moment.name().to_owned(), text)
        })
        .collect();
    let expected = [
        ("extract", "'D/set up.sh' \"$1/\" riscv64"),
        ("extract", "'D/download1' \"$1/\""),
        ("extract", "'D/native1' \"$1/\" start"),
        ("customize", "'D/native1' \"$1/\" end"),
        ("customize", "'/config.sh'"),
        ("customize", "'D/completion1' \"$1/\""),
    ]
    .map(|(moment, text)| (moment.to_owned(), text.to_owned()));
    assert_eq!(hooks, expected);
    let files: Vec<_> = made
        .additions
        .files
        .iter()
        .map(|file| (file.path.to_str().unwrap(), file.mode))
        .collect();
    assert_eq!(
        files,
        [("/etc/apt/preferences.d/prefs", 0o644), ("/config.sh", 0o755)]
    );
    assert_eq!(made.selections.len(), 1);
    assert!(
        made.notes
            .iter()
            .any(|note| note.contains("there is no file none")),
        "{:?}",
        made.notes
    );
}
