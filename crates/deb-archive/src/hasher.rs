//! A checksum while it is made.

use deb_types::FileHash;
use sha2::{Digest, Sha256, Sha512};

/// Hashes as a [`FileHash`] was made.
#[derive(Clone)]
pub(super) enum Hasher {
    Sha256(Sha256),
    // Larger than the other one by far, and rarely there.
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// Returns a new one of the algorithm of `hash`.
    pub(super) fn of(hash: &FileHash) -> Self {
        match hash {
            FileHash::Sha256(_) => Self::Sha256(Sha256::new()),
            FileHash::Sha512(_) => Self::Sha512(Box::default()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// Returns the checksum of what was read so far.
    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        }
    }
}
