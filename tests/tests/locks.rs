//! Locks: what was chosen is written down, made again, and compared.

use std::ffi::OsString;
use std::path::Path;

use rootless_install_tests::archive::{Publish, SUITE};
use rootless_install_tests::base;
use rootless_install_tests::synthetic::{Synthetic, package, read};
use rootless_install_tests::{Result, scenario};

const TIME: &str = "1700000000";

fn made(archive: &Synthetic, arguments: Vec<OsString>) -> Result<rootless_install_tests::program::Outcome> {
    archive.work.run(arguments).env("SOURCE_DATE_EPOCH", TIME).end()
}

fn tar(archive: &Synthetic, options: &[OsString], name: &str) -> Vec<OsString> {
    let mut all = options.to_vec();
    all.push(archive.work.out(name).into());
    all
}

/// Publishes other packages in the place of what there is.
fn publish(archive: &Synthetic, root: &Path, version: &str) -> Result<()> {
    let mut packages = base::packages()?;
    let mut one = package("one")?.field("Depends", "two | three");
    one.version = version.to_owned();
    packages.extend([one, package("two")?, package("three")?]);
    let names = [archive.native().debian, archive.foreign().debian];
    Publish::default().write(root, &names, &packages)?;
    // A server tells files of one second apart by nothing.
    if version == "2.0-1" {
        let release = root.join("dists").join(SUITE).join("InRelease");
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
        let file = std::fs::File::options().write(true).open(release).unwrap();
        file.set_modified(later).unwrap();
    }
    Ok(())
}

scenario!(
    /// The same bytes, though the archive has moved on; from the cache alone, and from a snapshot service where the
    /// archive has lost the packages. All that is gone is named.
    the_same_again, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    publish(&archive, archive.archive(), "1.0-1")?;
    let lock = archive.work.out("lock.json");
    let mut options = archive.options();
    options.extend(["--variant", "essential", "--include", "one"].map(OsString::from));
    let mut first = options.clone();
    first.extend(["--lock".into(), lock.clone().into()]);
    made(&archive, tar(&archive, &first, "first.tar"))?.succeeded();
    let text = std::fs::read_to_string(&lock).unwrap();
    for part in ["\"sha256\": \"", "\"version\": \"1.0-1\"", "InRelease", "\"hash\": \"sha256:", "\"date\": \""] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let keyring = archive.keyring();
    let locked: Vec<OsString> =
        ["--locked".into(), lock.clone().into(), "--keyring".into(), keyring.into()].to_vec();
    let same = |name: &str, options: &[OsString]| -> Result<()> {
        made(&archive, tar(&archive, options, name))?.succeeded();
        let read = |name: &str| std::fs::read(archive.work.out(name)).unwrap();
        assert!(read("first.tar") == read(name), "{name} is other");
        Ok(())
    };
    // Today's archive has a newer version.
    let pool = archive.archive().join("pool");
    let old = archive.archive().join("snap/20200102T030000Z/pool");
    std::fs::create_dir_all(old.parent().unwrap()).unwrap();
    std::fs::rename(&pool, &old).unwrap();
    publish(&archive, archive.archive(), "2.0-1")?;
    same("second.tar", &locked)?;
    same("third.tar", &[&locked[..], &["--offline".into()]].concat())?;
    // Without the cache they are gone.
    let cache = archive.work.path("cache").display().to_string();
    archive.work.run_plain(["cache", "prune", "--keep", "0B", "--cache", &cache]).end()?.succeeded();
    let gone = made(&archive, tar(&archive, &locked, "none.tar"))?;
    gone.failed_with(&["one 1.0-1", "cannot be had any more", "--snapshot"]);
    assert!(!archive.work.out("none.tar").exists());
    let service = format!("{}/snap/@SNAPSHOTID@", archive.mirror.url());
    let past = ["--snapshot", "2020-01-02T03:00", "--snapshot-url", &service].map(OsString::from);
    let root = archive.archive().join("snap/20200102T030000Z");
    publish(&archive, &root, "1.0-1")?;
    let key = ["--keyring".into(), root.join("keyring.gpg").into()];
    same("fourth.tar", &[&locked[..], &past, &key].concat())?;
});

scenario!(
    /// Packages of the variant whose updates are installed, from another suite, and those that a pattern has found by fields
    /// that nothing else needs.
    updates_and_patterns, CONFIGURE, {
    let mut required = package("required")?.field("Priority", "required");
    let found = package("found")?.field("Section", "odd");
    let archive = Synthetic::with(&[required.clone(), found])?;
    required.version = "2.0-1".to_owned();
    let updates = archive.archive().join("updates");
    let publish = Publish { suite: "stable-updates", ..Publish::default() };
    publish.write(&updates, &[archive.native().debian, archive.foreign().debian], &[required])?;
    let more = format!(
        "deb [signed-by={}] {}/updates stable-updates main",
        updates.join("keyring.gpg").display(),
        archive.mirror.url(),
    );
    let patterns = "?and(?description(synthetic.package),~sodd)";
    let mut options = archive.options();
    options.extend(["--mirror", &more, "--variant", "minbase", "--include", patterns, "--lock"].map(OsString::from));
    let lock = archive.work.out("lock.json");
    options.push(lock.clone().into());
    made(&archive, tar(&archive, &options, "first.tar"))?.succeeded();
    let text = std::fs::read_to_string(&lock).unwrap();
    assert!(text.contains("\"version\": \"2.0-1\"") && text.contains("\"name\": \"found\""), "{text}");
    let locked = ["--locked".into(), lock.into(), "--keyring".into(), archive.keyring().into()];
    made(&archive, tar(&archive, &locked, "second.tar"))?.succeeded();
    let read = |name: &str| std::fs::read(archive.work.out(name)).unwrap();
    assert!(read("first.tar") == read("second.tar"));
    // Where the archive cannot be reached packages come from the cache, and so do native tools.
    std::fs::rename(archive.archive().join("dists"), archive.archive().join("gone")).unwrap();
    let done = made(&archive, tar(&archive, &locked, "third.tar"))?;
    done.succeeded();
    assert!(done.stderr.contains("from what was fetched of this source before"), "{}", done.stderr);
    assert!(read("first.tar") == read("third.tar"));
});

scenario!(
    /// A plan is a lock, and two are compared; what is none, or does not fit, is told with its place.
    plans_and_differences, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    publish(&archive, archive.archive(), "1.0-1")?;
    let plan = |name: &str, include: &str| -> Result<std::path::PathBuf> {
        let mut words: Vec<OsString> = vec!["plan".into(), "--json".into()];
        words.extend(archive.options());
        words.extend(["--variant", "essential", "--include", include, "--cache"].map(OsString::from));
        words.push(archive.work.path("cache").into());
        let text = archive.work.run_plain(words).end()?.succeeded().text();
        archive.work.write(name, text.as_bytes())
    };
    let before = plan("before.json", "one")?;
    publish(&archive, archive.archive(), "2.0-1")?;
    let after = plan("after.json", "one,three")?;
    let diff = |first: &Path, second: &Path| archive.work.run_plain(["diff".as_ref(), first.as_os_str(), second.as_os_str()]).end();
    let told = diff(&before, &after)?;
    assert_eq!(told.status.code(), Some(3), "{}", told.stderr);
    let foreign = archive.foreign().debian;
    let expected = [
        format!("- two:{foreign} 1.0-1"),
        format!("+ three:{foreign} 1.0-1"),
        format!("^ one:{foreign} 1.0-1 -> 2.0-1"),
    ];
    for line in &expected {
        assert!(told.text().lines().any(|found| found == line), "{line}\n{}", told.text());
    }
    assert_eq!(diff(&before, &before)?.status.code(), Some(0));
    let locked = |lock: &Path| archive.work.run(["--locked".as_ref(), lock.as_os_str(), "t".as_ref()]).end();
    let broken = archive.work.write("broken.json", b"{\n  \"form\": 1,\n  \"request\": 5\n}\n")?;
    locked(&broken)?.failed_with(&["broken.json", "line 3", "no lock"]);
    let newer = archive.work.write("newer.json", b"{ \"form\": 99 }")?;
    locked(&newer)?.failed_with(&["newer.json", "newer version"]);
    locked(Path::new("none.json"))?.failed_with(&["none.json", "no such"]);
    let text = std::fs::read_to_string(&before).unwrap();
    let other = text.replace("\"include\": [\n      \"one\"", "\"include\": [\n      \"two\"");
    assert_ne!(text, other);
    let unfit = archive.work.write("unfit.json", other.as_bytes())?;
    let keyring = archive.keyring();
    let run = ["--locked".as_ref(), unfit.as_os_str(), "--keyring".as_ref(), keyring.as_os_str(), "t".as_ref()];
    archive.work.run(run).end()?.failed_with(&["unfit.json", "one 1.0-1", "does not fit"]);
    let run = ["--locked".as_ref(), unfit.as_os_str(), "--suite".as_ref(), "sid".as_ref(), "t".as_ref()];
    archive.work.run(run).end()?.failed_with(&["--locked", "--suite"]);
    assert!(read(&archive.work.path("."), "before.json").contains("\"form\": 1"));
});
