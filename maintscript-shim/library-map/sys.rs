//! The functions that the loader and programs call, and the only module with `unsafe`.
#![allow(unsafe_code, reason = "calls from and into C, each with its reason")]

#[cfg(freestanding)]
mod implementation;
pub(crate) mod python;

use crate::path::{Mapped, Path, map};
use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use shim_protocol::{Description, LONGEST_PATH, Reply, Request, paths};

/// Path of the description, for C.
const DESCRIPTION: &CStr = {
    const BYTES: [u8; paths::DESCRIPTION.len() + 1] = {
        let text = paths::DESCRIPTION.as_bytes();
        let mut bytes = [0; paths::DESCRIPTION.len() + 1];
        let mut at = 0;
        while at < text.len() {
            bytes[at] = text[at];
            at += 1;
        }
        bytes
    };
    match CStr::from_bytes_with_nul(&BYTES) {
        Ok(text) => text,
        Err(_) => panic!("a path has no NUL"),
    }
};

const AF_UNIX: u16 = 1;
const SOCK_STREAM: c_int = 1;
const SOCK_CLOEXEC: c_int = 0o2_000_000;
const O_CLOEXEC: c_int = 0o2_000_000;
const O_DIRECTORY: c_int = if cfg!(any(target_arch = "aarch64", target_arch = "arm")) {
    0o40_000
} else {
    0o200_000
};
const O_PATH: c_int = 0o10_000_000;
const SHUT_WR: c_int = 1;
/// uname(2).
const SYS_UNAME: c_long = if cfg!(target_arch = "x86_64") {
    63
} else if cfg!(any(
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "loongarch64"
)) {
    160
} else {
    122
};

unsafe extern "C" {
    fn access(path: *const c_char, mode: c_int) -> c_int;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn read(fd: c_int, data: *mut c_void, length: usize) -> isize;
    fn write(fd: c_int, data: *const c_void, length: usize) -> isize;
    fn close(fd: c_int) -> c_int;
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn connect(fd: c_int, address: *const c_void, length: c_uint) -> c_int;
    fn shutdown(fd: c_int, how: c_int) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
    fn readlink(path: *const c_char, place: *mut c_char, length: usize) -> isize;
    fn fdopendir(fd: c_int) -> *mut c_void;
}

/// The description of the target as it is in its file.
struct Text {
    bytes: [u8; Description::LONGEST],
    length: usize,
}

impl Text {
    fn read() -> Self {
        let mut this = Self {
            bytes: [0; Description::LONGEST],
            length: 0,
        };
        // SAFETY: the path ends with NUL.
        let fd = unsafe { open(DESCRIPTION.as_ptr(), O_CLOEXEC) };
        if fd >= 0 {
            this.length = read_all(fd, &mut this.bytes);
            // SAFETY: nobody else has it.
            unsafe { close(fd) };
        }
        this
    }

    fn description(&self) -> Description<'_> {
        Description::decode(self.bytes.get(..self.length).unwrap_or_default())
    }
}

fn read_all(fd: c_int, place: &mut [u8]) -> usize {
    let mut length = 0;
    while let Some(free) = place.get_mut(length..).filter(|free| !free.is_empty()) {
        // SAFETY: pointer and length are those of `free`.
        let got = unsafe { read(fd, free.as_mut_ptr().cast(), free.len()) };
        match usize::try_from(got) {
            Ok(got) if got > 0 => length += got,
            _ => break,
        }
    }
    length
}

fn exists(path: &Path) -> bool {
    // SAFETY: the path ends with NUL.
    unsafe { access(path.pointer(), 0) == 0 }
}

/// The file that a path names, with every link followed: packages are asked for
/// by their own names.
fn resolve(path: &Path) -> Option<Path> {
    // SAFETY: the path ends with NUL.
    let fd = unsafe { open(path.pointer(), O_PATH | O_CLOEXEC) };
    let number = usize::try_from(fd).ok()?;
    let mut link = Path::new();
    let named = link.push(b"/proc/self/fd/") && link.push_number(number);
    let mut place = [0_u8; 4096];
    // SAFETY: the path ends with NUL, and the length is that of `place`.
    let length = unsafe { readlink(link.pointer(), place.as_mut_ptr().cast(), place.len()) };
    // SAFETY: nobody else has it.
    unsafe { close(fd) };
    let mut resolved = Path::new();
    let text = place.get(..usize::try_from(length).ok()?)?;
    (named && resolved.push(text)).then_some(resolved)
}

/// `struct sockaddr_un` (unix(7)).
#[repr(C)]
struct Address {
    family: u16,
    path: [u8; 108],
}

/// Has the installer find the counterpart of a file of the target; its path
/// replaces what is in `answer`.
fn ask(original: &Path, answer: &mut Path) -> bool {
    let mut address = Address {
        family: AF_UNIX,
        path: [0; 108],
    };
    for (place, byte) in address.path.iter_mut().zip(paths::CONTROL.as_bytes()) {
        *place = *byte;
    }
    // SAFETY: no pointers.
    let fd = unsafe { socket(c_int::from(AF_UNIX), SOCK_STREAM | SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return false;
    }
    let size = c_uint::try_from(size_of::<Address>()).unwrap_or(0);
    // SAFETY: `address` has the layout and the size of a socket's address.
    let connected = unsafe { connect(fd, (&raw const address).cast(), size) } == 0;
    let mut sent = connected;
    let request = Request::Counterpart {
        path: original.bytes(),
    };
    request.encode(&mut |piece| sent = sent && send(fd, piece));
    let mut reply = [0; LONGEST_PATH];
    let mut length = 0;
    if sent {
        // SAFETY: no pointers.
        unsafe { shutdown(fd, SHUT_WR) };
        length = read_all(fd, &mut reply);
    }
    // SAFETY: nobody else has it.
    unsafe { close(fd) };
    match Reply::decode(reply.get(..length).unwrap_or_default()) {
        Ok(Reply::Execute(path)) => {
            *answer = Path::new();
            answer.push(path)
        }
        Ok(Reply::Refused(reason)) => {
            for part in [
                b"rootless-install: no native counterpart of ".as_slice(),
                original.bytes(),
                b": ",
                reason,
                b"\n",
            ] {
                send(2, part);
            }
            false
        }
        _ => false,
    }
}

fn send(fd: c_int, mut data: &[u8]) -> bool {
    while !data.is_empty() {
        // SAFETY: pointer and length are those of `data`.
        let written = unsafe { write(fd, data.as_ptr().cast(), data.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => data = data.get(written..).unwrap_or_default(),
            _ => return false,
        }
    }
    true
}

/// Version of the interface: whatever the loader has, as only what was in the
/// first is used (rtld-audit(7)).
///
/// # Safety
/// Called by the dynamic loader.
#[cfg_attr(freestanding, unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn la_version(version: c_uint) -> c_uint {
    version
}

/// The last answer to the loader, which asks with its lock held.
struct Place(core::cell::UnsafeCell<Path>);
// SAFETY: the loader's lock is held whenever it is used.
unsafe impl Sync for Place {}

/// The path to open instead of `name`; the loader copies it before it asks
/// again, and asks with its lock held.
///
/// # Safety
/// Called by the dynamic loader with a string.
#[cfg_attr(freestanding, unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn la_objsearch(
    name: *const c_char,
    _cookie: *mut usize,
    _flag: c_uint,
) -> *const c_char {
    static FOUND: Place = Place(core::cell::UnsafeCell::new(Path::new()));
    // SAFETY: the loader passes a string.
    let path = unsafe { CStr::from_ptr(name) }.to_bytes();
    // A name without a slash is looked for by the loader, which asks about each place.
    if !path.contains(&b'/') {
        return name;
    }
    let mut absolute = Path::new();
    if path.first() != Some(&b'/') {
        let mut relative = Path::new();
        match relative.push(path).then(|| resolve(&relative)).flatten() {
            Some(resolved) => absolute = resolved,
            None => return name,
        }
    }
    let path = match absolute.bytes() {
        [] => path,
        resolved => resolved,
    };
    let text = Text::read();
    // SAFETY: the loader's lock is held, so nobody else is here, and the last
    // answer has been copied.
    let found = unsafe { &mut *FOUND.0.get() };
    *found = Path::new();
    let mut original = Path::new();
    if map(path, text.description().triplet, found, &mut original) == Mapped::Same {
        return name;
    }
    if exists(found) {
        return found.pointer();
    }
    match resolve(&original) {
        Some(file) if ask(&file, found) => found.pointer(),
        _ => name,
    }
}

/// opendir(3): the machine's own directories of modules have, for a tool that
/// makes a list of them, what the target has there.
///
/// # Safety
/// `name` is a string.
#[cfg_attr(freestanding, unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn opendir(name: *const c_char) -> *mut c_void {
    let flags = O_DIRECTORY | O_CLOEXEC;
    // SAFETY: the caller passes a string.
    let path = unsafe { CStr::from_ptr(name) }.to_bytes();
    let text = Text::read();
    let (mut counterpart, mut original) = (Path::new(), Path::new());
    let mut fd = -1;
    if map(path, text.description().triplet, &mut counterpart, &mut original) == Mapped::Both
        && original.bytes() != path
    {
        // SAFETY: the path ends with NUL.
        fd = unsafe { open(original.pointer(), flags) };
    }
    if fd < 0 {
        // SAFETY: the caller's string.
        fd = unsafe { open(name, flags) };
    }
    if fd < 0 {
        return core::ptr::null_mut();
    }
    // SAFETY: nobody else has the descriptor.
    unsafe { fdopendir(fd) }
}

/// `struct utsname` of Linux: six fields of 65 bytes (uname(2)).
#[repr(C)]
pub(crate) struct Utsname([[u8; 65]; 6]);

/// uname(2) with the target's machine.
///
/// # Safety
/// `fields` points to a `struct utsname`.
#[cfg_attr(freestanding, unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn uname(fields: *mut Utsname) -> c_int {
    // SAFETY: the caller's pointer goes to the kernel.
    let result = unsafe { syscall(SYS_UNAME, fields) };
    if result != 0 {
        return -1;
    }
    let text = Text::read();
    let machine = text.description().machine;
    // SAFETY: the kernel has written there.
    let fields = unsafe { &mut *fields };
    if let Some(field) = fields.0.get_mut(4)
        && !machine.is_empty()
    {
        for (place, byte) in field.iter_mut().zip(machine.iter().chain([0].iter().cycle())) {
            *place = *byte;
        }
    }
    0
}

#[cfg(freestanding)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
