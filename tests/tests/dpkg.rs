//! dpkg's command line on a root filesystem that exists: `rootless-install dpkg`.

use std::ffi::OsString;

use rootless_install_tests::deb::Package;
use rootless_install_tests::in_place::{System, noting, said};
use rootless_install_tests::synthetic::package;
use rootless_install_tests::{Result, scenario};

scenario!(
    /// dpkg --install, what it says, and its status descriptor.
    packages_are_installed_in_place, CONFIGURE, {
    let system = System::new()?;
    let first = system.file(
        "first",
        &noting(package("first")?.file("usr/share/first/a", "1", 0o644)),
    )?;
    let second = system.file("second", &noting(package("second")?.field("Depends", "first")))?;
    let done = system.dpkg("--status-fd 2 --install", &[&second, &first])?;
    let told = said(&done, 0);
    for line in [
        "Selecting previously unselected package first.",
        "files and directories currently installed.)",
        "Unpacking first (1.0-1) ...",
        "Setting up second (1.0-1) ...",
        "processing: install: first",
        "status: first: half-installed",
        "status: first: unpacked",
        "processing: configure: second",
        "status: second: installed",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert_eq!(
        system.read("var/lib/seen"),
        "second 1.0-1 preinst: install\nfirst 1.0-1 preinst: install\n\
         first 1.0-1 postinst: configure \nsecond 1.0-1 postinst: configure \n"
    );
    assert_eq!(system.state("first"), "install ok installed");
    assert_eq!(
        system.read("var/lib/dpkg/info/first.list"),
        "/.\n/usr\n/usr/share\n/usr/share/first\n/usr/share/first/a\n"
    );
});

scenario!(
    /// dpkg --unpack and --configure with triggers, as apt calls them.
    unpacked_first_and_configured_later, CONFIGURE, {
    let system = System::new()?;
    let watching =
        noting(package("watching")?).control_file("triggers", b"interest /usr/share/watched\n", 0o644);
    let watching = system.file("watching", &watching)?;
    let watched = system.file(
        "watched",
        &noting(package("watched")?.file("usr/share/watched/a", "1", 0o644)),
    )?;
    system.dpkg("-i", &[&watching])?.succeeded();
    system.dpkg("--no-triggers --unpack", &[&watched])?.succeeded();
    assert_eq!(system.state("watched"), "install ok unpacked");
    assert_eq!(system.state("watching"), "install ok triggers-pending");
    system.dpkg("--no-triggers --configure watched", &[])?.succeeded();
    assert_eq!(system.state("watched"), "install ok triggers-awaited");
    let told = said(&system.dpkg("--configure --pending", &[])?, 0);
    assert!(
        told.contains("Processing triggers for watching (1.0-1) ..."),
        "{told}"
    );
    assert_eq!(system.state("watched"), "install ok installed");
    assert_eq!(system.state("watching"), "install ok installed");
    assert!(
        system
            .read("var/lib/seen")
            .ends_with("watching 1.0-1 postinst: triggered /usr/share/watched\n")
    );
});

scenario!(
    /// Scripts, old files and conffiles of an upgrade.
    an_upgrade_with_conffiles, CONFIGURE, {
    let system = System::new()?;
    let old = package("some")?
        .file("etc/some/kept", "1", 0o644)
        .file("etc/some/edited", "1", 0o644)
        .file("etc/some/gone", "1", 0o644)
        .file("usr/share/some/old/file", "1", 0o644)
        .file("usr/share/some/file", "1", 0o644)
        .control_file(
            "conffiles",
            b"/etc/some/kept\n/etc/some/edited\n/etc/some/gone\n",
            0o644,
        );
    let mut new = package("some")?
        .file("etc/some/kept", "2", 0o644)
        .file("etc/some/edited", "2", 0o644)
        .file("usr/share/some/file", "2", 0o644)
        .control_file("conffiles", b"/etc/some/kept\n/etc/some/edited\n", 0o644);
    new.version = "2.0-1".to_owned();
    let (old, new) = (
        system.file("old", &noting(old))?,
        system.file("new", &noting(new))?,
    );
    system.dpkg("-i", &[&old])?.succeeded();
    std::fs::write(system.target.join("etc/some/edited"), "mine")?;
    let told = said(&system.dpkg("--force-confold -i", &[&new])?, 0);
    assert!(told.contains("Unpacking some (2.0-1) over (1.0-1) ..."), "{told}");
    assert!(
        told.contains("Installing new version of config file /etc/some/kept ..."),
        "{told}"
    );
    let seen = system.read("var/lib/seen");
    let upgrade: Vec<&str> = seen.lines().skip(2).collect();
    assert_eq!(
        upgrade,
        [
            "some 1.0-1 prerm: upgrade 2.0-1",
            "some 2.0-1 preinst: upgrade 1.0-1 2.0-1",
            "some 1.0-1 postrm: upgrade 2.0-1",
            "some 2.0-1 postinst: configure 1.0-1",
        ]
    );
    assert_eq!(system.read("etc/some/kept"), "2");
    assert_eq!(system.read("etc/some/edited"), "mine");
    assert_eq!(system.read("etc/some/edited.dpkg-dist"), "2");
    assert_eq!(system.read("etc/some/gone"), "1");
    assert_eq!(system.read("usr/share/some/file"), "2");
    assert!(!system.target.join("usr/share/some/old").exists());
    assert!(
        system
            .read("var/lib/dpkg/status")
            .contains(" /etc/some/gone c4ca4238a0b923820dcc509a6f75849b obsolete\n")
    );
    let told = said(&system.dpkg("-G -i", &[&old])?, 0);
    assert!(
        told.contains("will not downgrade some from 2.0-1 to 1.0-1, skipping"),
        "{told}"
    );
});

scenario!(
    /// Half-configured after a failure, then dpkg --configure -a.
    a_failure_is_mended_by_another_call, CONFIGURE, {
    let system = System::new()?;
    let bad = system.file("bad", &noting(package("bad")?))?;
    let good = system.file("good", &noting(package("good")?))?;
    let needing = system.file("needing", &noting(package("needing")?.field("Depends", "bad")))?;
    let fail = system.target.join("var/lib/fail-postinst");
    system.dpkg("-i", &[&good])?.succeeded();
    std::fs::write(&fail, "")?;
    let done = system.dpkg("--status-fd 2 -i", &[&bad, &needing])?;
    let told = said(&done, 1);
    assert!(
        told.contains("dpkg: error processing package bad (--install):"),
        "{told}"
    );
    assert!(
        told.contains(
            "installed bad package post-installation script subprocess returned error exit status 1"
        ),
        "{told}"
    );
    assert!(
        told.contains(" needing depends on bad; however:\n  Package bad is not configured yet."),
        "{told}"
    );
    assert!(
        told.contains("status: needing : error : dependency problems - leaving unconfigured"),
        "{told}"
    );
    assert!(
        told.contains("Errors were encountered while processing:\n bad\n needing\n"),
        "{told}"
    );
    assert_eq!(system.state("bad"), "install ok half-configured");
    assert_eq!(system.state("needing"), "install ok unpacked");
    std::fs::remove_file(&fail)?;
    system.dpkg("--configure -a", &[])?.succeeded();
    assert_eq!(system.state("bad"), "install ok installed");
    assert_eq!(system.state("needing"), "install ok installed");
});

scenario!(
    /// A path of another package, a damaged archive, another architecture.
    what_cannot_be_unpacked_leaves_nothing, CONFIGURE, {
    let system = System::new()?;
    let first = system.file(
        "first",
        &noting(
            package("first")?
                .file("usr/share/a", "first", 0o644)
                .file("usr/share/own", "first", 0o644),
        ),
    )?;
    let second = package("second")?
        .file("usr/share/b", "second", 0o644)
        .file("usr/share/a", "second", 0o644);
    let second = system.file("second", &noting(second))?;
    system.dpkg("-i", &[&first])?.succeeded();
    let before = system.read("var/lib/dpkg/info/first.list");
    let told = said(&system.dpkg("-i", &[&second])?, 1);
    assert!(
        told.contains("trying to overwrite '/usr/share/a', which is also in package first (1.0-1)"),
        "{told}"
    );
    assert!(!system.target.join("usr/share/b").exists());
    assert_eq!(system.read("usr/share/a"), "first");
    assert_eq!(system.state("second"), "install ok not-installed");
    assert!(
        system
            .read("var/lib/seen")
            .ends_with("second 1.0-1 postrm: abort-install\n")
    );
    system.dpkg("--force-overwrite -i", &[&second])?.succeeded();
    assert_eq!(system.read("usr/share/a"), "second");
    assert_ne!(system.read("var/lib/dpkg/info/first.list"), before);
    let mut bytes = package("third")?
        .file("usr/share/c", vec![7; 90_000], 0o644)
        .build()?
        .to_vec();
    let end = bytes.len() - 30;
    bytes.truncate(end);
    let third: OsString = system.archive.work.write("home/third.deb", &bytes)?.into();
    assert!(said(&system.dpkg("-i", &[&third])?, 1).contains("third.deb"));
    assert!(!system.target.join("usr/share/c").exists());
    let other = system.file(
        "other",
        &Package::new("other", "1", system.archive.native().debian),
    )?;
    let told = said(&system.dpkg("-i", &[&other])?, 1);
    assert!(told.contains("does not match system"), "{told}");
});

scenario!(
    /// dpkg --remove and --purge.
    packages_are_removed_and_purged, CONFIGURE, {
    let system = System::new()?;
    let some = package("some")?
        .file("etc/some.conf", "1", 0o644)
        .file("usr/share/some/a", "1", 0o644)
        .control_file("conffiles", b"/etc/some.conf\n", 0o644);
    let some = system.file("some", &noting(some))?;
    let needing = system.file("needing", &package("needing")?.field("Depends", "some"))?;
    system.dpkg("-i", &[&some, &needing])?.succeeded();
    let told = said(&system.dpkg("--remove some", &[])?, 1);
    assert!(told.contains("dependency problems - not removing"), "{told}");
    let told = said(&system.dpkg("--remove some needing", &[])?, 0);
    assert!(told.contains("Removing some (1.0-1) ..."), "{told}");
    assert_eq!(system.state("some"), "deinstall ok config-files");
    assert_eq!(system.state("needing"), "absent");
    assert!(!system.target.join("usr/share/some").exists());
    assert_eq!(system.read("etc/some.conf"), "1");
    system.dpkg("--purge some", &[])?.succeeded();
    assert_eq!(system.state("some"), "absent");
    assert!(!system.target.join("etc/some.conf").exists());
    let told = said(&system.dpkg("--remove dash", &[])?, 1);
    assert!(told.contains("essential package"), "{told}");
});

scenario!(
    /// Architectures, selections, lists and wrong command lines.
    questions_are_answered, CONFIGURE, {
    let system = System::new()?;
    let own = system.archive.foreign().debian;
    let told = |words: &str| -> Result<String> { Ok(said(&system.dpkg(words, &[])?, 0)) };
    assert!(told("--print-architecture")?.contains(own));
    told("--add-architecture s390x")?;
    assert!(told("--print-foreign-architectures")?.contains("s390x"));
    told("--remove-architecture s390x")?;
    assert!(!told("--print-foreign-architectures")?.contains("s390x"));
    told("--assert-multi-arch")?;
    assert!(told("--get-selections")?.contains("dash\t\t\t\t\t\tinstall"));
    assert!(told("-s dash")?.contains("Package: dash\n"));
    assert!(told("-L dash")?.contains("/usr/bin/dash\n"));
    told("--audit")?;
    let wrong = said(&system.dpkg("--nonsense", &[])?, 2);
    assert!(
        wrong.starts_with(
            "dpkg: error: unknown option --nonsense
"
        ),
        "{wrong}"
    );
    assert!(told("--version")?.starts_with("Debian 'dpkg' package management program version "));
    assert!(told("--robot --version")?.starts_with("1."));
});
