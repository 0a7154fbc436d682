//! A root filesystem that dpkg's command line works on, and packages for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::deb::Package;
use crate::program::{Outcome, Run};
use crate::synthetic::{Synthetic, read};

/// A target with the essential packages, and archives to be installed into it.
pub struct System {
    /// The archive and the workplace.
    pub archive: Synthetic,
    /// The root filesystem.
    pub target: PathBuf,
}

impl System {
    /// A fresh one, in `out/target`.
    ///
    /// # Errors
    /// When it cannot be made.
    ///
    /// # Panics
    /// When the essential packages cannot be installed.
    pub fn new() -> Result<Self> {
        Self::with(&[])
    }

    /// A fresh one whose archive has these packages as well.
    ///
    /// # Errors
    /// When it cannot be made.
    ///
    /// # Panics
    /// When the essential packages cannot be installed.
    pub fn with(packages: &[Package]) -> Result<Self> {
        let archive = Synthetic::with(packages)?;
        archive.install("", "target").end()?.succeeded();
        let target = archive.work.out("target");
        Ok(Self { archive, target })
    }

    /// The path of a package's archive.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&self, name: &str, package: &Package) -> Result<OsString> {
        let file = format!("home/{name}.deb");
        Ok(self.archive.work.write(&file, &package.build()?)?.into())
    }

    /// A call of dpkg with these words, split at blanks, and files.
    ///
    /// # Errors
    /// When it cannot be started or does not end.
    pub fn dpkg(&self, words: &str, files: &[&OsString]) -> Result<Outcome> {
        self.dpkg_on(&self.target, words, files)
    }

    /// The same on another root filesystem.
    ///
    /// # Errors
    /// When it cannot be started or does not end.
    pub fn dpkg_on(&self, target: &Path, words: &str, files: &[&OsString]) -> Result<Outcome> {
        self.call(target, words, files).end()
    }

    /// The same, not started yet.
    #[must_use]
    pub fn call(&self, target: &Path, words: &str, files: &[&OsString]) -> Run<'_> {
        let mut all: Vec<OsString> = ["dpkg", "--cache"].map(OsString::from).to_vec();
        all.push(self.archive.work.path("cache").into());
        let options = self.archive.options();
        // Those of the archive, but not the architecture, which the target has.
        all.extend(options.into_iter().skip(2));
        all.extend(["--root".into(), target.into()]);
        all.extend(words.split_whitespace().map(OsString::from));
        all.extend(files.iter().map(|file| (*file).clone()));
        self.archive.work.run_plain(all)
    }

    /// The text of a file of the target.
    #[must_use]
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        read(&self.target, name)
    }

    /// What the database says of a package: want, flag and state.
    #[must_use]
    #[track_caller]
    pub fn state(&self, name: &str) -> String {
        let status = self.read("var/lib/dpkg/status");
        let mut stanzas = status.split("\n\n");
        let own = stanzas.find(|stanza| stanza.starts_with(&format!("Package: {name}\n")));
        let line = own.and_then(|own| own.lines().find_map(|line| line.strip_prefix("Status: ")));
        line.unwrap_or("absent").to_owned()
    }
}

/// All that a call said, which ended with this status.
///
/// # Panics
/// When it ended with another.
#[track_caller]
#[must_use]
pub fn said(done: &Outcome, status: i32) -> String {
    let said = format!("{}{}", done.text(), done.stderr);
    assert_eq!(done.status.code(), Some(status), "{said}");
    said
}

/// Every script notes its name and arguments in the target, and fails where a file there says so.
#[must_use]
pub fn noting(mut package: Package) -> Package {
    for script in ["preinst", "postinst", "prerm", "postrm"] {
        let text = format!(
            "#!/bin/sh\nset -e\necho \"{} {} {script}: $*\" >>\"$DPKG_ROOT/var/lib/seen\"\n[ ! -e \"$DPKG_ROOT/var/lib/fail-{script}\" ]\n",
            package.name, package.version
        );
        package = package.script(script, &text);
    }
    package
}
