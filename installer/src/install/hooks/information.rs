//! What apt tells hooks of the packages that it is going to install: the protocol of `DPkg::Pre-Install-Pkgs` in its
//! versions 1 to 3 (apt.conf(5); `pkgDPkgPM::SendPkgsInfo` in apt's source).

use super::archives;
use crate::apt_configuration::Configuration;
use apt_solve::{PackageId, Phase, Step, Universe};
use deb_types::MultiArch;
use std::collections::HashSet;
use std::path::Path;

/// An action of dpkg on a package that was not there before.
struct Item {
    package: String,
    version: String,
    architecture: String,
    multi_arch: &'static str,
    /// Path of its file, or none for the configuration.
    file: Option<String>,
}

/// The actions of a call of apt, in their order.
pub(super) struct Items(Vec<Item>);

impl Items {
    /// Returns the actions of a phase whose package files are in `directory`. What no step configures by name comes
    /// at the end.
    pub(super) fn of(phase: &Phase, universe: &Universe<'_>, directory: &Path) -> Self {
        let mut items = Vec::new();
        let mut configured: HashSet<PackageId> = HashSet::new();
        let item = |id: &PackageId, unpacked: bool| {
            let package = universe.package(*id);
            let file = directory.join(archives::name(package)).display().to_string();
            Item {
                package: package.name.to_owned(),
                version: package.version.to_owned(),
                architecture: package.architecture.to_owned(),
                multi_arch: word(package.multi_arch),
                file: unpacked.then_some(file),
            }
        };
        for step in &phase.steps {
            match step {
                Step::Unpack(ids) => items.extend(ids.iter().map(|id| item(id, true))),
                Step::Configure(ids) => {
                    configured.extend(ids);
                    items.extend(ids.iter().map(|id| item(id, false)));
                }
                Step::ConfigurePending => {}
            }
        }
        let left = phase.packages.iter().filter(|id| !configured.contains(id));
        items.extend(left.map(|id| item(id, false)));
        Self(items)
    }

    /// Returns the text for a hook that speaks a version of the protocol.
    pub(super) fn text(&self, version: u32, configuration: &Configuration) -> String {
        if version <= 1 {
            let files = self.0.iter().filter_map(|item| item.file.as_ref());
            return files.map(|file| format!("{file}\n")).collect();
        }
        let version = version.min(3);
        let mut text = format!("VERSION {version}\n");
        configuration.walk(&mut |name, value| {
            if !value.is_empty() {
                let line = format!("{}={}\n", quoted(name, "=\"\n"), quoted(value, "\n"));
                text.push_str(&line);
            }
        });
        text.push('\n');
        for item in &self.0 {
            let action = item.file.as_deref().unwrap_or("**CONFIGURE**");
            let line = match version {
                2 => format!("{} - < {} {action}\n", item.package, item.version),
                _ => format!(
                    "{} - - none < {} {} {} {action}\n",
                    item.package, item.version, item.architecture, item.multi_arch
                ),
            };
            text.push_str(&line);
        }
        text
    }
}

fn word(multi_arch: MultiArch) -> &'static str {
    match multi_arch {
        MultiArch::No => "none",
        MultiArch::Same => "same",
        MultiArch::Foreign => "foreign",
        MultiArch::Allowed => "allowed",
    }
}

/// Returns a text with the characters of `bad`, blanks, `%` and what cannot be printed as `%` and two digits
/// (`QuoteString` in apt's source).
pub(super) fn quoted(text: &str, bad: &str) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        let letter = char::from(byte);
        if byte.is_ascii_graphic() && letter != '%' && !bad.contains(letter) {
            quoted.push(letter);
        } else {
            quoted.push_str(&format!("%{byte:02x}"));
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Items {
        let item = |package: &str, file: Option<&str>| Item {
            package: package.to_owned(),
            version: "1:2.0-1".to_owned(),
            architecture: "riscv64".to_owned(),
            multi_arch: "same",
            file: file.map(str::to_owned),
        };
        Items(vec![
            item("a", Some("/var/cache/apt/archives/a_1%3a2.0-1_riscv64.deb")),
            item("a", None),
        ])
    }

    #[test]
    fn the_protocol_has_three_versions() {
        let mut configuration = Configuration::default();
        configuration.set("APT::Architecture", "riscv64");
        configuration.set("DPkg::Pre-Install-Pkgs::", "hook --with words");
        configuration.set("Empty", "");
        let file = "/var/cache/apt/archives/a_1%3a2.0-1_riscv64.deb";
        assert_eq!(items().text(1, &configuration), format!("{file}\n"));
        let head = "APT::Architecture=riscv64\nDPkg::Pre-Install-Pkgs::=hook%20--with%20words\n\n";
        assert_eq!(
            items().text(2, &configuration),
            format!("VERSION 2\n{head}a - < 1:2.0-1 {file}\na - < 1:2.0-1 **CONFIGURE**\n")
        );
        let third = format!(
            "VERSION 3\n{head}a - - none < 1:2.0-1 riscv64 same {file}\n\
             a - - none < 1:2.0-1 riscv64 same **CONFIGURE**\n"
        );
        assert_eq!(items().text(3, &configuration), third);
        assert_eq!(items().text(9, &configuration), third);
    }

    #[test]
    fn names_are_quoted_as_apt_quotes_them() {
        assert_eq!(quoted("1:2.0_3%\n\u{e9}", "_:"), "1%3a2.0%5f3%25%0a%c3%a9");
    }
}
