//! Sources that may be insecure (sources.list(5), apt-secure(8)): what of them apt loads, and that nothing is installed
//! from them.

use sequoia_openpgp::Cert;

use super::super::{ArchiveError, Index, Keyring, Result, load_indexes};
use super::{Serve, Server, Signing, fetcher, key, keyring, packages, release, sign, sources};
use deb_types::FileHash;

const INDEX: &str = "main/binary-riscv64/Packages";

/// An archive with the suite trixie and one index, published anew by each test.
struct Archive {
    server: Server,
    cert: Cert,
    keyring: Keyring,
    cache: tempfile::TempDir,
}

impl Archive {
    fn new() -> Self {
        let (server, cert) = (Server::start(), key(None));
        server.put(
            &format!("debian/dists/trixie/{INDEX}"),
            Serve::Well(packages("one").into_bytes()),
        );
        Self {
            server,
            keyring: keyring(&cert),
            cert,
            cache: tempfile::tempdir().unwrap(),
        }
    }

    /// Serves a Release file, and removes the others.
    fn publish(&self, files: &[(&str, Vec<u8>)]) {
        for name in ["InRelease", "Release", "Release.gpg"] {
            self.server.remove(&format!("debian/dists/trixie/{name}"));
        }
        for (name, bytes) in files {
            let path = format!("debian/dists/trixie/{name}");
            self.server.put(&path, Serve::Well(bytes.clone()));
        }
    }

    fn signed(&self, text: &str) -> Vec<u8> {
        sign(text, &self.cert, Signing::default())
    }

    fn load(&self, options: &str) -> Result<Vec<Index>> {
        let sources = sources(&self.server, options, "trixie main")?;
        load_indexes(&fetcher(self.cache.path()), &sources, &self.keyring, &["riscv64"])
    }
}

fn text() -> String {
    release(&[(INDEX, packages("one").as_bytes())], "")
}

/// A Release file with checksums that count for nothing.
fn weak() -> String {
    format!(
        "Suite: stable\nCodename: trixie\nComponents: main\nMD5Sum:\n {} {} {INDEX}\n",
        "0".repeat(32),
        packages("one").len()
    )
}

/// The packages are known, and cannot be fetched.
#[track_caller]
fn nothing_is_installed(loaded: Result<Vec<Index>>) {
    let indexes = loaded.unwrap();
    assert_eq!(indexes.len(), 1);
    assert_eq!(indexes[0].packages.text(), packages("one").as_bytes());
    let file = indexes[0].package_file("one 1", "pool/one.deb", 1, FileHash::Sha256([0; 32]));
    let error = file.unwrap_err();
    assert!(matches!(&error, ArchiveError::Unauthenticated { .. }), "{error}");
    assert!(error.to_string().starts_with("package one 1: "), "{error}");
}

#[test]
fn without_a_good_signature() {
    let archive = Archive::new();
    let stranger = key(None);
    let other = sign(&text(), &stranger, Signing::default());
    let detached = Signing {
        detached: true,
        ..Signing::default()
    };
    let detached = sign(&text(), &stranger, detached);
    let altered = String::from_utf8(archive.signed(&text())).unwrap();
    let altered = altered.replace("Codename: trixie", "Codename: sid").into_bytes();
    let cases: [&[(&str, Vec<u8>)]; 6] = [
        &[("Release", text().into_bytes())],
        &[("InRelease", text().into_bytes())],
        &[("InRelease", other)],
        &[("InRelease", altered)],
        &[("Release", text().into_bytes()), ("Release.gpg", detached)],
        &[],
    ];
    for files in cases {
        archive.publish(files);
        for refused in [
            "",
            "[allow-weak=yes]",
            "[allow-downgrade-to-insecure=yes]",
            "[allow-insecure=no]",
        ] {
            archive.load(refused).unwrap_err();
        }
        nothing_is_installed(archive.load("[allow-insecure=yes]"));
        // Who trusts it installs from it.
        let trusted = archive.load("[trusted=yes allow-insecure=yes]").unwrap();
        assert!(trusted[0].authenticated);
    }
}

#[test]
fn with_weak_checksums() {
    let archive = Archive::new();
    archive.publish(&[("InRelease", archive.signed(&weak()))]);
    archive.load("").unwrap_err();
    for options in ["[allow-weak=yes]", "[allow-insecure=yes]"] {
        nothing_is_installed(archive.load(options));
    }
    archive.publish(&[("InRelease", weak().into_bytes())]);
    archive.load("[allow-weak=yes]").unwrap_err();
}

#[test]
fn what_was_signed_stays_so() {
    let archive = Archive::new();
    archive.publish(&[("InRelease", archive.signed(&text()))]);
    let good = archive.load("[allow-insecure=yes]").unwrap();
    assert!(good[0].authenticated);
    archive.publish(&[("Release", text().into_bytes())]);
    for options in ["[allow-insecure=yes]", "[allow-downgrade-to-insecure=yes]"] {
        let error = archive.load(options).unwrap_err();
        let told = matches!(
            &error,
            ArchiveError::NoLongerSigned { .. } | ArchiveError::NotSigned { .. }
        );
        assert!(told, "{options}: {error}");
    }
    nothing_is_installed(archive.load("[allow-insecure=yes allow-downgrade-to-insecure=yes]"));
    archive.publish(&[("InRelease", archive.signed(&text()))]);
    assert!(archive.load("[allow-insecure=yes]").unwrap()[0].authenticated);
}

#[test]
fn filenames_with_dots_stay_in_the_archive() {
    let archive = Archive::new();
    archive.publish(&[("InRelease", archive.signed(&text()))]);
    let index = archive.load("").unwrap().remove(0);
    let file = |name| index.package_file("one", name, 1, FileHash::Sha256([0; 32]));
    let url = file("pool/x/../one.deb").unwrap().urls.remove(0);
    assert!(url.as_str().ends_with("/debian/pool/one.deb"), "{url}");
    assert!(matches!(
        file("../one.deb").unwrap_err(),
        ArchiveError::BadFilename { .. }
    ));
}
