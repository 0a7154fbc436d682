//! Whether a path is in the root, may be outside, or has to be taken inside.

use super::call::Use;
use shim_protocol::PHANTOM_DIRECTORY;
use std::borrow::Cow;

/// Questions to the filesystem; tests have one of their own.
pub(crate) trait World {
    /// Whether something is at a path; a link counts itself.
    fn exists(&self, path: &[u8]) -> bool;
    /// The working directory.
    fn directory(&self) -> Vec<u8>;
    /// The bytes of a file, or nothing.
    fn read(&self, path: &[u8]) -> Vec<u8>;
}

/// Decision about a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is right.
    Right,
    /// It is taken inside: this path instead.
    Inside(Vec<u8>),
    /// It is outside and stays there, since the root has nothing of that name.
    Outside,
}

/// Decides about a path. What is written is always taken inside; what is read stays
/// outside when it is only there.
pub(crate) fn place(world: &dyn World, root: &[u8], path: &[u8], used: Use) -> Place {
    // Standard input and output, and what the tool will refuse.
    if path.is_empty() || path == b"-" {
        return Place::Right;
    }
    let whole: Cow<'_, [u8]> = if path.starts_with(b"/") {
        Cow::Borrowed(path)
    } else {
        Cow::Owned([&world.directory(), &b"/"[..], path].concat())
    };
    let plain = normal(&whole);
    let admin = normal(&crate::paths::admin_directory(root));
    if is_below(&plain, root) || is_below(&plain, &admin) || may_be_outside(&plain, used) {
        return Place::Right;
    }
    let kept = path.starts_with(b"/") && !whole.windows(3).any(|part| part == b"/..");
    let inside = [root, if kept { path } else { &plain }].concat();
    if used == Use::Read && !world.exists(&inside) && world.exists(&whole) {
        return Place::Outside;
    }
    Place::Inside(inside)
}

/// A path without `.`, `..` and double slashes, by its letters alone.
pub(crate) fn normal(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    if parts.is_empty() {
        return b"/".to_vec();
    }
    parts.iter().flat_map(|part| [&b"/"[..], part].concat()).collect()
}

/// Whether a plain path is a directory or something below it.
pub(crate) fn is_below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Whether a path is one where packages keep their state and configuration (file-hierarchy(7)).
pub(crate) fn is_state(path: &[u8]) -> bool {
    const STATE: [&[u8]; 5] = [b"/etc", b"/var/cache", b"/var/lib", b"/var/log", b"/var/spool"];
    let plain = normal(path);
    STATE.iter().any(|directory| is_below(&plain, directory))
}

/// Whether a path does not belong to a root: processes, devices, and temporary files.
fn may_be_outside(path: &[u8], used: Use) -> bool {
    // Temporary files of a script and of the tools it runs have to be the same ones. The kernel's
    // own filesystems are the same everywhere.
    const ALWAYS: [&[u8]; 5] = [
        b"/proc",
        b"/sys",
        b"/tmp",
        b"/var/tmp",
        PHANTOM_DIRECTORY.as_bytes(),
    ];
    // They tell of the running system, which is the outer one (`/run/systemd/system`); but a
    // file that is made there is made for the root.
    const READ: [&[u8]; 3] = [b"/dev", b"/run", b"/var/run"];
    // Written to, not made.
    const DEVICES: [&[u8]; 14] = [
        b"/dev/console",
        b"/dev/fd",
        b"/dev/full",
        b"/dev/null",
        b"/dev/ptmx",
        b"/dev/pts",
        b"/dev/random",
        b"/dev/shm",
        b"/dev/stderr",
        b"/dev/stdin",
        b"/dev/stdout",
        b"/dev/tty",
        b"/dev/urandom",
        b"/dev/zero",
    ];
    let below = |directories: &[&[u8]]| directories.iter().any(|directory| is_below(path, directory));
    below(&ALWAYS) || below(&DEVICES) || (used != Use::Write && below(&READ))
}
