//! Release files: the indexes of a suite, and the checks of its name and dates.
//!
//! What apt goes on with is gone on with, and said.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::archive_cache::Document;
use super::index::ReleaseState;
use super::snapshot::ArchiveIdentity;
use super::source::Source;
use super::{ArchiveError, Result, date, explain};
use deb_index::DEFAULT_PRIORITY;
use deb_types::FileHash;
use deb_types::control::{Item, next_item};

/// Time by which this machine's clock may be behind the archive's.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(600);

/// The fields of a Release file that are needed here.
#[derive(Debug)]
pub(super) struct Release {
    /// URL to show.
    pub(super) url: String,
    /// `Suite`; empty if there is none, as with all fields.
    pub(super) suite: String,
    /// `Codename`.
    pub(super) codename: String,
    /// `Components`.
    pub(super) components: Vec<String>,
    /// `Architectures`.
    pub(super) architectures: Vec<String>,
    /// `Acquire-By-Hash`.
    pub(super) by_hash: bool,
    /// Whether each architecture's index includes the packages for `all`.
    pub(super) all_included: bool,
    date: String,
    valid_until: String,
    version: String,
    /// `NotAutomatic` and `ButAutomaticUpgrades`.
    automatic: [bool; 2],
    /// What it says of the archive.
    pub(super) identity: ArchiveIdentity,
    /// SHA-256 of the file as it was fetched, in hexadecimal; empty where there is none.
    pub(super) sha256: String,
    /// Its directory below the archive's root.
    pub(super) directory: String,
    /// The files that were fetched, by their names.
    pub(super) documents: Vec<(String, Arc<Document>)>,
    /// Files by their paths below the Release file.
    files: HashMap<String, ReleaseEntry>,
    /// Whether the indexes must be taken without a checksum: nothing names one that counts, and the user trusts the
    /// source all the same.
    pub(super) unhashed: bool,
    /// Whether its packages can be authenticated: a good signature and strong checksums, or the user's word.
    pub(super) authenticated: bool,
}

/// What a Release file says of a file; the size belongs to the checksum.
#[derive(Debug, Default)]
struct ReleaseEntry {
    sha256: Option<(u64, FileHash)>,
    sha512: Option<(u64, FileHash)>,
}

impl Release {
    /// Parses verified text. Without a checksum that counts it is of use only if the source `takes_weak` ones.
    pub(super) fn parse(text: &[u8], url: &str, takes_weak: bool) -> Result<Self> {
        let bad = |reason: String| ArchiveError::BadRelease {
            url: url.to_owned(),
            reason,
        };
        let text = String::from_utf8_lossy(text);
        let fields = fields(&text);
        if fields.is_empty() {
            return Err(bad("it has no fields".into()));
        }
        let get = |name: &str| {
            fields
                .get(name)
                .map(|value| value.trim().to_owned())
                .unwrap_or_default()
        };
        let words = |name: &str| {
            get(name)
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let mut files: HashMap<String, ReleaseEntry> = HashMap::new();
        // MD5 and SHA-1 count for nothing; the names that stand there may be of use.
        for field in ["SHA512", "SHA256", "SHA1", "MD5Sum"] {
            let value = fields.get(&field.to_ascii_lowercase()).map(String::as_str);
            for line in value.unwrap_or_default().lines() {
                let mut parts = line.split_whitespace();
                let Some(hash) = parts.next() else { continue };
                let size: Option<u64> = parts.next().and_then(|size| size.parse().ok());
                let (Some(size), Some(path)) = (size, parts.next()) else {
                    return Err(bad(format!("`{}` in {field}", line.trim().escape_debug())));
                };
                let entry = files.entry(path.to_owned()).or_default();
                match FileHash::of_field(field, hash) {
                    Some(hash @ FileHash::Sha256(_)) => entry.sha256 = Some((size, hash)),
                    Some(hash @ FileHash::Sha512(_)) => entry.sha512 = Some((size, hash)),
                    None if field.starts_with("SHA256") || field.starts_with("SHA512") => {
                        return Err(bad(format!("`{}` in {field}", line.trim().escape_debug())));
                    }
                    None => {}
                }
            }
        }
        let unhashed = !files.values().any(|entry| entry.hash().is_some());
        if unhashed && !takes_weak {
            return Err(bad("it names no file with a SHA-256 or SHA-512".into()));
        }
        let architectures = words("architectures");
        Ok(Self {
            url: url.to_owned(),
            suite: get("suite"),
            codename: get("codename"),
            components: words("components"),
            by_hash: get("acquire-by-hash").eq_ignore_ascii_case("yes"),
            all_included: words("no-support-for-architecture-all")
                .iter()
                .any(|index| index == "Packages")
                || !(architectures.is_empty()
                    || architectures.iter().any(|architecture| architecture == "all")),
            architectures,
            date: get("date"),
            valid_until: get("valid-until"),
            version: get("version"),
            automatic: ["notautomatic", "butautomaticupgrades"]
                .map(|name| super::apt_settings::flag(&get(name)) == Some(true)),
            identity: ArchiveIdentity {
                label: get("label"),
                origin: get("origin"),
                snapshots: get("snapshots"),
            },
            sha256: String::new(),
            directory: String::new(),
            documents: Vec::new(),
            files,
            unhashed,
            authenticated: true,
        })
    }

    /// Returns what stands for the Release file of a source that is trusted and has none.
    pub(super) fn absent(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            suite: String::new(),
            codename: String::new(),
            components: Vec::new(),
            architectures: Vec::new(),
            by_hash: false,
            all_included: false,
            date: String::new(),
            valid_until: String::new(),
            version: String::new(),
            automatic: [false; 2],
            identity: ArchiveIdentity::default(),
            sha256: String::new(),
            directory: String::new(),
            documents: Vec::new(),
            files: HashMap::new(),
            unhashed: true,
            authenticated: true,
        }
    }

    /// Checks that the dates are valid at the time `now`. Returns what the user should know and apt goes on with, too:
    /// another suite than the one asked for, a date that cannot be read.
    pub(super) fn check(&self, asked: &str, source: &Source, now: SystemTime) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        if !self.is_suite(asked) {
            warnings.push(format!(
                "{}: this is the Release file of suite `{}`, codename `{}`, and `{asked}` was asked for",
                self.url,
                self.suite.escape_debug(),
                self.codename.escape_debug()
            ));
        }
        if !self.date.is_empty() && self.date().is_none() {
            warnings.push(format!(
                "{}: `{}` is no date; it is not known how old this state of the archive is",
                self.url,
                self.date.escape_debug()
            ));
        }
        if !source.check_date {
            return Ok(warnings);
        }
        if source.check_valid_until && !(self.valid_until.is_empty() && source.valid_until_max.is_none()) {
            let mut until = date::parse(&self.valid_until);
            if until.is_none() && !self.valid_until.is_empty() && !source.takes_weak() {
                return Err(ArchiveError::BadRelease {
                    url: self.url.clone(),
                    reason: format!("`{}` is no date in Valid-Until", self.valid_until.escape_debug()),
                });
            }
            if let Some((made, _)) = self.date() {
                until = until.map(|until| until.max(made + source.valid_until_min));
                if let Some(limit) = source.valid_until_max.map(|longest| made + longest) {
                    until = Some(until.map_or(limit, |until| until.min(limit)));
                }
            }
            if let Some(since) = until.and_then(|until| now.duration_since(until).ok())
                && !since.is_zero()
            {
                return Err(ArchiveError::Expired {
                    url: self.url.clone(),
                    valid_until: match (self.valid_until.as_str(), source.valid_until_max) {
                        (given, None) => given.to_owned(),
                        (_, Some(longest)) => {
                            format!("{} after {} (valid-until-max)", explain::span(longest), self.date)
                        }
                    },
                    since: explain::span(since),
                });
            }
        }
        let tolerance = source.date_max_future.unwrap_or(CLOCK_TOLERANCE);
        if let Some((made, _)) = self.date()
            && made > now + tolerance
        {
            return Err(ArchiveError::NotYetValid {
                url: self.url.clone(),
                date: self.date.clone(),
                another: explain::span(made.duration_since(now).unwrap_or_default()),
            });
        }
        Ok(warnings)
    }

    /// Returns what others may want to know of it; none where there is no file.
    pub(super) fn state(&self) -> Option<Arc<ReleaseState>> {
        (!self.sha256.is_empty()).then(|| {
            Arc::new(ReleaseState {
                directory: self.directory.clone(),
                files: self
                    .documents
                    .iter()
                    .map(|(name, document)| (name.clone(), document.bytes.clone()))
                    .collect(),
                by_hash: self.by_hash,
                url: self.url.clone(),
                date: self.date.clone(),
                sha256: self.sha256.clone(),
                identity: self.identity.clone(),
                version: self.version.clone(),
            })
        })
    }

    /// Returns apt's priority of its packages without preferences (apt_preferences(5)).
    pub(super) fn priority(&self) -> i16 {
        match self.automatic {
            [true, true] => 100,
            [true, false] => 1,
            [false, _] => DEFAULT_PRIORITY,
        }
    }

    /// Returns `Date` and its text, if it can be read.
    pub(super) fn date(&self) -> Option<(SystemTime, &str)> {
        Some((date::parse(&self.date)?, self.date.as_str()))
    }

    /// Whether this is the suite asked for, as apt compares: by suite, codename or version; of
    /// a suite with a path (`buster/updates`) the part before the last counts too.
    fn is_suite(&self, asked: &str) -> bool {
        let names = [&self.suite, &self.codename, &self.version];
        if asked.ends_with('/') || names.iter().all(|name| name.is_empty()) {
            return true;
        }
        let first = asked.rsplit_once('/').map_or(asked, |(first, _)| first);
        names
            .into_iter()
            .any(|name| !name.is_empty() && (name == asked || name == first))
    }

    /// Returns the size and checksum of a file, by its path below the Release file.
    pub(super) fn file(&self, path: &str) -> Option<(u64, FileHash)> {
        self.files.get(path).and_then(ReleaseEntry::hash)
    }

    /// Whether a file may be there, by its path below the Release file: it is named, or none is.
    pub(super) fn may_have(&self, path: &str) -> bool {
        self.files.is_empty() || self.files.contains_key(path)
    }

    /// Whether the component has an index for any architecture.
    pub(super) fn has_component(&self, component: &str) -> bool {
        if self.unhashed && self.components.is_empty() {
            return true;
        }
        let prefix = format!("{component}/binary-");
        // `updates/main`: older security archives name their components by path.
        self.components
            .iter()
            .any(|known| known == component || known.rsplit('/').next() == Some(component))
            || self.files.keys().any(|path| path.starts_with(&prefix))
    }
}

impl ReleaseEntry {
    fn hash(&self) -> Option<(u64, FileHash)> {
        self.sha256.or(self.sha512)
    }
}

/// Returns the fields of the first paragraph, names in lower case. As with apt a line that is no field is nothing.
fn fields(text: &str) -> HashMap<String, String> {
    // A comment may stand between the lines of a field.
    let text: String = text
        .split_inclusive('\n')
        .filter(|line| !line.starts_with('#'))
        .collect();
    let mut fields = HashMap::new();
    let mut rest = text.as_str();
    loop {
        let (item, after) = next_item(rest);
        rest = after;
        match item {
            Item::Field { name, value } => {
                fields.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            Item::Blank if fields.is_empty() => {}
            Item::Blank | Item::End => return fields,
            Item::Comment | Item::Bad(_) | Item::Stray => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Suite: stable\nVersion: 13.1\nCodename: trixie\nDate: Sat, 09 Aug 2025 10:25:00 UTC\n\
        Valid-Until: Sat, 16 Aug 2025 10:25:00 UTC\nAcquire-By-Hash: yes\nNo-Support-for-Architecture-all: Packages\n\
        Architectures: all amd64 riscv64\nComponents: main updates/contrib\nSHA256:\n \
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-riscv64/Packages\n";

    fn source() -> Source {
        let text = "deb http://mirror.example.org/debian trixie main";
        super::super::sources_text::parse(text, super::super::SourceFormat::OneLine, "t")
            .unwrap()
            .remove(0)
    }

    fn at(text: &str) -> SystemTime {
        date::parse(text).unwrap()
    }

    #[test]
    fn suites_and_dates() {
        let release = Release::parse(TEXT.as_bytes(), "u", false).unwrap();
        assert!(release.by_hash && release.all_included);
        assert_eq!(release.file("main/binary-riscv64/Packages").unwrap().0, 0);
        assert!(
            release.has_component("main") && release.has_component("contrib") && !release.has_component("x")
        );
        let (now, mut source) = (at("10 Aug 2025 00:00:00 UTC"), source());
        for asked in ["stable", "trixie", "13.1", "trixie/updates", "./"] {
            assert_eq!(release.check(asked, &source, now).unwrap(), [""; 0], "{asked}");
        }
        for asked in ["bookworm", "trixie-updates", "updates/trixie"] {
            let warnings = release.check(asked, &source, now).unwrap();
            assert!(
                warnings.len() == 1 && warnings[0].contains(asked) && warnings[0].contains("`trixie`"),
                "{warnings:?}"
            );
        }
        let late = at("17 Aug 2025 00:00:00 UTC");
        assert!(matches!(
            release.check("trixie", &source, late),
            Err(ArchiveError::Expired { .. })
        ));
        source.valid_until_min = Duration::from_secs(9 * 86_400);
        release.check("trixie", &source, late).unwrap();
        source.valid_until_min = Duration::ZERO;
        source.check_valid_until = false;
        release.check("trixie", &source, late).unwrap();
        let early = at("09 Aug 2025 10:00:00 UTC");
        assert!(matches!(
            release.check("trixie", &source, early),
            Err(ArchiveError::NotYetValid { .. })
        ));
        release
            .check("trixie", &source, at("09 Aug 2025 10:20:00 UTC"))
            .unwrap();
        source.date_max_future = Some(Duration::from_secs(3600));
        release.check("trixie", &source, early).unwrap();
        // Who does not believe the clock does not ask how long anything is valid.
        (source.check_date, source.check_valid_until) = (false, true);
        release.check("trixie", &source, early).unwrap();
        release.check("trixie", &source, late).unwrap();
    }

    #[test]
    fn dates_that_cannot_be_read_are_no_dates() {
        let (now, source) = (at("10 Aug 2025 00:00:00 UTC"), source());
        let text = TEXT.replace("Date: Sat, 09 Aug 2025 10:25:00 UTC", "Date: yesterday");
        let release = Release::parse(text.as_bytes(), "u", false).unwrap();
        let warnings = release.check("trixie", &source, now).unwrap();
        assert!(
            warnings.len() == 1 && warnings[0].contains("`yesterday`"),
            "{warnings:?}"
        );
        assert_eq!(release.date(), None);
    }

    #[test]
    fn checksums_that_count() {
        let (weak, strong) = ("0".repeat(40), "1".repeat(128));
        let text = format!("Suite: x\nSHA1:\n {weak} 3 a\n {weak} 3 b\nSHA512:\n {strong} 3 a\n");
        let release = Release::parse(text.as_bytes(), "u", false).unwrap();
        assert_eq!(release.file("a"), Some((3, FileHash::Sha512([0x11; 64]))));
        assert_eq!((release.file("b"), release.unhashed), (None, false));
        let text = format!("Suite: x\nSHA1:\n {weak} 3 a\n");
        let error = Release::parse(text.as_bytes(), "u", false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("SHA-512"), "{error}");
        let release = Release::parse(text.as_bytes(), "u", true).unwrap();
        assert!(release.unhashed && release.may_have("a") && !release.may_have("b"));
    }

    #[test]
    fn however_the_fields_are_written() {
        let text = TEXT
            .replace("Suite:", "# said by nobody\nSUITE:")
            .replace("SHA256:\n ", "SHA256: \n# between the lines\n\t ")
            .replace('\n', "\r\n");
        let release = Release::parse(text.as_bytes(), "u", false).unwrap();
        assert_eq!(
            (release.suite.as_str(), release.version.as_str()),
            ("stable", "13.1")
        );
        assert_eq!(release.architectures, ["all", "amd64", "riscv64"]);
        assert_eq!(release.file("main/binary-riscv64/Packages").unwrap().0, 0);
        let without_end = TEXT.trim_end();
        let release = Release::parse(without_end.as_bytes(), "u", false).unwrap();
        assert!(release.file("main/binary-riscv64/Packages").is_some());
    }

    #[test]
    fn what_is_no_release_file_is_refused() {
        for text in [
            "",
            "<html>\n",
            "Suite: x\n",
            "SHA256:\n zz 0 p\n",
            "SHA256:\n 00 -1 p\n",
            " x\n",
            "Suite: x\nno field\n",
            "Suite : x\n",
            "SHA512:\n zz 0 p\n",
            "SHA256:\n 00 0\n",
        ] {
            assert!(
                matches!(
                    Release::parse(text.as_bytes(), "u", false),
                    Err(ArchiveError::BadRelease { .. })
                ),
                "{text}"
            );
        }
        // A line that is no field is nothing, as with apt.
        let text = TEXT.replace("Codename", "no field\nCodename");
        Release::parse(text.as_bytes(), "u", false).unwrap();
        let text = TEXT.replace("Sat, 16 Aug 2025 10:25:00 UTC", "tomorrow");
        let release = Release::parse(text.as_bytes(), "u", false).unwrap();
        let error = release
            .check("trixie", &source(), at("10 Aug 2025 0:0:0 UTC"))
            .unwrap_err();
        assert!(matches!(error, ArchiveError::BadRelease { .. }), "{error}");
    }
}
