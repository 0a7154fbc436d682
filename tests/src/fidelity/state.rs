//! The state of an archive: which Release file its mirror serves for a suite.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::deb::hex;
use crate::{Error, Result};

/// What is known of a suite's Release file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The SHA-256 of InRelease, in hexadecimal digits.
    pub hash: String,
    /// Its `Date`.
    pub date: String,
    /// Its `Codename` and `Version`, as far as it has them.
    pub name: String,
}

/// The Release files of one mirror; each is asked for once.
#[derive(Debug, Default)]
pub struct States {
    known: Mutex<BTreeMap<String, Release>>,
}

impl States {
    /// The Release file that `mirror` serves for `suite`.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn of(&self, mirror: &str, suite: &str) -> Result<Release> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{mirror} {suite}");
        if let Some(release) = known.get(&key) {
            return Ok(release.clone());
        }
        let url = format!("{mirror}/dists/{suite}/InRelease");
        let body = get(&url).map_err(|error| Error::Machine(format!("{url}: {error}")))?;
        let release = parse(&body);
        known.insert(key, release.clone());
        Ok(release)
    }
}

fn parse(body: &[u8]) -> Release {
    let text = String::from_utf8_lossy(body);
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .unwrap_or_default()
    };
    Release {
        hash: hex(&Sha256::digest(body)),
        date: field("Date").to_owned(),
        name: format!("{} {}", field("Codename"), field("Version"))
            .trim()
            .to_owned(),
    }
}

// A file over plain HTTP: the mirrors of these tests are on loopback.
fn get(url: &str) -> std::io::Result<Vec<u8>> {
    let other = |what: &str| std::io::Error::other(what.to_owned());
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| other("not an http URL"))?;
    let (host, path) = rest.split_once('/').ok_or_else(|| other("no path"))?;
    let address = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(180)))?;
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut input = BufReader::new(stream);
    let mut line = String::new();
    input.read_line(&mut line)?;
    if line.split_whitespace().nth(1) != Some("200") {
        return Err(other(line.trim()));
    }
    let mut length = None;
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Err(other("the answer is cut"));
        }
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<u64>().ok();
        }
    }
    let length = length.ok_or_else(|| other("the answer has no length"))?;
    let mut body = Vec::new();
    input.take(length).read_to_end(&mut body)?;
    if body.len() as u64 != length {
        return Err(other("the answer is cut"));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::Mirror;

    #[test]
    fn the_release_of_a_mirror_is_known() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let suite = dir.path().join("dists/stable");
        std::fs::create_dir_all(&suite).expect("made");
        let text = "Origin: x\nCodename: trixie\nVersion: 13.2\nDate: Sat, 15 Nov 2025 10:00:00 UTC\n";
        std::fs::write(suite.join("InRelease"), text).expect("written");
        let mirror = Mirror::of(dir.path()).expect("a mirror");
        let states = States::default();
        let release = states.of(&mirror.url(), "stable").expect("a release");
        assert_eq!(release.name, "trixie 13.2");
        assert_eq!(release.date, "Sat, 15 Nov 2025 10:00:00 UTC");
        assert_eq!(release.hash.len(), 64);
        let missing = states.of(&mirror.url(), "none").expect_err("missing").to_string();
        assert!(
            missing.contains("/dists/none/InRelease") && missing.contains("404"),
            "{missing}"
        );
        drop(mirror);
    }
}
