//! `sys.implementation._multiarch` of python, which is compiled into it. The same object is loaded before all others in
//! python ([`super::uname`]), and hears of what python does by its interface for that (PEP 578): with the first import
//! there is a `sys`, and what is told of the machine there is changed. No code in python has a part in it.

use super::Text;
use core::ffi::{c_char, c_int, c_void};
use core::sync::atomic::{AtomicBool, Ordering};

/// Room for a triplet, with its NUL.
const LONGEST: usize = 64;

/// What is used of python's library. In other programs it is not there, and each is null.
#[repr(C)]
struct Functions {
    add_audit_hook: Option<unsafe extern "C" fn(Hook, *mut c_void) -> c_int>,
    get_object: Option<unsafe extern "C" fn(*const c_char) -> *mut c_void>,
    from_string: Option<unsafe extern "C" fn(*const c_char) -> *mut c_void>,
    set_attribute: Option<unsafe extern "C" fn(*mut c_void, *const c_char, *mut c_void) -> c_int>,
    drop_reference: Option<unsafe extern "C" fn(*mut c_void)>,
}

type Hook = unsafe extern "C" fn(*const c_char, *mut c_void, *mut c_void) -> c_int;

/// A table of weak symbols, which Rust cannot declare: the dynamic loader fills it.
core::arch::global_asm!(
    ".pushsection .data.rel,\"aw\"",
    ".balign 8",
    ".hidden library_map_python",
    ".globl library_map_python",
    "library_map_python:",
    ".irp name, PySys_AddAuditHook, PySys_GetObject, PyUnicode_FromString, PyObject_SetAttrString, Py_DecRef",
    ".weak \\name",
    #[cfg(target_pointer_width = "64")]
    ".8byte \\name",
    #[cfg(target_pointer_width = "32")]
    ".4byte \\name",
    ".endr",
    ".popsection",
);

unsafe extern "C" {
    #[link_name = "library_map_python"]
    static FUNCTIONS: Functions;
}

#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: unsafe extern "C" fn() = begin;

/// Has python call [`heard`].
///
/// # Safety
/// Called by the dynamic loader before the program starts.
unsafe extern "C" fn begin() {
    // SAFETY: the loader has filled the table, and python allows the call before it is initialised.
    unsafe {
        if let Some(add) = FUNCTIONS.add_audit_hook {
            add(heard, core::ptr::null_mut());
        }
    }
}

/// Changes what python says of its machine with the first import, and does nothing later.
///
/// # Safety
/// Called by python, with the name of what it does.
unsafe extern "C" fn heard(event: *const c_char, _arguments: *mut c_void, _data: *mut c_void) -> c_int {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.load(Ordering::Relaxed) {
        return 0;
    }
    // SAFETY: python passes a string, and calls with its lock held.
    unsafe {
        if core::ffi::CStr::from_ptr(event) != c"import" {
            return 0;
        }
        DONE.store(true, Ordering::Relaxed);
        let (Some(get), Some(make), Some(set), Some(release)) = (
            FUNCTIONS.get_object,
            FUNCTIONS.from_string,
            FUNCTIONS.set_attribute,
            FUNCTIONS.drop_reference,
        ) else {
            return 0;
        };
        let text = Text::read();
        let mut triplet = [0_u8; LONGEST];
        let target = text.description().triplet;
        if target.is_empty() || target.len() >= LONGEST {
            return 0;
        }
        for (place, byte) in triplet.iter_mut().zip(target) {
            *place = *byte;
        }
        let implementation = get(c"implementation".as_ptr());
        let value = make(triplet.as_ptr().cast());
        if !value.is_null() {
            if !implementation.is_null() {
                set(implementation, c"_multiarch".as_ptr(), value);
            }
            release(value);
        }
    }
    0
}
