//! Cpio archives in the format newc (cpio(5), `Documentation/driver-api/early-userspace/buffer-format.rst` of Linux).
//!
//! Names are as `find . | cpio -o -H newc` has them. Inode numbers count from 1, and of a file with several names the
//! last has the content, as GNU cpio writes them. The format has no extended attributes.

use super::compress::Encoder;
use super::{Compression, Error, ImageOptions, Output, Sink, Source, Written};
use rootless_install_fs::{FileType, Stat};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Writer of cpio archives.
pub(super) struct Cpio(pub(super) Compression);

/// Size of the blocks of which an archive has a whole number.
const BLOCK: u64 = 512;

/// A header without the name.
#[derive(Clone, Copy, Default)]
struct Header {
    ino: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    nlink: u32,
    mtime: u32,
    size: u32,
    device: (u32, u32),
}

impl Header {
    /// Returns the header with its name and padding.
    fn encode(&self, name: &[u8]) -> Vec<u8> {
        let mut bytes = b"070701".to_vec();
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        let fields = [
            self.ino,
            self.mode,
            self.uid,
            self.gid,
            self.nlink,
            self.mtime,
            self.size,
            0,
            0,
            self.device.0,
            self.device.1,
            name_size,
            0,
        ];
        for field in fields {
            bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}

impl Output for Cpio {
    fn check(&self, _: &ImageOptions) -> Result<(), Error> {
        Ok(())
    }

    fn write(&self, source: &Source<'_>, sink: &mut Sink<'_>) -> Result<Written, Error> {
        let files = source.files()?;
        let found = &files.found;
        let last: HashMap<u64, usize> = found
            .iter()
            .enumerate()
            .map(|(at, (_, stat))| (stat.ino, at))
            .collect();
        let mut numbers: HashMap<u64, u32> = HashMap::new();
        let mut archive = Archive {
            sink: Encoder::new(sink.writer()?, self.0).map_err(Error::Write)?,
            written: Written::default(),
        };
        for (at, (path, stat)) in found.iter().enumerate() {
            source.cancel.check()?;
            let next = u32::try_from(numbers.len() + 1).unwrap_or(u32::MAX);
            let ino = *numbers.entry(stat.ino).or_insert(next);
            let holds = last.get(&stat.ino) == Some(&at);
            archive.append(source, (path, stat), (ino, files.names(stat)), holds)?;
        }
        archive.finish()
    }
}

/// An archive that is being written.
struct Archive<W: Write> {
    sink: Encoder<W>,
    written: Written,
}

impl<W: Write> Archive<W> {
    fn append(
        &mut self,
        source: &Source<'_>,
        (path, stat): (&Path, &Stat),
        (ino, nlink): (u32, u32),
        holds: bool,
    ) -> Result<(), Error> {
        let meta = &stat.meta;
        let target = source.target;
        let (mut file, mut text) = (None, Vec::new());
        let (kind, device) = match meta.kind {
            FileType::Regular => {
                if holds {
                    file = Some(target.open_file(path)?);
                }
                (0o100_000, (0, 0))
            }
            FileType::Directory => (0o040_000, (0, 0)),
            FileType::Symlink => {
                if holds {
                    text = target.read_link(path)?.into_os_string().into_encoded_bytes();
                }
                (0o120_000, (0, 0))
            }
            FileType::Fifo => (0o010_000, (0, 0)),
            FileType::Socket => (0o140_000, (0, 0)),
            FileType::CharDevice { major, minor } => (0o020_000, (major, minor)),
            FileType::BlockDevice { major, minor } => (0o060_000, (major, minor)),
        };
        if holds && !target.xattrs(path)?.is_empty() {
            self.written.xattrs += 1;
        }
        let size = match &file {
            Some(_) => stat.size,
            None => text.len() as u64,
        };
        let time = source.time_of(meta.mtime);
        let mtime = u32::try_from(time.max(0)).unwrap_or(u32::MAX);
        self.written.times += u64::from(i64::from(mtime) != time);
        let header = Header {
            ino,
            mode: kind | meta.mode,
            uid: meta.uid,
            gid: meta.gid,
            // What the disk counts of a directory is the disk's affair.
            nlink: if meta.kind == FileType::Directory {
                2
            } else {
                nlink
            },
            mtime,
            size: u32::try_from(size).map_err(|_| Error::TooLarge {
                path: path.to_owned(),
                format: "cpio",
                most: "4 GiB",
            })?,
            device,
        };
        self.put(&header.encode(name(path)))?;
        let copied = match file {
            Some(file) => {
                let mut limited = file.take(size);
                let copied = std::io::copy(&mut limited, &mut self.sink).map_err(Error::Write)?;
                self.written.uncompressed += copied;
                copied
            }
            None => {
                self.put(&text)?;
                size
            }
        };
        if copied < size {
            return Err(Error::Shrunk {
                path: path.to_owned(),
                missing: size - copied,
            });
        }
        self.pad(4)?;
        self.written.entries += 1;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.sink.write_all(bytes).map_err(Error::Write)?;
        self.written.uncompressed += bytes.len() as u64;
        Ok(())
    }

    /// Fills up to a multiple of `to` bytes.
    fn pad(&mut self, to: u64) -> Result<(), Error> {
        let missing = self.written.uncompressed.next_multiple_of(to) - self.written.uncompressed;
        self.put(&vec![0; usize::try_from(missing).unwrap_or_default()])
    }

    fn finish(mut self) -> Result<Written, Error> {
        let trailer = Header {
            nlink: 1,
            ..Header::default()
        };
        self.put(&trailer.encode(b"TRAILER!!!"))?;
        self.pad(BLOCK)?;
        self.written.bytes = self.sink.finish().map_err(Error::Write)?;
        Ok(self.written)
    }
}

/// Returns the name of a path: relative, `.` for the root.
fn name(path: &Path) -> &[u8] {
    let bytes = path.as_os_str().as_bytes();
    match bytes.strip_prefix(b"/").unwrap_or(bytes) {
        b"" => b".",
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_of_words() {
        let header = Header {
            ino: 1,
            mode: 0o100_644,
            ..Header::default()
        };
        let bytes = header.encode(b"a");
        assert_eq!(bytes.len(), 112);
        assert!(bytes.starts_with(b"07070100000001000081A4"));
        assert!(header.encode(b"abcd").len().is_multiple_of(4));
        assert_eq!(
            (name(Path::new("/")), name(Path::new("/etc/x"))),
            (&b"."[..], &b"etc/x"[..])
        );
    }
}
