//! The list of available packages, `available`: what dselect and dpkg's older front ends know of archives.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use deb_types::version::loose_order;
use deb_types::{MultiArch, PackageKey};

use super::error::DpkgError;
use super::fields::{FIELDS, FieldKind, fields};
use super::package::Package;

// Names and values of fields.
type Fields = Vec<(&'static str, String)>;

/// Available packages, with the fields that only they have (`Filename`, `Size` …).
#[derive(Clone, Debug, Default)]
pub struct Available {
    packages: BTreeMap<PackageKey, (Package, Fields)>,
}

impl Available {
    /// Adds the packages of a list of stanzas, such as a Packages file, in the place of those of the same name and
    /// architecture that are no later. Returns the number of packages that were taken.
    ///
    /// # Errors
    /// A stanza that dpkg refuses.
    pub fn merge(&mut self, text: &str) -> Result<usize, DpkgError> {
        let mut taken = 0;
        for stanza in text.split("\n\n").map(|stanza| stanza.trim_matches('\n')) {
            if stanza.is_empty() {
                continue;
            }
            let package = Package::parse(stanza)?;
            let mut own = Vec::new();
            for field in fields(stanza) {
                let (name, value) = field?;
                let known = FIELDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                if let Some((known, FieldKind::Archive)) = known {
                    own.push((*known, value.to_owned()));
                }
            }
            match self.packages.entry(package.key()) {
                Entry::Occupied(have) if loose_order(&package.version, &have.get().0.version).is_lt() => {
                    continue;
                }
                Entry::Occupied(mut have) => drop(have.insert((package, own))),
                Entry::Vacant(free) => drop(free.insert((package, own))),
            }
            taken += 1;
        }
        Ok(taken)
    }

    /// Records the package of an archive of `size` bytes, whatever version was there.
    pub fn record(&mut self, package: Package, size: u64) {
        let own = vec![("Size", size.to_string())];
        self.packages.insert(package.key(), (package, own));
    }

    /// Returns the file as dpkg writes it on a system of architecture `native`.
    pub fn text(&self, native: &str) -> String {
        let mut all: Vec<_> = self.packages.values().collect();
        all.sort_by_key(|(package, _)| {
            let rank = package.needs_architecture(native);
            (package.name.clone(), rank, package.architecture.clone())
        });
        let mut text = String::new();
        for (package, own) in all {
            for (name, kind) in FIELDS {
                let value = match (*name, kind) {
                    ("Package", _) => Some(package.name.as_str()),
                    ("Architecture", _) => Some(package.architecture.as_str()),
                    ("Version", _) => Some(package.version.as_str()),
                    ("Multi-Arch", _) if package.multi_arch == MultiArch::No => None,
                    ("Multi-Arch", _) => Some(package.multi_arch.as_str()),
                    (_, FieldKind::Own) => None,
                    _ => {
                        let own = own.iter().map(|(name, value)| (*name, value));
                        let known = package.known.iter().map(|(name, value)| (*name, value));
                        own.chain(known)
                            .find(|(known, _)| known == name)
                            .map(|(_, value)| value.as_str())
                    }
                };
                if let Some(value) = value.filter(|value| !value.is_empty()) {
                    text.push_str(&format!("{name}: {value}\n"));
                }
            }
            for (name, value) in &package.extra {
                text.push_str(&format!("{name}: {value}\n"));
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_versions_stay() {
        let mut available = Available::default();
        let text = "Package: b\nVersion: 2\nArchitecture: all\nStatus: install ok installed\nX-Own: y\nSize: 12\nFilename: p/b.deb\n\
                    Depends: x(>=1)\nConffiles:\n /etc/b 0123\n\nPackage: a\nVersion: 1\nArchitecture: riscv64\n";
        assert_eq!(available.merge(text).unwrap(), 2);
        let more = "Package: b\nVersion: 1\nArchitecture: all\n\n\nPackage: a\nVersion: 0:1\nArchitecture: amd64\nMulti-Arch: same\n";
        assert_eq!(available.merge(more).unwrap(), 1);
        let expected = "Package: a\nArchitecture: amd64\nMulti-Arch: same\nVersion: 1\n\n\
                        Package: a\nArchitecture: riscv64\nVersion: 1\n\n\
                        Package: b\nArchitecture: all\nVersion: 2\nDepends: x (>= 1)\nFilename: p/b.deb\nSize: 12\nX-Own: y\n\n";
        assert_eq!(available.text("armel"), expected);
        available.record(
            Package::parse("Package: b\nVersion: 1\nArchitecture: all\n").unwrap(),
            7,
        );
        assert!(
            available
                .text("armel")
                .ends_with("Package: b\nArchitecture: all\nVersion: 1\nSize: 7\n\n")
        );
        assert!(available.merge("Version: 1\n").is_err());
    }
}
