//! Whole archives: from a source to the text of its indexes.

use std::collections::BTreeMap;
use std::sync::Arc;

use sequoia_openpgp::Cert;

use deb_types::FileHash;

use super::super::{
    ArchiveError, Connections, Fetcher, Index, Keyring, MachineSources, Result, default_sources, load_indexes,
};
use super::{
    Serve, Server, Signing, Warnings, days, fetcher, gz, key, keyring, packages, quick, release, sign,
    sources, xz,
};

const RELEASE: &str = "debian/dists/trixie/InRelease";
const PACKED: &str = "debian/dists/trixie/main/binary-riscv64/Packages.xz";

struct Archive {
    server: Server,
    cert: Cert,
    keyring: Keyring,
    cache: tempfile::TempDir,
}

impl Archive {
    /// An archive whose trixie has riscv64 as xz and amd64 as gz.
    fn new() -> Self {
        let cert = key(None);
        let keyring = keyring(&cert);
        let archive = Self {
            server: Server::start(),
            cert,
            keyring,
            cache: tempfile::tempdir().unwrap(),
        };
        archive.publish("");
        archive
    }

    fn files() -> BTreeMap<String, Vec<u8>> {
        let (riscv64, amd64) = (packages("one"), packages("two"));
        BTreeMap::from([
            (
                "main/binary-riscv64/Packages".into(),
                riscv64.clone().into_bytes(),
            ),
            ("main/binary-riscv64/Packages.gz".into(), gz(riscv64.as_bytes())),
            ("main/binary-riscv64/Packages.xz".into(), xz(riscv64.as_bytes())),
            ("main/binary-amd64/Packages".into(), amd64.clone().into_bytes()),
            ("main/binary-amd64/Packages.gz".into(), gz(amd64.as_bytes())),
            ("contrib/binary-amd64/Packages".into(), Vec::new()),
        ])
    }

    fn text(more: &str) -> String {
        let files = Self::files();
        let named: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(path, bytes)| (path.as_str(), &bytes[..]))
            .collect();
        release(&named, more)
    }

    fn publish(&self, more: &str) {
        for (path, bytes) in Self::files() {
            // As real archives: what the Release file names uncompressed is not served.
            if !path.ends_with("Packages") || path.starts_with("contrib") {
                self.server
                    .put(&format!("debian/dists/trixie/{path}"), Serve::Well(bytes));
            }
        }
        let signed = sign(&Self::text(more), &self.cert, Signing::default());
        self.server.put(RELEASE, Serve::Tagged(signed));
    }

    fn load_with(&self, options: &str, rest: &str, archs: &[&str]) -> Result<Vec<Index>> {
        let sources = sources(&self.server, options, rest)?;
        load_indexes(&fetcher(self.cache.path()), &sources, &self.keyring, archs)
    }

    fn load(&self) -> Result<Vec<Index>> {
        self.load_with("", "trixie main", &["riscv64"])
    }
}

#[test]
fn indexes_of_two_architectures() {
    let archive = Archive::new();
    let indexes = archive
        .load_with("", "trixie main", &["riscv64", "amd64"])
        .unwrap();
    assert_eq!(indexes.len(), 2);
    let (one, two) = (&indexes[0], &indexes[1]);
    assert_eq!(one.packages.text(), packages("one").as_bytes());
    assert_eq!(two.packages.text(), packages("two").as_bytes());
    assert_eq!(
        (one.architecture.as_str(), two.architecture.as_str()),
        ("riscv64", "amd64")
    );
    assert_eq!((one.suite.as_str(), one.codename.as_str()), ("trixie", "trixie"));
    assert_eq!(
        (one.release_archive.as_str(), one.component.as_str(), one.source),
        ("stable", "main", 0)
    );
    let file = one
        .package_file("one", "pool/one.deb", 3, FileHash::Sha256([0; 32]))
        .unwrap();
    assert_eq!(file.urls, [archive.server.url("debian/pool/one.deb")]);
    for evil in ["../one.deb", "/../etc/passwd", "pool/../../x"] {
        assert!(matches!(
            one.package_file("one", evil, 3, FileHash::Sha256([0; 32])),
            Err(ArchiveError::BadFilename { .. })
        ));
    }
}

#[test]
fn a_second_run_asks_for_changes_only() {
    let archive = Archive::new();
    let first = archive.load().unwrap();
    let requests = archive.server.requests().len();
    let second = archive.load().unwrap();
    assert_eq!(first[0].packages.text(), second[0].packages.text());
    assert_eq!(
        archive.server.requests()[requests..],
        ["/debian/dists/trixie/InRelease"]
    );
}

#[test]
fn by_hash_is_preferred_and_the_plain_name_is_its_fallback() {
    let archive = Archive::new();
    archive.publish("Acquire-By-Hash: yes\n");
    archive.load().unwrap();
    let requests = archive.server.requests();
    assert!(
        requests[1].contains("/main/binary-riscv64/by-hash/SHA256/"),
        "{requests:?}"
    );
    assert_eq!(requests[2], format!("/{PACKED}"));
}

#[test]
fn suites_components_and_architectures_that_are_not_there() {
    let archive = Archive::new();
    let error = archive.load_with("", "nonsense main", &["riscv64"]).unwrap_err();
    assert!(
        matches!(&error, ArchiveError::UnknownSuite { suite, .. } if suite == "nonsense"),
        "{error}"
    );
    // As with apt what is not there is left out, as long as there is something.
    let main = archive.load_with("", "trixie main", &["riscv64"]).unwrap().len();
    let with = |rest, archs: &[&str]| archive.load_with("", rest, archs);
    assert_eq!(with("trixie main nonsense", &["riscv64"]).unwrap().len(), main);
    assert_eq!(with("trixie main", &["riscv64", "vax"]).unwrap().len(), main);
    let error = with("trixie nonsense", &["riscv64"]).unwrap_err();
    assert!(error.to_string().contains("main, contrib"), "{error}");
    let error = with("trixie main", &["vax", "riscv64"]).unwrap_err();
    assert!(
        matches!(&error, ArchiveError::UnknownArchitecture { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("amd64, riscv64"), "{error}");
    let error = archive
        .load_with("[arch=amd64]", "trixie main", &["riscv64"])
        .unwrap_err();
    assert!(
        matches!(&error, ArchiveError::UnknownArchitecture { .. }),
        "{error}"
    );
    // A component may lack one architecture.
    assert_eq!(
        archive
            .load_with("", "trixie main contrib", &["riscv64"])
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_release_file_of_another_suite_or_another_time() {
    let archive = Archive::new();
    let signed = sign(&Archive::text(""), &archive.cert, Signing::default());
    archive
        .server
        .put("debian/dists/bookworm/InRelease", Serve::Well(signed));
    archive.server.put(
        "debian/dists/bookworm/main/binary-riscv64/Packages.xz",
        Serve::Well(xz(packages("one").as_bytes())),
    );
    // apt warns of the name, and so is done here.
    let warnings = Arc::new(Warnings::default());
    let fetcher = Fetcher::new(quick(archive.cache.path()), warnings.clone()).unwrap();
    let sources = sources(&archive.server, "", "bookworm main").unwrap();
    for _ in 0..2 {
        load_indexes(&fetcher, &sources, &archive.keyring, &["riscv64"]).unwrap();
    }
    let said = warnings.0.lock().unwrap().join("\n");
    assert!(said.contains("`stable`") && said.contains("`bookworm`"), "{said}");
    assert_eq!(warnings.0.lock().unwrap().len(), 1);
    archive.publish("Valid-Until: Sat, 16 Aug 2025 10:25:00 UTC\n");
    let error = archive.load().unwrap_err();
    assert!(matches!(error, ArchiveError::Expired { .. }), "{error}");
    archive
        .load_with("[check-valid-until=no]", "trixie main", &["riscv64"])
        .unwrap();
}

#[test]
fn signatures_count() {
    let archive = Archive::new();
    archive.server.put(
        RELEASE,
        Serve::Well(sign(&Archive::text(""), &key(None), Signing::default())),
    );
    assert!(matches!(archive.load(), Err(ArchiveError::UnknownKey { .. })));
    archive
        .server
        .put(RELEASE, Serve::Well(Archive::text("").into_bytes()));
    assert!(matches!(archive.load(), Err(ArchiveError::NotSigned { .. })));
    assert_eq!(
        archive
            .load_with("[trusted=yes]", "trixie main", &["riscv64"])
            .unwrap()
            .len(),
        1
    );
    let old = Signing {
        when: days(-29),
        ..Signing::default()
    };
    let expired = key(Some(5));
    archive
        .server
        .put(RELEASE, Serve::Well(sign(&Archive::text(""), &expired, old)));
    let other = Archive {
        keyring: keyring(&expired),
        ..archive
    };
    assert!(matches!(other.load(), Err(ArchiveError::ExpiredKey { .. })));
}

#[test]
fn release_with_a_detached_signature() {
    let archive = Archive::new();
    archive.server.remove(RELEASE);
    let text = Archive::text("");
    archive.server.put(
        "debian/dists/trixie/Release",
        Serve::Well(text.clone().into_bytes()),
    );
    assert!(matches!(archive.load(), Err(ArchiveError::NotSigned { .. })));
    let signature = sign(
        &text,
        &archive.cert,
        Signing {
            detached: true,
            ..Signing::default()
        },
    );
    archive
        .server
        .put("debian/dists/trixie/Release.gpg", Serve::Well(signature.clone()));
    assert_eq!(archive.load().unwrap().len(), 1);
    let altered = text.replace("trixie", "trixiX");
    archive
        .server
        .put("debian/dists/trixie/Release", Serve::Well(altered.into_bytes()));
    assert!(matches!(archive.load(), Err(ArchiveError::Altered { .. })));
}

#[test]
fn altered_and_cut_off_indexes_are_refused() {
    let archive = Archive::new();
    let good = xz(packages("one").as_bytes());
    let mut altered = good.clone();
    altered[good.len() / 2] ^= 1;
    archive.server.put(PACKED, Serve::Well(altered));
    assert!(matches!(archive.load(), Err(ArchiveError::WrongHash { .. })));
    archive.server.put(PACKED, Serve::ClosedEarly(good.clone(), 20));
    let error = archive.load().unwrap_err();
    assert!(error.to_string().contains("Packages.xz"), "{error}");
    archive.server.put(PACKED, Serve::Endless);
    assert!(matches!(archive.load(), Err(ArchiveError::TooLarge { .. })));
    archive.server.remove(PACKED);
    archive
        .server
        .remove("debian/dists/trixie/main/binary-riscv64/Packages.gz");
    let error = archive.load().unwrap_err();
    assert!(
        matches!(&error, ArchiveError::NotFound { name, .. } if name.ends_with("Packages.xz")),
        "{error}"
    );
    archive.server.put(RELEASE, Serve::Endless);
    assert!(matches!(archive.load(), Err(ArchiveError::TooLarge { .. })));
    archive.publish("");
    archive.server.put(PACKED, Serve::Well(good));
    archive.load().unwrap();
}

#[test]
fn signed_but_wrong_compressed_indexes_are_refused() {
    let archive = Archive::new();
    let text = packages("one");
    let zeros = xz(&vec![b'a'; 30 << 20]);
    for (packed, plain) in [
        // Expands beyond, to less, to other text, or not at all.
        (zeros, text.clone().into_bytes()),
        (xz(b"short"), text.clone().into_bytes()),
        (xz(packages("two").as_bytes()), text.clone().into_bytes()),
        (b"no xz".to_vec(), text.clone().into_bytes()),
        (xz(text.as_bytes())[..40].to_vec(), text.clone().into_bytes()),
    ] {
        let named: [(&str, &[u8]); 2] = [
            ("main/binary-riscv64/Packages", &plain),
            ("main/binary-riscv64/Packages.xz", &packed),
        ];
        archive.server.put(
            RELEASE,
            Serve::Well(sign(&release(&named, ""), &archive.cert, Signing::default())),
        );
        archive.server.put(PACKED, Serve::Well(packed.clone()));
        let error = archive.load().unwrap_err();
        assert!(
            matches!(
                error,
                ArchiveError::BadCompression { .. } | ArchiveError::WrongHash { .. }
            ),
            "{error}"
        );
    }
    // Without the name of the uncompressed text there is still a limit.
    let named: [(&str, &[u8]); 1] = [("main/binary-riscv64/Packages.xz", &xz(text.as_bytes()))];
    archive.server.put(
        RELEASE,
        Serve::Well(sign(&release(&named, ""), &archive.cert, Signing::default())),
    );
    archive.server.put(PACKED, Serve::Well(xz(text.as_bytes())));
    assert_eq!(archive.load().unwrap()[0].packages.text(), text.as_bytes());
    let bomb = xz(&vec![0; 20 << 20]);
    let named: [(&str, &[u8]); 1] = [("main/binary-riscv64/Packages.xz", &bomb)];
    archive.server.put(
        RELEASE,
        Serve::Well(sign(&release(&named, ""), &archive.cert, Signing::default())),
    );
    archive.server.put(PACKED, Serve::Well(bomb.clone()));
    assert!(matches!(archive.load(), Err(ArchiveError::BadCompression { .. })));
}

#[test]
fn exact_paths_and_packages_for_all_architectures() {
    let archive = Archive::new();
    let text = packages("flat").into_bytes();
    let flat = release(&[("Packages", &text)], "");
    archive.server.put(
        "debian/InRelease",
        Serve::Well(sign(&flat, &archive.cert, Signing::default())),
    );
    archive.server.put("debian/Packages", Serve::Well(text.clone()));
    let indexes = archive.load_with("", "./", &["riscv64", "amd64"]).unwrap();
    let names: Vec<&str> = indexes.iter().map(|index| index.architecture.as_str()).collect();
    assert_eq!(names, ["riscv64", "amd64"]);
    assert!(indexes.iter().all(|index| index.packages.text() == text));

    let all = packages("all").into_bytes();
    let one = packages("one").into_bytes();
    let split = release(
        &[
            ("main/binary-all/Packages", &all),
            ("main/binary-riscv64/Packages", &one),
        ],
        "",
    )
    .replace("Architectures: ", "Architectures: all ");
    archive.server.put(
        RELEASE,
        Serve::Well(sign(&split, &archive.cert, Signing::default())),
    );
    archive
        .server
        .put("debian/dists/trixie/main/binary-all/Packages", Serve::Well(all));
    archive.server.put(
        "debian/dists/trixie/main/binary-riscv64/Packages",
        Serve::Well(one),
    );
    let names: Vec<String> = archive
        .load()
        .unwrap()
        .into_iter()
        .map(|index| index.architecture)
        .collect();
    assert_eq!(names, ["riscv64", "all"]);
}

#[test]
fn an_inline_key_takes_the_place_of_the_keyring() {
    use sequoia_openpgp::serialize::SerializeInto;
    let archive = Archive::new();
    let armored = String::from_utf8(archive.cert.armored().to_vec().unwrap()).unwrap();
    let folded = armored.trim_end().replace("\n\n", "\n.\n").replace('\n', "\n ");
    let text = format!(
        "Types: deb\nURIs: {}\nSuites: trixie\nComponents: main\nSigned-By:\n {folded}\n",
        archive.server.url("debian")
    );
    let list =
        super::super::parse_sources_text(&text, super::super::SourceFormat::Deb822, None, "test").unwrap();
    let fetcher = fetcher(archive.cache.path());
    let other = keyring(&key(None));
    assert_eq!(
        load_indexes(&fetcher, &list.sources, &other, &["riscv64"])
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn the_defaults_have_updates_and_security_where_they_are() {
    let archive = Archive::new();
    let machine = MachineSources {
        mirror: Some(archive.server.url("debian")),
        security: Some(archive.server.url("debian-security")),
        keyrings: Vec::new(),
        inline_key: None,
        check_valid_until: true,
        check_date: true,
        allow_insecure: false,
        install_recommends: None,
        install_suggests: None,
        default_release: None,
        solver: None,
        connections: Connections::default(),
    };
    let defaults = |suite: &str| {
        let fetcher = fetcher(archive.cache.path());
        default_sources(&fetcher, &machine, &archive.keyring, suite, &["main".into()])
    };
    let url = archive.server.url("debian");
    assert_eq!(
        defaults("trixie").unwrap().text,
        format!("deb {url} trixie main\n")
    );
    let text = Archive::text("").replace("Codename: trixie", "Codename: trixie-security");
    let signed = sign(&text, &archive.cert, Signing::default());
    archive.server.put(
        "debian-security/dists/trixie-security/InRelease",
        Serve::Well(signed),
    );
    let list = defaults("trixie").unwrap();
    let security = archive.server.url("debian-security");
    assert_eq!(
        list.text,
        format!("deb {url} trixie main\ndeb {security} trixie-security main\n")
    );
    assert_eq!(list.sources.len(), 2);
    assert!(!list.sources[0].optional && list.sources[1].optional);
    assert!(matches!(
        defaults("nonsense"),
        Err(ArchiveError::UnknownSuite { .. })
    ));
}

#[test]
fn an_optional_source_may_be_incomplete_but_not_badly_signed() {
    let archive = Archive::new();
    let mut sources = sources(&archive.server, "", "trixie main").unwrap();
    sources[0].optional = true;
    let load = || {
        load_indexes(
            &fetcher(archive.cache.path()),
            &sources,
            &archive.keyring,
            &["riscv64", "amd64"],
        )
    };
    archive.server.put(PACKED, Serve::Well(b"old".to_vec()));
    let names: Vec<String> = load()
        .unwrap()
        .into_iter()
        .map(|index| index.architecture)
        .collect();
    assert_eq!(names, ["amd64"]);
    archive.server.put(
        RELEASE,
        Serve::Well(sign(&Archive::text(""), &key(None), Signing::default())),
    );
    assert!(matches!(load(), Err(ArchiveError::UnknownKey { .. })));
    archive.server.remove(RELEASE);
    assert!(load().unwrap().is_empty());
}
