//! The mounts of the view: the target, the native sysroot, and the filesystems of a running system.
//!
//! Sources: mount(2), mount_namespaces(7), move_mount(2), `Documentation/filesystems/fuse.rst`.

use super::{Context, Result};
use crate::view::message::{BindPoint, MountPoints};
use crate::view::{DPKG_ROOT, PHANTOM_DIRECTORY, START_STOP_DAEMON};
use nix::mount::{MsFlags, mount};
use rootless_install_fs::SERVED;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use shim_protocol::names::{RESOLVER, SYSROOT, WRAPPERS, WRAPPERS_KEPT};
use shim_protocol::paths;
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

/// Source of a bind mount.
enum From {
    Outside(OwnedFd),
    /// The target as it is served.
    Target,
    /// The root directory of scripts.
    Root,
}

/// A bind mount in the view, at a path relative to its root.
pub(super) struct Bind {
    from: From,
    to: PathBuf,
    kind: BindKind,
}

/// Returns the bind mounts of the view, in the order in which they are made.
pub(super) fn sources(points: &MountPoints) -> Result<Vec<Bind>> {
    let action = "open the native sysroot";
    let seen = PathBuf::from(PHANTOM_DIRECTORY.trim_start_matches('/'));
    let private = points.private.as_path();
    let directory = |from: &Path, to: PathBuf, kind| {
        let from = From::Outside(open_path(from).context(action)?);
        Ok(Bind { from, to, kind })
    };
    let mut binds = vec![directory(private, seen.clone(), BindKind::ReadOnly)?];
    // Over the target's own where nothing is redirected.
    let starter = private.join(START_STOP_DAEMON);
    if starter.exists() {
        binds.push(Bind {
            from: From::Outside(File::open(&starter).context(action)?.into()),
            to: Path::new("usr/sbin").join(START_STOP_DAEMON),
            kind: BindKind::ReadOnly,
        });
    }
    if let Some(to) = &points.resolver {
        binds.push(Bind {
            from: From::Outside(File::open(private.join(RESOLVER)).context(action)?.into()),
            to: to.strip_prefix("/").unwrap_or(to).to_owned(),
            kind: BindKind::ReadOnly,
        });
    }
    if points.native_root.is_some() {
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
        let wrappers = private.join(WRAPPERS_KEPT);
        if wrappers.exists() {
            for seen in [seen.clone(), target.join(&seen)] {
                binds.push(directory(&wrappers, seen.join(WRAPPERS), BindKind::ReadOnly)?);
            }
        }
    }
    let Some(system) = &points.native_system else {
        return Ok(binds);
    };
    for entry in fs::read_dir(private.join(SYSROOT).join("usr")).context(action)? {
        let name = Path::new("usr").join(entry.context(action)?.file_name());
        if system.join(&name).is_dir() {
            let to = seen.join(SYSROOT).join(&name);
            binds.push(directory(&system.join(&name), to, BindKind::ReadOnly)?);
        }
    }
    Ok(binds)
}

/// Mounts the target, which is served below the root of a mount, on top of that mount, and returns it.
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

pub(super) fn descriptor_path(descriptor: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}

/// Mounts a FUSE filesystem. The descriptor must be opened in the user
/// namespace that the mount belongs to, hence here and not in the installer.
pub(super) fn mount_served(mount_point: &Path) -> Result<OwnedFd> {
    let fuse = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .context("open /dev/fuse")?;
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
    .context("mount the target through /dev/fuse")?;
    Ok(fuse.into())
}

/// Makes the bind mounts in the root directory of scripts, which is the working directory.
pub(super) fn bind_all(binds: &[Bind], target: &OwnedFd, root: &OwnedFd) -> Result<()> {
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
        bind(&descriptor_path(from), to, deep).context("mount the native sysroot")?;
        if *kind != BindKind::Writable {
            bound.push(to);
        }
    }
    for to in bound.into_iter().rev() {
        read_only(to).context("protect the native sysroot")?;
    }
    Ok(())
}

/// Mounts dpkg's administrative directory in the root directory of scripts, which is the working directory, and with
/// `with_target` in the target below it, too.
pub(super) fn bind_admin(directory: &OwnedFd, with_target: bool) -> Result<()> {
    let seen = Path::new(paths::ADMIN.trim_start_matches('/'));
    let target = Path::new(DPKG_ROOT.trim_start_matches('/'));
    let inside = with_target.then(|| target.join(seen));
    std::iter::once(seen.to_owned())
        .chain(inside)
        .try_for_each(|to| bind(&descriptor_path(directory), &to, MsFlags::empty()))
        .context("mount the administrative directory")
}

/// Mounts a directory of the machine, or a file in it, which is served as the target is, in the root directory of
/// scripts, which is the working directory. `mount` is where its directory is mounted.
pub(super) fn bind_served(point: &BindPoint, mount: &OwnedFd) -> Result<()> {
    let to = point.to.strip_prefix("/").unwrap_or(&point.to);
    let action = format!("mount {}", point.to.display());
    let directory = served(mount).context(&action)?;
    let from = match &point.file {
        None => descriptor_path(&directory),
        Some(name) => descriptor_path(&directory).join(name),
    };
    bind(&from, to, MsFlags::empty()).context(&action)?;
    match point.read_only {
        true => read_only(to).context(&action),
        false => Ok(()),
    }
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
pub(super) fn read_only(path: &Path) -> nix::Result<()> {
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

/// Mounts /proc and /dev in the working directory, and with `with_target` in the target below it, too.
pub(super) fn running_system(with_target: bool) -> Result<()> {
    processes()?;
    devices()?;
    if with_target {
        let target = Path::new(DPKG_ROOT.trim_start_matches('/'));
        for name in ["proc", "dev"] {
            bind(Path::new(name), &target.join(name), MsFlags::MS_REC).context("mount /proc and /dev")?;
        }
    }
    Ok(())
}

/// Mounts /proc in the working directory.
pub(super) fn processes() -> Result<()> {
    let none = None::<&str>;
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match mount(Some("proc"), "proc", Some("proc"), safe, none) {
        // A container masks parts of its own, and the kernel allows none that shows more (mount_namespaces(7)).
        Err(nix::errno::Errno::EPERM) => bind(Path::new("/proc"), Path::new("proc"), MsFlags::MS_REC),
        mounted => mounted,
    }
    .context("mount /proc")
}

/// Mounts /dev in the working directory, with devices and terminals.
pub(super) fn devices() -> Result<()> {
    let dev = Path::new("dev");
    let size = Some("mode=755,size=1m");
    mount(Some("tmpfs"), dev, Some("tmpfs"), MsFlags::MS_NOSUID, size).context("mount /dev")?;
    for name in DEVICES {
        let outside = Path::new("/dev").join(name);
        if outside.exists() {
            File::create(dev.join(name)).context("make a device file")?;
            bind(&outside, &dev.join(name), MsFlags::MS_REC).context("mount a device file")?;
        }
    }
    for (name, to) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        std::os::unix::fs::symlink(to, dev.join(name)).context("make a link in /dev")?;
    }
    fs::create_dir(dev.join("pts")).context("make /dev/pts")?;
    let terminals = Some("newinstance,ptmxmode=0666,mode=620,gid=5");
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("devpts"), &dev.join("pts"), Some("devpts"), quiet, terminals).context("mount /dev/pts")?;
    fs::create_dir(dev.join("shm")).context("make /dev/shm")?;
    mount(
        Some("tmpfs"),
        &dev.join("shm"),
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=1777"),
    )
    .context("mount /dev/shm")
}
