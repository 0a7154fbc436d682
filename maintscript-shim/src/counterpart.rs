//! Finding the native counterpart of a target program.

use crate::paths::{Arch, CONTROL, in_sysroot};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// open(2): a descriptor that only names a file.
const O_PATH: i32 = 0o10_000_000;

/// The file a path names, with every link followed as the view resolves it:
/// links in the target (alternatives, the merged /usr) decide what is run.
pub(crate) fn resolve(path: &OsStr) -> PathBuf {
    let named = fs::OpenOptions::new().read(true).custom_flags(O_PATH).open(path);
    named
        .and_then(|file| fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())))
        .or_else(|_| fs::canonicalize(path))
        .unwrap_or_else(|_| PathBuf::from(path))
}

/// Path of the counterpart in the view, asking the installer to extend the
/// sysroot where it is not there yet. The error is the installer's reason.
pub(crate) fn find(arch: &Arch, real: &Path) -> Result<OsString, OsString> {
    let native = in_sysroot(arch, real.as_os_str());
    if fs::metadata(&native).is_ok() {
        return Ok(native);
    }
    ask(real).map_err(|error| OsString::from(format!("the installer does not answer: {error}")))?
}

/// One request a connection: the path; the answer is `+PATH` or `-REASON`.
fn ask(real: &Path) -> std::io::Result<Result<OsString, OsString>> {
    let mut stream = UnixStream::connect(CONTROL)?;
    stream.write_all(real.as_os_str().as_bytes())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    Ok(match reply.split_first() {
        Some((b'+', path)) => Ok(OsString::from_vec(path.to_vec())),
        Some((_, reason)) => Err(OsString::from_vec(reason.to_vec())),
        None => Err(OsString::from("the installer gave no answer")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed() {
        let dir = std::env::temp_dir().join(format!("shim-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let dir = fs::canonicalize(dir).unwrap();
        fs::write(dir.join("tool"), "").unwrap();
        std::os::unix::fs::symlink("tool", dir.join("alias")).unwrap();
        assert_eq!(resolve(dir.join("alias").as_os_str()), dir.join("tool"));
        assert_eq!(resolve(OsStr::new("/no/such/file")), Path::new("/no/such/file"));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn no_installer_is_a_reason() {
        let arch = crate::paths::target(OsStr::new("riscv64")).unwrap();
        let reason = find(arch, Path::new("/usr/bin/no-such-tool")).unwrap_err();
        assert!(reason.to_string_lossy().contains("does not answer"));
    }
}
