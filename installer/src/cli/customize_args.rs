//! Options for what a system is to be beside its packages.

use std::path::Path;

use clap::{ArgAction, Args};

use crate::customization::{
    Customization, FileEntry, Group, HostKeys, MachineId, Network, User, Wrong, from_words,
};

use super::choices;

/// Options for the system in the result.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "The system in the result")]
pub(super) struct CustomizeArgs {
    /// Name of the system
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,

    /// Locale of the system, as de_DE.UTF-8; the package locales makes it
    #[arg(long, value_name = "LOCALE")]
    pub locale: Option<String>,

    /// Time zone, as Europe/Berlin; the package tzdata has them
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,

    /// Make a user, or change one that is there
    ///
    /// Keys after the name: uid, group, groups, comment, home, shell, password-hash, ssh-keys, system. `anna:groups=sudo,video:uid=1000`
    /// is made as useradd(8) makes her, with a home from /etc/skel. May be given more than once.
    #[arg(long, value_name = "NAME[:KEY=VALUE]...", action = ArgAction::Append)]
    pub user: Vec<String>,

    /// Make a group
    ///
    /// Keys after the name: gid, system. May be given more than once.
    #[arg(long, value_name = "NAME[:KEY=VALUE]...", action = ArgAction::Append)]
    pub group: Vec<String>,

    /// A public key that may log in by ssh, or a file of such keys
    ///
    /// Without a user it is for the one of --user, or for root where there is none. May be given more than once.
    #[arg(long, value_name = "[USER=]KEY|FILE", action = ArgAction::Append)]
    pub ssh_key: Vec<String>,

    /// Copy a file, or a directory with what is in it, into the system
    ///
    /// It is root's there, and has the mode 0644, or 0755 where it is executable. DST is an absolute path, or a directory with a `/` at
    /// the end. May be given more than once.
    #[arg(long, value_name = "SRC:DST", action = ArgAction::Append)]
    pub copy: Vec<String>,

    /// Set up a network
    ///
    /// Keys after the name of the interface: dhcp, address, gateway, dns, domains, manager. `eth0` has its address by DHCP,
    /// `eth0:address=192.0.2.2/24:gateway=192.0.2.1` has this one. May be given more than once.
    #[arg(long, value_name = "INTERFACE[:KEY=VALUE]...", action = ArgAction::Append)]
    pub network: Vec<String>,

    /// Units that start with the system
    #[arg(long, value_name = "UNIT,...", value_delimiter = ',', action = ArgAction::Append)]
    pub enable: Vec<String>,

    /// Units that do not start with the system
    #[arg(long, value_name = "UNIT,...", value_delimiter = ',', action = ArgAction::Append)]
    pub disable: Vec<String>,

    /// Units that nothing can start
    #[arg(long, value_name = "UNIT,...", value_delimiter = ',', action = ArgAction::Append)]
    pub mask: Vec<String>,

    /// Id of the machine: empty, uninitialized, absent, or 32 hexadecimal digits [default: empty]
    #[arg(long, value_name = "ID")]
    pub machine_id: Option<String>,

    /// Host keys of ssh that packages have made [default: keep]
    #[arg(long, value_name = "WHAT", value_parser = choices::host_keys())]
    pub ssh_host_keys: Option<HostKeys>,
}

impl CustomizeArgs {
    /// Returns what the options ask for.
    ///
    /// # Errors
    /// [`Wrong`], with the name of the option.
    pub(super) fn customization(&self) -> Result<Customization, Wrong> {
        let directory = Path::new("");
        let mut all = Customization {
            hostname: self.hostname.clone(),
            locale: self.locale.clone(),
            timezone: self.timezone.clone(),
            enable: self.enable.clone(),
            disable: self.disable.clone(),
            mask: self.mask.clone(),
            host_keys: self.ssh_host_keys,
            machine_id: self.machine_id.as_deref().map(MachineId::parse).transpose()?,
            ..Customization::default()
        };
        let of = |option: &str, value: &str, wrong: Wrong| Wrong {
            key: option.to_owned(),
            what: format!("`{value}`: {wrong}"),
        };
        for text in &self.group {
            let group: Group = from_words("name", text).map_err(|wrong| of("group", text, wrong))?;
            group.check().map_err(|wrong| of("group", text, wrong))?;
            all.groups.push(group);
        }
        for text in &self.user {
            let mut user: User = from_words("name", text).map_err(|wrong| of("user", text, wrong))?;
            user.complete(directory)
                .map_err(|wrong| of("user", text, wrong))?;
            all.users.push(user);
        }
        for text in &self.network {
            let network: Network =
                from_words("interface", text).map_err(|wrong| of("network", text, wrong))?;
            network.check().map_err(|wrong| of("network", text, wrong))?;
            all.networks.push(network);
        }
        for text in &self.copy {
            let mut file = FileEntry::of_copy(text)?;
            file.complete(directory)
                .map_err(|wrong| of("copy", text, wrong))?;
            all.files.push(file);
        }
        for text in &self.ssh_key {
            all.add_key(text)?;
        }
        Ok(all)
    }
}
