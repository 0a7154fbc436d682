//! Makes .deb files (deb(5)), sound ones and hostile ones.

use std::io::Write as _;
use std::sync::Arc;

use md5::{Digest as _, Md5};

use crate::{Error, Result};

/// How a member of a .deb is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// `.tar`
    None,
    /// `.tar.gz`
    Gzip,
    /// `.tar.xz`
    #[default]
    Xz,
    /// `.tar.zst`
    Zstd,
}

impl Compression {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Gzip, Self::Xz, Self::Zstd];

    /// The end of the member's name.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
        }
    }

    /// Compresses `data`.
    ///
    /// # Errors
    /// When the compressor fails.
    pub fn compress(self, data: &[u8]) -> Result<Vec<u8>> {
        let done = match self {
            Self::None => Ok(data.to_vec()),
            Self::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                writer.write_all(data).and_then(|()| writer.finish())
            }
            Self::Xz => {
                let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
                writer.write_all(data).and_then(|()| writer.finish())
            }
            Self::Zstd => zstd::encode_all(data, 1),
        };
        done.map_err(|source| Error::Tar {
            name: format!("member{}", self.suffix()),
            source,
        })
    }
}

/// What an entry of the data member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file with this content.
    File(Vec<u8>),
    /// A regular file of this many zero bytes.
    Zeros(u64),
    /// A directory.
    Directory,
    /// A symbolic link with this text.
    Symlink(String),
    /// A hard link to the entry of this name.
    Hardlink(String),
    /// A character device.
    CharDevice(u32, u32),
    /// A block device.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// One entry of the data member. The name is written as it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name in the tar, such as `./usr/bin/true`; hostile ones allowed.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Permissions, set-id and sticky bits.
    pub mode: u32,
    /// Numeric owner and group.
    pub owner: (u64, u64),
    /// Names of owner and group; empty ones are looked up by nobody.
    pub names: (String, String),
}

/// A package to be made.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// Further control fields, in order.
    pub fields: Vec<(String, String)>,
    /// Further files of the control member: name, content, mode.
    pub control_files: Vec<(String, Vec<u8>, u32)>,
    /// The data member.
    pub entries: Vec<Entry>,
    /// Compression of the control member.
    pub control_compression: Compression,
    /// Compression of the data member.
    pub data_compression: Compression,
    /// What the control file in the .deb says instead of the index's words.
    pub control_override: Option<String>,
    /// Modification time of all entries.
    pub mtime: u64,
    built: Option<Arc<Vec<u8>>>,
}

impl Package {
    /// A package with nothing in it but its root directory.
    #[must_use]
    pub fn new(name: &str, version: &str, architecture: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: architecture.to_owned(),
            fields: Vec::new(),
            control_files: Vec::new(),
            entries: vec![directory("./", 0o755)],
            control_compression: Compression::Xz,
            data_compression: Compression::Xz,
            control_override: None,
            mtime: 1_600_000_000,
            built: None,
        }
    }

    /// Adds a control field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Marks the package essential.
    #[must_use]
    pub fn essential(self) -> Self {
        self.field("Essential", "yes").field("Priority", "required")
    }

    /// Adds a maintainer script.
    #[must_use]
    pub fn script(self, name: &str, text: &str) -> Self {
        self.control_file(name, text.as_bytes(), 0o755)
    }

    /// Adds a file to the control member.
    #[must_use]
    pub fn control_file(mut self, name: &str, content: &[u8], mode: u32) -> Self {
        self.control_files.push((name.to_owned(), content.to_vec(), mode));
        self
    }

    /// Adds a regular file, with its parents, at a path without the leading `./`.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>, mode: u32) -> Self {
        self.parents(path);
        self.entries
            .push(entry(&format!("./{path}"), Kind::File(content.into()), mode));
        self
    }

    /// Adds a directory, with its parents.
    #[must_use]
    pub fn dir(mut self, path: &str) -> Self {
        self.parents(&format!("{path}/x"));
        self
    }

    /// Adds a symbolic link, with its parents.
    #[must_use]
    pub fn link(mut self, path: &str, text: &str) -> Self {
        self.parents(path);
        self.entries
            .push(entry(&format!("./{path}"), Kind::Symlink(text.to_owned()), 0o777));
        self
    }

    /// Adds an entry as it is.
    #[must_use]
    pub fn entry(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Sets the data member's compression.
    #[must_use]
    pub fn compressed(mut self, control: Compression, data: Compression) -> Self {
        self.control_compression = control;
        self.data_compression = data;
        self
    }

    fn parents(&mut self, path: &str) {
        for (at, _) in path.match_indices('/') {
            let name = format!("./{}/", &path[..at]);
            if !self.entries.iter().any(|entry| entry.name == name) {
                self.entries.push(directory(&name, 0o755));
            }
        }
    }

    /// The control paragraph, as in the .deb and (before the file fields) in the index.
    #[must_use]
    pub fn control(&self) -> String {
        let mut text = format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\nMaintainer: Test <test@example.org>\n",
            self.name, self.version, self.architecture
        );
        for (name, value) in &self.fields {
            text += &format!("{name}: {value}\n");
        }
        text + "Description: synthetic package\n"
    }

    /// The name of the .deb in the pool.
    #[must_use]
    pub fn file_name(&self) -> String {
        let version = self
            .version
            .split_once(':')
            .map_or(self.version.as_str(), |(_, rest)| rest);
        format!("pool/main/{}_{version}_{}.deb", self.name, self.architecture)
    }

    /// The .deb.
    ///
    /// # Errors
    /// When a compressor or the tar writer fails.
    pub fn build(&self) -> Result<Arc<Vec<u8>>> {
        match &self.built {
            Some(deb) => Ok(Arc::clone(deb)),
            None => Ok(Arc::new(self.make()?)),
        }
    }

    /// Builds the .deb now and keeps it: what is changed later is not seen.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn prebuilt(mut self) -> Result<Self> {
        self.built = Some(self.build()?);
        self.entries.clear();
        Ok(self)
    }

    /// The package as a file that was made elsewhere.
    #[must_use]
    pub fn as_file(mut self, bytes: Vec<u8>) -> Self {
        self.built = Some(Arc::new(bytes));
        self.entries.clear();
        self
    }

    fn make(&self) -> Result<Vec<u8>> {
        let control = self.control_override.clone().unwrap_or_else(|| self.control());
        let mut entries = vec![
            directory("./", 0o755),
            entry("./control", Kind::File(control.into_bytes()), 0o644),
        ];
        if !self.control_files.iter().any(|(name, ..)| name == "md5sums") {
            entries.push(entry("./md5sums", Kind::File(self.md5sums().into_bytes()), 0o644));
        }
        for (name, content, mode) in &self.control_files {
            entries.push(entry(&format!("./{name}"), Kind::File(content.clone()), *mode));
        }
        let control = self.control_compression.compress(&tar(&entries, self.mtime)?)?;
        let data = self.data()?;
        members(&[
            ("debian-binary", b"2.0\n"),
            (
                &format!("control.tar{}", self.control_compression.suffix()),
                &control,
            ),
            (&format!("data.tar{}", self.data_compression.suffix()), &data),
        ])
    }

    // A member that expands without end must not be held in memory whole.
    fn data(&self) -> Result<Vec<u8>> {
        let fail = |source| Error::Tar {
            name: self.name.clone(),
            source,
        };
        match self.data_compression {
            Compression::None => tar(&self.entries, self.mtime),
            Compression::Gzip => {
                let writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                write_tar(writer, &self.entries, self.mtime)?
                    .finish()
                    .map_err(fail)
            }
            Compression::Xz => {
                let writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
                write_tar(writer, &self.entries, self.mtime)?
                    .finish()
                    .map_err(fail)
            }
            Compression::Zstd => {
                let writer = zstd::stream::write::Encoder::new(Vec::new(), 1).map_err(fail)?;
                write_tar(writer, &self.entries, self.mtime)?
                    .finish()
                    .map_err(fail)
            }
        }
    }

    fn md5sums(&self) -> String {
        let conffiles = self.control_files.iter().find(|(name, ..)| name == "conffiles");
        let conffiles = conffiles.map_or(String::new(), |(_, text, _)| {
            String::from_utf8_lossy(text).into_owned()
        });
        let mut text = String::new();
        for entry in &self.entries {
            let path = entry.name.trim_start_matches("./");
            if let Kind::File(content) = &entry.kind
                && !conffiles.lines().any(|line| line.trim_start_matches('/') == path)
            {
                text += &format!("{}  {path}\n", hex(&Md5::digest(content)));
            }
        }
        text
    }
}

/// An entry owned by root.
#[must_use]
pub fn entry(name: &str, kind: Kind, mode: u32) -> Entry {
    let root = || "root".to_owned();
    Entry {
        name: name.to_owned(),
        kind,
        mode,
        owner: (0, 0),
        names: (root(), root()),
    }
}

/// A directory owned by root; its name ends in a slash.
#[must_use]
pub fn directory(name: &str, mode: u32) -> Entry {
    entry(name, Kind::Directory, mode)
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An ar archive with these members, as a .deb is.
///
/// # Errors
/// When a name cannot be written.
pub fn members(members: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut builder = ar::Builder::new(Vec::new());
    for (name, data) in members {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), data.len() as u64);
        header.set_mode(0o100_644);
        builder.append(&header, *data).map_err(|source| Error::Tar {
            name: (*name).to_owned(),
            source,
        })?;
    }
    builder.into_inner().map_err(|source| Error::Tar {
        name: "ar".to_owned(),
        source,
    })
}

/// A tar with these entries, GNU format as dpkg-deb writes it.
///
/// # Errors
/// When the writer fails.
pub fn tar(entries: &[Entry], mtime: u64) -> Result<Vec<u8>> {
    write_tar(Vec::new(), entries, mtime)
}

fn write_tar<W: std::io::Write>(writer: W, entries: &[Entry], mtime: u64) -> Result<W> {
    let mut builder = tar::Builder::new(writer);
    for entry in entries {
        append(&mut builder, entry, mtime).map_err(|source| Error::Tar {
            name: entry.name.clone(),
            source,
        })?;
    }
    builder.into_inner().map_err(|source| Error::Tar {
        name: "end".to_owned(),
        source,
    })
}

// Names go into the header as bytes: the tar crate would refuse the hostile ones.
fn append<W: std::io::Write>(
    builder: &mut tar::Builder<W>,
    entry: &Entry,
    mtime: u64,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(entry.owner.0);
    header.set_gid(entry.owner.1);
    header.set_mtime(mtime);
    header.set_username(&entry.names.0)?;
    header.set_groupname(&entry.names.1)?;
    let mut link = "";
    let mut size = 0;
    let kind = match &entry.kind {
        Kind::File(content) => {
            size = content.len() as u64;
            tar::EntryType::Regular
        }
        Kind::Zeros(length) => {
            size = *length;
            tar::EntryType::Regular
        }
        Kind::Directory => tar::EntryType::Directory,
        Kind::Symlink(text) => {
            link = text;
            tar::EntryType::Symlink
        }
        Kind::Hardlink(name) => {
            link = name;
            tar::EntryType::Link
        }
        Kind::CharDevice(..) => tar::EntryType::Char,
        Kind::BlockDevice(..) => tar::EntryType::Block,
        Kind::Fifo => tar::EntryType::Fifo,
    };
    if let Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) = &entry.kind {
        header.set_device_major(*major)?;
        header.set_device_minor(*minor)?;
    }
    header.set_entry_type(kind);
    header.set_size(size);
    if entry.name.len() > 100 {
        long_name(builder, b'L', &entry.name)?;
    }
    if link.len() > 100 {
        long_name(builder, b'K', link)?;
    }
    let old = header.as_old_mut();
    put(&mut old.name, &entry.name);
    put(&mut old.linkname, link);
    header.set_cksum();
    match &entry.kind {
        Kind::File(content) => builder.append(&header, content.as_slice()),
        Kind::Zeros(length) => builder.append(&header, std::io::Read::take(std::io::repeat(0), *length)),
        _ => builder.append(&header, std::io::empty()),
    }
}

fn put(field: &mut [u8; 100], text: &str) {
    for (to, from) in field.iter_mut().zip(text.bytes()) {
        *to = from;
    }
}

fn long_name<W: std::io::Write>(builder: &mut tar::Builder<W>, kind: u8, name: &str) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::new(kind));
    put(&mut header.as_old_mut().name, "././@LongLink");
    let mut data = name.as_bytes().to_vec();
    data.push(0);
    header.set_size(data.len() as u64);
    header.set_cksum();
    builder.append(&header, data.as_slice())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn dpkg_deb(option: &str, deb: &[u8]) -> (bool, String) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("p.deb");
        std::fs::write(&path, deb).expect("written");
        let done = Command::new("dpkg-deb")
            .arg(option)
            .arg(&path)
            .output()
            .expect("dpkg-deb runs");
        (
            done.status.success(),
            String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr),
        )
    }

    #[test]
    fn dpkg_deb_reads_every_compression() {
        // Debian 12's dpkg-deb reads all four.
        for compression in Compression::ALL {
            let long = format!("usr/share/{}/file", "directory-with-a-name".repeat(6));
            let deb = Package::new("one", "1:2-3", "all")
                .field("Depends", "two")
                .script("postinst", "#!/bin/sh\n")
                .file("usr/bin/tool", "text", 0o4755)
                .file(&long, "x", 0o644)
                .link("usr/bin/link", "tool")
                .compressed(compression, compression)
                .build()
                .expect("built");
            let (fine, said) = dpkg_deb("--info", &deb);
            assert!(
                fine && said.contains("Depends: two") && said.contains("postinst"),
                "{said}"
            );
            let (fine, said) = dpkg_deb("--contents", &deb);
            assert!(
                fine && said.contains("-rwsr-xr-x root/root         4") && said.contains(&long),
                "{said}"
            );
            assert!(said.contains("link -> tool"), "{said}");
        }
    }

    #[test]
    fn hostile_names_are_written_as_given() {
        let deb = Package::new("bad", "1", "all")
            .entry(entry("../x", Kind::File(b"x".to_vec()), 0o644))
            .entry(entry("/etc/x", Kind::File(b"x".to_vec()), 0o644))
            .entry(entry("./dev/sda", Kind::BlockDevice(8, 0), 0o660))
            .build()
            .expect("built");
        let (fine, said) = dpkg_deb("--contents", &deb);
        assert!(fine, "{said}");
        for words in [" ../x", " /etc/x", "8,0"] {
            assert!(said.contains(words), "{words} in {said}");
        }
    }

    #[test]
    fn an_endless_member_stays_small_here() {
        let deb = Package::new("endless", "1", "all")
            .entry(entry("./zeros", Kind::Zeros(64 << 20), 0o644))
            .compressed(Compression::Xz, Compression::Zstd)
            .build()
            .expect("built");
        assert!(deb.len() < 64 << 10, "{}", deb.len());
    }
}
