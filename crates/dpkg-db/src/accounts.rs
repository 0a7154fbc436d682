//! User and group names of the target.

use std::collections::HashMap;
use std::path::Path;

use rootless_install_fs::Target;

use super::error::DpkgError;
use super::files::read_optional;

/// The names in the target's `etc/passwd` and `etc/group`, for owners in archives and overrides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    users: HashMap<Vec<u8>, u32>,
    groups: HashMap<Vec<u8>, u32>,
}

impl Accounts {
    /// Reads the target's `etc/passwd` (passwd(5)) and `etc/group` (group(5)); a file that does not
    /// exist has no names.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn load(target: &Target) -> Result<Accounts, DpkgError> {
        let passwd = read_optional(target, Path::new("/etc/passwd"))?.unwrap_or_default();
        let group = read_optional(target, Path::new("/etc/group"))?.unwrap_or_default();
        Ok(Accounts::parse(&passwd, &group))
    }

    /// Parses the contents of the two files; malformed lines are passed over, as in libc, and
    /// the first line for a name counts.
    pub fn parse(passwd: &[u8], group: &[u8]) -> Accounts {
        Accounts {
            users: ids(passwd),
            groups: ids(group),
        }
    }

    /// Returns the id of a user name.
    pub fn uid(&self, name: &[u8]) -> Option<u32> {
        self.users.get(name).copied()
    }

    /// Returns the id of a group name.
    pub fn gid(&self, name: &[u8]) -> Option<u32> {
        self.groups.get(name).copied()
    }
}

fn ids(file: &[u8]) -> HashMap<Vec<u8>, u32> {
    let mut ids = HashMap::new();
    for line in file.split(|b| *b == b'\n') {
        let mut parts = line.split(|b| *b == b':');
        let (Some(name), Some(id)) = (parts.next(), parts.nth(1)) else {
            continue;
        };
        let id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
        if let (false, Some(id)) = (name.is_empty(), id) {
            ids.entry(name.to_owned()).or_insert(id);
        }
    }
    ids
}
