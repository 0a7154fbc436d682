//! The EFI system partition: what is in it, gathered in a directory, then a FAT filesystem.

use super::super::fat::{self, Entry, Fat};
use super::super::{Error, Source};
use rootless_install_fs::FileType;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A partition that is being gathered.
pub(super) struct Esp<'a> {
    source: &'a Source<'a>,
    directory: PathBuf,
    entries: Vec<Entry>,
    directories: BTreeSet<String>,
}

impl<'a> Esp<'a> {
    /// Begins an empty one.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(super) fn new(source: &'a Source<'a>) -> Result<Self, Error> {
        let directory = source.scratch.join("esp");
        std::fs::create_dir(&directory).map_err(Error::Write)?;
        Ok(Self {
            source,
            directory,
            entries: Vec::new(),
            directories: BTreeSet::new(),
        })
    }

    /// Adds a file with this content.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(super) fn write(&mut self, path: &str, content: &[u8]) -> Result<(), Error> {
        let to = self.place(path)?;
        std::fs::write(&to, content).map_err(Error::Write)?;
        self.add(path, to, content.len() as u64, self.source.time());
        Ok(())
    }

    /// Adds a regular file of the target.
    ///
    /// # Errors
    /// Those of reading it, [`Error::Write`].
    pub(super) fn copy(&mut self, path: &str, from: &Path) -> Result<(), Error> {
        self.source.cancel.check()?;
        let time = self.source.target.stat(from)?.meta.mtime;
        let mut file = self.source.target.open_file(from)?;
        let to = self.place(path)?;
        let mut copy = File::create(&to).map_err(Error::Write)?;
        let size = io::copy(&mut file, &mut copy).map_err(Error::Write)?;
        self.add(path, to, size, self.source.time_of(time));
        Ok(())
    }

    /// Adds the files of a directory of the target, and of those in it, whose names end so. Returns their number.
    ///
    /// # Errors
    /// Those of reading them, [`Error::Write`].
    pub(super) fn copy_all(&mut self, path: &str, from: &Path, end: &str) -> Result<usize, Error> {
        let mut names = self.source.target.read_dir(from)?;
        names.sort();
        let mut count = 0;
        for name in names {
            let (from, Some(name)) = (from.join(&name), name.to_str()) else {
                continue;
            };
            let to = format!("{path}/{name}");
            match self.source.target.stat(&from)?.meta.kind {
                FileType::Directory => count += self.copy_all(&to, &from, end)?,
                FileType::Regular if name.ends_with(end) => {
                    self.copy(&to, &from)?;
                    count += 1;
                }
                _ => {}
            }
        }
        Ok(count)
    }

    /// Makes the filesystem: of a size that is given, or as large as is needed and `room` bytes besides. Returns its size.
    ///
    /// # Errors
    /// Those of making it.
    pub(super) fn make(self, image: &Path, uuid: &str, size: Option<u64>, room: u64) -> Result<u64, Error> {
        let fat = Fat {
            entries: &self.entries,
            label: Some("ESP"),
            uuid,
        };
        let size = size.unwrap_or_else(|| fat.need(room));
        fat.make(self.source, image, size)?;
        std::fs::remove_dir_all(&self.directory).map_err(Error::Write)?;
        Ok(size)
    }

    /// Returns the place of a file, in a directory that is there.
    fn place(&mut self, path: &str) -> Result<PathBuf, Error> {
        let above: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        for at in above {
            let directory = path.get(..at).unwrap_or_default().to_owned();
            if self.directories.insert(directory.clone()) {
                std::fs::create_dir(self.directory.join(&directory)).map_err(Error::Write)?;
                self.entries.push(Entry {
                    path: directory,
                    content: None,
                    time: fat::time(self.source.time()),
                });
            }
        }
        Ok(self.directory.join(path))
    }

    fn add(&mut self, path: &str, file: PathBuf, size: u64, time: i64) {
        self.entries.push(Entry {
            path: path.to_owned(),
            content: Some((file, size)),
            time: fat::time(time),
        });
    }
}
