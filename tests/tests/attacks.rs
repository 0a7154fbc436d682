//! Scripts that mean harm, wherever scripts run: in a view, in a native root, and on the machine itself.

use rootless_install_tests::attack;
use rootless_install_tests::machine::Lack;
use rootless_install_tests::packing::text;
use rootless_install_tests::program::{Outcome, Run};
use rootless_install_tests::synthetic::{Synthetic, package, read};
use rootless_install_tests::{Result, scenario};

/// Where scripts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    View,
    NativeRoot,
    Sandbox,
    SandboxWithoutFuse,
}

use Place::{NativeRoot, Sandbox, SandboxWithoutFuse, View};

impl Place {
    fn run<'a>(self, archive: &'a Synthetic, include: &str) -> Run<'a> {
        let run = archive.install(include, "target");
        match self {
            View => run,
            NativeRoot => run.option("--mode=chrootless"),
            Sandbox => run.without(Lack::UserNamespaces),
            SandboxWithoutFuse => run.without(Lack::UserNamespacesAndFuse),
        }
    }
}

// A postinst that writes all it says into /var/lib/NAME; `$attack` is the program.
fn seeing(name: &str, commands: &str) -> String {
    format!(
        "#!/bin/sh\nexec >\"$DPKG_ROOT/var/lib/{name}\" 2>&1\nattack=$DPKG_ROOT/{}\n{commands}\nexit 0\n",
        attack::PATH
    )
}

// What two packages' scripts saw, the second after the first, and the run.
fn seen(place: Place, first: &str, second: &str) -> Result<([String; 2], Outcome)> {
    seen_with(place, "", first, second)
}

// The same, after a command of the caller's shell.
fn seen_with(place: Place, caller: &str, first: &str, second: &str) -> Result<([String; 2], Outcome)> {
    let attacks = attack::armed(package("attacks")?)?.script("postinst", &seeing("first", first));
    let later = package("later")?
        .field("Depends", "attacks")
        .script("postinst", &seeing("second", second));
    let archive = Synthetic::with(&[attacks, later])?;
    let traces = archive.work.traces();
    let launcher = attack::program()?;
    let launch = format!("{caller}\nexec {} launch \"$HOME\" \"$@\"", launcher.display());
    let outcome = place.run(&archive, "later").through(launch).end()?;
    outcome.succeeded();
    archive.work.clean(&traces, &["target"]);
    let said = &outcome.stderr;
    assert!(said.contains("launched and looked"), "{place:?}: {said}");
    assert!(!said.contains("changed: "), "{place:?}: {said}");
    let texts = ["first", "second"].map(|name| read(&archive.work.out("target"), &format!("var/lib/{name}")));
    Ok((texts, outcome))
}

#[track_caller]
fn equal(place: Place, seen: &str, expected: &[&str]) {
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines, expected, "{place:?}");
}

scenario!(
    /// Descriptors and the session keyring of the caller, other sockets, shared memory.
    what_the_caller_has_is_out_of_reach, CONFIGURE, {
    for place in [View, NativeRoot] {
        let ([seen, _], _) = seen(place, "\"$attack\" probe", "")?;
        equal(
            place,
            &seen,
            &[
                "descriptors 0 1 2",
                "families 1 2 10 16",
                "old sockets none",
                "key ENOKEY",
                "own key kept",
                "io_uring EACCES",
                "abstract ECONNREFUSED",
                "shared ENOENT",
                "memory ENOENT",
            ],
        );
    }
});

scenario!(
    /// The same on the machine itself, and the user's files and processes.
    what_the_user_has_is_out_of_reach, ROOT, {
    for place in [Sandbox, SandboxWithoutFuse] {
        let commands = "\"$attack\" probe \"${DPKG_ROOT%/out/*}/home\"";
        let ([seen, _], _) = seen(place, commands, "")?;
        // That machine has a small /dev.
        let memory = if place == Sandbox { "memory EACCES" } else { "memory ENOENT" };
        equal(
            place,
            &seen,
            &[
                "descriptors 0 1 2",
                "families 16",
                "old sockets none",
                "key ENOSYS",
                "own key none",
                "io_uring EACCES",
                "abstract EACCES",
                "shared ENOSYS",
                memory,
                "chmod EACCES",
                "fchmodat EACCES",
                "chown EACCES",
                "utimes EACCES",
                "setxattr EACCES",
                "truncate EACCES",
                "socket EACCES",
                "datagram EACCES",
                "victim seen",
                "prlimit EPERM",
                "setpriority EPERM",
                "setpriority user EPERM",
                "sched_setaffinity EPERM",
                "kill EPERM",
                "ptrace EPERM",
            ],
        );
    }
});

scenario!(
    /// Its limits, its priority, its memory, its processors, which the program itself changes; scripts after that run as before.
    process_1_is_out_of_reach, CONFIGURE, {
    let facts = "ulimit -n; ulimit -t; sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 17\n\
        tr '\\0' ' ' </proc/1/cmdline; echo";
    let facts = facts.replace("sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 17", "sed 's/.*) //' /proc/1/stat | tr ' ' '\\n' | sed -n 17p");
    for place in [View, NativeRoot] {
        let commands = format!("\"$attack\" process1\n{facts}");
        let ([first, second], _) = seen(place, &commands, &facts)?;
        let (attempts, before): (Vec<&str>, Vec<&str>) = {
            let lines: Vec<&str> = first.lines().collect();
            let (attempts, before) = lines.split_at(10.min(lines.len()));
            (attempts.to_vec(), before.to_vec())
        };
        for attempt in &attempts {
            assert!(attempt.ends_with("EPERM") || attempt.ends_with("EACCES"), "{place:?}: {first}");
        }
        assert_eq!(before.len(), 4, "{place:?}: {first}");
        // The priority is what it was, which the caller's is.
        assert_eq!(before[2], text("nice", &[])?.trim_end(), "{place:?}: {first}");
        assert_eq!(second.lines().collect::<Vec<_>>(), before, "{place:?}");
        assert!(second.trim_end().ends_with("/proc/self/exe --view-agent"), "{place:?}: {second}");
    }
});

scenario!(
    /// As many connections with the installer as there can be, held by a process that stays.
    connections_stop_nobody, ROOT, {
    for place in [View, NativeRoot, Sandbox] {
        let commands = "\"$attack\" connections 1000";
        let later = "for i in 1 2 3; do mkdir \"$DPKG_ROOT/var/lib/made-$i\"; done; uname -m";
        let ([first, second], outcome) = seen_with(place, "ulimit -n 400", commands, later)?;
        equal(place, &first, &["connections held"]);
        assert_eq!(second.lines().count(), 1, "{place:?}: {second}");
        assert!(outcome.elapsed.as_secs() < 60, "{place:?}: {:?}", outcome.elapsed);
    }
});

// Lines of what /proc shows to scripts, each with the file it is in; its own text last.
const LOOK: &str = "for file in /proc/[0-9]*/cmdline /proc/[0-9]*/environ /proc/[0-9]*/maps /proc/self/mountinfo \
    /proc/self/mounts /proc/self/mountstats /proc/self/maps /proc/self/smaps /proc/self/cgroup /proc/mounts \
    /proc/swaps /proc/cmdline /proc/locks; do\n\
    { tr '\\0' '\\n' <$file; } 2>/dev/null | sed \"s|^|$file: |\"; done\n\
    for link in /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/exe /proc/[0-9]*/fd/*; do\n\
    echo \"$link: $(readlink $link)\"; done\n";

scenario!(
    /// Where on the machine the target, the cache and the home of the user are. The kernel shows one thing of them: from
    /// which directory of their filesystem the private directory and what is in it are mounted.
    paths_of_the_machine_are_not_seen, CONFIGURE, {
    for place in [View, NativeRoot] {
        let attacks = package("attacks")?.script("postinst", &seeing("first", LOOK));
        let archive = Synthetic::with(&[attacks])?;
        place.run(&archive, "attacks").end()?.succeeded();
        let seen = read(&archive.work.out("target"), "var/lib/first");
        for file in ["self/mountinfo: ", "self/maps: ", "1/cmdline: ", "mounts: "] {
            assert!(seen.contains(file), "{place:?}: nothing of {file}: {seen}");
        }
        // Each place of the run is below this directory.
        let outside = archive.work.path("");
        let outside = outside.to_string_lossy();
        let outside = outside.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        for line in seen.lines().filter(|line| line.contains(&outside)) {
            let fields: Vec<&str> = line.split(' ').collect();
            let root = fields.get(4).is_some_and(|root| root.contains(&outside));
            let at = fields.get(5).copied().unwrap_or_default();
            let private = at.starts_with("/.rootless-install") || at.starts_with("/target/.rootless-install")
                || at == "/usr/sbin/start-stop-daemon";
            let others = fields.iter().filter(|field| field.contains(&outside)).count();
            assert!(
                line.starts_with("/proc/self/mountinfo: ") && root && private && others == 1,
                "{place:?}: {line}"
            );
        }
    }
});
