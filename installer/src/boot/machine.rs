//! Virtual machines: a row an architecture.

/// A kind of virtual machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Debian's name of the architecture.
    pub name: &'static str,
    /// Program of qemu's.
    pub program: &'static str,
    /// Package of that program in Debian 12 and later; another one from 13 on is named as well.
    pub package: &'static str,
    /// `-machine`.
    pub machine: &'static str,
    /// `-cpu` where the processor is emulated.
    pub cpu: &'static str,
    /// The kernel's name of the console.
    pub console: &'static str,
    /// End of the names of devices of virtio: `pci` or `ccw`.
    pub bus: &'static str,
    /// Debian's usual package of kernels.
    pub kernel: &'static str,
    /// The firmware that starts disks; none where there is none.
    pub firmware: Option<Firmware>,
    /// Architectures of machines that can run it by KVM.
    natives: &'static [&'static str],
}

/// A firmware for virtual machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// Its file.
    pub file: &'static str,
    /// Its package.
    pub package: &'static str,
    /// Where it is put.
    pub place: Place,
}

/// Where a machine has its firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// What `-bios` takes.
    Bios,
    /// Flash memory. Its variables are in another file, of which each run has a copy.
    Flash {
        /// The file of variables.
        variables: &'static str,
        /// Whether only the system management mode may write to it (edk2's `OvmfPkg/README`, SMM_REQUIRE).
        guarded: bool,
    },
}

const fn bios(package: &'static str, file: &'static str) -> Option<Firmware> {
    Some(Firmware {
        file,
        package,
        place: Place::Bios,
    })
}

const fn flash(
    package: &'static str,
    guarded: bool,
    file: &'static str,
    variables: &'static str,
) -> Option<Firmware> {
    Some(Firmware {
        file,
        package,
        place: Place::Flash { variables, guarded },
    })
}

// Emulated amd64 is without cmpxchg16b: with qemu 7.2 the kernel's allocator, which uses it where it is there, has crashed.
#[rustfmt::skip]
const MACHINES: &[Machine] = &[
    Machine { name: "amd64", program: "qemu-system-x86_64", package: "qemu-system-x86", machine: "q35", cpu: "max,la57=off,cx16=off", console: "ttyS0", bus: "pci",
        kernel: "linux-image-amd64", firmware: bios("ovmf", "/usr/share/ovmf/OVMF.fd"), natives: &["amd64"] },
    Machine { name: "i386", program: "qemu-system-i386", package: "qemu-system-x86", machine: "q35", cpu: "max", console: "ttyS0", bus: "pci",
        kernel: "linux-image-686-pae", firmware: flash("ovmf-ia32", true, "/usr/share/OVMF/OVMF32_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF32_VARS_4M.fd"), natives: &["i386", "amd64"] },
    Machine { name: "arm64", program: "qemu-system-aarch64", package: "qemu-system-arm", machine: "virt", cpu: "cortex-a72", console: "ttyAMA0", bus: "pci",
        kernel: "linux-image-arm64", firmware: bios("qemu-efi-aarch64", "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"), natives: &["arm64"] },
    Machine { name: "armhf", program: "qemu-system-arm", package: "qemu-system-arm", machine: "virt,highmem=off", cpu: "cortex-a15", console: "ttyAMA0", bus: "pci",
        kernel: "linux-image-armmp", firmware: flash("qemu-efi-arm", false, "/usr/share/AAVMF/AAVMF32_CODE.fd", "/usr/share/AAVMF/AAVMF32_VARS.fd"), natives: &["armhf"] },
    Machine { name: "riscv64", program: "qemu-system-riscv64", package: "qemu-system-misc (qemu-system-riscv in later releases)", machine: "virt", cpu: "rv64", console: "ttyS0", bus: "pci",
        kernel: "linux-image-riscv64", firmware: flash("qemu-efi-riscv64", false, "/usr/share/qemu-efi-riscv64/RISCV_VIRT_CODE.fd", "/usr/share/qemu-efi-riscv64/RISCV_VIRT_VARS.fd"), natives: &["riscv64"] },
    Machine { name: "s390x", program: "qemu-system-s390x", package: "qemu-system-misc (qemu-system-s390x in later releases)", machine: "s390-ccw-virtio", cpu: "max", console: "ttysclp0", bus: "ccw",
        kernel: "linux-image-s390x", firmware: None, natives: &["s390x"] },
    Machine { name: "ppc64el", program: "qemu-system-ppc64", package: "qemu-system-ppc", machine: "pseries", cpu: "power9", console: "hvc0", bus: "pci",
        kernel: "linux-image-powerpc64le", firmware: None, natives: &["ppc64el"] },
];

/// Types of root partitions in a GUID partition table (the Discoverable Partitions Specification), of machines with a firmware.
const ROOTS: &[(&str, &str)] = &[
    ("amd64", "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"),
    ("arm64", "b921b045-1df0-41c3-af44-4c6f280d3fae"),
    ("riscv64", "72ec70a6-cf74-40e6-bd49-4bda08e8f224"),
    ("i386", "44479540-f297-41b2-9af7-d131d5f0458a"),
    ("armhf", "69dad710-2ce4-4e3c-b16c-21a1d49abed3"),
    ("s390x", "5eead9a9-fe09-4a1e-a1d7-520d00531306"),
    ("ppc64el", "c31c45e6-3f39-412e-80fb-4809c4980599"),
];

impl Machine {
    /// Returns the machine of an architecture, by Debian's name.
    pub fn of(name: &str) -> Option<&'static Self> {
        MACHINES.iter().find(|machine| machine.name == name)
    }

    /// Returns the machine whose root partition a type says.
    pub fn of_root_partition(kind: &str) -> Option<&'static Self> {
        let found = ROOTS.iter().find(|(_, root)| *root == kind)?;
        Self::of(found.0)
    }

    /// Returns the names of all architectures that there is a machine of.
    pub fn names() -> String {
        let names: Vec<&str> = MACHINES.iter().map(|machine| machine.name).collect();
        names.join(", ")
    }

    /// Whether a processor of `native` runs it by itself.
    pub fn runs_on(&self, native: &str) -> bool {
        self.natives.contains(&native)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_machine_has_a_row() {
        for machine in MACHINES {
            assert!(deb_arch::Architecture::by_name(machine.name).is_some());
            assert!(machine.runs_on(machine.name));
        }
        assert_eq!(Machine::of("m68k"), None);
        for (name, kind) in ROOTS {
            assert_eq!(Machine::of_root_partition(kind), Machine::of(name));
        }
        assert!(!Machine::of("arm64").unwrap().runs_on("amd64"));
    }
}
