//! What a Release file says of its archive, as far as preferences ask for it.

use super::Name;
use deb_archive::Index;

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
        if let Some(release) = &index.release {
            fields.origin.clone_from(&release.identity.origin);
            fields.label.clone_from(&release.identity.label);
            fields.version.clone_from(&release.version);
        }
        fields
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
