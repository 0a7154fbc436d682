//! OpenPGP keys for synthetic archives, and what they sign.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use sequoia_openpgp::cert::prelude::*;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::SerializeInto as _;
use sequoia_openpgp::serialize::stream::{Armorer, Message, Signer};

use crate::{Error, Result};

const DAY: Duration = Duration::from_secs(86_400);

/// A signing key and when it signs.
#[derive(Clone, Debug)]
pub struct Key {
    cert: Cert,
    signs_at: SystemTime,
}

impl Key {
    /// A key that is valid now.
    ///
    /// # Errors
    /// When it cannot be generated.
    pub fn sound() -> Result<Self> {
        let now = SystemTime::now();
        Self::generate(now - 30 * DAY, None, now - Duration::from_secs(60))
    }

    /// A key that signed while it was valid and has expired since.
    ///
    /// # Errors
    /// When it cannot be generated.
    pub fn expired() -> Result<Self> {
        let made = SystemTime::now() - 800 * DAY;
        Self::generate(made, Some(400 * DAY), made + 10 * DAY)
    }

    fn generate(made: SystemTime, validity: Option<Duration>, signs_at: SystemTime) -> Result<Self> {
        let (cert, _) = CertBuilder::new()
            .add_userid("Synthetic Archive <archive@example.org>")
            .set_creation_time(made)
            .set_validity_period(validity)
            .add_signing_subkey()
            .generate()
            .map_err(openpgp)?;
        Ok(Self { cert, signs_at })
    }

    /// The public key as a binary keyring, as apt and gpgv read it.
    ///
    /// # Errors
    /// When it cannot be serialised.
    pub fn keyring(&self) -> Result<Vec<u8>> {
        self.cert
            .clone()
            .strip_secret_key_material()
            .to_vec()
            .map_err(openpgp)
    }

    /// The public key, armored.
    ///
    /// # Errors
    /// When it cannot be serialised.
    pub fn armored(&self) -> Result<Vec<u8>> {
        self.cert
            .clone()
            .strip_secret_key_material()
            .armored()
            .to_vec()
            .map_err(openpgp)
    }

    /// An armored signature of `text` by itself, as `Release.gpg` is.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn detached(&self, text: &str) -> Result<Vec<u8>> {
        let mut signature = Vec::new();
        let pair = self.pair()?;
        let armorer = Armorer::new(Message::new(&mut signature));
        let armored = armorer.kind(sequoia_openpgp::armor::Kind::Signature).build();
        let signer = armored
            .and_then(|message| Signer::new(message, pair))
            .and_then(|signer| signer.detached().creation_time(self.signs_at).build());
        let mut signer = signer.map_err(openpgp)?;
        signer
            .write_all(text.as_bytes())
            .map_err(|error| Error::OpenPgp(error.to_string()))?;
        signer.finalize().map_err(openpgp)?;
        Ok(signature)
    }

    /// The fingerprint of the key, or of the part of it that signs.
    #[must_use]
    pub fn fingerprint(&self, of_signing_part: bool) -> String {
        let signing = self.pair().map(|pair| pair.public().fingerprint().to_hex());
        match signing {
            Ok(signing) if of_signing_part => signing,
            _ => self.cert.fingerprint().to_hex(),
        }
    }

    fn pair(&self) -> Result<sequoia_openpgp::crypto::KeyPair> {
        let policy = StandardPolicy::new();
        let key = self
            .cert
            .keys()
            .secret()
            .with_policy(&policy, self.signs_at)
            .for_signing()
            .next()
            .ok_or_else(|| Error::OpenPgp("the key has no part that signs".to_owned()))?;
        key.key().clone().into_keypair().map_err(openpgp)
    }

    /// `text` with an inline signature, as an InRelease file has it.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn clearsign(&self, text: &str) -> Result<Vec<u8>> {
        let mut signed = Vec::new();
        let signer = Signer::new(Message::new(&mut signed), self.pair()?)
            .and_then(|signer| signer.cleartext().creation_time(self.signs_at).build());
        let mut signer = signer.map_err(openpgp)?;
        signer
            .write_all(text.as_bytes())
            .map_err(|error| Error::OpenPgp(error.to_string()))?;
        signer.finalize().map_err(openpgp)?;
        Ok(signed)
    }
}

fn openpgp(error: impl std::fmt::Display) -> Error {
    Error::OpenPgp(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_text_reads_as_a_clearsigned_message() {
        for key in [Key::sound().expect("a key"), Key::expired().expect("a key")] {
            let signed = String::from_utf8(key.clearsign("Suite: stable\n").expect("signed")).expect("text");
            assert!(
                signed.starts_with("-----BEGIN PGP SIGNED MESSAGE-----\n"),
                "{signed}"
            );
            assert!(signed.contains("\nSuite: stable\n"), "{signed}");
            assert!(
                key.armored()
                    .expect("armored")
                    .starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK")
            );
        }
    }
}
