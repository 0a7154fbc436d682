//! Hooks: programs of the user's at moments of an installation, around a target whose programs nobody can execute.

use std::time::Duration;

use rootless_install_tests::compare::entries;
use rootless_install_tests::program::Run;
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, package, read};

/// An installation of the essential packages with hooks: moments and commands.
fn with_hooks<'a>(archive: &'a Synthetic, name: &str, hooks: &[(&str, &str)]) -> Run<'a> {
    let mut run = archive.install("", name);
    // Options are put before the others, so the last comes first.
    for (moment, command) in hooks.iter().rev() {
        run = run.option(&format!("--{moment}-hook={command}"));
    }
    run
}

scenario!(
    /// The four moments, the path and the rights of a hook, chroot(8) to a foreign target, recorded owners.
    hooks_run_at_their_moments, CONFIGURE, {
    let archive = Synthetic::with(&[package("later")?])?;
    let own = archive.work.path("home").join("own");
    std::fs::create_dir(&own)?;
    let uname = archive.foreign().triplet.split('-').next().unwrap_or_default().to_owned();
    let done = with_hooks(
        &archive,
        "target.tar",
        &[
            ("setup", "[ ! -e \"$1/usr\" ] && [ -d \"$1/etc/apt\" ] && mkdir -p \"$1/srv/deep\" && chown 7:8 \"$1/srv\""),
            ("extract", "[ -e \"$1/usr/bin/dash\" ] || exit 1; ! grep -q ^Status \"$1/var/lib/dpkg/status\""),
            ("essential", "grep -q '^Status: install ok installed' \"$1/var/lib/dpkg/status\" || exit 1; \
                           ! grep -q later \"$1/var/lib/dpkg/status\""),
            ("customize", "set -e; grep -q later \"$1/var/lib/dpkg/status\"; chroot \"$1\" uname -m; \
                           chroot \"$1\" dpkg --print-architecture; chroot \"$1\" chown 33:42 /srv/deep; \
                           [ \"$(stat -c %u:%g \"$1/srv/deep\")\" = 33:42 ]; id -u; cat /proc/self/uid_map; \
                           head -c4 \"$1/usr/bin/dash\" | tail -c3; echo; pwd; ls -d /etc/hostname"),
            ("chrooted-customize", "echo in the target >/etc/chrooted; uname -m"),
        ],
    )
    .option("--include=later")
    .end()?;
    done.succeeded();
    let told = &done.stderr;
    for said in [
        uname.as_str(),
        archive.foreign().debian,
        "ELF",
        archive.work.path("home").to_str().unwrap_or_default(),
        "/etc/hostname",
    ] {
        assert!(told.lines().any(|line| line == said), "{said}: {told}");
    }
    let found = entries(&archive.work.out("target.tar"))?;
    let fact = |path: &str, name: &str| found.get(path).and_then(|facts| facts.get(name)).cloned();
    assert_eq!(fact("srv", "owner").as_deref(), Some("7:8"));
    assert_eq!(fact("srv/deep", "owner").as_deref(), Some("33:42"));
    assert!(fact("etc/chrooted", "type").is_some());
    assert!(fact("tmp/mmdebstrap.apt.conf", "type").is_none());
    archive.work.clean(&archive.work.traces(), &["target.tar"]);
});

scenario!(
    /// mmdebstrap's variables, the caller's, and the rights of the caller on files of the machine.
    hooks_have_the_callers_environment_and_rights, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    let private = archive.work.write("home/private", b"mine\n")?;
    let run = with_hooks(
        &archive,
        "target",
        &[("customize", "env; cat private; echo changed >private; echo end")],
    );
    std::fs::set_permissions(&private, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let done = run.env("MINE", "1").end()?;
    let told = &done.succeeded().stderr;
    for line in [
        "MMDEBSTRAP_HOOK=customize",
        "MMDEBSTRAP_MODE=unshare",
        "MMDEBSTRAP_FORMAT=directory",
        "MMDEBSTRAP_VERBOSITY=1",
        "container=mmdebstrap-unshare",
        "DEBIAN_FRONTEND=noninteractive",
        "MINE=1",
        "mine",
        "end",
    ] {
        assert!(told.lines().any(|found| found == line), "{line}: {told}");
    }
    assert!(!told.lines().any(|line| line.starts_with("TMPDIR=") || line.starts_with("APT_CONFIG=")));
    assert_eq!(read(&archive.work.path("home"), "private"), "changed\n");
});

scenario!(
    /// Sources, configuration of dpkg and files that a setup hook writes are what the installation goes by.
    what_a_setup_hook_writes_counts, CONFIGURE, {
    let left_out = package("docs")?.file("usr/share/doc/docs/README", "x", 0o644).file("usr/share/doc/docs/copyright", "c", 0o644);
    let archive = Synthetic::with(&[left_out])?;
    let line = format!("deb {} {} main", archive.mirror.url(), rootless_install_tests::archive::SUITE);
    let setup = format!(
        "echo '{line}' >\"$1/etc/apt/sources.list\"; \
         printf 'path-exclude=/usr/share/doc/*\\npath-include=*/copyright\\n' >\"$1/etc/dpkg/dpkg.cfg.d/no-docs\""
    );
    let keyring = archive.keyring();
    let arguments = [
        "--arch".to_owned(), archive.foreign().debian.to_owned(),
        "--suite=".to_owned(), "--mirror=".to_owned(),
        format!("--keyring={}", keyring.display()),
        "--variant=essential".to_owned(), "--include=docs".to_owned(),
        format!("--setup-hook={setup}"),
        archive.work.out("target").display().to_string(),
    ];
    archive.work.run(arguments).end()?.succeeded();
    let target = archive.work.out("target");
    assert!(read(&target, "etc/apt/sources.list").starts_with("deb "));
    assert!(target.join("usr/share/doc/docs/copyright").exists());
    assert!(!target.join("usr/share/doc/docs/README").exists());
});

scenario!(
    /// Files go in and out by special hooks, also from a hook that is a program.
    files_are_brought_in_and_out, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    archive.work.write("home/file", b"from outside\n")?;
    let helper = "set -e; \"$MMDEBSTRAP_ARGV0\" --hook-helper \"$1\" \"$MMDEBSTRAP_MODE\" \"$MMDEBSTRAP_HOOK\" env \
                  \"$MMDEBSTRAP_VERBOSITY\" upload file /etc/helped <&\"$MMDEBSTRAP_HOOKSOCK\" >&\"$MMDEBSTRAP_HOOKSOCK\"; \
                  cmp file \"$1/etc/helped\"; cmp file \"$1/etc/copied/file\"; \
                  if \"$MMDEBSTRAP_ARGV0\" --hook-helper \"$1\" x y z 1 upload nothing /etc/x \
                  <&\"$MMDEBSTRAP_HOOKSOCK\" >&\"$MMDEBSTRAP_HOOKSOCK\"; then exit 1; fi";
    let done = with_hooks(
        &archive,
        "target",
        &[
            ("setup", "mkdir -p \"$1/etc/copied\""),
            ("setup", "copy-in file /etc/copied"),
            ("essential", "upload file /etc/uploaded"),
            ("customize", helper),
            ("customize", "download /etc/uploaded back/again"),
            ("customize", "tar-out /etc/copied copied.tar"),
            ("customize", "sync-out /etc/copied ../out/flat"),
        ],
    )
    .end()?;
    let told = &done.succeeded().stderr;
    assert!(told.contains("nothing"), "{told}");
    let home = archive.work.path("home");
    assert_eq!(read(&home, "back/again"), "from outside\n");
    assert_eq!(read(&archive.work.out("flat"), "file"), "from outside\n");
    assert!(entries(&home.join("copied.tar"))?.contains_key("copied/file"));
});

scenario!(
    /// dpkg in the target is answered while the installation's session is open, and its changes count.
    a_hook_installs_packages_in_a_foreign_target, CONFIGURE, {
    let extra = package("extra")?.script("postinst", "#!/bin/sh\nset -e\nuname -m >/var/lib/extra; chown 33:33 /var/lib/extra\n");
    let archive = Synthetic::with(&[])?;
    archive.work.write("home/extra.deb", &extra.build()?)?;
    let done = with_hooks(
        &archive,
        "target",
        &[
            ("essential", "upload extra.deb /extra.deb"),
            ("essential", "chroot \"$1\" dpkg -i /extra.deb && rm \"$1/extra.deb\""),
            ("customize", "chroot \"$1\" dpkg-query -W -f '${Status}\\n' extra; stat -c %u:%g \"$1/var/lib/extra\""),
        ],
    )
    .end()?;
    let told = &done.succeeded().stderr;
    assert!(told.lines().any(|line| line == "install ok installed"), "{told}");
    assert!(told.lines().any(|line| line == "33:33"), "{told}");
    let uname = archive.foreign().triplet.split('-').next().unwrap_or_default();
    assert_eq!(read(&archive.work.out("target"), "var/lib/extra").trim(), uname);
});

scenario!(
    /// A hook that fails, hangs, removes the target, or asks for what is not there.
    what_goes_wrong_in_hooks_ends_the_run, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    let secret = archive.work.write("home/secret", b"secret\n")?;
    let traces = archive.work.traces();
    let link = format!("ln -s {} \"$1/etc/out\"", secret.display());
    for (hooks, said) in [
        (&[("setup", "echo said; exit 7")][..], &["setup hook", "exit status 7", "said"][..]),
        (&[("extract", "./not-there")], &["extract hook", "not-there"]),
        (&[("customize", "find \"$1\" -mindepth 1 -xdev -delete 2>/dev/null; true")], &["has removed the target"]),
        (&[("setup", "mkdir \"$1/d\""), ("setup", "copy-in missing /d")], &["copy-in missing /d", "cannot find", "missing"]),
        (&[("customize", &link), ("customize", "download /etc/out got")], &["/etc/out, in the target, does not exist"]),
        (&[("customize", &link), ("customize", "upload secret /etc/out/x")], &["in the target, does not exist"]),
    ] {
        with_hooks(&archive, "target", hooks).end()?.failed_with(said);
        archive.work.clean(&traces, &[]);
    }
    assert_eq!(std::fs::read(&secret)?, b"secret\n");
    assert!(!archive.work.path("home").join("got").exists());
    let hangs = with_hooks(&archive, "target", &[("setup", "sleep 1000 & sleep 1000")]);
    let done = hangs.option("--hook-timeout=2s").limit(Duration::from_secs(30)).end()?;
    done.failed_with(&["setup hook", "time limit of 2s"]);
    archive.work.clean(&traces, &[]);
});

scenario!(
    /// What hooks see of a running system stays there whatever is listed, and is left out by its name; nothing of it, and of what
    /// keeps services from being started, is in the result.
    what_hooks_see_beside_the_target, CONFIGURE, {
    let devices = package("devices")?
        .file("dev/README", "x", 0o644)
        .file("proc/README", "x", 0o644)
        .file("usr/sbin/start-stop-daemon", "own", 0o755);
    let archive = Synthetic::with(&[devices])?;
    let running = "set -e; ls -l \"$1\" >/dev/null; ls -l \"$1\" >/dev/null; [ -e \"$1/proc/self\" ]; [ -c \"$1/dev/null\" ]; \
                   [ -e \"$1/dev/pts/ptmx\" ]; APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-config dump | grep -qx \"Dir \\\"$1\\\";\"; \
                   grep -q 'exit 101' \"$1/usr/sbin/policy-rc.d\"; grep -q Fake \"$1/usr/sbin/start-stop-daemon\"; \
                   rm \"$1/usr/sbin/policy-rc.d\" \"$1/usr/sbin/start-stop-daemon\"";
    with_hooks(&archive, "target", &[("customize", running)])
        .option("--include=devices")
        .end()?
        .succeeded();
    let target = archive.work.out("target");
    assert_eq!(read(&target, "usr/sbin/start-stop-daemon"), "own");
    for path in ["usr/sbin/policy-rc.d", "usr/sbin/start-stop-daemon.REAL", "tmp/mmdebstrap.apt.conf"] {
        assert!(!target.join(path).exists(), "{path}");
    }
    let left_out = "set -e; ls -l \"$1\" >/dev/null; [ -e \"$1/proc/README\" ]; [ -e \"$1/dev/README\" ]; \
                    [ ! -e \"$1/usr/sbin/policy-rc.d\" ]; [ \"$(cat \"$1/usr/sbin/start-stop-daemon\")\" = own ]";
    with_hooks(&archive, "without", &[("customize", left_out)])
        .option("--include=devices")
        .option("--skip=chroot/mount,chroot/policy-rc.d,chroot/start-stop-daemon")
        .end()?
        .succeeded();
});

scenario!(
    /// Where the user has a terminal hooks have one, too: their own, in which they read what is typed, with its size, and
    /// which is theirs from hook to hook. The user's is as before, and the log has what was printed.
    hooks_have_a_terminal_of_their_own, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    let first = "#!/bin/sh\nset -e\n[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && : </dev/tty\nprintf 'name? '\nread line\n\
                 { echo \"read $line\"; tty; stty size; } >\"$1/etc/told\"\n\
                 sleep 300 &\necho $! >\"$1/etc/left\"\nchroot \"$1\" sh -c 'echo \"from inside\" >&2; [ -t 0 ]'\n";
    // What the first has left running is there.
    let second = "#!/bin/sh\nkill -0 \"$(cat \"$1/etc/left\")\" && [ -t 0 ] && chroot \"$1\" python3 --version; echo last\n";
    archive.work.write("home/first", first.as_bytes())?;
    archive.work.write("home/second", second.as_bytes())?;
    let typed = "{ echo typed; while [ ! -e finished ]; do sleep 0.2; done; }";
    let inside = "stty rows 31 cols 97; tty >outer; stty -g >before; sh ./call; echo $? >status; stty -g >after; touch finished";
    let script = format!(
        "chmod +x first second; for word; do printf \"'%s' \" \"$word\"; done >call; {typed} | script -qec '{inside}' /dev/null"
    );
    let run = archive
        .install("", "target")
        .option("--log=../out/log")
        .option("--customize-hook=./first")
        .option("--customize-hook=./second");
    let done = run.through(script).end()?;
    let home = archive.work.path("home");
    assert_eq!(read(&home, "status"), "0\n", "{}{}", done.text(), done.stderr);
    let target = archive.work.out("target");
    let told = read(&target, "etc/told");
    let lines: Vec<&str> = told.lines().collect();
    assert!(matches!(lines.as_slice(), ["read typed", tty, "31 97"] if tty.starts_with("/dev/")), "{told}");
    assert!(!told.contains(read(&home, "outer").trim()), "the hook has the user's own terminal");
    assert_eq!(read(&home, "before"), read(&home, "after"));
    for text in [done.text(), read(&archive.work.path("out"), "log")] {
        for said in ["name? ", "from inside", "last"] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
    // Where there is none they read what there is.
    let hook = "[ ! -t 0 ] && read line && echo \"piped $line\"";
    let piped = with_hooks(&archive, "piped", &[("customize", hook)]).through("echo words | \"$@\"").end()?;
    assert!(piped.succeeded().stderr.contains("piped words"), "{}", piped.stderr);
});

scenario!(
    /// Setup hooks may unpack a system: nothing of a running one is in the target yet. Extract hooks may install the
    /// packages themselves: their scripts are not run again.
    what_hooks_have_done_is_not_done_again, CONFIGURE, {
    let once = package("once")?
        .field("Essential", "yes")
        .script("postinst", "#!/bin/sh\nset -e\necho \"configured $2\" >>/etc/once\n");
    let archive = Synthetic::with(&[once])?;
    let unpack = "mkdir s && mkdir -m 700 s/proc s/dev && tar -C s -cf s.tar ./proc ./dev && tar -C \"$1\" -xpf s.tar && \
                  [ -z \"$(ls \"$1/proc\" \"$1/dev\" | grep -v : )\" ]";
    let install = "for file in $MMDEBSTRAP_ESSENTIAL; do case $file in */once_*) chroot \"$1\" dpkg --install --force-depends \"$file\" ;; \
                   esac; done; [ -e \"$1/proc/self\" ] && [ -c \"$1/dev/null\" ]";
    with_hooks(&archive, "target", &[("setup", unpack), ("extract", install)]).end()?.succeeded();
    let target = archive.work.out("target");
    assert_eq!(read(&target, "etc/once"), "configured \n");
    assert!(read(&target, "var/lib/dpkg/status").contains("Package: once\n"));
});
