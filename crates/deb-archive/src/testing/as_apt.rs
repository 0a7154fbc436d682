//! What apt accepts, and what it refuses, that is not to be found in every archive.

use std::path::Path;

use sequoia_openpgp::Cert;
use sha2::{Digest, Sha512};

use super::super::{ArchiveError, Fetcher, Index, Keyring, Result, load_indexes};
use super::{Serve, Server, Signing, fetcher, gz, key, keyring, packages, quick, release, sign, sources, xz};
use deb_testing::compress;
use deb_types::{FileHash, hex};

const DIRECTORY: &str = "main/binary-riscv64";

/// An archive with the suite trixie, published anew by each test.
struct Archive {
    server: Server,
    cert: Cert,
    keyring: Keyring,
    cache: tempfile::TempDir,
}

impl Archive {
    fn new() -> Self {
        let cert = key(None);
        Self {
            server: Server::start(),
            keyring: keyring(&cert),
            cert,
            cache: tempfile::tempdir().unwrap(),
        }
    }

    /// Serves this Release file, signed.
    fn sign(&self, text: &str) {
        let signed = sign(text, &self.cert, Signing::default());
        self.server
            .put("debian/dists/trixie/InRelease", Serve::Well(signed));
    }

    /// Serves files of the suite.
    fn put(&self, path: &str, bytes: &[u8]) {
        self.server
            .put(&format!("debian/dists/trixie/{path}"), Serve::Well(bytes.into()));
    }

    fn load_with(&self, options: &str, rest: &str) -> Result<Vec<Index>> {
        let sources = sources(&self.server, options, rest)?;
        load_indexes(&fetcher(self.cache.path()), &sources, &self.keyring, &["riscv64"])
    }

    fn load(&self) -> Result<Vec<Index>> {
        self.load_with("", "trixie main")
    }
}

#[track_caller]
fn is_one(indexes: &[Index], text: &str) {
    let texts: Vec<&[u8]> = indexes.iter().map(|index| index.packages.text()).collect();
    assert_eq!(texts, [text.as_bytes()]);
}

const FORMS: [&str; 7] = [".xz", ".bz2", ".lzma", ".gz", ".lz4", ".zst", ""];

#[test]
fn an_index_in_one_compression_only() {
    for suffix in FORMS {
        for size in [1, 3000] {
            let archive = Archive::new();
            let text = packages("one").repeat(size);
            let bytes = compress(text.as_bytes(), suffix);
            let name = format!("{DIRECTORY}/Packages{suffix}");
            let plain = format!("{DIRECTORY}/Packages");
            archive.sign(&release(&[(&plain, text.as_bytes()), (&name, &bytes)], ""));
            archive.put(&name, &bytes);
            is_one(&archive.load().unwrap(), &text);
            // Cut off in the middle it is an error, and no panic.
            archive.sign(&release(&[(&name, &bytes[..bytes.len() / 2])], ""));
            archive.put(&name, &bytes[..bytes.len() / 2]);
            let _ = archive.load();
        }
    }
}

#[test]
fn the_next_form_where_one_cannot_be_had() {
    let archive = Archive::new();
    let text = packages("one");
    let forms = FORMS.map(|suffix| {
        (
            format!("{DIRECTORY}/Packages{suffix}"),
            compress(text.as_bytes(), suffix),
        )
    });
    let named: Vec<(&str, &[u8])> = forms
        .iter()
        .map(|(name, bytes)| (name.as_str(), &bytes[..]))
        .collect();
    for by_hash in ["", "Acquire-By-Hash: yes\n"] {
        archive.sign(&release(&named, by_hash));
        for (there, bytes) in &forms {
            let cache = tempfile::tempdir().unwrap();
            let archive = Archive {
                cache,
                server: archive.server.clone(),
                cert: archive.cert.clone(),
                keyring: archive.keyring.clone(),
            };
            for (other, _) in &forms {
                archive
                    .server
                    .put(&format!("debian/dists/trixie/{other}"), Serve::Status(403));
            }
            archive.put(there, bytes);
            is_one(&archive.load().unwrap(), &text);
        }
    }
    // Nobody serves it: the error is that of the form that is asked for first.
    for (name, _) in &forms {
        archive.server.remove(&format!("debian/dists/trixie/{name}"));
    }
    let error = archive.load().unwrap_err();
    assert!(
        matches!(&error, ArchiveError::NotFound { name, .. } if name.ends_with("Packages.xz")),
        "{error}"
    );
}

#[test]
fn an_index_without_bytes_is_not_asked_for() {
    let archive = Archive::new();
    let name = format!("{DIRECTORY}/Packages");
    archive.sign(&release(&[(&name, b""), (&format!("{name}.xz"), &xz(b""))], ""));
    is_one(&archive.load().unwrap(), "");
}

#[test]
fn sha512_where_nothing_else_is_published() {
    let archive = Archive::new();
    let text = packages("one");
    let bytes = xz(text.as_bytes());
    let sum = |bytes: &[u8]| hex(&Sha512::digest(bytes));
    let name = format!("{DIRECTORY}/Packages");
    let written = |by_hash: &str, bytes: &[u8]| {
        format!(
            "Suite: stable\nCodename: trixie\n{by_hash}Components: main\nArchitectures: riscv64\nSHA512:\n {} {} {name}\n {} {} {name}.xz\n",
            sum(text.as_bytes()),
            text.len(),
            sum(bytes),
            bytes.len()
        )
    };
    archive.sign(&written("Acquire-By-Hash: yes\n", &bytes));
    archive.put(&format!("{DIRECTORY}/by-hash/SHA512/{}", sum(&bytes)), &bytes);
    is_one(&archive.load().unwrap(), &text);
    is_one(&archive.load().unwrap(), &text);
    // The same is asked of a package.
    let deb = b"a package";
    archive
        .server
        .put("debian/pool/one.deb", Serve::Well(deb.to_vec()));
    let file = |bytes: &[u8]| {
        let hash = FileHash::of_field("SHA512", &sum(bytes)).unwrap();
        let index = &archive.load().unwrap()[0];
        index.package_file("one", "/pool/./one.deb", 9, hash).unwrap()
    };
    let fetcher = fetcher(archive.cache.path());
    let paths = fetcher.fetch(&[file(deb)]).unwrap();
    assert_eq!(std::fs::read(&paths[0]).unwrap(), deb);
    let error = fetcher.fetch(&[file(b"b package")]).unwrap_err();
    assert!(error.to_string().contains("expected SHA-512"), "{error}");
    let mut altered = bytes.clone();
    altered[20] ^= 1;
    archive.put(&format!("{name}.xz"), &altered);
    let cache = tempfile::tempdir().unwrap();
    let archive = Archive { cache, ..archive };
    archive.sign(&written("", &bytes));
    assert!(matches!(archive.load(), Err(ArchiveError::WrongHash { .. })));
}

#[test]
fn trusted_sources_without_a_release_file() {
    let text = packages("one");
    for suffix in FORMS {
        let archive = Archive::new();
        let bytes = compress(text.as_bytes(), suffix);
        archive.server.put(
            &format!("debian/flat/Packages{suffix}"),
            Serve::Well(bytes.clone()),
        );
        archive.put(&format!("{DIRECTORY}/Packages{suffix}"), &bytes);
        let error = archive.load_with("", "flat/").unwrap_err();
        assert!(matches!(error, ArchiveError::UnknownSuite { .. }), "{error}");
        is_one(&archive.load_with("[trusted=yes]", "flat/").unwrap(), &text);
        is_one(&archive.load_with("[trusted=yes]", "trixie main").unwrap(), &text);
    }
    let archive = Archive::new();
    archive
        .server
        .put("debian/Packages", Serve::Well(text.clone().into_bytes()));
    for root in ["./", "/"] {
        is_one(&archive.load_with("[trusted=yes]", root).unwrap(), &text);
    }
    for wrong in ["nowhere/", "nowhere main"] {
        let error = archive.load_with("[trusted=yes]", wrong).unwrap_err();
        assert!(matches!(error, ArchiveError::UnknownSuite { .. }), "{error}");
    }
    // A Release file whose checksums count for nothing is as good as none.
    archive.put(
        "Release",
        format!(
            "Suite: stable\nMD5Sum:\n 00 {} {DIRECTORY}/Packages\n",
            text.len()
        )
        .as_bytes(),
    );
    archive.put(&format!("{DIRECTORY}/Packages"), text.as_bytes());
    is_one(&archive.load_with("[trusted=yes]", "trixie main").unwrap(), &text);
}

#[test]
fn local_archives_without_a_release_file() {
    let dir = tempfile::tempdir().unwrap();
    let text = packages("one");
    std::fs::write(dir.path().join("Packages.gz"), gz(text.as_bytes())).unwrap();
    let line = |options: &str| format!("deb {options} file:{} ./\n", dir.path().display());
    let load = |options: &str| {
        let list = super::super::parse_sources_text(&line(options), super::SourceFormat::OneLine, None, "t")?;
        let cache = tempfile::tempdir().unwrap();
        load_indexes(
            &fetcher(cache.path()),
            &list.sources,
            &Keyring::default(),
            &["riscv64"],
        )
    };
    is_one(&load("[trusted=yes]").unwrap(), &text);
    assert!(matches!(load(""), Err(ArchiveError::UnknownSuite { .. })));
}

#[test]
fn the_variable_arch_is_each_architecture() {
    let archive = Archive::new();
    for arch in ["riscv64", "amd64"] {
        let text = packages(arch).into_bytes();
        archive
            .server
            .put(&format!("debian/{arch}/Packages"), Serve::Well(text.clone()));
        archive
            .server
            .put(&format!("debian/deep/{arch}/flat/Packages"), Serve::Well(text));
    }
    let load = |text: &str| {
        let list = super::super::parse_sources_text(text, super::SourceFormat::OneLine, None, "t").unwrap();
        let archs = ["riscv64", "amd64"];
        load_indexes(
            &fetcher(archive.cache.path()),
            &list.sources,
            &archive.keyring,
            &archs,
        )
        .unwrap()
    };
    let url = archive.server.url("debian");
    for line in [
        format!("deb [trusted=yes] {url} $(ARCH)/\n"),
        format!("deb [trusted=yes] {url}/deep/$(ARCH) flat/\n"),
    ] {
        let found: Vec<(String, String)> = load(&line)
            .iter()
            .map(|index| {
                (
                    index.architecture.clone(),
                    String::from_utf8_lossy(index.packages.text()).into_owned(),
                )
            })
            .collect();
        let expected = ["riscv64", "amd64"].map(|arch| (arch.to_owned(), packages(arch)));
        assert_eq!(found, expected, "{line}");
    }
    let only = load(&format!(
        "deb [trusted=yes arch=riscv64] {url} $(ARCH)/\ndeb [trusted=yes] {url} amd64/\n"
    ));
    assert_eq!(only.len(), 3);
}

#[test]
fn an_older_release_file_is_refused() {
    let archive = Archive::new();
    let name = format!("{DIRECTORY}/Packages");
    let text = packages("one");
    archive.put(&name, text.as_bytes());
    let dated = |day: u32| {
        let text = release(&[(&name, text.as_bytes())], "");
        text.replace("09 Aug", &format!("{day:02} Aug"))
    };
    archive.sign(&dated(9));
    archive.load().unwrap();
    archive.sign(&dated(8));
    let older = |result: Result<Vec<Index>>| match result {
        Err(ArchiveError::Older { date, seen, .. }) => {
            assert!(
                date.contains("08 Aug") && seen.contains("09 Aug"),
                "{date} {seen}"
            );
        }
        other => panic!("{other:?}"),
    };
    older(archive.load());
    older(archive.load());
    // The other form of the same file is of the same source.
    archive.server.remove("debian/dists/trixie/InRelease");
    archive.put("Release", dated(8).as_bytes());
    let how = Signing {
        detached: true,
        ..Signing::default()
    };
    archive.put("Release.gpg", &sign(&dated(8), &archive.cert, how));
    older(archive.load());
    // Another archive, or a cache that has seen nothing, knows no better.
    archive.sign(&dated(8));
    let fresh = tempfile::tempdir().unwrap();
    let load = |cache: &Path, allow_older: bool| {
        let mut options = quick(cache);
        options.allow_older = allow_older;
        let fetcher = Fetcher::new(options, std::sync::Arc::new(super::super::NoProgress)).unwrap();
        let sources = sources(&archive.server, "", "trixie main").unwrap();
        load_indexes(&fetcher, &sources, &archive.keyring, &["riscv64"])
    };
    load(fresh.path(), false).unwrap();
    // Accepted once, it is the one seen last.
    load(archive.cache.path(), true).unwrap();
    archive.load().unwrap();
    archive.sign(&dated(10));
    archive.load().unwrap();
    // Dates without a signature say nothing to those who ask for one.
    archive.put("InRelease", dated(11).as_bytes());
    archive.load_with("[trusted=yes]", "trixie main").unwrap();
    archive.sign(&dated(10));
    archive.load().unwrap();
}

#[test]
fn statuses_are_explained() {
    let archive = Archive::new();
    for (status, words) in [
        (400, "does not accept"),
        (401, "user and password"),
        (403, "refused"),
        (407, "proxy"),
        (418, "does not accept"),
        (451, "refused"),
    ] {
        archive
            .server
            .put("debian/dists/trixie/InRelease", Serve::Status(status));
        let error = archive.load().unwrap_err().to_string();
        assert!(
            error.contains(&status.to_string()) && error.contains(words) && !error.contains("update"),
            "{error}"
        );
    }
}
