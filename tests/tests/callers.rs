//! Programs that call mmdebstrap, and the calls that they make where they themselves need more than a machine has: the
//! cheap ones of `scripts/callers`, with an archive of the tests.

use std::path::Path;

use rootless_install_tests::archive::{Publish, SUITE};
use rootless_install_tests::compare::entries;
use rootless_install_tests::deb::Compression;
use rootless_install_tests::program::Run;
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, package, read};

/// A call of mmdebstrap by a program that knows nothing of this one; `MIRROR` in words is the archive's URL, `ARCH` its
/// foreign architecture, `NATIVE` this machine's.
fn call<'a>(archive: &'a Synthetic, words: &[&str]) -> Run<'a> {
    let given = words.iter().map(|word| {
        word.replace("MIRROR", &archive.mirror.url())
            .replace("ARCH", archive.foreign().debian)
            .replace("NATIVE", archive.native().debian)
    });
    let cache = archive.work.path("cache");
    let own = [
        "mmdebstrap".to_owned(),
        format!("--cache={}", cache.display()),
        format!("--keyring={}", archive.keyring().display()),
    ];
    archive.work.run_plain(own.into_iter().chain(given))
}

/// The names of the packages that are installed in `target`.
fn installed(status: &str) -> Vec<String> {
    let names = status.lines().filter_map(|line| line.strip_prefix("Package: "));
    names.map(str::to_owned).collect()
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

scenario!(
    /// bdebstrap itself, with a link `mmdebstrap` before all others in PATH: hooks, packages, and the manifest that it has
    /// a hook write.
    bdebstrap_makes_its_target_and_manifest, BDEBSTRAP, {
    let archive = Synthetic::with(&[package("wanted")?])?;
    let configuration = format!(
        "---\nmmdebstrap:\n  mode: unshare\n  suite: {SUITE}\n  variant: essential\n  target: root.tar\n  \
         architectures:\n    - {}\n  keyrings:\n    - {}\n  mirrors:\n    - {}\n  packages:\n    - wanted\n  \
         setup-hooks:\n    - mkdir \"$1/srv\"\n  customize-hooks:\n    - chown 7:8 \"$1/srv\"\n    - upload motd /etc/motd\n",
        archive.foreign().debian,
        archive.keyring().display(),
        archive.mirror.url(),
    );
    archive.work.write("home/config.yaml", configuration.as_bytes())?;
    archive.work.write("home/motd", b"callers\n")?;
    let script = "mkdir bin && ln -s \"$1\" bin/mmdebstrap && PATH=$PWD/bin:$PATH exec bdebstrap --config config.yaml \
                  --name callers --output-base-dir ../out --hostname caller";
    archive.work.run_plain([""]).through(script).end()?.succeeded();
    let out = archive.work.out("callers");
    let manifest = read(&out, "manifest");
    assert!(manifest.lines().any(|line| line.starts_with("wanted\t")), "{manifest}");
    let found = entries(&out.join("root.tar"))?;
    let owner = |path: &str| found.get(path).and_then(|facts| facts.get("owner")).cloned();
    assert_eq!(owner("srv").as_deref(), Some("7:8"));
    assert!(found.contains_key("etc/motd") && found.contains_key("etc/hostname"));
});

scenario!(
    /// What debrebuild runs to build a package: a tarball of before is the target, which is nothing but that; hooks build
    /// in it; what they made is brought out, and nothing else is kept. Of this
    /// machine's architecture: for another there is nowhere to take native tools from.
    debrebuild_builds_in_a_tarball, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    call(&archive, &["--variant=essential", "--architectures=NATIVE", SUITE, "../out/base.tar", "MIRROR"]).end()?.succeeded();
    archive.work.make_dir("out/built")?;
    let build = "--customize-hook=chroot \"$1\" sh -c \"mkdir -p /build/deep/DEBIAN && cd /build/deep && \
                 printf 'Package: made\\nVersion: 1\\nArchitecture: NATIVE\\nMaintainer: A <a@example.org>\\nDescription: d\\n' \
                 >DEBIAN/control && env LC_ALL=C.UTF-8 dpkg-deb --root-owner-group --build . /build && cd / && rm -r /build/deep\"";
    let done = call(&archive, &[
        "--arch=NATIVE", "--variant=custom", "--skip=setup", "--skip=update", "--skip=cleanup",
        "--setup-hook=tar --exclude=\"./dev/*\" -C \"$1\" -xf ../out/base.tar",
        "--setup-hook=rm \"$1\"/etc/apt/sources.list",
        "--customize-hook=test -e \"$1/usr/bin/dash\"",
        build,
        "--customize-hook=sync-out /build ../out/built",
        "",
        "/dev/null",
    ]);
    let done = done.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").end()?;
    done.succeeded();
    let deb = archive.work.out("built").join(format!("made_1_{}.deb", archive.native().debian));
    assert!(exists(&deb), "{:?}: {}", archive.work.names("out/built")?, done.stderr);
    assert_eq!(archive.work.names("out")?, ["base.tar", "built"]);
});

scenario!(
    /// What debootsnap runs: a flat archive that is trusted, of a suite that no archive has; a list of what is installed is
    /// written, brought out and removed, and the sources are put in place.
    debootsnap_installs_from_a_flat_archive, CONFIGURE, {
    let plain = Publish { compressions: vec![Compression::None], ..Publish::default() };
    let packages = [package("wanted")?, package("dummy")?.field("Depends", "wanted")];
    let archive = Synthetic::published(&plain, &packages)?;
    // Of its native tools, too.
    let indexes = [archive.native(), archive.foreign()].map(|machine| format!("dists/{SUITE}/main/binary-{}/Packages", machine.debian));
    let texts = indexes.map(|index| std::fs::read_to_string(archive.archive().join(index)).unwrap_or_default());
    let text = texts.join("\n");
    std::fs::write(archive.archive().join("Packages"), text)?;
    archive.work.write("home/sources.list", b"# of a time\n")?;
    let show = "--customize-hook=chroot \"$1\" dpkg-query --showformat '${binary:Package}=${Version}\\n' --show > \"$1/pkglist\"";
    call(&archive, &[
        "--architectures=ARCH", "--variant=essential", "--include=dummy",
        "--aptopt=Apt::Key::gpgvcommand \"/usr/libexec/mmdebstrap/gpgvnoexpkeysig\"",
        "--customize-hook=chroot \"$1\" dpkg -r dummy",
        show,
        "--customize-hook=download /pkglist ./pkglist",
        "--customize-hook=rm \"$1/pkglist\"",
        "--customize-hook=upload sources.list /etc/apt/sources.list",
        "dummysuite",
        "../out/target",
        "deb [trusted=yes] MIRROR ./",
    ]).end()?.succeeded();
    let list = read(&archive.work.path("home"), "pkglist");
    assert!(list.contains("wanted=") && !list.contains("dummy="), "{list}");
    let target = archive.work.out("target");
    assert_eq!(read(&target, "etc/apt/sources.list"), "# of a time\n");
    assert!(!exists(&target.join("pkglist")));
    assert!(installed(&read(&target, "var/lib/dpkg/status")).contains(&"wanted".to_owned()));
});

scenario!(
    /// What debbisect's and sbuild's users run: a tar on standard output, thrown away or kept, with what hooks print on
    /// standard error.
    debbisect_and_sbuild_take_standard_output, CONFIGURE, {
    let archive = Synthetic::with(&[package("wanted")?])?;
    let bisect = call(&archive, &[
        "--verbose", "--aptopt=Acquire::Check-Valid-Until \"false\"", "--variant=apt", "--include=wanted", "--architectures=ARCH",
        "--customize-hook=chroot \"$1\" dpkg -l", "--customize-hook=echo here; exit 3", SUITE, "-", "MIRROR",
    ]);
    let done = bisect.through("\"$@\" >/dev/null").end()?;
    done.failed_with(&["customize hook", "exit status 3"]);
    assert!(done.stderr.lines().any(|line| line.starts_with("ii  wanted")), "{}", done.stderr);
    let sbuild = call(&archive, &[
        "--variant=apt", "--architectures=ARCH", "--skip=output/mknod", "--format=tar", SUITE, "-", "MIRROR",
    ]);
    sbuild.through("\"$@\" >../out/sbuild.tar").end()?.succeeded();
    let found = entries(&archive.work.out("sbuild.tar"))?;
    assert!(found.contains_key("usr/bin/dash") && !found.contains_key("dev/null"));
});

scenario!(
    /// What debvm-create runs: a filesystem of ext2 with hooks of its own, whose packages a hook's own apt installs with
    /// the machine's apt and the target as its root directory.
    debvm_has_its_hooks_install_a_kernel, CONFIGURE, {
    let kernel = package("linux-image")?.file("boot/vmlinux-1", "kernel", 0o644).script(
        "postinst",
        "#!/bin/sh\nset -e\nln -sf boot/vmlinux-1 /vmlinux\n",
    );
    let archive = Synthetic::with(&[kernel])?;
    let install = "#!/bin/sh\nset -eu\nTARGET=$1\nexport APT_CONFIG=\"$MMDEBSTRAP_APT_CONFIG\"\n\
                   test -n \"$(xargs <\"$TARGET/var/lib/dpkg/arch\")\"\nset -- -oDPkg::Chroot-Directory=\"$TARGET\"\n\
                   apt-get --yes satisfy \"$@\" 'linux-image-none | linux-image'\n";
    archive.work.write("home/kernel.sh", install.as_bytes())?;
    let call = call(&archive, &[
        SUITE, "../out/image.tar", "--architectures=ARCH", "--skip=cleanup/apt/lists", "--include=?not(?virtual)?exact-name(none)",
        "--customize-hook=passwd --root \"$1\" --delete root || :",
        "--customize-hook=echo testvm >\"$1/etc/hostname\"",
        "--verbose", "--variant=apt", "--customize-hook=./kernel.sh",
        "deb MIRROR stable main",
    ]);
    call.through("chmod +x kernel.sh; \"$@\"").end()?.succeeded();
    let found = entries(&archive.work.out("image.tar"))?;
    for path in ["boot/vmlinux-1", "vmlinux", "etc/hostname"] {
        assert!(found.contains_key(path), "{path}");
    }
    assert!(found.keys().any(|name| name.starts_with("var/lib/apt/lists/") && name.ends_with("_Packages")));
});
