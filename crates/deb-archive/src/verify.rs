//! Signatures of Release files.
//!
//! As apt does it, one good signature by a known key is enough, since archives
//! sign with their old and their new key for a while. A signature is good when
//! it fits the text, is within its own validity, and when its key was valid
//! when it signed and is valid still.

use std::io::Read;
use std::time::SystemTime;

use sequoia_openpgp::cert::amalgamation::{ValidAmalgamation, ValidateAmalgamation};
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::parse::stream::{
    DetachedVerifierBuilder, GoodChecksum, MessageLayer, MessageStructure, VerificationError,
    VerificationHelper, VerificationResult, VerifierBuilder,
};
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::types::{HashAlgorithm, RevocationStatus};
use sequoia_openpgp::{Cert, KeyHandle};

use super::{ArchiveError, Keyring, Result, clear_signed};

/// Returns the signed text of an InRelease file, if a key of `keyring` signed it.
///
/// # Errors
/// One for each way in which a signature can fail; `url` names the file in it.
pub(super) fn inline(signed: &[u8], keyring: &Keyring, now: SystemTime, url: &str) -> Result<Vec<u8>> {
    if clear_signed(signed, url)?.is_none() {
        return Err(ArchiveError::NotSigned { url: url.to_owned() });
    }
    check_keyring(keyring, url)?;
    let policy = policy(keyring);
    let helper = SignatureChecker::new(keyring, &policy, now);
    let made =
        VerifierBuilder::from_bytes(signed).and_then(|builder| builder.with_policy(&policy, now, helper));
    let mut verifier = made.map_err(|error| unreadable(url, &error))?;
    let mut text = Vec::with_capacity(signed.len());
    verifier
        .read_to_end(&mut text)
        .map_err(|error| unreadable(url, &error.into()))?;
    verifier.into_helper().outcome(url)?;
    Ok(with_final_newline(text))
}

/// Checks a detached signature (`Release.gpg`).
///
/// # Errors
/// As [`inline`].
pub(super) fn detached(
    text: &[u8],
    signature: &[u8],
    keyring: &Keyring,
    now: SystemTime,
    url: &str,
) -> Result<()> {
    check_keyring(keyring, url)?;
    clear_signed::check_detached(signature).map_err(|reason| ArchiveError::BadSignatureData {
        url: url.to_owned(),
        reason: reason.to_owned(),
    })?;
    let policy = policy(keyring);
    let helper = SignatureChecker::new(keyring, &policy, now);
    let made = DetachedVerifierBuilder::from_bytes(signature)
        .and_then(|builder| builder.with_policy(&policy, now, helper));
    let mut verifier = made.map_err(|error| unreadable(url, &error))?;
    verifier
        .verify_bytes(text)
        .map_err(|error| unreadable(url, &error))?;
    verifier.into_helper().outcome(url)
}

/// Returns the text of an InRelease file that need not be signed (`trusted=yes`).
///
/// # Errors
/// [`ArchiveError::NotOneMessage`], since text around a signed message is nobody's.
pub(super) fn unverified(bytes: &[u8], url: &str) -> Result<Vec<u8>> {
    Ok(clear_signed(bytes, url)?.unwrap_or_else(|| bytes.to_vec()))
}

/// Returns the text within a clear-signed message; none where there is no such message.
fn clear_signed(bytes: &[u8], url: &str) -> Result<Option<Vec<u8>>> {
    clear_signed::text(bytes).map_err(|reason| ArchiveError::NotOneMessage {
        url: url.to_owned(),
        reason,
    })
}

/// Adds the final newline, which is not part of the signed text.
fn with_final_newline(mut text: Vec<u8>) -> Vec<u8> {
    if text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    text
}

fn check_keyring(keyring: &Keyring, url: &str) -> Result<()> {
    if keyring.is_empty() {
        Err(ArchiveError::NoKeyring {
            url: url.to_owned(),
            place: keyring.place.clone(),
        })
    } else {
        Ok(())
    }
}

fn policy(keyring: &Keyring) -> StandardPolicy<'static> {
    let mut policy = StandardPolicy::new();
    if keyring.allow_sha1 {
        policy.accept_hash(HashAlgorithm::SHA1);
    }
    policy
}

fn unreadable(url: &str, error: &anyhow_error::Error) -> ArchiveError {
    ArchiveError::BadSignatureData {
        url: url.to_owned(),
        reason: error.to_string(),
    }
}

/// The error type of sequoia's functions.
mod anyhow_error {
    pub(super) use sequoia_openpgp::anyhow::Error;
}

/// Result of a bad signature, the worst for the user last.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SignatureProblem {
    Unknown(Vec<String>),
    Weak { key: String, reason: String },
    KeyExpired(String),
    SignatureExpired { key: String, reason: String },
    Revoked(String),
    Altered(String),
}

struct SignatureChecker<'a> {
    keyring: &'a Keyring,
    policy: &'a StandardPolicy<'static>,
    now: SystemTime,
    good: bool,
    findings: Vec<SignatureProblem>,
}

impl<'a> SignatureChecker<'a> {
    fn new(keyring: &'a Keyring, policy: &'a StandardPolicy<'static>, now: SystemTime) -> Self {
        Self {
            keyring,
            policy,
            now,
            good: false,
            findings: Vec::new(),
        }
    }

    /// Sequoia looks at a key at the time of the signature; apt, by gpgv, at
    /// today's too.
    fn good(&self, checksum: &GoodChecksum<'_>) -> std::result::Result<(), SignatureProblem> {
        let key = checksum.ka.key().fingerprint().to_hex();
        let cert = checksum.ka.cert().fingerprint().to_hex();
        if !self.keyring.takes(&key, &cert) {
            return Err(SignatureProblem::Unknown(vec![key]));
        }
        let today = match checksum.ka.clone().with_policy(self.policy, self.now) {
            Ok(today) => today,
            Err(error) => {
                return Err(SignatureProblem::Weak {
                    key,
                    reason: error.to_string(),
                });
            }
        };
        let revoked = |status| matches!(status, RevocationStatus::Revoked(_));
        if revoked(today.valid_cert().revocation_status()) || revoked(today.revocation_status()) {
            return Err(SignatureProblem::Revoked(key));
        }
        if today.valid_cert().alive().is_err() || today.alive().is_err() {
            return Err(SignatureProblem::KeyExpired(key));
        }
        Ok(())
    }

    fn bad(&self, error: &VerificationError<'_>) -> SignatureProblem {
        match error {
            VerificationError::MissingKey { sig } => {
                SignatureProblem::Unknown(sig.get_issuers().iter().map(KeyHandle::to_hex).collect())
            }
            VerificationError::UnboundKey { cert, error, .. } => SignatureProblem::Weak {
                key: cert.fingerprint().to_hex(),
                reason: causes(error),
            },
            VerificationError::BadKey { ka, error, .. } => {
                let key = ka.key().fingerprint().to_hex();
                let revoked = |status| matches!(status, RevocationStatus::Revoked(_));
                if ka.valid_cert().alive().is_err() || ka.alive().is_err() {
                    SignatureProblem::KeyExpired(key)
                } else if revoked(ka.valid_cert().revocation_status()) || revoked(ka.revocation_status()) {
                    SignatureProblem::Revoked(key)
                } else {
                    SignatureProblem::Weak {
                        key,
                        reason: causes(error),
                    }
                }
            }
            VerificationError::BadSignature { sig, ka, error } => {
                let key = ka.key().fingerprint().to_hex();
                if let Err(error) = sig.signature_alive(self.now, None) {
                    return SignatureProblem::SignatureExpired {
                        key,
                        reason: causes(&error),
                    };
                }
                match sig.verify_document(ka.key()) {
                    Ok(()) => SignatureProblem::Weak {
                        key,
                        reason: causes(error),
                    },
                    Err(_) => SignatureProblem::Altered(key),
                }
            }
            VerificationError::MalformedSignature { sig, error } => SignatureProblem::Weak {
                key: sig
                    .get_issuers()
                    .iter()
                    .map(KeyHandle::to_hex)
                    .collect::<Vec<_>>()
                    .join(", "),
                reason: causes(error),
            },
            VerificationError::UnknownSignature { .. } => {
                SignatureProblem::Unknown(vec!["a signature of an unknown kind".into()])
            }
            _ => SignatureProblem::Unknown(vec!["a signature of an unknown kind".into()]),
        }
    }

    fn outcome(self, url: &str) -> Result<()> {
        if self.good {
            return Ok(());
        }
        let url = url.to_owned();
        let mut unknown = Vec::new();
        let mut worst = None;
        for finding in self.findings {
            match finding {
                SignatureProblem::Unknown(keys) => unknown.extend(keys),
                other => worst = worst.max(Some(other)),
            }
        }
        Err(match worst {
            Some(SignatureProblem::Altered(key)) => ArchiveError::Altered { url, key },
            Some(SignatureProblem::Revoked(key)) => ArchiveError::RevokedKey { url, key },
            Some(SignatureProblem::KeyExpired(key)) => ArchiveError::ExpiredKey { url, key },
            Some(SignatureProblem::SignatureExpired { key, reason }) => {
                ArchiveError::ExpiredSignature { url, key, reason }
            }
            Some(SignatureProblem::Weak { key, reason }) => ArchiveError::WeakSignature { url, key, reason },
            _ if unknown.is_empty() => ArchiveError::NotSigned { url },
            _ => ArchiveError::UnknownKey {
                url,
                keys: unknown,
                keyrings: self.keyring.described(),
                place: self.keyring.place.clone(),
            },
        })
    }
}

/// An error and what caused it, in one line.
fn causes(error: &anyhow_error::Error) -> String {
    format!("{error:#}")
}

impl VerificationHelper for SignatureChecker<'_> {
    fn get_certs(&mut self, ids: &[KeyHandle]) -> sequoia_openpgp::Result<Vec<Cert>> {
        let wanted = |cert: &&Cert| {
            cert.keys()
                .any(|key| ids.iter().any(|id| id.aliases(key.key().key_handle())))
        };
        Ok(self.keyring.certs.iter().filter(wanted).cloned().collect())
    }

    /// Only records: the decision is `outcome`, after all was read.
    fn check(&mut self, structure: MessageStructure<'_>) -> sequoia_openpgp::Result<()> {
        for layer in structure {
            // Anything but signatures is not what archives publish; without a
            // signature group nothing is ever good.
            let MessageLayer::SignatureGroup { results } = layer else {
                continue;
            };
            for result in results {
                self.record(result);
            }
        }
        Ok(())
    }
}

impl SignatureChecker<'_> {
    fn record(&mut self, result: VerificationResult<'_>) {
        let finding = match result {
            Ok(checksum) => self.good(&checksum),
            Err(error) => Err(self.bad(&error)),
        };
        match finding {
            Ok(()) => self.good = true,
            Err(finding) => self.findings.push(finding),
        }
    }
}
