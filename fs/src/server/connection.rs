//! The connection to the kernel: requests read from `/dev/fuse`, answers and notes written to it (fuse(4) and
//! `linux/fuse.h`).
//!
//! Own code, as no library for it has all that a filesystem may be asked for: files without a name, times of birth, the
//! kernel's word on set-group-ID bits.

mod fields;
mod operation;
mod reply;
mod request;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::io::Errno;

use crate::meta::Timestamp;
use operation::{Init, is_unanswered};
pub(super) use operation::{Making, Operation, SetAttr};
pub(super) use reply::{Attributes, Entries, FOREVER, Reply, device};
use request::INIT_EXT;
pub(super) use request::Request;

/// Time to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewTime {
    /// The present time.
    Now,
    /// This time.
    At(Timestamp),
}

/// What the kernel can be asked to do, by the bits of `INIT`.
pub(super) mod features {
    pub(in crate::server) const DONT_MASK: u64 = 1 << 6;
    pub(in crate::server) const DO_READDIRPLUS: u64 = 1 << 13;
    pub(in crate::server) const READDIRPLUS_AUTO: u64 = 1 << 14;
    pub(in crate::server) const NO_OPEN_SUPPORT: u64 = 1 << 17;
    pub(in crate::server) const PARALLEL_DIROPS: u64 = 1 << 18;
    pub(in crate::server) const POSIX_ACL: u64 = 1 << 20;
    pub(in crate::server) const CACHE_SYMLINKS: u64 = 1 << 23;
    pub(in crate::server) const NO_OPENDIR_SUPPORT: u64 = 1 << 24;
    pub(in crate::server) const EXPLICIT_INVAL_DATA: u64 = 1 << 25;
    pub(in crate::server) const SETXATTR_EXT: u64 = 1 << 29;

    pub(super) const ASYNC_READ: u64 = 1;
    pub(super) const BIG_WRITES: u64 = 1 << 5;
    pub(super) const MAX_PAGES: u64 = 1 << 22;
}

/// What an open file is to the kernel.
pub(super) mod opened {
    pub(in crate::server) const DIRECT_IO: u32 = 1;
    pub(in crate::server) const KEEP_CACHE: u32 = 1 << 1;
    pub(in crate::server) const CACHE_DIR: u32 = 1 << 3;
}

const MAJOR: u32 = 7;
/// The version with `STATX`. What newer ones add is refused as unknown.
const MINOR: u32 = 39;

/// Most bytes that the kernel sends at once (`fs.fuse.max_pages_limit`).
const MAX_WRITE: u32 = 1 << 20;
const MAX_BACKGROUND: u16 = 64;
/// Bytes of a request beside what is written.
const HEADERS: usize = 4096;

/// Number of an invalidation in the place of an error.
const INVAL_INODE: i32 = 2;
const INVAL_ENTRY: i32 = 3;

/// A connection on which the kernel has been answered for the first time.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    device: Arc<File>,
    features: u64,
}

impl Connection {
    /// Answers the kernel's `INIT`. `choose` gets what the kernel offers and returns what is wanted of it.
    ///
    /// # Errors
    /// That the descriptor is not that of a mount, or the kernel's protocol is another.
    pub(super) fn open(device: OwnedFd, choose: impl FnOnce(u64) -> u64) -> io::Result<Self> {
        let device = Arc::new(File::from(device));
        let mut buffer = vec![0; HEADERS + HEADERS];
        let mut connection = Self { device, features: 0 };
        let mut choose = Some(choose);
        loop {
            let Some(request) = connection.receive(&mut buffer)? else {
                return Err(io::ErrorKind::NotConnected.into());
            };
            let Operation::Init(init) = request.operation else {
                connection.answer(&request, Err(Errno::IO));
                return Err(io::Error::other("the kernel did not begin with INIT"));
            };
            if init.major > MAJOR {
                // It asks again, with this version.
                let mut reply = Reply::default();
                reply.u32(MAJOR);
                reply.u32(MINOR);
                connection.answer(&request, Ok(&reply));
                continue;
            }
            if init.major < MAJOR {
                connection.answer(&request, Err(Errno::PROTO));
                return Err(io::ErrorKind::Unsupported.into());
            }
            let wanted = choose.take().map_or(0, |choose| choose(init.flags & !INIT_EXT));
            let base = features::ASYNC_READ | features::BIG_WRITES | features::MAX_PAGES | INIT_EXT;
            let flags = (wanted | base) & init.flags;
            connection.answer(&request, Ok(&welcome(&init, flags)));
            connection.features = flags;
            return Ok(connection);
        }
    }

    /// Returns room for every request.
    pub(super) fn buffer() -> Vec<u8> {
        vec![0; MAX_WRITE as usize + HEADERS]
    }

    /// Waits for a request; `None` where the filesystem is no longer mounted.
    ///
    /// # Errors
    /// That the connection is broken.
    pub(super) fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<Request<'a>>> {
        let length = loop {
            match (&*self.device).read(buffer) {
                Ok(length) => break length,
                Err(error) => match Errno::from_io_error(&error) {
                    // One that was interrupted before it was read.
                    Some(Errno::NOENT | Errno::INTR | Errno::AGAIN) => {}
                    Some(Errno::NODEV) => return Ok(None),
                    _ => return Err(error),
                },
            }
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        let request = Request::parse(bytes, self.features & features::SETXATTR_EXT != 0);
        request
            .map(Some)
            .ok_or_else(|| io::Error::other("a request is cut off"))
    }

    /// Answers a request, if that is expected.
    pub(super) fn answer(&self, request: &Request<'_>, result: Result<&Reply, Errno>) {
        if is_unanswered(&request.operation) {
            return;
        }
        match result {
            Ok(reply) => self.answer_with(request, reply.bytes()),
            Err(errno) => self.send(-errno.raw_os_error(), request.unique, &[]),
        }
    }

    /// Answers a request with bytes.
    pub(super) fn answer_with(&self, request: &Request<'_>, bytes: &[u8]) {
        self.send(0, request.unique, &[bytes]);
    }

    fn send(&self, error: i32, unique: u64, parts: &[&[u8]]) {
        // A request that was interrupted needs no answer (ENOENT); one that is refused is the kernel's to report.
        let _ = write(&self.device, error, unique, parts);
    }

    pub(super) fn notifier(&self) -> Notifier {
        Notifier(Arc::clone(&self.device))
    }
}

/// Writes `struct fuse_out_header` and what follows it.
fn write(mut device: &File, error: i32, unique: u64, parts: &[&[u8]]) -> io::Result<()> {
    let length = 16 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut header = Reply::default();
    header.u32(u32::try_from(length).unwrap_or(u32::MAX));
    header.u32(error.cast_unsigned());
    header.u64(unique);
    let mut slices = [IoSlice::new(&[]); 4];
    let all = std::iter::once(header.bytes()).chain(parts.iter().copied());
    for (slice, part) in slices.iter_mut().zip(all) {
        *slice = IoSlice::new(part);
    }
    device.write_vectored(&slices).map(|_| ())
}

/// `struct fuse_init_out`.
fn welcome(init: &Init, flags: u64) -> Reply {
    let page = rustix::param::page_size();
    let pages = (MAX_WRITE.max(init.read_ahead) as usize).div_ceil(page);
    let mut reply = Reply::default();
    for value in [MAJOR, MINOR, init.read_ahead, flags as u32] {
        reply.u32(value);
    }
    reply.u16(MAX_BACKGROUND);
    reply.u16(MAX_BACKGROUND / 4 * 3);
    reply.u32(MAX_WRITE);
    // Times have nanoseconds.
    reply.u32(1);
    reply.u16(u16::try_from(pages).unwrap_or(u16::MAX));
    reply.u16(0);
    reply.u32((flags >> 32) as u32);
    reply.zeroes(7 * 4);
    reply
}

/// Tells the kernel of what changes without a request.
#[derive(Debug, Clone)]
pub(super) struct Notifier(Arc<File>);

impl Notifier {
    /// Has the kernel forget a name.
    ///
    /// # Errors
    /// That it does not know it, or is gone.
    pub(super) fn inval_entry(&self, parent: u64, name: &OsStr) -> io::Result<()> {
        let mut note = Reply::default();
        note.u64(parent);
        note.u32(u32::try_from(name.len()).unwrap_or(u32::MAX));
        note.zeroes(4);
        write(&self.0, INVAL_ENTRY, 0, &[note.bytes(), name.as_bytes(), &[0]])
    }

    /// Has the kernel forget attributes and contents of a node.
    ///
    /// # Errors
    /// That it does not know it, or is gone.
    pub(super) fn inval_inode(&self, node: u64) -> io::Result<()> {
        let mut note = Reply::default();
        note.u64(node);
        // From the beginning to the end.
        note.zeroes(16);
        write(&self.0, INVAL_INODE, 0, &[note.bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns a request of this operation for the node 5.
    fn request(opcode: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Reply::default();
        bytes.u32(u32::try_from(40 + body.len()).unwrap());
        bytes.u32(opcode);
        bytes.u64(9);
        bytes.u64(5);
        for value in [1, 2, 3, 0] {
            bytes.u32(value);
        }
        [bytes.bytes(), body].concat()
    }

    proptest! {
        #[test]
        fn parsing_never_panics(opcode in 0u32..60, body: Vec<u8>, long: bool) {
            let bytes = request(opcode, &body);
            if let Some(request) = Request::parse(&bytes, long) {
                prop_assert_eq!((request.unique, request.node, request.pid), (9, 5, 3));
            }
            let _ = Request::parse(&body, long);
        }
    }

    #[test]
    fn requests_are_read() {
        let bytes = request(1, b"name\0");
        let lookup = Request::parse(&bytes, false).unwrap();
        assert!(matches!(lookup.operation, Operation::Lookup { name } if name == "name"));
        let mut write = [0; 40];
        write[8] = 7;
        write[16] = 3;
        let bytes = request(16, &[&write[..], b"abc"].concat());
        let write = Request::parse(&bytes, false).unwrap();
        assert!(matches!(
            write.operation,
            Operation::Write {
                offset: 7,
                data: b"abc"
            }
        ));
        // What is cut off is refused, and what nobody waits for is an error.
        let cut = request(1, b"name");
        assert!(matches!(
            Request::parse(&cut, false).unwrap().operation,
            Operation::Other
        ));
        assert!(Request::parse(&request(2, b""), false).is_none());
        assert!(Request::parse(&cut[..39], false).is_none());
    }
}
