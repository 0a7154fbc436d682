//! The mmdebstrap and apt of a suite: a root filesystem of that suite for this machine, in which the
//! references of the suite are made. They run natively there, as root of a user namespace of the account's.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use super::{fail, open_to, why};
use crate::account::Account;
use crate::error::At as _;
use crate::program::limited;
use crate::{Error, Result};

/// Packages of such a root filesystem beside those of minbase.
const PACKAGES: &str =
    "mmdebstrap,arch-test,debian-archive-keyring,gpg,libdistro-info-perl,libdpkg-perl,mount";

/// Where the work directory is seen in there.
pub(super) const WORK: &str = "/work";

/// A user namespace in which the account is root, with mounts and processes of its own.
const NAMESPACE: [&str; 9] = [
    "--user",
    "--map-root-user",
    "--map-auto",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--ipc",
    "--uts",
];

/// Enters a root filesystem (`$1`), with a work directory (`$2`) and `_apt`'s number there (`$3`, may be empty), and
/// executes the rest of the arguments. The handlers of binfmt_misc are those of the machine: a new mount of it would
/// have none.
const ENTER: &str = r#"set -e
root=$1 work=$2 user=$3
shift 3
mount -t proc proc "$root/proc"
if [ -d /proc/sys/fs/binfmt_misc ]; then
    mount --rbind /proc/sys/fs/binfmt_misc "$root/proc/sys/fs/binfmt_misc"
fi
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount --bind "$work" "$root/work"
for file in /etc/resolv.conf /etc/hostname; do
    mount --bind "$file" "$root$file"
done
if [ "$user" ]; then
    sed "s/^_apt:x:[0-9]*:/_apt:x:$user:/" "$root/etc/passwd" >"$work/passwd"
    mount --bind "$work/passwd" "$root/etc/passwd"
fi
exec chroot "$root" /bin/sh -c 'cd /work && exec "$@"' sh "$@""#;

/// The tools of one suite in one state of the archive. While this lives, nobody removes them.
#[derive(Debug)]
pub(super) struct Tools {
    root: PathBuf,
    _used: Flock<File>,
}

impl Tools {
    /// Those kept in `dir` below `name`, or new ones: installed by this machine's mmdebstrap from `archive`. New ones
    /// take the place of others of the suite that nobody uses.
    ///
    /// # Errors
    /// When they cannot be installed.
    pub(super) fn of(dir: &Path, suite: &str, name: &str, archive: &str, limit: Duration) -> Result<Self> {
        let account = Account::of_tests()?;
        let all = dir.join("tools");
        std::fs::create_dir_all(&all).at(&all)?;
        open_to(&account, &all)?;
        // One process makes them, others wait for it.
        let lock = all.join(format!("{suite}.lock"));
        let _alone = locked(&lock, FlockArg::LockExclusive)?;
        let root = all.join(format!("{suite}-{name}"));
        let tools = Self {
            _used: locked(&used(&root), FlockArg::LockShared)?,
            root,
        };
        if tools.is_complete() {
            return Ok(tools);
        }
        remove(&account, &tools.root, limit)?;
        for entry in std::fs::read_dir(&all).at(&all)?.flatten() {
            let older = entry
                .file_name()
                .to_string_lossy()
                .starts_with(&format!("{suite}-"));
            if older
                && entry.path().is_dir()
                && locked(&used(&entry.path()), FlockArg::LockExclusiveNonblock).is_ok()
            {
                remove(&account, &entry.path(), limit)?;
            }
        }
        tools.install(&account, suite, archive, limit)?;
        Ok(tools)
    }

    fn is_complete(&self) -> bool {
        self.root.join("complete").is_file()
    }

    fn install(&self, account: &Account, suite: &str, archive: &str, limit: Duration) -> Result<()> {
        let mut command = in_namespace(account);
        command
            .args([
                "mmdebstrap",
                "--mode=root",
                "--variant=minbase",
                "--format=directory",
            ])
            .arg(format!("--include={PACKAGES}"))
            .args([
                "--customize-hook=mkdir \"$1\"/work",
                "--customize-hook=touch \"$1\"/etc/resolv.conf \"$1\"/etc/hostname \"$1\"/complete",
            ])
            .arg(suite)
            .arg(&self.root)
            .arg(archive)
            .stdout(Stdio::null());
        let done = limited::run("mmdebstrap", &mut command, limit)?;
        if done.status.success() && self.is_complete() {
            return Ok(());
        }
        remove(account, &self.root, limit)?;
        Err(fail(format!("the tools of {suite}: {}", why(&done.said))))
    }

    /// A command in there, with a work directory at [`WORK`], and another number for `_apt` if one is given; program
    /// and arguments are to be added.
    pub(super) fn command(&self, account: &Account, work: &Path, apt_user: Option<u32>) -> Command {
        let mut command = in_namespace(account);
        command
            .args(["/bin/sh", "-c", ENTER, "sh"])
            .arg(&self.root)
            .arg(work)
            .arg(apt_user.map_or_else(String::new, |user| user.to_string()));
        command
    }
}

/// The file that is locked while a root filesystem is used.
fn used(root: &Path) -> PathBuf {
    let mut name = root.as_os_str().to_owned();
    name.push(".used");
    name.into()
}

fn locked(path: &Path, how: FlockArg) -> Result<Flock<File>> {
    let file = File::create(path).at(path)?;
    Flock::lock(file, how)
        .map_err(|(_, errno)| std::io::Error::from(errno))
        .at(path)
}

fn in_namespace(account: &Account) -> Command {
    let mut command = limited::limited(account, Path::new("unshare"));
    command.args(NAMESPACE);
    // A directory that the account may not enter would be no place to start from.
    command.current_dir("/");
    command
}

/// Removes a directory that has files of subordinate users.
fn remove(account: &Account, path: &Path, limit: Duration) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let mut command = in_namespace(account);
    command.args(["rm", "-rf", "--one-file-system"]).arg(path);
    let done = limited::run("rm", &mut command, limit)?;
    match done.status.success() {
        true => Ok(()),
        false => Err(Error::Command {
            command: "rm".to_owned(),
            what: done.said,
        }),
    }
}
