//! Names of commands, which a target cannot have without `./`.

/// Commands on finished targets.
pub(crate) const ON_TARGETS: &[&str] = &[
    "build", "convert", "pack", "push", "unpack", "check", "stat", "sbom", "boot", "chown", "chmod", "mknod",
    "setcap", "mount", "umount", "adopt", "rm",
];

/// All other commands.
pub(crate) const OTHERS: &[&str] = &[
    "run",
    "shell",
    "plan",
    "diff",
    "lint",
    "mirror",
    "cache",
    "dpkg",
    "mmdebstrap",
    "multistrap",
];
