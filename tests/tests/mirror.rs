//! Partial mirrors: made, renewed, checked, installed from.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rootless_install_tests::archive::{Publish, SUITE};
use rootless_install_tests::base;
use rootless_install_tests::choice::requests::Dice;
use rootless_install_tests::mirror::Mirror;
use rootless_install_tests::program::Outcome;
use rootless_install_tests::real::{KEYRING, Real};
use rootless_install_tests::synthetic::{Synthetic, package, read};
use rootless_install_tests::{Result, scenario};

fn publish(archive: &Synthetic, version: &str, seconds: u64) -> Result<()> {
    let mut packages = base::packages()?;
    let mut one = package("one")?.field("Depends", "two");
    one.version = version.to_owned();
    packages.extend([one, package("two")?, package("three")?]);
    let names = [archive.native().debian, archive.foreign().debian];
    Publish::default().write(archive.archive(), &names, &packages)?;
    let release = archive.archive().join("dists").join(SUITE).join("InRelease");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(seconds);
    std::fs::File::options()
        .write(true)
        .open(release)
        .unwrap()
        .set_modified(later)
        .unwrap();
    Ok(())
}

fn words(archive: &Synthetic, more: &[&str]) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["mirror".into()];
    words.extend(archive.options());
    words.extend(["--variant", "essential", "--include", "one", "--cache"].map(OsString::from));
    words.push(archive.work.path("cache").into());
    words.extend(more.iter().map(OsString::from));
    // A slash in the end does not follow the link.
    let mut directory = archive.work.out("mirror").into_os_string();
    directory.push("/");
    words.push(directory);
    words
}

fn mirror(archive: &Synthetic, more: &[&str]) -> Result<Outcome> {
    archive.work.run_plain(words(archive, more)).end()
}

fn summary(outcome: &Outcome) -> serde_json::Value {
    serde_json::from_str(&outcome.succeeded().text()).unwrap()
}

scenario!(
    /// A mirror has what an installation needs, for foreign architectures too; a renewal takes what is unchanged by hard
    /// link and leaves the former state; nothing new costs a request.
    made_renewed_and_installed_from, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    publish(&archive, "1.0-1", 0)?;
    let planned = summary(&mirror(&archive, &["--json", "--dry-run"])?);
    assert!(!archive.work.out("mirror").exists());
    let first = summary(&mirror(&archive, &["--json"])?);
    assert_eq!((&first["new"], &first["files"]), (&planned["new"], &planned["files"]));
    let name = "archive";
    let root = archive.work.out("mirror").join(name);
    assert!(root.join(format!("dists/{SUITE}/InRelease")).exists(), "{first}");
    let pool = |package: &str, version: &str| {
        let file = format!("{package}_{version}_{}.deb", archive.foreign().debian);
        walk(&root).into_iter().find(|path| path.ends_with(&file))
    };
    assert!(pool("one", "1.0-1").is_some() && pool("two", "1.0-1").is_some() && pool("three", "1.0-1").is_none());
    // Nothing but the mirror is needed, and another cache.
    let source = format!("deb file:{} {SUITE} main", root.display());
    let keyring = archive.keyring();
    let other_cache = archive.work.out("other-cache");
    let install = |target: &str| -> Result<Outcome> {
        let target = archive.work.out(target);
        let words: [&std::ffi::OsStr; 14] = [
            "--cache".as_ref(), other_cache.as_os_str(), "--arch".as_ref(), archive.foreign().debian.as_ref(),
            "--variant".as_ref(), "essential".as_ref(), "--include".as_ref(), "one".as_ref(), "--mirror".as_ref(),
            source.as_ref(), "--keyring".as_ref(), keyring.as_os_str(), "--offline".as_ref(), target.as_os_str(),
        ];
        archive.work.run_plain(words).end()
    };
    install("first")?.succeeded();
    archive.mirror.forget();
    assert_eq!(summary(&mirror(&archive, &["--json"])?)["unchanged"], true);
    assert_eq!(archive.mirror.requests().len(), 1, "{:?}", archive.mirror.requests());
    let two = std::fs::metadata(pool("two", "1.0-1").unwrap()).unwrap().ino();
    publish(&archive, "2.0-1", 60)?;
    let second = summary(&mirror(&archive, &["--json"])?);
    assert!(second["kept"].as_u64() > Some(0) && second["new"].as_u64() > Some(0), "{second}");
    assert!(pool("one", "2.0-1").is_some() && pool("one", "1.0-1").is_none());
    assert_eq!(std::fs::metadata(pool("two", "1.0-1").unwrap()).unwrap().ino(), two);
    mirror(&archive, &["--verify"])?.succeeded();
    // Damage is found and mended: other content, of the same size, and a file that is gone.
    let damaged = pool("two", "1.0-1").unwrap();
    let mut content = std::fs::read(&damaged).unwrap();
    content[100] ^= 1;
    std::fs::remove_file(&damaged).unwrap();
    std::fs::write(&damaged, content).unwrap();
    let release = root.join(format!("dists/{SUITE}/InRelease"));
    std::fs::remove_file(&release).unwrap();
    let found = mirror(&archive, &["--verify"])?;
    assert_eq!(found.status.code(), Some(3));
    for said in ["two_1.0-1", "other content", "InRelease"] {
        assert!(found.text().contains(said), "{said}: {}", found.text());
    }
    mirror(&archive, &[])?.succeeded();
    mirror(&archive, &["--verify"])?.succeeded();
    assert!(release.exists());
    mirror(&archive, &["--prune"])?.succeeded();
    install("second")?.succeeded();
    assert!(read(&archive.work.out("second"), "var/lib/dpkg/status").contains("Version: 2.0-1\n"));
    mirror(&archive, &["--all"])?.succeeded();
    assert!(pool("three", "1.0-1").is_some());
});

scenario!(
    /// A run that is killed leaves the former state; what is no mirror is not touched, and a missing package is named.
    what_ends_badly, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    publish(&archive, "1.0-1", 0)?;
    std::fs::create_dir(archive.work.out("mirror")).unwrap();
    mirror(&archive, &[])?.failed_with(&["not a mirror", "does not exist yet"]);
    std::fs::remove_dir(archive.work.out("mirror")).unwrap();
    mirror(&archive, &["--include", "nothing"])?.failed_with(&["nothing", archive.foreign().debian]);
    mirror(&archive, &[])?.succeeded();
    publish(&archive, "2.0-1", 60)?;
    let slow = format!("one_2.0-1_{}.deb", archive.foreign().debian);
    archive.mirror.fault(&slow, rootless_install_tests::mirror::Fault::Silent);
    let mut words: Vec<OsString> = vec!["mirror".into()];
    words.extend(archive.options());
    words.extend(["--variant", "essential", "--include", "one", "--cache"].map(OsString::from));
    words.push(archive.work.path("cache").into());
    words.push(archive.work.out("mirror").into());
    let mut running = archive.work.run_plain(words).start()?;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while running.alive() && !archive.work.out(".mirror.2").exists() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    mirror(&archive, &[])?.failed_with(&["another run"]);
    running.signal(nix::sys::signal::Signal::SIGKILL)?;
    running.wait()?;
    mirror(&archive, &["--verify"])?.succeeded();
    let kept = std::fs::read_to_string(archive.work.out("mirror/mirror.json")).unwrap();
    assert!(kept.contains("one_1.0-1") && !kept.contains("one_2.0-1"));
});

scenario!(
    /// What apt reads without being asked is there: translations of descriptions, by name and by checksum.
    translations_are_in_it, CONFIGURE, {
    let publish = Publish { languages: vec!["de", "en", "fr"], ..Publish::default() };
    let archive = Synthetic::published(&publish, &[package("one")?])?;
    for (options, languages) in [
        (&[][..], &["en"][..]),
        (&["--languages", "de,en,ja"], &["de", "en"]),
        (&["--languages", "none"], &[]),
    ] {
        mirror(&archive, options)?.succeeded();
        let there = archive.work.out("mirror/archive/dists").join(SUITE).join("main/i18n");
        let mut names: Vec<String> = walk(&there)
            .iter()
            .filter_map(|path| Some(path.strip_prefix(&there).ok()?.display().to_string()))
            .collect();
        names.sort();
        let (by_hash, named): (Vec<String>, Vec<String>) = names.into_iter().partition(|name| name.starts_with("by-hash/"));
        let expected: Vec<String> = languages.iter().map(|language| format!("Translation-{language}.xz")).collect();
        assert_eq!((named, by_hash.len()), (expected, languages.len()));
        mirror(&archive, &["--verify"])?.succeeded();
    }
    let plain = mirror(&archive, &[])?;
    let source = format!("deb file:{}/archive {SUITE} main", archive.work.out("mirror").display());
    assert!(plain.text().contains(&source), "{}", plain.text());
    mirror(&archive, &["--languages", "../x"])?.failed_with(&["pt_BR"]);
});

scenario!(
    /// mmdebstrap, and the apt of what it has made, install from a mirror of the real archive that is served as plain files.
    others_install_from_it, REAL, alone, {
    let real = Real::new()?;
    let directory = real.work.out("mirror");
    let source = real.mirror.url();
    let options = format!("mirror --arch amd64 --suite trixie --variant apt --include hello,nano --keyring {KEYRING} --mirror {source} --cache");
    let mut all: Vec<OsString> = options.split(' ').map(OsString::from).collect();
    all.extend([real.work.path("cache").into(), directory.clone().into()]);
    real.work.run_plain(all).end()?.succeeded();
    let served = Mirror::of(&directory.join("debian"))?;
    let script = format!(
        "exec mmdebstrap --mode=unshare --variant=apt --include=hello --customize-hook='chroot \"$1\" apt-get update' \
         --customize-hook='chroot \"$1\" apt-get install -y --no-install-recommends nano' trixie out/made.tar \
         'deb [check-valid-until=no] {} trixie main'",
        served.url()
    );
    let script = format!("cd '{}' && {script}", real.work.path("").display());
    let made = real.work.run_plain(["--version"]).through(script).limit(Duration::from_secs(600)).end()?;
    made.succeeded();
    let list = std::process::Command::new("tar").arg("-tf").arg(real.work.out("made.tar")).output()?;
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.contains("./usr/bin/nano\n") && list.contains("./usr/bin/hello\n"), "{}", made.stderr);
});

/// How often a renewal is killed; MIRROR_KILLS says another number.
const KILLS: usize = 100;

scenario!(
    /// Killed at any moment, a renewal leaves the state that was there or the new one, whole, and the next goes on.
    killed_at_any_moment, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    let kills = std::env::var("MIRROR_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let mut dice = Dice::new(1);
    publish(&archive, "1.0-1", 0)?;
    mirror(&archive, &[])?.succeeded();
    publish(&archive, "2.0-1", 120)?;
    let started = Instant::now();
    mirror(&archive, &[])?.succeeded();
    let whole = started.elapsed();
    let (mut published, mut ended, mut renewed) = (2, 0, 0);
    for kill in 1..=kills {
        published += 1;
        publish(&archive, &format!("{published}.0-1"), 60 * published)?;
        let mut running = archive.work.run_plain(words(&archive, &[])).start()?;
        // Up to a little more than a whole run takes.
        let permille = u32::try_from(dice.below(1200)).unwrap_or(0);
        std::thread::sleep(whole * permille / 1000);
        let alive = running.alive();
        ended += usize::from(!alive);
        if alive {
            running.signal(nix::sys::signal::Signal::SIGKILL)?;
        }
        running.wait()?;
        // By its link, whatever the other state looks like.
        mirror(&archive, &["--verify"])?.succeeded();
        let kept = std::fs::read_to_string(archive.work.out("mirror/mirror.json")).unwrap();
        let has = |version: u64| kept.contains(&format!("one_{version}.0-1_"));
        let states: Vec<u64> = (1..=published).filter(|version| has(*version)).collect();
        assert_eq!(states.len(), 1, "kill {kill}: {states:?}");
        renewed += usize::from(alive && states == [published]);
        // Sometimes another kill comes before a run that ends.
        if kill % 3 == 0 || kill == kills {
            mirror(&archive, &[])?.succeeded();
            mirror(&archive, &["--verify"])?.succeeded();
            let kept = std::fs::read_to_string(archive.work.out("mirror/mirror.json")).unwrap();
            assert!(kept.contains(&format!("one_{published}.0-1_")), "kill {kill}");
            let beside: Vec<String> = archive.work.names("out")?;
            assert!(beside.iter().all(|name| ["mirror", ".mirror.1", ".mirror.2", ".mirror.lock"].contains(&name.as_str())), "{beside:?}");
        }
    }
    assert!(ended < kills, "of {kills} kills {ended} came after the end, {renewed} after the switch");
});

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(walk(&path)),
            false => found.push(path),
        }
    }
    found
}
