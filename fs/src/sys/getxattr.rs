//! Reading an extended attribute of a name in a directory.
//!
//! Linux 6.13 has a call that takes a directory: getxattrat(2). Before, there is only one that takes a path, and most of
//! its time goes to the walk through /proc.
//!
//! The only place with `unsafe`: no library has the call yet.
#![allow(unsafe_code, reason = "a call that libraries lack")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_long, c_uint};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::OnceLock;

use rustix::fs;
use rustix::io::Errno;
use rustix::path::Arg;

use super::fd_path::FdPath;

/// Number of the call; none on MIPS, where it is another one.
const GETXATTRAT: Option<c_long> = if cfg!(any(
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "mips32r6",
    target_arch = "mips64r6"
)) {
    None
} else {
    Some(464)
};

/// `struct xattr_args` of `linux/xattr.h`.
#[repr(C, align(8))]
struct Arguments {
    value: u64,
    size: u32,
    flags: u32,
}

/// Reads the value of an attribute of `name` in `dir`, which is not followed; returns the value's length.
///
/// # Errors
/// Those of getxattr(2).
pub(crate) fn getxattr_at(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    attribute: impl Arg,
    value: &mut [u8],
) -> Result<usize, Errno> {
    let path = FdPath::new(dir, name)?;
    attribute.into_with_c_str(|attribute| match number() {
        Some(number) => call(number, dir, path.name(), attribute, value),
        None => fs::lgetxattr(path.as_c_str(), attribute, value),
    })
}

/// Returns the call's number where the kernel has it, and nothing forbids it to this process.
fn number() -> Option<c_long> {
    static KNOWN: OnceLock<Option<c_long>> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let number = GETXATTRAT?;
        let tried = call(number, fs::CWD, c".", c"user.rootless-install", &mut []);
        (!matches!(
            tried,
            Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::INVAL)
        ))
        .then_some(number)
    })
}

fn call(
    number: c_long,
    dir: BorrowedFd<'_>,
    name: &CStr,
    attribute: &CStr,
    value: &mut [u8],
) -> Result<usize, Errno> {
    let arguments = Arguments {
        value: value.as_mut_ptr() as u64,
        size: u32::try_from(value.len()).map_err(|_| Errno::RANGE)?,
        flags: 0,
    };
    // SAFETY: both strings end with NUL, `arguments` is the kernel's structure and as long as is said, and what it
    // points to is `value`, which is written to as far as it goes; all outlive the call.
    let length = unsafe {
        libc::syscall(
            number,
            dir.as_raw_fd() as c_int,
            name.as_ptr() as *const c_char,
            libc::AT_SYMLINK_NOFOLLOW as c_uint,
            attribute.as_ptr() as *const c_char,
            &raw const arguments,
            size_of::<Arguments>(),
        )
    };
    usize::try_from(length).map_err(|_| {
        let error = std::io::Error::last_os_error();
        Errno::from_io_error(&error).unwrap_or(Errno::IO)
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use rustix::fs::XattrFlags;

    use super::*;

    #[test]
    fn both_ways_say_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("file", directory.path().join("link")).unwrap();
        fs::setxattr(&file, c"user.some", b"value", XattrFlags::empty()).unwrap();
        let open = File::open(directory.path()).unwrap();
        let dir = open.as_fd();
        for name in ["file", "link", "none", ".", "a/b"] {
            for attribute in [c"user.some", c"user.other"] {
                for room in [3, 5, 90] {
                    let (mut value, mut other) = (vec![0; room], vec![0; room]);
                    let got = getxattr_at(dir, name.as_ref(), attribute, &mut value);
                    let by_path = FdPath::new(dir, name.as_ref())
                        .and_then(|path| fs::lgetxattr(path.as_c_str(), attribute, &mut other[..]));
                    assert_eq!((got, value), (by_path, other), "{name} {attribute:?} {room}");
                }
            }
        }
    }
}
