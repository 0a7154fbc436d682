//! Apt sources as values.

use std::path::PathBuf;

use url::Url;

/// How a sources file is written; both are described in sources.list(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFormat {
    /// `deb [options] URI SUITE COMPONENT…`, one source a line, `.list`.
    OneLine,
    /// Paragraphs of `Types:`, `URIs:`, `Suites:` …, `.sources`.
    Deb822,
}

/// The keys a source may be signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// Keyring files on this machine, and fingerprints (upper case, without a
    /// trailing `!`) that restrict which of their keys, or of the default
    /// keyring's when no file is given, are accepted.
    Files {
        /// Absolute paths.
        files: Vec<PathBuf>,
        /// Hexadecimal, upper case.
        fingerprints: Vec<String>,
    },
    /// An armored key written in the `.sources` file itself.
    Inline(String),
}

/// One enabled entry for binary packages (`deb`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Archive roots, each an archive of its own: http, https, file or copy.
    pub uris: Vec<Url>,
    /// Suites or codenames, `SUITE/updates`, or an exact path ending in `/`.
    pub suites: Vec<String>,
    /// Components; empty only when every suite is an exact path.
    pub components: Vec<String>,
    /// The only architectures to read; empty means all that are asked for.
    pub architectures: Vec<String>,
    /// Keys that may sign; `None` means the keyring given to `load_indexes`.
    pub signed_by: Option<SignedBy>,
    /// `trusted=yes`: no signature is required, as in apt.
    pub trusted: bool,
    /// Whether a Release file past its `Valid-Until` is refused.
    pub check_valid_until: bool,
    /// Whether a Release file with a `Date` in the future is refused.
    pub check_date: bool,
    /// Whether the source may be missing: a suite, component or architecture
    /// that the archive does not have is no error, and an index that does not
    /// fit its (verified) Release file is left out with a warning.
    pub optional: bool,
}

/// A sources file: its text for the target, and its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceList {
    /// The format of `text`.
    pub format: SourceFormat,
    /// Base name of the user's file; `None` for text made from an argument.
    pub file_name: Option<String>,
    /// Exact text for the target, with its final newline.
    pub text: String,
    /// The enabled `deb` entries of `text`, in order.
    pub sources: Vec<Source>,
}

/// True for a relative path of plain segments: nothing empty, no `.` or `..`,
/// nothing that is not printed.
pub(super) fn is_safe_path(path: &str) -> bool {
    !path.is_empty()
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
        && !path
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
}
