//! Options whose values are words of a fixed set.

use crate::customization::HostKeys;
use crate::lint::Format;
use crate::merge_usr::MergedUsr;
use crate::output::{
    Attachment, Bootloader, Compression, DiskImage, Filesystem, Format as Output, Generation, Layout,
    RootFormat,
};
use crate::sbom::SbomFormat;
use crate::settings::Mode;
use crate::target_spec::Form;
use apt_solve::Variant;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use script_host::unrunnable::OnUnrunnable;

/// A value of an option: its word, its other spellings, its help.
type Choice<T> = (T, &'static str, &'static [&'static str], &'static str);

/// Returns the parser of an option with these values.
fn parser<T: Copy + Send + Sync + 'static>(
    choices: &'static [Choice<T>],
) -> impl TypedValueParser<Value = T> {
    let values = choices.iter().map(|(_, word, spellings, help)| {
        PossibleValue::new(*word)
            .aliases(spellings.iter().copied())
            .help(*help)
    });
    PossibleValuesParser::new(values).try_map(|given| {
        let mut values = choices.iter();
        let found = values.find(|(_, word, spellings, _)| *word == given || spellings.contains(&&*given));
        // clap has checked the word against the same table.
        found
            .map(|(value, ..)| *value)
            .ok_or("this is none of the values")
    })
}

/// `--oci-attach`; none for `none`.
pub(super) fn attachment() -> impl TypedValueParser<Value = Option<Attachment>> {
    parser(ATTACHMENTS)
}

const ATTACHMENTS: &[Choice<Option<Attachment>>] = &[
    (
        Some(Attachment::Sbom(SbomFormat::Spdx)),
        "spdx",
        &[],
        "A bill of materials, SPDX 2.3 as JSON",
    ),
    (
        Some(Attachment::Sbom(SbomFormat::CycloneDx)),
        "cyclonedx",
        &[],
        "A bill of materials, CycloneDX 1.6 as JSON",
    ),
    (
        Some(Attachment::Provenance),
        "provenance",
        &[],
        "What the image was made of: an in-toto statement with SLSA's provenance",
    ),
    (None, "none", &[], "Nothing of what comes before"),
];

/// `--variant`.
pub(super) fn variant() -> impl TypedValueParser<Value = Variant> {
    parser(VARIANTS)
}

const VARIANTS: &[Choice<Variant>] = &[
    (
        Variant::Extract,
        "extract",
        &[],
        "Nothing but --include and what it depends on, unpacked and not installed",
    ),
    (
        Variant::Custom,
        "custom",
        &[],
        "Nothing but --include and what it depends on, installed together; it needs dpkg and the programs that \
         its scripts run among them",
    ),
    (
        Variant::Essential,
        "essential",
        &[],
        "Packages marked Essential, and what they depend on",
    ),
    (Variant::Apt, "apt", &[], "essential and apt"),
    (
        Variant::Minbase,
        "minbase",
        &["required"],
        "essential and packages of priority required, apt among them (or: required)",
    ),
    (
        Variant::Buildd,
        "buildd",
        &[],
        "essential, apt and build-essential",
    ),
    (
        Variant::Important,
        "important",
        &["debootstrap", "-"],
        "minbase and packages of priority important (or: debootstrap, -)",
    ),
    (
        Variant::Standard,
        "standard",
        &[],
        "important and packages of priority standard",
    ),
];

/// `--ssh-host-keys`.
pub(super) fn host_keys() -> impl TypedValueParser<Value = HostKeys> {
    parser(&[
        (
            HostKeys::Keep,
            "keep",
            &[],
            "They stay, and every copy of the result has them",
        ),
        (
            HostKeys::Remove,
            "remove",
            &[],
            "They are removed, and each system makes its own when it starts first",
        ),
    ])
}

/// `--merged-usr`.
pub(super) fn merged_usr() -> impl TypedValueParser<Value = MergedUsr> {
    parser(&[
        (
            MergedUsr::Auto,
            "auto",
            &[],
            "As the packages of the suite have it",
        ),
        (MergedUsr::Yes, "yes", &[], "Merged, without the package usrmerge"),
        (MergedUsr::No, "no", &[], "Not merged; for suites up to Debian 12"),
    ])
}

/// `--mode`.
pub(super) fn mode() -> impl TypedValueParser<Value = Mode> {
    parser(&[
        (
            Mode::Auto,
            "auto",
            &["root", "sudo", "unshare", "fakeroot", "fakechroot", "proot"],
            "redirect, or chrootless where this machine does not let an ordinary user make namespaces (or, as mmdebstrap \
             has them: root, sudo, unshare, fakeroot, fakechroot, proot)",
        ),
        (
            Mode::Redirect,
            "redirect",
            &[],
            "In a view of the target where every tool is its native counterpart",
        ),
        (
            Mode::Chrootless,
            "chrootless",
            &[],
            "Outside of the target, with DPKG_ROOT, as dpkg --force-script-chrootless runs them",
        ),
    ])
}

/// `--on-unrunnable`.
pub(super) fn on_unrunnable() -> impl TypedValueParser<Value = OnUnrunnable> {
    parser(&[
        (
            OnUnrunnable::Fail,
            "fail",
            &[],
            "The run fails and names the package and the program",
        ),
        (
            OnUnrunnable::Defer,
            "defer",
            &[],
            "The package and what depends on it are left for the target's own `dpkg --configure -a`",
        ),
    ])
}

/// `--format` of lint.
pub(super) fn format() -> impl TypedValueParser<Value = Format> {
    parser(&[
        (
            Format::Text,
            "text",
            &[],
            "For people: grouped by package and script, with advice",
        ),
        (
            Format::Json,
            "json",
            &[],
            "For programs: one object, whose fields are described in docs/lint.md",
        ),
    ])
}

/// `--format` of a result.
pub(super) fn form() -> impl TypedValueParser<Value = Form> {
    parser(FORMS)
}

const FORMS: &[Choice<Form>] = &[
    (Form::Auto, "auto", &[], "What the name of TARGET says"),
    (Form::Directory, "directory", &["dir"], "A directory"),
    (
        Form::File(Output::Tar(Compression::None)),
        "tar",
        &[],
        "A tar archive, compressed as the name ends",
    ),
    (
        Form::File(Output::Cpio(Compression::None)),
        "cpio",
        &[],
        "A cpio archive as the kernel reads it, compressed as the name ends; without capabilities",
    ),
    (
        Form::File(Output::Squashfs),
        "squashfs",
        &["sqfs"],
        "A squashfs image (needs squashfs-tools-ng)",
    ),
    (
        Form::File(Output::Ext(Generation::Ext2)),
        "ext2",
        &[],
        "An ext2 image (needs e2fsprogs)",
    ),
    (
        Form::File(Output::Ext(Generation::Ext3)),
        "ext3",
        &[],
        "An ext3 image (needs e2fsprogs)",
    ),
    (
        Form::File(Output::Ext(Generation::Ext4)),
        "ext4",
        &[],
        "An ext4 image (needs e2fsprogs)",
    ),
    (
        Form::File(Output::Image(Filesystem::Btrfs)),
        "btrfs",
        &[],
        "A btrfs image",
    ),
    (
        Form::File(Output::Image(Filesystem::Xfs)),
        "xfs",
        &[],
        "An XFS image",
    ),
    (
        Form::File(Output::Erofs),
        "erofs",
        &[],
        "An EROFS image (needs erofs-utils 1.7)",
    ),
    (
        Form::File(Output::Vfat),
        "vfat",
        &["fat", "fat32"],
        "An image of FAT32, without owners, modes, links and devices (needs dosfstools, mtools)",
    ),
    (
        Form::File(Output::Disk(DiskImage::Raw)),
        "disk",
        &[],
        "A disk that starts: partitions for firmware, swap and root (needs fdisk, dosfstools, mtools, e2fsprogs)",
    ),
    (
        Form::File(Output::Container(Layout::OciDirectory)),
        "oci",
        &[],
        "A directory with an OCI image",
    ),
    (
        Form::File(Output::Container(Layout::OciArchive)),
        "oci-archive",
        &[],
        "An archive of an OCI image",
    ),
    (
        Form::File(Output::Container(Layout::DockerArchive)),
        "docker-archive",
        &["docker"],
        "An archive that `docker load` reads",
    ),
    (Form::Null, "null", &[], "Nothing: all is done, and thrown away"),
];

/// `--disk-format`.
pub(super) fn disk_image() -> impl TypedValueParser<Value = DiskImage> {
    parser(&[
        (DiskImage::Raw, "raw", &["img"], "The disk itself, with holes"),
        (DiskImage::Qcow2, "qcow2", &[], "QEMU's (needs qemu-utils)"),
        (
            DiskImage::Vhd,
            "vhd",
            &["vpc"],
            "Virtual PC's and Hyper-V's (needs qemu-utils)",
        ),
        (DiskImage::Vmdk, "vmdk", &[], "VMware's (needs qemu-utils)"),
    ])
}

/// `--root-format`.
pub(super) fn root_format() -> impl TypedValueParser<Value = RootFormat> {
    parser(&[
        (RootFormat::Ext(Generation::Ext4), "ext4", &[], "ext4"),
        (RootFormat::Ext(Generation::Ext3), "ext3", &[], "ext3"),
        (RootFormat::Ext(Generation::Ext2), "ext2", &[], "ext2"),
        (RootFormat::Image(Filesystem::Btrfs), "btrfs", &[], "btrfs"),
        (RootFormat::Image(Filesystem::Xfs), "xfs", &[], "XFS"),
        (
            RootFormat::Erofs,
            "erofs",
            &[],
            "EROFS, read-only (needs erofs-utils 1.7)",
        ),
        (
            RootFormat::Squashfs,
            "squashfs",
            &[],
            "squashfs, read-only (needs squashfs-tools-ng)",
        ),
    ])
}

/// `--bootloader`.
pub(super) fn bootloader() -> impl TypedValueParser<Value = Bootloader> {
    parser(&[
        (
            Bootloader::SystemdBoot,
            "systemd-boot",
            &[],
            "systemd-boot, from the target's package systemd-boot-efi",
        ),
        (
            Bootloader::Grub,
            "grub",
            &[],
            "GRUB, made of the modules in the target's package grub-efi-…-bin (needs grub-common)",
        ),
        (
            Bootloader::Extlinux,
            "extlinux",
            &[],
            "A menu for U-Boot, which is on the board: extlinux/extlinux.conf and device trees",
        ),
        (
            Bootloader::Uki,
            "uki",
            &[],
            "Unified kernel images with systemd's stub, from the target's package systemd-boot-efi",
        ),
        (
            Bootloader::None,
            "none",
            &[],
            "Nothing; there is no EFI system partition",
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variants_agree() {
        for (variant, word, ..) in VARIANTS {
            assert_eq!(variant.as_str(), *word);
        }
    }
}
