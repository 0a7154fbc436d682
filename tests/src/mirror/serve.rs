//! One HTTP/1.1 connection: requests in, files and faults out.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Fault, Request, State, Store, lock};
use crate::archive::date;

struct Asked {
    method: String,
    path: String,
    from: Option<u64>,
    since: Option<String>,
    authorization: Option<String>,
    by_proxy: bool,
    /// Whether there is any condition, one that is not understood here included.
    conditional: bool,
}

pub(super) fn connection(state: &State, stream: TcpStream) {
    // An idle connection must not outlive the test that opened it for long.
    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
    let _ = stream.set_nodelay(true);
    match &state.secure {
        None => requests(state, stream),
        Some(config) => {
            if let Ok(connection) = rustls::ServerConnection::new(Arc::clone(config)) {
                requests(state, rustls::StreamOwned::new(connection, stream));
            }
        }
    }
}

fn requests(state: &State, stream: impl Read + Write) {
    let mut input = BufReader::new(stream);
    while let Some(asked) = read(&mut input) {
        let out = input.get_mut();
        let again = answer(state, &asked, out);
        if out.flush().is_err() || !matches!(again, Ok(true)) {
            break;
        }
    }
}

fn read(input: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    input.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let method = words.next()?.to_owned();
    let target = words.next()?;
    // A proxy's client sends the whole URL.
    let path = target.strip_prefix("http://").map_or(target, |rest| {
        rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
    });
    let path = unquote(path.split('?').next().unwrap_or(path));
    let mut asked = Asked {
        method,
        path,
        from: None,
        since: None,
        authorization: None,
        by_proxy: target.starts_with("http://"),
        conditional: false,
    };
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            return Some(asked);
        }
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                asked.from = value
                    .trim()
                    .strip_prefix("bytes=")
                    .and_then(|range| range.split('-').next()?.parse().ok());
            }
            "if-modified-since" => {
                asked.since = Some(value.trim().to_owned());
                asked.conditional = true;
            }
            "authorization" => asked.authorization = Some(value.trim().to_owned()),
            "if-none-match" => asked.conditional = true,
            _ => {}
        }
    }
}

fn unquote(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let quoted = match (first, tail) {
            (b'%', [a, b, ..]) => std::str::from_utf8(&[*a, *b])
                .ok()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        bytes.push(quoted.unwrap_or(*first));
        rest = if quoted.is_some() {
            tail.get(2..).unwrap_or(&[])
        } else {
            tail
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The file for a path, if the path stays below the root.
pub(super) fn local(state: &State, path: &str) -> Result<PathBuf, u16> {
    let relative = Path::new(path.trim_start_matches('/'));
    if !relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        return Err(400);
    }
    match &state.store {
        Store::Directory(root) => {
            let file = root.join(relative);
            if file.is_file() { Ok(file) } else { Err(404) }
        }
        Store::Pinned(pinned) => pinned.get(relative),
    }
}

fn fault_for(state: &State, path: &str) -> Option<Fault> {
    let mut traps = lock(&state.traps);
    let trap = traps
        .iter_mut()
        .find(|trap| trap.left > 0 && path.ends_with(&trap.suffix))?;
    trap.left = trap.left.saturating_sub(1);
    Some(trap.fault)
}

fn note(state: &State, asked: &Asked) -> usize {
    let mut requests = lock(&state.requests);
    requests.push(Request {
        path: asked.path.clone(),
        from: asked.from,
        conditional: asked.conditional,
        authorization: asked.authorization.clone(),
        by_proxy: asked.by_proxy,
        status: 0,
    });
    state.asked.notify_all();
    requests.len() - 1
}

fn head(state: &State, at: usize, out: &mut impl Write, status: u16, fields: &str) -> std::io::Result<()> {
    if let Some(request) = lock(&state.requests).get_mut(at) {
        request.status = status;
    }
    write!(out, "HTTP/1.1 {status} Status\r\nServer: test\r\n{fields}\r\n")
}

// Whether the connection can be used again.
fn answer(state: &State, asked: &Asked, out: &mut impl Write) -> std::io::Result<bool> {
    let at = note(state, asked);
    let fault = fault_for(state, &asked.path);
    match fault {
        Some(Fault::Status(status)) => {
            head(state, at, out, status, "Content-Length: 0\r\n")?;
            return Ok(true);
        }
        Some(Fault::Silent) => {
            while !state.stop.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(50));
            }
            return Ok(false);
        }
        _ => {}
    }
    let wanted = lock(&state.login).clone();
    if wanted.is_some() && wanted != asked.authorization {
        head(state, at, out, 401, "Content-Length: 0\r\n")?;
        return Ok(true);
    }
    let path = match local(state, &asked.path) {
        Ok(path) => path,
        Err(status) => {
            head(state, at, out, status, "Content-Length: 0\r\n")?;
            return Ok(true);
        }
    };
    let mut file = File::open(path)?;
    let facts = file.metadata()?;
    let modified = date(facts.mtime()).replace("UTC", "GMT");
    if fault.is_none() && asked.since.as_ref() == Some(&modified) {
        head(state, at, out, 304, &format!("Last-Modified: {modified}\r\n"))?;
        return Ok(true);
    }
    let whole = if fault == Some(Fault::Truncated) {
        facts.len() / 2
    } else {
        facts.len()
    };
    let start = asked.from.filter(|_| fault != Some(Fault::NoRange)).unwrap_or(0);
    if start > 0 && start >= whole {
        head(
            state,
            at,
            out,
            416,
            &format!("Content-Range: bytes */{whole}\r\nContent-Length: 0\r\n"),
        )?;
        return Ok(true);
    }
    let length = whole - start;
    let mut fields = format!("Content-Length: {length}\r\nLast-Modified: {modified}\r\n");
    if fault != Some(Fault::NoRange) {
        fields += "Accept-Ranges: bytes\r\n";
    }
    if start > 0 {
        fields += &format!("Content-Range: bytes {start}-{}/{whole}\r\n", whole - 1);
    }
    head(state, at, out, if start > 0 { 206 } else { 200 }, &fields)?;
    if asked.method == "HEAD" {
        return Ok(true);
    }
    file.seek(SeekFrom::Start(start))?;
    match fault {
        Some(Fault::Cut) => {
            std::io::copy(&mut file.take(length / 2), out)?;
            return Ok(false);
        }
        Some(Fault::Altered) => {
            let mut data = Vec::new();
            file.take(length).read_to_end(&mut data)?;
            let middle = data.len() / 2;
            if let Some(byte) = data.get_mut(middle) {
                *byte ^= 0x55;
            }
            out.write_all(&data)?;
        }
        Some(Fault::Slow(pause)) => {
            let part = (length / 64).max(1);
            let mut left = length;
            while left > 0 && !state.stop.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(pause));
                left -= std::io::copy(&mut Read::by_ref(&mut file).take(part.min(left)), out)?;
            }
        }
        Some(Fault::Trickle(pause)) => {
            for byte in BufReader::new(file.take(length)).bytes() {
                if state.stop.load(Ordering::SeqCst) {
                    return Ok(false);
                }
                std::thread::sleep(Duration::from_millis(pause));
                out.write_all(&[byte?])?;
            }
        }
        _ => {
            std::io::copy(&mut file.take(length), out)?;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::unquote;

    #[test]
    fn quoted_characters_are_read() {
        assert_eq!(unquote("/pool/g%2b%2B/a%zz%"), "/pool/g++/a%zz%");
    }
}
