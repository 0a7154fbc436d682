//! Open files: reading, writing, and execution.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use deb_arch::elf::{ElfIdentity, IDENTITY_SIZE};
use fuser::FopenFlags;
use rustix::fs::{self, FallocateFlags, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use super::{Caller, Entry, Result, View};
use crate::encoding;
use crate::meta::FileType;
use crate::server::nodes::Origin;
use crate::server::phantom::{PhantomId, PhantomKind};
use crate::server::redirect::FOR_EXECUTION;
use crate::sys;
use crate::sys::access::give_of;
use crate::target::dress;

thread_local! {
    /// Buffer of the thread's reads. A new one for each request would take longer to map than to fill.
    static READ: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Answer to an open.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Opened {
    pub(in crate::server) fh: u64,
    pub(in crate::server) flags: FopenFlags,
}

impl Opened {
    /// Answer for a file that is known by its node.
    const BY_NODE: Self = Self {
        fh: 0,
        flags: FopenFlags::FOPEN_KEEP_CACHE,
    };
}

impl View {
    /// `OPEN`.
    pub(in crate::server) fn open(&self, id: u64, flags: i32) -> Result<Opened> {
        let access = OFlags::from_bits_retain(flags.cast_unsigned()) & OFlags::RWMODE;
        if let Some(phantom) = PhantomId::from_node_id(id) {
            return match self.phantoms.kind(phantom) {
                Some(_) if access != OFlags::RDONLY => Err(Errno::ROFS),
                Some(PhantomKind::File { .. }) => Ok(Opened::BY_NODE),
                _ => Err(Errno::INVAL),
            };
        }
        if flags & FOR_EXECUTION != 0
            && let Some(script) = self.redirection(id)?
        {
            // The page cache keeps the file's own bytes.
            return Ok(Opened {
                fh: self.executions.insert(script),
                flags: FopenFlags::FOPEN_DIRECT_IO,
            });
        }
        self.nodes.opened(id);
        Ok(Opened::BY_NODE)
    }

    /// Returns the script that is executed instead of a file, if there is one.
    fn redirection(&self, id: u64) -> Result<Option<Arc<[u8]>>> {
        let Some(scripts) = &self.redirect else {
            return Ok(None);
        };
        let file = self.nodes.file(id, false)?;
        let mut header = [0; IDENTITY_SIZE];
        let len = read_full(&file, &mut header, 0)?;
        let count = &self.count;
        let (counter, answer) = match ElfIdentity::of_header(header.get(..len).unwrap_or_default()) {
            Some(identity) => match scripts.of(identity) {
                None => (&count.native, None),
                script => (&count.redirected, script),
            },
            // A script, or nothing that the kernel executes.
            None => (&count.scripts, None),
        };
        counter.raise();
        Ok(answer)
    }

    /// `CREATE`.
    pub(in crate::server) fn create(
        &self,
        parent: u64,
        name: &OsStr,
        mode: u32,
        flags: i32,
        caller: Caller,
    ) -> Result<(Entry, Opened)> {
        let location = self.location_in(parent, name)?;
        let (meta, lists) = self.new_meta(&location, FileType::Regular, mode, caller)?;
        let wanted = OFlags::from_bits_retain(flags.cast_unsigned());
        // For all that will be read and written.
        let disk_flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let disk_mode = Mode::from_raw_mode(encoding::disk_mode(meta.kind, meta.mode));
        let file = match fs::openat(location.fd(), name, disk_flags, disk_mode) {
            Ok(file) => File::from(file),
            // The installer was faster than the kernel's belief that there is nothing.
            Err(Errno::EXIST) if !wanted.contains(OFlags::EXCL) => {
                let entry = self.lookup(parent, name)?.ok_or(Errno::NOENT)?;
                if entry.shown.meta.kind != FileType::Regular {
                    self.forget(entry.shown.id, 1);
                    return Err(Errno::EXIST);
                }
                let opened = self.open(entry.shown.id, flags);
                return opened
                    .map(|opened| (entry, opened))
                    .inspect_err(|_| self.forget(entry.shown.id, 1));
            }
            Err(e) => return Err(e),
        };
        let dressed = dress(&file, &meta).and_then(|()| give_of(file.as_fd(), &lists));
        self.or_unlink(&location, dressed)?;
        let attr = sys::attr_of(file.as_fd())?;
        self.tell_others(&location);
        let entry = self.entry(&attr, parent, name, Origin::Made);
        self.nodes.made(entry.shown.id, Arc::new(file));
        Ok((entry, Opened::BY_NODE))
    }

    /// `TMPFILE`: makes a file without a name, which link(2) may give it.
    pub(in crate::server) fn create_nameless(
        &self,
        parent: u64,
        mode: u32,
        caller: Caller,
    ) -> Result<(Entry, Opened)> {
        let location = self.location_in(parent, OsStr::new("."))?;
        let (meta, lists) = self.new_meta(&location, FileType::Regular, mode, caller)?;
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let disk_mode = Mode::from_raw_mode(encoding::disk_mode(meta.kind, meta.mode));
        let file = File::from(fs::openat(location.fd(), &location.name, flags, disk_mode)?);
        dress(&file, &meta)?;
        give_of(file.as_fd(), &lists)?;
        let attr = sys::attr_of(file.as_fd())?;
        let id = self.nodes.id(attr.ino);
        let generation = self.nodes.remember_nameless(id);
        self.nodes.made(id, Arc::new(file));
        let shown = self.shown(id, &attr);
        Ok((Entry { shown, generation }, Opened::BY_NODE))
    }

    /// `READ`: gives `take` the bytes there are, up to `size`.
    pub(in crate::server) fn read(
        &self,
        id: u64,
        fh: u64,
        offset: u64,
        size: u32,
        take: impl FnOnce(&[u8]),
    ) -> Result<()> {
        let part = |bytes: &[u8]| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            let end = start.saturating_add(size as usize).min(bytes.len());
            start..end
        };
        if let Some(script) = self.executions.get(fh) {
            take(script.get(part(&script)).unwrap_or_default());
            return Ok(());
        }
        if let Some(phantom) = PhantomId::from_node_id(id) {
            let Some(PhantomKind::File { data, .. }) = self.phantoms.kind(phantom) else {
                return Err(Errno::INVAL);
            };
            take(data.get(part(&data)).unwrap_or_default());
            return Ok(());
        }
        let file = self.nodes.file(id, false)?;
        READ.with_borrow_mut(|buffer| {
            if buffer.len() < size as usize {
                buffer.resize(size as usize, 0);
            }
            let buffer = buffer.get_mut(..size as usize).unwrap_or_default();
            let len = read_full(&file, buffer, offset)?;
            take(buffer.get(..len).unwrap_or_default());
            Ok(())
        })
    }

    /// Returns the file of a node that is to be changed; `EROFS` for a phantom.
    pub(super) fn writable(&self, id: u64) -> Result<Arc<File>> {
        if PhantomId::from_node_id(id).is_some() {
            return Err(Errno::ROFS);
        }
        self.nodes.file(id, true)
    }

    /// `WRITE`.
    pub(in crate::server) fn write(&self, id: u64, offset: u64, data: &[u8]) -> Result<u32> {
        let file = self.writable(id)?;
        file.write_all_at(data, offset)
            .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
        self.tell_others_of(self.nodes.ino(id));
        u32::try_from(data.len()).map_err(|_| Errno::INVAL)
    }

    /// `RELEASE`.
    pub(in crate::server) fn release(&self, fh: u64) {
        self.executions.remove(fh);
    }

    /// `FSYNC`: brings a file to the disk.
    pub(in crate::server) fn sync(&self, id: u64, data_only: bool) -> Result<()> {
        if PhantomId::from_node_id(id).is_some() {
            return Ok(());
        }
        let file = self.nodes.file(id, false)?;
        match data_only {
            true => fs::fdatasync(&*file)?,
            false => fs::fsync(&*file)?,
        }
        self.count.syncs.raise();
        Ok(())
    }

    /// `FSYNCDIR`: brings a directory's names to the disk.
    pub(in crate::server) fn sync_dir(&self, id: u64) -> Result<()> {
        if PhantomId::from_node_id(id).is_some() {
            return Ok(());
        }
        let dir = self.nodes.dir(id)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        fs::fsync(fs::openat(dir.as_fd(), ".", flags, Mode::empty())?)?;
        self.count.syncs.raise();
        Ok(())
    }

    /// `FALLOCATE`.
    pub(in crate::server) fn fallocate(&self, id: u64, offset: u64, len: u64, mode: i32) -> Result<()> {
        let file = self.writable(id)?;
        fs::fallocate(
            &*file,
            FallocateFlags::from_bits_retain(mode.cast_unsigned()),
            offset,
            len,
        )?;
        self.tell_others_of(self.nodes.ino(id));
        Ok(())
    }

    /// `LSEEK`, which the kernel asks only for data and holes.
    pub(in crate::server) fn lseek(&self, id: u64, offset: i64, whence: i32) -> Result<i64> {
        let offset = u64::try_from(offset).map_err(|_| Errno::NXIO)?;
        let file = self.nodes.file(id, false)?;
        let seek = match whence {
            3 => SeekFrom::Data(offset),
            4 => SeekFrom::Hole(offset),
            _ => return Err(Errno::INVAL),
        };
        Ok(fs::seek(&*file, seek)?.cast_signed())
    }

    /// `COPY_FILE_RANGE`, from a node and offset to another.
    pub(in crate::server) fn copy(&self, from: (u64, u64), to: (u64, u64), len: u64) -> Result<u32> {
        if PhantomId::from_node_id(from.0).is_some() {
            // The kernel reads and writes then.
            return Err(Errno::OPNOTSUPP);
        }
        let source = self.nodes.file(from.0, false)?;
        let sink = self.writable(to.0)?;
        let (mut source_at, mut sink_at) = (from.1, to.1);
        // The answer has 32 bits, and the kernel asks again for the rest.
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(1 << 30);
        let copied = fs::copy_file_range(&*source, Some(&mut source_at), &*sink, Some(&mut sink_at), len)?;
        self.tell_others_of(self.nodes.ino(to.0));
        u32::try_from(copied).map_err(|_| Errno::IO)
    }
}

/// Reads until the buffer is full or the file ends: the kernel takes a short read for the end.
fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize> {
    let mut len = 0;
    while let Some(rest) = buffer.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(len as u64)) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Errno::from_io_error(&e).unwrap_or(Errno::IO)),
        }
    }
    Ok(len)
}
