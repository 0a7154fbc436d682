//! The compressions an index may have, those of apt.

use std::io::{self, BufRead, Read};

use liblzma::stream::{CONCATENATED, Stream};

/// Limit for the memory of an xz or lzma decoder in bytes; `xz -9` needs 65 MiB.
const MEMORY: u64 = 256 << 20;
/// Largest window of a zstd decoder as a power of two, that of `zstd --ultra`.
const WINDOW: u32 = 27;

/// Compression of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Xz,
    Bzip2,
    Lzma,
    Gzip,
    Lz4,
    Zstd,
    None,
}

impl Compression {
    /// All of them, in the order in which apt asks for them.
    pub(super) const ALL: [Self; 7] = [
        Self::Xz,
        Self::Bzip2,
        Self::Lzma,
        Self::Gzip,
        Self::Lz4,
        Self::Zstd,
        Self::None,
    ];

    /// Returns the end of a file's name.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Xz => ".xz",
            Self::Bzip2 => ".bz2",
            Self::Lzma => ".lzma",
            Self::Gzip => ".gz",
            Self::Lz4 => ".lz4",
            Self::Zstd => ".zst",
            Self::None => "",
        }
    }

    /// Returns a reader of the decompressed content.
    pub(super) fn decoder<'a>(self, packed: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Xz => {
                let stream = Stream::new_stream_decoder(MEMORY, CONCATENATED)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream))
            }
            Self::Lzma => {
                let stream = Stream::new_lzma_decoder(MEMORY)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream))
            }
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(packed)),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Self::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(packed)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
                decoder.window_log_max(WINDOW)?;
                Box::new(decoder)
            }
            Self::None => Box::new(packed),
        })
    }
}
