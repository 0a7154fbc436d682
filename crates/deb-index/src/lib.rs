//! `Packages` indexes in a form that need not be parsed again.
//!
//! A [`Packages`] is the text of an index and a table over it: for each package
//! its name, version, architecture and the position of its paragraph, and two
//! lists sorted by name, of the names packages provide and of the first mentions
//! of a name in relations. Of the text only the paragraphs of packages that are
//! looked at closer are read: some hundred of some seventy thousand.
//! [`Packages::of_cache`] keeps the table beside the index from run to run.
//!
//! ```
//! let packages = deb_index::Packages::parse(
//!     "Package: hello\nVersion: 2.10-3\nArchitecture: amd64\nDepends: libc6 (>= 2.34)\n\n\
//!      Package: mawk\nVersion: 1.3.4-1\nArchitecture: amd64\nProvides: awk\n",
//! )?;
//! let names: Vec<&str> = packages.records().map(|record| record.name).collect();
//! assert_eq!(names, ["hello", "mawk"]);
//! assert_eq!(packages.providers("awk").collect::<Vec<_>>(), [1]);
//! assert!(packages.mention("libc6").is_some());
//! # Ok::<(), deb_index::Malformed>(())
//! ```

mod index_builder;
mod index_table;
mod input;
#[cfg(test)]
mod tests;

use deb_types::control::Fields;
use file_mapping::FileMap;
pub use index_builder::names_in;
use index_table::IndexTable;
pub use index_table::{FirstMentions, IndexRecord, Mention};
pub use input::{DEFAULT_PRIORITY, IndexInput};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// Bytes mapped from a file of the cache, or owned.
enum IndexBytes {
    Owned(Vec<u8>),
    Mapped(FileMap),
}

impl IndexBytes {
    fn of_file(path: &Path) -> io::Result<Self> {
        Self::of_open(&File::open(path)?)
    }

    fn of_open(file: &File) -> io::Result<Self> {
        // An empty file cannot be mapped.
        if file.metadata()?.len() == 0 {
            return Ok(Self::Owned(Vec::new()));
        }
        Ok(Self::Mapped(FileMap::open(file)?))
    }

    /// Tells the kernel not to read the pages around those that are read (madvise(2), `MADV_RANDOM`).
    fn advise_random(&self) {
        if let Self::Mapped(map) = self {
            map.advise_random();
        }
    }
}

impl IndexBytes {
    /// Gives the memory of mapped pages back to the kernel.
    fn forget(&self) {
        if let Self::Mapped(map) = self {
            map.forget();
        }
    }
}

impl Deref for IndexBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Mapped(map) => map,
        }
    }
}

/// A `Packages` index. Cloning shares it.
#[derive(Clone)]
pub struct Packages(Arc<Parts>);

struct Parts {
    text: IndexBytes,
    table: IndexTable,
}

/// An error in the text of an index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Malformed {
    /// Number of the line, from 1.
    pub line: usize,
    /// Description of the error.
    pub what: String,
}

/// The reason why an index of the cache cannot be used.
#[derive(Debug)]
pub enum Unusable {
    /// The file cannot be read.
    Unreadable(io::Error),
    /// The file is no index.
    Malformed(Malformed),
}

impl Packages {
    /// Gives the memory of mapped pages back to the kernel, which reads them again when they are needed.
    pub fn forget(&self) {
        self.0.text.forget();
        self.0.table.forget();
    }

    /// Parses the text of an index.
    ///
    /// # Errors
    /// [`Malformed`] for a text that is no index.
    pub fn parse(text: impl Into<String>) -> Result<Self, Malformed> {
        let text = text.into();
        let table = index_builder::table(&text)?;
        Ok(Self(Arc::new(Parts {
            text: IndexBytes::Owned(text.into_bytes()),
            table: IndexTable::new(IndexBytes::Owned(table)),
        })))
    }

    /// Parses an index that may not be UTF-8 throughout: archives of the last century
    /// have Latin-1 in descriptions.
    ///
    /// # Errors
    /// [`Malformed`] for a text that is no index.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::parse(String::from_utf8_lossy(bytes))
    }

    /// Opens a verified index of the cache with its table in the file `kept`. A table that is missing or does not fit
    /// is made and written there.
    ///
    /// # Errors
    /// [`Unusable`] for the index. A table that cannot be written is no error.
    pub fn of_cache(index: &Path, kept: &Path) -> Result<Self, Unusable> {
        let text = IndexBytes::of_file(index).map_err(Unusable::Unreadable)?;
        if let Some(table) = kept_table(kept, text.len()) {
            text.advise_random();
            return Ok(Self(Arc::new(Parts { text, table })));
        }
        let Ok(valid) = std::str::from_utf8(&text) else {
            // The table of a mended text would not fit the file.
            let scratch = index.parent().unwrap_or(Path::new("."));
            return Self::of_mended(&text, scratch);
        };
        let table = index_builder::table(valid).map_err(Unusable::Malformed)?;
        let table = match keep(kept, &table) {
            // The kernel can take back pages mapped from a file.
            Ok(()) => IndexBytes::of_file(kept).unwrap_or(IndexBytes::Owned(table)),
            Err(error) => {
                tracing::debug!(path = %kept.display(), %error, "a parsed index cannot be kept");
                IndexBytes::Owned(table)
            }
        };
        let table = IndexTable::new(table);
        // The pages that parsing has read are given back.
        drop(text);
        let text = IndexBytes::of_file(index).map_err(Unusable::Unreadable)?;
        text.advise_random();
        Ok(Self(Arc::new(Parts { text, table })))
    }

    /// Reads an index from a file without a name, which nobody else writes; `scratch` is a directory for another such
    /// file.
    ///
    /// # Errors
    /// [`Unusable`] for the index.
    pub fn of_unnamed(file: &File, scratch: &Path) -> Result<Self, Unusable> {
        let text = IndexBytes::of_open(file).map_err(Unusable::Unreadable)?;
        let Ok(valid) = std::str::from_utf8(&text) else {
            return Self::of_mended(&text, scratch);
        };
        let table = IndexTable::new(IndexBytes::Owned(
            index_builder::table(valid).map_err(Unusable::Malformed)?,
        ));
        text.forget();
        text.advise_random();
        Ok(Self(Arc::new(Parts { text, table })))
    }

    /// Reads an index that is not UTF-8 throughout, mended, by way of a file without a name in `scratch`: it may be too
    /// large for memory.
    fn of_mended(bytes: &[u8], scratch: &Path) -> Result<Self, Unusable> {
        let mended = || -> io::Result<File> {
            let file = tempfile::tempfile_in(scratch)?;
            let mut out = io::BufWriter::with_capacity(1 << 18, &file);
            for chunk in bytes.utf8_chunks() {
                out.write_all(chunk.valid().as_bytes())?;
                if !chunk.invalid().is_empty() {
                    write!(out, "{}", char::REPLACEMENT_CHARACTER)?;
                }
            }
            out.flush()?;
            drop(out);
            Ok(file)
        };
        Self::of_unnamed(&mended().map_err(Unusable::Unreadable)?, scratch)
    }

    /// Returns the number of packages.
    pub fn len(&self) -> usize {
        self.0.table.len()
    }

    /// Whether there is no package.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the packages in the order of the index.
    pub fn records(&self) -> impl Iterator<Item = IndexRecord<'_>> {
        self.0.table.records()
    }

    /// Returns the paragraph at a position ([`IndexRecord::stanza`]), as it stands in the index.
    pub fn stanza(&self, place: [u32; 2]) -> &str {
        let [begin, length] = place.map(|word| usize::try_from(word).unwrap_or(usize::MAX));
        let bytes = begin
            .checked_add(length)
            .and_then(|end| self.0.text.get(begin..end));
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }

    /// Returns the numbers of the packages that provide a name, the last one first.
    pub fn providers(&self, name: &str) -> impl Iterator<Item = usize> {
        self.0.table.providers(name)
    }

    /// Returns the first mentions of a name in relations.
    pub fn mention(&self, name: &str) -> Option<FirstMentions> {
        self.0.table.mention(name)
    }

    /// Whether there are packages for several architectures, `all` not counted.
    pub fn is_mixed(&self) -> bool {
        self.0.table.is_mixed()
    }

    /// Returns the architecture of the packages that are not for `all`; the first one of several.
    pub fn architecture(&self) -> Option<&str> {
        self.0.table.architecture()
    }

    /// The whole text.
    pub fn text(&self) -> &[u8] {
        &self.0.text
    }
}

impl fmt::Debug for Packages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packages({} packages)", self.len())
    }
}

/// Returns the relation fields of a paragraph, each with its number in apt's order (from 1) and its list.
pub fn relations(stanza: &str) -> impl Iterator<Item = (u8, &str)> {
    Fields::of(stanza).filter_map(|(field, value)| Some((index_builder::relation_field(field)?, value)))
}

/// Returns the table kept in a file, if it is whole and made of a text of `text` bytes.
fn kept_table(path: &Path, text: usize) -> Option<IndexTable> {
    let bytes = IndexBytes::of_file(path).ok()?;
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if Sha256::digest(content).as_slice() != sum {
        return None;
    }
    Some(IndexTable::new(bytes)).filter(|table| table.fits(text))
}

/// Writes a file whole or not at all: under a temporary name first, then renamed. Makes the directory if it is missing.
///
/// # Errors
/// Those of writing and renaming.
pub fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}
