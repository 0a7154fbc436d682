//! Archives of which a test writes each file (DebianRepository/Format).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::archive::{SUITE, date};
use crate::deb::{Compression, Package, hex};
use crate::error::At as _;
use crate::keys::Key;
use crate::{Error, Result};

/// Forms of an index, by the ends of their names.
pub const FORMS: [&str; 6] = [".gz", ".xz", ".zst", ".bz2", ".lzma", ""];

/// How a Release file is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// In itself, as InRelease.
    Inline,
    /// By Release.gpg.
    Detached,
    /// Not at all.
    Not,
}

/// A directory that becomes an archive, and its key.
#[derive(Debug)]
pub struct Repository {
    /// The directory.
    pub root: PathBuf,
    /// The key that signs.
    pub key: Key,
    /// Seconds from now to `Date`.
    pub made: i64,
    /// Field of the Release file that has the checksums: `SHA256` or `MD5Sum`.
    pub sums: &'static str,
}

impl Repository {
    /// An empty one.
    ///
    /// # Errors
    /// When there is no key, or the keyring cannot be written.
    pub fn new(root: &Path) -> Result<Self> {
        let made = Self {
            root: root.to_owned(),
            key: Key::sound()?,
            made: -3600,
            sums: "SHA256",
        };
        made.write("key.gpg", &made.key.keyring()?)?;
        Ok(made)
    }

    /// The keyring.
    #[must_use]
    pub fn keyring(&self) -> PathBuf {
        self.root.join("key.gpg")
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        let parent = path.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(parent).at(parent)?;
        std::fs::write(&path, content).at(&path)
    }

    /// Writes packages, and returns their index.
    ///
    /// # Errors
    /// When a file cannot be made or written.
    pub fn packages(&self, packages: &[Package]) -> Result<String> {
        let mut text = String::new();
        for package in packages {
            let (deb, name) = (package.build()?, package.file_name());
            self.write(&name, &deb)?;
            text += &format!(
                "{}Filename: {name}\nSize: {}\nSHA256: {}\n\n",
                package.control(),
                deb.len(),
                hex(&Sha256::digest(&*deb))
            );
        }
        Ok(text)
    }

    /// Writes an index of a component in one form, and returns its path below the suite.
    ///
    /// # Errors
    /// When it cannot be compressed or written.
    pub fn index(&self, architecture: &str, text: &str, form: &str) -> Result<String> {
        let name = format!("main/binary-{architecture}/Packages{form}");
        self.write(
            &format!("dists/{SUITE}/{name}"),
            &compressed(text.as_bytes(), form)?,
        )?;
        Ok(name)
    }

    /// Writes a Release file for files below `directory`, which are there, with these `fields`.
    ///
    /// # Errors
    /// When it cannot be signed or written.
    pub fn release(&self, directory: &str, files: &[&str], fields: &str, signed: Signed) -> Result<()> {
        let text = self.text(directory, files, fields)?;
        match signed {
            Signed::Inline => self.write(&format!("{directory}InRelease"), &self.key.clearsign(&text)?),
            Signed::Detached => {
                self.write(&format!("{directory}Release.gpg"), &self.key.detached(&text)?)?;
                self.write(&format!("{directory}Release"), text.as_bytes())
            }
            Signed::Not => self.write(&format!("{directory}Release"), text.as_bytes()),
        }
    }

    /// The text of a Release file.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn text(&self, directory: &str, files: &[&str], fields: &str) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs().cast_signed());
        let mut text = format!(
            "Origin: Own\nLabel: Own\nSuite: {SUITE}\nCodename: own\nDate: {}\nComponents: main\n{fields}{}:\n",
            date(now + self.made),
            self.sums
        );
        for name in files {
            let path = self.root.join(directory).join(name);
            let content = std::fs::read(&path).at(&path)?;
            let sum = match self.sums {
                "MD5Sum" => hex(&Md5::digest(&content)),
                _ => hex(&Sha256::digest(&content)),
            };
            text += &format!(" {sum} {} {name}\n", content.len());
        }
        Ok(text)
    }
}

/// Compresses an index to the form with this end of its name.
///
/// # Errors
/// When the compressor fails, or is not there.
pub fn compressed(data: &[u8], form: &str) -> Result<Vec<u8>> {
    let program = match form {
        ".gz" => return Compression::Gzip.compress(data),
        ".xz" => return Compression::Xz.compress(data),
        ".zst" => return Compression::Zstd.compress(data),
        ".bz2" => ["bzip2", "--stdout"],
        ".lzma" => ["xz", "--format=lzma"],
        _ => return Ok(data.to_vec()),
    };
    let failed = |what: String| Error::Command {
        command: program.join(" "),
        what,
    };
    let mut input = tempfile::tempfile().map_err(|error| failed(error.to_string()))?;
    let written =
        std::io::Write::write_all(&mut input, data).and_then(|()| std::io::Seek::rewind(&mut input));
    written.map_err(|error| failed(error.to_string()))?;
    let [name, option] = program;
    let done = Command::new(name)
        .arg(option)
        .stdin(input)
        .stderr(Stdio::inherit())
        .output();
    let done = done.map_err(|error| failed(error.to_string()))?;
    match done.status.success() {
        true => Ok(done.stdout),
        false => Err(failed(done.status.to_string())),
    }
}
