//! The essential packages of a synthetic archive.
//!
//! The packages for this machine's architecture carry programs of this machine;
//! those for the foreign one carry, at the same paths, ELF files of the foreign
//! machine that nothing can execute. So maintainer scripts of the foreign set
//! can only work when their tools are executed as native counterparts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::deb::{Kind, Package};
use crate::elf::{Machine, foreign, machine_of, native, stub};
use crate::error::At as _;
use crate::{Error, Result};

/// Essential packages and the programs in them, by their path without the leading slash.
const TOOLS: [(&str, &[&str]); 7] = [
    ("dash", &["dash"]),
    (
        "coreutils",
        &[
            "[",
            "basename",
            "cat",
            "chgrp",
            "chmod",
            "chown",
            "cp",
            "date",
            "dd",
            "dirname",
            "echo",
            "env",
            "false",
            "head",
            "id",
            "install",
            "ln",
            "ls",
            "mkdir",
            "mkfifo",
            "mknod",
            "mktemp",
            "mv",
            "printf",
            "readlink",
            "rm",
            "rmdir",
            "seq",
            "sha256sum",
            "sleep",
            "sort",
            "stat",
            "sync",
            "tail",
            "tee",
            "test",
            "touch",
            "tr",
            "true",
            "uname",
            "wc",
        ],
    ),
    ("grep", &["grep"]),
    ("sed", &["sed"]),
    ("findutils", &["find", "xargs"]),
    (
        "dpkg",
        &[
            "dpkg",
            "dpkg-deb",
            "dpkg-query",
            "dpkg-trigger",
            "dpkg-divert",
            "dpkg-statoverride",
            "update-alternatives",
        ],
    ),
    ("tar", &["tar"]),
];

/// Version of all of them.
pub const VERSION: &str = "1.0-1";

/// The base packages, native and foreign, built once in a process.
///
/// # Errors
/// When a program of this machine cannot be read.
pub fn packages() -> Result<Vec<Package>> {
    static BUILT: OnceLock<std::result::Result<Vec<Package>, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| make().map_err(|error| error.to_string()))
        .clone()
        .map_err(Error::Machine)
}

/// The base packages, those for the foreign architecture as they were before /usr
/// was merged: base-files has no links and no `/usr/lib64`, and dash is in `/bin`.
///
/// # Errors
/// As [`packages`].
pub fn unmerged() -> Result<Vec<Package>> {
    let [_, foreign] = architectures()?;
    let replaced = |package: &Package| {
        package.architecture == foreign.debian && matches!(package.name.as_str(), "base-files" | "dash")
    };
    let mut packages: Vec<Package> = packages()?.into_iter().filter(|one| !replaced(one)).collect();
    let mut files = base_files(foreign).dir("bin").dir("sbin").dir("lib");
    files
        .entries
        .retain(|entry| !matches!(entry.kind, Kind::Symlink(_)) && entry.name != "./usr/lib64/");
    packages.push(files);
    packages.push(
        package("dash", foreign)
            .essential()
            .field("Pre-Depends", "libc6")
            .file("bin/dash", stub(foreign, "bin/dash"), 0o755)
            .link("bin/sh", "dash"),
    );
    Ok(packages)
}

/// The architectures of a synthetic archive: native, then foreign.
///
/// # Errors
/// On a machine whose architecture the tests do not know.
pub fn architectures() -> Result<[Machine; 2]> {
    let native = native()
        .ok_or_else(|| Error::Machine(format!("no synthetic archive for {} yet", std::env::consts::ARCH)))?;
    Ok([native, foreign()])
}

/// Libraries of this machine, by their path without the leading slash.
pub type Libraries = BTreeMap<String, Vec<u8>>;

/// The libraries of this machine that the native base programs need.
///
/// # Errors
/// When one cannot be read.
pub fn libraries() -> Result<Libraries> {
    let tools = TOOLS.into_iter().flat_map(|(_, tools)| tools);
    libraries_of(tools.map(|tool| Path::new("/usr/bin").join(tool)))
}

fn libraries_of(programs: impl IntoIterator<Item = PathBuf>) -> Result<Libraries> {
    let mut libraries = Libraries::new();
    for program in programs {
        for library in needed(&program)? {
            let content = std::fs::read(&library).at(&library)?;
            libraries.insert(merged(&library), content);
        }
    }
    Ok(libraries)
}

/// Packages with one more program of this machine, for both architectures: `name`
/// with the program, and `name-libraries`, on which it depends, with the libraries
/// that are not in the base packages.
///
/// # Errors
/// When the program cannot be read.
pub fn program(name: &str, path: &str) -> Result<Vec<Package>> {
    let [native, foreign] = architectures()?;
    let file = Path::new("/").join(path);
    let content = std::fs::read(&file).at(&file)?;
    let base = libraries()?;
    let more: Libraries = libraries_of([file])?
        .into_iter()
        .filter(|(path, _)| !base.contains_key(path))
        .collect();
    let mut made = Vec::new();
    for machine in [native, foreign] {
        let mut package = package(&format!("{name}-libraries"), machine);
        for (path, content) in &more {
            let path = path.replace(native.triplet, machine.triplet);
            package = package.file(&path, fitting(machine, content, &path), 0o755);
        }
        made.push(package);
        made.push(
            self::package(name, machine)
                .field("Depends", &format!("libc6, {name}-libraries"))
                .file(path, fitting(machine, &content, path), 0o755),
        );
    }
    Ok(made)
}

// What stands for a file of this machine in a package for `machine`.
fn fitting(machine: Machine, content: &[u8], path: &str) -> Vec<u8> {
    if machine_of(content).is_some() && native() != Some(machine) {
        stub(machine, path)
    } else {
        content.to_vec()
    }
}

fn make() -> Result<Vec<Package>> {
    let [native, foreign] = architectures()?;
    let mut made = Vec::new();
    let libraries = libraries()?;
    let mut programs = Vec::new();
    for (name, tools) in TOOLS {
        for tool in tools {
            let path = Path::new("/usr/bin").join(tool);
            let content = std::fs::read(&path).at(&path)?;
            programs.push((name, format!("usr/bin/{tool}"), content));
        }
    }
    for machine in [native, foreign] {
        made.push(base_files(machine));
        let mut package = package("libc6", machine)
            .field("Priority", "required")
            .field("Multi-Arch", "same");
        for (path, content) in &libraries {
            let here = path.replace(native.triplet, machine.triplet);
            // The loader's name outside the multiarch directory differs from machine to machine.
            let here = if machine == native {
                here
            } else {
                here.replace("usr/lib64/", "usr/lib/")
            };
            package = package.file(&here, fitting(machine, content, &here), 0o755);
            // The C library looks for the loader among the libraries.
            let (directory, name) = here.rsplit_once('/').unwrap_or_default();
            let beside = format!("usr/lib/{}", machine.triplet);
            if name.starts_with("ld-linux") && directory != beside {
                package = package.link(
                    &format!("{beside}/{name}"),
                    &format!("../../../{directory}/{name}"),
                );
            }
        }
        made.push(package);
        for (name, _) in TOOLS {
            let mut package = self::package(name, machine)
                .essential()
                .field("Pre-Depends", "libc6");
            for (owner, path, content) in &programs {
                if *owner == name {
                    package = package.file(path, fitting(machine, content, path), 0o755);
                }
            }
            if name == "dash" {
                package = package.link("usr/bin/sh", "dash");
            }
            made.push(package);
        }
        made.push(
            self::package("apt", machine)
                .field("Priority", "required")
                .field("Depends", "libc6")
                .file("usr/bin/apt-get", stub(machine, "apt-get"), 0o755)
                .dir("etc/apt/apt.conf.d")
                .dir("etc/apt/sources.list.d"),
        );
    }
    made.into_iter().map(Package::prebuilt).collect()
}

fn package(name: &str, machine: Machine) -> Package {
    Package::new(name, VERSION, machine.debian)
}

fn base_files(machine: Machine) -> Package {
    let mut package = package("base-files", machine).essential();
    for dir in [
        "dev",
        "etc",
        "home",
        "proc",
        "root",
        "run",
        "sys",
        "tmp",
        "usr/bin",
        "usr/lib",
        "usr/sbin",
        "usr/lib64",
        "var/lib",
        "var/log",
        "var/cache",
        "var/tmp",
    ] {
        package = package.dir(dir);
    }
    for name in ["bin", "lib", "sbin", "lib64"] {
        package = package.link(name, &format!("usr/{name}"));
    }
    for entry in &mut package.entries {
        if matches!(entry.name.as_str(), "./tmp/" | "./var/tmp/") {
            entry.mode = 0o1777;
        }
    }
    package
        .file(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\n",
            0o644,
        )
        .file("etc/group", "root:x:0:\nshadow:x:42:\nwww-data:x:33:\n", 0o644)
        .file("etc/debian_version", "13.0\n", 0o644)
}

/// Where a path is in a system whose /bin and /lib are links into /usr.
fn merged(path: &Path) -> String {
    let path = path.to_string_lossy();
    let path = path.trim_start_matches('/');
    if path.starts_with("usr/") {
        path.to_owned()
    } else {
        format!("usr/{path}")
    }
}

fn needed(program: &Path) -> Result<Vec<PathBuf>> {
    let done = Command::new("ldd")
        .arg(program)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .map_err(|error| Error::Command {
            command: "ldd".to_owned(),
            what: error.to_string(),
        })?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    Ok(said
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_native_set_is_complete_and_the_foreign_one_cannot_run() {
        let packages = packages().expect("made");
        let [native, foreign] = architectures().expect("known");
        let dir = tempfile::tempdir().expect("a temporary directory");
        for machine in [native, foreign] {
            let root = dir.path().join(machine.debian);
            std::fs::create_dir(&root).expect("made");
            for package in packages.iter().filter(|one| one.architecture == machine.debian) {
                let deb = dir.path().join("p.deb");
                std::fs::write(&deb, &*package.build().expect("built")).expect("written");
                let done = Command::new("dpkg-deb")
                    .arg("--extract")
                    .args([&deb, &root])
                    .output()
                    .expect("runs");
                assert!(done.status.success(), "{}: {done:?}", package.name);
            }
            let head = std::fs::read(root.join("usr/bin/sha256sum")).expect("there");
            assert_eq!(machine_of(&head), Some(machine.number));
        }
        // Only root can enter it; the tests of an ordinary user see it work in the program.
        if nix::unistd::geteuid().is_root() {
            let done = Command::new("chroot")
                .arg(dir.path().join(native.debian))
                .args([
                    "/bin/sh",
                    "-c",
                    "dpkg --version | grep -c dpkg; ls / | tail -1; sed -n 1p /etc/passwd",
                ])
                .output()
                .expect("runs");
            let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
            assert!(said.contains("\nvar\nroot:x:0"), "{said}");
        }
    }
}
