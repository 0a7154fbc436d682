//! Each request of the kernel: decoded, told to the reporter, carried out by the view, answered.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo,
    IoctlFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::AtFlags;

use super::convert::{attr, caller, device, errno, maker, new_time, nothing};
use super::{Adapter, S_IFMT, reply_attr, reply_empty, reply_xattr};
use crate::meta::FileType;
use crate::server::view::Changes;
use crate::server::watch::{AccessKind, Attribute, LookupResult};

impl Filesystem for Adapter {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        self.negotiate(config);
        Ok(())
    }

    fn lookup(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.view.count_request();
        let result = self.view.lookup(self.id(parent), name);
        if self.reporter.sees_all() {
            let found = match &result {
                Ok(Some(entry)) => self.found(entry),
                Ok(None) | Err(_) => LookupResult::Nothing,
            };
            let kind = AccessKind::Lookup { found: &found };
            self.reporter
                .entry(&self.view, req.pid(), self.id(parent), name, kind);
        }
        match result {
            Ok(None) => reply.entry(&self.names, &nothing(), Generation(0)),
            Ok(Some(entry)) => self.reply_entry(reply, Ok(entry)),
            Err(e) => self.reply_entry(reply, Err(e)),
        }
    }

    fn forget(&self, _: &Request, ino: INodeNo, nlookup: u64) {
        self.view.forget(self.id(ino), nlookup);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.view.count_request();
        reply_attr(reply, self.view.getattr(self.id(ino)));
    }

    fn setattr(
        &self,
        req: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        self.view.count_request();
        let (atime, mtime) = (atime.map(new_time), mtime.map(new_time));
        let changes = Changes {
            mode,
            uid,
            gid,
            size,
            atime,
            mtime,
        };
        let attribute = match changes {
            Changes { size: Some(_), .. } => Attribute::Size,
            Changes { uid: Some(_), .. } | Changes { gid: Some(_), .. } => Attribute::Owner,
            Changes { mode: Some(_), .. } => Attribute::Mode,
            _ => Attribute::Times,
        };
        self.reporter.node(
            &self.view,
            req.pid(),
            self.id(ino),
            AccessKind::Attributes(attribute),
        );
        reply_attr(reply, self.view.setattr(self.id(ino), &changes, caller(req)));
    }

    fn readlink(&self, req: &Request, ino: INodeNo, reply: ReplyData) {
        self.view.count_request();
        self.reporter
            .node(&self.view, req.pid(), self.id(ino), AccessKind::ReadLink);
        match self.view.readlink(self.id(ino)) {
            Ok(text) => reply.data(text.as_bytes()),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn mknod(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        self.view.count_request();
        self.reporter
            .entry(&self.view, req.pid(), self.id(parent), name, AccessKind::Create);
        let (major, minor) = device(rdev);
        let kind = match mode & S_IFMT {
            0 | 0o100_000 => FileType::Regular,
            0o010_000 => FileType::Fifo,
            0o140_000 => FileType::Socket,
            0o020_000 => FileType::CharDevice { major, minor },
            0o060_000 => FileType::BlockDevice { major, minor },
            _ => return reply.error(Errno::EINVAL),
        };
        self.reply_entry(
            reply,
            self.view
                .mknod(self.id(parent), name, kind, mode, maker(req, umask)),
        );
    }

    fn mkdir(&self, req: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        self.view.count_request();
        self.reporter
            .entry(&self.view, req.pid(), self.id(parent), name, AccessKind::Create);
        self.reply_entry(
            reply,
            self.view.mkdir(self.id(parent), name, mode, maker(req, umask)),
        );
    }

    fn unlink(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.view.count_request();
        self.reporter
            .entry(&self.view, req.pid(), self.id(parent), name, AccessKind::Remove);
        reply_empty(reply, self.view.remove(self.id(parent), name, AtFlags::empty()));
    }

    fn rmdir(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.view.count_request();
        self.reporter
            .entry(&self.view, req.pid(), self.id(parent), name, AccessKind::Remove);
        reply_empty(reply, self.view.remove(self.id(parent), name, AtFlags::REMOVEDIR));
    }

    fn symlink(&self, req: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        self.view.count_request();
        self.reporter
            .entry(&self.view, req.pid(), self.id(parent), name, AccessKind::Create);
        self.reply_entry(
            reply,
            self.view
                .symlink(self.id(parent), name, target.as_os_str(), caller(req)),
        );
    }

    fn rename(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        self.view.count_request();
        if let Some(to) = self.reporter.path_in(&self.view, self.id(newparent), newname) {
            let kind = AccessKind::Rename { to: &to };
            self.reporter
                .entry(&self.view, req.pid(), self.id(parent), name, kind);
        }
        let flags = rustix::fs::RenameFlags::from_bits_retain(flags.bits());
        let (from, to) = ((self.id(parent), name), (self.id(newparent), newname));
        let result = match flags.contains(rustix::fs::RenameFlags::WHITEOUT) {
            true => self.view.rename_leaving_whiteout(from, to, flags, caller(req)),
            false => self.view.rename(from, to, flags),
        };
        reply_empty(reply, result);
    }

    fn link(&self, req: &Request, ino: INodeNo, newparent: INodeNo, newname: &OsStr, reply: ReplyEntry) {
        self.view.count_request();
        let (id, parent) = (self.id(ino), self.id(newparent));
        self.reporter.link(&self.view, req.pid(), id, parent, newname);
        self.reply_entry(reply, self.view.link(id, parent, newname));
    }

    fn open(&self, req: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.view.count_request();
        self.reporter
            .node(&self.view, req.pid(), self.id(ino), AccessKind::of_open(flags.0));
        if self.no_open {
            // Success, and not asked again.
            return reply.error(Errno::ENOSYS);
        }
        match self.view.open(self.id(ino), flags.0) {
            Ok(opened) => reply.opened(FileHandle(opened.fh), opened.flags),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.view.count_request();
        let mut reply = Some(reply);
        let read = self.view.read(self.id(ino), fh.0, offset, size, |data| {
            if let Some(reply) = reply.take() {
                reply.data(data);
            }
        });
        if let (Err(e), Some(reply)) = (read, reply) {
            reply.error(errno(e));
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.view.count_request();
        match self.view.write(self.id(ino), offset, data) {
            Ok(len) => reply.written(len),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Written data is on disk already; the kernel does not ask again.
        reply.error(Errno::ENOSYS);
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.view.release(fh.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, data_only: bool, reply: ReplyEmpty) {
        if !self.durable {
            // Success, and not asked again: what survives a power cut is a matter of the whole target.
            return reply.error(Errno::ENOSYS);
        }
        self.view.count_request();
        reply_empty(reply, self.view.sync(self.id(ino), data_only));
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        if !self.durable {
            return reply.error(Errno::ENOSYS);
        }
        self.view.count_request();
        reply_empty(reply, self.view.sync_dir(self.id(ino)));
    }

    fn ioctl(
        &self,
        req: &Request,
        ino: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        command: u32,
        input: &[u8],
        size: u32,
        reply: ReplyIoctl,
    ) {
        self.view.count_request();
        match self.view.ioctl(self.id(ino), command, input) {
            Ok(mut output) => {
                if !input.is_empty() {
                    let kind = AccessKind::Attributes(Attribute::Extended);
                    self.reporter.node(&self.view, req.pid(), self.id(ino), kind);
                }
                output.resize(size as usize, 0);
                reply.ioctl(0, &output);
            }
            Err(e) => reply.error(errno(e)),
        }
    }

    fn opendir(&self, req: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.reporter
            .node(&self.view, req.pid(), self.id(ino), AccessKind::List);
        if self.no_opendir {
            // Success, and not asked again.
            return reply.error(Errno::ENOSYS);
        }
        let keep = match self.reporter.sees_all() {
            true => FopenFlags::empty(),
            false => FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE,
        };
        reply.opened(FileHandle(0), keep);
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, reply: ReplyDirectory) {
        self.list(ino, offset, reply);
    }

    fn readdirplus(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, reply: ReplyDirectoryPlus) {
        self.list_with_attributes(ino, offset, reply);
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.view.count_request();
        match self.view.statfs() {
            Ok(s) => {
                let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
                let (size, fragment) = (small(s.f_bsize), small(s.f_frsize));
                reply.statfs(
                    s.f_blocks,
                    s.f_bfree,
                    s.f_bavail,
                    s.f_files,
                    s.f_ffree,
                    size,
                    small(s.f_namemax),
                    fragment,
                );
            }
            Err(e) => reply.error(errno(e)),
        }
    }

    fn setxattr(
        &self,
        req: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        self.view.count_request();
        let kind = AccessKind::Attributes(Attribute::Extended);
        self.reporter.node(&self.view, req.pid(), self.id(ino), kind);
        reply_empty(
            reply,
            self.view.setxattr(self.id(ino), name, value, flags, caller(req)),
        );
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        self.view.count_request();
        reply_xattr(reply, size, self.view.getxattr(self.id(ino), name));
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        self.view.count_request();
        reply_xattr(reply, size, self.view.listxattr(self.id(ino)));
    }

    fn removexattr(&self, req: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.view.count_request();
        let kind = AccessKind::Attributes(Attribute::Extended);
        self.reporter.node(&self.view, req.pid(), self.id(ino), kind);
        reply_empty(reply, self.view.removexattr(self.id(ino), name));
    }

    fn create(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        self.view.count_request();
        self.reporter
            .entry(&self.view, req.pid(), self.id(parent), name, AccessKind::Create);
        match self
            .view
            .create(self.id(parent), name, mode, flags, maker(req, umask))
        {
            Ok((entry, opened)) => reply.created(
                &self.names,
                &attr(&entry.shown),
                Generation(entry.generation),
                FileHandle(opened.fh),
                opened.flags,
            ),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn fallocate(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.view.count_request();
        reply_empty(reply, self.view.fallocate(self.id(ino), offset, length, mode));
    }

    fn lseek(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        self.view.count_request();
        match self.view.lseek(self.id(ino), offset, whence) {
            Ok(offset) => reply.offset(offset),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn copy_file_range(
        &self,
        _: &Request,
        from: INodeNo,
        _: FileHandle,
        offset_in: u64,
        to: INodeNo,
        _: FileHandle,
        offset_out: u64,
        len: u64,
        _: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        self.view.count_request();
        match self.view.copy((from.0, offset_in), (to.0, offset_out), len) {
            Ok(copied) => reply.written(copied),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn unknown_operation(&self, req: &Request, ino: INodeNo, opcode: u32, data: &[u8], reply: ReplyData) {
        self.view.count_request();
        match self.later(req, self.id(ino), opcode, data) {
            Ok(answer) => reply.data(&answer),
            Err(e) => reply.error(errno(e)),
        }
    }
}
