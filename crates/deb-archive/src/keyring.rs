//! The public keys an archive may be signed with.

use std::fs;
use std::path::{Path, PathBuf};

use sequoia_openpgp::cert::{Cert, CertParser};
use sequoia_openpgp::parse::Parse;

use super::machine_sources::MachineSources;
use super::source::{SignedBy, Source};
use super::{ArchiveError, Result};

const ARMOR: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Public keys, and the restrictions on their signatures.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// Keys.
    pub(super) certs: Vec<Cert>,
    /// Fingerprints of the only keys that count (upper-case hexadecimal, `!` at the end of those without their subkeys);
    /// empty means all.
    pub(super) fingerprints: Vec<String>,
    /// The source that the keys are for, for messages.
    pub(super) place: String,
    /// Whether signatures that rest on SHA-1 are accepted.
    pub(super) allow_sha1: bool,
    /// Names of the files of the keys, for messages.
    origins: Vec<PathBuf>,
}

impl Keyring {
    /// Reads keyring files, binary or armored, several keys or blocks in each. Of a directory the files are read that
    /// apt would read in `trusted.gpg.d`: `NAME.gpg`, `NAME.pgp` and `NAME.asc`.
    ///
    /// # Errors
    /// [`ArchiveError::Io`] and [`ArchiveError::BadKeyring`], naming the file; a directory without any keys.
    pub fn load(files: &[PathBuf]) -> Result<Self> {
        let mut keyring = Self::default();
        for path in files {
            if path.is_dir() {
                keyring.add_directory(path)?;
            } else {
                keyring.certs.extend(read(path)?);
                keyring.origins.push(path.clone());
            }
        }
        Ok(keyring)
    }

    fn add_directory(&mut self, directory: &Path) -> Result<()> {
        let entries = fs::read_dir(directory).map_err(ArchiveError::io("read the keyrings in", directory))?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry
                .map_err(ArchiveError::io("read the keyrings in", directory))?
                .path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if matches!(extension, Some("gpg" | "pgp" | "asc")) && path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        if files.is_empty() {
            return Err(ArchiveError::BadKeyring {
                path: directory.to_owned(),
                reason: "no file in it has a name that ends in .gpg, .pgp or .asc".into(),
            });
        }
        for path in files {
            self.certs.extend(read(&path)?);
            self.origins.push(path);
        }
        Ok(())
    }

    /// Returns these keys and those of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.certs.extend(other.certs);
        self.origins.extend(other.origins);
        self
    }

    /// Returns the names of the files, for a message.
    pub(super) fn described(&self) -> String {
        if self.origins.is_empty() {
            return "the key given with the source".to_owned();
        }
        let names: Vec<String> = self
            .origins
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        names.join(", ")
    }

    /// Reads keys from memory; `origin` stands for the file in errors.
    ///
    /// # Errors
    /// [`ArchiveError::BadKeyring`].
    pub fn from_bytes(bytes: &[u8], origin: &Path) -> Result<Self> {
        Ok(Self {
            certs: parse(bytes, origin)?,
            ..Self::default()
        })
    }

    /// Returns the keys with which this machine's apt verifies its Debian archive. Files that
    /// cannot be read, or are in a private format of gpg, are passed over.
    ///
    /// # Errors
    /// [`ArchiveError::BadKeyring`] for a key written in a sources file.
    pub fn of_machine(machine: &MachineSources) -> Result<Self> {
        let mut keyring = Self::default();
        for path in &machine.keyrings {
            match read(path) {
                Ok(certs) => {
                    keyring.certs.extend(certs);
                    keyring.origins.push(path.clone());
                }
                Err(error) => tracing::debug!("passing over a keyring: {error}"),
            }
        }
        if let Some(text) = &machine.inline_key {
            keyring
                .certs
                .extend(parse(text.as_bytes(), Path::new("Signed-By"))?);
            keyring.origins.push("Signed-By".into());
        }
        Ok(keyring)
    }

    /// Accepts signatures that rest on SHA-1, as very old archives have them, if `allow` is true.
    #[must_use]
    pub fn with_sha1(mut self, allow: bool) -> Self {
        self.allow_sha1 = allow;
        self
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.certs.is_empty()
    }

    /// Returns the keys for a source: those of its `Signed-By`, or else these.
    ///
    /// # Errors
    /// [`ArchiveError::SourceKeys`] for files that cannot be read.
    pub(super) fn for_source(&self, source: &Source) -> Result<Self> {
        let keys = || -> Result<Self> {
            Ok(match &source.signed_by {
                None => self.clone(),
                Some(SignedBy::Inline(text)) => Self::from_bytes(text.as_bytes(), Path::new("Signed-By"))?,
                Some(SignedBy::Files { files, fingerprints }) => {
                    let mut own = if files.is_empty() {
                        self.clone()
                    } else {
                        Self::load(files)?
                    };
                    own.fingerprints.clone_from(fingerprints);
                    own
                }
            })
        };
        let mut own = keys().map_err(|error| ArchiveError::SourceKeys {
            place: source.place.clone(),
            error: Box::new(error),
        })?;
        own.allow_sha1 = self.allow_sha1;
        own.place.clone_from(&source.place);
        Ok(own)
    }

    /// Whether signatures by a key of a certificate count, by their fingerprints.
    pub(super) fn takes(&self, key: &str, cert: &str) -> bool {
        let fits = |wanted: &String| match wanted.strip_suffix('!') {
            Some(alone) => key.ends_with(alone),
            None => key.ends_with(wanted.as_str()) || cert.ends_with(wanted.as_str()),
        };
        self.fingerprints.is_empty() || self.fingerprints.iter().any(fits)
    }
}

fn read(path: &Path) -> Result<Vec<Cert>> {
    let bytes = fs::read(path).map_err(ArchiveError::io("read the keyring", path))?;
    parse(&bytes, path)
}

fn parse(bytes: &[u8], origin: &Path) -> Result<Vec<Cert>> {
    let mut certs = Vec::new();
    let mut problem = None;
    for block in blocks(bytes) {
        match CertParser::from_bytes(block) {
            Ok(parser) => {
                for cert in parser {
                    match cert {
                        Ok(cert) => certs.push(cert),
                        // One key of a kind not known here spoils no keyring.
                        Err(error) => problem = Some(error.to_string()),
                    }
                }
            }
            Err(error) => problem = Some(error.to_string()),
        }
    }
    if certs.is_empty() {
        let reason = match problem {
            _ if bytes.get(8..12) == Some(b"KBXf") => {
                "it is a keybox of GnuPG; export the keys from it".into()
            }
            Some(problem) => problem,
            None => "it is empty".into(),
        };
        return Err(ArchiveError::BadKeyring {
            path: origin.to_owned(),
            reason,
        });
    }
    Ok(certs)
}

/// Returns each armored block by itself, or all bytes if the keyring is binary.
fn blocks(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = bytes
        .windows(ARMOR.len())
        .enumerate()
        .filter(|(_, window)| *window == ARMOR)
        .map(|(at, _)| at)
        .collect();
    if starts.is_empty() || bytes.first().is_some_and(|first| first & 0x80 != 0) {
        return vec![bytes];
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| bytes.get(*start..end))
        .collect()
}
