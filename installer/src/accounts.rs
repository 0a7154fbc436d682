//! Users and groups of a target (passwd(5), group(5)): by number and by name, for commands that show or take owners, and the
//! account that a program runs as.

mod account;

use rootless_install_fs::Target;
use std::collections::HashMap;
use std::path::Path;

pub(crate) use account::Account;

/// Names of users and groups.
#[derive(Debug, Default)]
pub struct Names {
    users: Table,
    groups: Table,
}

/// The names of a file, and the group that a user has.
#[derive(Debug, Default)]
struct Table {
    by_name: HashMap<String, u32>,
    by_id: HashMap<u32, String>,
    /// Login groups of users.
    groups: HashMap<u32, u32>,
}

/// Returns the fields of each line of passwd(5) or group(5).
fn lines(target: &Target, path: &str) -> Vec<Vec<String>> {
    let text = target.read(Path::new(path)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .map(|line| line.split(':').map(str::to_owned).collect())
        .collect()
}

impl Table {
    /// Reads passwd(5) or group(5): the name and the number are in the same fields.
    fn read(target: &Target, path: &str) -> Self {
        let mut table = Self::default();
        for fields in lines(target, path) {
            let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
            let (Some(name), Some(id)) = (fields.first(), number(2)) else {
                continue;
            };
            // The first of several lines counts.
            table.by_name.entry(name.clone()).or_insert(id);
            table.by_id.entry(id).or_insert_with(|| name.clone());
            if let Some(group) = number(3) {
                table.groups.entry(id).or_insert(group);
            }
        }
        table
    }

    /// Returns the number of a name, or of a number.
    fn id(&self, name: &str) -> Option<u32> {
        let number = name.strip_prefix('+').unwrap_or(name);
        let parsed = || {
            number
                .parse()
                .ok()
                .filter(|_| number.starts_with(|first: char| first.is_ascii_digit()))
        };
        match name.starts_with('+') {
            true => parsed(),
            false => self.by_name.get(name).copied().or_else(parsed),
        }
    }
}

/// An owner to be: a part that is none stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub uid: Option<u32>,
    /// The group's number.
    pub gid: Option<u32>,
}

impl Names {
    /// Reads the target's own.
    pub fn of(target: &Target) -> Self {
        Self {
            users: Table::read(target, "/etc/passwd"),
            groups: Table::read(target, "/etc/group"),
        }
    }

    /// Returns the name of a user; the number where it has none.
    pub fn user(&self, uid: u32) -> String {
        self.users
            .by_id
            .get(&uid)
            .cloned()
            .unwrap_or_else(|| uid.to_string())
    }

    /// Returns the name of a group; the number where it has none.
    pub fn group(&self, gid: u32) -> String {
        self.groups
            .by_id
            .get(&gid)
            .cloned()
            .unwrap_or_else(|| gid.to_string())
    }

    /// Parses an owner as chown(1) does: `USER`, `USER:GROUP`, `USER:` with the user's login group, or `:GROUP`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn owner(&self, text: &str) -> Result<Owner, String> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let uid = match user {
            "" => None,
            user => Some(
                self.users
                    .id(user)
                    .ok_or_else(|| format!("the target has no user {user:?}"))?,
            ),
        };
        let gid = match (group, uid) {
            (None, _) => None,
            (Some(""), Some(uid)) => Some(*self.users.groups.get(&uid).ok_or_else(|| {
                format!("the target has no user {user:?} whose login group could be meant")
            })?),
            (Some(""), None) => None,
            (Some(group), _) => Some(
                self.groups
                    .id(group)
                    .ok_or_else(|| format!("the target has no group {group:?}"))?,
            ),
        };
        match (uid, gid) {
            (None, None) => Err(format!(
                "{text:?} is no owner: give USER, USER:GROUP, USER: or :GROUP"
            )),
            _ => Ok(Owner { uid, gid }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootless_install_fs::{FileType, Meta};

    #[test]
    fn owners_are_the_targets() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        target
            .make_dir(Path::new("/etc"), &Meta::of_root(FileType::Directory, 0o755))
            .unwrap();
        let file = Meta::of_root(FileType::Regular, 0o644);
        let passwd = b"root:x:0:0::/root:/bin/sh\nwww-data:x:33:34::/:/bin/sh\n7:x:70:71::/:/bin/sh\n";
        target.write(Path::new("/etc/passwd"), passwd, &file).unwrap();
        let group = b"root:x:0:\nwww:x:34:\n";
        target.write(Path::new("/etc/group"), group, &file).unwrap();
        let names = Names::of(&target);
        let owner = |uid, gid| Ok(Owner { uid, gid });
        assert_eq!(names.owner("www-data"), owner(Some(33), None));
        assert_eq!(names.owner("www-data:"), owner(Some(33), Some(34)));
        assert_eq!(names.owner(":www"), owner(None, Some(34)));
        assert_eq!(names.owner("5:6"), owner(Some(5), Some(6)));
        // A name comes before a number.
        assert_eq!(names.owner("7:+7"), owner(Some(70), Some(7)));
        assert_eq!(names.owner("+7"), owner(Some(7), None));
        for wrong in ["", ":", "nobody", "root:nogroup", "5:", "-1", "+x"] {
            assert!(names.owner(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            (names.user(33), names.group(35)),
            ("www-data".into(), "35".into())
        );
    }
}
