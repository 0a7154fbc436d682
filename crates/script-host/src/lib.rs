//! The place where programs of a target run: a view of it, a native root, or this machine's own root in a
//! sandbox.
//!
//! [`session`] is the way in: a target, opened with all that programs need. The other modules are its parts.

mod arch_output;
mod fontconfig;
pub mod limits;
pub mod root_copy;
pub mod script;
pub mod session;
mod sys;
pub mod sysroot;
pub mod tree_digest;
pub mod unrunnable;
pub mod view;

pub use session::{
    AnswerHook, BindMount, Dpkg, DpkgAnswer, DpkgCall, HearHook, HookPlace, HookPlaceOptions,
    NATIVE_PACKAGES, Native, NativeScripts, Network, Observer, Options, Processor, RunResult, ScriptCall,
    ScriptRoot, ScriptRootKind, ScriptSettings, Session, SessionError, Surroundings, ask, open, policy,
    with_hook_place,
};

pub use sysroot::is_whole as is_whole_native_package;

/// The example of README.md, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
