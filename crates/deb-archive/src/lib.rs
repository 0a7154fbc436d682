//! Signed archives: from apt sources to verified indexes and packages.
//!
//! A [`SourceList`] (given by the user, or this machine's own of apt) holds
//! [`Source`]s; [`load_indexes`] fetches each one's
//! `InRelease`, verifies it against a [`Keyring`], and reads the `Packages`
//! index of every wanted component and architecture as an [`Index`];
//! [`Fetcher::fetch`] brings the chosen packages, each a [`PackageFile`], into
//! a cache.
//!
//! Invariants:
//!
//! - nothing is parsed before its signature (`InRelease`) or its SHA-256
//!   (everything named by it) was found right, apart from the `trusted=yes` of
//!   a source;
//! - no download and no decompression goes beyond the size that was signed,
//!   or beyond a fixed limit where nothing is signed yet;
//! - the cache is content-addressed; a file appears in it under its final name
//!   only whole and verified, so any number of runs may share it, and one that
//!   was killed leaves at most a partial download that the next one resumes;
//! - names that come from an archive never choose a path outside it.
//!
//! Follows sources.list(5), apt-secure(8) and the Debian repository format.

mod apt_lists;
mod apt_settings;
mod archive_cache;
mod clear_signed;
mod compression;
mod connections;
mod credentials;
mod date;
mod document;
mod download;
mod earlier_release;
mod error;
mod explain;
mod fetch;
mod hasher;
mod index;
mod index_file;
mod keyring;
mod lock;
mod machine_sources;
mod mirror_list;
mod package_file;
mod rate;
mod release;
mod seen;
mod snapshot;
mod source;
mod source_entry;
mod source_lists;
mod sources_text;
mod suite_release;
mod transport;
mod verify;

#[cfg(test)]
mod testing;

pub use apt_lists::apt_lists;
pub use archive_cache::{IN_USE, TABLES, hash_of, is_whole_download};
pub use connections::Connections;
pub use credentials::Credentials;
pub use error::ArchiveError;
pub use fetch::{FetchOptions, Fetcher};
pub use index::{ArchiveFile, Index, ReleaseState, load_indexes};
pub use keyring::Keyring;
pub use lock::{Lock, lock_file};
pub use machine_sources::{MachineSources, machine_sources, sources_in, sources_of, target_sources};
pub use package_file::{PackageFile, join as archive_path, without_passwords};
pub use snapshot::{ArchiveIdentity, Snapshot, SnapshotServices};
pub use source::{SignedBy, Source, SourceFormat, SourceList, SourceSnapshot};
pub use source_lists::{
    default_sources, parse_mirror_argument, parse_sources_text, sources_list, target_files,
};

/// Result of the archive stage.
pub type Result<T> = std::result::Result<T, ArchiveError>;

/// Receives the progress of downloads, from any thread. The default
/// implementations do nothing.
pub trait DownloadProgress: Send + Sync {
    /// A batch of downloads begins. Files found in the cache are part of both
    /// numbers.
    fn started(&self, total_files: usize, total_bytes: u64) {
        let _ = (total_files, total_bytes);
    }
    /// More bytes came from the network. Over a batch that succeeds the sum of
    /// these and of the files found in the cache is the number that
    /// [`started`](DownloadProgress::started) gave.
    fn advanced(&self, bytes: u64) {
        let _ = bytes;
    }
    /// The file of this display name and size in bytes is whole and verified;
    /// `cached` when nothing had to be transferred.
    fn finished_file(&self, name: &str, size: u64, cached: bool) {
        let _ = (name, size, cached);
    }
    /// The run goes on, but the user should know of something.
    fn warning(&self, message: &str) {
        let _ = message;
    }
}

/// A [`DownloadProgress`] that drops everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl DownloadProgress for NoProgress {}
