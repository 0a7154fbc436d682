//! Package files as a source of packages, and what hooks and options of apt write about sources.

use std::ffi::OsString;
use std::path::Path;

use rootless_install_tests::deb::Package;
use rootless_install_tests::mirror::Mirror;
use rootless_install_tests::program::Outcome;
use rootless_install_tests::repository::{Repository, Signed};
use rootless_install_tests::synthetic::{Synthetic, package, read};
use rootless_install_tests::{Result, scenario};

const TIME: &str = "1700000000";

/// `package`, of another version.
fn version(name: &str, version: &str) -> Result<Package> {
    let mut package = package(name)?;
    package.version = version.to_owned();
    Ok(package)
}

/// Writes package files into a directory.
fn files(directory: &Path, packages: &[Package]) -> Result<()> {
    std::fs::create_dir_all(directory).unwrap();
    for package in packages {
        let name = format!(
            "{}_{}_{}.deb",
            package.name, package.version, package.architecture
        );
        std::fs::write(directory.join(name), &**package.build()?).unwrap();
    }
    Ok(())
}

/// Runs the program with an archive's options and more.
fn run(archive: &Synthetic, more: &[&str], name: &str) -> Result<Outcome> {
    let mut words = archive.options();
    words.extend(["--variant", "essential"].map(OsString::from));
    words.extend(more.iter().map(OsString::from));
    words.push(archive.work.out(name).into());
    archive.work.run(words).env("SOURCE_DATE_EPOCH", TIME).end()
}

/// The version of a package in a target, by its status file.
fn installed(archive: &Synthetic, target: &str, name: &str) -> Option<String> {
    let status = read(&archive.work.out(target), "var/lib/dpkg/status");
    let paragraph = status
        .split("\n\n")
        .find(|text| text.starts_with(&format!("Package: {name}\n")))?;
    let line = paragraph.lines().find_map(|line| line.strip_prefix("Version: "));
    line.map(str::to_owned)
}

scenario!(
    /// A directory of package files alone is enough, for the target's architecture and for the native tools; the target
    /// knows nothing of it. A lock of it is made again, also where a file has gone.
    a_directory_is_a_source, CONFIGURE, {
    let archive = Synthetic::with(&[package("one")?])?;
    let pool = archive.work.path("debs");
    std::fs::rename(archive.archive().join("pool"), &pool).unwrap();
    let (pool, lock) = (pool.display().to_string(), archive.work.out("lock.json").display().to_string());
    let made = |name: &str, more: &[&str]| -> Result<Outcome> {
        let target = archive.work.out(name).display().to_string();
        let arguments = [&["--arch", archive.foreign().debian], more, &[target.as_str()]].concat();
        archive.work.run(arguments).env("SOURCE_DATE_EPOCH", TIME).end()
    };
    made("first.tar", &["--variant=essential", "--include=one", "--mirror", &pool, "--lock", &lock])?.succeeded();
    assert!(archive.mirror.requests().is_empty());
    let text = std::fs::read_to_string(&lock).unwrap();
    for part in ["\"base\": \"file:///", "\"filename\": \"", "_1.0-1_", "\"hash\": \"sha256:"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // The cache has the package; native tools come from where they were.
    std::fs::remove_file(Path::new(&pool).join(format!("main/one_1.0-1_{}.deb", archive.foreign().debian)))?;
    let again = [OsString::from("--locked"), lock.into(), archive.work.out("second.tar").into()];
    archive.work.run(again).env("SOURCE_DATE_EPOCH", TIME).end()?.succeeded();
    let bytes = |name: &str| std::fs::read(archive.work.out(name)).unwrap();
    assert!(bytes("first.tar") == bytes("second.tar"));
    made("t", &["--variant=essential", "--mirror", &pool])?.succeeded();
    let list = archive.work.out("t/etc/apt/sources.list");
    assert!(!list.exists() || std::fs::read_to_string(&list).unwrap().trim().is_empty());
    // An empty directory, and a file that is no package.
    let none = archive.work.make_dir("none")?.display().to_string();
    made("x", &["--mirror", &none])?.failed_with(&[&none, "no .deb file"]);
    archive.work.write("none/broken.deb", b"no package")?;
    made("x", &["--mirror", &none])?.failed_with(&["broken.deb"]);
});

scenario!(
    /// Beside an archive, package files are taken where their version is the newest, and may depend on what it has; those of
    /// `--include` in any case.
    package_files_beside_an_archive, CONFIGURE, {
    let archive = Synthetic::with(&[package("one")?, package("two")?, package("three")?])?;
    let debs = archive.work.path("debs");
    let own = [version("one", "2.0-1")?.field("Depends", "two"), version("one", "0.1-1")?, version("three", "0.5-1")?];
    files(&debs, &own)?;
    let debs = debs.display().to_string();
    let lock = archive.work.out("lock.json").display().to_string();
    run(&archive, &["--include=one,three", "--mirror", &debs, "--lock", &lock], "first")?.succeeded();
    let of = |target: &str| ["one", "two", "three"].map(|name| installed(&archive, target, name));
    let found = ["2.0-1", "1.0-1", "1.0-1"].map(|version| Some(version.to_owned()));
    assert_eq!(of("first"), found);
    let lock = std::fs::read_to_string(&lock).unwrap();
    assert!(lock.contains("one_2.0-1_") && lock.contains(&archive.mirror.url()));
    // One file as a source, and a version that is asked for.
    let old = format!("{debs}/one_0.1-1_{}.deb", archive.foreign().debian);
    run(&archive, &["--include=one=0.1-1", "--mirror", &old], "second")?.succeeded();
    assert_eq!(installed(&archive, "second", "one").as_deref(), Some("0.1-1"));
    // All of a directory, though the archive has newer ones.
    run(&archive, &["--include", &format!("{debs}/")], "third")?.succeeded();
    let found = ["2.0-1", "1.0-1", "0.5-1"].map(|version| Some(version.to_owned()));
    assert_eq!(of("third"), found);
    let mirror = archive.work.out("mirror").display().to_string();
    let words: Vec<OsString> = [vec!["mirror".into()], archive.options(), vec!["--mirror".into(), debs.into(), mirror.into()]].concat();
    archive.work.run_plain(words).end()?.failed_with(&["--mirror", "not package files"]);
});

scenario!(
    /// Sources that a setup hook writes, beside options of apt, are in the lock, without passwords; preferences and
    /// passwords that it writes hold for this run.
    what_setup_hooks_write, CONFIGURE, {
    let archive = Synthetic::with(&[package("one")?])?;
    let own = Repository::new(&archive.work.make_dir("own")?)?;
    let foreign = archive.foreign().debian;
    let text = own.packages(&[version("one", "3.0-1")?, package("extra")?])?;
    let index = own.index(foreign, &text, "")?;
    own.release("dists/stable/", &[&index], &format!("Architectures: {foreign}\n"), Signed::Inline)?;
    let mirror = Mirror::of(&own.root)?;
    mirror.require("guest", "hunter2");
    let (key, url) = (own.keyring().display().to_string(), mirror.url());
    let list = archive.work.write("extra.list", format!("deb [signed-by={key}] {url} stable main\n").as_bytes())?;
    let auth = format!("machine {url} login guest password hunter2\n");
    let auth = archive.work.write("auth", auth.as_bytes())?;
    let pins = "Package: one\nPin: release l=Own\nPin-Priority: 90\n";
    let pins = archive.work.write("pins", pins.as_bytes())?;
    let copy = |from: &Path, to: &str| format!("cp {} \"$1\"/etc/apt/{to}", from.display());
    let hooks = [
        copy(&list, "sources.list.d/extra.list"),
        format!("mkdir -p \"$1\"/etc/apt/auth.conf.d; {}", copy(&auth, "auth.conf.d/own.conf")),
        copy(&pins, "preferences.d/own"),
    ];
    let hook = |text: &String| ["--setup-hook".to_owned(), text.clone()];
    let given: Vec<String> = hooks.iter().flat_map(hook).collect();
    let mut options: Vec<&str> = given.iter().map(String::as_str).collect();
    options.extend(["--aptopt", "APT::Install-Suggests \"false\""]);
    let lock = archive.work.out("lock.json").display().to_string();
    run(&archive, &[&options[..], &["--include=one,extra", "--lock", &lock]].concat(), "first.tar")?.succeeded();
    run(&archive, &[&options[..], &["--include=one,extra"]].concat(), "target")?.succeeded();
    // By its version the hook's archive would come first.
    assert_eq!(installed(&archive, "target", "one").as_deref(), Some("1.0-1"));
    assert_eq!(installed(&archive, "target", "extra").as_deref(), Some("1.0-1"));
    let text = std::fs::read_to_string(&lock).unwrap();
    for part in ["\"path\": \"etc/apt/sources.list.d/extra.list\"", "\"path\": \"etc/apt/sources.list\"", &archive.mirror.url(), &url] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("hunter2"));
    let mut again: Vec<OsString> = vec!["--locked".into(), lock.into(), "--keyring".into(), archive.keyring().into()];
    again.extend(options.iter().map(OsString::from));
    again.push(archive.work.out("second.tar").into());
    archive.work.run(again).env("SOURCE_DATE_EPOCH", TIME).end()?.succeeded();
    let bytes = |name: &str| std::fs::read(archive.work.out(name)).unwrap();
    assert!(bytes("first.tar") == bytes("second.tar"));
    // With the options of apt alone, a lock has its sources, too.
    let lock = archive.work.out("alone.json").display().to_string();
    run(&archive, &["--aptopt", "APT::Install-Suggests \"false\"", "--include=one", "--lock", &lock], "third")?.succeeded();
    assert!(std::fs::read_to_string(&lock).unwrap().contains(&format!("deb {} stable main", archive.mirror.url())));
    for (file, text, line, said) in [
        ("preferences.d/broken", "Package: x\nPin: version 1\nPin-Priority: high\n", 3, "number"),
        ("preferences.d/broken.pref", "Package: x\nPin: suite y\nPin-Priority: 1\n", 2, "release a="),
        ("sources.list.d/broken.list", "deb http://mirror.example.org/ stable\n", 1, "component"),
        ("auth.conf.d/broken.conf", "login hunter2\n", 1, "before any"),
    ] {
        let broken = archive.work.write("broken", text.as_bytes())?;
        let hook = format!("mkdir -p \"$1\"/etc/apt/auth.conf.d; {}", copy(&broken, file));
        let outcome = run(&archive, &["--setup-hook", &hook], "broken")?;
        outcome.failed_with(&[&format!("{file}:{line}"), said]);
        assert!(!archive.work.out("broken").exists() && !outcome.stderr.contains("hunter2"));
    }
});
