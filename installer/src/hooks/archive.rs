//! Files that come into the target by special hooks, from the machine or from a tar archive, and archives of a part of it.

use super::special::SpecialError;
use crate::output::header::{Entry, MemberKind};
use rootless_install_fs::{Error as TargetError, FileType, Meta, Target, Timestamp};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// What a file that comes in is.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) meta: Meta,
    pub(super) xattrs: Vec<(OsString, Vec<u8>)>,
}

/// Content of a file that comes in.
pub(super) enum From<'r> {
    /// That of a regular file.
    Data(&'r mut dyn Read),
    /// The text of a symbolic link.
    Text(PathBuf),
    /// Another name of what came in as this name.
    Name(PathBuf),
    /// Nothing: a directory, a pipe, a device.
    Nothing,
}

/// Puts files into a directory of the target, as `tar --extract` does for root.
pub(super) struct Placing<'t> {
    target: &'t Target,
    directory: PathBuf,
    /// Whether devices are made, and not left out.
    devices: bool,
    /// Directories, whose attributes are set at the end: what comes into them changes their time.
    directories: Vec<(PathBuf, Meta)>,
}

type Result<T> = std::result::Result<T, SpecialError>;

impl<'t> Placing<'t> {
    pub(super) fn new(target: &'t Target, directory: PathBuf, devices: bool) -> Self {
        Self {
            target,
            directory,
            devices,
            directories: Vec::new(),
        }
    }

    /// Puts a file at a name below the directory; an empty one is the directory itself.
    pub(super) fn place(&mut self, name: &Path, placed: &Placed, from: From<'_>) -> Result<()> {
        let path = self.directory.join(name);
        let meta = &placed.meta;
        match (meta.kind, from) {
            (_, From::Name(other)) => {
                self.clear(&path)?;
                return Ok(self.target.link(&self.directory.join(other), &path)?);
            }
            (FileType::Directory, _) => {
                self.make_directory(&path, meta)?;
                self.directories.push((path.clone(), *meta));
            }
            (FileType::Regular, From::Data(data)) => return self.put_file(&path, placed, data),
            (FileType::Symlink, From::Text(text)) => {
                self.clear(&path)?;
                self.target.make_symlink(&path, &text, meta)?;
            }
            (FileType::CharDevice { .. } | FileType::BlockDevice { .. }, _) if !self.devices => return Ok(()),
            (FileType::Socket | FileType::Regular | FileType::Symlink, _) => return Ok(()),
            (FileType::CharDevice { .. } | FileType::BlockDevice { .. } | FileType::Fifo, _) => {
                self.clear(&path)?;
                self.target.make_node(&path, meta)?;
            }
        }
        self.set_xattrs(&path, placed)
    }

    /// Puts a regular file at a path of the target.
    pub(super) fn put_file(&self, path: &Path, placed: &Placed, data: &mut dyn Read) -> Result<()> {
        self.clear(path)?;
        let mut file = self.target.create(path, &placed.meta)?;
        let mut buffer = vec![0; 1 << 17];
        loop {
            let got = match data.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(SpecialError::outside("read the contents of", path)(error)),
            };
            file.write_all(buffer.get(..got).unwrap_or_default())
                .map_err(SpecialError::outside("write, in the target,", path))?;
        }
        file.finish()?;
        self.set_xattrs(path, placed)
    }

    fn set_xattrs(&self, path: &Path, placed: &Placed) -> Result<()> {
        for (name, value) in &placed.xattrs {
            self.target.set_xattr(path, name, value)?;
        }
        Ok(())
    }

    /// Makes a directory, unless it is there, and those on the way.
    fn make_directory(&self, path: &Path, meta: &Meta) -> Result<()> {
        match self.target.stat(path) {
            Ok(stat) if stat.meta.kind == FileType::Directory => return Ok(()),
            Ok(_) => self.target.remove(path)?,
            Err(error) if error.is_not_found() => self.make_parents(path)?,
            Err(error) => return Err(error.into()),
        }
        Ok(self.target.make_dir(path, meta)?)
    }

    fn make_parents(&self, path: &Path) -> Result<()> {
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        match self.target.stat_follow(parent) {
            Err(error) if error.is_not_found() => {
                self.make_parents(parent)?;
                Ok(self
                    .target
                    .make_dir(parent, &Meta::of_root(FileType::Directory, 0o755))?)
            }
            found => found.map(|_| ()).map_err(Into::into),
        }
    }

    /// Makes room for a file that is no directory.
    fn clear(&self, path: &Path) -> Result<()> {
        match self.target.stat(path) {
            Ok(stat) if stat.meta.kind == FileType::Directory => Ok(self.target.remove_dir(path)?),
            Ok(_) => Ok(self.target.remove(path)?),
            Err(error) if error.is_not_found() => self.make_parents(path),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets the attributes of directories.
    pub(super) fn finish(self) -> std::result::Result<(), TargetError> {
        for (path, meta) in self.directories.iter().rev() {
            self.target.set_meta(path, meta)?;
        }
        Ok(())
    }

    /// Puts what a tar archive has, whatever compresses it; `path` names it in errors.
    pub(super) fn unpack(&mut self, path: &Path, file: impl Read) -> Result<()> {
        let failed = |error: io::Error| SpecialError::Archive {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let plain = plain(BufReader::with_capacity(1 << 17, file)).map_err(failed)?;
        let mut archive = tar::Archive::new(plain);
        for member in archive.entries().map_err(failed)? {
            let mut member = member.map_err(failed)?;
            let (placed, name) = placed(&mut member, path)?;
            let text = |member: &tar::Entry<'_, _>| -> Result<PathBuf> {
                let link = member.link_name_bytes().ok_or_else(|| SpecialError::Archive {
                    path: path.to_owned(),
                    reason: format!("the link {} leads nowhere", name.display()),
                })?;
                Ok(PathBuf::from(OsString::from_vec(link.into_owned())))
            };
            let from = match member.header().entry_type() {
                tar::EntryType::Symlink => From::Text(text(&member)?),
                tar::EntryType::Link => From::Name(safe(&text(&member)?, path)?),
                kind if kind.is_file() || kind.is_contiguous() => From::Data(&mut member),
                _ => From::Nothing,
            };
            self.place(&name, &placed, from)?;
        }
        Ok(())
    }
}

/// Returns a member's attributes and its name below the directory.
fn placed<R: Read>(member: &mut tar::Entry<'_, R>, archive: &Path) -> Result<(Placed, PathBuf)> {
    let failed = |error: io::Error| SpecialError::Archive {
        path: archive.to_owned(),
        reason: error.to_string(),
    };
    let name = PathBuf::from(OsString::from_vec(member.path_bytes().into_owned()));
    let mut xattrs = Vec::new();
    let mut nsec = 0;
    if let Some(extensions) = member.pax_extensions().map_err(failed)? {
        for extension in extensions {
            let extension = extension.map_err(failed)?;
            if let Some(name) = extension.key_bytes().strip_prefix(b"SCHILY.xattr.") {
                xattrs.push((
                    OsStr::from_bytes(name).to_owned(),
                    extension.value_bytes().to_vec(),
                ));
            }
            if let (Ok("mtime"), Ok(value)) = (extension.key(), extension.value()) {
                let fraction = value.split_once('.').map_or("", |(_, fraction)| fraction);
                let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
                nsec = digits.parse().unwrap_or(0);
            }
        }
    }
    let header = member.header();
    let number = |number: io::Result<Option<u32>>| number.ok().flatten().unwrap_or(0);
    let (major, minor) = (number(header.device_major()), number(header.device_minor()));
    let kind = match header.entry_type() {
        tar::EntryType::Directory => FileType::Directory,
        tar::EntryType::Symlink => FileType::Symlink,
        tar::EntryType::Char => FileType::CharDevice { major, minor },
        tar::EntryType::Block => FileType::BlockDevice { major, minor },
        tar::EntryType::Fifo => FileType::Fifo,
        _ => FileType::Regular,
    };
    let id = |id: io::Result<u64>| id.map(|id| u32::try_from(id).unwrap_or(u32::MAX));
    let meta = Meta {
        kind,
        mode: header.mode().map_err(failed)? & 0o7777,
        uid: id(header.uid()).map_err(failed)?,
        gid: id(header.gid()).map_err(failed)?,
        mtime: Timestamp {
            sec: header.mtime().map_err(failed)?.cast_signed(),
            nsec,
        },
    };
    let name = safe(&name, archive)?;
    Ok((Placed { meta, xattrs }, name))
}

/// Returns a member's name as one below the directory.
///
/// # Errors
/// It has a `..`, which leads elsewhere.
fn safe(name: &Path, archive: &Path) -> Result<PathBuf> {
    let mut safe = PathBuf::new();
    for part in name.components() {
        match part {
            Component::Normal(part) => safe.push(part),
            Component::ParentDir => {
                return Err(SpecialError::Archive {
                    path: archive.to_owned(),
                    reason: format!("the name {} leads out of the directory", name.display()),
                });
            }
            _ => {}
        }
    }
    Ok(safe)
}

/// Returns an archive without its compression, which its first bytes tell.
fn plain<'r>(mut file: impl io::BufRead + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let begin = file.fill_buf()?.get(..6).unwrap_or_default().to_vec();
    Ok(match begin.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(file)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(file)?),
        _ => Box::new(file),
    })
}

/// Writes a part of the target as a tar archive in pax format: `top`, by the name `name`, and what is below it.
pub(super) fn write(target: &Target, top: &Path, name: &Path, file: impl Write, to: &Path) -> Result<()> {
    let mut archive = Archive {
        target,
        sink: BufWriter::with_capacity(1 << 17, file),
        to,
        written: 0,
        first_names: HashMap::new(),
    };
    archive.append(top, name)?;
    // Two blocks of zeroes end it, and its length is that of whole records (tar(5)).
    let end = (archive.written + 1024).next_multiple_of(10240) - archive.written;
    archive.write(&vec![0; usize::try_from(end).unwrap_or(1024)])?;
    archive.sink.flush().map_err(SpecialError::outside("write", to))
}

struct Archive<'a, W: Write> {
    target: &'a Target,
    sink: BufWriter<W>,
    to: &'a Path,
    written: u64,
    /// First names of files that have several, by inode number.
    first_names: HashMap<u64, Vec<u8>>,
}

impl<W: Write> Archive<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        self.sink
            .write_all(bytes)
            .map_err(SpecialError::outside("write", self.to))
    }

    fn append(&mut self, path: &Path, name: &Path) -> Result<()> {
        let stat = self.target.stat(path)?;
        let mut bytes = name.as_os_str().as_bytes().to_vec();
        let known = self.first_names.get(&stat.ino).cloned();
        let kind = match (stat.meta.kind, known) {
            (FileType::Directory, _) => {
                bytes.push(b'/');
                MemberKind::Directory
            }
            (_, Some(first)) => MemberKind::HardLink(first),
            (FileType::Regular, None) => MemberKind::Regular { size: stat.size },
            (FileType::Symlink, None) => {
                MemberKind::Symlink(self.target.read_link(path)?.into_os_string().into_encoded_bytes())
            }
            (FileType::Fifo, None) => MemberKind::Fifo,
            (FileType::CharDevice { major, minor }, None) => MemberKind::CharDevice { major, minor },
            (FileType::BlockDevice { major, minor }, None) => MemberKind::BlockDevice { major, minor },
            (FileType::Socket, None) => return Ok(()),
        };
        if stat.nlink > 1 && stat.meta.kind != FileType::Directory {
            self.first_names.entry(stat.ino).or_insert_with(|| bytes.clone());
        }
        let content = matches!(kind, MemberKind::Regular { .. });
        let xattrs = self.target.xattrs(path)?;
        let mut entry = Entry {
            name: bytes,
            kind,
            mode: stat.meta.mode,
            uid: stat.meta.uid,
            gid: stat.meta.gid,
            mtime: stat.meta.mtime.sec,
            xattrs: xattrs
                .into_iter()
                .map(|(name, value)| (name.into_encoded_bytes(), value))
                .collect(),
        };
        entry.xattrs.sort();
        self.write(&entry.encode_with_fraction(entry.mtime, stat.meta.mtime.nsec))?;
        if content {
            let file = self.target.open_file(path)?;
            let copied = io::copy(&mut file.take(stat.size), &mut self.sink)
                .map_err(SpecialError::outside("write", self.to))?;
            self.written += copied;
            // A file that has shrunk meanwhile is filled up.
            let rest = stat.size.next_multiple_of(512) - copied;
            self.write(&vec![0; usize::try_from(rest).unwrap_or(0)])?;
        }
        if stat.meta.kind == FileType::Directory {
            let mut names = self.target.read_dir(path)?;
            names.sort();
            for child in names {
                self.append(&path.join(&child), &name.join(&child))?;
            }
        }
        Ok(())
    }
}
