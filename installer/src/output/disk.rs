//! Disks that start: a partition table, a partition for the firmware, the root filesystem, swap. Nothing is mounted.
//!
//! Each part is made in a file by what makes its format, and put to its place. All UUIDs are made of the target's own
//! ([`Source::uuid`]), so that the same target gives the same disk.

mod boot;
mod esp;
mod kernels;
mod machine;
mod options;
mod pe;
mod table;
mod virtual_disk;

use super::erofs::Erofs;
use super::ext::{Ext, Generation};
use super::image::Image;
use super::maker::Maker;
use super::squashfs::Squashfs;
use super::{Error, ImageOptions, Output, Sink, Source, Written, fat};
use boot::Boot;
use esp::Esp;
use machine::Machine;
use std::path::{Path, PathBuf};
use table::{Partition, STEP};

pub use options::{Bootloader, DiskImage, DiskOptions, RootFormat};

const MKSWAP: Maker = Maker {
    program: "mkswap",
    package: "util-linux",
    makes: "swap partitions",
};
/// Type of a partition that firmware reads.
const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
/// Type of a partition that is swapped to.
const SWAP: &str = "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f";
/// Bytes that are left free in the partition that firmware reads, for another kernel.
const ROOM: u64 = 160 << 20;
/// Least size of a swap partition.
const LEAST_SWAP: u64 = STEP;

/// Writer of disks.
pub(super) struct Disk(pub(super) DiskImage);

impl Output for Disk {
    fn check(&self, options: &ImageOptions) -> Result<(), Error> {
        let disk = &options.disk;
        table::SFDISK.find()?;
        if disk.image.unwrap_or(self.0) != DiskImage::Raw {
            virtual_disk::QEMU_IMG.find()?;
        }
        let loader = disk.loader();
        if loader == Bootloader::Grub {
            boot::GRUB.find()?;
        }
        if loader != Bootloader::None {
            fat::check(&ImageOptions {
                size: disk.esp_size,
                ..ImageOptions::default()
            })?;
        }
        if let Some(size) = disk.swap {
            MKSWAP.find()?;
            if size < LEAST_SWAP {
                return Err(Error::TooSmall {
                    size,
                    needed: LEAST_SWAP,
                });
            }
        }
        let root = ImageOptions {
            size: None,
            ..options.clone()
        };
        writer(disk.root()).check(&root)
    }

    fn check_packages(
        &self,
        options: &ImageOptions,
        architecture: &str,
        names: &[&str],
    ) -> Result<(), Error> {
        let loader = options.disk.loader();
        let machine = Machine::find(architecture)?;
        // People's own kernels have other names.
        let kernel = |name: &&str| name.contains("linux-image") || name.contains("kernel");
        if loader != Bootloader::None && !names.iter().any(kernel) {
            return Err(Error::NoKernel {
                package: machine.kernel,
            });
        }
        boot::check_packages(loader, machine.efi, architecture, names)
    }

    fn write(&self, source: &Source<'_>, sink: &mut Sink<'_>) -> Result<Written, Error> {
        let options = source.options;
        let loader = options.disk.loader();
        let machine = Machine::find(source.architecture)?;
        let uuid = source.uuid()?;
        let mut partitions = Vec::new();
        let root_uuid = derived(&uuid, "root");
        let part = |name: &str| source.scratch.join(format!("part-{name}"));
        if loader != Bootloader::None {
            let root = options.disk.root();
            let command_line = command_line(&root_uuid, root, options.disk.kernel_options.as_deref());
            let kernels = kernels::find(source, machine)?;
            let mut esp = Esp::new(source)?;
            Boot::new(source, &kernels, &command_line).put(&mut esp, loader, machine.efi)?;
            let content = part("esp");
            let given = options.disk.esp_size.map(|size| size / STEP * STEP);
            let size = esp.make(&content, &derived(&uuid, "esp filesystem"), given, ROOM)?;
            partitions.push(Partition {
                name: "esp",
                kind: ESP,
                uuid: derived(&uuid, "esp"),
                // U-Boot looks for its menu in partitions that are marked so.
                attributes: if loader == Bootloader::Extlinux {
                    "LegacyBIOSBootable"
                } else {
                    ""
                },
                size: size.next_multiple_of(STEP),
                content,
            });
        }
        if let Some(size) = options.disk.swap {
            let content = part("swap");
            make_swap(source, &content, size, &derived(&uuid, "swap filesystem"))?;
            partitions.push(Partition {
                name: "swap",
                kind: SWAP,
                uuid: derived(&uuid, "swap"),
                attributes: "",
                size: size.next_multiple_of(STEP),
                content,
            });
        }
        // Before the first partition and after the last.
        let others: u64 = 2 * STEP + partitions.iter().map(|partition| partition.size).sum::<u64>();
        let content = part("root");
        let (size, written) = make_root(source, &content, others)?;
        partitions.push(Partition {
            name: "root",
            kind: machine.root,
            uuid: root_uuid,
            attributes: if is_written(options.disk.root()) {
                ""
            } else {
                "GUID:60"
            },
            size,
            content,
        });
        let raw = source.scratch.join("disk.raw");
        table::write(source, &raw, &derived(&uuid, "disk"), others + size, &partitions)?;
        let image = match options.disk.image.unwrap_or(self.0) {
            DiskImage::Raw => raw,
            format => {
                let image = source.scratch.join("disk.image");
                virtual_disk::convert(source, format, &raw, &image, &derived(&uuid, "image"))?;
                std::fs::remove_file(&raw).map_err(Error::Write)?;
                image
            }
        };
        Ok(Written {
            bytes: sink.bring(&image)?,
            ..written
        })
    }
}

impl DiskOptions {
    fn loader(&self) -> Bootloader {
        self.bootloader.unwrap_or(Bootloader::SystemdBoot)
    }

    /// Returns the format of the root filesystem.
    pub(super) fn root(&self) -> RootFormat {
        self.root.unwrap_or(RootFormat::Ext(Generation::Ext4))
    }

    /// Checks what options say.
    ///
    /// # Errors
    /// [`Error::KernelOptions`].
    pub(super) fn check(&self) -> Result<(), Error> {
        let plain = |text: &String| text.chars().all(|char| char.is_ascii_graphic() || char == ' ');
        match &self.kernel_options {
            Some(words) if !plain(words) => Err(Error::KernelOptions),
            _ => Ok(()),
        }
    }
}

/// Whether a filesystem can be written to.
fn is_written(format: RootFormat) -> bool {
    matches!(format, RootFormat::Ext(_) | RootFormat::Image(_))
}

fn writer(format: RootFormat) -> Box<dyn Output> {
    match format {
        RootFormat::Ext(generation) => Box::new(Ext(generation)),
        RootFormat::Image(filesystem) => Box::new(Image(filesystem)),
        RootFormat::Erofs => Box::new(Erofs),
        RootFormat::Squashfs => Box::new(Squashfs),
    }
}

fn command_line(root: &str, format: RootFormat, more: Option<&str>) -> String {
    let access = match is_written(format) {
        true => "rw",
        false => "ro",
    };
    let words = ["root=PARTUUID=", root, " rootfstype=", format.name(), " ", access];
    let more = more.map(|more| format!(" {more}")).unwrap_or_default();
    words.concat() + &more
}

/// Makes the root filesystem: of what a disk's size leaves beside `others` bytes, else as large as it needs to be.
fn make_root(source: &Source<'_>, image: &Path, others: u64) -> Result<(u64, Written), Error> {
    let format = source.options.disk.root();
    let sized = is_written(format);
    let given = source.options.size.map(|size| size / STEP * STEP);
    let too_small = |needed| Error::TooSmall {
        size: source.options.size.unwrap_or_default(),
        needed: others + needed,
    };
    let room = match given {
        Some(size) if size <= others => return Err(too_small(STEP)),
        Some(size) => Some(size - others),
        None => None,
    };
    let options = ImageOptions {
        size: room.filter(|_| sized),
        ..source.options.clone()
    };
    let scratch = source.scratch.join("root");
    std::fs::create_dir(&scratch).map_err(Error::Write)?;
    let part = Source {
        options: &options,
        scratch: &scratch,
        ..*source
    };
    let written = writer(format).write(&part, &mut Sink::Path(image.to_owned()));
    let written = written.map_err(|error| match error {
        Error::TooSmall { needed, .. } => too_small(needed),
        error => error,
    })?;
    std::fs::remove_dir_all(&scratch).map_err(Error::Write)?;
    let size = written.bytes.next_multiple_of(STEP);
    match room {
        Some(room) if size > room => Err(too_small(size)),
        Some(room) => Ok((room, written)),
        None => Ok((size, written)),
    }
}

fn make_swap(source: &Source<'_>, path: &PathBuf, size: u64, uuid: &str) -> Result<(), Error> {
    let file = std::fs::File::create_new(path).map_err(Error::Write)?;
    file.set_len(size.next_multiple_of(STEP)).map_err(Error::Write)?;
    drop(file);
    let mut call = MKSWAP.call(source.time(), &source.scratch.join("mkswap.log"))?;
    // Of the machine that the disk is for, not of this one.
    call.args(["--pagesize", "4096", "--uuid", uuid, "--label", "swap"])
        .args([path]);
    call.output().map(|_| ())
}

/// Returns a UUID for a part of what has a UUID (RFC 9562, version 8).
fn derived(uuid: &str, part: &str) -> String {
    super::source::uuid_of(format!("{uuid} {part}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_say_where_the_root_is() {
        let line = command_line("x", RootFormat::Ext(Generation::Ext4), Some("quiet"));
        assert_eq!(line, "root=PARTUUID=x rootfstype=ext4 rw quiet");
        assert_eq!(
            command_line("x", RootFormat::Erofs, None),
            "root=PARTUUID=x rootfstype=erofs ro"
        );
    }

    #[test]
    fn uuids_of_parts_differ() {
        let parts = ["disk", "esp", "root"].map(|part| derived("a", part));
        assert!(parts[0] != parts[1] && parts[1] != parts[2]);
        assert_eq!(parts[0].len(), 36);
        assert_eq!(parts[0].as_bytes()[14], b'8');
    }
}
