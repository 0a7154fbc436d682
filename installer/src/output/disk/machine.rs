//! What firmware and partition tables call an architecture.

use super::super::Error;

/// Names of an architecture in disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// Debian's name.
    name: &'static str,
    /// Type of the root partition (UAPI Group's Discoverable Partitions Specification).
    pub(super) root: &'static str,
    /// Names in EFI; none where there is no EFI.
    pub(super) efi: Option<Efi>,
    /// Debian's usual kernel package.
    pub(super) kernel: &'static str,
}

/// Names of an architecture in EFI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Efi {
    /// End of the names of systemd's files, and of the loader that firmware starts (UEFI, 3.5.1.1) in capitals.
    pub(super) short: &'static str,
    /// GRUB's name of the platform.
    pub(super) grub: &'static str,
    /// Debian's package of GRUB's modules for it.
    pub(super) grub_package: &'static str,
    /// Number of the machine in PE files (Microsoft's PE format, machine types).
    pub(super) pe: u16,
}

/// The type of a root partition of an architecture that has none of its own: any data of Linux.
const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";

const fn efi(short: &'static str, grub: &'static str, grub_package: &'static str, pe: u16) -> Option<Efi> {
    Some(Efi {
        short,
        grub,
        grub_package,
        pe,
    })
}

const fn row(name: &'static str, root: &'static str, kernel: &'static str, efi: Option<Efi>) -> Machine {
    Machine {
        name,
        root,
        efi,
        kernel,
    }
}

#[rustfmt::skip]
const MACHINES: &[Machine] = &[
    row("amd64", "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "linux-image-amd64", efi("x64", "x86_64-efi", "grub-efi-amd64-bin", 0x8664)),
    row("i386", "44479540-f297-41b2-9af7-d131d5f0458a", "linux-image-686-pae", efi("ia32", "i386-efi", "grub-efi-ia32-bin", 0x14c)),
    row("arm64", "b921b045-1df0-41c3-af44-4c6f280d3fae", "linux-image-arm64", efi("aa64", "arm64-efi", "grub-efi-arm64-bin", 0xaa64)),
    row("armhf", "69dad710-2ce4-4e3c-b16c-21a1d49abed3", "linux-image-armmp", efi("arm", "arm-efi", "grub-efi-arm-bin", 0x1c2)),
    row("armel", "69dad710-2ce4-4e3c-b16c-21a1d49abed3", "linux-image-rpi", efi("arm", "arm-efi", "grub-efi-arm-bin", 0x1c2)),
    row("riscv64", "72ec70a6-cf74-40e6-bd49-4bda08e8f224", "linux-image-riscv64", efi("riscv64", "riscv64-efi", "grub-efi-riscv64-bin", 0x5064)),
    row("loong64", "77055800-792c-4f94-b39a-98c91b762bb6", "linux-image-loong64", efi("loongarch64", "loongarch64-efi", "grub-efi-loong64-bin", 0x6264)),
    row("mips64el", "700bda43-7a34-4507-b179-eeb93d7a7ca3", "linux-image-mips64r2el", None),
    row("mipsel", "37c58c8a-d913-4156-a25f-48b1b64e07f0", "linux-image-4kc-malta", None),
    row("powerpc", "1de3f1ef-fa98-47b5-8dcd-4a860a654d78", "linux-image-powerpc", None),
    row("ppc64", "912ade1d-a839-4913-8964-a10eee08fbd2", "linux-image-powerpc64", None),
    row("ppc64el", "c31c45e6-3f39-412e-80fb-4809c4980599", "linux-image-powerpc64le", None),
    row("s390x", "5eead9a9-fe09-4a1e-a1d7-520d00531306", "linux-image-s390x", None),
    row("alpha", "6523f8ae-3eb1-4e2a-a05a-18b695ae656f", "linux-image-alpha-generic", None),
    row("hppa", LINUX, "linux-image-parisc64", None),
    row("m68k", LINUX, "linux-image-m68k", None),
    row("sh4", LINUX, "linux-image-sh7785lcr", None),
    row("sparc64", LINUX, "linux-image-sparc64", None),
    row("x32", LINUX, "linux-image-amd64", None),
];

impl Machine {
    /// Returns the names of an architecture that Debian names so.
    ///
    /// # Errors
    /// [`Error::NoEfi`] for one that is not known.
    pub(super) fn find(architecture: &str) -> Result<&'static Self, Error> {
        let mut all = MACHINES.iter();
        let found = all.find(|machine| machine.name == architecture);
        found.ok_or_else(|| Error::NoEfi {
            architecture: architecture.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_architecture_has_its_names() {
        for architecture in deb_arch::ARCHITECTURES {
            assert!(Machine::find(architecture.name).is_ok(), "{}", architecture.name);
        }
    }
}
