//! One request for one URL: http and https as the [`Connections`] say, file and copy from this machine's disk.
//!
//! Redirections are followed here and not by the HTTP library, so that the rules
//! for their destinations are in one place.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Mutex;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header;
use url::Url;

use super::connections::{Connections, ProxyChoice, TlsSettings};
use super::package_file::show;
use super::{ArchiveError, Result};

/// Largest number of redirections for one request.
const REDIRECTIONS: usize = 10;
const USER_AGENT: &str = concat!("rootless-install/", env!("CARGO_PKG_VERSION"));

/// A server's names for the version of a file, for conditional requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Validators {
    /// `ETag`.
    pub(super) etag: Option<String>,
    /// `Last-Modified`.
    pub(super) last_modified: Option<String>,
}

/// The body of an answer.
pub(super) struct Body {
    /// Its bytes.
    pub(super) reader: Box<dyn Read>,
    /// Offset of its first byte in the file.
    pub(super) offset: u64,
    /// Number of bytes, if the server names it.
    pub(super) length: Option<u64>,
    /// Validators for the next request.
    pub(super) validators: Validators,
}

/// A successful answer.
pub(super) enum TransportReply {
    NotModified,
    Body(Body),
}

/// Failure of one request.
#[derive(Debug)]
pub(super) enum RequestError {
    NotFound,
    Status {
        status: u16,
        retry_after: Option<Duration>,
    },
    Unreachable(String),
    Redirect {
        to: String,
        reason: &'static str,
    },
    Local(io::Error),
    /// The network is not to be used.
    Offline,
    Fatal(ArchiveError),
}

impl RequestError {
    /// Whether the same request may succeed later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Status { status, .. } => *status >= 500 || matches!(*status, 408 | 425 | 429),
            Self::NotFound | Self::Redirect { .. } | Self::Local(_) | Self::Offline | Self::Fatal(_) => false,
        }
    }

    /// Returns the error for the user; `name` is that of the file.
    pub(super) fn into_error(self, name: &str, url: &Url) -> ArchiveError {
        let shown = show(url);
        match self {
            Self::NotFound => ArchiveError::NotFound {
                name: name.to_owned(),
                url: shown,
            },
            Self::Status { status, .. } => ArchiveError::Status { url: shown, status },
            Self::Unreachable(reason) => ArchiveError::Unreachable { url: shown, reason },
            Self::Redirect { to, reason } => ArchiveError::BadRedirect {
                url: shown,
                to,
                reason,
            },
            Self::Local(error) => ArchiveError::io("read", url.path())(error),
            Self::Offline => ArchiveError::Offline {
                name: name.to_owned(),
                url: shown,
            },
            Self::Fatal(error) => error,
        }
    }
}

/// Settings of connections.
#[derive(Clone, Debug)]
pub(super) struct TransportOptions {
    /// Time limit for making a connection.
    pub(super) connect_timeout: Duration,
    /// Time limit for each wait for the server's next bytes.
    pub(super) read_timeout: Duration,
    /// Proxies, certificates, users and passwords.
    pub(super) connections: Connections,
    /// Whether the network must not be used.
    pub(super) offline: bool,
}

/// What a client differs by: its proxy, and for https its certificates. Reading these takes time.
type ClientKind = (ProxyChoice, Option<TlsSettings>);

/// Makes requests; an HTTP client is set up when the first URL needs it.
#[derive(Debug)]
pub(super) struct Transport {
    options: TransportOptions,
    clients: Mutex<HashMap<ClientKind, Client>>,
}

impl Transport {
    pub(super) fn new(options: TransportOptions) -> Self {
        Self {
            options,
            clients: Mutex::default(),
        }
    }

    /// Reaches servers in another way from now on.
    pub(super) fn set_connections(&mut self, connections: Connections) {
        self.options.connections = connections;
        self.clients = Mutex::default();
    }

    /// Asks nothing of the network from now on, or again.
    pub(super) fn set_offline(&mut self, offline: bool) {
        self.options.offline = offline;
    }

    /// Requests `url` from byte `offset` on; the body may begin earlier.
    pub(super) fn get(
        &self,
        url: &Url,
        offset: u64,
        validators: &Validators,
    ) -> std::result::Result<TransportReply, RequestError> {
        match url.scheme() {
            "http" | "https" if self.options.offline => Err(RequestError::Offline),
            "http" | "https" => self.get_http(url, offset, validators),
            "file" | "copy" => get_local(url, offset),
            _ => Err(RequestError::Redirect {
                to: show(url),
                reason: "only http, https, file and copy are supported",
            }),
        }
    }

    fn kind(&self, url: &Url) -> ClientKind {
        let proxy = self.options.connections.proxy(url);
        let secure = url.scheme() == "https" || is_secure(&proxy);
        (proxy, secure.then(|| self.options.connections.tls(url)))
    }

    fn client(&self, url: &Url) -> Result<Client> {
        let kind = self.kind(url);
        let mut clients = self
            .clients
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(known) = clients.get(&kind) {
            return Ok(known.clone());
        }
        let client = build_client(&self.options, &kind)?;
        clients.insert(kind, client.clone());
        Ok(client)
    }

    fn get_http(
        &self,
        first: &Url,
        offset: u64,
        validators: &Validators,
    ) -> std::result::Result<TransportReply, RequestError> {
        let mut url = first.clone();
        for _ in 0..=REDIRECTIONS {
            let client = self.client(&url).map_err(RequestError::Fatal)?;
            let mut request = client.get(url.clone());
            if let Some((login, password)) = self.options.connections.credentials.find(&url) {
                request = request.basic_auth(login, Some(password));
            }
            if offset > 0 {
                request = request.header(header::RANGE, format!("bytes={offset}-"));
            }
            if let Some(etag) = &validators.etag {
                request = request.header(header::IF_NONE_MATCH, etag);
            }
            if let Some(date) = &validators.last_modified {
                request = request.header(header::IF_MODIFIED_SINCE, date);
            }
            let response = request
                .send()
                .map_err(|error| RequestError::Unreachable(reason(error)))?;
            let status = response.status();
            if status == StatusCode::NOT_MODIFIED {
                return Ok(TransportReply::NotModified);
            }
            if status.is_redirection() {
                url = redirected(&url, &response)?;
                continue;
            }
            return body(response, offset).map(TransportReply::Body);
        }
        Err(RequestError::Redirect {
            to: show(&url),
            reason: "there are too many redirections",
        })
    }
}

/// Returns the destination of a redirection, if it may be followed.
fn redirected(from: &Url, response: &Response) -> std::result::Result<Url, RequestError> {
    let refuse = |to: &str, reason| {
        Err(RequestError::Redirect {
            to: to.escape_debug().to_string(),
            reason,
        })
    };
    let Some(location) = response
        .headers()
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok())
    else {
        return Err(RequestError::Status {
            status: response.status().as_u16(),
            retry_after: None,
        });
    };
    match from.join(location) {
        Ok(to) if to.scheme() == "https" => Ok(to),
        Ok(to) if to.scheme() == "http" && from.scheme() == "http" => Ok(to),
        Ok(to) if to.scheme() == "http" => refuse(&show(&to), "it leads from https to http"),
        Ok(to) => refuse(&show(&to), "a server may only point at http and https"),
        Err(_) => refuse(location, "it is no URL"),
    }
}

fn body(response: Response, asked: u64) -> std::result::Result<Body, RequestError> {
    let status = response.status();
    let text = |name| {
        let value: Option<&header::HeaderValue> = response.headers().get(name);
        value.and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let offset = match status {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT => match text(header::CONTENT_RANGE).as_deref().and_then(range_start) {
            // A part that is not the one asked for cannot be put anywhere.
            Some(start) if start == asked => start,
            _ => {
                return Err(RequestError::Status {
                    status: 416,
                    retry_after: None,
                });
            }
        },
        StatusCode::NOT_FOUND | StatusCode::GONE => return Err(RequestError::NotFound),
        _ => {
            let seconds = text(header::RETRY_AFTER).and_then(|value| value.trim().parse().ok());
            let retry_after = seconds.map(Duration::from_secs);
            return Err(RequestError::Status {
                status: status.as_u16(),
                retry_after,
            });
        }
    };
    let validators = Validators {
        etag: text(header::ETAG),
        last_modified: text(header::LAST_MODIFIED),
    };
    let length = text(header::CONTENT_LENGTH).and_then(|value| value.parse().ok());
    Ok(Body {
        reader: Box::new(response),
        offset,
        length,
        validators,
    })
}

/// Returns START of `bytes START-END/TOTAL` (`Content-Range`).
fn range_start(value: &str) -> Option<u64> {
    value
        .trim()
        .strip_prefix("bytes")?
        .trim_start()
        .split('-')
        .next()?
        .parse()
        .ok()
}

fn get_local(url: &Url, offset: u64) -> std::result::Result<TransportReply, RequestError> {
    let as_file = Url::parse(&format!("file://{}", url.path())).ok();
    let path = as_file
        .and_then(|url| url.to_file_path().ok())
        .unwrap_or_else(|| url.path().into());
    let open = || -> io::Result<Body> {
        let mut file = File::open(&path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "not a regular file"));
        }
        let offset = offset.min(meta.len());
        file.seek(SeekFrom::Start(offset))?;
        let length = Some(meta.len().saturating_sub(offset));
        Ok(Body {
            reader: Box::new(file),
            offset,
            length,
            validators: Validators::default(),
        })
    };
    match open() {
        Ok(body) => Ok(TransportReply::Body(body)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Err(RequestError::NotFound)
        }
        Err(error) => Err(RequestError::Local(error)),
    }
}

/// Variables of the environment that name a proxy for http URLs (curl(1)).
const PROXIES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// Whether http URLs may go through an https proxy.
fn is_secure(proxy: &ProxyChoice) -> bool {
    match proxy {
        ProxyChoice::Direct => false,
        ProxyChoice::Of { url, .. } => url.starts_with("https:"),
        ProxyChoice::Environment => {
            let given = PROXIES.into_iter().filter_map(std::env::var_os);
            let mut given = given.map(|proxy| proxy.to_string_lossy().into_owned());
            given.any(|proxy| proxy.starts_with("https:"))
        }
    }
}

/// Makes a client; one that is not for https has no certificates.
fn build_client(options: &TransportOptions, kind: &ClientKind) -> Result<Client> {
    // An error here means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (proxy, tls) = kind;
    let begin = || {
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(options.connect_timeout)
            // For the blocking client this bounds each wait, not the whole transfer.
            .timeout(options.read_timeout)
            .tcp_keepalive(Duration::from_secs(30));
        options.connections.set_proxy(builder, proxy)
    };
    let failed = |error| ArchiveError::Client {
        reason: reason(error),
    };
    let without = || {
        begin()?
            .tls_certs_only(std::iter::empty())
            .build()
            .map_err(failed)
    };
    let Some(tls) = tls else { return without() };
    let made = tls.set(begin()?)?.build();
    match made {
        // A machine without CA certificates still reaches http mirrors, and those without a proof.
        Err(error) if tls.needs_machine() => without().map_err(|_| failed(error)),
        made => made.map_err(failed),
    }
}

/// What is to be done about words in errors of TLS (rustls).
const ADVICE: [(&str, &str); 4] = [
    (
        "UnknownIssuer",
        "the server's certificate is by an authority that is not trusted here; name its certificate with --ca-certificate FILE",
    ),
    (
        "CertificateRequired",
        "the server wants a certificate; name yours with --client-certificate FILE",
    ),
    (
        "UnknownCA",
        "the server does not know the authority of the certificate given with --client-certificate",
    ),
    ("NotValidForName", "the server's certificate is for another host"),
];

/// Returns the causes of an HTTP error, without the URL (which may hold a password)
/// and without repetitions.
pub(super) fn reason(error: reqwest::Error) -> String {
    let timed_out = error.is_timeout();
    let error = error.without_url();
    let mut causes: Vec<String> = Vec::new();
    let mut next: Option<&dyn std::error::Error> = Some(&error);
    while let Some(cause) = next {
        let text = cause.to_string();
        if !causes.iter().any(|known| known.contains(&text)) {
            causes.push(text);
        }
        next = cause.source();
    }
    if timed_out && !causes.iter().any(|cause| cause.contains("timed out")) {
        causes.push("timed out".into());
    }
    if causes.len() > 1 {
        causes.retain(|cause| cause != "error sending request");
    }
    let text = causes.join(": ");
    let advice = ADVICE.iter().find(|(word, _)| text.contains(word));
    match advice {
        Some((_, advice)) => format!("{text} ({advice})"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_read_for_https_only() {
        let transport = |settings: &str| {
            let mut connections = Connections::default();
            connections.add_settings(settings);
            Transport::new(TransportOptions {
                connect_timeout: Duration::from_secs(1),
                read_timeout: Duration::from_secs(1),
                connections,
                offline: false,
            })
        };
        let url = |text: &str| Url::parse(text).unwrap();
        let plain = transport("");
        assert!(plain.kind(&url("http://mirror.example.org/")).1.is_none());
        assert!(plain.kind(&url("https://mirror.example.org/")).1.is_some());
        let by_proxy = transport("Acquire::http::Proxy \"https://proxy.example.org/\";");
        assert!(by_proxy.kind(&url("http://mirror.example.org/")).1.is_some());
        for host in ["a", "b", "a"] {
            let text = format!("http://{host}.example.org/");
            plain.client(&Url::parse(&text).unwrap()).unwrap();
        }
        // Hosts of one kind share a client, and with it connections.
        assert_eq!(plain.clients.lock().unwrap().len(), 1);
    }
}
