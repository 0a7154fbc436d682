//! Root's capabilities, given up.
//!
//! Root is treated as any user: it still owns its files, but
//! may not own, make or read what an ordinary user may not. Only the
//! capabilities that stand for newuidmap and newgidmap come back, for the moment
//! in which the id maps are written (capabilities(7), user_namespaces(7)).

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};

/// Capabilities for writing id maps. The third is for those in which root itself is (user_namespaces(7)).
const FOR_MAPS: [Capability; 3] = [
    Capability::CAP_SETUID,
    Capability::CAP_SETGID,
    Capability::CAP_SETFCAP,
];

/// Gives up root's capabilities, before any thread is started. Returns whether
/// the user is root.
///
/// # Errors
/// Those of capset(2).
pub fn give_up() -> Result<bool, CapsError> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(false);
    }
    let kept: CapsHashSet = FOR_MAPS.into_iter().collect();
    let held = caps::read(None, CapSet::Permitted)?;
    caps::clear(None, CapSet::Effective)?;
    caps::set(
        None,
        CapSet::Permitted,
        &kept.intersection(&held).copied().collect(),
    )?;
    caps::clear(None, CapSet::Inheritable)?;
    Ok(true)
}

/// Calls `write` with the capabilities for id maps in force.
pub(super) fn with_map_rights<T>(write: impl FnOnce() -> T) -> Result<T, CapsError> {
    // What root of a container does not have may not be needed; else the kernel refuses the map.
    let held = caps::read(None, CapSet::Permitted)?;
    for capability in FOR_MAPS.into_iter().filter(|one| held.contains(one)) {
        caps::raise(None, CapSet::Effective, capability)?;
    }
    let done = write();
    caps::clear(None, CapSet::Effective)?;
    Ok(done)
}

/// Capabilities for giving files to anybody, with all that they may have.
const FOR_FILES: [Capability; 6] = [
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_MKNOD,
    Capability::CAP_SETFCAP,
];

/// Whether this process is root with all ids of the machine, and may make any file with any owner.
pub fn may_make_any_file() -> bool {
    // In a user namespace of an ordinary user's no device can be made (user_namespaces(7)).
    let all_ids = std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]));
    let has = |one: Capability| caps::has_cap(None, CapSet::Effective, one).unwrap_or(false);
    nix::unistd::geteuid().is_root() && all_ids && FOR_FILES.into_iter().all(has)
}
