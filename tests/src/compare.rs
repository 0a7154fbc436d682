//! Compares two root filesystem tars entry by entry.
//!
//! Type, mode, numeric owner, size, link target, device number, modification
//! time in whole seconds, extended attributes and content must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::deb::hex;
use crate::error::At as _;
use crate::{Error, Result};

/// Paths that may differ, and why.
#[derive(Clone, Copy, Debug)]
pub struct Ignore {
    /// A path without a leading `./`; `*` matches anything, slashes too.
    pub glob: &'static str,
    /// Why a difference there is none.
    pub reason: &'static str,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: String,
    /// What: facts and their two values.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Number of entries in the reference and in the candidate.
    pub entries: (usize, usize),
    /// All differences that are not ignored.
    pub differences: Vec<Difference>,
    /// Paths that differ and are ignored.
    pub ignored: Vec<String>,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        let (left, right) = self.entries;
        write!(
            f,
            "{left} and {right} entries, {} different",
            self.differences.len()
        )?;
        if !self.ignored.is_empty() {
            write!(f, "; ignored: {}", self.ignored.join(", "))?;
        }
        Ok(())
    }
}

/// All that is compared of one entry: the name of each fact and its value.
pub type Facts = BTreeMap<String, String>;

/// The entries of a tar, by path without the leading `./`.
///
/// # Errors
/// When it is not a sound tar, or has no entries.
pub fn entries(path: &Path) -> Result<BTreeMap<String, Facts>> {
    let fail = |source| Error::Tar {
        name: path.display().to_string(),
        source,
    };
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 20, File::open(path).at(path)?));
    let mut found = BTreeMap::new();
    for entry in archive.entries().map_err(fail)? {
        let (name, facts) = facts(entry.map_err(fail)?).map_err(fail)?;
        found.insert(name, facts);
    }
    if found.is_empty() {
        return Err(Error::Machine(format!("{} has no entries", path.display())));
    }
    Ok(found)
}

fn facts<R: Read>(mut entry: tar::Entry<'_, R>) -> std::io::Result<(String, Facts)> {
    let mut facts = Facts::new();
    let mut set = |name: &str, value: String| {
        facts.insert(name.to_owned(), value);
    };
    let header = entry.header().clone();
    let (mut uid, mut gid, mut mtime) = (header.uid()?, header.gid()?, header.mtime()?.to_string());
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            let value = String::from_utf8_lossy(extension.value_bytes()).into_owned();
            match extension.key().map_err(std::io::Error::other)? {
                "uid" => uid = value.parse().map_err(std::io::Error::other)?,
                "gid" => gid = value.parse().map_err(std::io::Error::other)?,
                "mtime" => mtime = value.split('.').next().unwrap_or(&value).to_owned(),
                key if key.starts_with("SCHILY.xattr.") => set(key, hex(extension.value_bytes())),
                _ => {}
            }
        }
    }
    let kind = header.entry_type();
    let regular = matches!(kind, tar::EntryType::Regular | tar::EntryType::Continuous);
    set("type", format!("{kind:?}"));
    set("mode", format!("{:04o}", header.mode()? & 0o7777));
    set("owner", format!("{uid}:{gid}"));
    set("mtime", mtime);
    set("size", entry.size().to_string());
    let link = entry.link_name_bytes().unwrap_or_default();
    let link = String::from_utf8_lossy(&link).into_owned();
    set("link", link.strip_prefix("./").unwrap_or(&link).to_owned());
    if matches!(kind, tar::EntryType::Char | tar::EntryType::Block) {
        let number = |part: Option<u32>| part.map_or(String::new(), |part| part.to_string());
        set(
            "device",
            format!(
                "{}:{}",
                number(header.device_major()?),
                number(header.device_minor()?)
            ),
        );
    }
    if regular {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = entry.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            hash.update(buffer.get(..count).unwrap_or_default());
        }
        set("sha256", hex(&hash.finalize()));
    }
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let name = name.strip_prefix("./").unwrap_or(&name).trim_end_matches('/');
    Ok((
        if name.is_empty() {
            ".".to_owned()
        } else {
            name.to_owned()
        },
        facts,
    ))
}

/// Compares two tars.
///
/// # Errors
/// When one of them cannot be read.
pub fn compare(reference: &Path, candidate: &Path, ignore: &[Ignore]) -> Result<Comparison> {
    let (left, right) = (entries(reference)?, entries(candidate)?);
    let mut comparison = Comparison {
        entries: (left.len(), right.len()),
        differences: Vec::new(),
        ignored: Vec::new(),
    };
    for path in left.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
        let what = match (left.get(path), right.get(path)) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(a), Some(b)) => changed(a, b),
            (Some(_), None) => "missing in the candidate".to_owned(),
            (None, _) => "only in the candidate".to_owned(),
        };
        if ignore.iter().any(|ignore| matches(ignore.glob, path)) {
            comparison.ignored.push(path.clone());
        } else {
            comparison.differences.push(Difference {
                path: path.clone(),
                what,
            });
        }
    }
    Ok(comparison)
}

fn changed(a: &Facts, b: &Facts) -> String {
    let value = |facts: &Facts, name: &str| facts.get(name).cloned().unwrap_or_else(|| "none".to_owned());
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name))
        .map(|name| format!("{name} {} -> {}", value(a, name), value(b, name)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Whether `path` matches `glob`, in which `*` stands for any characters.
#[must_use]
pub fn matches(glob: &str, path: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else {
        return glob == path;
    };
    let Some(path) = path.strip_prefix(head) else {
        return false;
    };
    path.char_indices()
        .map(|(at, _)| at)
        .chain([path.len()])
        .any(|at| path.get(at..).is_some_and(|tail| matches(rest, tail)))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::deb::{Entry, Kind, directory, entry, tar};

    fn tree() -> Vec<Entry> {
        vec![
            directory("./", 0o755),
            directory("./etc/", 0o755),
            entry("./etc/a", Kind::File(b"a".to_vec()), 0o644),
            entry("./etc/b", Kind::File(b"b".to_vec()), 0o644),
            entry("./etc/link", Kind::Symlink("a".to_owned()), 0o777),
            entry("./etc/hard", Kind::Hardlink("./etc/a".to_owned()), 0o644),
            entry("./null", Kind::CharDevice(1, 3), 0o666),
        ]
    }

    fn differences(change: impl FnOnce(&mut Vec<Entry>), mtime: u64) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (left, right) = (dir.path().join("left.tar"), dir.path().join("right.tar"));
        let mut entries = tree();
        std::fs::write(&left, tar(&entries, 7).expect("made")).expect("written");
        change(&mut entries);
        std::fs::write(&right, tar(&entries, mtime).expect("made")).expect("written");
        let ignore = [Ignore {
            glob: "*/b",
            reason: "for the test",
        }];
        let found = compare(&left, &right, &ignore).expect("compared");
        assert_eq!(found.entries.0, 7);
        found.differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_fact_is_compared() {
        assert_eq!(differences(|_| {}, 7), [""; 0]);
        assert_eq!(differences(|_| {}, 8).len(), 6, "times; one is ignored");
        assert_eq!(
            differences(|tree| tree[1].mode = 0o700, 7),
            ["etc: mode 0755 -> 0700"]
        );
        assert_eq!(
            differences(|tree| tree[2].owner = (1, 2), 7),
            ["etc/a: owner 0:0 -> 1:2"]
        );
        let other = |tree: &mut Vec<Entry>| tree[2].kind = Kind::File(b"x".to_vec());
        assert!(differences(other, 7)[0].starts_with("etc/a: sha256 "));
        assert_eq!(
            differences(|tree| tree[3].kind = Kind::Fifo, 7),
            [""; 0],
            "ignored"
        );
        let other = |tree: &mut Vec<Entry>| tree[4].kind = Kind::Symlink("b".to_owned());
        assert_eq!(differences(other, 7), ["etc/link: link a -> b"]);
        let other = |tree: &mut Vec<Entry>| tree[5].kind = Kind::Hardlink("./etc/b".to_owned());
        assert_eq!(differences(other, 7), ["etc/hard: link etc/a -> etc/b"]);
        let other = |tree: &mut Vec<Entry>| tree[6].kind = Kind::CharDevice(1, 5);
        assert_eq!(differences(other, 7), ["null: device 1:3 -> 1:5"]);
        assert_eq!(
            differences(|tree| drop(tree.pop()), 7),
            ["null: missing in the candidate"]
        );
        let more = |tree: &mut Vec<Entry>| tree.push(directory("./new/", 0o755));
        assert_eq!(differences(more, 7), ["new: only in the candidate"]);
    }

    #[test]
    fn extended_attributes_are_compared() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "x").expect("written");
        let pack = |name: &str| {
            let path = dir.path().join(name);
            let done = Command::new("tar")
                .args([
                    "--create",
                    "--xattrs",
                    "--xattrs-include=*",
                    "--format=pax",
                    "--mtime=@1",
                ])
                .args([
                    "--pax-option=exthdr.name=%d/%f,delete=atime,delete=ctime",
                    "--file",
                ])
                .arg(&path)
                .arg("--directory")
                .arg(dir.path())
                .arg("./file")
                .status();
            assert!(done.expect("tar runs").success());
            path
        };
        let plain = pack("plain.tar");
        let set = Command::new("setfattr")
            .args(["-n", "user.note", "-v", "hello"])
            .arg(&file)
            .status();
        if !set.is_ok_and(|status| status.success()) {
            return;
        }
        let noted = pack("noted.tar");
        let found = compare(&plain, &noted, &[]).expect("compared").to_string();
        assert!(
            found.contains("SCHILY.xattr.user.note none -> 68656c6c6f"),
            "{found}"
        );
        assert!(found.ends_with("1 and 1 entries, 1 different"), "{found}");
    }

    #[test]
    fn globs_cross_slashes() {
        for (glob, path, fits) in [
            ("etc/ld.so.cache", "etc/ld.so.cache", true),
            ("*-old", "var/lib/dpkg/status-old", true),
            ("*-old", "old", false),
            ("usr/*/x*", "usr/share/é/xy", true),
            ("a*", "b", false),
        ] {
            assert_eq!(matches(glob, path), fits, "{glob} {path}");
        }
    }
}
