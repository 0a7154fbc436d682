//! dpkg's command line with `--force-script-chrootless`: scripts see the target at `DPKG_ROOT`.

use rootless_install_tests::deb::directory;
use rootless_install_tests::disk::{differences, entries, records};
use rootless_install_tests::in_place::{System, noting, said};
use rootless_install_tests::machine::Lack;
use rootless_install_tests::real::assert_installed;
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::package;

const INSTALL: &str = "--force-script-chrootless --install";

scenario!(
    /// dpkg --force-script-chrootless: variables, owners, nothing written elsewhere.
    scripts_see_dpkg_root, CONFIGURE, {
    let system = System::new()?;
    let script = "#!/bin/sh\nset -ex\n\
        [ \"$DPKG_ROOT\" = /target ]; [ \"$DPKG_ADMINDIR\" = /target/var/lib/dpkg ]\n\
        case ,$DPKG_FORCE, in *,script-chrootless,*) ;; *) exit 1;; esac\n\
        [ ! -e /var/lib/elsewhere ]; echo x >/var/lib/elsewhere; echo y >/etc/debian_version\n\
        cd \"$DPKG_ROOT/var/lib\"; rm -f own null link; echo x >own; chown 33:42 own; chmod 6750 own\n\
        mknod null c 1 3; ln -s own link; chown -h 33:33 link\n";
    let shipped = package("shipped")?
        .file("usr/share/shipped/set-id", "1", 0o4755)
        .script("preinst", "#!/bin/sh\nset -e\n: >\"$DPKG_ROOT/var/lib/first\"\n")
        .script("postinst", script);
    let shipped = system.file("shipped", &shipped)?;
    let (home, traces) = (system.archive.work.names("home")?, system.archive.work.traces());
    let told = said(&system.dpkg(INSTALL, &[&shipped])?, 0);
    assert!(told.contains("Setting up shipped (1.0-1) ..."), "{told}");
    system.archive.work.clean(&traces, &["target"]);
    assert_eq!(system.archive.work.names("home")?, home);
    assert_eq!(system.state("shipped"), "install ok installed");
    assert!(system.target.join("var/lib/first").is_file());
    assert!(!system.target.join("var/lib/elsewhere").exists());
    let records = records(&system.target)?;
    for (name, record) in [
        ("usr/share/shipped/set-id", "0:0:04755"),
        ("var/lib/own", "33:42:06750"),
        ("var/lib/null", "0:0:0644:char-1-3"),
        ("var/lib/link", "33:33:0777:symlink"),
    ] {
        let found = records.get(name).map(String::as_str);
        assert!(
            found.is_some_and(|found| found.starts_with(record)),
            "{name}: {found:?}"
        );
    }
    // What a script wrote elsewhere is gone: the same succeeds again.
    system
        .dpkg("--force-script-chrootless --purge shipped", &[])?
        .succeeded();
    system.dpkg(INSTALL, &[&shipped])?.succeeded();
});

scenario!(
    /// Not-installed and half-configured after failures, then dpkg --configure -a.
    failures_leave_the_states_of_dpkg, CONFIGURE, {
    let system = System::new()?;
    let bad = system.file("bad", &noting(package("bad")?))?;
    let needing = system.file("needing", &noting(package("needing")?.field("Depends", "bad")))?;
    let fail = |script: &str| system.target.join(format!("var/lib/fail-{script}"));
    std::fs::write(fail("preinst"), "")?;
    let told = said(&system.dpkg(INSTALL, &[&bad])?, 1);
    assert!(told.contains("new bad package pre-installation script"), "{told}");
    assert_eq!(system.state("bad"), "install ok not-installed");
    std::fs::rename(fail("preinst"), fail("postinst"))?;
    let told = said(&system.dpkg(INSTALL, &[&bad, &needing])?, 1);
    assert!(
        told.contains(
            "installed bad package post-installation script subprocess returned error exit status 1"
        ),
        "{told}"
    );
    assert_eq!(system.state("bad"), "install ok half-configured");
    assert_eq!(system.state("needing"), "install ok unpacked");
    std::fs::remove_file(fail("postinst"))?;
    system
        .dpkg("--force-script-chrootless --configure -a", &[])?
        .succeeded();
    assert!(assert_installed(&system.target) > 2);
});

scenario!(
    /// The same files and database with --force-script-chrootless as without.
    the_same_as_in_the_view, CONFIGURE, {
    let system = System::new()?;
    let other = system.archive.work.out("other");
    let run = system.archive.install("", "other");
    run.end()?.succeeded();
    let watching = noting(package("watching")?)
        .control_file("triggers", b"interest-noawait /usr/share/watched\n", 0o644)
        .file("usr/bin/tool", "#!/bin/sh\n", 0o755);
    let watched = noting(package("watched")?.field("Depends", "watching"))
        .file("usr/share/watched/a", "1", 0o2644)
        .file("etc/watched.conf", "1", 0o640)
        .control_file("conffiles", b"/etc/watched.conf\n", 0o644);
    let files = [
        &system.file("watched", &watched)?,
        &system.file("watching", &watching)?,
    ];
    system.dpkg("--install", &files)?.succeeded();
    system.dpkg_on(&other, INSTALL, &files)?.succeeded();
    let ours = |name: &str| name.starts_with("var/cache/apt") || name.starts_with("var/lib/apt");
    let found = differences(&entries(&system.target)?, &entries(&other)?, ours);
    assert!(found.is_empty(), "{found:#?}");
    system.dpkg("--remove watched", &[])?.succeeded();
    system
        .dpkg_on(&other, "--force-script-chrootless --remove watched", &[])?
        .succeeded();
    let found = differences(&entries(&system.target)?, &entries(&other)?, ours);
    assert!(found.is_empty(), "{found:#?}");
});

scenario!(
    /// An empty directory, and directories of an ordinary user's tar.
    into_a_directory_without_a_package, CONFIGURE, {
    let system = System::new()?;
    let target = system.archive.work.make_dir("out/empty")?;
    // As an ordinary user's tar leaves what it has unpacked: nothing says whose it is.
    for name in ["out/empty/var", "out/empty/var/local"] {
        system.archive.work.make_dir(name)?;
    }
    // Scripts run before there is /usr, and after.
    let first = package("first")?.script(
        "preinst",
        "#!/bin/sh\nset -e\n[ ! -e \"$DPKG_ROOT/usr/share\" ]\n",
    );
    let mut local = directory("./var/local/", 0o2775);
    local.owner = (0, 50);
    let second = package("second")?
        .file("usr/share/second/a", "1", 0o644)
        .entry(local);
    let script = "#!/bin/sh\nset -e\n[ \"$(cat \"$DPKG_ROOT/usr/share/second/a\")\" = 1 ]\n\
        [ \"$(stat -c %u:%g:%a \"$DPKG_ROOT/var/local\")\" = 0:50:2775 ]\n";
    let third = package("third")?.script("preinst", script);
    let files = [
        &system.file("first", &first)?,
        &system.file("second", &second)?,
        &system.file("third", &third)?,
    ];
    let words = "--force-script-chrootless --unpack";
    system.dpkg_on(&target, words, &files)?.succeeded();
    system
        .dpkg_on(&target, "--force-script-chrootless --configure -a", &[])?
        .succeeded();
    assert_eq!(assert_installed(&target), 3);
    // What is there when there are packages is theirs, or root's.
    let mut local = directory("./var/local/", 0o755);
    local.owner = (7, 7);
    let fourth = system.file("fourth", &package("fourth")?.entry(local))?;
    system.dpkg_on(&target, INSTALL, &[&fourth])?.succeeded();
    let record = records(&target)?.get("var/local").cloned();
    assert!(
        record
            .as_deref()
            .is_some_and(|record| record.starts_with("0:50:02775")),
        "{record:?}"
    );
});

scenario!(
    /// dpkg --force-script-chrootless without user namespaces and FUSE: owners are recorded.
    on_a_machine_without_namespaces, ROOT, {
    let system = System::new()?;
    let script = "#!/bin/sh\nset -e\n[ -n \"$DPKG_ROOT\" ]\necho x >\"$DPKG_ROOT/var/lib/own\"\n\
        chown 33:42 \"$DPKG_ROOT/var/lib/own\"\n";
    let some = package("some")?
        .file("usr/share/some/a", "1", 0o4755)
        .script("postinst", script);
    let some = system.file("some", &some)?;
    let traces = system.archive.work.traces();
    let run = system.call(&system.target, INSTALL, &[&some]);
    let told = said(&run.without(Lack::UserNamespacesAndFuse).end()?, 0);
    assert!(told.contains("dpkg: warning: "), "{told}");
    system.archive.work.clean(&traces, &["target"]);
    assert_eq!(system.state("some"), "install ok installed");
    let records = records(&system.target)?;
    assert!(
        records
            .get("var/lib/own")
            .is_some_and(|record| record.starts_with("33:42:0644"))
    );
    assert!(
        records
            .get("usr/share/some/a")
            .is_some_and(|record| record.starts_with("0:0:04755"))
    );
});
