//! python looks for compiled modules by suffixes that are compiled into it, with the triplet of its machine. In a
//! program that is python, or is linked with it, they are made the target's before it starts: it then finds the
//! target's files, which are loaded as their native counterparts. Nothing of this is code in python, and what it
//! reads of directories is what is there.

use super::{Text, readlink};
use crate::path::Path;
use crate::suffix::{self, LONGEST};
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use deb_arch::elf::{Layout, MAGIC, PT_LOAD};

/// Types of getauxval(3).
const AT_PHDR: c_ulong = 3;
const AT_PHNUM: c_ulong = 5;
const AT_PAGESZ: c_ulong = 6;
/// Protections of mprotect(2).
const PROT_READ: c_int = 1;
const PROT_WRITE: c_int = 2;
/// Flag of a segment with instructions.
const PF_X: u32 = 1;
/// Most suffixes that are changed.
const MOST: usize = 8;

unsafe extern "C" {
    fn getauxval(kind: c_ulong) -> c_ulong;
    fn mprotect(address: *mut c_void, length: usize, protection: c_int) -> c_int;
}

/// `struct link_map` (link.h): an object that is loaded, in a list.
#[repr(C)]
pub(crate) struct LinkMap {
    bias: usize,
    name: *const c_char,
    dynamic: *const c_void,
    next: *mut LinkMap,
    previous: *mut LinkMap,
}

/// `ElfW(Phdr)` (elf(5)).
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg(target_pointer_width = "64")]
struct Header {
    kind: u32,
    flags: u32,
    offset: usize,
    address: usize,
    physical: usize,
    in_file: usize,
    in_memory: usize,
    align: usize,
}

/// `ElfW(Phdr)` (elf(5)).
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg(target_pointer_width = "32")]
struct Header {
    kind: u32,
    offset: usize,
    address: usize,
    physical: usize,
    in_file: usize,
    in_memory: usize,
    flags: u32,
    align: usize,
}

/// The target's suffixes, to which python's table points from then on.
struct Suffixes(UnsafeCell<[[u8; LONGEST]; MOST]>);
// SAFETY: only `la_preinit` writes them, before the program has threads.
unsafe impl Sync for Suffixes {}

static SUFFIXES: Suffixes = Suffixes(UnsafeCell::new([[0; LONGEST]; MOST]));
/// An object of the program's own namespace.
static PROGRAM: AtomicPtr<LinkMap> = AtomicPtr::new(ptr::null_mut());

/// Notes an object of the program (rtld-audit(7)). Its symbols are nobody's business here.
///
/// # Safety
/// Called by the dynamic loader.
#[cfg_attr(freestanding, unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn la_objopen(
    map: *mut LinkMap,
    namespace: c_long,
    _cookie: *mut usize,
) -> c_uint {
    const PROGRAMS: c_long = 0;
    if namespace == PROGRAMS && PROGRAM.load(Ordering::Relaxed).is_null() {
        PROGRAM.store(map, Ordering::Relaxed);
    }
    0
}

/// Changes the suffixes when all objects are in memory and relocated (rtld-audit(7)).
///
/// # Safety
/// Called by the dynamic loader, before the program starts.
#[cfg_attr(freestanding, unsafe(no_mangle))]
pub(crate) unsafe extern "C" fn la_preinit(_cookie: *mut usize) {
    let mut map = PROGRAM.load(Ordering::Relaxed);
    if map.is_null() {
        return;
    }
    // Of most programs no more than the names of their libraries is looked at.
    let mut text = None;
    let mut used = 0;
    // SAFETY: the loader's list, whose objects stay while the program is started.
    unsafe {
        while !(*map).previous.is_null() {
            map = (*map).previous;
        }
        let first = map;
        while !map.is_null() {
            let name = match (*map).name {
                name if name.is_null() => &[][..],
                name => CStr::from_ptr(name).to_bytes(),
            };
            let found = if map == first && is_python() {
                Some((getauxval(AT_PHDR) as *const Header, getauxval(AT_PHNUM) as usize))
            } else if base_name(name).starts_with(b"libpython") {
                headers((*map).bias)
            } else {
                None
            };
            if let Some((headers, count)) = found {
                let target = text.get_or_insert_with(Text::read).description().triplet;
                if !target.is_empty() {
                    change((*map).bias, headers, count, target, &mut used);
                }
            }
            map = (*map).next;
        }
    }
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

/// Returns whether the program is python by its name.
fn is_python() -> bool {
    let mut link = Path::new();
    link.push(b"/proc/self/exe");
    let mut place = [0_u8; 4096];
    // SAFETY: the path ends with NUL, and the length is that of `place`.
    let length = unsafe { readlink(link.pointer(), place.as_mut_ptr().cast(), place.len()) };
    let path = usize::try_from(length)
        .ok()
        .and_then(|length| place.get(..length));
    base_name(path.unwrap_or_default()).starts_with(b"python")
}

/// Returns the program headers of a library that is mapped at `bias`.
///
/// # Safety
/// A library is mapped there; its first segment begins with the file.
unsafe fn headers(bias: usize) -> Option<(*const Header, usize)> {
    // SAFETY: the first page of the library is readable.
    let head = unsafe { core::slice::from_raw_parts(bias as *const u8, 64) };
    if !head.starts_with(MAGIC) {
        return None;
    }
    let table = Layout::of_header(head)?.segments(head)?;
    let offset = usize::try_from(table.offset).ok()?;
    Some((
        (bias + offset) as *const Header,
        usize::try_from(table.count).ok()?,
    ))
}

/// Lets each pointer to a native suffix in the data of an object point to the target's.
///
/// # Safety
/// The headers are those of an object that is mapped at `bias` and relocated, and no other thread runs.
unsafe fn change(bias: usize, headers: *const Header, count: usize, target: &[u8], used: &mut usize) {
    // SAFETY: the caller's.
    let headers = unsafe { core::slice::from_raw_parts(headers, count) };
    let data = || {
        headers
            .iter()
            .filter(|header| u64::from(header.kind) == PT_LOAD && header.flags & PF_X == 0)
            .map(move |header| (bias + header.address, header.in_file))
    };
    // Most words point nowhere, which is to be seen at once: there are some hundred thousand.
    let all = data().fold((usize::MAX, 0), |(low, high), (start, length)| {
        (low.min(start), high.max(start + length))
    });
    for (start, length) in data() {
        let mut at = start.next_multiple_of(size_of::<usize>());
        while at + size_of::<usize>() <= start + length {
            // SAFETY: within a segment that is readable, and aligned.
            let pointed = unsafe { ptr::read(at as *const usize) };
            let place = at;
            at += size_of::<usize>();
            if !(all.0..all.1).contains(&pointed) {
                continue;
            }
            let Some((start, length)) =
                data().find(|(start, length)| (*start..start + length).contains(&pointed))
            else {
                continue;
            };
            // SAFETY: from there to the end of the segment.
            let rest = unsafe { core::slice::from_raw_parts(pointed as *const u8, start + length - pointed) };
            if rest.first() == Some(&b'.')
                && let Some(end) = rest.iter().take(LONGEST).position(|&byte| byte == 0)
                && let Some(native) = rest.get(..end)
                && suffix::is_native(native)
            {
                // SAFETY: the word is in a page of data.
                unsafe { point_elsewhere(place, native, target, used) };
            }
        }
    }
}

/// Lets the word at `place` point to the target's suffix.
///
/// # Safety
/// The word is in a page of data, and no other thread runs.
unsafe fn point_elsewhere(place: usize, native: &[u8], target: &[u8], used: &mut usize) {
    // SAFETY: no other thread runs.
    let suffixes = unsafe { &mut *SUFFIXES.0.get() };
    let Some(room) = suffixes.get_mut(*used) else {
        return;
    };
    if !suffix::of_target(native, target, room) {
        return;
    }
    // SAFETY: a page of data stays readable, and becomes writable.
    unsafe {
        let page = getauxval(AT_PAGESZ) as usize;
        let start = place & !(page - 1);
        if mprotect(start as *mut c_void, page, PROT_READ | PROT_WRITE) == 0 {
            ptr::write(place as *mut usize, room.as_ptr() as usize);
            *used += 1;
        }
    }
}
