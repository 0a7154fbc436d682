//! States of an archive of the past, as a snapshot service has them (sources.list(5), `Snapshot`).

use std::process::{Command, Stdio};

use url::Url;

use super::package_file::show;
use super::{ArchiveError, Result};

/// The part of a template that stands for the state.
const ID: &str = "@SNAPSHOTID@";

/// Archives by what their Release files say of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveIdentity {
    /// `Label`.
    pub label: String,
    /// `Origin`.
    pub origin: String,
    /// `Snapshots`: a URL of the archive's states of the past, with `@SNAPSHOTID@` in it.
    pub snapshots: String,
}

/// Snapshot services that apt knows (apt.conf(5), `Acquire::Snapshots::URI`): scopes in lower case, such as
/// `override::label::debian-security`, and URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotServices(Vec<(String, String)>);

impl SnapshotServices {
    /// Returns those of this machine's apt, its files and what is compiled into it; none where there is no apt.
    pub fn of_machine() -> Self {
        let told = Command::new("apt-config")
            .arg("dump")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output();
        match told {
            Ok(told) if told.status.success() => Self::parse(&String::from_utf8_lossy(&told.stdout)),
            _ => Self::default(),
        }
    }

    /// Parses lines of `NAME "VALUE";`.
    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (name, value) = line.split_once(' ')?;
            let name = name.to_ascii_lowercase();
            let scope = name.strip_prefix("acquire::snapshots::uri::")?;
            let value = value.strip_suffix(';')?.trim_matches('"');
            (!value.is_empty()).then(|| (scope.to_owned(), value.to_owned()))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// Returns the URL for an archive, as apt finds it.
    fn template<'a>(&'a self, archive: &'a ArchiveIdentity) -> Option<&'a str> {
        let configured = |scope: &str, name: &str| {
            let wanted = format!("{scope}{}", name.to_ascii_lowercase());
            let found = self
                .0
                .iter()
                .rev()
                .find(|(known, _)| *known == wanted && !name.is_empty());
            found.map(|(_, url)| url.as_str())
        };
        let (label, origin) = (&archive.label, &archive.origin);
        configured("override::label::", label)
            .or_else(|| configured("override::origin::", origin))
            .or_else(|| Some(archive.snapshots.as_str()).filter(|own| !own.is_empty()))
            .or_else(|| configured("label::", label))
            .or_else(|| configured("origin::", origin))
            .filter(|url| url.contains(ID))
    }
}

/// A moment of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The moment as snapshot services write it, such as `20260912T080000Z`.
    pub id: String,
    /// URL of archives at that moment, with `@SNAPSHOTID@` in it; none for what each archive or apt names.
    pub template: Option<String>,
    /// Services that apt knows.
    pub services: SnapshotServices,
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

    /// Returns the root of an archive at that moment; `url` names the archive.
    ///
    /// # Errors
    /// [`ArchiveError::NoSnapshots`] where nothing says which service has it.
    pub fn root(&self, archive: &ArchiveIdentity, url: &str) -> Result<Url> {
        let none = || ArchiveError::NoSnapshots { url: url.to_owned() };
        let template = self
            .template
            .as_deref()
            .or_else(|| self.services.template(archive));
        let mut root = Url::parse(&template.ok_or_else(none)?.replace(ID, &self.id)).map_err(|_| none())?;
        if !matches!(root.scheme(), "http" | "https" | "file") {
            return Err(none());
        }
        if !root.path().ends_with('/') {
            let path = format!("{}/", root.path());
            root.set_path(&path);
        }
        tracing::debug!("{url}: its state {} is at {}", self.id, show(&root));
        Ok(root)
    }
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
        let services = SnapshotServices::parse(
            "APT \"\";\nAcquire::Snapshots \"\";\n\
             Acquire::Snapshots::URI::Origin::Debian \"https://snapshot.example.org/debian/@SNAPSHOTID@/\";\n\
             Acquire::Snapshots::URI::Override::Label::Debian-Security \"https://snapshot.example.org/security/@SNAPSHOTID@\";\n\
             Acquire::Snapshots::URI::Label::Shut \"no\";\n",
        );
        let archive = |label: &str, origin: &str, snapshots: &str| ArchiveIdentity {
            label: label.to_owned(),
            origin: origin.to_owned(),
            snapshots: snapshots.to_owned(),
        };
        let root = |template: Option<&str>, archive: &ArchiveIdentity| {
            let snapshot = Snapshot {
                id: "20260912T080000Z".to_owned(),
                template: template.map(str::to_owned),
                services: services.clone(),
            };
            snapshot
                .root(archive, "http://mirror.example.org/dists/x")
                .map(String::from)
        };
        let own = "https://own.example.org/@SNAPSHOTID@";
        for (archive, expected) in [
            (
                archive("Debian", "Debian", ""),
                "https://snapshot.example.org/debian/20260912T080000Z/",
            ),
            (
                archive("Debian", "Debian", own),
                "https://own.example.org/20260912T080000Z/",
            ),
            (
                archive("Debian-Security", "Debian", own),
                "https://snapshot.example.org/security/20260912T080000Z/",
            ),
        ] {
            assert_eq!(root(None, &archive).unwrap(), expected);
            let given = root(Some("http://mirror.example.org/@SNAPSHOTID@/d"), &archive);
            assert_eq!(given.unwrap(), "http://mirror.example.org/20260912T080000Z/d/");
        }
        for none in [
            archive("", "", ""),
            archive("Other", "Other", ""),
            archive("Shut", "", ""),
            archive("", "", "no"),
            archive("", "", "ssh://mirror.example.org/@SNAPSHOTID@"),
        ] {
            let error = root(None, &none).unwrap_err();
            assert!(error.to_string().contains("mirror.example.org"), "{error}");
        }
    }
}
