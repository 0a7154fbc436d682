//! Decompression of members, with a limit.

use std::io::{self, BufRead, BufReader, Read};

use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, MtStreamBuilder, Stream};

/// Memory an xz or zstd decoder may use: `xz -9` needs 65 MiB, `zstd --ultra` 128 MiB a stream.
const MEMORY: u64 = 512 << 20;
/// Memory from which on a decoder uses fewer threads: a block of `xz -6` is 24 MiB, and each thread
/// has one.
const THREADS_MEMORY: u64 = 96 << 20;
/// Compressed size from which several threads are worth their memory.
const PARALLEL_SIZE: usize = 2 << 20;
/// Window of decompressed data between decoder and tar reader, in bytes.
const BUFFER: usize = 256 << 10;

/// Compression of a member, by its name's extension (deb(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Xz,
    Bzip2,
    Lzma,
    Zstd,
}

impl Compression {
    pub(super) fn of_extension(extension: &str) -> Option<Compression> {
        match extension {
            "" => Some(Compression::None),
            ".gz" => Some(Compression::Gzip),
            ".xz" => Some(Compression::Xz),
            ".bz2" => Some(Compression::Bzip2),
            ".lzma" => Some(Compression::Lzma),
            ".zst" => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// Whether the control member may have it, too.
    pub(super) fn is_of_control(self) -> bool {
        !matches!(self, Compression::Bzip2 | Compression::Lzma)
    }
}

/// Bytes of compressed data that are read before their memory is released.
const RELEASED: usize = 1 << 20;

/// Compressed data, mapped from a file; memory of the parts that were read is released.
pub(super) struct Source<'a> {
    data: &'a [u8],
    at: usize,
    released: usize,
    release: Box<dyn Fn(usize, usize) + 'a>,
}

impl<'a> Source<'a> {
    /// `release` gets offset and length of each part that is not needed any more.
    pub(super) fn new(data: &'a [u8], release: impl Fn(usize, usize) + 'a) -> Self {
        Self {
            data,
            at: 0,
            released: 0,
            release: Box::new(release),
        }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.data.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
        if self.at - self.released >= RELEASED {
            (self.release)(self.released, self.at - self.released);
            self.released = self.at;
        }
    }
}

/// Returns a reader of the decompressed contents of a member; reading beyond `limit` bytes fails with
/// [`LimitExceeded`]. Uses up to `threads` threads where the data allows it.
pub(super) fn reader<'a>(
    source: Source<'a>,
    compression: Compression,
    limit: u64,
    threads: usize,
) -> io::Result<impl Read + 'a> {
    let data = source.data;
    let inner: Box<dyn Read + 'a> = match compression {
        Compression::Gzip if data.is_empty() => Box::new(source),
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        Compression::Xz => {
            let blocks = if threads > 1 && data.len() >= PARALLEL_SIZE {
                xz_blocks(data)
            } else {
                1
            };
            let stream = if blocks > 1 {
                let threads = u32::try_from(threads.min(blocks)).unwrap_or(1);
                MtStreamBuilder::new()
                    .threads(threads)
                    .memlimit_threading(THREADS_MEMORY)
                    .memlimit_stop(MEMORY)
                    .decoder()?
            } else {
                Stream::new_stream_decoder(MEMORY, CONCATENATED)?
            };
            Box::new(XzDecoder::new_stream(source, stream))
        }
        Compression::Lzma => Box::new(XzDecoder::new_stream(source, Stream::new_lzma_decoder(MEMORY)?)),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(source)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
            decoder.window_log_max(27)?;
            Box::new(decoder)
        }
    };
    Ok(BufReader::with_capacity(BUFFER, Bounded { inner, left: limit }))
}

/// Returns the number of blocks of an xz file of one stream, from the index at its end (the .xz file format,
/// sections 2.1.2 and 4); 1 when that cannot be told.
fn xz_blocks(data: &[u8]) -> usize {
    let count = || {
        let footer = data.get(data.len().checked_sub(12)?..)?;
        if !footer.ends_with(b"YZ") {
            return None;
        }
        let backward = u32::from_le_bytes(footer.get(4..8)?.try_into().ok()?);
        let size = usize::try_from(backward).ok()?.checked_add(1)?.checked_mul(4)?;
        let index = data.get(data.len().checked_sub(12)?.checked_sub(size)?..)?;
        // The index must begin the same stream: one index indicator, then the number of records.
        let (&0, rest) = index.split_first()? else {
            return None;
        };
        let mut count = 0_usize;
        for (shift, byte) in rest.iter().take(4).enumerate() {
            count |= usize::from(byte & 0x7f) << (7 * shift);
            if byte & 0x80 == 0 {
                return Some(count);
            }
        }
        None
    };
    count().unwrap_or(1)
}

/// Error of a reader that came to its limit.
#[derive(Debug, thiserror::Error)]
#[error("the size limit is exceeded")]
pub(super) struct LimitExceeded;

struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(LimitExceeded)),
        }
        Ok(count)
    }
}

/// Returns whether an error is that of a [`Bounded`] reader.
pub(super) fn is_limit(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<LimitExceeded>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn what_was_read_is_let_go() {
        let data: Vec<u8> = (0..3 * RELEASED + 5).map(|at| (at % 251) as u8).collect();
        let released = RefCell::new(Vec::new());
        let source = Source::new(&data, |from, length| released.borrow_mut().push((from, length)));
        let mut read = Vec::new();
        let mut reader = reader(source, Compression::None, u64::MAX, 1).unwrap();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, data);
        drop(reader);
        // One part after the other, and never what is still to be read.
        let mut end = 0;
        for (from, length) in released.into_inner() {
            assert_eq!(from, end);
            end += length;
        }
        assert!(end >= 2 * RELEASED && end <= data.len(), "{end}");
    }
}
