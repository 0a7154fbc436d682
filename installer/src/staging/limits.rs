//! Limits of the process, and what the machine must have mounted.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit};

use super::Error;

/// Least number of open files with which a run is known to work.
const DESCRIPTORS: u64 = 32;

/// Least size of files: that of a large index.
const FILE_SIZE: u64 = 128 << 20;

/// Least address space, of which maps of indexes and packages and the stacks of threads take most.
const ADDRESS_SPACE: u64 = 1 << 30;

/// Least memory for data.
const DATA: u64 = 512 << 20;

/// Number of further processes and threads with which a run is known to work.
const PROCESSES: u64 = 64;

/// Limits of the number of processes beyond this one are not looked at.
const MANY: u64 = 16_384;

/// Checks that what the program needs of any machine is there: /proc and /dev/null, which a root directory of
/// chroot(2) may lack.
///
/// # Errors
/// [`Error::NotMounted`].
pub fn check_machine() -> Result<(), Error> {
    if fs::read_link("/proc/self/exe").is_err() {
        return Err(Error::NotMounted {
            path: "/proc".into(),
            mend: "mount -t proc proc /proc",
        });
    }
    let null = fs::metadata("/dev/null");
    if !null.is_ok_and(|null| null.file_type().is_char_device()) {
        return Err(Error::NotMounted {
            path: "/dev/null".into(),
            mend: "mknod -m 666 /dev/null c 1 3",
        });
    }
    Ok(())
}

/// Checks the limits of the process (getrlimit(2)).
///
/// # Errors
/// [`Error::FewDescriptors`], [`Error::SmallFiles`], [`Error::LittleMemory`] and [`Error::FewProcesses`].
pub fn check_limits() -> Result<(), Error> {
    // A limit that cannot be read is none that is known.
    let of = |resource| getrlimit(resource).map_or(u64::MAX, |(soft, _)| soft);
    let (limit, least) = (of(Resource::RLIMIT_NOFILE), DESCRIPTORS);
    if limit < least {
        return Err(Error::FewDescriptors { limit, least });
    }
    let (limit, least) = (of(Resource::RLIMIT_FSIZE), FILE_SIZE);
    if limit < least {
        return Err(Error::SmallFiles { limit, least });
    }
    for (resource, least, option, name) in [
        (Resource::RLIMIT_AS, ADDRESS_SPACE, 'v', "address space"),
        (Resource::RLIMIT_DATA, DATA, 'd', "memory for data"),
    ] {
        let limit = of(resource);
        if limit < least {
            return Err(Error::LittleMemory {
                name,
                option,
                limit,
                least,
            });
        }
    }
    let limit = of(Resource::RLIMIT_NPROC);
    // Root may have any number (setrlimit(2)).
    if limit < MANY && !nix::unistd::geteuid().is_root() {
        let there = processes();
        if limit < there.saturating_add(PROCESSES) {
            return Err(Error::FewProcesses {
                limit,
                there,
                least: PROCESSES,
            });
        }
    }
    Ok(())
}

/// Returns the number of processes and threads of the user (proc(5)).
fn processes() -> u64 {
    let user = nix::unistd::getuid().as_raw();
    let Ok(entries) = fs::read_dir("/proc") else {
        return 0;
    };
    let threads = |process: &Path| fs::read_dir(process.join("task")).map_or(0, Iterator::count);
    let own = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
            && entry.metadata().is_ok_and(|found| found.uid() == user)
    });
    let all: usize = own.map(|entry| threads(&entry.path())).sum();
    u64::try_from(all).unwrap_or(u64::MAX)
}
