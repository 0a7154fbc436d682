//! An open package file, and the limits of its contents.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use file_mapping::FileMap;

use super::container::{self, Member, Members};
use super::decompress::{Compression, Source, is_limit, reader};
use super::entries::{Dialect, Entry, WalkError, walk};
use super::error::DebError;
use super::recompressed::{self, Recompressed};
use dpkg_db::ControlArchive;

/// Limit of the control member's size, unpacked.
const CONTROL_LIMIT: u64 = 64 << 20;

/// Limits of the size that a package may unpack to.
///
/// The default rule allows 64 MiB or 64 times the size of the .deb, whichever is more; twice its
/// `Installed-Size` where the package says it is larger, but no more than 512 times its size; and never
/// more than `ceiling`. Real packages stay far below, and an archive that expands without end stops
/// before the disk is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size that no package may unpack to more than, in bytes.
    pub ceiling: u64,
    /// Limit in place of the rule, in bytes; none means the rule.
    pub fixed: Option<u64>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            ceiling: 32 << 30,
            fixed: None,
        }
    }
}

impl Limits {
    /// Returns the limit in bytes for a package of `file_size` bytes that says `Installed-Size: installed_kib`.
    pub fn of(&self, file_size: u64, installed_kib: Option<u64>) -> u64 {
        self.fixed.unwrap_or_else(|| {
            let declared = installed_kib
                .unwrap_or(0)
                .saturating_mul(2 << 10)
                .min(file_size.saturating_mul(512));
            declared
                .max(file_size.saturating_mul(64))
                .max(64 << 20)
                .min(self.ceiling)
        })
    }
}

/// A .deb file, mapped into memory.
#[derive(Debug)]
pub struct DebFile {
    path: PathBuf,
    map: FileMap,
    members: Members,
    recompressed: Option<PathBuf>,
}

impl DebFile {
    /// Opens a package file and finds its members (deb(5)).
    ///
    /// # Errors
    /// A file that cannot be read or is no package of format 2.
    pub fn open(path: &Path) -> Result<DebFile, DebError> {
        DebFile::open_as(path, path)
    }

    /// As [`DebFile::open`], with the name that errors give the file: in a cache its path is a hash, which
    /// tells nobody what it is.
    ///
    /// # Errors
    /// A file that cannot be read or is no package of format 2.
    pub fn open_as(path: &Path, name: &Path) -> Result<DebFile, DebError> {
        let failed = |source| DebError::Open {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() == 0 {
            return Err(DebError::Container {
                path: name.to_owned(),
                problem: "the file is empty".to_owned(),
            });
        }
        let map = FileMap::open(&file).map_err(failed)?;
        let members = container::members(&map, name)?;
        Ok(DebFile {
            path: name.to_owned(),
            map,
            members,
            recompressed: None,
        })
    }

    /// Has the data member read from its [recompressed form](recompress), if there is one at `path` by
    /// then.
    pub(super) fn set_recompressed(&mut self, path: &Path) {
        self.recompressed = Some(path.to_owned());
    }

    /// Returns the data member's archive where decoding it is slow; none where it is not.
    fn slow_data(&self, limit: u64) -> Result<Option<impl Read + '_>, DebError> {
        let member = &self.members.data;
        if !matches!(
            member.compression,
            Compression::Xz | Compression::Bzip2 | Compression::Lzma
        ) {
            return Ok(None);
        }
        reader(self.source(member), member.compression, limit, 1)
            .map(Some)
            .map_err(|source| self.damaged(member, limit, source))
    }

    /// Returns the file's path, or its name in errors.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file's size in bytes.
    pub fn size(&self) -> u64 {
        self.map.len() as u64
    }

    /// Releases the memory of the parts that were read.
    pub(super) fn forget(&self) {
        self.map.forget();
    }

    /// Reads the control member.
    ///
    /// # Errors
    /// A damaged or too large member, or one with anything but plain files; no control file.
    pub fn control(&self) -> Result<ControlArchive, DebError> {
        let mut control = ControlArchive {
            control: String::new(),
            files: BTreeMap::new(),
            bad_versions: false,
        };
        let member = &self.members.control;
        let data = (self.source(member), member.compression);
        self.walk(member, data, CONTROL_LIMIT, 1, Dialect::Tar, |entry, contents| {
            let mut data = Vec::with_capacity(usize::try_from(entry.size).unwrap_or(0).min(1 << 20));
            contents
                .read_to_end(&mut data)
                .map_err(|source| self.damaged(&self.members.control, CONTROL_LIMIT, source))?;
            let problem = if data.len() as u64 == entry.size {
                super::control::add(&mut control, &entry, data).err()
            } else {
                Some("it is truncated".to_owned())
            };
            problem.map_or(Ok(()), |problem| Err(self.bad_entry(&entry.path, problem)))
        })?;
        if control.control.is_empty() {
            let problem = "its control member has no control file".to_owned();
            return Err(DebError::Container {
                path: self.path.clone(),
                problem,
            });
        }
        Ok(control)
    }

    /// Calls `visit` for each entry of the data member, with a reader of its contents. Up to `threads` threads
    /// decompress.
    ///
    /// # Errors
    /// A damaged member, one of more than `limit` bytes, an entry that no package may have; and the first
    /// error of `visit`.
    pub fn walk_data(
        &self,
        limit: u64,
        threads: usize,
        visit: impl FnMut(Entry, &mut dyn Read) -> Result<(), DebError>,
    ) -> Result<(), DebError> {
        let member = &self.members.data;
        let recompressed = self.recompressed.as_deref().and_then(Recompressed::open);
        let data = match &recompressed {
            Some(recompressed) => (recompressed.source(), Compression::Zstd),
            None => (self.source(member), member.compression),
        };
        self.walk(member, data, limit, threads, Dialect::Dpkg, visit)
    }

    fn source(&self, member: &Member) -> Source<'_> {
        let data = self.map.get(member.data.clone()).unwrap_or_default();
        let start = member.data.start;
        Source::new(data, move |from, length| {
            self.map.forget_range(start + from..start + from + length);
        })
    }

    fn walk(
        &self,
        member: &Member,
        (source, compression): (Source<'_>, Compression),
        limit: u64,
        threads: usize,
        dialect: Dialect,
        visit: impl FnMut(Entry, &mut dyn Read) -> Result<(), DebError>,
    ) -> Result<(), DebError> {
        let reader = reader(source, compression, limit, threads)
            .map_err(|source| self.damaged(member, limit, source))?;
        walk(reader, dialect, visit).map_err(|error| match error {
            WalkError::Read(source) => self.damaged(member, limit, source),
            WalkError::Entry { entry, problem } => DebError::Entry {
                path: self.path.clone(),
                entry,
                problem,
            },
            WalkError::Visitor(error) => error,
        })
    }

    fn damaged(&self, member: &Member, limit: u64, source: std::io::Error) -> DebError {
        let (path, member) = (self.path.clone(), member.name.clone());
        if is_limit(&source) {
            DebError::TooLarge { path, member, limit }
        } else {
            DebError::Member { path, member, source }
        }
    }

    /// Returns the error of reading a file's contents from the data member.
    pub(super) fn damaged_data(&self, limit: u64, source: std::io::Error) -> DebError {
        self.damaged(&self.members.data, limit, source)
    }

    pub(super) fn bad_entry(&self, entry: &Path, problem: impl Into<String>) -> DebError {
        DebError::Entry {
            path: self.path.clone(),
            entry: entry.to_string_lossy().into_owned(),
            problem: problem.into(),
        }
    }
}

/// Recompresses a package's data member into the file `to`, unless that is there or would not be decoded
/// any faster, and returns the size of the file in bytes if it was made. Gives up once `stop` is set. The
/// file is written in the directory `scratch` of the same filesystem and renamed when it is whole.
///
/// # Errors
/// A package that cannot be read, which unpacking will say better; a file that cannot be written.
pub fn recompress(
    package: &Path,
    to: &Path,
    scratch: &Path,
    stop: &AtomicBool,
) -> Result<Option<u64>, DebError> {
    if to.exists() {
        return Ok(None);
    }
    let deb = DebFile::open(package)?;
    let limit = Limits::default().of(deb.size(), None);
    let Some(mut reader) = deb.slow_data(limit)? else {
        return Ok(None);
    };
    let written = recompressed::write(&mut reader, to, scratch, stop);
    drop(reader);
    deb.forget();
    written.map_err(|source| DebError::Write {
        path: package.to_owned(),
        entry: to.display().to_string(),
        source,
    })
}
