//! Formats of a result that is one file, or a directory of an image: all made from a finished target.

use super::container::{Container, ContainerConfig, Layout};
use super::cpio::Cpio;
use super::disk::{Disk, DiskImage, DiskOptions, RootFormat};
use super::erofs::Erofs;
use super::ext::{Ext, Generation};
use super::image::{Filesystem, Image};
use super::squashfs::Squashfs;
use super::vfat::Vfat;
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
    /// An image of btrfs or XFS.
    Image(Filesystem),
    /// An EROFS image.
    Erofs,
    /// An image of FAT32, which has no owners.
    Vfat,
    /// A disk that starts.
    Disk(DiskImage),
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
    (".btrfs", Format::Image(Filesystem::Btrfs)),
    (".xfs", Format::Image(Filesystem::Xfs)),
    (".erofs", Format::Erofs),
    (".img", Format::Disk(DiskImage::Raw)),
    (".raw", Format::Disk(DiskImage::Raw)),
    (".qcow2", Format::Disk(DiskImage::Qcow2)),
    (".vhd", Format::Disk(DiskImage::Vhd)),
    (".vmdk", Format::Disk(DiskImage::Vmdk)),
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

    /// Returns this format with the compression, or the format of a virtual machine's disk, that a name ends with, where
    /// it has such.
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
            (Self::Disk(_), _) => match Self::of_name(name) {
                Some(Self::Disk(image)) => Self::Disk(image),
                _ => self,
            },
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
            Self::Image(filesystem) => filesystem.name(),
            Self::Erofs => "erofs",
            Self::Vfat => "vfat",
            Self::Disk(_) => "disk",
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
            Self::Image(filesystem) => Box::new(Image(filesystem)),
            Self::Erofs => Box::new(Erofs),
            Self::Vfat => Box::new(Vfat),
            Self::Disk(image) => Box::new(Disk(image)),
            Self::Container(layout) => Box::new(Container(layout)),
        }
    }
}

impl Output for Format {
    fn check(&self, options: &ImageOptions) -> Result<(), Error> {
        self.writer().check(options)
    }

    fn check_packages(
        &self,
        options: &ImageOptions,
        architecture: &str,
        names: &[&str],
    ) -> Result<(), Error> {
        self.writer().check_packages(options, architecture, names)
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
        let disk = matches!(format, Format::Disk(_));
        let sized = disk || matches!(format, Format::Ext(_) | Format::Image(_) | Format::Vfat);
        // In a disk they are those of the root filesystem.
        let filesystem = match format {
            Format::Disk(_) => match self.disk.root() {
                RootFormat::Ext(generation) => Format::Ext(generation),
                RootFormat::Image(filesystem) => Format::Image(filesystem),
                RootFormat::Erofs => Format::Erofs,
                RootFormat::Squashfs => Format::Squashfs,
            },
            format => format,
        };
        let free = matches!(filesystem, Format::Ext(_) | Format::Image(_) | Format::Vfat);
        let named = free || filesystem == Format::Erofs;
        let uuid = named || disk;
        let container = matches!(format, Format::Container(_));
        let names = "ext2, ext3, ext4, btrfs, xfs, vfat and erofs, also in a disk";
        let has_disk = self.disk != DiskOptions::default();
        let has_container = self.container != ContainerConfig::default();
        for (given, option, has, of) in [
            (
                self.size.is_some(),
                "--size",
                sized,
                "ext2, ext3, ext4, btrfs, xfs, vfat and disks",
            ),
            (
                self.free.is_some(),
                "--free",
                free,
                "ext2, ext3, ext4, btrfs, xfs and vfat, also in a disk",
            ),
            (self.label.is_some(), "--fs-label", named, names),
            (self.uuid.is_some(), "--fs-uuid", uuid, names),
            (
                has_disk,
                "an option of disks",
                disk,
                "disks: --format disk, or NAME.img",
            ),
            (has_container, "--oci-…", container, "container images"),
        ] {
            if given && !has {
                return Err(Error::Option { option, of });
            }
        }
        let longest = match filesystem {
            Format::Vfat => 11,
            Format::Erofs => 15,
            Format::Image(filesystem) => filesystem.longest_label(),
            _ => 16,
        };
        if self.label.as_ref().is_some_and(|label| label.len() > longest) {
            return Err(Error::Label { longest });
        }
        self.disk.check()?;
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
            ("a.img", Some(Format::Disk(DiskImage::Raw))),
            ("a.qcow2", Some(Format::Disk(DiskImage::Qcow2))),
            ("a.image", None),
        ] {
            assert_eq!(Format::of_name(name.as_bytes()), format, "{name}");
        }
        let tar = Format::Tar(Compression::None);
        assert_eq!(tar.compressed_as(b"x.tgz.gz"), Format::Tar(Compression::Gzip));
        let disk = Format::Disk(DiskImage::Raw);
        assert_eq!(disk.compressed_as(b"x.VMDK"), Format::Disk(DiskImage::Vmdk));
        assert_eq!(disk.compressed_as(b"x.ext4"), disk);
        assert_eq!(Format::Squashfs.compressed_as(b"x.gz"), Format::Squashfs);
    }
}
