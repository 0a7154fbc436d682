//! Paths by which a file is reached through its descriptor.

use std::ffi::{CStr, OsStr};
use std::io::Write;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

/// `/proc/self/fd/N/NAME`, for the calls that take only a path (extended attributes, chmod).
pub(crate) struct FdPath {
    text: [u8; 24 + 256 + 1],
    /// Offset of NAME.
    name: usize,
}

impl FdPath {
    /// Returns the path of `name` in the directory `dir`.
    pub(crate) fn new(dir: BorrowedFd<'_>, name: &OsStr) -> Result<Self, Errno> {
        if name.len() > 255 {
            return Err(Errno::NAMETOOLONG);
        }
        if name.as_bytes().iter().any(|b| *b == 0 || *b == b'/') {
            return Err(Errno::INVAL);
        }
        let mut text = [0; 24 + 256 + 1];
        let mut rest = &mut text[..];
        let all = rest.len();
        write!(rest, "/proc/self/fd/{}/", dir.as_raw_fd()).map_err(|_| Errno::NAMETOOLONG)?;
        let begin = all - rest.len();
        rest.write_all(name.as_bytes()).map_err(|_| Errno::NAMETOOLONG)?;
        Ok(Self { text, name: begin })
    }

    /// Returns the path of the file behind `file`, which is a link to be followed.
    pub(crate) fn of(file: BorrowedFd<'_>) -> Self {
        let mut text = [0; 24 + 256 + 1];
        // Always fits; if it did not, the path would name nothing.
        let _ = write!(&mut text[..], "/proc/self/fd/{}", file.as_raw_fd());
        Self { text, name: 0 }
    }

    /// Returns NAME alone.
    pub(crate) fn name(&self) -> &CStr {
        let name = self.text.get(self.name..).unwrap_or_default();
        CStr::from_bytes_until_nul(name).unwrap_or_default()
    }

    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.text).unwrap_or_default()
    }
}
