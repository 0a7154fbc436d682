//! Machines that lack something, made by root in a private mount namespace.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::account::Account;

/// A part of the machine that the program has to do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// There is no `/dev/fuse`.
    Fuse,
    /// `/dev/fuse` is for root only, as on a machine without the package fuse3.
    FusePermission,
    /// `newuidmap` and `newgidmap` are not installed.
    Newuidmap,
    /// No user has a range in `/etc/subuid` and `/etc/subgid`.
    SubordinateIds,
    /// User namespaces are switched off.
    UserNamespaces,
    /// They are, and there is no `/dev/fuse`.
    UserNamespacesAndFuse,
    /// This directory is on a filesystem without user attributes.
    UserAttributes(PathBuf),
    /// This directory is on a filesystem with this many KiB.
    Space(PathBuf, u32),
    /// This directory is on a tmpfs with these mount options.
    Options(PathBuf, &'static str),
    /// `/proc` is not mounted.
    Proc,
    /// `/dev` is empty.
    Dev,
}

// Everything on /usr/bin but two names, by links to where the directory still is.
const NEWUIDMAP: &str = "
    mount -t tmpfs -o mode=755 none /mnt; base=/mnt; mkdir $base/bin; mount --bind /usr/bin $base/bin
    mount -t tmpfs -o mode=755 none /usr/bin
    $base/bin/ls -A $base/bin | while read -r name; do
        case $name in newuidmap|newgidmap) ;; *) $base/bin/ln -s $base/bin/$name /usr/bin/ ;; esac
    done";

const DEV: &str = "
    mount -t tmpfs -o mode=755 none /dev
    for node in null,3 zero,5 full,7 random,8 urandom,9; do
        mknod -m 666 /dev/${node%,*} c 1 ${node#*,}
    done
    mknod -m 666 /dev/tty c 5 0; ln -s /proc/self/fd /dev/fd";

// A user namespace with every id as it is, in which no further one can be made. Its mounts belong
// to it, so that set-user-id programs may mount.
const USER_NAMESPACES: &str = r#"
    mount -t tmpfs -o mode=755 none /mnt; fifo=/mnt/fifo; mkfifo "$fifo"
    unshare --user --mount sh -c 'read -r go; exec sh -c "
        echo 0 >/proc/sys/user/max_user_namespaces || exit 99
        exec setpriv --reuid=$RI_UID --regid=$RI_GID --clear-groups -- \"\$@\"" sh "$@"' \
        sh "$@" <"$fifo" &
    child=$!
    exec 3>"$fifo"; rm "$fifo"
    while [ "$(readlink /proc/$child/ns/user)" = "$(readlink /proc/self/ns/user)" ]; do sleep 0.02; done
    echo 0 0 4294967295 >/proc/$child/uid_map
    echo 0 0 4294967295 >/proc/$child/gid_map
    echo go >&3
    wait $child
    exit"#;

impl Lack {
    /// A command that runs `program` as `account` on such a machine; its own
    /// arguments follow.
    ///
    /// On the filesystems made for [`Lack::UserAttributes`] and [`Lack::Space`]
    /// what is left after the run is written to standard error as
    /// `left: NAME`, since the filesystem is gone with the namespace.
    ///
    /// # Errors
    /// None today.
    pub fn command(&self, account: &Account, program: &Path) -> Result<Command> {
        let mount = |kind: &str, at: &Path| {
            let at = at.display();
            format!(
                "mount -t {kind} none '{at}'; chown $RI_UID:$RI_GID '{at}'; chmod 755 '{at}'; look='{at}'"
            )
        };
        let prologue = match self {
            Self::Fuse => DEV.to_owned(),
            Self::FusePermission => format!("{DEV}\nmknod -m 600 /dev/fuse c 10 229"),
            Self::Newuidmap => NEWUIDMAP.to_owned(),
            Self::SubordinateIds => {
                "for file in /etc/subuid /etc/subgid; do mount --bind /dev/null $file; done".to_owned()
            }
            Self::UserNamespaces => USER_NAMESPACES.to_owned(),
            Self::UserNamespacesAndFuse => format!("{DEV}\n{USER_NAMESPACES}"),
            Self::UserAttributes(at) => mount("ramfs", at),
            Self::Options(at, options) => mount(&format!("tmpfs -o {options}"), at),
            Self::Proc => "umount -l /proc".to_owned(),
            Self::Dev => "mount -t tmpfs none /dev".to_owned(),
            Self::Space(at, kib) => mount(&format!("tmpfs -o size={kib}k"), at),
        };
        let script = format!(
            "set -e; look=; {prologue}\nset +e
            setpriv --reuid=$RI_UID --regid=$RI_GID --clear-groups --inh-caps=-all -- \"$@\"
            status=$?
            [ -z \"$look\" ] || ls -A \"$look\" | sed 's/^/left: /' >&2
            exit $status"
        );
        let mut command = Command::new("/usr/bin/unshare");
        command.env_clear();
        command.env(
            "PATH",
            "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
        );
        command
            .env("LANG", "C.UTF-8")
            .env("USER", &account.name)
            .env("LOGNAME", &account.name);
        command
            .env("RI_UID", account.uid.to_string())
            .env("RI_GID", account.gid.to_string());
        command.args(["--mount", "--propagation", "private", "/bin/sh", "-c"]);
        command.arg(script).arg("sh").arg(program);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(lack: &Lack, script: &str) -> Option<String> {
        let account = Account::of_tests().ok()?;
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let mut command = lack.command(&account, Path::new("/bin/sh")).expect("a command");
        let done = command.args(["-c", script]).output().expect("it runs");
        Some(String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
    }

    #[test]
    fn each_machine_lacks_what_it_should() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("open");
        let at = dir.path().display();
        let attributes = format!("touch {at}/x && setfattr -n user.x -v 1 {at}/x");
        let space = format!("head -c 100000 /dev/zero >{at}/x");
        let inodes = format!("touch {at}/x; touch {at}/y");
        let cases = [
            (
                Lack::Fuse,
                "ls /dev/fuse; echo >/dev/null && echo fine",
                ["No such file", "fine"],
            ),
            (
                Lack::FusePermission,
                "id; exec 3<>/dev/fuse",
                ["ermission denied", "uid="],
            ),
            (
                Lack::Newuidmap,
                "command -v newuidmap || id && echo gone",
                ["gone", "uid="],
            ),
            (
                Lack::Options(dir.path().to_path_buf(), "nr_inodes=2"),
                &inodes,
                ["No space left", "left: x"],
            ),
            (Lack::Proc, "ls -d /proc/self || id", ["No such file", "uid="]),
            (Lack::Dev, "ls /dev/null || id", ["No such file", "uid="]),
            (Lack::SubordinateIds, "wc -c </etc/subuid; id", ["0\n", "uid="]),
            (
                Lack::UserNamespaces,
                "unshare --user true || id",
                ["No space left", "uid="],
            ),
            (
                Lack::UserNamespacesAndFuse,
                "unshare --user true; ls /dev/fuse",
                ["No space left", "No such file"],
            ),
            (
                Lack::UserAttributes(dir.path().to_path_buf()),
                &attributes,
                ["not supported", "left: x"],
            ),
            (
                Lack::Space(dir.path().to_path_buf(), 64),
                &space,
                ["No space left", "left: x"],
            ),
        ];
        for (lack, script, words) in cases {
            let Some(said) = under(&lack, script) else { return };
            for word in words {
                assert!(said.contains(word), "{lack:?}: {word} in {said}");
            }
        }
    }
}
