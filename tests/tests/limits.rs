//! Limits of processes and what goes beyond them: the run succeeds or fails by name, and ends when it is told to.

use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rootless_install_tests::machine::Lack;
use rootless_install_tests::program::Run;
use rootless_install_tests::synthetic::{Synthetic, package, read, seeing};
use rootless_install_tests::{Error, Result, scenario};

/// Time in which a run ends after a signal, with what a busy machine takes to notice.
const SOON: Duration = Duration::from_secs(3);

fn limited<'a>(archive: &'a Synthetic, include: &str, target: &str, limits: &str) -> Run<'a> {
    archive
        .install(include, target)
        .through(format!("{limits}; exec \"$@\""))
}

scenario!(
    /// A low limit of open files: raised where it can be, and scripts have the one of the caller; enough where it
    /// cannot; an error by name where it is not enough. None hangs.
    few_descriptors, CONFIGURE, {
    let sees = package("sees")?.script("postinst", &seeing("ulimit -Sn\nulimit -Hn\n"));
    let archive = Synthetic::with(&[sees])?;
    let traces = archive.work.traces();
    limited(&archive, "sees", "soft", "ulimit -Sn 40").end()?.succeeded();
    let seen = read(&archive.work.out("soft"), "var/lib/seen");
    assert!(seen.starts_with("40\n"), "{seen}");
    limited(&archive, "sees", "hard", "ulimit -n 64").end()?.succeeded();
    assert_eq!(read(&archive.work.out("hard"), "var/lib/seen"), "64\n64\n");
    let few = limited(&archive, "sees", "few", "ulimit -n 20").end()?;
    few.failed_with(&["open files", "20", "ulimit -n"]);
    archive.work.clean(&traces, &["hard", "soft"]);
});

scenario!(
    /// A write beyond the limit of a file's size is an error of that file, and nothing is left.
    file_size, CONFIGURE, {
    // What does not expand too well to be a sound package.
    let half = || (0..70_u32 << 20).map(|i| (i / 32).wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect::<Vec<u8>>();
    let large = package("large")?
        .file("usr/share/half", half(), 0o644)
        .file("usr/share/other-half", half(), 0o644);
    let archive = Synthetic::with(&[large])?;
    let traces = archive.work.traces();
    // In units of 512 bytes. Less than any run needs:
    let low = limited(&archive, "large", "low", "ulimit -f 2000").end()?;
    low.failed_with(&["file", "ulimit -f"]);
    assert!(archive.mirror.requests().is_empty(), "{:?}", archive.mirror.requests());
    archive.work.clean(&traces, &[]);
    // Enough for each file, and not for the archive of them, which a signal would end (SIGXFSZ).
    let late = limited(&archive, "large", "late.tar", "ulimit -f 264000").end()?;
    late.failed_with(&["late.tar", "File too large", "ulimit -f"]);
    archive.work.clean(&traces, &[]);
});

scenario!(
    /// Nested directories whose paths are longer than the kernel takes, made by a script: in an archive they are
    /// whole; the work directory goes, also with few descriptors.
    depth, CONFIGURE, {
    let script = "#!/bin/sh\nset -e\nmkdir /var/deep; cd /var/deep; i=0; path=d\n\
                  while [ $i -lt 499 ]; do path=$path/d; i=$((i + 1)); done\n\
                  for part in 1 2 3 4 5 6; do mkdir -p $path; cd -P $path 2>/dev/null; done\necho deep >file\n";
    let archive = Synthetic::with(&[package("deep")?.script("postinst", script)])?;
    let traces = archive.work.traces();
    limited(&archive, "deep", "deep.tar", "ulimit -n 256").end()?.succeeded();
    archive.work.clean(&traces, &["deep.tar"]);
    let listed = std::process::Command::new("tar").arg("-tf").arg(archive.work.out("deep.tar")).output()?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    let deepest = format!("./var/deep/{}file", "d/".repeat(3000));
    assert!(listed.lines().any(|line| line == deepest));
    let content = std::process::Command::new("tar")
        .arg("-xOf").arg(archive.work.out("deep.tar")).arg(&deepest).output()?;
    assert_eq!(content.stdout, b"deep\n");
});

scenario!(
    /// What a dead run has left and cannot be removed is a warning: later runs are not kept from their work.
    leftovers_do_not_block, ROOT, {
    let archive = Synthetic::with(&[])?;
    let dead = archive.work.out(".target.rootless-install-abcdef");
    archive.work.make_dir("out/.target.rootless-install-abcdef")?;
    let marker = b"work directory of rootless-install; it may be removed when no run is using it\n";
    archive.work.write("out/.target.rootless-install-abcdef/lock", marker)?;
    // A directory of root's, which the user can neither empty nor remove.
    std::fs::create_dir(dead.join("root"))?;
    std::fs::write(dead.join("root/file"), "")?;
    let outcome = archive.install("", "target").end()?;
    outcome.succeeded();
    assert!(outcome.stderr.contains("cannot remove"), "{}", outcome.stderr);
    assert!(dead.exists());
    std::fs::remove_dir_all(&dead)?;
});

// Sends a signal to a run when it has come to something, and returns the time until its end.
fn stopped(archive: &Synthetic, run: Run<'_>, signal: Signal, ready: impl Fn() -> bool) -> Result<Duration> {
    let mut running = run.start()?;
    let end = Instant::now() + Duration::from_secs(60);
    while !ready() {
        if Instant::now() > end || !running.alive() {
            return Err(Error::Machine(format!(
                "it never came so far:\n{}",
                running.said()
            )));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Instant::now();
    running.signal(signal)?;
    let outcome = running.wait()?;
    assert_eq!(
        outcome.status.code(),
        Some(128 + signal as i32),
        "{}",
        outcome.stderr
    );
    let took = sent.elapsed();
    // What was handed over is removed behind it.
    for _ in 0..100 {
        if archive.work.names("out")?.is_empty() && archive.work.names("tmp")?.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(took)
}

scenario!(
    /// Every signal ends a run soon, wherever it is: also where it waits for a reader of its output that never reads.
    any_signal_ends_a_stuck_run, CONFIGURE, {
    let noise: Vec<u8> = (0..1_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let archive = Synthetic::with(&[package("large")?.file("usr/share/noise", noise, 0o644)])?;
    let fifo = archive.work.path("home/fifo");
    let traces = archive.work.traces();
    for signal in [Signal::SIGTERM, Signal::SIGQUIT] {
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o666))?;
        std::os::unix::fs::chown(&fifo, Some(archive.work.account().uid), None)?;
        let reader = std::fs::OpenOptions::new().read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(&fifo)?;
        let run = archive
            .install_at("large", std::path::Path::new("-"))
            .through(format!("exec \"$@\" >'{}'", fifo.display()));
        // One byte of many, and no more.
        let begun = || std::io::Read::read(&mut &reader, &mut [0]).is_ok_and(|length| length == 1);
        let took = stopped(&archive, run, signal, begun)?;
        assert!(took < SOON, "it took {took:?}");
        drop(reader);
        std::fs::remove_file(&fifo)?;
        archive.work.clean(&traces, &[]);
    }
});

scenario!(
    /// A signal that would kill by default stops the run as SIGTERM does, and all is cleaned up.
    other_signals, CONFIGURE, {
    let archive = Synthetic::with(&[package("sleepy")?.script("postinst", "#!/bin/sh\nsleep 86396\n")])?;
    let traces = archive.work.traces();
    for signal in [Signal::SIGUSR1, Signal::SIGXCPU] {
        let run = archive.install("sleepy", "target");
        let took = stopped(&archive, run, signal, || traces.runs("86396"))?;
        assert!(took < SOON, "it took {took:?}");
        archive.work.clean(&traces, &[]);
    }
});

scenario!(
    /// Files of the cache that are damaged are found before they are trusted, whatever they are, and made anew.
    damaged_cache, CONFIGURE, {
    fn files(directory: &std::path::Path, found: &mut Vec<std::path::PathBuf>) -> std::io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                files(&entry.path(), found)?;
            } else if entry.file_type()?.is_file() && entry.metadata()?.len() > 0 {
                found.push(entry.path());
            }
        }
        Ok(())
    }
    let archive = Synthetic::with(&[package("plain")?.script("postinst", &seeing("echo fine\n"))])?;
    archive.install("plain", "whole.tar").env("SOURCE_DATE_EPOCH", "1760000000").end()?.succeeded();
    let mut all = Vec::new();
    for part in std::fs::read_dir(archive.work.path("cache"))? {
        let part = part?.path();
        // What is in the cache beside its entries is read by nobody.
        if part.is_dir() && part.file_name().is_some_and(|name| name != "log" && name != "run") {
            files(&part, &mut all)?;
        }
    }
    assert!(all.iter().any(|path| path.starts_with(archive.work.path("cache/native-3"))));
    for path in &all {
        let mut bytes = std::fs::read(path)?;
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 0x55;
        }
        std::fs::write(path, bytes)?;
    }
    archive.install("plain", "healed.tar").env("SOURCE_DATE_EPOCH", "1760000000").end()?.succeeded();
    assert_eq!(std::fs::read(archive.work.out("whole.tar"))?, std::fs::read(archive.work.out("healed.tar"))?);
});

scenario!(
    /// Directories in which chattr(1) forbids changes are found before anything is fetched.
    places_that_cannot_be_changed, IMMUTABLE, {
    let archive = Synthetic::with(&[])?;
    let out = archive.work.path("out");
    let change = |change: &str| -> Result<()> {
        let done = std::process::Command::new("chattr").arg(change).arg(&out).status();
        assert!(done.is_ok_and(|status| status.success()), "chattr {change}");
        Ok(())
    };
    for (set, clear, name) in [("+i", "-i", "immutable"), ("+a", "-a", "append-only")] {
        change(set)?;
        let outcome = archive.install("", "target").end();
        change(clear)?;
        outcome?.failed_with(&[name, &format!("chattr {clear}")]);
    }
    assert!(archive.mirror.requests().is_empty());
});

scenario!(
    /// Places that would make a later step fail are found before anything is fetched.
    unfit_places, ROOT, {
    let archive = Synthetic::with(&[])?;
    let place = |name: &str| archive.work.path(name);
    for (lack, words) in [
        (Lack::Options(place("cache"), "noexec"), ["noexec", "--cache"]),
        (Lack::Options(place("cache"), "nr_inodes=50"), ["inodes", "cache"]),
        (Lack::Options(place("cache"), "size=1m"), ["not enough space", "cache"]),
        (Lack::Options(place("out"), "nr_inodes=50"), ["inodes", "out"]),
        (Lack::Options(place("out"), "size=1m"), ["not enough space", "out"]),
        (Lack::Proc, ["/proc", "mount -t proc"]),
        (Lack::Dev, ["/dev/null", "mknod"]),
    ] {
        let shown = format!("{lack:?}");
        archive.work.make_dir("cache")?;
        let outcome = archive.install("", "target").without(lack).end()?;
        outcome.failed_with(&words);
        assert!(archive.mirror.requests().is_empty(), "{shown}: {}", outcome.stderr);
    }
    // What does not matter: nothing of the target is executed or opened as a device where it lies.
    for options in ["nosuid,nodev", "noexec,noatime"] {
        let run = archive.install("", "target").without(Lack::Options(place("out"), options));
        run.end()?.succeeded();
    }
});

scenario!(
    /// Of a limit of processor time the run hears before the kernel kills it; a lower one stays as it is.
    processor_time, CONFIGURE, {
    let sees = package("sees")?.script("postinst", &seeing("ulimit -St\nulimit -Ht\n"));
    let archive = Synthetic::with(&[sees])?;
    for (limit, seen) in [("ulimit -t 500", "499\n500\n"), ("ulimit -t 500; ulimit -St 400", "400\n500\n")] {
        let name = limit.replace([' ', ';'], "");
        limited(&archive, "sees", &name, limit).end()?.succeeded();
        assert_eq!(read(&archive.work.out(&name), "var/lib/seen"), seen, "{limit}");
    }
});

scenario!(
    /// A cache in which nothing can be made is found before anything is fetched.
    unwritable_caches, CONFIGURE, {
    use std::os::unix::fs::PermissionsExt as _;
    let archive = Synthetic::with(&[])?;
    archive.work.make_dir("cache")?;
    let cache = archive.work.path("cache");
    let mode = |mode: u32| std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(mode));
    mode(0o555)?;
    let outcome = archive.install("", "target").end();
    mode(0o755)?;
    outcome?.failed_with(&["cache directory", "--cache", "chown -R"]);
    std::fs::remove_dir_all(&cache)?;
    std::fs::write(&cache, "a file")?;
    archive.install("", "target").end()?.failed_with(&["cache directory", "--cache"]);
    assert!(archive.mirror.requests().is_empty());
});

scenario!(
    /// Limits of memory and processes that are too low for a run are found before anything is fetched, and those that
    /// are said to be enough are.
    low_limits, CONFIGURE, {
    let archive = Synthetic::with(&[])?;
    for (limit, words) in [
        ("--as=500000000", ["address space", "ulimit -v"]),
        ("--data=100000000", ["memory for data", "ulimit -d"]),
        ("--nproc=10", ["processes and threads is 10", "ulimit -u"]),
    ] {
        let run = archive.install("", "low").through(format!("exec prlimit {limit} \"$@\""));
        run.end()?.failed_with(&words);
    }
    assert!(archive.mirror.requests().is_empty());
    // 1 GiB and 512 MiB.
    let run = archive.install("", "enough").through("exec prlimit --as=1073741824 --data=536870912 \"$@\"");
    run.end()?.succeeded();
});

scenario!(
    /// A native root of the cache that is damaged is found and made anew; one that is copied is not.
    damaged_native_root, CONFIGURE, {
    let archive = Synthetic::with(&[package("plain")?.script("postinst", &seeing("echo fine\n"))])?;
    let install = |name: &str| {
        let run = archive.install("plain", name).option("--mode=chrootless");
        run.env("SOURCE_DATE_EPOCH", "1600000000").end()
    };
    install("whole.tar")?.succeeded();
    let whole = std::fs::read(archive.work.out("whole.tar"))?;
    let roots = archive.work.path("cache/native-root");
    let found: Vec<_> = std::fs::read_dir(&roots)?.collect::<std::io::Result<_>>()?;
    let [root] = found.as_slice() else { panic!("not one native root: {found:?}") };
    let root = root.path();
    let copy = archive.work.path("copy");
    let done = std::process::Command::new("cp").arg("-a").args([&root, &copy]).status()?;
    assert!(done.success());
    let library = std::fs::read_dir(root.join("usr/bin"))?.next().ok_or("no program")??.path();
    let library = std::fs::canonicalize(library)?;
    let intact = std::fs::read(&library)?;
    std::fs::write(&library, "damaged")?;
    let healed = install("healed.tar")?;
    healed.succeeded();
    assert!(healed.stderr.contains("is damaged: it is made anew"), "{}", healed.stderr);
    assert!(std::fs::read(archive.work.out("healed.tar"))? == whole);
    assert!(std::fs::read(&library)? == intact);
    std::fs::remove_dir_all(&root)?;
    let done = std::process::Command::new("cp").arg("-a").args([&copy, &root]).status()?;
    assert!(done.success());
    let copied = install("copied.tar")?;
    copied.succeeded();
    assert!(!copied.stderr.contains("damaged"), "{}", copied.stderr);
    assert!(std::fs::read(archive.work.out("copied.tar"))? == whole);
});

scenario!(
    /// An overlay over two filesystems gives directories and files numbers of different counters, and nothing is taken for another.
    numbers_of_several_devices, ROOT, {
    // An open file, and then more directories than there are files: sooner or later one has its number.
    let script = "#!/bin/sh\nset -e\nmkdir -p /var/lib/many\ncd /var/lib/many\n\
        for number in 3 4 5 6; do echo $number >$number.data; eval \"exec $number<$number.data\"; done\n\
        mkdir $(seq 10 3000)\n\
        for number in 3 4 5 6; do read -r seen <&$number && [ \"$seen\" = $number ]; done\n";
    let sees = package("sees")?.script("postinst", script);
    let archive = Synthetic::with(&[sees])?;
    archive.install("sees", "plain.tar").env("SOURCE_DATE_EPOCH", "1700000000").end()?.succeeded();
    let layered = "exec unshare --user --mount --map-root-user --map-auto sh -ec '\
            out=$1 && shift && exec 9>\"$out/layered.tar\" && mkdir \"$out/layer\" && cd \"$out/layer\" && \
            mount -t tmpfs -o mode=755 none . && cd \"$PWD\" && mkdir upper work && \
            mount -t overlay -o \"userxattr,lowerdir=$out,upperdir=upper,workdir=work\" none \"$out\" && cd / && \
            rm \"$out/layered.tar\" && touch \"$out/new\" && [ \"$(stat -c %d \"$out\")\" != \"$(stat -c %d \"$out/new\")\" ] && \
            \"$@\" 9>&- && cat \"$out/layered.tar\" >&9' sh";
    let layered = format!("{layered} '{}' \"$@\"", archive.work.out("").display());
    let run = archive.install("sees", "layered.tar").env("SOURCE_DATE_EPOCH", "1700000000");
    let outcome = run.through(layered).end()?;
    outcome.succeeded();
    assert!(std::fs::read(archive.work.out("plain.tar"))? == std::fs::read(archive.work.out("layered.tar"))?);
});

scenario!(
    /// Root of a user namespace takes ids of its own namespace, or does without a view where there are none to take.
    namespaces_of_others, ROOT, {
    let sees = package("sees")?.script("postinst", "#!/bin/sh\nchown 33:65534 /usr/bin/..\n");
    let archive = Synthetic::with(&[sees])?;
    let hook = "--customize-hook=[ \"$(id -u)\" = 0 ] && chown 7:8 \"$1/etc\" && [ \"$(stat -c %u:%g \"$1/etc\")\" = 7:8 ]";
    let run = archive.install("sees", "range").option(hook);
    let outcome = run.through("exec unshare --user --mount --map-root-user --map-auto \"$@\"").end()?;
    outcome.succeeded();
    assert!(!outcome.stderr.contains("chrootless mode"), "{}", outcome.stderr);
    let run = archive.install("", "one").option("--mode=redirect").through("exec unshare -Ur \"$@\"");
    archive.mirror.forget();
    run.end()?.failed_with(&["uid_map", "0 ids", "65535"]);
    assert!(archive.mirror.requests().is_empty());
});
