//! What this machine offers, and what a test does when something is missing.
//!
//! With `CI=true` in the environment a missing need is a failure: a test that
//! silently does nothing proves nothing. Elsewhere the test says why it is skipped.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nix::unistd::geteuid;

use crate::account::Account;
use crate::elf::{Machine, stub};
use crate::program::which;

/// Something a test needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The program, built in release mode.
    Program,
    /// `/dev/fuse` that an ordinary user may open.
    Fuse,
    /// User namespaces for ordinary users.
    UserNamespaces,
    /// `newuidmap` and `newgidmap`.
    Newuidmap,
    /// A range in `/etc/subuid` and `/etc/subgid` for the test's user.
    SubordinateIds,
    /// The test runs as root: it takes parts of the machine away.
    Root,
    /// The real archive can be reached.
    Archive,
    /// mmdebstrap, for the reference.
    Mmdebstrap,
    /// bdebstrap, which calls mmdebstrap.
    Bdebstrap,
    /// Emulation of foreign programs, for the reference.
    Emulation,
    /// Emulation that is off, or root to switch it off.
    NoEmulation,
    /// fakeroot, for the benchmark.
    Fakeroot,
    /// Files of the tests that chattr(1) can make immutable.
    Immutability,
    /// Programs that make images, and others that read them.
    Images,
    /// A registry for container images.
    Registry,
    /// GRUB's maker of images, and its modules for EFI on amd64.
    Grub,
    /// qemu for virtual machines of amd64.
    Qemu,
}

/// The programs of [`Need::Images`].
const IMAGES: [&str; 19] = [
    "tar2sqfs",
    "sqfs2tar",
    "mke2fs",
    "debugfs",
    "e2fsck",
    "cpio",
    "skopeo",
    "umoci",
    "mkfs.fat",
    "fsck.fat",
    "mcopy",
    "sfdisk",
    "swaplabel",
    "qemu-img",
    "objcopy",
    "btrfs",
    "xfs_repair",
    "xfs_db",
    "grub-fstest",
];

impl Need {
    /// Everything the program itself asks for.
    pub const TO_CONFIGURE: &'static [Self] = &[
        Self::Program,
        Self::Fuse,
        Self::UserNamespaces,
        Self::Newuidmap,
        Self::SubordinateIds,
    ];

    /// What is missing and how to mend it; nothing when the need is met.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        let (met, mend) = match self {
            Self::Program => (
                crate::program::built().is_ok(),
                "the program is not built; run `cargo build --release`, or set ROOTLESS_INSTALL",
            ),
            Self::Fuse => (
                fuse(),
                "an ordinary user cannot open /dev/fuse; run scripts/setup",
            ),
            Self::UserNamespaces => (
                user_namespaces(),
                "an ordinary user cannot make user namespaces; see sysctl user.max_user_namespaces, \
                 kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns",
            ),
            Self::Newuidmap => (
                which("newuidmap").is_some() && which("newgidmap").is_some(),
                "newuidmap is missing; apt-get install uidmap",
            ),
            Self::SubordinateIds => (
                Account::of_tests().is_ok_and(|account| account.subordinate.is_some()),
                "the test's user has no range in /etc/subuid and /etc/subgid; run scripts/setup",
            ),
            Self::Root => (
                geteuid().is_root(),
                "only root can take parts of the machine away",
            ),
            Self::Archive => (
                archive(),
                "the Debian archive of this machine's apt cannot be reached",
            ),
            Self::Mmdebstrap => (which("mmdebstrap").is_some(), "apt-get install mmdebstrap"),
            Self::Bdebstrap => (which("bdebstrap").is_some(), "apt-get install bdebstrap"),
            Self::Emulation => (
                emulated(crate::elf::foreign()) || geteuid().is_root(),
                "foreign programs are not emulated; apt-get install qemu-user-static binfmt-support",
            ),
            Self::NoEmulation => (
                !emulated(crate::elf::foreign()) || geteuid().is_root(),
                "foreign programs are emulated, and only root can switch that off",
            ),
            Self::Fakeroot => (which("fakeroot").is_some(), "apt-get install fakeroot"),
            Self::Images => (
                IMAGES.iter().all(|program| which(program).is_some()),
                "apt-get install squashfs-tools-ng e2fsprogs cpio skopeo umoci dosfstools mtools fdisk qemu-utils binutils",
            ),
            Self::Registry => (
                which("docker-registry").is_some(),
                "apt-get install docker-registry",
            ),
            Self::Grub => (
                which("grub-mkimage").is_some() && Path::new("/usr/lib/grub/x86_64-efi/kernel.img").exists(),
                "apt-get install grub-common grub-efi-amd64-bin",
            ),
            Self::Qemu => (
                which("qemu-system-x86_64").is_some(),
                "apt-get install qemu-system-x86",
            ),
            Self::Immutability => (
                immutability(),
                "chattr(1) cannot make a file of the tests immutable; set ROOTLESS_INSTALL_TEST_DIR to another filesystem",
            ),
        };
        (!met).then(|| mend.to_owned())
    }
}

/// Whether all of `needs` are met. Tells why not; with `CI=true` in the environment it panics.
///
/// # Panics
/// With `CI=true` and a need that is not met.
#[must_use]
pub fn met(name: &str, needs: &[Need]) -> bool {
    for need in needs {
        if let Some(why) = need.missing() {
            let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
            assert!(!ci, "{name} cannot run: {why}");
            // Written past the capture of the test harness on purpose.
            let _ = writeln!(std::io::stderr(), "skipped {name}: {why}");
            return false;
        }
    }
    true
}

fn immutability() -> bool {
    let Some(file) = crate::program::place()
        .ok()
        .and_then(|place| tempfile::NamedTempFile::new_in(place).ok())
    else {
        return false;
    };
    let change = |change: &str| {
        let done = Command::new("chattr").arg(change).arg(file.path()).status();
        done.is_ok_and(|status| status.success())
    };
    change("+i") && change("-i")
}

fn fuse() -> bool {
    Account::of_tests().is_ok_and(|account| {
        let mut command = account.command(Path::new("/bin/sh"));
        quiet(command.args(["-c", "exec 3<>/dev/fuse"]))
    })
}

fn user_namespaces() -> bool {
    Account::of_tests().is_ok_and(|account| {
        let mut command = account.command(Path::new("/usr/bin/unshare"));
        quiet(command.args(["--user", "--mount", "true"]))
    })
}

fn archive() -> bool {
    static REACHED: OnceLock<bool> = OnceLock::new();
    *REACHED.get_or_init(reach_archive)
}

fn reach_archive() -> bool {
    let cache = crate::real::cache();
    crate::mirror::Mirror::pinned(&cache).is_ok_and(|mirror| {
        let url = format!("{}/dists/stable/InRelease", mirror.url());
        let Ok(dir) = tempfile::tempdir() else {
            return false;
        };
        let mut command = Command::new("/usr/lib/apt/apt-helper");
        command.args([
            "-oAPT::Sandbox::User=root",
            "-oAcquire::http::Proxy=DIRECT",
            "download-file",
        ]);
        quiet(command.arg(url).arg(dir.path().join("InRelease")))
    })
}

fn quiet(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Whether this machine executes programs of `machine`, natively or through an emulator.
///
/// A stub is executed: without an emulator the kernel says ENOEXEC; with one,
/// the stub starts and dies of its emptiness.
#[must_use]
pub fn emulated(machine: Machine) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(dir) = tempfile::tempdir() else {
        return false;
    };
    let path = dir.path().join("program");
    let made = std::fs::write(&path, stub(machine, "witness"))
        .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)));
    if made.is_err() {
        return false;
    }
    executes(&path)
}

/// Whether the kernel accepts this file for execution at all.
#[must_use]
pub fn executes(path: &Path) -> bool {
    let mut command = Command::new(path);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match command.spawn() {
        Ok(mut child) => {
            let _ = child.kill();
            let _ = child.wait();
            true
        }
        Err(_) => false,
    }
}
