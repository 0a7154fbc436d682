//! States of an archive of the past, as a snapshot service has them (sources.list(5), `Snapshot`).

use url::Url;

use super::package_file::show;
use super::release::Release;
use super::{ArchiveError, Result};

/// The part of a template that stands for the state.
const ID: &str = "@SNAPSHOTID@";

/// Archives whose Release files name no service, by their `Label`: the domain, whose host `snapshot` has them, and the name there.
const KNOWN: &[(&str, &str, &str)] = &[
    ("Debian", "debian.org", "debian"),
    ("Debian Backports", "debian.org", "debian"),
    ("Debian-Security", "debian.org", "debian-security"),
    ("Debian Ports", "debian.org", "debian-ports"),
];

/// A moment of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The moment as snapshot services write it, such as `20260912T080000Z`.
    pub id: String,
    /// URL of archives at that moment, with `@SNAPSHOTID@` in it; none for the one that each Release file names.
    pub template: Option<String>,
}

impl Snapshot {
    /// Parses a moment: `2026-09-12T08:00Z`, `2026-09-12 08:00:30`, `2026-09-12`, `20260912T080000Z`; UTC. `None` for
    /// anything else.
    pub fn parse_id(text: &str) -> Option<String> {
        let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
        let (date, clock) = text.split_once(['T', 't', ' ']).unwrap_or((text, ""));
        let digits = |text: &str, separator: char| -> Option<String> {
            let plain: String = text.chars().filter(|c| *c != separator).collect();
            plain.bytes().all(|byte| byte.is_ascii_digit()).then_some(plain)
        };
        let date = digits(date, '-').filter(|date| date.len() == 8)?;
        let mut clock = digits(clock, ':').filter(|clock| matches!(clock.len(), 0 | 2 | 4 | 6))?;
        while clock.len() < 6 {
            clock.push('0');
        }
        let number = |text: &str, from: usize| text.get(from..from + 2)?.parse::<u8>().ok();
        let within = (1..=12).contains(&number(&date, 4)?)
            && (1..=31).contains(&number(&date, 6)?)
            && number(&clock, 0)? < 24
            && number(&clock, 2)? < 60
            && number(&clock, 4)? <= 60;
        within.then(|| format!("{date}T{clock}Z"))
    }

    /// Returns the root of an archive at that moment, whose Release file of today is `release`.
    ///
    /// # Errors
    /// [`ArchiveError::NoSnapshots`] where nothing says which service has it.
    pub(super) fn of(&self, release: &Release) -> Result<Url> {
        let url = self
            .url(template(release).as_deref())
            .ok_or_else(|| ArchiveError::NoSnapshots {
                url: release.url.clone(),
            })?;
        tracing::debug!("{}: its state {} is at {}", release.url, self.id, show(&url));
        Ok(url)
    }

    /// Returns the root of an archive at that moment, whose own template is `own`; none where there is no template.
    pub fn url(&self, own: Option<&str>) -> Option<Url> {
        let template = self.template.as_deref().or(own)?;
        let mut url = Url::parse(&template.replace(ID, &self.id)).ok()?;
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        matches!(url.scheme(), "http" | "https" | "file").then_some(url)
    }
}

/// Returns the URL of an archive's states of the past: the one that its Release file names, or one that is known.
pub(super) fn template(release: &Release) -> Option<String> {
    let own = Some(release.snapshots.clone()).filter(|template| template.contains(ID));
    let known = KNOWN.iter().find(|(label, ..)| *label == release.label);
    own.or_else(|| known.map(|(_, domain, name)| format!("https://snapshot.{domain}/archive/{name}/{ID}/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (text, id) in [
            ("2026-09-12T08:00Z", "20260912T080000Z"),
            ("2026-09-12 08:00:30", "20260912T080030Z"),
            ("2026-09-12", "20260912T000000Z"),
            ("20260912T080000Z", "20260912T080000Z"),
            ("20260912", "20260912T000000Z"),
        ] {
            assert_eq!(Snapshot::parse_id(text).as_deref(), Some(id), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-09-12T25:00",
            "2026-9-12",
            "../x",
            "2026-09-12T8",
        ] {
            assert_eq!(Snapshot::parse_id(text), None, "{text}");
        }
    }

    #[test]
    fn services_of_archives() {
        let snapshot = |template: Option<&str>| Snapshot {
            id: "20260912T080000Z".to_owned(),
            template: template.map(str::to_owned),
        };
        let hash = "1".repeat(64);
        let release = |fields: &str| {
            let text = format!("Suite: stable\n{fields}SHA256:\n {hash} 5 main/binary-riscv64/Packages\n");
            Release::parse(
                text.as_bytes(),
                "http://mirror.example.org/dists/stable/InRelease",
                false,
            )
            .unwrap()
        };
        let debian = release("Label: Debian\n");
        let url = snapshot(None).of(&debian).unwrap();
        let expected = format!(
            "https://{}.debian.org/archive/debian/20260912T080000Z/",
            "snapshot"
        );
        assert_eq!(url.as_str(), expected);
        let own = release("Label: Debian\nSnapshots: https://snapshot.example.org/@SNAPSHOTID@\n");
        let url = snapshot(None).of(&own).unwrap();
        assert_eq!(url.as_str(), "https://snapshot.example.org/20260912T080000Z/");
        let url = snapshot(Some("http://mirror.example.org/@SNAPSHOTID@/debian/"))
            .of(&own)
            .unwrap();
        assert_eq!(url.as_str(), "http://mirror.example.org/20260912T080000Z/debian/");
        for fields in [
            "",
            "Snapshots: ssh://mirror.example.org/@SNAPSHOTID@\n",
            "Snapshots: no\n",
        ] {
            let error = snapshot(None).of(&release(fields)).unwrap_err();
            assert!(error.to_string().contains("mirror.example.org"), "{error}");
        }
    }
}
