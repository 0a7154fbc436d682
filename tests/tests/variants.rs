//! The variants, and several architectures in one target, on a synthetic archive.

use std::collections::BTreeSet;
use std::ffi::OsString;

use rootless_install_tests::base::{libraries, program};
use rootless_install_tests::synthetic::{Synthetic, package, read};
use rootless_install_tests::{Result, scenario};

/// The base packages of a synthetic archive that are essential.
const ESSENTIAL: [&str; 8] = [
    "base-files",
    "coreutils",
    "dash",
    "dpkg",
    "findutils",
    "grep",
    "sed",
    "tar",
];

fn arguments(archive: &Synthetic, variant: &str, include: &str, more: &[&str]) -> Vec<OsString> {
    let mut arguments = archive.options();
    arguments.push(format!("--variant={variant}").into());
    if !include.is_empty() {
        arguments.push(format!("--include={include}").into());
    }
    arguments.extend(more.iter().map(OsString::from));
    arguments.push(archive.work.out("target").into());
    arguments
}

scenario!(
    /// The packages of each variant, under all its names.
    every_name_of_a_variant, PROGRAM, {
    let of_priority = |name, priority| Ok(package(name)?.field("Priority", priority));
    let made: Result<Vec<_>> = [
        ("r", "required"),
        ("i", "important"),
        ("s", "standard"),
        ("o", "optional"),
        ("build-essential", "optional"),
    ]
    .into_iter()
    .map(|(name, priority)| of_priority(name, priority))
    .collect();
    let archive = Synthetic::with(&made?)?;
    let first: BTreeSet<&str> = ESSENTIAL.into_iter().chain(["libc6"]).collect();
    for (names, more) in [
        (&["essential"][..], &[][..]),
        (&["apt"], &["apt"]),
        (&["required", "minbase"], &["apt", "r"]),
        (&["buildd"], &["apt", "build-essential"]),
        (&["important", "debootstrap", "-"], &["apt", "r", "i"]),
        (&["standard"], &["apt", "r", "i", "s"]),
    ] {
        for name in names {
            let options = ["--dry-run", "--imitate=mmdebstrap-1.5.7"];
            let plan = archive.work.run(arguments(&archive, name, "", &options)).end()?;
            let text = plan.succeeded().text();
            let lines = text.lines().filter(|line| line.starts_with("  "));
            let found: BTreeSet<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
            let wanted = first.iter().chain(more).copied().collect();
            assert_eq!(found, wanted, "{name}: {text}");
        }
    }
    // Older releases add what has priority required; apt says that the suite has one of them.
    let plan = archive
        .work
        .run(arguments(&archive, "buildd", "", &["--dry-run"]))
        .end()?;
    assert!(plan.succeeded().text().contains("\n  r "));
    for name in ["extract", "custom"] {
        let plan = archive
            .work
            .run(arguments(&archive, name, "i", &["--dry-run"]))
            .end()?;
        let text = plan.succeeded().text();
        assert!(text.contains("total: 1 packages"), "{name}: {text}");
    }
    archive
        .work
        .run(arguments(&archive, "tiny", "", &["--dry-run"]))
        .end()?
        .failed_with(&["tiny", "minbase", "custom"]);
});

scenario!(
    /// An essential set that is named package by package.
    custom_installs_what_is_named, CONFIGURE, {
    let own = package("own")?.script("postinst", "#!/bin/sh\necho $1 >/var/lib/seen\n");
    let archive = Synthetic::with(&[own])?;
    let include = [&ESSENTIAL[..], &["own"]].concat().join(",");
    let run = archive
        .work
        .run(arguments(&archive, "custom", &include, &[]))
        .end()?;
    run.succeeded();
    let target = archive.work.out("target");
    assert_eq!(read(&target, "var/lib/seen"), "configure\n");
    let status = read(&target, "var/lib/dpkg/status");
    // What is named, and what that depends on; dpkg alone installs it, so apt has no marks.
    assert_eq!(
        status.matches("\nStatus: install ok installed\n").count(),
        10,
        "{status}"
    );
    assert!(!target.join("var/lib/apt/extended_states").exists());
    assert!(!status.contains("Package: apt\n"), "{status}");
});

scenario!(
    /// Files only, with conffiles in place, and with no package at all.
    extract_leaves_no_database, CONFIGURE, {
    let files = package("files")?
        .field("Depends", "more")
        .file("etc/files.conf", "x = 1\n", 0o644)
        .control_file("conffiles", b"/etc/files.conf\n", 0o644)
        .script("preinst", "#!/bin/sh\nexit 1\n")
        .script("postinst", "#!/bin/sh\nexit 1\n");
    // To tar the second of two files at one path counts, and a conffile that dpkg would remove is nothing.
    let more = package("more")?
        .file("etc/shared", "of more\n", 0o644)
        .file("usr/share/more/file", "more\n", 0o644)
        .control_file("conffiles", b"remove-on-upgrade /etc/files.conf\n/etc/shared\n", 0o644);
    let other = package("other")?
        .field("Depends", "more")
        .file("etc/shared", "of other\n", 0o644)
        .control_file("conffiles", b"/etc/shared\n/etc/nowhere\n", 0o644);
    let archive = Synthetic::with(&[files, more, other])?;
    let run = archive
        .work
        .run(arguments(&archive, "extract", "files,other", &[]))
        .end()?;
    run.succeeded();
    let target = archive.work.out("target");
    assert_eq!(read(&target, "etc/files.conf"), "x = 1\n");
    assert_eq!(read(&target, "usr/share/more/file"), "more\n");
    assert_eq!(read(&target, "etc/shared"), "of other\n");
    assert_eq!(read(&target, "var/lib/dpkg/status"), "");
    for name in ["lock", "info/format", "info/files.list", "triggers/Unincorp"] {
        assert!(!target.join("var/lib/dpkg").join(name).exists(), "{name}");
    }
    assert!(target.join("var/cache/apt/archives/lock").exists());
    assert!(!target.join("usr/bin").exists());
    std::fs::remove_dir_all(&target).ok();
    // Without any package.
    archive
        .work
        .run(arguments(&archive, "extract", "", &[]))
        .end()?
        .succeeded();
    assert!(!target.join("var/cache/apt/archives").exists());
    assert!(target.join("var/lib/dpkg/status").exists());
});

scenario!(
    /// This machine's packages in a foreign target, and native tools beside them.
    foreign_architectures, CONFIGURE, {
    // perl is there for the target's architecture, so a counterpart runs, with a library that
    // only the native sysroot has; `nl` is there for this machine's, so it runs itself.
    let mut packages = program("perl", "usr/bin/perl")?;
    packages.extend(program("lines", "usr/bin/nl")?);
    let native = packages[0].architecture.clone();
    let foreign = package("sees")?.architecture;
    let library = program("perl", "usr/bin/perl")?[0]
        .entries
        .iter()
        .find_map(|entry| {
            entry
                .name
                .strip_prefix("./usr/lib/")
                .filter(|name| name.contains(".so"))
        })
        .map(str::to_owned)
        .expect("perl has a library of its own");
    let commands = format!(
        "#!/bin/sh\nexec >/var/lib/seen 2>&1\n\
         echo architectures $(dpkg --print-architecture) $(dpkg --print-foreign-architectures)\n\
         echo machine $(uname -m)\necho perl $(perl -e 'print 6 * 7')\n\
         echo lines $(echo x | nl)\necho library $(readlink /usr/lib/{library})\n\
         echo listed $(ls $(dirname /usr/lib/{library}) | grep -c \"^$(basename {library})$\")\nexit 0\n"
    );
    let mut sees = package("sees")?
        .field("Depends", "lines")
        .script("postinst", &commands);
    sees.architecture = native.clone();
    packages.push(sees);
    let archive = Synthetic::with(&packages)?;
    // Beside the architecture that the options name already.
    let include = format!("perl,sees:{native}");
    let more = ["--arch", native.as_str()];
    let run = archive
        .work
        .run(arguments(&archive, "essential", &include, &more))
        .end()?;
    run.succeeded();
    let target = archive.work.out("target");
    assert_eq!(
        read(&target, "var/lib/dpkg/arch"),
        format!("{foreign}\n{native}\n")
    );
    let seen = read(&target, "var/lib/seen");
    for line in [
        format!("architectures {foreign} {native}"),
        "perl 42".to_owned(),
        "lines 1 x".to_owned(),
        "listed 0".to_owned(),
        format!("library /.rootless-install/sysroot/usr/lib/{library}"),
    ] {
        assert!(seen.lines().any(|is| is == line), "{line}: {seen}");
    }
    assert!(!seen.contains(&format!("machine {native}")), "{seen}");
    let status = read(&target, "var/lib/dpkg/status");
    assert_eq!(
        status
            .matches("Package: libc6\nStatus: install ok installed\n")
            .count(),
        2
    );
    for architecture in [&foreign, &native] {
        let list = target.join(format!("var/lib/dpkg/info/libc6:{architecture}.list"));
        assert!(list.exists(), "{architecture}");
    }
    // The target's own native libraries are what it has of them, and the others are not listed.
    let own = libraries()?;
    assert!(own.keys().all(|path| target.join(path).exists()));
    assert!(!target.join("usr/lib").join(&library).exists());
});

scenario!(
    /// A script whose interpreter no package has brought: the program that is missing is named.
    custom_without_a_shell, CONFIGURE, {
    let own = package("own")?.script("preinst", "#! /bin/sh -e\n:\n");
    let archive = Synthetic::with(&[own])?;
    let run = archive.work.run(arguments(&archive, "custom", "own", &[])).end()?;
    run.failed_with(&["own", "preinst", "/bin/sh", "dash"]);
});
