//! The command line: help, the plan, wrong options, mirrors of every form.

use rootless_install_tests::archive::Publish;
use rootless_install_tests::program::Workplace;
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, package};

scenario!(
    /// --help and --version answer on standard output.
    help_and_version, PROGRAM, {
    let work = Workplace::new()?;
    let help = work.run_plain(["--help"]).end()?;
    let text = help.succeeded().text();
    for option in [
        "--arch",
        "--suite",
        "--variant",
        "--include",
        "--components",
        "--mirror",
        "--keyring",
        "--cache",
        "--mode",
        "--native-sysroot",
        "--download-timeout",
        "--script-timeout",
        "--dry-run",
        "--quiet",
        "--verbose",
    ] {
        assert!(text.contains(option), "{option} is not in the help:\n{text}");
    }
    assert_eq!(help.stderr, "");
    let version = work.run_plain(["--version"]).end()?;
    assert!(
        version.succeeded().text().starts_with("rootless-install 0."),
        "{}",
        version.text()
    );
});

scenario!(
    /// --dry-run names every package and makes nothing.
    dry_run_prints_the_plan, PROGRAM, {
    let extra = package("extra")?.field("Depends", "helper (>= 1)");
    let helper = package("helper")?;
    let archive = Synthetic::with(&[extra, helper, package("unasked")?])?;
    let traces = archive.work.traces();
    let mut arguments = archive.options();
    for word in ["--variant", "essential", "--include", "extra", "--dry-run"] {
        arguments.push(word.into());
    }
    arguments.push(archive.work.out("target").into());
    let plan = archive.work.run(arguments).end()?;
    let text = plan.succeeded().text();
    for name in ["base-files", "libc6", "dash", "dpkg", "extra", "helper"] {
        assert!(text.contains(name), "{name} is not in the plan:\n{text}");
    }
    assert!(!text.contains("unasked"), "{text}");
    archive.work.clean(&traces, &[]);
    let downloads = archive.mirror.requests();
    assert!(
        !downloads.iter().any(|request| request.path.ends_with(".deb")),
        "{downloads:?}"
    );
});

scenario!(
    /// A wrong command line is exit status 2 and one error.
    unknown_options_are_refused, PROGRAM, {
    let work = Workplace::new()?;
    let target = work.out("target");
    let target = target.to_string_lossy();
    for (arguments, words) in [
        (vec!["--no-such-option", &target], vec!["--no-such-option"]),
        (vec!["--mode", "magic", &target], vec!["magic", "redirect"]),
        (vec!["--script-timeout", "soon", &target], vec!["soon"]),
        (vec!["--script-timeout", "5q", &target], vec!["`q` is no unit", "`90s`"]),
        (vec!["--download-timeout", "0", &target], vec!["less than a second"]),
        (vec![], vec!["TARGET"]),
    ] {
        let outcome = work.run(&arguments).end()?;
        outcome.failed_with(&words);
        assert_eq!(outcome.status.code(), Some(2), "{arguments:?}");
    }
    assert!(work.names("out")?.is_empty());
});

scenario!(
    /// URL, file URL, one-line source, .list and .sources file.
    mirrors_of_every_form, PROGRAM, {
    let archive = Synthetic::with(&[])?;
    let [keyring, url] = [archive.keyring().display().to_string(), archive.mirror.url()];
    let file_url = format!("file://{}", archive.archive().display());
    let list = archive.work.write(
        "a.list",
        format!("deb [signed-by={keyring}] {url} stable main\n").as_bytes(),
    )?;
    let deb822 = format!("Types: deb\nURIs: {url}\nSuites: stable\nComponents: main\nSigned-By: {keyring}\n");
    let sources = archive.work.write("a.sources", deb822.as_bytes())?;
    let one_line = format!("deb [signed-by={keyring}] {url} stable main");
    let arch = archive.foreign().debian;
    for (mirror, with_key) in [
        (url.as_str(), true),
        (&file_url, true),
        (&one_line, false),
        (&list.to_string_lossy(), false),
        (&sources.to_string_lossy(), false),
    ] {
        let target = archive.work.out("target");
        let target = target.to_string_lossy();
        let mut arguments = vec![
            "--arch",
            arch,
            "--variant",
            "essential",
            "--dry-run",
            "--mirror",
            mirror,
        ];
        if with_key {
            arguments.extend(["--keyring", &keyring]);
        }
        arguments.push(&target);
        let outcome = archive.work.run(arguments).end()?;
        assert!(
            outcome.succeeded().text().contains("coreutils"),
            "{mirror}: {}",
            outcome.text()
        );
    }
});

scenario!(
    /// Targets that are none are refused, with the nearest thing that exists, and make nothing.
    targets_that_are_none, PROGRAM, {
    let work = Workplace::new()?;
    for (target, words) in [
        ("help", "rootless-install --help"),
        ("version", "rootless-install --version"),
        ("lnit", "rootless-install lint"),
        ("install", "rootless-install TARGET"),
        ("docker://x", "`docker:` is no kind of target"),
        ("disk.vdi", "disk.qcow2"),
        ("disk.f2fs", "disk.ext4"),
        ("rootfs.cpio.lz4", "rootfs.cpio.zst"),
        ("pakc", "rootless-install pack"),
        ("y.tz2", "y.tar.xz"),
    ] {
        let outcome = work.run([target]).end()?;
        outcome.failed_with(&[words]);
        assert_eq!(outcome.status.code(), Some(2), "{target}");
        assert!(!work.names("home")?.iter().any(|name| name == target), "{target}");
    }
    let outcome = work.run(["--no-such-option", "x"]).end()?;
    assert!(!outcome.stderr.contains("-- --no-such-option"), "{}", outcome.stderr);
    for (name, debian) in [("x86_64", "`amd64`"), ("aarch64", "`arm64`"), ("armv7", "`armhf`"), ("linux/arm/v7", "`armhf`")] {
        work.run(["--arch", name, "x"]).end()?.failed_with(&[debian]);
    }
});

scenario!(
    /// Packages and suites that are not there: every one is named, and what there is.
    names_that_are_none, PROGRAM, {
    let archive = Synthetic::with(&[package("extra")?])?;
    let run = |words: &[&str]| {
        let mut arguments = archive.options();
        arguments.extend(words.iter().map(Into::into));
        arguments.push(archive.work.out("target").into());
        archive.work.run(arguments).end()
    };
    let both = run(&["--include", "extar,dsah,extra", "--dry-run"])?;
    both.failed_with(&["\"extar\"", "extra", "\"dsah\"", "dash"]);
    let suite = run(&["--include", "extra/sid", "--dry-run"])?;
    suite.failed_with(&["package extra is not in suite sid", "it is in stable", "the suites read are stable"]);
    let arch = archive.foreign().debian;
    let other = run(&["--include", "libc6:i386", "--dry-run"])?;
    other.failed_with(&[&format!("--arch {arch},i386")]);
    let mut arguments = archive.options();
    for argument in &mut arguments {
        if argument == "stable" {
            *argument = "stabel".into();
        }
    }
    arguments.extend(["--dry-run".into(), archive.work.out("target").into()]);
    let missing = archive.work.run(arguments).end()?;
    missing.failed_with(&["there is no suite `stabel`", "perhaps `stable` is meant"]);
});

scenario!(
    /// A pipe and /dev/null are written to; a directory with an empty lost+found is empty; LC_ALL=C gets ASCII.
    targets_that_are_there, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    let run = |target: &std::path::Path| {
        let mut arguments = archive.options();
        arguments.extend(["--variant", "essential"].map(Into::into));
        arguments.push(target.into());
        archive.work.run(arguments).env("LC_ALL", "C")
    };
    let done = run(std::path::Path::new("/dev/null")).end()?;
    done.succeeded();
    assert!(done.stderr.is_ascii(), "{}", done.stderr);
    let pipe = archive.work.out("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o666))?;
    std::fs::set_permissions(&pipe, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
    let running = run(&pipe).start()?;
    let mut names = 0;
    for entry in tar::Archive::new(std::fs::File::open(&pipe)?).entries()? {
        entry?;
        names += 1;
    }
    running.wait()?.succeeded();
    assert!(names > 20, "{names}");
    let target = archive.work.make_dir("out/target")?;
    archive.work.make_dir("out/target/lost+found")?;
    run(&target).end()?.succeeded();
    assert!(target.join("usr").is_dir() && !target.join("lost+found").exists());
    let full = archive.work.make_dir("out/full")?;
    archive.work.make_dir("out/full/lost+found")?;
    archive.work.write("out/full/lost+found/x", b"")?;
    run(&full).end()?.failed_with(&["is not empty"]);
});

scenario!(
    /// Sources that may be insecure, and are: a plan is made, and nothing is installed from them.
    insecure_sources_are_read_and_not_installed_from, CONFIGURE, {
    let archive = Synthetic::exactly(&Publish::default(), &[package("alone")?])?;
    let (url, arch) = (archive.mirror.url(), archive.foreign().debian);
    let run = |options: &str, more: &[&str]| {
        let mirror = format!("deb {options} {url} stable main");
        let mut arguments = vec!["--arch", arch, "--variant", "custom", "--include", "alone", "--mirror", &mirror];
        arguments.extend(more);
        let target = archive.work.out("target");
        let target = target.to_string_lossy();
        arguments.push(&target);
        archive.work.run(arguments).end()
    };
    // Nobody has its key.
    run("", &["--dry-run"])?.failed_with(&["key", "--keyring"]);
    let planned = run("[allow-insecure=yes]", &["--dry-run"])?;
    let said = &planned.succeeded().stderr;
    assert!(said.contains("warning: ") && said.contains("the repository is not signed"), "{said}");
    run("[allow-insecure=yes]", &[])?.failed_with(&["package alone", "cannot be authenticated", "trusted=yes"]);
    assert_eq!(archive.work.names("out")?, [""; 0]);
});

scenario!(
    /// A directory of keyrings, sources that apt accepts, and a Release file that is older than the last one.
    archives_as_apt_takes_them, PROGRAM, {
    let alone = [package("alone")?];
    let archive = Synthetic::exactly(&Publish::default(), &alone)?;
    let keys = archive.work.make_dir("keys")?;
    std::fs::copy(archive.keyring(), keys.join("own.gpg"))?;
    let empty = archive.work.make_dir("empty")?;
    let (url, arch) = (archive.mirror.url(), archive.foreign().debian);
    let plan = |mirror: &str, more: &[&str]| {
        let mut arguments = vec!["--arch", arch, "--variant", "custom", "--include", "alone", "--dry-run"];
        arguments.extend(["--mirror", mirror]);
        arguments.extend(more);
        let target = archive.work.out("target");
        let target = target.to_string_lossy();
        arguments.push(&target);
        archive.work.run(arguments).end()
    };
    let keyring = ["--keyring", &keys.to_string_lossy()];
    plan(&url, &keyring)?.succeeded();
    plan(&url, &[])?.failed_with(&[&url, "key", "--keyring"]);
    plan(&url, &["--keyring", &empty.to_string_lossy()])?.failed_with(&["empty", ".gpg"]);

    // Neither of these has a Release file.
    let index = archive.archive().join(format!("dists/stable/main/binary-{arch}/Packages.gz"));
    for directory in ["flat", arch] {
        let flat = archive.archive().join(directory);
        std::fs::create_dir_all(&flat)?;
        std::fs::copy(&index, flat.join("Packages.gz"))?;
    }
    for source in ["flat/", "$(ARCH)/"] {
        let local = archive.archive().display();
        for root in [&url, &format!("file:{local}")] {
            plan(&format!("deb {root} {source}"), &keyring)?.failed_with(&["suite|Release"]);
            let trusted = format!("deb [trusted=yes arch={arch}] {root} {source}");
            let both = ["--mirror", &format!("deb [arch={}] {url} stable main", archive.native().debian)];
            plan(&trusted, &[keyring, both].concat())?.succeeded();
        }
    }

    let lax = format!("deb [check-valid-until=no] {url} stable main");
    plan(&lax, &keyring)?.succeeded();
    let old = Publish {
        valid_until: Some(-7200),
        ..Publish::default()
    };
    let machines = [archive.native().debian, arch];
    old.write(archive.archive(), &machines, &alone)?;
    std::fs::copy(archive.keyring(), keys.join("own.gpg"))?;
    // The server's word for a change is this time, in seconds.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    std::fs::File::options()
        .write(true)
        .open(archive.archive().join("dists/stable/InRelease"))?
        .set_modified(later)?;
    for _ in 0..2 {
        plan(&lax, &keyring)?.failed_with(&["older", "--allow-older-release"]);
    }
    plan(&lax, &[&keyring[..], &["--allow-older-release"]].concat())?.succeeded();
});

scenario!(
    /// --stats: times, sizes and scripts as JSON, also of a run that fails; a file that cannot be written ends it at once.
    statistics_of_a_run, CONFIGURE, {
    let slow = package("slow")?.script("postinst", "#!/bin/sh\nsleep 0.3\n");
    let archive = Synthetic::with(&[slow, package("bad")?.script("postinst", "#!/bin/sh\nexit 9\n")])?;
    let file = archive.work.path("home").join("stats.json");
    let option = format!("--stats={}", file.display());
    let figures = || -> serde_json::Value { serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap() };
    archive.install("slow", "one.tar").option(&option).end()?.succeeded();
    let first = figures();
    assert_eq!((&first["form"], &first["failure"], &first["variant"]), (&1.into(), &serde_json::Value::Null, &"essential".into()));
    assert_eq!(first["architecture"], archive.foreign().debian);
    let size = std::fs::metadata(archive.work.out("one.tar")).unwrap().len();
    assert_eq!(first["bytes"]["output"], size);
    assert!(first["peak"]["disk"].as_u64() > Some(size) && first["peak"]["memory"].as_u64() > Some(1 << 20), "{first}");
    assert!(first["bytes"]["downloaded"].as_u64() > Some(0) && first["stages"]["configure"].as_f64() > Some(0.3), "{first}");
    let scripts = first["scripts"].as_array().unwrap();
    let of = scripts.iter().find(|script| script["package"] == "slow").unwrap();
    assert!(of["seconds"].as_f64() > Some(0.3) && of["failure"].is_null(), "{of}");
    archive.install("slow", "two.tar").option(&option).end()?.succeeded();
    let second = figures();
    assert_eq!((&second["bytes"]["downloaded"], &second["files"]["all"]), (&0.into(), &second["files"]["from_cache"]), "{second}");
    archive.install("bad", "three.tar").option(&option).end()?.failed_with(&["bad", "exit status 9"]);
    let third = figures();
    assert!(third["failure"].as_str().unwrap().contains("postinst"), "{third}");
    archive.mirror.forget();
    let nowhere = archive.install("slow", "four.tar").option("--stats=nowhere/stats.json").end()?;
    nowhere.failed_with(&["cannot write the statistics nowhere/stats.json"]);
    assert!(archive.mirror.requests().is_empty());
});
