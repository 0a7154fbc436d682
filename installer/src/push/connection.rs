//! How a registry is reached: with or without TLS, certificates, proxies.

use super::failure::words;
use super::{Destination, PushError, PushOptions};
use oci_client::client::{Certificate, CertificateEncoding, Client, ClientConfig, ClientProtocol};
use std::time::Duration;

/// Prepares connections; makes none.
///
/// # Errors
/// [`PushError::Client`], and those of reading certificates.
pub(super) fn client(options: &PushOptions) -> Result<Client, PushError> {
    let destination = &options.destination;
    // An error here means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authorities = match &options.authority {
        Some(path) => certificates(path)?,
        None => Vec::new(),
    };
    let plain = options.plain_http || destination.is_loopback() && authorities.is_empty();
    let proxy = |name| proxy(destination, name);
    let config = ClientConfig {
        protocol: match plain {
            true => ClientProtocol::Http,
            false => ClientProtocol::Https,
        },
        // One request for a blob, which is read from the disk while it is sent.
        use_monolithic_push: true,
        extra_root_certificates: authorities,
        connect_timeout: Some(options.limit.min(Duration::from_secs(30))),
        user_agent: concat!("rootless-install/", env!("CARGO_PKG_VERSION")),
        no_proxy: Some(format!(
            "{},localhost,127.0.0.0/8,::1",
            variable("no_proxy").unwrap_or_default()
        )),
        http_proxy: proxy("http_proxy"),
        https_proxy: proxy("https_proxy"),
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(|error| PushError::Client {
        registry: destination.registry().to_owned(),
        what: words(&error),
    })
}

/// Returns a variable of the environment that is set, of either case.
fn variable(name: &str) -> Option<String> {
    let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    get(name).or_else(|| get(&name.to_uppercase()))
}

/// Returns the proxy that has to be named, since by itself the client would also ask it for what is on this machine; none where
/// it finds the right one.
fn proxy(destination: &Destination, name: &str) -> Option<String> {
    let given = || variable(name).or_else(|| variable("all_proxy"));
    destination.is_loopback().then(given).flatten()
}

/// Reads certificates in PEM.
fn certificates(path: &std::path::Path) -> Result<Vec<Certificate>, PushError> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = std::fs::read(path).map_err(|source| PushError::File {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    let text = String::from_utf8_lossy(&text);
    let all: Vec<Certificate> = text
        .split_inclusive(END)
        .filter(|part| part.contains("-----BEGIN CERTIFICATE-----") && part.ends_with(END))
        .map(|part| Certificate {
            encoding: CertificateEncoding::Pem,
            data: part.as_bytes().to_vec(),
        })
        .collect();
    match all.is_empty() {
        true => Err(PushError::Source {
            path: path.to_owned(),
            what: "it has no certificate in PEM".to_owned(),
        }),
        false => Ok(all),
    }
}
