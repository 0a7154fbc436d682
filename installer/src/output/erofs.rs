//! EROFS images, made by mkfs.erofs(1) of a tar.

use super::maker::Maker;
use super::{Error, ImageOptions, Output, Sink, Source, Written};
use std::fs::File;

const MKFS: Maker = Maker {
    program: "mkfs.erofs",
    package: "erofs-utils",
    makes: "EROFS images",
};

/// Writer of EROFS images.
pub(super) struct Erofs;

impl Output for Erofs {
    fn check(&self, _: &ImageOptions) -> Result<(), Error> {
        let log = tempfile::NamedTempFile::new().map_err(Error::Write)?;
        let mut call = MKFS.call(0, log.path())?;
        call.args(["--help"]);
        let help = call.output()?;
        // Since version 1.7; before, it read directories only, with the owners on the disk.
        match String::from_utf8_lossy(&help).contains("--tar") {
            true => Ok(()),
            false => Err(Error::OldMaker {
                program: MKFS.program,
                package: MKFS.package,
                needed: "1.7",
            }),
        }
    }

    fn write(&self, source: &Source<'_>, sink: &mut Sink<'_>) -> Result<Written, Error> {
        let tar = source.scratch.join("image.tar");
        let made = source.scratch.join("image.erofs");
        let file = File::create_new(&tar).map_err(Error::Write)?;
        let written = source.tar(file, source.reporter)?;
        let uuid = source.uuid()?;
        let mut call = MKFS.call(source.time(), &source.scratch.join("mkfs.erofs.log"))?;
        call.args(["--quiet", "--tar=f", "-zlz4hc", "--mkfs-time"])
            .args([format!("-T{}", source.time()), format!("-U{uuid}")]);
        if let Some(label) = &source.options.label {
            call.args(["-L", label]);
        }
        call.args([&made, &tar]);
        call.output()?;
        std::fs::remove_file(&tar).map_err(Error::Write)?;
        Ok(Written {
            bytes: sink.bring(&made)?,
            ..written
        })
    }
}
