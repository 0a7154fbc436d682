//! Who is measured, and on what.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::program::which;
use crate::real::{KEYRING, Real};

/// What is made.
#[derive(Clone, Debug)]
pub struct Job {
    /// The architecture.
    pub arch: String,
    /// The variant.
    pub variant: String,
    /// More packages, with commas between; may be empty.
    pub include: String,
}

/// One who makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// This program, with all that it needs in its cache.
    Own,
    /// This program, which must make the native sysroot anew.
    OwnCold,
    /// `mmdebstrap --mode=unshare`, emulated where the architecture is not this machine's.
    Unshare,
    /// `fakeroot mmdebstrap --mode=chrootless`.
    Chrootless,
    /// What the packages of the job take at least; see [`super::floor`].
    Floor,
}

impl Peer {
    /// All of them, this program first.
    pub const ALL: &[Self] = &[
        Self::Own,
        Self::OwnCold,
        Self::Chrootless,
        Self::Unshare,
        Self::Floor,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::OwnCold => "own-cold",
            Self::Unshare => "unshare",
            Self::Chrootless => "chrootless",
            Self::Floor => "floor",
        }
    }

    /// What the table calls it.
    #[must_use]
    pub fn title(self, job: &Job, native: &str) -> String {
        match self {
            Self::Own => "rootless-install".to_owned(),
            Self::OwnCold => "rootless-install, native sysroot made anew".to_owned(),
            Self::Unshare if job.arch == native => "mmdebstrap --mode=unshare".to_owned(),
            Self::Unshare => "mmdebstrap --mode=unshare, emulated".to_owned(),
            Self::Chrootless => "fakeroot mmdebstrap --mode=chrootless".to_owned(),
            Self::Floor => "the packages hashed, decompressed and written".to_owned(),
        }
    }

    /// The command that makes `target`. `list` is the floor's list of packages.
    #[must_use]
    pub fn command(self, real: &Real, job: &Job, target: &Path, list: &Path) -> Vec<OsString> {
        let mirror = real.mirror.url();
        let mut command: Vec<OsString> = match self {
            Self::Own | Self::OwnCold => vec![
                real.work.program().into(),
                "--quiet".into(),
                "--cache".into(),
                real.work.path("cache").into(),
                "--mirror".into(),
                mirror.clone().into(),
                "--keyring".into(),
                KEYRING.into(),
                "--arch".into(),
                job.arch.clone().into(),
                "--variant".into(),
                job.variant.clone().into(),
            ],
            Self::Unshare => vec![path("mmdebstrap").into(), "--mode=unshare".into()],
            Self::Chrootless => vec![
                path("fakeroot").into(),
                path("mmdebstrap").into(),
                "--mode=chrootless".into(),
            ],
            Self::Floor => {
                let own = std::env::current_exe().unwrap_or_default();
                return vec![own.into(), "--write-packages".into(), list.into(), target.into()];
            }
        };
        if matches!(self, Self::Unshare | Self::Chrootless) {
            command.push(format!("--architectures={}", job.arch).into());
            command.push(format!("--variant={}", job.variant).into());
        }
        if !job.include.is_empty() {
            command.push(format!("--include={}", job.include).into());
        }
        if matches!(self, Self::Unshare | Self::Chrootless) {
            command.push("stable".into());
        }
        command.push(target.into());
        if matches!(self, Self::Unshare | Self::Chrootless) {
            command.push(mirror.into());
        }
        command
    }
}

fn path(program: &str) -> PathBuf {
    which(program).unwrap_or_else(|| program.into())
}
