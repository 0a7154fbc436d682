//! The entries of a tar archive, as dpkg reads them.
//!
//! dpkg accepts ustar, old and GNU headers with GNU long names; pax headers, sparse files and the
//! other extensions it refuses in the data member. The control member it has tar(1) extract. Names begin at the root
//! of the target, with a slash or without; here `..` is refused as well.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Header};

/// Longest path (PATH_MAX without its terminator) and longest component.
const MAX_PATH: usize = 4095;
const MAX_NAME: usize = 255;

/// Type of an entry, with the data of that type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link with its text.
    Symlink(PathBuf),
    /// Hard link to the path of an earlier entry.
    Hardlink(PathBuf),
    /// Named pipe.
    Fifo,
    /// Character device, major and minor number.
    CharDevice(u32, u32),
    /// Block device, major and minor number.
    BlockDevice(u32, u32),
}

/// One entry of an archive.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Absolute path in the package; that of the root is `/.` as in dpkg.
    pub path: PathBuf,
    /// Type.
    pub kind: EntryKind,
    /// Permissions, 0 to 0o7777.
    pub mode: u32,
    /// Numeric user id.
    pub uid: u32,
    /// Numeric group id.
    pub gid: u32,
    /// User name; empty where there is none.
    pub user: Vec<u8>,
    /// Group name; empty where there is none.
    pub group: Vec<u8>,
    /// Modification time, in seconds since 1970.
    pub mtime: i64,
    /// Size of the contents in bytes, 0 for all but files.
    pub size: u64,
}

/// The reason for which walking an archive ended early.
pub(crate) enum WalkError<E> {
    /// The archive cannot be read.
    Read(io::Error),
    /// An entry is not one that a package may have.
    Entry {
        /// Name of the entry.
        entry: String,
        /// The fault.
        problem: String,
    },
    /// The visitor's error.
    Visitor(E),
}

/// Who extracts an archive for dpkg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// dpkg itself: the data member.
    Dpkg,
    /// tar(1): the control member. Of its pax headers nothing matters here.
    Tar,
}

/// Calls `visit` for every entry in the order of the archive, with a reader of a file's contents,
/// then reads the archive to its end.
pub(crate) fn walk<R: Read, E>(
    mut reader: R,
    dialect: Dialect,
    mut visit: impl FnMut(Entry, &mut dyn Read) -> Result<(), E>,
) -> Result<(), WalkError<E>> {
    let mut archive = Archive::new(&mut reader);
    let (mut long_name, mut long_link) = (None, None);
    for item in archive.entries().map_err(WalkError::Read)?.raw(true) {
        let mut item = item.map_err(WalkError::Read)?;
        let header = item.header().clone();
        let kind = header.as_bytes()[156];
        if matches!(kind, b'x' | b'g') && dialect == Dialect::Tar {
            continue;
        }
        if matches!(kind, b'L' | b'K') {
            let text = long_text(&mut item, &header).map_err(WalkError::Read)?;
            let problem = "its long name is longer than a path can be".to_owned();
            let text = text.ok_or_else(|| WalkError::Entry {
                entry: shown(&header.path_bytes()),
                problem,
            })?;
            *(if kind == b'L' {
                &mut long_name
            } else {
                &mut long_link
            }) = Some(text);
            continue;
        }
        let name = long_name
            .take()
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let link = long_link
            .take()
            .or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
        let entry =
            decode(&header, kind, &name, link.unwrap_or_default()).map_err(|problem| WalkError::Entry {
                entry: shown(&name),
                problem,
            })?;
        let mut contents = (&mut item).take(entry.size);
        visit(entry, &mut contents).map_err(WalkError::Visitor)?;
    }
    // Trailing zeros go unseen, a checksum at the end of the compressed stream must not.
    io::copy(&mut reader, &mut io::sink()).map_err(WalkError::Read)?;
    Ok(())
}

fn long_text(item: &mut impl Read, header: &Header) -> io::Result<Option<Vec<u8>>> {
    if header.entry_size()? > MAX_PATH as u64 + 1 {
        return Ok(None);
    }
    let mut text = Vec::new();
    item.read_to_end(&mut text)?;
    if let Some(end) = text.iter().position(|b| *b == 0) {
        text.truncate(end);
    }
    Ok(Some(text))
}

fn decode(header: &Header, kind: u8, name: &[u8], link: Vec<u8>) -> Result<Entry, String> {
    let number = |what: &'static str| move |_: io::Error| format!("its {what} is no number");
    let id =
        |what: &'static str, id: u64| u32::try_from(id).map_err(|_| format!("its {what} is out of range"));
    let device = || -> Result<(u32, u32), String> {
        let major = header.device_major().map_err(number("device number"))?;
        let minor = header.device_minor().map_err(number("device number"))?;
        Ok((major.unwrap_or(0), minor.unwrap_or(0)))
    };
    let size = header.entry_size().map_err(number("size"))?;
    let kind = match kind {
        // pre-POSIX archives mark a directory by its name only
        b'0' | 0 if name.ends_with(b"/") => EntryKind::Directory,
        b'0' | 0 => EntryKind::File,
        b'1' => EntryKind::Hardlink(
            checked_path(&link).map_err(|p| format!("hard link to '{}': {p}", shown(&link)))?,
        ),
        b'2' if link.is_empty() || link.len() > MAX_PATH => {
            return Err("its link text has no possible length".to_owned());
        }
        b'2' => EntryKind::Symlink(PathBuf::from(OsStr::from_bytes(&link))),
        b'3' => device().map(|(major, minor)| EntryKind::CharDevice(major, minor))?,
        b'4' => device().map(|(major, minor)| EntryKind::BlockDevice(major, minor))?,
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        b'x' | b'g' => return Err("pax headers are not allowed in packages".to_owned()),
        b'S' => return Err("GNU sparse files are not allowed in packages".to_owned()),
        other => {
            return Err(format!(
                "type '{}' is not allowed in packages",
                char::from(other).escape_default()
            ));
        }
    };
    if kind != EntryKind::File && size != 0 {
        return Err("it has contents but is no file".to_owned());
    }
    Ok(Entry {
        path: checked_path(name)?,
        kind,
        mode: header.mode().map_err(number("mode"))? & 0o7777,
        uid: id("user id", header.uid().map_err(number("user id"))?)?,
        gid: id("group id", header.gid().map_err(number("group id"))?)?,
        user: header.username_bytes().unwrap_or_default().to_owned(),
        group: header.groupname_bytes().unwrap_or_default().to_owned(),
        mtime: mtime(header)?,
        size,
    })
}

/// Returns the modification time, in seconds; GNU's base-256 form may be negative.
fn mtime(header: &Header) -> Result<i64, String> {
    let field = header.as_bytes().get(136..148).unwrap_or_default();
    match (field, field.last_chunk::<8>()) {
        ([0xff, ..], Some(last)) => Ok(i64::from_be_bytes(*last)),
        _ => {
            let time = header.mtime().map_err(|_| "its time is no number".to_owned())?;
            i64::try_from(time).map_err(|_| "its time is out of range".to_owned())
        }
    }
}

/// Returns the absolute path that an entry's name stands for.
fn checked_path(name: &[u8]) -> Result<PathBuf, String> {
    if name.is_empty() {
        return Err("its name is empty".to_owned());
    }
    if name.contains(&b'\n') || name.contains(&0) {
        return Err("its name contains a line break".to_owned());
    }
    if name.len() > MAX_PATH {
        return Err("its name is longer than a path can be".to_owned());
    }
    let mut path = PathBuf::from("/");
    for component in Path::new(OsStr::from_bytes(name)).components() {
        match component {
            Component::CurDir | Component::RootDir => {}
            Component::Normal(part) if part.len() <= MAX_NAME => path.push(part),
            Component::Normal(_) => return Err("a part of its name is too long".to_owned()),
            _ => return Err("its name leads out of the target through '..'".to_owned()),
        }
    }
    if path.as_os_str().len() == 1 {
        Ok(PathBuf::from("/."))
    } else {
        Ok(path)
    }
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name.get(..name.len().min(200)).unwrap_or_default()).into_owned()
}
