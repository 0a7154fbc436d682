//! Downloads: broken connections, the cache, runs at the same time.

use std::time::Duration;

use rootless_install_tests::archive::{Damage, Publish};
use rootless_install_tests::deb::Compression;
use rootless_install_tests::mirror::Fault;
use rootless_install_tests::program::Run;
use rootless_install_tests::synthetic::{Synthetic, package};
use rootless_install_tests::{Result, scenario};

fn large() -> rootless_install_tests::Result<Synthetic> {
    let noise: Vec<u8> = (0..4_u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    Synthetic::with(&[package("large")?.file("usr/share/large", noise, 0o644)])
}

scenario!(
    /// Resume, retry, and mirrors without ranges.
    a_broken_connection_is_resumed, CONFIGURE, {
    let archive = large()?;
    let name = format!("large_1.0-1_{}.deb", archive.foreign().debian);
    archive.mirror.fault_times(&name, Fault::Cut, 1);
    archive.install("large", "target").end()?.succeeded();
    let requests = archive.mirror.requests();
    let resumed = requests
        .iter()
        .any(|request| request.path.ends_with(&name) && request.from > Some(0));
    assert!(resumed, "it began again from nothing: {requests:?}");

    for (fault, times) in [
        (Fault::Status(503), 1),
        (Fault::Altered, 1),
        (Fault::Truncated, 1),
    ] {
        let archive = large()?;
        archive.mirror.fault_times(&name, fault, times);
        archive.install("large", "target").end()?.succeeded();
    }
    // The mirror forgets how to answer for a part: the whole is taken instead.
    let archive = large()?;
    archive.mirror.fault_times(&name, Fault::Cut, 1);
    archive.mirror.fault(&name, Fault::NoRange);
    archive.install("large", "target").end()?.succeeded();
    assert_eq!(
        std::fs::metadata(archive.work.out("target/usr/share/large"))?.len(),
        4 << 20
    );
});

scenario!(
    /// A second run downloads no package again.
    the_cache_is_used, CONFIGURE, {
    let archive = large()?;
    archive.install("large", "first").end()?.succeeded();
    let first = archive.mirror.requests();
    assert!(
        first.iter().any(|request| request.path.ends_with(".deb")),
        "{first:?}"
    );
    archive.mirror.forget();
    archive.install("large", "second").end()?.succeeded();
    let again = archive.mirror.requests();
    assert!(
        !again.iter().any(|request| request.path.ends_with(".deb")),
        "{again:?}"
    );
});

scenario!(
    /// With nothing new, one conditional request for each InRelease and nothing else.
    a_repeated_run_asks_once_for_each_index, CONFIGURE, {
    let archive = large()?;
    archive.install("large", "first").end()?.succeeded();
    archive.mirror.forget();
    archive.install("large", "second").end()?.succeeded();
    let requests = archive.mirror.requests();
    let [only] = requests.as_slice() else {
        panic!("not one request: {requests:?}");
    };
    assert!(
        only.path.ends_with("/InRelease") && only.conditional && only.status == 304,
        "{only:?}"
    );
    // What has changed is fetched all the same: the condition is not all there is.
    archive.mirror.forget();
    let release = archive.archive().join(only.path.trim_start_matches('/'));
    let later = std::time::SystemTime::now() + Duration::from_secs(60);
    std::fs::File::options()
        .write(true)
        .open(&release)?
        .set_modified(later)?;
    archive.install("large", "third").end()?.succeeded();
    let requests = archive.mirror.requests();
    assert!(
        matches!(requests.as_slice(), [one] if one.conditional && one.status == 200),
        "{requests:?}"
    );
});

scenario!(
    /// Two runs at once with one cache.
    parallel_runs_share_a_cache, CONFIGURE, {
    let archive = large()?;
    archive.mirror.fault(".deb", Fault::Slow(2));
    let runs = ["first", "second", "third"].map(|name| {
        archive
            .install("large", name)
            .limit(Duration::from_secs(240))
            .start()
    });
    for run in runs {
        run?.wait()?.succeeded();
    }
    for name in ["first", "second", "third"] {
        assert!(archive.work.out(name).join("usr/share/large").is_file(), "{name}");
    }
});

scenario!(
    /// A mirror that sends hardly anything is given up after a time, by name and speed, whether it sends an index or a
    /// package; one that is slow once only is not.
    a_slow_mirror_is_given_up, CONFIGURE, {
    let archive = large()?;
    let name = format!("large_1.0-1_{}.deb", archive.foreign().debian);
    for (slow, fault) in [
        ("InRelease", Fault::Trickle(20)),
        (name.as_str(), Fault::Trickle(300)),
    ] {
        archive.mirror.heal();
        archive.mirror.forget();
        archive.mirror.fault(slow, fault);
        let run = archive.install("large", "slow").option("--download-timeout=1s");
        let outcome = run.limit(Duration::from_secs(60)).end()?;
        outcome.failed_with(&["too slow", "bytes a second over 1 s", slow, &archive.mirror.url(), "--download-timeout"]);
        let asked = archive.mirror.requests().iter().filter(|request| request.path.ends_with(slow)).count();
        assert_eq!(asked, 4, "{slow}");
        assert!(archive.work.names("out")?.is_empty());
    }
    archive.mirror.heal();
    archive.mirror.fault_times(&name, Fault::Trickle(50), 1);
    archive.install("large", "target").option("--download-timeout=1s").end()?.succeeded();
});

// Ends a run, and returns the most memory in bytes that it had (proc_pid_status(5), VmHWM), and what it said.
fn peak(run: Run<'_>) -> Result<(u64, rootless_install_tests::program::Outcome)> {
    let mut running = run.start()?;
    let mut most = 0;
    while running.alive() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
        most = most.max(kilobytes.unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok((most, running.wait()?))
}

scenario!(
    /// A small index that expands to hundreds of megabytes is refused by name, in little memory: beyond the size that
    /// is signed, beyond what text of packages expands to, and beyond what is an index.
    an_index_that_expands, CONFIGURE, {
    for (index, said) in [
        (Damage::Expands(400 << 20), "it expands beyond the|bytes its Release file names"),
        (Damage::ExpandsUnnamed(400 << 20), "it expands to more than"),
        (Damage::ExpandsNamed(600 << 20), "bytes are too many for an index"),
    ] {
        let publish = Publish { index, compressions: vec![Compression::Zstd], ..Publish::default() };
        let archive = Synthetic::published(&publish, &[])?;
        let (most, outcome) = peak(archive.install("", "target"))?;
        outcome.failed_with(&[said, &archive.mirror.url()]);
        assert!(most > 1 << 20 && most < 150 << 20, "{most} bytes");
    }
});
