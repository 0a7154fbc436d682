//! Options of the result's format, which all commands that write one have.

use super::{choices, values};
use crate::output::{
    Attachment, Bootloader, ContainerConfig, DiskImage, DiskOptions, ImageOptions, RootFormat,
};
use crate::target_spec::{Form, TargetSpec};
use clap::{ArgAction, Args};
use std::ffi::OsStr;

/// Options of the result's format.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Format of the result")]
pub struct ImageArgs {
    /// What to make, whatever the name
    #[arg(
        id = "result_format",
        long = "format",
        value_name = "FORMAT",
        default_value = "auto",
        value_parser = choices::form()
    )]
    pub format: Form,

    /// Size of an ext2, ext3, ext4, btrfs, xfs or vfat image, or of a disk, as 2G or 800M [default: as much as is needed]
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub size: Option<u64>,

    /// Space that is left free in such an image whose size is not given [default: 0]
    #[arg(long, value_name = "SIZE", value_parser = values::size, conflicts_with = "size")]
    pub free: Option<u64>,

    /// Label of the filesystem: ext2, ext3, ext4, btrfs, xfs, vfat, erofs, a disk's root
    #[arg(long, value_name = "LABEL")]
    pub fs_label: Option<String>,

    /// UUID of the filesystem [default: one that the content decides]
    #[arg(long, value_name = "UUID", value_parser = values::uuid)]
    pub fs_uuid: Option<String>,

    /// Format of a disk's file, whatever its name
    #[arg(long, value_name = "FORMAT", value_parser = choices::disk_image())]
    pub disk_format: Option<DiskImage>,

    /// What a disk starts with [default: systemd-boot]
    #[arg(long, value_name = "LOADER", value_parser = choices::bootloader())]
    pub bootloader: Option<Bootloader>,

    /// Filesystem of a disk's root partition [default: ext4]
    #[arg(long, value_name = "FORMAT", value_parser = choices::root_format())]
    pub root_format: Option<RootFormat>,

    /// Size of a disk's EFI system partition [default: what is needed, and room for another kernel]
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub esp_size: Option<u64>,

    /// Size of a disk's swap partition [default: no such partition]
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub swap: Option<u64>,

    /// Words for the kernel of a disk, besides where its root is
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub kernel_options: Option<String>,

    /// Name of a container image, perhaps with `:TAG`; in an OCI layout its tag
    #[arg(long, value_name = "NAME[:TAG]")]
    pub oci_name: Option<String>,

    /// A word of the command that the container always executes; more than once for its arguments
    #[arg(long, value_name = "WORD", action = ArgAction::Append, allow_hyphen_values = true)]
    pub oci_entrypoint: Vec<String>,

    /// A word of the command, or of the entry point's arguments, where the user gives none [default: the shell]
    #[arg(long, value_name = "WORD", action = ArgAction::Append, allow_hyphen_values = true)]
    pub oci_cmd: Vec<String>,

    /// A variable of the container's environment
    #[arg(long, value_name = "NAME=VALUE", action = ArgAction::Append)]
    pub oci_env: Vec<String>,

    /// User that the container runs as
    #[arg(long, value_name = "USER[:GROUP]")]
    pub oci_user: Option<String>,

    /// Working directory of the container
    #[arg(long, value_name = "DIR")]
    pub oci_workdir: Option<String>,

    /// A label of the container image
    #[arg(long, value_name = "NAME=VALUE", action = ArgAction::Append)]
    pub oci_label: Vec<String>,

    /// Attach a bill of materials or the provenance to an OCI image, as a referrer; more than once for more [default: what
    /// --sbom and --provenance write]
    #[arg(long, value_name = "WHAT", value_parser = choices::attachment(), action = ArgAction::Append)]
    pub oci_attach: Vec<Option<Attachment>>,
}

impl ImageArgs {
    /// Returns the options, completed from the argument that names the result.
    pub fn options(self, target: &OsStr) -> ImageOptions {
        ImageOptions {
            size: self.size,
            free: self.free,
            label: self.fs_label,
            uuid: self.fs_uuid,
            disk: DiskOptions {
                image: self.disk_format,
                root: self.root_format,
                bootloader: self.bootloader,
                esp_size: self.esp_size,
                swap: self.swap,
                kernel_options: self.kernel_options,
            },
            container: ContainerConfig {
                entrypoint: self.oci_entrypoint,
                cmd: self.oci_cmd,
                env: self.oci_env,
                user: self.oci_user,
                workdir: self.oci_workdir,
                labels: self.oci_label,
                name: self.oci_name.or_else(|| TargetSpec::image_name(target)),
                attach: attached(&self.oci_attach),
            },
        }
    }
}

/// Returns what is attached: nothing of what comes before `none` is.
fn attached(given: &[Option<Attachment>]) -> Option<Vec<Attachment>> {
    let mut all = Vec::new();
    for one in given {
        match one {
            None => all.clear(),
            Some(one) if all.contains(one) => {}
            Some(one) => all.push(*one),
        }
    }
    (!given.is_empty()).then_some(all)
}
