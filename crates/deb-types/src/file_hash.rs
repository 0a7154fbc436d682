//! The checksum by which a file of an archive is known.

use std::fmt;

use crate::hex::{hex, parse_hex};

/// The checksum of a file, of those that still count: SHA-256, or SHA-512 where an archive publishes nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileHash {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-512.
    Sha512([u8; 64]),
}

impl FileHash {
    /// Reads the value of a field, whose name may be in any case; none for another field and for what is no checksum.
    ///
    /// ```
    /// use deb_types::FileHash;
    /// let sum = "0".repeat(64);
    /// assert_eq!(FileHash::of_field("SHA256", &sum), Some(FileHash::Sha256([0; 32])));
    /// assert_eq!(FileHash::of_field("SHA512", &sum), None);
    /// assert_eq!(FileHash::of_field("MD5sum", &sum), None);
    /// ```
    pub fn of_field(name: &str, value: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("SHA256") {
            parse_hex(value).map(Self::Sha256)
        } else if name.eq_ignore_ascii_case("SHA512") {
            parse_hex(value).map(Self::Sha512)
        } else {
            None
        }
    }

    /// Returns the field's name, which is also that of the directory in `by-hash`.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA256",
            Self::Sha512(_) => "SHA512",
        }
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }

    /// Returns the checksum in lower-case hexadecimal; its length tells the algorithm.
    pub fn hex(&self) -> String {
        hex(self.bytes())
    }
}

/// `SHA-256 0cc1…`, for messages.
impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Sha256(_) => "SHA-256",
            Self::Sha512(_) => "SHA-512",
        };
        write!(f, "{name} {}", self.hex())
    }
}
