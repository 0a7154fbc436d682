//! Format of `/etc/ld.so.cache` (`glibc-ld.so.cache1.1`, `dl-cache.h` of glibc).
//!
//! A header, an entry of [`ENTRY`] bytes for each library, the strings, and extensions: names of subdirectories
//! of `glibc-hwcaps`, and the program that wrote the file. Numbers have the byte order of the architecture.

use rootless_install_fs::Error;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::root::Root;

/// Path of the cache.
pub(crate) const PATH: &str = "/etc/ld.so.cache";
/// First bytes of a cache in this format.
pub(crate) const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// Bytes of the header.
pub(crate) const HEADER: usize = 48;
/// Bytes of an entry.
pub(crate) const ENTRY: usize = 24;
/// First word of the extensions.
pub(crate) const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
/// Mark of an entry whose capabilities are a name in the extensions.
pub(crate) const NAMED: u64 = 1 << 62;

/// Most bytes of a cache that are read; one of ten thousand libraries has about a megabyte.
const LARGEST: u64 = 256 << 20;

/// Reads the file that a path leads to.
pub(crate) fn read(root: &Root<'_>, path: &[u8]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    root.open_file(path)?
        .take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Io {
            action: "read",
            path: PathBuf::from(OsStr::from_bytes(path)),
            source,
        })?;
    Ok(bytes)
}

/// The bytes of a cache, or of one of its entries, read within their bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheBytes<'b> {
    /// The bytes.
    pub(crate) bytes: &'b [u8],
    /// Whether the most significant byte of a number comes first.
    pub(crate) big_endian: bool,
}

/// The extensions of a cache.
#[derive(Debug, Default)]
pub(crate) struct Extensions<'b> {
    /// Offsets of names below `glibc-hwcaps`.
    pub(crate) hwcaps: Vec<u32>,
    /// Name of the program that wrote the file.
    pub(crate) generator: Option<&'b [u8]>,
}

impl<'b> CacheBytes<'b> {
    /// Returns the number at an offset.
    pub(crate) fn u32(&self, at: usize) -> Option<u32> {
        let bytes: [u8; 4] = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    /// Returns the number at an offset as an offset or size.
    pub(crate) fn size(&self, at: usize) -> Option<usize> {
        usize::try_from(self.u32(at)?).ok()
    }

    /// Returns the string at an offset.
    pub(crate) fn string(&self, at: usize) -> Option<&'b [u8]> {
        self.bytes.get(at..)?.split(|&b| b == 0).next()
    }

    /// Returns the entries, as many as the header says and the file has.
    pub(crate) fn entries(&self) -> Option<impl Iterator<Item = CacheBytes<'b>> + use<'b>> {
        let big_endian = self.big_endian;
        let rows = self.bytes.get(HEADER..)?.chunks_exact(ENTRY).take(self.size(20)?);
        Some(rows.map(move |bytes| CacheBytes { bytes, big_endian }))
    }

    /// Returns the extensions; `None` if they are damaged.
    pub(crate) fn extensions(&self) -> Option<Extensions<'b>> {
        let start = self.size(32)?;
        let mut extensions = Extensions::default();
        if start == 0 {
            return Some(extensions);
        }
        if start % 4 != 0 || self.u32(start)? != EXTENSION_MAGIC {
            return None;
        }
        for number in 0..self.size(start.checked_add(4)?)? {
            let section = number.checked_mul(16)?.checked_add(start)?.checked_add(8)?;
            let (tag, offset, size) = (
                self.u32(section)?,
                self.size(section + 8)?,
                self.size(section + 12)?,
            );
            let data = self.bytes.get(offset..offset.checked_add(size)?)?;
            match tag {
                0 => extensions.generator = Some(data),
                1 if offset % 4 == 0 && size % 4 == 0 => {
                    extensions.hwcaps = (0..size / 4).filter_map(|n| self.u32(offset + 4 * n)).collect();
                }
                _ => {}
            }
        }
        Some(extensions)
    }
}
