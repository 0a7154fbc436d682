//! Apt sources as values.

use std::path::PathBuf;
use std::time::Duration;

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
    /// Keyring files on this machine, and fingerprints that restrict which of their
    /// keys, or of the default keyring's when no file is given, are accepted. One with `!`
    /// stands for that key alone, others for its subkeys, too.
    Files {
        /// Absolute paths.
        files: Vec<PathBuf>,
        /// Hexadecimal, upper case, perhaps with `!` at the end.
        fingerprints: Vec<String>,
    },
    /// An armored key written in the `.sources` file itself.
    Inline(String),
}

/// State of an archive that a source asks for (sources.list(5), `Snapshot`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceSnapshot {
    /// That which is asked for with all sources.
    #[default]
    AsAsked,
    /// Today's, whatever is asked for.
    Never,
    /// That of a moment, as snapshot services write it.
    At(String),
}

/// One enabled entry for binary packages (`deb`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it stands, for messages: file, line, first URI and suite.
    pub place: String,
    /// Archive roots, each an archive of its own: http, https, file or copy; or lists of mirrors (`mirror+file` …).
    pub uris: Vec<Url>,
    /// Suites or codenames, `SUITE/updates`, or an exact path ending in `/`.
    pub suites: Vec<String>,
    /// Components; empty only when every suite is an exact path.
    pub components: Vec<String>,
    /// The only architectures to read; empty means all that are asked for.
    pub architectures: Vec<String>,
    /// Architectures that are not read, of those that are asked for (`arch-=`).
    pub without_architectures: Vec<String>,
    /// Path of the signed Release file below the suite's directory, or below the archive's root for a flat one, in the
    /// place of `InRelease`.
    pub inrelease_path: Option<String>,
    /// Keys that may sign; `None` means the keyring given to `load_indexes`.
    pub signed_by: Option<SignedBy>,
    /// `trusted=yes`: no signature is required, as in apt.
    pub trusted: bool,
    /// Whether the source may be without a good signature, and with weak checksums only. Its packages are known then, but
    /// cannot be authenticated ([`ArchiveError::Unauthenticated`](super::ArchiveError)).
    pub allow_insecure: bool,
    /// The same for weak checksums only.
    pub allow_weak: bool,
    /// Whether a source that was signed when it was seen last may be without a signature, where `allow_insecure` says so.
    pub allow_downgrade: bool,
    /// Whether a Release file past its `Valid-Until` is refused.
    pub check_valid_until: bool,
    /// Shortest time for which a Release file is valid, whatever its `Valid-Until` says.
    pub valid_until_min: Duration,
    /// Longest time for which a Release file is valid, whatever its `Valid-Until` says; none for no such limit.
    pub valid_until_max: Option<Duration>,
    /// Whether a Release file with a `Date` in the future is refused, and one past its `Valid-Until`.
    pub check_date: bool,
    /// Time by which a `Date` may be in the future; `None` means the default.
    pub date_max_future: Option<Duration>,
    /// Whether indexes are asked for by their checksums; none where the Release file says it.
    pub by_hash: Option<bool>,
    /// State of the archive.
    pub snapshot: SourceSnapshot,
    /// The only packages that it has, as patterns with `*` and `?`; empty for all.
    pub include: Vec<String>,
    /// Packages that it does not have, as patterns.
    pub exclude: Vec<String>,
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
    /// Path of the file, below the root of the target; none where the place among others says it.
    pub place: Option<PathBuf>,
    /// Exact text for the target, with its final newline.
    pub text: String,
    /// The enabled `deb` entries of `text`, in order.
    pub sources: Vec<Source>,
}

impl Source {
    /// Returns whether an architecture that is asked for is read.
    pub(super) fn has_architecture(&self, architecture: &str) -> bool {
        let only = &self.architectures;
        let without = &self.without_architectures;
        (only.is_empty() || only.iter().any(|known| known == architecture))
            && !without.iter().any(|known| known == architecture)
    }

    /// Whether packages of this name are taken from it.
    pub(super) fn takes(&self, name: &str) -> bool {
        let fits = |pattern: &String| glob(pattern.as_bytes(), name.as_bytes());
        (self.include.is_empty() || self.include.iter().any(fits)) && !self.exclude.iter().any(fits)
    }

    /// Whether checksums need not be strong.
    pub(super) fn takes_weak(&self) -> bool {
        self.trusted || self.allow_insecure || self.allow_weak
    }

    /// Returns the source for one architecture: `$(ARCH)` in URIs and suites stands for it.
    pub(super) fn for_architecture(&self, architecture: &str) -> Self {
        let fill = |text: &str| text.replace(ARCH, architecture);
        let mut source = self.clone();
        for suite in &mut source.suites {
            *suite = fill(suite);
        }
        for uri in &mut source.uris {
            if let Ok(filled) = Url::parse(&fill(uri.as_str())) {
                *uri = filled;
            }
        }
        source
    }

    /// Whether a URI or suite depends on the architecture.
    pub(super) fn has_variable(&self) -> bool {
        let uris = self.uris.iter().map(Url::as_str);
        uris.chain(self.suites.iter().map(String::as_str))
            .any(|text| text.contains(ARCH))
    }
}

/// The variable of sources.list(5).
const ARCH: &str = "$(ARCH)";

/// Whether a text fits a pattern with `*` and `?` (glob(7)).
pub(super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    // Where the last star stands, and how far it reaches.
    let mut star = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(letter) if *letter == b'?' || text.get(position) == Some(letter) => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((stood, reached)) = star else {
                    return false;
                };
                star = Some((stood, reached + 1));
                (at, position) = (stood + 1, reached + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|letter| *letter == b'*')
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("*", "", true),
            ("lib*-dev", "libc6-dev", true),
            ("lib*-dev", "libc6-dev-x", false),
            ("l?b", "lib", true),
            ("l?b", "lb", false),
            ("a*b*c", "axbxbxc", true),
            ("a", "ab", false),
        ] {
            assert_eq!(
                glob(pattern.as_bytes(), text.as_bytes()),
                fits,
                "{pattern} {text}"
            );
        }
    }
}
