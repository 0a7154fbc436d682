//! One package instance as dpkg's status database knows it.

use deb_types::{MultiArch, PackageKey};

use super::fields::FIELDS;
use super::states::{Flag, Status, Want};

/// Hash that `Conffiles` has before a conffile's first installation.
pub const NEW_CONFFILE: &str = "newconffile";

/// One line of the `Conffiles` field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conffile {
    /// Absolute path as the package names it.
    pub path: String,
    /// MD5 in hexadecimal of the version last installed, or [`NEW_CONFFILE`]
    pub hash: String,
    /// The package no longer ships it.
    pub obsolete: bool,
    /// Listed with `remove-on-upgrade` (deb-conffiles(5)).
    pub remove_on_upgrade: bool,
}

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
    /// Selection state.
    pub want: Want,
    /// Error flag.
    pub flag: Flag,
    /// State.
    pub status: Status,
    /// `Config-Version`: the version configured last
    pub config_version: Option<String>,
    /// Conffiles in the order of the package's list.
    pub conffiles: Vec<Conffile>,
    /// Pending triggers, the one activated last first, as dpkg keeps and passes them.
    pub triggers_pending: Vec<String>,
    /// Packages whose trigger processing this one awaits.
    pub triggers_awaited: Vec<PackageKey>,
    pub(super) known: Vec<(&'static str, String)>,
    pub(super) extra: Vec<(String, String)>,
}

impl Package {
    /// Returns this instance's key.
    pub fn key(&self) -> PackageKey {
        PackageKey::new(&self.name, &self.architecture)
    }

    /// Returns a control field by name (any case), normalised; not those that are fields of this type.
    pub fn field(&self, name: &str) -> Option<&str> {
        let known = self.known.iter().map(|(n, v)| (*n, v));
        let extra = self.extra.iter().map(|(n, v)| (n.as_str(), v));
        known
            .chain(extra)
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Returns the values of `Depends` and `Pre-Depends`, in the order in which dpkg read them.
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

    /// Returns whether the package is `Essential: yes`.
    pub fn essential(&self) -> bool {
        self.field("Essential").is_some()
    }

    /// Returns dpkg's unambiguous name: with `:ARCH` for `Multi-Arch: same` and for an architecture that
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

    /// Returns the name in `info/` and in trigger interests: with `:ARCH` for `Multi-Arch: same` only.
    pub fn info_name(&self) -> String {
        if self.multi_arch == MultiArch::Same && !self.architecture.is_empty() {
            format!("{}:{}", self.name, self.architecture)
        } else {
            self.name.clone()
        }
    }

    /// Returns what dpkg knows of a package not installed before while it unpacks it: name, architecture,
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

    /// Returns whether dpkg would write this stanza at all.
    pub(super) fn is_informative(&self) -> bool {
        self.want != Want::Unknown
            || self.flag != Flag::Ok
            || self.status != Status::NotInstalled
            || self.config_version.is_some()
    }
}
