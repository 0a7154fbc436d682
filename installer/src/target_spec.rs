//! The TARGET argument and its forms.

mod surprises;

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::output::{Compression, Format, Layout};
use surprises::{command, command_before_others, other_format, scheme};

/// Form and path of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetSpec {
    /// A directory that does not exist yet, or is empty.
    Directory(PathBuf),
    /// An archive or an image in a file; a container image may be a directory.
    File {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: Format,
    },
    /// An archive or an image that is written to a pipe or a device.
    Stream {
        /// The pipe or device.
        path: PathBuf,
        /// Its format.
        format: Format,
    },
    /// An archive or an image on standard output.
    Stdout {
        /// Its format.
        format: Format,
    },
    /// Nothing: the target is made and thrown away.
    Nothing,
}

/// `--format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// What the target's name says.
    #[default]
    Auto,
    /// A directory.
    Directory,
    /// Nothing.
    Null,
    /// An archive or an image; its compression is by the end of the name.
    File(Format),
}

/// Prefixes of container images, as skopeo(1) and podman(1) name them (containers-transports(5)): a path comes after it,
/// and perhaps a tag or a name.
const TRANSPORTS: [(&str, Layout); 3] = [
    ("oci:", Layout::OciDirectory),
    ("oci-archive:", Layout::OciArchive),
    ("docker-archive:", Layout::DockerArchive),
];

/// Reason why an argument is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The argument is empty.
    #[error("the target's name is empty")]
    Empty,
    /// The name has the suffix of a format that is not supported.
    #[error(
        "cannot write the format `{end}`: give {near}, say what to write with --format, or for a directory of that name \
         add a `/`"
    )]
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
        "`{scheme}:` is no kind of target: give a directory, NAME.tar, NAME.tar.gz, NAME.tar.xz, NAME.tar.zst, \
         oci:DIRECTORY, oci-archive:FILE, docker-archive:FILE or `-`; a directory of that name is ./{argument}"
    )]
    Scheme {
        /// The scheme.
        scheme: String,
        /// The argument.
        argument: String,
    },
}

impl TargetError {
    /// Returns the error of the first of several words, where it looks like a command.
    pub(crate) fn of_word_before_others(word: &OsStr) -> Option<Self> {
        command_before_others(&word.to_string_lossy())
    }
}

impl TargetSpec {
    /// Parses the argument: `-`, a name that ends as [`Format::of_name`] has it, one that begins as
    /// containers-transports(5) has it (`oci:DIRECTORY[:TAG]`), or a directory. A name that ends in `/` is a directory.
    ///
    /// # Errors
    /// [`TargetError`] where the user cannot mean a directory of that name.
    pub fn parse(argument: &OsStr) -> Result<Self, TargetError> {
        let bytes = argument.as_bytes();
        if bytes.is_empty() {
            return Err(TargetError::Empty);
        }
        if bytes == b"-" {
            let format = Format::Tar(Compression::None);
            return Ok(Self::Stdout { format });
        }
        if let Some((layout, path, _)) = transport(argument) {
            return match path.as_os_str().is_empty() {
                true => Err(TargetError::Empty),
                false => Ok(Self::File {
                    path,
                    format: Format::Container(layout),
                }),
            };
        }
        let path = PathBuf::from(argument);
        if bytes.ends_with(b"/") {
            return Ok(Self::Directory(path));
        }
        if let Some(format) = Format::of_name(bytes) {
            return Ok(Self::File { path, format });
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

    /// As [`TargetSpec::parse`], but `form` decides what is made, and a pipe or a character device that is there is
    /// written to, whatever its name.
    ///
    /// # Errors
    /// Those of [`TargetSpec::parse`].
    pub fn find(argument: &OsStr, form: Form) -> Result<Self, TargetError> {
        let bytes = argument.as_bytes();
        let parsed = match form {
            Form::Auto => Self::parse(argument),
            _ if bytes.is_empty() => Err(TargetError::Empty),
            Form::Null => return Ok(Self::Nothing),
            Form::Directory => return Ok(Self::Directory(PathBuf::from(argument))),
            Form::File(format) => {
                let format = format.compressed_as(bytes);
                match bytes == b"-" {
                    true => Ok(Self::Stdout { format }),
                    false => Ok(Self::File {
                        path: PathBuf::from(argument),
                        format,
                    }),
                }
            }
        };
        let kind = std::fs::metadata(argument).map(|found| found.file_type());
        if !kind.is_ok_and(|kind| kind.is_fifo() || kind.is_char_device()) {
            return parsed;
        }
        Ok(Self::Stream {
            path: PathBuf::from(argument),
            format: match parsed {
                Ok(Self::File { format, .. }) => format,
                _ => Format::Tar(Compression::None),
            },
        })
    }

    /// Returns the name or tag of a container image in an argument: `TAG` of `oci:DIRECTORY:TAG`.
    pub fn image_name(argument: &OsStr) -> Option<String> {
        transport(argument)?.2
    }

    /// Returns the path of the result; none for standard output, and for nothing.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Directory(path) | Self::File { path, .. } | Self::Stream { path, .. } => Some(path),
            Self::Stdout { .. } | Self::Nothing => None,
        }
    }

    /// Whether the result is a file, or a directory of files, that gets its name when it is complete.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    /// Returns the format of the archive or image; none for a directory.
    pub fn format(&self) -> Option<Format> {
        match self {
            Self::Directory(_) | Self::Nothing => None,
            Self::File { format, .. } | Self::Stream { format, .. } | Self::Stdout { format } => {
                Some(*format)
            }
        }
    }
}

/// Returns the parts of an argument that names a container image.
pub(crate) fn transport(argument: &OsStr) -> Option<(Layout, PathBuf, Option<String>)> {
    let bytes = argument.as_bytes();
    let (rest, layout) = TRANSPORTS
        .iter()
        .find_map(|(prefix, layout)| Some((bytes.strip_prefix(prefix.as_bytes())?, *layout)))?;
    let mut parts = rest.splitn(2, |byte| *byte == b':');
    let path = PathBuf::from(OsStr::from_bytes(parts.next().unwrap_or_default()));
    let name = parts.next().filter(|name| !name.is_empty());
    Some((
        layout,
        path,
        name.map(|name| String::from_utf8_lossy(name).into_owned()),
    ))
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
mod tests;
