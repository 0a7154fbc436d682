//! A registry on loopback that fails and lies on request, and looks after what a client may do: a manifest names only what
//! is there, and what is sent has the digest of its name.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::Result;
use crate::error::At as _;

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug)]
pub enum Misdeed {
    /// Another status, with this text.
    Status(u16, &'static str),
    /// The connection ends after half of what is sent.
    Cut,
    /// There is no answer.
    Silence,
    /// `Docker-Content-Digest` is this.
    Digest(&'static str),
    /// `Location` is this.
    Location(&'static str),
    /// What is sent is thrown away.
    Forget,
}

/// How a registry keeps lists of what is attached to manifests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Referrers {
    /// It knows no such request.
    #[default]
    Unknown,
    /// As it should.
    Kept,
    /// As it should, and no more than one on a page.
    Paged,
    /// They are empty.
    Empty,
    /// The answer is a page for people.
    Page,
}

/// A fault: the first `times` requests of this method, whose path has `path` in it, get it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The method.
    pub method: &'static str,
    /// Part of the path.
    pub path: &'static str,
    /// How often.
    pub times: usize,
    /// The fault.
    pub does: Misdeed,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    referrers: Referrers,
    blobs: HashMap<String, Vec<u8>>,
    manifests: HashMap<String, (String, Vec<u8>)>,
    requests: Vec<String>,
    broken_rules: Vec<String>,
}

/// The registry, which answers until the process ends.
#[derive(Debug)]
pub struct FaultyRegistry {
    /// `127.0.0.1:PORT`.
    pub address: String,
    state: Arc<Mutex<State>>,
}

struct Request {
    method: String,
    path: String,
    kind: String,
    body: Vec<u8>,
    range: bool,
}

impl FaultyRegistry {
    /// Starts one with these faults.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(faults: &[Fault]) -> Result<Self> {
        Self::with(Referrers::Unknown, faults)
    }

    /// Starts one with these faults, that keeps lists of referrers in this way.
    ///
    /// # Errors
    /// When there is no port.
    pub fn with(referrers: Referrers, faults: &[Fault]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").at("127.0.0.1:0")?;
        let address = listener.local_addr().at("127.0.0.1:0")?.to_string();
        let state = Arc::new(Mutex::new(State {
            faults: faults.to_vec(),
            referrers,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(connection, &state));
            }
        });
        Ok(Self { address, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has faults from now on, in place of those it had.
    pub fn set(&self, faults: &[Fault]) {
        self.state().faults = faults.to_vec();
    }

    /// Returns the requests of a method so far, whose path has `path` in it.
    #[must_use]
    pub fn requests(&self, method: &str, path: &str) -> usize {
        let fits = |line: &&String| line.starts_with(method) && line.contains(path);
        self.state().requests.iter().filter(fits).count()
    }

    /// Returns the text of a manifest by its tag or digest.
    #[must_use]
    pub fn manifest(&self, name: &str) -> Option<Vec<u8>> {
        self.state().manifests.get(name).map(|(_, text)| text.clone())
    }

    /// Has a manifest by a tag.
    pub fn put(&self, tag: &str, kind: &str, text: &[u8]) {
        let manifest = (kind.to_owned(), text.to_vec());
        self.state().manifests.insert(tag.to_owned(), manifest);
    }

    /// Returns the number of blobs, and of names of manifests.
    #[must_use]
    pub fn has(&self) -> (usize, usize) {
        let state = self.state();
        (state.blobs.len(), state.manifests.len())
    }

    /// Returns what clients did that none may do.
    #[must_use]
    pub fn broken_rules(&self) -> Vec<String> {
        self.state().broken_rules.clone()
    }
}

fn serve(mut connection: TcpStream, state: &Mutex<State>) {
    let Ok(reading) = connection.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(reading);
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() {
        return;
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return;
    };
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(read) if read > 2 => {
                if let Some((name, value)) = line.split_once(':') {
                    headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
                }
            }
            _ => break,
        }
    }
    let length: u64 = headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or_default();
    let fault = fault(
        &mut state.lock().unwrap_or_else(PoisonError::into_inner),
        &method,
        &path,
    );
    let mut body = Vec::new();
    let cut = matches!(fault, Some(Misdeed::Cut));
    let wanted = if cut { length / 2 } else { length };
    if (&mut reader).take(wanted).read_to_end(&mut body).is_err() || cut {
        return;
    }
    if let Some(Misdeed::Silence) = fault {
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let request = Request {
        method,
        path,
        kind: headers.remove("content-type").unwrap_or_default(),
        body,
        range: headers.contains_key("range"),
    };
    let answer = answer(
        &request,
        fault,
        &mut state.lock().unwrap_or_else(PoisonError::into_inner),
    );
    let _ = connection.write_all(&answer);
}

/// Notes a request, and returns its fault.
fn fault(state: &mut State, method: &str, path: &str) -> Option<Misdeed> {
    state.requests.push(format!("{method} {path}"));
    let fits = |fault: &&mut Fault| fault.times > 0 && fault.method == method && path.contains(fault.path);
    let fault = state.faults.iter_mut().find(fits)?;
    fault.times -= 1;
    Some(fault.does)
}

fn answer(request: &Request, fault: Option<Misdeed>, state: &mut State) -> Vec<u8> {
    if let Some(Misdeed::Status(status, text)) = fault {
        let challenge = if status == 401 {
            "WWW-Authenticate: Basic realm=\"test\"\r\n"
        } else {
            ""
        };
        return reply(status, challenge, text.as_bytes(), true);
    }
    let has_body = request.method != "HEAD";
    let missing = || {
        reply(
            404,
            "",
            b"{\"errors\":[{\"code\":\"BLOB_UNKNOWN\",\"message\":\"there is none\"}]}",
            has_body,
        )
    };
    let forgets = matches!(fault, Some(Misdeed::Forget));
    let digest_of = |body: &[u8]| format!("sha256:{}", hex(&Sha256::digest(body)));
    let told = |digest: &str, location: &str| {
        let digest = if let Some(Misdeed::Digest(other)) = fault {
            other
        } else {
            digest
        };
        let location = if let Some(Misdeed::Location(other)) = fault {
            other
        } else {
            location
        };
        format!("Docker-Content-Digest: {digest}\r\nLocation: {location}\r\n")
    };
    let parts: Vec<&str> = request.path.splitn(2, '?').collect();
    let path = parts.first().copied().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let method = request.method.as_str();
    if path == "/v2/" {
        return reply(200, "", b"{}", has_body);
    }
    if path.contains("/referrers/") {
        return match state.referrers {
            Referrers::Unknown => missing(),
            Referrers::Page => reply(200, "Content-Type: text/html\r\n", b"<html></html>", has_body),
            lists => {
                let kept = lists != Referrers::Empty;
                let query = parts.get(1).copied().unwrap_or_default();
                let kind = query.strip_prefix("artifactType=").unwrap_or_default();
                let kind = kind.replace("%2F", "/").replace("%2B", "+");
                let page = if lists == Referrers::Paged { 1 } else { usize::MAX };
                reply(200, INDEX, &listed(state, last, kept, &kind, page), has_body)
            }
        };
    }
    if path.contains("/blobs/uploads") {
        if method == "POST" {
            return reply(202, &told("", "/v2/x/blobs/uploads/1?state=a"), b"", true);
        }
        let named = parts
            .get(1)
            .and_then(|query| query.split("digest=").nth(1))
            .unwrap_or_default()
            .replace("%3A", ":");
        let digest = digest_of(&request.body);
        if digest != named {
            state.broken_rules.push(format!("{digest} was sent as {named}"));
        }
        if !forgets {
            state.blobs.insert(digest.clone(), request.body.clone());
        }
        return reply(201, &told(&digest, &format!("/v2/x/blobs/{digest}")), b"", true);
    }
    if path.contains("/blobs/") {
        let Some(blob) = state.blobs.get(last) else {
            return missing();
        };
        let headers = told(last, path);
        return match blob.get(..1) {
            Some(first) if request.range => reply(206, &headers, first, has_body),
            _ => reply(200, &headers, blob, has_body),
        };
    }
    if method == "PUT" {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        for digest in text
            .split("\"digest\":\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            if !state.blobs.contains_key(digest) && !state.manifests.contains_key(digest) {
                state
                    .broken_rules
                    .push(format!("the manifest {last} names {digest}, which is not there"));
            }
        }
        let digest = digest_of(&request.body);
        if !forgets {
            for name in [last, &digest] {
                state
                    .manifests
                    .insert(name.to_owned(), (request.kind.clone(), request.body.clone()));
            }
        }
        return reply(
            201,
            &told(&digest, &format!("/v2/x/manifests/{digest}")),
            b"",
            true,
        );
    }
    let Some((kind, text)) = state.manifests.get(last) else {
        return missing();
    };
    let headers = format!("{}Content-Type: {kind}\r\n", told(&digest_of(text), path));
    reply(200, &headers, text, has_body)
}

/// Type of a list of referrers.
const INDEX: &str = "Content-Type: application/vnd.oci.image.index.v1+json\r\n";

/// Returns the first page of the list of the manifests that are attached to one of all or of a type.
fn listed(state: &State, subject: &str, kept: bool, kind: &str, page: usize) -> Vec<u8> {
    let by_digest = state
        .manifests
        .iter()
        .filter(|(name, _)| name.starts_with("sha256:"));
    let attached = by_digest.filter_map(|(digest, (media, text))| {
        let manifest: serde_json::Value = serde_json::from_slice(text).ok()?;
        let is_asked = kind.is_empty() || manifest["artifactType"] == kind;
        (kept && is_asked && manifest["subject"]["digest"] == subject).then(|| {
            serde_json::json!({
                "mediaType": media, "digest": digest, "size": text.len(), "artifactType": manifest["artifactType"],
            })
        })
    });
    let manifests: Vec<serde_json::Value> = attached.take(page).collect();
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests,
    });
    index.to_string().into_bytes()
}

fn reply(status: u16, headers: &str, body: &[u8], has_body: bool) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} x\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    let mut all = head.into_bytes();
    if has_body {
        all.extend(body);
    }
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
