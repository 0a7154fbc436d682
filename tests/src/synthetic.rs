//! A synthetic archive behind a mirror, and a workplace to use it from.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::archive::Publish;
use crate::base;
use crate::deb::Package;
use crate::elf::Machine;
use crate::mirror::Mirror;
use crate::program::{Run, Workplace};
use crate::real::assert_installed;

/// A published archive, its mirror and a workplace.
pub struct Synthetic {
    /// The mirror.
    pub mirror: Mirror,
    /// Where the program runs.
    pub work: Workplace,
    archive: PathBuf,
    machines: [Machine; 2],
}

impl Synthetic {
    /// The base packages and `packages`, published soundly.
    ///
    /// # Errors
    /// When something cannot be made.
    pub fn with(packages: &[Package]) -> Result<Self> {
        Self::published(&Publish::default(), packages)
    }

    /// The base packages and `packages`, published as `publish` says.
    ///
    /// # Errors
    /// When something cannot be made.
    pub fn published(publish: &Publish, packages: &[Package]) -> Result<Self> {
        let mut all = base::packages()?;
        all.extend_from_slice(packages);
        Self::exactly(publish, &all)
    }

    /// These packages and no others.
    ///
    /// # Errors
    /// When something cannot be made.
    pub fn exactly(publish: &Publish, packages: &[Package]) -> Result<Self> {
        let work = Workplace::new()?;
        let archive = work.make_dir("archive")?;
        let machines = base::architectures()?;
        publish.write(&archive, &machines.map(|machine| machine.debian), packages)?;
        let mirror = Mirror::of(&archive)?;
        Ok(Self {
            mirror,
            work,
            archive,
            machines,
        })
    }

    /// The foreign architecture.
    #[must_use]
    pub fn foreign(&self) -> Machine {
        let [_, foreign] = self.machines;
        foreign
    }

    /// This machine's architecture.
    #[must_use]
    pub fn native(&self) -> Machine {
        let [native, _] = self.machines;
        native
    }

    /// The archive's keyring.
    #[must_use]
    pub fn keyring(&self) -> PathBuf {
        self.archive.join("keyring.gpg")
    }

    /// The archive's directory.
    #[must_use]
    pub fn archive(&self) -> &Path {
        &self.archive
    }

    /// Options that choose this archive and its foreign architecture.
    #[must_use]
    pub fn options(&self) -> Vec<OsString> {
        let mut options: Vec<OsString> = Vec::new();
        options.extend(["--arch".into(), self.foreign().debian.into()]);
        options.extend(["--suite".into(), crate::archive::SUITE.into()]);
        options.extend(["--mirror".into(), self.mirror.url().into()]);
        options.extend(["--keyring".into(), self.keyring().into()]);
        options
    }

    /// A run that installs the essential packages and those of `include` into `out/NAME`.
    #[must_use]
    pub fn install(&self, include: &str, name: &str) -> Run<'_> {
        self.install_at(include, &self.work.out(name))
    }

    /// A run that installs the essential packages and those of `include` into `target`.
    #[must_use]
    pub fn install_at(&self, include: &str, target: &Path) -> Run<'_> {
        let mut arguments = self.options();
        arguments.extend(["--variant".into(), "essential".into()]);
        if !include.is_empty() {
            arguments.extend(["--include".into(), include.into()]);
        }
        arguments.push(target.into());
        self.work.run(arguments)
    }
}

/// Installs all of `packages`, and nothing else that is not essential, into the
/// directory `out/target`; the run leaves nothing else.
///
/// # Errors
/// When the archive or the run cannot be made.
///
/// # Panics
/// When the run fails, leaves something, or does not install every package.
pub fn installed(packages: &[Package]) -> Result<Synthetic> {
    let archive = Synthetic::with(packages)?;
    let foreign = archive.foreign().debian;
    let names: Vec<&str> = packages
        .iter()
        .filter(|package| package.architecture == foreign || package.architecture == "all")
        .map(|package| package.name.as_str())
        .collect();
    let traces = archive.work.traces();
    archive.install(&names.join(","), "target").end()?.succeeded();
    archive.work.clean(&traces, &["target"]);
    assert!(assert_installed(&archive.work.out("target")) > names.len());
    Ok(archive)
}

/// The text of the file `name` in the directory `target`.
///
/// # Panics
/// When it cannot be read.
#[track_caller]
#[must_use]
pub fn read(target: &Path, name: &str) -> String {
    let path = target.join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A package for the foreign architecture.
///
/// # Errors
/// On a machine whose architecture the tests do not know.
pub fn package(name: &str) -> Result<Package> {
    let [_, foreign] = base::architectures()?;
    Ok(Package::new(name, "1.0-1", foreign.debian))
}

/// A postinst that writes all it says into `/var/lib/seen`.
#[must_use]
pub fn seeing(commands: &str) -> String {
    format!("#!/bin/sh\nexec >/var/lib/seen 2>&1\n{commands}exit 0\n")
}

/// What such a postinst saw, run alone.
///
/// # Errors
/// Those of making the archive.
pub fn seen(commands: &str) -> Result<String> {
    let archive = installed(&[package("sees")?.script("postinst", &seeing(commands))])?;
    Ok(read(&archive.work.out("target"), "var/lib/seen"))
}

/// The line that begins with `name`, without it.
///
/// # Panics
/// When there is none.
#[must_use]
#[track_caller]
pub fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found
        .unwrap_or_else(|| panic!("no line begins with {name}:\n{text}"))
        .trim()
}
