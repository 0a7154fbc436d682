//! The commands of debugfs(8) that put a target into a filesystem.
//!
//! A file that is made gets its times from `set_current_time`, its owner and mode from `set_inode_field`. All
//! commands name what is in the working directory of debugfs.

use super::super::{Error, Files, Source};
use rootless_install_fs::{FileType, Stat};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Longest line that debugfs reads.
const LONGEST: usize = 8000;
/// Largest number of a device that debugfs takes.
const LARGEST: u32 = 65_535;
/// Directory that mke2fs makes.
const LOST_AND_FOUND: &str = "/lost+found";

/// A file of commands that is being written.
pub(super) struct Commands<'a> {
    source: &'a Source<'a>,
    script: BufWriter<File>,
    path: PathBuf,
    /// The directory that debugfs is in.
    here: PathBuf,
    /// The time that files get.
    time: i64,
    /// The time that the filesystem was last written.
    end: i64,
    /// What is done when everything is there: each further entry would set the time of a directory.
    later: Vec<Vec<u8>>,
    /// Number of files with values of attributes.
    values: u64,
}

impl<'a> Commands<'a> {
    /// Begins a file of commands. `end` is the time that the filesystem was last written.
    pub(super) fn new(source: &'a Source<'a>, end: i64) -> Result<Self, Error> {
        let path = source.scratch.join("debugfs.commands");
        Ok(Self {
            source,
            script: BufWriter::new(File::create(&path).map_err(Error::Write)?),
            path,
            here: PathBuf::from("/"),
            time: i64::MIN,
            end,
            later: Vec::new(),
            values: 0,
        })
    }

    /// Adds a file of the target.
    pub(super) fn add(&mut self, path: &Path, stat: &Stat, files: &Files) -> Result<(), Error> {
        let meta = &stat.meta;
        if meta.kind == FileType::Socket {
            return Ok(());
        }
        let time = time(self.source.time_of(meta.mtime));
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return self.root(stat, time);
        };
        if parent != self.here {
            self.line(path, &[b"cd", &quoted(parent.as_os_str().as_bytes())])?;
            self.here = parent.to_owned();
        }
        if time != self.time {
            self.line(path, &[b"set_current_time", format!("@{time}").as_bytes()])?;
            self.time = time;
        }
        let name = quoted(name.as_bytes());
        if let Some(first) = files.first_name(path, stat) {
            return self.line(path, &[b"ln", &quoted(first.as_os_str().as_bytes()), &name]);
        }
        match meta.kind {
            FileType::Regular => {
                let disk = self.source.target.root_path().join(relative(path));
                self.line(path, &[b"write", &quoted(disk.as_os_str().as_bytes()), &name])?;
            }
            FileType::Directory if path == Path::new(LOST_AND_FOUND) => {}
            FileType::Directory => self.line(path, &[b"mkdir", &name])?,
            FileType::Symlink => {
                let text = self.source.target.read_link(path)?;
                self.line(path, &[b"symlink", &name, &quoted(text.as_os_str().as_bytes())])?;
            }
            FileType::Fifo => self.line(path, &[b"mknod", &name, b"p"])?,
            FileType::CharDevice { major, minor } => self.device(path, &name, "c", major, minor)?,
            FileType::BlockDevice { major, minor } => self.device(path, &name, "b", major, minor)?,
            FileType::Socket => {}
        }
        let names = files.names(stat);
        if names > 1 {
            self.field(path, &name, "links_count", &names.to_string())?;
        }
        self.dress(path, &name, stat)?;
        if meta.kind == FileType::Directory {
            let name = quoted(path.as_os_str().as_bytes());
            self.times_later(&name, time);
        }
        Ok(())
    }

    /// Ends the file of commands. Returns its path.
    pub(super) fn finish(mut self) -> Result<PathBuf, Error> {
        for line in std::mem::take(&mut self.later) {
            self.script.write_all(&line).map_err(Error::Write)?;
        }
        let end = format!("set_current_time @{}\n", self.end);
        self.script.write_all(end.as_bytes()).map_err(Error::Write)?;
        self.script.flush().map_err(Error::Write)?;
        Ok(self.path)
    }

    fn root(&mut self, stat: &Stat, time: i64) -> Result<(), Error> {
        self.dress(Path::new("/"), b"/", stat)?;
        self.times_later(b"/", time);
        Ok(())
    }

    fn times_later(&mut self, name: &[u8], time: i64) {
        for field in ["mtime", "atime", "ctime", "crtime"] {
            let line = [b"sif ", name, format!(" {field} @{time}\n").as_bytes()].concat();
            self.later.push(line);
        }
    }

    fn device(&mut self, path: &Path, name: &[u8], kind: &str, major: u32, minor: u32) -> Result<(), Error> {
        if major <= LARGEST && minor <= LARGEST {
            let numbers = format!("{kind} {major} {minor}");
            return self.line(path, &[b"mknod", name, numbers.as_bytes()]);
        }
        // As the kernel has larger numbers (new_encode_dev in linux/kdev_t.h), which are too large for debugfs's command.
        let encoded = (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xf_ff00) << 12;
        self.line(path, &[b"mknod", name, format!("{kind} 0 0").as_bytes()])?;
        self.field(path, name, "block[0]", "0")?;
        self.field(path, name, "block[1]", &encoded.to_string())
    }

    /// Sets the owner, the mode and the attributes of a file.
    fn dress(&mut self, path: &Path, name: &[u8], stat: &Stat) -> Result<(), Error> {
        let meta = &stat.meta;
        let kind = match meta.kind {
            FileType::Regular => 0o100_000,
            FileType::Directory => 0o040_000,
            FileType::Symlink => 0o120_000,
            FileType::Fifo => 0o010_000,
            FileType::Socket => 0o140_000,
            FileType::CharDevice { .. } => 0o020_000,
            FileType::BlockDevice { .. } => 0o060_000,
        };
        if meta.kind != FileType::Symlink {
            self.field(path, name, "mode", &format!("0{:o}", kind | meta.mode))?;
        }
        if meta.uid != 0 {
            self.field(path, name, "uid", &meta.uid.to_string())?;
        }
        if meta.gid != 0 {
            self.field(path, name, "gid", &meta.gid.to_string())?;
        }
        for (attribute, value) in self.source.target.xattrs(path)? {
            self.values += 1;
            let file = self.source.scratch.join(format!("value-{}", self.values));
            std::fs::write(&file, value).map_err(Error::Write)?;
            let file = quoted(file.as_os_str().as_bytes());
            self.line(
                path,
                &[b"ea_set -f", &file, &named(name), &quoted(attribute.as_bytes())],
            )?;
        }
        Ok(())
    }

    fn field(&mut self, path: &Path, name: &[u8], field: &str, value: &str) -> Result<(), Error> {
        self.line(path, &[b"sif", &named(name), field.as_bytes(), value.as_bytes()])
    }

    /// Writes a command, on behalf of a file of the target.
    fn line(&mut self, path: &Path, words: &[&[u8]]) -> Result<(), Error> {
        let line = words.join(&b' ');
        if line.contains(&b'\n') || line.len() > LONGEST {
            return Err(Error::Name {
                path: path.to_owned(),
                program: "debugfs",
            });
        }
        self.script.write_all(&line).map_err(Error::Write)?;
        self.script.write_all(b"\n").map_err(Error::Write)
    }
}

/// Returns a time as debugfs takes it.
pub(super) fn time(time: i64) -> i64 {
    time.clamp(0, i64::from(i32::MAX))
}

/// Returns a word that names a file that is there, where `<12>` would be an inode.
fn named(word: &[u8]) -> Vec<u8> {
    match word.starts_with(b"\"<") {
        true => [b"\"./", word.get(1..).unwrap_or_default()].concat(),
        false => word.to_vec(),
    }
}

/// Returns a word of debugfs: in quotation marks, of which those in it are doubled.
fn quoted(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for byte in word {
        if *byte == b'"' {
            quoted.push(b'"');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted() {
        assert_eq!(quoted(b"a \"b\""), b"\"a \"\"b\"\"\"");
        assert_eq!(named(&quoted(b"<12>")), b"\"./<12>\"");
        assert_eq!(named(&quoted(b"a")), b"\"a\"");
        assert_eq!(relative(Path::new("/etc/x")), Path::new("etc/x"));
    }
}
