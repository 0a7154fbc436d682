//! Tar archives: pax, sorted, as GNU tar writes them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam::channel;
use rootless_install_fs::{FileType, Stat, Target, Timestamp};
use task_progress::{Cancel, Event, Reporter};

use super::compress::Encoder;
use super::header::{Entry, MemberKind};
use super::{Compression, Error, Written};

/// Options of an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TarOptions {
    /// Compression.
    pub compression: Compression,
    /// Latest time of a member, in seconds since 1970; none for no limit.
    pub source_date_epoch: Option<i64>,
    /// First and last time of a member, in seconds since 1970; none for no limits. It is counted which have another.
    pub times: Option<(i64, i64)>,
    /// Whether access control lists are left out.
    pub without_acls: bool,
}

/// The part of a target that an archive has.
pub struct Selection<'a> {
    /// Whether it has a file.
    pub has: &'a dyn Fn(&Path, &Stat) -> bool,
    /// Time of all directories; none for their own.
    pub directories_time: Option<i64>,
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
    let all = Selection {
        has: &|_, _| true,
        directories_time: None,
    };
    write_selected(target, sink, options, &all, reporter, cancel)
}

/// Writes a part of `target`, as [`write_tar`].
///
/// # Errors
/// Those of [`write_tar`].
pub fn write_selected<W: Write>(
    target: &Target,
    sink: W,
    options: &TarOptions,
    selection: &Selection<'_>,
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
            let (path, mut stat) = found?;
            if !(selection.has)(&path, &stat) {
                continue;
            }
            if let (Some(sec), FileType::Directory) = (selection.directories_time, stat.meta.kind) {
                stat.meta.mtime = Timestamp { sec, nsec: 0 };
            }
            match member(target, path, &stat, &mut first_names, options)? {
                Some(member) => {
                    let wanted = wanted_time(&stat, options);
                    let held = options
                        .times
                        .is_none_or(|(first, last)| (first..=last).contains(&wanted));
                    archive.written.times += u64::from(!held);
                    archive.written.acls += u64::from(member.without_acls);
                    archive.append(member)?;
                }
                None => archive.written.sockets += 1,
            }
        }
        Ok::<_, Error>(())
    })?;
    archive.finish()
}

/// Returns the name of the member for a path: `./usr/bin` for `/usr/bin`, with a `/` at the end for a directory, as
/// GNU tar writes them.
pub(super) fn member_name(path: &Path, directory: bool) -> Vec<u8> {
    let path = path.as_os_str().as_bytes();
    let mut name = b"./".to_vec();
    name.extend_from_slice(path.strip_prefix(b"/").unwrap_or(path));
    if directory && !name.ends_with(b"/") {
        name.push(b'/');
    }
    name
}

fn entry(path: &Path, stat: &Stat, kind: MemberKind, options: &TarOptions) -> Entry {
    let mtime = wanted_time(stat, options);
    let mtime = options
        .times
        .map_or(mtime, |(first, last)| mtime.clamp(first, last));
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

fn wanted_time(stat: &Stat, options: &TarOptions) -> i64 {
    match options.source_date_epoch {
        Some(epoch) => stat.meta.mtime.sec.min(epoch),
        None => stat.meta.mtime.sec,
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
    /// Whether it had an access control list that is left out.
    without_acls: bool,
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
            without_acls: false,
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
    let before = entry.xattrs.len();
    if options.without_acls {
        entry.xattrs.retain(|(name, _)| !name.starts_with(b"system."));
    }
    Ok(Some(Member {
        header: encode(&entry, options),
        content,
        without_acls: entry.xattrs.len() < before,
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
pub(super) const BLOCK: usize = 512;
static ZEROES: [u8; 2 * BLOCK] = [0; 2 * BLOCK];
