//! `run` and `shell`: commands in a target that exists, and dpkg called by them.

use rootless_install_tests::deb::Package;
use rootless_install_tests::disk::records;
use rootless_install_tests::in_place::{System, noting, said};
use rootless_install_tests::program::{Outcome, Run};
use rootless_install_tests::real::{self, Real};
use rootless_install_tests::synthetic::package;
use rootless_install_tests::{Result, scenario};
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

// A command in the target: options, separated by blanks, and its words.
fn run<'s>(system: &'s System, options: &str, words: &[&str]) -> Run<'s> {
    of(system, "run", options, words)
}

fn of<'s>(system: &'s System, command: &str, options: &str, words: &[&str]) -> Run<'s> {
    let mut all: Vec<OsString> = [command, "--cache"].map(OsString::from).to_vec();
    all.push(system.archive.work.path("cache").into());
    all.extend(system.archive.options());
    all.extend(options.split_whitespace().map(OsString::from));
    all.extend([system.target.clone().into(), "--".into()]);
    all.extend(words.iter().map(OsString::from));
    system.archive.work.run_plain(all)
}

/// Runs a line of the shell in a target made of the real archive.
fn shell_line(real: &Real, target: &Path, line: &str) -> Result<Outcome> {
    let mut words: Vec<OsString> = ["run", "--cache"].map(OsString::from).to_vec();
    words.push(real.work.path("cache").into());
    words.push(target.into());
    words.extend(["--", "sh", "-c", line].map(OsString::from));
    real.work.run_plain(words).limit(Duration::from_secs(300)).end()
}

fn shell_script(system: &System, options: &str, script: &str) -> Result<Outcome> {
    run(system, options, &["sh", "-c", script]).end()
}

scenario!(
    /// Exit statuses and signals are those of the command; what cannot be run, and what is not there, says so.
    the_end_of_a_command_is_passed_on, CONFIGURE, {
    let system = System::with(&[package("odd")?.file(
        "usr/bin/odd",
        rootless_install_tests::elf::stub(rootless_install_tests::elf::foreign(), "odd"),
        0o755,
    )])?;
    let done = shell_script(&system, "", "echo out; echo err >&2; exit 7")?;
    assert_eq!((done.status.code(), done.text().as_str(), done.stderr.as_str()), (Some(7), "out\n", "err\n"));
    let killed = shell_script(&system, "", "kill -KILL $$")?;
    assert_eq!(killed.status.code(), Some(137));
    let missing = run(&system, "", &["no-such-program"]).end()?;
    assert_eq!(missing.status.code(), Some(127));
    assert!(missing.stderr.contains("no-such-program: not found in the target"), "{}", missing.stderr);
    let file = system.file("odd", &package("odd")?.file(
        "usr/bin/odd",
        rootless_install_tests::elf::stub(rootless_install_tests::elf::foreign(), "odd"),
        0o755,
    ))?;
    let _ = said(&system.dpkg("-i", &[&file])?, 0);
    let odd = run(&system, "", &["odd"]).end()?;
    assert_eq!(odd.status.code(), Some(126));
    assert!(odd.stderr.contains("no native counterpart of /usr/bin/odd"), "{}", odd.stderr);
    // It decides itself what to do about it.
    let goes_on = shell_script(&system, "", "odd || echo status $?")?;
    assert_eq!(goes_on.text(), "status 126\n");
    let input = run(&system, "", &["cat"]).through("printf 'a\\nb' | \"$@\"").end()?;
    assert_eq!(input.text(), "a\nb");
    let nothing = run(&system, "--workdir /no/such", &["true"]).end()?;
    assert_eq!(nothing.status.code(), Some(126));
    assert!(nothing.stderr.contains("there is no directory /no/such"), "{}", nothing.stderr);
});

scenario!(
    /// A signal reaches the command, which ends as it likes.
    signals_are_passed_on, CONFIGURE, {
    let system = System::new()?;
    let words = ["sh", "-c", "trap 'echo heard >/var/lib/heard; exit 5' TERM; echo ready >/var/lib/ready; while :; do sleep 0.1; done"];
    let script = "\"$@\" & until [ -s \"$TARGET/var/lib/ready\" ]; do sleep 0.05; done; kill -TERM $!; wait $!";
    let done = run(&system, "", &words).env("TARGET", &system.target).through(script).end()?;
    assert_eq!(done.status.code(), Some(5), "{}", done.stderr);
    assert_eq!(system.read("var/lib/heard"), "heard\n");
    let started = Instant::now();
    let script = "\"$@\" & until [ -s \"$TARGET/var/lib/two\" ]; do sleep 0.05; done; kill -INT $!; wait $!";
    // sh ignores SIGINT for what it runs in the background; the program listens to it all the same.
    let words = ["sh", "-c", "echo 2 >/var/lib/two; exec sleep 60"];
    let done = run(&system, "", &words).env("TARGET", &system.target).through(script).end()?;
    assert_eq!(done.status.code(), Some(130), "{}", done.stderr);
    assert!(started.elapsed() < Duration::from_secs(30));
});

scenario!(
    /// Root and other users with their groups; owners and modes are recorded as in an installation.
    commands_are_roots_and_other_users, CONFIGURE, {
    let system = System::new()?;
    let made = shell_script(&system, "", "set -e
        printf 'root:x:0:0:root:/root:/bin/sh\\nmail:x:8:9:mail:/var/mail:/bin/sh\\n' >/etc/passwd
        printf 'root:x:0:\\nmail:x:9:\\nadm:x:4:mail\\n' >/etc/group
        mkdir -p /root /var/mail; echo x >/var/mail/x; chown 8:9 /var/mail/x; chmod 640 /var/mail/x
        id -u; pwd; echo \"$HOME $USER\"")?;
    assert_eq!(said(&made, 0), "0\n/\n/root root\n");
    let records = records(&system.target)?;
    let of = |path: &str| records.get(path).cloned().unwrap_or_default();
    assert!(of("var/mail/x").contains("8:9"), "{records:?}");
    let mail = shell_script(&system, "--user mail", "id -u; id -g; id -G; cat /var/mail/x; echo $HOME; touch /etc/no 2>&1 || echo refused")?;
    let text = said(&mail, 0);
    assert!(text.starts_with("8\n9\n9 4\nx\n/var/mail\n") && text.ends_with("refused\n"), "{text}");
    let by_number = shell_script(&system, "--user 1234:adm --workdir /var --env A=1 --env HOME=/x", "id -u; id -g; pwd; echo $A $HOME")?;
    assert_eq!(said(&by_number, 0), "1234\n4\n/var\n1 /x\n");
    let shell = of_shell(&system)?;
    assert_eq!(shell, "/var/mail\n");
    let wrong = run(&system, "--user nobody-such", &["true"]).end()?;
    assert!(wrong.stderr.contains("the target has no user nobody-such"), "{}", wrong.stderr);
    assert_eq!(wrong.status.code(), Some(1));
});

fn of_shell(system: &System) -> Result<String> {
    let done = of(system, "shell", "--user mail", &["-c", "pwd"]).end()?;
    Ok(said(&done, 0))
}

scenario!(
    /// Directories and files of the machine, read-only where that is asked for; nothing of them is left in the target.
    binds_are_seen_and_leave_nothing, CONFIGURE, {
    let system = System::new()?;
    let work = &system.archive.work;
    work.make_dir("home/shared")?;
    work.write("home/shared/a", b"from outside\n")?;
    work.write("home/one", b"one\n")?;
    let before = records(&system.target)?;
    let [shared, one] = ["home/shared", "home/one"].map(|path| work.path(path).display().to_string());
    let options = format!("--bind {shared}:/mnt/new/shared --bind {shared}:/ro:ro --bind {one}:/etc/one:ro");
    let done = shell_script(&system, &options, "set -e
        cat /mnt/new/shared/a /etc/one; echo inside >/mnt/new/shared/b; cat /ro/b; stat -c %u /mnt/new/shared/b
        (echo x >/ro/c) 2>/dev/null || echo read-only; (echo x >/etc/one) 2>/dev/null || echo read-only")?;
    assert_eq!(said(&done, 0), "from outside\none\ninside\n0\nread-only\nread-only\n");
    assert_eq!(std::fs::read_to_string(work.path("home/shared/b")).unwrap_or_default(), "inside\n");
    assert!(!system.target.join("mnt/new").exists() && !system.target.join("etc/one").exists());
    let after = records(&system.target)?;
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
});

scenario!(
    /// One command changes a target; several may read it, and those cannot change it.
    one_changes_or_several_read, CONFIGURE, {
    let system = System::new()?;
    let second = |options: &str| -> Result<Outcome> {
        let first = if options.contains("read") { "--read-only" } else { "" };
        let outer = run(&system, first, &["sh", "-c", "sleep 3"]);
        let program = system.archive.work.program().display().to_string();
        let cache = system.archive.work.path("cache").display().to_string();
        let words: Vec<String> = system.archive.options().iter().map(|word| word.display().to_string()).collect();
        let target = system.target.display();
        let line = words.join(" ");
        let script = format!(
            "\"$@\" & sleep 1.5; {program} run --cache {cache} {line} {options} {target} -- sh -c 'echo second; touch /var/lib/x'; s=$?; wait; exit $s"
        );
        outer.through(script).end()
    };
    let refused = second("")?;
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
    for words in ["is in use", "hint: wait for its end"] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    let read = second("--read-only")?;
    assert_eq!(read.text(), "second\n");
    assert!(read.status.code() != Some(0) && read.stderr.to_lowercase().contains("read-only"), "{}", read.stderr);
    assert!(!system.target.join("var/lib/x").exists());
});

scenario!(
    /// A terminal of its own where standard input and output are one: job control, and its size.
    a_terminal_where_there_is_one, CONFIGURE, {
    let system = System::new()?;
    let words = ["sh", "-c", "[ -t 0 ] && [ -t 1 ] && : </dev/tty && echo \"terminal $TERM\"; read line; echo \"got $line\"; exit 3"];
    let script = "{ sleep 2; echo typed; sleep 1; } | script -qec \"$(printf \"'%s' \" \"$@\" | sed \"s/'\\([^']*\\)' $/'\\1'/\")\" /dev/null";
    let quoted = run(&system, "", &["sh", "/var/lib/asks"]);
    let _ = shell_script(&system, "", &format!("cat >/var/lib/asks <<'END'\n{}\nEND", words[2]))?;
    let done = quoted.env("TERM", "vt100").through(script).end()?;
    let text = done.text().replace('\r', "");
    assert!(text.contains("terminal vt100") && text.contains("got typed"), "{text} {}", done.stderr);
    assert_eq!(done.status.code(), Some(3), "{text}");
    let without = run(&system, "", &["sh", "/var/lib/asks"]).through("echo piped | \"$@\"").end()?;
    assert_eq!(without.text(), "got piped\n");
});

scenario!(
    /// Loggers of the target's configuration (needrestart's is one) are told what front ends are told, when packages are changed, and do not
    /// stop dpkg.
    status_loggers, CONFIGURE, {
    let system = System::new()?;
    let _ = system.file("own", &package("own")?.script("postinst", "#!/bin/sh\nexit 0\n"))?;
    let directory = system.archive.work.path("home").display().to_string();
    let options = format!("--bind {directory}:/mnt:ro");
    let loggers = "status-logger=cat >>/var/lib/told; echo heard\nstatus-logger=/no/such/logger\nstatus-logger=(exit 3)\n";
    let line = format!("set -e; mkdir -p /etc/dpkg/dpkg.cfg.d; printf '{loggers}' >/etc/dpkg/dpkg.cfg.d/own
        dpkg --status-fd 5 -i /mnt/own.deb 5>/var/lib/status");
    let text = said(&shell_script(&system, &options, &line)?, 0);
    assert!(!text.contains("heard") && system.state("own") == "install ok installed", "{text}");
    let told = system.read("var/lib/told");
    assert!(told.contains("status: own: unpacked\n") && told.contains("status: own: installed\n"), "{told}");
    assert_eq!(told, system.read("var/lib/status"));
    let _ = said(&shell_script(&system, "", "dpkg --audit && dpkg -l own >/dev/null")?, 0);
    assert_eq!(system.read("var/lib/told"), told);
    let _ = said(&shell_script(&system, "", "dpkg -P own")?, 0);
    assert!(system.read("var/lib/told").contains("status: own: not-installed\n"));
});

scenario!(
    /// dpkg in the view is this program: archives by paths of the view, scripts with the caller's descriptors and
    /// environment, its own queries, configuration and log; the result is that of a call from outside.
    dpkg_in_the_view, CONFIGURE, {
    let system = System::new()?;
    let script = "#!/bin/sh\nset -e\nread line || line=none\necho \"$1 said $line, $OWN, $DPKG_MAINTSCRIPT_PACKAGE:$DPKG_MAINTSCRIPT_ARCH\"\n\
        [ \"$1\" != configure ] || dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n' asking\n";
    let asking = package("asking")?
        .script("postinst", script)
        .file("etc/asking.conf", "first\n", 0o644)
        .control_file("conffiles", b"/etc/asking.conf\n", 0o644)
        .file("usr/share/asking/a b", "1", 0o4755);
    let file = system.file("asking", &asking)?;
    let directory = system.archive.work.path("home").display().to_string();
    let options = format!("--bind {directory}:/mnt:ro --env OWN=mine");
    let words = ["sh", "-c", "set -e; mkdir -p /etc/dpkg; echo 'log /var/log/own.log' >/etc/dpkg/dpkg.cfg; mkdir -p /var/log
        cd /mnt; dpkg --status-fd 5 -i asking.deb 5>/var/lib/status"];
    let done = run(&system, &options, &words).through("echo typed | \"$@\"").end()?;
    let text = said(&done, 0);
    let arch = system.archive.foreign().debian;
    assert!(text.contains(&format!("configure said typed, mine, asking:{arch}\n")), "{text}");
    assert!(text.contains("Preparing to unpack asking.deb ..."), "{text}");
    assert!(text.contains("asking iF \n") || text.contains("asking iU \n"), "{text}");
    assert_eq!(system.state("asking"), "install ok installed");
    assert!(system.read("var/lib/status").contains("status: asking: installed\n"));
    assert!(system.read("var/log/own.log").contains(&format!("status installed asking:{arch} 1.0-1")));
    let mode = records(&system.target)?.get("usr/share/asking/a b").cloned().unwrap_or_default();
    assert!(mode.contains("4755"), "{mode}");
    let asked = shell_script(&system, "", "dpkg --print-architecture; dpkg-query -W asking; dpkg -L asking | tail -n 1; dpkg -S asking.conf
        dpkg -l asking | tail -n 1; dpkg -s nosuch; echo $?; dpkg-query --control-path asking postinst; dpkg --audit")?;
    let text = said(&asked, 0);
    let expected = format!(
        "{arch}\nasking\t1.0-1\n/usr/share/asking/a b\nasking: /etc/asking.conf\nii  asking         1.0-1        {arch:<12} "
    );
    assert!(text.starts_with(&expected), "{text}\nnot\n{expected}");
    for words in ["1\n/var/lib/dpkg/info/asking.postinst\n", "dpkg-query: package 'nosuch' is not installed"] {
        assert!(text.contains(words), "{text}");
    }
    // A conffile that the user changed is asked about on the caller's standard input, and only the answer is read.
    let mut newer = asking.clone();
    newer.version = "2.0-1".to_owned();
    let newer = newer.file("etc/asking.conf", "second\n", 0o644);
    let mut newer = newer;
    newer.entries.remove(newer.entries.iter().position(|entry| entry.name.ends_with("asking.conf")).unwrap_or(0));
    let _ = (file, system.file("newer", &newer)?);
    let words = ["sh", "-c", "echo changed >/etc/asking.conf; dpkg -i /mnt/newer.deb; read rest; echo \"left $rest\""];
    let done = run(&system, &options, &words).through("printf 'y\\nfor script\\nmore\\n' | \"$@\"").end()?;
    let text = said(&done, 0);
    assert!(text.contains("*** asking.conf") && text.contains("configure said for script"), "{text}");
    assert!(text.contains("left more\n"), "{text}");
    assert_eq!(system.read("etc/asking.conf"), "second\n");
    let _ = said(&shell_script(&system, "", "dpkg -P asking")?, 0);
    assert!(system.state("asking").contains("not-installed") || system.state("asking") == "absent");
    for wrong in ["dpkg --root=/mnt -l", "dpkg --admindir=/mnt -i x.deb"] {
        let done = run(&system, "", &wrong.split(' ').collect::<Vec<_>>()).end()?;
        assert!(said(&done, 2).contains("works on the target itself only"), "{wrong}");
    }
});

scenario!(
    /// A script that fails leaves the state that dpkg leaves, and another call mends it; a call while another works is
    /// refused; scripts have no network while the command has that of the machine.
    dpkg_in_the_view_fails_as_dpkg, CONFIGURE, {
    let system = System::new()?;
    let broken = noting(package("broken")?);
    let inner = package("inner")?.script(
        "postinst",
        "#!/bin/sh\ndpkg --configure broken && exit 9\nls -l /proc/self/ns/net >/var/lib/net\nexit 0\n",
    );
    let [_, _] = [system.file("broken", &broken)?, system.file("inner", &inner)?];
    let directory = system.archive.work.path("home").display().to_string();
    let options = format!("--bind {directory}:/mnt:ro");
    let failed = shell_script(&system, &options, ": >/var/lib/fail-postinst; dpkg -i /mnt/broken.deb; echo status $?; rm /var/lib/fail-postinst")?;
    let text = said(&failed, 0);
    assert!(text.contains("subprocess returned error exit status 1") && text.contains("status 1\n"), "{text}");
    assert_eq!(system.state("broken"), "install ok half-configured");
    let locked = shell_script(&system, &options, "dpkg -i /mnt/inner.deb")?;
    assert!(said(&locked, 0).contains("locked by another process"), "{}", locked.stderr);
    let mended = shell_script(&system, &options, "dpkg --configure -a")?;
    let _ = said(&mended, 0);
    assert_eq!(system.state("broken"), "install ok installed");
    assert_eq!(system.read("var/lib/seen").lines().count(), 3);
});

scenario!(
    /// Without a session of its own dpkg cannot work for the view of a target of this machine: its own dpkg runs.
    native_targets_use_their_own_dpkg, CONFIGURE, {
    let system = System::new()?;
    let native = system.archive.native().debian;
    let archive = &system.archive;
    let mut arguments: Vec<OsString> = archive.options();
    arguments[1] = native.into();
    arguments.extend(["--variant".into(), "essential".into(), archive.work.out("own").into()]);
    archive.work.run(arguments).end()?.succeeded();
    let own = Package::new("own", "1.0-1", native).script("postinst", "#!/bin/sh\necho \"ran $1\"\n");
    let _ = system.file("own", &own)?;
    let mut words: Vec<OsString> = ["run", "--cache"].map(OsString::from).to_vec();
    words.push(archive.work.path("cache").into());
    words.extend(["--bind".into(), format!("{}:/mnt:ro", archive.work.path("home").display()).into()]);
    words.push(archive.work.out("own").into());
    words.extend(["--", "sh", "-c", "dpkg --force-bad-path --unpack /mnt/own.deb; dpkg --print-architecture; dpkg --compare-versions 2 gt 1 && echo newer"].map(OsString::from));
    let done = archive.work.run_plain(words).end()?;
    // It looks for programs that this target lacks, as it does anywhere.
    assert!(done.stderr.contains("dpkg: warning: 'diff' not found"), "{}", done.stderr);
    assert_eq!(done.text(), format!("{native}\nnewer\n"));
});

scenario!(
    /// Bad input is refused by name.
    what_cannot_be_meant_is_refused, CONFIGURE, {
    let system = System::new()?;
    let work = &system.archive.work;
    let none = work.run_plain(["run", "no-such-target", "--", "true"]).end()?;
    none.failed_with(&["there is no directory", "no-such-target"]);
    work.make_dir("out/empty")?;
    let empty = work.run_plain(["run", &work.out("empty").display().to_string(), "true"]).end()?;
    empty.failed_with(&["empty", "not known to be for any architecture", "--arch"]);
    let other = run(&system, "--arch amd64 --arch amd64", &["true"]).end()?;
    assert_ne!(other.status.code(), Some(0));
    for wrong in ["--bind /no/such", "--bind /usr:relative", "--env =x", "--network bridge"] {
        let done = run(&system, wrong, &["true"]).end()?;
        assert_eq!(done.status.code(), Some(2), "{wrong}: {}", done.stderr);
    }
});

scenario!(
    /// The suite's own apt, for a target of another architecture: it updates, installs, lists and purges, and what it
    /// installs is configured as in an installation.
    apt_in_a_target, REAL, alone, {
    let real = Real::new()?;
    let target = real.work.out("target");
    real.install("riscv64", "apt", &target).end()?.succeeded();
    let command = |line: &str| shell_line(&real, &target, line);
    let _ = said(&command("apt-get update")?, 0);
    let text = said(&command("apt-get install -y --no-install-recommends sudo && sudo --version | head -n 1 && apt-config dump APT::Architecture")?, 0);
    assert!(text.contains("Setting up sudo (") && text.contains("APT::Architecture \"riscv64\""), "{text}");
    let owner = records(&target)?.get("usr/bin/sudo").cloned().unwrap_or_default();
    assert!(owner.contains("4755"), "{owner}");
    // The command has the machine's network, and its scripts have none.
    let script = "#!/usr/bin/perl\nuse Socket;\nsocket(S, AF_INET, SOCK_STREAM, 0) ? print \"socket\\n\" : print \"none: $!\\n\";\n";
    let net = Package::new("net", "1.0-1", "all").script("postinst", script);
    let net = real.work.write("home/net.deb", &net.build()?)?;
    let probe = "perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0) and print \"has one\\n\"'";
    let bind = format!("cat >/tmp/net.deb && {probe} && dpkg -i /tmp/net.deb && dpkg -P net && rm /tmp/net.deb");
    let through = format!("\"$@\" <'{}'", net.display());
    // Without that they have one of their own, in which a port can be looked for.
    for (network, script) in [("host", "none: Permission denied"), ("none", "socket\n")] {
        let mut words: Vec<String> = ["run", "--network", network, "--cache"].map(str::to_owned).to_vec();
        words.extend([real.work.path("cache").display().to_string(), target.display().to_string()]);
        words.extend(["--", "sh", "-c", &bind].map(str::to_owned));
        let text = said(&real.work.run_plain(words).through(through.clone()).end()?, 0);
        assert!(text.contains("has one\n") && text.contains(script), "{network}: {text}");
    }
    let listed = said(&command("apt list --installed 2>/dev/null; dpkg -l sudo | tail -n 1")?, 0);
    assert!(listed.contains("sudo/") && listed.contains("ii  sudo"), "{listed}");
    let _ = said(&command("apt-get purge -y sudo && ! test -e /etc/sudoers && dpkg --audit")?, 0);
});

scenario!(
    /// What an upgrade has left of the release before is executed as that release's native programs, until it is removed.
    programs_of_the_release_before, REAL, alone, {
    let real = Real::new()?;
    let target = real.work.out("target");
    let mirror = real.mirror.url();
    let options = "--arch arm64 --variant apt --suite bookworm --include python3.11-minimal --keyring";
    let mut made: Vec<OsString> = options.split(' ').map(OsString::from).collect();
    made.extend([real::KEYRING.into(), "--mirror".into(), mirror.into(), target.clone().into()]);
    real.work.run(made).limit(Duration::from_secs(600)).end()?.succeeded();
    let command = |line: &str| shell_line(&real, &target, line);
    let _ = said(&command("sed -i 's/bookworm/trixie/' /etc/apt/sources.list")?, 0);
    let text = said(&command("python3.11 -c 'import sys, platform; print(sys.version_info[:2], platform.machine())'")?, 0);
    assert!(text.contains("(3, 11) aarch64"), "{text}");
    // Its prerm executes it.
    let _ = said(&command("dpkg --purge python3.11-minimal && ! test -e /usr/bin/python3.11 && dpkg --audit")?, 0);
});

scenario!(
    /// A target can be used where its archives cannot: without a source that is gone or too old, with what was fetched before,
    /// and with this machine's sources.
    archives_that_are_gone, REAL, alone, {
    let real = Real::new()?;
    let target = real.work.out("target");
    real.install("arm64", "minbase", &target).end()?.succeeded();
    let list = target.join("etc/apt/sources.list");
    let own = std::fs::read_to_string(&list).unwrap_or_default();
    let ends = |through: &str| -> Result<String> {
        let mut words: Vec<OsString> = ["run", "--cache"].map(OsString::from).to_vec();
        words.extend([real.work.path("cache").into(), target.clone().into()]);
        words.extend(["--", "sh", "-c", "uname -m"].map(OsString::from));
        let run = real.work.run_plain(words).through(format!("{through} \"$@\""));
        let done = run.limit(Duration::from_secs(300)).end()?;
        assert_eq!((done.status.code(), done.text().as_str()), (Some(0), "aarch64\n"), "{}", done.stderr);
        Ok(done.stderr)
    };
    assert_eq!(ends("")?, "");
    let said = ends("http_proxy=http://127.0.0.1:1")?;
    assert!(said.contains("cannot reach") && said.contains("from what was fetched of it before"), "{said}");
    let silent = "deb http://127.0.0.1:1/debian trixie main\n";
    let none = format!("deb {} no-such-suite main\n", real.mirror.url());
    let keyless = format!("deb [signed-by=/usr/share/keyrings/none.gpg] {} trixie main\n", real.mirror.url());
    for more in [silent, none.as_str(), keyless.as_str()] {
        std::fs::write(&list, format!("{own}{more}"))?;
        let said = ends("")?;
        let [warning] = said.lines().collect::<Vec<_>>()[..] else { return Err(said.into()) };
        assert!(warning.contains("sources.list:2") && warning.ends_with("come without this source"), "{said}");
    }
    std::fs::write(&list, silent)?;
    let mut words: Vec<OsString> = ["run", "--mirror", "http://127.0.0.1:1/debian", "--cache"].map(OsString::from).to_vec();
    words.extend([real.work.path("cache").into(), target.clone().into(), "--".into(), "true".into()]);
    let done = real.work.run_plain(words).end()?;
    done.failed_with(&["cannot reach http://127.0.0.1:1/"]);
    // The machine's own archive may be of another state each day, so that only what is said counts here.
    let mut words: Vec<OsString> = ["run", "--cache"].map(OsString::from).to_vec();
    words.extend([real.work.path("cache").into(), target.into(), "--".into(), "true".into()]);
    let done = real.work.run_plain(words).limit(Duration::from_secs(300)).end()?;
    assert!(done.stderr.contains("native tools come from this machine's sources"), "{}", done.stderr);
});

scenario!(
    /// An archive is unpacked, changed and written again where the command succeeds; another one where that is asked for.
    an_archive_is_changed, CONFIGURE, {
    let system = System::new()?;
    let work = &system.archive.work;
    system.archive.install("", "base.tar").end()?.succeeded();
    let base = work.out("base.tar");
    let before = std::fs::read(&base).unwrap_or_default();
    let command = |options: &str, line: &str| -> Result<Outcome> {
        let mut all: Vec<OsString> = ["run", "--cache"].map(OsString::from).to_vec();
        all.push(work.path("cache").into());
        all.extend(system.archive.options());
        all.extend(options.split_whitespace().map(OsString::from));
        all.extend([base.clone().into(), "--".into(), "sh".into(), "-c".into(), line.into()]);
        work.run_plain(all).end()
    };
    let failed = command("", "touch /usr/new; exit 4")?;
    assert_eq!(failed.status.code(), Some(4), "{}", failed.stderr);
    assert!(failed.stderr.contains("is not written"), "{}", failed.stderr);
    assert!(std::fs::read(&base).unwrap_or_default() == before, "a command that fails changes nothing");
    let other = work.out("other.tar.gz").display().to_string();
    let _ = said(&command(&format!("--output {other}"), "touch /usr/new; chown 33:42 /usr/new")?, 0);
    assert!(std::fs::read(&base).unwrap_or_default() == before);
    let _ = said(&command("", "ls /usr/new 2>/dev/null || touch /usr/new; chown 33:42 /usr/new")?, 0);
    for archive in [other.as_str(), &base.display().to_string()] {
        let list = std::process::Command::new("tar").args(["--numeric-owner", "-tvf", archive]).output();
        let list = list.map(|list| String::from_utf8_lossy(&list.stdout).into_owned()).unwrap_or_default();
        let line = list.lines().find(|line| line.ends_with("./usr/new")).unwrap_or_default().to_owned();
        assert!(line.contains("33/42"), "{archive}: {line}");
    }
    assert_eq!(work.names("out")?, ["base.tar", "other.tar.gz", "target"]);
    let absent = work.run_plain(["run", "--output", "new.tar", "absent.tar", "--", "true"]).end()?;
    absent.failed_with(&["absent.tar is not there"]);
});

scenario!(
    /// Killed at any moment, a call of dpkg leaves a target that another call completes.
    a_killed_command_is_mended, CONFIGURE, {
    let system = System::new()?;
    let names = ["ka", "kb", "kc"];
    for name in names {
        let script = "#!/bin/sh\nsleep 0.1\necho done >/var/lib/$DPKG_MAINTSCRIPT_PACKAGE\n";
        let mut own = package(name)?.script("postinst", script);
        for number in 0..20 {
            own = own.file(&format!("usr/share/{name}/{number}"), "1", 0o644);
        }
        let _ = system.file(name, &own)?;
    }
    let directory = system.archive.work.path("home").display().to_string();
    let options = format!("--bind {directory}:/mnt:ro");
    let install = "dpkg -i /mnt/ka.deb /mnt/kb.deb /mnt/kc.deb";
    let _ = said(&shell_script(&system, &options, install)?, 0);
    let whole = records(&system.target)?;
    for delay in ["0.5", "0.65", "0.8", "0.95", "1.1"] {
        let _ = said(&shell_script(&system, "", "dpkg -P ka kb kc; rm -f /var/lib/k?")?, 0);
        let words = ["sh", "-c", install];
        let script = format!("\"$@\" & sleep {delay}; kill -KILL $! 2>/dev/null; wait $!; sleep 0.3; exit 0");
        let _ = run(&system, &options, &words).through(script).end()?;
        let _ = said(&shell_script(&system, &options, &format!("dpkg --configure -a && {install} && dpkg --audit"))?, 0);
        let mended = records(&system.target)?;
        let other = |path: &&String| !path.contains("-old");
        let [whole, mended] = [&whole, &mended].map(|all| all.keys().filter(other).collect::<Vec<_>>());
        assert_eq!(mended, whole, "killed after {delay} s");
        for name in names {
            assert_eq!(system.state(name), "install ok installed");
            assert_eq!(system.read(&format!("var/lib/{name}")), "done\n");
        }
    }
});
