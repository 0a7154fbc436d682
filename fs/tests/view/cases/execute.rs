//! Exec redirection and phantoms.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use nix::mount::MsFlags;
use rootless_install_fs::{
    ElfIdentity, FileType, Parents, Phantom, PhantomKind, Redirect, ServeOptions, Target,
};

use super::{Case, errno, idle, meta};
use crate::namespace::{Inside, Outside};

pub(crate) fn all() -> Vec<Case> {
    vec![
        Case {
            name: "execution",
            prepare: programs,
            inside: execution,
            step: idle,
            after: executed,
        },
        Case {
            name: "phantoms",
            prepare: phantoms,
            inside: seen,
            step: real,
            after: unlisted,
        },
    ]
}

/// An ELF header of a machine that is not this one, and something after it.
fn foreign() -> Vec<u8> {
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\xf3\0".to_vec();
    elf.resize(9000, b'x');
    elf
}

/// This machine's, from the program that runs.
pub(super) fn native() -> ElfIdentity {
    let elf = fs::read("/proc/self/exe").unwrap();
    ElfIdentity {
        machine: u16::from_ne_bytes([elf[18], elf[19]]),
        class_bits: 32 * elf[4],
        big_endian: cfg!(target_endian = "big"),
    }
}

pub(super) fn programs(target: &Target, dir: &Path) -> ServeOptions {
    let shim = dir.join("shim");
    fs::write(&shim, "#!/bin/sh\necho \"shim: $*\"\n").unwrap();
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    let file = |mode| meta(FileType::Regular, mode, 0, 0);
    target.write(Path::new("tool"), &foreign(), &file(0o755)).unwrap();
    target.write(Path::new("data"), &foreign(), &file(0o644)).unwrap();
    target
        .write(Path::new("native"), &fs::read("/bin/true").unwrap(), &file(0o755))
        .unwrap();
    let script = format!("#!{}\n", dir.join("view/tool").display());
    target
        .write(Path::new("script"), script.as_bytes(), &file(0o755))
        .unwrap();
    let redirect = Redirect {
        interpreter: shim,
        argument: None,
        arguments: Vec::new(),
        native: native(),
    };
    ServeOptions {
        redirect: Some(redirect),
        ..ServeOptions::default()
    }
}

fn execution(t: &Inside) {
    let output = |path: &Path| {
        let output = Command::new(path).args(["a", "b c"]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let tool = t.at("tool");
    for _ in 0..3 {
        // Reading in between gives the file's own bytes, from the page cache or not.
        assert_eq!(output(&tool), format!("shim: {} a b c\n", tool.display()));
        assert_eq!(fs::read(&tool).unwrap(), foreign());
        assert_eq!(fs::metadata(&tool).unwrap().len(), 9000);
    }
    // A script whose interpreter is redirected.
    let script = t.at("script");
    assert_eq!(
        output(&script),
        format!("shim: {} {} a b c\n", tool.display(), script.display())
    );
    assert_eq!(output(&t.at("native")), "");
    assert_eq!(errno(Command::new(t.at("data")).output()), 13);
    // Made inside.
    fs::copy(&tool, t.at("copy")).unwrap();
    assert_eq!(
        output(&t.at("copy")),
        format!("shim: {} a b c\n", t.at("copy").display())
    );
    // Many at the same time.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| assert!(output(&tool).starts_with("shim"))));
        }
    });
}

fn executed(t: &Outside) {
    // Three in the loop, the script's interpreter, the copy, the many.
    assert_eq!(t.counters.redirected, 3 + 1 + 1 + 40);
    assert_eq!(t.counters.scripts, 1);
    assert_eq!(t.counters.native, 1);
    assert!(t.counters.requests > 0);
}

fn phantoms(target: &Target, dir: &Path) -> ServeOptions {
    let directory = meta(FileType::Directory, 0o755, 0, 0);
    for path in ["usr", "usr/lib", "usr/sbin"] {
        target.make_dir(Path::new(path), &directory).unwrap();
    }
    target
        .write(
            Path::new("usr/lib/own"),
            b"own",
            &meta(FileType::Regular, 0o644, 0, 0),
        )
        .unwrap();
    fs::create_dir(dir.join("native")).unwrap();
    fs::write(dir.join("native/libx.so"), "library").unwrap();
    let phantom = |path: &str, kind| Phantom {
        path: path.into(),
        kind,
        parents: if path == "/lib/native" {
            Parents::Hidden
        } else {
            Parents::Shown
        },
    };
    let file = |text: &str| PhantomKind::File {
        data: text.into(),
        mode: 0o755,
    };
    ServeOptions {
        phantoms: vec![
            phantom("/usr/lib/native", PhantomKind::Directory),
            phantom("/lib64", PhantomKind::Symlink("usr/lib/native".into())),
            phantom("/run/tool/shim", file("#!/bin/sh\necho phantom\n")),
            phantom("/usr/lib/own", file("never seen")),
            phantom("/usr/sbin/policy-rc.d", file("#!/bin/sh\nexit 101\n")),
            phantom("/usr/lib/later", PhantomKind::Directory),
            phantom("/lib/native", PhantomKind::Symlink("../usr/lib/native".into())),
        ],
        ..ServeOptions::default()
    }
}

fn seen(t: &Inside) {
    assert!(t.at("usr/lib/native").is_dir());
    assert_eq!(fs::read_dir(t.at("usr/lib/native")).unwrap().count(), 0);
    assert_eq!(fs::read_link(t.at("lib64")).unwrap(), Path::new("usr/lib/native"));
    assert_eq!(fs::read(t.at("usr/lib/own")).unwrap(), b"own");
    let output = Command::new(t.at("run/tool/shim")).output().unwrap();
    assert_eq!(output.stdout, b"phantom\n");
    assert_eq!(fs::metadata(t.at("run/tool/shim")).unwrap().mode(), 0o100_755);
    assert_eq!(
        Command::new(t.at("usr/sbin/policy-rc.d"))
            .status()
            .unwrap()
            .code(),
        Some(101)
    );
    // Never listed.
    let list = |path: &str| {
        let mut names: Vec<_> = fs::read_dir(t.at(path))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort_unstable();
        names
    };
    assert_eq!(list(""), ["usr"]);
    assert_eq!(list("usr/lib"), ["own"]);
    assert!(list("run").is_empty());
    // Read-only.
    for (at, result) in [
        fs::write(t.at("run/tool/shim"), "x"),
        fs::write(t.at("run/new"), "x"),
        fs::create_dir(t.at("usr/lib/native/x")),
        fs::remove_file(t.at("run/tool/shim")),
        fs::rename(t.at("lib64"), t.at("lib65")),
        fs::set_permissions(t.at("run/tool/shim"), fs::Permissions::from_mode(0o600)),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(errno(result), 30, "{at}");
    }
    // One that is removed was not in the target, and is there again.
    fs::remove_file(t.at("lib64")).unwrap();
    fs::remove_dir(t.at("usr/lib/native")).unwrap();
    assert!(soon(|| t.at("lib64").is_dir()));
    // One may be there only where its directory is; that directory can be made, moved and replaced.
    assert!(!t.at("lib").exists());
    fs::create_dir(t.at("lib")).unwrap();
    assert!(t.at("lib/native").is_dir());
    fs::rename(t.at("lib"), t.at("lib~")).unwrap();
    std::os::unix::fs::symlink("usr/lib", t.at("lib")).unwrap();
    assert!(t.at("lib/native").is_dir());
    fs::remove_file(t.at("lib")).unwrap();
    fs::remove_dir(t.at("lib~")).unwrap();
    assert!(soon(|| !t.at("lib").exists()));
    // Something mounted on one stays while things change around it.
    let none: Option<&str> = None;
    nix::mount::mount(
        Some(&t.dir.join("native")),
        &t.at("usr/lib/native"),
        none,
        MsFlags::MS_BIND,
        none,
    )
    .unwrap();
    assert_eq!(fs::read(t.at("lib64/libx.so")).unwrap(), b"library");
    t.step(0);
    assert_eq!(fs::read(t.at("lib64/libx.so")).unwrap(), b"library");
    assert_eq!(fs::metadata(t.at("usr/lib")).unwrap().mode() & 0o7777, 0o711);
    // The target's own entry wins as soon as there is one, and the phantom is back when it is gone.
    assert_eq!(fs::read(t.at("usr/sbin/policy-rc.d")).unwrap(), b"own");
    assert!(t.at("usr/lib/later").is_file());
    fs::remove_file(t.at("usr/sbin/policy-rc.d")).unwrap();
    assert!(soon(|| {
        fs::read(t.at("usr/sbin/policy-rc.d")).is_ok_and(|data| data.starts_with(b"#!"))
    }));
    t.step(1);
    assert!(t.at("usr/lib/later").is_dir());
}

/// The server tells the kernel to look again after it has answered.
fn soon(holds: impl Fn() -> bool) -> bool {
    (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        holds()
    })
}

fn real(t: &Outside, step: u8) {
    let file = meta(FileType::Regular, 0o755, 0, 0);
    if step == 0 {
        t.target
            .write(Path::new("usr/sbin/policy-rc.d"), b"own", &file)
            .unwrap();
        t.target.write(Path::new("usr/lib/more"), b"", &file).unwrap();
        t.target.write(Path::new("usr/lib/later"), b"", &file).unwrap();
        t.target.set_mode(Path::new("usr/lib"), 0o711).unwrap();
    } else {
        t.target.remove(Path::new("usr/lib/later")).unwrap();
    }
}

fn unlisted(t: &Outside) {
    assert_eq!(t.target.read_dir(Path::new("/")).unwrap(), ["usr"]);
    assert_eq!(t.target.read_dir(Path::new("/usr/lib")).unwrap(), ["more", "own"]);
}
