//! Formats of a result that is one file, or a directory of an image: all made from a finished target.

use super::container::{Container, ContainerConfig, Layout};
use super::cpio::Cpio;
use super::erofs::Erofs;
use super::ext::{Ext, Generation};
use super::squashfs::Squashfs;
use super::{Compression, Error, ImageOptions, Output, Sink, Source, TarOptions, Written, write_tar};

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A tar archive (tar(5), pax).
    Tar(Compression),
    /// A cpio archive (cpio(5), newc), as the kernel reads it for its first root filesystem.
    Cpio(Compression),
    /// A squashfs image.
    Squashfs,
    /// An image of ext2, ext3 or ext4.
    Ext(Generation),
    /// An EROFS image.
    Erofs,
    /// A container image: an archive, or a directory.
    Container(Layout),
}

/// Ends of names and their formats. Where one ends with another the longer is first.
const ENDINGS: &[(&str, Format)] = &[
    (".oci.tar", Format::Container(Layout::OciArchive)),
    (".docker.tar", Format::Container(Layout::DockerArchive)),
    (".oci", Format::Container(Layout::OciArchive)),
    (".tar", Format::Tar(Compression::None)),
    (".tar.gz", Format::Tar(Compression::Gzip)),
    (".tar.xz", Format::Tar(Compression::Xz)),
    (".tar.zst", Format::Tar(Compression::Zstd)),
    (".cpio", Format::Cpio(Compression::None)),
    (".cpio.gz", Format::Cpio(Compression::Gzip)),
    (".cpio.xz", Format::Cpio(Compression::Xz)),
    (".cpio.zst", Format::Cpio(Compression::Zstd)),
    (".squashfs", Format::Squashfs),
    (".sqfs", Format::Squashfs),
    (".ext2", Format::Ext(Generation::Ext2)),
    (".ext3", Format::Ext(Generation::Ext3)),
    (".ext4", Format::Ext(Generation::Ext4)),
    (".erofs", Format::Erofs),
];

impl Format {
    /// Returns the format that a name ends with, in letters of either case.
    pub fn of_name(name: &[u8]) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let file = lower.rsplit(|byte| *byte == b'/').next().unwrap_or(&lower);
        let fits = |end: &str| file.len() > end.len() && file.ends_with(end.as_bytes());
        ENDINGS
            .iter()
            .find(|(end, _)| fits(end))
            .map(|(_, format)| *format)
    }

    /// Returns the ends of names, those that [`of_name`](Self::of_name) knows.
    pub fn endings() -> impl Iterator<Item = &'static str> {
        ENDINGS.iter().map(|(end, _)| *end)
    }

    /// Returns this format with the compression that a name ends with, where it has compressions.
    #[must_use]
    pub fn compressed_as(self, name: &[u8]) -> Self {
        let lower = name.to_ascii_lowercase();
        let ends = [
            (".gz", Compression::Gzip),
            (".xz", Compression::Xz),
            (".zst", Compression::Zstd),
        ];
        let found = ends.iter().find(|(end, _)| lower.ends_with(end.as_bytes()));
        match (self, found) {
            (Self::Tar(_), Some((_, compression))) => Self::Tar(*compression),
            (Self::Cpio(_), Some((_, compression))) => Self::Cpio(*compression),
            _ => self,
        }
    }

    /// Returns its name, as `--format` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tar(_) => "tar",
            Self::Cpio(_) => "cpio",
            Self::Squashfs => "squashfs",
            Self::Ext(Generation::Ext2) => "ext2",
            Self::Ext(Generation::Ext3) => "ext3",
            Self::Ext(Generation::Ext4) => "ext4",
            Self::Erofs => "erofs",
            Self::Container(Layout::OciDirectory) => "oci",
            Self::Container(Layout::OciArchive) => "oci-archive",
            Self::Container(Layout::DockerArchive) => "docker-archive",
        }
    }

    /// Whether the result is a directory.
    pub fn is_directory(self) -> bool {
        self == Self::Container(Layout::OciDirectory)
    }

    fn writer(self) -> Box<dyn Output> {
        match self {
            Self::Tar(compression) => Box::new(Tar(compression)),
            Self::Cpio(compression) => Box::new(Cpio(compression)),
            Self::Squashfs => Box::new(Squashfs),
            Self::Ext(generation) => Box::new(Ext(generation)),
            Self::Erofs => Box::new(Erofs),
            Self::Container(layout) => Box::new(Container(layout)),
        }
    }
}

impl Output for Format {
    fn check(&self, options: &ImageOptions) -> Result<(), Error> {
        self.writer().check(options)
    }

    fn write(&self, source: &Source<'_>, sink: &mut Sink<'_>) -> Result<Written, Error> {
        self.writer().write(source, sink)
    }
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

/// Writer of tar archives.
struct Tar(Compression);

impl Output for Tar {
    fn check(&self, _: &ImageOptions) -> Result<(), Error> {
        Ok(())
    }

    fn write(&self, source: &Source<'_>, sink: &mut Sink<'_>) -> Result<Written, Error> {
        let options = TarOptions {
            compression: self.0,
            source_date_epoch: source.source_date_epoch,
            ..TarOptions::default()
        };
        write_tar(
            source.target,
            sink.writer()?,
            &options,
            source.reporter,
            source.cancel,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_format() {
        for (name, format) in [
            ("a.tar", Some(Format::Tar(Compression::None))),
            ("d.ext4/a.TAR.zst", Some(Format::Tar(Compression::Zstd))),
            ("a.oci.tar", Some(Format::Container(Layout::OciArchive))),
            ("initrd.cpio.gz", Some(Format::Cpio(Compression::Gzip))),
            ("a.ext4", Some(Format::Ext(Generation::Ext4))),
            (".ext4", None),
            ("a.ext4/x", None),
            ("a.img", None),
        ] {
            assert_eq!(Format::of_name(name.as_bytes()), format, "{name}");
        }
        let tar = Format::Tar(Compression::None);
        assert_eq!(tar.compressed_as(b"x.tgz.gz"), Format::Tar(Compression::Gzip));
        assert_eq!(Format::Squashfs.compressed_as(b"x.gz"), Format::Squashfs);
    }
}
