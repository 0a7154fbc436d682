//! The machine that uname(2) names to programs of a target for another one (seccomp_unotify(2)).
//!
//! The kernel knows this machine only, and what a program asks it is not seen by what stands in for tools. The call is
//! answered in the memory of the caller. Where that cannot be written the kernel answers after all, for itself; and to
//! programs of systemd, which end with an assertion where the machine is none that they were compiled for.

use crate::sys;
use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags, openat};
use rustix::system::uname;
use std::fs::File;
use std::io::{self, IoSlice, Read};
use std::os::fd::OwnedFd;

/// Size of a field of `struct utsname` with its final NUL (uname(2)).
const FIELD: usize = 65;

/// In the path of each program of systemd, or of the library that they have in common.
const ASSERTS: &str = "/systemd";

/// The listener of a filter that asks about uname(2), and the answer.
pub(super) struct Machine {
    listener: OwnedFd,
    processes: Option<File>,
    name: Option<String>,
}

impl Machine {
    /// Returns what answers with the name of a machine, as `uname -m` prints it, or without one leaves it to the kernel.
    /// `processes` is the /proc in which callers have the numbers that they have for this process.
    pub(super) fn new(listener: OwnedFd, processes: Option<File>, name: Option<String>) -> Self {
        Self {
            listener,
            processes,
            name,
        }
    }

    /// The descriptor that is readable when a call waits.
    pub(super) fn listener(&self) -> &OwnedFd {
        &self.listener
    }

    /// Answers the call that waits.
    pub(super) fn answer(&self) {
        // A caller that has been killed waits no longer.
        let Ok(call) = sys::next_call(&self.listener) else {
            return;
        };
        let asserts = self.maps(call.pid).map(|maps| maps.contains(ASSERTS));
        let done = match asserts {
            Ok(false) => self.write(&call).ok().map(|()| Ok(0)),
            _ => None,
        };
        sys::answer_call(&self.listener, call.id, done);
    }

    /// Returns what of files a process has in its memory (proc(5)).
    fn maps(&self, process: u32) -> io::Result<String> {
        let path = format!("{process}/maps");
        let processes = self.processes.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let opened = openat(processes, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut bytes = Vec::new();
        File::from(opened).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn write(&self, call: &libc::seccomp_notif) -> io::Result<()> {
        let fields = fields(self.name.as_deref().ok_or(io::ErrorKind::NotFound)?);
        let [address, ..] = call.data.args;
        let place = RemoteIoVec {
            base: usize::try_from(address).map_err(io::Error::other)?,
            len: fields.len(),
        };
        let caller = Pid::from_raw(i32::try_from(call.pid).map_err(io::Error::other)?);
        if !sys::still_waits(&self.listener, call.id) {
            return Err(io::ErrorKind::NotFound.into());
        }
        match process_vm_writev(caller, &[IoSlice::new(&fields)], &[place])? {
            written if written == fields.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }
}

/// Returns a `struct utsname` with another machine; all else is as the kernel has it.
fn fields(machine: &str) -> Vec<u8> {
    let own = uname();
    let fields = [
        own.sysname().to_bytes(),
        own.nodename().to_bytes(),
        own.release().to_bytes(),
        own.version().to_bytes(),
        machine.as_bytes(),
        own.domainname().to_bytes(),
    ];
    let padded = fields.iter().flat_map(|field| {
        let zeroes = std::iter::repeat_n(0, FIELD);
        field.iter().copied().take(FIELD - 1).chain(zeroes).take(FIELD)
    });
    padded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_place() {
        let fields = fields("s390x");
        assert_eq!(fields.len(), 6 * FIELD);
        let field = |at: usize| {
            let bytes = fields.chunks(FIELD).nth(at).unwrap();
            let end = bytes.iter().position(|byte| *byte == 0).unwrap();
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        let own = uname();
        assert_eq!(field(0), own.sysname().to_string_lossy());
        assert_eq!(field(2), own.release().to_string_lossy());
        assert_eq!(field(4), "s390x");
        assert_eq!(field(5), own.domainname().to_string_lossy());
    }
}
