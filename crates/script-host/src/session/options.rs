//! Options of a session.

use super::{Dpkg, NativeScripts, Observer, ScriptRoot};
use crate::sysroot::EarlierPackages;
use crate::unrunnable::OnUnrunnable;
use crate::view::Network;
use apt_solve::Universe;
use deb_arch::Architecture;
use deb_archive::{Fetcher, Index};
use rootless_install_fs::Target;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use task_progress::{Cancel, Reporter};

/// Settings of scripts, the same for all scripts of a session.
#[derive(Clone, Debug, Default)]
pub struct ScriptSettings {
    /// Time limit of one script; none means no limit.
    pub timeout: Option<Duration>,
    /// Fate of a package whose script needs a program that cannot be run.
    pub on_unrunnable: OnUnrunnable,
    /// Extensions of the target's processor, for packages that need some; none means all.
    pub processor: Option<Processor>,
    /// `SOURCE_DATE_EPOCH` in seconds since 1970; none leaves it unset.
    pub source_date_epoch: Option<i64>,
}

/// Extensions that a processor has beside its architecture's baseline, by the names of the packages isa-support.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processor(pub Vec<String>);

impl Processor {
    /// Returns whether it has an extension. Names are the same in capitals and small letters; every processor of the
    /// architecture has its baseline.
    pub fn has(&self, extension: &str) -> bool {
        extension.ends_with("-baseline") || self.0.iter().any(|known| known.eq_ignore_ascii_case(extension))
    }
}

/// Source of native tools: packages, or a native system.
pub struct Native<'a, 'u> {
    /// Packages of the same suite for this machine's architecture.
    pub universe: &'a Universe<'u>,
    /// The indexes of which `universe` was made.
    pub indexes: &'a [Index],
    /// The fetcher of these packages.
    pub fetcher: &'a Fetcher,
    /// Where native packages come from that this universe does not have; none where nothing else is looked at.
    pub earlier: Option<&'a EarlierPackages<'a>>,
    /// Root of a native system that is used instead of packages.
    pub directory: Option<PathBuf>,
}

/// A directory or file of this machine that is seen in the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindMount {
    /// Absolute path on this machine.
    pub source: PathBuf,
    /// Absolute path in the target, which need not be there.
    pub destination: PathBuf,
    /// Whether it is seen read-only.
    pub read_only: bool,
}

/// What a view has beside the target; by default nothing.
#[derive(Clone, Default)]
pub struct Surroundings<'a> {
    /// Does what dpkg(1) does, where programs are redirected; none where the native dpkg does it.
    pub dpkg: Option<&'a dyn Dpkg>,
    /// Network of programs.
    pub network: Network,
    /// Whether the target is seen read-only.
    pub read_only: bool,
    /// Whether what programs want to be on the disk (fsync(2)) is brought there.
    pub durable: bool,
    /// Directories and files of this machine.
    pub binds: Vec<BindMount>,
    /// Contents of /etc/resolv.conf (resolv.conf(5)) that programs see, whatever the target has.
    pub resolver: Option<Vec<u8>>,
}

/// Options of a session, for [`open`](super::open).
pub struct Options<'a> {
    /// The target.
    pub target: &'a Target,
    /// Architecture of the target.
    pub arch: &'static Architecture,
    /// Foreign architectures of the target.
    pub foreign: &'a [&'static Architecture],
    /// The root directory of scripts.
    pub root: ScriptRoot<'a>,
    /// Source of native scripts for those that are programs, where scripts run outside of the target and no native root
    /// has them; none where nothing is to be fetched.
    pub native_scripts: Option<&'a NativeScripts<'a>>,
    /// Settings of scripts.
    pub scripts: &'a ScriptSettings,
    /// Version of the target's dpkg, for `DPKG_RUNNING_VERSION`.
    pub dpkg_version: String,
    /// Whether programs may run. If not, nothing is prepared for them.
    pub runs_programs: bool,
    /// An empty directory of this run, for the session's own files.
    pub scratch: &'a Path,
    /// Mount point of the view, which need not exist but whose parent does.
    pub mount_point: PathBuf,
    /// The cache directory, in which unpacked native packages are kept.
    pub cache: &'a Path,
    /// What a view has beside the target.
    pub surroundings: Surroundings<'a>,
    /// An observer of what scripts do.
    pub observer: Option<Arc<dyn Observer>>,
    /// The reporter, which gets scripts and their output.
    pub reporter: Arc<dyn Reporter>,
    /// The token that stops programs.
    pub cancel: &'a Cancel,
}
