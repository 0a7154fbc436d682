//! Names of files, directories and variables.

macro_rules! directory {
    () => {
        "/.rootless-install"
    };
}

/// Private directory of a run, as scripts see it: a phantom, which can be looked up but is never listed.
pub const PHANTOM_DIRECTORY: &str = directory!();

/// Directory on which the target is mounted where scripts have another root directory: their `DPKG_ROOT`.
pub const TARGET_MOUNT: &str = "/target";

/// Directory below the private one in which the shim has a name for each architecture it is a handler of
/// binfmt_misc for. The names of handlers are relative to the private directory.
pub const HANDLERS: &str = "rootless-install-handlers";

/// Separates the target's architecture from that of a program of a foreign one: `riscv64+arm64`.
pub const FOREIGN: u8 = b'+';

macro_rules! entries {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        /// Names of entries of the private directory.
        pub mod names {
            $($(#[$doc])* pub const $name: &str = $file;)*
        }

        /// Paths of entries of the private directory, as scripts see them.
        pub mod paths {
            $($(#[$doc])* pub const $name: &str = concat!(directory!(), "/", $file);)*
        }
    };
}

entries! {
    /// dpkg's administrative directory, mounted here where it is outside of the target.
    ADMIN = "admindir";
    /// Package files of a call of apt, while it runs.
    ARCHIVES = "archives";
    /// Socket of the installer.
    CONTROL = "control";
    /// Description of the target for the library map: see [`Description`](crate::Description).
    DESCRIPTION = "target";
    /// Script that native guile reads before all others, whose name it knows.
    GUILE_START = "init.scm";
    /// What apt tells a hook of the packages that it will install, while the hook runs.
    HOOK_INFORMATION = "hook-information";
    /// Library map, a module of the dynamic loader.
    LIBRARY_MAP = "libraries.so";
    /// Native maintainer scripts, for those that are programs.
    MAINTSCRIPTS = "maintscripts";
    /// Script that native node reads before all others.
    NODE_START = "start.js";
    /// Script that native R reads in the place of its site profile.
    R_START = "start.R";
    /// Script that native ruby reads before all others.
    RUBY_START = "start.rb";
    /// Answers for debconf, while it takes them.
    SELECTIONS = "selections";
    /// Real shells, where the shim stands in for them to trace scripts.
    SHELLS = "shell";
    /// Shim.
    SHIM = "shim";
    /// start-stop-daemon(8) that starts nothing, mounted over the target's own.
    START_STOP_DAEMON = "start-stop-daemon";
    /// Native sysroot.
    SYSROOT = "sysroot";
    /// Pipe to which traced shells write.
    TRACE = "trace";
    /// Start-up file of traced shells.
    TRACE_STARTUP = "trace.bash";
    /// Directory of chrootless wrappers, the first of `PATH`: a link to the shim for each tool.
    WRAPPERS = "bin";
    /// Link to wrappers that are kept in the cache, where these are mounted on that directory.
    WRAPPERS_KEPT = "wrappers";
}

/// Variables of the environment that installer and shim share. One that is a switch is on when it is `1`.
pub mod variables {
    /// Debian architecture of the root that `DPKG_ROOT` names.
    pub const ARCHITECTURE: &str = "ROOTLESS_INSTALL_ARCH";
    /// Switch: scripts run without the view, so what the kernel refuses is recorded at once.
    pub const NO_FUSE: &str = "ROOTLESS_INSTALL_NO_FUSE";
    /// Switch: scripts run without a user namespace, so what the kernel refuses is recorded at once.
    pub const NO_NAMESPACE: &str = "ROOTLESS_INSTALL_NO_NAMESPACE";
    /// Set where shell scripts are traced; for bash the mode in which it reads them, `sh` or `bash`.
    pub const TRACE: &str = "ROOTLESS_INSTALL_TRACE";
}
