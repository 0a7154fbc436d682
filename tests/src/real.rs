//! The real archive, pinned, and what is expected of a root filesystem made from it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::error::At as _;
use crate::mirror::Mirror;
use crate::program::{Run, Workplace, workspace};
use crate::{Error, Result};

/// The keyring of the Debian archive.
pub const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The `SOURCE_DATE_EPOCH` of all tests.
pub const EPOCH: u64 = 1_760_000_000;

/// Where the pinned mirror keeps its files.
#[must_use]
pub fn cache() -> PathBuf {
    let named = std::env::var_os("ROOTLESS_INSTALL_TEST_MIRROR").map(PathBuf::from);
    named.unwrap_or_else(|| workspace().join("target/pinned-mirror"))
}

/// The real archive behind a pinned mirror, and a workplace.
pub struct Real {
    /// The mirror.
    pub mirror: Mirror,
    /// Where the program runs.
    pub work: Workplace,
}

impl Real {
    /// Starts the mirror.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn new() -> Result<Self> {
        Ok(Self {
            mirror: Mirror::pinned(&cache())?,
            work: Workplace::new()?,
        })
    }

    /// A run of a recipe, of `cache`, with further `words` of the command line.
    #[must_use]
    pub fn build(&self, recipe: &Path, cache: &Path, words: &[&str]) -> Run<'_> {
        let mirror = self.mirror.url();
        let mut all: Vec<std::ffi::OsString> = vec!["build".into(), "--cache".into(), cache.into()];
        all.extend(["--mirror", &mirror, "--keyring", KEYRING].map(Into::into));
        all.extend(words.iter().map(Into::into));
        all.push(recipe.into());
        self.work
            .run_plain(all)
            .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
            .limit(Duration::from_secs(900))
    }

    /// A run that makes `target`.
    #[must_use]
    pub fn install(&self, arch: &str, variant: &str, target: &Path) -> Run<'_> {
        let mirror = self.mirror.url();
        let options = [
            "--arch",
            arch,
            "--variant",
            variant,
            "--mirror",
            &mirror,
            "--keyring",
            KEYRING,
        ];
        self.work
            .run(
                options
                    .into_iter()
                    .map(Into::into)
                    .chain([target.as_os_str().to_owned()]),
            )
            .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
            .limit(Duration::from_secs(600))
    }
}

/// Panics unless every package in the root filesystem at `root` is installed
/// and dpkg has nothing to complain of. Returns how many there are.
///
/// # Panics
/// When a package is not.
#[must_use]
pub fn assert_installed(root: &Path) -> usize {
    let path = root.join("var/lib/dpkg/status");
    let status = std::fs::read_to_string(&path).expect("a status file");
    let mut count = 0;
    for paragraph in status
        .split("\n\n")
        .filter(|paragraph| !paragraph.trim().is_empty())
    {
        assert!(
            paragraph.contains("\nStatus: install ok installed\n"),
            "not installed:\n{paragraph}"
        );
        count += 1;
    }
    let mut option = std::ffi::OsString::from("--root=");
    option.push(root);
    let done = std::process::Command::new("dpkg")
        .arg(option)
        .arg("--audit")
        .stdin(Stdio::null())
        .output()
        .expect("dpkg runs");
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success() && said.is_empty(), "dpkg --audit: {said}");
    count
}

/// Panics unless everything below `root` belongs to `uid`, has no set-id bits, and
/// is open to its owner. Returns the number of entries.
///
/// # Errors
/// When a directory cannot be read.
///
/// # Panics
/// When an entry is not as it should be.
pub fn assert_ordinary(root: &Path, uid: u32) -> Result<usize> {
    let mut count = 0;
    let mut left = vec![root.to_path_buf()];
    while let Some(path) = left.pop() {
        let facts = std::fs::symlink_metadata(&path).at(&path)?;
        let mode = facts.permissions().mode();
        assert_eq!(facts.uid(), uid, "{} belongs to another user", path.display());
        assert_eq!(mode & 0o7000, 0, "{} has mode {mode:o}", path.display());
        let kind = facts.file_type();
        assert!(
            kind.is_file() || kind.is_dir() || kind.is_symlink(),
            "{} is neither file, directory nor link",
            path.display()
        );
        if !kind.is_symlink() {
            let wanted = if kind.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(
                mode & wanted,
                wanted,
                "{} is closed to its owner: {mode:o}",
                path.display()
            );
        }
        if kind.is_dir() {
            for entry in std::fs::read_dir(&path).at(&path)? {
                left.push(entry.at(&path)?.path());
            }
        }
        count += 1;
    }
    Ok(count)
}

/// Removes a directory as its owner would, with `rm -r`.
///
/// # Errors
/// When something of it is left.
pub fn remove(work: &Workplace, path: &Path) -> Result<()> {
    let fail = |what: String| Error::Command {
        command: "rm -r".to_owned(),
        what,
    };
    let done = work
        .account()
        .command(Path::new("/bin/rm"))
        .arg("-r")
        .arg(path)
        .stdin(Stdio::null())
        .output();
    let done = done.map_err(|error| fail(error.to_string()))?;
    if !done.status.success() || path.exists() {
        return Err(fail(String::from_utf8_lossy(&done.stderr).into_owned()));
    }
    Ok(())
}
