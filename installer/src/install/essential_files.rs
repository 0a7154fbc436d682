//! Package files in the target's cache of apt, for hooks that run before the essential packages are configured
//! (mmdebstrap(1), `MMDEBSTRAP_ESSENTIAL`).

use super::{InstallError, Installation, Result};
use crate::hooks::Moment;
use rootless_install_fs::{FileType, Meta};
use std::fs;
use std::path::Path;

/// Where apt keeps package files.
const ARCHIVES: &str = "/var/cache/apt/archives";

/// Step of mmdebstrap's that removes the package files.
const UNLINK: &str = "essential/unlink";

impl Installation<'_, '_> {
    /// Brings the package files of the first phase into the target where somebody looks at them, and returns their paths
    /// in it.
    pub(super) fn bring_essential(&self) -> Result<Vec<String>> {
        let seen = self.moments.is_some_and(|moments| moments.has(Moment::Extract))
            || self.given.skip.covers(UNLINK);
        let first = self.plan.phases.first().filter(|_| seen);
        let mut paths = Vec::new();
        for job in first.map(|phase| self.jobs(&phase.packages)).unwrap_or_default() {
            let Some(expected) = &job.expected else { continue };
            // An epoch's colon as apt writes it.
            let path = format!("{ARCHIVES}/{}", expected.file_name().replace(':', "%3a"));
            let content = fs::read(&job.path).map_err(|source| InstallError::Read {
                path: job.path.clone(),
                source,
            })?;
            let meta = Meta::of_root(FileType::Regular, 0o644);
            self.target.write(Path::new(&path), &content, &meta)?;
            paths.push(path);
        }
        Ok(paths)
    }

    /// Removes what was brought.
    pub(super) fn remove_essential(&self, paths: &[String]) -> Result<()> {
        if self.given.skip.covers(UNLINK) {
            return Ok(());
        }
        for path in paths.iter().map(Path::new) {
            // A hook may have done it.
            if self.target.stat(path).is_ok() {
                self.target.remove(path)?;
            }
        }
        Ok(())
    }
}
