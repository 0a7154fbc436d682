//! What this program makes of a case: the installation, then the commands in it.

use std::path::Path;

use super::cases::Case;
use super::reference::Maker;
use crate::Result;
use crate::error::At as _;
use crate::program::{Outcome, Workplace};
use crate::real::KEYRING;

/// The environment in which mmdebstrap has hooks run, as far as commands see it.
const ENVIRONMENT: [&str; 3] = [
    "DEBIAN_FRONTEND=noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN=true",
    "LC_ALL=C.UTF-8",
];

/// What mmdebstrap does after the last hook.
const CLEAN: &str = "apt-get clean
find /var/lib/apt/lists -mindepth 1 ! -name lock ! -name partial -delete
rm -rf /var/log/dpkg.log /var/log/apt/* /var/log/alternatives.log /var/cache/ldconfig/aux-cache /var/cache/apt/*.bin
find /run /tmp -mindepth 1 ! -path '/run/lock*' -delete
rm -f /var/lib/dbus/machine-id
if [ -e /etc/machine-id ]; then rm /etc/machine-id; : >/etc/machine-id; fi";

/// Makes the root filesystem of a case with the program of a workplace.
///
/// # Errors
/// When the program cannot be started or does not end in time.
pub(super) fn install(
    case: &Case,
    maker: &Maker,
    cache: &Path,
    work: &Workplace,
    tar: &Path,
) -> Result<Outcome> {
    let mut options: Vec<std::ffi::OsString> = vec!["--quiet".into(), "--cache".into(), cache.into()];
    let archive = case.archive(&maker.mirror);
    let architectures = case.architectures.join(",");
    for (name, value) in [
        ("--arch", architectures.as_str()),
        ("--suite", &case.suite),
        ("--variant", &case.variant),
        ("--mirror", &archive),
        ("--keyring", KEYRING),
        ("--include", &case.include),
    ] {
        if !value.is_empty() {
            options.extend([name.into(), value.into()]);
        }
    }
    if let Some(file) = &case.debconf {
        let copy = work.write("selections", &std::fs::read(file).at(file)?)?;
        options.extend(["--debconf-selections".into(), copy.into()]);
    }
    if let Some(merged) = case.merged_usr {
        options.push(format!("--merged-usr={}", if merged { "yes" } else { "no" }).into());
    }
    options.extend(case.ours.iter().map(Into::into));
    let run = |options: Vec<std::ffi::OsString>| {
        let run = work.run_plain(options).limit(maker.limit);
        run.env("SOURCE_DATE_EPOCH", maker.epoch.to_string()).end()
    };
    if case.commands.is_empty() {
        options.push(tar.into());
        return run(options);
    }
    let target = work.out("root");
    options.push(target.clone().into());
    let mut calls: Vec<Vec<std::ffi::OsString>> = Vec::new();
    for command in case.commands.iter().map(String::as_str).chain([CLEAN]) {
        let mut call: Vec<std::ffi::OsString> = vec!["run".into(), "--cache".into(), cache.into()];
        call.extend(
            ENVIRONMENT
                .iter()
                .flat_map(|variable| ["--env".into(), (*variable).into()]),
        );
        call.extend([
            target.clone().into(),
            "--".into(),
            "sh".into(),
            "-ec".into(),
            command.into(),
        ]);
        calls.push(call);
    }
    calls.push(vec!["pack".into(), target.clone().into(), tar.into()]);
    calls.push(vec!["rm".into(), target.into()]);
    let mut outcome = run(options)?;
    for call in calls {
        if !outcome.status.success() {
            break;
        }
        let said = std::mem::take(&mut outcome.stderr);
        outcome = run(call)?;
        if !outcome.status.success() {
            // What dpkg complains of is in what apt says.
            let told = String::from_utf8_lossy(&outcome.stdout).into_owned();
            outcome.stderr.insert_str(0, &told);
        }
        outcome.stderr.insert_str(0, &said);
    }
    Ok(outcome)
}
