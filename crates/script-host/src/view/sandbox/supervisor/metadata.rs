//! chmod(2), chown(2), utimensat(2), setxattr(2) and their kin, done for a script on the files that it may change.

use super::Result;
use crate::sys;
use crate::view::seccomp::{Call, Interface};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Limits of the kernel: limits.h, `XATTR_NAME_MAX` and `XATTR_SIZE_MAX`.
const LONGEST_PATH: usize = 4096;
const LONGEST_NAME: usize = 256;
const LARGEST_VALUE: usize = 65_536;

/// Smallest page of memory of any machine: what lies in one can be read at once.
const PAGE: u64 = 4096;

/// `AT_FDCWD`: a path is relative to the working directory.
const WORKING_DIRECTORY: i32 = -100;

/// A file of which nobody but those who have it open knows (memfd_create(2)).
const IN_MEMORY: &[u8] = b"/memfd:";

/// The thread that asks.
pub(super) struct Caller<'c> {
    thread: i32,
    id: u64,
    arguments: [u64; 6],
    interface: &'static Interface,
    listener: &'c OwnedFd,
}

/// A file as a call names it.
enum Place {
    Descriptor(i32),
    Path {
        directory: i32,
        path: CString,
        flags: AtFlags,
    },
}

/// What becomes of the file.
enum Change {
    Mode(Mode),
    Owner(Option<Uid>, Option<Gid>),
    Times(Timestamps),
    Attribute(CString, Vec<u8>, XattrFlags),
    NoAttribute(CString),
    Length(u64),
}

/// Does what `call` asks for.
///
/// # Errors
/// Those of the call; `EACCES` for a file that is not below one of the directories of `writable`.
pub(super) fn change(caller: &Caller<'_>, call: Call, writable: &[PathBuf]) -> Result<()> {
    let (place, change) = read(caller, call)?;
    let file = caller.open(&place)?;
    // The thread is still the one that asked, and so the file is the one that it meant.
    if !sys::still_waits(caller.listener, caller.id) {
        return Err(Errno::SRCH);
    }
    let name = rustix::fs::readlink(short(&file), Vec::new())?;
    let name = name.as_bytes();
    let within = |directory: &PathBuf| Path::new(OsStr::from_bytes(name)).starts_with(directory);
    if !writable.iter().any(within) && !name.starts_with(IN_MEMORY) {
        return Err(Errno::ACCESS);
    }
    apply(&file, change)
}

fn apply(file: &OwnedFd, change: Change) -> Result<()> {
    let path = short(file);
    match change {
        Change::Mode(mode) => rustix::fs::chmod(path, mode),
        Change::Owner(user, group) => rustix::fs::chownat(file, "", user, group, AtFlags::EMPTY_PATH),
        Change::Times(times) => rustix::fs::utimensat(file, "", &times, AtFlags::EMPTY_PATH),
        Change::Attribute(name, value, flags) => rustix::fs::setxattr(path, &name, &value, flags),
        Change::NoAttribute(name) => rustix::fs::removexattr(path, &name),
        Change::Length(length) => {
            // A named pipe would wait for a reader.
            let opened = std::fs::OpenOptions::new()
                .write(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(path);
            let set = opened.and_then(|file| file.set_len(length));
            set.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        }
    }
}

/// Returns a path that leads to the file itself, also where it is a symbolic link.
fn short(file: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn read(caller: &Caller<'_>, call: Call) -> Result<(Place, Change)> {
    let follow = AtFlags::empty();
    let path = |at, flags| caller.path(WORKING_DIRECTORY, at, flags);
    let place = match call {
        Call::Chmod
        | Call::Chown
        | Call::Chown16
        | Call::Utime
        | Call::Utimes
        | Call::Setxattr
        | Call::Removexattr
        | Call::Truncate
        | Call::Truncate64 => path(0, follow)?,
        Call::Lchown | Call::Lchown16 | Call::Lsetxattr | Call::Lremovexattr => {
            path(0, AtFlags::SYMLINK_NOFOLLOW)?
        }
        Call::Fchmod | Call::Fchown | Call::Fchown16 | Call::Fsetxattr | Call::Fremovexattr => {
            Place::Descriptor(caller.int(0))
        }
        // Without a path they are about the descriptor.
        Call::Futimesat | Call::Utimensat | Call::UtimensatTime64 if caller.pointer(1) == 0 => {
            Place::Descriptor(caller.int(0))
        }
        Call::Fchmodat | Call::Futimesat => caller.path(caller.int(0), 1, follow)?,
        Call::Fchmodat2 | Call::Utimensat | Call::UtimensatTime64 => {
            caller.path(caller.int(0), 1, caller.flags(3)?)?
        }
        Call::Fchownat => caller.path(caller.int(0), 1, caller.flags(4)?)?,
        _ => return Err(Errno::NOSYS),
    };
    let change = match call {
        Call::Chmod | Call::Fchmod => Change::Mode(caller.mode(1)),
        Call::Fchmodat | Call::Fchmodat2 => Change::Mode(caller.mode(2)),
        Call::Chown | Call::Lchown | Call::Fchown => caller.owner(1, u32::MAX),
        Call::Chown16 | Call::Lchown16 | Call::Fchown16 => caller.owner(1, u32::from(u16::MAX)),
        Call::Fchownat => caller.owner(2, u32::MAX),
        Call::Utime => Change::Times(caller.seconds(1)?),
        Call::Utimes => Change::Times(caller.times(1, 1000, caller.interface.wide)?),
        Call::Futimesat => Change::Times(caller.times(2, 1000, caller.interface.wide)?),
        Call::Utimensat => Change::Times(caller.times(2, 1, caller.interface.wide)?),
        Call::UtimensatTime64 => Change::Times(caller.times(2, 1, true)?),
        Call::Setxattr | Call::Lsetxattr | Call::Fsetxattr => {
            let length = usize::try_from(caller.pointer(3)).unwrap_or(usize::MAX);
            if length > LARGEST_VALUE {
                return Err(Errno::TOOBIG);
            }
            let flags = XattrFlags::from_bits_retain(caller.int(4).cast_unsigned());
            Change::Attribute(caller.name(1)?, caller.bytes(caller.pointer(2), length)?, flags)
        }
        Call::Removexattr | Call::Lremovexattr | Call::Fremovexattr => Change::NoAttribute(caller.name(1)?),
        Call::Truncate => Change::Length(caller.length(false)?),
        Call::Truncate64 => Change::Length(caller.length(true)?),
        _ => return Err(Errno::NOSYS),
    };
    Ok((place, change))
}

impl<'c> Caller<'c> {
    pub(super) fn new(
        asked: &libc::seccomp_notif,
        interface: &'static Interface,
        listener: &'c OwnedFd,
    ) -> Self {
        Self {
            thread: asked.pid.cast_signed(),
            id: asked.id,
            arguments: asked.data.args,
            interface,
            listener,
        }
    }

    fn argument(&self, at: usize) -> u64 {
        self.arguments.get(at).copied().unwrap_or_default()
    }

    fn int(&self, at: usize) -> i32 {
        super::number(self.argument(at))
    }

    /// Returns a pointer, or a number of its width.
    fn pointer(&self, at: usize) -> u64 {
        let argument = self.argument(at);
        if self.interface.wide {
            argument
        } else {
            argument & u64::from(u32::MAX)
        }
    }

    fn mode(&self, at: usize) -> Mode {
        Mode::from_bits_truncate(self.int(at).cast_unsigned() & 0o7777)
    }

    /// Reads an owner and a group; `none` stands for one that stays.
    fn owner(&self, at: usize, none: u32) -> Change {
        let id = |at| Some(self.int(at).cast_unsigned() & none).filter(|id| *id != none);
        Change::Owner(id(at).map(Uid::from_raw), id(at + 1).map(Gid::from_raw))
    }

    fn flags(&self, at: usize) -> Result<AtFlags> {
        let flags = AtFlags::from_bits_retain(self.int(at).cast_unsigned());
        let known = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
        if known.contains(flags) {
            Ok(flags)
        } else {
            Err(Errno::INVAL)
        }
    }

    fn length(&self, has_64_bits: bool) -> Result<u64> {
        if !has_64_bits {
            let length = self.pointer(1);
            let is_negative = if self.interface.wide {
                length.cast_signed() < 0
            } else {
                self.int(1) < 0
            };
            return if is_negative {
                Err(Errno::INVAL)
            } else {
                Ok(length)
            };
        }
        let from = if self.interface.aligned { 2 } else { 1 };
        let length = self.pointer(from) | self.pointer(from + 1) << 32;
        if length.cast_signed() < 0 {
            Err(Errno::INVAL)
        } else {
            Ok(length)
        }
    }

    fn path(&self, directory: i32, at: usize, flags: AtFlags) -> Result<Place> {
        let path = self
            .text(self.pointer(at), LONGEST_PATH)
            .map_err(|error| match error {
                Errno::RANGE => Errno::NAMETOOLONG,
                error => error,
            })?;
        if path.is_empty() && flags.contains(AtFlags::EMPTY_PATH) {
            return Ok(Place::Descriptor(directory));
        }
        Ok(Place::Path {
            directory,
            path,
            flags,
        })
    }

    fn name(&self, at: usize) -> Result<CString> {
        self.text(self.pointer(at), LONGEST_NAME)
    }

    /// Reads the times of utime(2); none given are the present.
    fn seconds(&self, at: usize) -> Result<Timestamps> {
        let address = self.pointer(at);
        if address == 0 {
            return Ok(now());
        }
        let [accessed, modified] = self.numbers(address, self.interface.wide)?;
        let time = |tv_sec| Timespec { tv_sec, tv_nsec: 0 };
        Ok(Timestamps {
            last_access: time(accessed),
            last_modification: time(modified),
        })
    }

    /// Reads two times, whose parts of seconds are of so many nanoseconds; none given are the present.
    fn times(&self, at: usize, unit: i64, wide: bool) -> Result<Timestamps> {
        let address = self.pointer(at);
        if address == 0 {
            return Ok(now());
        }
        let [access, access_part, change, change_part] = self.numbers(address, wide)?;
        let time = |tv_sec, part: i64| {
            // The upper half is padding where the interface has 32 bits.
            let part = if self.interface.wide {
                part
            } else {
                i64::from(part as i32)
            };
            if unit > 1 && !(0..1_000_000).contains(&part) {
                return Err(Errno::INVAL);
            }
            Ok(Timespec {
                tv_sec,
                tv_nsec: part * unit,
            })
        };
        Ok(Timestamps {
            last_access: time(access, access_part)?,
            last_modification: time(change, change_part)?,
        })
    }

    fn numbers<const N: usize>(&self, address: u64, wide: bool) -> Result<[i64; N]> {
        let width = if wide { 8 } else { 4 };
        let bytes = self.bytes(address, N * width)?;
        let mut numbers = [0; N];
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(width)) {
            *number = match (<[u8; 8]>::try_from(bytes), <[u8; 4]>::try_from(bytes)) {
                (Ok(bytes), _) => i64::from_ne_bytes(bytes),
                (_, Ok(bytes)) => i64::from(i32::from_ne_bytes(bytes)),
                _ => return Err(Errno::FAULT),
            };
        }
        Ok(numbers)
    }

    /// Reads a string with less than `longest` bytes; one that is longer is `ERANGE`.
    fn text(&self, address: u64, longest: usize) -> Result<CString> {
        let mut text = Vec::new();
        while text.len() < longest {
            let at = address + text.len() as u64;
            let page = usize::try_from(PAGE - at % PAGE).unwrap_or_default();
            let piece = self.bytes(at, page.min(longest - text.len()))?;
            let end = piece.iter().position(|byte| *byte == 0);
            text.extend_from_slice(piece.get(..end.unwrap_or(piece.len())).unwrap_or_default());
            if end.is_some() {
                return CString::new(text).map_err(|_| Errno::FAULT);
            }
        }
        Err(Errno::RANGE)
    }

    /// Reads memory. A process that may not be looked into changes no files (ptrace(2)).
    fn bytes(&self, address: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        if length == 0 {
            return Ok(bytes);
        }
        let remote = RemoteIoVec {
            base: usize::try_from(address).map_err(|_| Errno::FAULT)?,
            len: length,
        };
        let thread = Pid::from_raw(self.thread);
        match process_vm_readv(thread, &mut [IoSliceMut::new(&mut bytes)], &[remote]) {
            Ok(read) if read == length => Ok(bytes),
            Ok(_) => Err(Errno::FAULT),
            Err(errno) => Err(Errno::from_raw_os_error(errno as i32)),
        }
    }

    /// Opens a file as the caller would, to be named and not to be read.
    fn open(&self, place: &Place) -> Result<OwnedFd> {
        let at = |what: String| rustix::fs::open(what, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let thread = self.thread;
        let descriptor = |number: i32| match number {
            WORKING_DIRECTORY => at(format!("/proc/{thread}/cwd")),
            number => at(format!("/proc/{thread}/fd/{number}")).map_err(|error| match error {
                Errno::NOENT => Errno::BADF,
                error => error,
            }),
        };
        let (directory, path, flags) = match place {
            Place::Descriptor(number) => return descriptor(*number),
            Place::Path {
                directory,
                path,
                flags,
            } => (*directory, path.as_bytes(), *flags),
        };
        let mut open = OFlags::PATH | OFlags::CLOEXEC;
        open.set(OFlags::NOFOLLOW, flags.contains(AtFlags::SYMLINK_NOFOLLOW));
        if let Some(own) = path.strip_prefix(b"/proc/self/") {
            let path = [format!("/proc/{thread}/").as_bytes(), own].concat();
            return rustix::fs::openat(CWD, path, open, Mode::empty());
        }
        if path.starts_with(b"/") {
            return rustix::fs::openat(CWD, path, open, Mode::empty());
        }
        rustix::fs::openat(descriptor(directory)?.as_fd(), path, open, Mode::empty())
    }
}

fn now() -> Timestamps {
    let time = Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
