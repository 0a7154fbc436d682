//! What a system is to be beside its packages: users and groups, files, its name, locale, time zone and networks, units,
//! and what of its identity it keeps.
//!
//! A [`Customization`] is data, made of options and of recipes alike. [`Customization::check`] is done before anything is fetched,
//! [`apply()`] when all packages are configured and before the customize hooks. What needs a program runs the target's own,
//! which is what root would have run in a chroot.

mod accounts;
mod apply;
mod error;
mod fields;
mod files;
mod identity;
mod network;
mod place;
mod system;
mod units;

use std::path::Path;

pub use accounts::{Group, User};
pub use apply::{Programs, Ran, apply};
pub use error::{CustomizationError, Wrong};
pub use fields::{Field, Kind, fields, from_words};
pub use files::FileEntry;
pub use identity::{HostKeys, MachineId, finish};
pub use network::Network;

/// All that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customization {
    /// The system's name (hostname(5)).
    pub hostname: Option<String>,
    /// The locale of the system: the value of `LANG`.
    pub locale: Option<String>,
    /// The time zone, by its name below /usr/share/zoneinfo.
    pub timezone: Option<String>,
    /// Groups.
    pub groups: Vec<Group>,
    /// Users.
    pub users: Vec<User>,
    /// Files.
    pub files: Vec<FileEntry>,
    /// Networks.
    pub networks: Vec<Network>,
    /// Units that start with the system.
    pub enable: Vec<String>,
    /// Units that do not.
    pub disable: Vec<String>,
    /// Units that nothing can start.
    pub mask: Vec<String>,
    /// The machine's id; none leaves an empty file where the packages made one.
    pub machine_id: Option<MachineId>,
    /// Host keys of sshd(8); none keeps what the package has made.
    pub host_keys: Option<HostKeys>,
}

impl Customization {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether programs of the target are needed.
    pub fn needs_programs(&self) -> bool {
        !(self.groups.is_empty()
            && self.users.is_empty()
            && self.networks.is_empty()
            && self.enable.is_empty()
            && self.disable.is_empty()
            && self.mask.is_empty()
            && self.locale.is_none())
    }

    /// Adds what another one asks for; what there is only one of is then the other's.
    pub fn extend(&mut self, other: Self) {
        self.hostname = other.hostname.or(self.hostname.take());
        self.locale = other.locale.or(self.locale.take());
        self.timezone = other.timezone.or(self.timezone.take());
        self.machine_id = other.machine_id.or(self.machine_id.take());
        self.host_keys = other.host_keys.or(self.host_keys);
        self.groups.extend(other.groups);
        self.users.extend(other.users);
        self.files.extend(other.files);
        self.networks.extend(other.networks);
        self.enable.extend(other.enable);
        self.disable.extend(other.disable);
        self.mask.extend(other.mask);
    }

    /// Adds a public key for ssh: `[USER=]KEY|FILE`. Without a user it is that of the only user that is asked for, or of
    /// root where there is none.
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn add_key(&mut self, text: &str) -> Result<(), Wrong> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        let (user, key) = match text.split_once('=').filter(|(user, _)| is_name(user)) {
            Some((user, key)) => (user.to_owned(), key),
            None => match self.users.as_slice() {
                [] => ("root".to_owned(), text),
                [user] => (user.name.clone(), text),
                _ => {
                    let what = format!("`{text}` may be for several users: write it as USER=…");
                    return Err(Wrong::new("ssh-key", what));
                }
            },
        };
        let keys = accounts::read_keys(&[key.to_owned()], Path::new(""))
            .map_err(|wrong| Wrong::new("ssh-key", wrong.what))?;
        match self.users.iter_mut().find(|known| known.name == user) {
            Some(known) => known.ssh_keys.extend(keys),
            None => self.users.push(User {
                name: user,
                ssh_keys: keys,
                ..User::default()
            }),
        }
        Ok(())
    }

    /// Checks that its parts agree with one another. Each part has been checked when it was made.
    ///
    /// # Errors
    /// [`Wrong`] with what does not.
    pub fn check(&self) -> Result<(), Wrong> {
        let twice = |what: &'static str, names: Vec<&str>| {
            let mut seen = std::collections::HashSet::new();
            match names.into_iter().find(|name| !seen.insert(*name)) {
                Some(name) => Err(Wrong::new(what, format!("`{name}` is there twice"))),
                None => Ok(()),
            }
        };
        twice("user", self.users.iter().map(|user| user.name.as_str()).collect())?;
        twice(
            "group",
            self.groups.iter().map(|group| group.name.as_str()).collect(),
        )?;
        twice(
            "network",
            self.networks
                .iter()
                .map(|network| network.interface.as_str())
                .collect(),
        )?;
        let paths = self.files.iter().map(|file| file.path.as_str());
        // Trees may go to one directory.
        let single = self.files.iter().filter(|file| !file.is_tree());
        twice("file", single.map(|file| file.path.as_str()).collect())?;
        for path in paths {
            place::check_path(Path::new(path)).map_err(|what| Wrong::new("file", what))?;
        }
        if let Some(name) = &self.hostname {
            system::check_hostname(name)?;
        }
        if let Some(zone) = &self.timezone {
            system::check_timezone(zone)?;
        }
        if let Some(locale) = &self.locale {
            system::check_locale(locale)?;
        }
        for (key, all) in [
            ("enable", &self.enable),
            ("disable", &self.disable),
            ("mask", &self.mask),
        ] {
            all.iter().try_for_each(|unit| units::check(key, unit))?;
        }
        let enabled = self
            .enable
            .iter()
            .find(|unit| self.disable.contains(unit) || self.mask.contains(unit));
        match enabled {
            Some(unit) => Err(Wrong::new(
                "enable",
                format!("the unit `{unit}` is also to be disabled or masked"),
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
