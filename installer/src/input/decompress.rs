//! Decompression of streams: any number of them, one after another, each compressed in its own way.

use std::io::{self, BufRead, BufReader, Cursor, Read};

/// A stream whose first bytes can be looked at.
pub(super) type Stream<'r> = BufReader<Box<dyn Read + 'r>>;

/// Size of buffers in bytes.
const BUFFER: usize = 1 << 17;
/// Bytes that say what a stream is.
pub(super) const MAGIC: usize = 6;

/// A compression.
#[derive(Clone, Copy)]
enum Kind {
    Gzip,
    Xz,
    Zstd,
}

/// Returns what the first bytes of a stream say.
fn kind(begin: &[u8]) -> Option<Kind> {
    match begin {
        [0x1f, 0x8b, ..] => Some(Kind::Gzip),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some(Kind::Xz),
        // Also a frame that is to be skipped.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Kind::Zstd),
        _ => None,
    }
}

/// Returns the decompressed content, whatever it is compressed with.
///
/// # Errors
/// Those of reading.
pub(super) fn decompressed<'r>(reader: Box<dyn Read + 'r>) -> io::Result<Stream<'r>> {
    let mut reader = BufReader::with_capacity(BUFFER, reader);
    let Some(kind) = kind(reader.fill_buf()?) else {
        return Ok(reader);
    };
    let decoder = Decoder::new(kind, reader)?;
    let mut reader: Stream<'r> = BufReader::with_capacity(BUFFER, Box::new(Streams(decoder)));
    reader.fill_buf()?;
    Ok(reader)
}

/// Goes past bytes of zero. Returns the next ones, as many as say what they are, and a stream that begins with them; none
/// at the end.
///
/// # Errors
/// Those of reading.
pub(super) fn after_zeroes(mut reader: Stream<'_>) -> io::Result<Option<(Vec<u8>, Stream<'_>)>> {
    loop {
        let begin = reader.fill_buf()?;
        if begin.is_empty() {
            return Ok(None);
        }
        let zeroes = begin.iter().take_while(|byte| **byte == 0).count();
        let all = zeroes == begin.len();
        reader.consume(zeroes);
        if !all {
            break;
        }
    }
    if let Some(begin) = reader.buffer().get(..MAGIC) {
        return Ok(Some((begin.to_vec(), reader)));
    }
    // They are at the end of the buffer.
    let mut begin = Vec::new();
    (&mut reader).take(MAGIC as u64).read_to_end(&mut begin)?;
    let again: Box<dyn Read + '_> = Box::new(Cursor::new(begin.clone()).chain(reader));
    Ok(Some((begin, BufReader::with_capacity(BUFFER, again))))
}

/// The decoder of a stream.
enum Decoder<'r> {
    Gzip(Box<flate2::bufread::GzDecoder<Stream<'r>>>),
    Xz(Box<liblzma::bufread::XzDecoder<Stream<'r>>>),
    Zstd(Box<zstd::Decoder<'static, Stream<'r>>>),
    /// What comes after is not compressed.
    Plain(Stream<'r>),
    /// There is no more.
    End,
}

impl<'r> Decoder<'r> {
    fn new(kind: Kind, reader: Stream<'r>) -> io::Result<Self> {
        Ok(match kind {
            Kind::Gzip => Self::Gzip(Box::new(flate2::bufread::GzDecoder::new(reader))),
            Kind::Xz => Self::Xz(Box::new(liblzma::bufread::XzDecoder::new(reader))),
            Kind::Zstd => Self::Zstd(Box::new(zstd::Decoder::with_buffer(reader)?.single_frame())),
        })
    }

    /// Returns what comes after the stream that has ended; none at the end.
    fn rest(self) -> Option<Stream<'r>> {
        match self {
            Self::Gzip(decoder) => Some(decoder.into_inner()),
            Self::Xz(decoder) => Some(decoder.into_inner()),
            Self::Zstd(decoder) => Some(decoder.finish()),
            Self::Plain(_) | Self::End => None,
        }
    }
}

/// The content of streams, one after another.
struct Streams<'r>(Decoder<'r>);

impl Read for Streams<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let got = match &mut self.0 {
                Decoder::Gzip(decoder) => decoder.read(buffer)?,
                Decoder::Xz(decoder) => decoder.read(buffer)?,
                Decoder::Zstd(decoder) => decoder.read(buffer)?,
                Decoder::Plain(reader) => reader.read(buffer)?,
                Decoder::End => 0,
            };
            if got > 0 || buffer.is_empty() {
                return Ok(got);
            }
            let Some(rest) = std::mem::replace(&mut self.0, Decoder::End).rest() else {
                return Ok(0);
            };
            let Some((begin, rest)) = after_zeroes(rest)? else {
                return Ok(0);
            };
            self.0 = match kind(&begin) {
                Some(kind) => Decoder::new(kind, rest)?,
                // The next archive of an initrd.
                None if begin.starts_with(b"07070") => Decoder::Plain(rest),
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "after what is compressed there is something else",
                    ));
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn read(data: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        decompressed(Box::new(data))?.read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn streams_follow_each_other() {
        let zstd = zstd::encode_all(&b"two"[..], 1).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(b"three").unwrap();
        let xz = xz.finish().unwrap();
        let all = [gzip(b"one"), vec![0; 700], zstd, xz, b"070701 plain".to_vec()].concat();
        assert_eq!(read(&all).unwrap(), b"onetwothree070701 plain");
        // Whatever is in a buffer at once.
        let small = BufReader::with_capacity(3, &*all);
        let mut told = Vec::new();
        let first: Box<dyn Read> = Box::new(small);
        decompressed(first).unwrap().read_to_end(&mut told).unwrap();
        assert_eq!(told, b"onetwothree070701 plain");
        assert!(read(&[gzip(b"one"), b"else".to_vec()].concat()).is_err());
        let mut wrong = gzip(b"one");
        let at = wrong.len() - 6;
        wrong[at] ^= 1;
        assert!(read(&wrong).is_err());
        assert_eq!(read(b"plain").unwrap(), b"plain");
    }
}
