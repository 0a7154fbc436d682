//! Downloads from servers that work, fail, and attack.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use deb_types::FileHash;

use super::super::{ArchiveError, Fetcher, PackageFile};
use super::{Counter, Serve, Server, fetcher, package, quick};

fn data(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

/// Fetches one file served in a way; returns its content or the error, and the requests.
fn one(serve: Serve, bytes: &[u8]) -> (Result<Vec<u8>, ArchiveError>, Vec<String>) {
    let server = Server::start();
    server.put("a.deb", serve);
    let dir = tempfile::tempdir().unwrap();
    let result = fetcher(dir.path()).fetch(&[package(&server, "a.deb", bytes)]);
    if result.is_err() {
        // No incomplete file has a final name.
        assert!(!dir.path().join("by-hash").exists());
    }
    (
        result.map(|paths| fs::read(&paths[0]).unwrap()),
        server.requests(),
    )
}

#[test]
fn many_files_in_order_and_from_the_cache_afterwards() {
    let server = Server::start();
    let files: Vec<PackageFile> = (0..40)
        .map(|i| {
            let (bytes, path) = (data(1000 + i * 7), format!("{i}.deb"));
            server.put(&path, Serve::Well(bytes.clone()));
            package(&server, &path, &bytes)
        })
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let counter = Arc::new(Counter::default());
    let paths = Fetcher::new(quick(dir.path()), counter.clone())
        .unwrap()
        .fetch(&files)
        .unwrap();
    for (i, path) in paths.iter().enumerate() {
        assert_eq!(fs::read(path).unwrap(), data(1000 + i * 7));
    }
    let (total, advanced, finished) = *counter.0.lock().unwrap();
    assert_eq!((advanced, finished), (total, 40));
    let before = server.requests().len();
    assert_eq!(before, 40);
    assert_eq!(fetcher(dir.path()).fetch(&files).unwrap(), paths);
    assert_eq!(server.requests().len(), before);
    assert_eq!(fs::read_dir(dir.path().join("partial")).unwrap().count(), 0);
}

#[test]
fn the_same_file_twice_and_empty_files() {
    let server = Server::start();
    server.put("a", Serve::Well(data(5000)));
    server.put("b", Serve::Well(Vec::new()));
    let (a, b) = (package(&server, "a", &data(5000)), package(&server, "b", b""));
    let dir = tempfile::tempdir().unwrap();
    let paths = fetcher(dir.path()).fetch(&[a.clone(), b, a]).unwrap();
    assert_eq!(paths[0], paths[2]);
    assert_eq!(fs::read(&paths[1]).unwrap(), b"");
    assert_eq!(server.requests().iter().filter(|path| *path == "/a").count(), 1);
}

#[test]
fn runs_at_the_same_time_share_one_download() {
    let server = Server::start();
    let bytes = data(300_000);
    server.put("a", Serve::Well(bytes.clone()));
    let dir = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let paths = fetcher(dir.path())
                    .fetch(&[package(&server, "a", &bytes)])
                    .unwrap();
                assert_eq!(fs::read(&paths[0]).unwrap(), bytes);
            });
        }
    });
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_cut_off_body_is_resumed() {
    let bytes = data(200_000);
    let turns = vec![Serve::CutOff(bytes.clone(), 70_000), Serve::Well(bytes.clone())];
    let (result, requests) = one(Serve::InTurn(turns), &bytes);
    assert_eq!(result.unwrap(), bytes);
    assert_eq!(requests, ["/a.deb", "/a.deb 70000"]);
}

#[test]
fn a_mirror_that_ignores_ranges_is_read_from_the_beginning() {
    let bytes = data(200_000);
    let turns = vec![
        Serve::CutOff(bytes.clone(), 70_000),
        Serve::IgnoringRange(bytes.clone()),
    ];
    let (result, requests) = one(Serve::InTurn(turns), &bytes);
    assert_eq!(result.unwrap(), bytes);
    assert_eq!(requests, ["/a.deb", "/a.deb 70000"]);
}

#[test]
fn a_killed_run_s_download_is_resumed_by_the_next() {
    let (server, bytes) = (Server::start(), data(100_000));
    server.put("a", Serve::Well(bytes.clone()));
    let dir = tempfile::tempdir().unwrap();
    let file = package(&server, "a", &bytes);
    let fetcher = fetcher(dir.path());
    let partial = dir.path().join("partial").join(file.hash.hex());
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    fs::write(&partial, &bytes[..60_000]).unwrap();
    let paths = fetcher.fetch(std::slice::from_ref(&file)).unwrap();
    assert_eq!(fs::read(&paths[0]).unwrap(), bytes);
    assert_eq!(server.requests(), ["/a 60000"]);
    // Rubbish left behind costs one more request, not the result.
    fs::remove_file(&paths[0]).unwrap();
    fs::write(&partial, vec![1; 90_000]).unwrap();
    assert_eq!(
        fs::read(&fetcher.fetch(std::slice::from_ref(&file)).unwrap()[0]).unwrap(),
        bytes
    );
    fs::remove_file(&paths[0]).unwrap();
    fs::write(&partial, vec![1; 900_000]).unwrap();
    assert_eq!(
        fs::read(&fetcher.fetch(std::slice::from_ref(&file)).unwrap()[0]).unwrap(),
        bytes
    );
}

#[test]
fn truncation_for_good_is_an_error_with_numbers() {
    let bytes = data(100_000);
    for serve in [
        Serve::ClosedEarly(bytes.clone(), 30_000),
        Serve::Well(bytes[..30_000].to_vec()),
    ] {
        let (result, _) = one(serve, &bytes);
        let error = result.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ArchiveError::Truncated { .. }), "{text}");
        assert!(
            text.contains("a.deb") && text.contains("100000") && text.contains("30000"),
            "{text}"
        );
    }
}

#[test]
fn altered_data_is_refused_and_another_url_is_taken() {
    let bytes = data(50_000);
    let mut altered = bytes.clone();
    altered[1234] ^= 1;
    let (result, requests) = one(Serve::Well(altered.clone()), &bytes);
    let error = result.unwrap_err();
    assert!(matches!(error, ArchiveError::WrongHash { .. }), "{error}");
    assert_eq!(requests.len(), 2);

    let server = Server::start();
    server.put("bad", Serve::Well(altered));
    server.put("good", Serve::Well(bytes.clone()));
    let mut file = package(&server, "bad", &bytes);
    file.urls.push(server.url("good"));
    let dir = tempfile::tempdir().unwrap();
    let paths = fetcher(dir.path()).fetch(&[file]).unwrap();
    assert_eq!(fs::read(&paths[0]).unwrap(), bytes);
}

#[test]
fn bodies_without_end_and_wrong_sizes_are_refused() {
    let bytes = data(50_000);
    let mut longer = bytes.clone();
    longer.push(0);
    for serve in [Serve::Endless, Serve::Well(longer)] {
        let (result, _) = one(serve, &bytes);
        let error = result.unwrap_err();
        assert!(
            matches!(error, ArchiveError::TooLarge { limit: 50_000, .. }),
            "{error}"
        );
    }
}

#[test]
fn servers_that_recover_are_waited_for() {
    let bytes = data(10_000);
    let turns = vec![
        Serve::Status(503),
        Serve::Silent(bytes.clone(), 100),
        Serve::Well(bytes.clone()),
    ];
    let (result, requests) = one(Serve::InTurn(turns), &bytes);
    assert_eq!(result.unwrap(), bytes);
    assert_eq!(requests.len(), 3);
}

#[test]
fn silence_not_found_and_refusal_are_told_apart() {
    let bytes = data(10_000);
    let (result, requests) = one(Serve::Silent(bytes.clone(), 0), &bytes);
    let error = result.unwrap_err();
    assert!(
        matches!(error, ArchiveError::TooSlow { rate: 0, .. })
            && error.to_string().contains("0 bytes a second over 0.4 s"),
        "{error}"
    );
    assert_eq!(requests.len(), 3);
    let (result, requests) = one(Serve::Status(404), &bytes);
    assert!(matches!(result, Err(ArchiveError::NotFound { .. })));
    assert_eq!(requests.len(), 1);
    let (result, requests) = one(Serve::Status(403), &bytes);
    assert!(matches!(result, Err(ArchiveError::Status { status: 403, .. })));
    assert_eq!(requests.len(), 1);
    let (result, requests) = one(Serve::Status(500), &bytes);
    assert!(matches!(result, Err(ArchiveError::Status { status: 500, .. })));
    assert_eq!(requests.len(), 3);
}

#[test]
fn a_server_that_is_not_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://user:secret@{}/x", listener.local_addr().unwrap());
    drop(listener);
    let file = PackageFile {
        urls: vec![url.parse().unwrap()],
        name: "x".into(),
        size: 1,
        hash: FileHash::Sha256([0; 32]),
    };
    let dir = tempfile::tempdir().unwrap();
    let error = fetcher(dir.path()).fetch(&[file]).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ArchiveError::Unreachable { .. }), "{text}");
    assert!(
        text.to_lowercase().contains("refused") && !text.contains("secret"),
        "{text}"
    );
}

#[test]
fn redirections_are_followed_within_http_only() {
    let bytes = data(1000);
    let server = Server::start();
    server.put("b", Serve::Well(bytes.clone()));
    server.put("a", Serve::Redirect("/b".into()));
    server.put("loop", Serve::Redirect("/loop".into()));
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), &bytes).unwrap();
    server.put(
        "file",
        Serve::Redirect(format!("file://{}", secret.path().display())),
    );
    server.put("ftp", Serve::Redirect("ftp://mirror.example.org/x".into()));
    server.put("bad", Serve::Redirect("http://[".into()));
    let dir = tempfile::tempdir().unwrap();
    let fetcher = fetcher(dir.path());
    for path in ["loop", "file", "ftp", "bad"] {
        let error = fetcher.fetch(&[package(&server, path, &bytes)]).unwrap_err();
        assert!(
            matches!(error, ArchiveError::BadRedirect { .. }),
            "{path}: {error}"
        );
    }
    fetcher.fetch(&[package(&server, "a", &bytes)]).unwrap();
}

#[test]
fn a_damaged_cache_is_mended() {
    let (server, bytes) = (Server::start(), data(9000));
    server.put("a", Serve::Well(bytes.clone()));
    let dir = tempfile::tempdir().unwrap();
    let file = package(&server, "a", &bytes);
    let path = fetcher(dir.path())
        .fetch(std::slice::from_ref(&file))
        .unwrap()
        .remove(0);
    for damaged in [vec![0; 9000], vec![0; 10], Vec::new()] {
        fs::write(&path, damaged).unwrap();
        fetcher(dir.path()).fetch(std::slice::from_ref(&file)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn local_archives() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("with blank.deb");
    fs::write(&source, b"content").unwrap();
    let mut file = package(&Server::start(), "x", b"content");
    file.urls = vec![url::Url::from_file_path(&source).unwrap()];
    let fetcher = fetcher(&dir.path().join("cache"));
    assert_eq!(
        fs::read(&fetcher.fetch(&[file.clone()]).unwrap()[0]).unwrap(),
        b"content"
    );
    file.hash = FileHash::Sha256([1; 32]);
    assert!(matches!(
        fetcher.fetch(&[file.clone()]),
        Err(ArchiveError::WrongHash { .. })
    ));
    file.urls = vec![url::Url::from_file_path(dir.path()).unwrap()];
    assert!(matches!(
        fetcher.fetch(&[file]),
        Err(ArchiveError::NotFound { .. })
    ));
}

#[test]
fn one_failure_stops_the_others_and_cancelling_stops_all() {
    let (server, bytes) = (Server::start(), data(10_000));
    server.put("missing", Serve::Status(404));
    let mut files = vec![package(&server, "missing", b"x")];
    for i in 0..50 {
        let mut own = bytes.clone();
        own[0] = i;
        server.put(&format!("{i}"), Serve::Well(own.clone()));
        files.push(package(&server, &format!("{i}"), &own));
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        fetcher(dir.path()).fetch(&files),
        Err(ArchiveError::NotFound { .. })
    ));

    // A file that is not in the cache yet.
    let slow = data(20_000);
    server.put("slow", Serve::Silent(slow.clone(), 10));
    let options = quick(dir.path());
    let cancel = options.cancel.clone();
    let canceller = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        cancel.store(true, Ordering::Relaxed);
    });
    let fetcher = Fetcher::new(options, Arc::new(super::super::NoProgress)).unwrap();
    let error = fetcher.fetch(&[package(&server, "slow", &slow)]).unwrap_err();
    assert!(matches!(error, ArchiveError::Interrupted), "{error}");
    canceller.join().unwrap();
}

#[test]
fn a_configured_proxy_gets_the_whole_url() {
    let (server, bytes) = (Server::start(), data(100));
    server.put_raw("http://mirror.example.org/a", Serve::Well(bytes.clone()));
    let mut file = package(&server, "a", &bytes);
    file.urls = vec!["http://mirror.example.org/a".parse().unwrap()];
    let dir = tempfile::tempdir().unwrap();
    let mut options = quick(dir.path());
    options
        .connections
        .add_settings(&format!("Acquire::http::Proxy \"{}\";", server.url("")));
    Fetcher::new(options, Arc::new(super::super::NoProgress))
        .unwrap()
        .fetch(&[file])
        .unwrap();
    assert_eq!(server.requests(), ["http://mirror.example.org/a"]);
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Fetcher::new(
        quick(&file.path().join("cache")),
        Arc::new(super::super::NoProgress),
    )
    .unwrap_err();
    assert!(error.to_string().contains("/cache"), "{error}");
}
