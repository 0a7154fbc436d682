//! The assertions of pjdfstest: what each system call does to each kind of file, for each kind of caller, with which error,
//! and what it leaves. Each is made on a tmpfs and in the view, in one user namespace, and both answers are equal.
//!
//! Sources: POSIX.1-2024, the manual pages of section 2, and the areas that pjdfstest covers: chmod, chown, link, mkdir,
//! mkfifo, mknod, open, rename, rmdir, symlink, truncate, unlink, utimensat; error codes, sticky and set-id bits, times.

mod errors;
mod files;
mod rights;
mod times;
mod world;

use std::fs;
use std::path::Path;

use super::{Case, done, idle, nothing, redirecting};
use crate::namespace::Inside;
use world::World;

type Section = (&'static str, fn(&mut World));

const SECTIONS: [Section; 13] = [
    ("errors of paths", errors::paths),
    ("lengths of names", errors::lengths),
    ("link", files::links),
    ("mkdir, mkfifo, mknod, open: what is made", files::creation),
    ("open: flags", files::flags),
    ("rename", files::renames),
    ("truncate", files::truncation),
    ("chmod", rights::modes),
    ("chown", rights::owners),
    ("permissions", rights::permissions),
    ("set-id bits", rights::set_id),
    ("sticky directories", rights::sticky),
    ("times, utimensat", times::times),
];

pub(crate) fn all() -> Vec<Case> {
    vec![
        Case {
            name: "posix",
            prepare: nothing,
            inside: posix,
            step: idle,
            after: done,
        },
        Case {
            name: "posix, opens told",
            prepare: redirecting,
            inside: of_open_files,
            step: idle,
            after: done,
        },
    ]
}

fn posix(t: &Inside) {
    compare(t, |_| true);
}

/// Those in which it matters whether the kernel tells of opens.
fn of_open_files(t: &Inside) {
    let matters = [
        "open: flags",
        "truncate",
        "set-id bits",
        "times, utimensat",
        "link",
    ];
    compare(t, |name| matters.contains(&name));
}

fn compare(t: &Inside, chosen: impl Fn(&str) -> bool) {
    let memory = t.dir.join("memory");
    fs::create_dir(&memory).unwrap();
    let (none, flags) = (None::<&str>, nix::mount::MsFlags::empty());
    nix::mount::mount(Some("none"), &memory, Some("tmpfs"), flags, none).unwrap();
    let mut failed = Vec::new();
    for (number, (name, section)) in SECTIONS.into_iter().enumerate() {
        if !chosen(name) {
            continue;
        }
        let run = |at: &Path| {
            let dir = at.join(format!("section-{number}"));
            fs::create_dir(&dir).unwrap();
            let mut world = World::new(dir);
            section(&mut world);
            world.lines
        };
        let (want, seen) = (run(&memory), run(&t.view));
        let equal = want.iter().zip(&seen).filter(|(want, seen)| want == seen).count();
        // scripts/pjdfstest makes a table of these.
        eprintln!("posix: {name}: {equal} of {}", want.len());
        assert_eq!(want.len(), seen.len(), "{name}");
        let differ = want.into_iter().zip(seen).filter(|(want, seen)| want != seen);
        failed.extend(
            differ.map(|(want, seen)| format!("{name}\n  on a tmpfs:  {want}\n  in the view: {seen}")),
        );
    }
    assert!(
        failed.is_empty(),
        "{} differ:\n{}",
        failed.len(),
        failed.join("\n")
    );
}
