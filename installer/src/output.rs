//! From the finished target to what the user asked for: a directory or a tar.
//!
//! Everything is read through [`Target`], never through a mount, and in one order:
//! a directory, then what is in it, sorted by the bytes of the names, as
//! `tar --sort=name` does. Nothing in the result depends on the order in which
//! files were made, on inode numbers, on the number of threads or on the user.
//!
//! The same target gives the same bytes. With `SOURCE_DATE_EPOCH` no time is later
//! than that; times have whole seconds in archives.

mod compress;
pub mod devices;
mod error;
pub mod header;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rootless_install_fs::{FileType, Stat, Target, Timestamp};

pub use compress::Compression;
use crossbeam::channel;
pub use error::Error;

use compress::Encoder;
use header::{Entry, Kind};

use progress::Cancel;
use progress::{Event, Reporter};

/// How an archive is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TarOptions {
    /// How it is compressed.
    pub compression: Compression,
    /// No time is later than this: seconds since 1970.
    pub source_date_epoch: Option<i64>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Members of the archive.
    pub entries: u64,
    /// Its size before compression, in bytes.
    pub uncompressed: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Sockets, which have no place in a tar archive and were left out.
    pub sockets: u64,
}

/// Writes all of `target` to `sink` as a pax archive: names begin with `./`,
/// owners are numbers, extended attributes are `SCHILY.xattr.*` records, each
/// further name of a file is a hard link to the first.
///
/// # Errors
/// [`Error::Write`] for those of `sink`, [`Error::Target`] and [`Error::Read`] for
/// those of the target, [`Error::Cancelled`] when the run is to stop.
pub fn write_tar<W: Write>(
    target: &Target,
    sink: W,
    options: &TarOptions,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Written, Error> {
    let mut archive = Archive {
        sink: Encoder::new(sink, options.compression).map_err(Error::Write)?,
        written: Written::default(),
        reported: 0,
        reporter,
        cancel,
        buffer: vec![0; 1 << 17],
    };
    // To find what there is takes as long as to read and write it: one thread each.
    let (sender, batches) = channel::bounded(BATCHES_AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut found = target.walk().peekable();
            while found.peek().is_some() {
                let batch: Vec<_> = found.by_ref().take(BATCH).collect();
                // Nobody listens when writing has failed.
                if sender.send(batch).is_err() {
                    return;
                }
            }
        });
        let mut first_names = HashMap::new();
        for found in batches.into_iter().flatten() {
            cancel.check()?;
            let (path, stat) = found?;
            match member(target, path, &stat, &mut first_names, options)? {
                Some(member) => archive.append(member)?,
                None => archive.written.sockets += 1,
            }
        }
        Ok::<_, Error>(())
    })?;
    archive.finish()
}

/// Makes the device nodes in `/dev`, with the time `source_date_epoch` or now.
///
/// # Errors
/// Those of changing the target.
pub fn make_devices(target: &Target, source_date_epoch: Option<i64>) -> Result<(), Error> {
    let time = match source_date_epoch {
        Some(sec) => Timestamp { sec, nsec: 0 },
        None => Timestamp::now(),
    };
    devices::make(target, time)
}

/// Sets every time in `target` that is later than `epoch` (seconds since 1970) to it, as
/// [`write_tar`] does on the way.
///
/// # Errors
/// Those of changing the target, and [`Error::Cancelled`].
pub fn clamp_times(target: &Target, epoch: i64, cancel: &Cancel) -> Result<(), Error> {
    for found in target.walk() {
        let (path, stat) = found?;
        cancel.check()?;
        if later_than(stat.meta.mtime, epoch) {
            target.set_mtime(&path, Timestamp { sec: epoch, nsec: 0 })?;
        }
    }
    Ok(())
}

fn later_than(time: Timestamp, epoch: i64) -> bool {
    time.sec > epoch || (time.sec == epoch && time.nsec > 0)
}

/// `./usr/bin` for `/usr/bin`; with a `/` at the end for a directory, as GNU tar
/// writes them.
fn member_name(path: &Path, directory: bool) -> Vec<u8> {
    let path = path.as_os_str().as_bytes();
    let mut name = b"./".to_vec();
    name.extend_from_slice(path.strip_prefix(b"/").unwrap_or(path));
    if directory && !name.ends_with(b"/") {
        name.push(b'/');
    }
    name
}

fn entry(path: &Path, stat: &Stat, kind: Kind, options: &TarOptions) -> Entry {
    let mtime = match options.source_date_epoch {
        Some(epoch) => stat.meta.mtime.sec.min(epoch),
        None => stat.meta.mtime.sec,
    };
    Entry {
        name: member_name(path, matches!(kind, Kind::Directory)),
        kind,
        mode: stat.meta.mode,
        uid: stat.meta.uid,
        gid: stat.meta.gid,
        mtime,
        xattrs: Vec::new(),
    }
}

struct Archive<'a, W: Write> {
    sink: Encoder<W>,
    written: Written,
    reported: u64,
    reporter: &'a dyn Reporter,
    cancel: &'a Cancel,
    buffer: Vec<u8>,
}

/// A member whose header is encoded, with the path, size and data of its content.
struct Member {
    header: Vec<u8>,
    content: Option<(PathBuf, u64, Arc<File>)>,
}

/// The member for a name; `None` for a socket. `first_names` are those of files that have several.
fn member(
    target: &Target,
    path: PathBuf,
    stat: &Stat,
    first_names: &mut HashMap<u64, PathBuf>,
    options: &TarOptions,
) -> Result<Option<Member>, Error> {
    let linked = stat.nlink > 1 && stat.meta.kind != FileType::Directory;
    if let Some(first) = first_names.get(&stat.ino).filter(|_| linked) {
        let link = Kind::HardLink(member_name(first, false));
        return Ok(Some(Member {
            header: encode(&entry(&path, stat, link, options), options),
            content: None,
        }));
    }
    let member = first_member(target, &path, stat, options)?;
    if linked && member.is_some() {
        first_names.insert(stat.ino, path);
    }
    Ok(member)
}

/// The member for the first name of a file, with its attributes and content; `None` for a socket.
fn first_member(
    target: &Target,
    path: &Path,
    stat: &Stat,
    options: &TarOptions,
) -> Result<Option<Member>, Error> {
    let kind = match stat.meta.kind {
        FileType::Regular => Kind::Regular { size: stat.size },
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink(target.read_link(path)?.into_os_string().into_encoded_bytes()),
        FileType::Fifo => Kind::Fifo,
        FileType::CharDevice { major, minor } => Kind::CharDevice { major, minor },
        FileType::BlockDevice { major, minor } => Kind::BlockDevice { major, minor },
        FileType::Socket => return Ok(None),
    };
    let regular = matches!(kind, Kind::Regular { .. });
    let mut entry = entry(path, stat, kind, options);
    let (content, xattrs) = if regular {
        let (file, xattrs) = target.open_with_xattrs(path)?;
        (Some((path.to_owned(), stat.size, file)), xattrs)
    } else {
        (None, target.xattrs(path)?)
    };
    entry.xattrs = xattrs
        .into_iter()
        .map(|(name, value)| (name.into_encoded_bytes(), value))
        .collect();
    entry.xattrs.sort();
    Ok(Some(Member {
        header: encode(&entry, options),
        content,
    }))
}

fn encode(entry: &Entry, options: &TarOptions) -> Vec<u8> {
    entry.encode(options.source_date_epoch.unwrap_or(entry.mtime))
}

impl<W: Write> Archive<'_, W> {
    fn append(&mut self, member: Member) -> Result<(), Error> {
        self.write(&member.header)?;
        if let Some((path, size, file)) = member.content {
            self.copy(&path, size, &file)?;
            let padding = size.next_multiple_of(BLOCK as u64) - size;
            self.write(ZEROES.get(..padding as usize).unwrap_or(&[]))?;
        }
        self.written.entries += 1;
        if self.written.uncompressed - self.reported >= 1 << 20 {
            self.report();
        }
        Ok(())
    }

    /// Copies exactly the `size` bytes that the header has promised.
    fn copy(&mut self, path: &Path, size: u64, mut file: &File) -> Result<(), Error> {
        let mut left = size;
        let mut buffer = std::mem::take(&mut self.buffer);
        while left > 0 {
            self.cancel.check()?;
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let Some(part) = buffer.get_mut(..want) else { break };
            let got = match file.read(part) {
                Ok(0) => {
                    return Err(Error::Shrunk {
                        path: path.to_owned(),
                        missing: left,
                    });
                }
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(Error::Read {
                        path: path.to_owned(),
                        source,
                    });
                }
            };
            self.write(part.get(..got).unwrap_or(&[]))?;
            left -= got as u64;
        }
        self.buffer = buffer;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.sink.write_all(bytes).map_err(Error::Write)?;
        self.written.uncompressed += bytes.len() as u64;
        Ok(())
    }

    fn report(&mut self) {
        let bytes = self.written.uncompressed - self.reported;
        self.reported = self.written.uncompressed;
        self.reporter.event(&Event::OutputAdvanced { bytes });
    }

    /// Two blocks of zeroes are the end of an archive (tar(5)).
    fn finish(mut self) -> Result<Written, Error> {
        self.write(&ZEROES)?;
        self.report();
        self.written.bytes = self.sink.finish().map_err(Error::Write)?;
        Ok(self.written)
    }
}

/// How many names are handed on at once: to wake the other thread for each would take longer than to
/// write it.
const BATCH: usize = 64;
/// How many such batches wait.
const BATCHES_AHEAD: usize = 4;
/// Everything in a tar archive is a multiple of this.
const BLOCK: usize = 512;
static ZEROES: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

#[cfg(test)]
mod tests;
