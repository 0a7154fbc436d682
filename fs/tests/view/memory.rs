//! Memory that is shared with a file, for the cases.

#![expect(unsafe_code, reason = "memory that a file shares")]

use std::fs::File;

use rustix::mm::{MapFlags, MsyncFlags, ProtFlags, mmap, msync, munmap};

/// A file in memory, until it is dropped.
pub(crate) struct Shared {
    memory: *mut u8,
    len: usize,
}

impl Shared {
    /// The first `len` bytes of the file.
    pub(crate) fn new(file: &File, len: usize) -> Self {
        let both = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice, used through this value only.
        let memory = unsafe { mmap(std::ptr::null_mut(), len, both, MapFlags::SHARED, file, 0) };
        Self {
            memory: memory.unwrap().cast(),
            len,
        }
    }

    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.len);
        // SAFETY: within the mapping, which lives as long as `self`; `bytes` is no part of it.
        unsafe {
            self.memory
                .add(offset)
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
    }

    pub(crate) fn read(&self, offset: usize, len: usize) -> Vec<u8> {
        assert!(offset + len <= self.len);
        let mut bytes = vec![0; len];
        // SAFETY: as above.
        unsafe {
            self.memory
                .add(offset)
                .copy_to_nonoverlapping(bytes.as_mut_ptr(), len)
        };
        bytes
    }

    pub(crate) fn sync(&self) -> rustix::io::Result<()> {
        // SAFETY: the whole mapping.
        unsafe { msync(self.memory.cast(), self.len, MsyncFlags::SYNC) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, to which nothing refers any more.
        let _ = unsafe { munmap(self.memory.cast(), self.len) };
    }
}
