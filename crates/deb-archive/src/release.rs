//! Release files: the indexes of a suite, and the checks of its name and dates.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::source::Source;
use super::{ArchiveError, Result, date};
use deb_types::parse_hex;

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
    /// Size and SHA-256 by path below the Release file.
    files: HashMap<String, (u64, [u8; 32])>,
}

impl Release {
    /// Parses verified text.
    pub(super) fn parse(text: &[u8], url: &str) -> Result<Self> {
        let bad = |reason: String| ArchiveError::BadRelease {
            url: url.to_owned(),
            reason,
        };
        let text = String::from_utf8_lossy(text);
        let paragraphs = debcontrol::parse_str(&text)
            .map_err(|_| bad("a line of it is neither a field nor the continuation of one".into()))?;
        let Some(paragraph) = paragraphs.into_iter().next() else {
            return Err(bad("it is empty".into()));
        };
        let fields: HashMap<String, String> = paragraph
            .fields
            .into_iter()
            .map(|field| (field.name.to_ascii_lowercase(), field.value))
            .collect();
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
        let mut files = HashMap::new();
        for line in fields
            .get("sha256")
            .map(String::as_str)
            .unwrap_or_default()
            .lines()
        {
            let mut parts = line.split_whitespace();
            let Some(hash) = parts.next() else { continue };
            let entry = match (
                parse_hex(hash),
                parts.next().and_then(|size| size.parse().ok()),
                parts.next(),
            ) {
                (Some(hash), Some(size), Some(path)) => (path.to_owned(), (size, hash)),
                _ => return Err(bad(format!("`{}` in SHA256", line.trim().escape_debug()))),
            };
            files.insert(entry.0, entry.1);
        }
        if files.is_empty() {
            return Err(bad("it names no file with a SHA-256".into()));
        }
        Ok(Self {
            url: url.to_owned(),
            suite: get("suite"),
            codename: get("codename"),
            components: words("components"),
            architectures: words("architectures"),
            by_hash: get("acquire-by-hash").eq_ignore_ascii_case("yes"),
            all_included: words("no-support-for-architecture-all")
                .iter()
                .any(|index| index == "Packages")
                || !words("architectures")
                    .iter()
                    .any(|architecture| architecture == "all"),
            date: get("date"),
            valid_until: get("valid-until"),
            version: get("version"),
            files,
        })
    }

    /// Checks that this is the suite asked for, and that its dates are valid at the time `now`.
    pub(super) fn check(&self, asked: &str, source: &Source, now: SystemTime) -> Result<()> {
        if !asked.ends_with('/') && !self.is_suite(asked) {
            return Err(ArchiveError::OtherSuite {
                url: self.url.clone(),
                asked: asked.to_owned(),
                found_suite: self.suite.clone(),
                found_codename: self.codename.clone(),
            });
        }
        let bad = |field: &str, value: &str| ArchiveError::BadRelease {
            url: self.url.clone(),
            reason: format!("`{}` is no date in {field}", value.escape_debug()),
        };
        if source.check_valid_until && !self.valid_until.is_empty() {
            let until =
                date::parse(&self.valid_until).ok_or_else(|| bad("Valid-Until", &self.valid_until))?;
            if until < now {
                let valid_until = self.valid_until.clone();
                return Err(ArchiveError::Expired {
                    url: self.url.clone(),
                    valid_until,
                });
            }
        }
        if source.check_date && !self.date.is_empty() {
            let made = date::parse(&self.date).ok_or_else(|| bad("Date", &self.date))?;
            if made > now + CLOCK_TOLERANCE {
                return Err(ArchiveError::NotYetValid {
                    url: self.url.clone(),
                    date: self.date.clone(),
                });
            }
        }
        Ok(())
    }

    /// Whether this is the suite asked for, as apt compares: by suite, codename or version; of
    /// a suite with a path (`buster/updates`) the first part counts too.
    fn is_suite(&self, asked: &str) -> bool {
        let names = [&self.suite, &self.codename, &self.version];
        if names.iter().all(|name| name.is_empty()) {
            return true;
        }
        let first = asked.split('/').next().unwrap_or(asked);
        names
            .into_iter()
            .any(|name| !name.is_empty() && (name == asked || name == first))
    }

    /// Returns the size and SHA-256 of a file, by its path below the Release file.
    pub(super) fn file(&self, path: &str) -> Option<(u64, [u8; 32])> {
        self.files.get(path).copied()
    }

    /// Whether the component has an index for any architecture.
    pub(super) fn has_component(&self, component: &str) -> bool {
        let prefix = format!("{component}/binary-");
        // `updates/main`: older security archives name their components by path.
        self.components
            .iter()
            .any(|known| known == component || known.rsplit('/').next() == Some(component))
            || self.files.keys().any(|path| path.starts_with(&prefix))
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
        let release = Release::parse(TEXT.as_bytes(), "u").unwrap();
        assert!(release.by_hash && release.all_included);
        assert_eq!(release.file("main/binary-riscv64/Packages").unwrap().0, 0);
        assert!(
            release.has_component("main") && release.has_component("contrib") && !release.has_component("x")
        );
        let (now, mut source) = (at("10 Aug 2025 00:00:00 UTC"), source());
        for asked in ["stable", "trixie", "13.1", "trixie/updates", "./"] {
            release.check(asked, &source, now).unwrap();
        }
        assert!(matches!(
            release.check("bookworm", &source, now),
            Err(ArchiveError::OtherSuite { .. })
        ));
        let late = at("17 Aug 2025 00:00:00 UTC");
        assert!(matches!(
            release.check("trixie", &source, late),
            Err(ArchiveError::Expired { .. })
        ));
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
        source.check_date = false;
        release.check("trixie", &source, early).unwrap();
    }

    #[test]
    fn however_the_fields_are_written() {
        let text = TEXT
            .replace("Suite:", "# said by nobody\nSUITE:")
            .replace("SHA256:\n ", "SHA256: \n# between the lines\n\t ")
            .replace('\n', "\r\n");
        let release = Release::parse(text.as_bytes(), "u").unwrap();
        assert_eq!(
            (release.suite.as_str(), release.version.as_str()),
            ("stable", "13.1")
        );
        assert_eq!(release.architectures, ["all", "amd64", "riscv64"]);
        assert_eq!(release.file("main/binary-riscv64/Packages").unwrap().0, 0);
        let without_end = TEXT.trim_end();
        let release = Release::parse(without_end.as_bytes(), "u").unwrap();
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
        ] {
            assert!(
                matches!(
                    Release::parse(text.as_bytes(), "u"),
                    Err(ArchiveError::BadRelease { .. })
                ),
                "{text}"
            );
        }
        let text = TEXT.replace("Sat, 16 Aug 2025 10:25:00 UTC", "tomorrow");
        let release = Release::parse(text.as_bytes(), "u").unwrap();
        let error = release
            .check("trixie", &source(), at("10 Aug 2025 0:0:0 UTC"))
            .unwrap_err();
        assert!(matches!(error, ArchiveError::BadRelease { .. }), "{error}");
    }
}
