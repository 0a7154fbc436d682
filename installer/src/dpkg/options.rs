//! A call of dpkg, as its command line has it.

use super::force::Forces;
use super::places::Places;
use crate::path_filters::Filters;
use crate::settings::{ArchiveSettings, NativeTools};
use deb_arch::Architecture;
use script_host::ScriptSettings;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Action of a call (dpkg(1), "ACTIONS").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `--install`: unpack and configure.
    Install,
    /// `--unpack`.
    Unpack,
    /// `--configure`.
    Configure,
    /// `--triggers-only`.
    TriggersOnly,
    /// `--remove`.
    Remove,
    /// `--purge`.
    Purge,
    /// `--audit`.
    Audit,
    /// `--get-selections`.
    GetSelections,
    /// `--set-selections`, from standard input.
    SetSelections,
    /// `--clear-selections`.
    ClearSelections,
    /// `--record-avail`.
    RecordAvail,
    /// `--update-avail`.
    UpdateAvail,
    /// `--merge-avail`.
    MergeAvail,
    /// `--clear-avail`.
    ClearAvail,
    /// `--forget-old-unavail`, which does nothing.
    ForgetOldUnavail,
    /// `--add-architecture`.
    AddArchitecture,
    /// `--remove-architecture`.
    RemoveArchitecture,
    /// `--print-architecture`.
    PrintArchitecture,
    /// `--print-foreign-architectures`.
    PrintForeignArchitectures,
    /// `--assert-FEATURE`.
    Assert(String),
    /// `--compare-versions`.
    CompareVersions,
    /// `--status`.
    Status,
    /// `--list`.
    List,
    /// `--show` of dpkg-query(1).
    Show,
    /// `--control-list` of dpkg-query(1).
    ControlList,
    /// `--control-show` of dpkg-query(1).
    ControlShow,
    /// `--control-path` of dpkg-query(1).
    ControlPath,
    /// `--listfiles`.
    ListFiles,
    /// `--search`.
    Search,
    /// `--verify`.
    Verify,
    /// `--print-avail`.
    PrintAvail,
    /// `--validate-THING`.
    Validate(&'static str),
    /// `--version`.
    Version,
    /// `--help`.
    Help,
    /// `--force-help`.
    ForceHelp,
}

impl Action {
    /// Returns the name of the long option.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Unpack => "unpack",
            Self::Configure => "configure",
            Self::TriggersOnly => "triggers-only",
            Self::Remove => "remove",
            Self::Purge => "purge",
            Self::Audit => "audit",
            Self::GetSelections => "get-selections",
            Self::SetSelections => "set-selections",
            Self::ClearSelections => "clear-selections",
            Self::RecordAvail => "record-avail",
            Self::UpdateAvail => "update-avail",
            Self::MergeAvail => "merge-avail",
            Self::ClearAvail => "clear-avail",
            Self::ForgetOldUnavail => "forget-old-unavail",
            Self::AddArchitecture => "add-architecture",
            Self::RemoveArchitecture => "remove-architecture",
            Self::PrintArchitecture => "print-architecture",
            Self::PrintForeignArchitectures => "print-foreign-architectures",
            Self::Assert(_) => "assert",
            Self::CompareVersions => "compare-versions",
            Self::Status => "status",
            Self::List => "list",
            Self::Show => "show",
            Self::ControlList => "control-list",
            Self::ControlShow => "control-show",
            Self::ControlPath => "control-path",
            Self::ListFiles => "listfiles",
            Self::Search => "search",
            Self::Verify => "verify",
            Self::PrintAvail => "print-avail",
            Self::Validate(_) => "validate",
            Self::Version => "version",
            Self::Help => "help",
            Self::ForceHelp => "force-help",
        }
    }

    /// Whether it changes the list of available packages.
    pub fn changes_available(&self) -> bool {
        matches!(
            self,
            Self::RecordAvail | Self::UpdateAvail | Self::MergeAvail | Self::ClearAvail
        )
    }

    /// Whether dpkg has dpkg-query(1) do it.
    pub fn is_query(&self) -> bool {
        matches!(
            self,
            Self::Status
                | Self::PrintAvail
                | Self::List
                | Self::ListFiles
                | Self::Search
                | Self::Show
                | Self::ControlList
                | Self::ControlShow
                | Self::ControlPath
        )
    }

    /// Whether it reads or changes files other than those of the administrative directory.
    pub fn needs_root(&self) -> bool {
        self.runs_scripts() || *self == Self::Verify
    }

    /// Whether it changes packages, so that scripts may have to run.
    pub fn runs_scripts(&self) -> bool {
        matches!(
            self,
            Self::Install | Self::Unpack | Self::Configure | Self::TriggersOnly | Self::Remove | Self::Purge
        )
    }
}

/// The way in which maintainer scripts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptMode {
    /// In a view of the target, where its programs are executed as their native counterparts.
    Redirect,
    /// Outside the target, with `DPKG_ROOT` (`--force-script-chrootless`).
    Chrootless,
}

/// Options of a call.
#[derive(Clone, Debug)]
pub struct Options {
    /// The target (`--root`, `--instdir`, or the directory above `--admindir`).
    pub root: PathBuf,
    /// The administrative directory (`--admindir`), where it is not `var/lib/dpkg` of the target.
    pub admindir: Option<PathBuf>,
    /// Whether the caller holds the lock of front ends (`DPKG_FRONTEND_LOCKED`).
    pub frontend_locked: bool,
    /// Meaning of paths of archives and other files that are read.
    pub places: Places,
    /// `--showformat` of dpkg-query(1).
    pub format: String,
    /// Problems that are ignored (`--force-…`, `--refuse-…`).
    pub forces: Forces,
    /// Whether something is changed; `--no-act` means no.
    pub act: bool,
    /// `--pending`.
    pub pending: bool,
    /// `--recursive`.
    pub recursive: bool,
    /// `--triggers` and `--no-triggers`: whether triggers that no package awaits are processed; none where neither is
    /// given, which means yes.
    pub triggers: Option<bool>,
    /// Whether packages that are not selected are unpacked; `--selected-only` means no.
    pub also_select: bool,
    /// `--skip-same-version`.
    pub skip_same: bool,
    /// `--auto-deconfigure`.
    pub auto_deconfigure: bool,
    /// `--robot`: output for programs.
    pub robot: bool,
    /// `--abort-after`: number of failures that end the call.
    pub abort_after: usize,
    /// `--status-fd`: descriptors of front ends.
    pub status_fds: Vec<i32>,
    /// `--log`; none for no log.
    pub log: Option<PathBuf>,
    /// `--pre-invoke`: commands of the shell that run before packages are changed.
    pub pre_invoke: Vec<String>,
    /// `--post-invoke`: those that run after it.
    pub post_invoke: Vec<String>,
    /// `--status-logger`: commands of the shell that read what front ends are told.
    pub status_loggers: Vec<String>,
    /// `--path-exclude` and `--path-include`.
    pub filters: Filters,
    /// `--ignore-depends`: packages on which dependencies are ignored.
    pub ignore_depends: Vec<String>,
    /// `--debug`: a mask.
    pub debug: u32,
    /// `--arch`: architecture of a target whose database does not name one.
    pub arch: Option<&'static Architecture>,
    /// `--native-sysroot`: source of native tools.
    pub native: NativeTools,
    /// `--cache`: the cache directory; none where it is not given and there is no default.
    pub cache: Option<PathBuf>,
    /// `--mirror`, `--suite`, `--components` and `--keyring`: archives of native packages, instead of the
    /// target's.
    pub archives: ArchiveSettings,
    /// `--script-timeout` and `SOURCE_DATE_EPOCH`.
    pub scripts: ScriptSettings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/"),
            admindir: None,
            frontend_locked: false,
            places: Places::default(),
            format: "${binary:Package}\\t${Version}\\n".to_owned(),
            forces: Forces::default(),
            act: true,
            pending: false,
            recursive: false,
            triggers: None,
            also_select: true,
            skip_same: false,
            auto_deconfigure: false,
            robot: false,
            abort_after: 50,
            status_fds: Vec::new(),
            log: None,
            pre_invoke: Vec::new(),
            post_invoke: Vec::new(),
            status_loggers: Vec::new(),
            filters: Filters::default(),
            ignore_depends: Vec::new(),
            debug: 0,
            arch: None,
            native: NativeTools::Packages,
            cache: None,
            archives: ArchiveSettings::default(),
            scripts: ScriptSettings {
                timeout: Some(Duration::from_secs(600)),
                ..ScriptSettings::default()
            },
        }
    }
}

impl Options {
    /// Returns the name of an option that has a meaning only where a program in a view of the target calls dpkg.
    pub fn unsupported(&self) -> Option<&'static str> {
        let given = [
            ("pre-invoke", &self.pre_invoke),
            ("post-invoke", &self.post_invoke),
            ("status-logger", &self.status_loggers),
        ];
        given
            .into_iter()
            .find_map(|(name, commands)| (!commands.is_empty()).then_some(name))
    }

    /// Returns the way in which scripts run.
    pub fn script_mode(&self) -> ScriptMode {
        if self.forces.has("script-chrootless") {
            ScriptMode::Chrootless
        } else {
            ScriptMode::Redirect
        }
    }
}

/// A call of dpkg.
#[derive(Clone, Debug)]
pub struct Call {
    /// The action.
    pub action: Action,
    /// Its arguments: files, packages or patterns.
    pub arguments: Vec<OsString>,
    /// Its options.
    pub options: Options,
}
