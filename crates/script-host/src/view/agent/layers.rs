//! A native root under a layer of its own: scripts see the files of the cache and write to memory, which goes with
//! the view, so that nothing is copied.
//!
//! Sources: `Documentation/filesystems/overlayfs.rst`, tmpfs(5), fsopen(2), user_namespaces(7).

use super::Context;
use super::mounts::{descriptor_path, open_path};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{Mode, XattrFlags, mkdirat, setxattr};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;

/// Mounts an empty filesystem in memory for a layer, and returns its root.
pub(super) fn memory(mount_point: &Path) -> super::Result<OwnedFd> {
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        Some("tmpfs"),
        mount_point,
        Some("tmpfs"),
        safe,
        Some("mode=755,uid=0,gid=0"),
    )
    .context("mount a layer")?;
    open_path(mount_point).context("open a layer")
}

/// Mounts a layer in `memory` over a mount, and returns the layered root.
pub(super) fn over(lower: &OwnedFd, memory: &OwnedFd) -> io::Result<OwnedFd> {
    let layers = ["upper", "work"].map(|name| {
        mkdirat(memory, name, Mode::from_raw_mode(0o755)).map(|()| descriptor_path(memory).join(name))
    });
    let [upper, work] = layers;
    let (upper, work) = (upper?, work?);
    // What is removed and made again hides what is below by such an attribute.
    setxattr(&upper, "user.rootless-install.probe", b"", XattrFlags::empty())?;
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, directory) in [
        ("lowerdir", descriptor_path(lower)),
        ("upperdir", upper),
        ("workdir", work),
    ] {
        fsconfig_set_string(&context, key, directory)?;
    }
    fsconfig_set_flag(&context, "userxattr")?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV;
    let root = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    let by_descriptor = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&root, "", lower, "", by_descriptor)?;
    Ok(root)
}

/// Makes a layer in namespaces of this process's own, and says by the exit status whether the kernel can.
pub(in crate::view) fn try_layers(scratch: &Path) -> ExitCode {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let tried = || -> io::Result<()> {
        unshare(CloneFlags::CLONE_NEWUSER)?;
        for (file, text) in [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("0 {uid} 1")),
            ("gid_map", format!("0 {gid} 1")),
        ] {
            fs::write(Path::new("/proc/self").join(file), text)?;
        }
        unshare(CloneFlags::CLONE_NEWNS)?;
        super::private_mounts()?;
        let failed = |failure: super::Failure| failure.error;
        let layer = memory(scratch).map_err(failed)?;
        let lower = memory(scratch).map_err(failed)?;
        over(&lower, &layer).map(|_| ())
    };
    match tried() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
