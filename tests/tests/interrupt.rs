//! A run that is stopped leaves nothing, and the next one succeeds.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rootless_install_tests::mirror::Fault;
use rootless_install_tests::program::Running;
use rootless_install_tests::synthetic::{Synthetic, package};
use rootless_install_tests::{Error, Result, scenario};

const MINUTE: Duration = Duration::from_secs(60);

// A name that no other process has in its command line.
const NAP: &str = "86397";

#[derive(Clone, Copy, PartialEq)]
enum During {
    Download,
    Unpacking,
    Script,
}

fn archive() -> Result<Synthetic> {
    // Large enough that unpacking lasts: many files, and one that takes long.
    let mut large = package("large")?;
    for number in 0..4000 {
        large = large.file(
            &format!("usr/share/large/{}/{number}", number % 50),
            format!("{number}\n"),
            0o644,
        );
    }
    let noise: Vec<u8> = (0..32_u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect();
    large = large.file("usr/share/large/noise", noise, 0o644);
    // Sleeps in the first run only: the mirror serves the marker's package then.
    let script = format!("#!/bin/sh\n[ -e /usr/share/awake ] || sleep {NAP}\n");
    let sleepy = package("sleepy")?
        .field("Depends", "large")
        .script("postinst", &script);
    let awake = package("awake")?.file("usr/share/awake", "", 0o644);
    Synthetic::with(&[large, sleepy, awake])
}

fn until(what: &str, running: &mut Running, mut happens: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + MINUTE;
    while !happens() {
        if Instant::now() > end || !running.alive() {
            let said = running.said();
            return Err(Error::Machine(format!(
                "the program never came to {what}:\n{said}"
            )));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

// Whether a staging directory beside the target holds a file of the large package.
fn unpacking(archive: &Synthetic) -> bool {
    fn holds(dir: &std::path::Path, depth: usize) -> bool {
        if dir.join("usr/share/large").is_dir() {
            return true;
        }
        depth > 0
            && std::fs::read_dir(dir)
                .into_iter()
                .flatten()
                .flatten()
                .any(|entry| {
                    entry.file_type().is_ok_and(|kind| kind.is_dir()) && holds(&entry.path(), depth - 1)
                })
    }
    holds(&archive.work.path("out"), 3)
}

#[track_caller]
fn stopped(signal: Signal, during: During) -> Result<()> {
    let archive = archive()?;
    let traces = archive.work.traces();
    let include = if during == During::Script {
        "sleepy"
    } else {
        "large"
    };
    let slow = format!("large_1.0-1_{}.deb", archive.foreign().debian);
    if during == During::Download {
        archive.mirror.fault(&slow, Fault::Slow(500));
    }
    let mut running = archive.install(include, "target").start()?;
    match during {
        During::Download => {
            until("the download", &mut running, || {
                archive.mirror.wait_for(&slow, Duration::ZERO)
            })?;
            std::thread::sleep(Duration::from_millis(700));
        }
        During::Unpacking => until("unpacking", &mut running, || unpacking(&archive))?,
        During::Script => until("the script", &mut running, || traces.runs(NAP))?,
    }
    if !running.alive() {
        return Err(Error::Machine(format!(
            "it ended before the signal:\n{}",
            running.said()
        )));
    }
    let sent = Instant::now();
    running.signal(signal)?;
    let outcome = running.wait()?;
    assert!(!outcome.status.success(), "it was stopped, yet it succeeded");
    assert!(
        sent.elapsed() < Duration::from_secs(15),
        "it took {:?} to stop",
        sent.elapsed()
    );
    assert!(
        !archive.work.out("target").exists(),
        "a half-made target has the target's name"
    );
    if signal == Signal::SIGKILL {
        // Nobody can clean up after SIGKILL at once; but no process and no mount may stay.
        assert_eq!(traces.left(), [""; 0], "processes or mounts are left");
    } else {
        assert_eq!(
            outcome.status.code(),
            Some(128 + signal as i32),
            "{}",
            outcome.stderr
        );
        archive.work.clean(&traces, &[]);
    }
    archive.mirror.heal();
    archive.install("sleepy,awake", "target").end()?.succeeded();
    archive.work.clean(&traces, &["target"]);
    assert!(archive.work.out("target/usr/share/large/noise").exists());
    Ok(())
}

scenario!(
    /// SIGINT during download.
    interrupted_download, CONFIGURE, {
    stopped(Signal::SIGINT, During::Download)?;
});

scenario!(
    /// SIGINT during unpacking.
    interrupted_unpacking, CONFIGURE, {
    stopped(Signal::SIGINT, During::Unpacking)?;
});

scenario!(
    /// SIGINT during a maintainer script.
    interrupted_script, CONFIGURE, {
    stopped(Signal::SIGINT, During::Script)?;
});

scenario!(
    /// SIGKILL during download.
    killed_download, CONFIGURE, {
    stopped(Signal::SIGKILL, During::Download)?;
});

scenario!(
    /// SIGKILL during unpacking.
    killed_unpacking, CONFIGURE, {
    stopped(Signal::SIGKILL, During::Unpacking)?;
});

scenario!(
    /// SIGKILL during a maintainer script.
    killed_script, CONFIGURE, {
    stopped(Signal::SIGKILL, During::Script)?;
});
