//! Sources of packages: every option of sources.list(5), every form of an archive, and what is refused by name.

use rootless_install_tests::archive::SUITE;
use rootless_install_tests::place::{Place, has_one};
use rootless_install_tests::repository::{FORMS, Repository, Signed};
use rootless_install_tests::synthetic::package;
use rootless_install_tests::{Result, scenario};

scenario!(
    /// arch, lang, target, pdiffs, Enabled, include and exclude.
    what_is_read_of_a_source, PROGRAM, {
    let place = Place::new()?;
    let arch = place.architecture;
    let key = format!("signed-by={}", place.key());
    for options in [
        format!("arch={arch}"),
        format!("arch=armel arch+={arch}"),
        "arch-=armel".to_owned(),
        "lang=none lang+=de pdiffs=yes target=Packages".to_owned(),
        "include=one,two exclude=two".to_owned(),
    ] {
        has_one(&place.plan(&place.line(&format!("{key} {options}")), &[])?);
    }
    for (options, said) in [
        (format!("arch-={arch}"), "there is nothing for architecture"),
        ("target-=Packages".to_owned(), "no enabled source"),
        ("exclude=o*".to_owned(), "one"),
        ("include=two".to_owned(), "one"),
    ] {
        place.plan(&place.line(&format!("{key} {options}")), &[])?.failed_with(&[said]);
    }
    let paragraph = |more: &str| {
        let uri = place.mirror.url();
        format!("Types: deb\nURIs: {uri}\nSuites: {SUITE}\nComponents: main\nSigned-By: {}\n{more}", place.key())
    };
    for more in ["Languages: en\nPDiffs: no\n", "Enabled: yes\n", "Include: one two\n"] {
        let file = place.work.write("a.sources", paragraph(more).as_bytes())?;
        has_one(&place.plan(&file.display().to_string(), &[])?);
    }
    let off = place.work.write("off.sources", paragraph("Enabled: no\n").as_bytes())?;
    place.plan(&off.display().to_string(), &[])?.failed_with(&["off.sources", "no enabled source"]);
});

scenario!(
    /// trusted, and signed-by with a file, fingerprints and a key in the source; --keyring is for sources that name none, and
    /// an error names the source whose key is missing.
    keys_of_sources, PROGRAM, {
    let place = Place::new()?;
    let (key, uri) = (place.key(), place.mirror.url());
    let (of_key, of_part) = (place.own.key.fingerprint(false), place.own.key.fingerprint(true));
    assert_ne!(of_key, of_part);
    for options in [
        "trusted=yes".to_owned(),
        format!("signed-by={key}"),
        format!("signed-by={key},{of_key}"),
        format!("signed-by={key},{of_part}!"),
    ] {
        has_one(&place.plan(&place.line(&options), &[])?);
    }
    has_one(&place.plan(&place.line(&format!("signed-by={of_key}")), &["--keyring", &key])?);
    for options in [
        // The signature is of a part of the key, which is not meant.
        format!("signed-by={key},{of_key}!"),
        format!("signed-by={key},{}", "0".repeat(40)),
        "trusted=no".to_owned(),
    ] {
        place.plan(&place.line(&options), &[])?.failed_with(&[
            "InRelease",
            "signed with an unknown key|there is no keyring",
            &format!("--mirror:1 ({uri} {SUITE})"),
            "signed-by",
        ]);
    }
    let missing = place.line("signed-by=/nowhere/key.gpg");
    place.plan(&missing, &[])?.failed_with(&["--mirror:1", "/nowhere/key.gpg"]);
    let armored = String::from_utf8(place.own.key.armored()?)?;
    let folded: Vec<String> = armored.lines().map(|line| format!(" {}", if line.is_empty() { "." } else { line })).collect();
    let text = format!(
        "Types: deb\nURIs: {uri}\nSuites: {SUITE}\nComponents: main\nSigned-By:\n{}\n",
        folded.join("\n")
    );
    let file = place.work.write("embedded.sources", text.as_bytes())?.display().to_string();
    has_one(&place.plan(&file, &[])?);

    // Two archives with a key each: the one of --keyring is for the source that names none.
    let second = Repository::new(&place.work.make_dir("archive/second")?)?;
    let text = second.packages(&[package("two")?])?;
    let index = second.index(place.architecture, &text, "")?;
    second.release(&place.dists(), &[&index], &place.fields(""), Signed::Inline)?;
    let other = format!("deb {uri}/second {SUITE} main");
    let first = place.line(&format!("signed-by={key}"));
    let both = place.plan_of("one,two", &first, &["--mirror", &other, "--keyring", &second.keyring().display().to_string()])?;
    assert!(both.succeeded().text().contains("two"));
    // Of two sources the one without a key is named.
    let lacking = place.plan_of("one,two", &first, &["--mirror", &other])?;
    lacking.failed_with(&[&format!("--mirror:1 ({uri}/second {SUITE})")]);
});

scenario!(
    /// check-valid-until, valid-until-min, valid-until-max, check-date and date-max-future.
    times_of_sources, PROGRAM, {
    let mut place = Place::new()?;
    let key = format!("signed-by={}", place.key());
    let plan = |place: &Place, options: &str| place.plan(&place.line(&format!("{key} {options}")), &["--allow-older-release"]);
    place.publish("", "Valid-Until: Sat, 01 Jan 2022 00:00:00 UTC\n", Signed::Inline)?;
    plan(&place, "pdiffs=no")?.failed_with(&["expired", "check-valid-until=no"]);
    for options in ["check-valid-until=no", "check-date=no", "valid-until-min=86400"] {
        has_one(&plan(&place, options)?);
    }
    place.publish("", "", Signed::Inline)?;
    place.forget()?;
    has_one(&plan(&place, "valid-until-max=86400")?);
    plan(&place, "valid-until-max=60")?.failed_with(&["expired", "valid-until-max"]);
    place.own.made = 86_400;
    place.publish("", "", Signed::Inline)?;
    // A server tells files of one second apart by nothing.
    place.forget()?;
    plan(&place, "date-max-future=3600")?.failed_with(&["not valid yet"]);
    for options in ["check-date=no", "date-max-future=100000"] {
        has_one(&plan(&place, options)?);
    }
});

scenario!(
    /// by-hash, inrelease-path, and snapshot.
    places_of_files, PROGRAM, {
    let place = Place::new()?;
    let key = format!("signed-by={}", place.key());
    let asked = |options: &str| -> Result<bool> {
        place.forget()?;
        has_one(&place.plan(&place.line(&format!("{key} {options}")), &[])?);
        Ok(place.mirror.requests().iter().any(|request| request.path.contains("by-hash")))
    };
    assert!(!asked("by-hash=yes")? && asked("by-hash=force")?);
    place.publish("", "Acquire-By-Hash: yes\n", Signed::Inline)?;
    assert!(asked("by-hash=yes")? && !asked("by-hash=no")?);

    place.publish("", "", Signed::Inline)?;
    let dists = place.own.root.join(place.dists());
    std::fs::create_dir_all(dists.join("old"))?;
    std::fs::rename(dists.join("InRelease"), dists.join("old/InRelease"))?;
    place.forget()?;
    has_one(&place.plan(&place.line(&format!("{key} inrelease-path=old/InRelease")), &[])?);
    place.plan(&place.line(&key), &[])?.failed_with(&["there is no suite"]);

    // A state of the past has another version.
    place.forget()?;
    let url = format!("{}/snap/@SNAPSHOTID@", place.mirror.url());
    place.publish("", &format!("Snapshots: {url}\n"), Signed::Inline)?;
    let mut old = package("one")?;
    old.version = "0.9-1".to_owned();
    let past = Repository { root: place.own.root.join("snap/20200102T000000Z"), ..Repository::new(&place.own.root)? };
    let past = Repository { key: place.own.key.clone(), ..past };
    std::fs::write(place.own.keyring(), place.own.key.keyring()?)?;
    let index = past.index(place.architecture, &past.packages(&[old])?, "")?;
    past.release(&place.dists(), &[&index], &place.fields(""), Signed::Inline)?;
    let version = |options: &str, more: &[&str]| -> Result<bool> {
        let text = place.plan(&place.line(&format!("{key} {options}")), more)?.succeeded().text();
        Ok(text.contains("0.9-1"))
    };
    assert!(version("snapshot=2020-01-02", &[])? && !version("snapshot=enable", &[])?);
    let moment = ["--snapshot", "2020-01-02"];
    assert!(version("snapshot=yes", &moment)? && !version("snapshot=disable", &moment)?);
});

scenario!(
    /// allow-insecure, allow-weak and allow-downgrade-to-insecure: what cannot be verified is known, and is not installed.
    insecure_sources, PROGRAM, {
    let mut place = Place::new()?;
    let key = format!("signed-by={}", place.key());
    let plan = |place: &Place, options: &str| place.plan(&place.line(&format!("{key} {options}")), &["--allow-older-release"]);
    has_one(&plan(&place, "allow-insecure=no")?);
    place.publish("", "", Signed::Not)?;
    plan(&place, "allow-insecure=no")?.failed_with(&["not signed", "trusted=yes"]);
    plan(&place, "allow-insecure=yes")?.failed_with(&["no longer signed", "allow-downgrade-to-insecure=yes"]);
    has_one(&plan(&place, "allow-insecure=yes allow-downgrade-to-insecure=yes")?);
    place.forget()?;
    let unsigned = plan(&place, "allow-insecure=yes")?;
    has_one(&unsigned);
    assert!(unsigned.stderr.contains("nothing is installed from it"), "{}", unsigned.stderr);
    place.forget()?;
    place.own.sums = "MD5Sum";
    place.publish("", "", Signed::Inline)?;
    plan(&place, "allow-weak=no")?.failed_with(&["no file with a SHA-256"]);
    has_one(&plan(&place, "allow-weak=yes")?);
});

scenario!(
    /// Flat archives, with a Release file and without, `$(ARCH)`, and the schemes file and copy.
    flat_archives_and_directories, PROGRAM, {
    let place = Place::new()?;
    let (arch, key, uri) = (place.architecture, place.key(), place.mirror.url());
    let text = place.own.packages(&[package("one")?])?;
    let below = text.replace("Filename: ", &format!("Filename: flat-{arch}/../"));
    for (directory, text) in [(String::new(), &text), (format!("flat-{arch}/"), &below)] {
        place.own.write(&format!("{directory}Packages"), text.as_bytes())?;
        place.own.release(&directory, &["Packages"], "", Signed::Detached)?;
    }
    let root = place.own.root.display().to_string();
    for (uri, suite) in [
        (uri.as_str(), "./"),
        (&uri, "/"),
        (&uri, "flat-$(ARCH)/"),
        (&format!("file:{root}"), "./"),
        (&format!("file://{root}/"), "./"),
        (&format!("copy:{root}"), "./"),
        (&format!("copy:{root}"), &format!("{SUITE} main")),
    ] {
        has_one(&place.plan(&format!("deb [arch={arch} signed-by={key}] {uri} {suite}"), &[])?);
    }
    place.plan(&format!("deb {uri} ./ main"), &[])?.failed_with(&["takes no components"]);
    // A directory that has an archive.
    has_one(&place.plan(&root, &["--suite", SUITE, "--keyring", &key])?);
    // Without a Release file, for those who trust it.
    place.forget()?;
    for name in ["Release", "Release.gpg"] {
        std::fs::remove_file(place.own.root.join(name))?;
    }
    has_one(&place.plan(&format!("deb [trusted=yes] {uri} ./"), &[])?);
    place.plan(&format!("deb [signed-by={key}] {uri} ./"), &[])?.failed_with(&["there is no suite `./`"]);
});

scenario!(
    /// Indexes in each form, under a Release file that is signed in itself and one with a signature beside it.
    forms_of_archives, PROGRAM, {
    let place = Place::new()?;
    let line = place.line(&format!("signed-by={}", place.key()));
    for form in FORMS {
        for signed in [Signed::Inline, Signed::Detached] {
            place.forget()?;
            place.publish(form, "", signed)?;
            has_one(&place.plan(&line, &[])?);
            let end = format!("Packages{form}");
            let got = |end: &str| place.mirror.requests().iter().any(|request| request.path.ends_with(end) && request.status == 200);
            assert!(got(&end) && got("Release.gpg") == (signed == Signed::Detached), "{form} {signed:?}");
        }
    }
    // Another text below the signature.
    place.forget()?;
    let release = place.own.root.join(place.dists()).join("Release");
    let other = std::fs::read_to_string(&release)?.replace("Label: Own", "Label: Other");
    std::fs::write(&release, other)?;
    place.plan(&line, &[])?.failed_with(&["Release", "altered after"]);
});

scenario!(
    /// What is not read is refused by its name, with advice; a broken line with its file and line, and without passwords.
    what_is_refused_by_name, PROGRAM, {
    let place = Place::new()?;
    for (uri, said) in [
        ("cdrom:[Debian 13 _Trixie_]/", "cdrom"),
        ("ssh://mirror.example.org/debian", "sshfs"),
        ("rsh://mirror.example.org/debian", "rsh"),
        ("tor+http://mirror.example.org/debian", "socks5h"),
        ("ftp://u:hunter2@mirror.example.org/debian", "ftp"),
        ("mirror+ssh://mirror.example.org/list", "mirror+ssh"),
        ("s3://bucket/debian", "s3"),
    ] {
        let outcome = place.plan(&format!("deb {uri} {SUITE} main"), &[])?;
        outcome.failed_with(&[said, "--mirror:1", "not supported"]);
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    }
    for (name, text, line, said) in [
        ("a.list", "# c\ndeb http://mirror.example.org/debian trixie\n", 2, "no component"),
        ("b.list", "deb [trusted] http://mirror.example.org/ ./\n", 1, "NAME=VALUE"),
        ("c.list", "deb [signd-by=/k] http://mirror.example.org/ ./\n", 1, "signed-by"),
        ("d.list", "deb [check-date=maybe] http://mirror.example.org/ ./\n", 1, "yes or no"),
        ("e.sources", "Types: deb\nURIs: http://mirror.example.org/\nSuites: ./\nValid-Until-Max: soon\n", 4, "seconds"),
        ("f.sources", "Types: deb\nwhat\n", 2, "continuation"),
        ("g.sources", "Types: deb\nSuites: ./\n", 1, "no URI"),
    ] {
        let file = place.work.write(name, text.as_bytes())?;
        place.plan(&file.display().to_string(), &[])?.failed_with(&[&format!("{name}:{line}"), said]);
    }
});
