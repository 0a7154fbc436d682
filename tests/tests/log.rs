//! The log: what the libraries trace reaches the log file, and the terminal of those who ask for it.

use rootless_install_tests::Result;
use rootless_install_tests::program::Outcome;
use rootless_install_tests::scenario;
use rootless_install_tests::synthetic::{Synthetic, package, read};

/// The module whose events come from the threads that serve the view.
const SERVER: &str = "rootless_install_fs::server";

// The view is served when a first script runs.
fn with_a_script() -> Result<Synthetic> {
    Synthetic::with(&[package("one")?.script("postinst", "#!/bin/sh\nexit 0\n")])
}

scenario!(
    /// An event of the view's server is in the log file, and nowhere else.
    traces_of_the_server_are_in_the_log, CONFIGURE, {
    let archive = with_a_script()?;
    let log = archive.work.path("home/log");
    let ended = archive.install("one", "target").option(&format!("--log={}", log.display())).end()?;
    ended.succeeded();
    let text = read(&archive.work.path("home"), "log");
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(SERVER)).collect();
    assert!(
        lines.iter().any(|line| line.contains("[DEBUG]") && line.contains("has ended") && line.contains("requests:")),
        "{text}"
    );
    assert!(!ended.stderr.contains(SERVER), "{}", ended.stderr);
});

scenario!(
    /// Twice -v shows on the terminal what the log has, once does not.
    traces_are_shown_on_request, CONFIGURE, {
    let archive = with_a_script()?;
    let said = |name: &str, options: &[&str]| -> Result<Outcome> {
        let run = options.iter().fold(archive.install("one", name), |run, option| run.option(option));
        run.end()
    };
    let twice = said("twice", &["-v", "-v"])?;
    twice.succeeded();
    assert!(twice.stderr.contains(SERVER), "{}", twice.stderr);
    let once = said("once", &["-v"])?;
    once.succeeded();
    assert!(!once.stderr.contains(SERVER), "{}", once.stderr);
});
