//! Signatures that are wrong in every way, and right ones.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sequoia_openpgp::serialize::SerializeInto;

use super::super::verify;
use super::super::{ArchiveError, Keyring, Result};
use super::{Signing, days, key, keyring, sign};

const TEXT: &str = "Suite: stable\nCodename: trixie\n- dashed\n";

fn check(signed: &[u8], keyring: &Keyring) -> Result<Vec<u8>> {
    verify::inline(
        signed,
        keyring,
        SystemTime::now(),
        "http://mirror.example.org/InRelease",
    )
}

#[test]
fn a_good_signature_gives_the_text_that_was_signed() {
    let cert = key(None);
    let signed = sign(TEXT, &cert, Signing::default());
    let text = check(&signed, &keyring(&cert)).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), TEXT);
    let unverified = verify::unverified(&signed, "u").unwrap();
    assert_eq!(String::from_utf8(unverified).unwrap(), TEXT);
}

#[test]
fn nothing_stands_beside_what_was_signed() {
    let cert = key(None);
    let signed = sign(TEXT, &cert, Signing::default());
    let other = sign(TEXT, &key(None), Signing::default());
    let around = |before: &[u8], after: &[u8]| [before, &signed, after].concat();
    for bad in [
        around(b"\n", b""),
        around(b"Suite: evil\n\n", b""),
        around(b"", b"Suite: evil\n"),
        around(b"", b"\n"),
        around(b"", &signed),
        around(&other, b""),
        around(b"", &other),
    ] {
        for error in [
            check(&bad, &keyring(&cert)).unwrap_err(),
            verify::unverified(&bad, "u").unwrap_err(),
        ] {
            assert!(matches!(error, ArchiveError::NotOneMessage { .. }), "{error}");
        }
    }
}

#[test]
fn altered_text_is_refused() {
    let cert = key(None);
    let signed = String::from_utf8(sign(TEXT, &cert, Signing::default())).unwrap();
    let altered = signed.replace("trixie", "trixix");
    let error = check(altered.as_bytes(), &keyring(&cert)).unwrap_err();
    assert!(matches!(error, ArchiveError::Altered { .. }), "{error}");
}

#[test]
fn an_unknown_key_is_named() {
    let cert = key(None);
    let signed = sign(TEXT, &cert, Signing::default());
    let error = check(&signed, &keyring(&key(None))).unwrap_err();
    let ArchiveError::UnknownKey { keys, .. } = &error else {
        panic!("{error}")
    };
    assert!(
        !keys.is_empty() && keys.iter().all(|key| key.len() >= 16),
        "{keys:?}"
    );
}

#[test]
fn a_key_that_expired_since_is_refused() {
    // It was valid when it signed, 29 days ago.
    let cert = key(Some(10));
    let signed = sign(
        TEXT,
        &cert,
        Signing {
            when: days(-29),
            ..Signing::default()
        },
    );
    let error = check(&signed, &keyring(&cert)).unwrap_err();
    assert!(matches!(error, ArchiveError::ExpiredKey { .. }), "{error}");
    let then = verify::inline(&signed, &keyring(&cert), days(-28), "u").unwrap();
    assert_eq!(then, TEXT.as_bytes());
}

#[test]
fn an_expired_signature_is_refused() {
    let cert = key(None);
    let how = Signing {
        when: days(-5),
        valid: Some(Duration::from_secs(3600)),
        detached: false,
    };
    let error = check(&sign(TEXT, &cert, how), &keyring(&cert)).unwrap_err();
    assert!(matches!(error, ArchiveError::ExpiredSignature { .. }), "{error}");
}

#[test]
fn a_signature_of_the_future_is_refused() {
    let cert = key(None);
    let signed = sign(
        TEXT,
        &cert,
        Signing {
            when: days(3),
            ..Signing::default()
        },
    );
    let error = check(&signed, &keyring(&cert)).unwrap_err();
    assert!(matches!(error, ArchiveError::ExpiredSignature { .. }), "{error}");
}

#[test]
fn what_is_not_signed_is_refused() {
    let ring = keyring(&key(None));
    for text in ["", TEXT, "<html></html>"] {
        let error = check(text.as_bytes(), &ring).unwrap_err();
        assert!(matches!(error, ArchiveError::NotSigned { .. }), "{error}");
    }
    let broken = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx\n";
    let error = check(broken.as_bytes(), &ring).unwrap_err();
    assert!(matches!(error, ArchiveError::NotOneMessage { .. }), "{error}");
    let error = check(&sign(TEXT, &key(None), Signing::default()), &Keyring::default()).unwrap_err();
    assert!(matches!(error, ArchiveError::NoKeyring { .. }), "{error}");
}

#[test]
fn one_good_signature_of_two_is_enough() {
    // As an archive does while it changes its key: both signatures in one block.
    let (old, new) = (key(None), key(None));
    let how = Signing {
        detached: true,
        ..Signing::default()
    };
    let mut both = sign(TEXT, &old, how);
    both.extend(sign(TEXT, &new, how));
    let ring = keyring(&old);
    verify::detached(TEXT.as_bytes(), &both, &ring, SystemTime::now(), "u").unwrap();
}

#[test]
fn detached_signatures() {
    let cert = key(None);
    let how = Signing {
        detached: true,
        ..Signing::default()
    };
    let signature = sign(TEXT, &cert, how);
    let ring = keyring(&cert);
    verify::detached(TEXT.as_bytes(), &signature, &ring, SystemTime::now(), "u").unwrap();
    let error = verify::detached(b"other", &signature, &ring, SystemTime::now(), "u").unwrap_err();
    assert!(matches!(error, ArchiveError::Altered { .. }), "{error}");
    let error = verify::detached(b"x", b"no signature", &ring, SystemTime::now(), "u").unwrap_err();
    assert!(matches!(error, ArchiveError::BadSignatureData { .. }), "{error}");
}

#[test]
fn keyrings_binary_armored_and_with_several_blocks() {
    let (one, two) = (key(None), key(None));
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: Vec<u8>| -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let mut binary = one.to_vec().unwrap();
    binary.extend(two.to_vec().unwrap());
    let mut armored = one.armored().to_vec().unwrap();
    armored.extend(two.armored().to_vec().unwrap());
    for path in [put("a.gpg", binary), put("a.asc", armored)] {
        let ring = Keyring::load(&[path]).unwrap();
        assert_eq!(ring.certs.len(), 2);
        for cert in [&one, &two] {
            check(&sign(TEXT, cert, Signing::default()), &ring).unwrap();
        }
    }
    // A directory of them, as apt's trusted.gpg.d; other files there are somebody else's.
    put("README", b"no key".to_vec());
    let ring = Keyring::load(&[dir.path().into()]).unwrap();
    assert_eq!(ring.certs.len(), 4);
    let error = check(&sign(TEXT, &key(None), Signing::default()), &ring).unwrap_err();
    let names = ["a.gpg", "a.asc"].map(|name| dir.path().join(name).display().to_string());
    assert!(
        names.iter().all(|name| error.to_string().contains(name)) && error.to_string().contains("--keyring"),
        "{error}"
    );
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let error = Keyring::load(&[empty]).unwrap_err().to_string();
    assert!(error.contains("/empty") && error.contains(".asc"), "{error}");
    put("z.pgp", b"no key".to_vec());
    let error = Keyring::load(&[dir.path().into()]).unwrap_err().to_string();
    assert!(error.contains("z.pgp"), "{error}");
    for bytes in [&b""[..], b"no key", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nzz"] {
        let error = Keyring::from_bytes(bytes, Path::new("/k/x.gpg")).unwrap_err();
        assert!(error.to_string().contains("/k/x.gpg"), "{error}");
    }
    assert!(matches!(
        Keyring::load(&["/nonexistent".into()]),
        Err(ArchiveError::Io { .. })
    ));
}

#[test]
fn fingerprints_restrict_a_keyring() {
    let cert = key(None);
    let signed = sign(TEXT, &cert, Signing::default());
    let mut ring = keyring(&cert);
    ring.fingerprints = vec![cert.fingerprint().to_hex()];
    check(&signed, &ring).unwrap();
    ring.fingerprints = vec!["0".repeat(40)];
    assert!(matches!(
        check(&signed, &ring),
        Err(ArchiveError::UnknownKey { .. })
    ));
}

/// The archive's own file, if this machine has its keyring: nothing else proves
/// that today's Debian keys are accepted.
#[test]
fn debian_s_keys_can_be_read() {
    let path = PathBuf::from("/usr/share/keyrings/debian-archive-keyring.gpg");
    if path.exists() {
        assert!(Keyring::load(&[path]).unwrap().certs.len() > 2);
    }
}
