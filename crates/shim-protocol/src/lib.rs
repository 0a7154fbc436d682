//! Protocol of the shim: what it and the library map ask the installer, and every name that they share
//! with it.
//!
//! The shim is the static helper that every redirected execution and every chrootless wrapper enters; the
//! library map is the module of the dynamic loader in native programs. Both run where scripts run, and
//! reach the installer over the socket [`paths::CONTROL`].
//!
//! # Conversation
//!
//! One [`Request`] a connection, ended by shutting the sending side down; then one [`Reply`], ended by
//! closing. The first byte of either is its kind. A field of a request ends with NUL; numbers are decimal.
//! Paths of requests are absolute, as scripts see them.
//!
//! | request | fields | meaning |
//! |---|---|---|
//! | `c` | PATH | find the native counterpart of a target program or library |
//! | `j` | PROGRAM (ARGUMENT)* | judge an execution: the program's output depends on the architecture |
//! | `e` | PROGRAM | the program has ended, convert its output |
//! | `f` | PROGRAM REASON | the program cannot be executed |
//! | `l` | DIRECTORY (ARGUMENT)* | run the target's ldconfig(8) from that working directory |
//! | `o` | DIRECTORY (VARIABLE)* "" PROGRAM (ARGUMENT)* | do what the target's dynamic loader does for a program, or when it is the program; a variable is `LD_NAME=VALUE` |
//! | `d` | DIRECTORY (VARIABLE)* "" (DESCRIPTOR)* "" PROGRAM (ARGUMENT)* | do what dpkg(1) or dpkg-query(1) does, with the descriptors that come along; a variable is `NAME=VALUE` |
//! | `v` | KIND TOOL SUBJECT HELPED PROCESS | a script does not keep to the contract of `DPKG_ROOT`: a [`Violation`] |
//! | `w` | PATH UID GID FOLLOW | record an owner: chown(2), or lchown(2) when FOLLOW is `0`; an id that stays is `-` |
//! | `r` | PATH REFERENCE GROUP FOLLOW | record the owner of another file, or its group only |
//! | `n` | PATH TYPE MAJOR MINOR MODE | record a device: mknod(2); TYPE is `b` or `c` |
//! | `x` | PATH | record the attribute `security.capability`, whose bytes follow the field; none take it away |
//!
//! Without namespaces scripts can make no socket that leads to another process. There socket(2) with
//! [`CONTROL_LINE`] gives the shim its connection.
//!
//! | reply | fields | meaning |
//! |---|---|---|
//! | `+` | PATH | execute this path of the view |
//! | `>` | | execute the native counterpart; or: it is recorded |
//! | `~` | | execute the native counterpart, and report its end (`e`) |
//! | `=` | STATUS LENGTH OUTPUT MESSAGES | it is done: a byte for exit(3), four bytes (big endian) for the length of standard output, the rest is standard error |
//! | `-` | REASON | it cannot be done |
//!
//! Scripts can reach the socket, too. All they can get is another verified package in the sysroot of their own
//! run, and what they may do to the target anyway. So nothing of a request is trusted: [`Request::decode`]
//! takes any bytes.
//!
//! # Names
//!
//! [`paths`] has everything below the private directory, [`PHANTOM_DIRECTORY`]; [`names`] the same by their names
//! alone; [`variables`] the environment. The private directory holds, where something is redirected, the shim,
//! the library map, the description of the target ([`Description`]) and the sysroot; for chrootless scripts the
//! directory of wrappers; for traced shells their pipe, start-up file and the real shells.
//!
//! The kernel calls the shim as `shim WORD PATH ARGUMENT...` (execve(2), "Interpreter scripts") or, as a handler of
//! binfmt_misc, `rootless-install-handlers/WORD PATH NAME ARGUMENT...`. WORD is the target's Debian architecture,
//! with [`FOREIGN`] and that of the program where it is one of the target's foreign ones.
//!
//! The crate has no dependencies, does not allocate and needs no standard library.

#![no_std]

pub mod capability;
mod description;
pub mod dialogue;
mod message;
mod name;
mod record;
mod reply;
mod strings;
mod violation;

pub use description::Description;
pub use message::{Error, Request};
pub use name::{FOREIGN, HANDLERS, PHANTOM_DIRECTORY, TARGET_MOUNT, names, paths, variables};
pub use record::{Device, Record};
pub use reply::Reply;
pub use strings::Strings;
pub use violation::{Violation, ViolationKind};

/// Protocol number with which the shim asks for a socket of the family `AF_UNIX` where scripts may make none: it gets one
/// that is connected with [`paths::CONTROL`]. No such protocol exists (unix(7)).
pub const CONTROL_LINE: i32 = 0x5249;

/// Longest request in bytes: some command lines name many directories or packages.
pub const LONGEST_REQUEST: usize = 1 << 20;
/// Most bytes of a command line in a request to judge it.
pub const LONGEST_ARGUMENTS: usize = 64 << 10;
/// Longest path in bytes, with its NUL (`PATH_MAX`).
pub const LONGEST_PATH: usize = 4096;
