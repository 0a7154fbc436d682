//! The real archive, pinned: every file is fetched once and kept.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::lock;
use crate::error::At as _;
use crate::{Error, Result};

/// The same on every machine, so that results that name the mirror can be compared with those of another.
const PORT: u16 = 33_307;
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";

pub(super) struct Pinned {
    cache: PathBuf,
    // The archive's URL up to the last "/debian"; it is never shown or written.
    upstream: String,
    fetching: Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>,
    fetched: AtomicUsize,
}

impl Pinned {
    pub(super) fn new(cache: &Path) -> Result<Self> {
        std::fs::create_dir_all(cache).at(cache)?;
        let upstream = upstream()?;
        Ok(Self {
            cache: cache.to_path_buf(),
            upstream,
            fetching: Mutex::default(),
            fetched: AtomicUsize::new(0),
        })
    }

    /// The port that is wanted: that in the cache's file `port`, else the usual one.
    pub(super) fn port(&self) -> u16 {
        let text = std::fs::read_to_string(self.cache.join("port")).unwrap_or_default();
        text.trim().parse().unwrap_or(PORT)
    }

    pub(super) fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }

    /// The kept copy of a file of the archive, or the status to answer with.
    pub(super) fn get(&self, relative: &Path) -> std::result::Result<PathBuf, u16> {
        let local = self.cache.join("files").join(relative);
        let one = Arc::clone(lock(&self.fetching).entry(local.clone()).or_default());
        let _fetching = lock(&one);
        if local.is_file() {
            return Ok(local);
        }
        let parent = local.parent().ok_or(400_u16)?;
        std::fs::create_dir_all(parent).map_err(|_| 500_u16)?;
        let part = tempfile::Builder::new()
            .prefix(".part-")
            .tempdir_in(parent)
            .map_err(|_| 500_u16)?;
        let file = part.path().join("file");
        // apt's own downloader knows this machine's proxies and certificates.
        let done = Command::new(APT_HELPER)
            .args([
                "-oAcquire::Retries=3",
                "-oAcquire::http::Timeout=60",
                "-oAPT::Sandbox::User=root",
            ])
            .arg("download-file")
            .arg(format!(
                "{}/{}",
                self.upstream,
                quote(&relative.to_string_lossy())
            ))
            .arg(&file)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .map_err(|_| 500_u16)?;
        if !done.status.success() || !file.is_file() {
            let said = [done.stdout, done.stderr].concat();
            return Err(if String::from_utf8_lossy(&said).contains("404") {
                404
            } else {
                502
            });
        }
        std::fs::rename(&file, &local).map_err(|_| 500_u16)?;
        self.fetched.fetch_add(1, Ordering::SeqCst);
        Ok(local)
    }
}

fn quote(path: &str) -> String {
    path.replace('%', "%25")
        .replace('+', "%2b")
        .replace('~', "%7e")
        .replace(' ', "%20")
}

/// The first Debian archive in the sources of this machine's apt.
fn upstream() -> Result<String> {
    let done = Command::new("apt-get")
        .args(["indextargets", "--no-release-info", "--format", "$(REPO_URI)"])
        .output()
        .map_err(|error| Error::Command {
            command: "apt-get".to_owned(),
            what: error.to_string(),
        })?;
    String::from_utf8_lossy(&done.stdout)
        .lines()
        .find_map(|line| {
            line.trim_end_matches('/')
                .strip_suffix("/debian")
                .map(str::to_owned)
        })
        .ok_or_else(|| Error::Machine("no Debian archive in this machine's apt sources".to_owned()))
}
