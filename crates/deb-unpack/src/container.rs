//! The outer container of a .deb: an ar archive of three members (deb(5)).

use std::cell::Cell;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use super::decompress::Compression;
use super::error::DebError;

/// A compressed tar archive within the file.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) compression: Compression,
    pub(super) data: Range<usize>,
}

/// The members of a package file.
#[derive(Clone, Debug)]
pub(super) struct Members {
    pub(super) control: Member,
    pub(super) data: Member,
}

/// A reader whose position is shared, to be read while something else owns the reader.
struct Tracked<'a> {
    data: &'a [u8],
    position: Rc<Cell<usize>>,
}

impl Read for Tracked<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = self.data.get(self.position.get()..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.position.set(self.position.get() + count);
        Ok(count)
    }
}

/// Finds the members of a package file: `debian-binary` of version 2, one `control.tar`, one `data.tar`, in this order;
/// names beginning with `_` are passed over, and so is, as in dpkg-deb, what follows `data.tar`.
pub(super) fn members(file: &[u8], path: &Path) -> Result<Members, DebError> {
    let problem = |problem: &str| DebError::Container {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let position = Rc::new(Cell::new(0));
    let mut archive = ar::Archive::new(Tracked {
        data: file,
        position: Rc::clone(&position),
    });
    let (mut version_seen, mut control, mut data) = (false, None, None);
    let mut next = 8;
    loop {
        // Name forms that deb(5) does not have, with lengths the ar reader would believe.
        let long_name = |head: &[u8]| head.starts_with(b"#1/") || head.starts_with(b"/");
        if file.get(next..).is_some_and(long_name) {
            if data.is_some() {
                break;
            }
            return Err(problem("a member has a long name"));
        }
        let (name, size) = match archive.next_entry() {
            None => break,
            Some(Ok(entry)) => {
                let header = entry.header();
                let name = header
                    .identifier()
                    .strip_suffix(b"/")
                    .unwrap_or(header.identifier());
                let found = (String::from_utf8_lossy(name).into_owned(), header.size());
                // Dropped, it would read its contents; they are passed over below.
                std::mem::forget(entry);
                found
            }
            // dpkg-deb does not look beyond data.tar.
            Some(Err(_)) if data.is_some() => break,
            Some(Err(error)) => return Err(problem(&error.to_string())),
        };
        let start = position.get();
        let end = usize::try_from(size)
            .ok()
            .and_then(|size| start.checked_add(size));
        let range = match end {
            Some(end) if end <= file.len() => start..end,
            _ if data.is_some() => break,
            _ => return Err(problem(&format!("it is truncated within {}", printable(&name)))),
        };
        // Past this member without reading it, as if the ar reader had.
        position.set(range.end);
        next = range.end + range.len() % 2;
        if !version_seen {
            if name != "debian-binary" {
                return Err(problem("its first member is not debian-binary"));
            }
            check_version(file.get(range).unwrap_or_default()).map_err(|text| problem(&text))?;
            version_seen = true;
        } else if name.starts_with('_') {
        } else if let Some(extension) = name.strip_prefix("control.tar") {
            if control.is_some() {
                return Err(problem("it has two control members"));
            }
            let member = member(&name, extension, range).map_err(|text| problem(&text))?;
            if !member.compression.is_of_control() {
                return Err(problem(&format!(
                    "member {} has a compression that dpkg takes for data.tar only",
                    printable(&name)
                )));
            }
            control = Some(member);
        } else if let Some(extension) = name.strip_prefix("data.tar") {
            if control.is_none() {
                return Err(problem("data.tar comes before control.tar"));
            }
            if data.is_some() {
                return Err(problem("it has two data members"));
            }
            data = Some(member(&name, extension, range).map_err(|text| problem(&text))?);
        } else if data.is_none() {
            return Err(problem(&format!("unexpected member {}", printable(&name))));
        }
    }
    match (control, data) {
        (Some(control), Some(data)) => Ok(Members { control, data }),
        (None, _) => Err(problem("it has no control.tar")),
        (_, None) => Err(problem("it has no data.tar")),
    }
}

fn member(name: &str, extension: &str, data: Range<usize>) -> Result<Member, String> {
    let compression = Compression::of_extension(extension)
        .ok_or_else(|| format!("member {} has an unknown compression", printable(name)))?;
    // As dpkg-deb's readers of gzip and of nothing do, which take the end at once for the end of a tar.
    let may_be_empty =
        name.starts_with("data") && matches!(compression, Compression::None | Compression::Gzip);
    if data.is_empty() && !may_be_empty {
        return Err(format!("member {} is empty", printable(name)));
    }
    Ok(Member {
        name: name.to_owned(),
        compression,
        data,
    })
}

fn check_version(contents: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(contents).unwrap_or_default();
    let line = text
        .split_once('\n')
        .map(|(line, _)| line)
        .ok_or("debian-binary has no line")?;
    match line.split_once('.') {
        Some(("2", minor)) if !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        _ => Err(format!("its format version is '{}', not 2.x", printable(line))),
    }
}

fn printable(text: &str) -> String {
    text.chars().take(32).flat_map(char::escape_default).collect()
}
