//! Inputs: what they are, by their first bytes, and their decompression.

use super::decompress::decompressed;
use super::tree::{Tree, Unpacked};
use super::{Error, archive, cpio, image};
use crate::output::Layout;
use rootless_install_fs::Target;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use task_progress::Cancel;

/// An input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file, whose content says what it is.
    File(PathBuf),
    /// A container image, perhaps with the tag or name that is meant.
    Image(Layout, PathBuf, Option<String>),
}

/// Program that turns a squashfs image into a tar.
const SQFS2TAR: &str = "sqfs2tar";

/// Puts all of an input into an empty target. `scratch` is an empty directory.
///
/// # Errors
/// [`Error`].
pub fn unpack(input: &Input, target: &Target, scratch: &Path, cancel: &Cancel) -> Result<Unpacked, Error> {
    let mut tree = Tree::new(target, cancel);
    match input {
        Input::Stdin => {
            let path = PathBuf::from("standard input");
            stream(&path, Box::new(io::stdin().lock()), None, &mut tree)?;
        }
        Input::File(path) => {
            let failed = |source| Error::opening(path, source);
            let file = File::open(path).map_err(failed)?;
            if file.metadata().map_err(failed)?.is_dir() {
                return Err(Error::Format {
                    path: path.clone(),
                    what: "a directory",
                });
            }
            stream(path, Box::new(file), Some(path), &mut tree)?;
        }
        Input::Image(layout, path, name) => {
            image::read(*layout, path, name.as_deref(), scratch, &mut tree)?;
        }
    }
    tree.finish()
}

/// Returns the error of reading.
pub(super) fn damaged(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Damaged {
        path: path.clone(),
        source,
    }
}

/// Reads a stream of any form. `file` is it where it is a file.
fn stream<'r>(
    path: &Path,
    reader: Box<dyn Read + 'r>,
    file: Option<&Path>,
    tree: &mut Tree<'_>,
) -> Result<(), Error> {
    let mut reader = decompressed(reader).map_err(damaged(path))?;
    let begin = reader.fill_buf().map_err(damaged(path))?;
    let is = |magic: &[u8]| begin.starts_with(magic);
    let what = match begin {
        _ if is(b"070701") || is(b"070702") => return cpio::read(path, reader, tree),
        _ if is(b"hsqs") => {
            return match file {
                Some(file) => squashfs(file, tree),
                None => Err(Error::Format {
                    path: path.to_owned(),
                    what: "a squashfs image on a stream",
                }),
            };
        }
        [] => "empty",
        _ if is(b"!<arch>") => "a Debian package or another ar archive",
        _ if is(b"070707") || is(&[0xc7, 0x71]) => "a cpio archive in an old format",
        _ if is(b"PK") => "a zip archive",
        _ if is(b"BZh") => "compressed with bzip2",
        _ if begin.get(1080..1082) == Some(&[0x53, 0xef]) => "an image of ext2, ext3 or ext4",
        _ if begin.get(1024..1028) == Some(&[0xe2, 0xe1, 0xf5, 0xe0]) => "an EROFS image",
        // Headers of pax and GNU tar; before POSIX there was nothing at that place.
        _ if begin.get(257..262) == Some(b"ustar") || begin.get(257..265) == Some(&[0; 8]) => {
            return archive::read(path, reader, tree, |_, _| Ok(false));
        }
        _ => "no archive",
    };
    Err(Error::Format {
        path: path.to_owned(),
        what,
    })
}

/// Reads a squashfs image through the program that makes a tar of one.
fn squashfs(path: &Path, tree: &mut Tree<'_>) -> Result<(), Error> {
    let failed = |said: String| Error::ReaderFailed {
        program: SQFS2TAR,
        path: path.to_owned(),
        said,
    };
    // Not an option, whatever its name.
    let absolute = std::path::absolute(path).map_err(damaged(path))?;
    let mut errors = tempfile::tempfile().map_err(|error| failed(error.to_string()))?;
    let started = Command::new(SQFS2TAR)
        // Else the root's own owner, mode and time are left out.
        .args(["--root-becomes", "."])
        .arg(absolute)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors.try_clone().map_err(|error| failed(error.to_string()))?)
        .spawn();
    let mut child = started.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NoReader {
            what: "squashfs images",
            program: SQFS2TAR,
            package: "squashfs-tools-ng",
        },
        _ => failed(error.to_string()),
    })?;
    let read = match child.stdout.take() {
        Some(output) => archive::read(path, output, tree, |_, _| Ok(false)),
        None => Ok(()),
    };
    if read.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    if read.is_ok() && !status.success() || matches!(read, Err(Error::Damaged { .. })) {
        let mut said = String::new();
        let _ = io::Seek::rewind(&mut errors);
        let _ = errors.take(2000).read_to_string(&mut said);
        return Err(failed(match said.trim() {
            "" => status.to_string(),
            said => said.to_owned(),
        }));
    }
    read
}

impl Input {
    /// Parses the argument: `-`, a container image as containers-transports(5) names it, or a file.
    pub fn parse(argument: &std::ffi::OsStr) -> Self {
        match crate::target_spec::transport(argument) {
            Some((layout, path, name)) => Self::Image(layout, path, name),
            None if argument.as_bytes() == b"-" => Self::Stdin,
            None => Self::File(PathBuf::from(argument)),
        }
    }
}
