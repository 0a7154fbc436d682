//! What is compared of a root filesystem, without its bytes: the facts of each
//! entry. A listing is made from a tar, or kept as compressed text.
//!
//! The text has one line an entry: the path and `name=value` for each fact,
//! split by tabs. Lines before the entries start with `#` and say what the
//! listing is about. An initramfs is listed by its members; of a gdbm database the records are one fact more.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::deb::hex;
use crate::error::At as _;
use crate::{Error, Result, gdbm, initramfs};

/// All that is compared of one entry: the name of each fact and its value.
pub type Facts = BTreeMap<String, String>;

/// How the name of a listing that is kept ends.
pub const SUFFIX: &str = ".list.zst";

/// First line of a listing that is kept: its form.
pub const FIRST: &str = "# rootless-install listing 2";
const STATUS: &str = "var/lib/dpkg/status";

/// The entries of a root filesystem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// What is known of it beside its entries, by name: `packages`, `unfinished`, `seconds`.
    pub about: BTreeMap<String, String>,
    /// The facts of each entry, by path without the leading `./`; a member of an
    /// initramfs is `PATH!MEMBER`.
    pub entries: BTreeMap<String, Facts>,
}

impl Listing {
    /// The listing in a file: a tar, or, by its name, a listing that was kept.
    ///
    /// # Errors
    /// When it is neither.
    pub fn open(path: &Path) -> Result<Self> {
        if path.to_string_lossy().ends_with(SUFFIX) {
            Self::read(path)
        } else {
            Self::of_tar(path)
        }
    }

    /// The listing of a tar.
    ///
    /// # Errors
    /// When it is not a sound tar, or has no entries.
    pub fn of_tar(path: &Path) -> Result<Self> {
        let fail = |source| Error::Tar {
            name: path.display().to_string(),
            source,
        };
        let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 20, File::open(path).at(path)?));
        let mut listing = Self::default();
        for entry in archive.entries().map_err(fail)? {
            listing.add(entry.map_err(fail)?).map_err(fail)?;
        }
        if listing.entries.is_empty() {
            return Err(Error::Machine(format!("{} has no entries", path.display())));
        }
        Ok(listing)
    }

    fn add<R: Read>(&mut self, entry: tar::Entry<'_, R>) -> std::io::Result<()> {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.strip_prefix("./").unwrap_or(&name).trim_end_matches('/');
        let name = if name.is_empty() { "." } else { name };
        let image = initramfs::is_at(name);
        let database = gdbm::is_at(name);
        let (mut facts, data) = facts(entry, image || database || name == STATUS)?;
        if name == STATUS {
            let (packages, unfinished) = packages(&data);
            self.set("packages", packages);
            self.set("unfinished", unfinished.join(" "));
        } else if database && facts.contains_key("sha256") {
            facts.insert("records".to_owned(), gdbm::records(&data)?);
        } else if image && !data.is_empty() {
            // An image says more by what is in it, and its bytes less.
            let found = initramfs::read(&data)?;
            facts.remove("sha256");
            facts.remove("size");
            facts.insert("compression".to_owned(), found.compression);
            for (member, facts) in found.members {
                self.entries.insert(format!("{name}!{member}"), facts);
            }
        }
        self.entries.insert(name.to_owned(), facts);
        Ok(())
    }

    /// Says something about it.
    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.about.insert(name.to_owned(), value.to_string());
    }

    /// A number it says about itself; 0 if it does not.
    #[must_use]
    pub fn number(&self, name: &str) -> f64 {
        self.about
            .get(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or_default()
    }

    /// How many packages it has, and the names of those that are not installed wholly.
    #[must_use]
    pub fn unfinished(&self) -> (usize, Vec<String>) {
        let number = |name: &str| self.about.get(name).and_then(|value| value.parse().ok());
        let names = self.about.get("unfinished").map_or("", String::as_str);
        (
            number("packages").unwrap_or_default(),
            names.split_whitespace().map(str::to_owned).collect(),
        )
    }

    /// Reads one that was kept.
    ///
    /// # Errors
    /// When the file cannot be read or is no listing.
    pub fn read(path: &Path) -> Result<Self> {
        let file = zstd::Decoder::new(File::open(path).at(path)?).at(path)?;
        let mut listing = Self::default();
        for (at, line) in BufReader::new(file).lines().enumerate() {
            let line = line.at(path)?;
            if at == 0 {
                if line != FIRST {
                    return Err(Error::Machine(format!("{} is no listing", path.display())));
                }
            } else if let Some((name, value)) = line.strip_prefix("# ").and_then(|line| line.split_once('='))
            {
                listing.set(name, unescape(value));
            } else {
                let mut fields = line.split('\t');
                let name = unescape(fields.next().unwrap_or_default());
                let facts = fields.filter_map(|field| field.split_once('='));
                let facts = facts.map(|(name, value)| (unescape(name), unescape(value)));
                listing.entries.insert(name, facts.collect());
            }
        }
        Ok(listing)
    }

    /// Keeps it, so that it is whole or not there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let dir = path.parent().unwrap_or(Path::new("."));
        let part = tempfile::Builder::new()
            .prefix(".part-")
            .tempfile_in(dir)
            .at(dir)?;
        let mut out = zstd::Encoder::new(part.as_file(), 3).at(path)?;
        writeln!(out, "{FIRST}").at(path)?;
        for (name, value) in &self.about {
            writeln!(out, "# {name}={}", escape(value)).at(path)?;
        }
        for (name, facts) in &self.entries {
            let mut line = escape(name);
            if line.starts_with('#') {
                line.replace_range(..1, "\\h");
            }
            for (name, value) in facts {
                line += &format!("\t{}={}", escape(name), escape(value));
            }
            writeln!(out, "{line}").at(path)?;
        }
        out.finish().at(path)?;
        part.persist(path).map_err(|error| error.error).at(path)?;
        Ok(())
    }
}

/// The entries of a tar, by path without the leading `./`.
///
/// # Errors
/// When it is not a sound tar, or has no entries.
pub fn entries(path: &Path) -> Result<BTreeMap<String, Facts>> {
    Ok(Listing::of_tar(path)?.entries)
}

// The facts of an entry, and its content if it is wanted and a file.
fn facts<R: Read>(mut entry: tar::Entry<'_, R>, wanted: bool) -> std::io::Result<(Facts, Vec<u8>)> {
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
        let (major, minor) = (header.device_major()?, header.device_minor()?);
        set("device", format!("{}:{}", number(major), number(minor)));
    }
    let mut data = Vec::new();
    if matches!(kind, tar::EntryType::Regular | tar::EntryType::Continuous) {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = entry.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            let read = buffer.get(..count).unwrap_or_default();
            hash.update(read);
            if wanted {
                data.extend_from_slice(read);
            }
        }
        set("sha256", hex(&hash.finalize()));
    }
    Ok((facts, data))
}

// How many packages a status file names, and which of them are not installed wholly.
fn packages(status: &[u8]) -> (usize, Vec<String>) {
    let text = String::from_utf8_lossy(status);
    let (mut count, mut unfinished) = (0, Vec::new());
    let mut name = "";
    for line in text.lines() {
        if let Some(package) = line.strip_prefix("Package: ") {
            name = package;
            count += 1;
        } else if line
            .strip_prefix("Status: ")
            .is_some_and(|state| !state.ends_with(" ok installed"))
        {
            unfinished.push(name.to_owned());
        }
    }
    (count, unfinished)
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('h') => '#',
                other => other.unwrap_or('\\'),
            },
            other => other,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb::{Kind, directory, entry, tar};

    #[test]
    fn a_listing_that_is_kept_is_the_same() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let status = "Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: install ok unpacked\n";
        let entries = [
            directory("./", 0o755),
            entry("./#odd\tname\\x", Kind::File(b"a".to_vec()), 0o644),
            entry("./var/lib/dpkg/status", Kind::File(status.into()), 0o644),
            entry("./link=", Kind::Symlink("a=b\nc".to_owned()), 0o777),
        ];
        let tar_file = dir.path().join("a.tar");
        std::fs::write(&tar_file, tar(&entries, 7).expect("made")).expect("written");
        let mut listing = Listing::open(&tar_file).expect("a listing");
        assert_eq!(listing.unfinished(), (2, vec!["b".to_owned()]));
        listing.set("seconds", 1.5);
        let kept = dir.path().join(format!("a{SUFFIX}"));
        listing.write(&kept).expect("written");
        let read = Listing::open(&kept).expect("read");
        assert_eq!(read, listing);
        assert!(read.entries.contains_key("#odd\tname\\x"), "{read:?}");
        std::fs::write(&kept, zstd::encode_all(&b"else"[..], 3).expect("packed")).expect("written");
        assert!(Listing::open(&kept).is_err());
    }

    #[test]
    fn a_tar_that_is_cut_is_an_error() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("cut.tar");
        let whole = tar(&[entry("./a", Kind::File(vec![1; 2000]), 0o644)], 7).expect("made");
        std::fs::write(&path, &whole[..1000]).expect("written");
        assert!(Listing::of_tar(&path).is_err());
        std::fs::write(&path, [0; 1024]).expect("written");
        assert!(Listing::of_tar(&path).is_err(), "no entries");
    }
}
