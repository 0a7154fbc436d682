//! Everything that can go wrong between a mirror argument and a verified file.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use deb_types::FileHash;
use thiserror::Error;

use super::explain::{advice, near_suites, seconds};

/// An error of reading an archive. Its URLs have no password.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A sources file or a one-line source cannot be understood.
    #[error("{origin}:{line}: {reason} (see sources.list(5))")]
    BadSource {
        /// File name, or another name of the text.
        origin: String,
        /// Line, from 1.
        line: usize,
        /// Description of the error.
        reason: String,
    },
    /// A file of users and passwords cannot be understood. It is told without the words in it.
    #[error("{origin}:{line}: {reason} (see apt_auth.conf(5))")]
    BadAuth {
        /// Name of the file.
        origin: String,
        /// Line, from 1.
        line: usize,
        /// Description of the error.
        reason: String,
    },
    /// A list of mirrors cannot be understood.
    #[error("{origin}:{line}: {reason} (see apt-transport-mirror(1))")]
    BadMirrorList {
        /// Name or URL of the list.
        origin: String,
        /// Line, from 1.
        line: usize,
        /// Description of the error.
        reason: String,
    },
    /// No mirror of a list has a file.
    #[error("{list}: none of the mirrors in it is for {name}")]
    NoMirrorListed {
        /// Name or URL of the list.
        list: String,
        /// The file.
        name: String,
    },
    /// A file of certificates or keys for https cannot be used.
    #[error("{}: it cannot be used for https: {reason}; certificates and keys are PEM, keys without a passphrase", path.display())]
    BadCertificate {
        /// Path of the file.
        path: PathBuf,
        /// Description of the error.
        reason: String,
    },
    /// The keys that a source names cannot be read.
    #[error("{place}: signed-by: {error}")]
    SourceKeys {
        /// Place of the source.
        place: String,
        /// The failure.
        error: Box<ArchiveError>,
    },
    /// The argument of `--mirror` is neither a URL, nor a line of sources.list(5), nor a file.
    #[error(
        "--mirror `{argument}`: {reason}; give an http, https or file URL, a line `deb URL SUITE COMPONENT...`, or the path of a .sources or .list file"
    )]
    BadMirror {
        /// The argument.
        argument: String,
        /// Reason.
        reason: String,
    },
    /// A file of this machine cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// Operation: read, write, create …
        action: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Error of the system call.
        source: io::Error,
    },
    /// A keyring file holds no OpenPGP keys.
    #[error("{}: no OpenPGP keys can be read from it: {reason}; a keyring is a binary or armored file of public keys", path.display())]
    BadKeyring {
        /// Path of the file.
        path: PathBuf,
        /// Message of the parser.
        reason: String,
    },
    /// There is no key to verify anything with.
    #[error(
        "there is no keyring to verify {url} with, of the source {place}; install debian-archive-keyring or give --keyring FILE, or [signed-by=FILE] in the source"
    )]
    NoKeyring {
        /// The signed file.
        url: String,
        /// Place of the source.
        place: String,
    },
    /// No answer from the server: name, connection, proxy, TLS, time-out.
    #[error(
        "cannot reach {url}: {reason}; check the network, the proxy variables (http_proxy, https_proxy, no_proxy) or give another --mirror"
    )]
    Unreachable {
        /// URL requested.
        url: String,
        /// The last failure.
        reason: String,
    },
    /// The network is not to be used, and the cache does not have it.
    #[error("{name} is not in the cache, and --offline was given; make it once without --offline ({url})")]
    Offline {
        /// Display name.
        name: String,
        /// URL of the file.
        url: String,
    },
    /// Nothing says where states of the past are to be had.
    #[error(
        "{url}: neither the Release file nor apt's configuration (Acquire::Snapshots::URI) says where snapshots of this archive are; give the URL with --snapshot-url, with @SNAPSHOTID@ in it"
    )]
    NoSnapshots {
        /// The Release file.
        url: String,
    },
    /// The server sends, but hardly anything.
    #[error(
        "{url}: too slow: {rate} bytes a second over {}, at least {least} are waited for; give another --mirror, or a longer --download-timeout",
        seconds(*window)
    )]
    TooSlow {
        /// URL requested.
        url: String,
        /// Bytes a second that came.
        rate: u64,
        /// Bytes a second that are enough.
        least: u64,
        /// Time over which they were counted.
        window: Duration,
    },
    /// The server answers, but with an error.
    #[error("{url}: the server answered {status}{}", advice(*status))]
    Status {
        /// URL requested.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The server redirects to a URL that must not be followed.
    #[error("{url}: refused to follow the redirection to {to}: {reason}")]
    BadRedirect {
        /// URL requested.
        url: String,
        /// Destination of the redirection.
        to: String,
        /// Reason.
        reason: &'static str,
    },
    /// No mirror was given, and this machine's apt has none.
    #[error("this machine's apt sources name no Debian archive; say where it is with --mirror URL")]
    NoMirror,
    /// The target has no sources of packages.
    #[error("there are no sources of packages: name a mirror, or write them in a setup hook")]
    NoSources,
    /// The archive has neither InRelease nor Release for the suite.
    #[error(
        "{base}: there is no suite `{suite}` (neither InRelease nor Release is there, nor an index){}; check the suite's name and the mirror's address",
        near_suites(suite)
    )]
    UnknownSuite {
        /// Archive root.
        base: String,
        /// Suite as asked for.
        suite: String,
    },
    /// The Release file is of another suite than the one asked for.
    #[error(
        "{url}: this is the Release file of suite `{found_suite}`, codename `{found_codename}`, but `{asked}` was asked for; the mirror is wrong or somebody interferes"
    )]
    OtherSuite {
        /// The Release file.
        url: String,
        /// Suite as asked for.
        asked: String,
        /// `Suite` of the Release file.
        found_suite: String,
        /// `Codename` of the Release file.
        found_codename: String,
    },
    /// The component is not in the archive.
    #[error("{url}: there is no component `{component}`; there are: {}", available.join(", "))]
    UnknownComponent {
        /// The Release file.
        url: String,
        /// Component as asked for.
        component: String,
        /// Those the Release file lists.
        available: Vec<String>,
    },
    /// The architecture is not in the archive.
    #[error("{url}: there is nothing for architecture `{architecture}`; there is: {}", available.join(", "))]
    UnknownArchitecture {
        /// The Release file, or all of them.
        url: String,
        /// Architecture as asked for.
        architecture: String,
        /// Those the Release file lists.
        available: Vec<String>,
    },
    /// A malformed Release file.
    #[error("{url}: this is no usable Release file: {reason}")]
    BadRelease {
        /// The Release file.
        url: String,
        /// Description of the error.
        reason: String,
    },
    /// The Release file has no signature.
    #[error(
        "{url}: it is not signed; refusing to use it (an archive of your own may be marked with [trusted=yes])"
    )]
    NotSigned {
        /// The Release file.
        url: String,
    },
    /// No key of the keyring signed the Release file.
    #[error(
        "{url}: signed with an unknown key ({}, not in {keyrings}), of the source {place}; give the keys of this archive with --keyring FILE or with [signed-by=FILE] in its source, or install a newer debian-archive-keyring",
        keys.join(", ")
    )]
    UnknownKey {
        /// The Release file.
        url: String,
        /// Key identifiers or fingerprints of the signatures.
        keys: Vec<String>,
        /// The files that were searched.
        keyrings: String,
        /// Place of the source.
        place: String,
    },
    /// A signed text with something before or after it.
    #[error("{url}: this is not one signed message and nothing else: {reason}; refusing to use it")]
    NotOneMessage {
        /// The Release file.
        url: String,
        /// What else there is.
        reason: &'static str,
    },
    /// A Release file that is older than the last one of the same source.
    #[error(
        "{url}: made on {date}, older than what was seen here before, made on {seen}: the mirror lags behind, or somebody serves an old state again; try later or another mirror, or accept it with --allow-older-release"
    )]
    Older {
        /// The Release file.
        url: String,
        /// `Date` of this one.
        date: String,
        /// `Date` of the one seen before.
        seen: String,
    },
    /// The key that signed is expired.
    #[error(
        "{url}: signed with the expired key {key}; install a newer debian-archive-keyring or check this machine's clock"
    )]
    ExpiredKey {
        /// The Release file.
        url: String,
        /// Fingerprint.
        key: String,
    },
    /// The key that signed was revoked.
    #[error("{url}: signed with the revoked key {key}; refusing to use it")]
    RevokedKey {
        /// The Release file.
        url: String,
        /// Fingerprint.
        key: String,
    },
    /// The signature's own validity is over, or has not begun.
    #[error(
        "{url}: the signature by key {key} is not valid now: {reason}; try another mirror or check this machine's clock"
    )]
    ExpiredSignature {
        /// The Release file.
        url: String,
        /// Fingerprint.
        key: String,
        /// Details.
        reason: String,
    },
    /// The key or the signature uses an algorithm that is no longer trusted, such as SHA-1.
    #[error("{url}: the signature by key {key} is not acceptable: {reason}")]
    WeakSignature {
        /// The Release file.
        url: String,
        /// Fingerprint.
        key: String,
        /// Details.
        reason: String,
    },
    /// The signature does not fit the text.
    #[error("{url}: the signature does not fit the text: it was altered after key {key} signed it")]
    Altered {
        /// The Release file.
        url: String,
        /// Fingerprint.
        key: String,
    },
    /// The signature is no OpenPGP message.
    #[error("{url}: its signature cannot be read: {reason}")]
    BadSignatureData {
        /// The Release file.
        url: String,
        /// Message of the parser.
        reason: String,
    },
    /// `Valid-Until` is in the past.
    #[error(
        "{url}: the Release file is expired (invalid since {since}): valid until {valid_until} only, so this mirror is out of date; try another mirror, or mark the source with [check-valid-until=no] if this state of the archive is wanted"
    )]
    Expired {
        /// The Release file.
        url: String,
        /// Time that has passed since then.
        since: String,
        /// The field's text.
        valid_until: String,
    },
    /// `Date` is in the future.
    #[error(
        "{url}: the Release file is not valid yet (invalid for another {another}): made on {date}, which is in the future; check this machine's clock"
    )]
    NotYetValid {
        /// The Release file.
        url: String,
        /// Time until then.
        another: String,
        /// The field's text.
        date: String,
    },
    /// A server sends more than the known size.
    #[error("{name}: {url} sends more than the {limit} bytes it must have; refused")]
    TooLarge {
        /// Name of the file.
        name: String,
        /// URL of the file.
        url: String,
        /// Size limit in bytes.
        limit: u64,
    },
    /// A file ends too early, at each of its URLs.
    #[error("{name}: {url} is cut off: expected {expected} bytes, got {got}")]
    Truncated {
        /// Name of the file.
        name: String,
        /// URL of the file.
        url: String,
        /// Expected size in bytes.
        expected: u64,
        /// Number of bytes received.
        got: u64,
    },
    /// A file has the right size and other content.
    #[error(
        "{name}: {url} is not what the signed index names: expected {expected}, got {got}; the mirror may be in the middle of an update, or somebody interferes"
    )]
    WrongHash {
        /// Name of the file.
        name: String,
        /// URL of the file.
        url: String,
        /// Algorithm and checksum.
        expected: FileHash,
        /// The checksum that was found, hexadecimal.
        got: String,
    },
    /// The archive does not have a file it names.
    #[error(
        "{name}: {url} is not there (404); the mirror may be in the middle of an update: try again or give another --mirror"
    )]
    NotFound {
        /// Name of the file.
        name: String,
        /// URL of the file.
        url: String,
    },
    /// An index that cannot be decompressed, or not to the size that was signed.
    #[error("{url}: cannot be decompressed: {reason}")]
    BadCompression {
        /// The index.
        url: String,
        /// Description of the error.
        reason: String,
    },
    /// A malformed index.
    #[error("{url}: not a package index: {problem}")]
    BadIndex {
        /// The index.
        url: String,
        /// Description of the error.
        problem: deb_index::Malformed,
    },
    /// A `Filename` that points outside the archive.
    #[error("package {package}: its Filename `{}` leads out of the archive, or is no path; refused", filename.escape_debug())]
    BadFilename {
        /// Display name of the package.
        package: String,
        /// The field.
        filename: String,
    },
    /// A package of a source that may be insecure, and is.
    #[error(
        "package {package}: it cannot be authenticated, since the repository {base} is not signed well enough; give its key (--keyring, signed-by), or mark the source with [trusted=yes] to install from it all the same"
    )]
    Unauthenticated {
        /// Display name of the package.
        package: String,
        /// URL of the archive's root.
        base: String,
    },
    /// A source that may be insecure is so only now.
    #[error(
        "{url}: the repository is no longer signed: {reason}; mark the source with [allow-downgrade-to-insecure=yes] if that is right"
    )]
    NoLongerSigned {
        /// The Release file.
        url: String,
        /// What is wrong with its signature.
        reason: String,
    },
    /// A package without a URL.
    #[error("package {package}: no URL is known for it")]
    NoUrl {
        /// Display name of the package.
        package: String,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up HTTP: {reason}")]
    Client {
        /// Message of the HTTP library.
        reason: String,
    },
    /// The run was stopped.
    #[error("interrupted")]
    Interrupted,
}

impl ArchiveError {
    /// Returns a function for `map_err` on file access.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
