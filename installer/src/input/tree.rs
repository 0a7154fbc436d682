//! Members of archives put into a target.

use super::Error;
use rootless_install_fs::{FileType, MARKER, Meta, Target, Timestamp};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use task_progress::Cancel;

/// A member of an archive, without its content.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its name, as the archive has it.
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Timestamp,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Kind of a member.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A regular file, whose content is read.
    Regular,
    /// Another name of an earlier member.
    HardLink(Vec<u8>),
    Symlink(Vec<u8>),
    Directory,
    /// A device, pipe or socket.
    Node(FileType),
}

/// A piece of a file's content.
pub(super) enum Piece {
    /// There is no more.
    End,
    /// Bytes that were read.
    Data(usize),
    /// A hole of so many bytes.
    Hole(u64),
}

/// The content of a file.
pub(super) trait Content {
    /// Reads the next piece.
    ///
    /// # Errors
    /// Those of the archive.
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Piece>;
}

/// A content without holes.
pub(super) struct Plain<R>(pub(super) R);

impl<R: Read> Content for Plain<R> {
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Piece> {
        Ok(match self.0.read(buffer)? {
            0 => Piece::End,
            got => Piece::Data(got),
        })
    }
}

/// What has become of an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Number of members.
    pub members: u64,
    /// Number of bytes of content.
    pub bytes: u64,
    /// Number of attributes that a target cannot have, as those of SELinux in other systems' classes.
    pub attributes: u64,
    /// Number of files whose access control lists were left out: they are in a form of other programs.
    pub acls: u64,
    /// Whether the archive has the marker of a target: another program made it of a target's directory.
    pub of_directory: bool,
}

/// A target that members are put into.
pub(super) struct Tree<'a> {
    target: &'a Target,
    cancel: &'a Cancel,
    /// Times of directories, set in the end: each further entry changes them.
    times: BTreeMap<PathBuf, Timestamp>,
    pub(super) done: Unpacked,
    /// Whether a file takes the place of a directory that is not empty, as in layers of container images.
    pub(super) replaces: bool,
    buffer: Vec<u8>,
}

/// Bytes of the buffer for content.
const BUFFER: usize = 1 << 17;

impl<'a> Tree<'a> {
    pub(super) fn new(target: &'a Target, cancel: &'a Cancel) -> Self {
        Self {
            target,
            cancel,
            times: BTreeMap::new(),
            done: Unpacked::default(),
            replaces: false,
            buffer: vec![0; BUFFER],
        }
    }

    /// Puts a member into the target, in the place of what has its name.
    ///
    /// # Errors
    /// [`Error`] with the member's name.
    pub(super) fn put(&mut self, member: &Member, content: &mut dyn Content) -> Result<(), Error> {
        self.cancel.check()?;
        let path = inside(&member.name)?;
        if path == Path::new("/").join(MARKER) {
            self.done.of_directory = true;
            return Ok(());
        }
        let failed = |source| Error::Put {
            name: shown(&member.name),
            source,
        };
        self.make_parents(&path).map_err(failed)?;
        let meta = |kind| Meta {
            kind,
            mode: member.mode & 0o7777,
            uid: member.uid,
            gid: member.gid,
            mtime: member.mtime,
        };
        match &member.kind {
            Kind::Directory => self
                .directory(&path, &meta(FileType::Directory))
                .map_err(failed)?,
            _ if path == Path::new("/") => return Err(wrong(member, "is the root, but no directory")),
            Kind::HardLink(to) => return self.link(member, &path, to),
            Kind::Regular => {
                self.clear(&path).map_err(failed)?;
                self.regular(member, &path, &meta(FileType::Regular), content)?;
            }
            Kind::Symlink(text) => {
                if text.is_empty() {
                    return Err(wrong(member, "is a symbolic link to nothing"));
                }
                self.clear(&path).map_err(failed)?;
                let text = Path::new(OsStr::from_bytes(text));
                let mut meta = meta(FileType::Symlink);
                meta.mode = 0o777;
                self.target.make_symlink(&path, text, &meta).map_err(failed)?;
            }
            Kind::Node(kind) => {
                self.clear(&path).map_err(failed)?;
                self.target.make_node(&path, &meta(*kind)).map_err(failed)?;
            }
        }
        self.done.members += 1;
        self.attributes(member, &path)
    }

    /// Removes a path with all that is in it, if it is there.
    ///
    /// # Errors
    /// Those of removing.
    pub(super) fn remove(&mut self, path: &Path) -> Result<(), rootless_install_fs::Error> {
        match self.target.stat(path) {
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
            Ok(stat) if stat.meta.kind == FileType::Directory => {}
            Ok(_) => return self.target.remove(path),
        }
        // From below to above; the stack is the heap's, since a directory may be of any depth.
        let mut left = vec![(path.to_owned(), false)];
        while let Some((directory, emptied)) = left.pop() {
            if emptied {
                self.times.remove(&directory);
                self.target.remove_dir(&directory)?;
                continue;
            }
            left.push((directory.clone(), true));
            for name in self.target.read_dir(&directory)? {
                let entry = directory.join(name);
                match self.target.stat(&entry)?.meta.kind {
                    FileType::Directory => left.push((entry, false)),
                    _ => self.target.remove(&entry)?,
                }
            }
        }
        Ok(())
    }

    /// Removes what is in a directory.
    ///
    /// # Errors
    /// Those of removing.
    pub(super) fn empty(&mut self, path: &Path) -> Result<(), rootless_install_fs::Error> {
        let names = match self.target.read_dir(path) {
            Err(error) if error.is_not_found() => return Ok(()),
            names => names?,
        };
        names.iter().try_for_each(|name| self.remove(&path.join(name)))
    }

    /// Sets the times of directories.
    ///
    /// # Errors
    /// Those of setting.
    pub(super) fn finish(self) -> Result<Unpacked, Error> {
        for (path, time) in self.times.iter().rev() {
            match self.target.set_mtime(path, *time) {
                // A later member has taken its place.
                Err(error) if error.is_not_found() => {}
                set => set.map_err(|source| Error::Put {
                    name: path.display().to_string(),
                    source,
                })?,
            }
        }
        Ok(self.done)
    }

    fn make_parents(&mut self, path: &Path) -> Result<(), rootless_install_fs::Error> {
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        if parent == Path::new("/") || self.target.stat_follow(parent).is_ok() {
            return Ok(());
        }
        let above: Vec<&Path> = parent.ancestors().collect();
        for directory in above.into_iter().rev().skip(1) {
            match self.target.stat_follow(directory) {
                Err(error) if error.is_not_found() => {
                    self.target
                        .make_dir(directory, &Meta::of_root(FileType::Directory, 0o755))?;
                }
                found => {
                    found?;
                }
            }
        }
        Ok(())
    }

    /// Makes a directory, or gives one that is there, or a link to one, its attributes.
    fn directory(&mut self, path: &Path, meta: &Meta) -> Result<(), rootless_install_fs::Error> {
        match self.target.stat(path) {
            Ok(stat) if stat.meta.kind == FileType::Directory => self.target.set_meta(path, meta)?,
            Ok(_) => {
                self.target.remove(path)?;
                self.target.make_dir(path, meta)?;
            }
            Err(error) if error.is_not_found() => self.target.make_dir(path, meta)?,
            Err(error) => return Err(error),
        }
        self.times.insert(path.to_owned(), meta.mtime);
        Ok(())
    }

    /// Makes room for a file: what is there is removed, a directory only if it is empty or [`Tree::replaces`] is set.
    fn clear(&mut self, path: &Path) -> Result<(), rootless_install_fs::Error> {
        if self.replaces {
            return self.remove(path);
        }
        match self.target.stat(path) {
            Ok(stat) if stat.meta.kind == FileType::Directory => self.target.remove_dir(path),
            Ok(_) => self.target.remove(path),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn link(&mut self, member: &Member, path: &Path, to: &[u8]) -> Result<(), Error> {
        let first = inside(to)?;
        let failed = |source| Error::Put {
            name: shown(&member.name),
            source,
        };
        match self.target.stat(&first) {
            Ok(stat) if stat.meta.kind == FileType::Directory => {
                return Err(wrong(member, "is a hard link to a directory"));
            }
            Ok(_) => {}
            Err(error) if error.is_not_found() => {
                return Err(wrong(
                    member,
                    &format!("is a hard link to {}, which is not there", shown(to)),
                ));
            }
            Err(error) => return Err(failed(error)),
        }
        if first == path {
            return Ok(());
        }
        self.clear(path).map_err(failed)?;
        self.target.link(&first, path).map_err(failed)?;
        self.done.members += 1;
        Ok(())
    }

    fn regular(
        &mut self,
        member: &Member,
        path: &Path,
        meta: &Meta,
        content: &mut dyn Content,
    ) -> Result<(), Error> {
        let write = |source| Error::Write {
            name: shown(&member.name),
            source,
        };
        let put = |source| Error::Put {
            name: shown(&member.name),
            source,
        };
        let mut file = self.target.create(path, meta).map_err(put)?;
        loop {
            self.cancel.check()?;
            let got = match content.next(&mut self.buffer) {
                Ok(Piece::End) => break,
                Ok(Piece::Data(got)) => got,
                Ok(Piece::Hole(bytes)) => {
                    file.add_hole(bytes).map_err(write)?;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(Error::Content {
                        name: shown(&member.name),
                        source,
                    });
                }
            };
            let part = self.buffer.get(..got).unwrap_or_default();
            file.write_all(part).map_err(write)?;
            self.done.bytes += got as u64;
        }
        file.finish().map_err(put)
    }

    fn attributes(&mut self, member: &Member, path: &Path) -> Result<(), Error> {
        let mut changed = false;
        for (name, value) in &member.xattrs {
            match self.target.set_xattr(path, OsStr::from_bytes(name), value) {
                Ok(()) => changed = true,
                Err(error) if is_unsupported(&error) => self.done.attributes += 1,
                Err(source) => {
                    return Err(Error::Put {
                        name: shown(&member.name),
                        source,
                    });
                }
            }
        }
        if changed && !matches!(member.kind, Kind::Directory) {
            self.target
                .set_mtime(path, member.mtime)
                .map_err(|source| Error::Put {
                    name: shown(&member.name),
                    source,
                })?;
        }
        Ok(())
    }
}

/// Whether a target cannot have an attribute, or not on that kind of file.
fn is_unsupported(error: &rootless_install_fs::Error) -> bool {
    let rootless_install_fs::Error::Io { source, .. } = error else {
        return false;
    };
    let codes = [libc::EOPNOTSUPP, libc::EPERM, libc::EINVAL, libc::ELOOP];
    source.raw_os_error().is_some_and(|code| codes.contains(&code))
}

fn wrong(member: &Member, what: &str) -> Error {
    Error::Member {
        name: shown(&member.name),
        what: what.to_owned(),
    }
}

/// Returns a name as messages show it.
pub(super) fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// Returns the path in the target that a member's name means.
///
/// # Errors
/// [`Error::Dots`], and [`Error::Member`] for a name that no file can have.
pub(super) fn inside(name: &[u8]) -> Result<PathBuf, Error> {
    let mut path = PathBuf::from("/");
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(Error::Dots { name: shown(name) }),
            part if part.len() > 255 || part.contains(&0) => {
                return Err(Error::Member {
                    name: shown(name),
                    what: "has a name that no file can have".to_owned(),
                });
            }
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        let good = |name: &[u8]| inside(name).unwrap();
        assert_eq!(good(b"./etc//x/"), Path::new("/etc/x"));
        assert_eq!(good(b"/etc/passwd"), Path::new("/etc/passwd"));
        assert_eq!(good(b"./"), Path::new("/"));
        for bad in [&b"../x"[..], b"a/../../x", b"..", b"a/\0"] {
            assert!(inside(bad).is_err(), "{}", shown(bad));
        }
        assert!(inside(&[b'a'; 256]).is_err());
    }
}
