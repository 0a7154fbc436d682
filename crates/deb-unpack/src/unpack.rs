//! One package's files into the target, by dpkg's rules.
//!
//! For each entry (dpkg's `tarobject`): a directory that exists, also through a link, is left alone;
//! a link that is to stand where a directory is, is passed over; a file takes the place of whatever
//! is there if the owner allows; a conffile becomes `NAME.dpkg-new`. Links are made after everything
//! else of the package. Metadata of directories is settled by [`super::directories`].

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use rootless_install_fs::{FileType, Meta, Target, Timestamp};

use super::context::Context;
use super::directories::DirectoryLog;
use super::entries::{Entry, EntryKind};
use super::error::DebError;
use super::file::DebFile;
use super::placement::{Placed, Placement, joined};
use deb_types::hex;
use dpkg_db::{Contest, ControlArchive, DPKG_NEW, Package, Unpacked, dereference, with_suffix};

/// The unpacking of one package.
pub(super) struct Unpacker<'a> {
    pub(super) placement: Placement<'a>,
    /// Conffiles that are unpacked as `NAME.dpkg-new`.
    conffiles: HashSet<PathBuf>,
    /// Conffiles that an upgrade removes; the package must not have them.
    removed_on_upgrade: HashSet<PathBuf>,
    /// The package has no checksums of its own, and gets them.
    with_md5: bool,
    result: Unpacked,
    directories: DirectoryLog,
    /// Textual paths of directories known to exist, and their inodes.
    known: HashMap<PathBuf, u64>,
    /// Non-directories of the package, by their paths in it.
    placed: HashMap<PathBuf, Placed>,
    /// Symbolic links, which are made last.
    links: Vec<Entry>,
    buffer: Vec<u8>,
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(
        deb: &'a DebFile,
        control: &ControlArchive,
        package: &'a Package,
        target: &'a Target,
        context: &'a Context<'a>,
    ) -> Result<Unpacker<'a>, DebError> {
        let conffiles = control.conffiles().map_err(|source| DebError::Database {
            path: deb.path().to_owned(),
            source,
        })?;
        let marked = |removed: bool| {
            let paths = conffiles.iter().filter(|(_, remove)| *remove == removed);
            paths.map(|(path, _)| path.into()).collect()
        };
        Ok(Unpacker {
            placement: Placement {
                deb,
                package,
                target,
                context,
                ownership: context.ownership,
                claims: None,
                made: None,
            },
            conffiles: marked(false),
            removed_on_upgrade: marked(true),
            with_md5: !control.files.contains_key("md5sums"),
            result: Unpacked::default(),
            directories: DirectoryLog::default(),
            known: HashMap::new(),
            placed: HashMap::new(),
            links: Vec::new(),
            buffer: vec![0; 256 << 10],
        })
    }

    /// Unpacks everything; `threads` may help to decompress.
    pub(super) fn run(mut self, threads: usize) -> Result<(Unpacked, DirectoryLog), DebError> {
        let installed = self
            .placement
            .package
            .field("Installed-Size")
            .and_then(|size| size.parse().ok());
        let limit = self
            .placement
            .context
            .limits
            .of(self.placement.deb.size(), installed);
        let deb = self.placement.deb;
        deb.walk_data(limit, threads, |entry, contents| {
            if matches!(entry.kind, EntryKind::Symlink(_)) {
                self.links.push(entry);
                Ok(())
            } else {
                self.entry(&entry, contents, limit)
            }
        })?;
        for entry in std::mem::take(&mut self.links) {
            if self.known.contains_key(&entry.path) && self.lies_under(&entry.path) {
                return Err(deb.bad_entry(&entry.path, "other entries lead through this link"));
            }
            self.entry(&entry, &mut std::io::empty(), limit)?;
        }
        if self.with_md5 {
            let mut sums = Vec::new();
            for path in &self.result.list {
                if let Some(Placed { md5: Some(md5), .. }) = self.placed.get(path) {
                    sums.extend_from_slice(md5.as_bytes());
                    sums.extend_from_slice(b"  ");
                    sums.extend_from_slice(path.as_os_str().as_encoded_bytes().get(1..).unwrap_or_default());
                    sums.push(b'\n');
                }
            }
            self.result.md5sums = Some(sums);
        }
        Ok((self.result, self.directories))
    }

    fn lies_under(&self, link: &Path) -> bool {
        self.result
            .list
            .iter()
            .any(|path| path != link && path.starts_with(link))
    }

    fn entry(&mut self, entry: &Entry, contents: &mut dyn Read, limit: u64) -> Result<(), DebError> {
        let path = &entry.path;
        let directory = entry.kind == EntryKind::Directory;
        // As with dpkg the last one of several stays, symbolic links after all others.
        if self.placed.contains_key(path) && directory || (!directory && self.directories.ships(path)) {
            let problem = "it appears twice, as a directory and as something else";
            return Err(self.placement.deb.bad_entry(path, problem));
        }
        if self.removed_on_upgrade.contains(path) {
            let problem = "it is a conffile marked for removal on upgrade";
            return Err(self.placement.deb.bad_entry(path, problem));
        }
        if let Some(diversion) = self.placement.context.diversions.ending_at(path) {
            let problem = format!("it is the diverted version of '{}'", diversion.from.display());
            return Err(self.placement.deb.bad_entry(path, problem));
        }
        let mut place = match path.as_os_str().as_encoded_bytes() {
            b"/." => PathBuf::from("/"),
            _ => self
                .placement
                .context
                .diversions
                .used(path, &self.placement.package.name)
                .to_owned(),
        };
        if place != *path && !directory {
            self.result.diverted.insert(path.clone(), place.clone());
        }
        let may_hold_others = directory || matches!(entry.kind, EntryKind::Symlink(_));
        if (self.placement.context.left_out)(path, may_hold_others) {
            self.result.list.push(path.clone());
            self.result.left_out.push(path.clone());
            return Ok(());
        }
        let meta = self.meta(entry);
        if directory {
            self.result.list.push(path.clone());
            return self.directory(&place, path, &meta);
        }
        self.directories.meet(path);
        let conffile = self.conffiles.contains(path);
        if conffile {
            let source = |source| DebError::Database {
                path: self.placement.deb.path().to_owned(),
                source,
            };
            let real = dereference(self.placement.target, &place).map_err(source)?;
            let loops = || {
                self.placement
                    .deb
                    .bad_entry(path, "the conffile is a circular link or no file in the target")
            };
            place = with_suffix(&real.ok_or_else(loops)?, DPKG_NEW);
        }
        let parent = self.parent_of(&place, path)?;
        self.placement.claim(parent, &place, path, false)?;
        match self.placement.contest(path) {
            Contest::Free => {}
            Contest::Replace => self.result.replaced.push(path.clone()),
            Contest::Keep => {
                self.result.kept.push(path.clone());
                return Ok(());
            }
            // The same version of a Multi-Arch: same package has the same file.
            Contest::Shared => {
                self.result.list.push(path.clone());
                return Ok(());
            }
            Contest::Conflict { owner, version } => {
                let entry = path.to_string_lossy().into_owned();
                return Err(DebError::Conflict {
                    path: self.placement.deb.path().to_owned(),
                    entry,
                    owner,
                    version,
                });
            }
        }
        self.result.list.push(path.clone());
        let md5 = match &entry.kind {
            EntryKind::File => self.file(entry, &place, &meta, contents, limit)?,
            EntryKind::Symlink(text) => {
                if !self.placement.symlink(&place, path, text, &meta)? {
                    return Ok(());
                }
                None
            }
            EntryKind::Hardlink(to) => {
                let first = self.placed.get(to);
                self.placement.hardlink(&place, path, to, first, &meta)?
            }
            _ => {
                self.placement.put(&place, path, |place| {
                    self.placement.target.make_node(place, &meta)
                })?;
                None
            }
        };
        match &entry.kind {
            EntryKind::Symlink(text) => {
                self.directories.linked(parent, path, text, joined(&place, text));
            }
            _ => self.directories.touched(parent, false),
        }
        self.placed.insert(path.clone(), Placed { place, meta, md5 });
        Ok(())
    }

    /// Returns the metadata of an entry: owner by name where the target knows it, as dpkg's tar code does; statoverrides win.
    fn meta(&self, entry: &Entry) -> Meta {
        let kind = match entry.kind {
            EntryKind::File | EntryKind::Hardlink(_) => FileType::Regular,
            EntryKind::Directory => FileType::Directory,
            EntryKind::Symlink(_) => FileType::Symlink,
            EntryKind::Fifo => FileType::Fifo,
            EntryKind::CharDevice(major, minor) => FileType::CharDevice { major, minor },
            EntryKind::BlockDevice(major, minor) => FileType::BlockDevice { major, minor },
        };
        let mtime = Timestamp {
            sec: entry.mtime,
            nsec: 0,
        };
        if let Some(forced) = self.placement.context.stat_overrides.get(&entry.path) {
            return Meta {
                kind,
                mode: forced.mode,
                uid: forced.uid,
                gid: forced.gid,
                mtime,
            };
        }
        let accounts = &self.placement.context.accounts;
        let uid = accounts.uid(&entry.user).unwrap_or(entry.uid);
        let gid = accounts.gid(&entry.group).unwrap_or(entry.gid);
        let mode = if kind == FileType::Symlink {
            0o777
        } else {
            entry.mode
        };
        Meta {
            kind,
            mode,
            uid,
            gid,
            mtime,
        }
    }

    fn directory(&mut self, place: &Path, path: &Path, meta: &Meta) -> Result<(), DebError> {
        let (parent, name) = match (place.parent(), place.file_name()) {
            (Some(_), Some(name)) => (Some(self.parent_of(place, path)?), name),
            _ => (None, OsStr::new("/")),
        };
        if let Some(parent) = parent {
            let claimed = self
                .placement
                .claims
                .is_none_or(|(claims, index)| claims.claim(index, parent, name, true));
            if !claimed {
                return Err(self.placement.contended(path));
            }
        }
        let (ino, created) = self.ensure_dir(place, path, meta, parent)?;
        let created = created || (self.placement.context.adopted)(path);
        self.directories.shipped(place, path, ino, *meta, created);
        Ok(())
    }

    /// Returns the inode of the directory an entry goes into, which is made if it is not there.
    fn parent_of(&mut self, place: &Path, path: &Path) -> Result<u64, DebError> {
        let parent = place.parent().unwrap_or(Path::new("/"));
        if let Some(ino) = self.known.get(parent) {
            return Ok(*ino);
        }
        let blocked = self.placed.values().any(|placed| placed.place == parent);
        let there = self
            .placement
            .target
            .stat_follow(parent)
            .map(|stat| stat.meta.kind);
        let other = there.is_ok_and(|kind| kind != FileType::Directory);
        if blocked || other {
            let problem = format!("'{}' is no directory", parent.display());
            return Err(self.placement.deb.bad_entry(path, problem));
        }
        let meta = Meta::of_root(FileType::Directory, 0o755);
        let above = if parent.parent().is_some() {
            Some(self.parent_of(parent, path)?)
        } else {
            None
        };
        let (ino, created) = self.ensure_dir(parent, path, &meta, above)?;
        if created {
            self.directories.implied(ino, path);
        }
        Ok(ino)
    }

    /// Makes a directory unless there is one, and returns its inode and whether it was made.
    fn ensure_dir(
        &mut self,
        place: &Path,
        path: &Path,
        meta: &Meta,
        parent: Option<u64>,
    ) -> Result<(u64, bool), DebError> {
        if let Some(ino) = self.known.get(place) {
            return Ok((*ino, false));
        }
        let mut created = false;
        if place.parent().is_some() {
            // Its own time is settled in the end: by then other threads have put things into it.
            let made = Meta {
                mtime: Timestamp::now(),
                ..*meta
            };
            match self.placement.target.make_dir(place, &made) {
                Ok(()) => created = true,
                Err(error) if error.is_already_exists() => {
                    created = self.placement.existing_directory(place, path, &made)?
                }
                Err(error) => return Err(self.placement.failed(path)(error)),
            }
        }
        let stat = self
            .placement
            .target
            .stat_follow(place)
            .map_err(self.placement.failed(path))?;
        if created {
            self.placement.note_made(place, true);
            if let Some(parent) = parent {
                self.directories.touched(parent, true);
            }
        }
        self.known.insert(place.to_owned(), stat.ino);
        Ok((stat.ino, created))
    }

    fn file(
        &mut self,
        entry: &Entry,
        place: &Path,
        meta: &Meta,
        contents: &mut dyn Read,
        limit: u64,
    ) -> Result<Option<String>, DebError> {
        let (mut file, aside) = match self.placement.target.create(place, meta) {
            Ok(file) => {
                self.placement.note_made(place, false);
                (file, None)
            }
            Err(error) if error.is_already_exists() => {
                self.placement.refuse_directory(place, &entry.path)?;
                let aside = self.placement.aside(place, &entry.path)?;
                (
                    self.placement
                        .target
                        .create(&aside, meta)
                        .map_err(self.placement.failed(&entry.path))?,
                    Some(aside),
                )
            }
            Err(error) => return Err(self.placement.failed(&entry.path)(error)),
        };
        let mut digest = self.with_md5.then(Md5::new);
        let mut left = entry.size;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let read = contents
                .read(&mut self.buffer[..want])
                .map_err(|e| self.placement.deb.damaged_data(limit, e))?;
            let Some(data) = self.buffer.get(..read).filter(|data| !data.is_empty()) else {
                return Err(self.placement.deb.bad_entry(&entry.path, "it is truncated"));
            };
            if let Some(digest) = &mut digest {
                digest.update(data);
            }
            file.write_all(data).map_err(|source| DebError::Write {
                path: self.placement.deb.path().to_owned(),
                entry: entry.path.to_string_lossy().into_owned(),
                source,
            })?;
            left -= read as u64;
        }
        file.finish().map_err(self.placement.failed(&entry.path))?;
        if let Some(aside) = aside {
            self.placement
                .target
                .rename(&aside, place)
                .map_err(self.placement.failed(&entry.path))?;
        }
        self.result.bytes += entry.size;
        Ok(digest.map(|digest| hex(&digest.finalize())))
    }
}
