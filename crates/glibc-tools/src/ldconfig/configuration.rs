//! ld.so.conf: one directory a line, and `include` with patterns.

use super::LdconfigError;
use super::directories::Directories;
use super::glob::glob;
use crate::output::{Output, strerror};
use std::ffi::OsStr;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Most files read in one run; one that includes itself would never end.
const MOST_FILES: usize = 1000;
/// Most bytes read of a file; the longest ones have some hundred.
const LARGEST: u64 = 1 << 20;

/// Reads a configuration file with all it includes, and adds its directories. Breaks where the program would end
/// with an error.
pub(super) fn read(
    directories: &mut Directories<'_>,
    file: &[u8],
    output: &mut Output,
) -> Result<ControlFlow<()>, LdconfigError> {
    // Files still to be read, the next one last. A file that includes others waits here until they are read.
    let mut pending = vec![Reading::new(file)];
    let mut files = 0;
    while let Some(mut reading) = pending.pop() {
        if reading.text.is_none() {
            files += 1;
            if files > MOST_FILES {
                let path = PathBuf::from(OsStr::from_bytes(file));
                return Err(LdconfigError::TooMany {
                    path,
                    what: "included files",
                });
            }
            let Some(text) = text(directories, &reading.file, output)? else {
                continue;
            };
            reading.text = Some(text);
        }
        while let Some(line) = reading.next() {
            let Some(patterns) = after_keyword(&line, b"include") else {
                if line
                    .get(..5)
                    .is_some_and(|word| word.eq_ignore_ascii_case(b"hwcap"))
                    && line.get(5).is_some_and(|&b| is_blank(b))
                {
                    let number = reading.line.to_string();
                    output.complain(&[
                        &reading.file,
                        b":",
                        number.as_bytes(),
                        b": hwcap directive ignored",
                    ]);
                } else {
                    directories.add(&line, &reading.file, reading.line, output)?;
                }
                continue;
            };
            let mut included = Vec::new();
            for pattern in patterns
                .split(|&b| is_blank(b))
                .filter(|pattern| !pattern.is_empty())
            {
                let root = directories.root();
                let directory = reading
                    .file
                    .iter()
                    .rposition(|&b| b == b'/')
                    .filter(|_| pattern.first() != Some(&b'/'));
                let directory = directory
                    .and_then(|slash| reading.file.get(..=slash))
                    .unwrap_or_default();
                included.extend(glob(root, &[directory, pattern].concat())?);
            }
            pending.push(reading);
            pending.extend(included.iter().rev().map(|file| Reading::new(file)));
            break;
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// A file being read.
struct Reading {
    /// Path of the file.
    file: Vec<u8>,
    /// Its text; none until it is opened.
    text: Option<Vec<u8>>,
    /// Offset of the next line.
    at: usize,
    /// Number of the line returned last, counted from 1.
    line: u32,
}

impl Reading {
    fn new(file: &[u8]) -> Self {
        Self {
            file: file.to_vec(),
            text: None,
            at: 0,
            line: 0,
        }
    }

    /// Returns the next line that is not empty, without comment and leading blanks.
    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let rest = self
                .text
                .as_ref()?
                .get(self.at..)
                .filter(|rest| !rest.is_empty())?;
            let line = rest.split(|&b| b == b'\n').next()?;
            self.at += line.len() + 1;
            self.line += 1;
            // A string of C ends at its first NUL.
            let line = line.split(|&b| b == b'#' || b == 0).next()?;
            let start = line.iter().position(|&b| !is_space(b));
            if let Some(line) = start.and_then(|start| line.get(start..)) {
                return Some(line.to_vec());
            }
        }
    }
}

fn text(
    directories: &Directories<'_>,
    file: &[u8],
    output: &mut Output,
) -> Result<Option<Vec<u8>>, LdconfigError> {
    let opened = match directories.root().open_file(file) {
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => {
            output.complain(&[
                b"Warning: ignoring configuration file that cannot be opened: ",
                file,
                b": ",
                &strerror(&error),
            ]);
            return Ok(None);
        }
        Ok(opened) => opened,
    };
    let mut text = Vec::new();
    opened
        .take(LARGEST)
        .read_to_end(&mut text)
        .map_err(|source| rootless_install_fs::Error::Io {
            action: "read",
            path: PathBuf::from(OsStr::from_bytes(file)),
            source,
        })?;
    Ok(Some(text))
}

/// Returns the rest of a line behind its keyword.
fn after_keyword<'l>(line: &'l [u8], keyword: &[u8]) -> Option<&'l [u8]> {
    let (first, rest) = line.strip_prefix(keyword)?.split_first()?;
    is_blank(*first).then_some(rest)
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Returns whether a byte is white space: isspace(3) in the C locale.
pub(super) fn is_space(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}
