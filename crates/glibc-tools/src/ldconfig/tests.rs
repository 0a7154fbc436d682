//! Whole runs of ldconfig.

use super::testing::{WithLdconfig, library};
use super::{LdconfigError, run};
use crate::testing::{Elf, usual_flags};
use deb_arch::{ARCHITECTURES, Architecture};
use rootless_install_fs::FileType;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Debian 13 and Debian 12.
const TRIXIE: &str = "2.41-12+deb13u4";
const BOOKWORM: &str = "2.36-9+deb12u14";

/// A target with much that is unusual.
fn odd(arch: &Architecture, version: &str) -> WithLdconfig {
    let target = WithLdconfig::new(version);
    let lib = format!("/usr/lib/{}", arch.triplet);
    let file = |name: &str, soname: Option<&str>, needed: &str, flags: u32| {
        target.write(&format!("{lib}/{name}"), &library(arch, soname, needed, flags));
    };
    let flags = usual_flags(arch);
    target.mkdir("/usr/bin");
    target.symlink("/lib", "usr/lib");
    target.symlink("/lib64", "usr/lib64");
    target.mkdir("/usr/lib64");
    target.mkdir("/var/cache");

    let lines = [
        "# comment".to_owned(),
        "  include ld.so.conf.d/*.conf\tld.so.conf.d/none /etc/more".to_owned(),
        "hwcap 0 nosegneg".to_owned(),
        "/usr/local/lib// # local".to_owned(),
        "/nonexistent".to_owned(),
        format!("{lib} "),
        "includes".to_owned(),
    ];
    target.write("/etc/ld.so.conf", lines.join("\n").as_bytes());
    target.write("/etc/ld.so.conf.d/b.conf", b"/opt/b\n");
    target.write("/etc/ld.so.conf.d/a.conf", b"/opt/a\n/opt/b\n");
    target.write("/etc/ld.so.conf.d/.hidden.conf", b"/opt/hidden\n");
    target.write("/etc/more", b"/opt/more");
    for directory in ["/opt/a", "/opt/b", "/opt/hidden", "/opt/more", "/usr/local/lib"] {
        target.write(
            &format!("{directory}/libshared.so.1"),
            &library(arch, Some("libshared.so.1"), "libc.so.6", flags),
        );
    }

    // Two of one name; one without a name; links of all kinds.
    file("libfoo.so.1.2", Some("libfoo.so.1"), "libc.so.6", flags);
    file("libfoo.so.1.10", Some("libfoo.so.1"), "libc.so.6", flags);
    file("libnone.so", None, "libc.so.6", flags);
    file("libbaz.so.2.0", Some("libbaz.so.2"), "libm.so.6", flags);
    target.symlink(&format!("{lib}/libbaz.so"), "libbaz.so.2");
    target.symlink(&format!("{lib}/libother.so.9"), "libbaz.so.2.0");
    file("libwrong.so.3.1", Some("libwrong.so.3"), "", flags);
    file("libwrong.so.3.0", Some("libwrong.so.3"), "libc.so.6", flags);
    target.symlink(&format!("{lib}/libwrong.so.3"), "libwrong.so.3.0");
    file("libreal.so.1", Some("libreal.so.1"), "libc.so.6", flags);
    file("libreal.so.1.5", Some("libreal.so.1"), "libc.so.6", flags);
    target.symlink(&format!("{lib}/libgone.so.1"), "libgone.so.1.0");
    target.symlink(&format!("{lib}/libgone.so"), "libgone.so.1");
    target.symlink(&format!("{lib}/libloop.so.1"), "libloop.so.1");
    target.symlink(
        &format!("{lib}/libabsolute.so.4"),
        &format!("{lib}/libbaz.so.2.0"),
    );
    file("libfree.so.7", Some("libfree.so.7"), "libother.so.1", flags);
    target.mkdir(&format!("{lib}/libdirectory.so"));
    target.symlink(&format!("{lib}/libtodirectory.so"), "libdirectory.so");
    file("unlike.so.1", Some("unlike.so.1"), "libc.so.6", flags);
    file(
        "lib\u{e9}\u{e8}.so.1",
        Some("lib\u{e9}\u{e8}.so.1"),
        "libc.so.6",
        flags,
    );
    file("libz~.so.1", Some("libz~.so.1"), "libc.so.6", flags);
    file("libnew.so.1.dpkg-new", Some("libnew.so.1"), "libc.so.6", flags);
    file("libpre.so.1.#prelink#", Some("libpre.so.1"), "libc.so.6", flags);

    // No libraries, or not of this kind.
    target.write(
        &format!("{lib}/libscript.so"),
        b"/* GNU ld script */ GROUP ( /lib/libfoo.so.1 ) /* and more text */",
    );
    target.write(&format!("{lib}/libtext.so"), &b"text ".repeat(20));
    target.write(&format!("{lib}/libempty.so"), b"");
    target.write(&format!("{lib}/libsmall.so"), b"\x7fELF\x02\x01");
    target.write(
        &format!("{lib}/liba.out.so.5.4.3"),
        &[&b"\x0b\x01\x01\x0b"[..], &[0; 80]].concat(),
    );
    let mut cut = library(arch, Some("libcut.so.1"), "", flags);
    cut.truncate(90);
    target.write(&format!("{lib}/libcut.so.1"), &cut);
    for other in ["amd64", "i386", "s390x", "powerpc", "riscv64", "armhf", "arm64"] {
        let foreign = Architecture::by_name(other).unwrap();
        let name = format!("lib{other}.so.1");
        file(&name, None, "", 0);
        target.write(
            &format!("{lib}/{name}"),
            &library(foreign, Some(&name), "", usual_flags(foreign)),
        );
    }
    for (number, flags) in [
        0,
        1,
        2,
        3,
        4,
        6,
        8,
        0x20,
        0x41,
        0x400,
        0x420,
        0x0500_0000,
        0x0500_0200,
    ]
    .iter()
    .enumerate()
    {
        let name = format!("libflags{number}.so.0");
        file(&name, Some(&name), "libc.so.6", *flags);
    }

    // The dynamic loader.
    let loader = arch.loader.rsplit('/').next().unwrap();
    file(loader, Some(loader), "", flags);
    if format!("/usr{}", arch.loader) != format!("{lib}/{loader}") {
        target.symlink(&format!("/usr{}", arch.loader), &format!("{lib}/{loader}"));
    }

    // Capabilities, by name and as they were before.
    for (name, isa) in [("x86-64-v3", 7), ("x86-64-v2", 2), ("power9", 0), ("z13", 0)] {
        let elf = Elf {
            soname: Some("libfoo.so.1"),
            needed: &["libc.so.6"],
            flags: Some(flags),
            isa,
            ..Elf::default()
        };
        target.write(
            &format!("{lib}/glibc-hwcaps/{name}/libfoo.so.1.2"),
            &elf.bytes(arch),
        );
    }
    target.symlink(&format!("{lib}/glibc-hwcaps/z13/strange"), "libfoo.so.1.2");
    target.write(
        "/opt/a/glibc-hwcaps/z13/libshared.so.1",
        &library(arch, Some("libshared.so.1"), "", flags),
    );
    target.mkdir("/opt/a/glibc-hwcaps/unused");
    target.mkdir("/opt/a/glibc-hwcaps/.hidden");
    target.write("/opt/a/glibc-hwcaps/file", b"");
    for directory in [
        "tls",
        "sse2",
        "haswell",
        "haswell/x86_64",
        "i686/sse2",
        "neon/vfp",
        "z13",
        "power9",
        "altivec",
    ] {
        let elf = Elf {
            soname: Some("libfoo.so.1"),
            needed: &["libc.so.6"],
            flags: Some(flags),
            isa: 1,
            ..Elf::default()
        };
        target.write(&format!("{lib}/{directory}/libfoo.so.1"), &elf.bytes(arch));
    }
    target.symlink(&format!("{lib}/xeon_phi"), "../../../opt/b");
    target
}

/// Of the cache that the real program makes of [`odd`], run by emulation where
/// need be: the first bytes of its SHA-256.
const CACHES: [(&str, &str, &str); 11] = [
    ("amd64", TRIXIE, "818d29b5ff3c7b71"),
    ("arm64", TRIXIE, "6b9df09fb9fd379f"),
    ("armhf", TRIXIE, "bbab97ab84864dc7"),
    ("i386", TRIXIE, "6ba4a8058d545c25"),
    ("ppc64el", TRIXIE, "8d0a49035b0ce5ca"),
    ("riscv64", TRIXIE, "062a662038547c4a"),
    ("s390x", TRIXIE, "04f3f51ff422810f"),
    ("amd64", BOOKWORM, "4571713410e607f2"),
    ("armhf", BOOKWORM, "ea2a8c7dab063c76"),
    ("i386", BOOKWORM, "e42aa4ac861ad090"),
    ("s390x", BOOKWORM, "54e8cd0198ad3282"),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn caches_are_those_of_the_real_program() {
    for (name, version, expected) in CACHES {
        let target = odd(Architecture::by_name(name).unwrap(), version);
        target.run(name, &[]);
        let cache = target.target.read(Path::new("/etc/ld.so.cache")).unwrap();
        let hash = hex(&Sha256::digest(&cache));
        assert_eq!(&hash[..16], expected, "{name} {version}");
        // Links made by the first run may lead to more; then nothing changes any more.
        let again = || {
            target.run(name, &[]);
            target.target.read(Path::new("/etc/ld.so.cache")).unwrap()
        };
        assert!(again() == again(), "{name} {version}");
    }
}

#[test]
fn the_cache_of_bullseye_shares_no_strings() {
    for name in ["i386", "s390x"] {
        let [old, new] = ["2.31-13+deb11u11", "2.36-9"].map(|version| {
            let target = odd(Architecture::by_name(name).unwrap(), version);
            target.run(name, &[]);
            target
        });
        let cache = old.target.read(Path::new("/etc/ld.so.cache")).unwrap();
        assert!(!cache.windows(8).any(|window| window == b"ldconfig"));
        let size = |line: &String| {
            let (name, rest) = line.split_once(" (").unwrap();
            name.len() + rest.split_once(" => ").unwrap().1.len() + 2
        };
        let entries = old.cached(name);
        let strings: usize = entries.iter().map(size).sum();
        assert_eq!(cache.len(), 48 + 24 * entries.len() + strings, "{name}");
        // Later versions know subdirectories of glibc-hwcaps besides.
        let plain = |line: &String| !line.contains("glibc-hwcaps");
        let later: Vec<String> = new.cached(name).into_iter().filter(plain).collect();
        assert_eq!(entries, later, "{name}");
        assert!(!entries.is_empty());
    }
    // The oldest kernel that a library runs on is in its entry.
    for name in ["arm64", "s390x", "armhf"] {
        let arch = Architecture::by_name(name).unwrap();
        let kept = |version| {
            let target = WithLdconfig::new(version);
            let library = Elf {
                soname: Some("libx.so.1"),
                kernel: Some([3, 2, 1]),
                ..Elf::default()
            };
            target.write("/usr/lib/libx.so.1", &library.bytes(arch));
            target.run(name, &[]);
            let cache = target.target.read(Path::new("/etc/ld.so.cache")).unwrap();
            cache[60..64].to_vec()
        };
        let mut expected = [0, 3, 2, 1];
        if arch.byte_order == deb_arch::ByteOrder::Little {
            expected.reverse();
        }
        assert_eq!(
            (kept("2.31-13"), kept("2.36-9")),
            (expected.to_vec(), vec![0; 4]),
            "{name}"
        );
    }
    let told = odd(Architecture::by_name("i386").unwrap(), "2.31-13").run("i386", &["-v", "-N"]);
    assert!(told.contains("/usr/lib:\n") || told.contains("/lib:\n"), "{told}");
    assert!(!told.contains("(from"), "{told}");
}

#[test]
fn links_are_made_and_removed() {
    let arch = Architecture::by_name("riscv64").unwrap();
    let lib = "/usr/lib/riscv64-linux-gnu";
    let target = odd(arch, TRIXIE);
    let link = |name: &str| target.link(&format!("{lib}/{name}"));
    assert!(!target.run("riscv64", &["-X", "-v"]).contains("changed"));
    assert_eq!(
        (link("libfoo.so.1"), link("libgone.so.1").as_deref()),
        (None, Some("libgone.so.1.0"))
    );

    let told = target.run("riscv64", &["-v"]);
    assert!(
        told.contains("\tlibfoo.so.1 -> libfoo.so.1.10 (changed)\n"),
        "{told}"
    );
    assert_eq!(link("libfoo.so.1").unwrap(), "libfoo.so.1.10");
    assert_eq!(link("libwrong.so.3").unwrap(), "libwrong.so.3.1");
    assert_eq!((link("libgone.so.1"), link("libloop.so.1")), (None, None));
    assert_eq!(
        link("libgone.so").unwrap(),
        "libgone.so.1",
        "only names with a version are removed"
    );
    assert_eq!(link("libreal.so.1"), None, "a file is not replaced");
    assert_eq!(target.link(&format!("{lib}/glibc-hwcaps/z13/libfoo.so.1")), None);

    let cache = Path::new("/etc/ld.so.cache");
    let meta = target.target.stat(cache).unwrap().meta;
    assert_eq!((meta.kind, meta.mode, meta.uid), (FileType::Regular, 0o644, 0));
    assert_eq!(
        target
            .target
            .stat(Path::new("/var/cache/ldconfig"))
            .unwrap()
            .meta
            .mode,
        0o700
    );
}

#[test]
fn only_what_was_asked() {
    let target = odd(Architecture::by_name("arm64").unwrap(), TRIXIE);
    let cache = Path::new("/etc/ld.so.cache");
    assert_eq!(target.run("arm64", &["-N"]), "");
    assert!(target.target.stat(cache).is_err());
    assert_eq!(
        target.run("arm64", &["-n", "-v", "/opt/a/"]).lines().next(),
        Some("/opt/a: (from <cmdline>:0)")
    );
    assert!(target.target.stat(cache).is_err());
    target.run("arm64", &["-C", "/usr/../etc/other", "-f", "/etc/more"]);
    assert!(
        target
            .run("arm64", &["-p", "-C", "/etc/other"])
            .contains("libshared.so.1 (libc6,AArch64) => /opt/more/")
    );
    target.run("arm64", &[]);
    let printed = target.cached("arm64");
    let named = "libfoo.so.1 (libc6,AArch64, hwcap: \"power9\") => \
                 /usr/lib/aarch64-linux-gnu/glibc-hwcaps/power9/libfoo.so.1.2";
    assert!(printed.iter().any(|line| line == named), "{printed:?}");
}

#[test]
fn another_root() {
    let target = WithLdconfig::new(TRIXIE);
    let arch = Architecture::by_name("riscv64").unwrap();
    target.mkdir("/mnt/etc");
    target.mkdir("/mnt/var/cache");
    target.symlink("/mnt/lib", "/usr/lib");
    target.write(
        "/mnt/usr/lib/libx.so.1.0",
        &library(arch, Some("libx.so.1"), "", 5),
    );
    target.write("/usr/lib/liby.so.1", &library(arch, Some("liby.so.1"), "", 5));
    target.run("riscv64", &["-r", "/mnt/"]);
    assert_eq!(target.link("/mnt/usr/lib/libx.so.1").unwrap(), "libx.so.1.0");
    let printed = target.run("riscv64", &["-r", "/mnt", "-p"]);
    assert!(
        printed.starts_with("1 libs found in cache `/etc/ld.so.cache'\n\tlibx.so.1 (libc6,double-float) => ")
    );
    assert!(target.target.stat(Path::new("/etc/ld.so.cache")).is_err());
    assert_eq!(run(&target.target, arch, &["-r", "/none"]).unwrap().status, 1);
    assert_eq!(
        run(&target.target, arch, &["lib"]).unwrap().status,
        1,
        "a relative path is refused"
    );
}

#[test]
fn what_is_not_known_is_said() {
    let arch = Architecture::by_name("riscv64").unwrap();
    let old = WithLdconfig::new("2.28-10");
    for text in [&b"\x7fELF (Debian GLIBC 2.28-10) "[..], b""] {
        if !text.is_empty() {
            old.write("/usr/sbin/ldconfig", text);
        }
        assert!(matches!(
            run(&old.target, arch, &[""; 0]),
            Err(LdconfigError::Version { major: 2, minor: 28 })
        ));
    }
    old.write("/usr/sbin/ldconfig", b"#!/bin/sh\n");
    assert!(run(&old.target, arch, &[""; 0]).unwrap_err().is_another_program());
    let target = WithLdconfig::new(TRIXIE);
    assert!(matches!(
        run(&target.target, arch, &["-l", "/x"]),
        Err(LdconfigError::Option { .. })
    ));
    target.write("/etc/ld.so.conf", b"include ld.so.conf\ninclude ld.so.conf\n");
    assert!(matches!(
        run(&target.target, arch, &[""; 0]),
        Err(LdconfigError::TooMany { .. })
    ));
}

#[test]
fn every_architecture_lists_its_own() {
    for arch in ARCHITECTURES {
        for version in [TRIXIE, BOOKWORM] {
            let target = WithLdconfig::new(version);
            let path = format!("/usr/lib/{}/libx.so.1", arch.triplet);
            target.write(
                &path,
                &library(arch, Some("libx.so.1"), "libc.so.6", usual_flags(arch)),
            );
            target.run(arch.name, &[]);
            assert_eq!(target.cached(arch.name).len(), 1, "{arch} {version}");
        }
    }
}

#[test]
fn damaged_libraries_and_caches_do_no_harm() {
    let mut random = 1_u64;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap()
    };
    for name in ["amd64", "s390x", "i386"] {
        let arch = Architecture::by_name(name).unwrap();
        let elf = Elf {
            soname: Some("libx.so.1"),
            needed: &["libc.so.6"],
            flags: Some(usual_flags(arch)),
            isa: 3,
            ..Elf::default()
        }
        .bytes(arch);
        let target = WithLdconfig::new(if name == "i386" { BOOKWORM } else { TRIXIE });
        for number in 0..300 {
            let mut damaged = elf.clone();
            for _ in 0..=next() % 4 {
                let at = next() % damaged.len();
                damaged[at] = [0, 0xff, 0x7f, next() as u8][next() % 4];
            }
            damaged.truncate(if next() % 3 == 0 {
                next() % elf.len()
            } else {
                elf.len()
            });
            target.write(&format!("/usr/lib/libx{number}.so.1"), &damaged);
        }
        target.run(name, &[]);
        let cache = target.target.read(Path::new("/etc/ld.so.cache")).unwrap();
        for _ in 0..300 {
            let mut damaged = cache.clone();
            let at = if next() % 2 == 0 {
                next() % 48
            } else {
                next() % damaged.len()
            };
            damaged[at] = next() as u8;
            damaged.truncate(if next() % 4 == 0 {
                next() % cache.len()
            } else {
                cache.len()
            });
            target.write("/etc/ld.so.cache", &damaged);
            run(&target.target, arch, &["-p"]).unwrap();
        }
    }
}
