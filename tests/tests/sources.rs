//! Sources of packages: every option of sources.list(5), every form of an archive, and what is refused by name.

use std::path::Path;

use rootless_install_tests::archive::SUITE;
use rootless_install_tests::mirror::Mirror;
use rootless_install_tests::program::{Outcome, Workplace};
use rootless_install_tests::repository::{FORMS, Repository, Signed, compressed};
use rootless_install_tests::synthetic::package;
use rootless_install_tests::{Result, scenario};

/// A signed archive with the package `one`, behind a mirror.
struct Place {
    work: Workplace,
    own: Repository,
    mirror: Mirror,
    architecture: &'static str,
}

impl Place {
    fn new() -> Result<Self> {
        let work = Workplace::new()?;
        let own = Repository::new(&work.make_dir("archive")?)?;
        let architecture = rootless_install_tests::elf::foreign().debian;
        let mirror = Mirror::of(&own.root)?;
        let place = Self {
            work,
            own,
            mirror,
            architecture,
        };
        place.publish(".xz", "", Signed::Inline)?;
        Ok(place)
    }

    /// Publishes `one` with the index in this form and these fields of the Release file.
    fn publish(&self, form: &str, fields: &str, signed: Signed) -> Result<()> {
        let dists = self.own.root.join("dists");
        if dists.exists() {
            std::fs::remove_dir_all(&dists).unwrap();
        }
        let text = self.own.packages(&[package("one")?])?;
        let index = self.own.index(self.architecture, &text, form)?;
        self.own
            .release(&self.dists(), &[&index], &self.fields(fields), signed)
    }

    fn fields(&self, more: &str) -> String {
        format!("Architectures: {}\n{more}", self.architecture)
    }

    fn dists(&self) -> String {
        format!("dists/{SUITE}/")
    }

    /// Plans the installation of `one` from a source, with more options.
    fn plan(&self, mirror: &str, more: &[&str]) -> Result<Outcome> {
        self.plan_of("one", mirror, more)
    }

    fn plan_of(&self, include: &str, mirror: &str, more: &[&str]) -> Result<Outcome> {
        let cache = self.work.path("cache").display().to_string();
        let given = [
            "plan",
            "--cache",
            &cache,
            "--variant=custom",
            "--arch",
            self.architecture,
            "--mode=redirect",
        ];
        let words = [&given[..], &["--include", include, "--mirror", mirror], more].concat();
        self.work.run_plain(words).end()
    }

    /// A one-line source with options in brackets.
    fn line(&self, options: &str) -> String {
        format!("deb [{options}] {} {SUITE} main", self.mirror.url())
    }

    fn key(&self) -> String {
        self.own.keyring().display().to_string()
    }

    /// A path in the directory of the workplace, as text.
    fn path(&self, name: &str) -> String {
        self.work.path(name).display().to_string()
    }

    /// Forgets what was seen of archives, so that an older or unsigned one is no surprise.
    fn forget(&self) -> Result<()> {
        let cache = self.work.path("cache");
        if cache.exists() {
            std::fs::remove_dir_all(&cache).unwrap();
        }
        self.work.make_dir("cache")?;
        self.mirror.forget();
        Ok(())
    }
}

/// Panics unless a plan has the package `one`.
#[track_caller]
fn has_one(outcome: &Outcome) {
    let text = outcome.succeeded().text();
    assert!(text.contains("one") && text.contains("1.0-1"), "{text}");
}

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
        has_one(&place.plan(&format!("deb [signed-by={key}] {uri} {suite}"), &[])?);
    }
    place.plan(&format!("deb {uri} ./ main"), &[])?.failed_with(&["takes no components"]);
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

scenario!(
    /// Lists of mirrors, from this machine and from a server: by priority, and the next one where one fails.
    lists_of_mirrors, PROGRAM, {
    use rootless_install_tests::mirror::{Fault, unreachable};
    let place = Place::new()?;
    let second = Mirror::of(&place.own.root)?;
    let (first, gone) = (place.mirror.url(), unreachable()?);
    let options = format!("signed-by={}", place.key());
    let text = format!("# ours\n{gone}/\n{}\tpriority:2\n{first}/\tpriority:1\n", second.url());
    let list = place.work.write("mirrors.txt", text.as_bytes())?.display().to_string();
    place.own.write("mirrors.lst.gz", &compressed(text.as_bytes(), ".gz")?)?;
    for uri in [
        format!("mirror+file:{list}"),
        format!("mirror+copy:{list}"),
        format!("mirror+{first}/mirrors.lst.gz"),
        format!("mirror{}/mirrors.lst.gz", first.trim_start_matches("http")),
    ] {
        let source = format!("deb [{options}] {uri} {SUITE} main");
        place.forget()?;
        second.forget();
        has_one(&place.plan(&source, &[])?);
        assert!(second.requests().is_empty(), "{:?}", second.requests());
        // Without the network it is what it was.
        has_one(&place.plan(&source, &["--offline"])?);
        // The first one fails in one way or another.
        for (end, fault) in [("InRelease", Fault::Status(403)), (".xz", Fault::Altered), (".xz", Fault::Status(404))] {
            place.forget()?;
            second.forget();
            place.mirror.fault(end, fault);
            has_one(&place.plan(&source, &[])?);
            assert!(second.requests().iter().any(|request| request.path.ends_with(end) && request.status == 200));
            place.mirror.heal();
        }
    }
    for (text, line, said) in [
        ("ftp://mirror.example.org/\n", 1, "ftp"),
        ("\nhttp://mirror.example.org/ priority:first\n", 2, "priority:NUMBER"),
        ("# none\n", 1, "names no mirror"),
    ] {
        let list = place.work.write("broken.txt", text.as_bytes())?.display().to_string();
        let outcome = place.plan(&format!("deb [{options}] mirror+file:{list} {SUITE} main"), &[])?;
        outcome.failed_with(&[&format!("broken.txt:{line}"), said]);
    }
    // A server says nothing of this machine's files.
    place.own.write("local.lst", format!("file:{}\n", place.own.root.display()).as_bytes())?;
    let outcome = place.plan(&format!("deb [{options}] mirror+{first}/local.lst {SUITE} main"), &[])?;
    outcome.failed_with(&["local.lst:1", "from a server"]);
});

/// The files of a directory whose content has a word.
fn with_word(directory: &Path, word: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
                left.push(entry.path());
            }
        } else if std::fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(word)) {
            found.push(path.display().to_string());
        }
    }
    Ok(found)
}

scenario!(
    /// Users and passwords from a file of apt_auth.conf(5): for the host that is meant, over http only where that is said, and
    /// told nowhere.
    users_and_passwords, PROGRAM, {
    use rootless_install_tests::mirror::basic;
    let place = Place::new()?;
    place.mirror.require("guest", "hunter2");
    let host = place.mirror.host();
    let line = place.line(&format!("signed-by={}", place.key()));
    let with = |text: &str, more: &[&str]| -> Result<Outcome> {
        place.mirror.forget();
        let file = place.work.write("auth", text.as_bytes())?.display().to_string();
        let outcome = place.plan(&line, &[&["--auth-file", &file], more].concat())?;
        assert!(!outcome.stderr.contains("hunter2") && !outcome.text().contains("hunter2"), "{}", outcome.stderr);
        Ok(outcome)
    };
    place.plan(&line, &[])?.failed_with(&["401", "auth.conf", "machine http://HOST"]);
    for machine in [format!("http://{host}"), "http://127.0.0.1".to_owned(), "http://127.0.0.1/di".to_owned()] {
        let lock = place.path("out/lock.json");
        let text = format!("# ours\nmachine nowhere login a password b\nmachine {machine}\n login guest\n\tpassword hunter2\n");
        has_one(&with(&text, &["--lock", &lock, "--debug"])?);
        let sent = basic("guest", "hunter2");
        assert!(place.mirror.requests().iter().all(|request| request.authorization.as_ref() == Some(&sent)));
        assert!(!std::fs::read_to_string(lock)?.contains("hunter2"));
    }
    for machine in [host.as_str(), "127.0.0.1", "https://127.0.0.1", "http://127.0.0.1/other", "http://127.0.0.1:1"] {
        with(&format!("machine {machine} login guest password hunter2"), &[])?.failed_with(&["401"]);
        assert!(place.mirror.requests().iter().all(|request| request.authorization.is_none()), "{machine}");
    }
    for (text, line, said) in [
        ("\nmachine", 2, "name of a host"),
        ("login guest password hunter2", 1, "before any"),
        ("machine a login b\npassword hunter2 hunter2", 2, "none of"),
    ] {
        with(text, &[])?.failed_with(&[&format!("auth:{line}"), said, "apt_auth.conf"]);
    }
    // Those of a URL are used, and told nowhere.
    let url = format!("http://guest:hunter2@{host}");
    let lock = place.path("out/lock.json");
    let words = ["--lock", &lock, "--debug", "--keyring", &place.key()];
    place.forget()?;
    let outcome = place.plan(&format!("deb {url} {SUITE} main"), &words)?;
    has_one(&outcome);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    let text = std::fs::read_to_string(&lock)?;
    assert!(text.contains(&host) && !text.contains("hunter2") && !text.contains("guest"), "{text}");
    let made = place.path("out/mirror");
    let words = ["mirror", "--cache", &place.path("cache"), "--variant=custom", "--arch", place.architecture, "--no-native-tools"];
    let source = format!("deb [signed-by={}] {url} {SUITE} main", place.key());
    let outcome = place.work.run_plain([&words[..], &["--include=one", "--mirror", &source, &made]].concat()).end()?;
    assert!(!outcome.succeeded().text().contains("hunter2"));
    assert!(place.mirror.requests().iter().any(|request| request.path.ends_with(".deb") && request.status == 200));
    for directory in ["cache", "out"] {
        assert_eq!(with_word(&place.work.path(directory), "hunter2")?, [""; 0]);
    }
});

scenario!(
    /// https with an authority of one's own, and a certificate of the client, by options of this program and of apt.
    certificates, PROGRAM, {
    use rootless_install_tests::certificates::Certificates;
    let place = Place::new()?;
    let own = Certificates::new(&place.work.make_dir("certificates")?)?;
    let file = |name: &str| own.file(name).display().to_string();
    let (ca, client, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
    for path in [&client, &key] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    }
    let open = Mirror::secure(&place.own.root, &own, false)?;
    let closed = Mirror::secure(&place.own.root, &own, true)?;
    let line = |mirror: &Mirror| format!("deb [signed-by={}] {} {SUITE} main", place.key(), mirror.url());
    let known = ["--ca-certificate", &ca];
    let me = ["--client-certificate", &client, "--client-key", &key];
    let plan = |mirror: &Mirror, words: &[&str]| place.plan(&line(mirror), words);
    has_one(&plan(&open, &known)?);
    has_one(&plan(&closed, &[known, ["--ca-certificate", &ca]].concat().into_iter().chain(me).collect::<Vec<_>>())?);
    plan(&open, &[])?.failed_with(&["cannot reach https://", "certificate|UnknownIssuer"]);
    plan(&closed, &known)?.failed_with(&["cannot reach https://"]);
    let with = |mirror: &Mirror, options: &[String]| -> Result<Outcome> {
        let words: Vec<&str> = options.iter().flat_map(|option| ["--aptopt", option.as_str()]).collect();
        place.plan(&line(mirror), &words)
    };
    let set = |name: &str, value: &str| format!("Acquire::https::{name} \"{value}\"");
    let mine = [set("SslCert::127.0.0.1", &client), set("127.0.0.1::SslKey", &key)];
    has_one(&with(&open, &[set("CaInfo", &ca)])?);
    has_one(&with(&open, &[set("CaInfo::127.0.0.1", &ca)])?);
    has_one(&with(&open, &[set("127.0.0.1::Verify-Peer", "false")])?);
    has_one(&with(&closed, &[&mine[..], &[set("CaInfo", &ca)]].concat())?);
    with(&open, &[set("CaInfo::mirror.example.org", &ca)])?.failed_with(&["cannot reach"]);
    with(&open, &[set("CaInfo", "/nowhere/ca.pem")])?.failed_with(&["/nowhere/ca.pem"]);
    with(&closed, &[set("CaInfo", &ca), set("SslKey", &key)])?.failed_with(&["client.key", "no certificate"]);
    plan(&open, &["--ca-certificate", &place.key()])?.failed_with(&["key.gpg", "PEM"]);
    // What is for https alone is sent here.
    open.require("guest", "hunter2");
    let auth = place.work.write("auth", b"machine 127.0.0.1 login guest password hunter2\n")?.display().to_string();
    has_one(&plan(&open, &[&known[..], &["--auth-file", &auth]].concat())?);
});

scenario!(
    /// Proxies of the environment and of apt's configuration, for all hosts or one, DIRECT, and no_proxy.
    proxies, PROGRAM, {
    use rootless_install_tests::mirror::unreachable;
    let place = Place::new()?;
    let proxy = place.mirror.url();
    // No such host is there: only a proxy has an answer.
    let source = format!("deb [signed-by={}] http://mirror.invalid/ {SUITE} main", place.key());
    let cache = place.path("cache");
    let run = |environment: &[(&str, &str)], options: &[&str], source: &str| -> Result<Outcome> {
        place.forget()?;
        let given = ["plan", "--cache", &cache, "--variant=custom", "--arch", place.architecture, "--mode=redirect"];
        let options: Vec<&str> = options.iter().flat_map(|option| ["--aptopt", option]).collect();
        let words = [&given[..], &["--include=one", "--download-timeout=1s", "--mirror", source], &options].concat();
        let run = place.work.run_plain(words);
        environment.iter().fold(run, |run, (name, value)| run.env(name, value)).end()
    };
    let set = |name: &str, value: &str| format!("Acquire::http::{name} \"{value}\"");
    let gone = unreachable()?;
    for (environment, options) in [
        (&[("http_proxy", proxy.as_str())][..], vec![]),
        (&[], vec![set("Proxy", &proxy)]),
        (&[], vec![set("Proxy", &gone), set("Proxy::mirror.invalid", &proxy)]),
        (&[], vec![set("mirror.invalid::Proxy", &proxy)]),
        // As with apt its configuration counts before the environment.
        (&[("http_proxy", gone.as_str())], vec![set("Proxy", &proxy)]),
    ] {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        has_one(&run(environment, &options, &source)?);
        assert!(place.mirror.requests().iter().all(|request| request.by_proxy), "{environment:?} {options:?}");
    }
    let own = place.line(&format!("signed-by={}", place.key()));
    for (environment, options) in [
        (&[("http_proxy", gone.as_str()), ("no_proxy", "127.0.0.1")][..], vec![]),
        (&[("http_proxy", gone.as_str())], vec![set("Proxy", "DIRECT")]),
        (&[], vec![set("Proxy", &gone), set("Proxy::127.0.0.1", "DIRECT")]),
        (&[("no_proxy", "127.0.0.1")], vec![set("Proxy", &gone)]),
    ] {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        has_one(&run(environment, &options, &own)?);
        assert!(place.mirror.requests().iter().all(|request| !request.by_proxy), "{environment:?} {options:?}");
    }
    let said = run(&[], &[&set("Proxy-Auto-Detect", "/usr/bin/detect")], &own)?;
    has_one(&said);
    assert!(said.stderr.contains("/usr/bin/detect") && said.stderr.contains("http_proxy"), "{}", said.stderr);
    run(&[], &[&set("Proxy", "gopher://proxy.example.org")], &own)?.failed_with(&["gopher", "proxy"]);
});
