//! Tar archives (tar(5)): ustar, GNU and pax, with extended attributes, and with holes as GNU tar writes them.

use super::acl::{PLAIN, attribute};
use super::tree::{Content, Kind, Member, Piece, Plain, Tree, shown};
use super::{Error, open::damaged};
use rootless_install_fs::{FileType, Timestamp};
use std::io::{self, Read};
use std::path::Path;
use tar::{Archive, EntryType};

/// Prefix of the records of extended attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";
/// Prefix of the records of access control lists as text, of star and GNU tar.
const ACL: &[u8] = b"SCHILY.acl.";
/// Size of a block in bytes. An archive ends with two of zeroes.
const BLOCK: usize = 512;
/// Most bytes of the map of a file with holes: a million pieces.
const MOST_MAP: u64 = 48 << 20;

/// Reads an archive. `takes` is asked first what shall become of a member, and may do it itself.
///
/// # Errors
/// [`Error`].
pub(super) fn read(
    path: &Path,
    reader: impl Read,
    tree: &mut Tree<'_>,
    mut takes: impl FnMut(&Member, &mut Tree<'_>) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut archive = Archive::new(Watched::new(reader));
    let mut number = 0;
    for entry in archive.entries().map_err(damaged(path))? {
        let mut entry = entry.map_err(damaged(path))?;
        number += 1;
        let Some(Found { member, holes, acl }) = member(path, &mut entry)? else {
            continue;
        };
        if takes(&member, tree)? {
            continue;
        }
        tree.done.acls += u64::from(acl);
        match holes {
            None => tree.put(&member, &mut Plain(entry))?,
            Some(size) => {
                let mut content = Pieces::new(entry, size).map_err(|source| Error::Content {
                    name: shown(&member.name),
                    source,
                })?;
                tree.put(&member, &mut content)?;
            }
        }
    }
    let mut reader = archive.into_inner();
    // The rest, too: a compressor's checksum is at its end.
    let ended = reader.zeroes >= BLOCK;
    io::copy(&mut reader, &mut io::sink()).map_err(damaged(path))?;
    match number {
        _ if !ended => Err(damaged(path)(io::Error::other(
            "the end of the archive is missing",
        ))),
        // An empty archive is two blocks of zeroes; anything else that has no member is none.
        0 => Err(damaged(path)(io::Error::other("there is no member"))),
        _ => Ok(()),
    }
}

/// A reader that counts the zeroes that it has read last.
struct Watched<R> {
    reader: R,
    zeroes: usize,
}

impl<R> Watched<R> {
    fn new(reader: R) -> Self {
        Self { reader, zeroes: 0 }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(buffer)?;
        let read = buffer.get(..got).unwrap_or_default();
        self.zeroes = match read.iter().rposition(|byte| *byte != 0) {
            Some(last) => got - 1 - last,
            None => self.zeroes.saturating_add(got),
        };
        Ok(got)
    }
}

/// A member of an archive.
struct Found {
    member: Member,
    /// The real size of a file that has holes.
    holes: Option<u64>,
    /// Whether it has access control lists with names of another system.
    acl: bool,
}

/// Returns a member; none for what is no file.
fn member<R: Read>(path: &Path, entry: &mut tar::Entry<'_, R>) -> Result<Option<Found>, Error> {
    let mut name = entry.path_bytes().into_owned();
    let mut xattrs = Vec::new();
    let mut mtime: Option<Timestamp> = None;
    let (mut major, mut minor) = (None, None);
    let (mut holes, mut sparse, mut acl) = (None, false, false);
    if let Some(extensions) = entry.pax_extensions().map_err(damaged(path))? {
        for extension in extensions {
            let extension = extension.map_err(damaged(path))?;
            let (key, value) = (extension.key_bytes(), extension.value_bytes());
            let number = || std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            match key {
                b"mtime" => mtime = std::str::from_utf8(value).ok().and_then(time),
                b"SCHILY.devmajor" => major = number(),
                b"SCHILY.devminor" => minor = number(),
                b"GNU.sparse.name" => name = value.to_vec(),
                b"GNU.sparse.realsize" => {
                    holes = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok())
                }
                b"GNU.sparse.major" => sparse = value == b"1",
                b"GNU.sparse.map" | b"GNU.sparse.numblocks" => {
                    return Err(Error::Member {
                        name: shown(&name),
                        what: "has holes in an old form of GNU tar's (make the archive with --sparse-version=1.0)".to_owned(),
                    });
                }
                key => {
                    match (key.strip_prefix(ACL), attribute(value)) {
                        (None, _) => {}
                        // It says no more than the mode.
                        (Some(b"access"), Some(value)) if value.len() == PLAIN => {}
                        (Some(kind @ (b"access" | b"default")), Some(value)) => {
                            xattrs.push(([b"system.posix_acl_", kind].concat(), value));
                        }
                        (Some(_), _) => acl = true,
                    }
                    if let Some(name) = key.strip_prefix(XATTR) {
                        xattrs.push((name.to_vec(), value.to_vec()));
                    }
                }
            }
        }
    }
    let header = entry.header();
    let link = || {
        entry
            .link_name_bytes()
            .map(std::borrow::Cow::into_owned)
            .unwrap_or_default()
    };
    let device = |number: Option<u32>, field: io::Result<Option<u32>>| {
        number.or_else(|| field.ok().flatten()).unwrap_or_default()
    };
    let (major, minor) = (
        device(major, header.device_major()),
        device(minor, header.device_minor()),
    );
    let kind = match header.entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::Regular,
        EntryType::Link => Kind::HardLink(link()),
        EntryType::Symlink => Kind::Symlink(link()),
        EntryType::Directory => Kind::Directory,
        EntryType::Fifo => Kind::Node(FileType::Fifo),
        EntryType::Char => Kind::Node(FileType::CharDevice { major, minor }),
        EntryType::Block => Kind::Node(FileType::BlockDevice { major, minor }),
        // Records for all that follows, of which none matters here; the label of a volume.
        EntryType::XGlobalHeader => return Ok(None),
        other if other.as_byte() == b'V' => return Ok(None),
        other => {
            return Err(Error::Member {
                name: shown(&name),
                what: format!(
                    "is of the type {:?}, which is not known",
                    char::from(other.as_byte())
                ),
            });
        }
    };
    // Old archives say that a member is a directory by its name only.
    let kind = match kind {
        Kind::Regular if name.ends_with(b"/") => Kind::Directory,
        kind => kind,
    };
    let id = |what: &str, id: io::Result<u64>| {
        let id = id.ok().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| Error::Member {
            name: shown(&name),
            what: format!("has {what} that no system has"),
        })
    };
    let (uid, gid) = (id("an owner", header.uid())?, id("a group", header.gid())?);
    let whole = || Timestamp {
        sec: header
            .mtime()
            .ok()
            .and_then(|sec| i64::try_from(sec).ok())
            .unwrap_or_default(),
        nsec: 0,
    };
    let member = Member {
        mode: header.mode().unwrap_or_default(),
        uid,
        gid,
        mtime: mtime.unwrap_or_else(whole),
        name,
        kind,
        xattrs,
    };
    Ok(Some(Found {
        member,
        holes: holes.filter(|_| sparse),
        acl,
    }))
}

/// Parses a time of pax: seconds, perhaps with a fraction, perhaps before 1970.
fn time(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    let sec: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nsec: u32 = digits.parse().ok()?;
    Some(match negative && nsec > 0 {
        true => Timestamp {
            sec: sec.checked_sub(1)?,
            nsec: 1_000_000_000 - nsec,
        },
        false => Timestamp { sec, nsec },
    })
}

/// The content of a file with holes in the form 1.0 of GNU tar: before the data there is a map in decimal lines,
/// which says where in the file each piece of them belongs.
struct Pieces<R> {
    data: R,
    /// Position and length of the pieces, the next one last.
    left: Vec<(u64, u64)>,
    at: u64,
    size: u64,
}

impl<R: Read> Pieces<R> {
    fn new(mut data: R, size: u64) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "the map of its holes is damaged");
        let mut read = 0;
        let line = |data: &mut R, read: &mut u64| -> io::Result<u64> {
            let mut number: Option<u64> = None;
            loop {
                let mut byte = [0];
                data.read_exact(&mut byte)?;
                *read += 1;
                let digit = match byte {
                    [b'\n'] => return number.ok_or_else(wrong),
                    [digit @ b'0'..=b'9'] => u64::from(digit - b'0'),
                    _ => return Err(wrong()),
                };
                if *read > MOST_MAP {
                    return Err(wrong());
                }
                let before = number.unwrap_or_default().checked_mul(10);
                number = Some(
                    before
                        .and_then(|before| before.checked_add(digit))
                        .ok_or_else(wrong)?,
                );
            }
        };
        // Byte by byte from the archive would be slow.
        let count = line(&mut data, &mut read)?;
        let mut left = Vec::new();
        let mut end = 0;
        for _ in 0..count {
            let (begin, length) = (line(&mut data, &mut read)?, line(&mut data, &mut read)?);
            let after = begin.checked_add(length).filter(|after| *after <= size);
            if begin < end {
                return Err(wrong());
            }
            end = after.ok_or_else(wrong)?;
            // The last piece is often none, at the end of the file.
            if length > 0 {
                left.push((begin, length));
            }
        }
        let padding = read.next_multiple_of(512) - read;
        io::copy(&mut (&mut data).take(padding), &mut io::sink())?;
        left.reverse();
        Ok(Self {
            data,
            left,
            at: 0,
            size,
        })
    }
}

impl<R: Read> Content for Pieces<R> {
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Piece> {
        while matches!(self.left.last(), Some((begin, length)) if self.at == begin + length) {
            self.left.pop();
        }
        let (begin, length) = self.left.last().copied().unwrap_or((self.size, 0));
        if self.at < begin {
            let hole = begin - self.at;
            self.at = begin;
            return Ok(Piece::Hole(hole));
        }
        if length == 0 {
            return Ok(Piece::End);
        }
        let most = usize::try_from(begin + length - self.at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let got = self.data.read(buffer.get_mut(..most).unwrap_or_default())?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += got as u64;
        Ok(Piece::Data(got))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_fractions() {
        let at = |sec, nsec| Some(Timestamp { sec, nsec });
        assert_eq!(time("12"), at(12, 0));
        assert_eq!(time("12.5"), at(12, 500_000_000));
        assert_eq!(time("-1.25"), at(-2, 750_000_000));
        assert_eq!(time("-1"), at(-1, 0));
        assert_eq!(time("1.0000000009"), at(1, 0));
        assert_eq!((time("x"), time("1.x"), time("")), (None, None, None));
    }

    fn pieces(map: &str, data: &[u8], size: u64) -> io::Result<Vec<u8>> {
        let mut bytes = map.as_bytes().to_vec();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes.extend_from_slice(data);
        let (mut content, mut buffer) = (Vec::new(), [0; 2]);
        let mut pieces = Pieces::new(&*bytes, size)?;
        loop {
            match pieces.next(&mut buffer)? {
                Piece::End => return Ok(content),
                Piece::Data(got) => content.extend_from_slice(buffer.get(..got).unwrap_or_default()),
                Piece::Hole(bytes) => content.resize(content.len() + bytes as usize, 0),
            }
        }
    }

    #[test]
    fn holes_are_filled() {
        assert_eq!(pieces("2\n1\n2\n5\n1\n", b"abc", 7).unwrap(), b"\0ab\0\0c\0");
        assert_eq!(pieces("0\n", b"", 3).unwrap(), b"\0\0\0");
        assert_eq!(pieces("1\n3\n0\n", b"", 3).unwrap(), b"\0\0\0");
        for (map, data, size) in [
            ("2\n5\n1\n1\n2\n", &b"abc"[..], 7),
            ("1\n5\n9\n", b"abc", 7),
            ("1\n0\n5\n", b"abc", 7),
            ("x\n", b"", 1),
            ("1\n18446744073709551615\n1\n", b"", 1),
            ("99999999999999999999999\n", b"", 1),
        ] {
            assert!(pieces(map, data, size).is_err(), "{map}");
        }
    }
}
