//! How servers are reached: lists of mirrors, users and passwords, certificates, proxies.

use std::path::Path;

use rootless_install_tests::archive::{Publish, SUITE};
use rootless_install_tests::certificates::Certificates;
use rootless_install_tests::mirror::{Fault, Mirror, basic, unreachable};
use rootless_install_tests::place::{Place, has_one};
use rootless_install_tests::program::Outcome;
use rootless_install_tests::repository::compressed;
use rootless_install_tests::synthetic::{Synthetic, package};
use rootless_install_tests::{Result, scenario};

scenario!(
    /// Lists of mirrors, from this machine and from a server: by priority, and the next one where one fails.
    lists_of_mirrors, PROGRAM, {
    let place = Place::new()?;
    let second = Mirror::of(&place.own.root)?;
    let (first, gone) = (place.mirror.url(), unreachable()?);
    let options = format!("signed-by={}", place.key());
    let text = format!("# ours\n{gone}/\n{}\tpriority:2\n{first}/\tpriority:1\n", second.url());
    let list = place.work.write("mirrors.txt", text.as_bytes())?.display().to_string();
    place.own.write("mirrors.lst.gz", &compressed(text.as_bytes(), ".gz")?)?;
    for uri in [
        format!("mirror+file:{list}"),
        format!("mirror+copy:{list}"),
        format!("mirror+{first}/mirrors.lst.gz"),
        format!("mirror{}/mirrors.lst.gz", first.trim_start_matches("http")),
    ] {
        let source = format!("deb [{options}] {uri} {SUITE} main");
        place.forget()?;
        second.forget();
        has_one(&place.plan(&source, &[])?);
        assert!(second.requests().is_empty(), "{:?}", second.requests());
        // Without the network it is what it was.
        has_one(&place.plan(&source, &["--offline"])?);
        // The first one fails in one way or another.
        for (end, fault) in [("InRelease", Fault::Status(403)), (".xz", Fault::Altered), (".xz", Fault::Status(404))] {
            place.forget()?;
            second.forget();
            place.mirror.fault(end, fault);
            has_one(&place.plan(&source, &[])?);
            assert!(second.requests().iter().any(|request| request.path.ends_with(end) && request.status == 200));
            place.mirror.heal();
        }
    }
    let made = place.path("out/mirror");
    let source = format!("deb [{options}] mirror+file:{list} {SUITE} main");
    let words = ["mirror", "--cache", &place.path("cache"), "--variant=custom", "--arch", place.architecture];
    let words = [&words[..], &["--no-native-tools", "--include=one", "--mirror", &source, &made]].concat();
    place.work.run_plain(words).end()?.succeeded();
    let own = place.work.path("out/mirror/mirrors.txt");
    assert!(own.join(place.dists()).join("InRelease").is_file() && own.join("pool").is_dir());
    for (text, line, said) in [
        ("ftp://mirror.example.org/\n", 1, "ftp"),
        ("\nhttp://mirror.example.org/ priority:first\n", 2, "priority:NUMBER"),
        ("# none\n", 1, "names no mirror"),
    ] {
        let list = place.work.write("broken.txt", text.as_bytes())?.display().to_string();
        let outcome = place.plan(&format!("deb [{options}] mirror+file:{list} {SUITE} main"), &[])?;
        outcome.failed_with(&[&format!("broken.txt:{line}"), said]);
    }
    // A server says nothing of this machine's files.
    place.own.write("local.lst", format!("file:{}\n", place.own.root.display()).as_bytes())?;
    let outcome = place.plan(&format!("deb [{options}] mirror+{first}/local.lst {SUITE} main"), &[])?;
    outcome.failed_with(&["local.lst:1", "from a server"]);
});

/// The files of a directory whose content has a word.
fn with_word(directory: &Path, word: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
                left.push(entry.path());
            }
        } else if std::fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(word)) {
            found.push(path.display().to_string());
        }
    }
    Ok(found)
}

scenario!(
    /// Users and passwords from a file of apt_auth.conf(5): for the host that is meant, over http only where that is said, and
    /// told nowhere.
    users_and_passwords, PROGRAM, {
    let place = Place::new()?;
    place.mirror.require("guest", "hunter2");
    let host = place.mirror.host();
    let line = place.line(&format!("signed-by={}", place.key()));
    let with = |text: &str, more: &[&str]| -> Result<Outcome> {
        place.mirror.forget();
        let file = place.work.write("auth", text.as_bytes())?.display().to_string();
        let outcome = place.plan(&line, &[&["--auth-file", &file], more].concat())?;
        assert!(!outcome.stderr.contains("hunter2") && !outcome.text().contains("hunter2"), "{}", outcome.stderr);
        Ok(outcome)
    };
    place.plan(&line, &[])?.failed_with(&["401", "auth.conf", "machine http://HOST"]);
    for machine in [format!("http://{host}"), "http://127.0.0.1".to_owned(), "http://127.0.0.1/di".to_owned()] {
        let lock = place.path("out/lock.json");
        let text = format!("# ours\nmachine nowhere login a password b\nmachine {machine}\n login guest\n\tpassword hunter2\n");
        has_one(&with(&text, &["--lock", &lock, "--debug"])?);
        let sent = basic("guest", "hunter2");
        assert!(place.mirror.requests().iter().all(|request| request.authorization.as_ref() == Some(&sent)));
        assert!(!std::fs::read_to_string(lock)?.contains("hunter2"));
    }
    for machine in [host.as_str(), "127.0.0.1", "https://127.0.0.1", "http://127.0.0.1/other", "http://127.0.0.1:1"] {
        with(&format!("machine {machine} login guest password hunter2"), &[])?.failed_with(&["401"]);
        assert!(place.mirror.requests().iter().all(|request| request.authorization.is_none()), "{machine}");
    }
    for (text, line, said) in [
        ("\nmachine", 2, "name of a host"),
        ("login guest password hunter2", 1, "before any"),
        ("machine a login b\npassword hunter2 hunter2", 2, "none of"),
    ] {
        with(text, &[])?.failed_with(&[&format!("auth:{line}"), said, "apt_auth.conf"]);
    }
    // Those of a URL are used, and told nowhere.
    let url = format!("http://guest:hunter2@{host}");
    let lock = place.path("out/lock.json");
    let words = ["--lock", &lock, "--debug", "--keyring", &place.key()];
    place.forget()?;
    let outcome = place.plan(&format!("deb {url} {SUITE} main"), &words)?;
    has_one(&outcome);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    let text = std::fs::read_to_string(&lock)?;
    assert!(text.contains(&host) && !text.contains("hunter2") && !text.contains("guest"), "{text}");
    let made = place.path("out/mirror");
    let words = ["mirror", "--cache", &place.path("cache"), "--variant=custom", "--arch", place.architecture, "--no-native-tools"];
    let source = format!("deb [signed-by={}] {url} {SUITE} main", place.key());
    let outcome = place.work.run_plain([&words[..], &["--include=one", "--mirror", &source, &made]].concat()).end()?;
    assert!(!outcome.succeeded().text().contains("hunter2"));
    assert!(place.mirror.requests().iter().any(|request| request.path.ends_with(".deb") && request.status == 200));
    for directory in ["cache", "out"] {
        assert_eq!(with_word(&place.work.path(directory), "hunter2")?, [""; 0]);
    }
});

scenario!(
    /// https with an authority of one's own, and a certificate of the client, by options of this program and of apt.
    certificates, PROGRAM, {
    let place = Place::new()?;
    let own = Certificates::new(&place.work.make_dir("certificates")?)?;
    let file = |name: &str| own.file(name).display().to_string();
    let (ca, client, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
    for path in [&client, &key] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    }
    let open = Mirror::secure(&place.own.root, &own, false)?;
    let closed = Mirror::secure(&place.own.root, &own, true)?;
    let line = |mirror: &Mirror| format!("deb [signed-by={}] {} {SUITE} main", place.key(), mirror.url());
    let known = ["--ca-certificate", &ca];
    let me = ["--client-certificate", &client, "--client-key", &key];
    let plan = |mirror: &Mirror, words: &[&str]| place.plan(&line(mirror), words);
    has_one(&plan(&open, &known)?);
    has_one(&plan(&closed, &[known, ["--ca-certificate", &ca]].concat().into_iter().chain(me).collect::<Vec<_>>())?);
    plan(&open, &[])?.failed_with(&["cannot reach https://", "UnknownIssuer", "--ca-certificate FILE"]);
    plan(&closed, &known)?.failed_with(&["cannot reach https://"]);
    let with = |mirror: &Mirror, options: &[String]| -> Result<Outcome> {
        let words: Vec<&str> = options.iter().flat_map(|option| ["--aptopt", option.as_str()]).collect();
        place.plan(&line(mirror), &words)
    };
    let set = |name: &str, value: &str| format!("Acquire::https::{name} \"{value}\"");
    let mine = [set("SslCert::127.0.0.1", &client), set("127.0.0.1::SslKey", &key)];
    has_one(&with(&open, &[set("CaInfo", &ca)])?);
    has_one(&with(&open, &[set("CaInfo::127.0.0.1", &ca)])?);
    has_one(&with(&open, &[set("127.0.0.1::Verify-Peer", "false")])?);
    has_one(&with(&closed, &[&mine[..], &[set("CaInfo", &ca)]].concat())?);
    with(&open, &[set("CaInfo::mirror.example.org", &ca)])?.failed_with(&["cannot reach"]);
    with(&open, &[set("CaInfo", "/nowhere/ca.pem")])?.failed_with(&["/nowhere/ca.pem"]);
    with(&closed, &[set("CaInfo", &ca), set("SslKey", &key)])?.failed_with(&["client.key", "no certificate"]);
    plan(&open, &["--ca-certificate", &place.key()])?.failed_with(&["key.gpg", "PEM"]);
    // What is for https alone is sent here.
    open.require("guest", "hunter2");
    let auth = place.work.write("auth", b"machine 127.0.0.1 login guest password hunter2\n")?.display().to_string();
    has_one(&plan(&open, &[&known[..], &["--auth-file", &auth]].concat())?);
});

scenario!(
    /// Proxies of the environment and of apt's configuration, for all hosts or one, DIRECT, and no_proxy.
    proxies, PROGRAM, {
    let place = Place::new()?;
    let proxy = place.mirror.url();
    // No such host is there: only a proxy has an answer.
    let source = format!("deb [signed-by={}] http://mirror.invalid/ {SUITE} main", place.key());
    let cache = place.path("cache");
    let run = |environment: &[(&str, &str)], options: &[&str], source: &str| -> Result<Outcome> {
        place.forget()?;
        let given = ["plan", "--cache", &cache, "--variant=custom", "--arch", place.architecture, "--mode=redirect"];
        let options: Vec<&str> = options.iter().flat_map(|option| ["--aptopt", option]).collect();
        let words = [&given[..], &["--include=one", "--download-timeout=1s", "--mirror", source], &options].concat();
        let run = place.work.run_plain(words);
        environment.iter().fold(run, |run, (name, value)| run.env(name, value)).end()
    };
    let set = |name: &str, value: &str| format!("Acquire::http::{name} \"{value}\"");
    let gone = unreachable()?;
    for (environment, options) in [
        (&[("http_proxy", proxy.as_str())][..], vec![]),
        (&[], vec![set("Proxy", &proxy)]),
        (&[], vec![set("Proxy", &gone), set("Proxy::mirror.invalid", &proxy)]),
        (&[], vec![set("mirror.invalid::Proxy", &proxy)]),
        // As with apt its configuration counts before the environment.
        (&[("http_proxy", gone.as_str())], vec![set("Proxy", &proxy)]),
    ] {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        has_one(&run(environment, &options, &source)?);
        assert!(place.mirror.requests().iter().all(|request| request.by_proxy), "{environment:?} {options:?}");
    }
    let own = place.line(&format!("signed-by={}", place.key()));
    for (environment, options) in [
        (&[("http_proxy", gone.as_str()), ("no_proxy", "127.0.0.1")][..], vec![]),
        (&[("http_proxy", gone.as_str())], vec![set("Proxy", "DIRECT")]),
        (&[], vec![set("Proxy", &gone), set("Proxy::127.0.0.1", "DIRECT")]),
        (&[("no_proxy", "127.0.0.1")], vec![set("Proxy", &gone)]),
    ] {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        has_one(&run(environment, &options, &own)?);
        assert!(place.mirror.requests().iter().all(|request| !request.by_proxy), "{environment:?} {options:?}");
    }
    let said = run(&[], &[&set("Proxy-Auto-Detect", "/usr/bin/detect")], &own)?;
    has_one(&said);
    assert!(said.stderr.contains("/usr/bin/detect") && said.stderr.contains("http_proxy"), "{}", said.stderr);
    run(&[], &[&set("Proxy", "gopher://proxy.example.org")], &own)?.failed_with(&["gopher", "proxy"]);
});

scenario!(
    /// Native tools for a target that is there are fetched as its own apt would fetch them: with the users and passwords, certificates
    /// and proxies of its configuration, and what that has apt accept. It names nothing outside of the target.
    those_of_a_target, CONFIGURE, {
    let archive = Synthetic::published(&Publish { valid_until: Some(3), ..Publish::default() }, &[])?;
    let work = &archive.work;
    archive.install("", "target").end()?.succeeded();
    let own = Certificates::new(&work.make_dir("certificates")?)?;
    let mirror = Mirror::secure(archive.archive(), &own, true)?;
    mirror.require("guest", "hunter2");
    let put = |name: &str, text: &[u8]| work.write(&format!("out/target/etc/{name}"), text).map(drop);
    let certificate = |name: &str| std::fs::read(own.file(name));
    work.make_dir("out/target/etc/apt/apt.conf.d")?;
    work.make_dir("out/target/etc/apt/auth.conf.d")?;
    work.make_dir("out/target/etc/ssl/certs")?;
    put("apt/own.gpg", &std::fs::read(archive.keyring())?)?;
    let source = |url: &str| put("apt/sources.list", format!("deb [signed-by=/etc/apt/own.gpg] {url} {SUITE} main\n").as_bytes());
    source(&mirror.url())?;
    let mut number = 0;
    let mut call = |words: &[&str]| -> Result<Outcome> {
        number += 1;
        let cache = work.make_dir(&format!("cache-{number}"))?.display().to_string();
        let target = work.out("target").display().to_string();
        let words: Vec<&str> = words.iter().map(|word| match *word {
            "CACHE" => cache.as_str(),
            "TARGET" => target.as_str(),
            word => word,
        }).collect();
        work.run_plain(words).end()
    };
    let run = ["run", "--cache", "CACHE", "TARGET", "--", "true"];
    std::thread::sleep(std::time::Duration::from_secs(4));
    // Whether the run goes on then is up to this machine's sources.
    let says = |done: Outcome, words: &[&str]| {
        assert!(words.iter().all(|word| done.stderr.contains(word)), "{words:?}: {}", done.stderr);
    };
    says(call(&run)?, &["cannot reach https://", "UnknownIssuer"]);
    // The bundle that the target trusts, as update-ca-certificates(8) makes it.
    put("ssl/certs/ca-certificates.crt", &certificate("ca.pem")?)?;
    put("ssl/client.pem", &certificate("client.pem")?)?;
    let key = std::fs::read(own.file("client.key"))?;
    let named = format!("Acquire::https {{ SslCert \"/etc/ssl/client.pem\"; SslKey \"{}\"; }};\n", own.file("client.key").display());
    put("apt/apt.conf.d/50own", named.as_bytes())?;
    // A file of this machine is none of the target's.
    says(call(&run)?, &["client.pem"]);
    put("ssl/client.key", &key)?;
    put("apt/apt.conf.d/50own", b"Acquire::https { SslCert \"/etc/ssl/client.pem\"; SslKey \"/etc/ssl/client.key\"; };\n")?;
    says(call(&run)?, &["401"]);
    let text = b"machine 127.0.0.1 login guest password hunter2\n";
    let outside = work.write("home/auth", text)?;
    let link = work.out("target/etc/apt/auth.conf.d/1.conf");
    std::os::unix::fs::symlink(&outside, &link)?;
    says(call(&run)?, &["401"]);
    std::fs::remove_file(&link)?;
    put("apt/auth.conf.d/1.conf", text)?;
    // What this machine's apt is told to accept counts as well.
    let accepted = std::process::Command::new("apt-config").args(["dump", "Acquire::Check-Valid-Until"]).output()?;
    let done = call(&run)?;
    match String::from_utf8_lossy(&accepted.stdout).contains("\"false\"") {
        false => says(done, &["expired"]),
        true => assert_eq!(done.succeeded().stderr, ""),
    }
    put("apt/apt.conf.d/60valid", b"Acquire::Check-Valid-Until \"false\";\n")?;
    assert_eq!(call(&run)?.succeeded().stderr, "");
    let script = package("small")?.script("postinst", "#!/bin/sh\ngrep -q x /etc/passwd; echo ran\n");
    let small = work.write("home/small.deb", &script.build()?)?.display().to_string();
    let root = format!("--root={}", work.out("target").display());
    let done = call(&["dpkg", "--cache", "CACHE", &root, "-i", &small])?;
    assert!(done.status.success() && done.text().contains("ran\n"), "{}{}", done.text(), done.stderr);
    // Nor did this machine's sources help.
    assert!(!done.stderr.contains("hunter2") && !done.stderr.contains("warning"), "{}", done.stderr);
    // No such host is there: only a proxy has an answer.
    let plain = &archive.mirror;
    plain.forget();
    source("http://mirror.invalid/")?;
    says(call(&run)?, &["mirror.invalid"]);
    put("apt/apt.conf.d/70proxy", format!("Acquire::http::Proxy \"{}\";\n", plain.url()).as_bytes())?;
    assert_eq!(call(&run)?.succeeded().stderr, "");
    assert!(!plain.requests().is_empty() && plain.requests().iter().all(|request| request.by_proxy));
});
