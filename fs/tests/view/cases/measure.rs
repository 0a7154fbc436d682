//! What things cost; runs only when asked for by name.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rootless_install_fs::{FileType, Redirect, ServeOptions, Target};

use super::{Case, done, execute, idle, meta};
use crate::namespace::Inside;

const DIRS: usize = 100;
const FILES: usize = 10_000;

pub(super) fn all() -> Vec<Case> {
    vec![Case {
        name: "measure",
        prepare: make,
        inside: measure,
        step: idle,
        after: done,
    }]
}

fn timed(what: &str, count: usize, mut run: impl FnMut()) {
    let start = Instant::now();
    run();
    let each = start.elapsed().as_secs_f64() * 1e6 / count as f64;
    eprintln!("{what:40} {each:8.1} us each");
}

fn path(i: usize) -> String {
    format!("usr/share/d{}/file-{i}", i % DIRS)
}

fn make(target: &Target, dir: &Path) -> ServeOptions {
    let directory = meta(FileType::Directory, 0o755, 0, 0);
    target.make_dir(Path::new("usr"), &directory).unwrap();
    target.make_dir(Path::new("usr/share"), &directory).unwrap();
    for i in 0..DIRS {
        target
            .make_dir(Path::new(&format!("usr/share/d{i}")), &directory)
            .unwrap();
    }
    timed("target: create, write 1 KiB, finish", FILES, || {
        for i in 0..FILES {
            let file = meta(FileType::Regular, 0o644, 0, 0);
            let mut new = target.create(Path::new(&path(i)), &file).unwrap();
            std::io::Write::write_all(&mut new, &[b'x'; 1024]).unwrap();
            new.finish().unwrap();
        }
    });
    timed("target: stat", FILES, || {
        for i in 0..FILES {
            target.stat(Path::new(&path(i))).unwrap();
        }
    });
    let plain = dir.join("plain");
    fs::create_dir(&plain).unwrap();
    timed("disk: create, write 1 KiB, close", FILES, || {
        for i in 0..FILES {
            fs::write(plain.join(format!("file-{i}")), [b'x'; 1024]).unwrap();
        }
    });
    timed("disk: stat", FILES, || {
        for i in 0..FILES {
            fs::metadata(plain.join(format!("file-{i}"))).unwrap();
        }
    });
    let mut options = execute::programs(target, dir);
    let shim = dir.join("true");
    fs::copy("/bin/true", &shim).unwrap();
    options.redirect = options.redirect.map(|redirect| Redirect {
        interpreter: shim,
        ..redirect
    });
    options
}

fn measure(t: &Inside) {
    let find = || {
        let status = Command::new("find")
            .arg(t.at("usr"))
            .args(["-printf", ""])
            .status()
            .unwrap();
        assert!(status.success());
    };
    timed("view: find with stat, cold", FILES, find);
    timed("view: find with stat, warm", FILES, find);
    let stat = || {
        for i in 0..FILES {
            fs::metadata(t.at(&path(i))).unwrap();
        }
    };
    timed("view: stat, warm", FILES, stat);
    let read = || {
        for i in 0..FILES {
            assert_eq!(fs::read(t.at(&path(i))).unwrap().len(), 1024);
        }
    };
    timed("view: open, read, close, cold", FILES, read);
    timed("view: open, read, close, warm", FILES, read);
    timed("view: look for what is not there, cold", FILES, || {
        for i in 0..FILES {
            assert!(!t.at(&format!("usr/none{i}")).exists());
        }
    });
    timed("view: create, write, close", 2000, || {
        for i in 0..2000 {
            fs::write(t.at(&format!("usr/new{i}")), "x").unwrap();
        }
    });
    timed("view: unlink", 2000, || {
        for i in 0..2000 {
            fs::remove_file(t.at(&format!("usr/new{i}"))).unwrap();
        }
    });
    let run = |path: &Path| {
        for _ in 0..300 {
            assert!(Command::new(path).status().unwrap().success());
        }
    };
    timed("view: execute, redirected", 300, || run(&t.at("tool")));
    timed("disk: execute", 300, || run(&t.dir.join("true")));
}
