//! Options of disks.

use super::super::ext::Generation;
use super::super::image::Filesystem;

/// Options of disks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskOptions {
    /// Format of the file; none for what its name says.
    pub image: Option<DiskImage>,
    /// Filesystem of the root partition; none for ext4.
    pub root: Option<RootFormat>,
    /// How it starts; none for systemd-boot.
    pub bootloader: Option<Bootloader>,
    /// Size in bytes of the EFI system partition; none for what is needed, and some room.
    pub esp_size: Option<u64>,
    /// Size in bytes of the swap partition; none for no such partition.
    pub swap: Option<u64>,
    /// Words for the kernel, besides that which says where the root is.
    pub kernel_options: Option<String>,
}

/// Filesystem of a root partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootFormat {
    /// ext2, ext3 or ext4.
    Ext(Generation),
    /// btrfs or XFS.
    Image(Filesystem),
    /// EROFS, read-only.
    Erofs,
    /// squashfs, read-only.
    Squashfs,
}

impl RootFormat {
    /// Returns the kernel's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext(Generation::Ext2) => "ext2",
            Self::Ext(Generation::Ext3) => "ext3",
            Self::Ext(Generation::Ext4) => "ext4",
            Self::Image(filesystem) => filesystem.name(),
            Self::Erofs => "erofs",
            Self::Squashfs => "squashfs",
        }
    }
}

/// Format of a disk's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskImage {
    /// The disk itself, with holes.
    Raw,
    /// QEMU's.
    Qcow2,
    /// That of Virtual PC and Hyper-V.
    Vhd,
    /// VMware's.
    Vmdk,
}

/// How a disk starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bootloader {
    /// systemd-boot of the target.
    SystemdBoot,
    /// GRUB, made by the machine's grub-mkimage of the target's modules.
    Grub,
    /// U-Boot of the board, with the menu of extlinux.
    Extlinux,
    /// Kernel, initrd and command line in one file, with systemd's stub of the target.
    Uki,
    /// By nothing: there is no EFI system partition.
    None,
}
