//! What a Release file says of its archive, as far as preferences ask for it.

use super::Name;
use apt_solve::DEFAULT_PRIORITY;
use deb_archive::Index;

/// Priorities of archives that say `NotAutomatic`, and `ButAutomaticUpgrades` besides.
const NOT_AUTOMATIC: i16 = 1;
const AUTOMATIC_UPGRADES: i16 = 100;

/// Fields of a Release file, and where it is.
#[derive(Clone, Debug, Default)]
pub(super) struct ReleaseFields {
    archive: String,
    codename: String,
    component: String,
    architecture: String,
    version: String,
    origin: String,
    label: String,
    /// Host of the archive; empty for files of this machine.
    pub(super) host: String,
    not_automatic: bool,
    automatic_upgrades: bool,
}

impl ReleaseFields {
    /// Returns those of the archive of an index.
    pub(super) fn of(index: &Index) -> Self {
        let mut fields = Self {
            archive: index.release_archive.clone(),
            codename: index.codename.clone(),
            component: index.component.clone(),
            architecture: index.architecture.clone(),
            host: index.base.host_str().unwrap_or_default().to_owned(),
            ..Self::default()
        };
        let Some(release) = &index.release else {
            return fields;
        };
        fields.origin.clone_from(&release.identity.origin);
        fields.label.clone_from(&release.identity.label);
        let text = release.files.first().map_or(&[][..], |(_, text)| text);
        for line in text.split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let (value, yes) = (value.trim(), value.trim().eq_ignore_ascii_case("yes"));
            match name.to_ascii_lowercase().as_str() {
                "version" => value.clone_into(&mut fields.version),
                "notautomatic" => fields.not_automatic = yes,
                "butautomaticupgrades" => fields.automatic_upgrades = yes,
                // The list of files comes last.
                "md5sum" | "sha1" | "sha256" | "sha512" => break,
                _ => {}
            }
        }
        fields
    }

    /// Returns the priority of an archive of which no preferences say anything.
    pub(super) fn own_priority(&self) -> i16 {
        match (self.not_automatic, self.automatic_upgrades) {
            (false, _) => DEFAULT_PRIORITY,
            (true, false) => NOT_AUTOMATIC,
            (true, true) => AUTOMATIC_UPGRADES,
        }
    }

    /// Whether a part of `release` fits: `a`, `n`, `v`, `o`, `l`, `c` or `b` with a value, or ` ` for a suite or codename.
    pub(super) fn fits(&self, (letter, value): &(char, Name)) -> bool {
        match letter {
            'a' => value.matches(&self.archive),
            'n' => value.matches(&self.codename),
            // As apt has it, the beginning of a version is enough: 13 for 13.1.
            'v' => {
                let whole = value.matches(&self.version);
                whole
                    || self
                        .version
                        .match_indices('.')
                        .any(|(at, _)| value.matches(&self.version[..at]))
            }
            'o' => value.matches(&self.origin),
            'l' => value.matches(&self.label),
            'c' => value.matches(&self.component),
            'b' => value.matches(&self.architecture),
            _ => value.matches(&self.archive) || value.matches(&self.codename),
        }
    }
}
