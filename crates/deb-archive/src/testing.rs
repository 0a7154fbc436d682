//! Tests of whole archives, with a small HTTP server that misbehaves on request
//! and archives signed with keys of their own.

mod as_apt;
mod downloads;
mod indexes;
mod insecure;
mod signatures;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::SerializeInto;
use sequoia_openpgp::serialize::stream::{Message, Signer};
use sequoia_openpgp::types::SignatureType;
use sha2::{Digest, Sha256};
use url::Url;

use super::{DownloadProgress, FetchOptions, Fetcher, Keyring, PackageFile, Result, Source, SourceFormat};
use deb_types::{FileHash, hex};

/// Behaviour of the server for a path.
#[derive(Clone, Debug)]
pub(super) enum Serve {
    /// Correct, ranges included.
    Well(Vec<u8>),
    /// The whole file, whatever range is requested.
    IgnoringRange(Vec<u8>),
    /// The right length, but only this many bytes of the range.
    CutOff(Vec<u8>, usize),
    /// No length, and the connection is closed after this many bytes.
    ClosedEarly(Vec<u8>, usize),
    /// Bytes without end.
    Endless,
    /// This many bytes, then silence.
    Silent(Vec<u8>, usize),
    Status(u16),
    Redirect(String),
    /// Each once, then the last one again and again.
    InTurn(Vec<Serve>),
    /// With an ETag, and 304 for requests that name it.
    Tagged(Vec<u8>),
}

/// The server; its threads end with the test's process.
#[derive(Clone)]
pub(super) struct Server {
    address: String,
    paths: Arc<Mutex<HashMap<String, Serve>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Self {
            address,
            paths: Arc::default(),
            requests: Arc::default(),
        };
        let shared = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || shared.connection(stream));
            }
        });
        server
    }

    pub(super) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("{}/{path}", self.address)).unwrap()
    }

    pub(super) fn put(&self, path: &str, serve: Serve) {
        self.paths.lock().unwrap().insert(format!("/{path}"), serve);
    }

    /// Serves a request line that has a URL instead of a path.
    pub(super) fn put_raw(&self, target: &str, serve: Serve) {
        self.paths.lock().unwrap().insert(target.to_owned(), serve);
    }

    pub(super) fn remove(&self, path: &str) {
        self.paths.lock().unwrap().remove(&format!("/{path}"));
    }

    /// Returns `PATH` or `PATH RANGE` of each request so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn connection(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let (mut range, mut tag) = (None, false);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("range: bytes=") {
                range = value.trim_end_matches('-').parse::<usize>().ok();
            }
            tag |= header == "if-none-match: \"tag\"";
        }
        let part = range.map(|start| format!(" {start}")).unwrap_or_default();
        self.requests.lock().unwrap().push(format!("{path}{part}"));
        let mut serve = self
            .paths
            .lock()
            .unwrap()
            .get(&path)
            .cloned()
            .unwrap_or(Serve::Status(404));
        if let Serve::InTurn(mut turns) = serve {
            serve = if turns.len() > 1 {
                turns.remove(0)
            } else {
                turns[0].clone()
            };
            self.paths.lock().unwrap().insert(path, Serve::InTurn(turns));
        }
        answer(&mut stream, serve, range, tag)
    }
}

fn answer(stream: &mut TcpStream, serve: Serve, range: Option<usize>, tag: bool) -> Option<()> {
    let mut head = |status: &str, more: &str| {
        write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{more}\r\n").ok()
    };
    let length = |bytes: &[u8]| format!("Content-Length: {}\r\n", bytes.len());
    match serve {
        Serve::Well(bytes) if range.is_some_and(|start| start >= bytes.len()) => {
            head("416 No", "Content-Length: 0\r\n")
        }
        Serve::Well(bytes) | Serve::CutOff(bytes, _) if range.is_some() => {
            let start = range?;
            let part = &bytes[start..];
            let place = format!(
                "Content-Range: bytes {start}-{}/{}\r\n",
                bytes.len() - 1,
                bytes.len()
            );
            head("206 Part", &format!("{}{place}", length(part)))?;
            stream.write_all(part).ok()
        }
        Serve::Well(bytes) | Serve::IgnoringRange(bytes) => {
            head("200 OK", &length(&bytes))?;
            stream.write_all(&bytes).ok()
        }
        Serve::Tagged(_) if tag => head("304 Same", "ETag: \"tag\"\r\n"),
        Serve::Tagged(bytes) => {
            head("200 OK", &format!("{}ETag: \"tag\"\r\n", length(&bytes)))?;
            stream.write_all(&bytes).ok()
        }
        Serve::CutOff(bytes, sent) => {
            head("200 OK", &length(&bytes))?;
            stream.write_all(&bytes[..sent]).ok()
        }
        Serve::ClosedEarly(bytes, sent) => {
            head("200 OK", "")?;
            stream.write_all(&bytes[..sent]).ok()
        }
        Serve::Endless => {
            head("200 OK", "")?;
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
            None
        }
        Serve::Silent(bytes, sent) => {
            head("200 OK", &length(&bytes))?;
            stream.write_all(&bytes[..sent]).ok()?;
            stream.flush().ok()?;
            thread::sleep(Duration::from_secs(20));
            None
        }
        Serve::Status(status) => head(&format!("{status} Status"), "Content-Length: 0\r\n"),
        Serve::Redirect(to) => head("302 There", &format!("Location: {to}\r\nContent-Length: 0\r\n")),
        Serve::InTurn(_) => None,
    }
}

/// Returns options with short waits.
pub(super) fn quick(cache: &Path) -> FetchOptions {
    FetchOptions {
        jobs: 4,
        retries: 2,
        backoff: Duration::from_millis(5),
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_millis(400),
        ..FetchOptions::new(cache)
    }
}

pub(super) fn fetcher(cache: &Path) -> Fetcher {
    Fetcher::new(quick(cache), Arc::new(super::NoProgress)).unwrap()
}

/// Returns the file `path` of the server with the size and hash of `bytes`.
pub(super) fn package(server: &Server, path: &str, bytes: &[u8]) -> PackageFile {
    PackageFile {
        urls: vec![server.url(path)],
        name: path.to_owned(),
        size: bytes.len() as u64,
        hash: FileHash::Sha256(Sha256::digest(bytes).into()),
    }
}

/// Adds up announced bytes, bytes that came, and finished files.
#[derive(Debug, Default)]
pub(super) struct Counter(pub(super) Mutex<(u64, u64, usize)>);

impl DownloadProgress for Counter {
    fn started(&self, _: usize, total_bytes: u64) {
        self.0.lock().unwrap().0 += total_bytes;
    }
    fn advanced(&self, bytes: u64) {
        self.0.lock().unwrap().1 += bytes;
    }
    fn finished_file(&self, _: &str, size: u64, cached: bool) {
        if cached {
            self.advanced(size);
        }
        self.0.lock().unwrap().2 += 1;
    }
}

/// Keeps warnings.
#[derive(Debug, Default)]
pub(super) struct Warnings(pub(super) Mutex<Vec<String>>);

impl DownloadProgress for Warnings {
    fn warning(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

const DAY: Duration = Duration::from_secs(86_400);

/// Returns the time this many days from now.
pub(super) fn days(count: i32) -> SystemTime {
    let now = SystemTime::now();
    if count < 0 {
        now - DAY * count.unsigned_abs()
    } else {
        now + DAY * count.unsigned_abs()
    }
}

/// Returns a signing key made 30 days ago, valid for this many days.
pub(super) fn key(valid_days: Option<u32>) -> Cert {
    let builder = CertBuilder::new()
        .add_userid("Test Archive <archive@example.org>")
        .set_creation_time(days(-30))
        .set_validity_period(valid_days.map(|days| DAY * days))
        .add_signing_subkey();
    builder.generate().unwrap().0
}

pub(super) fn keyring(cert: &Cert) -> Keyring {
    let bytes = cert.armored().to_vec().unwrap();
    Keyring::from_bytes(&bytes, Path::new("test")).unwrap()
}

/// Form of a signature.
#[derive(Clone, Copy)]
pub(super) struct Signing {
    pub(super) when: SystemTime,
    pub(super) valid: Option<Duration>,
    pub(super) detached: bool,
}

impl Default for Signing {
    fn default() -> Self {
        Self {
            when: days(-1),
            valid: None,
            detached: false,
        }
    }
}

/// Returns `text` signed: an InRelease file or an armored detached signature.
pub(super) fn sign(text: &str, cert: &Cert, how: Signing) -> Vec<u8> {
    use sequoia_openpgp::serialize::stream::Armorer;
    let policy = StandardPolicy::new();
    let pair = cert
        .keys()
        .unencrypted_secret()
        .with_policy(&policy, how.when)
        .for_signing()
        .next()
        .unwrap()
        .key()
        .clone()
        .into_keypair()
        .unwrap();
    let kind = if how.detached {
        SignatureType::Binary
    } else {
        SignatureType::Text
    };
    let mut template = SignatureBuilder::new(kind);
    if let Some(valid) = how.valid {
        template = template.set_signature_validity_period(valid).unwrap();
    }
    let mut out = Vec::new();
    let message = Message::new(&mut out);
    let mut signer = if how.detached {
        let armorer = Armorer::new(message)
            .kind(sequoia_openpgp::armor::Kind::Signature)
            .build()
            .unwrap();
        Signer::with_template(armorer, pair, template)
            .unwrap()
            .creation_time(how.when)
            .detached()
            .build()
            .unwrap()
    } else {
        Signer::with_template(message, pair, template)
            .unwrap()
            .creation_time(how.when)
            .cleartext()
            .build()
            .unwrap()
    };
    signer.write_all(text.as_bytes()).unwrap();
    signer.finalize().unwrap();
    out
}

/// Returns a Release file that names these files; `more` are further fields.
pub(super) fn release(files: &[(&str, &[u8])], more: &str) -> String {
    let mut text = format!(
        "Suite: stable\nCodename: trixie\nDate: Sat, 09 Aug 2025 10:25:00 UTC\n{more}\
         Architectures: amd64 riscv64\nComponents: main contrib\nSHA256:\n"
    );
    for (path, bytes) in files {
        text.push_str(&format!(
            " {} {} {path}\n",
            hex(&Sha256::digest(bytes)),
            bytes.len()
        ));
    }
    text
}

/// Returns a Packages text with one package.
pub(super) fn packages(package: &str) -> String {
    format!("Package: {package}\nVersion: 1\nArchitecture: riscv64\nFilename: pool/{package}.deb\n\n")
}

pub(super) fn xz(text: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn gz(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Returns the source `deb SERVER/debian SUITE COMPONENT…` with options.
pub(super) fn sources(server: &Server, options: &str, rest: &str) -> Result<Vec<Source>> {
    let text = format!("deb {options} {} {rest}\n", server.url("debian"));
    super::parse_sources_text(&text, SourceFormat::OneLine, None, "test").map(|list| list.sources)
}
