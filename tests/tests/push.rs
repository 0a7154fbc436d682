//! Images in registries: what comes back is what was pushed, and nothing wrong is left by those that fail or lie.

use std::ffi::OsStr;
use std::path::Path;

use rootless_install_tests::certificates::Certificates;
use rootless_install_tests::deb::Package;
use rootless_install_tests::faulty_registry::{Fault, FaultyRegistry, Misdeed};
use rootless_install_tests::filled;
use rootless_install_tests::packing::{pack, run, text, told};
use rootless_install_tests::program::{Outcome, Workplace};
use rootless_install_tests::registry::{LOGIN, Registry};
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::Synthetic;
use serde_json::Value;

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// A digest of nothing here.
const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn json(text: &[u8]) -> Tested<Value> {
    Ok(serde_json::from_slice(text)?)
}

/// Pushes, with options and a source before the destination.
fn push(work: &Workplace, words: &[&str]) -> Tested<Outcome> {
    let all = ["push"].into_iter().chain(words.iter().copied());
    Ok(work.run_plain(all).end()?)
}

/// Copies an image out of a registry without TLS into a directory, as skopeo verifies it.
fn pull(image: &str, directory: &Path, options: &[&str]) -> Tested {
    let to = format!("dir:{}", directory.display());
    let mut words: Vec<&dyn AsRef<OsStr>> =
        vec![&"--insecure-policy", &"copy", &"-q", &"--src-tls-verify=false"];
    words.extend(options.iter().map(|option| option as &dyn AsRef<OsStr>));
    words.extend([&image as &dyn AsRef<OsStr>, &to]);
    told("skopeo", &words)?;
    Ok(())
}

/// Checks that each file of a `dir:` of skopeo's is the blob of that name in an OCI layout, and returns their number.
fn same_blobs(directory: &Path, layout: &Path) -> Tested<usize> {
    let mut compared = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.len() == 64 {
            let blob = std::fs::read(layout.join("blobs/sha256").join(&name))?;
            assert!(blob == std::fs::read(entry.path())?, "{name}");
            compared += 1;
        }
    }
    Ok(compared)
}

/// Names under which a registry of Debian's has a repository's manifests.
fn tags(registry: &Registry, repository: &str) -> Vec<String> {
    let tags = format!("docker/registry/v2/repositories/{repository}/_manifests/tags");
    let found = std::fs::read_dir(registry.storage.join(tags));
    found
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

scenario!(
    /// Every form of an image, and a target, are in the registry what they are on the disk; what is there is not sent again.
    what_is_pushed_comes_back, REGISTRY, {
    let work = &Workplace::new()?;
    let target = filled::target(work, "t")?;
    let path = |name: &str| work.out(name).display().to_string();
    let layout = path("layout");
    run(work, &[&"pack", &target, &format!("oci:{layout}:one")])?.succeeded();
    pack(work, &target, "t.oci", &[])?;
    pack(work, &target, "t.docker.tar", &[])?;
    pack(work, &target, "t.tar.zst", &[])?;
    let registry = Registry::start(work, "registry", false, None)?;
    let at = |name: &str| format!("{}/team/{name}", registry.address);
    let index = json(&std::fs::read(work.out("layout").join("index.json"))?)?;
    let digest = index["manifests"][0]["digest"].as_str().ok_or("no digest")?.to_owned();
    let file = path("digest");
    let source = format!("oci:{layout}:one");
    let done = push(work, &["--digest-file", &file, &source, &at("a:1")])?;
    done.succeeded();
    assert_eq!(done.text(), format!("{}@{digest}\n", at("a")));
    assert_eq!(std::fs::read_to_string(&file)?, format!("{digest}\n"));
    let seen = json(&told("skopeo", &[&"inspect", &"--tls-verify=false", &format!("docker://{}:1", at("a"))])?)?;
    assert_eq!((&seen["Digest"], &seen["Os"]), (&digest.as_str().into(), &"linux".into()), "{seen}");
    let back = work.out("back");
    pull(&format!("docker://{}:1", at("a")), &back, &[])?;
    let manifest = work.out("layout").join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
    assert_eq!(std::fs::read(back.join("manifest.json"))?, std::fs::read(manifest)?);
    assert!(same_blobs(&back, &work.out("layout"))? >= 2);
    // All forms are the same image, so nothing but a name is new; the tag is `latest` where there is none.
    let archive = format!("oci-archive:{}", path("t.oci"));
    let docker = format!("docker-archive:{}", path("t.docker.tar"));
    for source in [&layout, &archive, &path("t.oci"), &path("t"), &path("t.tar.zst")] {
        let done = push(work, &["--json", source, &at("a")])?;
        done.succeeded();
        let said = json(&done.stdout)?;
        assert_eq!(said["digest"], digest.as_str(), "{source}");
        assert_eq!(said["reference"], format!("{}:latest", at("a")));
        let blobs = said["blobs"].as_array().cloned().unwrap_or_default();
        assert!(blobs.len() >= 2 && blobs.iter().all(|blob| blob["sent"] == false), "{source}: {said}");
    }
    // What `docker save` has written has the same configuration, and so the same layers, compressed anew.
    let done = push(work, &["--json", &docker, &at("docker:1")])?;
    done.succeeded();
    let manifest_of = |image: &str| -> Tested<Value> {
        json(&told("skopeo", &[&"inspect", &"--raw", &"--tls-verify=false", &format!("docker://{image}")])?)
    };
    let (one, other) = (manifest_of(&format!("{}:1", at("a")))?, manifest_of(&format!("{}:1", at("docker")))?);
    assert_eq!(one["config"], other["config"]);
    pull(&format!("docker://{}:1", at("docker")), &work.out("docker"), &[])?;
    // No proxy leads to this machine.
    let proxy = "http://127.0.0.1:9";
    work.run_plain(["push", &layout, &at("a")]).env("http_proxy", proxy).env("HTTPS_PROXY", proxy).end()?.succeeded();
    // Another configuration is another image with the same layers.
    let done = push(work, &["--json", "--oci-cmd", "bash", &path("t"), &at("a:bash")])?;
    done.succeeded();
    let sent: Vec<Value> = json(&done.stdout)?["blobs"].as_array().cloned().unwrap_or_default();
    let sent: Vec<&Value> = sent.iter().filter(|blob| blob["sent"] == true).map(|blob| &blob["mediaType"]).collect();
    assert_eq!(sent, ["application/vnd.oci.image.config.v1+json"]);
    assert_eq!(work.names("tmp")?, [""; 0], "temporary files are left");
});

scenario!(
    /// Users, passwords and certificates, from each place, and none of them is ever printed.
    logins, REGISTRY, {
    let work = &Workplace::new()?;
    let target = filled::target(work, "t")?;
    pack(work, &target, "t.oci", &[])?;
    let own = Certificates::new(&work.make_dir("certificates")?)?;
    let ca = own.file("ca.pem").display().to_string();
    let registry = Registry::start(work, "registry", true, Some(&own))?;
    let plain = Registry::start(work, "plain", true, None)?;
    let image = work.out("t.oci").display().to_string();
    let (to, to_plain) = (format!("{}/team/a", registry.address), format!("{}/team/a", plain.address));
    let (user, password) = LOGIN;
    let quiet = |done: &Outcome| assert!(!format!("{}{}", done.stderr, done.text()).contains("sesame"), "{}", done.stderr);
    // Nobody, a wrong certificate, and TLS where there is none.
    let done = push(work, &["--ca-certificate", &ca, &image, &to])?;
    done.failed_with(&["refuses", "401|unauthorized|authentication", "--password-stdin", "skopeo login"]);
    push(work, &[&image, &to])?.failed_with(&[&registry.address, "400|refuses|no connection"]);
    push(work, &["--ca-certificate", &ca, &image, &to_plain])?.failed_with(&["no connection", "--plain-http|tls"]);
    let localhost = to.replace("127.0.0.1", "127.0.0.2");
    push(work, &["--ca-certificate", &ca, &image, &localhost])?.failed_with(&[&localhost.replace("/team/a", "")]);
    // From standard input.
    let with_password = |word: &str, words: &[&str]| -> Tested<Outcome> {
        let all = ["push", "--username", user, "--password-stdin"].into_iter().chain(words.iter().copied());
        let script = format!("printf '%s\\n' '{word}' | \"$@\"");
        let done = work.run_plain(all).through(script).end()?;
        quiet(&done);
        Ok(done)
    };
    with_password(password, &["--ca-certificate", &ca, &image, &to])?.succeeded();
    with_password("sesame", &[&image, &to_plain])?.failed_with(&["refuses", "from --username"]);
    with_password(password, &[&image, &to_plain])?.succeeded();
    // From files, the first of which counts; `me:open sesame`.
    let auth = |registry: &str, word: &str| format!("{{\"auths\": {{\"{registry}\": {{\"auth\": \"{word}\"}}}}}}");
    let right = auth(&plain.address, "bWU6b3BlbiBzZXNhbWU=");
    let wrong = auth(&plain.address, "bWU6Y2xvc2VkIHNlc2FtZQ==");
    work.make_dir("home/.docker")?;
    work.write("home/.docker/config.json", right.as_bytes())?;
    let done = push(work, &[&image, &to_plain])?;
    quiet(&done);
    done.succeeded();
    work.make_dir("home/.config")?;
    work.make_dir("home/.config/containers")?;
    work.write("home/.config/containers/auth.json", wrong.as_bytes())?;
    let done = push(work, &[&image, &to_plain])?;
    quiet(&done);
    done.failed_with(&["refuses", ".config/containers/auth.json"]);
    work.make_dir("home/run")?;
    work.make_dir("home/run/containers")?;
    work.write("home/run/containers/auth.json", right.as_bytes())?;
    let with = |name: &str, value: String| -> Tested<Outcome> {
        let done = work.run_plain(["push", &image, &to_plain]).env(name, value).end()?;
        quiet(&done);
        Ok(done)
    };
    let home = |name: &str| work.path("home").join(name).display().to_string();
    with("XDG_RUNTIME_DIR", home("run"))?.succeeded();
    with("REGISTRY_AUTH_FILE", home("run/containers/auth.json"))?.succeeded();
    with("REGISTRY_AUTH_FILE", home("nowhere.json"))?.failed_with(&["cannot read", "nowhere.json"]);
    // A helper, which is asked for the password.
    let helper = "#!/bin/sh\nread -r server\n[ \"$1\" = get ] && printf '{\"Username\":\"me\",\"Secret\":\"open sesame\"}'\n";
    let program = work.write("home/docker-credential-ours", helper.as_bytes())?;
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let config = format!("{{\"credHelpers\": {{\"{}\": \"ours\"}}}}", plain.address);
    work.write("home/helped.json", config.as_bytes())?;
    let script = format!("PATH={}:$PATH exec \"$@\"", work.path("home").display());
    let done = work.run_plain(["push", &image, &to_plain]).env("REGISTRY_AUTH_FILE", home("helped.json")).through(script).end()?;
    quiet(&done);
    done.succeeded();
    with("REGISTRY_AUTH_FILE", home("helped.json"))?.failed_with(&["helped.json", "cannot be run"]);
    assert_eq!(work.names("tmp")?, [""; 0], "temporary files are left");
});

scenario!(
    /// One command makes an image of several architectures, each as it is alone; it is pushed whole.
    several_architectures, CONFIGURE_REGISTRY, {
    let archive = Synthetic::with(&[Package::new("more", "1.0-1", "all").file("usr/share/more/file", "more\n", 0o644)])?;
    let work = &archive.work;
    let (native, foreign) = (archive.native().debian, archive.foreign().debian);
    let options: Vec<String> = archive.options().iter().skip(2).map(|word| word.to_string_lossy().into_owned()).collect();
    let make = |words: &[&str], target: &str| -> Tested<Outcome> {
        let own = ["--variant", "essential", "--include", "more"];
        let all = options.iter().map(String::as_str).chain(own).chain(words.iter().copied()).chain([target]);
        Ok(work.run(all).env("SOURCE_DATE_EPOCH", "1700000000").end()?)
    };
    let path = |name: &str| work.out(name).display().to_string();
    let both = format!("{foreign},{native}");
    make(&["--arch", &both, "--multi", "--oci-cmd", "true"], &format!("oci:{}:all", path("both")))?.succeeded();
    make(&["--arch", &both, "--multi", "--oci-cmd", "true"], &format!("oci-archive:{}:all", path("both.oci")))?.succeeded();
    for architecture in [foreign, native] {
        make(&["--arch", architecture, "--oci-cmd", "true"], &format!("oci:{}:all", path(architecture)))?.succeeded();
    }
    let blob = |layout: &str, digest: &Value| -> Tested<Value> {
        let name = digest.as_str().unwrap_or_default().replace(':', "/");
        json(&std::fs::read(work.out(layout).join("blobs").join(name))?)
    };
    let top = |layout: &str| -> Tested<Value> {
        Ok(json(&std::fs::read(work.out(layout).join("index.json"))?)?["manifests"][0].clone())
    };
    let whole = top("both")?;
    assert_eq!(whole["annotations"]["org.opencontainers.image.ref.name"], "all");
    let index = blob("both", &whole["digest"])?;
    for (number, architecture) in [foreign, native].into_iter().enumerate() {
        let alone = top(architecture)?;
        let listed = &index["manifests"][number];
        assert_eq!((&listed["digest"], &listed["size"]), (&alone["digest"], &alone["size"]), "{architecture}");
        let config = blob("both", &blob("both", &listed["digest"])?["config"]["digest"])?;
        let platform = &listed["platform"];
        assert_eq!((&platform["architecture"], &platform["os"]), (&config["architecture"], &"linux".into()));
        assert_eq!(platform["variant"], config["variant"]);
    }
    // Both forms have the same files.
    let untarred = work.make_dir("untarred")?;
    told("tar", &[&"-xf", &work.out("both.oci"), &"-C", &untarred])?;
    assert_eq!(text("diff", &[&"-r", &untarred, &work.out("both")])?, "");
    // A push brings the index and all it names.
    let registry = Registry::start(work, "registry", false, None)?;
    let to = format!("{}/all:1", registry.address);
    let done = push(work, &["--json", &format!("oci-archive:{}", path("both.oci")), &to])?;
    done.succeeded();
    let said = json(&done.stdout)?;
    assert_eq!((&said["digest"], said["manifests"].as_array().map(Vec::len)), (&whole["digest"], Some(3)));
    let back = work.out("back");
    pull(&format!("docker://{to}"), &back, &["--all"])?;
    let name = whole["digest"].as_str().unwrap_or_default().replace(':', "/");
    assert_eq!(std::fs::read(back.join("manifest.json"))?, std::fs::read(work.out("both").join("blobs").join(name))?);
    assert!(same_blobs(&back, &work.out("both"))? >= 4);
    let raw = |arch: &Value| -> Tested<Value> {
        let arch = arch["platform"]["architecture"].as_str().unwrap_or_default().to_owned();
        json(&told("skopeo", &[&"--override-arch", &arch, &"inspect", &"--config", &format!("oci:{}:all", path("both"))])?)
    };
    for listed in index["manifests"].as_array().into_iter().flatten() {
        assert_eq!(raw(listed)?["architecture"], listed["platform"]["architecture"]);
    }
    // What fails in one architecture ends all, and names it.
    let traces = work.names("out")?;
    let broken = format!("oci:{}", path("broken"));
    make(&["--arch", &both, "--multi", "--include", "nothing-of-that-name"], &broken)?
        .failed_with(&[foreign, "nothing-of-that-name"]);
    let only = format!("{foreign},{native}");
    make(&["--arch", &only, "--multi", "--customize-hook", &format!("grep -qx 'Architecture: {foreign}' \"$1/var/lib/dpkg/status\"")], &broken)?
        .failed_with(&[&format!("the image of {native}"), "hook"]);
    assert_eq!(work.names("out")?, traces, "something half-made is left");
    for (words, target, said) in [
        (&["--arch", &both, "--multi"][..], path("x.ext4"), "run once for each"),
        (&["--arch", &both, "--multi"], format!("docker-archive:{}", path("x")), "oci-archive"),
        (&["--arch", &both, "--multi"], "-".to_owned(), "run once for each"),
        (&["--multi"], broken.clone(), "--arch riscv64,arm64"),
        (&["--arch", &both, "--multi", "--lock", "x.lock"], broken.clone(), "--lock is of one"),
    ] {
        let done = make(words, &target)?;
        assert_eq!(done.status.code(), Some(2), "{words:?}: {}", done.stderr);
        assert!(done.stderr.contains(said), "{words:?}: {}", done.stderr);
    }
    assert_eq!(work.names("tmp")?, [""; 0], "temporary files are left");
});

scenario!(
    /// A registry that fails for a while is asked again; one that refuses is told of; what is there then is not sent again.
    registries_that_fail, REGISTRY, {
    let work = &Workplace::new()?;
    let target = filled::target(work, "t")?;
    let layout = work.out("layout").display().to_string();
    run(work, &[&"pack", &target, &format!("oci:{layout}")])?.succeeded();
    let source = format!("oci:{layout}");
    let fault = |method, path, times, does| Fault { method, path, times, does };
    let failing = |faults: &[Fault]| -> Tested<(FaultyRegistry, Outcome)> {
        let registry = FaultyRegistry::start(faults)?;
        let done = push(work, &["--timeout", "2s", &source, &format!("{}/x:1", registry.address)])?;
        assert_eq!(registry.broken_rules(), [""; 0]);
        Ok((registry, done))
    };
    let (sound, done) = failing(&[])?;
    done.succeeded();
    let (blobs, _) = sound.has();
    // Three times wrong, then right; the connection ends in the midst of a blob.
    for does in [Misdeed::Status(500, "no"), Misdeed::Status(429, ""), Misdeed::Cut] {
        for (method, path) in [("PUT", "/blobs/uploads/"), ("PUT", "/manifests/"), ("HEAD", "/blobs/")] {
            let (registry, done) = failing(&[fault(method, path, 3, does)])?;
            done.succeeded();
            assert_eq!(registry.has(), sound.has(), "{method} {path} {does:?}");
            assert_eq!(registry.requests(method, path), sound.requests(method, path) + 3, "{method} {path} {does:?}");
        }
    }
    // Wrong for ever; afterwards all is right, and nothing is sent twice.
    let for_ever = usize::MAX;
    let blob = "blob sha256:";
    for (method, path, does, said) in [
        ("HEAD", "/blobs/", Misdeed::Status(401, ""), &["refuses", "401", "skopeo login"][..]),
        ("POST", "/uploads/", Misdeed::Status(401, ""), &["refuses", blob, "401", "--username"]),
        ("POST", "/uploads/", Misdeed::Status(403, "not \u{1b}[31myours"), &["refuses", blob, "403", "not \\u{1b}[31myours"]),
        ("POST", "/uploads/", Misdeed::Status(404, "{\"errors\":[{\"code\":\"NAME_UNKNOWN\"}]}"), &["refuses", blob, "404", "NAME_UNKNOWN", "be made"]),
        ("PUT", "/uploads/", Misdeed::Status(413, ""), &["refuses", blob, "413", "limit has to be raised"]),
        ("PUT", "/uploads/", Misdeed::Status(503, "busy"), &["fails at", blob, "busy", "push again later"]),
        ("PUT", "/uploads/", Misdeed::Cut, &["no connection", blob, "not sent again"]),
        ("PUT", "/uploads/", Misdeed::Silence, &["neither takes nor says anything for 2s", blob]),
        ("PUT", "/manifests/", Misdeed::Status(400, "bad"), &["refuses", "manifest sha256:", "bad"]),
        ("HEAD", "/blobs/", Misdeed::Status(502, ""), &["fails at", blob, "502"]),
    ] {
        let (registry, done) = failing(&[fault(method, path, for_ever, does)])?;
        done.failed_with(&[&[registry.address.as_str()][..], said].concat());
        assert_eq!(registry.has().1, 0, "{method} {path} {does:?}: there is a manifest");
        let (had, _) = registry.has();
        let before = registry.requests("PUT", "/uploads/");
        registry.set(&[]);
        push(work, &[&source, &format!("{}/x:1", registry.address)])?.succeeded();
        assert_eq!(registry.has(), sound.has());
        assert_eq!(registry.requests("PUT", "/uploads/") - before, blobs - had, "{method} {path} {does:?}");
    }
    // One blob there, the next not: it goes on there.
    let second = [fault("PUT", "/uploads/", 1, Misdeed::Location("/v2/x")), fault("PUT", "/uploads/", for_ever, Misdeed::Status(500, ""))];
    let (registry, done) = failing(&second)?;
    done.failed_with(&["fails at", blob]);
    assert_eq!(registry.has(), (1, 0));
    registry.set(&[]);
    let done = push(work, &[&source, &format!("{}/x:1", registry.address)])?;
    done.succeeded();
    assert!(done.stderr.contains(&format!("sent {} of {blobs} blobs", blobs - 1)), "{}", done.stderr);
    // A signal ends the wait.
    let silent = FaultyRegistry::start(&[fault("HEAD", "/blobs/", for_ever, Misdeed::Silence)])?;
    let to = format!("{}/x", silent.address);
    let running = work.run_plain(["push", &source, &to]).start()?;
    while silent.requests("HEAD", "/blobs/") == 0 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let since = std::time::Instant::now();
    running.signal(nix::sys::signal::Signal::SIGINT)?;
    assert_eq!(running.wait()?.status.code(), Some(130));
    assert!(since.elapsed() < std::time::Duration::from_secs(2));
    // Nobody is there.
    push(work, &[&source, "127.0.0.1:1/x"])?.failed_with(&["no connection to 127.0.0.1:1", "refused"]);
    assert_eq!(work.names("tmp")?, [""; 0], "temporary files are left");
});

scenario!(
    /// Whoever says another digest, or that it has what it does not have, is found out.
    registries_that_lie, REGISTRY, {
    let work = &Workplace::new()?;
    let target = filled::target(work, "t")?;
    let layout = work.out("layout").display().to_string();
    run(work, &[&"pack", &target, &format!("oci:{layout}")])?.succeeded();
    let source = format!("oci:{layout}");
    let elsewhere = "/v2/x/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000";
    for (method, path, does, said, manifests) in [
        ("GET", "/blobs/", Misdeed::Digest(OTHER), &["blob sha256:", OTHER, "Docker-Content-Digest"][..], 0),
        ("PUT", "/uploads/", Misdeed::Location(elsewhere), &["blob sha256:", OTHER, "Location"], 0),
        ("PUT", "/uploads/", Misdeed::Forget, &["blob sha256:", "does not have it"], 0),
        ("HEAD", "/blobs/", Misdeed::Status(200, ""), &["blob sha256:", "does not have it"], 0),
        ("POST", "/uploads/", Misdeed::Location("not a place"), &["blob sha256:", "no registry may say"], 0),
        ("PUT", "/manifests/", Misdeed::Forget, &["manifest sha256:", "does not have it"], 0),
        ("PUT", "/manifests/", Misdeed::Location(elsewhere), &["manifest sha256:", OTHER, "Location"], 2),
        ("GET", "/manifests/", Misdeed::Digest(OTHER), &["manifest sha256:", OTHER], 2),
    ] {
        let registry = FaultyRegistry::start(&[Fault { method, path, times: usize::MAX, does }])?;
        let done = push(work, &[&source, &format!("{}/x:1", registry.address)])?;
        done.failed_with(&[&[registry.address.as_str()][..], said].concat());
        assert_eq!(done.text(), "", "{method} {path} {does:?}");
        assert_eq!(registry.broken_rules(), [""; 0], "{method} {path} {does:?}");
        assert_eq!(registry.has().1, manifests, "{method} {path} {does:?}");
    }
    assert_eq!(work.names("tmp")?, [""; 0], "temporary files are left");
});

scenario!(
    /// Images that are damaged, and command lines that make no sense, send nothing.
    what_cannot_be_pushed, REGISTRY, {
    let work = &Workplace::new()?;
    let target = filled::target(work, "t")?;
    let layout = work.out("layout");
    run(work, &[&"pack", &target, &format!("oci:{}:one", layout.display())])?.succeeded();
    let registry = Registry::start(work, "registry", false, None)?;
    let to = format!("{}/x", registry.address);
    let source = format!("oci:{}", layout.display());
    let index = json(&std::fs::read(layout.join("index.json"))?)?;
    let named = |digest: &Value| layout.join("blobs").join(digest.as_str().unwrap_or_default().replace(':', "/"));
    let manifest = named(&index["manifests"][0]["digest"]);
    let layer = named(&json(&std::fs::read(&manifest)?)?["layers"][0]["digest"]);
    for (path, said) in [(&layer, "damaged"), (&manifest, "damaged")] {
        let sound = std::fs::read(path)?;
        let mut changed = sound.clone();
        if let Some(byte) = changed.last_mut() {
            *byte ^= 1;
        }
        for (bytes, said) in [(&changed[..], said), (&sound[..sound.len() / 2], "damaged")] {
            std::fs::write(path, bytes)?;
            push(work, &[&source, &to])?.failed_with(&[said]);
        }
        std::fs::remove_file(path)?;
        push(work, &[&source, &to])?.failed_with(&["it has no"]);
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU)?;
        push(work, &[&source, &to])?.failed_with(&["is no file"]);
        std::fs::remove_file(path)?;
        std::fs::write(path, &sound)?;
    }
    assert_eq!(tags(&registry, "x"), [""; 0]);
    let none = format!("{source}:two");
    push(work, &[&none, &to])?.failed_with(&["no image with the tag \"two\"", "there are: one"]);
    push(work, &["oci:/nowhere", &to])?.failed_with(&["/nowhere", "no index.json"]);
    push(work, &["docker-archive:/nowhere.tar", &to])?.failed_with(&["/nowhere.tar"]);
    let home = work.path("home").display().to_string();
    push(work, &[&home, &to])?.failed_with(&["not a root filesystem"]);
    push(work, &["--oci-cmd", "x", &source, &to])?.failed_with(&["is an image already"]);
    let nowhere = work.path("nowhere/digest").display().to_string();
    push(work, &["--digest-file", &nowhere, &source, &to])?.failed_with(&["cannot write", "nowhere/digest"]);
    let text = work.write("home/text", b"no certificate")?.display().to_string();
    push(work, &["--ca-certificate", &text, &source, &to])?.failed_with(&["no certificate in PEM"]);
    for (words, said) in [
        (&[source.as_str(), "debian"][..], "names no registry"),
        (&[source.as_str(), "r.example.org/Debian"], "small letters"),
        (&["--username", "me", &source, &to], "--password-stdin"),
        (&["--format", "oci", &source, &to], "--format has no meaning"),
        (&["--size", "1G", &source, &to], "--size has no meaning"),
        (&["--plain-http", "--ca-certificate", &text, &source, &to], "cannot be used"),
    ] {
        let done = push(work, words)?;
        assert_eq!(done.status.code(), Some(2), "{words:?}: {}", done.stderr);
        assert!(done.stderr.contains(said), "{words:?}: {}", done.stderr);
    }
    assert_eq!(tags(&registry, "x"), [""; 0]);
    push(work, &[&source, &to])?.succeeded();
    assert_eq!(tags(&registry, "x"), ["latest"]);
    assert_eq!(work.names("tmp")?, [""; 0], "temporary files are left");
});
