//! Everything that can go wrong gives one clear error, an exit status that is
//! not 0, and leaves nothing half-made.

use std::path::Path;

use rootless_install_tests::archive::{Damage, Publish, Signature};
use rootless_install_tests::deb::{Compression, Kind, Package, directory, entry};
use rootless_install_tests::machine::Lack;
use rootless_install_tests::mirror::{Fault, unreachable};
use rootless_install_tests::program::Run;
use rootless_install_tests::synthetic::{Synthetic, package};
use rootless_install_tests::{Result, scenario};

// The run fails with these words and leaves nothing.
#[track_caller]
fn refused(archive: &Synthetic, run: Run<'_>, words: &[&str]) -> Result<()> {
    let traces = archive.work.traces();
    run.end()?.failed_with(words);
    archive.work.clean(&traces, &[]);
    Ok(())
}

// The archive has these packages and refuses to install `bad`.
#[track_caller]
fn package_refused(packages: &[Package], words: &[&str]) -> Result<()> {
    let archive = Synthetic::with(packages)?;
    refused(&archive, archive.install("bad", "target"), words)?;
    refused(&archive, archive.install("bad", "target.tar.gz"), words)
}

fn with_options<'a>(archive: &'a Synthetic, changes: &[(&str, &str)]) -> Run<'a> {
    let mut arguments = archive.options();
    for (name, value) in changes {
        match arguments.iter().position(|one| one == name) {
            Some(at) => arguments[at + 1] = value.into(),
            None => arguments.extend([name.into(), value.into()]),
        }
    }
    arguments.push(archive.work.out("target").into());
    archive.work.run(arguments)
}

scenario!(
    /// Unreachable mirror.
    unreachable_mirror, PROGRAM, {
    let archive = Synthetic::with(&[])?;
    let url = unreachable()?;
    refused(
        &archive,
        with_options(&archive, &[("--mirror", &url)]),
        &[&url, "reach|connect"],
    )?;
    archive.mirror.fault("InRelease", Fault::Status(503));
    archive.mirror.fault("Release", Fault::Status(503));
    refused(&archive, archive.install("", "target"), &["503"])?;
});

scenario!(
    /// Unknown suite.
    unknown_suite, PROGRAM, {
    let archive = Synthetic::with(&[])?;
    refused(
        &archive,
        with_options(&archive, &[("--suite", "nowhere")]),
        &["nowhere", "suite"],
    )?;
    refused(
        &archive,
        with_options(&archive, &[("--components", "contrib")]),
        &["contrib", "main"],
    )?;
});

scenario!(
    /// Unknown architecture, and one the archive has not.
    unknown_architecture, PROGRAM, {
    let archive = Synthetic::with(&[])?;
    refused(
        &archive,
        with_options(&archive, &[("--arch", "pdp11")]),
        &["pdp11", "riscv64"],
    )?;
    refused(
        &archive,
        with_options(&archive, &[("--arch", "s390x")]),
        &["s390x", archive.foreign().debian],
    )?;
});

scenario!(
    /// Unknown variant.
    unknown_variant, PROGRAM, {
    let archive = Synthetic::with(&[])?;
    refused(
        &archive,
        with_options(&archive, &[("--variant", "huge")]),
        &["huge", "minbase", "buildd"],
    )?;
});

scenario!(
    /// Unknown package.
    unknown_package, PROGRAM, {
    let archive = Synthetic::with(&[package("known")?])?;
    refused(&archive, archive.install("knwon", "target"), &["knwon"])?;
    refused(
        &archive,
        archive.install("known=9", "target"),
        &["known", "9", "1.0-1"],
    )?;
});

scenario!(
    /// Conflicts, missing dependencies.
    unsatisfiable_requests, PROGRAM, {
    let archive = Synthetic::with(&[
        package("left")?.field("Conflicts", "right"),
        package("right")?,
        package("needy")?.field("Depends", "middle"),
        package("middle")?.field("Depends", "missing (>= 2)"),
        package("missing")?,
    ])?;
    refused(
        &archive,
        archive.install("left,right", "target"),
        &["left", "right", "conflict"],
    )?;
    refused(
        &archive,
        archive.install("needy", "target"),
        &["needy", "middle", "missing (>= 2)"],
    )?;
});

scenario!(
    /// Missing, wrong, expired, altered, out of date.
    bad_signatures, PROGRAM, {
    let cases = [
        (Signature::Missing, vec!["InRelease|Release|suite"]),
        (Signature::Unsigned, vec!["not signed|no signature|unsigned"]),
        (Signature::WrongKey, vec!["key", "unknown|not in the keyring"]),
        (Signature::ExpiredKey, vec!["expired"]),
        (Signature::Altered, vec!["altered|does not fit|bad signature"]),
    ];
    for (signature, words) in cases {
        let archive = Synthetic::published(
            &Publish {
                signature,
                ..Publish::default()
            },
            &[],
        )?;
        refused(&archive, archive.install("", "target"), &words)?;
    }
    let old = Publish {
        valid_until: Some(-3600),
        ..Publish::default()
    };
    let archive = Synthetic::published(&old, &[])?;
    refused(
        &archive,
        archive.install("", "target"),
        &["valid until|valid-until", "out of date|expired"],
    )?;
    let archive = Synthetic::with(&[])?;
    let empty = archive.work.write("empty.gpg", b"")?;
    refused(
        &archive,
        with_options(&archive, &[("--keyring", &empty.to_string_lossy())]),
        &["empty.gpg", "key"],
    )?;
});

scenario!(
    /// Truncated and altered index.
    damaged_index, PROGRAM, {
    for by_hash in [true, false] {
        for index in [Damage::Truncated, Damage::Altered] {
            let publish = Publish {
                index,
                by_hash,
                ..Publish::default()
            };
            let archive = Synthetic::published(&publish, &[])?;
            refused(&archive, archive.install("", "target"), &["Packages", "expected"])?;
        }
    }
});

scenario!(
    /// Truncated, altered and missing .deb.
    damaged_package, PROGRAM, {
    let faults = [
        (Fault::Truncated, "cut off|expected"),
        (Fault::Cut, "cut off|expected|broke"),
        (Fault::Altered, "SHA-256|expected"),
        (Fault::Status(404), "404|not there"),
    ];
    for (fault, words) in faults {
        let bad = package("bad")?.file("usr/share/bad/data", "text of no interest\n".repeat(500), 0o644);
        let archive = Synthetic::with(&[bad])?;
        archive
            .mirror
            .fault(&format!("bad_1.0-1_{}.deb", archive.foreign().debian), fault);
        refused(&archive, archive.install("bad", "target"), &["bad", words])?;
        // The mirror is well again: what it served before is not believed.
        archive.mirror.heal();
        archive.install("bad", "target").end()?.succeeded();
    }
});

scenario!(
    /// ../ in member names; absolute ones lead into the target.
    hostile_names, CONFIGURE, {
    for name in ["../escaped", "./usr/../../../escaped", "/tmp/../../escaped"] {
        let bad = package("bad")?.entry(entry(name, Kind::File(b"x".to_vec()), 0o644));
        package_refused(&[bad], &["bad", "escaped"])?;
    }
    let absolute = "/var/tmp/rootless-install-absolute";
    let bad = package("bad")?.entry(entry(absolute, Kind::File(b"x".to_vec()), 0o644));
    let archive = Synthetic::with(&[bad])?;
    archive.install("bad", "target").end()?.succeeded();
    assert!(
        !Path::new(absolute).exists(),
        "{absolute} was written on this machine"
    );
    let inside = archive.work.out("target").join(absolute.trim_start_matches('/'));
    assert!(inside.is_file(), "{} is not there", inside.display());
    let to = package("bad")?.entry(entry(
        "./hard",
        Kind::Hardlink("../../../etc/passwd".to_owned()),
        0o644,
    ));
    package_refused(&[to], &["bad", "passwd"])?;
});

scenario!(
    /// Writing through a link to a place outside.
    hostile_links, CONFIGURE, {
    for through in [
        "../../../../../../var/tmp",
        "/proc/self/root/var/tmp",
        "/var/tmp/rootless-install-none",
    ] {
        let bad = package("bad")?.link("escape", through).entry(entry(
            "./escape/rootless-install-escaped",
            Kind::File(b"x".to_vec()),
            0o644,
        ));
        let archive = Synthetic::with(&[bad])?;
        let traces = archive.work.traces();
        let outcome = archive.install("bad", "target").end()?;
        assert!(
            !Path::new("/var/tmp/rootless-install-escaped").exists(),
            "{through}: written outside"
        );
        outcome.failed_with(&["bad", "escape"]);
        archive.work.clean(&traces, &[]);
    }
    // A link over one of the archive's own directories must not lead out either.
    let bad = package("bad")?
        .entry(entry(
            "./usr/share/over",
            Kind::Symlink("../../../../../..".to_owned()),
            0o777,
        ))
        .entry(directory("./usr/share/over/var/", 0o755))
        .entry(entry(
            "./usr/share/over/var/tmp/rootless-install-escaped",
            Kind::File(b"x".to_vec()),
            0o644,
        ));
    let archive = Synthetic::with(&[bad])?;
    let traces = archive.work.traces();
    let outcome = archive.install("bad", "target").end()?;
    assert!(
        !Path::new("/var/tmp/rootless-install-escaped").exists(),
        "written outside"
    );
    outcome.failed_with(&["bad", "over"]);
    archive.work.clean(&traces, &[]);
});

scenario!(
    /// A .deb that expands without end.
    endless_package, CONFIGURE, {
    let bad = package("bad")?
        .field("Installed-Size", "10")
        .entry(entry("./zeros", Kind::Zeros(6 << 30), 0o644))
        .compressed(Compression::Xz, Compression::Zstd);
    package_refused(&[bad], &["bad", "zeros|expands|larger|too large|Installed-Size"])?;
    let bad = package("bad")?
        .field("Installed-Size", "10")
        .control_file("huge", &vec![0; 256 << 20], 0o644);
    package_refused(&[bad], &["bad", "control|expands|larger|too large"])?;
});

scenario!(
    /// A .deb that is not the package the index names.
    wrong_control, CONFIGURE, {
    let arch = package("bad")?.architecture;
    let controls = [
        ("Package: good\nVersion: 1.0-1\n", "good"),
        ("Package: bad\nVersion: 6.6-6\n", "6.6-6"),
        ("no colon here\n", "control"),
    ];
    for (control, words) in controls {
        let mut bad = package("bad")?;
        let rest = format!("Architecture: {arch}\nMaintainer: Test <test@example.org>\nDescription: x\n");
        bad.control_override = Some(format!("{control}{rest}"));
        package_refused(&[bad], &["bad", words])?;
    }
});

scenario!(
    /// Target not empty, not a directory, no parent.
    occupied_targets, PROGRAM, {
    let archive = Synthetic::with(&[])?;
    let traces = archive.work.traces();
    archive.work.make_dir("out/target")?;
    archive.work.write("out/target/mine", b"precious")?;
    archive
        .install("", "target")
        .end()?
        .failed_with(&["target", "not empty"]);
    assert_eq!(std::fs::read(archive.work.out("target/mine"))?, b"precious");
    archive.work.write("out/file", b"precious")?;
    archive
        .install("", "file")
        .end()?
        .failed_with(&["file", "not a directory"]);
    assert_eq!(std::fs::read(archive.work.out("file"))?, b"precious");
    archive
        .install("", "none/target")
        .end()?
        .failed_with(&["none", "does not exist|no such"]);
    archive.work.clean(&traces, &["file", "target"]);
});

scenario!(
    /// A failing script: package, script, status, last lines.
    failing_script, CONFIGURE, {
    let script = "#!/bin/sh\necho the last words; echo of this script >&2; exit 42\n";
    for name in ["preinst", "postinst"] {
        let bad = package("bad")?.script(name, script);
        package_refused(&[bad], &["bad", name, "42", "the last words", "of this script"])?;
    }
    let bad = package("bad")?.script("postinst", "#!/bin/sh\nno-such-command --at-all\n");
    package_refused(&[bad], &["bad", "postinst", "127", "no-such-command"])?;
    let bad = package("bad")?.script("postinst", "#!/bin/sh\nkill -9 $$\n");
    package_refused(&[bad], &["bad", "postinst", "signal|killed|137"])?;
});

scenario!(
    /// A hanging script is stopped.
    hanging_script, CONFIGURE, {
    let bad = package("bad")?.script("postinst", "#!/bin/sh\necho waiting\nsleep 86399\n");
    let archive = Synthetic::with(&[bad])?;
    let run = with_options(
        &archive,
        &[
            ("--variant", "essential"),
            ("--include", "bad"),
            ("--script-timeout", "3s"),
        ],
    );
    refused(&archive, run, &["bad", "postinst", "3s|3 s|seconds", "waiting"])?;
});

scenario!(
    /// A full target and a full cache.
    no_space_left, ROOT, {
    let noise: Vec<u8> = (0..24_u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let archive = Synthetic::with(&[package("large")?.file("usr/share/large", noise, 0o644)])?;
    let small = archive.work.make_dir("small")?;
    for (target, kib) in [("target", 16 << 10), ("target.tar", 16 << 10)] {
        let traces = archive.work.traces();
        let run = archive.install_at("large", &small.join(target));
        let outcome = run.without(Lack::Space(small.clone(), kib)).end()?;
        outcome.failed_with(&["no space left", "small|target"]);
        assert!(
            !outcome.stderr.contains("left: "),
            "something is left\n{}",
            outcome.stderr
        );
        archive.work.clean(&traces, &[]);
    }
    // A script that finds no room fails in its own way; the reason is said.
    let fills = "#!/bin/sh\ncat /dev/zero >/var/lib/all\n";
    let archive = Synthetic::with(&[package("fills")?.script("postinst", fills)])?;
    let small = archive.work.make_dir("small")?;
    let run = archive.install_at("fills", &small.join("target"));
    let outcome = run.without(Lack::Space(small, 24 << 10)).end()?;
    outcome.failed_with(&["no space left", "small", "fills", "postinst", "make room"]);
    let fresh = Synthetic::with(&[])?;
    let cache = fresh.work.path("cache");
    let run = fresh.install("", "target").without(Lack::Space(cache, 256));
    let traces = fresh.work.traces();
    run.end()?.failed_with(&["not enough space", "cache"]);
    assert!(fresh.mirror.requests().is_empty());
    fresh.work.clean(&traces, &[]);
});

// Each machine says what is missing and how it is mended.
#[track_caller]
fn lacking(lack: Lack, words: &[&str]) -> Result<()> {
    let archive = Synthetic::with(&[])?;
    // The mode auto does without (`without_namespaces.rs`).
    let run = archive.install("", "target").option("--mode=redirect");
    refused(&archive, run.without(lack), words)
}

scenario!(
    /// No /dev/fuse, and one for root only.
    no_fuse, ROOT, {
    lacking(Lack::Fuse, &["/dev/fuse", "modprobe|fuse3|module"])?;
    lacking(Lack::FusePermission, &["/dev/fuse", "fuse3|chmod|permission"])?;
});

scenario!(
    /// uidmap is not installed.
    no_newuidmap, ROOT, {
    lacking(Lack::Newuidmap, &["newuidmap", "uidmap", "install"])?;
});

scenario!(
    /// No range in /etc/subuid.
    no_subordinate_ids, ROOT, {
    lacking(Lack::SubordinateIds, &["/etc/subuid", "usermod|add-subuids"])?;
});

scenario!(
    /// User namespaces are switched off.
    no_user_namespaces, ROOT, {
    lacking(
        Lack::UserNamespaces,
        &["user namespace", "sysctl|max_user_namespaces"],
    )?;
});

scenario!(
    /// A filesystem without user attributes.
    no_user_attributes, ROOT, {
    let archive = Synthetic::with(&[])?;
    let plain = archive.work.make_dir("plain")?;
    let traces = archive.work.traces();
    let run = archive.install_at("", &plain.join("target"));
    let outcome = run.without(Lack::UserAttributes(plain)).end()?;
    outcome.failed_with(&["attributes", "ext4|xfs|btrfs|another|filesystem"]);
    assert!(
        !outcome.stderr.contains("left: "),
        "something is left\n{}",
        outcome.stderr
    );
    archive.work.clean(&traces, &[]);
});
