//! The list of directories that are scanned, each once.

use super::LdconfigError;
use super::configuration::is_space;
use super::rules::{Era, Rules};
use crate::abi::LIBC6;
use crate::output::{Output, strerror};
use crate::root::{Root, below};
use rootless_install_fs::FileType;
use std::os::unix::ffi::OsStringExt;

/// Subdirectory with the directories of libraries for machines that can do more.
const HWCAPS: &[u8] = b"glibc-hwcaps";

/// One directory.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    /// Path as it was given, without trailing slashes.
    pub(super) path: Vec<u8>,
    /// The file that names it, and the line there.
    pub(super) from: (Vec<u8>, u32),
    /// Number in [`Directories::hwcaps`] of a subdirectory of `glibc-hwcaps`; none for another directory.
    pub(super) hwcaps: Option<usize>,
    /// Type of libraries that the configuration gives it; none means any (up to 2.36).
    pub(super) holds: Option<u32>,
    /// Inode number, by which a directory is found again under another path.
    ino: u64,
}

/// All directories, in the order in which they are scanned.
pub(super) struct Directories<'a> {
    root: &'a Root<'a>,
    pub(super) rules: &'a Rules,
    /// `-v`.
    verbose: bool,
    list: Vec<Directory>,
    /// Names of subdirectories of `glibc-hwcaps`.
    pub(super) hwcaps: Vec<Vec<u8>>,
}

impl<'a> Directories<'a> {
    pub(super) fn new(root: &'a Root<'a>, rules: &'a Rules, verbose: bool) -> Self {
        Self {
            root,
            rules,
            verbose,
            list: Vec::new(),
            hwcaps: Vec::new(),
        }
    }

    pub(super) fn root(&self) -> &'a Root<'a> {
        self.root
    }

    pub(super) fn get(&self, index: usize) -> Option<Directory> {
        self.list.get(index).cloned()
    }

    /// Adds the directory that line `number` of `file` names.
    pub(super) fn add(
        &mut self,
        line: &[u8],
        file: &[u8],
        number: u32,
        output: &mut Output,
    ) -> Result<(), LdconfigError> {
        let (path, holds) = match self.rules.era {
            Era::Unshared | Era::Legacy => typed(line, output),
            Era::Plain | Era::SkipsDpkg => (line, Some(LIBC6)),
        };
        let length = path
            .iter()
            .rposition(|&b| !is_space(b))
            .map_or(0, |last| last + 1);
        let path = path.get(..length).unwrap_or_default();
        let length = path.iter().rposition(|&b| b != b'/').map_or(0, |last| last + 1);
        let path = path.get(..length).unwrap_or_default();
        if path.is_empty() {
            return Ok(());
        }
        let ino = match self.root.stat(path) {
            Ok(stat) => stat.ino,
            Err(error) => {
                if self.verbose {
                    output.complain(&[b"Can't stat ", path, b": ", &strerror(&error)]);
                }
                return Ok(());
            }
        };
        let from = (file.to_vec(), number);
        let directory = Directory {
            path: path.to_vec(),
            from,
            hwcaps: None,
            holds,
            ino,
        };
        match self.list.iter_mut().find(|known| known.ino == ino) {
            Some(known) => {
                known.holds = holds;
                if self.verbose {
                    output.complain(&[b"Path `", path, b"' given more than once"]);
                    if self.rules.era == Era::Unshared {
                        return Ok(());
                    }
                    let lines = [number.to_string(), known.from.1.to_string()];
                    let parts: [&[u8]; 9] = [
                        b"(from ",
                        file,
                        b":",
                        lines[0].as_bytes(),
                        b" and ",
                        &known.from.0,
                        b":",
                        lines[1].as_bytes(),
                        b")\n",
                    ];
                    output.stderr.extend(parts.concat());
                }
                Ok(())
            }
            None => {
                self.list.push(directory.clone());
                // Known since 2.33.
                match self.rules.era {
                    Era::Unshared => Ok(()),
                    _ => self.add_hwcaps(&directory),
                }
            }
        }
    }

    /// Adds the directories below `glibc-hwcaps`, if there are any.
    fn add_hwcaps(&mut self, parent: &Directory) -> Result<(), LdconfigError> {
        let hwcaps = below(&parent.path, HWCAPS);
        let names = match self.root.list(&hwcaps) {
            Err(error) if error.is_not_found() => return Ok(()),
            names => names?,
        };
        for name in names.into_iter().map(OsStringExt::into_vec) {
            // The dynamic loader separates such names by colons.
            if name.first() == Some(&b'.') || name.contains(&b':') {
                continue;
            }
            let path = below(&hwcaps, &name);
            let Ok(stat) = self.root.stat(&path) else { continue };
            if stat.meta.kind != FileType::Directory {
                continue;
            }
            let known = self.hwcaps.iter().position(|known| *known == name);
            let number = known.unwrap_or_else(|| {
                self.hwcaps.push(name);
                self.hwcaps.len() - 1
            });
            self.push(Directory {
                path,
                hwcaps: Some(number),
                ino: stat.ino,
                ..parent.clone()
            });
        }
        Ok(())
    }

    /// Adds a subdirectory for machines with a capability (up to 2.36).
    pub(super) fn add_capability(&mut self, parent: &Directory, path: Vec<u8>) {
        if let Ok(stat) = self.root.stat(&path) {
            self.push(Directory {
                path,
                ino: stat.ino,
                ..parent.clone()
            });
        }
    }

    fn push(&mut self, directory: Directory) {
        match self.list.iter_mut().find(|known| known.ino == directory.ino) {
            Some(known) => known.holds = directory.holds,
            None => self.list.push(directory),
        }
    }
}

/// Splits `DIRECTORY=TYPE`, as it was up to 2.36.
fn typed<'l>(line: &'l [u8], output: &mut Output) -> (&'l [u8], Option<u32>) {
    let Some(equal) = line.iter().position(|&b| b == b'=') else {
        return (line, None);
    };
    let kind = line.get(equal + 1..).unwrap_or_default();
    let holds = match kind {
        b"libc4" => Some(0),
        b"libc5" => Some(2),
        b"libc6" | b"glibc2" => Some(LIBC6),
        _ => {
            output.complain(&[kind, b" is not a known library type"]);
            None
        }
    };
    (line.get(..equal).unwrap_or_default(), holds)
}
