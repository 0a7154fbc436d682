//! How servers are reached: proxies, certificates, users and passwords, for each host.
//!
//! Settings are those of apt-transport-http(1) and apt-transport-https(1), a host's own (`Acquire::https::CAInfo::HOST` or
//! `Acquire::https::HOST::CAInfo`) before those of all.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::blocking::ClientBuilder;
use reqwest::{Certificate, Identity, NoProxy, Proxy};
use url::Url;

use super::apt_settings::{AptSettings, flag, within};
use super::credentials::Credentials;
use super::package_file::show;
use super::{ArchiveError, Result};

/// Settings of connections to servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    settings: AptSettings,
    /// Users and passwords.
    pub(super) credentials: Credentials,
    /// Files of certificates that are trusted beside the machine's (PEM).
    certificates: Vec<PathBuf>,
    /// File of the certificate by which servers know this client, and perhaps its key (PEM); where a host has no other.
    client_certificate: Option<PathBuf>,
    /// File of its key.
    client_key: Option<PathBuf>,
}

/// Settings of a client for https.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct TlsSettings {
    /// The only certificates that are trusted; none for the machine's.
    only: Option<PathBuf>,
    more: Vec<PathBuf>,
    revoked: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    any_peer: bool,
    any_host: bool,
}

/// The proxy of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ProxyChoice {
    /// That of the environment, if there is one.
    Environment,
    /// None.
    Direct,
    /// This one, but for hosts of `no_proxy` if that counts.
    Of { url: String, heeds_no_proxy: bool },
}

/// Certificates that are trusted in a root filesystem of Debian (update-ca-certificates(8)).
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Whether the value of a setting is the path of a file.
fn names_file(setting: &str) -> bool {
    let of_file = ["cainfo", "crlfile", "sslcert", "sslkey"];
    setting.starts_with("acquire::") && setting.split("::").any(|part| of_file.contains(&part))
}

impl Connections {
    /// Returns those that the configuration of apt in a root filesystem says. Files that are there are meant with its path
    /// in front, others are this machine's.
    pub(super) fn of(settings: &AptSettings, root: &Path, credentials: Credentials) -> Self {
        let mut settings = settings.clone();
        settings.change(|name, value| {
            if names_file(name) {
                let own = root.join(value.trim_start_matches('/'));
                if value.starts_with('/') && own.is_file() {
                    *value = own.display().to_string();
                }
            }
        });
        Self {
            settings,
            credentials,
            ..Self::default()
        }
    }

    /// Leaves no file of this machine that the configuration of a root filesystem names: what is not in that is none of its own.
    /// Its bundle of certificates is trusted besides, as by its apt.
    pub fn confine(&mut self, root: &Path) {
        let own = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        self.settings.change(|name, value| {
            if names_file(name) && value.starts_with('/') {
                let path = Path::new(value.as_str());
                let inner = path.strip_prefix(root).or_else(|_| path.strip_prefix(&own));
                let place = within(root, inner.unwrap_or(path));
                *value = place.map_or_else(String::new, |place| place.display().to_string());
            }
        });
        let bundle = within(root, Path::new(BUNDLE)).filter(|path| path.is_file());
        self.certificates.extend(bundle);
    }

    /// Returns those with these users and passwords, certificates that are trusted, and the certificate and key of the
    /// client.
    pub fn of_user(
        credentials: Credentials,
        certificates: Vec<PathBuf>,
        (client_certificate, client_key): (Option<PathBuf>, Option<PathBuf>),
    ) -> Self {
        Self {
            credentials,
            certificates,
            client_certificate,
            client_key,
            ..Self::default()
        }
    }

    /// Adds others, which count before these.
    pub fn extend(&mut self, later: &Self) {
        self.settings.extend(&later.settings);
        let mut credentials = later.credentials.clone();
        credentials.extend(&self.credentials);
        self.credentials = credentials;
        self.certificates.extend(later.certificates.iter().cloned());
        if later.client_certificate.is_some() {
            self.client_certificate.clone_from(&later.client_certificate);
            self.client_key.clone_from(&later.client_key);
        }
    }

    /// Adds settings, as text of apt.conf(5).
    pub fn add_settings(&mut self, text: &str) {
        self.settings.add(text);
    }

    /// Returns what is set and has no effect here, in words.
    pub fn unsupported(&self) -> Vec<String> {
        let detect = ["proxy-auto-detect", "proxyautodetect"];
        let of = |scheme: &str| {
            let set = detect.iter().find_map(|option| {
                let name = format!("acquire::{scheme}::{option}");
                self.settings.get(&name).filter(|value| !value.is_empty())
            })?;
            Some(format!(
                "apt is set to ask `{set}` for proxies (Acquire::{scheme}::Proxy-Auto-Detect), which is not done here; name a proxy with {scheme}_proxy where one is needed"
            ))
        };
        ["http", "https"].into_iter().filter_map(of).collect()
    }

    /// Checks that the certificates and keys that are named here can be used.
    ///
    /// # Errors
    /// [`ArchiveError::BadCertificate`] and [`ArchiveError::Io`], naming the file.
    pub fn check(&self) -> Result<()> {
        let named = [&self.client_certificate, &self.client_key];
        if self.certificates.is_empty() && named.iter().all(|file| file.is_none()) {
            return Ok(());
        }
        let tls = TlsSettings {
            more: self.certificates.clone(),
            certificate: self.client_certificate.clone(),
            key: self.client_key.clone(),
            ..TlsSettings::default()
        };
        tls.set(ClientBuilder::new()).map(drop)
    }

    fn own(&self, scheme: &str, option: &str, host: &str) -> Option<&str> {
        [
            format!("acquire::{scheme}::{option}::{host}"),
            format!("acquire::{scheme}::{host}::{option}"),
        ]
        .iter()
        .find_map(|name| self.settings.get(name))
        .filter(|value| !value.is_empty())
    }

    fn general(&self, scheme: &str, option: &str) -> Option<&str> {
        let value = self.settings.get(&format!("acquire::{scheme}::{option}"));
        value.filter(|value| !value.is_empty())
    }

    /// Returns the proxy for a URL. As with apt what is set for http counts for https, too, unless that has its own.
    pub(super) fn proxy(&self, url: &Url) -> ProxyChoice {
        let schemes: &[&str] = match url.scheme() {
            "https" => &["https", "http"],
            _ => &["http"],
        };
        let host = url.host_str().unwrap_or_default();
        for scheme in schemes {
            let own = self.own(scheme, "proxy", host).map(|proxy| (proxy, false));
            let found = own.or_else(|| self.general(scheme, "proxy").map(|proxy| (proxy, true)));
            match found {
                Some((proxy, _)) if proxy.eq_ignore_ascii_case("direct") => return ProxyChoice::Direct,
                Some((proxy, heeds_no_proxy)) => {
                    let proxy = match proxy.contains("://") {
                        true => proxy.to_owned(),
                        false => format!("http://{proxy}"),
                    };
                    return ProxyChoice::Of {
                        url: proxy,
                        heeds_no_proxy,
                    };
                }
                None => {}
            }
        }
        ProxyChoice::Environment
    }

    /// Returns the settings of https for a URL.
    pub(super) fn tls(&self, url: &Url) -> TlsSettings {
        let host = url.host_str().unwrap_or_default();
        let get = |option: &str| {
            self.own("https", option, host)
                .or_else(|| self.general("https", option))
        };
        let file = |option: &str| get(option).map(PathBuf::from);
        let off = |option: &str| get(option).and_then(flag) == Some(false);
        let certificate = file("sslcert");
        let own = certificate.is_none();
        TlsSettings {
            only: file("cainfo"),
            more: self.certificates.clone(),
            revoked: file("crlfile"),
            certificate: certificate.or_else(|| self.client_certificate.clone()),
            key: file("sslkey").or_else(|| self.client_key.clone().filter(|_| own)),
            any_peer: off("verify-peer"),
            any_host: off("verify-host"),
        }
    }

    /// Puts a proxy into a client, with the user and password that the credentials have for it.
    pub(super) fn set_proxy(&self, builder: ClientBuilder, choice: &ProxyChoice) -> Result<ClientBuilder> {
        let ProxyChoice::Of { url, heeds_no_proxy } = choice else {
            return Ok(match choice {
                ProxyChoice::Direct => builder.no_proxy(),
                _ => builder,
            });
        };
        let bad = |reason: String| ArchiveError::Client {
            reason: format!("the proxy of apt's configuration (Acquire::http::Proxy): {reason}"),
        };
        let parsed = Url::parse(url).map_err(|error| bad(format!("it is no URL: {error}")))?;
        let known = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
        if !known.contains(&parsed.scheme()) {
            let scheme = parsed.scheme();
            return Err(bad(format!(
                "{scheme} proxies are not supported: {}",
                show(&parsed)
            )));
        }
        let mut proxy = Proxy::all(url.as_str()).map_err(|error| bad(super::transport::reason(error)))?;
        if let Some((login, password)) = self.credentials.find(&parsed) {
            proxy = proxy.basic_auth(login, password);
        }
        if *heeds_no_proxy {
            proxy = proxy.no_proxy(NoProxy::from_env());
        }
        Ok(builder.no_proxy().proxy(proxy))
    }
}

impl TlsSettings {
    /// Whether a client with these settings needs the machine's certificates.
    pub(super) fn needs_machine(&self) -> bool {
        self.only.is_none() && !self.any_peer
    }

    /// Puts the settings into a client.
    pub(super) fn set(&self, mut builder: ClientBuilder) -> Result<ClientBuilder> {
        if let Some(only) = &self.only {
            builder = builder.tls_certs_only(certificates(only)?);
        }
        for path in &self.more {
            let read = certificates(path)?;
            builder = match self.only {
                Some(_) => builder,
                None => builder.tls_certs_merge(read),
            };
        }
        if let Some(path) = &self.revoked {
            let read = reqwest::tls::CertificateRevocationList::from_pem_bundle(&read(path)?);
            let lists = read.map_err(|error| unusable(path, super::transport::reason(error)))?;
            builder = builder.tls_crls_only(lists);
        }
        match (&self.certificate, &self.key) {
            (None, None) => {}
            (None, Some(key)) => {
                return Err(unusable(
                    key,
                    "it is a key, and no certificate is named for it".into(),
                ));
            }
            (Some(path), key) => {
                let mut pem = read(path)?;
                if let Some(key) = key {
                    pem.push(b'\n');
                    pem.extend(read(key)?);
                }
                let identity = Identity::from_pem(&pem)
                    .map_err(|error| unusable(path, super::transport::reason(error)))?;
                builder = builder.identity(identity);
            }
        }
        if self.any_peer {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        if self.any_host {
            builder = builder.tls_danger_accept_invalid_hostnames(true);
        }
        Ok(builder)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(ArchiveError::io("read", path))
}

fn unusable(path: &Path, reason: String) -> ArchiveError {
    ArchiveError::BadCertificate {
        path: path.to_owned(),
        reason,
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate>> {
    let found = Certificate::from_pem_bundle(&read(path)?);
    let found = found.map_err(|error| unusable(path, super::transport::reason(error)))?;
    match found.is_empty() {
        true => Err(unusable(path, "there is no certificate in it".into())),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(text: &str) -> Connections {
        let mut found = Connections::default();
        found.add_settings(text);
        found
    }

    fn proxy(text: &str, url: &str) -> ProxyChoice {
        connections(text).proxy(&Url::parse(url).unwrap())
    }

    fn of(url: &str, heeds_no_proxy: bool) -> ProxyChoice {
        ProxyChoice::Of {
            url: url.to_owned(),
            heeds_no_proxy,
        }
    }

    #[test]
    fn proxies_of_schemes_and_hosts() {
        let text = "Acquire::http { Proxy \"http://p:1\"; Proxy::a.example.org \"DIRECT\"; };\n\
                    Acquire::https::b.example.org::Proxy \"socks5h://q:2\";";
        assert_eq!(proxy(text, "http://c.example.org/"), of("http://p:1", true));
        assert_eq!(proxy(text, "http://a.example.org/"), ProxyChoice::Direct);
        assert_eq!(proxy(text, "https://c.example.org/"), of("http://p:1", true));
        assert_eq!(proxy(text, "https://b.example.org/"), of("socks5h://q:2", false));
        let direct = "Acquire::http::Proxy \"p:1\"; Acquire::https::Proxy \"direct\";";
        assert_eq!(proxy(direct, "https://c.example.org/"), ProxyChoice::Direct);
        assert_eq!(proxy(direct, "http://c.example.org/"), of("http://p:1", true));
        assert_eq!(proxy("", "http://c.example.org/"), ProxyChoice::Environment);
        assert_eq!(
            proxy("Acquire::http::Proxy \"\";", "http://c.example.org/"),
            ProxyChoice::Environment
        );
    }

    #[test]
    fn certificates_of_hosts() {
        let mut found = connections(
            "Acquire::https { CAInfo \"/all.pem\"; CAInfo::a.example.org \"/a.pem\"; SSLCert \"/c.pem\"; \
             b.example.org::Verify-Peer \"false\"; };",
        );
        found.client_certificate = Some("/own.pem".into());
        found.client_key = Some("/own.key".into());
        let tls = |host: &str| found.tls(&Url::parse(&format!("https://{host}/")).unwrap());
        assert_eq!(tls("a.example.org").only, Some("/a.pem".into()));
        assert_eq!(tls("c.example.org").only, Some("/all.pem".into()));
        assert!(tls("b.example.org").any_peer && !tls("a.example.org").any_peer);
        // A key of another certificate is none for this one.
        assert_eq!(
            (tls("a.example.org").certificate, tls("a.example.org").key),
            (Some("/c.pem".into()), None)
        );
    }

    #[test]
    fn what_is_not_done_is_said() {
        let found = connections("Acquire::http::Proxy-Auto-Detect \"/usr/bin/detect\";").unsupported();
        assert!(found.len() == 1 && found[0].contains("/usr/bin/detect") && found[0].contains("http_proxy"));
        assert!(
            connections("Acquire::http::Proxy \"http://p\";")
                .unsupported()
                .is_empty()
        );
    }

    #[test]
    fn files_of_the_target_come_first() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("etc/ca.pem"), "x").unwrap();
        let mut settings = AptSettings::default();
        settings.add("Acquire::https::CAInfo \"/etc/ca.pem\"; Acquire::https::SSLCert \"/etc/nowhere.pem\";");
        let found = Connections::of(&settings, dir.path(), Credentials::default());
        let tls = found.tls(&Url::parse("https://mirror.example.org/").unwrap());
        assert_eq!(tls.only, Some(dir.path().join("etc/ca.pem")));
        assert_eq!(tls.certificate, Some("/etc/nowhere.pem".into()));
        let error = tls.set(ClientBuilder::new()).unwrap_err().to_string();
        assert!(error.contains("ca.pem"), "{error}");
    }
}
