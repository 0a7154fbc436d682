//! Where native programs find their libraries: an audit library (rtld-audit(7)).
//!
//! Inside the view the paths that are built into a native program lead into the target:
//! the RUNPATH of one package's private libraries, and plugins that are loaded by an
//! absolute path. The files there are of the target's architecture. The shim names
//! this library in `LD_AUDIT`, and the dynamic loader asks it about each file before
//! opening it: what is under `/usr/lib`, `/lib` or `/usr/libexec` is taken from the native sysroot.
//!
//! It is a shared object of its own, without any library: the loader gives each audit
//! library a name space of its own, where a C library would be loaded a second time.

#![no_std]
#![no_builtins]
#![allow(unsafe_code, reason = "called by the dynamic loader with C strings")]
#![allow(missing_docs, reason = "the names are rtld-audit(7)'s")]

use core::ffi::{c_char, c_uint};

mod libraries;
mod native;
use libraries::{LENGTH, redirected};
use native::NATIVE_TRIPLET;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The loader's lock is held whenever it is used.
struct Buffer(core::cell::UnsafeCell<[u8; LENGTH]>);
// SAFETY: the dynamic loader calls la_objsearch under its lock.
unsafe impl Sync for Buffer {}
static BUFFER: Buffer = Buffer(core::cell::UnsafeCell::new([0; LENGTH]));

/// la_version: the interface of the loader that asks is the one that is meant.
#[unsafe(no_mangle)]
pub extern "C" fn la_version(version: c_uint) -> c_uint {
    version
}

/// la_objsearch: the name under which the loader looks for a library.
///
/// # Safety
/// `name` is a C string, as rtld-audit(7) promises.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn la_objsearch(
    name: *const c_char,
    _cookie: *mut usize,
    _flag: c_uint,
) -> *const c_char {
    if name.is_null() {
        return name;
    }
    // CStr::from_ptr would ask a C library for the length.
    let mut length = 0;
    // SAFETY: the loader passes a C string, which ends with a NUL.
    while unsafe { *name.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: so many bytes have just been read.
    let path = unsafe { core::slice::from_raw_parts(name.cast::<u8>(), length) };
    // SAFETY: under the loader's lock there is one user of the buffer, and the loader
    // copies what it keeps.
    let buffer = unsafe { &mut *BUFFER.0.get() };
    // What a program of this machine brought into the target itself is not in the sysroot.
    if redirected(path, buffer) && exists(buffer) {
        buffer.as_ptr().cast()
    } else {
        name
    }
}

/// faccessat(2) of a C string, without a C library.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
fn exists(path: &[u8; LENGTH]) -> bool {
    const AT_FDCWD: isize = -100;
    let path = path.as_ptr();
    let mut result: isize;
    // SAFETY: the call reads the string, which ends with a NUL, and writes nothing.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!("syscall", inlateout("rax") 269_isize => result, in("rdi") AT_FDCWD,
            in("rsi") path, in("rdx") 0, lateout("rcx") _, lateout("r11") _);
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!("svc 0", in("x8") 48_isize, inlateout("x0") AT_FDCWD => result,
            in("x1") path, in("x2") 0);
    }
    // SAFETY: as above.
    #[cfg(target_arch = "riscv64")]
    unsafe {
        core::arch::asm!("ecall", in("a7") 48_isize, inlateout("a0") AT_FDCWD => result,
            in("a1") path, in("a2") 0);
    }
    result == 0
}

/// Elsewhere the sysroot is taken to be complete.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
fn exists(_: &[u8; LENGTH]) -> bool {
    true
}
