//! mmdebstrap's command line, by that name and as a word.

use std::ffi::OsString;

use rootless_install_tests::archive::SUITE;
use rootless_install_tests::compare::entries;
use rootless_install_tests::program::Run;
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, package, read};

/// A call of mmdebstrap with this archive's architecture and keys; `MIRROR` in words is its URL.
fn call<'a>(archive: &'a Synthetic, words: &[&str]) -> Run<'a> {
    let mut all: Vec<OsString> = [
        "mmdebstrap".into(),
        "--cache".into(),
        archive.work.path("cache").into(),
    ]
    .to_vec();
    all.push(format!("--keyring={}", archive.keyring().display()).into());
    all.push(format!("--architectures={}", archive.foreign().debian).into());
    all.extend(
        words
            .iter()
            .map(|word| word.replace("MIRROR", &archive.mirror.url()).into()),
    );
    archive.work.run_plain(all)
}

scenario!(
    /// SUITE, TARGET and MIRROR in every form: a URL, a line, a file, standard input, and none.
    sources_come_in_every_form, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    let line = format!("deb {} {SUITE} main", archive.mirror.url());
    let deb822 = format!("Types: deb\nURIs: {}\nSuites: {SUITE}\nComponents: main\n", archive.mirror.url());
    archive.work.write("home/my.sources", deb822.as_bytes())?;
    let script = |input: &str| format!("printf '{input}' | \"$@\"");
    let lines = script(&format!("{line}\\n"));
    for (name, words, through) in [
        ("url", &[SUITE, "../out/url", "MIRROR"][..], None),
        ("line", &[SUITE, "../out/line", "deb MIRROR stable main", "deb-src MIRROR stable main"], None),
        ("file", &["", "../out/file", "./my.sources"], None),
        ("input", &[SUITE, "../out/input", "-"], Some(lines.clone())),
    ] {
        let mut all = vec!["--variant=essential"];
        all.extend(words);
        let mut run = call(&archive, &all);
        if let Some(script) = through {
            run = run.through(script);
        }
        run.end()?.succeeded();
        let target = archive.work.out(name);
        let sources = match name {
            "file" => read(&target, "etc/apt/sources.list.d/0000my.sources"),
            _ => read(&target, "etc/apt/sources.list"),
        };
        assert!(sources.contains(&archive.mirror.url()), "{name}: {sources}");
        assert_eq!(sources.contains("deb-src"), name == "line", "{sources}");
    }
    // Without any argument: sources from standard input, a tar on standard output.
    let done = call(&archive, &["--variant=essential"]).through(format!("{lines} >../out/stdout.tar")).end()?;
    assert!(done.succeeded().stderr.contains("no SUITE is given"));
    assert!(entries(&archive.work.out("stdout.tar"))?.contains_key("usr/bin/dash"));
});

scenario!(
    /// Options anywhere and shortened, the default variant, what does nothing, formats, the log.
    options_are_read_as_mmdebstrap_reads_them, CONFIGURE, {
    let important = package("pleasant")?.field("Priority", "important");
    let archive = Synthetic::with(&[important, package("wanted")?])?;
    let done = call(&archive, &[
        SUITE, "--inc=wanted", "../out/target", "--mode=root", "--merged-usr", "MIRROR", "--resolve-deps",
        "--customize=touch \"$1/etc/touched\"",
    ]).end()?;
    let told = &done.succeeded().stderr;
    for said in ["--merged-usr does nothing", "--resolve-deps does nothing", "mode root is not needed"] {
        assert!(told.contains(said), "{said}: {told}");
    }
    let target = archive.work.out("target");
    let status = read(&target, "var/lib/dpkg/status");
    for package in ["pleasant", "wanted", "apt"] {
        assert!(status.contains(&format!("Package: {package}\n")), "{package}");
    }
    assert!(target.join("etc/touched").exists());
    // Nothing is said but in the log; nothing is made.
    let done = call(&archive, &["--variant=essential", "--logfile=mm.log", "--format=null", SUITE, "ignored", "MIRROR"]).end()?;
    assert_eq!(done.succeeded().stderr, "");
    assert!(read(&archive.work.path("home"), "mm.log").contains("unpacking"));
    assert!(!archive.work.path("home").join("ignored").exists());
    let done = call(&archive, &["--simulate", SUITE, "-", "MIRROR"]).end()?;
    assert_eq!(done.succeeded().text(), "");
    for (words, said) in [
        (&["--nothing"][..], "unknown option: --nothing"),
        (&["--c", "x"], "ambiguous"),
        (&[SUITE, "/", "MIRROR"], "filesystem root"),
        (&["--skip=cleanup/nothing", SUITE, "x", "MIRROR"], "there is no step `cleanup/nothing`"),
        (&["--variant=strange", SUITE, "x", "MIRROR"], "strange"),
        (&["--include=./none.deb", SUITE, "x", "MIRROR"], "none.deb"),
    ] {
        call(&archive, words).end()?.failed_with(&[said]);
    }
    let version = archive.work.run_plain(["mmdebstrap", "--version"]).end()?;
    assert!(version.succeeded().text().starts_with("mmdebstrap 1."));
});

scenario!(
    /// --aptopt and --dpkgopt: in the target, and for this run; --skip; --include of a file and of patterns.
    configuration_given_counts_for_the_run, CONFIGURE, {
    let packages = [
        package("main")?.field("Recommends", "liked").file("usr/share/doc/main/README", "x", 0o644),
        package("liked")?,
        package("extra-one")?.field("Section", "special"),
        package("extra-two")?.field("Section", "special"),
    ];
    let archive = Synthetic::with(&packages)?;
    archive.work.write("home/own.deb", &package("own")?.build()?)?;
    archive.work.write("home/dpkg.cfg", b"path-exclude=/usr/share/doc/*\n")?;
    call(&archive, &[
        "--variant=essential", "--aptopt=Apt::Install-Recommends \"true\"", "--dpkgopt=dpkg.cfg",
        "--include=main,./own.deb", "--include=?section(special)", "--include=extra-two-",
        "--skip=cleanup/mmdebstrap,output/mknod", SUITE, "../out/target", "MIRROR",
    ]).end()?.succeeded();
    let target = archive.work.out("target");
    assert_eq!(read(&target, "etc/apt/apt.conf.d/99mmdebstrap"), "Apt::Install-Recommends \"true\";\n");
    assert_eq!(read(&target, "etc/dpkg/dpkg.cfg.d/99mmdebstrap"), "path-exclude=/usr/share/doc/*\n");
    assert!(target.join("etc/apt/apt.conf.d/00mmdebstrap").exists());
    assert!(!target.join("usr/share/doc/main/README").exists());
    let status = read(&target, "var/lib/dpkg/status");
    for (package, there) in [("liked", true), ("own", true), ("extra-one", true), ("extra-two", false)] {
        assert_eq!(status.contains(&format!("Package: {package}\n")), there, "{package}");
    }
    assert!(target.join("dev/pts").is_dir() && !target.join("dev/null").exists());
});

scenario!(
    /// mmdebstrap's manual page, the table of options in docs/mmdebstrap.md, and what is accepted.
    every_option_of_the_manual_page_is_taken, MMDEBSTRAP, {
    let archive = Synthetic::with(&[])?;
    let page = std::process::Command::new("zcat").arg("/usr/share/man/man1/mmdebstrap.1.gz").output()?;
    let page = String::from_utf8_lossy(&page.stdout).replace("\\-", "-");
    // Items of the list of options begin with them in bold.
    let items = page.lines().filter_map(|line| line.strip_prefix(".IP \"\\fB"));
    let options: std::collections::BTreeSet<String> = items
        .flat_map(|item| item.split([',', '|', ' ', '\\', '=']))
        .filter(|word| word.starts_with("--"))
        .map(str::to_owned)
        .collect();
    assert!(options.len() > 20 && options.contains("--aptopt"), "{options:?}");
    let document = std::fs::read_to_string(rootless_install_tests::program::workspace().join("docs/mmdebstrap.md"))?;
    let rows = document.lines().filter(|line| line.starts_with("| `-")).collect::<Vec<_>>().join("\n");
    for option in &options {
        assert!(rows.contains(&format!("`{option}`")), "{option} is not in the table");
        // An option that is known is not the one that is at fault.
        let done = archive.work.run_plain(["mmdebstrap", "--nothing-of-the-kind", option]).end()?;
        assert!(done.stderr.contains("--nothing-of-the-kind"), "{}", done.stderr);
        let done = archive.work.run_plain(["mmdebstrap", option, "--nothing-of-the-kind"]).end()?;
        assert!(!done.stderr.contains(&format!("unknown option: {option}")), "{}", done.stderr);
    }
});
