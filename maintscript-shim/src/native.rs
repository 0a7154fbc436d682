//! The machine that the helpers are built for.

/// The triplet of the machine this helper was built for.
pub(crate) const NATIVE_TRIPLET: &str = if cfg!(target_arch = "x86_64") {
    "x86_64-linux-gnu"
} else if cfg!(target_arch = "aarch64") {
    "aarch64-linux-gnu"
} else if cfg!(all(target_arch = "arm", target_abi = "eabihf")) {
    "arm-linux-gnueabihf"
} else if cfg!(target_arch = "x86") {
    "i386-linux-gnu"
} else if cfg!(target_arch = "riscv64") {
    "riscv64-linux-gnu"
} else if cfg!(target_arch = "s390x") {
    "s390x-linux-gnu"
} else if cfg!(all(target_arch = "powerpc64", target_endian = "little")) {
    "powerpc64le-linux-gnu"
} else {
    "loongarch64-linux-gnu"
};
