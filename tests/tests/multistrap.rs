//! multistrap's configuration files: repositories of their own, the examples of multistrap's package, and mistakes.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rootless_install_tests::archive::{Publish, Signature};
use rootless_install_tests::deb::Package;
use rootless_install_tests::program::{Run, Workplace, workspace};
use rootless_install_tests::real::{KEYRING, Real, assert_installed};
use rootless_install_tests::synthetic::{Synthetic, package, read};
use rootless_install_tests::{Result, scenario};

/// The release of multistrap whose examples these are.
const MULTISTRAP: &str = "multistrap=2.2.11";

/// A call of multistrap with these words.
fn call<'a>(work: &'a Workplace, words: &[&str]) -> Run<'a> {
    let mut all: Vec<OsString> = ["multistrap", "--cache"].map(Into::into).to_vec();
    all.push(work.path("cache").into());
    all.extend(words.iter().map(Into::into));
    work.run_plain(all)
}

/// Writes a script into the home directory.
fn script(work: &Workplace, name: &str, text: &str) -> Result<()> {
    let path = work.write(
        &format!("home/{name}"),
        format!("#!/bin/sh\nset -e\n{text}").as_bytes(),
    )?;
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755));
    Ok(())
}

fn version(name: &str, version: &str) -> Result<Package> {
    let mut made = package(name)?;
    made.version = version.to_owned();
    Ok(made)
}

scenario!(
    /// The source packages of what is installed are kept, in the versions of the packages as far as the archive has them, and with
    /// `cleanup` the package files.
    sources_are_retained, CONFIGURE, {
    let publish = Publish {
        sources: vec![("tool", "2.0-1"), ("tool", "1.0-1"), ("libsource", "0.9-1"), ("other", "1.0-1")],
        ..Publish::default()
    };
    let archive = Synthetic::published(
        &publish,
        &[package("tool")?.field("Depends", "library"), package("library")?.field("Source", "libsource (1.2-1)")],
    )?;
    let work = &archive.work;
    let arch = archive.foreign().debian;
    let kept = work.make_dir("home/kept")?;
    for (number, cleanup) in [(0, ""), (1, "cleanup=true\n")] {
        let text = format!(
            "[General]\narch={arch}\ndirectory=../out/target{number}\nretainsources=kept\nomitrequired=true\n{cleanup}debootstrap=Main\naptsources=Main\n\
             [Main]\nsource={}\nsuite=stable\nkeyring={}\npackages=tool\n",
            archive.mirror.url(),
            archive.keyring().display(),
        );
        work.write("home/board.conf", text.as_bytes())?;
        let said = call(work, &["-f", "board.conf"]).end()?;
        let _ = said.succeeded();
        let names = work.names("home/kept")?;
        let sources: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.ends_with(".deb")).collect();
        assert_eq!(sources, ["libsource_0.9-1.dsc", "libsource_0.9-1.tar.xz", "tool_1.0-1.dsc", "tool_1.0-1.tar.xz"]);
        let tool = format!("tool_1.0-1_{arch}.deb");
        assert_eq!(names.contains(&tool), number == 1, "{names:?}");
    }
    assert_eq!(std::fs::read(kept.join("tool_1.0-1.dsc"))?, b"tool_1.0-1.dsc\n");
    // A file that is not what the index says is not kept.
    work.make_dir("home/others")?;
    std::fs::write(archive.archive().join("pool/main/tool/tool_1.0-1.tar.xz"), "another\n")?;
    let board = read(&work.path("home"), "board.conf").replace("=kept", "=others").replace("/target1", "/target2");
    work.write("home/board.conf", board.as_bytes())?;
    call(work, &["--cache", "cache", "-f", "board.conf"]).end()?.failed_with(&["tool_1.0-1.tar.xz"]);
    assert!(!work.names("home/others")?.iter().any(|name| name == "tool_1.0-1.tar.xz"));
    assert!(!work.out("target2").exists());
});

scenario!(
    /// Three repositories, each with its keys or without, preferences, scripts at their moments, marks, package files.
    repositories_of_their_own, CONFIGURE, {
    let archive = Synthetic::with(&[
        package("tool")?.field("Depends", "library"),
        package("library")?,
        package("stays")?,
    ])?;
    let newer = Synthetic::exactly(
        &Publish::default(),
        &[version("tool", "2.0-1")?.field("Depends", "library"), version("stays", "2.0-1")?, package("extra")?],
    )?;
    let unsigned = Publish { signature: Signature::Missing, ..Publish::default() };
    let unsigned = Synthetic::exactly(&unsigned, &[package("fresh")?])?;
    let work = &archive.work;
    let arch = archive.foreign().debian;
    script(work, "setup.sh", "test -e \"$1/usr/bin/dash\"; ! grep -q 'ok installed' \"$1/var/lib/dpkg/status\"\necho \"$2\" >\"${1}etc/setup\"\n")?;
    script(work, "config.sh", "uname -m >/etc/config\ngrep -q 'Package: fresh' /var/lib/dpkg/status\n")?;
    work.make_dir("home/hooks")?;
    script(work, "hooks/native1", "echo \"native $2\" >>\"$1/etc/hooks\"\n")?;
    script(work, "hooks/download1", "echo download >>\"$1/etc/hooks\"\n")?;
    script(work, "hooks/completion1", "echo completion >>\"$1/etc/hooks\"\n")?;
    work.write("home/pref.conf", b"Package: stays\nPin: version 1.0*\nPin-Priority: 900\n")?;
    work.write(
        "home/base.conf",
        b"[General]\ndebootstrap=Main\naptsources=Main\nmarkauto=true\nconfigscript=config.sh\nsetupscript=setup.sh\n\
          hookdir=hooks\naptpreferences=pref.conf\nmultiarch=pdp11\nomitpreinst=true\nnonsense=1\n",
    )?;
    let text = format!(
        "[GENERAL]\ninclude=base.conf\nArch={arch}\ndirectory=../out/target\nbootstrap=Newer Fresh\n\
         [Main]\nsource={}\nsuite=stable\nkeyring={}\npackages=stays\nomitdebsrc=true\n\
         [Newer]\nsource={}\nsuite=stable\nkeyring={}\npackages=tool\npackages=extra\n\
         [Fresh]\nsource=[trusted=yes] {}\nsuite=stable\npackages=fresh\n",
        archive.mirror.url(),
        archive.keyring().display(),
        newer.mirror.url(),
        newer.keyring().display(),
        unsigned.mirror.url(),
    );
    work.write("home/board.conf", text.as_bytes())?;
    let said = call(work, &["-s", "board"]).end()?;
    let said = &said.succeeded().stderr;
    for part in [
        "base.conf:9: `pdp11`",
        "base.conf:10: omitpreinst means nothing here",
        "base.conf:11: `nonsense` means nothing",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let target = work.out("target");
    assert!(assert_installed(&target) > 5);
    let status = read(&target, "var/lib/dpkg/status");
    let has = |name: &str, version: &str| {
        let mut paragraphs = status.split("\n\n");
        paragraphs.any(|one| one.contains(&format!("Package: {name}\n")) && one.contains(&format!("Version: {version}\n")))
    };
    assert!(has("tool", "2.0-1") && has("stays", "1.0-1") && has("extra", "1.0-1") && has("fresh", "1.0-1"), "{status}");
    assert_eq!(read(&target, "etc/setup").trim(), arch);
    assert_eq!(read(&target, "etc/hooks"), "download\nnative start\nnative end\ncompletion\n");
    assert!(!read(&target, "etc/config").is_empty() && target.join("config.sh").exists());
    assert_eq!(
        read(&target, "etc/apt/sources.list.d/multistrap-main.list"),
        format!("deb [arch={arch}] {} stable main\n", archive.mirror.url())
    );
    assert_eq!(std::fs::read_dir(target.join("etc/apt/sources.list.d"))?.count(), 1);
    assert!(target.join("etc/apt/preferences.d/pref.conf").exists());
    assert!(target.join("etc/apt/trusted.gpg.d/keyring.gpg").exists());
    let marks = read(&target, "var/lib/apt/extended_states");
    assert!(marks.contains("Package: library\n") && !marks.contains("Package: tool\n"), "{marks}");
    // Without cleanup=true apt has what it got.
    assert!(target.join(format!("var/cache/apt/archives/tool_2.0-1_{arch}.deb")).exists());
    assert!(std::fs::read_dir(target.join("var/lib/apt/lists"))?.count() > 3);
    // Keys of another repository are not its own.
    let wrong = text.replace(&newer.keyring().display().to_string(), &archive.keyring().display().to_string());
    work.write("home/wrong.conf", wrong.as_bytes())?;
    call(work, &["-f", "wrong.conf", "-d", "../out/wrong"]).end()?.failed_with(&["key|signature|signed"]);
    assert!(!work.out("wrong").exists());
});

scenario!(
    /// A tar beside the directory, no required packages, package files alone, a default release, and what is asked for only.
    results_of_other_kinds, CONFIGURE, {
    let archive = Synthetic::with(&[package("alone")?.file("usr/share/alone", "x", 0o644)])?;
    let work = &archive.work;
    let general = |more: &str| {
        format!(
            "[General]\narch={}\ndirectory=../out/target/\nbootstrap=Main\naptsources=Main\ncleanup=true\nnoauth=true\n{more}\
             [Main]\nsource={}\nsuite=stable\npackages=alone\n",
            archive.foreign().debian,
            archive.mirror.url()
        )
    };
    work.write("home/a.conf", general("omitrequired=true\ntarballname=made.tgz\naptdefaultrelease=stable\n").as_bytes())?;
    call(work, &["-f", "a"]).end()?.succeeded();
    let made = work.out("made.tgz");
    assert!(std::fs::read(&made)?.starts_with(&[0x1f, 0x8b]) && !work.out("target").exists());
    let listed = Command::new("tar").arg("-tzf").arg(&made).output()?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("usr/share/alone\n") && !listed.contains("usr/bin/dash"), "{listed}");
    work.write("home/b.conf", general("forceunpack=false\n").as_bytes())?;
    call(work, &["-f", "b.conf", "-d", "../out/b"]).end()?.succeeded();
    let target = work.out("b");
    let file = format!("var/cache/apt/archives/alone_1.0-1_{}.deb", archive.foreign().debian);
    assert!(target.join(file).exists() && !target.join("usr/share/alone").exists());
    assert!(target.join("etc/apt/sources.list.d/multistrap-main.list").exists());
    let simulated = call(work, &["--simulate", "-f", "a.conf", "-a", "s390x"]).end()?;
    let text = simulated.succeeded().text();
    assert!(text.contains("arch: s390x\n") && text.contains("[main] packages: alone\n"), "{text}");
    let plan = call(work, &["--plan", "-f", "b.conf", "-d", "../out/c"]).end()?;
    assert!(plan.succeeded().text().contains("alone") && !work.out("c").exists());
    let version = work.run_plain(["em_multistrap", "--version"]).end()?;
    assert!(version.succeeded().text().starts_with("multistrap 2."));
});

scenario!(
    /// Lines without a meaning, names that are not there, contradictions; nothing is made.
    what_is_wrong_is_named, PROGRAM, {
    let archive = Synthetic::with(&[package("known")?])?;
    let work = &archive.work;
    let section = format!("[Main]\nsource={}\nsuite=stable\npackages=known\n", archive.mirror.url());
    for (text, parts) in [
        ("[General]\nbootstrap=Main\nbroken\n", &["bad.conf:3", "`key=value`"][..]),
        ("bootstrap=Main\n[General]\n", &["bad.conf:1", "[General]"]),
        ("[General]\nbootstrap=Mian\n", &["bad.conf:2", "did you mean [main]?"]),
        ("[General]\nbootstrap=Main\ncleanup=yes\n", &["bad.conf:3", "`yes` is neither true nor false"]),
        ("[General]\nbootstrap=Main\ninclude=none.conf\n", &["bad.conf:3", "none.conf"]),
        ("[General]\nbootstrap=Main\nbootstrap=Main\n", &["bad.conf:3", "second time, after line 2"]),
        ("[General]\nbootstrap=Main\nomitrequired=true\naddimportant=true\n", &["bad.conf", "both true"]),
        ("[General]\nbootstrap=Main\narch=pdp11\n", &["bad.conf", "pdp11"]),
        ("[General]\nbootstrap=Main\nnoauth=true\naptdefaultrelease=sid\n", &["sid", "stable"]),
        ("[General]\nbootstrap=Main Main2\n[Main2]\nsource=x y\n", &["bad.conf:4", "slash"]),
    ] {
        work.write("home/bad.conf", format!("{text}{section}").as_bytes())?;
        call(work, &["-f", "bad.conf", "-d", "../out/bad"]).end()?.failed_with(parts);
        assert!(!work.out("bad").exists(), "{text}");
    }
    call(work, &["-s", "nowhere"]).end()?.failed_with(&["/usr/share/multistrap/nowhere.conf"]);
    call(work, &["-f", "bad.conf", "--include=x"]).end()?.failed_with(&["unknown option: --include=x"]);
});

/// The examples of multistrap's package for a mirror's suite of today, in the home directory; their names.
fn examples(real: &Real) -> Result<Vec<String>> {
    let fetched = real.work.make_dir("fetched")?;
    let run = |command: &mut Command| {
        let done = command.current_dir(&fetched).output();
        assert!(
            done.as_ref().is_ok_and(|done| done.status.success()),
            "{command:?}: {done:?}"
        );
    };
    run(Command::new("apt-get").args(["-q", "-oAPT::Sandbox::User=root", "download", MULTISTRAP]));
    run(Command::new("sh").args(["-c", "dpkg-deb -x multistrap_*.deb x"]));
    let mut names = Vec::new();
    for directory in ["usr/share/multistrap", "usr/share/doc/multistrap/examples"] {
        for entry in std::fs::read_dir(fetched.join("x").join(directory))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.ends_with(".conf") {
                continue;
            }
            let text = read(Path::new(&fetched), &format!("x/{directory}/{name}"));
            let today = |line: &str| match line.split_once('=') {
                Some(("source", _)) => format!("source={}", real.mirror.url()),
                Some(("keyring", _)) => "keyring=debian-archive-keyring".to_owned(),
                Some(("suite", _)) => "suite=stable".to_owned(),
                Some((key, path)) if path.starts_with("/usr/share/multistrap") => {
                    format!("{key}={}/x{path}", fetched.display())
                }
                _ => line.to_owned(),
            };
            let text: Vec<String> = text.lines().map(today).collect();
            real.work
                .write(&format!("home/{name}"), text.join("\n").as_bytes())?;
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

scenario!(
    /// Each of them can be carried out for armhf and riscv64; one of each kind is. All their keys are in the documentation.
    the_examples_of_the_package, REAL, alone, {
    let real = Real::new()?;
    let names = examples(&real)?;
    assert!(names.len() > 8 && names.contains(&"full.conf".to_owned()), "{names:?}");
    assert!(Path::new(KEYRING).exists());
    let document = std::fs::read_to_string(workspace().join("docs/multistrap.md"))?;
    for name in &names {
        for line in read(&real.work.path("home"), name).lines() {
            let line = line.trim_start_matches(['#', ' ']);
            if let Some((key, _)) = line.split_once('=').filter(|(key, _)| !key.contains([' ', ':'])) {
                assert!(document.contains(&format!("`{key}`")), "{name}: {key}");
            }
        }
        for arch in ["armhf", "riscv64"] {
            let plan = call(&real.work, &["-f", name, "-a", arch, "-d", "../out/none", "--plan"]).end()?;
            assert!(plan.succeeded().text().contains("base-files"), "{name} {arch}");
        }
    }
    for (name, arch, foreign) in [("chroot.conf", "armhf", false), ("multiarch.conf", "riscv64", true)] {
        let target = real.work.out(arch);
        let words = ["-f", name, "-a", arch, "-d", &target.display().to_string()];
        call(&real.work, &words).limit(Duration::from_secs(600)).end()?.succeeded();
        assert!(assert_installed(&target) > 60, "{name}");
        let status = read(&target, "var/lib/dpkg/status");
        assert!(status.contains("Package: debian-archive-keyring\n"));
        assert_eq!(status.contains("Architecture: armhf\n"), arch == "armhf" || foreign);
        assert_eq!(read(&target, "etc/apt/sources.list.d/multistrap-debian.list").lines().count(), 2);
    }
});
