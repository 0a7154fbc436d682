//! Archives that lack packages, as those of ports that are being built.

use rootless_install_tests::archive::{Publish, Signature};
use rootless_install_tests::base;
use rootless_install_tests::deb::Package;
use rootless_install_tests::mirror::Mirror;
use rootless_install_tests::real::assert_installed;
use rootless_install_tests::synthetic::{Synthetic, package, read};
use rootless_install_tests::{Result, scenario};

/// A machine that nobody has, and its architecture.
const MACHINE: u16 = 0x1234;
const PORT: &str = "newport";

/// A package of the port: that of another architecture, with the names of the port, and programs of its machine.
fn ported(package: &Package, triplet: &str) -> Result<Package> {
    let place = tempfile::tempdir().expect("a temporary directory");
    let [deb, root, made] = ["in.deb", "root", "out.deb"].map(|name| place.path().join(name));
    std::fs::write(&deb, &*package.build()?).expect("written");
    let run = |arguments: &[&std::ffi::OsStr]| {
        let done = std::process::Command::new("dpkg-deb").args(arguments).output();
        assert!(
            done.as_ref().is_ok_and(|done| done.status.success()),
            "{arguments:?}: {done:?}"
        );
    };
    run(&["-R".as_ref(), deb.as_ref(), root.as_ref()]);
    let control = root.join("DEBIAN/control");
    let text = read(&root, "DEBIAN/control");
    std::fs::write(&control, text.replace(&package.architecture, PORT)).expect("written");
    let _ = std::fs::remove_file(root.join("DEBIAN/md5sums"));
    let mut left = vec![root.clone()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory).expect("read").flatten() {
            let mut path = entry.path();
            let kind = entry.file_type().expect("a type");
            if entry.file_name() == triplet {
                path = directory.join(format!("{PORT}-linux-gnu"));
                std::fs::rename(entry.path(), &path).expect("renamed");
            }
            if kind.is_dir() {
                left.push(path);
            } else if kind.is_file() {
                let mut bytes = std::fs::read(&path).expect("read");
                if bytes.starts_with(b"\x7fELF") {
                    bytes.splice(18..20, MACHINE.to_le_bytes());
                    std::fs::write(&path, bytes).expect("written");
                }
            }
        }
    }
    run(&[
        "--root-owner-group".as_ref(),
        "-Zgzip".as_ref(),
        "-b".as_ref(),
        root.as_ref(),
        made.as_ref(),
    ]);
    let mut ported = package.clone();
    ported.architecture = PORT.to_owned();
    Ok(ported.as_file(std::fs::read(&made).expect("read")))
}

scenario!(
    /// A port that no table has, with a third of its packages missing, and native tools from another archive.
    a_port_of_an_architecture_nobody_has, CONFIGURE, {
    let [native, machine] = base::architectures()?;
    let script = "#!/bin/sh\nset -e\nuname -m >/etc/port\ndpkg --print-architecture >>/etc/port\ngrep -c . /etc/port >>/etc/port\n";
    let mut packages = of_architecture(true)?;
    packages.retain(|one| one.name != "findutils");
    packages.push(package("scripted")?.script("postinst", script));
    // Each needs the one before: of twelve every third is missing.
    for number in 0..12 {
        let one = package(&format!("chain{number}"))?;
        if number % 3 != 2 {
            packages.push(if number % 3 == 0 && number > 0 {
                one.field("Depends", &format!("chain{}", number - 1))
            } else {
                one
            });
        }
    }
    let packages = packages.iter().map(|one| ported(one, machine.triplet)).collect::<Result<Vec<_>>>()?;
    let tools = Synthetic::exactly(&Publish::default(), &of_architecture(false)?)?;
    let work = &tools.work;
    let place = work.make_dir("port")?;
    Publish::default().write(&place, &[PORT], &packages)?;
    let mirror = Mirror::of(&place)?;
    let table = format!(
        "Architecture: {PORT}\nGNU-Triplet: {PORT}-linux-gnu\nBits: 64\nEndianness: little\nELF-Machine: {MACHINE:#x}\n"
    );
    work.write("home/table", table.as_bytes())?;
    let chain: Vec<String> = (0..12).map(|number| format!("chain{number}")).collect();
    let words = |target: &str, more: &[&str]| -> Vec<std::ffi::OsString> {
        let mut words: Vec<String> = [
            format!("--arch={PORT}"),
            "--suite=stable".to_owned(),
            "--variant=essential".to_owned(),
            format!("--mirror={}", mirror.url()),
            format!("--native-mirror={}", tools.mirror.url()),
            format!("--keyring={}", place.join("keyring.gpg").display()),
            format!("--keyring={}", tools.keyring().display()),
            format!("--include=scripted,{}", chain.join(",")),
        ]
        .to_vec();
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.push(work.out(target).display().to_string());
        words.into_iter().map(Into::into).collect()
    };
    work.run(words("unknown", &["--ignore-missing"])).end()?.failed_with(&[PORT, "riscv64"]);
    let list = format!("--missing={}", work.out("missing.json").display());
    work.run(words("target", &["--arch-table=table", "--ignore-missing", &list])).end()?.succeeded();
    let target = work.out("target");
    assert!(assert_installed(&target) > 6);
    assert_eq!(read(&target, "var/lib/dpkg/arch").trim(), PORT);
    assert_eq!(read(&target, "etc/port"), format!("{PORT}\n{PORT}\n2\n"));
    let status = read(&target, "var/lib/dpkg/status");
    let found: serde_json::Value = serde_json::from_str(&read(&work.out(""), "missing.json"))?;
    let missing = |name: &str| found["missing"].as_array().into_iter().flatten().any(|item| item["name"] == name);
    for number in 0..12 {
        let name = format!("chain{number}");
        // The first of a group needs the last of the group before, which is not there.
        let there = number == 0 || number % 3 == 1;
        assert_eq!(status.contains(&format!("Package: {name}\n")), there, "{name}");
        assert_eq!(missing(&name), !there, "{name}: {found}");
    }
    assert!(missing("findutils"), "{found}");
    assert!(native.debian != PORT);
    let described = [
        format!("--arch-triplet={PORT}-linux-gnu"),
        "--arch-bits=64".to_owned(),
        "--arch-endianness=little".to_owned(),
        format!("--arch-elf-machine={MACHINE:#x}"),
    ];
    let mut options: Vec<&str> = described.iter().map(String::as_str).collect();
    options.push("--ignore-missing");
    work.run(words("options", &options)).end()?.succeeded();
    assert_eq!(read(&work.out("options"), "var/lib/dpkg/status"), status);
    work.run(words("half", &["--ignore-missing", "--arch-bits=64"])).end()?.failed_with(&["--arch-triplet", PORT]);
    // The same in a target that is there.
    let call = |table: &str, rest: &[&str]| -> Vec<std::ffi::OsString> {
        let mut call = vec!["run".to_owned(), format!("--mirror={}", tools.mirror.url())];
        call.push(format!("--keyring={}", tools.keyring().display()));
        call.push(table.to_owned());
        call.push(target.display().to_string());
        call.extend(rest.iter().map(|word| (*word).to_owned()));
        call.into_iter().filter(|word| !word.is_empty()).map(Into::into).collect()
    };
    let outcome = work.run_plain(call("--arch-table=table", &["--", "uname", "-m"])).end()?;
    outcome.succeeded();
    assert_eq!(outcome.text().trim(), PORT);
    work.run_plain(call("", &["--", "uname", "-m"])).end()?.failed_with(&[PORT, "--arch-table"]);
    let checked: Vec<std::ffi::OsString> = vec!["check".into(), "--arch-table=table".into(), target.clone().into()];
    work.run_plain(checked).end()?.succeeded();
    work.write("home/broken", table.replace("Bits: 64", "Bits: 65").as_bytes())?;
    work.run(words("broken", &["--arch-table=broken"])).end()?.failed_with(&["broken:3", "32 or 64"]);
});

/// The base packages for one architecture.
fn of_architecture(foreign: bool) -> Result<Vec<Package>> {
    let [_, machine] = base::architectures()?;
    let mut packages = base::packages()?;
    packages.retain(|one| (one.architecture == machine.debian) == foreign);
    Ok(packages)
}

scenario!(
    /// What needs nothing that is missing is installed; the rest is told and written down, by level.
    what_can_be_installed_is, CONFIGURE, {
    let [_, machine] = base::architectures()?;
    let mut packages = base::packages()?;
    packages.retain(|one| one.architecture != machine.debian || one.name != "tar");
    packages.extend([
        package("wanted")?.field("Depends", "middle, fine"),
        package("middle")?.field("Depends", "absent (>= 2)"),
        package("fine")?.field("Depends", "absent | other"),
        package("other")?,
    ]);
    let archive = Synthetic::exactly(&Publish::default(), &packages)?;
    archive.install("wanted,fine", "whole").end()?.failed_with(&["wanted", "middle", "absent (>= 2)"]);
    let list = archive.work.out("missing.json");
    let done = archive
        .install("wanted,fine,nowhere", "target")
        .option("--ignore-missing")
        .option(&format!("--missing={}", list.display()))
        .end()?;
    let said = &done.succeeded().stderr;
    for part in ["level 0", "level 2", "absent (>= 2): not in the archive; needed by middle"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let target = archive.work.out("target");
    assert!(assert_installed(&target) > 4);
    let status = read(&target, "var/lib/dpkg/status");
    for (name, there) in [("fine", true), ("other", true), ("wanted", false), ("middle", false), ("tar", false)] {
        assert_eq!(status.contains(&format!("Package: {name}\n")), there, "{name}");
    }
    let text = read(&archive.work.out(""), "missing.json");
    let found: serde_json::Value = serde_json::from_str(&text)?;
    let level = |name: &str| {
        let items = found["missing"].as_array().into_iter().flatten();
        items.filter(|item| item["name"] == name).map(|item| item["level"].as_u64()).next().flatten()
    };
    assert_eq!(level("nowhere"), Some(0), "{text}");
    assert_eq!(level("tar"), Some(0), "{text}");
    assert_eq!(level("wanted"), Some(0), "{text}");
    assert_eq!(level("middle"), Some(1), "{text}");
    assert_eq!(level("absent (>= 2)"), Some(2), "{text}");
    assert_eq!(level("fine"), None, "{text}");
    assert!(text.contains("essential for"), "{text}");
    // Nothing is made by a plan, and the list is the same.
    let planned = archive.work.out("planned.json");
    let done = archive
        .install("wanted,fine,nowhere", "none")
        .option("--dry-run")
        .option("--ignore-missing")
        .option(&format!("--missing={}", planned.display()))
        .end()?;
    assert!(done.succeeded().text().contains("fine"));
    assert_eq!(read(&archive.work.out(""), "planned.json"), text);
    archive.install("", "none").option("--missing=x").end()?.failed_with(&["--ignore-missing"]);
});

scenario!(
    /// A target whose archive has nothing for this machine.
    native_tools_of_another_archive, CONFIGURE, {
    let mut packages = of_architecture(true)?;
    packages.push(package("scripted")?.script("postinst", "#!/bin/sh\nset -e\necho done >/etc/scripted\n"));
    let archive = Synthetic::exactly(&Publish::default(), &packages)?;
    let native = Synthetic::exactly(&Publish::default(), &of_architecture(false)?)?;
    let done = archive.install("scripted", "without").end()?;
    assert!(!done.status.success(), "{}", done.stderr);
    archive
        .install("scripted", "target")
        .option(&format!("--native-mirror={}", native.mirror.url()))
        .option(&format!("--keyring={}", native.keyring().display()))
        .end()?
        .succeeded();
    let target = archive.work.out("target");
    assert!(assert_installed(&target) > 4);
    assert_eq!(read(&target, "etc/scripted"), "done\n");
    assert!(!read(&target, "etc/apt/sources.list").contains(&native.mirror.url()));
});

scenario!(
    /// No package of this machine is asked for, and none is essential.
    extracting_needs_nothing_else, PROGRAM, {
    let tool = package("tool")?.field("Depends", "library").file("usr/bin/tool", "x", 0o755);
    let archive = Synthetic::exactly(&Publish::default(), &[tool, package("library")?.file("usr/lib/library", "x", 0o644)])?;
    let mut arguments = archive.options();
    arguments.extend(["--variant=extract".into(), "--include=tool".into(), archive.work.out("target").into()]);
    archive.work.run(arguments).end()?.succeeded();
    let target = archive.work.out("target");
    assert!(target.join("usr/bin/tool").exists() && target.join("usr/lib/library").exists());
    let native = format!("binary-{}", archive.native().debian);
    assert!(archive.mirror.requests().iter().all(|request| !request.path.contains(&native)));
});

scenario!(
    /// An archive without a signature beside a signed one: newer, and yet only what the preferences say comes from it.
    builds_of_ones_own_are_preferred, CONFIGURE, {
    let archive = Synthetic::with(&[package("tool")?, package("other")?])?;
    let fresh = |name: &str| -> Result<Package> {
        let mut fresh = package(name)?;
        fresh.version = "2.0-1".to_owned();
        Ok(fresh)
    };
    let unsigned = Publish { signature: Signature::Missing, ..Publish::default() };
    let builds = Synthetic::exactly(&unsigned, &[fresh("tool")?, fresh("other")?])?;
    let pins = "Package: other\nPin: version 2.*\nPin-Priority: -1\n";
    archive.work.write("home/builds.pref", pins.as_bytes())?;
    archive
        .install("tool,other", "target")
        .option("--preferences=builds.pref")
        .option(&format!("--mirror=deb [trusted=yes] {} stable main", builds.mirror.url()))
        .end()?
        .succeeded();
    let target = archive.work.out("target");
    let status = read(&target, "var/lib/dpkg/status");
    let version = |name: &str| {
        let found = status.split("\n\n").find(|one| one.contains(&format!("Package: {name}\n")));
        found.and_then(|one| one.lines().find_map(|line| line.strip_prefix("Version: "))).map(str::to_owned)
    };
    assert_eq!((version("tool").as_deref(), version("other").as_deref()), (Some("2.0-1"), Some("1.0-1")));
    assert_eq!(read(&target, "etc/apt/preferences.d/builds.pref"), pins);
    archive.work.write("home/broken.pref", b"Package: x\nPin: something\nPin-Priority: 1\n")?;
    archive
        .install("tool", "broken")
        .option("--preferences=broken.pref")
        .end()?
        .failed_with(&["broken.pref:2", "expected"]);
});

scenario!(
    /// Packages for all architectures come from one archive, those that were built from another that is behind it: what
    /// does not insist on the same version is installed.
    two_archives_of_different_age, CONFIGURE, {
    let all = |name: &str| Package::new(name, "2.0-1", "all").file(&format!("usr/share/{name}"), "2", 0o644);
    let ahead = Synthetic::exactly(&Publish::default(), &[all("tool-data"), all("strict-data"), all("doc")])?;
    let old = |name: &str| Package::new(name, "1.0-1", "all").file(&format!("usr/share/{name}"), "1", 0o644);
    let archive = Synthetic::with(&[
        package("tool")?.field("Depends", "tool-data (>= 1.0)"),
        package("strict")?.field("Depends", "strict-data (= 1.5-1)"),
        old("doc"),
    ])?;
    let both = |include: &str, target: &str| {
        archive
            .install(include, target)
            .option(&format!("--mirror=deb [signed-by={}] {} stable main", ahead.keyring().display(), ahead.mirror.url()))
    };
    both("strict", "refused").end()?.failed_with(&["strict-data (= 1.5-1)", "2.0-1"]);
    // Of two versions the newer one, unless a preference says otherwise.
    archive.work.write("home/doc.pref", b"Package: doc\nPin: version 1.0-1\nPin-Priority: 1001\n")?;
    for (option, expected) in [("--solver=internal", "2"), ("--preferences=doc.pref", "1")] {
        let done = both("tool,strict,doc", "target").option("--ignore-missing").option(option).end()?;
        let said = &done.succeeded().stderr;
        assert!(said.contains("strict-data (= 1.5-1)"), "{said}");
        let target = archive.work.out("target");
        assert!(assert_installed(&target) > 4);
        let status = read(&target, "var/lib/dpkg/status");
        assert!(status.contains("Package: tool\n") && !status.contains("Package: strict\n"), "{status}");
        assert_eq!(read(&target, "usr/share/tool-data"), "2");
        assert_eq!(read(&target, "usr/share/doc"), expected, "{option}");
        std::fs::rename(&target, archive.work.out(expected)).expect("renamed");
    }
});
