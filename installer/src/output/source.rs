//! What all formats ask of a finished target: its time, its UUID.

use super::{Compression, Error, Source, TarOptions, Written, write_tar};
use rootless_install_fs::Timestamp;
use sha2::{Digest, Sha256};
use std::cell::OnceCell;
use std::io::{self, Write};
use task_progress::Reporter;

/// What is found out about a target once.
#[derive(Debug, Default)]
pub struct Facts {
    time: OnceCell<i64>,
    uuid: OnceCell<String>,
}

impl Source<'_> {
    /// Returns the time that stands for now, in seconds since 1970: the latest that is allowed, else that of the target's
    /// newest file.
    pub(super) fn time(&self) -> i64 {
        match self.source_date_epoch {
            Some(epoch) => epoch,
            None => *self.facts.time.get_or_init(|| {
                let files = self.target.walk().filter_map(Result::ok);
                files
                    .map(|(_, stat)| stat.meta.mtime.sec)
                    .max()
                    .unwrap_or_default()
            }),
        }
    }

    /// Returns a file's time in the result.
    pub(super) fn time_of(&self, mtime: Timestamp) -> i64 {
        match self.source_date_epoch {
            Some(epoch) => mtime.sec.min(epoch),
            None => mtime.sec,
        }
    }

    /// Returns the UUID that is given, else one that the target's content decides (RFC 9562, version 8).
    ///
    /// # Errors
    /// Those of reading the target.
    pub(super) fn uuid(&self) -> Result<String, Error> {
        if let Some(uuid) = &self.options.uuid {
            return Ok(uuid.clone());
        }
        if let Some(uuid) = self.facts.uuid.get() {
            return Ok(uuid.clone());
        }
        // Nobody is told of this: it is not the result that is written.
        self.tar(io::sink(), &task_progress::Silent)?;
        Ok(self.facts.uuid.get().cloned().unwrap_or_default())
    }

    /// Writes the target as a tar, of which the UUID is made.
    ///
    /// # Errors
    /// Those of reading the target and of writing.
    pub(super) fn tar(&self, sink: impl Write, reporter: &dyn Reporter) -> Result<Written, Error> {
        let mut hasher = Hasher {
            hasher: Sha256::new(),
            sink,
        };
        let options = TarOptions {
            compression: Compression::None,
            source_date_epoch: self.source_date_epoch,
            ..TarOptions::default()
        };
        let written = write_tar(self.target, &mut hasher, &options, reporter, self.cancel)?;
        let _ = self.facts.uuid.set(uuid(hasher.hasher.finalize()));
        Ok(written)
    }
}

/// Returns the UUID that some bytes decide (RFC 9562, version 8).
pub(super) fn uuid_of(bytes: &[u8]) -> String {
    uuid(Sha256::digest(bytes))
}

fn uuid(digest: impl IntoIterator<Item = u8>) -> String {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = deb_types::hex(&bytes);
    let part = |range| text.get(range).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32)
    )
}

/// A sink that hashes what it hands on.
struct Hasher<W> {
    hasher: Sha256,
    sink: W,
}

impl<W: Write> Write for Hasher<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
