//! Recipes: those of docs/recipes with the real archive, and what is asked for beside packages with a made-up one.

use std::path::{Path, PathBuf};

use rootless_install_tests::listing::entries;
use rootless_install_tests::packing::{text, told};
use rootless_install_tests::program::workspace;
use rootless_install_tests::real::{EPOCH, Real};
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::Synthetic;

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Copies docs/recipes to where the program's user can read it, and returns the directory.
fn recipes(real: &Real) -> Tested<PathBuf> {
    let from = workspace().join("docs/recipes");
    real.work.make_dir("recipes/files")?;
    real.work.make_dir("recipes")?;
    for name in [
        "common.toml",
        "board.toml",
        "buildd.toml",
        "base.toml",
        "files/anna.pub",
    ] {
        real.work
            .write(&format!("recipes/{name}"), &std::fs::read(from.join(name))?)?;
    }
    Ok(real.work.path("recipes"))
}

scenario!(
    /// The board: a disk that is sound, and beside it an archive of the same installation with users, keys and units.
    the_recipe_of_a_board, REAL, alone, {
    let real = Real::new()?;
    let recipe = recipes(&real)?.join("board.toml");
    real.build(&recipe, &real.work.path("cache"), &[]).end()?.succeeded();
    let home = real.work.path("home");
    let disk = home.join("board-arm64.img");
    let verified = text("sfdisk", &[&"--verify", &disk])?;
    assert!(verified.contains("No errors detected"), "{verified}");
    let tar = home.join("board-arm64.tar.zst");
    let plain = real.work.path("board.tar");
    std::fs::write(&plain, told("zstd", &[&"-dc", &tar])?)?;
    let all = entries(&plain)?;
    assert_eq!(all["etc/sudoers.d/anna"]["mode"].trim_start_matches('0'), "440");
    assert_eq!(all["home/anna/.ssh/authorized_keys"]["owner"], "1000:1000");
    assert_eq!(all["home/anna/.profile"]["owner"], "1000:1000");
    for link in [
        "etc/systemd/system/multi-user.target.wants/ssh.service",
        "etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
        "etc/systemd/system/apt-daily.timer",
        "etc/systemd/system/ssh.service.requires/ssh-host-keys.service",
    ] {
        assert!(all.contains_key(link), "{link}");
    }
    assert!(!all.keys().any(|name| name.starts_with("etc/ssh/ssh_host_")));
    let read = |path: &str| text("tar", &[&"-xOf", &plain, &format!("./{path}")]);
    assert_eq!(read("etc/hostname")?, "board\n");
    assert!(read("etc/passwd")?.contains("anna:x:1000:1000:Anna:/home/anna:/bin/bash\n"));
    assert!(read("etc/shadow")?.contains("anna:$6$board$"));
    assert!(read("etc/group")?.lines().any(|line| line.starts_with("sudo:") && line.ends_with(":anna")));
    assert!(read("etc/systemd/network/10-en-.network")?.contains("Name=en*\n"));
});

scenario!(
    /// Build chroots of a matrix: an archive for each architecture, and the same bytes when it is made again.
    the_recipe_of_build_chroots, REAL, alone, {
    let real = Real::new()?;
    let recipe = recipes(&real)?.join("buildd.toml");
    // A smaller variant than the recipe's keeps the test short: the command line counts more.
    let words = ["--variant", "essential", "--include", "passwd"];
    real.build(&recipe, &real.work.path("cache"), &words).end()?.succeeded();
    let home = real.work.path("home");
    let read = |arch: &str| std::fs::read(home.join(format!("buildd-{arch}.tar.zst")));
    let first = (read("riscv64")?, read("arm64")?);
    let mut words = words.to_vec();
    words.extend(["--arch", "riscv64"]);
    real.build(&recipe, &real.work.path("cache"), &words).end()?.succeeded();
    assert!(first.0 == read("riscv64")?, "the second archive is another one");
    for (arch, data) in [("riscv64", &first.0), ("arm64", &first.1)] {
        let plain = real.work.path(&format!("{arch}.tar"));
        std::fs::write(&plain, zstd(&real, data)?)?;
        let all = entries(&plain)?;
        assert_eq!(all["home/builder/.bashrc"]["owner"], "1100:1100", "{arch}");
        assert_eq!(all["etc/apt/apt.conf.d/90buildd"]["owner"], "0:0", "{arch}");
    }
});

fn zstd(real: &Real, data: &[u8]) -> Tested<Vec<u8>> {
    let path = real.work.path("compressed.zst");
    std::fs::write(&path, data)?;
    Ok(told("zstd", &[&"-dc", &path])?)
}

scenario!(
    /// The base image: one OCI image of two architectures, with the recipe's user.
    the_recipe_of_a_base_image, REAL, alone, {
    let real = Real::new()?;
    let recipe = recipes(&real)?.join("base.toml");
    real.build(&recipe, &real.work.path("cache"), &["--variant", "essential", "--include", "passwd"]).end()?.succeeded();
    let layout = real.work.path("home").join("base");
    let json = |path: PathBuf| -> Tested<serde_json::Value> { Ok(serde_json::from_slice(&std::fs::read(path)?)?) };
    let blob = |digest: &str| layout.join("blobs").join(digest.replace(':', "/"));
    let index = json(layout.join("index.json"))?;
    let digest = index["manifests"][0]["digest"].as_str().ok_or("no digest")?.to_owned();
    let images = json(blob(&digest))?["manifests"].as_array().cloned().unwrap_or_default();
    let architectures: Vec<_> = images.iter().map(|image| image["platform"]["architecture"].clone()).collect();
    assert_eq!(architectures, ["riscv64", "arm64"]);
    for image in images {
        let manifest = json(blob(image["digest"].as_str().ok_or("no digest")?))?;
        let config = json(blob(manifest["config"]["digest"].as_str().ok_or("no digest")?))?;
        assert_eq!(config["config"]["User"], "app");
    }
});

scenario!(
    /// Wrong recipes end before anything is done, with the place; a failing installation leaves nothing.
    wrong_recipes, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    let work = &archive.work;
    let traces = work.traces();
    let recipe = work.write("home/r.toml", b"target = \"../out/t.tar\"\nhostnam = \"x\"\n")?;
    let run = |recipe: &Path, words: &[&str]| {
        let mut all: Vec<std::ffi::OsString> = vec!["build".into()];
        all.extend(archive.options());
        all.extend(words.iter().map(Into::into));
        all.push(recipe.into());
        all.splice(1..1, ["--cache".into(), work.path("cache").into()]);
        work.run_plain(all).end()
    };
    let done = run(&recipe, &[])?;
    done.failed_with(&["r.toml:2:1", "`hostnam`", "`hostname`"]);
    assert_eq!(done.status.code(), Some(2));
    let recipe = work.write("home/s.toml", b"target = \"../out/t.tar\"\ntimezone = \"Europe/Berlin\"\n")?;
    run(&recipe, &["--variant", "essential"])?.failed_with(&["Europe/Berlin", "install tzdata"]);
    work.clean(&traces, &[]);
});

scenario!(
    /// Options of the command line have the same, and two results of one installation are the same files.
    the_system_by_options, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    let work = &archive.work;
    work.write("home/motd", b"hello\n")?;
    work.make_dir("home/tree/usr/share/x")?;
    work.write("home/tree/usr/share/x/y", b"y\n")?;
    let recipe = work.write(
        "home/two.toml",
        b"hostname = \"two\"\n[[output]]\ntarget = \"../out/a.tar\"\n[[output]]\ntarget = \"../out/b/\"\n",
    )?;
    let mut all: Vec<std::ffi::OsString> = vec!["build".into(), "--cache".into(), work.path("cache").into()];
    all.extend(archive.options());
    let words = ["--variant", "essential", "--copy", "motd:/etc/motd", "--copy", "tree:/", "--machine-id", "uninitialized"];
    all.extend(words.map(Into::into));
    all.push(recipe.into());
    work.run_plain(all).env("SOURCE_DATE_EPOCH", EPOCH.to_string()).end()?.succeeded();
    let target = work.out("b");
    let read = |path: &str| std::fs::read_to_string(target.join(path));
    assert_eq!(read("etc/hostname")?, "two\n");
    assert_eq!(read("etc/motd")?, "hello\n");
    assert_eq!(read("usr/share/x/y")?, "y\n");
    assert_eq!(read("etc/machine-id")?, "uninitialized\n");
    let pack = ["pack".into(), target.clone().into_os_string(), work.out("c.tar").into()];
    work.run_plain(pack).env("SOURCE_DATE_EPOCH", EPOCH.to_string()).end()?.succeeded();
    assert!(std::fs::read(work.out("a.tar"))? == std::fs::read(work.out("c.tar"))?);
});

scenario!(
    /// A configuration of bdebstrap becomes a recipe that is understood; what it does not know is named with its line.
    a_configuration_of_bdebstrap, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    let work = &archive.work;
    let yaml = b"---\nname: live\nmmdebstrap:\n  variant: essential\n  target: t.tar\n  hostname: live\n  \
                 customize-hooks:\n    - echo hello >\"$1/etc/said\"\n    - cp \"$1/etc/said\" \"$1${BDEBSTRAP_OUTPUT_DIR?}/\"\n  sweet: stable\n";
    let yaml = work.write("home/c.yaml", yaml)?;
    let toml = work.path("home").join("c.toml");
    let done = work.run_plain(["convert".into(), yaml.into_os_string(), toml.clone().into()]).end()?;
    assert!(done.succeeded().stderr.contains("c.yaml:10: "), "{}", done.stderr);
    work.make_dir("home/live")?;
    let mut all: Vec<std::ffi::OsString> = vec!["build".into(), "--cache".into(), work.path("cache").into()];
    all.extend(archive.options());
    all.push(toml.into());
    work.run_plain(all).end()?.succeeded();
    let live = work.path("home").join("live");
    assert_eq!(std::fs::read_to_string(live.join("said"))?, "hello\n");
    assert!(entries(&live.join("t.tar"))?.contains_key("etc/said"));
});

scenario!(
    /// The provenance of a result has its digest and those of the packages and Release files that it was made of; a
    /// directory has none.
    provenance_of_results, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    let work = &archive.work;
    let mut first = Vec::new();
    for _ in 0..2 {
        let mut all = archive.options();
        all.extend(["--variant", "essential", "--provenance"].map(Into::into));
        all.extend([work.out("p.json").into(), "--lock".into(), work.out("p.lock").into(), work.out("t.tar").into()]);
        work.run(all).env("SOURCE_DATE_EPOCH", EPOCH.to_string()).end()?.succeeded();
        first.push(std::fs::read(work.out("p.json"))?);
    }
    assert!(first[0] == first[1], "another statement of the same installation");
    let json = |name: &str| -> Tested<serde_json::Value> { Ok(serde_json::from_slice(&std::fs::read(work.out(name))?)?) };
    let (statement, lock) = (json("p.json")?, json("p.lock")?);
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let sum = text("sha256sum", &[&work.out("t.tar")])?;
    assert_eq!(statement["subject"][0]["name"], "t.tar");
    assert_eq!(statement["subject"][0]["digest"]["sha256"].as_str(), sum.split(' ').next());
    let definition = &statement["predicate"]["buildDefinition"];
    let dependencies = definition["resolvedDependencies"].as_array().cloned().unwrap_or_default();
    let count = |what: &str| lock[what].as_array().map_or(0, Vec::len);
    assert_eq!(dependencies.len(), count("packages") + count("releases"));
    for package in lock["packages"].as_array().into_iter().flatten() {
        let hash = package["hash"].as_str().and_then(|hash| hash.strip_prefix("sha256:"));
        assert!(dependencies.iter().any(|known| known["digest"]["sha256"].as_str() == hash), "{package}");
    }
    assert_eq!(definition["externalParameters"]["request"]["variant"], "essential");
    let mut all = archive.options();
    all.extend(["--provenance".into(), work.out("q.json").into(), work.out("d").into()]);
    work.run(all).end()?.failed_with(&["--provenance", "NAME.tar.zst"]);
    assert!(!work.out("q.json").exists());
});
