//! A signed archive with one package, plans that are made from it, and what they say.

use crate::archive::SUITE;
use crate::error::At as _;
use crate::mirror::Mirror;
use crate::program::{Outcome, Workplace};
use crate::repository::{Repository, Signed};
use crate::synthetic::package;
use crate::{Result, elf};

/// A signed archive with the package `one`, behind a mirror.
pub struct Place {
    /// Where the program runs.
    pub work: Workplace,
    /// The archive.
    pub own: Repository,
    /// Its mirror.
    pub mirror: Mirror,
    /// The architecture of the package.
    pub architecture: &'static str,
}

impl Place {
    /// A fresh one.
    ///
    /// # Errors
    /// When a file cannot be made or written.
    pub fn new() -> Result<Self> {
        let work = Workplace::new()?;
        let own = Repository::new(&work.make_dir("archive")?)?;
        let architecture = elf::foreign().debian;
        let mirror = Mirror::of(&own.root)?;
        let place = Self {
            work,
            own,
            mirror,
            architecture,
        };
        place.publish(".xz", "", Signed::Inline)?;
        Ok(place)
    }

    /// Publishes `one` with the index in this form and these fields of the Release file.
    ///
    /// # Errors
    /// When a file cannot be made or written.
    pub fn publish(&self, form: &str, fields: &str, signed: Signed) -> Result<()> {
        let dists = self.own.root.join("dists");
        if dists.exists() {
            std::fs::remove_dir_all(&dists).at(&dists)?;
        }
        let text = self.own.packages(&[package("one")?])?;
        let index = self.own.index(self.architecture, &text, form)?;
        self.own
            .release(&self.dists(), &[&index], &self.fields(fields), signed)
    }

    /// Fields of its Release file.
    #[must_use]
    pub fn fields(&self, more: &str) -> String {
        format!("Architectures: {}\n{more}", self.architecture)
    }

    /// The directory of its Release file.
    #[must_use]
    pub fn dists(&self) -> String {
        format!("dists/{SUITE}/")
    }

    /// Plans the installation of `one` from a source, with more options.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn plan(&self, mirror: &str, more: &[&str]) -> Result<Outcome> {
        self.plan_of("one", mirror, more)
    }

    /// Plans the installation of `include`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn plan_of(&self, include: &str, mirror: &str, more: &[&str]) -> Result<Outcome> {
        let cache = self.work.path("cache").display().to_string();
        let given = [
            "plan",
            "--cache",
            &cache,
            "--variant=custom",
            "--arch",
            self.architecture,
            "--mode=redirect",
        ];
        let words = [&given[..], &["--include", include, "--mirror", mirror], more].concat();
        self.work.run_plain(words).end()
    }

    /// A one-line source with options in brackets.
    #[must_use]
    pub fn line(&self, options: &str) -> String {
        format!("deb [{options}] {} {SUITE} main", self.mirror.url())
    }

    /// The keyring, as text.
    #[must_use]
    pub fn key(&self) -> String {
        self.own.keyring().display().to_string()
    }

    /// A path in the directory of the workplace, as text.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.work.path(name).display().to_string()
    }

    /// Forgets what was seen of archives, so that an older or unsigned one is no surprise.
    ///
    /// # Errors
    /// When a file cannot be made or written.
    pub fn forget(&self) -> Result<()> {
        let cache = self.work.path("cache");
        if cache.exists() {
            std::fs::remove_dir_all(&cache).at(&cache)?;
        }
        self.work.make_dir("cache")?;
        self.mirror.forget();
        Ok(())
    }
}

/// Panics unless a plan has the package `one`.
///
/// # Panics
/// See above.
#[track_caller]
pub fn has_one(outcome: &Outcome) {
    let text = outcome.succeeded().text();
    assert!(text.contains("one") && text.contains("1.0-1"), "{text}");
}
