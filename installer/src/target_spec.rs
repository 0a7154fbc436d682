//! The TARGET argument and its forms.

mod surprises;

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::output::Compression;
use surprises::{command, other_format, scheme};

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
    /// A tar archive that is written to a pipe or a device.
    Stream {
        /// The pipe or device.
        path: PathBuf,
        /// Compression, by the end of the name.
        compression: Compression,
    },
    /// An uncompressed tar archive on standard output.
    Stdout,
    /// Nothing: what is made is thrown away.
    Nothing,
}

/// Reason why an argument is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The argument is empty.
    #[error("the target's name is empty")]
    Empty,
    /// The name has the suffix of a format that is not supported.
    #[error("cannot write the format `{end}`: give {near}, or for a directory of that name add a `/`")]
    Format {
        /// The suffix.
        end: String,
        /// The nearest name that would be written.
        near: String,
    },
    /// The argument looks like a command.
    #[error("`{word}` is no command; {near}; a directory of that name is ./{word}")]
    Command {
        /// The argument.
        word: String,
        /// The nearest that there is.
        near: String,
    },
    /// The argument begins with a scheme.
    #[error(
        "`{scheme}:` is no kind of target: give a directory, NAME.tar, NAME.tar.gz, NAME.tar.xz, NAME.tar.zst or `-`; \
         a directory of that name is ./{argument}"
    )]
    Scheme {
        /// The scheme.
        scheme: String,
        /// The argument.
        argument: String,
    },
}

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
        let text = argument.to_string_lossy();
        match other_format(&text)
            .or_else(|| scheme(&text))
            .or_else(|| command(&text))
        {
            Some(error) => Err(error),
            None => Ok(Self::Directory(path)),
        }
    }

    /// As [`TargetSpec::parse`], but a pipe or a character device that is there is written to, whatever its name.
    ///
    /// # Errors
    /// Those of [`TargetSpec::parse`].
    pub fn find(argument: &OsStr) -> Result<Self, TargetError> {
        let parsed = Self::parse(argument);
        let kind = std::fs::metadata(argument).map(|found| found.file_type());
        if !kind.is_ok_and(|kind| kind.is_fifo() || kind.is_char_device()) {
            return parsed;
        }
        Ok(Self::Stream {
            path: PathBuf::from(argument),
            compression: match parsed {
                Ok(Self::Tar { compression, .. }) => compression,
                _ => Compression::None,
            },
        })
    }

    /// Returns the path of the result; none for standard output and nothing.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Directory(path) | Self::Tar { path, .. } | Self::Stream { path, .. } => Some(path),
            Self::Stdout | Self::Nothing => None,
        }
    }

    /// Returns the compression of the archive; none for a directory, and for nothing.
    pub fn compression(&self) -> Option<Compression> {
        match self {
            Self::Directory(_) | Self::Nothing => None,
            Self::Tar { compression, .. } | Self::Stream { compression, .. } => Some(*compression),
            Self::Stdout => Some(Compression::None),
        }
    }
}

impl fmt::Display for TargetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            Some(path) => write!(f, "{}", path.display()),
            None if *self == Self::Nothing => f.write_str("nothing"),
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
        assert_eq!(parse("a.squashfs/"), directory("a.squashfs/"));
        for name in [
            "debian.13",
            "trixie-arm64",
            "target.d",
            "x.tmp",
            "mint",
            "line",
            "./help",
            "d/version",
            "a:b/",
        ] {
            assert_eq!(parse(name), directory(name));
        }
        assert_eq!(parse(""), Err(TargetError::Empty));
    }

    #[test]
    fn surprises_are_refused_with_the_nearest() {
        for (name, said) in [
            ("a.tar.bz2", "a.tar.xz"),
            ("a.tar.gzz", "a.tar.gz"),
            ("d.tar/a.tar.q", "d.tar/a.tar.zst"),
            ("a.squashfs", "give a.tar,"),
            ("image.oci", "give image.tar,"),
            ("rootfs.cpio.gz", "give rootfs.tar.gz,"),
            ("disk.img.xz", "give disk.tar.xz,"),
            ("y.tz2", "give y.tar.xz,"),
            ("A.TGZ", "give A.tar.gz,"),
            ("a.tra", "give a.tar,"),
            ("oci:x", "`oci:` is no kind of target"),
            ("docker://x/y", "`docker:` is no kind of target"),
            ("file:///tmp/x", "./file:///tmp/x"),
            ("help", "rootless-install --help"),
            ("version", "rootless-install --version"),
            ("Help", "rootless-install --help"),
            ("install", "rootless-install TARGET"),
            ("simulate", "--dry-run"),
            ("remove", "rootless-install dpkg"),
            ("lnit", "rootless-install lint"),
            ("lints", "rootless-install lint"),
            ("dkpg", "rootless-install dpkg"),
            ("LINT", "rootless-install lint"),
            ("shell", "./shell"),
        ] {
            match parse(name) {
                Err(error) => assert!(error.to_string().contains(said), "{name}: {error}"),
                Ok(spec) => panic!("{name}: {spec:?}"),
            }
        }
    }

    #[test]
    fn devices_and_pipes_are_written_to() {
        let null = TargetSpec::find(OsStr::new("/dev/null"));
        let compression = Compression::None;
        assert_eq!(
            null,
            Ok(TargetSpec::Stream {
                path: "/dev/null".into(),
                compression
            })
        );
        assert_eq!(TargetSpec::find(OsStr::new("x")), parse("x"));
    }
}
