//! Small packages, sound and otherwise.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A tar archive in the making.
#[derive(Clone, Debug, Default)]
pub struct Data(Vec<u8>);

/// Modification time of all entries, in seconds.
pub const TIME: u64 = 1_000_000;

impl Data {
    /// Adds an entry of tar's type `kind`. The caller changes the header at will, and the name is not checked.
    pub fn raw(mut self, name: &str, kind: u8, data: &[u8], change: impl Fn(&mut tar::Header)) -> Data {
        let mut header = tar::Header::new_gnu();
        if name.len() >= 100 {
            let mut long = tar::Header::new_gnu();
            long.as_old_mut().name[..13].copy_from_slice(b"././@LongLink");
            long.set_entry_type(tar::EntryType::new(b'L'));
            long.set_size(name.len() as u64 + 1);
            long.set_cksum();
            self.append(&long, &[name.as_bytes(), b"\0"].concat());
        }
        let short = &name.as_bytes()[..name.len().min(99)];
        header.as_old_mut().name[..short.len()].copy_from_slice(short);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_mode(if kind == b'5' { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(TIME);
        header.set_size(data.len() as u64);
        change(&mut header);
        header.set_cksum();
        self.append(&header, data);
        self
    }

    fn append(&mut self, header: &tar::Header, data: &[u8]) {
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    /// Adds a file of mode 0644.
    pub fn file(self, name: &str, data: &str) -> Data {
        self.raw(name, b'0', data.as_bytes(), |_| {})
    }

    /// Adds a directory of mode 0755.
    pub fn dir(self, name: &str) -> Data {
        self.raw(name, b'5', b"", |_| {})
    }

    /// Adds a link, of tar's type `1` (hard) or `2` (symbolic).
    pub fn link(self, name: &str, kind: u8, to: &str) -> Data {
        self.raw(name, kind, b"", |header| {
            header.set_link_name_literal(to).unwrap()
        })
    }

    /// Returns the archive with the blocks that end it.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// A package in the making.
#[derive(Clone, Debug)]
pub struct Deb {
    /// The control file.
    pub control: String,
    /// The other files of the control member, by name.
    pub files: BTreeMap<String, String>,
    /// The data member.
    pub data: Data,
    /// Compression of the data member, as the extension of its name: one of [`compress`].
    pub extension: &'static str,
}

impl Deb {
    /// Begins the package `name`, version 1.0, for riscv64.
    pub fn new(name: &str, data: Data) -> Deb {
        let control = format!(
            "Package: {name}\nVersion: 1.0\nArchitecture: riscv64\nMaintainer: A <a@example.org>\n\
             Description: test\n"
        );
        Deb {
            control,
            files: BTreeMap::new(),
            data,
            extension: ".xz",
        }
    }

    /// Adds a line to the control file.
    pub fn field(mut self, line: &str) -> Deb {
        self.control.push_str(line);
        self.control.push('\n');
        self
    }

    /// Adds a file to the control member; maintainer scripts are executable.
    pub fn with(mut self, name: &str, contents: &str) -> Deb {
        self.files.insert(name.to_owned(), contents.to_owned());
        self
    }

    /// Returns the archive of the control member.
    pub fn control_tar(&self) -> Vec<u8> {
        let mut tar = Data::default().dir("./").file("./control", &self.control);
        for (name, contents) in &self.files {
            let script = ["preinst", "postinst", "prerm", "postrm"].contains(&name.as_str());
            tar = tar.raw(&format!("./{name}"), b'0', contents.as_bytes(), |header| {
                header.set_mode(if script { 0o755 } else { 0o644 });
            });
        }
        tar.finish()
    }

    /// Returns the package file.
    pub fn bytes(&self) -> Vec<u8> {
        let data = compress(&self.data.clone().finish(), self.extension);
        ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", &compress(&self.control_tar(), ".gz")),
            (&format!("data.tar{}", self.extension), &data),
        ])
    }

    /// Writes the package file and returns its path.
    pub fn write(&self, directory: &Path, name: &str) -> PathBuf {
        write(directory, name, &self.bytes())
    }
}

/// Writes a file into a directory and returns its path.
pub fn write(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Returns an ar archive of these members.
pub fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ar::Builder::new(Vec::new());
    for (name, data) in members {
        let header = ar::Header::new(name.as_bytes().to_vec(), data.len() as u64);
        archive.append(&header, *data).unwrap();
    }
    archive.into_inner().unwrap()
}

/// Compresses data: `.gz`, `.xz`, `.bz2`, `.lzma`, `.lz4`, `.zst`; with any other extension it stays as it is.
pub fn compress(data: &[u8], extension: &str) -> Vec<u8> {
    match extension {
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        ".bz2" => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        ".lzma" => {
            let options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
            let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
            let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        ".lz4" => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        ".zst" => zstd::encode_all(data, 1).unwrap(),
        _ => data.to_vec(),
    }
}
