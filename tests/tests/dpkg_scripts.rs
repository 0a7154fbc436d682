//! Maintainer scripts that are programs, and those of a database elsewhere than in the root, wherever scripts run.

use rootless_install_tests::Result;
use rootless_install_tests::deb::Package;
use rootless_install_tests::disk::records;
use rootless_install_tests::elf::{Machine, foreign, native, stub};
use rootless_install_tests::in_place::{System, noting, said};
use rootless_install_tests::machine::Lack;
use rootless_install_tests::program::Outcome;
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, package, read};
use std::ffi::OsString;

const CHROOTLESS: &str = "--force-script-chrootless";

// A package whose preinst and prerm are programs: the first succeeds, the second fails, so that it shows that it ran.
fn programs(version: &str, machine: Machine, [preinst, prerm]: [&[u8]; 2]) -> Package {
    let mut package = Package::new("programs", version, machine.debian);
    for (name, program) in [("preinst", preinst), ("prerm", prerm)] {
        package
            .control_files
            .push((name.to_owned(), program.to_vec(), 0o755));
    }
    package.file("usr/share/programs/a", "1", 0o644)
}

fn of_this_machine(version: &str, machine: Machine) -> Result<Package> {
    let [succeeds, fails] = ["/usr/bin/true", "/usr/bin/false"].map(std::fs::read);
    let at = |error: std::io::Error| rootless_install_tests::Error::Machine(error.to_string());
    Ok(programs(
        version,
        machine,
        [&succeeds.map_err(at)?, &fails.map_err(at)?],
    ))
}

fn of_another(version: &str) -> Package {
    programs(
        version,
        foreign(),
        [&stub(foreign(), "preinst"), &stub(foreign(), "prerm")],
    )
}

// Installs, fails to remove, and is refused another version; `call` is a call of dpkg with these words and files.
fn native_scripts_run(system: &System, call: &dyn Fn(&str, &[&OsString]) -> Result<Outcome>) -> Result<()> {
    let same = system.file("same", &of_another("1.0-1+b1"))?;
    let _ = said(&call("-i", &[&same])?, 0);
    assert_eq!(system.state("programs"), "install ok installed");
    let told = said(&call("-r programs", &[])?, 1);
    let failure = "installed programs package pre-removal script subprocess returned error exit status 1";
    assert!(told.contains(failure), "{told}");
    // The new package's prerm is asked when the old one fails (Policy 6.6): it is another version's.
    let other = system.file("other", &of_another("2.0-1"))?;
    let told = said(&call("-i", &[&other])?, 1);
    for words in ["there is version 1.0-1 of the package, not 2.0-1", "tmp.ci/prerm"] {
        assert!(told.contains(words), "no {words} in {told}");
    }
    Ok(())
}

scenario!(
    /// Scripts that are programs, outside of the target: the native package's run, if they are of the same version.
    programs_run_outside_of_the_target, CONFIGURE, {
    let Some(machine) = native() else { return Ok(()) };
    let system = System::with(&[of_this_machine("1.0-1", machine)?])?;
    native_scripts_run(&system, &|words, files| system.dpkg(&format!("{CHROOTLESS} {words}"), files))?;
    // One whose native counterpart has another form, and one that this machine's architecture does not have.
    let mut alone = of_another("1.0-1");
    alone.name = "alone".to_owned();
    let alone = system.file("alone", &alone)?;
    for mode in ["", CHROOTLESS] {
        let told = said(&system.dpkg(&format!("{mode} -i"), &[&alone])?, 1);
        assert!(told.contains("package alone does not exist for"), "{mode}: {told}");
        assert_eq!(system.state("alone"), "install ok not-installed", "{mode}");
    }
});

scenario!(
    /// The same on the machine itself.
    programs_run_without_namespaces, ROOT, {
    let Some(machine) = native() else { return Ok(()) };
    for lack in [Lack::UserNamespaces, Lack::UserNamespacesAndFuse] {
        let system = System::with(&[of_this_machine("1.0-1", machine)?])?;
        native_scripts_run(&system, &|words, files| {
            let run = system.call(&system.target, &format!("{CHROOTLESS} {words}"), files);
            run.without(lack.clone()).end()
        })?;
    }
});

scenario!(
    /// A whole root filesystem with a package whose scripts are programs, in both modes.
    programs_run_in_an_installation, CONFIGURE, {
    let Some(machine) = native() else { return Ok(()) };
    let packages = [of_another("1.0-1"), of_this_machine("1.0-1", machine)?];
    let archive = Synthetic::with(&packages)?;
    for mode in ["--mode=redirect", "--mode=chrootless"] {
        archive.install("programs", mode).option(mode).end()?.succeeded();
        let status = read(&archive.work.out(mode), "var/lib/dpkg/status");
        assert!(status.contains("Package: programs\nStatus: install ok installed\n"), "{mode}");
    }
});

// A script that uses dpkg's database as `DPKG_ADMINDIR` says.
fn asking(name: &str) -> Result<Package> {
    let script = "#!/bin/sh\nset -e\n[ -f \"$DPKG_ADMINDIR/info/asking.list\" ]\n\
        dpkg-query -W -f '${Package} ${Status}\\n' asking >>\"$DPKG_ROOT/var/lib/asked\"\n\
        dpkg-divert --package asking --no-rename --add --divert /usr/bin/thing.real /usr/bin/thing\n\
        dpkg-trigger --no-await asked\n\
        echo own >\"$DPKG_ADMINDIR/own\"; chown 33:42 \"$DPKG_ADMINDIR/own\"; chmod 2750 \"$DPKG_ADMINDIR/own\"\n\
        [ \"$(stat -c %u:%g:%a \"$DPKG_ADMINDIR/own\")\" = 33:42:2750 ]; rm \"$DPKG_ADMINDIR/own\"\n\
        : >\"$DPKG_ROOT/usr/share/by-script\"\n";
    Ok(package(name)?
        .script("postinst", script)
        .file("usr/share/asking/a", "1", 0o644))
}

scenario!(
    /// `--admindir`, below the root and outside of it: scripts run, and find the database where `DPKG_ADMINDIR` says.
    scripts_of_a_database_elsewhere, CONFIGURE, {
    let Some(machine) = native() else { return Ok(()) };
    let system = System::with(&[of_this_machine("1.0-1", machine)?])?;
    let asking = system.file("asking", &asking("asking")?)?;
    let watching = noting(package("watching")?).control_file("triggers", b"interest-noawait asked\n", 0o644);
    let watching = system.file("watching", &watching)?;
    let program = system.file("program", &of_another("1.0-1"))?;
    for place in ["out/target/usr/lib/sysimage", "db"] {
        for mode in ["", CHROOTLESS] {
            let admin = &system.archive.work.make_dir(place)?;
            let dpkg = |words: &str, files: &[&OsString]| {
                system.dpkg(&format!("--admindir={} {mode} {words}", admin.display()), files)
            };
            let case = format!("{} {mode}", admin.display());
            let _ = said(&dpkg("--force-depends -i", &[&watching])?, 0);
            let told = said(&dpkg("--force-depends -i", &[&asking])?, 0);
            assert!(told.contains("Processing triggers for watching"), "{case}: {told}");
            assert_eq!(system.read("var/lib/asked"), "asking install ok half-configured\n", "{case}");
            let diversions = std::fs::read_to_string(admin.join("diversions"))?;
            assert!(diversions.contains("/usr/bin/thing.real\nasking\n"), "{case}: {diversions}");
            assert!(!system.read("var/lib/dpkg/status").contains("asking"), "{case}");
            let seen = system.read("var/lib/seen");
            assert!(seen.contains("watching 1.0-1 postinst: triggered asked\n"), "{case}: {seen}");
            // A script that is a program.
            let _ = said(&dpkg("--force-depends -i", &[&program])?, 0);
            let told = said(&dpkg("-r programs", &[])?, 1);
            assert!(told.contains("pre-removal script subprocess returned error exit status 1"), "{case}: {told}");
            let _ = said(&dpkg("-P asking watching", &[])?, 0);
            assert!(!system.target.join("usr/share/asking").exists(), "{case}");
            for name in ["var/lib/asked", "var/lib/seen", "usr/share/by-script"] {
                std::fs::remove_file(system.target.join(name))?;
            }
            std::fs::remove_dir_all(admin)?;
        }
    }
});

scenario!(
    /// The same without namespaces, with FUSE and without.
    a_database_elsewhere_without_namespaces, ROOT, {
    for lack in [Lack::UserNamespaces, Lack::UserNamespacesAndFuse] {
        let system = System::new()?;
        let admin = system.archive.work.make_dir("db")?;
        let script = "#!/bin/sh\nset -e\n[ $1 = configure ] || exit 0\n[ -f \"$DPKG_ADMINDIR/info/some.list\" ]\n\
            dpkg-trigger --no-await asked\n\
            echo own >\"$DPKG_ADMINDIR/own\"; chown 33:42 \"$DPKG_ADMINDIR/own\"\n: >\"$DPKG_ROOT/var/lib/there\"\n";
        let some = package("some")?
            .script("postinst", script)
            .control_file("triggers", b"interest-noawait asked\n", 0o644);
        let some = system.file("some", &some)?;
        let traces = system.archive.work.traces();
        let words = format!("--admindir={} {CHROOTLESS} --force-depends -i", admin.display());
        let run = system.call(&system.target, &words, &[&some]);
        let _ = said(&run.without(lack.clone()).end()?, 0);
        system.archive.work.clean(&traces, &["target"]);
        assert!(system.target.join("var/lib/there").exists(), "{lack:?}");
        assert!(std::fs::read_to_string(admin.join("status"))?.contains("Status: install ok installed\n"));
        let records = records(&admin)?;
        let record = records.get("own").map(String::as_str);
        assert!(record.is_some_and(|record| record.starts_with("33:42:")), "{lack:?}: {record:?}");
    }
});
