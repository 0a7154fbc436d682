//! Violations of the contract of `DPKG_ROOT` (dpkg(1), `--force-script-chrootless`).

/// Kind of a violation that a chrootless wrapper sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViolationKind {
    /// An argument names a file outside the root. Subject: the path as the caller wrote it, whole.
    Path,
    /// The tool is in no row of the table. Subject: the tool.
    Uncovered,
    /// The outer system is asked or would be acted on; also users and groups that chown(1) and install(1) are
    /// given, start-stop-daemon(8), verbs of systemctl(1). Subject: what is asked for.
    OuterQuery,
    /// chroot(8) is called. Subject: the root, or the operand.
    Chroot,
    /// A program of the root is executed by its path; the shim reports it by its own name. Subject: the path as
    /// the caller wrote it.
    TargetBinary,
    /// The tool was not told of the root, or cannot be. Subject: the option that it has, ending with `=` where a
    /// value is attached; the tool where it has none.
    NoRootOption,
}

impl ViolationKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Path,
        Self::Uncovered,
        Self::OuterQuery,
        Self::Chroot,
        Self::TargetBinary,
        Self::NoRootOption,
    ];

    /// Returns its name in messages and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Uncovered => "uncovered",
            Self::OuterQuery => "outer-query",
            Self::Chroot => "chroot",
            Self::TargetBinary => "target-binary",
            Self::NoRootOption => "no-root-option",
        }
    }

    /// Returns the kind of a name.
    pub fn by_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().as_bytes() == name)
    }
}

/// A call that does not keep to the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation<'a> {
    /// Kind, which says what the subject is.
    pub kind: ViolationKind,
    /// Tool that was called, by its name without a directory.
    pub tool: &'a [u8],
    /// Path, option, program or question.
    pub subject: &'a [u8],
    /// Whether the call acts in the root nevertheless, or is answered for it.
    pub helped: bool,
    /// Process of the wrapper, which becomes the tool, as getpid(2) gives it there.
    pub process: u32,
}
