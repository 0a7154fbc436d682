//! Making the result of the finished target: a directory or a tar archive.
//!
//! Everything is read through [`Target`], never through a mount, and in one order: a directory, then its entries,
//! sorted by the bytes of their names, as `tar --sort=name` does. Nothing in the result depends on the order in
//! which files were made, on inode numbers, on the number of threads or on the user. The same target gives the
//! same bytes.
//!
//! With `SOURCE_DATE_EPOCH` no time is later than that. Times have whole seconds in archives.

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
use header::{Entry, MemberKind};

use task_progress::Cancel;
use task_progress::{Event, Reporter};

/// Options of an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TarOptions {
    /// Compression.
    pub compression: Compression,
    /// Latest time of a member, in seconds since 1970; none for no limit.
    pub source_date_epoch: Option<i64>,
}

/// Size of an archive that was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Number of members.
    pub entries: u64,
    /// Number of bytes before compression.
    pub uncompressed: u64,
    /// Number of bytes.
    pub bytes: u64,
    /// Number of sockets that were left out: the format has none.
    pub sockets: u64,
}

/// Writes all of `target` to `sink` as a pax archive: names begin with `./`, owners are numbers, extended attributes
/// are `SCHILY.xattr.*` records, and each further name of a file is a hard link to the first.
///
/// # Errors
/// [`Error::Write`] for those of `sink`, [`Error::Target`] and [`Error::Read`] for
/// those of the target, [`Error::Cancelled`] when the user stops the run.
pub fn write_tar<W: Write>(
    target: &Target,
    sink: W,
    options: &TarOptions,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Written, Error> {
    let mut archive = TarWriter {
        sink: Encoder::new(sink, options.compression).map_err(Error::Write)?,
        written: Written::default(),
        reported: 0,
        reporter,
        cancel,
        buffer: vec![0; 1 << 17],
    };
    // Walking the target takes as long as reading and writing its files: each has a thread.
    let (sender, batches) = channel::bounded(BATCHES_AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut found = target.walk().peekable();
            while found.peek().is_some() {
                let batch: Vec<_> = found.by_ref().take(BATCH).collect();
                // The receiver is gone when writing has failed.
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

/// Makes the entries of `/dev`, with the time `source_date_epoch` or now; `nodes` is whether device nodes are among them.
///
/// # Errors
/// Those of changing the target.
pub fn make_devices(target: &Target, source_date_epoch: Option<i64>, nodes: bool) -> Result<(), Error> {
    let time = match source_date_epoch {
        Some(sec) => Timestamp { sec, nsec: 0 },
        None => Timestamp::now(),
    };
    devices::make(target, time, nodes)
}

/// Sets each time in `target` that is later than `epoch` (seconds since 1970) to it, as [`write_tar`] does in
/// archives.
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

/// Returns the name of the member for a path: `./usr/bin` for `/usr/bin`, with a `/` at the end for a directory, as
/// GNU tar writes them.
fn member_name(path: &Path, directory: bool) -> Vec<u8> {
    let path = path.as_os_str().as_bytes();
    let mut name = b"./".to_vec();
    name.extend_from_slice(path.strip_prefix(b"/").unwrap_or(path));
    if directory && !name.ends_with(b"/") {
        name.push(b'/');
    }
    name
}

fn entry(path: &Path, stat: &Stat, kind: MemberKind, options: &TarOptions) -> Entry {
    let mtime = match options.source_date_epoch {
        Some(epoch) => stat.meta.mtime.sec.min(epoch),
        None => stat.meta.mtime.sec,
    };
    Entry {
        name: member_name(path, matches!(kind, MemberKind::Directory)),
        kind,
        mode: stat.meta.mode,
        uid: stat.meta.uid,
        gid: stat.meta.gid,
        mtime,
        xattrs: Vec::new(),
    }
}

/// An archive that is being written.
struct TarWriter<'a, W: Write> {
    sink: Encoder<W>,
    written: Written,
    /// Number of uncompressed bytes that were reported.
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

/// Returns the member for a path; `None` for a socket. `first_names` are the first paths of files that have several,
/// by inode number.
fn member(
    target: &Target,
    path: PathBuf,
    stat: &Stat,
    first_names: &mut HashMap<u64, PathBuf>,
    options: &TarOptions,
) -> Result<Option<Member>, Error> {
    let linked = stat.nlink > 1 && stat.meta.kind != FileType::Directory;
    if let Some(first) = first_names.get(&stat.ino).filter(|_| linked) {
        let link = MemberKind::HardLink(member_name(first, false));
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

/// Returns the member for the first path of a file, with its attributes and content; `None` for a socket.
fn first_member(
    target: &Target,
    path: &Path,
    stat: &Stat,
    options: &TarOptions,
) -> Result<Option<Member>, Error> {
    let kind = match stat.meta.kind {
        FileType::Regular => MemberKind::Regular { size: stat.size },
        FileType::Directory => MemberKind::Directory,
        FileType::Symlink => {
            MemberKind::Symlink(target.read_link(path)?.into_os_string().into_encoded_bytes())
        }
        FileType::Fifo => MemberKind::Fifo,
        FileType::CharDevice { major, minor } => MemberKind::CharDevice { major, minor },
        FileType::BlockDevice { major, minor } => MemberKind::BlockDevice { major, minor },
        FileType::Socket => return Ok(None),
    };
    let regular = matches!(kind, MemberKind::Regular { .. });
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

impl<W: Write> TarWriter<'_, W> {
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

    /// Copies as many bytes as the header says.
    ///
    /// # Errors
    /// The file cannot be read, or has fewer bytes.
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

    /// Ends the archive with two blocks of zeroes (tar(5)).
    fn finish(mut self) -> Result<Written, Error> {
        self.write(&ZEROES)?;
        self.report();
        self.written.bytes = self.sink.finish().map_err(Error::Write)?;
        Ok(self.written)
    }
}

/// Number of paths that are handed to the writing thread at once: waking it for each would take longer than writing
/// a member.
const BATCH: usize = 64;
/// Number of batches that may wait.
const BATCHES_AHEAD: usize = 4;
/// Size of a block in bytes: headers and contents are padded to it.
const BLOCK: usize = 512;
static ZEROES: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

#[cfg(test)]
mod tests;
