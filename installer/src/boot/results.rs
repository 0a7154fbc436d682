//! Results of a guest, unpacked on this machine. The guest may mean harm: nothing is written outside the directory, and what is no
//! file, directory or link is left out.

use super::error::BootError;
use super::guest::Told;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use tar::EntryType;

/// A path of the guest that is brought to a directory of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutPath {
    /// The path in the guest, absolute.
    pub path: String,
    /// The directory on this machine.
    pub directory: PathBuf,
}

impl OutPath {
    /// Parses `PATH:DIR`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (path, directory) = text.split_once(':').ok_or("give it as PATH:DIR")?;
        if directory.is_empty() {
            return Err("the directory has no name".to_owned());
        }
        let mut parts = Path::new(path).components();
        let plain = parts.next() == Some(Component::RootDir)
            && parts.clone().count() > 0
            && parts.all(|part| matches!(part, Component::Normal(_)))
            && !path.chars().any(char::is_control);
        match plain {
            true => Ok(Self {
                path: path.trim_end_matches('/').to_owned(),
                directory: directory.into(),
            }),
            false => Err(format!("`{path}` is no absolute path below /, without `..`")),
        }
    }

    /// Returns the place of the result: the directory, and the path's last part in it.
    fn place(&self) -> PathBuf {
        self.directory
            .join(Path::new(&self.path).file_name().unwrap_or_default())
    }
}

/// Checks that nothing is where results will be, and makes the directories.
pub(crate) fn check_places(all: &[OutPath]) -> Result<(), BootError> {
    for (number, out) in all.iter().enumerate() {
        let place = out.place();
        let twice = all.iter().take(number).any(|other| other.place() == place);
        if twice || place.symlink_metadata().is_ok() {
            return Err(BootError::Exists { path: place });
        }
        std::fs::create_dir_all(&out.directory).map_err(BootError::file("make", &out.directory))?;
    }
    Ok(())
}

/// What came out of a guest.
pub(crate) struct Results<'a> {
    pub(crate) told: &'a Told,
    pub(crate) disk: &'a Path,
}

impl Results<'_> {
    /// Returns what the script has said.
    pub(crate) fn output(&self) -> Result<Vec<u8>, BootError> {
        let mut output = Vec::new();
        if let Some(part) = self.told.part(self.disk, "output")? {
            part.take(64 << 20)
                .read_to_end(&mut output)
                .map_err(BootError::file("read", self.disk))?;
        }
        Ok(output)
    }

    /// Unpacks everything. Returns the number of files that were left out.
    pub(crate) fn unpack(&self, all: &[OutPath]) -> Result<u64, BootError> {
        let mut left_out = 0;
        for (number, out) in all.iter().enumerate() {
            if let Some(part) = self.told.part(self.disk, &format!("tar{number}"))? {
                left_out += unpack(part, out)?;
            }
        }
        Ok(left_out)
    }
}

/// Unpacks a tar beside its place, and renames the result there.
fn unpack(tar: impl Read, out: &OutPath) -> Result<u64, BootError> {
    let failed = |what: String| BootError::Result {
        path: out.path.clone(),
        what,
    };
    let words = |error: std::io::Error| failed(task_progress::with_causes(&error));
    let scratch = tempfile::Builder::new()
        .prefix(".rootless-install-out-")
        .tempdir_in(&out.directory)
        .map_err(BootError::file("write into", &out.directory))?;
    let mut archive = tar::Archive::new(tar);
    let mut directories = Vec::new();
    let mut left_out = 0;
    for entry in archive.entries().map_err(words)? {
        let mut entry = entry.map_err(words)?;
        let kind = entry.header().entry_type();
        entry.set_preserve_permissions(false);
        entry.set_unpack_xattrs(false);
        match kind {
            EntryType::Regular | EntryType::GNUSparse | EntryType::Symlink | EntryType::Link => {
                if !entry.unpack_in(scratch.path()).map_err(words)? {
                    return Err(failed("a member leads out of it".to_owned()));
                }
            }
            EntryType::Directory => {
                let path = entry.path().map_err(words)?.into_owned();
                let mode = entry.header().mode().map_err(words)?;
                if !entry.unpack_in(scratch.path()).map_err(words)? {
                    return Err(failed("a member leads out of it".to_owned()));
                }
                let made = scratch.path().join(path);
                // Files have to get into it first.
                let real = made.symlink_metadata().is_ok_and(|found| found.is_dir());
                if real {
                    set_mode(&made, 0o700).map_err(words)?;
                    directories.push((made, mode & 0o777 | 0o700));
                }
            }
            _ => left_out += 1,
        }
    }
    for (path, mode) in directories.into_iter().rev() {
        // A later member may have put another thing there.
        if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            set_mode(&path, mode).map_err(words)?;
        }
    }
    let relative = out.path.trim_start_matches('/');
    let found = scratch.path().join(relative);
    let inside = found.parent().and_then(|parent| parent.canonicalize().ok());
    let base = scratch.path().canonicalize().map_err(words)?;
    if found.symlink_metadata().is_err() || !inside.is_some_and(|inside| inside.starts_with(&base)) {
        return match left_out {
            0 => Err(failed("it is not in the archive".to_owned())),
            left_out => Ok(left_out),
        };
    }
    let place = out.place();
    if place.symlink_metadata().is_ok() {
        return Err(BootError::Exists { path: place });
    }
    std::fs::rename(&found, &place).map_err(BootError::file("write", &place))?;
    Ok(left_out)
}

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(members: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, text) in members {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            // As a hostile guest would write it: the crate refuses such names.
            let field = &mut header.as_old_mut().name;
            field[..name.len()].copy_from_slice(name.as_bytes());
            let content = match kind {
                EntryType::Symlink | EntryType::Link => {
                    header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
                    ""
                }
                _ => text,
            };
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn results_stay_in_their_directory() {
        let base = tempfile::tempdir().unwrap();
        let outside = base.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let out = OutPath {
            path: "/var/log".to_owned(),
            directory: base.path().join("out"),
        };
        let link = outside.to_str().unwrap();
        let file = EntryType::Regular;
        let hostile = [
            archive(&[("var/log/../../../outside/x", file, "bad")]),
            archive(&[("var/log", EntryType::Symlink, link), ("var/log/x", file, "bad")]),
            archive(&[("var", EntryType::Symlink, link), ("var/log", file, "bad")]),
            archive(&[
                ("var/log/x", EntryType::Link, "../outside"),
                ("var/log/x", file, "bad"),
            ]),
        ];
        for tar in hostile {
            std::fs::create_dir_all(&out.directory).unwrap();
            let _ = unpack(&*tar, &out);
            assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
            let _ = std::fs::remove_dir_all(&out.directory);
        }
        std::fs::create_dir_all(&out.directory).unwrap();
        let good = archive(&[
            ("var/log/", EntryType::Directory, ""),
            ("var/log/a", file, "text"),
            ("var/log/pipe", EntryType::Fifo, ""),
        ]);
        assert_eq!(unpack(&*good, &out).unwrap(), 1);
        assert_eq!(std::fs::read(out.directory.join("log/a")).unwrap(), b"text");
        assert_eq!(std::fs::read_dir(&out.directory).unwrap().count(), 1);
        assert!(matches!(check_places(&[out]), Err(BootError::Exists { .. })));
    }

    #[test]
    fn paths_are_absolute() {
        assert!(OutPath::parse("/var/log:out").is_ok());
        for wrong in ["/var/log", "/:out", "var:out", "/a/../b:out", "/a:", "/a\nb:out"] {
            assert!(OutPath::parse(wrong).is_err(), "{wrong}");
        }
    }
}
