//! The ordinary user the program is run as.

use std::ops::Range;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::unistd::{User, geteuid};

use crate::{Error, Result};

/// The account that root's tests use.
const TEST_USER: &str = "ritest";

/// An ordinary user.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its id.
    pub uid: u32,
    /// Its group's id.
    pub gid: u32,
    /// Its range of subordinate user ids.
    pub subordinate: Option<Range<u32>>,
}

impl Account {
    /// Whoever runs the tests; for root the account made by `scripts/test`.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn of_tests() -> Result<Self> {
        let wanted = std::env::var("ROOTLESS_INSTALL_TEST_USER").unwrap_or_else(|_| TEST_USER.to_owned());
        let user = if geteuid().is_root() {
            User::from_name(&wanted)
        } else {
            User::from_uid(geteuid())
        };
        let user = user.ok().flatten().ok_or_else(|| {
            Error::Machine(format!(
                "there is no account {wanted}; run scripts/test, which makes it"
            ))
        })?;
        let subordinate = subordinate("/etc/subuid", &user.name, user.uid.as_raw());
        let groups = subordinate_exists("/etc/subgid", &user.name, user.uid.as_raw());
        Ok(Self {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            subordinate: subordinate.filter(|_| groups),
            name: user.name,
        })
    }

    /// A command that runs as this user, with an environment built from nothing.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        command.env(
            "PATH",
            "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
        );
        command
            .env("LANG", "C.UTF-8")
            .env("USER", &self.name)
            .env("LOGNAME", &self.name);
        if geteuid().is_root() {
            // Leaves root's groups and capabilities as well.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Whether `uid` is this user's or one of its subordinate ids.
    #[must_use]
    pub fn owns(&self, uid: u32) -> bool {
        uid == self.uid
            || self
                .subordinate
                .as_ref()
                .is_some_and(|range| range.contains(&uid))
    }
}

fn subordinate(file: &str, name: &str, uid: u32) -> Option<Range<u32>> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        if owner != name && owner != uid.to_string() {
            return None;
        }
        let first: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        Some(first..first.saturating_add(count))
    })
}

fn subordinate_exists(file: &str, name: &str, uid: u32) -> bool {
    subordinate(file, name, uid).is_some()
}
