//! One package instance as dpkg's status database knows it.

use std::fmt;

use super::error::DpkgError;
use super::relation;
use super::stanza::{fields, parse_conffile};
use super::states::{Flag, Status, Want};
use deb_types::MultiArch;

/// Names one instance of a package: name and architecture (`all` for architecture-independent ones).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageKey {
    /// package name
    pub name: String,
    /// the package's own `Architecture`
    pub architecture: String,
}

impl PackageKey {
    /// A key from its two parts.
    pub fn new(name: impl Into<String>, architecture: impl Into<String>) -> PackageKey {
        PackageKey {
            name: name.into(),
            architecture: architecture.into(),
        }
    }
}

impl fmt::Display for PackageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.architecture)
    }
}

/// What `Conffiles` records before a conffile's first installation.
pub const NEW_CONFFILE: &str = "newconffile";

/// One line of the `Conffiles` field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conffile {
    /// absolute path as the package names it
    pub path: String,
    /// MD5 in hexadecimal of the version last installed, or [`NEW_CONFFILE`]
    pub hash: String,
    /// the package no longer ships it
    pub obsolete: bool,
    /// listed with `remove-on-upgrade` (deb-conffiles(5))
    pub remove_on_upgrade: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// held in a field of [`Package`] of its own
    Own,
    Text,
    Boolean,
    Relation,
    /// only in `available`, dropped from status
    Archive,
}

/// The fields dpkg knows, in the order in which it writes them.
pub(super) const FIELDS: &[(&str, Kind)] = &[
    ("Package", Kind::Own),
    ("Essential", Kind::Boolean),
    ("Protected", Kind::Boolean),
    ("Status", Kind::Own),
    ("Priority", Kind::Text),
    ("Section", Kind::Text),
    ("Installed-Size", Kind::Text),
    ("Origin", Kind::Text),
    ("Maintainer", Kind::Text),
    ("Bugs", Kind::Text),
    ("Architecture", Kind::Own),
    ("Multi-Arch", Kind::Own),
    ("Source", Kind::Text),
    ("Version", Kind::Own),
    ("Config-Version", Kind::Own),
    ("Replaces", Kind::Relation),
    ("Provides", Kind::Relation),
    ("Depends", Kind::Relation),
    ("Pre-Depends", Kind::Relation),
    ("Recommends", Kind::Relation),
    ("Suggests", Kind::Relation),
    ("Breaks", Kind::Relation),
    ("Conflicts", Kind::Relation),
    ("Enhances", Kind::Relation),
    ("Conffiles", Kind::Own),
    ("Filename", Kind::Archive),
    ("Size", Kind::Archive),
    ("MD5sum", Kind::Archive),
    ("Description", Kind::Text),
    ("Triggers-Pending", Kind::Own),
    ("Triggers-Awaited", Kind::Own),
];

const PRIORITIES: &[&str] = &["required", "important", "standard", "optional", "extra"];

/// A package instance: its control fields as dpkg normalises them, and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// `Package`
    pub name: String,
    /// `Architecture`; empty where the stanza has none (a bare selection)
    pub architecture: String,
    /// `Version`, an epoch of 0 left out; empty where there is none
    pub version: String,
    /// `Multi-Arch`
    pub multi_arch: MultiArch,
    /// what is wanted
    pub want: Want,
    /// error flag
    pub flag: Flag,
    /// state
    pub status: Status,
    /// `Config-Version`: the version configured last
    pub config_version: Option<String>,
    /// conffiles in the order of the package's list
    pub conffiles: Vec<Conffile>,
    /// pending triggers, the one activated last first, as dpkg keeps and passes them
    pub triggers_pending: Vec<String>,
    /// packages whose trigger processing this one awaits
    pub triggers_awaited: Vec<PackageKey>,
    pub(super) known: Vec<(&'static str, String)>,
    pub(super) extra: Vec<(String, String)>,
}

impl Package {
    /// Parses one stanza: a binary package's control file (deb-control(5)) or one of the status file.
    ///
    /// Relations, versions and booleans are normalised as dpkg does when it writes them. In
    /// `Triggers-Awaited` a name without architecture gets an empty one; the database resolves it.
    ///
    /// # Errors
    /// A stanza without `Package`, a duplicate field, a malformed relation, status or conffile line.
    pub fn parse(stanza: &str) -> Result<Package, DpkgError> {
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
                package.extra.push((name.to_owned(), value.to_owned()));
                continue;
            };
            if std::mem::replace(&mut seen[slot], true) {
                return Err(package.malformed(name, "appears twice"));
            }
            let (known, kind) = FIELDS[slot];
            package.set_field(known, kind, value)?;
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

    fn set_field(&mut self, name: &'static str, kind: Kind, value: &str) -> Result<(), DpkgError> {
        match kind {
            Kind::Archive => {}
            Kind::Boolean => {
                if value.eq_ignore_ascii_case("yes") {
                    self.known.push((name, "yes".to_owned()));
                } else if !value.is_empty() && !value.eq_ignore_ascii_case("no") {
                    return Err(self.malformed(name, "is neither yes nor no"));
                }
            }
            Kind::Relation => {
                if !value.is_empty() {
                    let text =
                        relation::normalise(value).map_err(|problem| self.malformed(name, &problem))?;
                    self.known.push((name, text));
                }
            }
            Kind::Text => {
                let value = match PRIORITIES
                    .iter()
                    .find(|p| name == "Priority" && p.eq_ignore_ascii_case(value))
                {
                    Some(known) => known,
                    None => value,
                };
                if !value.is_empty() {
                    self.known.push((name, value.to_owned()));
                }
            }
            Kind::Own => self.set_own(name, value)?,
        }
        Ok(())
    }

    fn set_own(&mut self, name: &str, value: &str) -> Result<(), DpkgError> {
        match name {
            "Package" => {
                relation::check_name(value).map_err(|problem| self.malformed(name, &problem))?;
                self.name = value.to_owned();
            }
            "Architecture" => {
                if value.bytes().any(|b| !(b.is_ascii_alphanumeric() || b == b'-')) {
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
                self.version = relation::version(value).map_err(|problem| self.malformed(name, &problem))?;
            }
            "Config-Version" => {
                let version = relation::version(value).map_err(|problem| self.malformed(name, &problem))?;
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

    /// This instance's key.
    pub fn key(&self) -> PackageKey {
        PackageKey::new(&self.name, &self.architecture)
    }

    /// A control field by name (any case), normalised; not those that are fields of this type.
    pub fn field(&self, name: &str) -> Option<&str> {
        let known = self.known.iter().map(|(n, v)| (*n, v));
        let extra = self.extra.iter().map(|(n, v)| (n.as_str(), v));
        known
            .chain(extra)
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The values of `Depends` and `Pre-Depends`, in the order in which dpkg read them.
    pub fn requirements(&self) -> impl Iterator<Item = &str> {
        let wanted = |name: &str| matches!(name, "Depends" | "Pre-Depends");
        let fields = self.known.iter().filter(move |(name, _)| wanted(name));
        fields.map(|(_, value)| value.as_str())
    }

    /// Puts the fields into the order in which they are in the status file.
    pub(super) fn reread(&mut self) {
        self.known
            .sort_by_key(|(name, _)| FIELDS.iter().position(|(known, _)| known == name));
        self.triggers_pending.reverse();
        // Not written for these, and so known from here on (dpkg's lib/dpkg/parse.c): it shows when
        // the package is half-configured again, for its triggers.
        if matches!(self.status, Status::Installed | Status::TriggersPending) {
            self.config_version.get_or_insert_with(|| self.version.clone());
        }
    }

    /// Whether `Essential: yes`.
    pub fn essential(&self) -> bool {
        self.field("Essential").is_some()
    }

    /// dpkg's unambiguous name: with `:ARCH` for `Multi-Arch: same` and for an architecture that
    /// is neither `native` nor `all`.
    pub fn display_name(&self, native: &str) -> String {
        if self.needs_architecture(native) {
            format!("{}:{}", self.name, self.architecture)
        } else {
            self.name.clone()
        }
    }

    pub(super) fn needs_architecture(&self, native: &str) -> bool {
        !self.architecture.is_empty()
            && (self.multi_arch == MultiArch::Same
                || (self.architecture != native && self.architecture != "all"))
    }

    /// The name in `info/` and in trigger interests: with `:ARCH` for `Multi-Arch: same` only.
    pub fn info_name(&self) -> String {
        if self.multi_arch == MultiArch::Same && !self.architecture.is_empty() {
            format!("{}:{}", self.name, self.architecture)
        } else {
            self.name.clone()
        }
    }

    /// What dpkg knows of a package not installed before while it unpacks it: name, architecture,
    /// version, priority, section and Multi-Arch, but none of the other fields yet.
    pub(super) fn before_unpack(&self) -> Package {
        let mut package = self.clone();
        package
            .known
            .retain(|(name, _)| matches!(*name, "Priority" | "Section"));
        package.extra.clear();
        package.conffiles.clear();
        package
    }

    /// Whether dpkg would write this stanza at all.
    pub(super) fn is_informative(&self) -> bool {
        self.want != Want::Unknown
            || self.flag != Flag::Ok
            || self.status != Status::NotInstalled
            || self.config_version.is_some()
    }
}
