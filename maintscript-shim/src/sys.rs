//! The only place with `unsafe`: the C library's `write`, `execve`, `uname`, `socket`, `sendmsg` and those for ids, signals and
//! confinement.
#![allow(unsafe_code, reason = "calls into the C library, each with its reason")]

use std::ffi::{CString, OsStr, OsString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use shim_protocol::CONTROL_LINE;

unsafe extern "C" {
    fn execve(path: *const c_char, argv: *const *const c_char, environment: *const *const c_char) -> c_int;
    fn write(fd: c_int, data: *const c_void, length: usize) -> isize;
    fn fork() -> c_int;
    fn waitpid(process: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn uname(fields: *mut Utsname) -> c_int;
    fn geteuid() -> u32;
    fn setresuid(real: u32, effective: u32, saved: u32) -> c_int;
    fn setresgid(real: u32, effective: u32, saved: u32) -> c_int;
    fn socket(family: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn sendmsg(socket: c_int, message: *const Message, flags: c_int) -> isize;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    #[link_name = "read"]
    fn read_bytes(fd: c_int, data: *mut c_void, length: usize) -> isize;
    fn poll(descriptors: *mut Polled, count: std::ffi::c_ulong, timeout: c_int) -> c_int;
    fn lseek(fd: c_int, offset: i64, whence: c_int) -> i64;
    fn signal(number: c_int, handler: usize) -> usize;
    fn prctl(option: c_int, ...) -> c_int;
    fn syscall(number: std::ffi::c_long, ...) -> std::ffi::c_long;
}

/// `struct msghdr` as the kernel has it (sendmsg(2)); the C libraries' differ from it in padding only.
#[repr(C)]
struct Message {
    name: *const c_void,
    name_length: usize,
    pieces: *const Piece,
    piece_count: usize,
    control: *const c_void,
    control_length: usize,
    flags: usize,
}

/// `struct iovec`.
#[repr(C)]
struct Piece {
    data: *const c_void,
    length: usize,
}

/// Most descriptors that are sent at once.
const MOST_SENT: usize = 16;

/// `struct cmsghdr` with descriptors (cmsg(3), unix(7)).
#[repr(C)]
struct Control {
    length: usize,
    level: c_int,
    kind: c_int,
    descriptors: [c_int; MOST_SENT],
}

/// `struct utsname` of Linux: six fields of 65 bytes (uname(2)).
#[repr(C)]
struct Utsname([[u8; 65]; 6]);

/// The arguments as the kernel passed them.
#[cfg(not(test))]
pub(crate) fn arguments(count: c_int, vector: *const *const c_char) -> Vec<OsString> {
    (0..usize::try_from(count).unwrap_or(0))
        .map(|i| {
            // SAFETY: the C library passes `count` valid NUL-terminated strings.
            let text = unsafe { std::ffi::CStr::from_ptr(*vector.add(i)) };
            OsString::from_vec(text.to_bytes().to_vec())
        })
        .collect()
}

/// Writes everything to a descriptor; gives up at the first error, as there is
/// nobody to tell.
pub(crate) fn write_all(fd: c_int, mut data: &[u8]) {
    while !data.is_empty() {
        // SAFETY: pointer and length describe `data`.
        let written = unsafe { write(fd, data.as_ptr().cast(), data.len()) };
        match usize::try_from(written) {
            Ok(n) if n > 0 => data = data.get(n..).unwrap_or_default(),
            _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

/// Writes a message to standard error.
pub(crate) fn complain(message: &[u8]) {
    write_all(2, message);
}

/// Replaces this process; `path` is executed with `argv0` as its name. Returns
/// only the error.
pub(crate) fn execute(
    path: &OsStr,
    argv0: &OsStr,
    arguments: &[OsString],
    environment: &[(OsString, OsString)],
) -> io::Error {
    let text = |bytes: &[u8]| CString::new(bytes).unwrap_or_default();
    let path = text(path.as_bytes());
    let arguments: Vec<CString> = std::iter::once(argv0)
        .chain(arguments.iter().map(OsString::as_os_str))
        .map(|argument| text(argument.as_bytes()))
        .collect();
    let environment: Vec<CString> = environment
        .iter()
        .map(|(name, value)| text(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect();
    let pointers = |strings: &[CString]| -> Vec<*const c_char> {
        let all = strings.iter().map(|string| string.as_ptr());
        all.chain([std::ptr::null()]).collect()
    };
    let (arguments_, environment_) = (pointers(&arguments), pointers(&environment));
    // SAFETY: all three are NUL-terminated and outlive the call.
    unsafe { execve(path.as_ptr(), arguments_.as_ptr(), environment_.as_ptr()) };
    io::Error::last_os_error()
}

/// Splits the process in two: the child goes on (`None`), the parent waits for
/// its end and gets its exit status, as a shell would tell it.
pub(crate) fn wait_for_child() -> Option<i32> {
    // SAFETY: this process has one thread.
    let child = unsafe { fork() };
    if child <= 0 {
        // Where there can be no child, the program still runs; its end is not told.
        return None;
    }
    let mut status = 0;
    // SAFETY: `status` is writable.
    while unsafe { waitpid(child, &raw mut status, 0) } < 0 {
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return Some(1);
        }
    }
    let signal = status & 0x7f;
    Some(if signal == 0 {
        (status >> 8) & 0xff
    } else {
        128 + signal
    })
}

/// Connects with the installer, which listens at `control`. Where scripts may make no sockets, the installer makes it.
pub(crate) fn connect(control: &Path) -> io::Result<UnixStream> {
    // Values of every architecture for which the shim is made (sys/socket.h, fcntl.h).
    const AF_UNIX: c_int = 1;
    const SOCK_STREAM: c_int = if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
        2
    } else {
        1
    };
    const SOCK_CLOEXEC: c_int = 0o2_000_000;
    let refused = match UnixStream::connect(control) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => error,
        connected => return connected,
    };
    // SAFETY: three numbers.
    let made = unsafe { socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, CONTROL_LINE) };
    if made < 0 {
        return Err(refused);
    }
    // SAFETY: the descriptor has just been made for this process, and nobody else has its number.
    Ok(unsafe { UnixStream::from_raw_fd(made) })
}

/// A user and a group, where they change.
pub(crate) type Ids = (Option<u32>, Option<u32>);

/// The effective user of this process.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: no arguments.
    unsafe { geteuid() }
}

/// Changes the effective and saved ids of this process, and the real ones where that is asked for. One that may not
/// keeps its own.
pub(crate) fn set_ids((user, group): Ids, real: bool) {
    // setresuid(2): the id stays.
    const STAYS: u32 = u32::MAX;
    let with = |id: u32| if real { id } else { STAYS };
    if let Some(group) = group {
        // SAFETY: three numbers.
        unsafe { setresgid(with(group), group, group) };
    }
    if let Some(user) = user {
        // SAFETY: three numbers.
        unsafe { setresuid(with(user), user, user) };
    }
}

/// The kernel's name, host name, release and version, in that order.
pub(crate) fn kernel() -> [OsString; 4] {
    let mut fields = Utsname([[0; 65]; 6]);
    // SAFETY: `fields` has the layout of `struct utsname` and is writable.
    unsafe { uname(&raw mut fields) };
    let text = |i: usize| {
        let field = fields.0.get(i).map(<[u8; 65]>::as_slice).unwrap_or_default();
        OsString::from_vec(field.iter().copied().take_while(|&b| b != 0).collect())
    };
    [text(0), text(1), text(2), text(3)]
}

/// Sends bytes with descriptors along, and returns how many bytes were sent.
pub(crate) fn send_with(stream: &UnixStream, bytes: &[u8], descriptors: &[c_int]) -> io::Result<usize> {
    const SOL_SOCKET: c_int = if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
        0xffff
    } else {
        1
    };
    const SCM_RIGHTS: c_int = 1;
    const MSG_NOSIGNAL: c_int = 0x4000;
    if descriptors.len() > MOST_SENT {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut sent = [0; MOST_SENT];
    for (slot, descriptor) in sent.iter_mut().zip(descriptors) {
        *slot = *descriptor;
    }
    let header = size_of::<usize>() + 2 * size_of::<c_int>();
    let length = header + size_of_val(descriptors);
    let control = Control {
        length,
        level: SOL_SOCKET,
        kind: SCM_RIGHTS,
        descriptors: sent,
    };
    let piece = Piece {
        data: bytes.as_ptr().cast(),
        length: bytes.len(),
    };
    let message = Message {
        name: std::ptr::null(),
        name_length: 0,
        pieces: &raw const piece,
        piece_count: 1,
        control: (&raw const control).cast(),
        // CMSG_SPACE, which the structure has room for.
        control_length: length.next_multiple_of(size_of::<usize>()),
        flags: 0,
    };
    // SAFETY: the message has the kernel's layout, and all that it points to lives here.
    let sent = unsafe { sendmsg(stream.as_raw_fd(), &raw const message, MSG_NOSIGNAL) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// `struct pollfd`.
#[repr(C)]
struct Polled {
    descriptor: c_int,
    events: i16,
    ready: i16,
}

/// Returns which descriptors can be read, or written where it says so, or have an end; waits for one where that is asked for.
pub(crate) fn wait_for(descriptors: &[(c_int, bool)], waits: bool) -> io::Result<Vec<bool>> {
    const POLLIN: i16 = 1;
    const POLLOUT: i16 = 4;
    let mut polled: Vec<Polled> = descriptors
        .iter()
        .map(|(descriptor, writes)| Polled {
            descriptor: *descriptor,
            events: if *writes { POLLOUT } else { POLLIN },
            ready: 0,
        })
        .collect();
    let timeout = if waits { -1 } else { 0 };
    loop {
        // SAFETY: pointer and count describe `polled`.
        let done = unsafe { poll(polled.as_mut_ptr(), polled.len() as std::ffi::c_ulong, timeout) };
        let error = io::Error::last_os_error();
        match done {
            0.. => return Ok(polled.iter().map(|one| one.ready != 0).collect()),
            _ if error.kind() == io::ErrorKind::Interrupted => {}
            _ => return Err(error),
        }
    }
}

/// Reads from a descriptor.
pub(crate) fn read(descriptor: c_int, bytes: &mut [u8]) -> io::Result<usize> {
    // SAFETY: pointer and length describe `bytes`.
    let read = unsafe { read_bytes(descriptor, bytes.as_mut_ptr().cast(), bytes.len()) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Moves the offset of a file back, so that these bytes are read again.
pub(crate) fn step_back(descriptor: c_int, length: usize) {
    const SEEK_CUR: c_int = 1;
    let length = i64::try_from(length).unwrap_or(0);
    // SAFETY: numbers only.
    unsafe { lseek(descriptor, -length, SEEK_CUR) };
}

/// Whether a descriptor is open.
pub(crate) fn is_open(descriptor: c_int) -> bool {
    const F_GETFD: c_int = 1;
    // SAFETY: numbers only.
    unsafe { fcntl(descriptor, F_GETFD) >= 0 }
}

/// Signals of a terminal: SIGHUP, SIGINT and SIGQUIT.
const OF_TERMINAL: [c_int; 3] = [1, 2, 3];

/// Signals of the terminal are ignored as long as this lives.
pub(crate) struct Ignoring([usize; 3]);

/// Ignores signals of the terminal.
pub(crate) fn ignore_terminal() -> Ignoring {
    const SIG_IGN: usize = 1;
    // SAFETY: no handler of this program is named.
    Ignoring(OF_TERMINAL.map(|number| unsafe { signal(number, SIG_IGN) }))
}

impl Drop for Ignoring {
    fn drop(&mut self) {
        for (number, before) in OF_TERMINAL.into_iter().zip(self.0) {
            // SAFETY: what was there before.
            unsafe { signal(number, before) };
        }
    }
}

/// `struct sock_fprog`.
#[repr(C)]
struct Filter {
    length: u16,
    instructions: *const c_void,
}

/// Gives a command a filter of system calls (seccomp(2)), eight bytes an instruction, and keeps it from sockets by abstract
/// names, which other programs of the machine may have, where the kernel can (landlock(7)). Without a filter it is left as
/// it is.
pub(crate) fn keep_in(command: &mut Command, filter: &[u8]) {
    if filter.is_empty() {
        return;
    }
    let filter = filter.to_vec();
    let confine = move || {
        scope();
        const PR_SET_NO_NEW_PRIVS: c_int = 38;
        const PR_SET_SECCOMP: c_int = 22;
        const SECCOMP_MODE_FILTER: usize = 2;
        let program = Filter {
            length: u16::try_from(filter.len() / 8).unwrap_or(0),
            instructions: filter.as_ptr().cast(),
        };
        // SAFETY: the filter is as long as it says, and lives until the kernel has copied it.
        let done = unsafe {
            prctl(PR_SET_NO_NEW_PRIVS, 1usize, 0usize, 0usize, 0usize);
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw const program)
        };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: between fork and exec it makes system calls only.
    unsafe { command.pre_exec(confine) };
}

/// Keeps this process from sockets by abstract names of others (Linux 6.12).
fn scope() {
    // The same numbers on every architecture but alpha.
    const LANDLOCK_CREATE_RULESET: std::ffi::c_long = 444;
    const LANDLOCK_RESTRICT_SELF: std::ffi::c_long = 446;
    /// `struct landlock_ruleset_attr`: rights on files and on ports, and scopes.
    #[repr(C)]
    struct Ruleset([u64; 3]);
    const ABSTRACT_SOCKETS: u64 = 1;
    const PR_SET_NO_NEW_PRIVS: c_int = 38;
    let ruleset = Ruleset([0, 0, ABSTRACT_SOCKETS]);
    // SAFETY: the structure is as long as it says. An older kernel refuses it.
    unsafe {
        let made = syscall(
            LANDLOCK_CREATE_RULESET,
            &raw const ruleset,
            size_of::<Ruleset>(),
            0usize,
        );
        if made >= 0 {
            prctl(PR_SET_NO_NEW_PRIVS, 1usize, 0usize, 0usize, 0usize);
            syscall(LANDLOCK_RESTRICT_SELF, made, 0usize);
        }
    }
}
