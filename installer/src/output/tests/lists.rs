use super::*;

use std::os::unix::fs::PermissionsExt;

use rustix::fs::{Timespec, Timestamps, XattrFlags, setxattr, utimensat};
use rustix::io::Errno;

/// As systemd-tmpfiles sets it on `/var/log/journal`: `u::rwx,g::r-x,g:adm:r-x,m::r-x,o::r-x`.
const LIST: &[u8] = b"\x02\0\0\0\
    \x01\0\x07\0\xff\xff\xff\xff\
    \x04\0\x05\0\xff\xff\xff\xff\
    \x08\0\x05\0\x04\0\0\0\
    \x10\0\x05\0\xff\xff\xff\xff\
    \x20\0\x05\0\xff\xff\xff\xff";

/// The machine's own filesystem with access control lists, and GNU tar as mmdebstrap
/// calls it. Skipped where there is neither.
#[test]
fn access_control_lists_are_as_gnu_tar_writes_them() -> Tested {
    let (plain, faked) = (temporary()?, temporary()?);
    let target = Target::open(faked.path())?;
    let directory = meta(FileType::Directory, 0o755, 0, 0, 1_600_000_000);
    target.set_mode(Path::new("/"), 0o755)?;
    fs::set_permissions(plain.path(), fs::Permissions::from_mode(0o755))?;
    for (name, default) in [("journal", true), ("log", false)] {
        target.make_dir(Path::new(name), &directory)?;
        target.set_mode(Path::new(name), 0o2755)?;
        let on_disk = plain.path().join(name);
        fs::create_dir(&on_disk)?;
        fs::set_permissions(&on_disk, fs::Permissions::from_mode(0o2755))?;
        let names = ["system.posix_acl_access", "system.posix_acl_default"];
        for attribute in names.into_iter().take(1 + usize::from(default)) {
            match setxattr(&on_disk, attribute, LIST, XattrFlags::empty()) {
                Err(Errno::OPNOTSUPP) => return Ok(()),
                result => result?,
            }
            target.set_xattr(Path::new(name), OsStr::new(attribute), LIST)?;
        }
    }
    let time = Timespec {
        tv_sec: 1_600_000_000,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    for name in ["journal", "log", "."] {
        utimensat(
            rustix::fs::CWD,
            plain.path().join(name),
            &times,
            rustix::fs::AtFlags::empty(),
        )?;
        target.set_mtime(Path::new(name), directory.mtime)?;
    }
    let theirs = Command::new("tar")
        .args([
            "--sort=name",
            "--numeric-owner",
            "--owner=:0",
            "--group=:0",
            "--format=pax",
        ])
        .args(["--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime"])
        .args([
            "--mtime=@1700000000",
            "--clamp-mtime",
            "--xattrs",
            "--xattrs-include=*",
        ])
        .args(["--blocking-factor=1", "-c", "."])
        .current_dir(plain.path())
        .output();
    let theirs = match theirs {
        Ok(out) if out.status.success() => out.stdout,
        // Another tar, or none.
        _ => return Ok(()),
    };
    let ours = archive(&target, Some(1_700_000_000))?;
    assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs));
    assert!(ours == theirs);
    assert!(ours.windows(LIST.len()).filter(|part| *part == LIST).count() == 3);
    Ok(())
}
