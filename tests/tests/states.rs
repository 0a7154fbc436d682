//! States of archives: without the network, and of the past.

use std::ffi::OsString;

use rootless_install_tests::archive::Publish;
use rootless_install_tests::base;
use rootless_install_tests::synthetic::{Synthetic, package, read};
use rootless_install_tests::{Result, scenario};

/// Runs the installation of `include` into `name` with further options.
fn with_options(archive: &Synthetic, include: &str, name: &str, more: &[&str]) -> Vec<OsString> {
    let mut arguments = archive.options();
    arguments.extend(["--variant", "essential", "--include", include].map(OsString::from));
    arguments.extend(more.iter().map(OsString::from));
    arguments.push(archive.work.out(name).into());
    arguments
}

scenario!(
    /// What an earlier run has fetched is enough; what is not there is named, and the network is not asked.
    without_the_network, CONFIGURE, {
    let packages = [package("one")?, package("two")?];
    let archive = Synthetic::published(&Publish { valid_until: Some(4), ..Publish::default() }, &packages)?;
    let run = |include: &str, name: &str| -> Result<_> {
        archive.work.run(with_options(&archive, include, name, &["--offline"])).end()
    };
    let nothing = run("one", "nothing")?;
    nothing.failed_with(&["--offline was given", "InRelease|Release"]);
    archive.install("one", "first").end()?.succeeded();
    archive.mirror.forget();
    std::thread::sleep(std::time::Duration::from_secs(5));
    // The state is out of date by now, which is said.
    let second = run("one", "second")?;
    second.succeeded();
    let said = &second.stderr;
    assert!(said.contains("warning: ") && said.contains("Valid-Until") || said.contains("expired"), "{said}");
    let status = |name: &str| read(&archive.work.out(name), "var/lib/dpkg/status");
    assert_eq!(status("first"), status("second"));
    let other = run("two", "third")?;
    other.failed_with(&["two 1.0-1", "without --offline"]);
    assert!(!archive.work.out("third").exists());
    assert!(archive.mirror.requests().is_empty(), "{:?}", archive.mirror.requests());
});

scenario!(
    /// An archive as it was, though today's has other packages, from where the user says or the Release file does.
    as_of_a_moment, CONFIGURE, {
    let archive = Synthetic::with(&[package("one")?])?;
    let names = [archive.native().debian, archive.foreign().debian];
    let mut packages = base::packages()?;
    let mut old = package("one")?;
    old.version = "0.9-1".to_owned();
    packages.push(old);
    let before = archive.archive().join("snap/20200102T030000Z/debian");
    let expired = Publish { valid_until: Some(-100_000), ..Publish::default() };
    expired.write(&before, &names, &packages)?;
    let template = format!("{}/snap/@SNAPSHOTID@/debian", archive.mirror.url());
    let moment = ["--snapshot", "2020-01-02T03:00Z"];
    // This archive's Release file names no service.
    let run = archive.work.run(with_options(&archive, "one", "none", &moment)).end()?;
    run.failed_with(&["--snapshot-url", "InRelease"]);
    let key = before.join("keyring.gpg").display().to_string();
    let options = [&moment[..], &["--keyring", &key], &["--snapshot-url", &template]].concat();
    archive.work.run(with_options(&archive, "one", "target", &options)).end()?.succeeded();
    let target = archive.work.out("target");
    assert!(read(&target, "var/lib/dpkg/status").contains("Version: 0.9-1\n"));
    // The target's own sources are those of today.
    assert!(!read(&target, "etc/apt/sources.list").contains("snap"));
    let run = archive.work.run(with_options(&archive, "one", "bad", &["--snapshot", "yesterday"])).end()?;
    run.failed_with(&["yesterday", "2026-09-12"]);
});
