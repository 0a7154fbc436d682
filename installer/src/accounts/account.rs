//! The account that a program runs as.

use super::lines;
use rootless_install_fs::Target;

/// A user of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Name; the number where there is none.
    pub(crate) name: String,
    /// User.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
    /// Supplementary groups.
    pub(crate) groups: Vec<u32>,
    /// Home directory.
    pub(crate) home: String,
    /// Shell.
    pub(crate) shell: String,
}

impl Account {
    /// Returns the user of a target that `given` names: `NAME`, `UID`, and either with `:GROUP` or `:GID`.
    ///
    /// # Errors
    /// There is no such user or group, in words.
    pub(crate) fn find(target: &Target, given: &str) -> Result<Self, String> {
        let (user, group) = match given.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (given, None),
        };
        let users = lines(target, "/etc/passwd");
        let number: Option<u32> = user.parse().ok();
        let known = users.iter().find(|fields| match number {
            Some(uid) => field(fields, 2).parse() == Ok(uid),
            None => field(fields, 0) == user,
        });
        let mut account = match (known, number) {
            (Some(fields), _) => Self::of(fields).ok_or_else(|| {
                format!("the line of user {user} in the target's /etc/passwd makes no sense")
            })?,
            (None, Some(uid)) => Self {
                name: uid.to_string(),
                uid,
                gid: uid,
                groups: Vec::new(),
                home: "/".to_owned(),
                shell: "/bin/sh".to_owned(),
            },
            (None, None) => return Err(format!("the target has no user {user}")),
        };
        let groups = lines(target, "/etc/group");
        match group {
            Some(group) => {
                let known = groups.iter().find(|fields| field(fields, 0) == group);
                let gid = known.map_or(group, |fields| field(fields, 2));
                account.gid = gid
                    .parse()
                    .map_err(|_| format!("the target has no group {group}"))?;
            }
            None => {
                let member =
                    |fields: &&Vec<String>| field(fields, 3).split(',').any(|name| name == account.name);
                let more = groups.iter().filter(member);
                account.groups = more.filter_map(|fields| field(fields, 2).parse().ok()).collect();
            }
        }
        if account.uid > LAST || account.gid > LAST {
            return Err(format!(
                "--user {given}: users and groups of a target are at most {LAST}"
            ));
        }
        Ok(account)
    }

    /// Returns the root user of a target, whatever its accounts are.
    pub(crate) fn root(target: &Target) -> Self {
        let known = Self::find(target, "0").ok().filter(|account| account.name != "0");
        known.unwrap_or_else(|| Self {
            name: "root".to_owned(),
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            home: "/root".to_owned(),
            shell: "/bin/sh".to_owned(),
        })
    }

    fn of(fields: &[String]) -> Option<Self> {
        let or = |text: &str, otherwise: &str| match text {
            "" => otherwise.to_owned(),
            text => text.to_owned(),
        };
        Some(Self {
            name: field(fields, 0).to_owned(),
            uid: field(fields, 2).parse().ok()?,
            gid: field(fields, 3).parse().ok()?,
            groups: Vec::new(),
            home: or(field(fields, 5), "/"),
            shell: or(field(fields, 6), "/bin/sh"),
        })
    }
}

/// The last id that a view has (Policy 9.2.2).
const LAST: u32 = 65534;

fn field(fields: &[String], at: usize) -> &str {
    fields.get(at).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootless_install_fs::{FileType, Meta};
    use std::path::Path;

    #[test]
    fn users_by_name_and_number() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(directory.path()).unwrap();
        assert_eq!(Account::root(&target).home, "/root");
        let etc = Meta::of_root(FileType::Directory, 0o755);
        target.make_dir(Path::new("/etc"), &etc).unwrap();
        let file = Meta::of_root(FileType::Regular, 0o644);
        let passwd = b"root:x:0:0:root:/root:/bin/bash\nmail:x:8:9::/var/mail:\nodd:x\n";
        target.write(Path::new("/etc/passwd"), passwd, &file).unwrap();
        let group = b"root:x:0:\nmail:x:9:\nadm:x:4:root,mail\n";
        target.write(Path::new("/etc/group"), group, &file).unwrap();
        let find = |given| Account::find(&target, given);
        let mail = find("mail").unwrap();
        assert_eq!((mail.uid, mail.gid, mail.shell.as_str()), (8, 9, "/bin/sh"));
        assert_eq!(mail.groups, [4]);
        assert_eq!(find("8").unwrap(), mail);
        let other = find("mail:adm").unwrap();
        assert_eq!((other.gid, other.groups), (4, Vec::new()));
        assert_eq!(find("1000:100").unwrap().gid, 100);
        assert!(find("nobody-such").is_err_and(|error| error.contains("no user nobody-such")));
        assert!(find("mail:x").is_err_and(|error| error.contains("no group x")));
        assert!(find("odd").is_err() && find("70000").is_err());
        assert_eq!(Account::root(&target).shell, "/bin/bash");
    }
}
