//! Options of images.

use super::container::ContainerConfig;
use super::{Compression, Error, Format, Source, TarOptions, Written, write_tar};
use rootless_install_fs::Timestamp;
use sha2::{Digest, Sha256};
use std::io::{self, Write};

/// Options of images; which format has which is said at each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageOptions {
    /// Size in bytes of ext2, ext3 and ext4; none for as much as is needed.
    pub size: Option<u64>,
    /// Bytes that are left free, where the size is not given.
    pub free: Option<u64>,
    /// The filesystem's label: ext2, ext3, ext4, EROFS.
    pub label: Option<String>,
    /// The filesystem's UUID; none for one that the content decides: ext2, ext3, ext4, EROFS.
    pub uuid: Option<String>,
    /// Configuration of a container image.
    pub container: ContainerConfig,
}

impl ImageOptions {
    /// Checks that a format has the options that are given.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn check(&self, format: Format) -> Result<(), Error> {
        let sized = matches!(format, Format::Ext(_));
        let named = sized || format == Format::Erofs;
        let container = matches!(format, Format::Container(_));
        let sizes = "ext2, ext3 and ext4";
        let names = "ext2, ext3, ext4 and erofs";
        let has_container = self.container != ContainerConfig::default();
        for (given, option, has, of) in [
            (self.size.is_some(), "--size", sized, sizes),
            (self.free.is_some(), "--free", sized, sizes),
            (self.label.is_some(), "--fs-label", named, names),
            (self.uuid.is_some(), "--fs-uuid", named, names),
            (has_container, "--oci-…", container, "container images"),
        ] {
            if given && !has {
                return Err(Error::Option { option, of });
            }
        }
        let longest = if sized { 16 } else { 15 };
        if self.label.as_ref().is_some_and(|label| label.len() > longest) {
            return Err(Error::Label { longest });
        }
        self.container.check()
    }
}

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
