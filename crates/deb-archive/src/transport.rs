//! One request for one URL: http and https through the proxies the environment
//! names, file and copy from this machine's disk.
//!
//! Redirections are followed here and not by the HTTP library, so that the rules
//! for their destinations are in one place.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header;
use url::Url;

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
    /// Proxy for http URLs where the environment names none.
    pub(super) http_proxy: Option<String>,
    /// Proxy for https URLs where the environment names none.
    pub(super) https_proxy: Option<String>,
    /// Whether the network must not be used.
    pub(super) offline: bool,
}

/// Makes requests; the HTTP client is set up when the first URL needs it.
#[derive(Debug)]
pub(super) struct Transport {
    options: TransportOptions,
    /// Client without certificates, for http.
    client: OnceLock<std::result::Result<Client, String>>,
    /// Client with the machine's certificates, for https. Reading them takes time.
    secure: OnceLock<std::result::Result<Client, String>>,
}

impl Transport {
    pub(super) fn new(options: TransportOptions) -> Self {
        Self {
            options,
            client: OnceLock::new(),
            secure: OnceLock::new(),
        }
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

    fn client(&self, url: &Url) -> Result<&Client> {
        let made = if url.scheme() == "https" || has_secure_proxy(&self.options) {
            self.secure.get_or_init(|| {
                // A machine without CA certificates still reaches http mirrors.
                build_client(&self.options, true).or_else(|_| build_client(&self.options, false))
            })
        } else {
            self.client.get_or_init(|| build_client(&self.options, false))
        };
        made.as_ref().map_err(|reason| ArchiveError::Client {
            reason: reason.clone(),
        })
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
fn has_secure_proxy(options: &TransportOptions) -> bool {
    let given = PROXIES.into_iter().filter_map(std::env::var_os);
    let given = given.map(|proxy| proxy.to_string_lossy().into_owned());
    let mut all = given.chain(options.http_proxy.clone());
    all.any(|proxy| proxy.starts_with("https:"))
}

/// Makes a client, with the machine's CA certificates or without any.
fn build_client(options: &TransportOptions, certificates: bool) -> std::result::Result<Client, String> {
    // An error here means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(options.connect_timeout)
        // For the blocking client this bounds each wait, not the whole transfer.
        .timeout(options.read_timeout)
        .tcp_keepalive(Duration::from_secs(30));
    if !certificates {
        builder = builder.tls_certs_only(std::iter::empty());
    }
    for (proxy, scheme) in [(&options.http_proxy, "http"), (&options.https_proxy, "https")] {
        let Some(proxy) = proxy else { continue };
        let set = |name: String| {
            std::env::var_os(&name)
                .or(std::env::var_os(name.to_uppercase()))
                .is_some()
        };
        if !set(format!("{scheme}_proxy")) && !set("all_proxy".into()) {
            let made = if scheme == "http" {
                reqwest::Proxy::http(proxy)
            } else {
                reqwest::Proxy::https(proxy)
            };
            builder = builder.proxy(made.map_err(reason)?.no_proxy(reqwest::NoProxy::from_env()));
        }
    }
    builder.build().map_err(reason)
}

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
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_read_for_https_only() {
        let transport = |http_proxy: Option<&str>| {
            Transport::new(TransportOptions {
                connect_timeout: Duration::from_secs(1),
                read_timeout: Duration::from_secs(1),
                http_proxy: http_proxy.map(str::to_owned),
                https_proxy: None,
                offline: false,
            })
        };
        let url = |text| Url::parse(text).unwrap();
        let plain = transport(None);
        plain.client(&url("http://mirror.example.org/")).unwrap();
        assert!(plain.secure.get().is_none());
        plain.client(&url("https://mirror.example.org/")).unwrap();
        assert!(plain.secure.get().is_some());
        let by_proxy = transport(Some("https://proxy.example.org/"));
        by_proxy.client(&url("http://mirror.example.org/")).unwrap();
        assert!(by_proxy.secure.get().is_some() && by_proxy.client.get().is_none());
    }
}
