//! A machine where an ordinary user can make no user namespace: scripts run on it, confined, with
//! its own tools.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rootless_install_tests::compare::{Facts, entries};
use rootless_install_tests::machine::Lack;
use rootless_install_tests::program::{Run, runs_anywhere};
use rootless_install_tests::synthetic::{Synthetic, package, read};
use rootless_install_tests::{Result, scenario};

// How often a script of sh(1) looks for something before it gives up.
const PATIENCE: &str = "$(seq 600)";

// What a script sets, and sees of what it has set.
const FACTS: &str = "#!/bin/sh\nset -ex\ncd \"$DPKG_ROOT/var/lib\"; mkdir facts; cd facts\n\
    echo x >file; chown 33:42 file; chmod 4750 file; mknod null c 1 3; ln -s file link; chown -h 33:33 link\n\
    echo x >\"$DPKG_ROOT/var/lib/absolute\"; chown www-data:shadow /var/lib/absolute\n\
    cp file tool; chown root:root tool; chmod 755 tool; setcap cap_net_raw+ep tool\n\
    [ \"$(dpkg --print-architecture)\" = \"$DPKG_MAINTSCRIPT_ARCH\" ]; mkdir /etc/outside; echo x >\"$TMPDIR/own\"\n";

// The run fails unless it is on a machine that lacks something; it names that.
#[track_caller]
fn facts_without(lack: Lack, words: &[&str]) -> Result<()> {
    let archive = Synthetic::with(&[package("facts")?.script("postinst", FACTS)])?;
    let traces = archive.work.traces();
    let run = archive.install("facts", "facts.tar").without(lack);
    let outcome = run.end()?;
    let said = &outcome.succeeded().stderr;
    let warnings = said.lines().filter(|line| line.starts_with("warning:"));
    let warnings = warnings.collect::<Vec<_>>().join("\n");
    for word in words {
        assert!(warnings.contains(word), "no warning of {word}:\n{said}");
    }
    archive.work.clean(&traces, &["facts.tar"]);
    let found = entries(&archive.work.out("facts.tar"))?;
    let none = Facts::new();
    let facts = |path: &str| found.get(path).unwrap_or(&none);
    for (path, name, value) in [
        ("facts/file", "owner", "33:42"),
        ("facts/file", "mode", "4750"),
        ("facts/null", "device", "1:3"),
        ("facts/null", "owner", "0:0"),
        ("facts/link", "owner", "33:33"),
        ("absolute", "owner", "33:42"),
        ("facts/tool", "owner", "0:0"),
        ("facts/tool", "mode", "0755"),
        (
            "facts/tool",
            "SCHILY.xattr.security.capability",
            "0100000200200000000000000000000000000000",
        ),
        ("facts", "owner", "0:0"),
    ] {
        let facts = facts(&format!("var/lib/{path}"));
        assert_eq!(facts.get(name).map(String::as_str), Some(value), "{path} {name}");
    }
    assert!(found.contains_key("etc/outside"), "mkdir acted elsewhere");
    Ok(())
}

scenario!(
    /// Warnings, and what scripts set, in the tar; --mode=redirect is refused.
    auto_does_without_and_says_so, ROOT, {
    facts_without(
        Lack::UserNamespaces,
        &["user namespace", "chrootless", "max_user_namespaces"],
    )?;
    let archive = Synthetic::with(&[])?;
    let run = archive.install("", "target").option("--mode=redirect");
    let outcome = run.without(Lack::UserNamespaces).end()?;
    outcome.failed_with(&["user namespace", "hint|sysctl"]);
});

scenario!(
    /// What chown, chmod, mknod and setcap set is recorded all the same.
    without_fuse_too, ROOT, {
    facts_without(
        Lack::UserNamespacesAndFuse,
        &["chrootless", "/dev/fuse", "chown, chgrp, chmod"],
    )?;
});

scenario!(
    /// A user to whom /etc/subuid gives nothing.
    without_subordinate_ids, ROOT, {
    facts_without(Lack::SubordinateIds, &["/etc/subuid", "usermod"])?;
});

scenario!(
    /// No writing elsewhere, no home, no other processes, no network.
    the_machine_is_out_of_reach, ROOT, {
    let script = "#!/bin/sh\nexec >\"$DPKG_ROOT/var/lib/seen\" 2>&1\n\
        try() { \"$@\" >/dev/null 2>&1 && echo \"done: $*\"; }\n\
        into() { (: >\"$1\") 2>/dev/null && echo \"written: $1\"; }\n\
        home=${DPKG_ROOT%/out/*}/home\n\
        into /tmp/elsewhere-86392; into /var/tmp/elsewhere-86392; into \"$home/elsewhere\"\n\
        into /dev/shm/elsewhere-86392\n\
        try /bin/cat \"$home/secret\"; try /bin/ls \"$home\"; try /bin/ls /root /home\n\
        for process in /proc/[0-9]*; do process=${process#/proc/}\n\
            [ $process = $$ ] || try kill -s CONT $process; done\n\
        kill -s KILL -- -1; echo still here\n\
        for family in INET INET6; do for type in STREAM DGRAM; do\n\
            perl -MSocket -e \"socket(S, PF_$family, SOCK_$type, 0) or die qq(socket $family: \\$!\\n)\"\n\
        done; done\n\
        perl -e 'syscall(425, 1, 0); print \"io_uring_setup: $!\n\"'\nexit 0\n";
    let archive = Synthetic::with(&[package("looks")?.script("postinst", script)])?;
    archive.work.write("home/secret", b"secret")?;
    let traces = archive.work.traces();
    // Another process of the same user, which the script may not end.
    let run = archive
        .install("looks", "target")
        .through("sleep 86390 & other=$!; \"$@\"; status=$?; kill $other && echo it lives >&2; exit $status");
    let outcome = run.without(Lack::UserNamespaces).end()?;
    outcome.succeeded();
    assert!(outcome.stderr.contains("it lives"), "{}", outcome.stderr);
    archive.work.clean(&traces, &["target"]);
    let seen = read(&archive.work.out("target"), "var/lib/seen");
    let lines: Vec<&str> = seen.lines().collect();
    let refused = |family| format!("socket {family}: Permission denied");
    let refused = ["INET", "INET", "INET6", "INET6"].map(refused);
    let mut expected = vec!["still here"];
    expected.extend(refused.iter().map(String::as_str));
    expected.push("io_uring_setup: Permission denied");
    assert_eq!(lines, expected, "{seen}");
});

fn sleeping(script: &str) -> Result<Synthetic> {
    Synthetic::with(&[package("sleepy")?.script("postinst", script)])
}

// Whether the run left a mount, which is seen in its own mount namespace only.
fn with_mounts(script: &str) -> String {
    format!("{script}\ngrep -c fuse.rootless /proc/self/mountinfo | sed 's/^/mounts: /' >&2; exit $status")
}

scenario!(
    /// One in a session of its own, after a script and at the time limit.
    processes_left_behind_end, ROOT, {
    let script = "#!/bin/sh\nsetsid sh -c 'sleep 86389 & sleep 86389' >/dev/null 2>&1 &\n\
        until grep -qszx '8638[9]' /proc/[0-9]*/cmdline; do sleep 0.01; done\n";
    let hangs = format!("{script}echo waiting\nsleep 86388\n");
    for (script, fails) in [(script, false), (&hangs, true)] {
        let archive = sleeping(script)?;
        let traces = archive.work.traces();
        let run: Run<'_> = archive
            .install("sleepy", "target")
            .option("--script-timeout=2s")
            .through(with_mounts("\"$@\"; status=$?"));
        let outcome = run.without(Lack::UserNamespaces).end()?;
        if fails {
            outcome.failed_with(&["sleepy", "postinst", "2s", "waiting"]);
        } else {
            outcome.succeeded();
        }
        assert!(outcome.stderr.contains("mounts: 0"), "{}", outcome.stderr);
        for nap in ["sleep 86389", "sleep 86388"] {
            assert!(!runs_anywhere(nap), "{nap} is left");
        }
        let left: &[&str] = if fails { &[] } else { &["target"] };
        archive.work.clean(&traces, left);
    }
});

// Runs the program until its script sleeps, then sends it a signal; `status` is its end. The last
// digit of a nap is left to the pattern: it is not to find itself.
fn signalled(signal: &str, nap: &str) -> String {
    format!(
        "sleeping() {{ grep -qszx '{nap}' /proc/[0-9]*/cmdline; }}\n\"$@\" & program=$!\n\
         for i in {PATIENCE}; do sleeping && break; sleep 0.1; done\n\
         kill -s {signal} $program; wait $program; status=$?"
    )
}

scenario!(
    /// SIGINT: no process, no mount, nothing half-made.
    interrupted_scripts_end, ROOT, {
    let archive = sleeping("#!/bin/sh\nsetsid sleep 86387 &\nsleep 86387\n")?;
    let traces = archive.work.traces();
    let run = archive
        .install("sleepy", "target")
        .through(with_mounts(&signalled("INT", "8638[7]")));
    let outcome = run.without(Lack::UserNamespaces).end()?;
    assert_eq!(outcome.status.code(), Some(130), "{}", outcome.stderr);
    assert!(outcome.elapsed < Duration::from_secs(30), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("mounts: 0"), "{}", outcome.stderr);
    assert!(!runs_anywhere("sleep 86387"), "the script's process is left");
    archive.work.clean(&traces, &[]);
});

scenario!(
    /// SIGKILL: the script ends, and the next run removes the mount.
    killed_runs_are_cleared_away, ROOT, {
    // Sleeps in the first run only.
    let script = "#!/bin/sh\n\
        [ -e \"$DPKG_ROOT/usr/share/awake\" ] || { setsid sleep 86386 & sleep 86386; }\n";
    let sleepy = package("sleepy")?.script("postinst", script);
    let awake = package("awake")?.file("usr/share/awake", "", 0o644);
    let archive = Synthetic::with(&[sleepy, awake])?;
    let traces = archive.work.traces();
    let first = signalled("KILL", "8638[6]");
    let run = archive.install("sleepy", "target").through(with_mounts(&format!(
        "{first}\n[ $status = 137 ] || exit 99\n\
         grep -c fuse.rootless /proc/self/mountinfo | sed 's/^/stale: /' >&2\n\
         for i in $(seq 50); do sleeping || break; sleep 0.1; done\n\
         sleeping && echo a process is left >&2\n\
         \"$@\" --include awake; status=$?"
    )));
    let outcome = run.without(Lack::UserNamespaces).end()?;
    outcome.succeeded();
    for words in ["stale: 1", "mounts: 0"] {
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
    assert!(
        !outcome.stderr.contains("a process is left"),
        "{}",
        outcome.stderr
    );
    archive.work.clean(&traces, &["target"]);
});

scenario!(
    /// A script that finds a file of the machine, and would keep it in the target, as the preinst of ucf does: in the
    /// target it would have found none.
    state_of_the_machine_stays_outside, ROOT, {
    let script = "#!/bin/sh\nset -e\n[ ! -e \"$DPKG_ROOT/etc/nsswitch.conf\" ]\n[ -e /etc/nsswitch.conf ]\n\
        if [ -e /etc/nsswitch.conf ]; then\ncp -f /etc/nsswitch.conf /var/lib/none/saved\n\
        cp -f /etc/nsswitch.conf /var/lib/saved\nfi\n\
        cp /etc/nsswitch.conf \"$DPKG_ROOT/var/lib/meant\"\n";
    let archive = Synthetic::with(&[package("misled")?.script("preinst", script)])?;
    let run = archive.install("misled", "target").without(Lack::UserNamespaces);
    run.end()?.succeeded();
    let target = archive.work.out("target");
    assert!(!target.join("var/lib/saved").exists());
    assert!(!read(&target, "var/lib/meant").is_empty());
});

// How long the end of a run may take whose view cannot be unmounted: five seconds, and what a busy machine adds.
const END: Duration = Duration::from_secs(12);

scenario!(
    /// A fusermount3 that cannot unmount, or never ends: the run ends, with a warning.
    a_view_that_stays_mounted_stops_nothing, ROOT, {
    for refusal in ["exit 1", "exec sleep 86383"] {
        let archive = sleeping("#!/bin/sh\n[ $1 = configure ] && echo it ran >\"$DPKG_ROOT/var/lib/ran\"\n")?;
        // The time is that of the last script's end, and of the program's.
        let caller = format!(
            "real=$(command -v fusermount3); mkdir \"$HOME/bin\"\n\
             printf '#!/bin/sh\\ncase \" $* \" in *\" -u \"*) date +%%s >\"%s/asked\"; {refusal};; esac\\nexec %s \"$@\"\\n' \
                 \"$HOME\" \"$real\" >\"$HOME/bin/fusermount3\"\n\
             chmod 755 \"$HOME/bin/fusermount3\"; PATH=$HOME/bin:$PATH; export PATH\n\
             \"$@\"; status=$?; echo \"took $(($(date +%s) - $(cat \"$HOME/asked\"))) s\" >&2\n\
             exit $status"
        );
        let run = archive.install("sleepy", "target").through(caller);
        let outcome = run.without(Lack::UserNamespaces).limit(Duration::from_secs(60)).end()?;
        let said = &outcome.succeeded().stderr;
        assert!(said.contains("warning: fusermount3 could not unmount "), "{refusal}: {said}");
        let took = said.lines().find_map(|line| line.strip_prefix("took ")?.strip_suffix(" s")?.parse().ok());
        assert!(took.is_some_and(|took| Duration::from_secs(took) < END), "{refusal}: {said}");
        assert_eq!(read(&archive.work.out("target"), "var/lib/ran"), "it ran\n");
    }
});

scenario!(
    /// A process in a mount namespace with a copy of the view's mount, as a container that starts meanwhile: the run ends,
    /// and leaves nothing.
    a_copy_of_the_mount_stops_nothing, ROOT, {
    let archive = sleeping("#!/bin/sh\n[ $1 = configure ] || exit 0\nsleep 86382\n: >\"$DPKG_ROOT/var/lib/ran\"\n")?;
    let traces = archive.work.traces();
    let run = archive.install("sleepy", "target").through(with_mounts("\"$@\"; status=$?"));
    let running = run.without(Lack::UserNamespaces).limit(Duration::from_secs(60)).start()?;
    let script = process("sleep 86382")?;
    let mut holder = Holder::of_mounts(&script, "86381")?;
    let woken = Instant::now();
    Command::new("/usr/bin/env").args(["kill", &script]).status()?;
    let outcome = running.wait()?;
    let took = woken.elapsed();
    let held = holder.0.try_wait()?.is_none();
    drop(holder);
    outcome.succeeded();
    assert!(held, "the copy was gone before");
    assert!(took < END, "{took:?}: {}", outcome.stderr);
    assert!(outcome.stderr.contains("mounts: 0"), "{}", outcome.stderr);
    archive.work.clean(&traces, &["target"]);
    assert!(archive.work.out("target").join("var/lib/ran").exists());
});

// A process that stays in a copy of another one's mount namespace.
struct Holder(Child);

impl Holder {
    fn of_mounts(process: &str, nap: &str) -> Result<Self> {
        let namespace = format!("--mount=/proc/{process}/ns/mnt");
        let held = Command::new("nsenter")
            .args([&namespace, "--", "unshare", "--mount", "--propagation", "private"])
            .args([
                "sh",
                "-c",
                "grep -c fuse.rootless /proc/self/mountinfo; exec sleep \"$0\"",
                nap,
            ])
            .stdout(Stdio::piped())
            .spawn();
        let machine = |error: std::io::Error| rootless_install_tests::Error::Machine(error.to_string());
        let mut child = held.map_err(machine)?;
        let mut count = [0; 2];
        let read = child
            .stdout
            .take()
            .map(|mut out| std::io::Read::read_exact(&mut out, &mut count));
        assert_eq!(
            (read.is_some_and(|read| read.is_ok()), &count),
            (true, b"1\n"),
            "no copy is held"
        );
        Ok(Self(child))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

// The id of a process with this command line, when there is one.
fn process(words: &str) -> Result<String> {
    let line = format!("{}\0", words.replace(' ', "\0"));
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            if std::fs::read(entry.path().join("cmdline")).is_ok_and(|found| found == line.as_bytes()) {
                return Ok(entry.file_name().to_string_lossy().into_owned());
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(rootless_install_tests::Error::Machine(format!(
        "{words} does not run"
    )))
}
