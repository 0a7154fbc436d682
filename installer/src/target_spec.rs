//! The TARGET argument and its forms.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::output::Compression;

/// Form and path of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetSpec {
    /// A directory that does not exist yet, or is empty.
    Directory(PathBuf),
    /// A tar archive in a file.
    Tar {
        /// The file.
        path: PathBuf,
        /// Compression, by the end of the name.
        compression: Compression,
    },
    /// An uncompressed tar archive on standard output.
    Stdout,
}

/// Reason why an argument is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The argument is empty.
    #[error("the target's name is empty")]
    Empty,
    /// The name has the suffix of a format that is not supported.
    #[error(
        "cannot write the format `{0}`: give NAME.tar, NAME.tar.gz, NAME.tar.xz or NAME.tar.zst, \
         or for a directory of that name add a `/`"
    )]
    Format(&'static str),
}

/// Suffixes of formats that are not supported: a directory of such a name would be a surprise.
const OTHER_FORMATS: &[&str] = &[
    ".tar.bz2",
    ".tar.lz",
    ".tar.lz4",
    ".tar.lzma",
    ".tar.lzo",
    ".tar.br",
    ".tar.z",
    ".tar.zstd",
    ".tgz",
    ".txz",
    ".tzst",
    ".tbz2",
    ".tbz",
    ".squashfs",
    ".sqfs",
    ".ext2",
    ".ext3",
    ".ext4",
    ".btrfs",
    ".erofs",
    ".img",
    ".raw",
    ".qcow2",
    ".iso",
    ".cpio",
    ".zip",
];

impl TargetSpec {
    /// Parses the argument: `-`, a name that ends in `.tar` and perhaps `.gz`,
    /// `.xz` or `.zst`, or a directory. A name that ends in `/` is a directory.
    ///
    /// # Errors
    /// [`TargetError`] where the user cannot mean a directory of that name.
    pub fn parse(argument: &OsStr) -> Result<Self, TargetError> {
        let bytes = argument.as_bytes();
        if bytes.is_empty() {
            return Err(TargetError::Empty);
        }
        if bytes == b"-" {
            return Ok(Self::Stdout);
        }
        let path = PathBuf::from(argument);
        if bytes.ends_with(b"/") {
            return Ok(Self::Directory(path));
        }
        let lower = bytes.to_ascii_lowercase();
        for (end, compression) in [
            (".tar", Compression::None),
            (".tar.gz", Compression::Gzip),
            (".tar.xz", Compression::Xz),
            (".tar.zst", Compression::Zstd),
        ] {
            if lower.ends_with(end.as_bytes()) {
                return Ok(Self::Tar { path, compression });
            }
        }
        match OTHER_FORMATS.iter().find(|end| lower.ends_with(end.as_bytes())) {
            Some(end) => Err(TargetError::Format(end)),
            None => Ok(Self::Directory(path)),
        }
    }

    /// Returns the path of the result; none for standard output.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Directory(path) | Self::Tar { path, .. } => Some(path),
            Self::Stdout => None,
        }
    }

    /// Returns the compression of the archive; none for a directory.
    pub fn compression(&self) -> Option<Compression> {
        match self {
            Self::Directory(_) => None,
            Self::Tar { compression, .. } => Some(*compression),
            Self::Stdout => Some(Compression::None),
        }
    }
}

impl fmt::Display for TargetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            Some(path) => write!(f, "{}", path.display()),
            None => f.write_str("standard output"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(argument: &str) -> Result<TargetSpec, TargetError> {
        TargetSpec::parse(OsStr::new(argument))
    }

    #[test]
    fn forms() {
        let directory = |path: &str| Ok(TargetSpec::Directory(path.into()));
        let tar = |path: &str, compression| {
            Ok(TargetSpec::Tar {
                path: path.into(),
                compression,
            })
        };
        assert_eq!(parse("-"), Ok(TargetSpec::Stdout));
        assert_eq!(parse("target/"), directory("target/"));
        assert_eq!(parse("target"), directory("target"));
        assert_eq!(parse("a.tar"), tar("a.tar", Compression::None));
        assert_eq!(parse("a.tar/"), directory("a.tar/"));
        assert_eq!(parse("d/a.TAR.gz"), tar("d/a.TAR.gz", Compression::Gzip));
        assert_eq!(parse("a.tar.xz"), tar("a.tar.xz", Compression::Xz));
        assert_eq!(parse("a.tar.zst"), tar("a.tar.zst", Compression::Zstd));
        assert_eq!(parse("a.tar.bz2"), Err(TargetError::Format(".tar.bz2")));
        assert_eq!(parse("a.squashfs"), Err(TargetError::Format(".squashfs")));
        assert_eq!(parse("a.squashfs/"), directory("a.squashfs/"));
        assert_eq!(parse(""), Err(TargetError::Empty));
    }
}
