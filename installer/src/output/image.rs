//! Images of btrfs and XFS, whose own makers are not exact (`docs/images.md`): these are laid out by crates of this project.

use super::{Error, Files, ImageOptions, Output, Sink, Source, Written};
use image_tree::{Contents, Kind, Node, NodeId, Time, Tree};
use rootless_install_fs::{FileType, Stat};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A filesystem that this project lays out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filesystem {
    /// btrfs on one device.
    Btrfs,
    /// XFS, version 5.
    Xfs,
}

/// Images have a whole number of these bytes.
const STEP: u64 = 1 << 20;

/// Last time that XFS has, in seconds since 1970: in July 2486.
const LAST: i64 = 16_299_260_424;

/// Writer of images.
pub(super) struct Image(pub(super) Filesystem);

impl Output for Image {
    fn check(&self, options: &ImageOptions) -> Result<(), Error> {
        match options.size {
            Some(size) if size < STEP => Err(Error::TooSmall { size, needed: STEP }),
            _ => Ok(()),
        }
    }

    fn write(&self, source: &Source<'_>, sink: &mut Sink<'_>) -> Result<Written, Error> {
        let files = source.files()?;
        let mut build = Build::new(source, self.0);
        for (path, stat) in &files.found {
            source.cancel.check()?;
            build.add(path, stat, &files)?;
        }
        let (tree, mut reading, times) = build.finish();
        let made = source.scratch.join(self.0.name());
        let image = File::create_new(&made).map_err(Error::Write)?;
        let options = image_tree::Options {
            size: source.options.size,
            free: source.options.free.unwrap_or_default(),
            uuid: bytes(&source.uuid()?),
            label: source.options.label.clone().unwrap_or_default().into_bytes(),
            time: Time {
                sec: self.0.held(source.time()),
                nsec: 0,
            },
        };
        let mut cancelled = false;
        let mut step = || {
            cancelled = source.cancel.check().is_err();
            match cancelled {
                true => Err(io::ErrorKind::Interrupted.into()),
                false => Ok(()),
            }
        };
        let written = match self.0 {
            Filesystem::Btrfs => btrfs_image::write(&tree, &mut reading, &image, &options, &mut step),
            Filesystem::Xfs => xfs_image::write(&tree, &mut reading, &image, &options, &mut step),
        };
        if cancelled {
            source.cancel.check()?;
        }
        if let Some(error) = reading.failed {
            return Err(error);
        }
        written.map_err(|error| failed(self.0, error))?;
        Ok(Written {
            entries: files.found.len() as u64,
            times,
            bytes: sink.bring(&made)?,
            ..Written::default()
        })
    }
}

impl Filesystem {
    /// Returns the kernel's name of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Btrfs => "btrfs",
            Self::Xfs => "xfs",
        }
    }

    /// Returns the longest label, in bytes.
    pub(super) fn longest_label(self) -> usize {
        match self {
            Self::Btrfs => 255,
            Self::Xfs => 12,
        }
    }

    /// Returns the nearest time, in seconds since 1970, that it can hold.
    fn held(self, time: i64) -> i64 {
        match self {
            Self::Btrfs => time,
            Self::Xfs => time.clamp(i64::from(i32::MIN), LAST),
        }
    }
}

/// Returns the reason why there is no image.
fn failed(filesystem: Filesystem, error: image_tree::Error) -> Error {
    match error {
        image_tree::Error::Write(source) | image_tree::Error::Read(source) => Error::Write(source),
        image_tree::Error::TooSmall { size, needed } => Error::TooSmall { size, needed },
        image_tree::Error::Unfit { path, why } => Error::NoName {
            path: PathBuf::from(OsString::from_vec(path)),
            format: filesystem.name(),
            what: why,
        },
        other => Error::Write(io::Error::other(other)),
    }
}

/// A tree that is being made of a target's files.
struct Build<'a> {
    source: &'a Source<'a>,
    filesystem: Filesystem,
    tree: Tree,
    /// The path by which each node is read.
    paths: Vec<PathBuf>,
    directories: HashMap<PathBuf, NodeId>,
    /// The nodes of files with several names, by inode number.
    several: HashMap<u64, NodeId>,
    /// Number of nodes whose time cannot be held.
    times: u64,
}

impl<'a> Build<'a> {
    fn new(source: &'a Source<'a>, filesystem: Filesystem) -> Self {
        Self {
            source,
            filesystem,
            tree: Tree::default(),
            paths: Vec::new(),
            directories: HashMap::new(),
            several: HashMap::new(),
            times: 0,
        }
    }

    /// Adds a name of a file, and the file where it is the first.
    fn add(&mut self, path: &Path, stat: &Stat, files: &Files) -> Result<(), Error> {
        let known = match files.is_first(path, stat) {
            true => None,
            false => self.several.get(&stat.ino).copied(),
        };
        let id = match known {
            Some(id) => id,
            None => self.node(path, stat, files)?,
        };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(());
        };
        let parent = self.directories.get(parent).copied().unwrap_or_default();
        if let Some(Kind::Directory { entries }) = self.tree.nodes.get_mut(parent).map(|node| &mut node.kind)
        {
            entries.push((name.as_bytes().to_vec(), id));
        }
        Ok(())
    }

    fn node(&mut self, path: &Path, stat: &Stat, files: &Files) -> Result<NodeId, Error> {
        let id = self.tree.nodes.len();
        let target = self.source.target;
        let kind = match stat.meta.kind {
            FileType::Regular => Kind::Regular {
                size: stat.size,
                data: self.source.data(path, stat)?,
            },
            FileType::Directory => {
                self.directories.insert(path.to_owned(), id);
                Kind::Directory { entries: Vec::new() }
            }
            FileType::Symlink => Kind::Symlink(target.read_link(path)?.into_os_string().into_encoded_bytes()),
            FileType::CharDevice { major, minor } => Kind::CharDevice { major, minor },
            FileType::BlockDevice { major, minor } => Kind::BlockDevice { major, minor },
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
        };
        let xattrs = target.xattrs(path)?.into_iter();
        let mut xattrs: Vec<_> = xattrs
            .map(|(name, value)| (name.into_encoded_bytes(), value))
            .collect();
        xattrs.sort();
        let wanted = self.source.time_of(stat.meta.mtime);
        let sec = self.filesystem.held(wanted);
        self.times += u64::from(sec != wanted);
        self.tree.nodes.push(Node {
            kind,
            mode: stat.meta.mode & 0o7777,
            uid: stat.meta.uid,
            gid: stat.meta.gid,
            // Whole seconds, as in archives.
            mtime: Time { sec, nsec: 0 },
            xattrs,
        });
        self.paths.push(path.to_owned());
        if files.names(stat) > 1 {
            self.several.insert(stat.ino, id);
        }
        Ok(id)
    }

    fn finish(mut self) -> (Tree, Reading<'a>, u64) {
        for node in &mut self.tree.nodes {
            if let Kind::Directory { entries } = &mut node.kind {
                entries.sort();
            }
        }
        let reading = Reading {
            source: self.source,
            paths: self.paths,
            open: None,
            failed: None,
        };
        (self.tree, reading, self.times)
    }
}

/// The content of a target's files.
struct Reading<'a> {
    source: &'a Source<'a>,
    paths: Vec<PathBuf>,
    /// The file that is being read.
    open: Option<(NodeId, File)>,
    /// Why there is no more.
    failed: Option<Error>,
}

impl Contents for Reading<'_> {
    fn read(&mut self, node: NodeId, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.fill(node, offset, buffer).map_err(|error| {
            self.failed = Some(error);
            io::ErrorKind::Other.into()
        })
    }
}

impl Reading<'_> {
    fn fill(&mut self, node: NodeId, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let path = self.paths.get(node).map_or(Path::new("/"), PathBuf::as_path);
        let file = match &self.open {
            Some((open, file)) if *open == node => file,
            _ => {
                let file = self.source.target.open_file(path)?;
                &self.open.insert((node, file)).1
            }
        };
        file.read_exact_at(buffer, offset)
            .map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof => Error::Shrunk {
                    path: path.to_owned(),
                    missing: buffer.len() as u64,
                },
                _ => Error::Read {
                    path: path.to_owned(),
                    source,
                },
            })
    }
}

/// Returns the bytes of a UUID's text.
fn bytes(uuid: &str) -> [u8; 16] {
    let digits: Vec<u8> = uuid
        .bytes()
        .filter_map(|digit| char::from(digit).to_digit(16))
        .filter_map(|digit| u8::try_from(digit).ok())
        .collect();
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_an_uuid() {
        let bytes = bytes("01234567-89ab-cdef-0123-456789ABCDEF");
        assert_eq!(
            bytes,
            [
                1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef
            ]
        );
    }

    #[test]
    fn times_that_are_held() {
        assert_eq!(Filesystem::Xfs.held(i64::MAX), LAST);
        assert_eq!(Filesystem::Xfs.held(-1), -1);
        assert_eq!(Filesystem::Btrfs.held(i64::MIN), i64::MIN);
    }
}
