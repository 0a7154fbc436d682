//! Paths that several packages have, and packages that change, as dpkg deals with them.

use rootless_install_tests::in_place::{System, said};
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, package, read};

scenario!(
    /// A directory of one package and a link to a directory of another at the same path are no conflict; a file takes
    /// the place of a directory that is nobody else's.
    links_directories_and_files, CONFIGURE, {
    let system = System::new()?;
    let tree = system.file("tree", &package("tree")?.dir("usr/real").link("usr/way", "real"))?;
    system.dpkg("-i", &[&tree])?.succeeded();
    let through = package("through")?.dir("usr/way").file("usr/way/a", "1", 0o644);
    let through = system.file("through", &through)?;
    system.dpkg("-i", &[&through])?.succeeded();
    assert_eq!(system.read("usr/real/a"), "1");
    let again = system.file("again", &package("again")?.link("usr/way", "real").link("usr/real", "elsewhere"))?;
    system.dpkg("-i", &[&again])?.succeeded();
    assert!(system.target.join("usr/real").is_dir() && !system.target.join("usr/real").is_symlink());
    assert_eq!(system.read("var/lib/dpkg/info/again.list").lines().last(), Some("/usr/real"));

    let was = system.file("was", &package("was")?.dir("usr/thing").file("usr/thing/in", "1", 0o644))?;
    system.dpkg("-i", &[&was])?.succeeded();
    let mut is = package("was")?.file("usr/thing", "file", 0o644);
    is.version = "2".to_owned();
    let is = system.file("is", &is)?;
    system.dpkg("-i", &[&is])?.succeeded();
    assert_eq!(system.read("usr/thing"), "file");
    assert!(!system.target.join("usr/thing.dpkg-tmp").exists());
    // Another package's directory does not make room.
    let file = system.file("file", &package("file")?.file("usr/real", "x", 0o644))?;
    let told = said(&system.dpkg("-i", &[&file])?, 1);
    assert!(told.contains("trying to overwrite directory '/usr/real' in package "), "{told}");
    assert_eq!(system.read("usr/real/a"), "1");
});

scenario!(
    /// A package of which others have all files disappears; its conffile goes over to another with its recorded
    /// version, and is not removed with what once had it.
    conffiles_and_packages_that_disappear, CONFIGURE, {
    let system = System::new()?;
    let conf = |name: &str, content: &str| {
        let package = package(name)?.file("etc/shared.conf", content, 0o644);
        rootless_install_tests::Result::Ok(package.control_file("conffiles", b"/etc/shared.conf\n", 0o644))
    };
    let first = system.file("first", &conf("first", "one")?)?;
    system.dpkg("-i", &[&first])?.succeeded();
    let second = conf("second", "two")?
        .field("Replaces", "first");
    let second = system.file("second", &second)?;
    let told = said(&system.dpkg("-i", &[&second])?, 0);
    assert!(told.contains("(Noting disappearance of first, which has been completely replaced.)"), "{told}");
    // It was not edited: the new version is installed without a question.
    assert_eq!(system.read("etc/shared.conf"), "two");
    assert_eq!(system.state("first"), "absent");

    // What was removed keeps its conffile only as long as nobody else has it.
    system.dpkg("-r second", &[])?.succeeded();
    let third = system.file("third", &conf("third", "three")?)?;
    system.dpkg("-i", &[&third])?.succeeded();
    assert_eq!(system.read("etc/shared.conf"), "three");
    system.dpkg("-P second", &[])?.succeeded();
    assert_eq!(system.read("etc/shared.conf"), "three");

    // An obsolete conffile is free for another package.
    let mut without = package("third")?.file("usr/share/third", "1", 0o644);
    without.version = "2".to_owned();
    let without = system.file("without", &without)?;
    system.dpkg("-i", &[&without])?.succeeded();
    let fourth = system.file("fourth", &conf("fourth", "four")?)?;
    system.dpkg("-i", &[&fourth])?.succeeded();
    assert_eq!(system.read("etc/shared.conf"), "four");
    let diverted = "/etc/shared.conf\n/etc/shared.other\n:\n";
    std::fs::write(system.target.join("var/lib/dpkg/diversions"), diverted)?;
    // A clash with a diverted name is found before anything is written.
    let clash = package("clash")?
        .file("usr/share/early", "1", 0o644)
        .file("etc/shared.other", "1", 0o644);
    let clash = system.file("clash", &clash)?;
    let told = said(&system.dpkg("-i", &[&clash])?, 1);
    assert!(told.contains("the diverted version of '/etc/shared.conf'"), "{told}");
    assert!(!system.target.join("usr/share/early").exists());
    assert_eq!(system.state("clash"), "install ok not-installed");
});

scenario!(
    /// A package becomes `all`, and one that instances for several architectures share files with has to have the
    /// same.
    architectures_change_and_share, CONFIGURE, {
    let system = System::new()?;
    let (own, other) = (system.archive.foreign().debian, system.archive.native().debian);
    system.dpkg(&format!("--add-architecture {other}"), &[])?.succeeded();
    let same = |name: &str, architecture: &str, content: &str| {
        let mut package = package(name)?.file("usr/share/same", content, 0o644);
        package.architecture = architecture.to_owned();
        rootless_install_tests::Result::Ok(package.field("Multi-Arch", "same"))
    };
    let first = system.file("first", &same("lib", own, "shared")?)?;
    let differs = system.file("differs", &same("lib", other, "another")?)?;
    system.dpkg("-i", &[&first])?.succeeded();
    let told = said(&system.dpkg("--unpack", &[&differs])?, 1);
    assert!(told.contains("trying to overwrite shared '/usr/share/same', which is different from other"), "{told}");
    assert_eq!(system.read("usr/share/same"), "shared");
    let agrees = system.file("agrees", &same("lib", other, "shared")?)?;
    system.dpkg("--unpack", &[&agrees])?.succeeded();
    system.dpkg(&format!("-P lib:{other}"), &[])?.succeeded();
    assert_eq!(system.read("usr/share/same"), "shared");

    let mut all = package("lib")?.file("usr/share/same", "for all", 0o644);
    (all.version, all.architecture) = ("2".to_owned(), "all".to_owned());
    let all = system.file("all", &all)?;
    system.dpkg("-i", &[&all])?.succeeded();
    let status = system.read("var/lib/dpkg/status");
    assert_eq!(status.matches("Package: lib\n").count(), 1, "{status}");
    assert!(system.target.join("var/lib/dpkg/info/lib.list").exists());
    assert!(!system.target.join(format!("var/lib/dpkg/info/lib:{own}.list")).exists());
    assert_eq!(system.state("lib"), "install ok installed");
});

scenario!(
    /// A package whose triggers are pending depends on one that awaits them: the call ends, and says so.
    triggers_and_dependencies_in_a_cycle, CONFIGURE, {
    let system = System::new()?;
    let trigger = package("trigger")?
        .field("Depends", "files")
        .control_file("triggers", b"interest /usr/share/watched\n", 0o644)
        .script("postinst", "#!/bin/sh\n");
    let trigger = system.file("trigger", &trigger)?;
    let files = package("files")?.dir("usr/share/watched").file("usr/share/watched/a", "1", 0o644);
    let mut newer = files.clone();
    newer.version = "2".to_owned();
    let (files, newer) = (system.file("files", &files)?, system.file("newer", &newer)?);
    system.dpkg("-i", &[&trigger, &files])?.succeeded();
    system.dpkg("--unpack", &[&newer])?.succeeded();
    let told = said(&system.dpkg("--configure -a", &[])?, 1);
    assert!(told.contains("cycle found while processing triggers") && told.contains("triggers looping, abandoned"), "{told}");
    assert_eq!(system.state("trigger"), "install ok half-configured");
});

scenario!(
    /// What the target's own dpkg.cfg.d leaves out or writes over, from the next call of dpkg on: where a package brings the
    /// file, that is when it is configured.
    the_targets_configuration_of_dpkg, CONFIGURE, {
    let doc = "path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n";
    let lists = package("lists")?
        .essential()
        .file("etc/dpkg/dpkg.cfg.d/excludes", doc, 0o644)
        .control_file("conffiles", b"/etc/dpkg/dpkg.cfg.d/excludes\n", 0o644)
        .file("usr/share/doc/lists/README", "there before\n", 0o644);
    let late = package("late")?
        .file("etc/dpkg/dpkg.cfg.d/writes", "force-overwrite\n", 0o644)
        .control_file("conffiles", b"/etc/dpkg/dpkg.cfg.d/writes\n", 0o644)
        .file("usr/share/doc/late/README", "x\n", 0o644)
        .file("usr/share/doc/late/copyright", "late\n", 0o644)
        .file("usr/share/same", "late\n", 0o644);
    let own = package("own")?
        .field("Pre-Depends", "late")
        .file("usr/share/same", "own\n", 0o644);
    let archive = Synthetic::with(&[lists, late, own])?;
    archive.install("own", "target").end()?.succeeded();
    let target = archive.work.out("target");
    assert_eq!(read(&target, "usr/share/doc/lists/README"), "there before\n");
    assert!(!target.join("usr/share/doc/late/README").exists());
    assert_eq!(read(&target, "usr/share/doc/late/copyright"), "late\n");
    assert_eq!(read(&target, "usr/share/same"), "own\n");
});
