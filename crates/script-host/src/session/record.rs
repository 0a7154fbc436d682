//! What the front of the shim records with the installer: owners, devices and capabilities that
//! the kernel refuses an ordinary user to set. The messages are described where they
//! are made (`maintscript-shim/src/front.rs`).

use super::{ScriptRoot, Shared, absorb::absorb, answers::inside};
use rootless_install_fs::{FileType, Meta, Stat, Target};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

type Result<T> = std::result::Result<T, String>;

/// Something to be recorded of a file; paths are as scripts see them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record<'r> {
    /// chown(2), or lchown(2) where links are not followed.
    Owner {
        /// The file.
        path: &'r Path,
        /// The new owner.
        uid: Option<u32>,
        /// The new group.
        gid: Option<u32>,
        /// Whether a link is followed.
        follow: bool,
    },
    /// The owner of another file.
    OwnerOf {
        /// The file.
        path: &'r Path,
        /// The other one.
        reference: &'r Path,
        /// Whether the group only is taken.
        group_only: bool,
        /// Whether a link is followed.
        follow: bool,
    },
    /// mknod(2).
    Node {
        /// Where.
        path: &'r Path,
        /// What it is.
        kind: FileType,
        /// The permission bits.
        mode: u32,
    },
    /// capabilities(7) of a file; none are taken away.
    Capability {
        /// The file.
        path: &'r Path,
        /// `security.capability`.
        value: Vec<u8>,
    },
}

impl<'r> Record<'r> {
    /// The fields of a message, each without its NUL.
    pub(super) fn parse(fields: &[&'r [u8]]) -> std::result::Result<Self, &'static str> {
        let path = |bytes: &'r [u8]| match bytes {
            [b'/', ..] => Ok(Path::new(OsStr::from_bytes(bytes))),
            _ => Err("the request has no absolute path"),
        };
        let number = |bytes: &[u8], radix| {
            let text = std::str::from_utf8(bytes).ok();
            let number = text.and_then(|text| u32::from_str_radix(text, radix).ok());
            number.ok_or("the request has no number where one is due")
        };
        let id = |bytes: &[u8]| match bytes {
            b"-" => Ok(None),
            _ => number(bytes, 10).map(Some),
        };
        match *fields {
            [b"owner", file, uid, gid, follow] => Ok(Self::Owner {
                path: path(file)?,
                uid: id(uid)?,
                gid: id(gid)?,
                follow: follow == b"1",
            }),
            [b"owner-of", file, reference, which, follow] => Ok(Self::OwnerOf {
                path: path(file)?,
                reference: path(reference)?,
                group_only: which == b"group",
                follow: follow == b"1",
            }),
            [b"node", file, kind, major, minor, mode] => {
                let (major, minor) = (number(major, 10)?, number(minor, 10)?);
                Ok(Self::Node {
                    path: path(file)?,
                    kind: match kind {
                        b"b" => FileType::BlockDevice { major, minor },
                        b"c" => FileType::CharDevice { major, minor },
                        _ => return Err("the request names no kind of device"),
                    },
                    mode: number(mode, 8)? & 0o7777,
                })
            }
            [b"capability", file, value] => Ok(Self::Capability {
                path: path(file)?,
                value: hexadecimal(value).ok_or("the request has no capabilities")?,
            }),
            _ => Err("the request is of no known kind"),
        }
    }
}

fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    let bytes = pairs.iter().map(|pair| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    });
    rest.is_empty().then(|| bytes.collect()).flatten()
}

impl Shared<'_> {
    /// Records it. The error is the reason why that cannot be.
    pub(super) fn record(&self, record: &Record<'_>) -> Result<()> {
        if matches!(self.root, ScriptRoot::Target) {
            return Err("nothing is recorded in this mode: the kernel lets a script do it".to_owned());
        }
        let root = self.dpkg_root();
        let inside =
            |path| inside(&root, path).ok_or_else(|| format!("{} is not in the root", Path::display(path)));
        let target = self.target;
        let failed = |error: rootless_install_fs::Error| error.to_string();
        match record {
            Record::Owner {
                path,
                uid,
                gid,
                follow,
            } => {
                let (path, now) = find(target, inside(path)?, *follow)?;
                let (uid, gid) = (uid.unwrap_or(now.meta.uid), gid.unwrap_or(now.meta.gid));
                target.set_owner(&path, uid, gid).map_err(failed)
            }
            Record::OwnerOf {
                path,
                reference,
                group_only,
                follow,
            } => {
                let (_, from) = find(target, inside(reference)?, true)?;
                let (path, now) = find(target, inside(path)?, *follow)?;
                let uid = if *group_only { now.meta.uid } else { from.meta.uid };
                target.set_owner(&path, uid, from.meta.gid).map_err(failed)
            }
            Record::Node { path, kind, mode } => target
                .make_node(inside(path)?, &Meta::of_root(*kind, *mode))
                .map_err(failed),
            Record::Capability { path, value } => {
                let (path, _) = find(target, inside(path)?, true)?;
                let name = OsStr::new("security.capability");
                match value.as_slice() {
                    [] => target.remove_xattr(&path, name).map_err(failed),
                    value => target.set_xattr(&path, name, value).map_err(failed),
                }
            }
        }
    }
}

/// A file, and its path without a link at the end where that is to be followed.
fn find(target: &Target, path: &Path, follow: bool) -> Result<(std::path::PathBuf, Stat)> {
    /// As the kernel has it (path_resolution(7)).
    const MOST_LINKS: usize = 40;
    let failed = |error: rootless_install_fs::Error| error.to_string();
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let stat = target.stat(&path).map_err(failed)?;
        if !follow || stat.meta.kind != FileType::Symlink {
            // What is recorded now would take its mode back.
            absorb(target, &path, &stat).map_err(failed)?;
            let stat = target.stat(&path).map_err(failed)?;
            return Ok((path, stat));
        }
        let text = target.read_link(&path).map_err(failed)?;
        path = path.parent().unwrap_or(Path::new("/")).join(text);
    }
    Err(format!("too many links at {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(message: &str) -> Vec<&[u8]> {
        message.split(' ').map(str::as_bytes).collect()
    }

    #[test]
    fn messages_are_understood() {
        assert_eq!(
            Record::parse(&fields("owner /target/a 7 - 1")),
            Ok(Record::Owner {
                path: Path::new("/target/a"),
                uid: Some(7),
                gid: None,
                follow: true
            })
        );
        assert_eq!(
            Record::parse(&fields("node /target/n c 1 3 666")),
            Ok(Record::Node {
                path: Path::new("/target/n"),
                kind: FileType::CharDevice { major: 1, minor: 3 },
                mode: 0o666
            })
        );
        assert_eq!(
            Record::parse(&fields("capability /target/a 01ff")),
            Ok(Record::Capability {
                path: Path::new("/target/a"),
                value: vec![1, 255]
            })
        );
    }

    #[test]
    fn hostile_messages_are_refused() {
        for message in [
            "",
            "owner",
            "owner a 0 0 1",
            "owner /a x 0 1",
            "owner /a 0 0",
            "node /a p 0 0 666",
            "node /a c -1 0 666",
            "capability /a 0",
            "capability /a zz",
        ] {
            assert!(Record::parse(&fields(message)).is_err(), "{message}");
        }
    }

    #[test]
    fn links_are_followed_inside() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        let file = Meta::of_root(FileType::Regular, 0o644);
        target.write(Path::new("/a"), b"", &file).unwrap();
        let link = Meta::of_root(FileType::Symlink, 0o777);
        target
            .make_symlink(Path::new("/l"), Path::new("/a"), &link)
            .unwrap();
        target
            .make_symlink(Path::new("/loop"), Path::new("loop"), &link)
            .unwrap();
        assert_eq!(find(&target, Path::new("/l"), true).unwrap().0, Path::new("/a"));
        assert_eq!(find(&target, Path::new("/l"), false).unwrap().0, Path::new("/l"));
        assert!(find(&target, Path::new("/loop"), true).is_err());
    }
}
