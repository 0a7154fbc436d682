//! What the view is made of: mounts of the target, of the native sysroot, and of a running system.
//!
//! Sources: mount(2), mount_namespaces(7), move_mount(2), `Documentation/filesystems/fuse.rst`.

use super::{Doing, Places, Step};
use crate::view::{DPKG_ROOT, PHANTOM_DIRECTORY, START_STOP_DAEMON};
use nix::mount::{MsFlags, mount};
use rootless_install_fs::SERVED;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use shim_protocol::names::SYSROOT;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Device files of the machine that a script may use, by name below /dev.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

pub(super) fn private_mounts() -> nix::Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BindKind {
    ReadOnly,
    /// Without what is mounted below it.
    ReadOnlyShallow,
    Writable,
}

/// What is mounted.
enum From {
    Outside(OwnedFd),
    /// The target as it is served.
    Target,
    /// The root directory of scripts.
    Root,
}

/// Something mounted in the view, at a path relative to its root.
pub(super) struct Bind {
    from: From,
    to: PathBuf,
    kind: BindKind,
}

/// What is mounted in the view, in this order.
pub(super) fn sources(places: &Places<'_>) -> Step<Vec<Bind>> {
    let doing = "open the native sysroot";
    let seen = PathBuf::from(PHANTOM_DIRECTORY.trim_start_matches('/'));
    let private = places.private;
    let directory = |from: &Path, to: PathBuf, kind| {
        let from = From::Outside(open_path(from).doing(doing)?);
        Ok(Bind { from, to, kind })
    };
    let mut binds = vec![directory(private, seen.clone(), BindKind::ReadOnly)?];
    // In the place of the target's own where nothing is redirected.
    let starter = private.join(START_STOP_DAEMON);
    if starter.exists() {
        binds.push(Bind {
            from: From::Outside(File::open(&starter).doing(doing)?.into()),
            to: Path::new("usr/sbin").join(START_STOP_DAEMON),
            kind: BindKind::ReadOnly,
        });
    }
    if places.outer.is_some() {
        // The target, and its own way to native programs: for what is executed in it, or takes it
        // as its root directory.
        let target = PathBuf::from(DPKG_ROOT.trim_start_matches('/'));
        let root = |to| Bind {
            from: From::Root,
            to,
            kind: BindKind::ReadOnlyShallow,
        };
        binds.push(root(seen.join(SYSROOT)));
        binds.push(Bind {
            from: From::Target,
            to: target.clone(),
            kind: BindKind::Writable,
        });
        binds.push(directory(private, target.join(&seen), BindKind::ReadOnly)?);
        binds.push(root(target.join(&seen).join(SYSROOT)));
    }
    let Some(system) = places.native_system else {
        return Ok(binds);
    };
    for entry in fs::read_dir(private.join(SYSROOT).join("usr")).doing(doing)? {
        let name = Path::new("usr").join(entry.doing(doing)?.file_name());
        if system.join(&name).is_dir() {
            let to = seen.join(SYSROOT).join(&name);
            binds.push(directory(&system.join(&name), to, BindKind::ReadOnly)?);
        }
    }
    Ok(binds)
}

/// The target that is served below the root of a mount, as a mount of its own on top of that.
pub(super) fn served(mount: &OwnedFd) -> io::Result<OwnedFd> {
    let target = open_tree(
        mount,
        SERVED,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )?;
    let by_descriptor = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&target, "", mount, "", by_descriptor)?;
    Ok(target)
}

pub(super) fn open_path(path: &Path) -> nix::Result<OwnedFd> {
    use nix::fcntl::{OFlag, open};
    open(
        path,
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )
}

fn descriptor_path(descriptor: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}

/// Mounts a FUSE filesystem. The descriptor must be opened in the user
/// namespace that the mount belongs to, hence here and not in the installer.
pub(super) fn mount_served(mount_point: &Path) -> Step<OwnedFd> {
    let fuse = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .doing("open /dev/fuse")?;
    let data = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions",
        fuse.as_raw_fd()
    );
    mount(
        Some("rootless-install"),
        mount_point,
        Some("fuse.rootless-install"),
        MsFlags::MS_NODEV,
        Some(data.as_str()),
    )
    .doing("mount the target through /dev/fuse")?;
    Ok(fuse.into())
}

/// Mounts what the view is made of, in the root directory of scripts, which is the working directory.
pub(super) fn bind_all(binds: &[Bind], target: &OwnedFd, root: &OwnedFd) -> Step<()> {
    let mut bound = Vec::new();
    for Bind { from, to, kind } in binds {
        let from = match from {
            From::Outside(from) => from,
            From::Target => target,
            From::Root => root,
        };
        // A target need not have a start-stop-daemon.
        if to.ends_with(START_STOP_DAEMON) && !to.exists() {
            continue;
        }
        let deep = match kind {
            BindKind::ReadOnlyShallow => MsFlags::empty(),
            BindKind::ReadOnly | BindKind::Writable => MsFlags::MS_REC,
        };
        bind(&descriptor_path(from), to, deep).doing("mount the native sysroot")?;
        if *kind != BindKind::Writable {
            bound.push(to);
        }
    }
    for to in bound.into_iter().rev() {
        read_only(to).doing("protect the native sysroot")?;
    }
    Ok(())
}

fn bind(from: &Path, to: &Path, deep: MsFlags) -> nix::Result<()> {
    mount(
        Some(from),
        to,
        None::<&str>,
        MsFlags::MS_BIND | deep,
        None::<&str>,
    )
}

/// Remounts read-only, without set-id programs and devices. Options that the
/// machine's own mount has are locked and must be kept (mount_namespaces(7)).
fn read_only(path: &Path) -> nix::Result<()> {
    use nix::sys::statvfs::{FsFlags, statvfs};
    let here = statvfs(path)?.flags();
    let kept = [
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let base =
        MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let flags = kept
        .iter()
        .filter(|(flag, _)| here.contains(*flag))
        .fold(base, |all, (_, flag)| all | *flag);
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
}

/// Mounts what a running system has, in the working directory; `with_target` where the target is seen below that.
pub(super) fn running_system(with_target: bool) -> Step<()> {
    let none = None::<&str>;
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "proc", Some("proc"), safe, none).doing("mount /proc")?;
    let dev = Path::new("dev");
    let size = Some("mode=755,size=1m");
    mount(Some("tmpfs"), dev, Some("tmpfs"), MsFlags::MS_NOSUID, size).doing("mount /dev")?;
    for name in DEVICES {
        let outside = Path::new("/dev").join(name);
        if outside.exists() {
            File::create(dev.join(name)).doing("make a device file")?;
            bind(&outside, &dev.join(name), MsFlags::MS_REC).doing("mount a device file")?;
        }
    }
    for (name, to) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        std::os::unix::fs::symlink(to, dev.join(name)).doing("make a link in /dev")?;
    }
    fs::create_dir(dev.join("pts")).doing("make /dev/pts")?;
    let terminals = Some("newinstance,ptmxmode=0666,mode=620,gid=5");
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("devpts"), &dev.join("pts"), Some("devpts"), quiet, terminals).doing("mount /dev/pts")?;
    fs::create_dir(dev.join("shm")).doing("make /dev/shm")?;
    mount(
        Some("tmpfs"),
        &dev.join("shm"),
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=1777"),
    )
    .doing("mount /dev/shm")?;
    if with_target {
        let target = Path::new(DPKG_ROOT.trim_start_matches('/'));
        for name in ["proc", "dev"] {
            bind(Path::new(name), &target.join(name), MsFlags::MS_REC).doing("mount /proc and /dev")?;
        }
    }
    Ok(())
}
