//! Scripts of others that call dpkg, with this program in its place, on the real archive.

use std::path::Path;
use std::time::Duration;

use rootless_install_tests::disk::{differences, entries};
use rootless_install_tests::real::{EPOCH, KEYRING, Real, assert_installed, assert_ordinary};
use rootless_install_tests::{Result, scenario};

/// What a variant comes to, made by this program at once.
fn reference(real: &Real, variant: &str) -> Result<()> {
    let target = real.work.out("reference");
    let run = real.install("riscv64", variant, &target);
    run.option("--mode=chrootless").end()?.succeeded();
    Ok(())
}

/// A script that has `dpkg` in its PATH: this program.
fn script(real: &Real, script: &str) -> Result<String> {
    let options = format!(
        "--cache={} --mirror={} --keyring={KEYRING}",
        real.work.path("cache").display(),
        real.mirror.url()
    );
    let script = format!(
        "set -eu\nmkdir bin\nln -s \"$1\" bin/dpkg\nPATH=$PWD/bin:$PATH\n\
         export ROOTLESS_INSTALL_OPTIONS='{options}'\n{script}"
    );
    let run = real.work.run_plain(["unused"]).through(script);
    let run = run.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    let done = run.limit(Duration::from_secs(900)).end()?;
    done.succeeded();
    Ok(format!("{}{}", done.text(), done.stderr))
}

/// Panics unless a target is what the reference is, but for what this program does beside dpkg and
/// mmdebstrap beside it: devices, apt's files, the files of a new system, backups, logs.
fn assert_same(real: &Real, target: &Path) -> Result<()> {
    assert!(assert_installed(target) > 50);
    assert!(assert_ordinary(target, real.work.account().uid)? > 1000);
    let own = |name: &str| {
        ["dev/", "etc/apt", "var/cache/apt", "var/lib/apt", "var/log/"]
            .iter()
            .any(|start| name.starts_with(start))
            || ["etc/fstab", "etc/hostname", "etc/resolv.conf"].contains(&name)
            || name.ends_with("-old")
    };
    let found = differences(&entries(&real.work.out("reference"))?, &entries(target)?, own);
    assert!(found.is_empty(), "{found:#?}");
    Ok(())
}

scenario!(
    /// dpkg --unpack and --configure -a over the essential packages in an empty directory.
    a_script_of_dpkg_calls, REAL, {
    let real = Real::new()?;
    reference(&real, "essential")?;
    // The archives are those that this program has in its cache; native ones are there as well.
    script(
        &real,
        r#"
        mkdir debs ../out/target
        grep -ao '^Package: .*' ../out/reference/var/lib/dpkg/status | sort >wanted
        find ../cache -type f -size +0 | while read -r file; do
            [ "$(head -c 7 "$file")" = '!<arch>' ] || continue
            case $(dpkg-deb --field "$file" Architecture) in riscv64 | all) ;; *) continue ;; esac
            name=$(dpkg-deb --field "$file" Package)
            grep -qx "Package: $name" wanted && ln "$file" "debs/$name.deb"
        done
        [ "$(ls debs | wc -l)" = "$(wc -l <wanted)" ]
        # As with dpkg, the order of the names is not that of Pre-Depends.
        dpkg --root="$PWD/../out/target" --force-script-chrootless --force-depends --unpack debs/*.deb
        dpkg --root="$PWD/../out/target" --force-script-chrootless --configure -a
        "#,
    )?;
    assert_same(&real, &real.work.out("target"))?;
});

scenario!(
    /// mmdebstrap as an ordinary user without fakeroot, with this program as dpkg.
    mmdebstrap_in_mode_chrootless, MMDEBSTRAP, {
    let real = Real::new()?;
    // The essential packages by dpkg, the others by apt.
    reference(&real, "minbase")?;
    let mirror = real.mirror.url();
    script(
        &real,
        &format!(
            "mmdebstrap --mode=chrootless --format=directory --variant=minbase --architectures=riscv64 \
             --keyring={KEYRING} --aptopt=\"Dir::Bin::dpkg \\\"$PWD/bin/dpkg\\\"\" \
             stable ../out/target {mirror}"
        ),
    )?;
    assert_same(&real, &real.work.out("target"))?;
});
