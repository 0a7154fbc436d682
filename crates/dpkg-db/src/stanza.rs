//! Packages as stanzas: read as dpkg reads them, written as it writes them.

use deb_types::relation::{Problem, is_architecture, is_name};
use deb_types::{MultiArch, PackageKey};

use super::error::DpkgError;
use super::fields::{FIELDS, FieldKind, fields, only_stanza};
use super::package::{Conffile, Package};
use super::relation::{self, Reading};
use super::states::{Flag, Status, Want};

const PRIORITIES: &[&str] = &["required", "important", "standard", "optional", "extra"];

/// Fields that an archive's control file cannot have: they are dpkg's own.
const OF_DATABASE: &[&str] = &["Status", "Config-Version", "Triggers-Pending", "Triggers-Awaited"];

impl Package {
    /// Parses a stanza of the status file, or one that need not be as sound as that of an archive.
    ///
    /// Relations, versions and booleans are normalised as dpkg does when it writes them. In
    /// `Triggers-Awaited` a name without architecture gets an empty one; the database resolves it.
    ///
    /// # Errors
    /// A stanza without `Package`, a duplicate field, a malformed relation, status or conffile line.
    pub fn parse(stanza: &str) -> Result<Package, DpkgError> {
        Self::read(stanza, Reading::Database)
    }

    /// Parses the control file of an archive (deb-control(5)) with all of dpkg's checks. `bad_versions` is
    /// `--force-bad-version`. Of a control file without `Architecture` the architecture is empty.
    ///
    /// # Errors
    /// A control file that dpkg refuses.
    pub fn parse_control(text: &str, bad_versions: bool) -> Result<Package, DpkgError> {
        let reading = if bad_versions {
            Reading::ArchiveWithBadVersions
        } else {
            Reading::Archive
        };
        let stanza = only_stanza(text).map_err(|problem| DpkgError::Control { problem })?;
        let package = Self::read(stanza, reading)?;
        let empty = |field: &str, value: &str| match value {
            "" => Err(package.malformed(field, "is missing or empty")),
            _ => Ok(()),
        };
        empty("Version", &package.version)?;
        if package.multi_arch == MultiArch::Same && package.architecture.is_empty() {
            return Err(package.malformed("Multi-Arch", "is 'same', but there is no architecture"));
        }
        if package.multi_arch == MultiArch::Same && package.architecture == "all" {
            return Err(package.malformed("Multi-Arch", "is 'same', but the architecture is 'all'"));
        }
        Ok(package)
    }

    fn read(stanza: &str, reading: Reading) -> Result<Package, DpkgError> {
        let mut package = Package {
            name: String::new(),
            architecture: String::new(),
            version: String::new(),
            multi_arch: MultiArch::No,
            want: Want::Unknown,
            flag: Flag::Ok,
            status: Status::NotInstalled,
            config_version: None,
            conffiles: Vec::new(),
            triggers_pending: Vec::new(),
            triggers_awaited: Vec::new(),
            known: Vec::new(),
            extra: Vec::new(),
        };
        let mut seen = [false; FIELDS.len()];
        for field in fields(stanza) {
            let (name, value) = field?;
            let Some(slot) = FIELDS
                .iter()
                .position(|(known, _)| known.eq_ignore_ascii_case(name))
            else {
                if package
                    .extra
                    .iter()
                    .any(|(other, _)| other.eq_ignore_ascii_case(name))
                {
                    return Err(package.malformed(name, "appears twice"));
                }
                if name.len() < 2 {
                    return Err(package.malformed(name, "has a name that is too short"));
                }
                package.extra.push((name.to_owned(), value.to_owned()));
                continue;
            };
            if std::mem::replace(&mut seen[slot], true) {
                return Err(package.malformed(name, "appears twice"));
            }
            let (known, kind) = FIELDS[slot];
            package.set_field(known, kind, value, reading)?;
        }
        if package.name.is_empty() {
            return Err(DpkgError::Stanza {
                package: "(unnamed)".to_owned(),
                field: "Package".to_owned(),
                problem: "is missing".to_owned(),
            });
        }
        Ok(package)
    }

    fn set_field(
        &mut self,
        name: &'static str,
        kind: FieldKind,
        value: &str,
        reading: Reading,
    ) -> Result<(), DpkgError> {
        if reading != Reading::Database && OF_DATABASE.contains(&name) {
            return Err(self.malformed(name, "is not allowed in an archive"));
        }
        match kind {
            FieldKind::Obsolete(modern) => self.set_obsolete(modern, value, reading)?,
            FieldKind::Archive if value.is_empty() => return Err(self.malformed(name, "is empty")),
            FieldKind::Archive => {}
            FieldKind::Boolean => {
                if value.eq_ignore_ascii_case("yes") {
                    self.known.push((name, "yes".to_owned()));
                } else if !value.is_empty() && !value.eq_ignore_ascii_case("no") {
                    return Err(self.malformed(name, "is neither yes nor no"));
                }
            }
            FieldKind::Relation => {
                if !value.is_empty() {
                    let text = relation::normalise(name, value, reading)
                        .map_err(|problem| self.malformed(name, &problem))?;
                    self.known.push((name, text));
                }
            }
            FieldKind::Text => {
                let value = if name == "Priority" {
                    self.priority(name, value)?
                } else {
                    value
                };
                if !value.is_empty() {
                    self.known.push((name, value.to_owned()));
                }
            }
            FieldKind::Own => self.set_own(name, value, reading)?,
        }
        Ok(())
    }

    /// Returns a priority as dpkg writes it: a word that it knows, or any that does not begin with one.
    fn priority<'v>(&self, name: &str, value: &'v str) -> Result<&'v str, DpkgError> {
        let begins = |known: &&&str| {
            value
                .get(..known.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(known))
        };
        match PRIORITIES.iter().find(begins) {
            Some(known) if known.len() == value.len() => Ok(known),
            Some(_) => Err(self.malformed(name, "has trailing junk")),
            None => Ok(value),
        }
    }

    /// Sets a field that has a modern name from one with its older name.
    fn set_obsolete(&mut self, modern: &'static str, value: &str, reading: Reading) -> Result<(), DpkgError> {
        if modern != "Version" {
            let kind = if modern == "Priority" {
                FieldKind::Text
            } else {
                FieldKind::Relation
            };
            return self.set_field(modern, kind, value, reading);
        }
        if !value.is_empty() && !self.version.is_empty() {
            self.version = format!("{}-{value}", self.version);
        }
        Ok(())
    }

    fn set_own(&mut self, name: &str, value: &str, reading: Reading) -> Result<(), DpkgError> {
        match name {
            "Package" => {
                if !is_name(value) {
                    return Err(self.malformed(name, &Problem::Name(value).to_string()));
                }
                self.name = value.to_ascii_lowercase();
            }
            "Architecture" => {
                if !value.is_empty() && !is_architecture(value) {
                    return Err(self.malformed(name, "is not an architecture"));
                }
                self.architecture = value.to_owned();
            }
            "Multi-Arch" if value.is_empty() => {}
            "Multi-Arch" => {
                self.multi_arch =
                    MultiArch::from_word(&value.to_ascii_lowercase()).ok_or_else(|| DpkgError::Word {
                        what: "MultiArch",
                        word: value.to_owned(),
                    })?
            }
            "Version" => {
                self.version =
                    relation::version(value, reading).map_err(|problem| self.malformed(name, &problem))?;
            }
            "Config-Version" => {
                let version =
                    relation::version(value, reading).map_err(|problem| self.malformed(name, &problem))?;
                self.config_version = Some(version);
            }
            "Status" => {
                let words: Vec<&str> = value.split_ascii_whitespace().collect();
                let [want, flag, status] = words[..] else {
                    return Err(self.malformed(name, "does not have three words"));
                };
                self.want = want.parse()?;
                self.flag = flag.parse()?;
                self.status = status.parse()?;
            }
            "Conffiles" => {
                for line in value.split('\n').filter(|line| !line.is_empty()) {
                    let conffile =
                        parse_conffile(line).ok_or_else(|| self.malformed(name, "has a malformed line"))?;
                    self.conffiles.push(conffile);
                }
            }
            "Triggers-Pending" => {
                // dpkg prepends on reading as on activation, so each load reverses the list.
                for trigger in value.split_ascii_whitespace() {
                    self.triggers_pending.insert(0, trigger.to_owned());
                }
            }
            _ => {
                for word in value.split_ascii_whitespace() {
                    let (package, architecture) = word.split_once(':').unwrap_or((word, ""));
                    self.triggers_awaited.push(PackageKey::new(package, architecture));
                }
            }
        }
        Ok(())
    }

    fn malformed(&self, field: &str, problem: &str) -> DpkgError {
        let package = if self.name.is_empty() {
            "(unnamed)"
        } else {
            &self.name
        };
        DpkgError::Stanza {
            package: package.to_owned(),
            field: field.to_owned(),
            problem: problem.to_owned(),
        }
    }

    /// Appends the stanza as dpkg writes it to the status file, without the empty line after it;
    /// `display` gives the names in `Triggers-Awaited`.
    pub fn write_stanza(&self, display: impl Fn(&PackageKey) -> String, out: &mut String) {
        for (name, kind) in FIELDS {
            if *kind != FieldKind::Own {
                if let Some((_, value)) = self.known.iter().find(|(known, _)| known == name) {
                    push(out, name, value);
                }
                continue;
            }
            match *name {
                "Package" => push(out, name, &self.name),
                "Status" => {
                    push(out, name, &format!("{} {} {}", self.want, self.flag, self.status));
                }
                "Architecture" if !self.architecture.is_empty() => push(out, name, &self.architecture),
                "Multi-Arch" if self.multi_arch != MultiArch::No => push(out, name, self.multi_arch.as_str()),
                "Version" if !self.version.is_empty() => push(out, name, &self.version),
                "Config-Version" => {
                    let current = [Status::Installed, Status::NotInstalled, Status::TriggersPending];
                    if let (Some(version), false) = (&self.config_version, current.contains(&self.status)) {
                        push(out, name, version);
                    }
                }
                "Conffiles" if !self.conffiles.is_empty() => self.write_conffiles(out),
                "Triggers-Pending" if !self.triggers_pending.is_empty() => {
                    push(out, name, &self.triggers_pending.join(" "));
                }
                "Triggers-Awaited" if !self.triggers_awaited.is_empty() => {
                    let names: Vec<String> = self.triggers_awaited.iter().map(&display).collect();
                    push(out, name, &names.join(" "));
                }
                _ => {}
            }
        }
        for (name, value) in &self.extra {
            push(out, name, value);
        }
    }

    fn write_conffiles(&self, out: &mut String) {
        out.push_str("Conffiles:\n");
        for conffile in &self.conffiles {
            out.push(' ');
            out.push_str(&conffile.path);
            out.push(' ');
            out.push_str(&conffile.hash);
            if conffile.obsolete {
                out.push_str(" obsolete");
            }
            if conffile.remove_on_upgrade {
                out.push_str(" remove-on-upgrade");
            }
            out.push('\n');
        }
    }
}

fn push(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str(": ");
    out.push_str(value);
    out.push('\n');
}

pub(super) fn parse_conffile(line: &str) -> Option<Conffile> {
    let mut rest = line.strip_prefix(' ')?;
    let mut conffile = Conffile {
        path: String::new(),
        hash: String::new(),
        obsolete: false,
        remove_on_upgrade: false,
    };
    if let Some(shorter) = rest.strip_suffix(" remove-on-upgrade") {
        (conffile.remove_on_upgrade, rest) = (true, shorter);
    }
    if let Some(shorter) = rest.strip_suffix(" obsolete") {
        (conffile.obsolete, rest) = (true, shorter);
    }
    let (path, hash) = rest.rsplit_once(' ')?;
    if path.trim_matches('/').is_empty() || hash.is_empty() {
        return None;
    }
    conffile.path = format!("/{}", path.trim_start_matches('/'));
    conffile.hash = hash.to_owned();
    Some(conffile)
}
