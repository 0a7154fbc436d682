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
