//! What archives publish, read through local archives.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deb_archive::{
    FetchOptions, Fetcher, Keyring, NoProgress, Source, SourceFormat, load_indexes, parse_sources_text,
};
use deb_testing::compress;

use super::{Spec, Target, nothing, outcome};

pub(super) const RELEASE: Spec = Spec {
    name: "release",
    what: "`InRelease` and `Release`, with their signatures and without",
    open: |directory| Box::new(Release::new(directory)),
    seeds: || vec![RELEASE_TEXT.into()],
    mend: nothing,
};

pub(super) const INDEX: Spec = Spec {
    name: "index",
    what: "an index in each compression; the first byte says in which",
    open: |directory| Box::new(Compressed::new(directory)),
    seeds: || {
        let text = "Package: a\nVersion: 1\nArchitecture: amd64\n\n".repeat(40);
        let form = |(number, extension): (u8, &&str)| {
            let mut bytes = vec![number];
            bytes.extend(compress(text.as_bytes(), extension));
            bytes
        };
        (0..).zip(FORMS.iter()).map(form).collect()
    },
    mend: nothing,
};

pub(super) const KEYRING: Spec = Spec {
    name: "keyring",
    what: "OpenPGP keys, binary and armored",
    open: |_| Box::new(Keys),
    seeds: || vec![KEY.to_vec()],
    mend: nothing,
};

const KEY: &[u8] = include_bytes!("../../seeds/keyring/key.asc");
const FORMS: [&str; 7] = [".xz", ".bz2", ".lzma", ".gz", ".lz4", ".zst", ""];
const RELEASE_TEXT: &str = "Origin: x\nSuite: stable\nVersion: 13.1\nCodename: trixie\nDate: Sat, 09 Aug 2025 10:25:00 UTC\n\
    Valid-Until: Sat, 16 Aug 2035 10:25:00 UTC\nAcquire-By-Hash: yes\nNo-Support-for-Architecture-all: Packages\n\
    Architectures: all amd64 riscv64\nComponents: main updates/contrib\nMD5Sum:\n 00 3 main/binary-amd64/Packages\nSHA256:\n \
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages\n";

/// A local archive, and a cache that is given up now and then: what was seen there is remembered.
struct Archive {
    directory: PathBuf,
    round: u32,
}

impl Archive {
    fn new(directory: &Path) -> Self {
        Self {
            directory: directory.join("archive"),
            round: 0,
        }
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.directory.join(name);
        if let Some(parent) = path.parent() {
            let _ = fs::create_dir_all(parent);
        }
        let _ = fs::write(path, bytes);
    }

    fn sources(&self, options: &str, rest: &str) -> Vec<Source> {
        let line = format!("deb {options} file:{} {rest}\n", self.directory.display());
        parse_sources_text(&line, SourceFormat::OneLine, None, "fuzz")
            .map_or_else(|_| Vec::new(), |list| list.sources)
    }

    fn load(&mut self, sources: &[Source], keyring: &Keyring) -> String {
        let cache = self.directory.join("cache");
        self.round += 1;
        if self.round.is_multiple_of(64) {
            let _ = fs::remove_dir_all(&cache);
        }
        let mut options = FetchOptions::new(&cache);
        options.jobs = 1;
        options.retries = 0;
        options.allow_older = true;
        let loaded = Fetcher::new(options, Arc::new(NoProgress))
            .and_then(|fetcher| load_indexes(&fetcher, sources, keyring, &["amd64"]));
        outcome(loaded, |indexes| {
            indexes.iter().map(|index| index.packages.len()).sum()
        })
    }
}

struct Release {
    archive: Archive,
    keyring: Keyring,
}

impl Release {
    fn new(directory: &Path) -> Self {
        let archive = Archive::new(directory);
        archive.put("dists/trixie/main/binary-amd64/Packages", b"");
        let keyring = Keyring::from_bytes(KEY, Path::new("key")).unwrap_or_default();
        Self { archive, keyring }
    }
}

impl Target for Release {
    fn read(&mut self, input: &[u8]) -> String {
        self.archive.put("dists/trixie/InRelease", input);
        let mut seen = Vec::new();
        for options in ["", "[trusted=yes]"] {
            let sources = self.archive.sources(options, "trixie main contrib");
            seen.push(self.archive.load(&sources, &self.keyring));
        }
        seen.join("\n")
    }
}

struct Compressed(Archive);

impl Compressed {
    fn new(directory: &Path) -> Self {
        Self(Archive::new(directory))
    }
}

impl Target for Compressed {
    fn read(&mut self, input: &[u8]) -> String {
        let (first, rest) = input.split_first().unwrap_or((&0, &[]));
        let form = FORMS
            .get(usize::from(*first) % FORMS.len())
            .copied()
            .unwrap_or_default();
        let name = format!("Packages{form}");
        self.0.put(&name, rest);
        let sources = self.0.sources("[trusted=yes]", "./");
        let seen = self.0.load(&sources, &Keyring::default());
        let _ = fs::remove_file(self.0.directory.join(name));
        format!("{form} {seen}")
    }
}

struct Keys;

impl Target for Keys {
    fn read(&mut self, input: &[u8]) -> String {
        outcome(Keyring::from_bytes(input, Path::new("input")), |keyring| {
            usize::from(!keyring.is_empty())
        })
    }
}
