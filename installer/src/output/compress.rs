//! Compression of archives, the same bytes whatever the number of threads.

use std::io::{self, BufWriter, Write};

use flate2::GzBuilder;
use flate2::write::GzEncoder;
use liblzma::stream::{Check, MtStreamBuilder};
use liblzma::write::XzEncoder;

/// Compression of an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// None.
    #[default]
    None,
    /// gzip(1), level 6, without name and time; one thread.
    Gzip,
    /// xz(1), level 6, in blocks that are compressed on several threads.
    Xz,
    /// zstd(1), level 3; one thread.
    Zstd,
}

/// Number of bytes of input in an xz block: 3 times the dictionary of level 6, which is liblzma's default. It is
/// fixed, since it shows in the result.
const XZ_BLOCK: u64 = 24 << 20;
/// Greatest number of threads, each of which needs some 150 MB.
const MOST_THREADS: usize = 8;

/// A writer that compresses.
pub(super) enum Encoder<W: Write> {
    None(Counted<W>),
    Gzip(GzEncoder<Counted<W>>),
    Xz(XzEncoder<Counted<W>>),
    Zstd(zstd::Encoder<'static, Counted<W>>),
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(sink: W, compression: Compression) -> io::Result<Self> {
        let sink = Counted {
            sink: BufWriter::with_capacity(1 << 18, sink),
            bytes: 0,
        };
        Ok(match compression {
            Compression::None => Self::None(sink),
            // The operating system 255 is "unknown" (RFC 1952), the same on any machine.
            Compression::Gzip => Self::Gzip(
                GzBuilder::new()
                    .operating_system(255)
                    .write(sink, flate2::Compression::new(6)),
            ),
            Compression::Xz => {
                let threads = std::thread::available_parallelism()
                    .map_or(1, usize::from)
                    .min(MOST_THREADS);
                Self::Xz(XzEncoder::new_stream(sink, xz_stream(threads as u32)?))
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(sink, 3)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
        })
    }

    /// Writes the rest. Returns the number of compressed bytes.
    pub(super) fn finish(self) -> io::Result<u64> {
        let mut sink = match self {
            Self::None(sink) => sink,
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Xz(encoder) => encoder.finish()?,
            Self::Zstd(encoder) => encoder.finish()?,
        };
        sink.flush()?;
        Ok(sink.bytes)
    }
}

/// Returns the encoder for several threads, also for one: liblzma's encoder for one thread does not divide its input
/// into blocks.
fn xz_stream(threads: u32) -> io::Result<liblzma::stream::Stream> {
    Ok(MtStreamBuilder::new()
        .threads(threads)
        .preset(6)
        .block_size(XZ_BLOCK)
        .check(Check::Crc64)
        .encoder()?)
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(sink) => sink.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Xz(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(sink) => sink.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Xz(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// A writer that counts the bytes.
pub(super) struct Counted<W: Write> {
    sink: BufWriter<W>,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn compressed(compression: Compression, data: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, compression)?;
        encoder.write_all(data)?;
        let bytes = encoder.finish()?;
        assert_eq!(bytes, out.len() as u64);
        Ok(out)
    }

    #[test]
    fn reads_back() -> io::Result<()> {
        let data: Vec<u8> = (0..300_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&*compressed(Compression::Gzip, &data)?).read_to_end(&mut back)?;
        assert!(back == data);
        back.clear();
        liblzma::read::XzDecoder::new(&*compressed(Compression::Xz, &data)?).read_to_end(&mut back)?;
        assert!(back == data);
        assert!(zstd::decode_all(&*compressed(Compression::Zstd, &data)?)? == data);
        assert!(compressed(Compression::None, &data)? == data);
        Ok(())
    }

    #[test]
    fn threads_do_not_show() -> io::Result<()> {
        // Longer than a block, so that there is something to divide.
        let data: Vec<u8> = (0..6_500_000_u32).flat_map(|n| (n / 999).to_le_bytes()).collect();
        let with = |threads| {
            let mut encoder = XzEncoder::new_stream(Vec::new(), xz_stream(threads)?);
            encoder.write_all(&data)?;
            encoder.finish()
        };
        assert!(with(1)? == with(3)?);
        Ok(())
    }

    #[test]
    fn gzip_header_names_nothing() -> io::Result<()> {
        let data = compressed(Compression::Gzip, b"x")?;
        assert_eq!(
            data.get(..10),
            Some([31, 139, 8, 0, 0, 0, 0, 0, 0, 255].as_slice())
        );
        Ok(())
    }
}
