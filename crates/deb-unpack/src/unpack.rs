//! One package's files into the target, by dpkg's rules.
//!
//! For each entry (dpkg's `tarobject`): a directory that exists, also through a link, is left alone;
//! a link that is to stand where a directory is, is passed over; a file takes the place of whatever
//! is there if the owner allows; a conffile becomes `NAME.dpkg-new`. Links are made after everything
//! else of the package. Metadata of directories is settled by [`super::directories`].

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use rootless_install_fs::{FileType, Meta, Target, Timestamp};

use super::context::Context;
use super::directories::DirectoryLog;
use super::entries::{Entry, EntryKind};
use super::error::DebError;
use super::fate::{Contents, Fate, Place};
use super::file::DebFile;
use super::placement::{Placed, Placement, joined};
use deb_types::hex;
use dpkg_db::{ControlArchive, Package, Unpacked};

/// The unpacking of one package.
pub(super) struct Unpacker<'a> {
    pub(super) placement: Placement<'a>,
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
        Ok(Unpacker {
            placement: Placement::new(deb, control, package, target, context)?,
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
        let done = self.run_entries(threads);
        let ended = self.placement.end_moved(done.is_ok());
        done.and(ended)?;
        Ok((self.result, self.directories))
    }

    fn run_entries(&mut self, threads: usize) -> Result<(), DebError> {
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
        Ok(())
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
        let over_directory = !directory && self.directories.ships(path);
        if over_directory && matches!(entry.kind, EntryKind::Symlink(_)) {
            // The directory stays.
            self.result.list.push(path.clone());
            return Ok(());
        }
        // Another thing takes the place of a directory in which nothing is.
        if self.placed.contains_key(path) && directory || over_directory && self.lies_under(path) {
            let problem = "it appears twice, as a directory and as something else";
            return Err(self.placement.deb.bad_entry(path, problem));
        }
        self.placement.check_path(path)?;
        let place = self.placement.place_of(path)?;
        if let Some(diversion) = self.placement.context.diversions.of(path) {
            if let Some(package) = &diversion.package {
                self.result.diverting.insert(path.clone(), package.clone());
            }
            if !directory && diversion.package.as_deref() != Some(self.placement.package.name.as_str()) {
                self.result.diverted.insert(path.clone(), diversion.to.clone());
            }
        }
        let fate = match directory {
            true => Fate::Placed,
            false => self.placement.decide(entry, &place, &|_| false)?,
        };
        if fate == Fate::Kept {
            self.result.kept.push(path.clone());
            return Ok(());
        }
        let may_hold_others = directory || matches!(entry.kind, EntryKind::Symlink(_));
        self.result.list.push(path.clone());
        if (self.placement.context.left_out)(path, may_hold_others) {
            self.result.left_out.push(path.clone());
            return Ok(());
        }
        let meta = self.meta(entry);
        if directory {
            return self.directory(&place.path, path, &meta);
        }
        match fate {
            Fate::Existing => return Ok(()),
            Fate::Shared if !self.placement.context.forces.overwrite => {
                return self.shared(entry, &place, meta, contents, limit);
            }
            _ => {}
        }
        self.directories.meet(path);
        let place = place.written();
        if over_directory {
            self.directories.replaced(&place, path);
            self.known.remove(&place);
        }
        let parent = self.parent_of(&place, path)?;
        self.placement.claim(parent, &place, path, false)?;
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
        self.result.placed.push(path.clone());
        self.placed.insert(path.clone(), Placed { place, meta, md5 });
        Ok(())
    }

    /// Compares an entry with what another instance of the package has put there.
    fn shared(
        &mut self,
        entry: &Entry,
        place: &Place,
        meta: Meta,
        contents: &mut dyn Read,
        limit: u64,
    ) -> Result<(), DebError> {
        let target = self.placement.target;
        let md5_of_earlier = |path: &Path| {
            let earlier = match self.placed.get(path) {
                Some(placed) => placed.place.clone(),
                None => self.placement.place_of(path).ok()?.path,
            };
            dpkg_db::md5_of(target, &earlier).ok()
        };
        let contents = Contents {
            data: contents,
            limit,
            md5_of_earlier: &md5_of_earlier,
        };
        self.placement.check_shared(entry, place, contents)?;
        let written = place.written();
        let there = match target.stat(&written) {
            Ok(_) => written,
            Err(_) => place.path.clone(),
        };
        let stat = target.stat(&there).map_err(self.placement.failed(&entry.path))?;
        let summed = self.with_md5 && matches!(entry.kind, EntryKind::File | EntryKind::Hardlink(_));
        let placed = Placed {
            md5: summed.then(|| dpkg_db::md5_of(target, &there).ok()).flatten(),
            place: there,
            meta: Meta {
                kind: stat.meta.kind,
                ..meta
            },
        };
        self.placed.insert(entry.path.clone(), placed);
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
        let placement = &self.placement;
        if created
            && placement.claims.is_none()
            && placement.ownership.is_owned_by_others(placement.package, path)
        {
            self.result.placed.push(path.to_owned());
        }
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
            // Its own time is settled in the end, if other threads may put things into it. Without them it has that at once,
            // as with dpkg: who is killed meanwhile leaves it right.
            let made = match self.placement.claims {
                None => *meta,
                Some(_) => Meta {
                    mtime: Timestamp::now(),
                    ..*meta
                },
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
        let mut created = self.placement.target.create(place, meta);
        if matches!(&created, Err(error) if error.is_already_exists())
            && self.placement.move_directory(place, &entry.path)?
        {
            created = self.placement.target.create(place, meta);
        }
        let (mut file, aside) = match created {
            Ok(file) => {
                self.placement.note_made(place, false);
                (file, None)
            }
            Err(error) if error.is_already_exists() => {
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
