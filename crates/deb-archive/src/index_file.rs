//! One index file: its URLs and its compression. It is never decompressed beyond the size that was signed.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::sync::atomic::Ordering;

use url::Url;

use super::compression::Compression;
use super::hasher::Hasher;
use super::index::ArchiveFile;
use super::package_file::{join, show};
use super::release::Release;
use super::suite_release::{Suite, suite_path};
use super::{ArchiveError, Fetcher, PackageFile, Result};
use deb_index::{Packages, Unusable};
use deb_types::{FileHash, hex};

/// Largest index in bytes, whatever its Release file says: ten times Debian's largest.
const INDEX_LIMIT: u64 = 512 << 20;
/// Largest index in bytes of which no size is known, as it is sent.
const UNHASHED_LIMIT: u64 = 128 << 20;
/// Factor by which an index may expand whose Release file does not say how large its text is. Text of packages
/// shrinks to a tenth at most.
const EXPANSION: u64 = 32;

/// An index that a Release file names, or that a trusted source without one may have.
#[derive(Debug)]
pub(super) struct IndexFile<'a> {
    pub(super) suite: &'a Suite<'a>,
    pub(super) release: &'a Release,
    pub(super) component: &'a str,
    pub(super) arch: &'a str,
    /// Forms of the index, in the order to try; empty for one that is named and has no bytes.
    forms: Vec<IndexForm>,
    /// Size and checksum of the uncompressed index, if the Release file has them.
    plain: Option<(u64, FileHash)>,
}

/// One form of an index: compressed in one way, or not at all.
#[derive(Debug)]
struct IndexForm {
    compression: Compression,
    /// URLs in the order to try.
    urls: Vec<Url>,
    /// Name to show.
    name: String,
    /// Path below the archive's root.
    path: String,
    /// Size and checksum of the file as it is sent; none in a source without checksums.
    sum: Option<(u64, FileHash)>,
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
        let root = suite_path(suite.name);
        let plain = release.file(&format!("{directory}Packages"));
        let form = |compression: Compression| {
            let name = format!("{directory}Packages{}", compression.suffix());
            let sum = release.file(&name);
            if sum.is_none() && !(release.unhashed && release.may_have(&name)) {
                return None;
            }
            let by_hash = sum
                .filter(|_| suite.source.by_hash.unwrap_or(release.by_hash))
                .map(|(_, hash)| format!("{root}{directory}by-hash/{}/{}", hash.field(), hash.hex()));
            let urls: Result<Vec<Url>> = by_hash
                .into_iter()
                .chain([format!("{root}{name}")])
                .map(|path| join(&suite.base, &path, suite.name))
                .collect();
            Some(IndexForm {
                compression,
                urls: urls.ok()?,
                path: format!("{root}{name}"),
                name: format!("{} {name}", suite.name),
                sum,
            })
        };
        let forms: Vec<IndexForm> = match plain {
            // Nobody fetches what has no bytes, and mirrors do not always have it.
            Some((0, _)) => Vec::new(),
            _ => Compression::ALL.into_iter().filter_map(form).collect(),
        };
        (plain.is_some() || !forms.is_empty()).then_some(Self {
            suite,
            release,
            component,
            arch,
            forms,
            plain,
        })
    }

    /// Returns the number of bytes to download, as far as it is known.
    pub(super) fn packed_size(&self) -> u64 {
        self.forms
            .first()
            .and_then(|form| form.sum)
            .map_or(0, |(size, _)| size)
    }

    /// Returns the files that the Release file names for it.
    pub(super) fn files(&self) -> Vec<ArchiveFile> {
        let named = |form: &IndexForm| {
            let (size, hash) = form.sum?;
            Some(ArchiveFile {
                path: form.path.clone(),
                file: PackageFile {
                    urls: form.urls.clone(),
                    name: form.name.clone(),
                    size,
                    hash,
                },
            })
        };
        self.forms.iter().filter_map(named).collect()
    }

    /// The same index asked for twice.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.suite.base == other.suite.base
            && self.suite.name == other.suite.name
            && self.component == other.component
            && self.arch == other.arch
    }

    /// Returns the index; none if it has no checksum and is not there.
    ///
    /// As with apt, what cannot be had in one form is asked for in the next one.
    pub(super) fn load(&self, fetcher: &Fetcher, stop: &dyn Fn() -> bool) -> Result<Option<Packages>> {
        if self.release.unhashed {
            return self.load_unhashed(fetcher);
        }
        if let Some((size, hash)) = self.plain
            && let Some(form) = self.forms.first()
            && let Some(path) = fetcher.cache.find_unchanged(&hash, size)?
        {
            fetcher
                .progress
                .finished_file(&form.name, self.packed_size(), true);
            return form.parsed(fetcher, &path, &hash).map(Some);
        }
        let mut first = None;
        for form in &self.forms {
            match form.load(self.plain, fetcher, stop) {
                Ok(packages) => return Ok(Some(packages)),
                Err(error) if is_of_the_form(&error) => {
                    tracing::debug!("an index cannot be had in one form: {error}");
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match first {
            Some(error) => Err(error),
            None => Ok(Some(empty()?)),
        }
    }

    /// Takes the first form that is there, of a source that is trusted without any checksum.
    fn load_unhashed(&self, fetcher: &Fetcher) -> Result<Option<Packages>> {
        // One after the other, so that a run has one state of an index that it reads for several architectures.
        let mut known = fetcher
            .unhashed
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut first = None;
        for form in &self.forms {
            let Some(url) = form.urls.last() else { continue };
            if let Some(found) = known.get(url.as_str()) {
                match found {
                    Some(packages) => return Ok(Some(packages.clone())),
                    None => continue,
                }
            }
            let found = match fetcher.small_file(url, UNHASHED_LIMIT, None) {
                Ok(Some(document)) => form
                    .unpack_unnamed(fetcher, document.bytes.as_slice(), document.bytes.len() as u64)
                    .map(Some),
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
            match found {
                Ok(found) => {
                    known.insert(url.to_string(), found.clone());
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                Err(error) if is_of_the_form(&error) => drop(first.get_or_insert(error)),
                Err(error) => return Err(error),
            }
        }
        first.map_or(Ok(None), Err)
    }
}

/// Whether another form of the index is asked for after an error with this one. As with apt a file that is not the one
/// that was signed ends the run.
fn is_of_the_form(error: &ArchiveError) -> bool {
    matches!(
        error,
        ArchiveError::NotFound { .. }
            | ArchiveError::Status { .. }
            | ArchiveError::BadRedirect { .. }
            | ArchiveError::BadCompression { .. }
    )
}

fn empty() -> Result<Packages> {
    Packages::parse("").map_err(|problem| ArchiveError::BadIndex {
        url: String::new(),
        problem,
    })
}

impl IndexForm {
    /// Returns the index from this form; `plain` is what the Release file says of the uncompressed one.
    fn load(
        &self,
        plain: Option<(u64, FileHash)>,
        fetcher: &Fetcher,
        stop: &dyn Fn() -> bool,
    ) -> Result<Packages> {
        let Some((packed_size, packed_hash)) = self.sum else {
            return empty();
        };
        let packed = PackageFile {
            urls: self.urls.clone(),
            name: self.name.clone(),
            size: packed_size,
            hash: packed_hash,
        };
        let Some((size, hash)) = plain else {
            // It is verified, but without a checksum of the text there is no name to keep the text under.
            self.check_size(packed_size)?;
            let packed = fetcher.file(&packed, stop)?;
            return self.unpack_unnamed(fetcher, open(&packed)?, packed_size);
        };
        self.check_size(size.max(packed_size))?;
        let packed = fetcher.file(&packed, stop)?;
        if self.compression == Compression::None {
            return self.parsed(fetcher, &packed, &hash);
        }
        let partial = fetcher.cache.lock_partial(&hash, stop)?;
        if let Some(path) = fetcher.cache.find(&hash, size)? {
            partial.remove();
            return self.parsed(fetcher, &path, &hash);
        }
        partial.clear()?;
        let mut out = HashingWriter {
            file: io::BufWriter::with_capacity(1 << 18, &partial.file),
            hasher: Hasher::of(&hash),
        };
        let result = self.unpack(&packed, size, &mut out, stop);
        let flushed = out.file.flush().map_err(ArchiveError::io("write", &partial.path));
        let got = out.hasher.clone().finish();
        drop(out);
        let result = result.and(flushed).and_then(|()| {
            if got == hash.bytes() {
                return Ok(());
            }
            Err(ArchiveError::WrongHash {
                name: format!("{}, decompressed", self.name),
                url: self.url(),
                expected: hash,
                got: hex(&got),
            })
        });
        match result {
            Ok(()) => self.parsed(fetcher, &fetcher.cache.commit(partial, &hash)?, &hash),
            Err(error) => {
                partial.remove();
                Err(error)
            }
        }
    }

    /// Opens an index of the cache with its table.
    fn parsed(&self, fetcher: &Fetcher, path: &Path, hash: &FileHash) -> Result<Packages> {
        Packages::of_cache(path, &fetcher.cache.parsed(hash)).map_err(|problem| self.unusable(path, problem))
    }

    fn unusable(&self, path: &Path, problem: Unusable) -> ArchiveError {
        match problem {
            Unusable::Unreadable(error) => ArchiveError::io("read", path)(error),
            Unusable::Malformed(problem) => ArchiveError::BadIndex {
                url: self.url(),
                problem,
            },
        }
    }

    fn check_size(&self, size: u64) -> Result<()> {
        match size > INDEX_LIMIT {
            true => Err(self.bad(format!("{size} bytes are too many for an index"))),
            false => Ok(()),
        }
    }

    /// Decompresses an index of which the size of the text is not known. The text is in a file without a name.
    fn unpack_unnamed(&self, fetcher: &Fetcher, packed: impl BufRead, packed_size: u64) -> Result<Packages> {
        let limit = packed_size.saturating_mul(EXPANSION).clamp(1 << 20, INDEX_LIMIT);
        let scratch = &fetcher.options.cache;
        let file = tempfile::tempfile_in(scratch).map_err(ArchiveError::io("write to the cache", scratch))?;
        let stop = || fetcher.options.cancel.load(Ordering::Relaxed);
        let mut out = io::BufWriter::with_capacity(1 << 18, &file);
        let beyond = format!("it expands to more than {limit} bytes");
        self.expand(packed, (limit, beyond), scratch, &mut out, &stop)?;
        out.flush()
            .map_err(ArchiveError::io("write to the cache", scratch))?;
        drop(out);
        Packages::of_unnamed(&file, scratch).map_err(|problem| self.unusable(scratch, problem))
    }

    /// Decompresses the file `packed` to exactly `size` bytes.
    fn unpack(&self, packed: &Path, size: u64, out: &mut dyn Write, stop: &dyn Fn() -> bool) -> Result<()> {
        let beyond = format!("it expands beyond the {size} bytes its Release file names");
        let total = self.expand(open(packed)?, (size, beyond), packed, out, stop)?;
        if total == size {
            return Ok(());
        }
        Err(self.bad(format!(
            "it expands to {total} bytes, its Release file names {size}"
        )))
    }

    /// Decompresses an index piece by piece and returns the size of its text. As soon as that is beyond `limit` the
    /// index is refused in the words beside it; `written` is named where `out` fails.
    fn expand(
        &self,
        packed: impl BufRead,
        (limit, beyond): (u64, String),
        written: &Path,
        out: &mut dyn Write,
        stop: &dyn Fn() -> bool,
    ) -> Result<u64> {
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
                return Ok(total);
            }
            total += read as u64;
            if total > limit {
                return Err(self.bad(beyond));
            }
            out.write_all(buffer.get(..read).unwrap_or_default())
                .map_err(ArchiveError::io("write to the cache", written))?;
        }
    }

    fn decoder<'a>(&self, packed: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>> {
        self.compression
            .decoder(packed)
            .map_err(|error| self.bad(error.to_string()))
    }

    fn url(&self) -> String {
        self.urls.first().map(show).unwrap_or_default()
    }

    fn bad(&self, reason: String) -> ArchiveError {
        ArchiveError::BadCompression {
            url: self.url(),
            reason,
        }
    }
}

fn open(packed: &Path) -> Result<io::BufReader<File>> {
    let file = File::open(packed).map_err(ArchiveError::io("read", packed))?;
    Ok(io::BufReader::with_capacity(1 << 17, file))
}

struct HashingWriter<W: Write> {
    file: W,
    hasher: Hasher,
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
