//! Cpio archives in the formats newc and crc (cpio(5)).
//!
//! Of a file with several names one has the content, in most archives the last: the earlier names become links to it.
//!
//! An initrd is one or several of them, one after another, with zeroes between, each compressed in its own way or not at
//! all (`Documentation/driver-api/early-userspace/buffer-format.rst` of Linux): a processor's microcode comes first.

use super::decompress::{Stream, after_zeroes, decompressed};
use super::tree::{Kind, Member, Plain, Tree, shown};
use super::{Error, open::damaged};
use rootless_install_fs::{FileType, Timestamp};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;

/// Most archives one after another.
const MOST_ARCHIVES: usize = 100;
/// Longest name, and text of a link, that is read.
const LONGEST: u32 = 1 << 16;

/// A header: its fields in their order.
struct Header([u32; 13]);

impl Header {
    fn read(reader: &mut impl Read) -> io::Result<Self> {
        let mut bytes = [0; 110];
        reader.read_exact(&mut bytes)?;
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "a header is damaged");
        let (magic, fields) = bytes.split_at(6);
        if magic != b"070701" && magic != b"070702" {
            return Err(wrong());
        }
        let mut header = Self([0; 13]);
        for (field, text) in header.0.iter_mut().zip(fields.chunks_exact(8)) {
            let text = std::str::from_utf8(text).map_err(|_| wrong())?;
            if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(wrong());
            }
            *field = u32::from_str_radix(text, 16).map_err(|_| wrong())?;
        }
        Ok(header)
    }

    fn field(&self, at: usize) -> u32 {
        self.0.get(at).copied().unwrap_or_default()
    }
}

/// Reads all archives of a stream, which begins with one.
///
/// # Errors
/// [`Error`].
pub(super) fn read(path: &Path, mut reader: Stream<'_>, tree: &mut Tree<'_>) -> Result<(), Error> {
    let failed = damaged(path);
    for _ in 0..MOST_ARCHIVES {
        archive(path, &mut reader, tree)?;
        let Some((_, rest)) = after_zeroes(reader).map_err(&failed)? else {
            return Ok(());
        };
        reader = decompressed(Box::new(rest)).map_err(&failed)?;
        if !reader.buffer().starts_with(b"07070") {
            return Err(failed(io::Error::other(
                "after the archive there is something else",
            )));
        }
    }
    Err(failed(io::Error::other("it is more than a hundred archives")))
}

/// Reads an archive.
fn archive(path: &Path, reader: impl Read, tree: &mut Tree<'_>) -> Result<(), Error> {
    let mut reader = Counted { reader, bytes: 0 };
    // Names without content yet, by device and inode number; and the name that has it.
    let mut waiting: HashMap<[u32; 3], Vec<Vec<u8>>> = HashMap::new();
    let mut first: HashMap<[u32; 3], Vec<u8>> = HashMap::new();
    loop {
        let header = Header::read(&mut reader).map_err(damaged(path))?;
        let length = header.field(11);
        let name = text(&mut reader, length).map_err(damaged(path))?;
        let name = name.strip_suffix(b"\0").unwrap_or(&name).to_vec();
        reader.align().map_err(damaged(path))?;
        if name == b"TRAILER!!!" {
            return Ok(());
        }
        let size = u64::from(header.field(6));
        let mut member = Member {
            kind: Kind::Regular,
            mode: header.field(1),
            uid: header.field(2),
            gid: header.field(3),
            mtime: Timestamp {
                sec: header.field(5).into(),
                nsec: 0,
            },
            xattrs: Vec::new(),
            name,
        };
        let (major, minor) = (header.field(9), header.field(10));
        member.kind = match member.mode & 0o170_000 {
            0o100_000 => Kind::Regular,
            0o040_000 => Kind::Directory,
            0o120_000 => Kind::Symlink(text(&mut reader, header.field(6)).map_err(damaged(path))?),
            0o010_000 => Kind::Node(FileType::Fifo),
            0o140_000 => Kind::Node(FileType::Socket),
            0o020_000 => Kind::Node(FileType::CharDevice { major, minor }),
            0o060_000 => Kind::Node(FileType::BlockDevice { major, minor }),
            other => {
                return Err(Error::Member {
                    name: shown(&member.name),
                    what: format!("is of the type {other:o}, which is not known"),
                });
            }
        };
        let id = [header.field(0), header.field(7), header.field(8)];
        let several = header.field(4) > 1 && !matches!(member.kind, Kind::Directory);
        if several && let Some(first) = first.get(&id) {
            member.kind = Kind::HardLink(first.clone());
        }
        if several && matches!(member.kind, Kind::Regular) && size == 0 {
            // Made now, so that it is there where no name has content.
            let names = waiting.entry(id).or_default();
            if let Some(first) = names.first() {
                member.kind = Kind::HardLink(first.clone());
            }
            names.push(member.name.clone());
        }
        let mut content = (&mut reader).take(match member.kind {
            Kind::Regular => size,
            _ => 0,
        });
        let name = member.name.clone();
        let regular = matches!(member.kind, Kind::Regular);
        tree.put(&member, &mut Plain(&mut content))?;
        if content.limit() > 0 {
            return Err(damaged(path)(io::ErrorKind::UnexpectedEof.into()));
        }
        if matches!(member.kind, Kind::HardLink(_)) {
            io::copy(&mut (&mut reader).take(size), &mut io::sink()).map_err(damaged(path))?;
        }
        reader.align().map_err(damaged(path))?;
        let complete = several && (size > 0 || !regular) && !matches!(member.kind, Kind::HardLink(_));
        if complete {
            for earlier in waiting.remove(&id).unwrap_or_default() {
                member.kind = Kind::HardLink(name.clone());
                member.name = earlier;
                tree.put(&member, &mut Plain(io::empty()))?;
            }
            first.insert(id, name);
        }
    }
}

/// Reads a name or the text of a link.
fn text(reader: &mut impl Read, length: u32) -> io::Result<Vec<u8>> {
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a name is too long"));
    }
    let mut text = vec![0; length as usize];
    reader.read_exact(&mut text)?;
    Ok(text)
}

/// A reader that counts, since all parts begin at multiples of 4 bytes.
struct Counted<R> {
    reader: R,
    bytes: u64,
}

impl<R: Read> Counted<R> {
    fn align(&mut self) -> io::Result<()> {
        let missing = self.bytes.next_multiple_of(4) - self.bytes;
        let mut padding = [0; 4];
        self.read_exact(padding.get_mut(..missing as usize).unwrap_or_default())
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(buffer)?;
        self.bytes += got as u64;
        Ok(got)
    }
}
