//! Programs that cannot be run here: what becomes of the packages whose scripts
//! try, on a synthetic archive.

use std::path::Path;
use std::process::Command;

use rootless_install_tests::base::{architectures, program};
use rootless_install_tests::deb::Package;
use rootless_install_tests::elf::stub;
use rootless_install_tests::program::Outcome;
use rootless_install_tests::synthetic::{Synthetic, package, read};
use rootless_install_tests::{Result, scenario};

// A package with the program `name`, which this machine's architecture does not have.
fn missing(name: &str) -> Result<Package> {
    let [_, foreign] = architectures()?;
    Ok(package(name)?.file(&format!("usr/bin/{name}"), stub(foreign, name), 0o755))
}

// A postinst that depends on the program `only` and does not care.
const CARELESS: &str = "#!/bin/sh\nset -e\necho begun >>/var/lib/begun\n\
    only --make >/dev/null 2>&1 || true\necho after >>/var/lib/after\n";

fn deferring(archive: &Synthetic, include: &str) -> Result<Outcome> {
    let mut arguments = archive.options();
    for word in [
        "--variant",
        "essential",
        "--include",
        include,
        "--on-unrunnable",
        "defer",
    ] {
        arguments.push(word.into());
    }
    arguments.push(archive.work.out("target").into());
    archive.work.run(arguments).end()
}

// The stanza of a package in the status file.
#[track_caller]
fn stanza(target: &Path, name: &str) -> String {
    let status = read(target, "var/lib/dpkg/status");
    let found = status
        .split("\n\n")
        .find(|one| one.starts_with(&format!("Package: {name}\n")));
    found
        .unwrap_or_else(|| panic!("{name} is not in the status file:\n{status}"))
        .to_owned()
}

#[track_caller]
fn status(target: &Path, name: &str) -> String {
    let stanza = stanza(target, name);
    let line = stanza
        .lines()
        .find_map(|line| line.strip_prefix("Status: install ok "));
    line.unwrap_or_else(|| panic!("{stanza}")).to_owned()
}

// What this machine's dpkg finds wrong in the target.
fn audit(target: &Path) -> String {
    let done = Command::new("dpkg")
        .arg("--admindir")
        .arg(target.join("var/lib/dpkg"))
        .arg("--audit")
        .env("LC_ALL", "C.UTF-8")
        .output();
    let done = done.unwrap_or_else(|error| panic!("dpkg: {error}"));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

scenario!(
    /// Package, script, program, reason and option are named.
    an_attempt_that_is_ignored_fails_the_run, CONFIGURE, {
    let archive = Synthetic::with(&[
        missing("only")?,
        package("careless")?
            .field("Depends", "only")
            .script("postinst", CARELESS),
    ])?;
    let traces = archive.work.traces();
    let outcome = archive.install("careless", "target").end()?;
    outcome.failed_with(&[
        "error: package careless: postinst configure executes /usr/bin/only, which cannot be run here",
        "package only does not exist for",
        "--on-unrunnable=defer",
    ]);
    archive.work.clean(&traces, &[]);
    // Nothing can be left for later that runs before the package is unpacked.
    let archive = Synthetic::with(&[
        missing("only")?,
        package("careless")?
            .field("Pre-Depends", "only")
            .script("preinst", CARELESS),
    ])?;
    deferring(&archive, "careless")?.failed_with(&[
        "package careless: preinst install executes /usr/bin/only",
        "leave careless out",
    ]);
});

scenario!(
    /// States, conffiles, dependents and the closing words.
    what_is_deferred_waits_for_dpkg, CONFIGURE, {
    let conffile = |package: Package| {
        let path = format!("etc/{}.conf", package.name);
        let line = format!("/{path}\n");
        package
            .file(&path, "setting\n", 0o644)
            .control_file("conffiles", line.as_bytes(), 0o644)
    };
    let writes = |name: &str| format!("#!/bin/sh\necho {name} >>/var/lib/configured\n");
    let archive = Synthetic::with(&[
        missing("only")?,
        conffile(
            package("careless")?
                .field("Depends", "only")
                .script("postinst", CARELESS),
        ),
        conffile(
            package("dependent")?
                .field("Depends", "careless")
                .script("postinst", &writes("dependent")),
        ),
        package("further")?.field("Depends", "dependent"),
        package("content")?
            .field("Depends", "careless | only")
            .script("postinst", &writes("content")),
    ])?;
    let outcome = deferring(&archive, "further,content")?;
    outcome.succeeded();
    for said in [
        "package careless is left for later: postinst configure executes /usr/bin/only, which cannot be run here: \
         package only does not exist for",
        "package dependent is left for later: it depends on careless",
        "package further is left for later: it depends on dependent",
        "dpkg --configure -a",
    ] {
        assert!(outcome.stderr.contains(said), "{said}:\n{}", outcome.stderr);
    }
    let target = archive.work.out("target");
    assert_eq!(read(&target, "var/lib/begun"), "begun\n");
    assert!(!target.join("var/lib/after").exists(), "the script went on");
    assert_eq!(read(&target, "var/lib/configured"), "content\n");
    for (name, state) in [
        ("only", "installed"),
        ("content", "installed"),
        ("careless", "half-configured"),
        ("dependent", "unpacked"),
        ("further", "unpacked"),
    ] {
        assert_eq!(status(&target, name), state, "{name}");
    }
    // A conffile is in its place from the moment that configuring begins.
    assert!(target.join("etc/careless.conf").exists());
    assert!(
        target.join("etc/dependent.conf.dpkg-new").exists() && !target.join("etc/dependent.conf").exists()
    );
    assert!(stanza(&target, "dependent").contains(" /etc/dependent.conf newconffile"));
    let audit = audit(&target);
    for name in [" careless", " dependent", " further"] {
        assert!(audit.contains(name), "{audit}");
    }
    assert!(!audit.contains(" content"), "{audit}");
});

scenario!(
    /// triggers-pending, triggers-awaited, and who depends on those.
    deferred_triggers_stay_pending, CONFIGURE, {
    let only =
        "#!/bin/sh\nset -e\nif [ \"$1\" = triggered ]; then only || true; echo $2 >>/var/lib/after; fi\n";
    let archive = Synthetic::with(&[
        missing("only")?,
        package("indexer")?
            .field("Depends", "only")
            .control_file("triggers", b"interest awaited\ninterest-noawait named\n", 0o644)
            .script("postinst", only),
        package("awaits")?
            .field("Depends", "indexer")
            .control_file("triggers", b"activate awaited\n", 0o644),
        package("activates")?
            .field("Depends", "indexer")
            .script("postinst", "#!/bin/sh\ndpkg-trigger --no-await named\n"),
        package("dependent")?.field("Depends", "awaits"),
        package("content")?.field("Depends", "activates, indexer"),
    ])?;
    let outcome = deferring(&archive, "indexer,dependent,content")?;
    outcome.succeeded();
    let said = "package indexer is left for later: postinst triggered";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    let target = archive.work.out("target");
    assert!(!target.join("var/lib/after").exists());
    for (name, state) in [
        ("indexer", "triggers-pending"),
        ("awaits", "triggers-awaited"),
        ("activates", "installed"),
        ("dependent", "unpacked"),
        ("content", "installed"),
    ] {
        assert_eq!(status(&target, name), state, "{name}");
    }
    assert!(stanza(&target, "indexer").contains("\nTriggers-Pending: "));
    assert!(stanza(&target, "awaits").contains("\nTriggers-Awaited: indexer"));
    assert!(audit(&target).contains(" awaits"));
});

// Packages with a native program, for both architectures, that is at `to` under another name.
fn renamed(name: &str, from: &str, to: &str) -> Result<Vec<Package>> {
    let mut packages = program(name, from)?;
    for entry in packages.iter_mut().flat_map(|package| &mut package.entries) {
        entry.name = entry.name.replace(from, to);
    }
    Ok(packages)
}

scenario!(
    /// A native program that would write for the wrong machine.
    programs_that_would_be_wrong, CONFIGURE, {
    // Whatever it is: by its name it is a compiler.
    let mut packages = renamed("compiler", "usr/bin/cat", "usr/bin/tcc")?;
    let asks = "#!/bin/sh\nset -e\ntcc --version >/var/lib/asked\n";
    packages.push(
        package("asks")?
            .field("Depends", "compiler")
            .script("postinst", asks),
    );
    let compiles =
        "#!/bin/sh\nif tcc -o /var/lib/made /etc/passwd; then :; else echo plain >/var/lib/made; fi\n";
    packages.push(
        package("compiles")?
            .field("Depends", "compiler")
            .script("postinst", compiles),
    );
    let archive = Synthetic::with(&packages)?;
    let native = archive.native().debian;
    archive.install("asks", "asked").end()?.succeeded();
    assert!(read(&archive.work.out("asked"), "var/lib/asked").contains("cat"));
    let why = format!(
        "executes /usr/bin/tcc, which cannot be run here: it writes code, and would do so in the instruction set \
         of {native}, this machine's architecture"
    );
    archive
        .install("compiles", "target")
        .end()?
        .failed_with(&["package compiles", &why]);
    deferring(&archive, "compiles")?.succeeded();
    let target = archive.work.out("target");
    assert_eq!(status(&target, "compiles"), "half-configured");
    assert!(!target.join("var/lib/made").exists());
});

scenario!(
    /// The script is not begun where the table knows.
    what_is_known_before_stays_unpacked, CONFIGURE, {
    // By its name, its postinst makes a dictionary of the machine's kind.
    let dictionary = package("mecab-testdic")?
        .file("etc/dictionary", "setting\n", 0o644)
        .control_file("conffiles", b"/etc/dictionary\n", 0o644)
        .script("postinst", "#!/bin/sh\necho ran >/var/lib/ran\n");
    let archive = Synthetic::with(&[dictionary])?;
    archive.install("mecab-testdic", "run").end()?.succeeded();
    assert_eq!(read(&archive.work.out("run"), "var/lib/ran"), "ran\n");
    let outcome = deferring(&archive, "mecab-testdic")?;
    outcome.succeeded();
    let said = "package mecab-testdic is left for later: postinst configure executes mecab-dict-index";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    let target = archive.work.out("target");
    assert_eq!(status(&target, "mecab-testdic"), "unpacked");
    assert!(target.join("etc/dictionary.dpkg-new").exists() && !target.join("var/lib/ran").exists());
    assert!(stanza(&target, "mecab-testdic").contains(" /etc/dictionary newconffile"));
});

// A gdbm file of one record with that key, as a 64-bit machine of little endian writes it; its hash is wrong.
fn database(key: &str) -> Vec<u8> {
    let mut file = vec![0_u8; 0x3000];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    for (at, number) in [
        (0, 0x1357_9acf_u32),
        (4, 0x1000),
        (8, 0x1000),
        (16, 8),
        (24, 136),
        (28, 1),
        (32, 0x3000),
    ] {
        put(at, &number.to_le_bytes());
    }
    put(0x1000, &0x2000_u64.to_le_bytes());
    let length = u32::try_from(key.len()).unwrap_or_default();
    for (at, number) in [(108, 1_u32), (112, 7), (120, 0x2f00), (128, length)] {
        put(0x2000 + at, &number.to_le_bytes());
    }
    put(0x2f00, key.as_bytes());
    file
}

scenario!(
    /// gdbm files, and those that cannot be.
    databases_are_converted, CONFIGURE, {
    // It does not index manual pages; it puts the file there.
    let mut packages = renamed("man-db", "usr/bin/cp", "usr/bin/mandb")?;
    let puts = "#!/bin/sh\nmkdir -p /var/cache/man\nmandb /usr/share/$DPKG_MAINTSCRIPT_PACKAGE.db /var/cache/man/index.db || true\n";
    for (name, key) in [("plain", "key"), ("damaged", "clé")] {
        packages.push(
            package(name)?
                .field("Depends", "man-db")
                .file(&format!("usr/share/{name}.db"), database(key), 0o644)
                .script("postinst", puts),
        );
    }
    let archive = Synthetic::with(&packages)?;
    archive.install("plain", "plain").end()?.succeeded();
    // The two architectures of the tests write the same numbers.
    let made = std::fs::read(archive.work.out("plain").join("var/cache/man/index.db"))?;
    assert_eq!(made, database("key"));
    archive.install("damaged", "target").end()?.failed_with(&[
        "package damaged: postinst configure executes /usr/bin/mandb",
        "/var/cache/man/index.db: it is not a gdbm file of the expected form",
    ]);
    deferring(&archive, "damaged")?.succeeded();
    let target = archive.work.out("target");
    assert_eq!(status(&target, "damaged"), "half-configured");
    assert!(!target.join("var/cache/man/index.db").exists());
});
