//! What keeps services from being started by hooks: a policy-rc.d that forbids it and a start-stop-daemon that does nothing,
//! as files of the target, which is how mmdebstrap does it and how hooks expect it (mmdebstrap(1), `chroot/policy-rc.d` and
//! `chroot/start-stop-daemon`).

use crate::skip::Skip;
use rootless_install_fs::{Error, FileType, Meta, Target};
use script_host::policy;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Error>;

/// The program in the place of start-stop-daemon(8).
const NOTHING_STARTS: &str = "#!/bin/sh\necho \"Warning: Fake start-stop-daemon called, doing nothing\">&2\n";

/// Services of a target that cannot be started.
#[derive(Debug)]
pub(super) struct Stopped {
    policy: bool,
    /// Path of start-stop-daemon, which is beside it by another name.
    daemon: Option<PathBuf>,
}

fn kind(target: &Target, path: &Path) -> Result<Option<FileType>> {
    match target.stat(path) {
        Ok(stat) => Ok(Some(stat.meta.kind)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("REAL")
}

impl Stopped {
    /// Keeps services from being started, but for the steps that are left out.
    ///
    /// # Errors
    /// Those of writing to the target.
    pub(super) fn begin(target: &Target, skip: &Skip) -> Result<Self> {
        let program = Meta::of_root(FileType::Regular, 0o755);
        let there = kind(target, Path::new("/usr/sbin"))? == Some(FileType::Directory);
        let policy = there && !skip.covers("chroot/policy-rc.d");
        if policy {
            target.write(Path::new(policy::FILE), policy::TEXT.as_bytes(), &program)?;
        }
        let mut daemon = None;
        if !skip.covers("chroot/start-stop-daemon") {
            for directory in ["/sbin", "/usr/sbin"] {
                let path = Path::new(directory).join("start-stop-daemon");
                if kind(target, Path::new(directory))? != Some(FileType::Directory)
                    || kind(target, &path)? != Some(FileType::Regular)
                    || kind(target, &aside(&path))?.is_some()
                {
                    continue;
                }
                target.rename(&path, &aside(&path))?;
                target.write(&path, NOTHING_STARTS.as_bytes(), &program)?;
                daemon = Some(path);
                break;
            }
        }
        Ok(Self { policy, daemon })
    }

    /// Has the target as it was, whatever hooks have made of the files meanwhile.
    ///
    /// # Errors
    /// Those of writing to the target.
    pub(super) fn end(self, target: &Target) -> Result<()> {
        let policy = Path::new(policy::FILE);
        if self.policy && kind(target, policy)? == Some(FileType::Regular) {
            target.remove(policy)?;
        }
        match self.daemon {
            Some(path) if kind(target, &aside(&path))?.is_some() => target.rename(&aside(&path), &path),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(directory: &Path) -> Target {
        let target = Target::open(directory).unwrap();
        for path in ["/usr", "/usr/sbin"] {
            let meta = Meta::of_root(FileType::Directory, 0o755);
            target.make_dir(Path::new(path), &meta).unwrap();
        }
        let link = Meta::of_root(FileType::Symlink, 0o777);
        target
            .make_symlink(Path::new("/sbin"), Path::new("usr/sbin"), &link)
            .unwrap();
        let program = Meta::of_root(FileType::Regular, 0o755);
        target.write(Path::new(DAEMON), b"real", &program).unwrap();
        target
    }

    const DAEMON: &str = "/usr/sbin/start-stop-daemon";

    #[test]
    fn what_was_put_aside_comes_back_whatever_a_hook_removes() {
        let directory = tempfile::tempdir().unwrap();
        let target = target(directory.path());
        let stopped = Stopped::begin(&target, &Skip::default()).unwrap();
        let read = |path: &str| target.read(Path::new(path));
        assert_eq!(read(policy::FILE).unwrap(), policy::TEXT.as_bytes());
        assert_eq!(read(DAEMON).unwrap(), NOTHING_STARTS.as_bytes());
        for path in [policy::FILE, DAEMON] {
            target.remove(Path::new(path)).unwrap();
        }
        stopped.end(&target).unwrap();
        assert_eq!(read(DAEMON).unwrap(), b"real");
        assert_eq!(target.read_dir(Path::new("/usr/sbin")).unwrap().len(), 1);
    }

    #[test]
    fn steps_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let target = target(directory.path());
        let skip = Skip(vec![
            "chroot/start-stop-daemon".into(),
            "chroot/policy-rc.d".into(),
        ]);
        let stopped = Stopped::begin(&target, &skip).unwrap();
        assert_eq!(target.read(Path::new(DAEMON)).unwrap(), b"real");
        assert_eq!(target.read_dir(Path::new("/usr/sbin")).unwrap().len(), 1);
        stopped.end(&target).unwrap();
    }
}
