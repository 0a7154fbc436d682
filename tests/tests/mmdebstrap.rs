//! mmdebstrap's command line, by that name and as a word.

use std::ffi::OsString;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rootless_install_tests::archive::SUITE;
use rootless_install_tests::compare::entries;
use rootless_install_tests::program::Run;
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, package, read};

/// A call of mmdebstrap with this archive's architecture and keys; `MIRROR` in words is its URL.
fn call<'a>(archive: &'a Synthetic, words: &[&str]) -> Run<'a> {
    call_with(archive, &archive.work.path("cache"), words)
}

fn call_with<'a>(archive: &'a Synthetic, cache: &Path, words: &[&str]) -> Run<'a> {
    let mut all: Vec<OsString> = vec!["mmdebstrap".into(), "--cache".into(), cache.into()];
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
    // Of what has one value the last counts.
    let twice = ["--variant=strange", "--mode=root", "--format=tar", "--variant=essential", "--mode=unshare", "--format=null"];
    call(&archive, &[&twice[..], &[SUITE, "ignored", "MIRROR"]].concat()).end()?.succeeded();
    assert!(!archive.work.path("home").join("ignored").exists());
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
    /// --mode=root by root, who needs not say so: a directory with real owners, modes, links and devices, made whole or not at all.
    root_gets_real_owners, ROOT, {
    let owned = package("owned")?
        .file("usr/bin/owned", "x", 0o4750)
        .script("postinst", "#!/bin/sh\nset -e\nchown 7:8 /usr/bin/owned\nchmod 4750 /usr/bin/owned\nln /usr/bin/owned /usr/bin/linked\n");
    let archive = Synthetic::with(&[owned])?;
    // Not the user's, in which root without capabilities cannot write.
    let place = archive.work.path("roots");
    std::fs::create_dir(&place)?;
    let run = |name: &str, more: &[&str]| {
        let mut words = vec!["--mode=root".to_owned(), "--variant=essential".to_owned()];
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.extend([SUITE.to_owned(), place.join(name).display().to_string(), "MIRROR".to_owned()]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        call_with(&archive, &place.join("cache"), &words).env("TMPDIR", &place).as_root()
    };
    let hook = "--customize-hook=[ $MMDEBSTRAP_MODE/$MMDEBSTRAP_FORMAT = root/directory ] && mkdir -m 2750 \"$1/own\" && chown 33:42 \"$1/own\"";
    let words = ["--include=owned", hook];
    // A copy of that name is the same.
    let script = "cp \"$1\" \"$TMPDIR/mmdebstrap\"; shift 2; exec \"$TMPDIR/mmdebstrap\" \"$@\"";
    run("target", &words).through(script).end()?.succeeded();
    std::fs::remove_file(place.join("mmdebstrap"))?;
    let target = place.join("target");
    let about = |path: &str| std::fs::symlink_metadata(target.join(path));
    let file = about("usr/bin/owned")?;
    assert_eq!((file.uid(), file.gid(), file.mode(), file.nlink()), (7, 8, 0o10_4750, 2));
    assert_eq!((about("own")?.uid(), about("own")?.gid(), about("own")?.mode()), (33, 42, 0o4_2750));
    assert_eq!(about("etc")?.uid(), 0);
    assert!(about("dev/null")?.file_type().is_char_device());
    assert!(about("README.rootless-install").is_err());
    // A directory that is there, as a filesystem is when it is new; then one that is not empty.
    std::fs::create_dir_all(place.join("there/lost+found"))?;
    let hook = "--customize-hook=[ $MMDEBSTRAP_MODE = root ] && chown 7:8 \"$1/etc/group\"";
    run("there", &["--mode=auto", hook]).end()?.succeeded();
    assert_eq!(std::fs::symlink_metadata(place.join("there/etc/group"))?.uid(), 7);
    assert!(place.join("there/lost+found").is_dir() && place.join("there/usr").is_dir());
    run("there", &[]).end()?.failed_with(&["not empty"]);
    // What fails leaves what was there.
    std::fs::create_dir_all(place.join("failed/lost+found"))?;
    for name in ["none", "failed"] {
        run(name, &["--customize-hook=exit 7"]).end()?.failed_with(&["customize hook", "exit status 7"]);
    }
    assert!(!place.join("none").exists());
    assert_eq!(std::fs::read_dir(place.join("failed"))?.count(), 1);
    let left: Vec<_> = std::fs::read_dir(&place)?.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}");
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
        let done = archive.work.run_plain(["mmdebstrap", option, "--nothing-of-the-kind"]).end()?;
        assert!(!done.stderr.contains(&format!("unknown option: {option}")), "{}", done.stderr);
    }
});

scenario!(
    /// Under fakeroot a run is what it is without, and fakeroot knows the owners of a directory.
    fakeroot_is_done_without, CONFIGURE, {
    let owned = package("owned")?.file("etc/owned", "x", 0o640);
    let archive = Synthetic::with(&[owned])?;
    let hook = "--customize-hook=chown 7:8 \"$1/etc/owned\"";
    let words = ["--variant=essential", "--include=owned", hook, SUITE];
    let of = |target: &'static str| [&words[..], &[target, "MIRROR"]].concat();
    let epoch = ("SOURCE_DATE_EPOCH", "1700000000");
    call(&archive, &of("../out/plain.tar")).env(epoch.0, epoch.1).end()?.succeeded();
    let faked = call(&archive, &of("../out/fakeroot.tar")).env(epoch.0, epoch.1);
    faked.through("fakeroot \"$@\"".to_owned()).end()?.succeeded();
    let read = |name: &str| std::fs::read(archive.work.out(name));
    assert!(read("plain.tar")? == read("fakeroot.tar")?);
    let script = "exec fakeroot sh -c '\"$@\" && stat -c %u:%g ../out/directory/etc/owned' sh \"$@\"";
    let done = call(&archive, &of("../out/directory")).through(script.to_owned()).end()?;
    assert!(done.succeeded().text().lines().any(|line| line == "7:8"), "{}", done.text());
});

scenario!(
    /// Without a suite, sources and packages: the target is what hooks make of it.
    hooks_alone_make_a_target, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    let cache = format!("--cache={}", archive.work.path("cache").display());
    let done = archive.work.run_plain([
        "mmdebstrap", &cache, "--variant=custom", "--skip=update,setup,cleanup", "--setup-hook=mkdir \"$1/srv\" \"$1/tmp\" && chown 7:8 \"$1/srv\"",
        "--customize-hook=test -d \"$1/srv\"", "", "../out/made.tar",
    ]).end()?;
    done.succeeded();
    let found = entries(&archive.work.out("made.tar"))?;
    assert_eq!(found.get("srv").and_then(|facts| facts.get("owner")).map(String::as_str), Some("7:8"));
    assert!(!found.keys().any(|name| name.starts_with("tmp/") || name.starts_with("etc")), "{:?}", found.keys());
});
