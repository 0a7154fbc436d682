//! Limits (setrlimit(2)): that of open files, raised for this program, as it was for scripts; and that of processor time.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::sync::OnceLock;

/// A variable of the agent's and the sandbox's environment: the limit that scripts have.
pub(crate) const VARIABLE: &str = "ROOTLESS_INSTALL_OPEN_FILES";

/// Highest limit that is of use here.
const ENOUGH: u64 = 1 << 16;

/// The limit with which the process was started.
static GIVEN: OnceLock<u64> = OnceLock::new();

/// Raises the limit as far as the process may, for which no privilege is needed. Returns it.
pub fn raise() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return u64::MAX;
    };
    let given = *GIVEN.get_or_init(|| soft);
    let wanted = hard.min(ENOUGH);
    if wanted <= soft || setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_err() {
        return soft;
    }
    tracing::debug!(given, wanted, "the limit of open files is raised");
    wanted
}

/// Has the signal of the limit of processor time come before the kernel's SIGKILL, where both are at the same second, so that the
/// run can clean up.
pub fn be_told_of_processor_time() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_CPU)
        && soft == hard
        && (2..u64::MAX).contains(&hard)
    {
        // A lower limit is one that the kernel takes.
        let _ = setrlimit(Resource::RLIMIT_CPU, hard - 1, hard);
    }
}

/// Returns the variable for a process that runs scripts.
pub(crate) fn for_scripts() -> Option<(&'static str, String)> {
    GIVEN.get().map(|given| (VARIABLE, given.to_string()))
}

/// In such a process: sets the limit that scripts have.
pub(crate) fn restore() {
    let given = std::env::var(VARIABLE).ok().and_then(|given| given.parse().ok());
    if let (Some(given), Ok((_, hard))) = (given, getrlimit(Resource::RLIMIT_NOFILE)) {
        // It was the limit of this program's caller, so it is none that the kernel refuses.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(given), hard);
    }
}
