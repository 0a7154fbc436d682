//! What all formats ask of a finished target: its time, its UUID.

use super::{Compression, Error, Source, TarOptions, Written, write_tar};
use rootless_install_fs::Timestamp;
use sha2::{Digest, Sha256};
use std::io::{self, Write};

impl Source<'_> {
    /// Returns the time that stands for now, in seconds since 1970: the latest that is allowed, else that of the target's
    /// newest file.
    pub(super) fn time(&self) -> i64 {
        match self.source_date_epoch {
            Some(epoch) => epoch,
            None => {
                let files = self.target.walk().filter_map(Result::ok);
                files
                    .map(|(_, stat)| stat.meta.mtime.sec)
                    .max()
                    .unwrap_or_default()
            }
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
        let mut hasher = Hasher(Sha256::new());
        let options = TarOptions {
            compression: Compression::None,
            source_date_epoch: self.source_date_epoch,
            ..TarOptions::default()
        };
        // Nobody is told of this: it is not the result that is written.
        let _: Written = write_tar(
            self.target,
            &mut hasher,
            &options,
            &task_progress::Silent,
            self.cancel,
        )?;
        let digest = hasher.0.finalize();
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let text = deb_types::hex(&bytes);
        let part = |range| text.get(range).unwrap_or_default();
        Ok(format!(
            "{}-{}-{}-{}-{}",
            part(0..8),
            part(8..12),
            part(12..16),
            part(16..20),
            part(20..32)
        ))
    }
}

/// A sink that hashes.
struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
