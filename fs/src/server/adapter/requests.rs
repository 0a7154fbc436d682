//! Each request of the kernel: told to the reporter, carried out by the view, answered.

use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, RenameFlags, StatxFlags};
use rustix::io::Errno;

use super::{Adapter, attributes, caller, maker, xattr};
use crate::meta::FileType;
use crate::server::connection::{Attributes, Making, Operation, Reply, Request, SetAttr, device, opened};
use crate::server::watch::{AccessKind, Attribute, LookupResult};

/// The type bits of a mode (inode(7)).
const S_IFMT: u32 = 0o170_000;

type Result = rustix::io::Result<Reply>;

impl Adapter {
    /// Carries out a request that is answered with what it returns.
    pub(super) fn result(&self, request: &Request<'_>) -> Result {
        let id = self.id(request.node);
        match request.operation {
            // What costs nothing is not counted.
            Operation::Release { .. } | Operation::OpenDir | Operation::Flush => {}
            _ => self.view.count_request(),
        }
        match request.operation {
            Operation::Lookup { .. }
            | Operation::MakeNode { .. }
            | Operation::MakeDir { .. }
            | Operation::Unlink { .. }
            | Operation::RemoveDir { .. }
            | Operation::SymLink { .. }
            | Operation::Rename { .. }
            | Operation::Link { .. } => self.with_name(request, id),
            Operation::Open { .. }
            | Operation::OpenDir
            | Operation::Create { .. }
            | Operation::TemporaryFile { .. }
            | Operation::Write { .. }
            | Operation::Flush
            | Operation::Release { .. }
            | Operation::ReleaseDir
            | Operation::Sync { .. }
            | Operation::SyncDir
            | Operation::Allocate { .. }
            | Operation::Seek { .. }
            | Operation::Copy { .. } => self.with_file(request, id),
            _ => self.with_attributes(request, id),
        }
    }

    /// Requests for a name in a directory.
    fn with_name(&self, request: &Request<'_>, id: u64) -> Result {
        let pid = request.pid;
        let tell = |name, kind| self.reporter.entry(&self.view, pid, id, name, kind);
        match request.operation {
            Operation::Lookup { name } => {
                let result = self.view.lookup(id, name);
                if self.reporter.sees_all() {
                    let found = match &result {
                        Ok(Some(entry)) => self.found(entry),
                        Ok(None) | Err(_) => LookupResult::Nothing,
                    };
                    tell(name, AccessKind::Lookup { found: &found });
                }
                Ok(match result? {
                    Some(entry) => self.entry(&entry),
                    None => Reply::entry(&Attributes::NOTHING, 0, self.names),
                })
            }
            Operation::MakeNode {
                name,
                making,
                device: number,
            } => {
                tell(name, AccessKind::Create);
                let (major, minor) = device(number);
                let kind = match making.mode & S_IFMT {
                    0 | 0o100_000 => FileType::Regular,
                    0o010_000 => FileType::Fifo,
                    0o140_000 => FileType::Socket,
                    0o020_000 => FileType::CharDevice { major, minor },
                    0o060_000 => FileType::BlockDevice { major, minor },
                    _ => return Err(Errno::INVAL),
                };
                let made = self
                    .view
                    .mknod(id, name, kind, making.mode, maker(request, making))?;
                Ok(self.entry(&made))
            }
            Operation::MakeDir { name, making } => {
                tell(name, AccessKind::Create);
                let made = self.view.mkdir(id, name, making.mode, maker(request, making))?;
                Ok(self.entry(&made))
            }
            Operation::SymLink { name, text } => {
                tell(name, AccessKind::Create);
                let made = self.view.symlink(id, name, text, caller(request))?;
                Ok(self.entry(&made))
            }
            Operation::Unlink { name } => {
                tell(name, AccessKind::Remove);
                self.view.remove(id, name, AtFlags::empty()).map(nothing)
            }
            Operation::RemoveDir { name } => {
                tell(name, AccessKind::Remove);
                self.view.remove(id, name, AtFlags::REMOVEDIR).map(nothing)
            }
            Operation::Rename { name, to, flags } => {
                let to = (self.id(to.0), to.1);
                if let Some(to) = self.reporter.path_in(&self.view, to.0, to.1) {
                    tell(name, AccessKind::Rename { to: &to });
                }
                if flags.contains(RenameFlags::WHITEOUT) {
                    let whiteout = self
                        .view
                        .rename_leaving_whiteout((id, name), to, flags, caller(request));
                    return whiteout.map(nothing);
                }
                self.view.rename((id, name), to, flags).map(nothing)
            }
            Operation::Link { from, name } => {
                let from = self.id(from);
                if let Some(to) = self.reporter.path_in(&self.view, id, name) {
                    match self.view.path(from) {
                        Some(_) => self
                            .reporter
                            .node(&self.view, pid, from, AccessKind::Link { to: &to }),
                        // It had no name until now.
                        None => tell(name, AccessKind::Create),
                    }
                }
                let linked = self.view.link(from, id, name)?;
                Ok(self.entry(&linked))
            }
            _ => Err(Errno::NOSYS),
        }
    }

    /// Requests for contents.
    fn with_file(&self, request: &Request<'_>, id: u64) -> Result {
        let tell = |kind| self.reporter.node(&self.view, request.pid, id, kind);
        match request.operation {
            Operation::Open { flags } => {
                tell(AccessKind::of_open(flags));
                if self.no_open {
                    // Success, and not asked again.
                    return Err(Errno::NOSYS);
                }
                let opened = self.view.open(id, flags)?;
                Ok(Reply::opened(opened.fh, opened.flags))
            }
            Operation::OpenDir => {
                tell(AccessKind::List);
                if self.no_opendir {
                    // Success, and not asked again.
                    return Err(Errno::NOSYS);
                }
                let keep = match self.reporter.sees_all() {
                    true => 0,
                    false => opened::CACHE_DIR | opened::KEEP_CACHE,
                };
                Ok(Reply::opened(0, keep))
            }
            Operation::Create { name, making, flags } => {
                self.reporter
                    .entry(&self.view, request.pid, id, name, AccessKind::Create);
                let (entry, opened) =
                    self.view
                        .create(id, name, making.mode, flags, maker(request, making))?;
                let attr = attributes(&entry.shown);
                Ok(Reply::created(
                    &attr,
                    entry.generation,
                    self.names,
                    opened.fh,
                    opened.flags,
                ))
            }
            Operation::TemporaryFile { making, flags } => self.temporary_file(request, id, making, flags),
            Operation::Write { offset, data } => self.view.write(id, offset, data).map(Reply::count),
            // Written data is on disk already; the kernel does not ask again.
            Operation::Flush => Err(Errno::NOSYS),
            Operation::Release { handle } => {
                self.view.release(handle);
                Ok(Reply::default())
            }
            Operation::ReleaseDir => Ok(Reply::default()),
            Operation::Sync { .. } | Operation::SyncDir if !self.durable => {
                // Success, and not asked again: what survives a power cut is a matter of the whole target.
                Err(Errno::NOSYS)
            }
            Operation::Sync { data_only } => self.view.sync(id, data_only).map(nothing),
            Operation::SyncDir => self.view.sync_dir(id).map(nothing),
            Operation::Allocate { offset, length, mode } => {
                self.view.fallocate(id, offset, length, mode).map(nothing)
            }
            Operation::Seek { offset, whence } => self.view.lseek(id, offset, whence).map(Reply::long),
            Operation::Copy {
                from,
                to,
                length,
                long,
            } => {
                let from = (self.id(from.node), from.offset);
                let to = (self.id(to.node), to.offset);
                let copied = self.view.copy(from, to, length)?;
                Ok(match long {
                    true => Reply::long(copied.into()),
                    false => Reply::count(copied),
                })
            }
            _ => Err(Errno::NOSYS),
        }
    }

    fn temporary_file(&self, request: &Request<'_>, id: u64, making: Making, flags: i32) -> Result {
        let made = self
            .view
            .temporary_file(id, making.mode, flags, maker(request, making));
        let (entry, opened) = made?;
        let attr = attributes(&entry.shown);
        Ok(Reply::created(
            &attr,
            entry.generation,
            0,
            opened.fh,
            opened.flags,
        ))
    }

    /// Requests for attributes and the rest.
    fn with_attributes(&self, request: &Request<'_>, id: u64) -> Result {
        let tell = |kind| self.reporter.node(&self.view, request.pid, id, kind);
        match request.operation {
            Operation::GetAttr => Ok(Reply::attr(&attributes(&self.view.getattr(id)?))),
            Operation::SetAttr(changes) => {
                let attribute = match changes {
                    SetAttr { size: Some(_), .. } => Attribute::Size,
                    SetAttr { uid: Some(_), .. } | SetAttr { gid: Some(_), .. } => Attribute::Owner,
                    SetAttr { mode: Some(_), .. } => Attribute::Mode,
                    _ => Attribute::Times,
                };
                tell(AccessKind::Attributes(attribute));
                let shown = self.view.setattr(id, &changes.into(), caller(request))?;
                Ok(Reply::attr(&attributes(&shown)))
            }
            Operation::Statx { mask } => {
                let shown = self.view.getattr(id)?;
                let born = match StatxFlags::from_bits_retain(mask).contains(StatxFlags::BTIME) {
                    true => self.view.born(id)?,
                    false => None,
                };
                Ok(Reply::statx(&attributes(&shown), born))
            }
            Operation::ReadLink => {
                tell(AccessKind::ReadLink);
                Ok(Reply::data(self.view.readlink(id)?.as_bytes()))
            }
            Operation::List {
                offset,
                size,
                with_attributes: false,
            } => self.list(id, offset, size),
            Operation::List { offset, size, .. } => self.list_with_attributes(id, offset, size),
            Operation::StatFs => Ok(Reply::statfs(&self.view.statfs()?)),
            Operation::SetXattr {
                name,
                value,
                flags,
                takes_group_bit,
            } => {
                tell(AccessKind::Attributes(Attribute::Extended));
                self.view
                    .setxattr(id, name, value, flags, takes_group_bit, caller(request))
                    .map(nothing)
            }
            Operation::GetXattr { name, size } => xattr(size, &self.view.getxattr(id, name)?),
            Operation::ListXattr { size } => xattr(size, &self.view.listxattr(id)?),
            Operation::RemoveXattr { name } => {
                tell(AccessKind::Attributes(Attribute::Extended));
                self.view.removexattr(id, name).map(nothing)
            }
            Operation::Ioctl { command, input, size } => {
                let output = self.view.ioctl(id, command, input)?;
                if !input.is_empty() {
                    tell(AccessKind::Attributes(Attribute::Extended));
                }
                Ok(Reply::ioctl(&output, size))
            }
            // What the kernel does itself then, or does without.
            _ => Err(Errno::NOSYS),
        }
    }
}

fn nothing((): ()) -> Reply {
    Reply::default()
}
