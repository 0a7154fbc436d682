//! Native counterparts of the target's libraries, for native programs.
//!
//! A module of the dynamic loader (rtld-audit(7)): the loader asks
//! [`la_objsearch`] about every path before it opens it. One that belongs to the
//! target is replaced by its counterpart in the native sysroot, which the
//! installer extends if it must: a tool that is told to load
//! `/usr/lib/TRIPLET/module.so` loads the native module of that name, and a
//! program with a directory of libraries of its own finds the native ones, also
//! where the library is a link that a script has made. So execution and loading
//! are redirected alike, and every read of the file still gives the target's bytes.
//!
//! In python it does so, too, with the suffixes of compiled modules, by which python knows its own ones ([`suffix`]):
//! [`la_preinit`](sys::python::la_preinit).
//!
//! The same object, loaded before all others (ld.so(8), `LD_PRELOAD`), answers
//! uname(2) for the target in programs that ask themselves.
//!
//! Of the C library it uses what every version has. The build script compiles it with `cfg(freestanding)`; without, it
//! is the crate of its unit tests.

#![cfg_attr(freestanding, no_std)]

mod path;
#[cfg_attr(not(freestanding), allow(dead_code, reason = "used by what is exported"))]
mod suffix;
#[cfg_attr(not(freestanding), allow(dead_code, reason = "what is exported"))]
mod sys;
