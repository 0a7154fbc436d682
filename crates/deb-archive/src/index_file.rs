//! One index file: its URLs and its compression. It is never decompressed beyond the size that was signed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use url::Url;

use super::package_file::{join, show};
use super::release::Release;
use super::suite_release::{Suite, suite_path};
use super::{ArchiveError, Fetcher, PackageFile, Result};
use deb_index::{Malformed, Packages, Unusable};
use deb_types::hex;

/// Limit for the memory of an xz decoder in bytes; `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;
/// Largest index in bytes, whatever its Release file says.
const INDEX_LIMIT: u64 = 4 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    Xz,
    Gzip,
    None,
}

/// An index that a Release file names.
#[derive(Debug)]
pub(super) struct IndexFile<'a> {
    pub(super) suite: &'a Suite<'a>,
    pub(super) release: &'a Release,
    pub(super) component: &'a str,
    pub(super) arch: &'a str,
    /// The file to download, compressed or not.
    pub(super) packed: PackageFile,
    compression: Compression,
    /// Size and SHA-256 of the uncompressed index, if the Release file has them.
    plain: Option<(u64, [u8; 32])>,
}

impl<'a> IndexFile<'a> {
    pub(super) fn new(
        suite: &'a Suite<'a>,
        release: &'a Release,
        component: &'a str,
        arch: &'a str,
    ) -> Option<Self> {
        let directory = match component {
            "" => String::new(),
            component => format!("{component}/binary-{arch}/"),
        };
        let plain = release.file(&format!("{directory}Packages"));
        let kinds = [
            (".xz", Compression::Xz),
            (".gz", Compression::Gzip),
            ("", Compression::None),
        ];
        for (suffix, compression) in kinds {
            let name = format!("{directory}Packages{suffix}");
            let Some((size, sha256)) = release.file(&name) else {
                continue;
            };
            let root = suite_path(suite.name);
            let by_hash = format!("{root}{directory}by-hash/SHA256/{}", hex(&sha256));
            let paths = [release.by_hash.then_some(by_hash), Some(format!("{root}{name}"))];
            let urls: Result<Vec<Url>> = paths
                .into_iter()
                .flatten()
                .map(|path| join(suite.base, &path, suite.name))
                .collect();
            let name = format!("{} {name}", suite.name);
            let packed = PackageFile {
                urls: urls.ok()?,
                name,
                size,
                sha256,
            };
            return Some(Self {
                suite,
                release,
                component,
                arch,
                packed,
                compression,
                plain,
            });
        }
        None
    }

    /// The same index asked for twice.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.suite.base == other.suite.base
            && self.suite.name == other.suite.name
            && self.component == other.component
            && self.arch == other.arch
    }

    pub(super) fn load(&self, fetcher: &Fetcher, stop: &dyn Fn() -> bool) -> Result<Packages> {
        let Some((size, sha256)) = self.plain else {
            return self.unpack_unnamed(fetcher, stop);
        };
        if size > INDEX_LIMIT || self.packed.size > INDEX_LIMIT {
            return Err(self.bad(format!(
                "{} bytes are too many for an index",
                size.max(self.packed.size)
            )));
        }
        if let Some(path) = fetcher.cache.find_unchanged(&sha256, size)? {
            fetcher
                .progress
                .finished_file(&self.packed.name, self.packed.size, true);
            return self.parsed(fetcher, &path, &sha256);
        }
        let packed = fetcher.file(&self.packed, stop)?;
        if self.compression == Compression::None {
            return self.parsed(fetcher, &packed, &sha256);
        }
        let partial = fetcher.cache.lock_partial(&sha256, stop)?;
        if let Some(path) = fetcher.cache.find(&sha256, size)? {
            partial.remove();
            return self.parsed(fetcher, &path, &sha256);
        }
        partial.clear()?;
        let mut out = HashingWriter {
            file: io::BufWriter::with_capacity(1 << 18, &partial.file),
            hasher: Sha256::new(),
        };
        let result = self.unpack(&packed, size, &mut out, stop);
        let flushed = out.file.flush().map_err(ArchiveError::io("write", &partial.path));
        let got = out.hasher.clone().finalize();
        drop(out);
        let result = result.and(flushed).and_then(|()| {
            if got.as_slice() == sha256 {
                return Ok(());
            }
            Err(ArchiveError::WrongHash {
                name: format!("{}, decompressed", self.packed.name),
                url: self.url(),
                expected: hex(&sha256),
                got: hex(&got),
            })
        });
        match result {
            Ok(()) => self.parsed(fetcher, &fetcher.cache.commit(partial, &sha256)?, &sha256),
            Err(error) => {
                partial.remove();
                Err(error)
            }
        }
    }

    /// Opens an index of the cache with its table.
    fn parsed(&self, fetcher: &Fetcher, path: &Path, sha256: &[u8; 32]) -> Result<Packages> {
        Packages::of_cache(path, &fetcher.cache.parsed(sha256)).map_err(|problem| match problem {
            Unusable::Unreadable(error) => ArchiveError::io("read", path)(error),
            Unusable::Malformed(problem) => self.malformed(problem),
        })
    }

    fn malformed(&self, problem: Malformed) -> ArchiveError {
        ArchiveError::BadIndex {
            url: self.url(),
            problem,
        }
    }

    /// Decompresses an index of which the Release file names the compressed form only. It is verified, but without a
    /// hash of the text there is no name to keep the text under.
    fn unpack_unnamed(&self, fetcher: &Fetcher, stop: &dyn Fn() -> bool) -> Result<Packages> {
        let packed = fetcher.file(&self.packed, stop)?;
        let limit = self.packed.size.saturating_mul(32).clamp(1 << 20, 1 << 28);
        let mut text = Vec::new();
        let mut reader = self.decoder(&packed)?.take(limit + 1);
        reader
            .read_to_end(&mut text)
            .map_err(|error| self.bad(error.to_string()))?;
        if text.len() as u64 > limit {
            return Err(self.bad(format!("it expands to more than {limit} bytes")));
        }
        Packages::parse_bytes(&text).map_err(|problem| self.malformed(problem))
    }

    /// Decompresses the file `packed` to exactly `size` bytes.
    fn unpack(&self, packed: &Path, size: u64, out: &mut dyn Write, stop: &dyn Fn() -> bool) -> Result<()> {
        let mut reader = self.decoder(packed)?;
        let mut buffer = vec![0; 1 << 17];
        let mut total = 0u64;
        loop {
            if stop() {
                return Err(ArchiveError::Interrupted);
            }
            let read = reader
                .read(&mut buffer)
                .map_err(|error| self.bad(error.to_string()))?;
            if read == 0 {
                break;
            }
            total += read as u64;
            if total > size {
                return Err(self.bad(format!(
                    "it expands beyond the {size} bytes its Release file names"
                )));
            }
            out.write_all(buffer.get(..read).unwrap_or_default())
                .map_err(ArchiveError::io("write to the cache", packed))?;
        }
        if total == size {
            return Ok(());
        }
        Err(self.bad(format!(
            "it expands to {total} bytes, its Release file names {size}"
        )))
    }

    fn decoder(&self, packed: &Path) -> Result<Box<dyn Read>> {
        let file = File::open(packed).map_err(ArchiveError::io("read", packed))?;
        let file = io::BufReader::with_capacity(1 << 17, file);
        Ok(match self.compression {
            Compression::Xz => {
                let stream =
                    liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)
                        .map_err(|error| self.bad(error.to_string()))?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(file, stream))
            }
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Compression::None => Box::new(file),
        })
    }

    fn url(&self) -> String {
        self.packed.urls.first().map(show).unwrap_or_default()
    }

    fn bad(&self, reason: String) -> ArchiveError {
        ArchiveError::BadCompression {
            url: self.url(),
            reason,
        }
    }
}

struct HashingWriter<W: Write> {
    file: W,
    hasher: Sha256,
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
