//! The loader's output, for small files and for this machine's own programs.

use super::testing::{WithLoader, plain};
use super::*;
use crate::testing::Elf;

#[test]
fn breadth_first_and_each_once() {
    for (arch, kernel) in [
        ("riscv64", "linux-vdso.so.1"),
        ("s390x", "linux-vdso64.so.1"),
        ("armhf", "linux-vdso.so.1"),
        ("i386", "linux-gate.so.1"),
    ] {
        let target = WithLoader::new(arch);
        target.library("liba.so.1", &["libb.so.1", "libc.so.6"]);
        target.library("libb.so.1", &["libc.so.6", "libgone.so.3"]);
        target.program("/usr/bin/prog", &["liba.so.1", "libc.so.6"]);
        let (loader, triplet) = (target.arch.loader, target.arch.triplet);
        let at = |name: &str| format!("{name} => /usr/lib/{triplet}/{name}");
        let expected = [
            kernel.to_owned(),
            at("liba.so.1"),
            at("libc.so.6"),
            at("libb.so.1"),
            loader.to_owned(),
            "libgone.so.3 => not found".to_owned(),
        ];
        assert_eq!(target.list(&[], "/usr/bin/prog"), expected, "{arch}");
        // As a program that is executed with the variable set, and by a relative path.
        target.write("/work/file", b"");
        let traced = ["LD_TRACE_LOADED_OBJECTS=1"];
        let output = target.run(&traced, "/usr/bin/prog -x").unwrap();
        assert_eq!(plain(&output.stdout), expected);
        assert_eq!(target.list(&[], "../usr/bin/prog"), expected);
        // The loader is put where it is needed first, even before the kernel's object.
        let libc = format!("/usr/lib/{triplet}/libc.so.6");
        assert_eq!(target.list(&[], &libc), [loader, kernel]);
        let digits = if target.arch.bits == 64 { 16 } else { 8 };
        let text = String::from_utf8(output.stdout).unwrap();
        let address = text
            .split("(0x")
            .nth(1)
            .and_then(|rest| rest.split(')').next())
            .unwrap();
        assert_eq!(address.len(), digits, "{text}");
    }
}

#[test]
fn where_libraries_are_looked_for() {
    let target = WithLoader::new("riscv64");
    let lib = |directory: &str| {
        let soname = Some("libx.so.1");
        target.elf(
            &format!("{directory}/libx.so.1"),
            &Elf {
                soname,
                ..Elf::default()
            },
        );
    };
    let program = |rpath, runpath| {
        let elf = Elf {
            interpreter: Some(target.arch.loader),
            needed: &["libx.so.1"],
            rpath,
            runpath,
            ..Elf::default()
        };
        target.elf("/opt/p/bin/prog", &elf);
    };
    let found = |environment: &[&str]| target.list(environment, "/opt/p/bin/prog").swap_remove(1);
    let path = "LD_LIBRARY_PATH=/opt/env:/opt/none";
    program(Some("$ORIGIN/../lib"), None);
    assert_eq!(found(&[]), "libx.so.1 => not found");
    for directory in ["/usr/lib", "/lib/riscv64-linux-gnu"] {
        lib(directory);
        assert_eq!(found(&[]), format!("libx.so.1 => {directory}/libx.so.1"));
    }
    lib("/opt/env");
    assert_eq!(found(&[path]), "libx.so.1 => /opt/env/libx.so.1");
    lib("/opt/p/lib");
    assert_eq!(found(&[path]), "libx.so.1 => /opt/p/bin/../lib/libx.so.1");
    // RUNPATH comes after the environment, and RPATH is void beside it.
    program(Some("/opt/none"), Some("/opt/p/lib//"));
    assert_eq!(found(&[path]), "libx.so.1 => /opt/env/libx.so.1");
    assert_eq!(found(&[]), "libx.so.1 => /opt/p/lib/libx.so.1");
    // One of another machine is passed over.
    target.write(
        "/opt/p/lib/libx.so.1",
        &Elf::default().bytes(Architecture::by_name("amd64").unwrap()),
    );
    assert_eq!(found(&[]), "libx.so.1 => /lib/riscv64-linux-gnu/libx.so.1");
    // The cache comes before the directories that are always searched.
    lib("/opt/cached");
    let version = "ldconfig (Debian GLIBC 2.41-12) stable release version 2.41";
    target.write("/usr/sbin/ldconfig", format!("\x7fELF\0{version}\0").as_bytes());
    target.write("/etc/ld.so.conf", b"/opt/cached\n");
    crate::ldconfig::run::<&str>(&target.target, target.arch, &[]).unwrap();
    assert_eq!(found(&[]), "libx.so.1 => /opt/cached/libx.so.1");
    let output = target.run(
        &[],
        &format!("{} --inhibit-cache --list /opt/p/bin/prog", target.arch.loader),
    );
    assert!(plain(&output.unwrap().stdout)[1].starts_with("libx.so.1 => /lib/riscv64"));
}

#[test]
fn what_ldd_asks_first() {
    let target = WithLoader::new("riscv64");
    target.program("/usr/bin/dynamic", &["libc.so.6"]);
    target.elf("/usr/bin/alone", &Elf::default());
    target.elf(
        "/usr/bin/static",
        &Elf {
            fixed: true,
            ..Elf::default()
        },
    );
    target.write("/usr/bin/script", b"#!/bin/sh\n");
    target.write("/usr/bin/cut", b"\x7fELF\x02\x01\x01");
    let loader = target.arch.loader;
    let status = |program: &str| {
        target
            .run(&[], &format!("{loader} --verify {program}"))
            .unwrap()
            .status
    };
    for (program, expected) in [
        ("/usr/bin/dynamic", 0),
        ("/usr/lib/riscv64-linux-gnu/libc.so.6", 2),
        ("/usr/bin/alone", 2),
        ("/usr/bin/static", 1),
        ("/usr/bin/script", 1),
        ("/usr/bin/cut", 1),
        ("/usr/bin/gone", 1),
    ] {
        assert_eq!(status(program), expected, "{program}");
    }
    assert_eq!(target.list(&[], "/usr/bin/alone"), ["statically linked"]);
    let gone = target.run(&[], &format!("{loader} --list /gone")).unwrap();
    assert_eq!(gone.status, 127);
    assert_eq!(
        String::from_utf8(gone.stderr).unwrap(),
        "/gone: error while loading shared libraries: /gone: cannot open shared object file: \
         No such file or directory\n"
    );
    // ldd takes a loader that says its version.
    let text = b"ld.so (Debian GLIBC 2.41-12) stable release version 2.41.\nFree.\n";
    target.write(loader, &[&b"\x7fELF\0"[..], text, b"\0x"].concat());
    assert_eq!(
        target.run(&[], &format!("{loader} --version")).unwrap().stdout,
        text
    );
}

#[test]
fn what_is_executed_as_usual() {
    let target = WithLoader::new("riscv64");
    target.program("/usr/bin/prog", &["libc.so.6"]);
    target.elf(
        "/usr/bin/static",
        &Elf {
            fixed: true,
            ..Elf::default()
        },
    );
    assert_eq!(target.run(&[], "/usr/bin/prog"), None);
    assert_eq!(target.run(&["LD_TRACE_LOADED_OBJECTS=1"], "/dev/shm/prog"), None);
    assert_eq!(
        target.run(&[], &format!("{} /usr/bin/prog", target.arch.loader)),
        None
    );
    assert_eq!(
        target.run(&["LD_TRACE_LOADED_OBJECTS=1"], "/usr/bin/static"),
        None
    );
}

#[test]
fn what_needs_symbols_is_refused() {
    let target = WithLoader::new("riscv64");
    target.program("/usr/bin/prog", &["libc.so.6"]);
    let refused = |environment: &[&str], line: &str| {
        let environment: Vec<&OsStr> = environment.iter().map(OsStr::new).collect();
        let arguments: Vec<&OsStr> = line.split(' ').map(OsStr::new).collect();
        let loader = OsStr::new(target.arch.loader);
        let output = run(
            &target.target,
            target.arch,
            Path::new("/"),
            &environment,
            loader,
            &arguments,
        );
        output.unwrap_err().to_string()
    };
    let trace = "LD_TRACE_LOADED_OBJECTS=1";
    assert!(refused(&[trace, "LD_WARN=yes"], "/usr/bin/prog").contains("LD_WARN"));
    assert!(refused(&[trace, "LD_DEBUG=unused"], "/usr/bin/prog").contains("LD_DEBUG"));
    assert!(refused(&[], "--list-tunables").contains("--list-tunables"));
    assert!(refused(&[], "--library-path").contains("missing"));
    // ldd sets them empty otherwise.
    assert!(
        target
            .run(&[trace, "LD_WARN=", "LD_BIND_NOW="], "/usr/bin/prog")
            .is_some()
    );
}

#[test]
fn versions_of_symbols() {
    let target = WithLoader::new("s390x");
    let libc = Elf {
        soname: Some("libc.so.6"),
        needed: &["ld64.so.1"],
        defines: &["GLIBC_2.2", "GLIBC_2.3"],
        ..Elf::default()
    };
    target.elf("/usr/lib/s390x-linux-gnu/libc.so.6", &libc);
    let prog = Elf {
        interpreter: Some("/lib/ld64.so.1"),
        needed: &["libc.so.6"],
        needs: Some(("libc.so.6", &["GLIBC_2.3", "GLIBC_2.99"])),
        ..Elf::default()
    };
    target.elf("/usr/bin/prog", &prog);
    let output = target
        .run(&["LD_VERBOSE=yes"], "/lib/ld64.so.1 --list /usr/bin/prog")
        .unwrap();
    let libc = "/usr/lib/s390x-linux-gnu/libc.so.6";
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!("/usr/bin/prog: {libc}: version `GLIBC_2.99' not found (required by /usr/bin/prog)\n")
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, versions) = text.split_once("\n\n").unwrap();
    assert_eq!(
        versions,
        format!(
            "\tVersion information:\n\t/usr/bin/prog:\n\t\tlibc.so.6 (GLIBC_2.3) => {libc}\n\
             \t\tlibc.so.6 (GLIBC_2.99) => not found\n"
        )
    );
}

#[test]
fn preloaded_ones_come_first() {
    let target = WithLoader::new("riscv64");
    target.library("libp.so", &["libc.so.6"]);
    target.program("/usr/bin/prog", &["libc.so.6"]);
    let list = target.list(&["LD_PRELOAD=libp.so"], "/usr/bin/prog");
    assert!(
        list[1].starts_with("libp.so => ") && list[2].starts_with("libc.so.6 => "),
        "{list:?}"
    );
    target.write("/etc/ld.so.preload", b"# comment\n/gone.so\n");
    let output = target
        .run(&[], &format!("{} --list /usr/bin/prog", target.arch.loader))
        .unwrap();
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("'/gone.so' from /etc/ld.so.preload")
    );
    assert_eq!(output.status, 0);
}

#[test]
fn circles_and_hostile_files_end() {
    let target = WithLoader::new("riscv64");
    target.library("liba.so", &["libb.so"]);
    target.library("libb.so", &["liba.so", "liba.so"]);
    target.program("/usr/bin/prog", &["liba.so"]);
    assert_eq!(target.list(&[], "/usr/bin/prog").len(), 3);
    let whole = Elf {
        interpreter: Some(target.arch.loader),
        needed: &["liba.so"],
        defines: &["A"],
        needs: Some(("liba.so", &["A", "B"])),
        ..Elf::default()
    };
    let whole = whole.bytes(target.arch);
    for at in (0..whole.len()).step_by(5) {
        target.write("/usr/bin/cut", &whole[..at]);
        target.run(&[], &format!("{} --list /usr/bin/cut", target.arch.loader));
        let mut changed = whole.clone();
        changed[at] ^= 0xff;
        target.write("/usr/bin/changed", &changed);
        target.run(
            &["LD_VERBOSE=1"],
            &format!("{} --list /usr/bin/changed", target.arch.loader),
        );
    }
}

/// The same as the loader of this machine says of the same files.
#[test]
fn programs_of_this_machine() {
    let arch = Architecture::native();
    let target = WithLoader::new(arch.name);
    let copy = |path: &str| {
        if let Ok(data) = std::fs::read(path) {
            target.write(path, &data);
        }
    };
    copy("/etc/ld.so.cache");
    copy(arch.loader);
    let mut compared = 0;
    for program in [
        "/bin/ls",
        "/bin/sh",
        "/usr/bin/perl",
        "/usr/bin/apt-get",
        "/bin/tar",
    ] {
        let trace = |name| {
            let mut command = std::process::Command::new(arch.loader);
            command
                .arg(name)
                .env_clear()
                .env("LD_TRACE_LOADED_OBJECTS", "1")
                .env("LD_VERBOSE", "yes");
            command.output().ok().filter(|done| done.status.success())
        };
        let Some(real) = trace(program) else { continue };
        copy(program);
        for word in String::from_utf8(real.stdout.clone()).unwrap().split_whitespace() {
            copy(word.trim_end_matches(':'));
        }
        let variables = ["LD_TRACE_LOADED_OBJECTS=1", "LD_VERBOSE=yes"];
        let ours = target
            .run(&variables, &format!("{} {program}", arch.loader))
            .unwrap();
        assert_eq!(plain(&ours.stdout), plain(&real.stdout), "{program}");
        compared += 1;
    }
    assert!(compared > 0 || !Path::new(arch.loader).exists());
}
