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

scenario!(
    /// What is in the cache is shown, damage is found and healed, and what is not to be kept goes, but not while a run uses it.
    the_cache_is_looked_after, CONFIGURE, {
    let archive = Synthetic::with(&[package("one")?])?;
    archive.install("one", "first").end()?.succeeded();
    let place = archive.work.path("cache").display().to_string();
    let cache = |words: &[&str]| archive.work.run_plain([&["cache"], words, &["--cache", &place]].concat()).end();
    let listed = cache(&["list", "--json"])?;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&listed.succeeded().text()).unwrap();
    let entries = |kind: &str| rows.iter().find(|row| row["kind"] == kind).map(|row| row["entries"].clone());
    assert!(entries("downloads").is_some() && entries("native-packages").is_some() && entries("logs") == Some(1.into()));
    assert!(cache(&["list"])?.succeeded().text().contains("packages and indexes"));
    cache(&["verify"])?.succeeded();
    // A byte of a package and of a native tool is another.
    let file = |below: &str| -> Result<std::path::PathBuf> {
        let mut found: Vec<_> = walk(&archive.work.path("cache").join(below)).unwrap();
        found.retain(|path| path.extension().is_none());
        found.sort();
        Ok(found.remove(0))
    };
    for damaged in [file("by-hash")?, file("native-3")?] {
        let mut content = std::fs::read(&damaged)?;
        let middle = content.len() / 2;
        content[middle] ^= 1;
        std::fs::remove_file(&damaged)?;
        std::fs::write(&damaged, content)?;
    }
    let found = cache(&["verify"])?;
    assert_eq!(found.status.code(), Some(3));
    assert_eq!(found.text().matches("damaged, and taken out: ").count(), 2, "{}", found.text());
    archive.install("one", "second").end()?.succeeded();
    cache(&["verify"])?.succeeded();
    assert!(cache(&["prune", "--keep", "1d"])?.succeeded().text().contains("nothing to take out"));
    let all = cache(&["prune", "--keep", "0B", "--dry-run"])?;
    assert!(all.succeeded().text().contains("would be freed"));
    assert!(archive.work.path("cache").join("native-3").read_dir()?.next().is_some());
    cache(&["prune", "--keep", "0B"])?.succeeded();
    assert!(walk(&archive.work.path("cache").join("by-hash")).unwrap().is_empty());
    archive.install("one", "third").end()?.succeeded();
    cache(&["prune", "--keep", "soon"])?.failed_with(&["14d"]);
    archive.work.run_plain(["cache", "list", "--cache", "none"]).end()?.failed_with(&["no cache at none"]);
});

/// The files below a directory.
fn walk(directory: &std::path::Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        match path.symlink_metadata()?.is_dir() {
            true => found.extend(walk(&path)?),
            false if path.is_symlink() => {}
            false => found.push(path),
        }
    }
    Ok(found)
}
