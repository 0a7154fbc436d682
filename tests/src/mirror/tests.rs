use std::io::{Read as _, Write as _};

use super::*;

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

fn get(mirror: &Mirror, path: &str, fields: &str) -> Answer {
    let mut stream = TcpStream::connect(mirror.address).expect("connected");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n").expect("asked");
    stream.shutdown(std::net::Shutdown::Write).expect("shut");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("answered");
    let end = all
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .expect("a status");
    Answer {
        status,
        head,
        body: all[end + 4..].to_vec(),
    }
}

fn archive() -> (tempfile::TempDir, Mirror) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("a+b"), "0123456789").expect("written");
    let mirror = Mirror::of(dir.path()).expect("a mirror");
    (dir, mirror)
}

#[test]
fn files_ranges_and_conditions() {
    let (_dir, mirror) = archive();
    let whole = get(&mirror, "/a%2bb", "");
    assert_eq!(
        (whole.status, whole.body.as_slice()),
        (200, b"0123456789".as_slice())
    );
    let rest = get(&mirror, "/a+b", "Range: bytes=4-\r\n");
    assert_eq!((rest.status, rest.body.as_slice()), (206, b"456789".as_slice()));
    assert!(rest.head.contains("Content-Range: bytes 4-9/10"), "{}", rest.head);
    assert_eq!(get(&mirror, "/a+b", "Range: bytes=10-\r\n").status, 416);
    assert_eq!(get(&mirror, "/none", "").status, 404);
    assert_eq!(get(&mirror, "/../a+b", "").status, 400);
    let modified = whole
        .head
        .lines()
        .find_map(|line| line.strip_prefix("Last-Modified: "))
        .expect("a time");
    assert_eq!(
        get(&mirror, "/a+b", &format!("If-Modified-Since: {modified}\r\n")).status,
        304
    );
    assert_eq!(mirror.requests().len(), 6);
    assert!(mirror.requests()[5].conditional, "the last had a condition");
    assert_eq!(
        mirror.requests()[1],
        Request {
            path: "/a+b".to_owned(),
            from: Some(4),
            conditional: false,
            authorization: None,
            by_proxy: false,
            status: 206
        }
    );
    assert!(
        mirror.wait_for("/none", Duration::ZERO) && !mirror.wait_for("/never", Duration::from_millis(20))
    );
}

#[test]
fn every_fault() {
    let (_dir, mirror) = archive();
    let with = |fault, fields| {
        mirror.heal();
        mirror.fault_times("b", fault, 1);
        get(&mirror, "/a+b", fields)
    };
    assert_eq!(with(Fault::Status(503), "").status, 503);
    let cut = with(Fault::Cut, "");
    assert!(
        cut.head.contains("Content-Length: 10") && cut.body == b"01234",
        "{}",
        cut.head
    );
    let short = with(Fault::Truncated, "");
    assert!(
        short.head.contains("Content-Length: 5") && short.body == b"01234",
        "{}",
        short.head
    );
    assert_eq!(with(Fault::Altered, "").body, b"01234`6789");
    assert_eq!(with(Fault::Slow(1), "").body, b"0123456789");
    assert_eq!(with(Fault::NoRange, "Range: bytes=4-\r\n").status, 200);
    assert_eq!(
        get(&mirror, "/a+b", "Range: bytes=4-\r\n").status,
        206,
        "once only"
    );
}

#[test]
fn nobody_listens_at_the_unreachable_url() {
    let url = unreachable().expect("a URL");
    let address = url.trim_start_matches("http://").trim_end_matches("/debian");
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_port_is_free_again_when_the_mirror_is_gone() {
    let (_dir, mirror) = archive();
    let address = mirror.address;
    drop(mirror);
    let end = Instant::now() + Duration::from_secs(5);
    while TcpListener::bind(address).is_err() {
        assert!(Instant::now() < end, "{address} is still in use");
        std::thread::sleep(Duration::from_millis(20));
    }
}
