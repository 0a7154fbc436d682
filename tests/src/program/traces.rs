//! Processes and mounts that a run may have left behind.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::account::Account;

/// What was there before a run.
#[derive(Debug)]
pub struct Traces {
    account: Account,
    work: PathBuf,
    processes: BTreeSet<u32>,
    mounts: BTreeSet<String>,
}

impl Traces {
    /// Remembers what is there now. `work` is the directory the run works in.
    #[must_use]
    pub fn before(account: &Account, work: &Path) -> Self {
        Self {
            account: account.clone(),
            work: work.to_path_buf(),
            processes: processes(account, work).into_iter().map(|(id, _)| id).collect(),
            mounts: mounts(work),
        }
    }

    /// What is there now and was not before, after some seconds of grace for what is just ending.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let mut left: Vec<String> = processes(&self.account, &self.work)
                .into_iter()
                .filter(|(id, _)| !self.processes.contains(id))
                .map(|(id, command)| format!("process {id}: {command}"))
                .collect();
            left.extend(
                mounts(&self.work)
                    .difference(&self.mounts)
                    .map(|line| format!("mount {line}")),
            );
            if left.is_empty() || Instant::now() > end {
                return left;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether a process of this run has `words` in its command line.
    #[must_use]
    pub fn runs(&self, words: &str) -> bool {
        processes(&self.account, &self.work)
            .into_iter()
            .any(|(id, command)| !self.processes.contains(&id) && command.contains(words))
    }
}

/// Whether a process of anybody has `words` in its command line.
#[must_use]
pub fn runs_anywhere(words: &str) -> bool {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut commands = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    commands.any(|command| {
        String::from_utf8_lossy(&command)
            .replace('\0', " ")
            .contains(words)
    })
}

// Processes of the user or its subordinate ids that have to do with this run:
// they name its directory, or live in a process id namespace of their own where
// something of it is mounted, or cannot be looked into at all. Other runs may go on
// meanwhile as the same user.
fn processes(account: &Account, work: &Path) -> Vec<(u32, String)> {
    let own = std::fs::read_link("/proc/self/ns/pid").ok();
    let name = work.file_name().unwrap_or_default().to_string_lossy();
    let work = work.to_string_lossy();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let path = entry.path();
        // The directory of a process that is not dumpable belongs to root: ask its status.
        let status = std::fs::read_to_string(path.join("status")).unwrap_or_default();
        let uid = status
            .lines()
            .find_map(|line| {
                line.strip_prefix("Uid:")?
                    .split_whitespace()
                    .next()?
                    .parse::<u32>()
                    .ok()
            })
            .or_else(|| entry.metadata().ok().map(|facts| facts.uid()));
        if !uid.is_some_and(|uid| account.owns(uid)) || status.contains("State:\tZ") {
            continue;
        }
        let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let namespace = std::fs::read_link(path.join("ns/pid")).ok();
        let elsewhere = match namespace {
            None => true,
            namespace if namespace == own => false,
            _ => std::fs::read_to_string(path.join("mountinfo"))
                .map_or(true, |mounts| mounts.contains(&*name) || mounts.is_empty()),
        };
        let cwd = std::fs::read_link(path.join("cwd")).unwrap_or_default();
        if command.contains(&*work) || cwd.to_string_lossy().contains(&*work) || elsewhere {
            found.push((id, command));
        }
    }
    found
}

fn mounts(work: &Path) -> BTreeSet<String> {
    let work = work.to_string_lossy();
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let ours = |line: &&str| line.contains(&*work) || line.contains("rootless");
    text.lines().filter(ours).map(str::to_owned).collect()
}
