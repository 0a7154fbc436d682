//! Squashfs images, made by tar2sqfs(1) of a tar that is streamed to it, as mmdebstrap has it make them.

use super::maker::Maker;
use super::{Compression, Error, ImageOptions, Output, Sink, Source, TarOptions, Written, write_tar};

const TAR2SQFS: Maker = Maker {
    program: "tar2sqfs",
    package: "squashfs-tools-ng",
    makes: "squashfs images",
};

/// Writer of squashfs images.
pub(super) struct Squashfs;

impl Output for Squashfs {
    fn check(&self, _: &ImageOptions) -> Result<(), Error> {
        TAR2SQFS.find().map(|_| ())
    }

    fn write(&self, source: &Source<'_>, sink: &mut Sink<'_>) -> Result<Written, Error> {
        let made = source.scratch.join("image.squashfs");
        let mut call = TAR2SQFS.call(source.time(), &source.scratch.join("tar2sqfs.log"))?;
        // Options and order are mmdebstrap's.
        call.args(["--quiet", "--no-skip", "--force", "--exportable"])
            .args(["--compressor", "xz", "--block-size", "1048576"])
            .args([&made]);
        let options = TarOptions {
            compression: Compression::None,
            source_date_epoch: source.source_date_epoch,
            times: Some((0, i64::from(u32::MAX))),
            // The format has user.*, trusted.* and security.* only.
            without_acls: true,
        };
        let written =
            call.feed(|input| write_tar(source.target, input, &options, source.reporter, source.cancel))?;
        Ok(Written {
            bytes: sink.bring(&made)?,
            ..written
        })
    }
}
