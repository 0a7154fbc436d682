//! What dpkg's command line refuses, what it does without acting, and its questions about paths.

use rootless_install_tests::deb::{Kind, Package, entry};
use rootless_install_tests::elf::{foreign, native, stub};
use rootless_install_tests::in_place::{System, noting, said};
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::package;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

fn plain(name: &str) -> Package {
    Package::new(name, "1.0-1", "all")
}

/// What is there of a target: paths and contents, the log apart.
fn state(system: &System) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![system.target.clone()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                waiting.push(path.clone());
            }
            let content = if kind.is_file() {
                std::fs::read(&path).unwrap_or_default()
            } else {
                Vec::new()
            };
            found.insert(path.display().to_string(), content);
        }
    }
    found
}

scenario!(
    /// What dpkg refuses in archives is refused, before anything of the package is in the target.
    archives_that_dpkg_refuses, CONFIGURE, {
    let system = System::new()?;
    let control = |line: &str| {
        let mut package = plain("bad");
        let field = line.split(':').next().unwrap_or_default();
        let text = package.control();
        let kept = text.lines().filter(|have| !have.starts_with(&format!("{field}:")));
        let kept: Vec<&str> = kept.collect();
        package.control_override = Some(format!("{}\n{line}\n", kept.join("\n")));
        package
    };
    let file = |path: &str| entry(path, Kind::File(b"x".to_vec()), 0o644);
    let cases = [
        (control("Version: v1.0"), "version number does not start with digit"),
        (control("Version: 2147483648:1"), "epoch in version is too big"),
        (control("Provides: x (>= 1.0)"), "exact versions"),
        (control("Status: install ok installed"), "not allowed in an archive"),
        (control("Conflicts: a | b"), "alternatives"),
        (control("Multi-Arch: same"), "the architecture is 'all'"),
        (plain("bad").control_file("conffiles", b"/etc/bad", 0o644).file("etc/bad", "1", 0o644), "newline"),
        (plain("bad").control_file("conffiles", b"etc/bad\n", 0o644), "not an absolute path"),
        (
            plain("bad")
                .control_file("conffiles", b"remove-on-upgrade /etc/bad\n", 0o644)
                .file("etc/bad", "1", 0o644),
            "marked for removal on upgrade",
        ),
        (plain("bad").control_file("triggers", b"interest a", 0o644), "newline"),
        (plain("bad").control_file("triggers", b"watch a\n", 0o644), "unknown"),
        (plain("bad").entry(file("./top")).entry(file("./top/below")), "'/top' is no directory"),
        (plain("bad").entry(file("./no/parent")), "its directory '/no' is in no package"),
        (plain("bad").entry(entry("./no/such/", Kind::Directory, 0o755)), "its directory '/no' is in no package"),
        (
            plain("bad").link("usr/link", "share").entry(file("./usr/link/below")),
            // Links are made last.
            "its directory '/usr/link' is in no package",
        ),
    ];
    let before = state(&system);
    for (number, (bad, problem)) in cases.iter().enumerate() {
        let file = system.file(&format!("bad{number}"), bad)?;
        let told = said(&system.dpkg("--unpack", &[&file])?, 1);
        assert!(told.contains(problem), "{problem}: {told}");
        assert!(matches!(system.state("bad").as_str(), "absent" | "install ok not-installed"), "{problem}");
        for name in ["top", "no", "usr/link", "etc/bad", "etc/bad.dpkg-new"] {
            assert!(std::fs::symlink_metadata(system.target.join(name)).is_err(), "{problem}: {name}");
        }
    }
    // The database stays one that dpkg reads.
    system.dpkg("--get-selections", &[])?.succeeded();
    let forced = system.file("forced", &control("Version: v1.0"))?;
    system.dpkg("--force-bad-version --unpack", &[&forced])?.succeeded();
    assert_eq!(system.state("bad"), "install ok unpacked");
    system.dpkg("--purge bad", &[])?.succeeded();
    let gone: Vec<String> = before.keys().filter(|name| !name.contains("dpkg")).cloned().collect();
    let after = state(&system);
    assert!(gone.iter().all(|name| after.contains_key(name)));
});

scenario!(
    /// Names of packages are in lower case in the database, in relations and on the command line as well.
    names_are_in_lower_case, CONFIGURE, {
    let system = System::new()?;
    let upper = system.file("upper", &plain("Upper").file("usr/share/upper/a", "1", 0o644))?;
    let needing = system.file("needing", &plain("needing").field("Depends", "UPPER"))?;
    system.dpkg("-i", &[&upper, &needing])?.succeeded();
    assert_eq!(system.state("upper"), "install ok installed");
    let status = system.read("var/lib/dpkg/status");
    assert!(status.contains("Package: upper\n") && status.contains("Depends: upper\n"), "{status}");
    assert_eq!(system.read("var/lib/dpkg/info/upper.list"), "/.\n/usr\n/usr/share\n/usr/share/upper\n/usr/share/upper/a\n");
    system.dpkg("--force-depends --purge Upper", &[])?.succeeded();
    assert_eq!(system.state("upper"), "absent");
});

scenario!(
    /// Scripts of whatever form and mode they have in the archive.
    scripts_of_every_form, CONFIGURE, {
    let system = System::new()?;
    let body = "echo \"$DPKG_MAINTSCRIPT_NAME $1\" >>\"$DPKG_ROOT/var/lib/forms\"\n";
    let with = format!("#!/bin/sh\n{body}");
    let forms = plain("forms")
        .control_file("preinst", body.as_bytes(), 0o755)
        .control_file("postinst", with.as_bytes(), 0o640)
        .control_file("prerm", b"", 0o755)
        .control_file("postrm", body.as_bytes(), 0o4000);
    let forms = system.file("forms", &forms)?;
    for mode in ["", "--force-script-chrootless"] {
        system.dpkg(&format!("{mode} -i"), &[&forms])?.succeeded();
        system.dpkg(&format!("{mode} -P forms"), &[])?.succeeded();
        assert_eq!(
            system.read("var/lib/forms"),
            "preinst install\npostinst configure\npostrm remove\npostrm purge\n",
            "{mode}"
        );
        std::fs::remove_file(system.target.join("var/lib/forms"))?;
    }
});

scenario!(
    /// A preinst that is a program: the native package's runs, if it is of the same version.
    a_preinst_that_is_a_program, CONFIGURE, {
    let Some(machine) = native() else { return Ok(()) };
    let of = |version: &str, machine: rootless_install_tests::elf::Machine, program: Vec<u8>| {
        let mut package = Package::new("program", version, machine.debian);
        package.control_files.push(("preinst".to_owned(), program, 0o755));
        package.file("usr/share/program/a", "1", 0o644)
    };
    let runs = std::fs::read("/bin/true").or_else(|_| std::fs::read("/usr/bin/true"))?;
    let foreign_program = stub(foreign(), "preinst");
    let system = System::with(&[of("1.0-1", machine, runs)])?;
    let same = system.file("same", &of("1.0-1", foreign(), foreign_program.clone()))?;
    system.dpkg("-i", &[&same])?.succeeded();
    assert_eq!(system.state("program"), "install ok installed");
    system.dpkg("-P program", &[])?.succeeded();
    let other = system.file("other", &of("2.0-1", foreign(), foreign_program))?;
    let told = said(&system.dpkg("-i", &[&other])?, 1);
    assert!(told.contains("there is version 1.0-1 of the package, not 2.0-1"), "{told}");
});

scenario!(
    /// --no-act: it says what would be done, and nothing in the target changes.
    nothing_is_done_without_acting, CONFIGURE, {
    let system = System::new()?;
    let one = system.file("one", &noting(package("one")?.file("usr/share/one/a", "1", 0o644)))?;
    let first = state(&system);
    let told = said(&system.dpkg("--no-act -i", &[&one])?, 0);
    assert!(told.contains("Preparing to unpack"), "{told}");
    assert!(!told.contains("Unpacking one"), "{told}");
    assert_eq!(state(&system), first);
    system.dpkg("--unpack", &[&one])?.succeeded();
    let second = state(&system);
    let told = said(&system.dpkg("--dry-run --configure -a", &[])?, 0);
    assert!(told.contains("Setting up one (1.0-1) ..."), "{told}");
    let told = said(&system.dpkg("--simulate --purge one", &[])?, 0);
    assert!(told.contains("Would remove or purge one (1.0-1) ..."), "{told}");
    assert_eq!(state(&system), second);
});

scenario!(
    /// --search with patterns, --listfiles and --status of several, --print-avail, --verify, --validate-….
    questions_about_packages, CONFIGURE, {
    let system = System::new()?;
    let one = plain("one")
        .file("usr/share/one/a", "1", 0o644)
        .file("usr/share/one/b", "1", 0o644)
        .file("etc/one", "1", 0o644)
        .control_file("conffiles", b"/etc/one\n", 0o644);
    let one = system.file("one", &one)?;
    let two = system.file("two", &plain("two").file("usr/share/two/a", "1", 0o644))?;
    system.dpkg("-i", &[&one, &two])?.succeeded();
    let told = |words: &str, status: i32| -> rootless_install_tests::Result<String> {
        Ok(said(&system.dpkg(words, &[])?, status))
    };
    assert_eq!(told("-S /usr/share/*/a", 0)?, "one: /usr/share/one/a\ntwo: /usr/share/two/a\n");
    assert_eq!(told("-S share/one/b", 0)?, "one: /usr/share/one/b\n");
    assert_eq!(told("-S /usr/share/one/a/", 0)?, "one: /usr/share/one/a\n");
    assert_eq!(told("-S /usr/share/one/[x-z]", 1)?, "dpkg: no path found matching pattern /usr/share/one/[x-z]\n");
    let status = told("-s one two", 0)?;
    assert!(status.contains("Description: synthetic package\n\nPackage: two\n"), "{status}");
    assert!(told("-L one two", 0)?.contains("/etc/one\n\n/.\n"));
    let avail = told("-p one", 1)?;
    assert_eq!(avail, "dpkg: package 'one' is not available\n");
    std::fs::write(
        system.target.join("var/lib/dpkg/available"),
        "Package: one\nVersion: 2\nArchitecture: all\n\nPackage: three\nVersion: 3\nArchitecture: all\n",
    )?;
    assert_eq!(told("-p three", 0)?, "Package: three\nVersion: 3\nArchitecture: all\n");
    assert_eq!(told("--verify one two", 0)?, "");
    std::fs::write(system.target.join("usr/share/one/a"), "2")?;
    std::fs::write(system.target.join("etc/one"), "2")?;
    std::fs::remove_file(system.target.join("usr/share/one/b"))?;
    assert_eq!(
        told("-V one two", 0)?,
        "??5??????   /usr/share/one/a\nmissing     /usr/share/one/b\n??5?????? c /etc/one\n"
    );
    assert_eq!(told("-V none", 1)?, "dpkg: package 'none' is not installed\n");
    assert!(told("--verify-format xml -V", 2)?.contains("unknown verify output format 'xml'"));
    for (thing, good, bad) in [
        ("pkgname", "a+b", "-a"),
        ("archname", "any-linux", "a_b"),
        ("trigname", "/a//b", "\u{e9}"),
    ] {
        assert_eq!(told(&format!("--validate-{thing} {good}"), 0)?, "");
        assert!(told(&format!("--validate-{thing} -- {bad}"), 2)?.contains("is invalid"));
    }
    assert_eq!(told("--validate-version 1:2-3", 0)?, "");
    assert_eq!(
        told("--validate-version v1", 1)?,
        "dpkg: warning: version 'v1' has bad syntax: version number does not start with digit\n"
    );
    let help = told("--help", 0)?;
    for option in ["--path-exclude", "--path-include", "--no-act", "--verify", "--force-<thing>"] {
        assert!(help.contains(option), "{option}");
    }
});

scenario!(
    /// Architectures that nobody knows are taken by name; archives for them with --force-architecture.
    architectures_of_any_name, CONFIGURE, {
    let system = System::new()?;
    let odd = Package::new("odd", "1.0-1", "vax").file("usr/share/odd/a", "1", 0o644);
    let odd = system.file("odd", &noting(odd))?;
    let told = said(&system.dpkg("-i", &[&odd])?, 1);
    assert!(told.contains("package architecture (vax) does not match system"), "{told}");
    let told = said(&system.dpkg("--force-architecture -i", &[&odd])?, 0);
    assert!(told.contains("overriding problem because --force enabled"), "{told}");
    assert_eq!(system.state("odd"), "install ok installed");
    system.dpkg("-P odd:vax", &[])?.succeeded();
    system.dpkg("--add-architecture vax", &[])?.succeeded();
    assert!(said(&system.dpkg("--print-foreign-architectures", &[])?, 0).contains("vax\n"));
    system.dpkg("-i", &[&odd])?.succeeded();
    let told = said(&system.dpkg("--remove-architecture vax", &[])?, 2);
    assert!(told.contains("currently in use"), "{told}");
    for (name, problem) in [("any", "reserved"), ("a_b", "illegal")] {
        let told = said(&system.dpkg(&format!("--add-architecture {name}"), &[])?, 2);
        assert!(told.contains(problem), "{told}");
    }
});

scenario!(
    /// --unpack alone processes the triggers that a pre-dependency awaits.
    triggers_of_a_pre_dependency, CONFIGURE, {
    let system = System::new()?;
    let watching =
        noting(package("watching")?).control_file("triggers", b"interest /usr/share/watched\n", 0o644);
    let watching = system.file("watching", &watching)?;
    let watched = system.file("watched", &package("watched")?.file("usr/share/watched/a", "1", 0o644))?;
    let needing = system.file("needing", &package("needing")?.field("Pre-Depends", "watched"))?;
    for mode in ["", "--force-script-chrootless"] {
        system.dpkg(&format!("{mode} -i"), &[&watching])?.succeeded();
        system.dpkg(&format!("{mode} --no-triggers -i"), &[&watched])?.succeeded();
        assert_eq!(system.state("watched"), "install ok triggers-awaited");
        let told = said(&system.dpkg(&format!("{mode} --no-triggers --unpack"), &[&needing])?, 0);
        assert!(told.contains("Processing triggers for watching (1.0-1) ..."), "{told}");
        assert_eq!(system.state("watched"), "install ok installed");
        assert_eq!(system.state("needing"), "install ok unpacked");
        assert!(system.read("var/lib/seen").contains("watching 1.0-1 postinst: triggered /usr/share/watched\n"));
        system.dpkg(&format!("{mode} -P needing watched watching"), &[])?.succeeded();
        std::fs::remove_file(system.target.join("var/lib/seen"))?;
    }
});

scenario!(
    /// A database elsewhere than below the root, fields that are missing or not UTF-8, and the list of available packages.
    databases_elsewhere_and_odd_fields, CONFIGURE, {
    let system = System::new()?;
    let admin = system.archive.work.path("db");
    std::fs::create_dir(&admin)?;
    std::fs::set_permissions(&admin, std::fs::Permissions::from_mode(0o777))?;
    let elsewhere = format!("--instdir={} --admindir={}", system.target.display(), admin.display());
    let own = system.file("own", &plain("own").file("own", "1", 0o644))?;
    system.dpkg(&format!("{elsewhere} -i"), &[&own])?.succeeded();
    assert_eq!(system.read("own"), "1");
    assert_eq!(system.state("own"), "absent");
    assert_eq!(std::fs::read_to_string(admin.join("info/own.list"))?, "/.\n/own\n");
    assert!(std::fs::read_to_string(admin.join("status"))?.contains("Status: install ok installed\n"));
    let told = said(&system.dpkg(&format!("--admindir={} -l own", admin.display()), &[])?, 0);
    let last = told.lines().last().unwrap_or_default();
    let columns: Vec<&str> = last.split_whitespace().collect();
    assert_eq!(columns, ["ii", "own", "1.0-1", "all", "synthetic", "package"], "{told}");
    system.dpkg(&format!("{elsewhere} -P own"), &[])?.succeeded();
    assert!(!system.target.join("own").exists());

    let mut bare = plain("bare");
    bare.control_override = Some("Package: bare\nVersion: 1\nMaintainer: x\nDepends: dpkg (> 1)\n".to_owned());
    let bare = system.file("bare", &bare)?;
    let told = said(&system.dpkg("--force-depends -i", &[&bare])?, 1);
    let control = system.target.join("var/lib/dpkg/tmp.ci/control");
    for (line, doubt) in [
        (4, "'Depends' field, reference to 'dpkg':\n '>' is obsolete, use '>=' or '>>' instead"),
        (5, "missing 'Description' field"),
        (5, "missing 'Architecture' field"),
    ] {
        let near = format!("'{}' near line {line} package 'bare':\n {doubt}\n", control.display());
        assert!(told.contains(&format!("dpkg: warning: parsing file {near}")), "{told}");
    }
    assert!(told.contains("package architecture () does not match system ("), "{told}");
    system.dpkg("--force-depends --force-architecture -i", &[&bare])?.succeeded();
    assert_eq!(system.state("bare"), "install ok installed");
    let told = said(&system.dpkg("--print-architecture", &[])?, 0);
    assert!(told.contains("var/lib/dpkg/status' near line") && told.contains("missing 'Architecture'"), "{told}");
    system.dpkg("-P bare", &[])?.succeeded();

    let available = system.archive.work.path("Packages");
    let latin = b"Package: latin\nVersion: 1\nArchitecture: all\nMaintainer: Andr\xe9\nDescription: caf\xe9\nSize: 3\n";
    std::fs::write(&available, latin)?;
    let told = said(&system.dpkg("--merge-avail", &[&available.clone().into()])?, 0);
    assert!(told.contains("Information about 1 package was updated.\n"), "{told}");
    let shown = system.dpkg("-p latin", &[])?.stdout;
    let expected = b"Package: latin\nMaintainer: Andr\xe9\nArchitecture: all\nVersion: 1\nSize: 3\nDescription: caf\xe9\n";
    assert_eq!(shown, expected);
    let told = said(&system.dpkg("--record-avail", &[&own])?, 0);
    assert!(told.contains("Recorded info about own from "), "{told}");
    let told = said(&system.dpkg("-p own", &[])?, 0);
    assert!(told.contains("Size: "), "{told}");
    system.dpkg("--clear-avail", &[])?.succeeded();
    assert_eq!(system.read("var/lib/dpkg/available"), "");
});
