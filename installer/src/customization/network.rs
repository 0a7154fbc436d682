//! Networks of a system, as systemd-networkd(8) or ifupdown (interfaces(5)) is told of them.

use super::apply::System;
use super::error::{CustomizationError, Wrong};
use super::{place, units};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt::Write as _;
use std::net::IpAddr;

type Result<T> = std::result::Result<T, CustomizationError>;

/// Ways to have addresses by DHCP: words, and those of systemd.network(5) and of interfaces(5).
const DHCP: [(&str, &str, &[&str]); 4] = [
    ("yes", "yes", &["inet", "inet6"]),
    ("ipv4", "ipv4", &["inet"]),
    ("ipv6", "ipv6", &["inet6"]),
    ("no", "no", &[]),
];

/// Programs of which ifupdown needs one for DHCP.
const CLIENTS: [&str; 3] = ["dhclient", "dhcpcd", "udhcpc"];

/// What manages networks.
const MANAGERS: [&str; 2] = ["systemd-networkd", "ifupdown"];

/// An interface, and how it is set up.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Network {
    /// Name of the interface; for systemd-networkd perhaps with `*`, as in `en*`
    pub interface: String,
    /// Addresses by DHCP: yes, ipv4, ipv6 or no [default: yes, where there is no address]
    pub dhcp: Option<String>,
    /// Addresses with the length of their prefixes, as in 192.0.2.10/24
    #[serde(default)]
    pub address: Vec<String>,
    /// Routers, one for each kind of address
    #[serde(default)]
    pub gateway: Vec<String>,
    /// Addresses of name servers
    #[serde(default)]
    pub dns: Vec<String>,
    /// Domains in which names are looked for
    #[serde(default)]
    pub domains: Vec<String>,
    /// What manages it: systemd-networkd or ifupdown [default: ifupdown where the target has it]
    pub manager: Option<String>,
}

fn address(key: &str, text: &str) -> std::result::Result<IpAddr, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(
            key,
            format!("`{}` is no address of IPv4 or IPv6", text.escape_debug()),
        )
    })
}

impl Network {
    /// Checks its values.
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn check(&self) -> std::result::Result<(), Wrong> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-*?[]".contains(&byte);
        // IFNAMSIZ, with the zero at the end.
        if self.interface.is_empty() || self.interface.len() > 15 || !self.interface.bytes().all(fits) {
            return Err(Wrong::new(
                "interface",
                format!("`{}` is no name of an interface", self.interface.escape_debug()),
            ));
        }
        for text in &self.address {
            let (host, length) = text.split_once('/').unwrap_or((text, ""));
            let most = if address("address", host)?.is_ipv4() {
                32
            } else {
                128
            };
            if !length.parse::<u8>().is_ok_and(|length| length <= most) {
                let what = format!(
                    "`{text}` lacks the length of its prefix: write it as {host}/{}",
                    most * 3 / 4
                );
                return Err(Wrong::new("address", what));
            }
        }
        for text in &self.gateway {
            address("gateway", text)?;
        }
        for text in &self.dns {
            address("dns", text)?;
        }
        for domain in &self.domains {
            super::system::check_hostname(domain)
                .map_err(|_| Wrong::new("domains", format!("`{}` is no domain", domain.escape_debug())))?;
        }
        if let Some(word) = &self.dhcp
            && !DHCP.iter().any(|(known, ..)| known == word)
        {
            return Err(Wrong::new(
                "dhcp",
                format!("`{word}` is not yes, ipv4, ipv6 or no"),
            ));
        }
        if let Some(word) = &self.manager
            && !MANAGERS.contains(&word.as_str())
        {
            return Err(Wrong::new(
                "manager",
                format!("`{word}` is not {}", MANAGERS.join(" or ")),
            ));
        }
        Ok(())
    }

    fn dhcp(&self) -> (&'static str, &'static [&'static str]) {
        let default = if self.address.is_empty() { "yes" } else { "no" };
        let word = self.dhcp.as_deref().unwrap_or(default);
        let found = DHCP.iter().find(|(known, ..)| *known == word);
        found.map_or(("no", &[]), |(_, networkd, families)| (*networkd, *families))
    }

    /// Returns a file of systemd.network(5).
    fn networkd(&self) -> String {
        let mut text = format!(
            "[Match]\nName={}\n\n[Network]\nDHCP={}\n",
            self.interface,
            self.dhcp().0
        );
        for (key, values) in [
            ("Address", &self.address),
            ("Gateway", &self.gateway),
            ("DNS", &self.dns),
        ] {
            for value in values {
                let _ = writeln!(text, "{key}={value}");
            }
        }
        if !self.domains.is_empty() {
            let _ = writeln!(text, "Domains={}", self.domains.join(" "));
        }
        text
    }

    /// Returns stanzas of interfaces(5).
    fn ifupdown(&self) -> String {
        let interface = &self.interface;
        let mut text = format!("auto {interface}\n");
        for family in self.dhcp().1 {
            let _ = writeln!(text, "iface {interface} {family} dhcp");
        }
        let is_v4 = |text: &str| text.contains('.') && !text.contains(':');
        let mut seen = Vec::new();
        for address in &self.address {
            let family = if is_v4(address) { "inet" } else { "inet6" };
            let _ = writeln!(text, "iface {interface} {family} static\n\taddress {address}");
            // What is there once is of the first address.
            if seen.contains(&family) {
                continue;
            }
            seen.push(family);
            let gateway = self
                .gateway
                .iter()
                .find(|gateway| is_v4(gateway) == (family == "inet"));
            if let Some(gateway) = gateway {
                let _ = writeln!(text, "\tgateway {gateway}");
            }
            if seen.len() == 1 && !self.dns.is_empty() {
                let _ = writeln!(text, "\tdns-nameservers {}", self.dns.join(" "));
            }
            if seen.len() == 1 && !self.domains.is_empty() {
                let _ = writeln!(text, "\tdns-search {}", self.domains.join(" "));
            }
        }
        text
    }
}

/// Sets the networks up.
pub(super) fn apply(networks: &[Network], system: &mut System<'_, '_>) -> Result<()> {
    if networks.is_empty() {
        return Ok(());
    }
    let target = system.target;
    let mut with_networkd = false;
    for (number, network) in networks.iter().enumerate() {
        let interface = &network.interface;
        let what = format!("network {interface}");
        let has_ifupdown = system.has_program("ifup");
        let has_networkd = place::has(target, "/usr/lib/systemd/systemd-networkd");
        let manager = match network.manager.as_deref() {
            Some(manager) => manager,
            None if has_ifupdown => "ifupdown",
            None => "systemd-networkd",
        };
        if manager == "ifupdown" {
            if !has_ifupdown {
                return Err(CustomizationError::lacks(
                    what,
                    "ifupdown",
                    "install ifupdown as well",
                ));
            }
            if interface.contains(['*', '?', '[']) {
                let reason = "ifupdown wants the name of an interface, and not a pattern";
                return Err(CustomizationError::unfit(what, reason));
            }
            if !network.dhcp().1.is_empty() && !CLIENTS.iter().any(|client| system.has_program(client)) {
                return Err(CustomizationError::lacks(
                    what,
                    "client for DHCP",
                    "install dhcpcd-base or isc-dhcp-client as well",
                ));
            }
            let path = format!("/etc/network/interfaces.d/{interface}");
            place::text(target, &path, &network.ifupdown())?;
        } else {
            if !has_networkd {
                return Err(CustomizationError::lacks(
                    what,
                    "program that manages networks",
                    "install systemd (for systemd-networkd) or ifupdown as well",
                ));
            }
            with_networkd = true;
            let name: String = interface
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
                .collect();
            let path = format!("/etc/systemd/network/{:02}-{name}.network", 10 + number);
            place::text(target, &path, &network.networkd())?;
        }
    }
    if with_networkd {
        units::change(system, "enable", &["systemd-networkd.service".to_owned()])?;
    }
    resolv_conf(networks, system)
}

/// Writes the name servers where nobody else does: the file that is there is this machine's own.
fn resolv_conf(networks: &[Network], system: &System<'_, '_>) -> Result<()> {
    let is_link = system
        .target
        .read_link(std::path::Path::new("/etc/resolv.conf"))
        .is_ok();
    if is_link || place::has(system.target, "/usr/lib/systemd/systemd-resolved") {
        return Ok(());
    }
    let mut text = String::new();
    let domains: Vec<&str> = networks
        .iter()
        .flat_map(|network| &network.domains)
        .map(String::as_str)
        .collect();
    if !domains.is_empty() {
        let _ = writeln!(text, "search {}", domains.join(" "));
    }
    for server in networks.iter().flat_map(|network| &network.dns) {
        let _ = writeln!(text, "nameserver {server}");
    }
    place::text(system.target, "/etc/resolv.conf", &text)
}
