//! Extended attributes that record what a file is.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rootless_install_fs::Target as Root;
use rootless_install_fs::encoding::{
    OVERRIDE_XATTR, Override, XATTR_PREFIX, XattrName, xattr_from_disk, xattr_to_disk,
};
use rustix::fs::{XattrFlags, setxattr};

use super::{Spec, Target, nothing, outcome};

pub(super) const XATTR: Spec = Spec {
    name: "xattr",
    what: "the attributes on disk: owners and modes, access control lists, names",
    open: |directory| Box::new(Records(directory.join("root"))),
    seeds: || {
        let list = [
            &b"p"[..],
            &[
                2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 7, 0, 0, 0, 4, 0, 4, 0, 255, 255,
                255, 255,
            ],
            &[16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255],
        ]
        .concat();
        let texts = [
            "o0:0:4755",
            "o7:8:0644:block-1-2",
            "o0:0:0777:symlink",
            "nsecurity.capability",
            "nuser.x",
        ];
        texts.map(Vec::from).into_iter().chain([list]).collect()
    },
    mend: nothing,
};

struct Records(PathBuf);

impl Records {
    /// Sets an attribute of a file to the value, and returns what the target sees of it.
    fn seen(&self, name: &str, value: &[u8]) -> String {
        let file = self.0.join("file");
        let _ = fs::create_dir_all(&self.0);
        let _ = fs::remove_file(&file);
        let _ = fs::write(&file, "text");
        if let Err(error) = setxattr(&file, name, value, XattrFlags::empty()) {
            return error.to_string();
        }
        let root = match Root::open(&self.0) {
            Ok(root) => root,
            Err(error) => return error.to_string(),
        };
        let path = Path::new("/file");
        let stat = outcome(root.stat(path), |stat| stat.meta.mode as usize);
        let read = outcome(root.read(path), |bytes| bytes.len());
        let attributes = root.xattrs(path);
        format!("{stat}\n{read}\n{}", outcome(attributes, |xattrs| xattrs.len()))
    }
}

impl Target for Records {
    fn read(&mut self, input: &[u8]) -> String {
        let (kind, value) = input.split_first().unwrap_or((&b'o', &[]));
        match kind {
            b'n' => {
                if let XattrName::Disk(kept) = xattr_to_disk(value) {
                    assert_eq!(xattr_from_disk(&kept), Some(value), "a name has changed");
                }
                let name = OsStr::from_bytes(value).to_string_lossy().replace('\0', "");
                format!(
                    "{} {}",
                    xattr_from_disk(value).is_some(),
                    self.seen(&format!("user.{name}"), b"x")
                )
            }
            b'p' => self.seen(&format!("{XATTR_PREFIX}system.posix_acl_access"), value),
            _ => {
                let parsed = Override::parse(value);
                if let Some(record) = &parsed {
                    let again = Override::parse(record.format().as_bytes());
                    assert_eq!(again.as_ref(), Some(record), "a record has changed");
                }
                format!("{} {}", parsed.is_some(), self.seen(OVERRIDE_XATTR, value))
            }
        }
    }
}
